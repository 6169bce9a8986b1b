"""tare's backend inside a real tritonserver: what it computes, how it batches, what it refuses.

TARE_BIN=build/asan/bin runs all of it against the build with AddressSanitizer.
"""
import contextlib
import json
import mmap
import pathlib
import struct
import subprocess
import threading
import time

import numpy as np
import pytest

import small_models
from triton_server import (BIN, InferError, ROOT, Server, encode_request, encode_strings,
                           needs_triton, parameters, write_config)

SIZE = 320  # of the detector in these tests; the classes are COCO's 80
MAX_BOXES = 300
PICTURES = sorted((ROOT / "data/sample/images").glob("*.jpg"))

TENSORS = {
    "preprocess": f"""
        input {{ name: "jpeg" data_type: TYPE_STRING dims: [ 1 ] }}
        output {{ name: "images" data_type: TYPE_FP32 dims: [ 3, {SIZE}, {SIZE} ] }}
        output {{ name: "placement" data_type: TYPE_FP32 dims: [ 5 ] }}""",
    "boxes": "".join(f"""
        input {{ name: "{kind}{stride}" data_type: TYPE_FP32
                 dims: [ {count}, {SIZE // stride}, {SIZE // stride} ] }}"""
                     for stride in (8, 16, 32) for kind, count in (("box", 64), ("cls", 80))) + f"""
        input {{ name: "placement" data_type: TYPE_FP32 dims: [ 5 ] }}
        output {{ name: "boxes" data_type: TYPE_FP32 dims: [ {MAX_BOXES}, 6 ] }}
        output {{ name: "count" data_type: TYPE_INT32 dims: [ 1 ] }}""",
    "pipeline": f"""
        input {{ name: "jpeg" data_type: TYPE_STRING dims: [ 1 ] }}
        output {{ name: "boxes" data_type: TYPE_FP32 dims: [ {MAX_BOXES}, 6 ] }}
        output {{ name: "count" data_type: TYPE_INT32 dims: [ 1 ] }}""",
    "detector": f"""
        input {{ name: "images" data_type: TYPE_FP32 dims: [ 3, {SIZE}, {SIZE} ] }}""" + "".join(
            f"""
        output {{ name: "{kind}{stride}" data_type: TYPE_FP32
                  dims: [ {count}, {SIZE // stride}, {SIZE // stride} ] }}"""
            for stride in (8, 16, 32) for kind, count in (("box", 64), ("cls", 80))),
    "convolution": """
        input { name: "x" data_type: TYPE_FP32 dims: [ 3, 16, 16 ] }
        output { name: "y" data_type: TYPE_FP32 dims: [ 8, 16, 16 ] }
        output { name: "mean" data_type: TYPE_FP32 dims: [ 8, 1, 1 ] }""",
    "open": """
        input { name: "x" data_type: TYPE_FP32 dims: [ 3, -1, -1 ] }
        output { name: "y" data_type: TYPE_FP32 dims: [ 8, -1, -1 ] }""",
    "strings": """
        input { name: "s" data_type: TYPE_STRING dims: [ 2 ] }
        output { name: "t" data_type: TYPE_STRING dims: [ 1 ] }""",
    "nothing": "",
    "null": """
        input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }
        output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }""",
}
NULL = {"plugin": "null", "option__inputs": "x:fp32:-1x4", "option__outputs": "y:fp32:-1x4"}


def add_model(repository, name, kind, max_batch=8, batching="", count=1, **options):
    """A model of the backend; kind names its tensors. Returns its version's folder."""
    return write_config(repository, name, f"""
        backend: "tare"
        max_batch_size: {max_batch}
        {TENSORS[kind]}
        instance_group {{ kind: KIND_CPU count: {count} }}
        {batching}
        """ + parameters(**options))


