#!/usr/bin/env python3
"""Whether the measured peaks are peaks: no library's matrix product may be faster.

FP32 by NumPy (OpenBLAS) and, where it is there, PyTorch; INT8 by ONNX Runtime's MatMulInteger of
u8 and s8, on one thread and on all. Ours is what `tare doctor --peaks` reaches, before and after;
the peer is the library's best of many products in the same minutes. A library above our peak by
more than 5 % shows that our kernel is not the roof.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(os.environ.get("ROOT", Path(__file__).resolve().parents[1]))
TARE = os.environ.get("TARE", str(ROOT / "bin" / "tare"))
SIDE = 1024
SLACK = 1.05

PRODUCT = """
import json, os, sys, time
kind, threads, side = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
import numpy
random = numpy.random.default_rng(1)
if kind == "numpy":
    a, b = (random.standard_normal((side, side), numpy.float32) for _ in range(2))
    out = numpy.empty_like(a)
    product = lambda: numpy.matmul(a, b, out=out)
elif kind == "torch":
    import torch
    torch.set_num_threads(threads)
    a, b = (torch.randn(side, side) for _ in range(2))
    out = torch.empty(side, side)
    product = lambda: torch.mm(a, b, out=out)
else:
    import onnx, onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    b = random.integers(-60, 60, (side, side)).astype(numpy.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["c"])], "product",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, [side, side])],
        [helper.make_tensor_value_info("c", TensorProto.INT32, [side, side])],
        [numpy_helper.from_array(b, "b")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    a = random.integers(0, 100, (side, side)).astype(numpy.uint8)
    product = lambda: session.run(None, {"a": a})
best = 1e9
end = time.perf_counter() + 2
while time.perf_counter() < end:
    start = time.perf_counter()
    product()
    best = min(best, time.perf_counter() - start)
print(2 * side ** 3 / best)
"""


def peaks():
    done = subprocess.run([TARE, "doctor", "--peaks", "--json"], capture_output=True, text=True)
    if done.returncode:
        print(done.stderr.strip() or done.stdout[-300:], file=sys.stderr)
        sys.exit(1)
    found = {}
    for row in json.loads(done.stdout)["peaks"]:
        for key in ("one_thread", "all_threads"):
            if row[key]:
                at = row["what"], key
                found[at] = max(found.get(at, 0), row[key]["best"])
    return found


def product(kind, threads):
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "product.py"
        script.write_text(PRODUCT)
        done = subprocess.run([sys.executable, script, kind, str(threads), str(SIDE)],
                              capture_output=True, text=True, timeout=120)
    return float(done.stdout) if done.returncode == 0 else None  # not installed


first = peaks()
theirs = [(kind, what, key, product(kind, 1 if key == "one_thread" else os.cpu_count()))
          for kind, what in (("numpy", "fp32"), ("torch", "fp32"), ("onnxruntime", "int8"))
          for key in ("one_thread", "all_threads")]
time.sleep(0.5)
second = peaks()
for kind, what, key, rate in theirs:
    ours = max(first[what, key], second[what, key])
    if rate is not None:
        print(json.dumps({
            "what": f"{what} peak over {kind}'s product, {key.replace('_', ' ')}",
            "ours": round(ours / 1e9, 1), "peer": round(rate / 1e9, 1), "unit": "10^9 op/s",
            "ratio": round(ours / rate, 3), "bound": f">= {1 / SLACK:.3f}",
            "held": bool(ours / rate >= 1 / SLACK)}), flush=True)
