"""Where cells run, and how many of their threads worked, as the kernel says."""
import json
import os
import sqlite3

import pytest


def run(tare, tmp_path, cells, *options, **settings):
    study = tmp_path / "study.json"
    study.write_text(json.dumps({"model": "", "sweeps": 3, "restarts": 1, "runs": 20,
                                 "warmup_runs": 2, "warmup_ms": 5, "cells": cells, **settings}))
    path = tmp_path / "run.db"
    done = tare("bench", study, "-o", path, "-q", *options)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(path) as db:
        facts = dict(db.execute("SELECT key, value FROM fact"))
        figures = {(cell, name): value for cell, name, value in db.execute(
            "SELECT cell.name, figure.name, value FROM figure JOIN cell ON cell.id = figure.cell")}
    return facts, figures, tare("report", path).stdout


def null(name, **options):
    return {"name": name, "runtime": "null", "options": {"delay_ns": 1000000, **options}}


def test_one_set_of_processors_for_all(tare, tmp_path):
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        pytest.skip("one processor")
    facts, figures, report = run(tare, tmp_path, [null("a"), null("b", seed=2)],
                                 "--cpus", str(allowed[0]))
    assert facts["run.cpus"] == str(allowed[0])
    assert facts["run.harness_cpus"] == str(allowed[-1])
    assert facts["run.shared_cores"] == "no"
    assert f"every cell on processors {allowed[0]}, the harness on {allowed[-1]}" in report
    for cell in "ab":
        assert figures[cell, "threads.busy"] == 1
        assert figures[cell, "threads.asked"] == 0
        assert (cell, "threads.outside") not in figures
    assert "left to the runtime, so many worked: 1 in 'a', 1 in 'b'" in report


def test_the_harness_shares_where_nothing_is_left(tare, tmp_path):
    allowed = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    facts, _, report = run(tare, tmp_path, [null("a")], cpus=allowed)
    assert facts["run.shared_cores"] == "yes"
    assert f"shared cores: the harness runs on the cells' own ({facts['run.cpus']})" in report


def test_another_number_of_threads_is_said(tare, tmp_path):
    _, figures, report = run(tare, tmp_path, [{**null("two"), "threads": 2}])
    assert figures["two", "threads.asked"] == 2 and figures["two", "threads.busy"] == 1
    assert "asked for 2 threads, 1 worked" in report


@pytest.mark.parametrize("cpus, said", [("0-", "is no list of processors"),
                                        ("1000", "this process may run on")])
def test_wrong_processors_are_refused(tare, tmp_path, cpus, said):
    study = tmp_path / "study.json"
    study.write_text(json.dumps({"model": "", "cells": [null("a")]}))
    done = tare("bench", study, "-o", tmp_path / "run.db", "-q", "--cpus", cpus)
    assert done.returncode in (1, 2) and said in done.stderr
    study.write_text(json.dumps({"model": "", "cells": [null("a")], "cpus": cpus}))
    done = tare("bench", study, "-o", tmp_path / "run.db", "-q")
    assert done.returncode in (1, 2) and said in done.stderr
