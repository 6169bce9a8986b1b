"""YOLOv8n in FP32 through every CPU runtime: the same AP, and on the sample the same boxes.

The bounds come from what two correct FP32 runtimes may differ by, not from any one of ours: AP by
0.0005, a box by IoU 0.99 and a score of 0.001.
"""
import importlib.util
import json
import os
import platform
import sys

import numpy as np
import pytest

import tare_abi
from conftest import DATA

SAMPLE = DATA / "sample"
CHECKPOINT = DATA / "yolov8n.pt"
RUNTIMES = {
    "ONNX Runtime": ("--runtime", "onnxruntime"),
    "its OpenVINO provider": ("--runtime", "onnxruntime", "--options", "provider=openvino"),
    "OpenVINO": ("--runtime", "openvino"),
    "PyTorch": ("--runtime", "torch"),
}
OTHERS = [name for name in RUNTIMES if name != "ONNX Runtime"]
NEEDS = {"PyTorch": "torch", "OpenVINO": "openvino", "ONNX Runtime": "onnxruntime"}


def reason_to_skip(name):
    module = NEEDS.get(name)
    if module and not importlib.util.find_spec(module):
        return f"no {module} in this environment"
    if "OpenVINO" in name and platform.machine() != "x86_64":
        return "OpenVINO's wheels here are made for x86_64 alone"
    return None


def evaluate(tare, folder, name, images, annotations):
    """The AP and the detections of one runtime, of which a file is kept."""
    if reason_to_skip(name):
        pytest.skip(reason_to_skip(name))
    model, output = folder / "n.onnx", folder / f"{name}.{annotations.parent.name}.json"
    if not model.exists():
        done = tare("export", CHECKPOINT, "-o", model)
        assert done.returncode == 0, done.stderr
    if not output.exists():
        done = tare("eval", CHECKPOINT if name == "PyTorch" else model, *RUNTIMES[name],
                    "-i", images, "-a", annotations, "-o", output, "--json", "-q", timeout=1800,
                    env={**os.environ, "TARE_PYTHON": sys.executable})
        assert done.returncode == 0, done.stderr
        output.with_suffix(".ap").write_text(str(json.loads(done.stdout)["figures"]["ap"]))
    return float(output.with_suffix(".ap").read_text()), json.loads(output.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tare_abi.build_plugins()
    return tmp_path_factory.mktemp("same")


def iou(one, other):
    corner = np.maximum(one[:2], other[:2])
    side = np.minimum(one[:2] + one[2:4], other[:2] + other[2:4]) - corner
    inside = max(side[0], 0) * max(side[1], 0)
    return inside / (one[2] * one[3] + other[2] * other[3] - inside)


def clear(detections):
    """The boxes that a user would see, by picture and class, best first."""
    found = {}
    for one in detections:
        if one["score"] >= 0.25:
            found.setdefault((one["image_id"], one["category_id"]), []).append(
                np.array([*one["bbox"], one["score"]]))
    return {key: sorted(boxes, key=lambda box: -box[4]) for key, boxes in found.items()}


@pytest.mark.parametrize("name", OTHERS)
def test_same_boxes_on_the_sample(tare, folder, name):
    where = (SAMPLE / "images", SAMPLE / "instances.json")
    expected_ap, expected = evaluate(tare, folder, "ONNX Runtime", *where)
    ap, ours = evaluate(tare, folder, name, *where)
    assert abs(ap - expected_ap) <= 0.0005
    mine, theirs = clear(ours), clear(expected)
    assert {key: len(boxes) for key, boxes in mine.items()} == {
        key: len(boxes) for key, boxes in theirs.items()}
    for key, boxes in theirs.items():
        left = list(mine[key])
        for box in boxes:  # scores that are equal but for rounding may change places
            best = max(range(len(left)), key=lambda i: iou(left[i], box))
            assert iou(left[best], box) >= 0.99, (key, box)
            assert abs(left[best][4] - box[4]) <= 1e-3, (key, box)
            left.pop(best)


@pytest.mark.parametrize("name", OTHERS)
def test_same_ap_on_coco128(tare, folder, full_data, name):
    where = (full_data / "coco128" / "images", full_data / "coco128" / "instances.json")
    expected, _ = evaluate(tare, folder, "ONNX Runtime", *where)
    ap, _ = evaluate(tare, folder, name, *where)
    assert abs(expected - 0.4725) <= 0.0005  # the reference pipeline's own figure
    assert abs(ap - expected) <= 0.0005, (ap, expected)
