"""tare bench --energy against a stand-in for NVML whose power is known: 30 W empty, 80 W with a
worker, 200 W while one runs. Joules are then that power times the time of the runs."""
import csv
import json
import math
import pathlib
import re
import signal
import sqlite3
import subprocess
import time
import zlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STANDIN = ROOT / "build/fixtures/nvml_standin.so"
BARE = ROOT / "build/fixtures/nvml_bare.so"
EMPTY, OPEN, BUSY = 30.0, 80.0, 200.0

pytestmark = pytest.mark.skipif(not STANDIN.exists(), reason="no fixtures: make unit")

STUDY = {
    "model": "", "sweeps": 2, "restarts": 1, "runs": 10, "warmup_runs": 5, "warmup_ms": 20,
    "confirm": False, "energy": True, "energy_ms": 600, "energy_visits": 4,
    "defaults": {"device": "cuda:0"},
    "cells": [{"name": "a", "runtime": "null", "options": {"delay_ns": 2000000}},
              {"name": "b", "runtime": "null", "batch": 2, "options": {"delay_ns": 6000000}}],
}


@pytest.fixture
def play(monkeypatch):
    """Sets the scenario; nothing of a real driver is asked."""
    def play(scenario="", library=STANDIN):
        monkeypatch.setenv("TARE_NVML", str(library))
        monkeypatch.setenv("TARE_CUDA_DRIVER", "/nowhere/libcuda.so.1")
        monkeypatch.setenv("STANDIN_NVML", "period_ms=20," + scenario)
    return play


def write(folder, **more):
    path = folder / "study.json"
    path.write_text(json.dumps({**STUDY, **more}))
    return path


def bench(tare, study, path, *more):
    return tare("bench", study, "-o", path, "-q", "--no-peaks", *more)


def ledger_of(tare, path):
    return json.loads(tare("report", path, "--json").stdout)["ledgers"][0]


def visits(path, mode="energy"):
    """[(cell, number, position, span of the runs in ns, runs, started)], in the order of time"""
    with sqlite3.connect(path) as db:
        return db.execute(
            "SELECT cell.name, sweep, position, visit.valid, why_invalid, started_ns FROM visit"
            " JOIN cell ON visit.cell = cell.id WHERE mode = ? ORDER BY visit.id", [mode]
        ).fetchall()


def notes(ledger, kind, subject):
    return [n["text"] for n in ledger[kind] if n["subject"] == subject]


def samples(path, cell, name):
    """A series of each of a cell's visits for energy, unpacked as src/store/store.h says."""
    with sqlite3.connect(path) as db:
        rows = db.execute(
            "SELECT data FROM series JOIN visit ON series.visit = visit.id JOIN cell"
            " ON visit.cell = cell.id WHERE cell.name = ? AND mode = 'energy' AND series.name = ?"
            " ORDER BY visit.id", [cell, name]).fetchall()
    for data, in rows:
        data = zlib.decompress(data[1:]) if data[0] else data[1:]
        value, shift, last, out = 0, 0, 0, []
        for byte in data:
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                last += value >> 1 ^ -(value & 1)
                out.append(last)
                value = shift = 0
        yield out


def run_times(path, label):
    """Of each visit, the mean time of its runs."""
    return [(span[2] - span[0]) / 1e9 / runs[0] for span, runs in zip(
        samples(path, label, "energy_span"), samples(path, label, "energy_runs"))]


def check_joules(path, cell, run_s, batch):
    """Joules are power times the time of a run, which is at least what it spins."""
    e, times = cell["energy"], run_times(path, cell["label"])
    assert len(times) == 4 and all(t >= run_s for t in times)
    expected = BUSY * sum(times) / 4 / batch
    assert e["watts"] == pytest.approx(BUSY, rel=0.01)
    assert e["joules"] == pytest.approx(expected, rel=0.01)
    assert e["inferences_per_joule"] == pytest.approx(1 / e["joules"])
    low, high = e["joules_interval"]
    assert low < e["joules"] < high
    assert e["inferences_per_joule_interval"] == pytest.approx([1 / high, 1 / low])
    seconds = e["joules"] / e["watts"]  # of one inference
    for name, watts in ("empty", EMPTY), ("worker", OPEN):
        idle = e["idle"][name]
        assert idle["watts"] == pytest.approx(watts, rel=0.01)
        assert idle["net_joules"] == pytest.approx((e["watts"] - idle["watts"]) * seconds,
                                                   rel=0.02)
    assert e["idle"]["context"]["watts"] is None  # there is no driver to open the device with


