"""The openvino plugin against ONNX Runtime on the same models, on bad models, and in a study."""
import json
import os
import platform
import sqlite3

import numpy as np
import pytest

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

import small_models  # noqa: E402
import tare_abi  # noqa: E402
from tare_abi import Session, TareError  # noqa: E402

tare_abi.build_plugins()
SHAPES = {"y": (1, 8, 16, 16), "mean": (1, 8, 1, 1)}


def cpu_flags():
    with open("/proc/cpuinfo") as file:
        return set(next((line for line in file if line.startswith("flags")), "").split())


def reference(model, feeds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def picture(batch=1, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 3, 16, 16), np.float32)


@pytest.fixture
def model(tmp_path):
    return small_models.convolution(str(tmp_path / "m.onnx"))


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("dynamic", [0, 1])
def test_equal_to_onnxruntime(model, batch, dynamic):
    feeds = {"x": picture(batch)}
    with Session("openvino", model, batch=batch, dynamic=dynamic) as session:
        first = -1 if dynamic else batch
        assert session.inputs[0][:3] == ("x", "float32", [first, 3, 16, 16])
        ours = session.run(feeds, {"y": (batch, 8, 16, 16), "mean": (batch, 8, 1, 1)})
        assert session.report.runtime_version.startswith(b"openvino 20")
        assert session.report.provider == b"CPU"
        assert session.report.executed_precision == b"fp32"
        assert session.report.load_ns > 0
    for mine, theirs in zip(ours, reference(model, feeds)):
        assert np.allclose(mine, theirs, atol=2e-5)


def test_runs_see_new_input_in_place(model):
    with Session("openvino", model) as session:
        session.bind({"x": picture()}, SHAPES)
        for seed in range(3):
            session.arrays["x"][...] = picture(seed=seed)
            session.run_bound()
            theirs = reference(model, {"x": picture(seed=seed)})[0]
            assert np.allclose(session.arrays["y"], theirs, atol=2e-5)


def test_bound_anew(model):
    """A second binding forgets the first: its memory is neither read nor written."""
    with Session("openvino", model) as session:
        session.bind({"x": picture()}, SHAPES)
        session.run_bound()
        old = session.arrays
        before = {name: array.copy() for name, array in old.items()}
        session.bind({"x": picture(seed=1)}, SHAPES)
        session.run_bound()
        theirs = reference(model, {"x": picture(seed=1)})[0]
        assert np.allclose(session.arrays["y"], theirs, atol=2e-5)
        assert all(np.array_equal(old[name], before[name]) for name in old)


def test_every_type(tmp_path):
    with Session("openvino", small_models.every_type(str(tmp_path / "m.onnx"))) as session:
        feeds = {name: np.arange(6).reshape(2, 3).astype(dtype)
                 for name, dtype, _, _ in session.inputs}
        ours = session.run(feeds, {})
        for (name, dtype, _, _), array in zip(session.outputs, ours):
            assert name == f"o_{dtype}"
            assert np.array_equal(array, feeds[f"i_{dtype}"])


def test_output_of_unknown_shape(tmp_path):
    with Session("openvino", small_models.data_dependent(str(tmp_path / "m.onnx"))) as session:
        session.bind({"x": np.eye(4)}, {"where": None})
        session.run_bound()
        assert session.bound_shape(0) == [2, 4]
        session.arrays["x"][0, :] = 1
        session.run_bound()
        assert session.bound_shape(0) == [2, 7]
        session.bind({"x": np.eye(4)}, {"where": (2, 4)})
        session.run_bound()
        assert np.array_equal(session.arrays["where"], [[0, 1, 2, 3], [0, 1, 2, 3]])
        session.arrays["x"][...] = 1
        with pytest.raises(TareError, match="came out as 256 bytes, bound are 64"):
            session.run_bound()


@pytest.mark.parametrize("options", [
    {"hint": "throughput", "streams": 2}, {"pinning": "on"}, {"pinning": "off"}, {"threads": 0}])
def test_options_change_no_result(model, options):
    with Session("openvino", model, **options) as session:
        ours = session.run({"x": picture()}, SHAPES)
    assert np.allclose(ours[0], reference(model, {"x": picture()})[0], atol=2e-5)


def test_threads_are_read_back(model):
    cores = len(os.sched_getaffinity(0))
    for threads in sorted({1, cores}):
        with Session("openvino", model, threads=threads) as session:
            assert session.report.threads == threads
            assert len(os.listdir("/proc/self/task")) >= threads
    with Session("openvino", model, threads=0) as session:
        assert session.report.threads == 0


@pytest.mark.parametrize("precision,flag", [
    ("fp16", {"amx_fp16", "avx512_fp16"}), ("bf16", {"avx512f", "avx512_bf16", "amx_bf16"})])
