#!/usr/bin/env python3
"""JPEG to boxes on all cores: `tare bench --mode throughput` against ultralytics' fastest pipeline.

The peer is ultralytics on its own OpenVINO exports, float (BF16 where the processor has it, else
FP32) and INT8, one picture at a time and in batches of 8; the fastest of them counts. Ours is the
fastest cell whose AP is at least the peer's, ONNX Runtime and OpenVINO on the exported raw head, in
INT8 too, each with the file that `tare quantize --for` makes for it. Both take turns, each round on
the same pictures; the ratio is the median over rounds. After the first round only what came within
NEAR of its side's best goes on. AP of both is scored by `tare eval`, on the same annotations.

A second line drops the condition on AP to what these pictures can resolve: our fastest cell of all,
with the paired interval of its AP's difference from the peer's. It stands beside the first line,
never in its place.

TARE_PEERS names a Python environment with ultralytics, openvino and nncf; skipped without.
TARE_DATA names the full data sets (coco128, calib64), else the sample in data/ is used.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARE = os.environ.get("TARE", str(ROOT / "bin/tare"))
ROUNDS = 3
PICTURES = 64  # as many as a worker keeps in memory
NEAR = 0.85
BOUND = 1.4


def data():
    """Pictures, annotations, calibration pictures."""
    full = pathlib.Path(os.environ.get("TARE_DATA", "/nonexistent"))
    if (full / "coco128").is_dir():
        return full / "coco128/images", full / "coco128/instances.json", full / "calib64"
    return ROOT / "data/sample/images", ROOT / "data/sample/instances.json", \
        ROOT / "data/calibration"


def tare(*arguments):
    return subprocess.run([TARE, *map(str, arguments)], capture_output=True, text=True)


def ask(peer, **request):
    peer.stdin.write(json.dumps(request) + "\n")
    peer.stdin.flush()
    return json.loads(peer.stdout.readline())


def score(annotations, detections):
    done = tare("eval", "-a", annotations, "-d", detections, "--json")
    return json.loads(done.stdout)["figures"]["ap"]


def difference(cell, images, annotations, detections):
    """Of a cell's AP from that of detections: (difference, low, high), paired by picture."""
    done = tare("eval", cell["model"], "-r", cell["runtime"], "--precision",
                cell.get("precision", "fp32"), "-i", images, "-a", annotations, "--against",
                detections, "-q", "--json")
    found = json.loads(done.stdout)["difference"]["ap"]
    return found["difference"], found["low"], found["high"]


def make_models(work, calibration):
    """{cell: what a study says of it} of our models."""
    exported = work / "n.onnx"
    if tare("export", ROOT / "data/yolov8n.pt", "-o", exported).returncode:
        sys.exit("cannot export the model")
    cells = {}
    for runtime, target in (("onnxruntime", "cpu"), ("openvino", "openvino")):
        cells[f"{runtime} fp32"] = {"runtime": runtime, "model": str(exported)}
        path = work / f"n.{target}.onnx"
        if tare("quantize", exported, "--images", calibration, "--for", target, "-o",
                path).returncode:
            sys.exit(f"cannot quantise the model for {target}")
        cells[f"{runtime} int8"] = {"runtime": runtime, "model": str(path), "precision": "int8"}
    return cells


def our_round(cells, images, annotations, work, number):
    """{cell: (pictures a second, AP)} of one study; annotations "": no AP."""
    study = {"name": "throughput", "mode": "throughput", "images": str(images),
             "annotations": str(annotations), "sweeps": 3, "restarts": 1, "visit_ms": 3000,
             "cells": [{"name": name, **cell} for name, cell in cells.items()]}
    (work / "study.json").write_text(json.dumps(study))
    done = tare("bench", work / "study.json", "-o", work / f"{number}.db", "-q", "--json",
                "--no-peaks", "--no-confirm")
    report = json.loads(done.stdout)
    found = {}
    for cell in report["ledgers"][0]["cells"]:
        times, accuracy = cell["times"].get("throughput"), cell.get("accuracy")
        if times:
            found[cell["label"]] = (1e9 / times["p50_ns"], accuracy["ap"] if accuracy else None)
    return found


