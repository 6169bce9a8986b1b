"""`tare export` against PyTorch on the same weights, both on the CPU.

The bounds: two correct FP32 runtimes differ on YOLOv8n by up to 4.3e-3 px and 4.5e-5 of score over
these pictures, so ours may differ from PyTorch by 6e-3 and 6e-5; and against float64, which is
exact for this purpose, ours may be at most half as far off again as PyTorch's FP32.
"""
import ast
import itertools
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import make_checkpoint
import pipeline_reference
import yolov8_reference
from conftest import DATA

PIXELS, SCORE = 6e-3, 6e-5
SAMPLE = json.loads((DATA / "sample/instances.json").read_text())["images"]


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(model, pictures):
    return model.run(None, {model.get_inputs()[0].name: pictures})


def export(tare, checkpoint, output, *options):
    done = tare("export", checkpoint, "-o", output, *options)
    assert done.returncode == 0, done.stderr
    return output


def furthest(a, b):
    """The largest difference in pixels and in score between two full heads."""
    gap = np.abs(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64))
    return gap[:, :4].max(), gap[:, 4:].max()


@torch.no_grad()
def compare(ours, pictures, single, exact):
    """Distances: ours to PyTorch, ours to float64, PyTorch to float64."""
    mine = run(ours, pictures)[0]
    theirs = single(torch.from_numpy(pictures)).numpy()
    truth = exact(torch.from_numpy(pictures).double()).numpy()
    assert mine.shape == theirs.shape and mine.dtype == np.float32
    return [furthest(mine, theirs), furthest(mine, truth), furthest(theirs, truth)]


def hold(distances):
    """The bounds, over the worst of all pictures."""
    between, ours, theirs = np.max(np.array(distances), axis=0)
    assert between[0] <= PIXELS and between[1] <= SCORE
    assert ours[0] <= 1.5 * theirs[0] and ours[1] <= 1.5 * theirs[1]


