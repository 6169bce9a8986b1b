"""The archive for a bare GPU machine, unpacked into an empty folder without what is installed here,
and the scripts that run the study there and in a clone, as far as they go without a GPU."""
import json
import os
import re
import subprocess
import tarfile

import pytest

from conftest import ROOT

BARE = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
LIBC = re.compile(r"(libc|libm|libdl|libpthread|ld-linux-\S+)\.so\.\d+")


def run(*command, env=None, cwd=ROOT, timeout=600):
    return subprocess.run([*map(str, command)], cwd=cwd, env=env or os.environ, text=True,
                          capture_output=True, timeout=timeout)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    env = {name: value for name, value in os.environ.items() if name != "TARE_DATA"}
    done = run("tools/gpu-pack", folder / "pack.tar.gz", env=env)
    assert done.returncode == 0, done.stderr
    assert (folder / "pack.tar.gz").stat().st_size < 40e6
    with tarfile.open(folder / "pack.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "tare-gpu-pack"


@pytest.fixture(scope="module")
def library():
    found = sorted(ROOT.glob(".deps/venv/lib/python3*/site-packages/onnxruntime/capi/"
                             "libonnxruntime.so.*"))
    if not found:
        pytest.skip("no ONNX Runtime in .deps")
    return found[0]


def test_nothing_but_libc_is_needed(pack):
    programs = [pack / "bin/tare", *(pack / "bin/plugins").glob("*.so")]
    assert len(programs) > 5
    for program in programs:
        said = run("readelf", "-d", program).stdout
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", said)
        assert needed and all(map(LIBC.fullmatch, needed)), (program, needed)
        versions = run("readelf", "--version-info", program).stdout
        newest = max(tuple(map(int, v.split("."))) for v in
                     re.findall(r"GLIBC_(\d+\.\d+)", versions))
        assert newest <= (2, 36), program


def test_it_knows_where_it_is(pack):
    done = run(pack / "bin/tare", "doctor", env=BARE, cwd="/")
    assert str(ROOT) not in done.stdout + done.stderr
    assert "no ONNX Runtime on this machine" in done.stdout and "null 1" in done.stdout


def small_study(pack, path):
    path.write_text(json.dumps({
        "name": "small", "model": str(pack / "data/yolov8n.pt"), "timed": "run", "sweeps": 2,
        "images": str(pack / "data/sample/images"), "restarts": 1, "runs": 2, "warmup_runs": 1,
        "annotations": str(pack / "data/sample/instances.json"), "warmup_ms": 0,
        "cells": [{"name": "here", "head": "raw"},
                  {"name": "there", "head": "raw", "runtime": "torch", "device": "cuda:0"}]}))
    return path


def test_a_study_ends_in_a_bundle(pack, library, tmp_path):
    study = small_study(pack, tmp_path / "small.json")
    done = run(pack / "run-study", "-o", tmp_path / "out", "-l", library, "-s", study, "--", "-q",
               "--no-peaks", env=BARE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "there" in done.stdout and "has no torch" in " ".join(done.stdout.split())
    with tarfile.open(tmp_path / "out.tar.gz") as bundle:
        names = {name.removeprefix("out/") for name in bundle.getnames()}
        report = json.load(bundle.extractfile("out/report.json"))
    assert {"result.sqlite", "report.html", "report.json", "report.txt", "report.csv", "doctor.txt",
            "ledger.svg", "log.txt"} <= names
    assert not any(name.endswith((".jpg", ".plan", ".onnx")) for name in names)
    here, there = report["ledgers"][0]["cells"]
    assert here["accuracy"]["ap"] > 0.4 and there["state"] == "skipped"


def test_what_a_call_of_it_lacks(pack, tmp_path):
    for arguments, said in ((["-l", "/nowhere"], "no libonnxruntime.so at '/nowhere'"),
                            (["-p", "/nowhere/python3"], "cannot run '/nowhere/python3', need an "),
                            (["-s", "/nowhere.json"], "cannot read '/nowhere.json'")):
        done = run(pack / "run-study", *arguments, env=BARE, cwd=tmp_path)
        assert done.returncode == 1 and done.stderr.startswith(f"gpu-study.sh: {said}")
        assert done.stderr.count("\n") == 1
    assert "libonnxruntime.so of onnxruntime-gpu" in run(pack / "run-study", "-h", env=BARE).stdout


@pytest.mark.skipif(os.path.exists("/dev/nvidia0"), reason="there is a GPU")
@pytest.mark.parametrize("place", ["clone", "pack"])
def test_proving_tensorrt_says_what_is_missing(pack, place, tmp_path):
    script = (pack if place == "pack" else ROOT) / "tools/prove-tensorrt.sh"
    done = run(script, env=BARE, cwd=tmp_path)
    assert done.returncode == 1 and not list(tmp_path.iterdir())
    lines = done.stderr.splitlines()
    assert all(line.startswith("prove-tensorrt: ") for line in lines)
    missing = [line for line in lines if "missing: " in line]
    assert len(missing) == 3, lines
    for line, what in zip(missing, ("NVIDIA's driver", "a GPU: there is no /dev/nvidia0",
                                    "TensorRT: no ")):
        assert what in line


def test_proving_tensorrt_to_its_bundle(tmp_path):
    """With stand-ins for driver and library, which build no engine: the way, not the figures."""
    study = tmp_path / "small.json"
    study.write_text(json.dumps({
        "name": "small", "model": str(ROOT / "data/yolov8n.pt"), "timed": "run", "sweeps": 1,
        "images": str(ROOT / "data/sample/images"), "restarts": 1, "runs": 1, "warmup_ms": 0,
        "warmup_runs": 1, "defaults": {"head": "raw"},
        "cells": [{"runtime": "tensorrt", "device": "cuda:0"}, {"name": "here"}]}))
    env = {**os.environ, "TARE_CUDA_DRIVER": str(ROOT / "build/fixtures/cuda_standin.so"),
           "STANDIN_CUDA": "sm=86,devices=1,memory_mb=4000",
           "TARE_TENSORRT": str(ROOT / "build/fixtures/trt-10/libnvinfer.so.10")}
    env.pop("TARE_DATA", None)
    checked = run("tools/prove-tensorrt.sh", "--check", env=env)
    assert checked.returncode == 0 and checked.stderr.endswith("all that it needs is here\n")
    out = tmp_path / "proof"
    done = run("tools/prove-tensorrt.sh", "-o", out, "-s", study, "--", "-q", "--no-peaks", env=env)
    assert done.returncode == 0, done.stderr
    assert "nothing below is a measurement" in done.stderr and "please send" in done.stderr
    assert done.stderr.count("prove-tensorrt: no engine in ") == 3
    with tarfile.open(tmp_path / "proof.tar.gz") as bundle:
        text = bundle.extractfile("proof/report.txt").read().decode()
        log = bundle.extractfile("proof/log.txt").read().decode()
    assert "stand-in, no device" in text and "createInferBuilder_INTERNAL" in log
    again = run("tools/prove-tensorrt.sh", "-o", out, "-s", study, env=env)
    assert "goes on with" in again.stderr
