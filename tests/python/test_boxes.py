"""Heads to boxes, against NumPy written from the formulas of YOLOv8, ultralytics' NMS (multi_label,
class offset 7680, max_nms 30000) and torchvision's nms (IoU > threshold), all in float32."""
import numpy as np
import pytest

import vision_probe

STRIDES = (8, 16, 32)
WIDTH, HEIGHT = 500, 375


def random_head(seed, size, classes, spread):
    """Logits with a few sharp objects, seen by several neighbouring cells, over noise."""
    rng = np.random.default_rng(seed)
    parts = []
    for stride in STRIDES:
        side = size // stride
        box = rng.normal(0, 1, (64, side, side)).astype(np.float32)
        cls = rng.normal(-9, spread, (classes, side, side)).astype(np.float32)
        for _ in range(max(2, side // 4)):
            x, y = rng.integers(0, side - 1, 2)
            which, sides = rng.integers(0, classes), rng.integers(1, 8, 4)
            for dx in range(2):
                for dy in range(2):
                    cls[which, y + dy, x + dx] = rng.normal(1, 1)
                    for k, shift in enumerate((dx, dy, -dx, -dy)):
                        box[k * 16 + max(0, sides[k] + shift), y + dy, x + dx] += 9
        parts += [box, cls]
    return parts


def full_head(parts, size):
    """(4 + C, A): what the graph's own decode gives."""
    boxes, scores = [], []
    for stride, box, cls in zip(STRIDES, parts[::2], parts[1::2]):
        side = size // stride
        logits = box.reshape(4, 16, -1)
        share = np.exp(logits - logits.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        left, top, right, bottom = (share * np.arange(16, dtype=np.float32)[:, None]).sum(1)
        y, x = (np.mgrid[:side, :side] + 0.5).astype(np.float32).reshape(2, -1)
        x1, y1, x2, y2 = x - left, y - top, x + right, y + bottom
        boxes.append(np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]) * stride)
        scores.append(1 / (1 + np.exp(-cls.reshape(len(cls), -1))))
    return np.concatenate([np.concatenate(boxes, 1), np.concatenate(scores, 1)]).astype(np.float32)


def suppress(boxes, label, threshold):
    """torchvision.ops.nms for boxes sorted by score: the indices that stay, in that order. Class
    by class, since the offset keeps classes apart."""
    kept = []
    for which in np.unique(label):
        rest = np.nonzero(label == which)[0]
        while len(rest):
            first, rest = rest[0], rest[1:]
            kept.append(first)
            low = np.maximum(boxes[first, :2], boxes[rest, :2])
            high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
            both = np.prod(np.maximum(high - low, 0), axis=1, dtype=np.float32)
            areas = [np.prod(b[..., 2:] - b[..., :2], axis=-1, dtype=np.float32)
                     for b in (boxes[first], boxes[rest])]
            rest = rest[~(both / (areas[0] + areas[1] - both) > threshold)]
    return sorted(kept)


def reference(full, size, min_score, iou, max_boxes, multi_label):
    """ultralytics' non_max_suppression and scale_boxes, step by step."""
    rows = full.T
    centre, half, scores = rows[:, :2], rows[:, 2:4] / 2, rows[:, 4:]
    corners = np.concatenate([centre - half, centre + half], 1)
    if multi_label:
        cell, label = np.nonzero(scores > np.float32(min_score))
    else:
        cell = np.nonzero(scores.max(1) > np.float32(min_score))[0]
        label = scores[cell].argmax(1)
    order = np.argsort(-scores[cell, label], kind="stable")[:30000]
    cell, label = cell[order], label[order]
    moved = corners[cell] + (label[:, None] * 7680).astype(np.float32)
    kept = suppress(moved, label, iou)[:max_boxes]
    found = corners[cell[kept]].astype(np.float64)
    gain = min(size / HEIGHT, size / WIDTH)
    found -= np.tile([round((size - round(WIDTH * gain)) / 2 - 0.1),
                      round((size - round(HEIGHT * gain)) / 2 - 0.1)], 2)
    found = np.clip(found / gain, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    return np.column_stack([found, scores[cell[kept], label[kept]], label[kept]])


def same(ours, expected):
    assert len(ours) == len(expected)
    assert np.array_equal(ours[:, 5], expected[:, 5])
    assert np.abs(ours[:, 4] - expected[:, 4]).max(initial=0) < 1e-6
    assert np.abs(ours[:, :4] - expected[:, :4]).max(initial=0) < 2e-3


CASES = [
    (1, 640, 80, 1.0, 0.001, 0.7, 300, True),
    (2, 640, 80, 1.5, 0.001, 0.7, 300, True),
    (3, 640, 80, 1.5, 0.25, 0.7, 300, False),
    (4, 320, 3, 3.0, 0.001, 0.7, 300, True),
    (5, 320, 3, 3.0, 0.05, 0.45, 100, False),
    (6, 640, 1, 4.0, 0.001, 0.7, 300, True),
    (7, 640, 80, 0.1, 0.9999, 0.7, 300, True),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"seed{case[0]}")
def test_equals_the_reference(case):
    seed, size, classes, spread, *rules = case
    parts = random_head(seed, size, classes, spread)
    full = full_head(parts, size)
    expected = reference(full, size, *rules)
    same(vision_probe.boxes("full", full, size, classes, *rules, WIDTH, HEIGHT), expected)
    same(vision_probe.boxes("raw", parts, size, classes, *rules, WIDTH, HEIGHT), expected)


def test_more_candidates_than_go_into_nms():
    """Every cell has every class, nothing overlaps: the best 30000 of 672000 are the result."""
    rng = np.random.default_rng(8)
    centres = (np.mgrid[:92, :92].reshape(2, -1)[:, :8400] * 6 + 4).astype(np.float32)
    scores = (rng.permutation(80 * 8400).reshape(80, 8400) / 1e6 + 0.3).astype(np.float32)
    full = np.concatenate([centres, np.full((2, 8400), 3, np.float32), scores])
    ours = vision_probe.boxes("full", full, 640, 80, 0.25, 0.7, 30000, True, 640, 640)
    label, cell = np.unravel_index(np.argsort(-scores, axis=None)[:30000], scores.shape)
    assert np.array_equal(ours[:, 4].astype(np.float32), scores[label, cell])
    assert np.array_equal(ours[:, 5], label)
    assert np.abs(ours[:, :2] - (centres[:, cell].T - 1.5)).max() < 1e-4
