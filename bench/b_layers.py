#!/usr/bin/env python3
"""What Triton puts around a pipeline that runs in it, one thread on one processor, paired sweep by
sweep by `tare bench`: JPEG to boxes as one model against the same without Triton, and as three
models against one. Triton's own cost in the process is bench/b_triton_inproc.py's.

What Triton's in-process call adds to the direct layer is allowed for beside the 3 % of fused."""
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARE = os.environ.get("TARE", str(ROOT / "bin/tare"))
BOUND = 1.03


def study(folder):
    cells = ["direct", "triton-inproc", "fused", "ensemble"]
    lines = [("triton-inproc", "direct"), ("fused", "direct"), ("ensemble", "fused")]
    path = folder / "layers.json"
    path.write_text(json.dumps({
        "name": "layers", "model": str(ROOT / "data/yolov8n.pt"),
        "images": str(ROOT / "data/sample/images"), "cpus": "0", "freeze": True, "confirm": False,
        "sweeps": 60, "restarts": 5, "runs": 3, "after_switch": 1, "warmup_runs": 5,
        "warmup_ms": 500, "defaults": {"threads": 1, "head": "raw"},
        "cells": [{"name": name, "layer": name} for name in cells],
        "ledger": [{"kind": "tax", "name": f"{a} {b}", "cell": a, "baseline": b}
                   for a, b in lines]}))
    return path


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        done = subprocess.run([TARE, "bench", study(folder), "-o", folder / "run.db", "-q",
                               "--json", "--no-peaks"], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit("tare bench failed")
    ledger = json.loads(done.stdout)["ledgers"][0]
    p50 = {cell["label"]: cell["times"]["back_to_back"]["p50_ns"] / 1e6
           for cell in ledger["cells"]}
    for line in ledger["lines"]:
        low, high = line["ratio_interval"]
        print(f"{line['cell']} against {line['baseline']}: {line['ratio']:.4f} "
              f"[{low:.4f}, {high:.4f}], {line['sweeps']} sweeps, {line['restarts']} restarts")
    inproc, fused, ensemble = ledger["lines"]
    bounds = ((fused, max(inproc["ratio"] - 1, 0)), (ensemble, 0))
    for line, allowed in bounds:
        bound = BOUND + allowed
        print(json.dumps({
            "what": f"JPEG to boxes in Triton, {line['cell']} against {line['baseline']}",
            "ours": round(p50[line["cell"]], 2), "peer": round(p50[line["baseline"]], 2),
            "unit": "ms", "ratio": round(line["ratio"], 4), "bound": f"<= {bound:.4f}",
            "held": line["ratio"] <= bound}))


if __name__ == "__main__":
    main()
