#!/usr/bin/env python3
"""What INT8 buys on ONNX Runtime, one thread: the ordinary FP32 export (full head), FP32 with the
raw head, and tare quantize --for cpu of that, taking turns in one process; ratios are medians over
rounds. The bounds are those of a processor with 8-bit dot products (VNNI); on one without, rows
say what it reached, and the bounds are reported as they are."""
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROUNDS, RUNS = 15, 3


def tare(*arguments):
    subprocess.run([ROOT / "bin/tare", *map(str, arguments)], check=True,
                   stdout=subprocess.DEVNULL)


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        files = [scratch / name for name in ("full.onnx", "raw.onnx", "int8.onnx")]
        tare("export", ROOT / "data/yolov8n.pt", "--head", "full", "-o", files[0])
        tare("export", ROOT / "data/yolov8n.pt", "-o", files[1])
        folder = next((ROOT / "data/calibration").rglob("*.jpg")).parent
        tare("quantize", files[1], "-i", folder, "--for", "cpu", "-q", "-o", files[2])
        sessions = [session(path) for path in files]
    feed = {"images": np.random.default_rng(1).random((1, 3, 640, 640), np.float32)}
    times = [[] for _ in sessions]
    for _ in range(ROUNDS):
        for one, into in zip(sessions, times):
            one.run(None, feed)  # after the switch
            start = time.perf_counter()
            for _ in range(RUNS):
                one.run(None, feed)
            into.append((time.perf_counter() - start) / RUNS * 1e3)
    for name, base, bound in (("ordinary FP32 export", 0, 2.6), ("FP32, raw head", 1, 2.3)):
        ratio = statistics.median(a / b for a, b in zip(times[base], times[2]))
        print(json.dumps({
            "what": f"INT8 by tare, raw head, one thread, against {name}",
            "ours": round(statistics.median(times[2]), 2),
            "peer": round(statistics.median(times[base]), 2), "unit": "ms",
            "ratio": round(ratio, 2), "bound": f">= {bound}", "held": ratio >= bound}))


if __name__ == "__main__":
    main()
