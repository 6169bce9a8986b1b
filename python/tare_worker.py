"""The child process of the plugins `python` and `torch`: a runtime's own Python binding.

    tare_worker.py            serves the parent on file descriptors 3 and 4
    tare_worker.py --probe    sends one JSON line with the versions found, importing nothing heavy

Descriptor 4 is memory shared with the parent: a header of 64 KiB, then the tensors, where the
parent has put them. Descriptor 3 is a socket. What comes before the runs are JSON lines, one answer
to each request:

    {"cmd": "open", "model": ..., "precision": ..., "threads": ..., "batch": ..., "runtime": ...}
                            and the plugin's options, each under its name
    {"cmd": "bind", "inputs": [...], "outputs": [...]}     a tensor: name, dtype, shape, offset,
                                                           bytes; offset null: shape not known yet

A run is one byte each way: "r" comes, "." goes back, or after a failure, whose text is in the
header, "!", or "~" if memory ran out. The header (little-endian): 0 copy_in_ns, 8 compute_ns,
16 copy_out_ns, 24 length of the text, 32 the text (992 bytes); from 1024 on, for each output, 72
bytes: rank, then 8 dimensions.

The tensors are NumPy arrays over the shared memory, so a run costs what the same line costs in a
user's own program: session.run(None, {name: array}). Its results are new arrays, which are copied
to where the parent wants them after the clock has stopped; with io_binding they need no copy.
"""

import json
import mmap
import os
import re
import signal
import struct
import sys
import time
import traceback

from worker_refused import Refused

CHANNEL = 3
SHARED = 4
HEADER_BYTES = 65536
LENGTH_AT, TEXT_AT, TEXT_BYTES = 24, 32, 992
SHAPES_AT, SHAPE_BYTES, RANK_MAX = 1024, 72, 8

DTYPES = {
    "tensor(double)": "FP64", "tensor(float)": "FP32", "tensor(float16)": "FP16",
    "tensor(int8)": "INT8", "tensor(int16)": "INT16", "tensor(int32)": "INT32",
    "tensor(int64)": "INT64", "tensor(uint8)": "UINT8", "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32", "tensor(uint64)": "UINT64", "tensor(bool)": "BOOL",
}
NUMPY = {
    "FP64": "float64", "FP32": "float32", "FP16": "float16", "INT8": "int8", "INT16": "int16",
    "INT32": "int32", "INT64": "int64", "UINT8": "uint8", "UINT16": "uint16",
    "UINT32": "uint32", "UINT64": "uint64", "BOOL": "bool",
}


class OnnxRuntime:
    """ONNX Runtime's Python binding, on the CPU."""

    def open(self, request):
        try:
            import onnxruntime
        except ImportError as error:
            raise Refused(
                "absent", f"{sys.executable} cannot import onnxruntime: {error}") from None
        if not os.path.exists(request["model"]):
            raise Refused("absent", f"cannot load '{request['model']}': no such file")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.inter_op_num_threads = 1
        if request["threads"] > 0:
            options.intra_op_num_threads = request["threads"]
        if request.get("spinning") == "off":
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self.session = onnxruntime.InferenceSession(
                request["model"], options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the binding has an exception type of its own for each code
            raise Refused("baddata", f"cannot load '{request['model']}': {plain(error)}") from None
        self.io_binding = bool(request.get("io_binding"))
        return {
            "version": f"onnxruntime {onnxruntime.__version__}",
            "provider": self.session.get_providers()[0],
            "inputs": [self.describe(i) for i in self.session.get_inputs()],
            "outputs": [self.describe(o) for o in self.session.get_outputs()],
        }

    @staticmethod
    def describe(value):
        if value.type not in DTYPES:
            raise Refused("unsupported", f"tensor '{value.name}' is a {value.type}, "
                                         "which NumPy arrays cannot carry")
        shape = [d if isinstance(d, int) and d >= 0 else -1 for d in value.shape]
        return {"name": value.name, "dtype": DTYPES[value.type], "shape": shape}

    def bind(self, inputs, outputs):
        self.feeds = {name: array for name, array in inputs}
        self.outputs = outputs
        if not self.io_binding:
            self.run = self.run_plain
            return
        self.binding = self.session.io_binding()
        for name, array in inputs:
            self.binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in outputs:
            if array is None:
                self.binding.bind_output(name, "cpu")
            else:
                self.binding.bind_output(name, "cpu", 0, array.dtype, array.shape,
                                         array.ctypes.data)
        self.run = self.run_bound

    def run_plain(self):
        """Gives the results, and what copying in, the binding and copying out took, in ns."""
        start = time.perf_counter_ns()
        results = self.session.run(None, self.feeds)
        return results, (0, time.perf_counter_ns() - start, None)

    def run_bound(self):
        start = time.perf_counter_ns()
        self.session.run_with_iobinding(self.binding)
        elapsed = time.perf_counter_ns() - start
        if all(array is not None for _, array in self.outputs):
            return None, (0, elapsed, None)  # they are where the parent wants them
        return self.binding.copy_outputs_to_cpu(), (0, elapsed, None)


def torch_runtime():
    from worker_torch import Torch

    return Torch()


RUNTIMES = {"onnxruntime": OnnxRuntime, "torch": torch_runtime}


def plain(error):
    """An exception's text as one line, without error codes and places in the runtime's source."""
    text = " ".join(str(error).split())
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"^Load model from .*? failed: ?", "", text)
    text = re.sub(r"\S+\.(cc|h):\d+ ", "", text)
    return text.rstrip(".") or type(error).__name__


