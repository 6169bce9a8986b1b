#!/usr/bin/env python3
"""ONNX file to TensorRT engine for an A6000 without a GPU, the whole process, and the same again
when the engine is there. No peer: trtexec needs a GPU."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARE = os.environ.get("TARE", ROOT / "bin/tare")
LIBRARIES = ROOT / ".deps/tensorrt/onnxruntime_ep_nv_tensorrt_rtx"
BUILD_BOUND_S = 10
AGAIN_BOUND_S = 1
RUNS = 3
SKIPPED = 77


def run(*arguments):
    """Seconds that a command of tare took."""
    start = time.perf_counter()
    subprocess.run([str(TARE), *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def show(what, seconds, bound):
    print(json.dumps({"what": what, "ours": round(seconds, 2), "peer": None, "unit": "s",
                      "ratio": round(seconds, 2), "bound": f"<= {bound}",
                      "held": seconds <= bound}), flush=True)


def main():
    if not any(LIBRARIES.glob("libtensorrt_rtx.so.1*")):
        print("no TensorRT for RTX: tools/setup tensorrt", file=sys.stderr)
        return SKIPPED
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        full, int8 = folder / "yolov8n.onnx", folder / "yolov8n.int8.onnx"
        run("export", ROOT / "data/yolov8n.pt", "-o", full)
        run("quantize", full, "--for", "tensorrt", "--images", ROOT / "data/calibration", "-q",
            "-o", int8)
        for precision, model in (("fp32", full), ("fp16", full), ("int8", int8)):
            plan = ("plan", model, "--for", "sm_86", "-p", precision, "-o", folder)
            built = min(run(*plan, "--rebuild") for _ in range(RUNS))
            show(f"YOLOv8n {precision} to an sm_86 engine, best of {RUNS}", built,
                 BUILD_BOUND_S)
        show("the same, when it is there", min(run(*plan) for _ in range(RUNS)), AGAIN_BOUND_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
