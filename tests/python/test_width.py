"""A study with a width: its first sweeps are a pilot that fixes how many there are, once."""
import json
import os
import signal
import sqlite3
import subprocess
import time

import pytest

STUDY = {
    "model": "",
    "sweeps": 6,
    "restarts": 3,
    "max_sweeps": 30,
    "runs": 30,
    "warmup_runs": 6,
    "warmup_ms": 5,
    "cells": [{"name": "a", "runtime": "null", "options": {"delay_ns": 50000}},
              {"name": "b", "runtime": "null", "options": {"delay_ns": 60000,
                                                           "jitter_ns": 20000}}],
}


def plan(path):
    with sqlite3.connect(path) as db:
        facts = dict(db.execute("SELECT key, value FROM fact"))
        sweeps = [r[0] for r in db.execute("SELECT DISTINCT sweep FROM visit ORDER BY 1")]
    return json.loads(facts["run.plan"]), sweeps


def run(tare, tmp_path, width):
    study = tmp_path / "study.json"
    study.write_text(json.dumps(STUDY))
    path = tmp_path / f"{width}.db"
    done = tare("bench", study, "--width", width, "-o", path, "-q", "--json")
    assert done.returncode == 0, done.stderr
    return path, json.loads(done.stdout)


@pytest.mark.parametrize("width,sweeps", [("90%", 6), ("0.0001%", 30)])
def test_bounds(tare, tmp_path, width, sweeps):
    path, _ = run(tare, tmp_path, width)
    found, made = plan(path)
    assert found["settled"] and found["pilot_sweeps"] == 6 and found["pilot_restarts"] == 3
    assert found["sweeps"] == sweeps and made == list(range(sweeps))
    report = tare("report", path)
    assert "aimed at" in report.stdout + report.stderr


def test_needs_a_percentage(tare, tmp_path):
    study = tmp_path / "study.json"
    study.write_text(json.dumps(STUDY))
    done = tare("bench", study, "--width", "wide")
    assert done.returncode == 2 and "need a percentage such as 2%" in done.stderr


def test_resumed_with_the_same_plan(tare, tmp_path):
    path, _ = run(tare, tmp_path, "0.0001%")
    whole, sweeps = plan(path)
    cut = tmp_path / "cut.db"
    process = subprocess.Popen([str(tare.program), "bench", str(tmp_path / "study.json"), "--width",
                                "0.0001%", "-o", str(cut), "-q"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    for _ in range(600):  # until some sweeps after the pilot are stored
        time.sleep(0.05)
        if os.path.exists(cut):
            try:
                if plan(cut)[1][-1:] > [8]:
                    break
            except (sqlite3.OperationalError, KeyError):
                pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert tare("bench", "--resume", cut, "-q").returncode == 0
    again, made = plan(cut)
    assert made == sweeps
    assert (again["sweeps"], again["restarts"]) == (whole["sweeps"], whole["restarts"])
