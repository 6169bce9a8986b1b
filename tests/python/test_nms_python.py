"""The Python model of the repository finds the boxes that src/vision finds, on heads of any kind:
decode, labels, suppression, limits, broken values, batches."""
import importlib.util
import sys

import numpy as np
import pytest

import vision_probe
from test_boxes import HEIGHT, WIDTH, random_head
from triton_server import HOME, ROOT, needs_triton

CASES = [
    (1, 640, 80, 1.0, 0.001, 0.7, 300, True),
    (2, 640, 80, 1.5, 0.25, 0.7, 300, False),
    (3, 320, 3, 3.0, 0.001, 0.7, 300, True),
    (4, 320, 3, 3.0, 0.05, 0.45, 100, False),
    (5, 320, 1, 4.0, 0.25, 0.7, 300, False),
    (6, 640, 80, 0.1, 0.9999, 0.7, 300, False),
    (7, 320, 80, 4.0, 0.001, 0.7, 20, True),
]


@pytest.fixture(scope="module")
def model():
    """The module as Triton imports it, beside the utilities of the Python backend."""
    needs_triton()
    utilities = HOME / "pytriton/tritonserver/backends/python"
    path = ROOT / "triton_repo/common/nms_python/1/model.py"
    spec = importlib.util.spec_from_file_location("nms_python_model", path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(utilities))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(utilities))
    return module


def placement(size):
    """width, height, scale, left, top, as src/vision's letterbox says."""
    gain = min(size / HEIGHT, size / WIDTH)
    return np.array([[WIDTH, HEIGHT, gain, round((size - round(WIDTH * gain)) / 2 - 0.1),
                      round((size - round(HEIGHT * gain)) / 2 - 0.1)]], np.float32)


def find(model, heads, size, rules):
    """Rows of boxes of each head, by one call."""
    stacked = [np.stack(parts) for parts in zip(*heads)]
    finder = model.Finder(*rules)
    boxes, count = finder(list(zip(stacked[::2], stacked[1::2])),
                          np.repeat(placement(size), len(heads), axis=0))
    assert boxes.dtype == np.float32 and boxes.shape == (len(heads), rules[2], 6)
    assert count.dtype == np.int32 and count.shape == (len(heads), 1)
    assert all((rows[n:] == 0).all() for rows, (n,) in zip(boxes, count))
    return [rows[:n] for rows, (n,) in zip(boxes, count)]


def same(ours, expected):
    assert len(ours) == len(expected)
    assert np.array_equal(ours[:, 5], expected[:, 5])
    assert np.abs(ours[:, 4] - expected[:, 4]).max(initial=0) < 1e-6
    assert np.abs(ours[:, :4] - expected[:, :4]).max(initial=0) < 2e-3


def in_c(parts, size, classes, rules):
    return vision_probe.boxes("raw", parts, size, classes, *rules, WIDTH, HEIGHT)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"seed{case[0]}")
def test_equals_c(model, case):
    seed, size, classes, spread, *rules = case
    heads = [random_head(seed + 100 * i, size, classes, spread) for i in range(3)]
    for ours, parts in zip(find(model, heads, size, rules), heads):
        same(ours, in_c(parts, size, classes, rules))


@pytest.mark.parametrize("multi_label", [False, True])
def test_values_that_are_not_finite(model, multi_label):
    rules = (0.25, 0.7, 300, multi_label)
    parts = random_head(9, 320, 5, 3.0)
    rng = np.random.default_rng(10)
    for part in parts:
        places = rng.integers(0, part.size, 40)
        part.reshape(-1)[places] = rng.choice([np.nan, np.inf, -np.inf], 40)
    expected = in_c(parts, 320, 5, rules)
    assert len(expected) > 0
    same(find(model, [parts], 320, rules)[0], expected)


def test_nothing_there(model):
    parts = [np.full_like(part, -20) for part in random_head(1, 320, 3, 1.0)]
    assert len(find(model, [parts], 320, (0.25, 0.7, 300, False))[0]) == 0


def test_a_place_that_makes_no_sense(model):
    parts = random_head(1, 320, 3, 1.0)
    finder = model.Finder(0.25, 0.7, 300, False)
    heads = [(box[None], cls[None]) for box, cls in zip(parts[::2], parts[1::2])]
    for scale in (0, -1, np.nan):
        with pytest.raises(model.BadPlacement, match="scale"):
            finder(heads, np.array([[WIDTH, HEIGHT, scale, 0, 0]], np.float32))
