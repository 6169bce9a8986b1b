"""tare diff: a planted slow-down is found, nothing is made of nothing, and what can't be compared
is refused."""
import json
import shutil
import sqlite3

import pytest

STUDY = {
    "model": "",
    "sweeps": 10,
    "restarts": 2,
    "runs": 10,
    "warmup_runs": 6,
    "warmup_ms": 5,
    "cells": [
        {"name": "a", "runtime": "null", "options": {"delay_ns": 500000}},
        {"name": "b", "runtime": "null", "options": {"delay_ns": 1000000}},
    ],
}


@pytest.fixture(scope="module")
def old(tare, tmp_path_factory):
    folder = tmp_path_factory.mktemp("diff")
    study = folder / "study.json"
    study.write_text(json.dumps(STUDY))
    path = folder / "old.db"
    assert tare("bench", study, "-o", path, "-q", "--no-ledger").returncode == 0
    return path


def changed(old, tmp_path, *statements):
    path = tmp_path / "new.db"
    shutil.copy(old, path)
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    return path


def swapped(old, tmp_path):
    """The new run's cell with a's key is the one that takes twice as long."""
    return changed(
        old,
        tmp_path,
        "UPDATE cell SET key = 'x' WHERE name = 'a'",
        "UPDATE cell SET key = replace(key, '1000000', '500000') WHERE name = 'b'",
    )


def test_a_run_equals_itself(tare, old):
    run = tare("diff", old, old, "--fail-above", "0%", "--json")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["over"] == 0
    for cell in result["cells"]:
        assert cell["state"] == "compared" and cell["ratio"] == 1
        assert cell["low"] <= 1 <= cell["high"]


def test_a_slow_down_is_over_the_limit(tare, old, tmp_path):
    new = swapped(old, tmp_path)
    run = tare("diff", old, new, "--json")
    assert run.returncode == 0
    cells = {cell["key"]: cell for cell in json.loads(run.stdout)["cells"]}
    slower = next(cell for cell in cells.values() if cell["state"] == "compared")
    assert slower["ratio"] == pytest.approx(2, rel=0.5)
    assert sorted(cell["state"] for cell in cells.values()) == ["compared", "lost", "new"]

    run = tare("diff", old, new, "--fail-above", "3%")
    assert run.returncode == 3
    assert "over the limit of 3%" in run.stderr
    assert "no longer measured" in run.stdout
    assert tare("diff", new, old, "--fail-above", "3%").returncode == 3  # 'x' is lost there


def test_two_machines_are_refused(tare, old, tmp_path):
    new = changed(old, tmp_path, "UPDATE fact SET value = 'another' WHERE key = 'cpu.model'")
    run = tare("diff", old, new)
    assert run.returncode == 2
    assert "two machines" in run.stderr and "--other-hosts" in run.stderr
    assert tare("diff", old, new, "--other-hosts").returncode == 0


def test_two_models_are_refused(tare, old, tmp_path):
    insert = (
        "INSERT INTO file (run, role, path, sha256, bytes)"
        " VALUES (1, 'model', 'm.onnx', '{}', 1)"
    )
    first = changed(old, tmp_path, insert.format("a" * 64))
    other = tmp_path / "other"
    other.mkdir()
    second = changed(old, other, insert.format("b" * 64))
    run = tare("diff", first, second)
    assert run.returncode == 2
    assert "m.onnx" in run.stderr and "--other-models" in run.stderr
    assert tare("diff", first, second, "--other-models").returncode == 0


def test_usage(tare, old):
    assert tare("diff", old).returncode == 2
    assert tare("diff", old, old, "--fail-above", "much").returncode == 2
    assert tare("diff", old, "/nonexistent.db").returncode == 1
