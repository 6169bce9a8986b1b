"""tare bench --mode soak: contiguous visits in A B B A, their sustained speeds, and resuming."""
import json
import math
import signal
import sqlite3
import subprocess
import time

import pytest

from samples import visits

numpy = pytest.importorskip("numpy")

STUDY = {
    "model": "", "warmup_runs": 6, "warmup_ms": 5, "mode": "soak", "soak_ms": 200,
    "cells": [{"name": "a", "runtime": "null", "options": {"delay_ns": 100000}},
              {"name": "b", "runtime": "null", "options": {"delay_ns": 200000}}],
    "ledger": [{"kind": "tax", "name": "b over a", "cell": "b", "baseline": "a"}],
}


def write(folder, **more):
    path = folder / "study.json"
    path.write_text(json.dumps({**STUDY, **more}))
    return path


def order(path):
    with sqlite3.connect(path) as db:
        return db.execute("SELECT visit.sweep, visit.position, cell.name FROM visit JOIN cell"
                          " ON visit.cell = cell.id WHERE visit.mode = 'soak' ORDER BY 1, 2"
                          ).fetchall()


def ledger_of(tare, path):
    return json.loads(tare("report", path, "--json").stdout)["ledgers"][0]


def test_blocks_and_their_ratio(tare, tmp_path):
    path = tmp_path / "run.db"
    done = tare("bench", write(tmp_path, budget_ms=3500), "-o", path, "-q")
    assert done.returncode == 0, done.stderr
    blocks = len(order(path)) // 4
    assert blocks >= 2
    assert [name for _, _, name in order(path)] == list("baababba" * blocks)[:4 * blocks]

    ledger = ledger_of(tare, path)
    assert ledger["lines"][0]["verdict"] == "not measured"  # no interleaved ratio from a soak
    pair, = ledger["sustained"]["pairs"]
    assert pair["blocks"] == blocks
    speeds = {(v["block"], v["place"]): v["items_per_s"] for v in ledger["sustained"]["visits"]}
    contrasts = []
    for block in range(blocks):
        s = [math.log(speeds[block, k]) for k in range(4)]
        contrasts.append((s[0] - s[1] - s[2] + s[3]) / 2 * (1 if block % 2 == 0 else -1))
    pairs = [(a + b) / 2 for i, a in enumerate(contrasts) for b in contrasts[i:]]
    assert pair["speed_ratio"] == pytest.approx(math.exp(numpy.median(pairs)))  # Hodges-Lehmann
    low, high = pair["speed_ratio_interval"]
    assert low < pair["speed_ratio"] < high
    assert math.sqrt(low * high) == pytest.approx(pair["speed_ratio"])
    keys = {cell["label"]: cell["key"] for cell in ledger["cells"]}
    rows = {(v["sweep"], v["position"]): v for name in "ab"
            for v in visits(path, keys[name], "soak")}
    for visit in ledger["sustained"]["visits"]:
        row = rows[visit["block"], visit["place"]]
        assert row["wall_ns"] >= 0.5 * 200e6
        first = round(visit["steady_from"] * len(row["samples"]))
        steady = row["samples"][first:]
        assert visit["items_per_s"] == pytest.approx(1e9 * len(steady) / steady.sum())


def test_one_block_has_no_interval(tare, tmp_path):
    path = tmp_path / "run.db"
    done = tare("bench", write(tmp_path), "-o", path, "-q", "--soak", "100ms", "--mode", "soak")
    assert done.returncode == 0, done.stderr
    assert "one block: no interval" in done.stdout
    pair, = ledger_of(tare, path)["sustained"]["pairs"]
    assert pair["blocks"] == 1 and pair["speed_ratio_interval"] == [None, None]


def test_a_killed_soak_goes_on(tare, tmp_path):
    study, path = write(tmp_path, soak_ms=400), tmp_path / "run.db"
    process = subprocess.Popen([str(tare.program), "bench", str(study), "-o", str(path), "-q"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 60
    while time.time() < deadline:
        try:
            if order(path):
                break
        except sqlite3.OperationalError:
            pass
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = order(path)
    assert 1 <= len(before) < 4
    done = tare("bench", "--resume", path, "-q")
    assert done.returncode == 0, done.stderr
    assert [name for _, _, name in order(path)] == list("baab")


def test_what_does_not_go_together(tare, tmp_path):
    done = tare("bench", write(tmp_path, mode="back_to_back"), "--soak", "1s", "-o",
                tmp_path / "x.db")
    assert done.returncode != 0 and "'--soak' needs '--mode soak'" in done.stderr
    done = tare("bench", write(tmp_path, cells=STUDY["cells"][:1], ledger=[]), "-q", "-o",
                tmp_path / "y.db")
    assert done.returncode != 0 and "this study has none" in done.stderr
