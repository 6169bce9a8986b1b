#!/usr/bin/env python3
"""What the harness itself costs: the null backend through the measuring loop.

The bound is on the whole loop's time for one run, less its two readings of the clock: the call
through the session wrapper and the plugin's table, and the keeping of the samples.
"""
import json
import subprocess

import c_program

BOUND_NS = 150

found = json.loads(subprocess.run([c_program.build("null_cost"), str(c_program.PLUGINS)],
                                  check=True, capture_output=True, text=True).stdout)
cost = found["loop"] - 2 * found["clock"]
print(json.dumps({
    "what": f"null run beyond the clock (whole loop {found['loop']:.0f} ns, "
            f"clock {found['clock']:.0f} ns)",
    "ours": round(cost, 1), "peer": None, "unit": "ns", "ratio": round(cost, 1),
    "bound": f"<= {BOUND_NS}", "held": cost <= BOUND_NS}))