class Worker:
    def __init__(self):
        size = os.fstat(SHARED).st_size
        self.memory = mmap.mmap(SHARED, size)
        self.runtime = None
        self.outputs = []
        self.bound = False

    def open(self, request):
        kind = RUNTIMES.get(request["runtime"])
        if kind is None:
            raise Refused("unsupported", f"no Python runtime '{request['runtime']}', need one of "
                                         + ", ".join(RUNTIMES))
        self.runtime = kind()
        answer = self.runtime.open(request)
        answer["python"] = ".".join(map(str, sys.version_info[:3]))
        return answer

    def array(self, tensor):
        import numpy

        if tensor["offset"] is None:
            return None
        dtype = numpy.dtype(NUMPY[tensor["dtype"]])
        count = 1
        for size in tensor["shape"]:
            count *= size
        flat = numpy.frombuffer(self.memory, dtype, count, tensor["offset"])
        return flat.reshape(tensor["shape"])

    def bind(self, request):
        inputs = [(t["name"], self.array(t)) for t in request["inputs"]]
        self.outputs = [(t["name"], self.array(t)) for t in request["outputs"]]
        self.places = request["outputs"]
        self.runtime.bind(inputs, self.outputs)
        for index, (_, array) in enumerate(self.outputs):
            if array is not None:
                self.note_shape(index, array.shape)
        self.bound = True
        return {}

    def note_shape(self, index, shape):
        if len(shape) > RANK_MAX:
            raise Refused("unsupported", f"output {index} has rank {len(shape)}")
        struct.pack_into(f"<{1 + len(shape)}q", self.memory, SHAPES_AT + index * SHAPE_BYTES,
                         len(shape), *shape)

    def take(self, index, result):
        """Puts a result where the parent wants it; its shape may be another than was bound."""
        import numpy

        name, array = self.outputs[index]
        if array is None:
            self.note_shape(index, result.shape)
        elif result.shape == array.shape:
            numpy.copyto(array, result)
        else:
            place = self.places[index]
            if result.nbytes > place["bytes"]:
                raise Refused("limit", f"output '{name}' came out as {result.nbytes} bytes, "
                                       f"bound are {place['bytes']}")
            self.note_shape(index, result.shape)
            flat = numpy.frombuffer(self.memory, result.dtype, result.size, place["offset"])
            numpy.copyto(flat, result.reshape(-1))

    def run(self):
        """One run; the byte to answer with."""
        try:
            if not self.bound:
                raise Refused("invalid", "nothing is bound")
            results, (copy_in_ns, compute_ns, copy_out_ns) = self.runtime.run()
            start = time.perf_counter_ns()
            if results is not None:
                for index, result in enumerate(results):
                    self.take(index, result)
            if copy_out_ns is None:
                copy_out_ns = time.perf_counter_ns() - start
            struct.pack_into("<qqq", self.memory, 0, copy_in_ns, compute_ns, copy_out_ns)
            return b"."
        except Exception as error:  # whatever it is, the parent hears of it
            text = plain(error).encode()[:TEXT_BYTES]
            struct.pack_into("<q", self.memory, LENGTH_AT, len(text))
            self.memory[TEXT_AT:TEXT_AT + len(text)] = text
            return b"~" if getattr(error, "status", "") == "nomem" else b"!"

    def answer(self, line):
        try:
            request = json.loads(line)
            return {"open": self.open, "bind": self.bind}[request["cmd"]](request)
        except Refused as error:
            return {"error": plain(error), "status": error.status}
        except Exception as error:
            traceback.print_exc()  # into the log that the parent keeps
            return {"error": f"{type(error).__name__}: {plain(error)}", "status": "failed"}

    def serve(self):
        while True:
            byte = os.read(CHANNEL, 1)
            if byte == b"r":
                os.write(CHANNEL, self.run())
            elif not byte:
                return
            else:
                line = bytearray(byte)
                while not line.endswith(b"\n"):
                    more = os.read(CHANNEL, 1)
                    if not more:
                        return
                    line += more
                send(self.answer(line))


def send(answer):
    data = json.dumps(answer).encode() + b"\n"
    while data:
        data = data[os.write(CHANNEL, data):]


def probe():
    from importlib import metadata

    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("onnxruntime", "onnxruntime-gpu", "torch", "numpy"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    send(found)


if __name__ == "__main__":
    if sys.argv[1:] == ["--probe"]:
        probe()
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to deal with
        Worker().serve()
        os._exit(0)  # a runtime's own tear-down is not what is measured, and may hang
