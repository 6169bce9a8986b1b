"""tare bench --cold: starts with the page cache dropped and warm, their parts, and resuming."""
import ctypes
import json
import mmap
import os
import signal
import sqlite3
import statistics
import subprocess
import time

import pytest

PARTS = ["start_ns", "plugin_ns", "session_ns", "input_ns", "first_run_ns"]

STUDY = {
    "model": "", "sweeps": 1, "restarts": 1, "runs": 2, "warmup_runs": 6, "warmup_ms": 5,
    "cells": [{"name": "a", "runtime": "null"},
              {"name": "b", "runtime": "null", "options": {"delay_ns": 20000000}}],
}


def write(folder, **more):
    path = folder / "study.json"
    path.write_text(json.dumps({**STUDY, **more}))
    return path


def bench(tare, study, path, *more):
    return tare("bench", study, "-o", path, "-q", "--no-peaks", *more)


def starts(path):
    """{(cell, state, n): {part: value}}"""
    found = {}
    with sqlite3.connect(path) as db:
        for cell, name, value in db.execute(
                "SELECT cell.name, figure.name, figure.value FROM figure JOIN cell"
                " ON figure.cell = cell.id WHERE figure.name LIKE 'cold.%'"):
            _, state, n, part = name.split(".")
            found.setdefault((cell, state, int(n)), {})[part] = value
    return found


def ledger_of(tare, path):
    return json.loads(tare("report", path, "--json").stdout)["ledgers"][0]


def check_starts(found, cells, count):
    assert set(found) == {(c, s, n) for c in cells for s in ("dropped", "warm")
                          for n in range(count)}
    for (_, state, _), parts in found.items():
        assert set(parts) == {*PARTS, "total_ns"} | ({"stayed"} if state == "dropped" else set())
        assert all(parts[p] >= 0 for p in PARTS) and parts["start_ns"] > 0
        assert sum(parts[p] for p in PARTS) == pytest.approx(parts["total_ns"], rel=1e-9)
        assert 0 <= parts.get("stayed", 0) <= 1


def test_parts_make_up_the_whole(tare, tmp_path):
    path = tmp_path / "run.db"
    begun = time.monotonic()
    done = bench(tare, write(tmp_path), path, "--cold", "7")
    wall_ns = 1e9 * (time.monotonic() - begun)
    assert done.returncode == 0, done.stderr
    found = starts(path)
    check_starts(found, "ab", 7)
    assert sum(parts["total_ns"] for parts in found.values()) < wall_ns
    assert all(parts["first_run_ns"] >= 20e6 for key, parts in found.items() if key[0] == "b")

    cells = {c["label"]: c for c in ledger_of(tare, path)["cells"]}
    for name in "ab":
        assert not [f for f in cells[name]["figures"] if f.startswith("cold")]
        warm = cells[name]["cold_start"]["warm"]
        totals = sorted(found[name, "warm", n]["total_ns"] for n in range(7))
        assert warm["starts"] == 7 and warm["total_ns"] == pytest.approx(statistics.median(totals))
        # seven tosses are all alike in 2 of 128 cases: smallest and largest hold the median
        assert warm["total_interval_ns"] == pytest.approx([totals[0], totals[-1]])
        for part in PARTS:
            values = [found[name, "warm", n][part] for n in range(7)]
            assert warm[part] == pytest.approx(statistics.median(values))
    assert "Cold start" in done.stdout and "[95 % interval]" in done.stdout
    page = tmp_path / "report.html"
    assert tare("report", path, "-o", page).returncode == 0
    assert "<h2>Cold start</h2>" in page.read_text()


def test_few_starts_have_a_range_only(tare, tmp_path):
    path = tmp_path / "run.db"
    done = bench(tare, write(tmp_path, cold=2), path)
    assert done.returncode == 0, done.stderr
    check_starts(starts(path), "ab", 2)
    assert " to " in done.stdout.split("\nCold start")[1].split("warm")[2]
    warm = ledger_of(tare, path)["cells"][0]["cold_start"]["warm"]
    totals = sorted(starts(path)["a", "warm", n]["total_ns"] for n in range(2))
    assert warm["total_interval_ns"] is None and warm["total_range_ns"] == pytest.approx(totals)


def test_without_it_the_report_says_how(tare, tmp_path):
    path = tmp_path / "run.db"
    done = bench(tare, write(tmp_path), path)
    assert done.returncode == 0 and starts(path) == {}
    note, = [n for n in ledger_of(tare, path)["not_measured"] if n["subject"] == "cold start"]
    assert "--cold" in note["text"]
    assert ledger_of(tare, path)["cells"][0]["cold_start"] is None


