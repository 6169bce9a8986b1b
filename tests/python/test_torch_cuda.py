"""The torch plugin's way to a GPU, as far as it goes without one: what it refuses, and how it says
that memory ran out. What needs a GPU is run on one: docs/gpu.md."""
import re
import stat
import sys

import pytest

torch = pytest.importorskip("torch")

import make_checkpoint  # noqa: E402
import tare_abi  # noqa: E402
import worker_torch_cuda  # noqa: E402
from tare_abi import Session, TareError  # noqa: E402
from test_torch_plugin import noise, refused  # noqa: E402
from worker_refused import Refused  # noqa: E402

NO_GPU = not torch.cuda.is_available()


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    monkeypatch.setenv("TARE_PYTHON", sys.executable)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    path = tmp_path_factory.mktemp("seeded") / "seeded.pt"
    make_checkpoint.make_checkpoint(path, "n", 3, seed=4)
    return path


@pytest.mark.skipif(torch.version.cuda is not None, reason="this PyTorch has CUDA")
@pytest.mark.parametrize("options", [{}, {"cuda_graph": 1, "precision": "fp16"}, {"tf32": 1}])
def test_a_build_for_the_processor_says_so(seeded, options):
    version = re.escape(torch.__version__)
    refused(tare_abi.ABSENT, f"this PyTorch {version} has no CUDA: 'cuda:0' needs a build", seeded,
            device="cuda:0", **options)


@pytest.mark.parametrize("device", ["cuda", "cuda:", "cuda:x", "cuda:12345", "gpu:0", "cuda:0 "])
def test_devices_that_are_none(seeded, device):
    refused(tare_abi.UNSUPPORTED, f"cannot use device '{device}', need cpu or cuda:N", seeded,
            device=device)


@pytest.mark.parametrize("option, value", [("cuda_graph", 1), ("tf32", 1), ("cudnn_benchmark", 1),
                                           ("compile", "reduce-overhead")])
def test_options_of_a_gpu_need_one(seeded, option, value):
    refused(tare_abi.INVALID, f"the option {option} is for a GPU, need device cuda:N", seeded,
            **{option: value})


class Build:
    """As much of a PyTorch with CUDA as check() asks before it needs a device."""

    __version__ = "2.99.0+cu130"

    def __init__(self, failure="", devices=1, capability=(7, 5)):
        self.failure, self.version = failure, type("", (), {"cuda": "13.0"})
        self.cuda = type("", (), {
            "init": self.init, "device_count": lambda: devices,
            "get_device_capability": lambda _: capability})

    def init(self):
        if self.failure:
            raise RuntimeError(self.failure)


REQUEST = {"tf32": False, "cuda_graph": False, "precision": "fp32", "compile": "off"}
NO_DRIVER = ("Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and "
             "installed a driver from http://www.nvidia.com/Download/index.aspx")


@pytest.mark.parametrize("build, request_, status, text", [
    (Build(NO_DRIVER), {}, "absent", "no CUDA device: Found no NVIDIA driver on your system"),
    (Build(devices=2), {}, "absent", "no CUDA device 'cuda:2': this machine has 2"),
    (Build(devices=3), {"tf32": True}, "unsupported",
     "this GPU (sm_75) has no TF32, need sm_80 or newer"),
    (Build(devices=3), {"precision": "bf16"}, "unsupported",
     "this GPU (sm_75) has no BF16 arithmetic, need sm_80 or newer"),
    (Build(devices=3), {"tf32": True, "precision": "fp16"}, "invalid",
     "tf32=1 has nothing to do in fp16, need fp32"),
    (Build(devices=3), {"cuda_graph": True, "compile": "reduce-overhead"}, "invalid",
     "compile=reduce-overhead makes CUDA graphs of its own: need cuda_graph=0, or compile="
     "default"),
])
def test_what_a_machine_has_not_got(build, request_, status, text):
    with pytest.raises(Refused) as caught:
        worker_torch_cuda.check(build, torch.device("cuda:2"), {**REQUEST, **request_})
    assert (caught.value.status, str(caught.value)) == (status, text)


