"""A worker that leaks to its limit is a row that says so, and the others are measured as ever."""
import json
import sqlite3


def test_a_leak_ends_at_the_limit(tare, tmp_path):
    study = tmp_path / "study.json"
    study.write_text(json.dumps({
        "model": "", "sweeps": 4, "restarts": 1, "runs": 20, "warmup_runs": 6, "warmup_ms": 5,
        "memory_limit_mb": 256,
        "cells": [{"name": "sound", "runtime": "null", "options": {"delay_ns": 1000000}},
                  {"name": "leak", "runtime": "null",
                   "options": {"delay_ns": 1000000, "leak_bytes": 4 << 20}}]}))
    path = tmp_path / "run.db"
    done = tare("bench", study, "-o", path, "-q")
    assert done.returncode == 1
    with sqlite3.connect(path) as db:
        cells = dict(db.execute("SELECT name, state || ': ' || reason FROM cell"))
        visits = dict(db.execute("SELECT cell.name, count(*) FROM visit JOIN cell ON"
                                 " cell.id = visit.cell GROUP BY 1"))
    assert cells["sound"] == "ok: " and visits["sound"] == 4
    assert cells["leak"].startswith("failed: the worker grew to ")
    assert "allowed are 256 (memory_limit_mb of a study)" in cells["leak"]
    assert 0 < visits.get("leak", 0) < 4
