#!/usr/bin/env python3
"""Writes YOLOv8 checkpoints with seeded random weights, in the form that ultralytics gives them.

    make_checkpoint.py --size n --classes 3 --paths new --ema --seed 7 -o x.pt

They exist to test an exporter on every size, number of classes and age of checkpoint without
anyone's weights. ultralytics is not imported: classes of its names, without its code, stand in
its modules for as long as torch.save runs, so that the pickle looks like a real one.

What differs between checkpoints in the field, and here:
  --paths old   classes in ultralytics.nn.modules, and the anchors of the last run kept in the head
          new   classes in ultralytics.nn.modules.conv, .block and .head (since 8.0.8x)
  --ema         as training leaves it: the averaged weights under 'ema', other weights (old) or
                nothing (new) under 'model', the optimiser's state, NumPy numbers among the metrics,
                arguments as a namespace. Without: as training finishes it, 'ema' empty.

The weights are such that a picture of noise gives finite, spread outputs: convolutions by Kaiming,
normalisation by the statistics of a first forward pass, with a scale small enough that rounding
errors die out on their way, as they do in a trained network.
"""
import argparse
import contextlib
import math
import sys
import types

import numpy
import torch
from torch import nn
from torch.nn.utils import skip_init

import yolov8_reference
from torch_checkpoint import Module, ULTRALYTICS

# Of each size: depth, width, most channels before the width is applied.
SIZES = {
    "n": (0.33, 0.25, 1024),
    "s": (0.33, 0.50, 1024),
    "m": (0.67, 0.75, 768),
    "l": (1.00, 1.00, 512),
    "x": (1.00, 1.25, 512),
}
# From, repeats, class, channels out; then what the class needs.
LAYERS = (
    (-1, 1, "Conv", 64), (-1, 1, "Conv", 128), (-1, 3, "C2f", 128, True),
    (-1, 1, "Conv", 256), (-1, 6, "C2f", 256, True),
    (-1, 1, "Conv", 512), (-1, 6, "C2f", 512, True),
    (-1, 1, "Conv", 1024), (-1, 3, "C2f", 1024, True), (-1, 1, "SPPF", 1024),
    (-1, 1, "Upsample"), ([-1, 6], 1, "Concat"), (-1, 3, "C2f", 512, False),
    (-1, 1, "Upsample"), ([-1, 4], 1, "Concat"), (-1, 3, "C2f", 256, False),
    (-1, 1, "Conv", 256), ([-1, 12], 1, "Concat"), (-1, 3, "C2f", 512, False),
    (-1, 1, "Conv", 512), ([-1, 9], 1, "Concat"), (-1, 3, "C2f", 1024, False),
    ([15, 18, 21], 1, "Detect"),
)
STRIDES = (8.0, 16.0, 32.0)
BINS = 16
AWKWARD_NAMES = ("person", "driver's hat", 'naïve "bus"')  # a name is the user's own text


class Namespace(types.SimpleNamespace):
    """ultralytics.utils.IterableSimpleNamespace, as far as a pickle shows it."""


Namespace.__name__ = Namespace.__qualname__ = "IterableSimpleNamespace"


