#!/usr/bin/env python3
"""What the direct layer adds to ONNX Runtime: the plugin against a bare loop over the C API.

Both run YOLOv8n at 160 on one thread, taking turns in one process: the smaller the picture, the
harder the bound, and the more runs there are to take the median of. Two sessions of one model lie
at different addresses, which alone can make a per cent; so there are several processes, in half of
which the plugin is opened first, and the ratio is the middle one of theirs.
"""
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import c_program

BOUND = 1.01
RESTARTS, TURNS, RUNS = 10, 100, 2


def once(program, model, first):
    result = subprocess.run([program, str(c_program.PLUGINS), model, str(TURNS), str(RUNS), first],
                            capture_output=True, text=True)
    if result.returncode == 77:
        print(result.stderr.strip(), file=sys.stderr)
        sys.exit(77)
    result.check_returncode()
    return json.loads(result.stdout)["host"]


program = c_program.build("bare_loop", "bench/turns.c", "plugins/onnxruntime/ort_api.c")
with tempfile.TemporaryDirectory() as folder:
    model = str(Path(folder) / "yolov8n.onnx")
    subprocess.run([str(c_program.ROOT / "bin" / "tare"), "export",
                    str(c_program.ROOT / "data" / "yolov8n.pt"), "--imgsz", "160", "-o", model],
                   check=True, stdout=subprocess.DEVNULL)
    found = [once(program, model, ("bare", "plugin")[i % 2]) for i in range(RESTARTS)]
ratios = sorted(f["ratio"] for f in found)
ratio = statistics.median(ratios)
print(json.dumps({
    "what": f"direct layer, YOLOv8n at 160, median (restarts {ratios[0]:.4f} to {ratios[-1]:.4f})",
    "ours": round(statistics.median(f["plugin"] for f in found) / 1e6, 3),
    "peer": round(statistics.median(f["bare"] for f in found) / 1e6, 3),
    "unit": "ms", "ratio": round(ratio, 4), "bound": f"<= {BOUND}", "held": ratio <= BOUND}))
