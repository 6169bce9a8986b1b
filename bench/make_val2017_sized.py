#!/usr/bin/env python3
"""Makes an evaluation of val2017's size from few annotated pictures: jittered copies of each, 4,992
together (39 of coco128's pictures), and about 900 thousand detections, up to 300 a picture as
YOLOv8 at confidence 0.001 gives. Deterministic.

usage: make_val2017_sized.py INSTANCES.json FOLDER"""

import json
import pathlib
import random
import sys

PICTURES = 4992
SEED = 20171
FALSE_POSITIVES = (59, 275)  # of a picture; with the true ones about 181 a picture


def jitter(rng, box, spread):
    x, y, w, h = box
    return [round(v, 3) for v in (x + rng.gauss(0, spread) * w, y + rng.gauss(0, spread) * h,
                                  w * rng.uniform(1 - spread, 1 + spread),
                                  h * rng.uniform(1 - spread, 1 + spread))]


def detections_of(rng, image, truths, categories):
    """Several boxes round each truth, the nearer the higher their score, and false ones."""
    found = []
    present = [t["category_id"] for t in truths] or categories
    for truth in truths:
        for _ in range(rng.randint(0, 4)):
            spread = rng.choice((0.02, 0.05, 0.1, 0.2))
            category = truth["category_id"] if rng.random() < 0.9 else rng.choice(categories)
            score = min(0.99, max(0.001, rng.gauss(0.85 - 3 * spread, 0.2)))
            found.append((category, jitter(rng, truth["bbox"], spread), score))
    for _ in range(rng.randint(*FALSE_POSITIVES)):
        w, h = rng.uniform(4, image["width"] / 2), rng.uniform(4, image["height"] / 2)
        box = [rng.uniform(0, image["width"] - w), rng.uniform(0, image["height"] - h), w, h]
        category = rng.choice(present if rng.random() < 0.6 else categories)
        found.append((category, [round(v, 3) for v in box], 0.001 + rng.random() ** 6 * 0.6))
    found.sort(key=lambda d: -d[2])
    return [{"image_id": image["id"], "category_id": c, "bbox": b, "score": round(s, 5)}
            for c, b, s in found[:300]]


def moved(rng, truth, image_id, annotation_id):
    dx, dy = rng.uniform(-3, 3), rng.uniform(-3, 3)
    copy = {**truth, "id": annotation_id, "image_id": image_id}
    copy["bbox"] = [round(truth["bbox"][0] + dx, 2), round(truth["bbox"][1] + dy, 2),
                    *truth["bbox"][2:]]
    if isinstance(truth["segmentation"], list):
        copy["segmentation"] = [[round(v + (dy if i % 2 else dx), 2) for i, v in enumerate(ring)]
                                for ring in truth["segmentation"]]
    return copy


def main():
    source, folder = json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[2])
    rng = random.Random(SEED)
    by_image = {}
    for truth in source["annotations"]:
        by_image.setdefault(truth["image_id"], []).append(truth)
    categories = [c["id"] for c in source["categories"]]
    images, annotations, found = [], [], []
    for copy in range(PICTURES // len(source["images"])):
        for image in source["images"]:
            twin = {**image, "id": image["id"] + 1_000_000 * copy,
                    "file_name": f"{copy:02d}_{image['file_name']}"}
            truths = [moved(rng, t, twin["id"], len(annotations) + 1 + i)
                      for i, t in enumerate(by_image.get(image["id"], []))]
            images.append(twin)
            annotations += truths
            found += detections_of(rng, twin, truths, categories)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in (("instances.json", {**source, "images": images, "annotations": annotations}),
                       ("detections.json", found)):
        partial = folder / (name + ".partial")
        partial.write_text(json.dumps(data))
        partial.rename(folder / name)
    print(f"{len(images)} pictures, {len(annotations)} boxes, {len(found)} detections",
          file=sys.stderr)


if __name__ == "__main__":
    main()