def resident(path):
    """Share of a file's pages that the kernel says are in memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    size = os.path.getsize(path)
    pages = -(-size // mmap.PAGESIZE)
    seen = (ctypes.c_ubyte * pages)()
    with open(path, "rb") as file:
        at = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
    assert libc.mincore(ctypes.c_void_p(at), ctypes.c_size_t(size), seen) == 0
    libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(size))
    return sum(page & 1 for page in seen) / pages


def test_pages_that_are_held_are_not_called_dropped(tare, tmp_path):
    """A model that this process has mapped and touched can't leave; the report says so."""
    onnx_models = pytest.importorskip("small_models")
    pytest.importorskip("onnxruntime")
    model = onnx_models.convolution(tmp_path / "small.onnx")
    with open(model, "ab") as file:  # an unknown field of many bytes: it outweighs any library
        size = 96 << 20
        file.write(bytes([0xfa, 0x3f]) + varint(size) + bytes(size))
    study = write(tmp_path, model=str(model), cells=[{"name": "m", "runtime": "onnxruntime"}])
    path = tmp_path / "run.db"
    with open(model, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as held:
        assert sum(held[::mmap.PAGESIZE]) > 0 and resident(model) == 1
        done = bench(tare, study, path, "--cold", "1")
        assert done.returncode == 0, done.stderr
        assert resident(model) == 1
    found = starts(path)
    check_starts(found, "m", 1)
    assert found["m", "dropped", 0]["stayed"] > 0.01
    assert "small.onnx" in done.stderr and "stay in memory" in done.stderr
    ledger = ledger_of(tare, path)
    assert ledger["cells"][0]["cold_start"]["dropped"]["left_the_cache"] is False
    assert any("page cache not dropped" in n["text"] for n in ledger["not_measured"])
    assert "% stayed" in done.stdout


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def test_onnxruntime(tare, tmp_path):
    models = pytest.importorskip("small_models")
    pytest.importorskip("onnxruntime")
    model = models.convolution(tmp_path / "small.onnx")
    study = write(tmp_path, model=str(model), cells=[{"name": "m", "runtime": "onnxruntime"}])
    path = tmp_path / "run.db"
    done = bench(tare, study, path, "--cold", "2")
    assert done.returncode == 0, done.stderr
    found = starts(path)
    check_starts(found, "m", 2)
    assert all(parts["session_ns"] > 0 for parts in found.values())


def test_a_missing_model_fails_as_its_row_says(tare, tmp_path):
    study = write(tmp_path, cells=[{"name": "m", "runtime": "onnxruntime", "model": "no.onnx"},
                                   {"name": "a", "runtime": "null"}])
    path = tmp_path / "run.db"
    bench(tare, study, path, "--cold", "1")
    check_starts(starts(path), "a", 1)
    cells = {c["label"]: c for c in ledger_of(tare, path)["cells"]}
    assert cells["m"]["state"] != "ok" and "no.onnx" in cells["m"]["reason"]
    assert cells["m"]["cold_start"] is None


def test_a_killed_run_keeps_what_it_finished(tare, tmp_path):
    study, path = write(tmp_path, cold=20), tmp_path / "run.db"
    process = subprocess.Popen([str(tare.program), "bench", str(study), "-o", str(path), "-q"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline, before = time.time() + 60, {}
    while time.time() < deadline and len(before) < 6 and process.poll() is None:
        try:
            before = starts(path)
        except sqlite3.OperationalError:
            pass
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = starts(path)
    assert 6 <= len(before) < 80
    done = tare("bench", "--resume", path, "-q")
    assert done.returncode == 0, done.stderr
    after = starts(path)
    check_starts(after, "ab", 20)
    assert {key: after[key] for key in before} == before


def test_it_belongs_to_the_run(tare, tmp_path):
    path = tmp_path / "run.db"
    assert bench(tare, write(tmp_path, cold=1), path).returncode == 0
    done = tare("bench", "--resume", path, "--cold", "3")
    assert done.returncode != 0 and "'--cold' can't change a run that has begun" in done.stderr
    done = bench(tare, write(tmp_path, cold=-1), tmp_path / "x.db")
    assert done.returncode != 0 and "'cold' must be a number from 0 to 1000" in done.stderr
