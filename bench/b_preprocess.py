#!/usr/bin/env python3
"""JPEG in memory to a normalised (3, 640, 640) float32 tensor, one thread: tare against OpenCV and
NumPy (imdecode, resize, copyMakeBorder, transpose, astype, / 255), one pass over the same pictures
in the same order each in turn. The ratio is the median over rounds of peer / ours, in CPU time: on
one thread the time that a quiet machine takes, and other work here does not blur it. Times on the
clock are printed above the row, and those against NumPy dividing in place, which few programs do.
Both results are compared first. Uses the full coco128 of $TARE_DATA if it is set, else the sample
in data/.
"""
import json
import os
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/python"))

import cv2  # noqa: E402
import numpy as np  # noqa: E402

import vision_probe  # noqa: E402

SIZE = 640
ROUNDS = 11
BOUND = 1.5


def pictures():
    full = pathlib.Path(os.environ.get("TARE_DATA", "/nonexistent")) / "coco128/images"
    return sorted(full.glob("*.jpg")) or sorted((ROOT / "data").glob("*/**/*.jpg"))


def in_place(planes):
    tensor = planes.astype(np.float32)
    tensor /= 255
    return tensor


def as_written(planes):
    return planes.astype(np.float32) / 255


def convert(jpeg, normalise=as_written):
    picture = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)
    height, width = picture.shape[:2]
    scale = min(SIZE / height, SIZE / width)
    resized = round(width * scale), round(height * scale)
    if resized != (width, height):
        picture = cv2.resize(picture, resized, interpolation=cv2.INTER_LINEAR)
    across, down = (SIZE - resized[0]) / 2, (SIZE - resized[1]) / 2
    picture = cv2.copyMakeBorder(picture, round(down - 0.1), round(down + 0.1),
                                 round(across - 0.1), round(across + 0.1),
                                 cv2.BORDER_CONSTANT, value=(114, 114, 114))
    return normalise(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def peer_pass_ns(jpegs, normalise):
    """(time, CPU time) of one pass, all threads."""
    start, start_cpu = time.perf_counter_ns(), time.process_time_ns()
    for jpeg in jpegs:
        convert(jpeg, normalise)
    return time.perf_counter_ns() - start, time.process_time_ns() - start_cpu


def compare(paths, normalise):
    """Median ms a picture of ours and of the peer, and their ratio; for clock and CPU time."""
    jpegs = [np.fromfile(path, np.uint8) for path in paths]
    with vision_probe.Letterbox(paths, SIZE) as ours:
        worst = max(float(np.abs(ours.tensor(i) - convert(jpeg)).max()) * 255
                    for i, jpeg in enumerate(jpegs))
        if worst > 1.001:
            sys.exit(f"results differ by {worst:.2f} levels, at most 1 is allowed")
        pairs = [(ours.time_ns(), peer_pass_ns(jpegs, normalise))
                 for _ in range(ROUNDS + 2)][2:]
    for kind in range(2):
        rounds = [(mine[kind], peer[kind]) for mine, peer in pairs]
        yield (*(statistics.median(column) / len(jpegs) / 1e6 for column in zip(*rounds)),
               statistics.median(peer / mine for mine, peer in rounds))


def main():
    cv2.setNumThreads(1)
    paths = pictures()
    for normalise in (in_place, as_written):
        clock, cpu = compare(paths, normalise)
        print("{}, ms a picture, ours, peer, ratio: on the clock {:.2f} {:.2f} {:.2f}, "
              "CPU {:.2f} {:.2f} {:.2f}".format(normalise.__name__, *clock, *cpu))
    print(json.dumps({
        "what": f"JPEG to tensor, 1 thread, {len(paths)} pictures, "
                f"OpenCV {cv2.__version__} + NumPy",
        "ours": round(cpu[0], 3), "peer": round(cpu[1], 3), "unit": "ms CPU a picture",
        "ratio": round(cpu[2], 2), "bound": f">= {BOUND}", "held": cpu[2] >= BOUND}))


if __name__ == "__main__":
    main()
