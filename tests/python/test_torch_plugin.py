"""The torch plugin: the reference's outputs, ONNX Runtime's boxes and AP, and how it refuses.

The reference is yolov8_reference.py here, in this process, with nothing folded or fused. Small
seeded checkpoints where the weights do not matter, the real one where they do.
"""
import importlib.util
import json
import os
import pathlib
import re
import signal
import sqlite3
import sys
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

import make_checkpoint  # noqa: E402
import pipeline_reference  # noqa: E402
import tare_abi  # noqa: E402
import yolov8_reference  # noqa: E402
from conftest import DATA  # noqa: E402
from tare_abi import Session, TareError  # noqa: E402
from test_python_plugin import children  # noqa: E402

REAL = DATA / "yolov8n.pt"
SAMPLE = DATA / "sample"
NAMES = ["box8", "cls8", "box16", "cls16", "box32", "cls32"]
PIXELS, SCORE = 6e-3, 6e-5  # what two correct FP32 runtimes differ by: test_export_parity.py


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    monkeypatch.setenv("TARE_PYTHON", sys.executable)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    path = tmp_path_factory.mktemp("seeded") / "seeded.pt"
    make_checkpoint.make_checkpoint(path, "n", 3, seed=4)
    return path


def noise(batch, side):
    parts = [np.random.default_rng(batch).random((batch, 3, n, n)).repeat(side // n, 2)
             .repeat(side // n, 3) for n in (2, 8, 32)]
    return np.mean(parts, axis=0).astype(np.float32)


def run(checkpoint, picture, batch=1, threads=1, **options):
    """The outputs, by the order of their names, and the session's report."""
    with Session("torch", checkpoint, threads, batch, imgsz=picture.shape[2], **options) as session:
        assert [i[0] for i in session.inputs] == ["images"]
        outputs = session.run({"images": picture}, {})
        return outputs, [o[0] for o in session.outputs], session.report


@torch.no_grad()
def reference(checkpoint, picture, head):
    model = yolov8_reference.load(checkpoint)
    if head == "full":
        return [model(torch.from_numpy(picture)).numpy()]
    return [x.numpy() for level in zip(*model.raw(torch.from_numpy(picture))) for x in level]


@pytest.mark.parametrize("options", [{}, {"fuse": 0}, {"channels_last": 1},
                                     {"head": "full"}, {"head": "full", "channels_last": 1}])
@pytest.mark.parametrize("batch", [1, 2])
def test_equal_to_the_reference(seeded, batch, options):
    picture = noise(batch, 64)
    head = options.get("head", "raw")
    ours, names, report = run(seeded, picture, batch, **options)
    assert names == (NAMES if head == "raw" else ["output0"])
    assert report.executed_precision == b"fp32" and report.threads == 1
    assert torch.__version__ in report.runtime_version.decode()
    for mine, theirs in zip(ours, reference(seeded, picture, head), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=2e-4)


def test_nothing_folded_is_the_reference_to_the_bit(seeded):
    picture = noise(1, 64)
    ours, _, _ = run(seeded, picture, fuse=0)
    for mine, theirs in zip(ours, reference(seeded, picture, "raw"), strict=True):
        assert np.array_equal(mine, theirs)


def test_threads_are_what_pytorch_says(seeded):
    _, _, report = run(seeded, noise(1, 64), threads=2)
    assert report.threads == 2
    _, _, report = run(seeded, noise(1, 64), threads=0)
    assert report.threads >= 1


@pytest.mark.parametrize("autocast", [0, 1])
def test_bf16_is_bf16(seeded, autocast):
    """Named as executed, near the reference, and not FP32's result under another name."""
    picture = noise(1, 64)
    ours, _, report = run(seeded, picture, precision="bf16", autocast=autocast, emulate=1)
    assert report.executed_precision == b"bf16"
    for mine, theirs in zip(ours, reference(seeded, picture, "raw"), strict=True):
        assert mine.dtype == np.float32 and not np.allclose(mine, theirs, rtol=1e-5, atol=1e-5)
        spread = np.abs(theirs).max()
        assert np.abs(mine - theirs).max() < 0.1 * spread
        assert np.array_equal(mine, torch.from_numpy(mine).bfloat16().float().numpy())


def test_bf16_is_refused_where_the_processor_has_none(seeded):
    flags = re.search(r"^flags.*", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    if flags and not {"avx512_bf16", "amx_bf16"} & set(flags[0].split()):
        refused(tare_abi.UNSUPPORTED, "has no BF16 arithmetic", seeded, precision="bf16")
    elif flags:
        assert run(seeded, noise(1, 64), precision="bf16")[2].executed_precision == b"bf16"


def test_no_int8(seeded):
    refused(tare_abi.UNSUPPORTED, "left torch for the package torchao", seeded, precision="int8")
    pt2e = importlib.util.find_spec("torch.ao.quantization.quantize_pt2e")
    assert pt2e is None, "the wheel has its quantiser again: int8 could be a row"


def test_fp16_runs_in_fp16_or_not_at_all(seeded):
    if torch.ops.mkldnn._is_mkldnn_fp16_supported():
        assert run(seeded, noise(1, 64), precision="fp16")[2].executed_precision == b"fp16"
    else:
        refused(tare_abi.UNSUPPORTED, "computes no FP16", seeded, precision="fp16")


# Five convolutions and the head: what the whole network has besides takes minutes to compile.
SMALL = ((-1, 1, "Conv", 64), (-1, 1, "Conv", 128), (-1, 1, "Conv", 256), (-1, 1, "Conv", 512),
         (-1, 1, "Conv", 1024), ([2, 3, 4], 1, "Detect"))


def test_compiled_is_the_reference(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(make_checkpoint, "LAYERS", SMALL)
    small, picture = tmp_path / "small.pt", noise(1, 64)
    make_checkpoint.make_checkpoint(small, "n", 3, seed=4)
    try:
        ours, _, report = run(small, picture, head="full", compile="default")
    except TareError as error:
        if error.status == tare_abi.ABSENT:
            pytest.skip(str(error))
        raise
    assert report.provider == b"inductor, oneDNN"
    (theirs,) = reference(small, picture, "full")
    np.testing.assert_allclose(ours[0], theirs, rtol=1e-4, atol=1e-3)


# --- against ONNX Runtime ------------------------------------------------------------------------

def test_the_sample_picture_as_onnxruntime_decodes_it(tare, tmp_path):
    exported = tmp_path / "n.onnx"
    done = tare("export", REAL, "-o", exported, "--head", "full")
    assert done.returncode == 0, done.stderr
    first = json.loads((SAMPLE / "instances.json").read_text())["images"][0]["file_name"]
    picture, _ = pipeline_reference.letterbox(SAMPLE / "images" / first)
    (ours,), _, _ = run(REAL, picture, head="full")
    with Session("onnxruntime", exported) as session:
        (theirs,) = session.run({name: picture for name, *_ in session.inputs}, {})
    gap = np.abs(ours.astype(np.float64) - theirs)
    assert gap[:, :4].max() <= PIXELS and gap[:, 4:].max() <= SCORE


def bench(tare, output, model, *arguments, **options):
    return tare("bench", model, "-o", output, "-q", "--sweeps", 1, "--restarts", 1, "--runs", 1,
                "--warmup", "0s", "--warmup-runs", 0, "--threads", 1, *arguments, **options)


def test_average_precision_is_onnxruntimes(tare, tmp_path):
    done = bench(tare, tmp_path / "r.db", REAL, "--runtime", "onnxruntime,torch", "--head",
                 "raw,full", "--json", "-i", SAMPLE / "images", "-a", SAMPLE / "instances.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["ledgers"][0]["cells"]
    found = {(row["runtime"], row["head"]): row["accuracy"]["ap"] for row in rows}
    assert len(found) == 4
    assert max(found.values()) - min(found.values()) <= 0.0005, found
    assert {row["executed_precision"] for row in rows if row["runtime"] == "torch"} == {"fp32"}


def test_no_model_is_exported_for_it(tare, seeded, tmp_path):
    done = bench(tare, tmp_path / "r.db", seeded, "--runtime", "torch", "--imgsz", 64)
    assert done.returncode == 0, done.stderr
    assert [p.suffix for p in tmp_path.rglob("*.onnx")] == []
    key, = sqlite3.connect(tmp_path / "r.db").execute("SELECT key FROM cell").fetchone()
    assert key == "seeded/fp32/torch/cpu/b1/t1/direct/raw/64"


# --- refusals ------------------------------------------------------------------------------------

def refused(status, match, *arguments, **options):
    with pytest.raises(TareError, match=match) as caught:
        Session("torch", *arguments, imgsz=64, **options)
    assert caught.value.status == status
    assert not children()


def without_torch(tmp_path):
    """This interpreter, seeing none of the installed packages."""
    path = tmp_path / "bare"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    path.chmod(0o755)
    return path


def test_absent_torch_is_a_row_that_says_how_to_get_it(tare, seeded, tmp_path):
    bare = without_torch(tmp_path)
    refused(tare_abi.ABSENT, r"cannot import torch .*'tools/setup torch' gets it.*TORCH_INDEX",
            seeded, python=bare)
    env = {**os.environ, "TARE_PYTHON": str(bare)}
    done = bench(tare, tmp_path / "r.db", seeded, "--runtime", "onnxruntime,torch", "--imgsz", 64,
                 env=env)
    assert done.returncode == 0, done.stderr
    assert "skipped: " in done.stdout and "tools/setup torch" in " ".join(done.stdout.split())
    doctor = " ".join(tare("doctor", env=env).stdout.split())
    assert "torch absent" in doctor and "'tools/setup torch' or" in doctor


def test_no_compiler(seeded, monkeypatch):
    monkeypatch.setenv("CXX", "/nowhere/g++")
    refused(tare_abi.ABSENT, r"torch.compile needs a C\+\+ compiler and there is no /nowhere/g\+\+",
            seeded, compile="default")


def test_hostile_checkpoint(seeded, tmp_path):
    """The exploit stands before the model in an otherwise sound file."""
    ran, hostile = tmp_path / "ran", tmp_path / "hostile.pt"
    with zipfile.ZipFile(seeded) as old, zipfile.ZipFile(hostile, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("data.pkl"):
                data = data[:2] + f"cposix\nsystem\n(Vtouch {ran}\ntR0".encode() + data[2:]
            new.writestr(name, data)
    refused(tare_abi.BADDATA, "'posix.system' has no place in a detection checkpoint", hostile)
    assert not ran.exists()


def test_bomb(seeded, tmp_path):
    bomb = tmp_path / "bomb.pt"
    with zipfile.ZipFile(seeded) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    refused(tare_abi.BADDATA, "a compressed entry", bomb)


def test_bad_models(seeded, tmp_path):
    refused(tare_abi.ABSENT, "no such file", tmp_path / "none.pt")
    cut = tmp_path / "cut.pt"
    cut.write_bytes(seeded.read_bytes()[:5000])
    refused(tare_abi.BADDATA, "no checkpoint of torch.save", cut)
    other = tmp_path / "other.pt"
    torch.save({"model": torch.zeros(3)}, other)
    refused(tare_abi.BADDATA, "no YOLOv8 detector", other)


def test_settings_that_cannot_be(seeded):
    with pytest.raises(TareError, match="imgsz is 100, need a multiple of 32"):
        run(seeded, np.zeros((1, 3, 100, 100), np.float32))
    refused(tare_abi.INVALID, "autocast has nothing to do in fp32", seeded, autocast=1)


def test_killed_child(seeded):
    with Session("torch", seeded, imgsz=64) as session:
        session.bind({"images": noise(1, 64)}, {})
        session.run_bound()
        (child,) = children()
        os.kill(child, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(TareError, match=r"is gone \(killed by signal 9"):
                session.run_bound()
    assert not children()
