"""DALI's preprocess of the a6000 repository against our own: its CPU form, serialised and run
through libdali's C API, as a server would."""
import json
import subprocess
import sys

import numpy as np
import pytest

import dali_run
import pipeline_reference
import vision_probe
from conftest import DATA, ROOT

cv2 = pytest.importorskip("cv2")

WHEELS = ROOT / ".deps/dali"
SCRIPT = ROOT / "triton_repo/a6000/preprocess/1/dali.py"
BATCH = 4
GRAY = np.float32(114 / 255)
PICTURES = sorted(DATA.glob("*/**/*.jpg"))

pytestmark = pytest.mark.skipif(not (WHEELS / "nvidia/dali/libdali.so").exists(),
                                reason="DALI is not set up, or has no wheel for this machine")


def serialise(output, *options, script=SCRIPT):
    return subprocess.run(
        [sys.executable, "-B", str(script), "-o", str(output), *map(str, options)],
        capture_output=True, text=True, errors="replace", env={"PYTHONPATH": str(WHEELS)})


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Paths of the CPU form by size; a server finds nothing else of DALI's Python."""
    folder = tmp_path_factory.mktemp("dali")

    def path_of(size):
        path = folder / f"{size}.dali"
        if not path.exists():
            done = serialise(path, "--device", "cpu", "--size", size)
            assert done.returncode == 0, done.stderr
        return path

    return path_of


def batches(count):
    return [range(first, min(first + BATCH, count)) for first in range(0, count, BATCH)]


def geometry(width, height, size):
    """The reference's: scale, left, top, resized width and height."""
    scale = min(size / height, size / width)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    return scale, round((size - w) / 2 - 0.1), round((size - h) / 2 - 0.1), w, h


def check_padding(image, placement, size):
    """The placement is the reference's, and outside of it there is gray and nothing else."""
    width, height, *place = placement
    scale, left, top, w, h = geometry(int(width), int(height), size)
    assert place == [np.float32(scale), left, top]
    outside = np.ones((size, size), bool)
    outside[top:top + h, left:left + w] = False
    assert np.abs(image[:, outside] - GRAY).max(initial=0) < 1e-6


def compare(model, pictures, size):
    """No value differs by more than a level."""
    with (dali_run.Runner(WHEELS, model(size), size, BATCH, pictures) as dali,
          vision_probe.Letterbox(pictures, size) as ours):
        for numbers in batches(len(pictures)):
            for number, image, placement in zip(numbers, *dali.run(*numbers)):
                check_padding(image, placement, size)
                levels = np.abs(image - ours.tensor(number)) * 255
                assert levels.max() <= 1.001, pictures[number]


@pytest.mark.parametrize("size", [640, 416, 1280])
def test_sample_is_within_one_level(model, size):
    assert len(PICTURES) == 33
    compare(model, PICTURES, size)


def test_coco128_is_within_one_level(model, full_data):
    pictures = sorted((full_data / "coco128/images").glob("*.jpg"))
    assert len(pictures) == 128
    compare(model, pictures, 640)


SIZES = [(1, 1), (1, 50), (50, 1), (2, 3), (300, 7), (33, 47), (641, 427), (427, 641), (641, 639),
         (640, 639), (1279, 853), (1280, 853), (853, 1280), (1281, 1281), (3000, 2), (4999, 2001)]


def test_odd_sizes_of_noise(model, tmp_path):
    """1280 x 853 shrinks to a height of 426.5, 641 x 427 to one pixel row more below than above.
    Noise has the largest steps from pixel to pixel; both ways to store colours."""
    pictures = []
    for width, height in SIZES:
        noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
        for sampling in (cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
                         cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420):
            pictures.append(tmp_path / f"{width}x{height}-{sampling:x}.jpg")
            cv2.imwrite(str(pictures[-1]), noise, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling])
    compare(model, pictures, 640)


def turned(jpeg, orientation):
    """The file with an EXIF block put in by hand."""
    entry = np.array([1, 0x0112, 3, 1, 0, orientation, 0, 0, 0], "<u2").tobytes()
    block = b"Exif\0\0II*\0\x08\0\0\0" + entry
    return jpeg[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]