@pytest.fixture(scope="session")
def detector(tare, tmp_path_factory):
    """YOLOv8n for small squares and any batch."""
    path = tmp_path_factory.mktemp("detector") / "model.onnx"
    done = tare("export", ROOT / "data/yolov8n.pt", "--imgsz", SIZE, "--batch", "dynamic", "-o",
                path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def server(detector, tmp_path_factory):
    """One server with a model of every role, and of every way to misuse them."""
    needs_triton()
    repository = tmp_path_factory.mktemp("repository")
    folder = add_model(repository, "convolution", "convolution")
    small_models.convolution(folder / "model.onnx")
    folder = add_model(repository, "fixed", "convolution", max_batch=4, model_file="four.onnx")
    small_models.convolution(folder / "four.onnx", batch=4)
    folder = add_model(repository, "open", "open", max_batch=4, size=16)
    small_models.any_size(folder / "model.onnx")
    add_model(repository, "strings", "strings", max_batch=2, plugin="null",
              option__inputs="s:bytes:-1x2", option__outputs="t:bytes:-1x1")
    add_model(repository, "preprocess", "preprocess", role="preprocess", size=SIZE)
    add_model(repository, "boxes", "boxes", role="boxes")
    add_model(repository, "pooled", "pipeline", role="pipeline", pool_threads=3, threads=1,
              batching="dynamic_batching { max_queue_delay_microseconds: 200000 "
                       "preferred_batch_size: [ 6 ] }", option__spinning="off")
    (repository / "pooled/1/model.onnx").symlink_to(detector)
    add_model(repository, "pipeline", "pipeline", role="pipeline", threads=1)
    (repository / "pipeline/1/model.onnx").symlink_to(detector)
    add_model(repository, "detector", "detector", threads=1)
    (repository / "detector/1/model.onnx").symlink_to(detector)
    add_model(repository, "null", "null", **NULL)
    add_model(repository, "slow", "null", batching="dynamic_batching { }", **NULL,
              option__delay_ns=2000000)
    add_model(repository, "failing", "null", **NULL, option__fail_at_run=2)
    with Server(repository) as running:
        yield running


def reference(model, inputs):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, inputs)))


def pictures(rows):
    """The input jpeg with one file a row."""
    return {"jpeg": ("BYTES", [len(rows), 1], encode_strings(rows))}


@pytest.fixture(scope="module")
def predicted(tare, detector):
    """Boxes of each sample picture by the program itself, as rows of the output boxes."""
    found = {}
    for path in PICTURES:
        done = tare("predict", path, "-m", detector, "--threads", 1, "--json")
        assert done.returncode == 0, done.stderr
        found[path] = json.loads(done.stdout)["boxes"]
    return found


# --- what it computes ----------------------------------------------------------------------------

@pytest.mark.parametrize("rows", [1, 3, 8])
def test_model_gives_what_onnx_runtime_gives(server, rows):
    x = np.random.default_rng(rows).standard_normal((rows, 3, 16, 16), np.float32)
    expected = reference(server.repository / "convolution/1/model.onnx", {"x": x})
    outputs = server.infer("convolution", {"x": x})
    assert sorted(outputs) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(outputs[name], value)


def test_model_gives_only_the_outputs_asked_for(server):
    x = np.random.default_rng(5).standard_normal((2, 3, 16, 16), np.float32)
    expected = reference(server.repository / "convolution/1/model.onnx", {"x": x})
    outputs = server.infer("convolution", {"x": x}, outputs=["mean"])
    assert list(outputs) == ["mean"]
    np.testing.assert_array_equal(outputs["mean"], expected["mean"])


def test_model_answers_in_json_too(server):
    x = np.ones((1, 3, 16, 16), np.float32)
    np.testing.assert_array_equal(server.infer("convolution", {"x": x}, binary=False)["y"],
                                  server.infer("convolution", {"x": x})["y"])


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_fixed_batch_serves_smaller_ones(server, rows):
    x = np.random.default_rng(rows).standard_normal((rows, 3, 16, 16), np.float32)
    full = np.zeros((4, 3, 16, 16), np.float32)
    full[:rows] = x
    expected = reference(server.repository / "fixed/1/four.onnx", {"x": full})
    np.testing.assert_array_equal(server.infer("fixed", {"x": x})["y"], expected["y"][:rows])


def test_open_shapes_grow_and_shrink(server):
    """From smaller than what the session was opened with to more than it has room for."""
    for rows, side in ((1, 8), (2, 200), (1, 16), (4, 200), (2, 200), (1, 401), (3, 5)):
        x = np.random.default_rng(side).standard_normal((rows, 3, side, side + 1), np.float32)
        expected = reference(server.repository / "open/1/model.onnx", {"x": x})["y"]
        np.testing.assert_array_equal(server.infer("open", {"x": x})["y"], expected)


