"""`tare quantize --sensitivity` against NumPy over ONNX Runtime; the search and what it refuses."""
import json
import shutil
import sqlite3

import numpy as np
import onnx
import onnxruntime
import pytest

import pipeline_reference
from conftest import DATA

PICTURES = DATA / "sample/images"
SIZE = 160


@pytest.fixture(scope="module")
def model(small_yolov8):
    return small_yolov8(SIZE)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Eight pictures: fewer than the sensitivity is measured on, so all of them."""
    folder = tmp_path_factory.mktemp("few")
    for path in sorted(PICTURES.glob("*.jpg"))[:8]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def rows(tare, model, few):
    done = tare("quantize", model, "-i", few, "--sensitivity", "--vnni", "no", "--json", "-q")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["pictures"] == 8 and found["for"] == "cpu"
    return found["convolutions"]


def answers(path, tensors, names):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [session.run(names, {"images": t}) for t in tensors]


def test_every_convolution_has_a_row(model, rows):
    convolutions = [n.name for n in onnx.load(model).graph.node if n.op_type == "Conv"]
    assert [row["name"] for row in rows] == convolutions
    assert sum(row["work"] for row in rows) == pytest.approx(1)
    heaviest = max(rows, key=lambda row: row["work"])
    assert heaviest["work"] == pytest.approx(0.085, abs=0.03)


@pytest.mark.parametrize("index", (1, 5, 30, 60))
def test_the_noise_of_one_alone_is_that_of_numpy(tare, model, few, rows, tmp_path, index):
    others = [row["name"] for k, row in enumerate(rows) if k != index]
    keep = [a for name in others for a in ("--keep-float", name)]
    done = tare("quantize", model, "-i", few, "--vnni", "no", "--float-first", 0, *keep,
                "-o", tmp_path / "one.onnx", "-q")
    assert done.returncode == 0, done.stderr
    graph = onnx.load(tmp_path / "one.onnx")
    onnx.checker.check_model(graph, full_check=True)
    eight_bit = [n for n in graph.graph.node if n.op_type == "Conv"
                 and n.input[1].endswith(".weight.dq")]
    assert [n.name for n in eight_bit] == [rows[index]["name"]]
    names = [o.name for o in onnx.load(model).graph.output]
    tensors = [pipeline_reference.letterbox(p, SIZE)[0] for p in sorted(few.glob("*.jpg"))]
    exact, other = answers(model, tensors, names), answers(tmp_path / "one.onnx", tensors, names)
    noise = 0
    for head in range(len(names)):
        a = np.concatenate([e[head].ravel() for e in exact]).astype(np.float64)
        b = np.concatenate([o[head].ravel() for o in other]).astype(np.float64)
        noise += ((a - b) ** 2).sum() / (a ** 2).sum()
    assert noise > 0
    assert rows[index]["noise"] == pytest.approx(noise, rel=0.02)


def test_an_addition_of_floats_stays_in_float(tare, model, few, rows, tmp_path):
    keep = [a for row in rows if row["name"] != "/model.22/cv2.0.1/conv/Conv"
            for a in ("--keep-float", row["name"])]
    done = tare("quantize", model, "-i", few, *keep, "-o", tmp_path / "one.onnx", "-q")
    assert done.returncode == 0, done.stderr
    graph = onnx.load(tmp_path / "one.onnx").graph
    made = {o: n for n in graph.node for o in n.output}
    for node in graph.node:
        if node.op_type == "Add":
            assert all(made[i].op_type != "DequantizeLinear" for i in node.input)


@pytest.fixture(scope="module")
def searched(tare, model, few, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    done = tare("quantize", model, "-i", few, "--max-drop", 60, "--budget", "40s", "--threads", 1,
                "-o", folder / "mix.onnx", "-q")
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_search_writes_its_winner(searched):
    folder, done = searched
    assert "Fastest that finds 40 % of the reference's boxes again" in done.stdout
    with sqlite3.connect(folder / "mix.db") as db:
        cells = dict(db.execute("SELECT name, state FROM cell"))
    assert {"fp32", "all int8", "int8, 1 in float", "the profile's own"} <= set(cells)
    models = [p.read_bytes() for p in (folder / "mix.search").glob("*.onnx")]
    assert (folder / "mix.onnx").read_bytes() in models
    assert not (folder / "mix.search/alone.onnx").exists()


def test_the_front_is_what_nothing_beats(tare, searched):
    folder, _ = searched
    report = json.loads(tare("report", folder / "mix.db", "--json").stdout)
    ledger = report["ledgers"][0]
    points = {c["label"]: (c["times"]["back_to_back"]["p50_ns"], c["agreement"]["found"],
                           c["agreement"]["on_front"])
              for c in ledger["cells"] if c["agreement"]}
    assert points["fp32"][1] == 1
    for name, (time, found, front) in points.items():
        beaten = any(t <= time and f >= found and (t < time or f > found)
                     for other, (t, f, _) in points.items() if other != name)
        assert front == (not beaten), name
    winner = ledger["decision"]["winner"]
    assert points[winner][1] >= 0.4
    assert points[winner][0] == min(time for time, found, _ in points.values() if found >= 0.4)


@pytest.fixture(scope="module")
def annotated(few, tmp_path_factory):
    """The annotations of the few pictures alone."""
    whole = json.loads((DATA / "sample/instances.json").read_text())
    names = {path.name for path in few.iterdir()}
    images = [image for image in whole["images"] if image["file_name"] in names]
    ids = {image["id"] for image in images}
    path = tmp_path_factory.mktemp("annotated") / "few.json"
    path.write_text(json.dumps({**whole, "images": images, "annotations": [
        a for a in whole["annotations"] if a["image_id"] in ids]}))
    return path


def test_a_search_by_ap_on_tuning_pictures(tare, model, few, annotated, tmp_path):
    """The winner's AP, scored anew by pycocotools' rules, is within the drop of FP32's."""
    drop = 20
    done = tare("quantize", model, "-i", few, "--max-ap-drop", drop, "--tuning-images", few,
                "--tuning-annotations", annotated, "--budget", "30s", "--threads", 1,
                "-o", tmp_path / "mix.onnx", "-q")
    assert done.returncode == 0, done.stderr
    aps = {}
    for name, precision in ((model, "fp32"), (tmp_path / "mix.onnx", "int8")):
        scored = tare("eval", name, "-a", annotated, "-i", few, "--precision", precision,
                      "--threads", 1, "-q", "--json")
        assert scored.returncode == 0, scored.stderr
        aps[precision] = json.loads(scored.stdout)["figures"]["ap"]
    assert 0 < aps["fp32"] - drop / 100 <= aps["int8"]
    ledger = json.loads(tare("report", tmp_path / "mix.db", "--json").stdout)["ledgers"][0]
    winner = next(c for c in ledger["cells"] if c["label"] == ledger["decision"]["winner"])
    assert winner["accuracy"]["ap"] == pytest.approx(aps["int8"], abs=1e-6)
    ours = [p.read_bytes() for p in (tmp_path / "mix.search").glob("*.onnx")]
    assert (tmp_path / "mix.onnx").read_bytes() in ours


