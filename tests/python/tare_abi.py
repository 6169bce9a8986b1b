"""The plugin ABI of include/tare/backend.h seen from outside: plugins driven by ctypes.

Being written from the header alone, it also shows that a plugin needs nothing of the program
that loads it.
"""

import ctypes as c
import os
import subprocess
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = Path(os.environ.get("TARE_PLUGINS", ROOT / "bin" / "plugins"))
os.environ.setdefault("TARE_HOME", str(ROOT))

OK, FAILED, NOMEM, BADDATA, UNSUPPORTED, ABSENT, BROKEN, INVALID, LIMIT, TIMEOUT = (
    0, -1, -2, -4, -5, -6, -7, -8, -9, -10)
DTYPES = {1: "float64", 2: "float32", 3: "float16", 5: "int8", 6: "int16", 7: "int32",
          8: "int64", 9: "uint8", 10: "uint16", 11: "uint32", 12: "uint64", 13: "bool",
          14: "object"}
ELEMENT_ROOM = 1 << 20  # of a string of bytes


class Err(c.Structure):
    _fields_ = [("status", c.c_int), ("text", c.c_char * 500)]


class Info(c.Structure):
    _fields_ = [("name", c.c_char * 128), ("dtype", c.c_int), ("rank", c.c_int32),
                ("shape", c.c_int64 * 8)]


class Tensor(c.Structure):
    _fields_ = [("name", c.c_char * 128), ("dtype", c.c_int), ("memory", c.c_int),
                ("device_id", c.c_int32), ("rank", c.c_int32), ("shape", c.c_int64 * 8),
                ("data", c.c_void_p), ("capacity_bytes", c.c_size_t)]


class Option(c.Structure):
    _fields_ = [("name", c.c_char_p), ("value", c.c_char_p)]


class Open(c.Structure):
    _fields_ = [("model_path", c.c_char_p), ("device", c.c_char_p), ("precision", c.c_char_p),
                ("threads", c.c_int32), ("batch", c.c_int32), ("options", c.POINTER(Option)),
                ("option_count", c.c_size_t)]


class Report(c.Structure):
    _fields_ = [("load_ns", c.c_int64), ("peak_memory_bytes", c.c_int64),
                ("runtime_version", c.c_char * 64), ("provider", c.c_char * 64),
                ("executed_precision", c.c_char * 32), ("threads", c.c_int32)]


class Timing(c.Structure):
    _fields_ = [("queue_ns", c.c_int64), ("copy_in_ns", c.c_int64), ("compute_ns", c.c_int64),
                ("copy_out_ns", c.c_int64)]


class Request(c.Structure):
    _fields_ = [("sequence_id", c.c_uint64), ("sequence_start", c.c_bool),
                ("sequence_end", c.c_bool), ("deadline_ns", c.c_int64)]


P = c.c_void_p
ERR = c.POINTER(Err)


def slot(*arguments):
    return c.CFUNCTYPE(c.c_int, *arguments)


class Backend(c.Structure):
    _fields_ = [
        ("abi_major", c.c_uint32), ("abi_minor", c.c_uint32), ("struct_size", c.c_uint32),
        ("capabilities", c.c_uint32), ("name", c.c_char_p), ("summary", c.c_char_p),
        ("options", P), ("state_bytes", c.c_size_t),
        ("probe", slot(c.c_char_p, c.c_size_t, ERR)),
        ("open", slot(c.POINTER(Open), c.POINTER(P), c.POINTER(Report), ERR)),
        ("close", c.CFUNCTYPE(None, P)),
        ("describe", slot(P, c.c_bool, c.POINTER(c.POINTER(Info)), c.POINTER(c.c_size_t), ERR)),
        ("bind", slot(P, c.POINTER(Tensor), c.c_size_t, c.POINTER(Tensor), c.c_size_t, ERR)),
        ("run", slot(P, P, c.POINTER(Timing), ERR)),
        ("bound_shape", slot(P, c.c_size_t, c.POINTER(c.c_int32), c.POINTER(c.c_int64), ERR)),
        ("submit", slot(P, P, ERR)), ("wait", slot(P, c.POINTER(Timing), ERR)),
        ("profile", P), ("state_reset", P),
        ("allocate", slot(P, c.c_size_t, c.POINTER(Tensor), ERR)),
    ]


