"""Studies whose other workers are stopped by signal for every visit."""
import json
import sqlite3

CELLS = [{"name": name, "runtime": "null", "options": {"work": "200", "seed": str(seed)}}
         for seed, name in enumerate(("a", "b", "c"), 1)]


def bench(tare, tmp_path, **changes):
    study, path = tmp_path / "study.json", tmp_path / "run.db"
    study.write_text(json.dumps({
        "name": "frozen", "model": "", "sweeps": 12, "restarts": 3, "visit_ms": 5,
        "warmup_runs": 5, "warmup_ms": 2, "confirm": False, "freeze": True, "cells": CELLS,
        **changes}))
    return tare("bench", study, "-o", path, "-q", "--no-ledger"), path


def visits(path):
    with sqlite3.connect(path) as db:
        return db.execute("SELECT cell, sweep, valid, why_invalid FROM visit").fetchall()


def test_all_visits_are_made_and_count(tare, tmp_path):
    done, path = bench(tare, tmp_path)
    assert done.returncode == 0, done.stderr
    rows = visits(path)
    assert len(rows) == 36 and len({row[:2] for row in rows}) == 36
    assert all(valid for _, _, valid, _ in rows), rows


def test_a_worker_that_crashes_is_one_row(tare, tmp_path):
    cells = CELLS[:2] + [dict(CELLS[2], options={"work": "200", "crash_at_run": "120"})]
    done, path = bench(tare, tmp_path, cells=cells, runs=30)
    assert done.returncode == 1, done.stderr
    count = {cell: 0 for cell in (1, 2, 3)}
    for cell, *_ in visits(path):
        count[cell] += 1
    assert count[1] == count[2] == 12 and count[3] < 12


def test_it_is_kept_with_the_study(tare, tmp_path):
    done, path = bench(tare, tmp_path)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(path) as db:
        (text,), = db.execute("SELECT study FROM run")
    assert json.loads(text)["freeze"] is True
