"""Run in the peers' Python environment by b_throughput.py: ultralytics on OpenVINO.

    throughput_peer.py export CHECKPOINT CALIBRATION OUT    its OpenVINO exports, float and INT8
    throughput_peer.py serve                                 one request a line, as JSON:
        {"model": DIR, "batch": 8, "pictures": [...]}        -> {"seconds": ..., "boxes": ...}
        {"model": DIR, "pictures": [...], "detections": OUT} -> COCO results for AP, and the same
"""
import contextlib
import json
import os
import pathlib
import shutil
import sys
import time

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
CATEGORY_IDS = [c for c in range(1, 91) if c not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]


def export(checkpoint, calibration, out):
    from ultralytics import YOLO

    out = pathlib.Path(out)
    (out / "data/images").mkdir(parents=True)
    for picture in pathlib.Path(calibration).rglob("*.jpg"):
        shutil.copy(picture, out / "data/images")
    (out / "data.yaml").write_text(json.dumps({
        "path": str((out / "data").resolve()), "train": "images", "val": "images",
        "names": {i: str(i) for i in range(80)}}))
    for name, more in (("float", {}), ("float-batch", {"dynamic": True, "batch": 8}),
                       ("int8", {"int8": True, "data": str(out / "data.yaml")}),
                       ("int8-batch", {"int8": True, "data": str(out / "data.yaml"),
                                       "dynamic": True, "batch": 8})):
        shutil.copy(checkpoint, out / f"{name}.pt")
        YOLO(out / f"{name}.pt").export(format="openvino", imgsz=640, verbose=False, **more)


@contextlib.contextmanager
def several_labels(wanted):
    """As its own `val` scores: a box counts for each class over the confidence, not its best."""
    from ultralytics.utils import nms

    original = nms.non_max_suppression
    if wanted:
        nms.non_max_suppression = lambda *args, **more: original(
            *args, **{**more, "multi_label": True})
    try:
        yield
    finally:
        nms.non_max_suppression = original


def run(models, request):
    with several_labels("detections" in request):
        return predict(models, request)


def predict(models, request):
    from ultralytics import YOLO

    path = request["model"]
    if path not in models:
        models[path] = YOLO(path, task="detect")
    more = {"conf": 0.001, "iou": 0.7, "max_det": 300} if "detections" in request else {}
    start, boxes, found = time.perf_counter(), 0, []
    for result in models[path].predict(request["pictures"], batch=request.get("batch", 1),
                                       imgsz=640, stream=True, verbose=False, device="cpu", **more):
        boxes += len(result.boxes)
        if more:
            identity = int(pathlib.Path(result.path).stem)
            for (x1, y1, x2, y2), score, one in zip(
                    result.boxes.xyxy.tolist(), result.boxes.conf.tolist(),
                    result.boxes.cls.tolist()):
                found.append({"image_id": identity, "category_id": CATEGORY_IDS[int(one)],
                              "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score})
    seconds = time.perf_counter() - start
    if more:
        pathlib.Path(request["detections"]).write_text(json.dumps(found))
    return {"seconds": seconds, "boxes": boxes}


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # ultralytics prints on standard output
    if sys.argv[1] == "export":
        export(*sys.argv[2:5])
        return
    models = {}
    for line in sys.stdin:
        print(json.dumps(run(models, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