class TareError(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Strings:
    """The memory of a TARE_BYTES tensor: strings[...] = list of bytes, strings.copy() a list."""

    def __init__(self, memory, shape):
        self.memory, self.shape = memory, shape

    def __setitem__(self, _, values):
        encoded = b"".join(len(v).to_bytes(4, "little") + v for v in np.ravel(values))
        self.memory[:len(encoded)] = np.frombuffer(encoded, np.uint8)

    def copy(self):
        values, at = [], 0
        for _ in range(int(np.prod(self.shape))):
            size = int.from_bytes(self.memory[at:at + 4].tobytes(), "little")
            values.append(self.memory[at + 4:at + 4 + size].tobytes())
            at += 4 + size
        return values


class Session:
    """A model on a plugin; run() takes and gives numpy arrays by name."""

    def __init__(self, plugin, model, /, threads=1, batch=1, device="cpu",
                 precision="fp32", **options):
        library = c.CDLL(str(PLUGINS / f"{plugin}.so"))
        library.tare_backend_entry.restype = c.POINTER(Backend)
        self.backend = library.tare_backend_entry().contents
        values = (Option * max(1, len(options)))(
            *[Option(k.encode(), str(v).encode()) for k, v in options.items()])
        opened = Open(os.fsencode(model) if model else None, device.encode(), precision.encode(),
                      threads, batch, values, len(options))
        self.handle = P()
        self.report = Report()
        self._check(self.backend.open, c.byref(opened), c.byref(self.handle),
                    c.byref(self.report))
        self.inputs = self._describe(True)
        self.outputs = self._describe(False)

    def _check(self, function, *arguments):
        err = Err()
        status = function(*arguments, c.byref(err))
        if status != OK:
            assert status == err.status and err.text and b"\n" not in err.text
            raise TareError(status, err.text.decode())

    def _describe(self, inputs):
        infos, count = c.POINTER(Info)(), c.c_size_t()
        self._check(self.backend.describe, self.handle, inputs, c.byref(infos), c.byref(count))
        return [(i.name.decode(), DTYPES[i.dtype], list(i.shape[:i.rank]), i.dtype)
                for i in infos[:count.value]]

    def _strings(self, name, code, array):
        room = array.size * ELEMENT_ROOM
        tensor, memory = self._tensor(name, code, np.zeros(room, np.uint8))
        tensor.rank, tensor.shape = array.ndim, (c.c_int64 * 8)(*array.shape)
        return tensor, Strings(memory, array.shape)

    def _tensor(self, name, code, array):
        if array.dtype == object:
            return self._strings(name, code, array)
        shape = (c.c_int64 * 8)(*array.shape)
        tensor = Tensor(name.encode(), code, 0, 0, array.ndim, shape, None, 0)
        if self.backend.allocate:
            self._check(self.backend.allocate, self.handle, max(64, array.nbytes),
                        c.byref(tensor))
            view = (c.c_uint8 * max(64, array.nbytes)).from_address(tensor.data)
            array = np.frombuffer(view, array.dtype, array.size).reshape(array.shape)
        else:
            tensor.data, tensor.capacity_bytes = array.ctypes.data, array.nbytes
        return tensor, array

    def bind(self, feeds, output_shapes):
        """feeds: arrays by name. output_shapes: a shape or None (not known) by name."""
        self.arrays, ins, outs = {}, [], []
        for name, dtype, _, code in self.inputs:
            given = np.ascontiguousarray(feeds[name], dtype)
            tensor, array = self._tensor(name, code, given)
            array[...] = given
            self.arrays[name] = array
            ins.append(tensor)
        for name, dtype, shape, code in self.outputs:
            wanted = output_shapes.get(name, shape)
            if wanted is None:
                outs.append(Tensor(name.encode(), code, 0, 0, len(shape),
                                   (c.c_int64 * 8)(*shape), None, 0))
                continue
            tensor, self.arrays[name] = self._tensor(name, code, np.zeros(wanted, dtype))
            outs.append(tensor)
        self._check(self.backend.bind, self.handle, (Tensor * max(1, len(ins)))(*ins), len(ins),
                    (Tensor * max(1, len(outs)))(*outs), len(outs))

    def run_bound(self, request=None):
        timing = Timing(-1, -1, -1, -1)
        self._check(self.backend.run, self.handle, request and c.byref(request), c.byref(timing))
        return timing

    def submit(self):
        self._check(self.backend.submit, self.handle, None)

    def wait(self):
        self._check(self.backend.wait, self.handle, None)

    def bound_shape(self, index):
        rank, shape = c.c_int32(), (c.c_int64 * 8)()
        self._check(self.backend.bound_shape, self.handle, index, c.byref(rank), shape)
        return list(shape[:rank.value])

    def run(self, feeds, output_shapes):
        self.bind(feeds, output_shapes)
        self.run_bound()
        return [self.arrays[o[0]].copy() for o in self.outputs]

    def close(self):
        if self.handle:
            self.backend.close(self.handle)
            self.handle = P()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def build_plugins():
    """Makes sure that the plugins are there, when pytest is run by hand."""
    if not (PLUGINS / "onnxruntime.so").exists():
        subprocess.run(["make", "-s", "plugins"], cwd=ROOT, check=True)
