"""studies/yolov8-gpu.json on a machine without a GPU: every cell that needs one is a row that says
why in one line, and the cell that does not is measured."""
import json
import os
import re
import sys

import pytest

from conftest import ROOT

STUDY = ROOT / "studies/yolov8-gpu.json"
PRECISIONS, BATCHES = ("fp32", "fp16", "int8"), (1, 4, 8)
WHY = re.compile(r"there is no '/nowhere/libcuda.so.1'|has no torch|no int8 of its own|"
                 r"no TensorRT on this machine")


@pytest.fixture(scope="module")
def study():
    return json.loads(STUDY.read_text())


def test_the_matrix_is_whole(study):
    found = {(cell["runtime"], cell.get("precision", "fp32"), cell.get("batch", 1))
             for cell in study["cells"]
             if cell.get("options", {}) in ({}, {"provider": "cuda"}) and "device" not in cell}
    wanted = {(runtime, precision, batch) for runtime in ("torch", "onnxruntime", "tensorrt")
              for precision in PRECISIONS for batch in BATCHES}
    assert found == wanted


def test_lines_are_named_for_a_terminal(study):
    names = [line["name"] for line in study["ledger"]]
    assert len(set(names)) == len(names) and max(map(len, names)) <= 20
    assert max(len(cell["name"]) for cell in study["cells"]) <= 33


def test_without_a_gpu_every_cell_says_why(tare, tmp_path):
    bare = tmp_path / "python"  # without PyTorch: importing it for each cell takes a minute
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    env = {**os.environ, "TARE_PYTHON": str(bare), "TARE_CUDA_DRIVER": "/nowhere/libcuda.so.1"}
    calibration = tmp_path / "few"
    calibration.mkdir()
    for picture in sorted((ROOT / "data/calibration").glob("*.jpg"))[:2]:
        (calibration / picture.name).symlink_to(picture)
    done = tare("bench", STUDY, "-o", tmp_path / "r.db", "-q", "--json", "--no-peaks", "--sweeps",
                1, "--restarts", 1, "--runs", 1, "--warmup", "0s", "--warmup-runs", 1,
                "--calibration", calibration, env=env, timeout=600)
    cells = json.loads(done.stdout)["ledgers"][0]["cells"]
    for cell in cells:
        if cell["device"] == "cpu":
            assert cell["state"] == "ok" and cell["accuracy"]["ap"] > 0.4
        else:
            assert cell["state"] == "skipped" and WHY.search(cell["reason"]), cell
            assert "\n" not in cell["reason"] and len(cell["reason"]) < 400
    made = {path.name for path in (tmp_path / "models").iterdir()}
    assert {f"yolov8n-raw-640-b{batch}.fp16.onnx" for batch in BATCHES} <= made


def test_fp16_files_are_made_once(tare, tmp_path):
    """And left alone where they are the user's."""
    def bench():
        tare("bench", ROOT / "data/yolov8n.pt", "-o", tmp_path / "r.db", "-q", "--no-ledger",
             "--no-peaks", "--precision", "fp16", "--device", "cuda:0", "--sweeps", 1,
             env={**os.environ, "TARE_CUDA_DRIVER": "/nowhere/libcuda.so.1"})
        return path.stat().st_mtime_ns

    path = tmp_path / "models/yolov8n-raw-640-b1.fp16.onnx"
    first = bench()
    assert bench() == first
    done = tare("quantize", tmp_path / "models/yolov8n-raw-640-b1.onnx", "--precision", "fp16",
                "-o", path)
    assert done.returncode == 0, done.stderr
    mine = path.stat().st_mtime_ns
    assert mine != first and bench() == mine
