"""The python plugin: the same outputs as the binding gives here, and every way a child can fail."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

import small_models  # noqa: E402
import tare_abi  # noqa: E402
from tare_abi import Session, TareError  # noqa: E402

tare_abi.build_plugins()
SHAPES = {"y": (1, 8, 16, 16), "mean": (1, 8, 1, 1)}


@pytest.fixture
def model(tmp_path):
    return small_models.convolution(str(tmp_path / "m.onnx"))


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    monkeypatch.setenv("TARE_PYTHON", sys.executable)


def picture(seed=0):
    return np.random.default_rng(seed).standard_normal((1, 3, 16, 16), np.float32)


def reference(model, feeds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def children():
    """Processes whose parent is this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid() and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("io_binding", [0, 1])
def test_equal_to_the_binding_here(model, io_binding):
    with Session("python", model, io_binding=io_binding) as session:
        session.bind({"x": picture()}, SHAPES)
        for seed in range(3):
            session.arrays["x"][...] = picture(seed)
            start = time.monotonic_ns()
            timing = session.run_bound()
            outside = time.monotonic_ns() - start
            assert 0 < timing.compute_ns < outside
            assert 0 <= timing.copy_out_ns < outside and timing.queue_ns == -1
            for name, theirs in zip(("y", "mean"), reference(model, {"x": picture(seed)})):
                assert np.array_equal(session.arrays[name], theirs)
        assert onnxruntime.__version__ in session.report.runtime_version.decode()


def test_every_type(tmp_path):
    model = small_models.every_type(str(tmp_path / "m.onnx"))
    with Session("python", model) as session:
        feeds = {name: np.arange(6).reshape(2, 3).astype(dtype)
                 for name, dtype, _, _ in session.inputs}
        for (name, dtype, _, _), array in zip(session.outputs, session.run(feeds, {})):
            assert np.array_equal(array, feeds[f"i_{dtype}"])


@pytest.mark.parametrize("io_binding", [0, 1])
def test_output_of_unknown_shape_is_found(tmp_path, io_binding):
    model = small_models.data_dependent(str(tmp_path / "m.onnx"))
    with Session("python", model, io_binding=io_binding) as session:
        session.bind({"x": np.eye(4)}, {"where": None})
        session.run_bound()
        assert session.bound_shape(0) == [2, 4]


def test_failing_run_leaves_a_usable_session(tmp_path):
    model = small_models.fails_at_run(str(tmp_path / "m.onnx"))
    with Session("python", model) as session:
        session.bind({"x": np.zeros((2, 4)), "shape": [3, 3]}, {"y": None})
        with pytest.raises(TareError, match="cannot run: "):
            session.run_bound()
        session.arrays["shape"][...] = [4, 2]
        session.run_bound()
        assert session.bound_shape(0) == [4, 2]


def refused(status, match, *arguments, **options):
    with pytest.raises(TareError, match=match) as caught:
        Session("python", *arguments, **options)
    assert caught.value.status == status
    assert not children()


def test_bad_models(tmp_path):
    bad = tmp_path / "bad.onnx"
    refused(tare_abi.ABSENT, "cannot load '.*none.onnx': no such file", str(tmp_path / "none.onnx"))
    bad.write_bytes(b"not an onnx file at all")
    refused(tare_abi.BADDATA, r"cannot load '.*bad.onnx': Protobuf parsing failed$", str(bad))
    refused(tare_abi.UNSUPPORTED, "tensor 's' is a tensor.string.",
            small_models.strings(str(bad)))


def test_missing_interpreter(model):
    refused(tare_abi.FAILED, r"the python worker is gone \(exit status 127 \(not found\)\)", model,
            python="/nowhere/python3")
    refused(tare_abi.FAILED, "the python worker is gone", model, python="/bin/false")


def imitation(tmp_path, text):
    """An "interpreter" that ignores its script and does what text says."""
    path = tmp_path / "imitation"
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_child_that_sends_garbage(tmp_path, model):
    refused(tare_abi.BROKEN, "the python worker sent no JSON", model,
            python=imitation(tmp_path, "os.write(3, b'hello\\n'); time.sleep(60)"))


def test_child_that_says_why_it_ends(tmp_path, model):
    refused(tare_abi.FAILED, r"is gone \(exit status 1\): ValueError: the reason", model,
            python=imitation(tmp_path, "raise ValueError('the reason')"))


def test_child_that_hangs_at_opening(tmp_path, model):
    start = time.monotonic()
    refused(tare_abi.TIMEOUT, "did not answer in time", model, timeout_s=1,
            python=imitation(tmp_path, "time.sleep(60)"))
    assert time.monotonic() - start < 10


def test_killed_child(model):
    with Session("python", model) as session:
        session.bind({"x": picture()}, SHAPES)
        session.run_bound()
        (child,) = children()
        os.kill(child, signal.SIGKILL)
        with pytest.raises(TareError, match=r"is gone \(killed by signal 9"):
            session.run_bound()
        with pytest.raises(TareError, match=r"is gone \(killed by signal 9"):
            session.run_bound()


def test_stopped_child_times_out(model):
    with Session("python", model, timeout_s=1) as session:
        session.bind({"x": picture()}, SHAPES)
        (child,) = children()
        os.kill(child, signal.SIGSTOP)
        with pytest.raises(TareError, match="did not finish a run in time") as caught:
            session.run_bound()
        assert caught.value.status == tare_abi.TIMEOUT
        assert not children()


def test_child_outlives_an_interrupt_and_shares_the_group(model):
    with Session("python", model) as session:
        session.bind({"x": picture()}, SHAPES)
        (child,) = children()
        assert os.getpgid(child) == os.getpgid(0)
        os.kill(child, signal.SIGINT)
        session.run_bound()


def test_memory_that_is_not_shared(model):
    with Session("python", model) as session:
        stranger = np.zeros((1, 3, 16, 16), np.float32)
        tensor = tare_abi.Tensor(b"x", 2, 0, 0, 4, (tare_abi.c.c_int64 * 8)(1, 3, 16, 16),
                                 stranger.ctypes.data, stranger.nbytes)
        outputs = (tare_abi.Tensor * 2)()
        with pytest.raises(TareError, match="does not share"):
            session._check(session.backend.bind, session.handle, tensor, 1, outputs, 2)


def test_nothing_is_left_behind(model):
    with Session("python", model) as session:
        session.bind({"x": picture()}, SHAPES)
        session.run_bound()
        assert len(children()) == 1
    assert not children()
