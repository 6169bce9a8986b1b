"""tare trust and its line in a report. What it finds depends on the machine; what it planted, and
that it says what it found, does not."""
import json
import math


def test_json(tare):
    run = tare("trust", "--sweeps", "3", "--json", "-q")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert [line["planted"] for line in result["lines"]] == [0, 0, 0.01, 0.02, 0.05]
    assert result["sweeps"] == 3
    assert math.isfinite(result["detectable"]) and result["detectable"] > 0
    for line in result["lines"]:
        assert line["low"] < line["ratio"] < line["high"]
        if line["planted"]:
            assert line["found"] == (line["low"] > 1)
        else:
            assert line["found"] == (line["low"] > 1 or line["high"] < 1)


def test_text_ends_in_the_verdict(tare):
    run = tare("trust", "--sweeps", "2", "-q")
    assert run.returncode == 0, run.stderr
    last = run.stdout.splitlines()[-1]
    assert "can be seen in 2 sweeps" in last or "too few sweeps (2)" in last


def test_usage(tare):
    assert tare("trust", "x").returncode == 2
    assert tare("trust", "--sweeps", "1").returncode == 2
