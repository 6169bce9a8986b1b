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
                 model=str(DATA / "yolov8n.pt"), images=str(DATA / "sample/images"))
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
    for name in "ORT-CPU INT8", "ORT-OpenVINO INT8", "OpenVINO INT8":
        assert "tare quantize" in rows[name]["reason"]
        assert "yolov8n-raw-64-b1.int8.onnx" in rows[name]["reason"]
    assert "provider openvino executes fp32" in rows["ORT-OpenVINO FP16"]["reason"]
    assert "no int8 of its own" in rows["PyTorch INT8"]["reason"]