def test_joules_are_power_times_time(tare, tmp_path, play):
    play()
    path = tmp_path / "run.db"
    done = bench(tare, write(tmp_path), path)
    assert done.returncode == 0, done.stderr
    order = [v[0] for v in visits(path)]
    assert order in (list("aabbbbaa"), list("bbaaaabb"))  # two by each worker, there and back
    assert all(v[3] for v in visits(path)) and len(visits(path, "idle")) == 2
    ledger = ledger_of(tare, path)
    cells = {c["label"]: c for c in ledger["cells"]}
    check_joules(path, cells["a"], 0.002, 1)
    check_joules(path, cells["b"], 0.006, 2)
    for cell in cells.values():
        assert cell["energy"]["visits"] == 4 and cell["energy"]["alone"] == "alone"
        assert cell["energy"]["stand_in"] and "stand-in" in cell["energy"]["source"]
        assert cell["energy"]["scope"] == "board"
        assert cell["restarts"] == 1  # its energy's workers are no others of its times
        assert cell["gpu"]["visits"] == 2 and cell["gpu"]["temperature_c"] == 40
    line, = ledger["lines"]
    logs = [math.log(b / 2 / a) for a, b in zip(run_times(path, "a"), run_times(path, "b"))]
    assert (line["baseline"], line["cell"], line["energy"]["pairs"]) == ("a", "b", 4)
    assert line["energy"]["ratio"] == pytest.approx(math.exp(sum(logs) / 4), rel=0.02)
    low, high = line["energy"]["ratio_interval"]
    assert low < line["energy"]["ratio"] < high
    assert any("libcuda" in t or "/nowhere" in t for t in
               notes(ledger, "not_measured", "context open"))
    assert not notes(ledger, "not_measured", "energy")


def test_a_worker_that_holds_the_device_is_a_baseline(tare, tmp_path, play, monkeypatch):
    """The stand-in for CUDA's driver opens; to the one for NVML that is a worker as any other."""
    play()
    monkeypatch.setenv("TARE_CUDA_DRIVER", str(ROOT / "build/fixtures/cuda_standin.so"))
    path = tmp_path / "run.db"
    done = bench(tare, write(tmp_path, energy_visits=2, cells=STUDY["cells"][:1]), path)
    assert done.returncode == 0, done.stderr
    ledger = ledger_of(tare, path)
    e = ledger["cells"][0]["energy"]
    assert e["idle"]["context"]["watts"] == pytest.approx(OPEN, rel=0.01)
    assert e["idle"]["context"]["net_joules"] == pytest.approx(
        e["joules"] * (e["watts"] - OPEN) / e["watts"], rel=0.02)
    assert not notes(ledger, "not_measured", "context open")