def test_precision_is_executed_or_refused(model, precision, flag):
    """Neither the other one nor fp32 stands in for what was asked for."""
    try:
        with Session("openvino", model, precision=precision) as session:
            assert session.report.executed_precision == precision.encode()
            ours = session.run({"x": picture()}, SHAPES)
            assert np.allclose(ours[0], reference(model, {"x": picture()})[0], atol=0.2)
    except TareError as error:
        assert error.status == tare_abi.UNSUPPORTED
        assert str(error).startswith(f"OpenVINO executes {precision} as ")
    else:
        assert platform.machine() != "x86_64" or cpu_flags() & flag


def test_int8_claims_nothing_that_cannot_be_read_back(model):
    with Session("openvino", model, precision="int8") as session:
        assert session.report.executed_precision == b""


def refused(status, match, *arguments, **options):
    with pytest.raises(TareError, match=match) as caught:
        Session("openvino", *arguments, **options)
    assert caught.value.status == status
    assert "\n" not in str(caught.value) and ".cpp" not in str(caught.value)


def test_bad_models(tmp_path, model):
    whole = (tmp_path / "m.onnx").read_bytes()
    bad = tmp_path / "bad.onnx"
    refused(tare_abi.ABSENT, r"cannot load '.*none\.onnx': no such file",
            str(tmp_path / "none.onnx"))
    for content in b"", b"not an onnx file at all", whole[:len(whole) // 2]:
        bad.write_bytes(content)
        refused(tare_abi.BADDATA, "cannot load '.*': no model that OpenVINO can read", str(bad))
    refused(tare_abi.BADDATA, "Incompatible MatMul matrix dimension",
            small_models.wrong_shapes(str(bad)))
    refused(tare_abi.UNSUPPORTED, "tensor 's' has OpenVINO's element type",
            small_models.strings(str(bad)))


def test_bad_requests(model):
    refused(tare_abi.UNSUPPORTED, "cannot use device 'cuda:0', need cpu", model, device="cuda:0")
    refused(tare_abi.UNSUPPORTED, "precision 'int4' is not supported", model, precision="int4")
    refused(tare_abi.ABSENT, "no OpenVINO at '/nowhere.so'", model, library="/nowhere.so")
    refused(tare_abi.BROKEN, "is not OpenVINO 2026 or newer: it has no ", model,
            library=str(tare_abi.PLUGINS / "null.so"))


def test_damaged_bytes_never_crash(tmp_path, model):
    """Bytes flipped, one at a time: a clear error, or a model that still opens."""
    whole = (tmp_path / "m.onnx").read_bytes()
    bad = tmp_path / "bad.onnx"
    for at in list(range(0, 120, 3)) + list(range(120, len(whole), len(whole) // 40)):
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1:])
        try:
            Session("openvino", str(bad)).close()
        except TareError as error:
            assert str(error)


def test_bad_bindings(model):
    with Session("openvino", model) as session:
        with pytest.raises(TareError, match="nothing is bound"):
            session.run_bound()
        with pytest.raises(TareError, match=r"cannot bind 'x': .*\[1,3,16,16\]"):
            session.bind({"x": np.zeros((3, 16))}, SHAPES)
        with pytest.raises(TareError, match=r"cannot bind 'x': .*\(1\.3\.16\.15\)"):
            session.bind({"x": np.zeros((1, 3, 16, 15))}, SHAPES)
        with pytest.raises(TareError, match="nothing is bound"):
            session.run_bound()


def bench(tare, folder, study):
    """The cells of a study, by name."""
    (folder / "study.json").write_text(json.dumps(dict(study, sweeps=2, restarts=1, runs=3,
                                                       warmup_ms=1, warmup_runs=1)))
    tare("bench", folder / "study.json", "-o", folder / "run.db", "-q")
    with sqlite3.connect(folder / "run.db") as db:
        db.row_factory = sqlite3.Row
        rows = db.execute("SELECT name, state, reason, provider, executed_precision FROM cell")
        return {row["name"]: row for row in rows}


def test_a_study_measures_it_and_says_what_it_cannot(tare, tmp_path, model):
    rows = bench(tare, tmp_path, {"model": model, "cells": [
        {"name": "ours", "runtime": "openvino", "threads": 1},
        {"name": "half", "runtime": "openvino", "threads": 1, "precision": "fp16"},
        {"name": "whole numbers", "runtime": "openvino", "threads": 1, "precision": "int8"},
        {"name": "gone", "runtime": "openvino", "options": {"library": "/nowhere.so"}}]})
    assert rows["ours"]["state"] == "ok" and rows["ours"]["executed_precision"] == "fp32"
    assert rows["half"]["executed_precision"] == "fp16" or (
        "OpenVINO executes fp16 as fp32" in rows["half"]["reason"])
    assert "is an fp32 model" in rows["whole numbers"]["reason"]
    assert rows["gone"]["reason"].startswith("no OpenVINO at '/nowhere.so'")
