"""src/vision behind a pipe: builds and runs build/tests/tools/vision_probe."""
import pathlib
import subprocess

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = "build/tests/tools/vision_probe"


def program():
    """The path of the program, which is built if need be."""
    subprocess.run(["make", "-s", TARGET], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return ROOT / TARGET


class Letterbox:
    """Pictures held in memory by one process; a context manager."""

    def __init__(self, pictures, size):
        self.size = size
        self.process = subprocess.Popen(
            [program(), "letterbox", str(size), *map(str, pictures)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def _send(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def tensor(self, index):
        """(3, size, size) float32 of one picture."""
        self._send(f"tensor {index}")
        data = self.process.stdout.read(3 * self.size * self.size * 4)
        return np.frombuffer(data, np.float32).reshape(3, self.size, self.size)

    def time_ns(self):
        """(time, CPU time) of one pass over all pictures."""
        self._send("time")
        wall, cpu = self.process.stdout.readline().split()
        return int(wall), int(cpu)


def boxes(kind, head, size, classes, min_score, iou, max_boxes, multi_label, width, height):
    """(n, 6): x1 y1 x2 y2 score class. head: an array, or a list of them to be joined."""
    data = b"".join(np.ascontiguousarray(part, np.float32).tobytes()
                    for part in (head if isinstance(head, list) else [head]))
    command = [program(), "boxes", kind, size, classes, min_score, iou, max_boxes,
               int(multi_label), width, height]
    result = subprocess.run([str(word) for word in command], input=data, capture_output=True,
                            check=True)
    rows = [line.split() for line in result.stdout.decode().splitlines()]
    return np.array(rows, np.float64).reshape(-1, 6)
