"""Throughput mode: what is stored obeys Little's law, the setting comes from the pilot and the
figures from other runs, a resumed run keeps to it, and latency figures never mix with it."""
import json
import sqlite3
import zlib

import pytest

FIVE_MS = 5_000_000


def series(db, visit, name):
    row = db.execute("SELECT data, count FROM series WHERE visit = ? AND name = ?",
                     (visit, name)).fetchone()
    raw = zlib.decompress(row[0][1:]) if row[0][0] == 1 else row[0][1:]
    values, last, shift, number = [], 0, 0, 0
    for byte in raw:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            last += (number >> 1) ^ -(number & 1)
            values.append(last)
            shift = number = 0
    assert len(values) == row[1]
    return values


def study(tmp_path, *cells, **settings):
    path = tmp_path / "study.json"
    path.write_text(json.dumps({
        "mode": "throughput", "sweeps": 3, "restarts": 1, "runs": 5, "warmup_runs": 5,
        "warmup_ms": 1, "model": "", "cells": list(cells), **settings}))
    return path


def bench(tare, path, output):
    done = tare("bench", path, "-o", output, "-q", "--json", timeout=600)
    return done, sqlite3.connect(output)


@pytest.fixture(scope="module")
def run(tare, tmp_path_factory):
    folder = tmp_path_factory.mktemp("throughput")
    done, db = bench(tare, study(folder, {"name": "spins", "runtime": "null",
                                          "options": {"delay_ns": FIVE_MS}}), folder / "run.db")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), db, folder / "run.db"


def test_runs_in_flight_are_the_streams(run):
    """Little's law: rate x mean latency is how many runs are under way, which is the streams."""
    _, db, _ = run
    figures = dict(db.execute("SELECT name, value FROM figure"))
    visits = db.execute("SELECT id, wall_ns FROM visit").fetchall()
    assert len(visits) == 3
    for visit, wall_ns in visits:
        (per_run,), latencies = series(db, visit, "total"), series(db, visit, "latency")
        assert per_run == pytest.approx(wall_ns / len(latencies), rel=1e-3)
        assert min(latencies) >= FIVE_MS
        in_flight = sum(latencies) / len(latencies) / per_run
        assert in_flight == pytest.approx(figures["throughput.streams"], rel=0.15)


def test_the_setting_is_the_pilots_best(run):
    _, db, _ = run
    figures = dict(db.execute("SELECT name, value FROM figure"))
    pilot = {tuple(map(int, name.rsplit(".", 1)[1].split("x"))): hz
             for name, hz in figures.items() if name.startswith("throughput.pilot.")}
    chosen = int(figures["throughput.streams"]), int(figures["throughput.threads"])
    assert len(pilot) >= 3 and chosen in pilot
    assert all(hz <= pilot[chosen] * 1.015 for hz in pilot.values())


def test_the_mode_stands_apart(run, tare):
    report, db, path = run
    assert {mode for mode, in db.execute("SELECT mode FROM visit")} == {"throughput"}
    (ledger,) = report["ledgers"] if "ledgers" in report else [report]
    cell = ledger["cells"][0]
    times = cell["modes"] if "modes" in cell else cell["times"]
    assert list(times) == ["throughput"]
    assert times["throughput"]["latency_p50_ns"] >= FIVE_MS
    text = tare("report", path).stdout
    assert "all streams at once" in text and "streams" in text and "independent" not in text


def test_threads_that_were_asked_for_stay(tare, tmp_path):
    done, db = bench(tare, study(tmp_path, {"name": "two", "runtime": "null", "threads": 2,
                                            "options": {"delay_ns": FIVE_MS}}), tmp_path / "t.db")
    assert done.returncode == 0, done.stderr
    names = [n for n, in db.execute("SELECT name FROM figure") if ".pilot." in n]
    assert names and all(name.endswith("x2") for name in names)


def test_a_model_that_fails_is_a_row(tare, tmp_path):
    done, db = bench(tare, study(
        tmp_path, {"name": "bad", "runtime": "null", "options": {"fail_at_run": 3}},
        {"name": "crash", "runtime": "null", "options": {"crash_at_run": 3}},
        {"name": "good", "runtime": "null", "options": {"delay_ns": FIVE_MS}}), tmp_path / "t.db")
    assert done.returncode == 1
    states = dict(db.execute("SELECT name, state FROM cell"))
    assert states == {"bad": "failed", "crash": "failed", "good": "ok"}


def test_an_offered_load_counts_from_when_a_run_was_due(tare, tmp_path):
    """One stream that takes 5 ms a run is offered 400 a second: as MLPerf's server scenario counts,
    the wait for it is part of the latency, which grows far beyond a run's own time."""
    cell = {"name": "spins", "runtime": "null", "options": {"delay_ns": FIVE_MS}}
    ways = {}
    for name, rate in (("closed", 0), ("light", 20), ("too much", 400)):
        path = study(tmp_path, cell, streams=1, rate_hz=rate)
        done, db = bench(tare, path, tmp_path / f"{name}.db")
        assert done.returncode == 0, done.stderr
        figures = dict(db.execute("SELECT name, value FROM figure"))
        assert figures["throughput.streams"] == 1
        assert not [n for n in figures if n.startswith("throughput.pilot")]
        visits = [v for v, in db.execute("SELECT id FROM visit")]
        ways[name] = [series(db, v, "latency") for v in visits]
        if rate:  # every run that was due in a second is there, but for the first of the window
            assert all(rate * 0.9 - 2 <= len(s) <= rate * 1.1 + 2 for s in ways[name])
    assert all(min(s) >= FIVE_MS for s in ways["light"])
    assert all(max(s) >= 50 * FIVE_MS for s in ways["too much"])
    assert all(sorted(s)[len(s) // 2] < 10 * FIVE_MS for s in ways["closed"])


def test_streams_are_of_throughput_mode(tare, tmp_path):
    path = study(tmp_path, {"runtime": "null"}, streams=1000)
    done = tare("bench", path, "-o", tmp_path / "x.db", "-q")
    assert done.returncode and "'streams' must be a number from 0 to 256" in done.stderr
