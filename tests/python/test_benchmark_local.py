"""The wrapper, against a stand-in for the program that writes down how it was called."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import benchmark_local
from conftest import DATA, ROOT

STAND_IN = """\
#!{python}
import json, os, signal, sys, time
log = {log!r}
with open(log, "a") as out:
    out.write(json.dumps(sys.argv[1:]) + "\\n")
command, arguments = sys.argv[1], sys.argv[2:]
if os.environ.get("FAIL") == command:
    print("tare " + command + ": it fails", file=sys.stderr)
    sys.exit(int(os.environ["CODE"]))
if command == "bench":
    print("a ledger too many")
    open(arguments[arguments.index("-o") + 1], "w").close()
if command == "bench" and os.environ.get("SLOW"):
    hits = []
    signal.signal(signal.SIGINT, lambda *_: hits.append(1))
    print("measuring", file=sys.stderr, flush=True)
    while not hits:
        time.sleep(0.01)
    time.sleep(0.3)
    with open(log, "a") as out:
        out.write(json.dumps(["interrupted", len(hits)]) + "\\n")
    sys.exit(1)
if command == "report":
    print(json.dumps({{"decision": "none"}}) if "--json" in arguments else "the ledger")
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """calls() lists the command lines that the stand-in was given."""
    log = tmp_path / "log"
    program = tmp_path / "bin/tare"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable, log=str(log)))
    program.chmod(0o755)
    monkeypatch.setenv("TARE_BIN", str(program.parent))
    monkeypatch.chdir(tmp_path)

    def read():
        return [json.loads(line) for line in log.read_text().splitlines()]

    return read


def test_the_sample_is_the_default(calls, capfd):
    assert benchmark_local.main([]) == 0
    result = "benchmark-local/run.db"
    assert calls() == [
        ["bench", str(DATA / "yolov8n.pt"), "-o", result, "--images", str(DATA / "sample/images"),
         "--annotations", str(DATA / "sample/instances.json")],
        ["report", result, "-o", "benchmark-local/report.html"]]
    assert capfd.readouterr().out == "the ledger\n"


def test_a_model_of_the_users_brings_no_sample_pictures(calls):
    assert benchmark_local.main(["--model", "any.onnx", "--output", "out", "--sweeps", "3",
                                 "--budget", "60s", "--threads", "1"]) == 0
    assert calls() == [
        ["bench", "any.onnx", "-o", "out/run.db", "--threads", "1", "--sweeps", "3", "--budget",
         "60s"],
        ["report", "out/run.db", "-o", "out/report.html"]]


def test_from_python_it_gives_the_report(calls):
    assert benchmark_local.run(model="any.onnx", images="pictures", annotations="a.json",
                               output="out") == {"decision": "none"}
    assert calls()[0] == ["bench", "any.onnx", "-o", "out/run.db", "--images", "pictures",
                          "--annotations", "a.json"]
    assert calls()[1] == ["report", "out/run.db", "-o", "out/report.html", "--json"]


@pytest.mark.parametrize("step, code", (("bench", 2), ("report", 1)))
def test_the_exit_code_is_that_of_the_step_that_failed(calls, monkeypatch, capfd, step, code):
    monkeypatch.setenv("FAIL", step)
    monkeypatch.setenv("CODE", str(code))
    assert benchmark_local.main([]) == code
    assert f"'tare {step}' ended with exit code {code}" in capfd.readouterr().err
    assert calls()[-1][0] == step
    with pytest.raises(benchmark_local.BenchmarkFailed) as failure:
        benchmark_local.run()
    assert failure.value.exit_code == code


@pytest.mark.parametrize("whole_group", (False, True), ids=("kill -INT", "Ctrl-C"))
def test_an_interrupt_arrives_once_and_what_was_measured_is_reported(calls, whole_group):
    wrapper = subprocess.Popen([sys.executable, ROOT / "python/benchmark_local.py"],
                               env={**os.environ, "SLOW": "1"}, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    for line in wrapper.stderr:
        if line == "measuring\n":
            break
    time.sleep(0.1)
    if whole_group:
        os.killpg(wrapper.pid, signal.SIGINT)
    else:
        wrapper.send_signal(signal.SIGINT)
    output, _ = wrapper.communicate(timeout=20)
    assert wrapper.returncode == 1
    assert ["interrupted", 1] in calls()
    assert calls()[-1][0] == "report" and output == "the ledger\n"


def test_a_program_that_is_missing_is_said(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("TARE_BIN", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert benchmark_local.main([]) == 1
    assert "tare" in capfd.readouterr().err


def test_with_the_program_itself(tare, tmp_path, monkeypatch):
    """From the sample checkpoint to a report, as a user of Python gets it."""
    monkeypatch.setenv("TARE_BIN", str(tare.program.parent))
    report = benchmark_local.run(output=tmp_path, sweeps=2, options=[
        "--restarts", "1", "--runs", "2", "--warmup", "1ms", "--warmup-runs", "1",
        "--imgsz", "320"])
    assert isinstance(report, dict) and report
    assert (tmp_path / "run.db").exists() and (tmp_path / "report.html").exists()
