#!/usr/bin/env python3
"""What the direct layer adds to ONNX Runtime on a CUDA device: the plugin against a bare loop over
the C API and the driver that does the same, in one process, taking turns: copies in and out
included, by the host's clock and between the device's events.

Plain FP32, which is many launches, and FP16 with channels last and a CUDA graph, which is the
shortest run and so the hardest bound. cuDNN's heuristic chooses the algorithms of both, as a search
would time them for each side anew and may end in two different ones. Several processes, in half of
which the plugin is opened first; the interval is one of Student's t over their ratios.
"""
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import c_program

BOUND = 1.02
RESTARTS, TURNS, RUNS = 6, 60, 5
T_95 = 2.571  # of RESTARTS - 1 degrees of freedom, two-sided
TARE = str(c_program.ROOT / "bin" / "tare")
CELLS = [
    ("FP32", "fp32", {}),
    ("FP16, channels last, CUDA graph", "fp16", {"prefer_nhwc": 1, "cuda_graph": 1}),
]


def once(program, model, first, precision, options):
    arguments = [f"{name}={value}" for name, value in options.items()]
    result = subprocess.run(
        [program, str(c_program.PLUGINS), model, str(TURNS), str(RUNS), first, precision,
         *arguments], capture_output=True, text=True)
    print(result.stderr, end="", file=sys.stderr)
    if result.returncode == 77:
        sys.exit(77)
    result.check_returncode()
    return json.loads(result.stdout)


def interval(ratios):
    """The mean of the logarithms and its 95 % interval, as ratios."""
    logs = [math.log(r) for r in ratios]
    half = T_95 * statistics.stdev(logs) / math.sqrt(len(logs))
    return [math.exp(statistics.mean(logs) + d) for d in (0, -half, half)]


def export(folder, precision):
    model = f"{folder}/yolov8n.onnx"
    if not os.path.exists(model):
        subprocess.run([TARE, "export", str(c_program.ROOT / "data" / "yolov8n.pt"), "-o", model],
                       check=True, stdout=subprocess.DEVNULL)
    if precision == "fp32":
        return model
    half = f"{folder}/yolov8n.{precision}.onnx"
    subprocess.run([TARE, "quantize", model, "-p", precision, "-q", "-o", half], check=True,
                   stdout=subprocess.DEVNULL)
    return half


program = c_program.build("bare_cuda", "bench/turns.c", "plugins/onnxruntime/ort_api.c",
                          "plugins/onnxruntime/ort_libraries.c")
with tempfile.TemporaryDirectory() as folder:
    for name, precision, options in CELLS:
        model = export(Path(folder), precision)
        options = dict(options, cudnn_conv_algo_search="heuristic")
        found = [once(program, model, ("bare", "plugin")[i % 2], precision, options)
                 for i in range(RESTARTS)]
        for clock in ("host", "device"):
            ratio, low, high = interval([f[clock]["ratio"] for f in found])
            print(json.dumps({
                "what": f"direct layer on cuda:0, YOLOv8n {name}, by the {clock}'s clock "
                        f"(95 %: {low:.4f} to {high:.4f})",
                "ours": round(statistics.median(f[clock]["plugin"] for f in found) / 1e6, 4),
                "peer": round(statistics.median(f[clock]["bare"] for f in found) / 1e6, 4),
                "unit": "ms", "ratio": round(ratio, 4), "bound": f"<= {BOUND}",
                "held": ratio <= BOUND}), flush=True)
