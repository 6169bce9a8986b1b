#!/usr/bin/env python3
"""Measures a model on this machine: the way in for those who start from Python.

    python3 python/benchmark_local.py                            the sample checkpoint and pictures
    python3 python/benchmark_local.py --model best.pt --images pictures --annotations instances.json
    python3 python/benchmark_local.py --model any.onnx --threads 1,2 --budget 60s --output results

    from benchmark_local import run
    report = run(model="best.pt", images="pictures", annotations="instances.json")

It only calls the program tare: `bench`, which exports the model if it is a checkpoint, then
`report`. What it leaves in the output folder is theirs: run.db with every sample, report.html, and
the exported model. Nothing here takes part in the measuring. Needs nothing but Python 3.9.

Ctrl-C ends the measuring; what was measured until then is kept and reported. The exit code is that
of the step that failed, or of `bench`.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "data"


class BenchmarkFailed(RuntimeError):
    """A step ended with an exit code other than 0; exit_code is that."""

    def __init__(self, message, exit_code):
        super().__init__(message)
        self.exit_code = exit_code


def find_program():
    """The program: $TARE_BIN, this checkout's (built if need be), or the installed one."""
    if "TARE_BIN" in os.environ:
        return pathlib.Path(os.environ["TARE_BIN"]) / "tare"
    program = ROOT / "bin/tare"
    if program.exists():
        return program
    if (ROOT / "Makefile").exists():
        print("benchmark_local: building tare", file=sys.stderr)
        if subprocess.run(["make", "-s", "-C", str(ROOT)]).returncode != 0:
            raise BenchmarkFailed("cannot build tare; 'make demo' installs what is missing", 1)
        return program
    installed = shutil.which("tare")
    if installed is None:
        raise BenchmarkFailed("no program 'tare' on the PATH; 'make install' puts it there", 1)
    return pathlib.Path(installed)


def _call(command, **options):
    """Runs one step in a process group of its own, so that a Ctrl-C reaches it once, from here."""
    process = subprocess.Popen([str(word) for word in command], preexec_fn=os.setpgrp, **options)
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            before[number] = signal.signal(number, lambda n, _: process.send_signal(n))
        except ValueError:  # not the main thread: signals are the caller's affair
            pass
    try:
        output, _ = process.communicate()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    code = process.returncode
    return (code if code >= 0 else 128 - code), output


def _step(command, **options):
    code, output = _call(command, **options)
    if code != 0:
        raise BenchmarkFailed(f"'tare {command[1]}' ended with exit code {code}", code)
    return output


def _changed(path):
    return path.stat().st_mtime_ns if path.exists() else None


def measure(program, model, images=None, annotations=None, sweeps=None, budget=None, output=None,
            options=()):
    """Measures; gives the result file and the exit code of `tare bench`."""
    output = pathlib.Path(output or "benchmark-local")
    output.mkdir(parents=True, exist_ok=True)
    result = output / "run.db"
    command = [program, "bench", model, "-o", result, *options]
    for name, value in (("--images", images), ("--annotations", annotations),
                        ("--sweeps", sweeps), ("--budget", budget)):
        if value is not None:
            command += [name, value]
    before = _changed(result)
    code, _ = _call(command, stdout=subprocess.DEVNULL)  # the report prints the ledger again
    if code != 0 and _changed(result) == before:
        raise BenchmarkFailed(f"'tare bench' ended with exit code {code}", code)
    return result, code


def run(model=None, images=None, annotations=None, sweeps=None, budget=None, output=None,
        options=()):
    """
    Measures a model and gives the report as the dictionary that `tare report --json` prints.

    model: a YOLOv8 checkpoint (.pt), an ONNX file or a study (.json); None: the sample checkpoint
    over the sample pictures. images and annotations: a folder and a COCO file, for accuracy.
    sweeps: how often each cell is visited. budget: time for all of it, such as "60s". options: more
    for `tare bench`, such as ["--threads", "1,2"]. output: the folder for results. Raises
    BenchmarkFailed. Progress and messages go to stderr.
    """
    program = find_program()
    model, images, annotations = _defaults(model, images, annotations)
    result, code = measure(program, model, images, annotations, sweeps, budget, output, options)
    if code != 0:
        raise BenchmarkFailed(f"'tare bench' ended with exit code {code}; '{result}' keeps what "
                              "was measured", code)
    page = result.with_name("report.html")
    return json.loads(_step([program, "report", result, "-o", page, "--json"],
                            stdout=subprocess.PIPE))


def _defaults(model, images, annotations):
    """The sample pictures go with the sample checkpoint only: a model of the user's may have
    classes of its own."""
    if model is not None:
        return model, images, annotations
    return (SAMPLE / "yolov8n.pt", images or SAMPLE / "sample/images",
            annotations or (None if images else SAMPLE / "sample/instances.json"))


def _parse(arguments):
    parser = argparse.ArgumentParser(
        prog="benchmark_local.py", allow_abbrev=False,
        description="measures a model on this machine with tare",
        epilog="other options go to 'tare bench' unchanged; 'tare bench --help' lists them")
    parser.add_argument("--model",
                        help="checkpoint (.pt), ONNX file or study; the sample checkpoint")
    parser.add_argument("--images", help="folder of JPEG pictures, for accuracy")
    parser.add_argument("--annotations", help="COCO annotations of these pictures")
    parser.add_argument("--sweeps", type=int, help="how often each cell is visited")
    parser.add_argument("--budget", help="time for all of it, such as 60s: fewer sweeps if need be")
    parser.add_argument("--output", default="benchmark-local", help="folder for the results")
    return parser.parse_known_args(arguments)


def main(arguments=None):
    args, options = _parse(arguments)
    try:
        program = find_program()
        model, images, annotations = _defaults(args.model, args.images, args.annotations)
        result, code = measure(program, model, images, annotations, args.sweeps,
                               args.budget, args.output, options)
        _step([program, "report", result, "-o", result.with_name("report.html")])
        return code
    except (BenchmarkFailed, OSError) as error:
        print(f"benchmark_local: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)


if __name__ == "__main__":
    sys.exit(main())
