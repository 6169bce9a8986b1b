"""Workers that do not fit in memory together are measured in sets that share a baseline."""
import json
import os
import signal
import sqlite3
import subprocess
import time

import pytest

STUDY = {
    "model": "", "sweeps": 4, "restarts": 2, "runs": 20, "warmup_runs": 6, "warmup_ms": 5,
    "confirm": False,
    "cells": [{"name": name, "runtime": "null", "options": {"delay_ns": delay}}
              for name, delay in (("b", 600000), ("base", 500000), ("c", 400000), ("d", 800000))],
    "ledger": [{"kind": "tax", "name": name, "cell": cell, "baseline": baseline}
               for name, cell, baseline in (("b", "b", "base"), ("c", "c", "base"),
                                            ("d", "d", "base"), ("apart", "b", "c"))],
}


def visits(path):
    with sqlite3.connect(path) as db:
        return db.execute("SELECT cell.name, sweep FROM visit JOIN cell ON cell.id = visit.cell"
                          " ORDER BY sweep, cell.name").fetchall()


def expected():
    return sorted(((cell, 4 * k + i) for k, name in enumerate("bcd") for i in range(4)
                   for cell in (name, "base")), key=lambda visit: (visit[1], visit[0]))


def write(tmp_path, **settings):
    file = tmp_path / "study.json"
    file.write_text(json.dumps({**STUDY, **settings}))
    return file


@pytest.fixture(scope="module")
def two_fit(tare, tmp_path_factory):
    """MiB that hold the largest two workers and no third."""
    folder = tmp_path_factory.mktemp("weighed")
    path = folder / "run.db"
    assert tare("bench", write(folder, sweeps=1, restarts=1), "-o", path, "-q", "--no-peaks",
                "--no-ledger").returncode == 0
    with sqlite3.connect(path) as db:
        held = sorted(row[0] for row in db.execute("SELECT peak_rss_bytes FROM restart"))
    two, three = held[-1] + held[-2], sum(held[:3])
    assert three > two
    limit = (two + three) / 2 / 2**20  # room to grow, but not for a third
    return int(limit)


def test_sets_meet_through_the_baseline(tare, tmp_path, two_fit):
    path = tmp_path / "run.db"
    file = write(tmp_path, resident_limit_mb=two_fit)
    done = tare("bench", file, "-o", path, "-q", "--json", "--no-peaks")
    assert done.returncode == 0, done.stderr
    assert visits(path) == expected()
    ledger = json.loads(done.stdout)["ledgers"][0]
    lines = {line["name"]: line for line in ledger["lines"]}
    for name, ratio in (("b", 1.2), ("c", 0.8), ("d", 1.6)):
        assert lines[name]["sweeps"] == 4
        assert abs(lines[name]["ratio"] / ratio - 1) < 0.3
    assert lines["apart"]["verdict"] == "not measured"
    assert "not in memory together" in lines["apart"]["why"]
    assert {c["label"]: c["times"]["back_to_back"]["sweeps"] for c in ledger["cells"]} == {
        "b": 4, "base": 12, "c": 4, "d": 4}
    # never more than two workers had visits in one generation, the baseline being one of them
    with sqlite3.connect(path) as db:
        assert dict(db.execute("SELECT cell.name, count(DISTINCT restart) FROM visit JOIN cell ON"
                               " cell.id = visit.cell GROUP BY 1")) == {
            "b": 2, "base": 6, "c": 2, "d": 2}


def test_enough_memory_is_one_set(tare, tmp_path):
    path = tmp_path / "run.db"
    done = tare("bench", write(tmp_path), "-o", path, "-q", "--no-peaks")
    assert done.returncode == 0, done.stderr
    assert visits(path) == [(cell, sweep) for sweep in range(4) for cell in ("b", "base", "c", "d")]


def test_resumed_in_the_same_sets(tare, tmp_path, two_fit):
    path = tmp_path / "run.db"
    file = write(tmp_path, resident_limit_mb=two_fit)
    process = subprocess.Popen([str(tare.program), "bench", str(file), "-o", str(path),
                                "-q", "--no-peaks"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    for _ in range(1200):
        time.sleep(0.02)
        if os.path.exists(path):
            try:
                if len(visits(path)) > 11:  # in the second set
                    break
            except sqlite3.OperationalError:
                pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 11 < len(visits(path)) < 24
    assert tare("bench", "--resume", path, "-q", "--no-peaks").returncode == 0
    assert visits(path) == expected()