def pictures(count, height, width, seed=3):
    """Patches like those that the seeded weights were made for."""
    generator = np.random.default_rng(seed)
    parts = [generator.random((count, 3, n, n)).repeat(128 // n, 2).repeat(128 // n, 3)
             for n in (2, 4, 8, 32, 128)]
    return np.ascontiguousarray(np.mean(parts, axis=0)[:, :, :height, :width], dtype=np.float32)


def test_the_real_checkpoint_over_the_sample(tare, tmp_path):
    ours = session(export(tare, DATA / "yolov8n.pt", tmp_path / "n.onnx", "--head", "full"))
    single = yolov8_reference.load(DATA / "yolov8n.pt")
    exact = yolov8_reference.load(DATA / "yolov8n.pt", torch.float64)
    distances = []
    for image in SAMPLE:
        tensor, _ = pipeline_reference.letterbox(DATA / "sample/images" / image["file_name"])
        distances.append(compare(ours, tensor, single, exact))
    hold(distances)


CASES = (("n", 1, "old", True), ("n", 3, "new", False), ("n", 80, "new", True),
         ("n", 80, "old", False), ("s", 3, "new", True), ("s", 80, "old", False),
         ("m", 1, "new", False), ("m", 3, "old", True), ("l", 80, "new", False),
         ("x", 3, "new", True))


@pytest.mark.parametrize("size, classes, paths, ema", CASES)
def test_seeded_checkpoints(tare, tmp_path, size, classes, paths, ema):
    """Every size and number of classes, every age; a batch of one and of two."""
    checkpoint = tmp_path / "seeded.pt"
    make_checkpoint.make_checkpoint(checkpoint, size, classes, paths, ema, seed=classes)
    single = yolov8_reference.load(checkpoint)
    exact = yolov8_reference.load(checkpoint, torch.float64)
    one = session(export(tare, checkpoint, tmp_path / "1.onnx", "--head", "full", "--imgsz", 64))
    two = session(export(tare, checkpoint, tmp_path / "2.onnx", "--head", "full", "--imgsz", 96,
                         "--batch", 2))
    assert one.get_inputs()[0].shape == [1, 3, 64, 64]
    assert two.get_inputs()[0].shape == [2, 3, 96, 96]
    hold([compare(one, pictures(1, 64, 64), single, exact),
          compare(two, pictures(2, 96, 96), single, exact)])


@pytest.mark.parametrize("paths, ema", list(itertools.product(("old", "new"), (False, True))))
def test_float32_weights(tare, tmp_path, paths, ema):
    """Weights that FP16 can't hold arrive unchanged."""
    checkpoint = tmp_path / "seeded.pt"
    make_checkpoint.make_checkpoint(checkpoint, "n", 3, paths, ema, torch.float32, seed=11)
    ours = session(export(tare, checkpoint, tmp_path / "f.onnx", "--head", "full", "--imgsz", 96))
    exact = yolov8_reference.load(checkpoint, torch.float64)
    hold([compare(ours, pictures(1, 96, 96), yolov8_reference.load(checkpoint), exact)])


@torch.no_grad()
@pytest.mark.parametrize("head", ("full", "raw"))
def test_a_dynamic_batch_takes_any_batch(tare, tmp_path, head):
    checkpoint = tmp_path / "seeded.pt"
    make_checkpoint.make_checkpoint(checkpoint, "n", 3, seed=5)
    ours = session(export(tare, checkpoint, tmp_path / "d.onnx", "--head", head, "--imgsz", 64,
                          "--batch", "dynamic"))
    batch, *sides = ours.get_inputs()[0].shape
    assert not isinstance(batch, int) and sides == [3, 64, 64]
    for count in (1, 2, 5):
        together = run(ours, pictures(count, 64, 64))
        for i, picture in enumerate(pictures(count, 64, 64)):
            for a, b in zip(together, run(ours, picture[None]), strict=True):
                np.testing.assert_allclose(a[i:i + 1], b, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_raw_head_is_the_head_before_its_decode(tare, tmp_path):
    """Six tensors: of each stride the box logits (64, h, w) and the class logits (C, h, w)."""
    ours = session(export(tare, DATA / "yolov8n.pt", tmp_path / "raw.onnx", "--head", "raw"))
    tensor, _ = pipeline_reference.letterbox(DATA / "sample/images" / SAMPLE[0]["file_name"])
    got = {tuple(x.shape): x for x in run(ours, tensor)}
    assert len(got) == 6
    reference = yolov8_reference.load(DATA / "yolov8n.pt")
    for expected in itertools.chain(*reference.raw(torch.from_numpy(tensor))):
        np.testing.assert_allclose(got[tuple(expected.shape)], expected.numpy(), atol=2e-3)


def test_raw_is_the_default_and_holds_no_decode(tare, tmp_path):
    model = onnx.load(export(tare, DATA / "yolov8n.pt", tmp_path / "raw.onnx"))
    assert len(model.graph.output) == 6
    assert not {"Softmax", "BatchNormalization"} & {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("head", ("raw", "full"))
def test_the_file_is_sound_and_says_what_it_is(tare, tmp_path, head):
    checkpoint = tmp_path / "seeded.pt"
    make_checkpoint.make_checkpoint(checkpoint, "n", 3, seed=2)
    path = export(tare, checkpoint, tmp_path / "m.onnx", "--head", head, "--imgsz", 64)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert ast.literal_eval(said["names"]) == dict(enumerate(make_checkpoint.AWKWARD_NAMES))
    assert said["stride"] == "32" and said["task"] == "detect"
    assert ast.literal_eval(said["imgsz"]) == [64, 64]


@torch.no_grad()
def test_a_size_that_no_stride_divides_is_refused(tare, tmp_path):
    done = tare("export", DATA / "yolov8n.pt", "-o", tmp_path / "x.onnx", "--imgsz", 100)
    assert done.returncode in (1, 2) and "32" in done.stderr
    assert not (tmp_path / "x.onnx").exists()


def test_the_same_checkpoint_gives_the_same_bytes(tare, tmp_path):
    a = export(tare, DATA / "yolov8n.pt", tmp_path / "a.onnx").read_bytes()
    b = export(tare, DATA / "yolov8n.pt", tmp_path / "b.onnx").read_bytes()
    assert a == b
