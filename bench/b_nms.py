#!/usr/bin/env python3
"""The raw head of YOLOv8n to boxes: tare in C against the Python model of triton_repo/, in NumPy.

    served          Triton's own statistics (compute input + infer + output) of the models nms and
                    nms_python in one server, one picture a request, one thread, the tensors in
                    shared memory: what the layer costs there
    function alone  src/vision/boxes against the class that the Python model calls, no server, in
                    CPU time: here NumPy is given its arrays for nothing

The heads are those of the sample's pictures, each written to the same memory just before, outside
the time, as a runtime does. Both find the same boxes, which is checked first. A ratio is the median
over rounds of peer / ours, one pass over the same pictures each in turn. Two
settings: what is served by default (score over 0.25, the best class of a box), and what AP asks for
(0.001, every class). The bound is on what is served by default.
"""
import http.client
import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import types

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/python"))

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402

import c_program  # noqa: E402
import vision_probe  # noqa: E402
from serving import Serving  # noqa: E402
from triton_server import decode_response  # noqa: E402

MODEL = ROOT / "triton_repo/common/nms_python/1/model.py"
SIZE, CLASSES = 640, 80
FRAME_FLOATS = 16  # bench/nms_cost.c
ROUNDS = 11
BOUND = 10
# name, least score, whether every class of a box counts, the bound
SETTINGS = [("by default", 0.25, False, BOUND), ("for AP", 0.001, True, None)]


