#!/usr/bin/env python3
"""Checkpoint to ONNX file, the whole process: start, read, fold, write, end.

The peer is ultralytics' own export, in a process of its own, if TARE_PEERS names an environment
that holds it (a folder with bin/python); it is slow, so it runs once after one run to warm up.
"""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARE = os.environ.get("TARE", ROOT / "bin/tare")
CHECKPOINT = ROOT / "data/yolov8n.pt"
BOUND_S = 0.1
RUNS = 41
PEER = "import sys; from ultralytics import YOLO; YOLO(sys.argv[1]).export(format='onnx', " \
       "simplify=False)"


def seconds(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def peer_seconds(checkpoint):
    """Of ultralytics' export beside the checkpoint; None if it is not installed."""
    python = pathlib.Path(os.environ.get("TARE_PEERS", "/nonexistent"), "bin/python")
    if not python.exists() or subprocess.run([python, "-c", "import ultralytics"],
                                             capture_output=True, check=False).returncode:
        print("peer not installed: TARE_PEERS names no environment with ultralytics",
              file=sys.stderr)
        return None
    return min(seconds([python, "-c", PEER, str(checkpoint)]) for _ in range(2))


def main():
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(shutil.copy(CHECKPOINT, folder))
        for head in ("raw", "full"):
            command = [str(TARE), "export", str(copy), "-o", folder + "/ours.onnx", "--head", head]
            ours = statistics.median(seconds(command) for _ in range(RUNS))
            print(json.dumps({
                "what": f"YOLOv8n export, whole process, {head} head", "ours": round(ours, 4),
                "peer": None, "unit": "s", "ratio": round(ours, 4), "bound": f"<= {BOUND_S}",
                "held": ours <= BOUND_S}), flush=True)
        peer = peer_seconds(copy)
        if peer:
            print(json.dumps({
                "what": "YOLOv8n export against ultralytics", "ours": round(ours, 4),
                "peer": round(peer, 3), "unit": "s", "ratio": round(peer / ours, 1),
                "bound": ">= 1", "held": peer >= ours}))


if __name__ == "__main__":
    main()