def peer_round(peer, forms, pictures):
    """{form: pictures a second}, each form once over all pictures."""
    return {name: len(pictures) / ask(peer, model=str(path), batch=batch,
                                      pictures=pictures)["seconds"]
            for name, (path, batch) in forms.items()}


def main():
    python = pathlib.Path(os.environ.get("TARE_PEERS", "/nonexistent")) / "bin/python"
    if not python.exists():
        print("TARE_PEERS names no Python environment with ultralytics", file=sys.stderr)
        return 77
    images, annotations, calibration = data()
    pictures = [str(p) for p in sorted(images.glob("*.jpg"))]
    script = ROOT / "bench/throughput_peer.py"
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        subprocess.run([python, script, "export", ROOT / "data/yolov8n.pt", calibration,
                        work / "peer"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        forms = {"float, one at a time": (work / "peer/float_openvino_model", 1),
                 "float, batches of 8": (work / "peer/float-batch_openvino_model", 8),
                 "int8, one at a time": (work / "peer/int8_int8_openvino_model", 1),
                 "int8, batches of 8": (work / "peer/int8-batch_int8_openvino_model", 8)}
        cells = make_models(work, calibration)
        peer = subprocess.Popen([python, script, "serve"], stdin=subprocess.PIPE, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        aps = {}
        for name, (path, batch) in forms.items():
            ask(peer, model=str(path), batch=batch, pictures=pictures,
                detections=str(work / f"{name}.json"))
            aps[name] = score(annotations, work / f"{name}.json")
            print(f"ultralytics, {name}: AP {aps[name]:.4f}")
        ratios, rates, our_aps, lasting = [], [], {}, {}
        for number in range(ROUNDS):
            theirs = peer_round(peer, forms, pictures[:PICTURES])
            ours = our_round(cells, images, "" if our_aps else annotations, work, number)
            our_aps = our_aps or {name: ap for name, (_, ap) in ours.items()}
            ours = {name: (rate, our_aps.get(name) or 0) for name, (rate, _) in ours.items()}
            best = max(theirs, key=theirs.get)
            good = {k: v for k, v in ours.items() if round(v[1], 4) >= round(aps[best], 4)}
            for name, rate in theirs.items():
                print(f"ultralytics, {name}: {rate:.2f} /s")
            for name, (rate, ap) in ours.items():
                print(f"tare, {name}: {rate:.2f} /s, AP {ap:.4f}")
            rate = max((v[0] for v in good.values()), default=0.0)
            rates.append((rate, theirs[best]))
            ratios.append(rate / theirs[best])
            fastest = max(ours, key=lambda name: ours[name][0])
            for name, (cell_rate, _) in ours.items():
                lasting.setdefault(name, []).append(cell_rate / theirs[best])
            forms = {k: v for k, v in forms.items() if theirs.get(k, 0) >= NEAR * theirs[best]}
            cells = {k: v for k, v in cells.items()
                     if ours[k][0] >= NEAR * (rate if k in good else ours[fastest][0])}
        lasting = {k: statistics.median(v) for k, v in lasting.items() if len(v) == ROUNDS}
        fastest = max(lasting, key=lasting.get)
        gap = difference(cells[fastest], images, annotations, work / f"{best}.json")
        peer.stdin.close()
        peer.wait()
    print(f"fastest of all: tare, {fastest}, {lasting[fastest]:.2f} of ultralytics, "
          f"{best}; AP {gap[0]:+.4f} [{gap[1]:+.4f}, {gap[2]:+.4f}]")
    ratio = statistics.median(ratios)
    ours, theirs = rates[ratios.index(statistics.median_low(ratios))]
    print(json.dumps({"what": "JPEG to boxes, all cores, at equal or better AP", "ours": ours,
                      "peer": theirs, "unit": "/s", "ratio": ratio, "bound": f">= {BOUND}",
                      "held": ratio >= BOUND}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
