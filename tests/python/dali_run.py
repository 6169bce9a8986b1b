"""Runs a serialised DALI pipeline as a server does: through libdali's C API (dali/dali.h), in a
process of its own that has nothing else of DALI. Pictures go in, tensors come out of a pipe.

    dali_run.py FOLDER MODEL SIZE BATCH FILE...     FOLDER: where the wheels are

Commands on standard input: "run I J ...": the files of these numbers as one batch. The answer is a
line, "ok" and then the batch's bytes of images and of placement, or "error" and why.
"""
import ctypes as c
import json
import pathlib
import subprocess
import sys

import numpy as np

UINT8, FLOAT = 0, 9  # daliDataType_t
CPU = 0  # daliStorageDevice_t
FEED_COPY, COPY_SYNC = 3, 2
OUTPUTS = ("images", "placement")


class Placement(c.Structure):
    _fields_ = [("device", c.c_int), ("device_id", c.c_int), ("pinned", c.c_uint8)]


class Params(c.Structure):
    """present: a bit a field below."""
    _fields_ = [("present", c.c_uint64), ("max_batch_size", c.c_int), ("num_threads", c.c_int),
                ("device_id", c.c_int), ("seed", c.c_int64), ("exec_type", c.c_int),
                ("exec_flags", c.c_int), ("prefetch", c.c_int * 2), ("checkpointing", c.c_uint8),
                ("memory_stats", c.c_uint8), ("bytes_per_sample_hint", c.c_size_t)]


class TensorDesc(c.Structure):
    _fields_ = [("ndim", c.c_int), ("shape", c.POINTER(c.c_int64)), ("dtype", c.c_int),
                ("layout", c.c_char_p), ("data", c.c_void_p)]


class Library:
    """The C API; a call that fails raises RuntimeError with libdali's own text."""

    def __init__(self, folder):
        dali = pathlib.Path(folder) / "nvidia/dali"
        operators = c.CDLL(str(dali / "libdali_operators.so"), c.RTLD_GLOBAL)
        self.core = c.CDLL(str(dali / "libdali.so"))
        self.core.daliGetLastErrorMessage.restype = c.c_char_p
        self.core.daliInitialize()
        operators.daliInitOperators()

    def __getattr__(self, name):
        function = getattr(self.core, name)

        def call(*arguments):
            if function(*arguments) < 0:
                raise RuntimeError(self.core.daliGetLastErrorMessage().decode(errors="replace"))

        return call


class Pipeline:
    def __init__(self, library, model, size, batch):
        self.library, self.size, self.handle = library, size, c.c_void_p()
        params = Params(present=1 << 0 | 1 << 1 | 1 << 4 | 1 << 6, max_batch_size=batch,
                        num_threads=2, exec_type=0, prefetch=(1, 1))
        library.daliPipelineDeserialize(c.byref(self.handle), model, c.c_size_t(len(model)),
                                        c.byref(params))
        library.daliPipelineBuild(self.handle)

    def close(self):
        self.library.daliPipelineDestroy(self.handle)

    def feed(self, files):
        batch, sample = c.c_void_p(), TensorDesc()
        sizes = (c.c_int64 * len(files))(*map(len, files))
        self.library.daliTensorListCreate(c.byref(batch), Placement(CPU, 0, 0))
        self.library.daliTensorListResize(batch, len(files), 1, sizes, UINT8, None)
        for i, data in enumerate(files):
            self.library.daliTensorListGetTensorDesc(batch, c.byref(sample), i)
            c.memmove(sample.data, data, len(data))
        self.library.daliPipelineFeedInput(self.handle, b"jpeg", batch, None, FEED_COPY, None)
        self.library.daliTensorListDecRef(batch, None)

    def output(self, outputs, index, shape):
        """One output, whose shape must be this. (Its size in bytes would be that of its memory.)"""
        batch, count, ndim, dtype = c.c_void_p(), c.c_int(), c.c_int(), c.c_int()
        shapes = c.POINTER(c.c_int64)()
        array = np.empty(shape, np.float32)
        self.library.daliPipelineOutputsGet(outputs, c.byref(batch), index)
        self.library.daliTensorListGetShape(batch, c.byref(count), c.byref(ndim), c.byref(shapes))
        self.library.daliTensorListGetDType(batch, c.byref(dtype))
        there = np.array(shapes[:count.value * ndim.value]).reshape(count.value, ndim.value)
        if dtype.value != FLOAT or there.tolist() != [list(shape[1:])] * shape[0]:
            raise RuntimeError(f"output {index} has type {dtype.value} and shape {there.tolist()}, "
                               f"need floats of {shape}")
        self.library.daliTensorListCopyOut(batch, array.ctypes.data_as(c.c_void_p),
                                           Placement(CPU, 0, 0), None, COPY_SYNC)
        self.library.daliTensorListDecRef(batch, None)
        return array

    def run(self, files):
        outputs = c.c_void_p()
        self.feed(files)
        self.library.daliPipelineRun(self.handle)
        self.library.daliPipelinePopOutputs(self.handle, c.byref(outputs))
        try:
            return (self.output(outputs, 0, (len(files), 3, self.size, self.size)),
                    self.output(outputs, 1, (len(files), 5)))
        finally:
            self.library.daliPipelineOutputsDestroy(outputs)


class Runner:
    """The other end of the pipe; a context manager."""

    def __init__(self, folder, model, size, batch, files):
        self.size = size
        self.process = subprocess.Popen(
            [sys.executable, "-I", __file__, folder, model, str(size), str(batch),
             *map(str, files)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def _read(self, *shape):
        data = self.process.stdout.read(4 * int(np.prod(shape)))
        return np.frombuffer(data, np.float32).reshape(shape)

    def run(self, *numbers):
        """images (n, 3, S, S) and placement (n, 5) of these files."""
        self.process.stdin.write(f"run {' '.join(map(str, numbers))}\n".encode())
        self.process.stdin.flush()
        answer = self.process.stdout.readline().decode().rstrip("\n")
        if answer != "ok":
            raise RuntimeError(json.loads(answer.removeprefix("error ") or '"the process died"'))
        n = len(numbers)
        return self._read(n, 3, self.size, self.size), self._read(n, 5)


def main(folder, model, size, batch, *files):
    library = Library(folder)
    model = pathlib.Path(model).read_bytes()
    files = [pathlib.Path(file).read_bytes() for file in files]
    pipeline = None
    for line in sys.stdin:
        try:
            pipeline = pipeline or Pipeline(library, model, int(size), int(batch))
            arrays = pipeline.run([files[int(number)] for number in line.split()[1:]])
        except RuntimeError as error:  # libdali: a pipeline that failed is of no more use
            if pipeline:
                pipeline.close()
            pipeline, arrays = None, ()
            sys.stdout.buffer.write(f"error {json.dumps(str(error))}\n".encode())
        else:
            sys.stdout.buffer.write(b"ok\n")
        for array in arrays:
            sys.stdout.buffer.write(array.tobytes())
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
