"""The `torch` runtime of tare_worker.py: YOLOv8 in PyTorch, straight from its checkpoint.

The modules are those of yolov8_reference.py, filled from the checkpoint by torch_checkpoint.py: no
code of the file's is run. Inputs and outputs are float32 whatever the model computes in, and boxes
are always decoded in float32, since coordinates of hundreds of pixels do not fit into BF16.

A run is timed around the one line that a user writes, under inference_mode: outputs = model(x);
with channels_last that includes bringing the input into that order. On a GPU it is timed by CUDA
events, transfers apart: worker_torch_cuda.py.
"""
import importlib.util
import os
import pickle
import shutil
import sys
import sysconfig
import time
import zipfile

import worker_torch_cuda
from worker_refused import Refused

GET_IT = ("'tools/setup torch' gets it, after saying how large it is (TORCH_INDEX=URL names "
          "the index of PyTorch's CPU builds); so does '{} -m pip install torch'")


def import_torch():
    try:
        import torch
    except ImportError as error:
        raise Refused("absent", f"{sys.executable} cannot import torch ({error}): "
                                + GET_IT.format(sys.executable)) from None
    return torch


class Torch:
    """PyTorch on the processor or on a GPU."""

    def open(self, request):
        if request.get("spinning") == "off":  # OpenMP reads these as its library is loaded
            os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
            os.environ["KMP_BLOCKTIME"] = "0"
        torch = self.torch = import_torch()
        self.device = choose_device(torch, request)
        threads = set_threads(torch, request["threads"])
        dtype = choose_dtype(torch, self.device, request["precision"], request["emulate"])
        side = request["imgsz"]
        if side % 32 != 0:
            raise Refused("invalid", f"imgsz is {side}, need a multiple of 32")
        model = load_model(request["model"])
        if request["fuse"]:
            fuse(model)
        graph = make_graph(model, request["head"], dtype, request["autocast"], self.device.type)
        self.format = torch.channels_last if request["channels_last"] else torch.contiguous_format
        shape = (request["batch"], 3, side, side)
        with worker_torch_cuda.memory_named(torch, self.device):
            self.model = graph.to(device=self.device, memory_format=self.format)
            outputs, precision = self.first_run(shape, model)
            if request["tf32"]:
                precision = worker_torch_cuda.name_tf32(torch, self.forward, self.device, shape)
            if request["compile"] != "off":
                self.compile(request["compile"], shape)
            if self.device.type == "cuda":
                lane = worker_torch_cuda.Lane(torch, self.device, self.forward, shape, request)
                self.bind, self.run = lane.bind, lane.run
        names = ["output0"] if request["head"] == "full" else [
            f"{kind}{int(stride)}" for stride in model.strides for kind in ("box", "cls")]
        return {
            "version": f"torch {torch.__version__}",
            "provider": provider(torch, self.device, dtype, request),
            "precision": precision,
            "threads": threads,
            "inputs": [{"name": "images", "dtype": "FP32", "shape": list(shape)}],
            "outputs": [{"name": name, "dtype": "FP32", "shape": list(output.shape)}
                        for name, output in zip(names, outputs, strict=True)],
        }

    def first_run(self, shape, model):
        """One run on zeros: the outputs, and the precision that the convolutions worked in."""
        torch = self.torch
        seen = set()
        hooks = [module.register_forward_hook(lambda _, __, out: seen.add(str(out.dtype)))
                 for module in model.modules() if isinstance(module, torch.nn.Conv2d)]
        with torch.inference_mode():
            outputs = self.model(self.zeros(shape))
        for hook in hooks:
            hook.remove()
        names = {"torch.float32": "fp32", "torch.bfloat16": "bf16", "torch.float16": "fp16"}
        return outputs, "+".join(sorted(names.get(dtype, dtype) for dtype in seen))

    def zeros(self, shape):
        zeros = self.torch.zeros(shape, device=self.device)
        return zeros.contiguous(memory_format=self.format)

    def forward(self, pictures):
        return self.model(pictures.contiguous(memory_format=self.format))

    def compile(self, mode, shape):
        torch = self.torch
        choose_compiler(self.device.type)
        import torch._inductor.config

        # no pool of processes beside what is measured
        threads = 1 if self.device.type == "cpu" else len(os.sched_getaffinity(0))
        torch._inductor.config.compile_threads = threads
        self.model = torch.compile(self.model, mode=mode, fullgraph=True, dynamic=False)
        try:
            with torch.inference_mode():
                for _ in range(2):
                    self.model(self.zeros(shape))
        except Exception as error:  # whatever the compiler says, in its own many types
            if worker_torch_cuda.is_out_of_memory(torch, error):
                raise
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise Refused("failed", "torch.compile failed: " + " ".join(lines[:3])) from error
        if threads > 1:
            from torch._inductor.async_compile import shutdown_compile_workers

            shutdown_compile_workers()

    def bind(self, inputs, outputs):
        ((_, array),) = inputs
        self.input = self.torch.from_numpy(array)

    def run(self):
        """Gives the results, and how long PyTorch took."""
        with self.torch.inference_mode():
            start = time.perf_counter_ns()
            results = self.forward(self.input)
            elapsed = time.perf_counter_ns() - start
        return [result.numpy() for result in results], (0, elapsed, None)


def set_threads(torch, wanted):
    """How many threads PyTorch says that it uses."""
    torch.set_num_interop_threads(1)
    if wanted > 0:
        torch.set_num_threads(wanted)
        if torch.get_num_threads() != wanted:
            raise Refused("unsupported", f"PyTorch runs {torch.get_num_threads()} threads, "
                                         f"not the {wanted} that it was told to")
    return torch.get_num_threads()


