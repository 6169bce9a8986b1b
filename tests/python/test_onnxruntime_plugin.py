"""The onnxruntime plugin against ONNX Runtime's own Python binding, and on bad models."""

import json
import pathlib
import platform

import numpy as np
import pytest

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

import small_models  # noqa: E402
import tare_abi  # noqa: E402
from tare_abi import Session, TareError  # noqa: E402

tare_abi.build_plugins()


def reference(model, feeds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def picture(batch=1, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 3, 16, 16), np.float32)


@pytest.mark.parametrize("batch", [1, 4])
def test_equal_to_python_binding(tmp_path, batch):
    model = small_models.convolution(str(tmp_path / "m.onnx"))
    feeds = {"x": picture(batch)}
    with Session("onnxruntime", model, batch=batch) as session:
        assert session.inputs[0][:3] == ("x", "float32", [-1, 3, 16, 16])
        ours = session.run(feeds, {"y": (batch, 8, 16, 16), "mean": (batch, 8, 1, 1)})
        assert session.report.runtime_version.decode().endswith(onnxruntime.__version__)
        assert session.report.provider == b"CPUExecutionProvider"
        assert session.report.load_ns > 0
    for mine, theirs in zip(ours, reference(model, feeds)):
        assert np.array_equal(mine, theirs)


def test_runs_see_new_input_in_place(tmp_path):
    model = small_models.convolution(str(tmp_path / "m.onnx"))
    with Session("onnxruntime", model) as session:
        session.bind({"x": picture()}, {"y": (1, 8, 16, 16), "mean": (1, 8, 1, 1)})
        for seed in range(3):
            session.arrays["x"][...] = picture(seed=seed)
            session.run_bound()
            assert np.array_equal(session.arrays["y"],
                                  reference(model, {"x": picture(seed=seed)})[0])


def test_every_type(tmp_path):
    model = small_models.every_type(str(tmp_path / "m.onnx"))
    with Session("onnxruntime", model) as session:
        feeds = {name: np.arange(6).reshape(2, 3).astype(dtype)
                 for name, dtype, _, _ in session.inputs}
        ours = session.run(feeds, {})
        for (name, dtype, _, _), array in zip(session.outputs, ours):
            assert name == f"o_{dtype}"
            assert np.array_equal(array, feeds[f"i_{dtype}"])


def test_output_of_unknown_shape_is_found(tmp_path):
    model = small_models.data_dependent(str(tmp_path / "m.onnx"))
    with Session("onnxruntime", model) as session:
        session.bind({"x": np.eye(4)}, {"where": None})
        session.run_bound()
        assert session.bound_shape(0) == [2, 4]
        session.arrays["x"][0, :] = 1
        session.run_bound()
        assert session.bound_shape(0) == [2, 7]


def test_output_that_changes_shape(tmp_path):
    """Bound with one shape, it comes out with another, and still arrives."""
    model = small_models.data_dependent(str(tmp_path / "m.onnx"))
    with Session("onnxruntime", model) as session:
        session.bind({"x": np.eye(4)}, {"where": (2, 4)})
        session.run_bound()
        assert np.array_equal(session.arrays["where"], [[0, 1, 2, 3], [0, 1, 2, 3]])
        session.arrays["x"][3, 3] = 0
        session.run_bound()
        assert session.bound_shape(0) == [2, 3]
        assert list(session.arrays["where"].ravel()[:6]) == [0, 1, 2, 0, 1, 2]
        session.arrays["x"][...] = 1
        with pytest.raises(TareError, match="came out as 256 bytes, bound are 64"):
            session.run_bound()


@pytest.mark.parametrize("options", [
    {"spinning": "off"}, {"optimization": "none"}, {"optimization": "basic"},
    {"optimization": "extended"}, {"execution": "parallel", "inter_op_threads": 2},
    {"memory_pattern": 0}, {"arena": 0}])
def test_options_change_no_result(tmp_path, options):
    model = small_models.convolution(str(tmp_path / "m.onnx"))
    with Session("onnxruntime", model, **options) as session:
        ours = session.run({"x": picture()}, {"y": (1, 8, 16, 16), "mean": (1, 8, 1, 1)})
    assert np.allclose(ours[0], reference(model, {"x": picture()})[0], atol=1e-5)


def refused(status, match, *arguments, **options):
    with pytest.raises(TareError, match=match) as caught:
        Session("onnxruntime", *arguments, **options)
    assert caught.value.status == status
    assert "\n" not in str(caught.value) and "onnxruntime_src" not in str(caught.value)


