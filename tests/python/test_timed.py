"""A study that times the session's run alone: no stages, the same accuracy."""
import json
import sqlite3

import pytest

from conftest import DATA

SAMPLE = DATA / "sample"


def bench(tare, folder, timed, **more):
    file, path = folder / f"{timed}.json", folder / f"{timed}.db"
    file.write_text(json.dumps({
        "model": str(DATA / "yolov8n.pt"), "timed": timed, "images": str(SAMPLE / "images"),
        "annotations": str(SAMPLE / "instances.json"), "sweeps": 5, "restarts": 1, "runs": 2,
        "warmup_runs": 1, "warmup_ms": 0, **more,
        "cells": [{"name": "one", "threads": 1, "batch": 2, "head": "raw"}]}))
    return tare("bench", file, "-o", path, "-q", "--json", "--no-peaks"), path


def test_runs_alone_have_no_stages_and_the_same_accuracy(tare, tmp_path):
    cells, series = {}, {}
    for timed in "picture", "run":
        done, path = bench(tare, tmp_path, timed)
        assert done.returncode == 0, done.stderr
        cells[timed] = json.loads(done.stdout)["ledgers"][0]["cells"][0]
        with sqlite3.connect(path) as db:
            series[timed] = {name for name, in db.execute("SELECT DISTINCT name FROM series")}
    assert {"decode", "boxes"} <= series["picture"]
    assert series["run"] == {"total", "after_switch"}
    assert cells["picture"]["pipeline"] and not cells["run"]["pipeline"]
    assert cells["run"]["accuracy"] == cells["picture"]["accuracy"]
    assert "one run of the session" in tare("report", tmp_path / "run.db").stdout


@pytest.mark.parametrize("timed, more, said", [
    ("all", {}, "'timed' is 'all', allowed is picture|run"),
    ("run", {"mode": "throughput"}, "'timed' is 'run', which mode 'throughput' has not")])
def test_what_cannot_be_timed(tare, tmp_path, timed, more, said):
    done, path = bench(tare, tmp_path, timed, **more)
    assert done.returncode == 1 and said in done.stderr and not path.exists()