def computes_bf16(torch):
    """Whether the processor multiplies in BF16. oneDNN's own answer is not enough on x86: it is yes
    for any AVX-512, where it widens to FP32 first."""
    capabilities = torch.cpu.get_capabilities()
    if capabilities.get("architecture") == "x86_64":
        return capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def choose_device(torch, request):
    """The device, if this PyTorch and this machine have it and the options are its own."""
    device = torch.device(request["device"])
    if device.type == "cuda":
        worker_torch_cuda.check(torch, device, request)
        return device
    wanted = [name for name in ("cuda_graph", "tf32", "cudnn_benchmark") if request[name]]
    if request["compile"] == "reduce-overhead":
        wanted.append("compile")
    if wanted:
        raise Refused("invalid", f"the option {wanted[0]} is for a GPU, need device cuda:N")
    return device


def choose_dtype(torch, device, precision, emulate):
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if precision not in dtypes:
        raise Refused("unsupported", f"the torch runtime has no '{precision}', need one of "
                                     + ", ".join(dtypes))
    torch.set_float32_matmul_precision("highest")  # no BF16 or TF32 in FP32's place
    if device.type == "cuda":
        return dtypes[precision]
    if precision == "fp16" and not torch.ops.mkldnn._is_mkldnn_fp16_supported():
        raise Refused("unsupported", "this processor computes no FP16 in PyTorch (oneDNN needs "
                                     "AVX-512 FP16): tensors would be FP16 and sums would not; "
                                     "need fp32 or bf16")
    if precision == "bf16" and not emulate and not computes_bf16(torch):
        raise Refused("unsupported", "this processor has no BF16 arithmetic: PyTorch would compute "
                                     "in FP32 and round; need fp32, or the option emulate=1")
    return dtypes[precision]


def provider(torch, device, dtype, request):
    """What computes the convolutions: "native" where oneDNN leaves a type to PyTorch's own code."""
    mode = request["compile"]
    if device.type == "cuda":
        return worker_torch_cuda.provider(torch, device, mode, request["cuda_graph"])
    onednn = torch.backends.mkldnn.is_available()
    if dtype == torch.bfloat16:
        onednn = onednn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return ("" if mode == "off" else "inductor, ") + ("oneDNN" if onednn else "native")


def load_model(path):
    import torch_checkpoint
    import yolov8_reference

    if not os.path.exists(path):
        raise Refused("absent", f"cannot load '{path}': no such file")
    if not zipfile.is_zipfile(path):
        raise Refused("baddata", f"cannot load '{path}': no checkpoint of torch.save, need the "
                                 ".pt itself")
    try:
        return yolov8_reference.load(path)
    except torch_checkpoint.UnknownGlobal as error:
        raise Refused("baddata", f"cannot load '{path}': {error}; nothing of it was run") from None
    except (pickle.UnpicklingError, zipfile.BadZipFile, ValueError, KeyError, IndexError,
            AttributeError, TypeError, RuntimeError, EOFError, OSError, MemoryError,
            OverflowError, RecursionError, NotImplementedError, UnicodeError) as error:
        text = str(error) or type(error).__name__
        raise Refused("baddata", f"cannot load '{path}': no YOLOv8 detector: {text}") from None


def fuse(model):
    """Folds each batch normalisation into the convolution before it."""
    from torch.nn import Identity
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    from yolov8_reference import Conv

    for module in model.modules():
        if isinstance(module, Conv) and not isinstance(module.bn, Identity):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = Identity()


def make_graph(model, head, dtype, autocast, device_type="cpu"):
    """The module that is run: float32 in, float32 out, what lies between in dtype."""
    import torch

    weights = torch.float32 if autocast else dtype

    def plain(tensor):  # on a device both in one kernel; copied there, it must lie as it is read
        if device_type == "cpu":
            return tensor.float()
        return tensor.to(torch.float32, memory_format=torch.contiguous_format)
    if dtype == torch.float32 and autocast:
        raise Refused("invalid", "autocast has nothing to do in fp32, need precision bf16")

    class Graph(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model.to(weights)
            model.head.bin_values = model.head.bin_values.float()

        def forward(self, x):
            if autocast:
                with torch.autocast(device_type, dtype=dtype):
                    boxes, classes = self.model.raw(x)
            else:
                boxes, classes = self.model.raw(x.to(weights))
            if head == "raw":
                return tuple(plain(tensor) for level in zip(boxes, classes) for tensor in level)
            levels = [(b.float(), c.float()) for b, c in zip(boxes, classes)]
            decode = self.model.head.decode
            return (torch.cat([decode(*level, stride)
                               for level, stride in zip(levels, self.model.strides)], dim=2),)

    return Graph().eval()


def choose_compiler(device_type="cpu"):
    """torch.compile translates C++, on a GPU Triton translates C, that includes Python's header:
    both must be there."""
    variable, language, known = (("CXX", "C++", ["g++", "clang++"]) if device_type == "cpu" else
                                 ("CC", "C", ["gcc", "clang"]))
    compilers = [os.environ[variable]] if os.environ.get(variable) else known
    found = [name for name in compilers if shutil.which(name)]
    if not found:
        raise Refused("absent", f"torch.compile needs a {language} compiler and there is no "
                                f"{' or '.join(compilers)}: install {known[0]} or set {variable}, "
                                "or use compile=off")
    header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    if not os.path.exists(header):
        raise Refused("absent", f"torch.compile needs Python's header and there is no '{header}': "
                                "install python3-dev, or use compile=off")
    if device_type != "cpu" and not importlib.util.find_spec("triton"):
        raise Refused("absent", "torch.compile needs the package triton on a GPU, and it is not "
                                "there: install it, or use compile=off")
    os.environ[variable] = found[0]  # PyTorch would look for g++ alone
