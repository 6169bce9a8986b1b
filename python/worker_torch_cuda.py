"""What worker_torch.py does on an NVIDIA GPU: transfers, CUDA graphs, clocks, and how it refuses.

A run copies the inputs from the parent's shared memory to the device, computes, copies the outputs
back there and waits for the device; nothing is enqueued ahead. That memory is pinned (registered
with the driver), so that the device copies by itself. Four CUDA events tell copying from computing
by the device's own clock; what the host waits for is the parent's to time.
"""
import contextlib

from worker_refused import Refused


def first_sentence(text):
    line = " ".join(str(text).split())
    return line.split(". ")[0].rstrip(".")


def check(torch, device, request):
    """Refuses, in one line, what this PyTorch or this machine has not got."""
    if torch.version.cuda is None:
        raise Refused("absent", f"this PyTorch {torch.__version__} has no CUDA: '{device}' needs a "
                                "build with CUDA ('pip install torch' gets one on Linux)")
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        raise Refused("absent", f"no CUDA device: {first_sentence(error)}") from None
    if device.index >= torch.cuda.device_count():
        raise Refused("absent", f"no CUDA device '{device}': this machine has "
                                f"{torch.cuda.device_count()}")
    if request["tf32"] and request["precision"] != "fp32":
        raise Refused("invalid", f"tf32=1 has nothing to do in {request['precision']}, need fp32")
    if request["cuda_graph"] and request["compile"] in ("reduce-overhead", "max-autotune"):
        raise Refused("invalid", f"compile={request['compile']} makes CUDA graphs of its own: need "
                                 "cuda_graph=0, or compile=default")
    capability = torch.cuda.get_device_capability(device)
    if capability < (8, 0) and (request["tf32"] or request["precision"] == "bf16"):
        wanted = "TF32" if request["tf32"] else "BF16 arithmetic"
        raise Refused("unsupported", f"this GPU (sm_{capability[0]}{capability[1]}) has no "
                                     f"{wanted}, need sm_80 or newer")
    torch.cuda.set_device(device)
    torch.backends.cudnn.benchmark = request["cudnn_benchmark"]
    set_tf32(torch, request["tf32"])


def set_tf32(torch, allowed):
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def is_out_of_memory(torch, error):
    """Of the device: PyTorch's own allocator, the driver's, or a library's."""
    text = str(error)
    return isinstance(error, torch.cuda.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "ALLOC_FAILED" in text))


@contextlib.contextmanager
def memory_named(torch, device):
    """Makes a device's lack of memory a refusal that says so."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(torch, error):
            raise
        # "CUDA out of memory. Tried to allocate 20 MiB. GPU 0 has a total capacity of ... free."
        said = [part for part in " ".join(str(error).split()).split(". ")
                if part.startswith(("Tried", "GPU"))]
        about = ": " + ", ".join(said) if said else f": {first_sentence(error)}"
        raise Refused("nomem", f"out of memory on '{device}'{about}") from error


def name_tf32(torch, forward, device, shape):
    """"tf32" where it changes what comes out, being allowed; what is not used is not named."""
    pictures = torch.rand(shape, generator=torch.Generator().manual_seed(1)).to(device)
    with torch.inference_mode():
        with_it = forward(pictures)
        set_tf32(torch, False)
        without = forward(pictures)
        set_tf32(torch, True)
    return "fp32" if all(map(torch.equal, with_it, without)) else "tf32"


def provider(torch, device, mode, cuda_graph):
    """"CUDA 13.0, cuDNN 9.13.0, sm_90, CUDA graph": 63 bytes at most reach the parent."""
    cudnn = torch.backends.cudnn.version() or 0
    # 91300 is 9.13.0 since version 9, 8902 was 8.9.2
    parts = (cudnn // 10000, cudnn // 100 % 100, cudnn % 100) if cudnn >= 90000 else (
        cudnn // 1000, cudnn // 100 % 10, cudnn % 100)
    major, minor = torch.cuda.get_device_capability(device)
    text = f"CUDA {torch.version.cuda}, cuDNN {'.'.join(map(str, parts))}, sm_{major}{minor}"
    return text + (", inductor" if mode != "off" else "") + (", CUDA graph" if cuda_graph else "")


class Lane:
    """The way of one batch: pinned host memory, device, pinned host memory."""

    WARM_UP = 5  # runs before the launches are recorded: cuDNN and the allocator settle

    def __init__(self, torch, device, forward, shape, request):
        self.torch, self.device, self.forward = torch, device, forward
        self.input = torch.zeros(shape, device=device)
        self.pinned = {} if request["pinned"] else None  # bytes by address
        self.marks = [torch.cuda.Event(enable_timing=True) for _ in range(4)]
        self.graph = None
        self.compute = self.compute_plain
        if request["cuda_graph"]:
            self.record()

    def record(self):
        """Warm-up and capture happen on a stream of their own, as PyTorch asks for."""
        torch = self.torch
        side = torch.cuda.Stream(self.device)
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.inference_mode():
            with torch.cuda.stream(side):
                for _ in range(self.WARM_UP):
                    self.forward(self.input)
            torch.cuda.current_stream(self.device).wait_stream(side)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.recorded = self.forward(self.input)
        torch.cuda.synchronize(self.device)
        self.compute = self.compute_graph

    def compute_plain(self):
        return self.forward(self.input)

    def compute_graph(self):
        self.graph.replay()
        return self.recorded

    def pin(self, tensor):
        """Registers a tensor's memory, whose pages are its own, with the driver."""
        if self.pinned is None:
            return
        address, size = tensor.data_ptr(), -(-tensor.nbytes // 4096) * 4096
        cudart = self.torch.cuda.cudart()
        if self.pinned.get(address, 0) >= size:
            return
        if address in self.pinned:
            cudart.cudaHostUnregister(address)
            del self.pinned[address]
        code = int(cudart.cudaHostRegister(address, size, 0))
        if code != 0:
            raise Refused("failed", f"cannot pin {size} bytes of host memory (cudaHostRegister "
                                    f"gives error {code}): raise the limit of locked memory, or "
                                    "use pinned=0")
        self.pinned[address] = size

    def bind(self, inputs, outputs):
        ((_, array),) = inputs
        self.host_input = self.torch.from_numpy(array)
        self.pin(self.host_input)
        self.host_outputs = None
        if all(array is not None for _, array in outputs):
            self.host_outputs = [self.torch.from_numpy(array) for _, array in outputs]
            for tensor in self.host_outputs:
                self.pin(tensor)

    def run(self):
        """Gives None where the results are in place, and what copying in, computing and copying
        out took on the device, in ns."""
        begin, ready, done, end = self.marks
        with self.torch.inference_mode(), memory_named(self.torch, self.device):
            begin.record()
            self.input.copy_(self.host_input, non_blocking=True)
            ready.record()
            results = self.compute()
            done.record()
            if self.host_outputs is not None:
                for host, result in zip(self.host_outputs, results):
                    host.copy_(result, non_blocking=True)
            end.record()
            end.synchronize()
            arrays = None if self.host_outputs is not None else [
                result.cpu().numpy() for result in results]
        times = [int(a.elapsed_time(b) * 1e6) for a, b in
                 ((begin, ready), (ready, done), (done, end))]
        return arrays, tuple(times)
