"""The layers that Triton serves, as cells of a study: each is run, gives the answers of the runtime
itself, and leaves nothing behind; what a cell cannot ask for is an error."""
import json
import os
import pathlib
import sqlite3

import pytest

from conftest import DATA
from serving import left_in, processes_of
from triton_server import needs_triton

LAYERS = ["triton-inproc", "triton-shm", "triton-grpc", "triton-http", "fused", "ensemble",
          "ensemble-python", "fused-http", "ensemble-http", "ensemble-python-http"]
TENSORS = LAYERS[:4]
SIZE = 160


@pytest.fixture(scope="module", autouse=True)
def triton():
    needs_triton()


def in_shared_memory():
    return {path.name for path in pathlib.Path("/dev/shm").glob("tare_*")}


def study(folder, model, cells, **settings):
    path = folder / "study.json"
    path.write_text(json.dumps({
        "model": str(model), "images": str(DATA / "sample/images"), "sweeps": 2, "restarts": 1,
        "runs": 3, "warmup_runs": 2, "warmup_ms": 1, "confirm": False,
        "defaults": {"threads": 1, "head": "raw", "size": SIZE}, "cells": cells, **settings}))
    return path


@pytest.fixture(scope="module")
def run(tare, tmp_path_factory):
    """Every layer in one study of the checkpoint itself, with AP."""
    folder = tmp_path_factory.mktemp("layers")
    path = study(folder, DATA / "yolov8n.pt",
                 [{"name": "direct"}, *({"name": n, "layer": n} for n in LAYERS)],
                 annotations=str(DATA / "sample/instances.json"))
    (folder / "tmp").mkdir()
    before = in_shared_memory()
    done = tare("bench", path, "-o", folder / "run.db", "-q", "--json", "--no-peaks", timeout=800,
                env=dict(os.environ, TMPDIR=str(folder / "tmp")))
    assert done.returncode == 0, done.stderr
    cells = {cell["label"]: cell for cell in json.loads(done.stdout)["ledgers"][0]["cells"]}
    return cells, folder, before


def test_every_layer_is_measured(run):
    cells, folder, _ = run
    assert list(cells) == ["direct", *LAYERS]
    rows = sqlite3.connect(folder / "run.db").execute(
        "SELECT layer, state, reason, options FROM cell").fetchall()
    assert [(layer, state, reason) for layer, state, reason, _ in rows] == [
        (name, rows[0][1], "") for name in ("direct", *LAYERS)]


def test_layers_give_the_runtimes_own_answers(run):
    """To the last bit: the tensors are copied, never computed anew."""
    cells, _, _ = run
    for name in TENSORS:
        assert cells[name]["accuracy"]["ap"] == cells["direct"]["accuracy"]["ap"]
        assert cells[name]["agreement"]["found"] == 1
    for name in LAYERS[4:]:  # boxes over the least score that is served: no AP
        assert not cells[name]["accuracy"]


def test_a_run_leaves_nothing(run):
    _, folder, before = run
    assert processes_of(folder / "tmp") == [] and left_in(folder / "tmp") == []
    owners = {name.split("_")[1] for name in in_shared_memory() - before}
    assert all(pathlib.Path("/proc", pid).exists() for pid in owners)  # those of other tests
    assert {p.name.split("-")[0] for p in (folder / "models").iterdir()} == {"served", "yolov8n"}


def test_a_server_that_forms_batches(tare, tmp_path):
    path = study(tmp_path, DATA / "yolov8n.pt", [
        {"name": "alone", "layer": "fused-http"},
        {"name": "together", "layer": "fused-http",
         "options": {"max_batch": "4", "queue_delay_us": "1000"}}],
        mode="throughput", streams=4)
    done = tare("bench", path, "-o", tmp_path / "b.db", "-q", "--json", "--no-peaks", timeout=300)
    assert done.returncode == 0, done.stderr
    configs = [p.read_text() for p in sorted(pathlib.Path(tmp_path / "models").rglob(
        "yolov8_fused/config.pbtxt"))]
    assert sorted("dynamic_batching" in text for text in configs) == [False, True]
    assert [c for c in configs if "max_queue_delay_microseconds: 1000" in c]


def test_a_file_that_is_not_there_is_one_rows_fault(tare, tmp_path):
    path = study(tmp_path, DATA / "yolov8n.pt", [
        {"name": "direct"}, {"name": "inside", "layer": "fused", "precision": "int8"},
        {"name": "outside", "layer": "triton-http", "precision": "int8"}])
    tare("bench", path, "-o", tmp_path / "m.db", "-q", "--no-peaks")
    rows = sqlite3.connect(tmp_path / "m.db").execute("SELECT reason FROM cell").fetchall()
    assert len(rows) == 3 and rows[0] == ("",)
    assert all("tare quantize" in reason for reason, in rows[1:])


@pytest.mark.parametrize("cell, said", (
    ({"layer": "fused", "options": {"spinning": "off"}}, "no option 'spinning'"),
    ({"layer": "fused", "options": {"max_batch": "many"}}, "option 'max_batch' is 'many'"),
    ({"layer": "fused", "options": {"max_batch": "0"}}, "need 1 to 1024"),
    ({"layer": "fused", "head": "full"}, "raw head"),
    ({"layer": "triton-http", "device": "cuda:0"}, "served on the cpu alone"),
))
def test_what_is_not_served(tare, tmp_path, cell, said):
    path = study(tmp_path, DATA / "yolov8n.pt", [cell])
    done = tare("bench", path, "-o", tmp_path / "x.db", "-q")
    assert done.returncode in (1, 2) and said in done.stderr