def test_other_kinds_of_jpeg(model, tmp_path):
    """EXIF orientations, gray, progressive, zeros after the end of the picture."""
    jpeg = PICTURES[0].read_bytes()
    files = {f"turned{o}": turned(jpeg, o) for o in range(1, 9)}
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    files["gray"] = cv2.imencode(".jpg", gray)[1].tobytes()
    files["progressive"] = cv2.imencode(".jpg", picture,
                                        [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    files["followed"] = jpeg + bytes(10000)
    for name, data in files.items():
        (tmp_path / f"{name}.jpg").write_bytes(data)
    compare(model, sorted(tmp_path.glob("*.jpg")), 640)


def frame(jpeg, width, height):
    """The file with another size in its header."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + jpeg[at + 4:]


BROKEN = {
    "empty": lambda jpeg: b"",
    "text": lambda jpeg: b"no picture " * 100,
    "header": lambda jpeg: jpeg[:100],
    "half": lambda jpeg: jpeg[:len(jpeg) // 2],
    "end": lambda jpeg: jpeg[:-2],
    "none": lambda jpeg: frame(jpeg, 0, 0),
    "pixels": lambda jpeg: frame(jpeg, 32768, 32768),
    "side": lambda jpeg: frame(jpeg, 40000, 10),
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_pictures_fail_and_the_next_do_not(model, tmp_path, how):
    """With libdali's reason; what our own decoder refuses is refused."""
    path = tmp_path / "broken.jpg"
    path.write_bytes(BROKEN[how](PICTURES[0].read_bytes()))
    with dali_run.Runner(WHEELS, model(640), 640, BATCH, [PICTURES[0], path]) as dali:
        for numbers in ((1,), (0, 1)):
            with pytest.raises(RuntimeError) as error:
                dali.run(*numbers)
            reason = "within_size_limit" if how in ("pixels", "side") else "image"
            assert reason in str(error.value)
        assert dali.run(0)[1][0, 0] > 1


def test_ap_over_coco128(tare, tmp_path, model, full_data, small_yolov8):
    """DALI's tensors through ONNX Runtime and our boxes, against `tare eval` on the same files."""
    ort = pytest.importorskip("onnxruntime")
    graph, folder = small_yolov8(640), full_data / "coco128"
    annotations = folder / "instances.json"
    images = json.loads(annotations.read_text())["images"]
    ours, theirs = tmp_path / "ours.json", tmp_path / "dali.json"
    done = tare("eval", graph, "-i", folder / "images", "-a", annotations, "-o", ours, "-q")
    assert done.returncode == 0, done.stderr

    session, found = ort.InferenceSession(str(graph)), []
    files = [folder / "images" / image["file_name"] for image in images]
    with dali_run.Runner(WHEELS, model(640), 640, 1, files) as dali:
        for number, image in enumerate(images):
            tensor, placement = dali.run(number)
            head = session.run(None, {session.get_inputs()[0].name: tensor})
            for x1, y1, x2, y2, score, one in vision_probe.boxes(
                    "raw", head, 640, 80, 0.001, 0.7, 300, True, *map(int, placement[0, :2])):
                found.append({"image_id": image["id"], "score": score,
                              "category_id": pipeline_reference.CATEGORY_IDS[int(one)],
                              "bbox": [x1, y1, x2 - x1, y2 - y1]})
    theirs.write_text(json.dumps(found))
    done = tare("eval", "-a", annotations, "-d", theirs, "--against", ours, "--json")
    assert done.returncode == 0, done.stderr
    assert abs(json.loads(done.stdout)["difference"]["ap"]["difference"]) <= 0.0005


def test_server_serialises_it_with_the_size_of_its_config(tmp_path):
    """What Triton's DALI backend does with dali.py, but for the GPU that it takes there."""
    version = tmp_path / "preprocess/1"
    version.mkdir(parents=True)
    script = version / "dali.py"
    script.write_bytes(SCRIPT.read_bytes())
    (version.parent / "config.pbtxt").write_text(
        'output [ { name: "images" data_type: TYPE_FP32 dims: [ 3, 96, 96 ] } ]')
    done = serialise(version / "model.dali", "--device", "cpu", script=script)
    assert done.returncode == 0, done.stderr
    with dali_run.Runner(WHEELS, version / "model.dali", 96, 1, PICTURES) as dali:
        assert dali.run(0)[0].shape == (1, 3, 96, 96)


def test_gpu_form_is_serialised_or_says_why_not(tmp_path):
    output = tmp_path / "model.dali"
    done = serialise(output, "--device", "gpu")
    if done.returncode == 0:
        assert output.stat().st_size > 1000
    else:
        assert "cannot serialise the gpu form: need a machine with a GPU" in done.stderr
        assert not output.exists()


def test_wrong_sizes_are_refused(tmp_path):
    for size in (0, 4097):
        done = serialise(tmp_path / "model.dali", "--device", "cpu", "--size", size)
        assert done.returncode == 2
        assert f"size {size}, need 1..4096" in done.stderr