SAID = ("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 7.93 GiB "
        "of which 1.06 GiB is free. Including non-PyTorch memory, this process has 2.25 GiB memory "
        "in use. If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF.")


@pytest.mark.parametrize("error, text", [
    (torch.cuda.OutOfMemoryError(SAID), ": Tried to allocate 20.00 GiB, GPU 0 has a total capacity "
                                        "of 7.93 GiB of which 1.06 GiB is free"),
    (RuntimeError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'"),
     ": CUDA error: out of memory Search for `cudaErrorMemoryAllocation'"),
    (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
     ": CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
])
def test_out_of_memory_is_named(error, text):
    with pytest.raises(Refused) as caught, \
            worker_torch_cuda.memory_named(torch, torch.device("cuda:0")):
        raise error
    assert caught.value.status == "nomem"
    assert str(caught.value) == "out of memory on 'cuda:0'" + text


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="misaligned"), \
            worker_torch_cuda.memory_named(torch, torch.device("cuda:0")):
        raise RuntimeError("CUDA error: misaligned address")


# A runtime in the worker's place: a session whose device is made up.
PLAYED = '''#!{python}
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[1])))
import numpy
import tare_worker
from worker_refused import Refused


class Played:
    def open(self, request):
        if request["cudnn_benchmark"]:
            raise Refused("nomem", "out of memory on '" + request["device"] + "'")
        self.runs = 0
        shape = [1, 3, 64, 64]
        return {{"version": "played 1", "provider": "none", "precision": "fp32", "threads": 1,
                "inputs": [{{"name": "images", "dtype": "FP32", "shape": shape}}],
                "outputs": [{{"name": "out", "dtype": "FP32", "shape": shape}}]}}

    def bind(self, inputs, outputs):
        self.input, self.output = inputs[0][1], outputs[0][1]

    def run(self):
        self.runs += 1
        if self.runs == 3:
            raise Refused("nomem", "out of memory on 'cuda:0': asked for all of it")
        numpy.copyto(self.output, self.input)
        return None, (11, 222, 33)


tare_worker.RUNTIMES["torch"] = Played
tare_worker.Worker().serve()
'''


@pytest.fixture
def played(tmp_path):
    path = tmp_path / "python"
    path.write_text(PLAYED.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_device_times_and_lack_of_memory_cross_over(seeded, played):
    with Session("torch", seeded, device="cuda:0", python=played, imgsz=64) as session:
        session.bind({"images": noise(1, 64)}, {})
        for _ in range(2):
            timing = session.run_bound()
            assert (timing.queue_ns, timing.copy_in_ns, timing.compute_ns, timing.copy_out_ns) == (
                -1, 11, 222, 33)
        assert (session.arrays["out"] == session.arrays["images"]).all()
        with pytest.raises(TareError, match="cannot run: out of memory on 'cuda:0': asked") as run:
            session.run_bound()
        assert run.value.status == tare_abi.NOMEM
        assert session.run_bound().compute_ns == 222  # the worker goes on
    with pytest.raises(TareError, match="out of memory on 'cuda:0'") as opened:
        Session("torch", seeded, device="cuda:0", python=played, cudnn_benchmark=1)
    assert opened.value.status == tare_abi.NOMEM


@pytest.mark.skipif(NO_GPU, reason="needs a GPU")
@pytest.mark.parametrize("options", [{}, {"channels_last": 1}, {"cuda_graph": 1}, {"pinned": 0},
                                     {"head": "full", "cuda_graph": 1}])
def test_the_gpu_gives_what_the_processor_gives(seeded, options):
    picture, results = noise(2, 64), []
    for device, more in ("cpu", {"head": options.get("head", "raw")}), ("cuda:0", options):
        with Session("torch", seeded, 1, 2, device, imgsz=64, **more) as session:
            results.append(session.run({"images": picture}, {}))
    for theirs, ours in zip(*results, strict=True):
        assert abs(theirs - ours).max() <= 1e-3
