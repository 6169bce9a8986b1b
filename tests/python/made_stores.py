"""Result files with made-up numbers, from tests/support/make_store.c."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def make_store(folder, kind, seed=None):
    """Path of a result file of this kind (see make_store.c) in folder."""
    program = ROOT / "build" / "tests" / "support" / "make_store"
    if not program.exists():
        # the flags of an outer make (its jobs, its sanitizer) are not for this one
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
        subprocess.run(["make", "-s", "build/tests/support/make_store"], cwd=ROOT, check=True,
                       env=environment)
    path = pathlib.Path(folder) / f"{kind}.db"
    seeds = [] if seed is None else [str(seed)]
    subprocess.run([str(program), str(path), kind, *seeds], check=True)
    return path