class Builder:
    """Makes the module tree of one size out of classes that bear ultralytics' names."""

    def __init__(self, size, classes, paths):
        self.depth, self.width, self.most = SIZES[size]
        self.size, self.classes, self.new = size, classes, paths == "new"
        self.kinds = {}
        for kind, places in ULTRALYTICS.items():
            place = places[-1] if self.new else places[0]
            self.kinds[kind] = type(kind, (nn.Module,), {"__module__": place})
        self.silu = nn.SiLU(inplace=True)  # one object for all, as in ultralytics

    def make(self, kind, /, **attributes):
        module = self.kinds[kind]()
        for name, value in attributes.items():
            setattr(module, name, value)
        return module

    def channels(self, count):
        return math.ceil(min(count, self.most) * self.width / 8) * 8

    def conv(self, c1, c2, k=1, s=1):
        return self.make("Conv", conv=skip_init(nn.Conv2d, c1, c2, k, s, k // 2, bias=False),
                         bn=nn.BatchNorm2d(c2, eps=0.001, momentum=0.03), act=self.silu)

    def c2f(self, c1, c2, repeats, add):
        c = c2 // 2
        inner = [self.make("Bottleneck", cv1=self.conv(c, c, 3), cv2=self.conv(c, c, 3), add=add)
                 for _ in range(repeats)]
        return self.make("C2f", c=c, cv1=self.conv(c1, 2 * c), cv2=self.conv((2 + repeats) * c, c2),
                         m=nn.ModuleList(inner))

    def sppf(self, c1, c2):
        late = {"n": 3, "add": False} if self.new else {}
        return self.make("SPPF", cv1=self.conv(c1, c1 // 2), cv2=self.conv(c1 * 2, c2),
                         m=nn.MaxPool2d(kernel_size=5, stride=1, padding=2), **late)

    def detect(self, inputs):
        c2 = max(16, inputs[0] // 4, BINS * 4)
        c3 = max(inputs[0], min(self.classes, 100) if self.new else self.classes)

        def branches(hidden, outputs):
            return nn.ModuleList(
                nn.Sequential(self.conv(c, hidden, 3), self.conv(hidden, hidden, 3),
                              nn.Conv2d(hidden, outputs, 1)) for c in inputs)

        conv = nn.Conv2d(BINS, 1, 1, bias=False).requires_grad_(False)
        dfl = self.make("DFL", conv=conv, c1=BINS)
        head = self.make("Detect", nc=self.classes, nl=3, reg_max=BINS, no=self.classes + 4 * BINS,
                         stride=torch.tensor(STRIDES), cv2=branches(c2, 4 * BINS),
                         cv3=branches(c3, self.classes), dfl=dfl, inplace=True)
        if not self.new:
            head.anchors = torch.zeros(21, 2).t()
            head.strides = torch.zeros(21, 1).t()
            head.shape = torch.Size((1, inputs[0], 4, 4))
        return head

    def layer(self, inputs, repeats, kind, channels=0, add=False):
        out = self.channels(channels)
        if kind == "Conv":
            return out, self.conv(inputs[0], out, 3, 2)
        if kind == "C2f":
            return out, self.c2f(inputs[0], out, max(round(repeats * self.depth), 1), add)
        if kind == "SPPF":
            return out, self.sppf(inputs[0], out)
        if kind == "Upsample":
            return inputs[0], nn.Upsample(scale_factor=2, mode="nearest")
        if kind == "Concat":
            return sum(inputs), self.make("Concat", d=1)
        return 0, self.detect(inputs)

    def model(self):
        widths, layers = [], []
        for index, (source, repeats, kind, *rest) in enumerate(LAYERS):
            sources = source if isinstance(source, list) else [source]
            inputs = [widths[s] for s in sources] if widths else [3]
            width, layer = self.layer(inputs, repeats, kind, *rest)
            layer.i, layer.f = index, source
            layer.type = f"{type(layer).__module__}.{type(layer).__name__}"
            layer.np = sum(p.numel() for p in layer.parameters())
            widths.append(width)
            layers.append(layer)
        names = [f"class {i}" for i in range(self.classes)]
        names[: len(AWKWARD_NAMES)] = AWKWARD_NAMES[: self.classes]
        return self.make(
            "DetectionModel", model=nn.Sequential(*layers), save=[4, 6, 9, 12, 15, 18, 21],
            yaml={"nc": self.classes, "scale": self.size, "yaml_file": f"yolov8{self.size}.yaml",
                  "ch": 3}, inplace=True, names=dict(enumerate(names)), nc=self.classes,
            stride=torch.tensor(STRIDES))


def _record(module):
    """A module as the reference reads it from a file."""
    record = Module()
    record.kind = type(module).__name__
    record.attributes = vars(module)
    record.tensors = {**module._parameters, **module._buffers}
    record.children = {name: _record(child) for name, child in module._modules.items()}
    return record


def _normalisations(module):
    return [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]


def _pictures(generator):
    """Patches of several sizes over each other: plain noise would average out on its way down."""
    patches = [torch.rand(4, 3, n, n, generator=generator) for n in (2, 4, 8, 32, 128)]
    return sum(nn.functional.interpolate(p, size=(128, 128)) for p in patches) / len(patches)


def _measure(norm, inputs):
    """Sets a normalisation's statistics to those of what comes in. The mean's square in the
    variance keeps a channel that hardly varies from being blown up, and rounding errors with it."""
    variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3))
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance + mean.square())


