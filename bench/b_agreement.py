#!/usr/bin/env python3
"""Agreement with FP32 of INT8 files, tare's beside NNCF's MIXED one, both calibrated on the same
pictures and judged on the same others; and what they take on OpenVINO, which NNCF makes them for.

Of each runtime's pair: the share of FP32's boxes found again, and the worst head's SQNR. The ratio
of times is that of `tare bench`, paired sweep by sweep, with its interval.

TARE_PEERS names a Python environment with nncf and ultralytics; skipped without.
TARE_DATA names the full data sets (coco128, calib64), else the sample in data/ is used.
"""
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARE = os.environ.get("TARE", str(ROOT / "bin/tare"))
TARGETS = {"onnxruntime": "cpu", "openvino": "openvino"}


def data():
    """Pictures to judge on, pictures to calibrate with."""
    full = pathlib.Path(os.environ.get("TARE_DATA", "/nonexistent"))
    if (full / "coco128").is_dir():
        return full / "coco128/images", full / "calib64"
    return ROOT / "data/sample/images", ROOT / "data/calibration"


def tare(*arguments):
    done = subprocess.run([TARE, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"tare {arguments[0]} failed: {done.stderr}")
    return done.stdout


def agreement(model, runtime, reference, images):
    """(share found, its interval, worst head's SQNR)"""
    found = json.loads(tare("eval", model, "-r", runtime, "--precision", "int8", "--against",
                            reference, "-i", images, "-q", "--json"))
    sqnr = min(h["sqnr_db"]["value"] for h in found["heads"])
    return found["found"]["value"], (found["found"]["low"], found["found"]["high"]), sqnr


def speed(ours, peer, images, work):
    """Times of both on OpenVINO, one thread: (ms, ms, ratio, low, high)."""
    cell = {"runtime": "openvino", "precision": "int8", "threads": 1}
    study = {"name": "int8", "images": str(images), "budget_ms": 120000, "max_sweeps": 40,
             "restarts": 5,
             "cells": [{"name": "NNCF", "model": str(peer), **cell},
                       {"name": "tare", "model": str(ours), **cell}],
             "ledger": [{"kind": "gain", "name": "tare", "cell": "tare", "baseline": "NNCF"}]}
    path = work / "study.json"
    path.write_text(json.dumps(study))
    report = json.loads(tare("bench", path, "-o", work / "speed.db", "-q", "--json", "--no-peaks",
                             "--no-confirm"))["ledgers"][0]
    times = {c["label"]: c["times"]["back_to_back"]["p50_ns"] / 1e6 for c in report["cells"]}
    line = report["lines"][0]
    return times["tare"], times["NNCF"], line


def row(what, ours, peer, unit, ratio, bound, held):
    print(json.dumps({"what": what, "ours": ours, "peer": peer, "unit": unit, "ratio": ratio,
                      "bound": bound, "held": held}), flush=True)


def main():
    python = pathlib.Path(os.environ.get("TARE_PEERS", "/nonexistent")) / "bin/python"
    if not python.exists():
        print("TARE_PEERS names no Python environment with nncf", file=sys.stderr)
        return 77
    images, calibration = data()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        model, peers = work / "n.onnx", {"onnxruntime": work / "nncf.onnx",
                                         "openvino": work / "nncf.xml"}
        tare("export", ROOT / "data/yolov8n.pt", "-o", model)
        subprocess.run([python, ROOT / "bench/nncf_peer.py", model, calibration, work / "nncf"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for runtime, target in TARGETS.items():
            ours = work / f"{target}.onnx"
            tare("quantize", model, "-i", calibration, "--for", target, "-q", "-o", ours)
            a, b = (agreement(path, runtime, model, images) for path in (ours, peers[runtime]))
            for name, one in (("tare", a), ("NNCF", b)):
                print(f"{runtime}, {name}: {one[0]:.4f} [{one[1][0]:.4f}, {one[1][1]:.4f}] of the "
                      f"boxes found again, worst head {one[2]:.1f} dB")
            row(f"INT8 on {runtime}: share of FP32's boxes found again", round(a[0], 4),
                round(b[0], 4), "", round(a[0] / max(b[0], 1e-9), 4), ">= 1", a[0] >= b[0])
            decibel = a[2] - b[2]
            row(f"INT8 on {runtime}: SQNR of the worst head, ratio of noise powers",
                round(a[2], 1), round(b[2], 1), "dB", round(math.pow(10, decibel / 10), 2), ">= 1",
                decibel >= 0)
        ms, peer_ms, line = speed(ours, peers["openvino"], images, work)
        print("INT8 on openvino:", json.dumps(line))
        row("INT8 on openvino, one thread, by the file of tare", round(ms, 2), round(peer_ms, 2),
            "ms", round(peer_ms / ms, 3), ">= 1", ms <= peer_ms)
    return 0


if __name__ == "__main__":
    sys.exit(main())