def test_bad_models(tmp_path):
    model = small_models.convolution(str(tmp_path / "m.onnx"))
    whole = (tmp_path / "m.onnx").read_bytes()
    bad = tmp_path / "bad.onnx"
    refused(tare_abi.ABSENT, r"cannot load '.*none\.onnx': no such file",
            str(tmp_path / "none.onnx"))
    bad.write_bytes(b"")
    refused(tare_abi.BADDATA, "cannot load", str(bad))
    bad.write_bytes(b"not an onnx file at all")
    refused(tare_abi.BADDATA, "cannot load", str(bad))
    bad.write_bytes(whole[:len(whole) // 2])
    refused(tare_abi.BADDATA, "cannot load", str(bad))
    refused(tare_abi.BADDATA, "Incompatible dimensions", small_models.wrong_shapes(str(bad)))
    refused(tare_abi.UNSUPPORTED, "tensor 's' has ONNX element type 8",
            small_models.strings(str(bad)))
    refused(tare_abi.UNSUPPORTED, "execution provider 'dml' is not supported", model,
            provider="dml")
    refused(tare_abi.UNSUPPORTED, "provider cuda cannot use device 'cpu', need cuda:0", model,
            provider="cuda")
    refused(tare_abi.UNSUPPORTED, "cannot use device 'cuda:0', need cpu", model, device="cuda:0")
    refused(tare_abi.ABSENT, "no ONNX Runtime at '/nowhere.so'", model, library="/nowhere.so")
    refused(tare_abi.BROKEN, "is not ONNX Runtime", model,
            library=str(tare_abi.PLUGINS / "null.so"))


def test_damaged_bytes_never_crash(tmp_path):
    """Every eighth byte flipped, one at a time: a clear error, or a model that still runs."""
    small_models.convolution(str(tmp_path / "m.onnx"))
    whole = (tmp_path / "m.onnx").read_bytes()
    bad = tmp_path / "bad.onnx"
    for at in list(range(0, 120, 3)) + list(range(120, len(whole), len(whole) // 40)):
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1:])
        try:
            Session("onnxruntime", str(bad)).close()
        except TareError as error:
            assert str(error)


def test_bad_bindings(tmp_path):
    model = small_models.convolution(str(tmp_path / "m.onnx"))
    shapes = {"y": (1, 8, 16, 16), "mean": (1, 8, 1, 1)}
    with Session("onnxruntime", model) as session:
        with pytest.raises(TareError, match="nothing is bound"):
            session.run_bound()
        with pytest.raises(TareError, match="'x' is bound with rank 2, need 4"):
            session.bind({"x": np.zeros((3, 16))}, shapes)
        with pytest.raises(TareError, match="'x' is bound with 15 as dimension 3, need 16"):
            session.bind({"x": np.zeros((1, 3, 16, 15))}, shapes)


def test_failing_run_leaves_a_usable_session(tmp_path):
    model = small_models.fails_at_run(str(tmp_path / "m.onnx"))
    with Session("onnxruntime", model) as session:
        session.bind({"x": np.zeros((2, 4)), "shape": [3, 3]}, {"y": None})
        with pytest.raises(TareError, match="cannot run: "):
            session.run_bound()
        session.arrays["shape"][...] = [4, 2]
        session.run_bound()
        assert session.bound_shape(0) == [4, 2]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors have FP16 kernels")
def test_half_precision_behind_casts_is_refused(tmp_path):
    """What the library's trace of a run says was computed, and what the plugin makes of it."""
    model = small_models.half(str(tmp_path / "half.onnx"))
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "trace")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    session.run(None, {"x": picture().astype(np.float16)})
    events = json.loads(pathlib.Path(session.end_profiling()).read_text())
    types = {kind for e in events if e.get("args", {}).get("op_name") in ("Conv", "FusedConv")
             for shape in e["args"].get("input_type_shape", []) for kind in shape}
    assert types == {"float"}, "if this fails, the library has learnt it"
    refused(tare_abi.UNSUPPORTED, "executes fp16 as fp32 behind casts", model, precision="fp16")
    with Session("onnxruntime", model, precision="fp16", casts=1) as session:
        assert session.report.executed_precision == b"fp32"
        ours = session.run({"x": picture().astype(np.float16)},
                           {"y": (1, 8, 16, 16), "mean": (1, 8, 1, 1)})
    for mine, theirs in zip(ours, reference(model, {"x": picture().astype(np.float16)})):
        assert np.array_equal(mine, theirs)
