"""The onnxruntime plugin on a device that is played: the driver and ONNX Runtime's CUDA provider
are stand-ins (tests/fixtures/cuda_standin.h, ort_cuda_standin.c), what computes is the real library
on the processor. So all but the device's own arithmetic is run: binding, copies, waiting, graphs,
options, errors, and what is left behind."""

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

import small_models  # noqa: E402
import tare_abi  # noqa: E402
from tare_abi import ROOT, Session, TareError  # noqa: E402

tare_abi.build_plugins()

FIXTURES = Path(os.environ.get("TEST_BUILD", ROOT / "build")) / "fixtures"
DRIVER, LIBRARY = FIXTURES / "cuda_standin.so", FIXTURES / "ort_cuda_standin.so"
REAL = next(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"))
SHAPES = {"y": (1, 8, 16, 16), "mean": (1, 8, 1, 1)}

if not (DRIVER.exists() and LIBRARY.exists()):
    subprocess.run(["make", "-s", str(DRIVER), str(LIBRARY)], cwd=ROOT, check=True)


@pytest.fixture(autouse=True)
def played(monkeypatch, tmp_path):
    monkeypatch.setenv("TARE_CUDA_DRIVER", str(DRIVER))
    monkeypatch.setenv("STANDIN_ORT_REAL", str(REAL))
    monkeypatch.setenv("STANDIN_ORT_LOG", str(tmp_path / "log"))
    for name in ("STANDIN_CUDA", "STANDIN_ORT_FAIL", "STANDIN_ORT_MISSING", "STANDIN_ORT_LEFT"):
        monkeypatch.delenv(name, raising=False)
    yield
    assert ctypes.CDLL(str(DRIVER)).tare_cuda_stand_in(b"live") == 0, "something was left behind"


def on_device(model, **options):
    options = {"device": "cuda:0", "provider": "cuda", "library": LIBRARY} | options
    return Session("onnxruntime", model, **options)


def refused(status, match, model, **options):
    with pytest.raises(TareError, match=match) as error:
        on_device(model, **options).close()
    assert error.value.status == status


def log(tmp_path, kind):
    lines = (tmp_path / "log").read_text().splitlines()
    return [line.split(" ", 1)[1] for line in lines if line.split()[0] == kind]


@pytest.fixture
def model(tmp_path):
    return small_models.convolution(str(tmp_path / "m.onnx"))


def picture(seed=0, batch=1):
    return np.random.default_rng(seed).standard_normal((batch, 3, 16, 16), np.float32)


def reference(model, feeds):
    with Session("onnxruntime", model, batch=len(feeds["x"])) as session:
        return session.run(feeds, {name: (len(feeds["x"]),) + shape[1:]
                                   for name, shape in SHAPES.items()})


def test_equal_to_the_processor(model, tmp_path):
    with on_device(model) as session:
        assert session.report.provider == b"CUDAExecutionProvider, stand-in"
        assert session.report.executed_precision == b"fp32"
        session.bind({"x": picture()}, SHAPES)
        for seed in range(3):
            session.arrays["x"][...] = picture(seed)
            session.run_bound()
            for name, theirs in zip(SHAPES, reference(model, {"x": picture(seed)})):
                assert np.array_equal(session.arrays[name], theirs)
    assert log(tmp_path, "append") == ["cuda"]
    assert set(log(tmp_path, "cuda")) == {"device_id=0", "cudnn_conv_algo_search=EXHAUSTIVE",
                                          "cudnn_conv_use_max_workspace=1", "use_tf32=0"}
    assert "disable_synchronize_execution_providers=1" in log(tmp_path, "entry")
    assert len(log(tmp_path, "tensor")) == 3, "each tensor lies on the device"


def test_yolov8n_whole(tmp_path):
    model = str(tmp_path / "yolov8n.onnx")
    subprocess.run([tare_abi.PLUGINS.parent / "tare", "export", ROOT / "data" / "yolov8n.pt",
                    "--imgsz", "160", "-o", model], check=True, stdout=subprocess.DEVNULL)
    image = np.random.default_rng(0).random((1, 3, 160, 160), np.float32)
    with Session("onnxruntime", model) as session:
        theirs = session.run({"images": image}, {})
    with on_device(model, cuda_graph=1, prefer_nhwc=1) as session:
        ours = session.run({"images": image}, {})
    for mine, other in zip(ours, theirs):
        assert np.array_equal(mine, other)


def test_memory_is_pinned_and_time_is_the_devices(model):
    with on_device(model) as session:
        session.bind({"x": picture()}, SHAPES)
        assert ctypes.CDLL(str(DRIVER)).tare_cuda_stand_in(b"pinned") == 3
        timing = session.run_bound()
        # what cuda_standin.h says of time: 1 us an operation, 1 ns for 16 bytes of a copy; an
        # event is no operation
        assert timing.copy_in_ns == pytest.approx(1000 + 3 * 16 * 16 * 4 / 16, abs=1001)
        assert timing.copy_out_ns == pytest.approx(2000 + (8 * 16 * 16 + 8) * 4 / 16, abs=1001)
        assert timing.compute_ns >= 0 and timing.queue_ns == -1


def test_a_graph_is_captured_once_for_each_shape(tmp_path):
    model = small_models.convolution(str(tmp_path / "m.onnx"))
    with on_device(model, cuda_graph=1) as session:
        session.bind({"x": picture()}, SHAPES)
        session.run_bound()
        session.run_bound()
        session.bind({"x": picture(1)}, SHAPES)  # other memory of the host, same of the device
        session.run_bound()
        session.bind({"x": picture(batch=2)}, {n: (2,) + s[1:] for n, s in SHAPES.items()})
        session.run_bound()
    assert log(tmp_path, "run") == ["graph=1", "graph=1", "graph=1", "graph=2"]
    assert "enable_cuda_graph=1" in log(tmp_path, "cuda")
    places = [line.split("=")[0] for line in log(tmp_path, "tensor")]
    assert places[:3] == places[3:6]


def test_an_unknown_shape_is_found_without_a_graph(tmp_path):
    model = small_models.convolution(str(tmp_path / "m.onnx"))
    with on_device(model, cuda_graph=1) as session:
        session.bind({"x": picture()}, {"y": None, "mean": None})
        session.run_bound()
        assert session.bound_shape(0) == [1, 8, 16, 16]
        session.bind({"x": picture()}, SHAPES)
        session.run_bound()
    assert [line.split("=")[1] for line in log(tmp_path, "run")][0] == "-1"
    assert int(log(tmp_path, "run")[1].split("=")[1]) > 0


def test_an_output_of_another_shape_than_bound(tmp_path):
    """The runtime then places it on the device, and it is copied from there."""
    model = small_models.any_size(str(tmp_path / "m.onnx"))
    with on_device(model) as session, Session("onnxruntime", model) as plain:
        feeds = {name: np.random.default_rng(0).standard_normal(
            [4 if d < 0 else d for d in shape]).astype(dtype)
            for name, dtype, shape, _ in session.inputs}
        results = []
        for one in (plain, session):
            one.bind(feeds, {name: [9 if d < 0 else d for d in shape]
                             for name, _, shape, _ in one.outputs})
            one.run_bound()
            shape = one.bound_shape(0)
            results.append(one.arrays[one.outputs[0][0]].ravel()[:np.prod(shape)])
        assert np.array_equal(*results) and results[0].any()
    assert shape != [9 if d < 0 else d for d in session.outputs[0][2]]


def test_options_reach_the_provider(model, tmp_path):
    half = small_models.half(str(tmp_path / "half.onnx"))
    on_device(model, tf32=1, cudnn_conv_algo_search="heuristic", cudnn_conv_use_max_workspace=0,
              device_memory_mb=100, prefer_nhwc=1).close()
    assert set(log(tmp_path, "cuda")) == {
        "device_id=0", "cudnn_conv_algo_search=HEURISTIC", "cudnn_conv_use_max_workspace=0",
        "use_tf32=1", "gpu_mem_limit=104857600", "prefer_nhwc=1"}
    (tmp_path / "log").unlink()
    on_device(half, precision="fp16", casts=1, fuse_conv_bias=1, prefer_nhwc=1).close()
    assert {"use_tf32=1", "fuse_conv_bias=1"} <= set(log(tmp_path, "cuda"))
    (tmp_path / "log").unlink()
    on_device(model, precision="int8").close()
    assert "session.disable_quant_qdq=1" in log(tmp_path, "session")
    (tmp_path / "log").unlink()
    on_device(model, precision="int8", quant_qdq="fuse").close()
    assert "session.disable_quant_qdq=1" not in log(tmp_path, "session")


def test_tensorrt_comes_before_cuda(model, tmp_path):
    with pytest.raises(TareError, match="provider tensorrt executes nothing of this model"):
        on_device(model, provider="tensorrt", precision="int8", cuda_graph=1,
                  engine_cache=str(tmp_path))
    assert log(tmp_path, "append") == ["tensorrt", "cuda"]
    assert set(log(tmp_path, "tensorrt")) == {
        "device_id=0", "trt_fp16_enable=1", "trt_int8_enable=1", "trt_cuda_graph_enable=1",
        "trt_engine_cache_enable=1", f"trt_engine_cache_path={tmp_path}",
        "trt_timing_cache_enable=1", f"trt_timing_cache_path={tmp_path}"}
    assert "enable_cuda_graph=1" not in log(tmp_path, "cuda")


def test_executed_precision_is_read_back(model, tmp_path):
    with on_device(model, tf32=1) as session:
        assert session.report.executed_precision == b"tf32"
    with on_device(model, precision="int8") as session:
        assert session.report.executed_precision == b"fp32"
    half = small_models.half(str(tmp_path / "half.onnx"))
    refused(tare_abi.UNSUPPORTED, "executes fp16 as fp32 behind casts on this device", half,
            precision="fp16")


def test_options_that_do_not_fit(model):
    def wrong(match, **options):
        refused(tare_abi.INVALID, match, model, **options)

    wrong("fuse_conv_bias=1 is known to give right results in fp16 with", fuse_conv_bias=1,
          prefer_nhwc=1)
    wrong("prefer_nhwc=1 alone", fuse_conv_bias=1, precision="fp16")
    for precision in ("fp16", "bf16"):
        wrong(f"tf32=1 is for fp32 and int8, not {precision}", tf32=1, precision=precision)
    wrong("provider cuda has no option 'engine_cache'", engine_cache="x")
    wrong("provider tensorrt has no option 'tf32'", provider="tensorrt", tf32=1)
    with pytest.raises(TareError, match="provider cpu has no option 'cuda_graph'"):
        Session("onnxruntime", model, cuda_graph=1)
    refused(tare_abi.UNSUPPORTED, "provider cuda cannot use device 'cuda', need cuda:0", model,
            device="cuda")


def test_no_driver_device_or_provider(model, monkeypatch):
    refused(tare_abi.ABSENT, "ONNX Runtime '.*' has no provider CUDA: run 'tools/setup ort-cuda'",
            model, library=REAL)
    monkeypatch.setenv("TARE_ONNXRUNTIME_CUDA", "/nowhere.so")
    refused(tare_abi.ABSENT, r"no ONNX Runtime at '/nowhere.so' \(TARE_ONNXRUNTIME_CUDA\)", model,
            library="")
    refused(tare_abi.ABSENT, "no device cuda:3: NVIDIA's driver knows of 1", model,
            device="cuda:3")
    monkeypatch.setenv("STANDIN_CUDA", "devices=0")
    refused(tare_abi.ABSENT, "NVIDIA's driver knows of no device", model)
    monkeypatch.setenv("TARE_CUDA_DRIVER", "/nowhere.so")
    refused(tare_abi.ABSENT, "there is no '/nowhere.so'", model)


def test_an_older_library_cannot_be_told_about_tf32(model, monkeypatch):
    monkeypatch.setenv("STANDIN_ORT_VERSION", "1.17.3")
    refused(tare_abi.UNSUPPORTED, "1.17.3 computes fp32 in tf32, and cannot be told not to", model)
    with on_device(model, tf32=1) as session:
        assert session.report.provider == b"CUDAExecutionProvider, stand-in"


def test_nothing_left_for_the_device(model, monkeypatch):
    monkeypatch.setenv("STANDIN_ORT_LEFT", "1")
    refused(tare_abi.UNSUPPORTED, "provider cuda executes nothing of this model, all of it is left "
            "to 'CPUExecutionProvider'", model)


def test_providers_with_long_names(model, monkeypatch):
    names = "CPUExecutionProvider+CUDAExecutionProvider"
    monkeypatch.setenv("STANDIN_ORT_LEFT", names + "+TensorrtExecutionProvider")
    with on_device(model, provider="tensorrt") as session:  # 68 characters, of which 63 fit
        assert session.report.provider == b"CPU+CUDA+Tensorrt, stand-in"
    monkeypatch.setenv("STANDIN_ORT_LEFT", names)
    with on_device(model, precision="int8") as session:
        assert session.report.provider == b"CPU+CUDA, no INT8 convolution, stand-in"


@pytest.mark.parametrize("function", ["cuMemAlloc_v2", "cuMemHostAlloc", "cuStreamCreate",
                                      "cuEventCreate", "cuMemcpyHtoDAsync_v2",
                                      "cuMemcpyDtoHAsync_v2", "cuEventRecord",
                                      "cuStreamSynchronize", "cuDevicePrimaryCtxRetain"])
def test_the_driver_fails(model, monkeypatch, function):
    for call in (1, 2, 3):
        monkeypatch.setenv("STANDIN_CUDA", f"fail={function}:{call}")
        try:
            with on_device(model) as session:
                session.run({"x": picture()}, SHAPES)
        except TareError as error:
            assert str(error)
    monkeypatch.delenv("STANDIN_CUDA")
    with on_device(model) as session:
        session.run({"x": picture()}, SHAPES)


ARENA = ("/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 void* "
         "onnxruntime::BFCArena::AllocateRawInternal(size_t, onnxruntime::Stream*) ")


@pytest.mark.parametrize("call, said", [("session", "cannot load"), ("run", "cannot run")])
@pytest.mark.parametrize("text", [
    ARENA + "Available memory of 0 is smaller than requested bytes of 147456",
    "Non-zero status code returned while running Conv node. Name:'/model.0/conv/Conv' Status "
    "Message: " + ARENA + "Failed to allocate memory for requested buffer of size 1677721600",
    "Non-zero status code returned while running Conv node. Name:'c' Status Message: " +
    ARENA.replace("Stream*", "Stream*, " * 150) + "Failed to allocate memory for buffer of size 1",
    "CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0"])
def test_the_library_has_no_device_memory(model, monkeypatch, call, said, text):
    monkeypatch.setenv("STANDIN_ORT_FAIL", f"{call}:1:{text}")
    end = text.removeprefix(ARENA)[-40:]
    with pytest.raises(TareError) as error:
        with on_device(model) as session:
            session.run({"x": picture()}, SHAPES)
    assert error.value.status == -2
    assert re.fullmatch(rf"out of memory on cuda:0: {said}.*{re.escape(end)}, "
                        r"[0-9.]+ of [0-9.]+ MiB are free", str(error.value)), error.value


def test_out_of_device_memory(model, monkeypatch):
    monkeypatch.setenv("STANDIN_CUDA", "memory_mb=1")
    big = {"x": np.zeros((1000, 3, 16, 16), np.float32)}
    with on_device(model) as session:
        with pytest.raises(TareError, match="cuda:0") as error:
            session.run(big, {"y": (1000, 8, 16, 16), "mean": (1000, 8, 1, 1)})
        assert error.value.status == -2
        session.run({"x": picture()}, SHAPES)  # the next one runs


def test_a_failed_run_leaves_a_usable_session(model, monkeypatch):
    with on_device(model) as session:
        session.bind({"x": picture()}, SHAPES)
        monkeypatch.setenv("STANDIN_ORT_FAIL", "run:1:CUDA failure 719: unspecified launch failure")
        with pytest.raises(TareError, match="cannot run: CUDA failure 719"):
            session.run_bound()
        session.run_bound()
        assert np.array_equal(session.arrays["y"], reference(model, {"x": picture()})[0])


# --- NVIDIA's libraries ---------------------------------------------------------------------------

def make_library(path, needs=None):
    """A library of the name that another's message misses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    needed = [str(needs)] if needs else []
    subprocess.run(["cc", "-shared", "-x", "c", "/dev/null", "-x", "none", "-Wl,--no-as-needed",
                    f"-Wl,-soname,{path.name}", *needed, "-o", str(path)], check=True)
    return path


def test_libraries_are_found_and_those_that_they_need(model, tmp_path, monkeypatch):
    inner = make_library(tmp_path / "a" / "nvidia" / "inner" / "lib" / "libtareinner.so.9")
    make_library(tmp_path / "b" / "libtareouter.so.13", inner)
    monkeypatch.setenv("STANDIN_ORT_MISSING", "libtareouter.so.13")
    refused(tare_abi.ABSENT, "no 'libtareouter.so.13' on this machine, which ONNX Runtime's "
            "provider needs: TARE_CUDA_LIBRARIES may name its folder", model)
    monkeypatch.setenv("TARE_CUDA_LIBRARIES", str(tmp_path / "b"))
    refused(tare_abi.ABSENT, "no 'libtareinner.so.9' on this machine", model)
    monkeypatch.setenv("TARE_CUDA_LIBRARIES", f"{tmp_path / 'b'}::{inner.parent}")
    on_device(model).close()


def test_libraries_of_wheels_beside_the_runtime(model, tmp_path, monkeypatch):
    capi = tmp_path / "site-packages" / "onnxruntime" / "capi"
    make_library(tmp_path / "site-packages" / "nvidia" / "cu13" / "lib" / "libtarewheel.so.13")
    capi.mkdir(parents=True)
    shutil.copy(LIBRARY, capi / "libonnxruntime.so.1")
    monkeypatch.setenv("STANDIN_ORT_MISSING", "libtarewheel.so.13")
    on_device(model, library=capi / "libonnxruntime.so.1").close()


def test_a_damaged_library_is_named(model, tmp_path, monkeypatch):
    (tmp_path / "libtarebad.so.1").write_bytes(b"not a library")
    monkeypatch.setenv("STANDIN_ORT_MISSING", "libtarebad.so.1")
    monkeypatch.setenv("TARE_CUDA_LIBRARIES", str(tmp_path))
    refused(tare_abi.BROKEN, "cannot load '.*libtarebad.so.1': .*(file too short|invalid ELF)",
            model)


# --- a provider of its own ------------------------------------------------------------------------

def test_tensorrt_for_rtx_is_not_there(model, tmp_path, monkeypatch):
    def absent(status, match, **options):
        refused(status, match, model, provider="nvtensorrtrtx", library=REAL, **options)

    monkeypatch.setenv("TARE_NV_TENSORRT_RTX", "/nowhere.so")
    absent(tare_abi.ABSENT, r"no provider library at '/nowhere.so' \(TARE_NV_TENSORRT_RTX\)")
    absent(tare_abi.ABSENT, r"no provider library at '/here.so' \(option provider_library\)",
           provider_library="/here.so")
    absent(tare_abi.FAILED, "cannot use TensorRT for RTX: .*CreateEpFactories",
           provider_library=str(make_library(tmp_path / "libtarenone.so.1")))


def test_tensorrt_for_rtx_by_its_real_library(model, monkeypatch):
    library = (ROOT / ".deps/tensorrt/onnxruntime_ep_nv_tensorrt_rtx" /
               "libonnxruntime_providers_nv_tensorrt_rtx.so")
    if not library.exists():
        pytest.skip("no TensorRT for RTX: run 'tools/setup tensorrt'")
    monkeypatch.setenv("TARE_NV_TENSORRT_RTX", str(library))
    with pytest.raises(TareError) as error:
        on_device(model, provider="nvtensorrtrtx", library=REAL).close()
    assert re.search("no 'lib(cuda|nvidia-ml).so.1' on this machine|has no device 'cuda:0'",
                     str(error.value))
