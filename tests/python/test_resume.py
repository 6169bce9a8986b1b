"""A run that is killed at any moment loses at most the visit in progress, and --resume ends with
the same tables as a run that nobody disturbed."""
import json
import os
import random
import signal
import sqlite3
import subprocess
import time

import pytest

KILLS = 200

STUDY = {
    "model": "",
    "sweeps": 6,
    "restarts": 2,
    "runs": 20,
    "warmup_runs": 6,
    "warmup_ms": 5,
    "confirm": False,  # which two cells are measured again is luck where cells are alike
    "cells": [
        {"name": "a", "runtime": "null"},
        {"name": "b", "runtime": "null", "options": {"delay_ns": 20000}},
        {"name": "c", "runtime": "null", "options": {"delay_ns": 100000}},
    ],
}


def table(path):
    """What must be equal: every visit of every cell, with the lengths of its series."""
    with sqlite3.connect(path) as db:
        return db.execute(
            "SELECT cell.key, cell.state, visit.sweep, visit.position, series.name, series.count"
            " FROM visit JOIN cell ON visit.cell = cell.id JOIN series ON series.visit = visit.id"
            " ORDER BY 1, 3, 5"
        ).fetchall()


def state(path):
    if not os.path.exists(path):
        return None
    try:
        with sqlite3.connect(path) as db:
            rows = db.execute("SELECT state FROM run").fetchall()
            failed = db.execute("SELECT count(*) FROM cell WHERE state <> 'ok'").fetchone()[0]
    except sqlite3.OperationalError:
        return None
    return (rows[-1][0], failed) if rows else None


def command(tare, study, path):
    now = state(path)
    if now is None:
        if os.path.exists(path):
            os.unlink(path)
        return [tare, "bench", study, "-o", path, "-q"]
    if now == ("complete", 0):
        return None
    return [tare, "bench", "--resume", path, "-q"]


def victims(parent):
    """The parent, or one of its workers."""
    try:
        with open(f"/proc/{parent}/task/{parent}/children") as f:
            return [parent, parent] + [int(pid) for pid in f.read().split()]
    except OSError:
        return [parent]


def test_killed_at_any_moment(tare, tmp_path):
    study = tmp_path / "study.json"
    study.write_text(json.dumps(STUDY))
    whole = tmp_path / "whole.db"
    assert tare("bench", study, "-o", whole, "-q").returncode == 0
    expected = table(whole)
    assert len(expected) > 0

    rng = random.Random(7)
    kills = runs = 0
    while kills < KILLS:
        path = tmp_path / f"run{runs}.db"
        runs += 1
        seen = 0
        while (argv := command(str(tare.program), str(study), str(path))) is not None:
            process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if kills < KILLS:
                time.sleep(rng.uniform(0.0, 0.5))
                target = rng.choice(victims(process.pid))
                try:
                    os.kill(target, signal.SIGKILL)
                    kills += 1
                except ProcessLookupError:
                    pass
            process.wait(timeout=120)
            now = state(path)
            if now is not None:
                # What was stored before is never lost.
                with sqlite3.connect(path) as db:
                    visits = db.execute("SELECT count(*) FROM visit").fetchone()[0]
                assert visits >= seen
                seen = visits
        assert table(path) == expected
        path.unlink()
    assert kills == KILLS


def test_a_complete_run_is_not_resumed(tare, tmp_path):
    study = tmp_path / "study.json"
    study.write_text(json.dumps({**STUDY, "sweeps": 1, "restarts": 1}))
    path = tmp_path / "run.db"
    assert tare("bench", study, "-o", path, "-q").returncode == 0
    again = tare("bench", "--resume", path)
    assert again.returncode == 2
    assert again.stderr == f"tare bench: the last run of '{path}' is complete\n"


def test_resumed_after_the_clock_was_set_back(tare, tmp_path):
    study = tmp_path / "study.json"
    study.write_text(json.dumps({**STUDY, "sweeps": 2, "restarts": 1}))
    path = tmp_path / "run.db"
    assert tare("bench", study, "-o", path, "-q").returncode == 0
    with sqlite3.connect(path) as db:
        db.execute("UPDATE run SET state = 'interrupted', started_wall_ns = 4e18")
        for table_name in "series", "visit":
            column = "visit IN (SELECT id FROM visit WHERE sweep = 1)" \
                if table_name == "series" else "sweep = 1"
            db.execute(f"DELETE FROM {table_name} WHERE {column}")
    assert tare("bench", "--resume", path, "-q").returncode == 0
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*), min(started_ns) >= 0 FROM visit").fetchone() == (6, 1)
    assert tare("report", path).returncode == 0


@pytest.mark.parametrize("name", ["nothing.db", "/dev/null"])
def test_nothing_to_resume(tare, tmp_path, name):
    again = tare("bench", "--resume", tmp_path / name)
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
