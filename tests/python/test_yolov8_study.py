"""studies/yolov8.json: fifteen cells, each with a figure or a reason, none under a false name."""
import json
import sqlite3

import pytest
from conftest import DATA, ROOT

FAMILIES = ["PyTorch", "ORT-CPU", "ORT-OpenVINO", "ORT-CUDA", "TensorRT"]
PRECISIONS = ["FP32", "FP16", "INT8"]


@pytest.fixture(scope="module")
def rows(tare, tmp_path_factory):
    """The study's own cells, by name, on a small picture and with one run each."""
    folder = tmp_path_factory.mktemp("yolov8")
    study = json.loads((ROOT / "studies/yolov8.json").read_text())
    study.pop("annotations")
    study.update(sweeps=1, restarts=1, runs=1, warmup_ms=1, warmup_runs=1,
                 model=str(DATA / "yolov8n.pt"), images=str(DATA / "sample/images"),
                 calibration=str(DATA / "calibration"))
    study["defaults"].update(size=64, threads=1)
    (folder / "study.json").write_text(json.dumps(study))
    done = tare("bench", folder / "study.json", "-o", folder / "run.db", "-q")
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(folder / "run.db") as db:
        db.row_factory = sqlite3.Row
        return {row["name"]: row for row in db.execute("SELECT * FROM cell")}


def test_fifteen_cells_each_a_figure_or_a_reason(rows):
    for family in FAMILIES:
        for precision in PRECISIONS:
            row = rows[f"{family} {precision}"]
            assert row["state"] == "ok" or (row["state"] == "skipped" and row["reason"])


def test_what_runs_is_what_the_name_says(rows):
    for name, row in rows.items():
        if row["state"] == "ok" and row["executed_precision"]:
            assert row["executed_precision"] == name.split()[1].lower()


def test_reasons_are_found_out_and_not_written_down(rows):
    plugins = {path.stem for path in (ROOT / "bin/plugins").glob("*.so")}
    if "tensorrt" not in plugins:
        assert "no plugin is called 'tensorrt'; there are " in rows["TensorRT FP16"]["reason"]
        assert "onnxruntime" in rows["TensorRT FP16"]["reason"]
    assert "provider openvino executes fp32" in rows["ORT-OpenVINO FP16"]["reason"]
    assert "no int8 of its own" in rows["PyTorch INT8"]["reason"]


def test_int8_is_made_where_it_can_run(rows):
    for name in "ORT-CPU INT8", "ORT-OpenVINO INT8", "OpenVINO INT8":
        assert rows[name]["state"] == "ok", rows[name]["reason"]


def test_without_pictures_to_calibrate_on_it_says_what_makes_the_file(tare, tmp_path):
    study = {"model": str(DATA / "yolov8n.pt"), "sweeps": 1, "restarts": 1, "runs": 1,
             "warmup_ms": 1, "warmup_runs": 1, "defaults": {"size": 64, "threads": 1},
             "cells": [{"name": "a"}, {"name": "b", "precision": "int8"},
                       {"name": "c", "precision": "int8", "runtime": "openvino"}]}
    (tmp_path / "study.json").write_text(json.dumps(study))
    done = tare("bench", tmp_path / "study.json", "-o", tmp_path / "run.db", "-q")
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "run.db") as db:
        reasons = dict(db.execute("SELECT name, reason FROM cell"))
    assert "tare quantize" in reasons["b"] and "--for cpu" in reasons["b"]
    assert "yolov8n-raw-64-b1.int8.onnx" in reasons["b"]
    assert "--for openvino" in reasons["c"]
    assert "yolov8n-raw-64-b1.int8-openvino.onnx" in reasons["c"]


def test_an_int8_file_is_made_again_only_if_what_it_is_made_of_changed(tare, tmp_path):
    (tmp_path / "pictures").mkdir()
    for path in sorted((DATA / "calibration").glob("*.jpg"))[:2]:
        (tmp_path / "pictures" / path.name).write_bytes(path.read_bytes())
    made = tmp_path / "models/yolov8n-raw-64-b1.int8.onnx"
    times = []
    for step in range(3):
        if step == 2:
            next((tmp_path / "pictures").glob("*.jpg")).unlink()
        done = tare("bench", DATA / "yolov8n.pt", "--precision", "fp32,int8", "--imgsz", 64,
                    "--calibration", tmp_path / "pictures", "--sweeps", 1, "--restarts", 1,
                    "--runs", 1, "--warmup", "1ms", "--models", tmp_path / "models",
                    "-o", tmp_path / f"{step}.db", "-q")
        assert done.returncode == 0, done.stderr
        times.append(made.stat().st_mtime_ns)
    assert times[0] == times[1] < times[2]