def finder(*options):
    """The Python model's own work; what Triton gives it to import is not used here."""
    sys.modules.setdefault("triton_python_backend_utils", types.ModuleType("pb_utils"))
    spec = importlib.util.spec_from_file_location("nms_model", MODEL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Finder(*options)


def placement(path):
    """width, height, scale, left, top, as preprocess gives them."""
    height, width = cv2.imread(str(path)).shape[:2]
    scale = min(SIZE / height, SIZE / width)
    w, h = round(width * scale), round(height * scale)
    return np.array([[width, height, scale, (SIZE - w) // 2, (SIZE - h) // 2]], np.float32)


def make_heads(folder):
    """Of each sample picture the tensors of a request: placement and its head, by name."""
    graph = folder / "n.onnx"
    subprocess.run([ROOT / "bin/tare", "export", ROOT / "data/yolov8n.pt", "--imgsz", str(SIZE),
                    "-o", graph], check=True, stdout=subprocess.DEVNULL)
    session = ort.InferenceSession(str(graph))
    names = [output.name for output in session.get_outputs()]
    paths = sorted((ROOT / "data").glob("*/**/*.jpg"))
    with vision_probe.Letterbox(paths, SIZE) as pictures:
        return [{"placement": placement(path), **dict(zip(names, session.run(
            None, {session.get_inputs()[0].name: pictures.tensor(i)[None]})))}
            for i, path in enumerate(paths)]


class Function:
    """bench/nms_cost behind its pipe, and the Python model's class beside it."""

    def __init__(self, file, heads, score, multi_label):
        command = [c_program.build("nms_cost"), file, len(heads), SIZE, CLASSES, score, 0.7, 300,
                   int(multi_label)]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.find = finder(score, 0.7, 300, multi_label)
        self.requests = [(one["placement"], [(one[f"box{s}"], one[f"cls{s}"])
                                             for s in (8, 16, 32)]) for one in heads]

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def boxes(self, index):
        rows = [self.process.stdout.readline().split()
                for _ in range(int(self.ask(f"boxes {index}")))]
        frame, pairs = self.requests[index]
        boxes, count = self.find(pairs, frame)
        return np.array(rows, np.float32).reshape(-1, 6), boxes[0, :count[0, 0]]

    def pass_ns(self):
        """CPU time of ours, of the peer."""
        written = [tuple(part.copy() for part in pair) for pair in self.requests[0][1]]
        total = 0
        for frame, pairs in self.requests:
            for to, pair in zip(written, pairs):
                np.copyto(to[0], pair[0])
                np.copyto(to[1], pair[1])
            start = time.process_time_ns()
            self.find(written, frame)
            total += time.process_time_ns() - start
        return int(self.ask("time")), total


class Served:
    """Both models in one server; the requests name what lies in the head of a file of /dev/shm."""

    def __init__(self, folder, file, heads, score, multi_label):
        options = ["--multi-label"] if multi_label else []
        self.serving = Serving(ROOT / "bin/tare", folder / f"serve{score}", "--models",
                               "nms,nms_python", "--max-batch", 1, "--pool-threads", 1,
                               "--min-score", score, *options)
        self.http = http.client.HTTPConnection(self.serving.facts["http"], timeout=120)
        self.memory, self.bytes = np.memmap(file, np.uint8, "r+"), file.stat().st_size // len(heads)
        self.heads = self.memory.reshape(len(heads), self.bytes).copy()
        self.post("systemsharedmemory/region/heads/register",
                  {"key": f"/{file.name}", "offset": 0, "byte_size": self.bytes})
        inputs, offset = [], 0
        for name, tensor in heads[0].items():
            inputs.append({"name": name, "shape": tensor.shape, "datatype": "FP32",
                           "parameters": {"shared_memory_region": "heads",
                                          "shared_memory_offset": offset,
                                          "shared_memory_byte_size": tensor.nbytes}})
            offset += 4 * FRAME_FLOATS if name == "placement" else tensor.nbytes
        self.body = {"inputs": inputs, "parameters": {"binary_data_output": True}}

    def close(self):
        self.memory[:self.bytes] = self.heads[0]  # the file is as it was
        self.http.close()
        self.serving.stop()

    def post(self, path, body):
        self.http.request("POST", f"/v2/{path}", json.dumps(body))
        response = self.http.getresponse()
        answer = response.read()
        if response.status != 200:
            sys.exit(f"tritonserver: {answer.decode()}")
        return response.headers, answer

    def infer(self, model, head):
        self.memory[:self.bytes] = head
        return self.post(f"models/{model}/infer", self.body)

    def boxes(self, index):
        for model in ("nms", "nms_python"):
            outputs = decode_response(*self.infer(model, self.heads[index]))
            yield outputs["boxes"][0, :outputs["count"][0, 0]]

    def compute_ns(self, model):
        self.http.request("GET", f"/v2/models/{model}/stats")
        stats = json.loads(self.http.getresponse().read())["model_stats"][0]["inference_stats"]
        return sum(stats[f"compute_{part}"]["ns"] for part in ("input", "infer", "output"))

    def pass_ns(self):
        for model in ("nms", "nms_python"):
            before = self.compute_ns(model)
            for head in self.heads:
                self.infer(model, head)
            yield self.compute_ns(model) - before


def check_same(pair, count):
    """Box by box: the same classes, within 0.01 pixels and 1e-5 of score. How many there are."""
    total = 0
    for index in range(count):
        mine, theirs = pair.boxes(index)
        if (mine.shape != theirs.shape or (mine[:, 5] != theirs[:, 5]).any()
                or np.abs(mine[:, :4] - theirs[:, :4]).max(initial=0) > 0.01
                or np.abs(mine[:, 4] - theirs[:, 4]).max(initial=0) > 1e-5):
            sys.exit(f"the boxes of picture {index} are not the same")
        total += len(mine)
    return total


def compare(what, pair, count, bound):
    total = check_same(pair, count)
    rounds = [tuple(pair.pass_ns()) for _ in range(ROUNDS + 2)][2:]
    ours, peer = (statistics.median(side) / count / 1e6 for side in zip(*rounds))
    ratio = statistics.median(theirs / mine for mine, theirs in rounds)
    print(json.dumps({
        "what": f"raw head to boxes, {what}, {count} pictures, {total} boxes, NumPy "
                f"{np.__version__}",
        "ours": round(ours, 4), "peer": round(peer, 4), "unit": "ms a picture",
        "ratio": round(ratio, 1), "bound": f">= {bound}" if bound else "",
        "held": ratio >= (bound or 0)}), flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder, \
            tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="tare_b_nms_") as file:
        heads = make_heads(pathlib.Path(folder))
        for one in heads:
            for name, tensor in one.items():
                file.write(np.ascontiguousarray(tensor, np.float32).tobytes())
                file.write(bytes(4 * FRAME_FLOATS - tensor.nbytes if name == "placement" else 0))
        file.flush()
        path = pathlib.Path(file.name)
        for name, *setting, bound in SETTINGS:
            for what, limit in (("served", bound), ("function alone", None)):
                pair = (Served(pathlib.Path(folder), path, heads, *setting) if what == "served"
                        else Function(path, heads, *setting))
                try:
                    compare(f"{what} {name}", pair, len(heads), limit)
                finally:
                    pair.close()


if __name__ == "__main__":
    main()
