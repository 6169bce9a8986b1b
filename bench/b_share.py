#!/usr/bin/env python3
"""How much of a study's time is spent in visits, at default settings.

Two studies that set nothing but their cells: the null backend with planted run times, and YOLOv8n
at 160 by two of ONNX Runtime's ways with accuracy on the sample. The share is the run's own fact,
checked against the visits in its result file.
"""
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

BOUND = 0.80
ROOT = Path(os.environ.get("ROOT", Path(__file__).resolve().parents[1]))
TARE = os.environ.get("TARE", str(ROOT / "bin" / "tare"))

NULL = {"model": "", "defaults": {"runtime": "null"},
        "cells": [{"name": f"{us} us", "options": {"delay_ns": us * 1000}}
                  for us in (500, 1000, 4000)]}
MODEL = {"model": str(ROOT / "data" / "yolov8n.pt"),
         "images": str(ROOT / "data" / "sample" / "images"),
         "annotations": str(ROOT / "data" / "sample" / "instances.json"),
         "defaults": {"runtime": "onnxruntime", "head": "raw", "size": 160},
         "cells": [{"name": "threads"}, {"name": "one thread", "threads": 1}]}


def share(folder, name, study):
    path, db = folder / f"{name}.json", folder / f"{name}.db"
    path.write_text(json.dumps(study))
    done = subprocess.run([TARE, "bench", path, "-o", db, "-q", "--no-ledger"],
                          capture_output=True, text=True)
    if done.returncode:
        print(done.stderr.strip(), file=sys.stderr)
        sys.exit(1)
    with sqlite3.connect(db) as file:
        facts = dict(file.execute("SELECT key, value FROM fact"))
        visits = file.execute("SELECT sum(wall_ns) FROM visit").fetchone()[0]
    assert int(facts["run.visits_ns"]) == visits
    return visits / int(facts["run.wall_ns"]), int(facts["run.wall_ns"]) / 1e9


with tempfile.TemporaryDirectory() as folder:
    for name, study in ("null", NULL), ("model", MODEL):
        found, wall = share(Path(folder), name, study)
        print(json.dumps({
            "what": f"time in visits, {name}, {len(study['cells'])} cells, {wall:.0f} s",
            "ours": round(found, 3), "peer": None, "unit": "", "ratio": round(found, 3),
            "bound": f">= {BOUND}", "held": found >= BOUND}), flush=True)
