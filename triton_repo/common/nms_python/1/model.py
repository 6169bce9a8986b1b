"""Boxes from YOLOv8's raw head, by NumPy in Triton's Python backend: what the model nms does in C.

The same decode and the same non-maximum suppression as tare's vision/boxes.h, in float32: a side of
a box is the expectation over 16 bins, a score the sigmoid of a class logit; boxes of one class that
overlap by more than iou suppress each other, compared on coordinates moved by the class.
"""
import json

import numpy as np
import triton_python_backend_utils as pb_utils

STRIDES = (8, 16, 32)
BINS = 16
MAX_CANDIDATES = 30000  # what goes into suppression at most
CLASS_OFFSET = np.float32(7680)  # pixels; more than an input is wide
STEPS = np.arange(BINS, dtype=np.float32)


class BadPlacement(ValueError):
    """A picture whose place in the square makes no sense."""


def best_class(logits, gate):
    """Of the cells whose best class is over the gate: picture, cell, class, logit."""
    best = logits.max(axis=1)
    if np.isnan(best).any():  # a NaN is not over anything, and must not hide its neighbours
        logits = np.where(np.isnan(logits), np.float32(-np.inf), logits)
        best = logits.max(axis=1)
    picture, cell = np.nonzero(best > gate)
    return picture, cell, logits[picture, :, cell].argmax(axis=1), best[picture, cell]


def every_class(logits, gate):
    """The same with each class over the gate for itself."""
    picture, label, cell = np.nonzero(logits > gate)
    return picture, cell, label, logits[picture, label, cell]


def corners(sides, cell, width, stride):
    """Four sides of 16 bins each (n, 64) to x1 y1 x2 y2 in input pixels (n, 4)."""
    sides = sides.reshape(-1, 4, BINS)
    part = np.exp(sides - sides.max(axis=2, keepdims=True))
    length = (part * STEPS).sum(axis=2) / part.sum(axis=2)
    centre = np.stack([cell % width, cell // width], axis=1).astype(np.float32) + np.float32(0.5)
    return np.concatenate([centre - length[:, :2], centre + length[:, 2:]], axis=1) * np.float32(
        stride)


def suppress(box, label, iou, max_boxes):
    """Which of the boxes, best first, stay: their indices, at most max_boxes."""
    moved = box + (label.astype(np.float32) * CLASS_OFFSET)[:, None]
    area = (moved[:, 2] - moved[:, 0]) * (moved[:, 3] - moved[:, 1])
    left = np.arange(len(box))
    kept = []
    while left.size and len(kept) < max_boxes:
        first, left = left[0], left[1:]
        kept.append(first)
        low = np.maximum(moved[first, :2], moved[left, :2])
        high = np.minimum(moved[first, 2:], moved[left, 2:])
        both = np.maximum(high - low, 0).prod(axis=1)
        union = area[first] + area[left] - both
        with np.errstate(divide="ignore", invalid="ignore"):
            over = (both > 0) & (both / union > iou) & (label[left] == label[first])
        left = left[~over]
    return np.array(kept, dtype=np.int64)


class Finder:
    """What stays the same from one request to the next."""

    def __init__(self, min_score, iou, max_boxes, multi_label):
        self.min_score, self.iou = np.float32(min_score), np.float32(iou)
        self.max_boxes = max_boxes
        self.candidates = every_class if multi_label else best_class
        with np.errstate(divide="ignore"):
            odds = np.float64(min_score) / np.float64(1 - min_score)
            # A little low, so that rounding loses nothing: the score itself is compared later.
            self.gate = np.float32(np.log(odds) - 1e-3)

    def level(self, box, cls, first, stride):
        """Candidates of one level: picture, place among all cells, class, score, corners."""
        count, classes, _, width = cls.shape
        picture, cell, label, logit = self.candidates(cls.reshape(count, classes, -1), self.gate)
        with np.errstate(over="ignore"):
            score = np.float32(1) / (np.float32(1) + np.exp(-logit))
        over = score > self.min_score
        picture, cell, label, score = picture[over], cell[over], label[over], score[over]
        sides = box.reshape(count, 4 * BINS, -1)[picture, :, cell]
        return (picture, (first + cell) * classes + label, label, score,
                corners(sides, cell, width, stride))

    def __call__(self, heads, placement):
        """heads: (box, cls) a stride; placement (n, 5). Gives boxes (n, m, 6), count (n, 1)."""
        if not (placement[:, 2] > 0).all():
            raise BadPlacement(f"picture scale {placement[:, 2].min():g}, need more than 0")
        first, levels = 0, []
        with np.errstate(invalid="ignore"):
            for (box, cls), stride in zip(heads, STRIDES):
                levels.append(self.level(box, cls, first, stride))
                first += cls.shape[2] * cls.shape[3]
        found = [np.concatenate(parts) for parts in zip(*levels)]
        boxes = np.zeros((len(placement), self.max_boxes, 6), dtype=np.float32)
        count = np.zeros((len(placement), 1), dtype=np.int32)
        for i, frame in enumerate(placement):
            rows = self.one(frame, *(part[found[0] == i] for part in found[1:]))
            boxes[i, :len(rows)] = rows
            count[i] = len(rows)
        return boxes, count

    def one(self, frame, place, label, score, box):
        """One picture's boxes, best first, in its own pixels."""
        order = np.lexsort((place, -score))[:MAX_CANDIDATES]
        box = box[order]
        with np.errstate(invalid="ignore"):
            good = np.isfinite(box).all(axis=1) & (box[:, 2:] >= box[:, :2]).all(axis=1)
        order, box = order[good], box[good]
        kept = suppress(box, label[order], self.iou, self.max_boxes)
        order, box = order[kept], box[kept]
        width, height, scale, left, top = frame
        box = (box - np.array([left, top, left, top], dtype=np.float32)) / scale
        box = np.clip(box, 0, np.array([width, height, width, height], dtype=np.float32))
        return np.column_stack([box, score[order], label[order]]).astype(np.float32)


def to_numpy(request, name):
    """An input, without a copy. By DLPack, as the backend's own as_numpy() knows NumPy 1 only: of
    NumPy 2 it reads the size of a type from the wrong place, and gives arrays without strides."""
    return np.from_dlpack(pb_utils.get_input_tensor_by_name(request, name))


class TritonPythonModel:
    """Triton calls initialize() once, then execute() with the requests of a batch."""

    def initialize(self, args):
        given = json.loads(args["model_config"])["parameters"]
        given = {key: value["string_value"] for key, value in given.items()}
        self.find = Finder(float(given.get("min_score", 0.25)), float(given.get("iou", 0.7)),
                           int(given.get("max_boxes", 300)),
                           given.get("multi_label", "false").lower() in ("true", "1"))

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        heads = [(to_numpy(request, f"box{s}"), to_numpy(request, f"cls{s}")) for s in STRIDES]
        try:
            boxes, count = self.find(heads, to_numpy(request, "placement"))
        except BadPlacement as e:  # this request's own fault, not its batch's
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(e)))
        return pb_utils.InferenceResponse([pb_utils.Tensor.from_dlpack("boxes", boxes),
                                           pb_utils.Tensor.from_dlpack("count", count)])
