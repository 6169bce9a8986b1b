#!/usr/bin/env python3
"""COCO AP of a val2017-sized set, whole process: tare eval, hotcoco and pycocotools, in turns.

Also checks that the twelve figures equal those of pycocotools to the last bit. The set is made
once, into build/bench-data, from coco128 (TARE_DATA) or from the sample in data/.
"""
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARE = os.environ.get("TARE", str(ROOT / "bin/tare"))
ROUNDS = 9
MEMORY_MB = 400

PYCOCOTOOLS = """
import contextlib, io, json, sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
with contextlib.redirect_stdout(io.StringIO()):
    truth = COCO(sys.argv[1])
    run = COCOeval(truth, truth.loadRes(sys.argv[2]), "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
print(json.dumps([float(x) for x in run.stats]))
"""
HOTCOCO = """
import sys
from hotcoco import COCO, COCOeval
truth = COCO(sys.argv[1])
run = COCOeval(truth, truth.loadRes(sys.argv[2]), "bbox")
run.evaluate()
run.accumulate()
run.summarize()
"""


def data_set():
    """Paths of the annotations and the detections, which are made if need be."""
    full = pathlib.Path(os.environ.get("TARE_DATA", "")) / "coco128/instances.json"
    source = full if os.environ.get("TARE_DATA") and full.exists() \
        else ROOT / "data/sample/instances.json"
    maker = ROOT / "bench/make_val2017_sized.py"
    key = hashlib.sha256(source.read_bytes() + maker.read_bytes()).hexdigest()[:12]
    folder = ROOT / "build/bench-data" / f"val2017-sized-{key}"
    if not (folder / "detections.json").exists():
        subprocess.run([sys.executable, maker, source, folder], check=True)
    return folder / "instances.json", folder / "detections.json"


def timed(command):
    """Seconds, peak resident MB and output of a process."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command[0]} failed with exit status {child.returncode}")
    return seconds, usage.ru_maxrss / 1024, output


def row(what, ours, peer, unit, ratio, bound, held):
    print(json.dumps({"what": what, "ours": ours, "peer": peer, "unit": unit, "ratio": ratio,
                      "bound": bound, "held": bool(held)}), flush=True)


def main():
    annotations, detections = data_set()
    eval_command = [TARE, "eval", "--json", "--annotations", annotations, "--detections",
                    detections]
    hotcoco = [sys.executable, "-c", HOTCOCO, annotations, detections]
    ours, theirs, memory, output = [], [], 0, b""
    for command in (eval_command, hotcoco):  # the page cache and the byte code are warm then
        timed(command)
    for _ in range(ROUNDS):
        seconds, peak, output = timed(eval_command)
        ours.append(seconds)
        memory = max(memory, peak)
        theirs.append(timed(hotcoco)[0])
    slow, _, stats = timed([sys.executable, "-c", PYCOCOTOOLS, annotations, detections])
    ours.append(timed(eval_command)[0])
    mine = statistics.median(ours)
    ratio = statistics.median(b / a for a, b in zip(ours, theirs))
    row("COCO AP, whole process, against hotcoco", mine, statistics.median(theirs), "s", ratio,
        ">= 1.5", ratio >= 1.5)
    row("COCO AP, whole process, against pycocotools", mine, slow, "s", slow / mine, ">= 60",
        slow / mine >= 60)
    row("COCO AP, peak memory", memory, None, "MB", memory, f"<= {MEMORY_MB}", memory <= MEMORY_MB)
    figures = json.loads(output)["figures"].values()
    differ = sum(a != b for a, b in zip(figures, json.loads(stats), strict=True))
    row("COCO AP, figures that differ from pycocotools", differ, None, "", differ, "<= 0",
        differ == 0)


if __name__ == "__main__":
    main()
