"""Cells that crash, hang, leak and print garbage beside healthy ones: each row says so, and the
healthy ones' figures are those of a run without them."""
import json
import sqlite3

import pytest

DELAY_NS = 500000  # shorter than a time slice: on a busy machine too, most runs are undisturbed
HEALTHY = {"sound": {"seed": 1}, "twin": {"seed": 2}}
BAD = {
    "crash": ({"crash_at_run": 60}, "Segmentation fault"),
    "hang": ({"hang_at_run": 60}, "the worker hangs: no answer in 2 s"),
    "leak": ({"leak_bytes": 4 << 20}, "allowed are 256 (memory_limit_mb of a study)"),
    "babble": ({"babble_at_run": 60}, "the worker answered garbage: "),
    "babble at once": ({"babble_at_run": 1}, "the worker answered garbage: "),
}


def run(tare, folder, name, cells):
    """What was printed, each cell of the ledger, its state and reason, and its number of visits."""
    file, path = folder / f"{name}.json", folder / f"{name}.db"
    file.write_text(json.dumps({
        "model": "", "sweeps": 10, "restarts": 1, "runs": 20, "warmup_runs": 6, "warmup_ms": 5,
        "memory_limit_mb": 256, "timeout_ms": 2000, "confirm": False,
        "cells": [{"name": cell, "runtime": "null", "options": {"delay_ns": DELAY_NS, **options}}
                  for cell, options in cells.items()]}))
    done = tare("bench", file, "-o", path, "-q", "--json", "--no-peaks")
    with sqlite3.connect(path) as db:
        states = {cell: (state, reason) for cell, state, reason in
                  db.execute("SELECT name, state, reason FROM cell")}
        visits = dict(db.execute("SELECT cell.name, count(*) FROM visit JOIN cell ON"
                                 " cell.id = visit.cell GROUP BY 1"))
    rows = json.loads(done.stdout)["ledgers"][0]["cells"]
    return done, dict(zip(cells, rows, strict=True)), states, visits


def median(ledger, name):
    return ledger[name]["times"]["back_to_back"]["p50_ns"]


def test_bad_cells_cost_the_healthy_ones_nothing(tare, tmp_path):
    done, alone, states, visits = run(tare, tmp_path, "alone", HEALTHY)
    assert done.returncode == 0, done.stderr
    assert set(states.values()) == {("ok", "")}
    bad = {name: options for name, (options, _) in BAD.items()}
    first, last = HEALTHY.items()
    done, among, rows, counts = run(tare, tmp_path, "among", dict([first, *bad.items(), last]))
    assert done.returncode == 1
    for name in HEALTHY:
        assert rows[name] == ("ok", "")
        assert counts[name] == visits[name] == 10
        assert median(among, name) == pytest.approx(median(alone, name), rel=0.03)
    for name, (_, said) in BAD.items():
        state, reason = rows[name]
        assert state == "failed" and said in reason, (name, reason)
        assert reason.isascii() and reason.isprintable()
        assert counts.get(name, 0) < 10
        assert f"'{name}' failed: {reason}" in done.stderr


def test_the_report_names_each(tare, tmp_path):
    _, ledger, rows, _ = run(tare, tmp_path, "few", {
        "sound": {"seed": 1}, "babble": {"babble_at_run": 60}, "crash": {"crash_at_run": 1}})
    assert {name: row["state"] for name, row in ledger.items()} == {
        "sound": "ok", "babble": "failed", "crash": "failed"}
    text = " ".join(tare("report", tmp_path / "few.db").stdout.split())
    for name in "babble", "crash":
        assert " ".join(rows[name][1][:40].split()) in text
