#!/usr/bin/env python3
"""What calibration costs: tare quantize, whole process, against plain FP32 inference over the same
pictures by the same runtime (tare eval, which also decodes and letterboxes each), taking turns. The
ratio is the median over rounds of ours / plain on the clock. Memory is the process's greatest.

The 64 calibration pictures of $TARE_DATA if it is set, else those in data/."""
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARE = ROOT / "bin/tare"
ROUNDS = 3
BOUNDS = {"entropy": 1.6, "minmax": 1.6, "percentile": 1.8, "mse": 1.8, "auto": 4}
MEMORY_MB = 600


def pictures():
    full = pathlib.Path(os.environ.get("TARE_DATA", "/nonexistent")) / "calib64"
    return full if full.is_dir() else ROOT / "data/calibration"


def timed(*arguments):
    """Seconds and peak MB of one process."""
    start = time.perf_counter()
    process = subprocess.Popen([TARE, *map(str, arguments)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        raise SystemExit(f"tare {arguments[0]} failed")
    return time.perf_counter() - start, used.ru_maxrss / 1024


def main():
    folder = pictures()
    names = sorted(p.name for p in folder.rglob("*.jpg"))
    folder = next(folder.rglob("*.jpg")).parent
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        model, annotations = scratch / "n.onnx", scratch / "a.json"
        timed("export", ROOT / "data/yolov8n.pt", "-o", model)
        annotations.write_text(json.dumps({
            "images": [{"id": i + 1, "file_name": n, "width": 640, "height": 480}
                       for i, n in enumerate(names)],
            "annotations": [],
            "categories": [{"id": i + 1, "name": str(i)} for i in range(80)]}))
        plain, ours, peak = [], {m: [] for m in BOUNDS}, 0
        for _ in range(ROUNDS):
            plain.append(timed("eval", model, "-a", annotations, "-i", folder, "-q")[0])
            for method in BOUNDS:
                seconds, memory = timed("quantize", model, "-i", folder, "-m", method, "-q",
                                        "-o", scratch / "q.onnx")
                ours[method].append(seconds)
                peak = max(peak, memory)
    for method, bound in BOUNDS.items():
        ratio = statistics.median(a / b for a, b in zip(ours[method], plain))
        print(json.dumps({
            "what": f"calibration by {method}, {len(names)} pictures, whole process",
            "ours": round(statistics.median(ours[method]), 2),
            "peer": round(statistics.median(plain), 2), "unit": "s", "ratio": round(ratio, 2),
            "bound": f"<= {bound}", "held": ratio <= bound}))
    print(json.dumps({"what": "calibration, greatest memory", "ours": round(peak), "peer": None,
                      "unit": "MB", "ratio": round(peak), "bound": f"< {MEMORY_MB}",
                      "held": peak < MEMORY_MB}))


if __name__ == "__main__":
    main()