def test_strings_pass(server):
    value = ("BYTES", [2, 2], encode_strings([b"", b"a", b"bc", bytes(1000)]))
    assert server.infer("strings", {"s": value})["t"] == [b"", b""]


@contextlib.contextmanager
def shared_memory(server, name, size):
    """A registered region, as a writable buffer."""
    path = pathlib.Path("/dev/shm") / f"{server.mark}_{name}"
    with open(path, "w+b") as file:
        file.truncate(size)
        memory = mmap.mmap(file.fileno(), size)
    region = f"/v2/systemsharedmemory/region/{name}"
    server.ask_json("POST", f"{region}/register",
                    {"key": f"/{path.name}", "offset": 0, "byte_size": size})
    try:
        yield memory
    finally:
        server.ask_json("POST", f"{region}/unregister", {})
        path.unlink()


@pytest.mark.parametrize("offset", [0, 4, 3])
def test_shared_memory_in_and_out(server, offset):
    """Lent memory is used wherever a float can lie; elsewhere it is copied."""
    x = np.random.default_rng(offset).standard_normal((2, 3, 16, 16), np.float32)
    expected = reference(server.repository / "convolution/1/model.onnx", {"x": x})
    size = x.nbytes + offset
    with shared_memory(server, "in", size) as source, \
            shared_memory(server, "out", 1 << 20) as target:
        source[offset:size] = x.tobytes()
        place = {"shared_memory_byte_size": expected["y"].nbytes, "shared_memory_offset": offset,
                 "shared_memory_region": "out"}
        answer = server.ask_json("POST", "/v2/models/convolution/infer", {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": list(x.shape), "parameters": {
                "shared_memory_byte_size": x.nbytes, "shared_memory_offset": offset,
                "shared_memory_region": "in"}}],
            "outputs": [{"name": "y", "parameters": place}]})
        assert answer["outputs"][0]["shape"] == list(expected["y"].shape)
        got = np.frombuffer(target[offset:offset + expected["y"].nbytes], np.float32)
        np.testing.assert_array_equal(got.reshape(expected["y"].shape), expected["y"])


def assert_boxes(outputs, row, expected):
    """One row of the outputs boxes and count against what 'tare predict' printed."""
    count = outputs["count"][row, 0]
    assert count == len(expected)
    assert not outputs["boxes"][row, count:].any()
    for got, box in zip(outputs["boxes"][row, :count], expected):
        want = [box[key] for key in ("x1", "y1", "x2", "y2", "score", "class_id")]
        np.testing.assert_array_equal(got, np.array(want, np.float32))


def test_pipeline_finds_what_predict_finds(server, predicted):
    assert sum(map(len, predicted.values())) > 10
    for path, expected in predicted.items():
        assert_boxes(server.infer("pipeline", pictures([path.read_bytes()])), 0, expected)


def test_pipeline_takes_many_pictures_at_once(server, predicted):
    paths = PICTURES[:7]
    outputs = server.infer("pooled", pictures([path.read_bytes() for path in paths]))
    for row, path in enumerate(paths):
        assert_boxes(outputs, row, predicted[path])


def test_the_parts_give_what_the_whole_gives(server):
    files = [path.read_bytes() for path in PICTURES[:4]]
    whole = server.infer("pipeline", pictures(files))
    pre = server.infer("preprocess", pictures(files))
    heads = server.infer("detector", {"images": pre["images"]})
    parts = server.infer("boxes", {**heads, "placement": pre["placement"]})
    np.testing.assert_array_equal(parts["count"], whole["count"])
    np.testing.assert_array_equal(parts["boxes"], whole["boxes"])


def test_preprocess_gives_each_output_alone(server):
    files = [path.read_bytes() for path in PICTURES[:2]]
    both = server.infer("preprocess", pictures(files))
    for name in both:
        alone = server.infer("preprocess", pictures(files), outputs=[name])
        np.testing.assert_array_equal(alone[name], both[name])


# --- batches -------------------------------------------------------------------------------------

