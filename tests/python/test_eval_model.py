"""tare eval MODEL: a real checkpoint over some of the sample's pictures."""

import contextlib
import io
import json
import pathlib

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

DATA = pathlib.Path(__file__).resolve().parents[2] / "data"
IMAGES = DATA / "sample" / "images"


@pytest.fixture(scope="module")
def model(tare, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "yolov8n.onnx"
    done = tare("export", DATA / "yolov8n.pt", "-o", path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def truth(tmp_path):
    """Annotations of the first three pictures of the sample."""
    data = json.loads((DATA / "sample" / "instances.json").read_text())
    data["images"] = data["images"][:3]
    ids = {image["id"] for image in data["images"]}
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] in ids]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(data))
    return path


def test_figures_are_those_of_its_detections(tare, model, truth, tmp_path):
    found = tmp_path / "found.json"
    done = tare("eval", model, "--images", IMAGES, "--annotations", truth, "--detections-out",
                found, "--json")
    assert done.returncode == 0, done.stderr
    ours = json.loads(done.stdout)
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(str(truth))
        run = COCOeval(reference, reference.loadRes(str(found)), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    assert list(ours["figures"].values()) == [float(x) for x in run.stats]
    assert ours["figures"]["ap50"] > 0.4  # it looked at the pictures, and right way up
    assert ours["pictures"] == 3 and ours["runtime"].startswith("onnxruntime")
    assert "100%" in done.stderr
    again = tare("eval", "--detections", found, "--annotations", truth, "--json")
    assert json.loads(again.stdout)["figures"] == ours["figures"]


def test_missing_picture_is_named_before_anything_runs(tare, model, truth, tmp_path):
    data = json.loads(truth.read_text())
    data["images"][1]["file_name"] = "nosuch.jpg"
    truth.write_text(json.dumps(data))
    done = tare("eval", model, "--images", IMAGES, "--annotations", truth)
    assert done.returncode == 1 and done.stdout == ""
    assert "nosuch.jpg" in done.stderr and "1 of 3" in done.stderr


def test_broken_picture_is_named(tare, model, truth, tmp_path):
    for image in json.loads(truth.read_text())["images"]:
        (tmp_path / image["file_name"]).write_bytes(b"not a picture")
    done = tare("eval", model, "--images", tmp_path, "--annotations", truth, "--quiet")
    assert done.returncode == 1 and done.stdout == ""
    assert json.loads(truth.read_text())["images"][0]["file_name"] in done.stderr


def test_full_disk_keeps_the_figures(tare, model, truth):
    done = tare("eval", model, "--images", IMAGES, "--annotations", truth, "--detections-out",
                "/dev/full", "--quiet")
    assert done.returncode == 1
    assert "AP50" in done.stdout
    assert "/dev/full" in done.stderr and "No space left" in done.stderr


def test_checkpoint_is_refused_with_advice(tare, truth):
    done = tare("eval", DATA / "yolov8n.pt", "--images", IMAGES, "--annotations", truth)
    assert done.returncode == 2
    assert "tare export" in done.stderr
