#!/usr/bin/env python3
"""What the KServe client costs: 4.9 MB in and out of a model that does no work, in shared memory,
against an empty round trip (1 float each way, on the wire) over the same transport, visited in turn
on a real tritonserver with one request in flight. As the model takes no time in process, the whole
round trip counts against the bound. Beside it, without a bound: the same tensors on the wire.
"""
import json
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/python"))

try:
    import numpy as np
    import tare_abi
    import triton_server
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

ROUNDS = 15
BOUND = 1.5
SHAPES = {"empty": (1, 1), "full": (1, 3, 640, 640)}
RUNS = {"empty": 200, "shared": 200, "wire": 5}


def write_model(repository, name, shape):
    dims = list(shape[1:])
    tensor = "-1x" + "x".join(map(str, dims))
    triton_server.write_config(repository, name, f"""backend: "tare"
max_batch_size: 1
input [ {{ name: "x" data_type: TYPE_FP32 dims: {dims} }} ]
output [ {{ name: "y" data_type: TYPE_FP32 dims: {dims} }} ]
instance_group [ {{ kind: KIND_CPU }} ]
""" + triton_server.parameters(plugin="null", option__inputs=f"x:fp32:{tensor}",
                               option__outputs=f"y:fp32:{tensor}"))


def open_session(server, transport, memory, model):
    port = server.http if transport == "http" else server.grpc
    session = tare_abi.Session("kserve", None, url=f"127.0.0.1:{port}", transport=transport,
                               memory=memory, model=model)
    session.bind({"x": np.ones(SHAPES[model], np.float32)}, {"y": SHAPES[model]})
    return session


def p50_us(session, runs):
    times = []
    for _ in range(runs):
        start = time.perf_counter_ns()
        session.run_bound()
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1000


def row(what, ours, peer, bound):
    ratio = ours / peer
    print(json.dumps({
        "what": what, "ours": round(ours, 1), "peer": round(peer, 1), "unit": "us",
        "ratio": round(ratio, 3), "bound": f"<= {bound}" if bound else "",
        "held": ratio <= bound if bound else True}), flush=True)


def compare(server, transport):
    sessions = {"empty": open_session(server, transport, "wire", "empty"),
                "shared": open_session(server, transport, "shared", "full"),
                "wire": open_session(server, transport, "wire", "full")}
    found = {name: [] for name in sessions}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            p50_us(session, 3)  # the caches are its own again
            found[name].append(p50_us(session, RUNS[name]))
    for session in sessions.values():
        session.close()
    middle = {name: statistics.median(times) for name, times in found.items()}
    row(f"4.9 MB both ways in shared memory, empty round trip, {transport}", middle["shared"],
        middle["empty"], BOUND)
    row(f"4.9 MB both ways on the wire, in shared memory, {transport}", middle["wire"],
        middle["shared"], None)


def main():
    if not triton_server.PROGRAM.exists():
        print("skipped: no tritonserver")
        return 77
    with tempfile.TemporaryDirectory(prefix="tare-b-kserve-") as repository:
        for name, shape in SHAPES.items():
            write_model(repository, name, shape)
        with triton_server.Server(repository) as server:
            for transport in ("http", "grpc"):
                compare(server, transport)
    return 0


if __name__ == "__main__":
    sys.exit(main())
