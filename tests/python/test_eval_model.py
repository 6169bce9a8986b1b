"""`tare eval MODEL`, from pictures to AP, against OpenCV + PyTorch + NumPy + pycocotools."""
import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import pipeline_reference
import yolov8_reference
from conftest import DATA

SAMPLE = DATA / "sample"


@pytest.fixture(scope="module", params=("raw", "full"))
def model(request, tare, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "n.onnx"
    done = tare("export", DATA / "yolov8n.pt", "-o", path, "--head", request.param)
    assert done.returncode == 0, done.stderr
    return path


def evaluate(tare, model, images, annotations, output):
    done = tare("eval", model, "-i", images, "-a", annotations, "-o", output, "--json", "-q",
                timeout=1200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["figures"], json.loads(output.read_text())


@pytest.fixture(scope="module")
def sample_run(tare, model, tmp_path_factory):
    """Figures and detections of the sample."""
    output = tmp_path_factory.mktemp("run") / "d.json"
    return evaluate(tare, model, SAMPLE / "images", SAMPLE / "instances.json", output)


@pytest.fixture(scope="module")
def reference():
    """The sample's detections by the reference pipeline."""
    images = json.loads((SAMPLE / "instances.json").read_text())["images"]
    return pipeline_reference.detect(yolov8_reference.load(DATA / "yolov8n.pt"), images,
                                     SAMPLE / "images")


def by_class(detections):
    """Of each picture and class the boxes (n, 5): corner, size, score; best first."""
    found = {}
    for one in detections:
        found.setdefault((one["image_id"], one["category_id"]), []).append(
            (*one["bbox"], one["score"]))
    return {key: np.array(sorted(rows, key=lambda row: -row[4])) for key, rows in found.items()}


def average_precision(detections):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(SAMPLE / "instances.json"))
        scored = COCOeval(truth, truth.loadRes(detections), "bbox")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return scored.stats[0]


def test_boxes_over_the_sample_are_the_references(sample_run, reference):
    """Box by box: within 0.02 px and 1e-4 of score for boxes that anyone would look at. Below a
    score of 0.01 a rounding error may tip a suppression, so there only the number counts."""
    _, ours = sample_run
    assert abs(len(ours) - len(reference)) <= 0.005 * len(reference)
    mine = by_class(d for d in ours if d["score"] > 0.01)
    theirs = by_class(d for d in reference if d["score"] > 0.01)
    assert mine.keys() == theirs.keys()
    for key, expected in theirs.items():
        assert mine[key].shape == expected.shape, key
        np.testing.assert_allclose(mine[key][:, :4], expected[:, :4], atol=0.02, err_msg=str(key))
        np.testing.assert_allclose(mine[key][:, 4], expected[:, 4], atol=1e-4, err_msg=str(key))


def test_ap_over_the_sample_is_the_references(sample_run, reference):
    figures, ours = sample_run
    assert figures["ap"] == average_precision(ours), "our AP is pycocotools' on our boxes"
    assert figures["ap"] == pytest.approx(average_precision(reference), abs=2e-4)


def test_ap_over_the_full_coco128(tare, tmp_path, model, full_data):
    """0.4725 is what ultralytics' rules and pycocotools give for FP32 in PyTorch."""
    folder = full_data / "coco128"
    figures, _ = evaluate(tare, model, folder / "images", folder / "instances.json",
                          tmp_path / "d.json")
    assert figures["ap"] == pytest.approx(0.4725, abs=0.0005)
    assert figures["ap50"] == pytest.approx(0.6288, abs=0.001)