def in_threads(count, work):
    """Runs work(0..count-1) at once; raises what one of them raised."""
    failures = []

    def guarded(index):
        try:
            work(index)
        except BaseException as e:  # pylint: disable=broad-except
            failures.append(e)

    threads = [threading.Thread(target=guarded, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_batches_form_under_load(server):
    before = server.batch_sizes("slow")

    def client(_):
        connection = server.connect()
        for _ in range(25):
            outputs = server.infer("slow", {"x": np.ones((1, 4), np.float32)},
                                   connection=connection)
            assert outputs["y"].shape == (1, 4)
        connection.close()

    in_threads(8, client)
    counted = sum(size * count for size, count in before.items()) + 200
    server.settled_stats("slow", lambda stats: sum(
        entry["batch_size"] * entry["compute_infer"]["count"] for entry in stats["batch_stats"])
        >= counted, patience=30)
    after = server.batch_sizes("slow")
    sizes = {size: count - before.get(size, 0) for size, count in after.items()}
    assert sum(size * count for size, count in sizes.items()) == 200
    assert sum(sizes.values()) < 200 and max(s for s, count in sizes.items() if count) > 1


def test_statistics_count_requests_rows_and_failures(server):
    before = server.stats("pipeline")
    good = PICTURES[0].read_bytes()
    server.infer("pipeline", pictures([good, good]))
    with pytest.raises(InferError):
        server.infer("pipeline", pictures([good[:1000]]))
    fails = before["inference_stats"]["fail"]["count"]
    after = server.settled_stats(
        "pipeline", lambda stats: stats["inference_stats"]["fail"]["count"] > fails)

    def grown(*path):
        a, b = before, after
        for key in path:
            a, b = a[key], b[key]
        return b - a

    assert grown("inference_count") == 2
    assert grown("execution_count") == 1
    assert grown("inference_stats", "success", "count") == 1
    assert grown("inference_stats", "fail", "count") == 1
    for stage in ("compute_input", "compute_infer", "compute_output"):
        assert grown("inference_stats", stage, "ns") > 0


def test_a_broken_picture_fails_alone(server, predicted):
    """Six requests that Triton makes one batch of; the third and the last are broken."""
    files = [path.read_bytes() for path in PICTURES[:6]]
    files[2] = files[2][:len(files[2]) // 2]
    files[5] = b"no picture"
    before = server.batch_sizes("pooled")
    outcomes = [None] * 6

    def client(index):
        try:
            outcomes[index] = server.infer("pooled", pictures([files[index]]))
        except InferError as e:
            outcomes[index] = e

    in_threads(6, client)
    for index, path in enumerate(PICTURES[:6]):
        if index in (2, 5):
            assert isinstance(outcomes[index], InferError) and outcomes[index].status == 400
            assert "JPEG" in outcomes[index].message
        else:
            assert_boxes(outcomes[index], 0, predicted[path])
    served = sum(size * count for size, count in before.items())
    server.settled_stats("pooled", lambda stats: stats["inference_count"] >= served + 4)
    sizes = server.batch_sizes("pooled")
    assert any(count > before.get(size, 0) for size, count in sizes.items() if size > 1)


def test_the_broken_row_of_a_request_is_named(server):
    good = PICTURES[0].read_bytes()
    with pytest.raises(InferError, match="row 1 of 3: .*JPEG"):
        server.infer("pipeline", pictures([good, good[:500], good]))


def test_a_failing_run_fails_its_request(server):
    x = np.ones((1, 4), np.float32)
    server.infer("failing", {"x": x})
    with pytest.raises(InferError, match="run 2 fails, as planted"):
        server.infer("failing", {"x": x})
    server.infer("failing", {"x": x})


# --- what it refuses -----------------------------------------------------------------------------

def huge_jpeg(width, height):
    """The header of a picture of that size, and no more data than a small one has."""
    data = bytearray(PICTURES[0].read_bytes())
    at = data.find(b"\xff\xc0")
    struct.pack_into(">HH", data, at + 5, height, width)
    return bytes(data)


def malformed_requests():
    good = PICTURES[0].read_bytes()
    one = encode_strings([good])
    floats = np.zeros((1, 3, 16, 16), np.float32)
    for model in ("pipeline", "preprocess"):
        for what, value in {
                "truncated": pictures([good[:len(good) // 2]]),
                "no picture": pictures([b"\xff\xd8\xff"]),
                "empty string": pictures([b""]),
                "65535 x 65535": pictures([huge_jpeg(65535, 65535)]),
                "32768 x 32768": pictures([huge_jpeg(32768, 32768)]),
                "length past the end": ("BYTES", [1, 1], struct.pack("<I", 1 << 31) + good),
                "length of 4 GiB": ("BYTES", [1, 1], b"\xff\xff\xff\xff"),
                "cut length": ("BYTES", [1, 1], b"\x01\x00"),
                "no bytes": ("BYTES", [1, 1], b""),
                "bytes left": ("BYTES", [1, 1], one + b"rest"),
                "two strings for one": ("BYTES", [1, 1], one + one),
                "one string for two": ("BYTES", [2, 1], one),
                "wrong dtype": ("UINT8", [1, 1], b"\x00"),
                "wrong shape": ("BYTES", [1, 2], one + one),
                "no dimensions": ("BYTES", [], one),
                "one dimension": ("BYTES", [1], one),
                "empty batch": ("BYTES", [0, 1], b""),
                "batch too large": ("BYTES", [9, 1], one * 9),
                "negative batch": ("BYTES", [-1, 1], one),
                "absurd batch": ("BYTES", [1 << 62, 1], one)}.items():
            value = value if isinstance(value, dict) else {"jpeg": value}
            yield pytest.param(model, value, id=f"{model}, {what}")
    for what, value in {
            "wrong dtype": floats.astype(np.float64),
            "wrong shape": np.zeros((1, 3, 16, 15), np.float32),
            "no batch": np.zeros((3, 16, 16), np.float32),
            "empty batch": np.zeros((0, 3, 16, 16), np.float32),
            "batch too large": np.zeros((9, 3, 16, 16), np.float32),
            "too few bytes": ("FP32", [1, 3, 16, 16], bytes(100)),
            "too many bytes": ("FP32", [1, 3, 16, 16], bytes(4000)),
            "absurd batch": ("FP32", [1 << 60, 3, 16, 16], bytes(4000))}.items():
        yield pytest.param("convolution", {"x": value}, id=f"model, {what}")
    for what, value in {
            "length past the end": ("BYTES", [1, 2], struct.pack("<I", 100) + b"abc"),
            "one string for two": ("BYTES", [1, 2], encode_strings([b"abc"])),
            "bytes left": ("BYTES", [1, 2], encode_strings([b"abc", b""]) + b"rest"),
    }.items():
        yield pytest.param("strings", {"s": value}, id=f"strings, {what}")
    yield pytest.param("convolution", {"z": floats}, id="model, another name")
    yield pytest.param("convolution", {}, id="model, no input")
    for what, frame in {
            "not a number": [640, 480, np.nan, 0, 0], "no scale": [640, 480, 0, 0, 0],
            "no size": [0, 0, 1, 0, 0], "infinite": [np.inf, 480, 1, 0, 0],
            "half a pixel": [640.5, 480, 1, 0, 0], "far away": [640, 480, 1, 1e30, 0],
            "before the square": [640, 480, 1, 0, -5]}.items():
        yield pytest.param("boxes", {**head(1), "placement": np.array([frame], np.float32)},
                           id=f"boxes, placement {what}")
    yield pytest.param("boxes", {**head(1), "placement": np.ones((2, 5), np.float32)},
                       id="boxes, two batches")
    yield pytest.param("boxes", head(1), id="boxes, no placement")


def head(rows):
    """A head that sees nothing."""
    return {f"{kind}{stride}": np.full((rows, count, SIZE // stride, SIZE // stride), -20,
                                       np.float32)
            for stride in (8, 16, 32) for kind, count in (("box", 64), ("cls", 80))}


@pytest.mark.parametrize("model, inputs", list(malformed_requests()))
def test_malformed_requests_are_refused(server, model, inputs):
    with pytest.raises(InferError) as refused:
        server.infer(model, inputs)
    # Triton's own reader of requests answers some of it, with 500
    assert refused.value.status == 400 or "Unable to parse" in refused.value.message
    assert refused.value.message
    assert server.alive()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38])
def test_a_head_of_odd_numbers_harms_nobody(server, value):
    tensors = {name: np.full_like(tensor, value) for name, tensor in head(2).items()}
    frame = np.array([[640, 480, 0.5, 0, 40]] * 2, np.float32)
    outputs = server.infer("boxes", {**tensors, "placement": frame})
    assert (outputs["count"] <= MAX_BOXES).all() and np.isfinite(outputs["boxes"]).all()


def test_the_server_still_works_after_all_of_that(server, predicted):
    path = PICTURES[0]
    assert_boxes(server.infer("pipeline", pictures([path.read_bytes()])), 0, predicted[path])


# --- loading -------------------------------------------------------------------------------------

def test_models_that_cannot_load_say_why(tmp_path, detector):
    broken = {
        "unknown": ("convolution", {"treads": 4}, "no parameter is called 'treads'"),
        "role": ("convolution", {"role": "chef"}, "parameter 'role' is 'chef', need model,"),
        "threads": ("convolution", {"threads": "many"}, "'threads' is 'many', need 0 to"),
        "score": ("pipeline", {"role": "pipeline", "min_score": 2}, "'min_score' is '2', need 0"),
        "truth": ("pipeline", {"role": "pipeline", "multi_label": "maybe"}, "need true or false"),
        "escape": ("convolution", {"model_file": "../x.onnx"}, "file in the version's folder"),
        "missing": ("convolution", {}, "no such file"),
        "garbage": ("convolution", {}, "cannot load"),
        "plugin": ("convolution", {"plugin": "nothing"}, "no plugin is called 'nothing'"),
        "option": ("convolution", {"option__speed": "9"}, "has no option 'speed'"),
        "opening": ("null", {**NULL, "option__open": "fail"}, "opening fails, as planted"),
        "dtype": ("null", {**NULL, "option__inputs": "x:int8:-1x4"}, "as FP32, need INT8"),
        "dims": ("null", {**NULL, "option__inputs": "x:fp32:-1x5"}, "dims [4], need [5]"),
        "scalar": ("null", {**NULL, "option__outputs": "y:fp32:"}, "is a scalar"),
        "two": ("null", {**NULL, "option__inputs": "x:fp32:-1x4+z:fp32:-1x4"},
                "input 'z' is not declared"),
        "extra": ("null", {**NULL, "option__outputs": "z:fp32:-1x4"},
                  "output 'y' is declared, but there is none"),
        "fixed": ("null", {**NULL, "option__inputs": "x:fp32:4x4"}, "is fixed at 4"),
        "size": ("preprocess", {"role": "preprocess", "size": 640}, "dims [3, 320, 320], need"),
        "family": ("pipeline", {"role": "pipeline", **NULL}, "not a YOLOv8 detector"),
    }
    for name, (kind, options, _) in broken.items():
        add_model(tmp_path, name, kind, **options)
    (tmp_path / "garbage/1/model.onnx").write_bytes(b"no model")
    add_model(tmp_path, "unbatched", "null", max_batch=0, **NULL)
    broken["unbatched"] = (None, None, "max_batch_size is 0, need 1 to")
    add_model(tmp_path, "good", "pipeline", role="pipeline")
    (tmp_path / "good/1/model.onnx").symlink_to(detector)
    with Server(tmp_path, explicit=True) as server:
        for name, (_, _, reason) in broken.items():
            message = "it was loaded"
            try:
                server.load(name)
            except InferError as refused:
                message = refused.message
            assert reason in message, (name, message)
            assert not server.ready(name)
        server.load("good")
        assert server.ready("good")


def test_a_config_without_tensors_is_completed(tmp_path, detector):
    folder = add_model(tmp_path, "convolution", "nothing", max_batch=0)
    small_models.convolution(folder / "model.onnx")
    folder = add_model(tmp_path, "fixed", "nothing", max_batch=0)
    small_models.convolution(folder / "model.onnx", batch=3)
    add_model(tmp_path, "pipeline", "nothing", role="pipeline", max_boxes=10)
    (tmp_path / "pipeline/1/model.onnx").symlink_to(detector)
    with Server(tmp_path) as server:
        config = server.config("convolution")
        assert config["max_batch_size"] == 4
        assert [(t["name"], t["data_type"], t["dims"]) for t in config["input"]] == [
            ("x", "TYPE_FP32", [3, 16, 16])]
        assert [(t["name"], t["dims"]) for t in config["output"]] == [
            ("y", [8, 16, 16]), ("mean", [8, 1, 1])]
        assert server.config("fixed")["max_batch_size"] == 3
        assert server.config("pipeline")["max_batch_size"] == 8
        outputs = server.infer("pipeline", pictures([PICTURES[0].read_bytes()]))
        assert outputs["boxes"].shape == (1, 10, 6)
        x = np.ones((2, 3, 16, 16), np.float32)
        np.testing.assert_array_equal(
            server.infer("convolution", {"x": x})["y"],
            reference(folder.parents[1] / "convolution/1/model.onnx", {"x": x})["y"])


def test_unload_and_load_under_load(tmp_path, detector):
    add_model(tmp_path, "pipeline", "pipeline", role="pipeline", pool_threads=2, threads=1,
              count=2, batching="dynamic_batching { }")
    (tmp_path / "pipeline/1/model.onnx").symlink_to(detector)
    add_model(tmp_path, "null", "null", count=2, batching="dynamic_batching { }", **NULL)
    inputs = {"pipeline": pictures([PICTURES[0].read_bytes()]),
              "null": {"x": np.ones((1, 4), np.float32)}}
    with Server(tmp_path, explicit=True) as server:
        stop = threading.Event()
        served, refused = dict.fromkeys(inputs, 0), []

        def client(index):
            name = sorted(inputs)[index % 2]
            while not stop.is_set():
                try:
                    server.infer(name, inputs[name])
                    served[name] += 1
                except InferError as e:
                    refused.append(e.message)

        def operator():
            for _ in range(6):
                for name in inputs:
                    server.load(name)
                time.sleep(0.3)
                for name in inputs:
                    server.unload(name)
            stop.set()

        def part(index):
            try:
                operator() if index == 0 else client(index)
            finally:
                if index == 0:
                    stop.set()

        in_threads(5, part)
        assert all(served.values()), served
        for message in refused:  # Triton's own words for a model that is not there
            assert "unknown model" in message or "no available versions" in message, message


# --- memory --------------------------------------------------------------------------------------

def test_memory_stays_flat(tmp_path):
    """10^5 requests after a warm-up; one request that is kept whole would be 30 MB."""
    if BIN != ROOT / "bin":
        pytest.skip("a sanitizer keeps freed memory")
    add_model(tmp_path, "null", "null", batching="dynamic_batching { }", **NULL)
    body, headers = encode_request({"x": np.ones((1, 4), np.float32)})
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = (f"POST /v2/models/null/infer HTTP/1.1\r\nHost: localhost\r\n{lines}"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body

    with Server(tmp_path) as server:
        def client(count):
            connection = server.connect()
            connection.connect()
            stream = connection.sock.makefile("rb")
            for start in range(0, count, 20):  # so many at once, one after the other
                connection.sock.sendall(request * min(20, count - start))
                for _ in range(min(20, count - start)):
                    assert read_answer(stream) == b"200"
            connection.close()

        in_threads(4, lambda _: client(5000))
        before = server.rss_bytes()
        in_threads(4, lambda _: client(25000))
        grown = server.rss_bytes() - before
        stats = server.settled_stats("null", lambda stats: stats["inference_count"] == 120000)
        assert stats["inference_count"] == 120000
    assert grown < 3 << 20, f"{grown} bytes more after 100,000 requests"


def read_answer(stream):
    """The status of one HTTP answer, whose body is read and dropped."""
    status, length = stream.readline().split()[1], 0
    while (line := stream.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    stream.read(length)
    return status


# --- the file ------------------------------------------------------------------------------------

def test_the_backend_exports_nothing_else_and_needs_little():
    library = BIN / "triton/tare/libtriton_tare.so"
    symbols = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True,
                             text=True, check=True).stdout.split()
    names = {word for word in symbols if not word.startswith("0") and len(word) > 1}
    assert names and all(name.startswith("TRITONBACKEND_") for name in names), names
    if BIN == ROOT / "bin":
        dynamic = subprocess.run(["readelf", "-d", library], capture_output=True, text=True,
                                 check=True).stdout
        needed = {line.split("[")[1].split(".so")[0] for line in dynamic.splitlines()
                  if "NEEDED" in line}
        assert needed <= {"libjpeg", "libm", "libc", "libdl", "libpthread", "ld-linux-x86-64"}