def test_a_picture_to_judge_by_is_not_tuned_on(tare, model, few, tmp_path):
    (tmp_path / "held").mkdir()
    shutil.copy(next(few.glob("*.jpg")), tmp_path / "held/other-name.jpg")
    done = tare("quantize", model, "-i", few, "--max-drop", 5, "--evaluation", tmp_path / "held",
                "-o", tmp_path / "x.onnx", "-q")
    assert done.returncode == 2 and "other-name.jpg" in done.stderr
    assert not (tmp_path / "x.onnx").exists() and not (tmp_path / "x.db").exists()


@pytest.mark.parametrize("options, said", (
    (("--sensitivity",), "--images"),
    (("--max-ap-drop", "1", "-i", PICTURES), "--tuning-images"),
    (("--max-drop", "1", "--sensitivity", "-i", PICTURES), "exclude"),
    (("--max-drop", "1", "-p", "fp16", "-i", PICTURES), "int8"),
    (("--max-drop", "1", "--keep-float", "x", "-i", PICTURES), "--keep-float"),
    (("--evaluation", PICTURES, "-i", PICTURES), "--max-drop"),
    (("--max-drop", "1", "--budget", "soon", "-i", PICTURES), "--budget"),
))
def test_what_a_search_cannot_do(tare, model, tmp_path, options, said):
    done = tare("quantize", model, *options, "-o", tmp_path / "x.onnx")
    assert done.returncode == 2 and said in done.stderr
    assert not (tmp_path / "x.onnx").exists()


def test_a_convolution_that_is_not_there(tare, model, few, tmp_path):
    done = tare("quantize", model, "-i", few, "--keep-float", "/model.99/Conv",
                "-o", tmp_path / "x.onnx", "-q")
    assert done.returncode == 2 and "'/model.99/Conv'" in done.stderr
    assert not (tmp_path / "x.onnx").exists()
