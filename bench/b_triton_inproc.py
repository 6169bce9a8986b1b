#!/usr/bin/env python3
"""What Triton in the process adds to a plugin that it hosts: the null plugin, which does no work,
called directly and behind a tritonserver of the same process, taking turns.

One float in and out shows the way through the server: queue, scheduling, two changes of thread. A
picture of 640 x 640 (4.9 MB) in and out must cost the same, as nothing may be copied: one copy
takes ten times as long. The shortest loop over Triton's API was measured at 11 us for one float
and, by a backend that copies once each way, at 144 us for the picture.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import c_program

BOUND_US, BOUND_RATIO = 20, 2
RESTARTS, TURNS, RUNS = 5, 20, 500
TENSORS = {"float": (1,), "picture": (3, 640, 640)}


def write_model(repository, name, dims):
    """Hosts the null plugin; returns its inputs and outputs as the plugin wants them."""
    shape = "x".join(map(str, (-1, *dims)))
    sides = f"x:fp32:{shape}", f"y:fp32:{shape}"
    rows = [("plugin", "null"), ("option.inputs", sides[0]), ("option.outputs", sides[1])]
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(
        f'name: "{name}"\nbackend: "tare"\nmax_batch_size: 1\n'
        f'input [{{ name: "x" data_type: TYPE_FP32 dims: {list(dims)} }}]\n'
        f'output [{{ name: "y" data_type: TYPE_FP32 dims: {list(dims)} }}]\n'
        "instance_group [{ kind: KIND_CPU }]\n" + "".join(
            f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n'
            for key, value in rows))
    return sides


def once(repository, name, sides):
    """(direct, served) in microseconds."""
    result = subprocess.run([program, str(c_program.PLUGINS), str(repository), name, *sides,
                             str(TURNS), str(RUNS)], capture_output=True, text=True,
                            env=dict(os.environ, TARE_HOME=str(c_program.ROOT)))
    if result.returncode == 77:
        print(result.stderr.strip(), file=sys.stderr)
        sys.exit(77)
    if result.returncode:
        sys.exit(result.stderr)
    found = json.loads(result.stdout)
    return found["direct"] / 1e3, found["served"] / 1e3


program = c_program.build("inproc_cost")
added = {}
with tempfile.TemporaryDirectory() as folder:
    models = {name: write_model(Path(folder), name, dims) for name, dims in TENSORS.items()}
    pairs = {name: [] for name in models}
    for _ in range(RESTARTS):
        for name, sides in models.items():
            pairs[name].append(once(Path(folder), name, sides))
for name, found in pairs.items():
    direct, served = (statistics.median(side) for side in zip(*found))
    added[name] = statistics.median(s - d for d, s in found)
    ratio = added[name] / added["float"]
    row = {"what": f"Triton in process, one {name} in and out, median",
           "ours": round(served, 2), "peer": round(direct, 2), "unit": "us"}
    if name == "float":
        row.update(ratio=round(added[name], 2), bound=f"<= {BOUND_US}",
                   held=added[name] <= BOUND_US)
    else:
        row.update(ratio=round(ratio, 3), bound=f"<= {BOUND_RATIO}", held=ratio <= BOUND_RATIO,
                   what=row["what"] + "; added, to that of one float")
    print(json.dumps(row))
