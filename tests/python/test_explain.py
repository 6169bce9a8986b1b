"""tare report --explain: what it prints is computed again from the result file by NumPy."""
import json
import math
import re

import pytest

from samples import visits

numpy = pytest.importorskip("numpy")
import walsh_reference  # noqa: E402

STUDY = {
    "name": "explained", "model": "", "sweeps": 12, "restarts": 4, "runs": 25,
    "warmup_runs": 6, "warmup_ms": 5, "confirm": False,
    "cells": [
        {"name": "a", "runtime": "null", "options": {"delay_ns": 40000, "jitter_ns": 20000}},
        {"name": "b", "runtime": "null", "options": {"delay_ns": 60000, "jitter_ns": 20000}},
        {"name": "c", "runtime": "null", "options": {"delay_ns": 90000}},
    ],
    "ledger": [
        {"kind": "tax", "name": "b over a", "cell": "b", "baseline": "a"},
        {"kind": "gain", "name": "c from b", "cell": "c", "baseline": "b"},
    ],
}


@pytest.fixture(scope="module")
def run(tare, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    study = folder / "study.json"
    study.write_text(json.dumps(STUDY))
    path = folder / "run.db"
    done = tare("bench", study, "-o", path, "-q")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def explained(tare, run):
    return json.loads(tare("report", run, "--explain", "b", "--json").stdout)


@pytest.fixture(scope="module")
def keys(tare, run):
    ledger, = json.loads(tare("report", run, "--json").stdout)["ledgers"]
    return {cell["label"]: cell["key"] for cell in ledger["cells"]}


def medians(path, key):
    return {v["sweep"]: (float(numpy.median(v["samples"])), v["worker"])
            for v in visits(path, key, "back_to_back")}


def student_quantile(p, df):
    """By the integral of the density and bisection: slow, and nobody else's code."""
    scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(df * math.pi)

    def cdf(t):
        x = numpy.linspace(0, t, 200001)
        y = scale * (1 + x * x / df) ** (-(df + 1) / 2)
        return 0.5 + float((y[:-1] + y[1:]).sum() / 2 * (x[1] - x[0]))

    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if cdf(middle) < p else (low, middle)
    return low


def test_the_quantile_above_is_right():
    assert student_quantile(0.975, 10) == pytest.approx(2.228138852, rel=1e-6)  # any table of t


def components(values, groups):
    """One-way analysis of variance, by the textbook's sums of squares."""
    parts = [[v for v, g in zip(values, groups) if g == group] for group in sorted(set(groups))]
    n, k = len(values), len(parts)
    within = sum(sum((v - numpy.mean(p)) ** 2 for v in p) for p in parts) / (n - k)
    squares = sum(len(p) ** 2 for p in parts)
    between = sum(len(p) * (numpy.mean(p) - numpy.mean(values)) ** 2 for p in parts) / (k - 1)
    between = max(0, (between - within) / ((n - squares / n) / (k - 1)))
    return between, within, between * squares / n ** 2, within / n


def test_the_arithmetic_of_a_line(run, explained, keys):
    by_name = {line["name"]: line for line in explained["lines"]}
    assert set(by_name) == {"b over a", "c from b"}
    for name, cell, baseline in (("b over a", "b", "a"), ("c from b", "c", "b")):
        line = by_name[name]
        top, bottom = medians(run, keys[cell]), medians(run, keys[baseline])
        sweeps = sorted(set(top) & set(bottom))
        logs = numpy.array([math.log(top[s][0] / bottom[s][0]) for s in sweeps])
        assert [p["sweep"] for p in line["pairs"]] == sweeps
        assert numpy.allclose([p["log_ratio"] for p in line["pairs"]], logs, rtol=1e-12)
        workers = [(top[s][1], bottom[s][1]) for s in sweeps]
        center, error, df = walsh_reference.estimate(logs, workers)
        assert line["log_ratio"]["center"] == pytest.approx(center, rel=1e-9)
        plain = walsh_reference.estimate(logs)[1]
        assert line["log_ratio_of_independent_sweeps"]["standard_error"] == pytest.approx(plain)
        assert line["log_ratio"]["standard_error"] == pytest.approx(error)
        assert line["log_ratio"]["df"] == df
        assert line["critical_alone"] == pytest.approx(student_quantile(0.975, df), rel=1e-6)
        assert student_quantile(0.975, df) <= line["critical"] * (1 + 1e-6)
        bonferroni = student_quantile(1 - 0.025 / len(STUDY["ledger"]), df)
        assert line["critical"] <= bonferroni * (1 + 1e-6)
        half = line["critical"] * error
        assert line["ratio_interval"] == pytest.approx(
            [math.exp(center - half), math.exp(center + half)])

        names = ("between", "within", "mean_between", "mean_within")
        assert [line["components"][n] for n in names] == pytest.approx(
            list(components(list(logs), workers)), rel=1e-6, abs=1e-18)


def test_samples_and_their_dependence(run, explained, keys):
    rows = visits(run, keys["b"], "back_to_back")
    pooled = numpy.concatenate([v["samples"] for v in rows])
    assert explained["samples"] == len(pooled)
    assert explained["p50_ns"] == pytest.approx(numpy.quantile(pooled, 0.5))

    def lag1(x):
        x = numpy.asarray(x, dtype=float)
        d = x - x.mean()
        return float((d[1:] * d[:-1]).sum() / (d * d).sum())

    assert explained["lag1_within"] == pytest.approx(numpy.mean([lag1(v["samples"]) for v in rows]))
    logs = [math.log(numpy.median(v["samples"])) for v in rows]
    assert explained["lag1_between"] == pytest.approx(lag1(logs), abs=1e-9)
    names = ("between", "within", "mean_between", "mean_within")
    assert [explained["components"][n] for n in names] == pytest.approx(
        list(components(logs, [v["worker"] for v in rows])), rel=1e-6, abs=1e-18)
    assert explained["visits_wall_ns"] == sum(v["wall_ns"] for v in rows)
    after = numpy.concatenate([v["samples"] for v in
                               visits(run, keys["b"], "back_to_back", "after_switch")])
    assert explained["after_switch_ns"] == pytest.approx(numpy.median(after))
    for restart in explained["restarts"]:
        own = [numpy.median(v["samples"]) for v in rows if v["worker"] == restart["ordinal"]]
        assert restart["visits"] == len(own)
        assert restart["median_ns"] == pytest.approx(numpy.median(own))


def test_the_predecessors_are_all_there(explained):
    assert sum(p["log_ratio"]["count"] for p in explained["predecessors"]) == 12
    assert {p["cell"] for p in explained["predecessors"]} <= {"a", "b", "c"}


def test_the_text_says_the_same(tare, run, explained):
    text = tare("report", run, "--explain", "b").stdout
    assert max(map(len, text.splitlines())) <= 100
    for line in explained["lines"]:
        assert f'{line["log_ratio"]["center"]:.6f} over 12 sweeps' in re.sub(r"\s+", " ", text)
        assert f'{line["critical"]:.4f}' in text
    for word in ("What was executed", "degrees of freedom", "narrower by", "Who came before"):
        assert word in text


def test_a_cell_that_is_not_there(tare, run):
    done = tare("report", run, "--explain", "z")
    assert done.returncode == 1
    assert "no cell is called 'z', there are: 'a', 'b', 'c'" in done.stderr
    assert tare("report", run, run, "--explain", "a").returncode == 2