def test_every_form_of_the_report_says_stand_in(tare, tmp_path, play):
    play()
    path = tmp_path / "run.db"
    done = bench(tare, write(tmp_path, energy_visits=2), path)
    assert done.returncode == 0, done.stderr
    section = done.stdout.split("\nEnergy  ")[1].split("\n\n")[0]
    assert section.count("stand-in counter") == 2 and "2 pairs, stand-in" in section
    assert tare("report", path, "--csv", tmp_path / "run.csv").returncode == 0
    with open(tmp_path / "run.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:2]:
        assert "stand-in" in row["energy_source"] and row["energy_alone"] == "alone"
        assert float(row["energy_low_j"]) < float(row["energy_j"]) < float(row["energy_high_j"])
        assert float(row["idle_empty_w"]) == pytest.approx(EMPTY, rel=0.01)
        assert float(row["gpu_memory_clock_mhz"]) == 2600
    low, high = float(rows[2]["energy_ratio_low"]), float(rows[2]["energy_ratio_high"])
    assert 0 < low < float(rows[2]["energy_ratio"]) < high
    page = tmp_path / "report.html"
    assert tare("report", path, "-o", page).returncode == 0
    table = page.read_text().split("<h2>Energy</h2>")[1].split("</section>")[0]
    assert table.count("alone; stand-in counter") == 2 and table.count("(stand-in)") == 1
    ledger = ledger_of(tare, path)
    assert any("stand-in" in t for t in notes(ledger, "warnings", "energy"))


def test_throttling_has_the_reasons_name(tare, tmp_path, play):
    play("reasons=0x44")
    path = tmp_path / "run.db"
    # visits of half a second, so that a look falls into the runs
    done = bench(tare, write(tmp_path, runs=250, sweeps=1, energy_visits=2), path)
    assert done.returncode == 0, done.stderr
    ledger = ledger_of(tare, path)
    text, = [t for t in notes(ledger, "warnings", "a") if "throttled" in t]
    assert text == "the GPU was throttled in 1 of 1 visits: sw_power_cap hw_thermal"
    assert ledger["cells"][0]["energy"]["gpu"]["throttled_visits"] == 2


@pytest.mark.parametrize("scenario, count", [("others=2", 2), ("mig=1", 0)])
def test_joules_of_a_device_that_others_use_are_shared(tare, tmp_path, play, scenario, count):
    play(scenario)
    path = tmp_path / "run.db"
    done = bench(tare, write(tmp_path, energy_visits=2, energy_ms=300), path)
    assert done.returncode == 0, done.stderr
    ledger = ledger_of(tare, path)
    assert {c["energy"]["alone"] for c in ledger["cells"]} == {"shared"}
    assert all(any("shared" in t for t in notes(ledger, "warnings", c)) for c in "ab")
    assert "shared; stand-in" in done.stdout


def test_power_is_integrated_where_nothing_counts(tare, tmp_path, play):
    for scenario in "zero=1", "fail=nvmlDeviceGetTotalEnergyConsumption:3":
        play(scenario)
        path = tmp_path / (scenario[:4] + ".db")
        done = bench(tare, write(tmp_path, energy_visits=2, energy_ms=1000), path)
        assert done.returncode == 0, done.stderr
        ledger = ledger_of(tare, path)
        for cell in ledger["cells"]:
            assert cell["energy"]["integrated"] and "power" in cell["energy"]["source"]
            assert cell["energy"]["watts"] == pytest.approx(BUSY, rel=0.02)
        assert any("integrated" in t for t in notes(ledger, "warnings", "energy"))


def test_an_old_driver_has_power_and_no_more(tare, tmp_path, play):
    play(library=BARE)
    path = tmp_path / "run.db"
    done = bench(tare, write(tmp_path, energy_visits=2, energy_ms=1000), path)
    assert done.returncode == 0, done.stderr
    ledger = ledger_of(tare, path)
    for cell in ledger["cells"]:
        assert cell["energy"]["watts"] == pytest.approx(51, rel=0.02)  # it plays 50 and 52 in turn
        assert cell["energy"]["alone"] == "not known" and cell["energy"]["gpu"]["clock_hz"] is None
    assert "not known whether alone; stand-in power, integrated" in done.stdout


def test_a_counter_that_goes_back_makes_the_visit_invalid(tare, tmp_path, play):
    # the probe of the period takes 2 s, the empty device and the first worker's start another
    play("back_at=225")
    path = tmp_path / "run.db"
    done = bench(tare, write(tmp_path, energy_ms=2000, energy_visits=2), path)
    assert done.returncode == 0, done.stderr
    bad = [v for v in visits(path) if not v[3]]
    assert len(bad) <= 1
    ledger = ledger_of(tare, path)
    for cell in ledger["cells"]:
        lost = [v for v in bad if v[0] == cell["label"]]
        assert all("backwards" in v[4] for v in lost)
        assert cell["energy"]["visits"] == 2 - len(lost)
        assert cell["energy"]["watts"] == pytest.approx(BUSY, rel=0.02)


@pytest.mark.parametrize("scenario, library, words", [
    ("fail=nvmlInit_v2:9", STANDIN, "Driver Not Loaded"),
    ("boards=2", STANDIN, "2 boards"),
    ("", "/nowhere/nvml.so", "there is no '/nowhere/nvml.so'"),
    ("zero=1,fail=nvmlDeviceGetPowerUsage:3", STANDIN, "changed 0 times in 2.0"),
])
def test_without_a_sensor_there_is_no_figure(tare, tmp_path, play, scenario, library, words):
    play(scenario, library)
    path = tmp_path / "run.db"
    done = bench(tare, write(tmp_path), path)
    assert done.returncode == 0, done.stderr
    ledger = ledger_of(tare, path)
    text, = notes(ledger, "not_measured", "energy")
    assert words in text and "'cuda:0'" in text
    assert all(c["energy"] is None for c in ledger["cells"])
    assert "J/inference" not in done.stdout and visits(path) == []


def test_cells_of_the_processor_have_no_sensor(tare, tmp_path, play):
    play()
    path = tmp_path / "run.db"
    done = bench(tare, write(tmp_path, defaults={}), path)
    assert done.returncode == 0, done.stderr
    text, = notes(ledger_of(tare, path), "not_measured", "energy")
    assert "no cell ran on a GPU" in text


def test_it_is_measured_only_if_asked_for(tare, tmp_path, play):
    play()
    path = tmp_path / "run.db"
    done = bench(tare, write(tmp_path, energy=False), path)
    assert done.returncode == 0, done.stderr
    text, = notes(ledger_of(tare, path), "not_measured", "energy")
    assert "--energy" in text and visits(path) == []


def test_a_study_may_leave_cells_out(tare, tmp_path, play):
    play()
    cells = [STUDY["cells"][0], {**STUDY["cells"][1], "energy": False}]
    out = tmp_path / "r.db"
    bench(tare, write(tmp_path, cells=cells, energy_ms=300, energy_visits=2), out)
    assert {v[0] for v in visits(out)} == {"a"}
    ledger = ledger_of(tare, out)
    assert ledger["cells"][0]["energy"]["visits"] == 2 and not ledger["cells"][1]["energy"]
    assert any("asks for none of 1 cell" in note["text"] for note in ledger["not_measured"]
               if note["subject"] == "energy")


def test_a_cell_that_crashes_is_a_row(tare, tmp_path, play):
    play()
    cells = [STUDY["cells"][0], {"name": "c", "runtime": "null",
                                 "options": {"delay_ns": 2000000, "crash_at_run": 100}}]
    path = tmp_path / "run.db"
    done = bench(tare, write(tmp_path, cells=cells, energy_visits=2, energy_ms=1500), path)
    assert done.returncode == 0, done.stderr
    ledger = ledger_of(tare, path)
    cells = {c["label"]: c for c in ledger["cells"]}
    assert cells["c"]["state"] == "ok" and cells["c"]["energy"] is None  # its times stand
    assert cells["a"]["energy"]["visits"] == 2
    text, = notes(ledger, "not_measured", "energy")
    assert "'c': 0 of 2 visits" in text and "SIGSEGV" in text or "Segmentation" in text
    assert re.search(r"\n  c +failed: .*killed by signal", done.stdout)


def test_a_killed_run_is_taken_up_again(tare, tmp_path, play):
    play()
    path = tmp_path / "run.db"
    process = subprocess.Popen(
        [str(tare.program), "bench", str(write(tmp_path)), "-o", str(path), "-q", "--no-peaks"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline, before = time.time() + 60, []
    while time.time() < deadline and len(before) < 3 and process.poll() is None:
        try:
            before = visits(path)
        except sqlite3.OperationalError:
            pass
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = visits(path)
    assert 3 <= len(before) < 8
    done = tare("bench", "--resume", path, "-q", "--no-peaks")
    assert done.returncode == 0, done.stderr
    after = visits(path)
    assert after[:len(before)] == before
    assert {(v[0], v[1]) for v in after} == {(c, n) for c in "ab" for n in range(4)}
    assert len(after) == 8
    for cell in ledger_of(tare, path)["cells"]:
        assert cell["energy"]["visits"] == 4
        assert cell["energy"]["watts"] == pytest.approx(BUSY, rel=0.02)
