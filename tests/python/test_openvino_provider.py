"""The onnxruntime plugin with provider=openvino, against ONNX Runtime's own CPU kernels.

Two builds of ONNX Runtime do not live in one process: the ordinary one runs in children of this.
"""
import importlib.util
import json
import os
import pathlib
import platform
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("onnx")
ORDINARY = importlib.util.find_spec("onnxruntime")

import small_models  # noqa: E402
import tare_abi  # noqa: E402
from tare_abi import Session, TareError  # noqa: E402

if platform.machine() != "x86_64":
    pytest.skip("its wheel is made for x86_64 alone", allow_module_level=True)
if not ORDINARY:
    pytest.skip("no onnxruntime to compare with", allow_module_level=True)
tare_abi.build_plugins()

REFERENCE = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
y, mean = session.run(None, {"x": numpy.load(sys.argv[2])})
numpy.savez(sys.argv[3], y=y, mean=mean)
"""


@pytest.fixture
def model(tmp_path):
    return small_models.convolution(str(tmp_path / "m.onnx"))


def picture(batch=1):
    return np.random.default_rng(0).standard_normal((batch, 3, 16, 16), np.float32)


@pytest.mark.parametrize("batch", [1, 4])
def test_equal_to_the_cpu_provider(tmp_path, model, batch):
    feeds = {"x": picture(batch)}
    with Session("onnxruntime", model, batch=batch, provider="openvino") as session:
        ours = session.run(feeds, {"y": (batch, 8, 16, 16), "mean": (batch, 8, 1, 1)})
        assert session.report.provider == b"OpenVINOExecutionProvider"
        assert session.report.runtime_version.startswith(b"onnxruntime 1.")
        assert session.report.threads == 1
    np.save(tmp_path / "x.npy", feeds["x"])
    subprocess.run([sys.executable, "-c", REFERENCE, model, tmp_path / "x.npy",
                    tmp_path / "out.npz"], check=True)
    theirs = np.load(tmp_path / "out.npz")
    for mine, name in zip(ours, ("y", "mean")):
        assert np.allclose(mine, theirs[name], atol=2e-5)


def refused(status, match, *arguments, **options):
    with pytest.raises(TareError, match=match) as caught:
        Session("onnxruntime", *arguments, provider="openvino", **options)
    assert caught.value.status == status


def test_what_it_cannot_do_is_refused(tmp_path, model):
    refused(tare_abi.UNSUPPORTED, "executes fp32 on a processor, not fp16", model,
            precision="fp16")
    refused(tare_abi.UNSUPPORTED, "executes fp32 on a processor, not bf16", model,
            precision="bf16")
    refused(tare_abi.UNSUPPORTED, "cannot use device 'cuda:0', need cpu", model, device="cuda:0")
    refused(tare_abi.ABSENT, "no ONNX Runtime at '/nowhere.so'", model, library="/nowhere.so")
    (tmp_path / "bad.onnx").write_bytes(b"not an onnx file at all")
    refused(tare_abi.BADDATA, "cannot load", str(tmp_path / "bad.onnx"))


def test_absent_says_how_to_get_it(model, monkeypatch):
    monkeypatch.setenv("TARE_HOME", "/nowhere")
    refused(tare_abi.ABSENT, "run 'tools/setup openvino'", model)
    monkeypatch.setenv("TARE_ONNXRUNTIME_OPENVINO", "/nowhere.so")
    refused(tare_abi.ABSENT, r"no ONNX Runtime at '/nowhere\.so' \(TARE_ONNXRUNTIME_OPENVINO\)",
            model)


def test_works_without_the_ordinary_build(tare, tmp_path):
    """The build with the provider does for both where it is the only one."""
    (tmp_path / "home/.deps").mkdir(parents=True)
    (tmp_path / "home/.deps/ort-openvino").symlink_to(tare_abi.ROOT / ".deps/ort-openvino")
    shown = json.loads(tare("doctor", "--json",
                            env=dict(os.environ, TARE_HOME=str(tmp_path / "home"))).stdout)
    row = next(r for r in shown["runtimes"] if r["name"] == "onnxruntime")
    assert row["state"] == "ok" and "provider openvino: ok" in row["text"]


def test_a_study_weighs_both_builds(tare, tmp_path, model):
    library = next((pathlib.Path(ORDINARY.origin).parent / "capi").glob("libonnxruntime.so.*"))
    (tmp_path / "study.json").write_text(json.dumps({
        "model": model, "sweeps": 2, "restarts": 1, "runs": 3, "warmup_ms": 1, "warmup_runs": 1,
        "defaults": {"threads": 1},
        "cells": [{"name": "cpu"}, {"name": "openvino", "options": {"provider": "openvino"}},
                  {"name": "wrong build",
                   "options": {"provider": "openvino", "library": str(library)}}]}))
    tare("bench", tmp_path / "study.json", "-o", tmp_path / "run.db", "-q")
    with sqlite3.connect(tmp_path / "run.db") as db:
        rows = dict(db.execute("SELECT name, provider FROM cell WHERE state = 'ok'"))
        reasons = dict(db.execute("SELECT name, reason FROM cell WHERE state <> 'ok'"))
    assert rows == {"cpu": "CPUExecutionProvider", "openvino": "OpenVINOExecutionProvider"}
    assert list(reasons) == ["wrong build"]
    assert "has no OpenVINO provider" in reasons["wrong build"]