@torch.no_grad()
def randomise(model, generator):
    """Gives every parameter and statistic a value that the generator's seed determines."""

    def fill(tensor, mean, deviation):
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * deviation + mean)

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fill(module.weight, 0.0, math.sqrt(2.0 / module.weight[0].numel()))
        elif isinstance(module, nn.BatchNorm2d):
            fill(module.weight, 0.5, 0.1)
            fill(module.bias, 0.0, 0.5)
    head = model.model[-1]
    head.dfl.conv.weight.copy_(torch.arange(BINS).view(1, BINS, 1, 1))
    for box, cls in zip(head.cv2, head.cv3):
        box[-1].weight.mul_(0.5)
        fill(box[-1].bias, 1.0, 0.5)
        fill(cls[-1].bias, -3.0, 1.0)

    reference = yolov8_reference.YOLOv8(_record(model)).eval()
    for norm in _normalisations(reference):
        norm.register_forward_pre_hook(_measure)
    reference.raw(_pictures(generator))
    for ours, measured in zip(_normalisations(model), _normalisations(reference), strict=True):
        ours.running_mean.copy_(measured.running_mean)
        ours.running_var.copy_(measured.running_var)
        ours.num_batches_tracked.fill_(1000)
    return model.eval()


def checkpoint(size, classes, paths, ema, dtype, seed):
    """The dictionary to save, and the classes that stand in for ultralytics'."""
    generator = torch.Generator().manual_seed(seed)
    builder = Builder(size, classes, paths)

    def model(args):
        made = randomise(builder.model(), generator).to(dtype).requires_grad_(False)
        made.args = args
        return made

    args = {"task": "detect", "mode": "train", "imgsz": 640, "lr0": 0.01, "cfg": None,
            "half": False}
    tail = {"train_args": args, "date": "2024-01-31T12:00:00", "version": "8.1.0" if builder.new
            else "8.0.20"}
    if not ema:
        return {"epoch": -1, "best_fitness": None, "model": model(args), "ema": None,
                "updates": None, "optimizer": None, **tail}, builder
    state = {"state": {0: {"momentum_buffer": torch.zeros(4, 3)}},
             "param_groups": [{"lr": 0.01, "nesterov": True, "params": [0]}]}
    return {"epoch": 12, "best_fitness": numpy.float64(0.25),
            "model": None if builder.new else model(Namespace(**args)),
            "ema": model(Namespace(**args)), "updates": 4321, "optimizer": state, **tail,
            "train_metrics": {"fitness": numpy.float64(0.25), "val/box_loss": 1.5}}, builder


@contextlib.contextmanager
def stand_ins(builder):
    """Puts the builder's classes where a pickle names them, for as long as it is written."""
    utils = "ultralytics.utils" if builder.new else "ultralytics.yolo.utils"
    Namespace.__module__ = utils
    classes = [*builder.kinds.values(), Namespace]
    places = {}
    for kind in classes:
        place = places.setdefault(kind.__module__, types.ModuleType(kind.__module__))
        setattr(place, kind.__name__, kind)
    for name in list(places):
        parts = name.split(".")
        for i in range(1, len(parts)):
            parent = ".".join(parts[:i])
            places.setdefault(parent, types.ModuleType(parent))
    before = {name: sys.modules.get(name) for name in places}
    sys.modules.update(places)
    try:
        yield
    finally:
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module


def make_checkpoint(path, size="n", classes=80, paths="new", ema=False, dtype=torch.float16,
                    seed=0):
    """Writes a checkpoint to path."""
    content, builder = checkpoint(size, classes, paths, ema, dtype, seed)
    with stand_ins(builder):
        torch.save(content, path)


def main():
    parser = argparse.ArgumentParser(description="writes a YOLOv8 checkpoint of seeded weights")
    parser.add_argument("--size", choices=SIZES, default="n")
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--paths", choices=("old", "new"), default="new", help="module paths")
    parser.add_argument("--ema", action="store_true", help="as training leaves it, not stripped")
    parser.add_argument("--fp32", action="store_true", help="weights in float32, not float16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    if not 1 <= args.classes <= 65536:
        parser.error("--classes must be 1 to 65536")
    make_checkpoint(args.output, args.size, args.classes, args.paths, args.ema,
                    torch.float32 if args.fp32 else torch.float16, args.seed)


if __name__ == "__main__":
    main()
