"""Reads a detection checkpoint that torch.save wrote, without running any code from it.

torch.load unpickles, and unpickling calls whatever the file names. Here every name that a
YOLOv8 detection checkpoint needs stands for something inert: modules become `Module` records,
tensors become views of their storage, anything else that is known and not needed becomes `Inert`.
Any name that is not known is refused by UnknownGlobal, before anything is made of it.

    checkpoint = read_checkpoint("yolov8n.pt")
    model = checkpoint["ema"] or checkpoint["model"]     # a Module: .kind, .attributes, .children

Limits: the zip form of torch.save (PyTorch 1.6 and later), little endian, dense tensors. A file
with compressed entries is refused, so that its own size bounds what it can fill.
"""
import collections
import pickle
import zipfile

import torch

STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}

# Where a class was in ultralytics' first releases, and where it is since 8.0.8x.
ULTRALYTICS = {
    "DetectionModel": ("ultralytics.nn.tasks",),
    "Conv": ("ultralytics.nn.modules", "ultralytics.nn.modules.conv"),
    "Concat": ("ultralytics.nn.modules", "ultralytics.nn.modules.conv"),
    "Bottleneck": ("ultralytics.nn.modules", "ultralytics.nn.modules.block"),
    "C2f": ("ultralytics.nn.modules", "ultralytics.nn.modules.block"),
    "SPPF": ("ultralytics.nn.modules", "ultralytics.nn.modules.block"),
    "DFL": ("ultralytics.nn.modules", "ultralytics.nn.modules.block"),
    "Detect": ("ultralytics.nn.modules", "ultralytics.nn.modules.head"),
}
TORCH_NN = {
    "Conv2d": "torch.nn.modules.conv",
    "BatchNorm2d": "torch.nn.modules.batchnorm",
    "SiLU": "torch.nn.modules.activation",
    "MaxPool2d": "torch.nn.modules.pooling",
    "Upsample": "torch.nn.modules.upsampling",
    "Sequential": "torch.nn.modules.container",
    "ModuleList": "torch.nn.modules.container",
}
# Metrics and arguments of the training run: read over, never needed.
BESIDE_THE_MODEL = {
    ("ultralytics.utils", "IterableSimpleNamespace"),
    ("ultralytics.yolo.utils", "IterableSimpleNamespace"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("pathlib", "PosixPath"),
    ("pathlib", "WindowsPath"),
}


class UnknownGlobal(pickle.UnpicklingError):
    """The file names something that a detection checkpoint does not need."""


class Inert:
    """Takes the place of an object; keeps nothing, does nothing."""

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass


class Module:
    """One pickled torch module: its class's name, its plain attributes, tensors and children."""

    kind = ""

    def __init__(self):
        self.attributes = {}
        self.tensors = {}
        self.children = {}

    def __setstate__(self, state):
        self.tensors = {**state.get("_parameters", {}), **state.get("_buffers", {})}
        self.children = dict(state.get("_modules", {}))
        self.attributes = {k: v for k, v in state.items() if not k.startswith("_")}

    def __getitem__(self, name):
        return self.attributes[name]


def _rebuild_tensor(storage, offset, shape, stride, *_):
    return torch.as_strided(storage, shape, stride, offset)


def _rebuild_parameter(tensor, *_):
    return tensor


def _globals():
    known = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("__builtin__", "set"): set,
        ("builtins", "set"): set,
        ("torch", "Size"): tuple,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    }
    known.update({("torch", name): dtype for name, dtype in STORAGES.items()})
    known.update({name: Inert for name in BESIDE_THE_MODEL})
    for kind, places in ULTRALYTICS.items():
        stand_in = type(kind, (Module,), {"kind": kind})
        known.update({(place, kind): stand_in for place in places})
    for kind, place in TORCH_NN.items():
        known[place, kind] = type(kind, (Module,), {"kind": kind})
    return known


class _Unpickler(pickle.Unpickler):
    known = _globals()

    def __init__(self, stream, storage):
        super().__init__(stream)
        self._storage = storage

    def find_class(self, module, name):
        if (module, name) not in self.known:
            raise UnknownGlobal(f"'{module}.{name}' has no place in a detection checkpoint")
        return self.known[module, name]

    def persistent_load(self, key):
        kind, dtype, name, _, count = key
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"unknown persistent object '{kind}'")
        return self._storage(dtype, name, count)


def read_checkpoint(path):
    """The checkpoint's dictionary. Its modules are Module records, its tensors torch tensors."""
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError(f"{path}: a compressed entry, which torch.save does not write")
        pickles = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"{path}: {len(pickles)} entries named data.pkl, need 1")
        root = pickles[0].removesuffix("data.pkl")
        storages = {}

        def storage(dtype, name, count):
            if name not in storages:
                data = bytearray(archive.read(f"{root}data/{name}"))
                storages[name] = torch.frombuffer(data, dtype=dtype, count=count)
            return storages[name]

        with archive.open(pickles[0]) as stream:
            return _Unpickler(stream, storage).load()
