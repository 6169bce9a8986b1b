"""Cells on a device: the device's own clock beside the host's, and memory that runs out there.

The null runtime plays the device: it spins for what it calls copies, and runs out when told to.
"""
import csv
import json
import os
import sqlite3

import pytest

from conftest import ROOT

COPY_NS, DELAY_NS = 200000, 600000


def bench(tare, folder, cells, **settings):
    file, path = folder / "study.json", folder / "run.db"
    file.write_text(json.dumps({
        "model": "", "sweeps": 6, "restarts": 1, "runs": 10, "warmup_runs": 5, "warmup_ms": 5,
        "confirm": False, **settings,
        "defaults": {"runtime": "null", "device": "cuda:0",
                     "options": {"delay_ns": DELAY_NS, "copy_ns": COPY_NS}},
        "cells": [{"name": name, **cell} for name, cell in cells.items()]}))
    done = tare("bench", file, "-o", path, "-q", "--json", "--no-peaks")
    return done, path, json.loads(done.stdout)["ledgers"][0]


@pytest.fixture(scope="module")
def ran(tare, tmp_path_factory):
    cells = {"on a device": {}, "on the host": {"device": "cpu"}}
    return bench(tare, tmp_path_factory.mktemp("device"), cells)


def series(path, cell):
    with sqlite3.connect(path) as db:
        return {name for name, in db.execute(
            "SELECT DISTINCT series.name FROM series JOIN visit ON visit.id = series.visit"
            " JOIN cell ON cell.id = visit.cell WHERE cell.name = ?", [cell])}


def test_both_clocks_are_kept(ran):
    done, path, ledger = ran
    assert done.returncode == 0, done.stderr
    assert series(path, "on a device") == {"total", "after_switch", "copy_in", "compute",
                                           "copy_out"}
    assert series(path, "on the host") == {"total", "after_switch", "inside"}
    device, host = (cell["times"]["back_to_back"] for cell in ledger["cells"])
    parts = device["device_ns"]
    assert parts["copy_in"] >= COPY_NS and parts["copy_out"] >= COPY_NS
    assert parts["compute"] >= DELAY_NS
    assert device["p50_ns"] >= 2 * COPY_NS + DELAY_NS
    assert "device_ns" not in host and host["inside_ns"] >= DELAY_NS


def test_reports_show_both(tare, ran, tmp_path):
    _, path, _ = ran
    text = tare("report", path).stdout
    start = text.index("\nOn the device")
    rows = [line.split() for line in text[start:].splitlines() if "on a device" in line]
    run, compute, copy_in, copy_out, rest = map(float, rows[0][-5:])
    assert run >= 1.0 and 0.6 <= compute < run and copy_in >= 0.2 and copy_out >= 0.2
    assert rest < 0.3
    assert "on the host" not in text[start:text.index("\nMind", start)]
    assert tare("report", path, "-o", tmp_path / "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text()
    assert '<section id="device0">' in page and 'href="#device0"' in page
    assert tare("report", path, "--csv", tmp_path / "table.csv").returncode == 0
    rows = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert float(rows[0]["on_device_ms"]) >= 0.6 and float(rows[0]["copy_in_ms"]) >= 0.2
    assert rows[1]["on_device_ms"] == ""


def test_out_of_device_memory_is_a_row(tare, tmp_path):
    done, path, ledger = bench(tare, tmp_path, {
        "before": {"options": {"seed": 2}},
        "cannot open": {"options": {"open": "nomem"}},
        "cannot start": {"options": {"nomem_at_run": 1}},
        "runs out": {"options": {"nomem_at_run": 40}},
        "after": {}})
    assert done.returncode == 1
    states = {cell["label"]: (cell["state"], cell["reason"]) for cell in ledger["cells"]}
    assert states["before"] == states["after"] == ("ok", "")
    assert states["cannot open"] == ("failed", "out of device memory, as planted")
    for name, number in (("cannot start", "1"), ("runs out", "40")):
        state, reason = states[name]
        assert state == "failed" and f"out of device memory in run {number}, as planted" in reason
    with sqlite3.connect(path) as db:
        visits = dict(db.execute("SELECT cell.name, count(*) FROM visit JOIN cell ON"
                                 " cell.id = visit.cell GROUP BY 1"))
    assert visits["before"] == visits["after"] == 6 and visits["runs out"] < 6


def facts(tare, folder, **env):
    file, path = folder / "study.json", folder / "facts.db"
    path.unlink(missing_ok=True)
    file.write_text(json.dumps({
        "model": "", "sweeps": 1, "restarts": 1, "runs": 1, "warmup_runs": 1, "warmup_ms": 0,
        "cells": [{"runtime": "null", "device": device} for device in ("cpu", "cuda:1", "cuda:0")]
    }))
    done = tare("bench", file, "-o", path, "-q", "--no-peaks", env={**os.environ, **env})
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(path) as db:
        return dict(db.execute("SELECT key, value FROM fact WHERE key GLOB 'gpu.*' OR key GLOB"
                               " 'cuda:*'")), done.stdout


def test_the_devices_are_facts_of_the_host(tare, tmp_path):
    found, text = facts(tare, tmp_path, STANDIN_CUDA="sm=86,devices=2",
                        TARE_CUDA_DRIVER=str(ROOT / "build/fixtures/cuda_standin.so"))
    assert found["gpu.architecture"] == "sm_86" and found["gpu.cuda"] == "13.0"
    assert "stand-in, no device" in found["gpu.model"] and "stand-in" in text[:400]
    assert {key.split(".")[0] for key in found} == {"gpu", "cuda:0"}


def test_no_driver_is_no_fact(tare, tmp_path):
    found, _ = facts(tare, tmp_path, TARE_CUDA_DRIVER="/nowhere/libcuda.so")
    assert [key for key in found if not key.endswith(".why")] == []
