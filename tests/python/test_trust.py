"""tare trust, its repetitions and its line in a report. What it finds depends on the machine; what
it planted, that it says what it found, and how it counts do not."""
import json
import math

import pytest

numpy = pytest.importorskip("numpy")

PLANTED = {"same": 0, "1 % more": 0.01, "2 % more": 0.02, "5 % more": 0.05}


def check_lines(result):
    assert {line["name"]: line["planted"] for line in result["lines"]} == PLANTED
    for line in result["lines"]:
        assert line["low"] < line["ratio"] < line["high"]
        slower, faster = line["low"] > 1, line["high"] < 1
        assert line["verdict"] == ("slower" if slower else "faster" if faster else "not separable")
        assert line["found"] == (slower or (faster and line["planted"] == 0))
    assert result["detectable"] == pytest.approx(
        numpy.median([line["detectable"] for line in result["lines"]]))


def test_json(tare):
    run = tare("trust", "--sweeps", "4", "--json", "-q")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["sweeps"] == 4
    assert math.isfinite(result["detectable"]) and result["detectable"] > 0
    check_lines(result)


def test_text_ends_in_the_verdict(tare):
    run = tare("trust", "--sweeps", "2", "-q")
    assert run.returncode == 0, run.stderr
    last = run.stdout.splitlines()[-1]
    assert "can be seen in 2 sweeps" in last or "too few sweeps (2)" in last


def wilson(hits, tries):
    """Roots of (share - p)^2 = z^2 p (1 - p) / n."""
    z2, share = 1.959963984540054 ** 2 / tries, hits / tries
    return sorted(numpy.roots([1 + z2, -2 * share - z2, share * share]).real)


def test_repetitions_are_counted(tare, tmp_path):
    path = tmp_path / "trust.json"
    run = tare("trust", "--sweeps", "4", "--repetitions", "3", "-o", path, "-q")
    assert run.returncode == 0, run.stderr
    study = json.loads(path.read_text())
    repetitions, summary = study["repetitions"], study["summary"]
    assert len(repetitions) == study["wanted"] == 3 and study["model"] is None
    for result in repetitions:
        check_lines(result)

    lines = [line for result in repetitions for line in result["lines"]]
    covered = sum(line["low"] <= 1 + line["planted"] <= line["high"] for line in lines)
    for key in ("covered", "covered_planted"):
        assert (summary[key]["hits"], summary[key]["tries"]) == (covered, 12)
    assert [summary["covered"]["low"], summary["covered"]["high"]] == pytest.approx(
        wilson(covered, 12), abs=1e-9)
    assert summary["covered_real"]["tries"] == 0
    for name in list(PLANTED)[1:]:
        assert summary["found"][name]["hits"] == sum(
            line["found"] for line in lines if line["name"] == name)
    assert summary["same_called_different"]["hits"] == sum(
        line["found"] for line in lines if line["name"] == "same")

    # what would have been found: the half width less what the line was off by
    needed = [math.log(line["high"] / line["ratio"])
              - math.log(line["ratio"] / (1 + line["planted"])) for line in lines]
    true = math.expm1(numpy.quantile(needed, 0.95))
    printed = numpy.median([result["detectable"] for result in repetitions])
    assert summary["detectable_true"] == pytest.approx(true)
    assert summary["detectable_printed"] == pytest.approx(printed)
    assert summary["detectable_factor"] == pytest.approx(
        math.exp(abs(math.log(math.log1p(true) / math.log1p(printed)))))


def test_the_text_of_repetitions(tare):
    run = tare("trust", "--sweeps", "3", "-r", "2", "-q")
    assert run.returncode == 0, run.stderr
    assert max(map(len, run.stdout.splitlines())) <= 132
    for words in ("2 repetitions of 3 sweeps a study", "identical cells called different",
                  "detectable slow-down: printed"):
        assert words in run.stdout


def test_a_model_that_is_not_there(tare, tmp_path):
    run = tare("trust", "--sweeps", "2", "--model", tmp_path / "no.onnx", "-q")
    assert run.returncode == 1 and "no.onnx" in run.stderr


def test_usage(tare):
    assert tare("trust", "x").returncode == 2
    assert tare("trust", "--sweeps", "1").returncode == 2
    assert tare("trust", "--repetitions", "0").returncode == 2
    assert tare("trust", "--other", "x.onnx").returncode == 2
