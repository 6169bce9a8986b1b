"""YOLOv8's detection graph in PyTorch, to compare other runtimes with: the reference.

    model = load("yolov8n.pt")                # float32, nothing folded, nothing fused
    exact = load("yolov8n.pt", torch.float64)
    boxes, classes = model.raw(pictures)      # (N, 64, h, w) and (N, C, h, w), strides 8, 16, 32
    head = model(pictures)                    # (N, 4 + C, A): centre x, centre y, width, height in
                                              # input pixels, then C scores of 0..1

pictures: (N, 3, H, W), RGB of 0..1, H and W multiples of 32.

Built from the module tree that the checkpoint holds (torch_checkpoint.py), so sizes n to x and
any number of classes come out by themselves. Needs PyTorch alone.
"""
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from torch_checkpoint import Module, read_checkpoint


class Conv(nn.Module):
    """Convolution, batch normalisation, SiLU; without normalisation if it was folded already."""

    def __init__(self, record):
        super().__init__()
        self.conv = _convolution(record.children["conv"])
        norm = record.children.get("bn")
        self.bn = _normalisation(norm) if norm is not None else nn.Identity()
        kind = record.children["act"].kind
        if kind != "SiLU":
            raise ValueError(f"activation '{kind}', need SiLU")

    def forward(self, x):
        return F.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, record):
        super().__init__()
        self.cv1 = Conv(record.children["cv1"])
        self.cv2 = Conv(record.children["cv2"])
        self.add = record["add"]

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C2f(nn.Module):
    """Two halves; one goes on through the bottlenecks; everything is joined at the end."""

    def __init__(self, record):
        super().__init__()
        self.c = record["c"]
        self.cv1 = Conv(record.children["cv1"])
        self.cv2 = Conv(record.children["cv2"])
        self.m = nn.ModuleList(map(Bottleneck, record.children["m"].children.values()))

    def forward(self, x):
        parts = list(self.cv1(x).split(self.c, dim=1))
        for bottleneck in self.m:
            parts.append(bottleneck(parts[-1]))
        return self.cv2(torch.cat(parts, dim=1))


class SPPF(nn.Module):
    """Three poolings of one size in a row, each seeing further."""

    def __init__(self, record):
        super().__init__()
        self.cv1 = Conv(record.children["cv1"])
        self.cv2 = Conv(record.children["cv2"])
        pool = record.children["m"]
        self.m = nn.MaxPool2d(pool["kernel_size"], pool["stride"], pool["padding"])

    def forward(self, x):
        parts = [self.cv1(x)]
        for _ in range(3):
            parts.append(self.m(parts[-1]))
        return self.cv2(torch.cat(parts, dim=1))


class Upsample(nn.Module):
    def __init__(self, record):
        super().__init__()
        if record["mode"] != "nearest":
            raise ValueError(f"upsampling '{record['mode']}', need nearest")
        self.scale = float(record["scale_factor"])

    def forward(self, x):
        return F.interpolate(x, scale_factor=self.scale, mode="nearest")


class Concat(nn.Module):
    def __init__(self, record):
        super().__init__()
        self.d = record["d"]

    def forward(self, xs):
        return torch.cat(xs, dim=self.d)


class Branch(nn.Sequential):
    """Of the head: Conv, Conv, and a plain convolution with a bias."""

    def __init__(self, record):
        super().__init__(*(_build(child) for child in record.children.values()))


class Detect(nn.Module):
    """The head: of each level a box branch and a class branch, then the decode."""

    def __init__(self, record, strides):
        super().__init__()
        self.bins = record["reg_max"]
        self.strides = strides
        self.cv2 = nn.ModuleList(map(Branch, record.children["cv2"].children.values()))
        self.cv3 = nn.ModuleList(map(Branch, record.children["cv3"].children.values()))
        weights = record.children["dfl"].children["conv"].tensors["weight"]
        self.register_buffer("bin_values", weights.flatten().float())

    def raw(self, levels):
        boxes = [branch(x) for branch, x in zip(self.cv2, levels)]
        classes = [branch(x) for branch, x in zip(self.cv3, levels)]
        return boxes, classes

    def forward(self, levels):
        return torch.cat([self.decode(*x) for x in zip(*self.raw(levels), self.strides)], dim=2)

    def decode(self, boxes, classes, stride):
        """Of one level: (N, 4 * bins, h, w) and (N, C, h, w) to (N, 4 + C, h * w)."""
        n, _, h, w = boxes.shape
        odds = boxes.view(n, 4, self.bins, h * w).softmax(dim=2)
        left, top, right, bottom = torch.einsum("nsba,b->sna", odds, self.bin_values)
        like = {"dtype": boxes.dtype, "device": boxes.device}
        x = (torch.arange(w, **like) + 0.5).repeat(h)
        y = (torch.arange(h, **like) + 0.5).repeat_interleave(w)
        centre = (x + (right - left) / 2, y + (bottom - top) / 2)
        box = torch.stack((*centre, left + right, top + bottom), dim=1) * stride
        return torch.cat((box, classes.view(n, -1, h * w).sigmoid()), dim=1)


class YOLOv8(nn.Module):
    """A list of layers; each takes the layers that its `f` names, -1 being the one before."""

    def __init__(self, record):
        super().__init__()
        layers = list(record.children["model"].children.values())
        self.names = dict(record["names"])
        self.strides = [float(s) for s in record["stride"]]
        self.sources = [layer["f"] for layer in layers]
        self.layers = nn.ModuleList(_build(layer) for layer in layers[:-1])
        self.head = Detect(layers[-1], self.strides)

    def levels(self, x):
        done = []
        for layer, source in zip(self.layers, self.sources):
            done.append(layer(self._gather(done, source, x)))
        return self._gather(done, self.sources[-1], x)

    @staticmethod
    def _gather(done, source, x):
        if isinstance(source, int):
            return done[source] if done else x
        return [done[s] for s in source]

    def forward(self, x):
        return self.head(self.levels(x))

    def raw(self, x):
        return self.head.raw(self.levels(x))


def _copy_tensors(module, record):
    with torch.no_grad():
        for name, tensor in record.tensors.items():
            if tensor is not None:
                getattr(module, name).copy_(tensor)
    return module


def _convolution(record):
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation",
             "groups")
    bias = record.tensors.get("bias") is not None
    return _copy_tensors(skip_init(nn.Conv2d, *(record[n] for n in names), bias=bias), record)


def _normalisation(record):
    return _copy_tensors(nn.BatchNorm2d(record["num_features"], eps=record["eps"]), record)


BUILDERS = {
    "Conv": Conv, "C2f": C2f, "SPPF": SPPF, "Upsample": Upsample, "Concat": Concat,
    "Conv2d": _convolution,
}


def _build(record):
    if not isinstance(record, Module) or record.kind not in BUILDERS:
        raise ValueError(f"no layer '{getattr(record, 'kind', type(record).__name__)}' in YOLOv8")
    return BUILDERS[record.kind](record)


def load(path, dtype=torch.float32):
    """The model that a checkpoint's user means: the averaged weights where it has them."""
    checkpoint = read_checkpoint(path)
    model = YOLOv8(checkpoint.get("ema") or checkpoint["model"])
    return model.eval().requires_grad_(False).to(dtype)
