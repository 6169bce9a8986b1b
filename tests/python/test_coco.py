"""COCO AP against pycocotools: every figure equal, with ==."""

import contextlib
import copy
import io
import json
import random

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

KEYS = ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
        "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"]


def tare_eval(tare, annotations, detections, *more):
    done = tare("eval", "--annotations", annotations, "--detections", detections, "--classes",
                "--json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def reference(annotations, detections):
    """The twelve figures and (AP, AP50, AP75, AR100) of each class."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(annotations)
        truth.createIndex()
        if detections:
            found = truth.loadRes(copy.deepcopy(detections))
        else:  # loadRes() can't take an empty list
            found = COCO()
            found.dataset = {**truth.dataset, "annotations": []}
            found.createIndex()
        run = COCOeval(truth, found, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()

    def mean(values):
        values = values[values > -1]
        return float(np.mean(values)) if len(values) else -1

    precision, recall = run.eval["precision"], run.eval["recall"]
    classes = [(mean(precision[:, :, k, 0, 2]), mean(precision[0, :, k, 0, 2]),
                mean(precision[5, :, k, 0, 2]), mean(recall[:, k, 0, 2]))
               for k in range(precision.shape[2])]
    return [float(x) for x in run.stats], classes


def check_equal(tare, tmp_path, annotations, detections):
    truth, found = tmp_path / "truth.json", tmp_path / "found.json"
    truth.write_text(json.dumps(annotations))
    found.write_text(json.dumps(detections))
    ours = tare_eval(tare, truth, found)
    figures, classes = reference(annotations, detections)
    assert [ours["figures"][key] for key in KEYS] == figures
    assert [(c["ap"], c["ap50"], c["ap75"], c["ar100"]) for c in ours["classes"]] == classes


def random_box(rng, size=640):
    scale = rng.choice([8, 30, 34, 90, 100, 300])
    w, h = rng.uniform(1, scale), rng.uniform(1, scale)
    box = [rng.uniform(0, size - w), rng.uniform(0, size - h), w, h]
    return [round(v, 2) for v in box] if rng.random() < 0.5 else box


def jitter(rng, box, spread):
    return [box[0] + rng.gauss(0, spread) * box[2], box[1] + rng.gauss(0, spread) * box[3],
            box[2] * rng.uniform(1 - spread, 1 + spread),
            box[3] * rng.uniform(1 - spread, 1 + spread)]


def random_truths(rng, image, classes, first_id):
    truths = []
    for i in range(rng.choice([0, 0, 1, 2, 5, 12])):
        box = random_box(rng)
        area = box[2] * box[3] * rng.choice([1, 1, 0.7, 0.4])
        truths.append({"id": first_id + i, "image_id": image, "category_id": rng.choice(classes),
                       "bbox": box, "area": rng.choice([area, area, 1024, 9216]),
                       "iscrowd": int(rng.random() < 0.1)})
    return truths


def random_case(seed):
    rng = random.Random(seed)
    images = rng.sample(range(1, 1000), rng.choice([1, 3, 20]))
    classes = rng.sample(range(1, 91), rng.choice([1, 2, 7]))
    coarse = rng.random() < 0.5  # scores that tie
    truths, found = [], []
    for image in images:
        truths += random_truths(rng, image, classes, len(truths) + 1)
    for image in images:
        boxes = [(jitter(rng, t["bbox"], rng.choice([0, 0.02, 0.1, 0.2])), t["category_id"])
                 for t in truths if t["image_id"] == image for _ in range(rng.choice([0, 1, 1, 3]))]
        boxes += [(random_box(rng), rng.choice(classes)) for _ in range(rng.choice([0, 3, 150]))]
        for box, category in boxes:
            score = rng.random()
            found.append({"image_id": image, "category_id": category, "bbox": box,
                          "score": round(score, 1) if coarse else score})
    if rng.random() < 0.5:
        rng.shuffle(found)
    rng.shuffle(truths)
    annotations = {"images": [{"id": i} for i in images],
                   "categories": [{"id": c, "name": f"class {c}"} for c in classes],
                   "annotations": truths}
    return annotations, found


@pytest.mark.parametrize("seed", range(60))
def test_random(tare, tmp_path, seed):
    check_equal(tare, tmp_path, *random_case(seed))


def small_case():
    annotations, found = random_case(2)
    assert annotations["annotations"] and found
    return annotations, found


def test_no_detections(tare, tmp_path):
    check_equal(tare, tmp_path, small_case()[0], [])


def test_no_annotations(tare, tmp_path):
    annotations, found = small_case()
    annotations["annotations"] = []
    check_equal(tare, tmp_path, annotations, found)


def test_only_crowd(tare, tmp_path):
    annotations, found = small_case()
    for truth in annotations["annotations"]:
        truth["iscrowd"] = 1
    check_equal(tare, tmp_path, annotations, found)


def test_equal_scores(tare, tmp_path):
    annotations, found = small_case()
    for detection in found:
        detection["score"] = 0.5
    check_equal(tare, tmp_path, annotations, found)


def test_integers_and_negative_scores(tare, tmp_path):
    annotations, found = small_case()
    for i, detection in enumerate(found):
        detection["score"] = (i % 7) - 3
        detection["bbox"] = [int(v) for v in detection["bbox"]]
    check_equal(tare, tmp_path, annotations, found)


def test_areas_on_the_edge(tare, tmp_path):
    """Areas of exactly 32^2 and 96^2 count in both ranges."""
    sides = [32, 96, 31.999, 96.001]
    annotations = {"images": [{"id": 1}], "categories": [{"id": 1, "name": "a"}],
                   "annotations": [{"id": i + 1, "image_id": 1, "category_id": 1, "iscrowd": 0,
                                    "bbox": [100 * i, 0, s, s], "area": s * s}
                                   for i, s in enumerate(sides)]}
    found = [{"image_id": 1, "category_id": 1, "bbox": [100 * i + 2, 0, s, s],
              "score": 0.9 - i / 10}
             for i, s in enumerate(sides + [32, 96])]
    check_equal(tare, tmp_path, annotations, found)


def test_threshold_is_reached_exactly(tare, tmp_path):
    """An IoU of exactly 0.5 and 0.75."""
    annotations = {"images": [{"id": 1}], "categories": [{"id": 1, "name": "a"}],
                   "annotations": [{"id": i + 1, "image_id": 1, "category_id": 1, "iscrowd": 0,
                                    "bbox": [100 * i, 0, 40, 40], "area": 1600} for i in range(3)]}
    found = [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 40, 20], "score": 0.9},
             {"image_id": 1, "category_id": 1, "bbox": [100, 0, 40, 30], "score": 0.8},
             {"image_id": 1, "category_id": 1, "bbox": [200, 0, 40, 38], "score": 0.7}]
    check_equal(tare, tmp_path, annotations, found)


def test_annotation_id_zero(tare, tmp_path):
    """pycocotools takes id 0 for "not found"; equal figures mean the same here."""
    annotations, found = small_case()
    annotations["annotations"][0]["id"] = 0
    check_equal(tare, tmp_path, annotations, found)


def test_strays_are_left_out(tare, tmp_path):
    annotations, found = small_case()
    annotations["annotations"].append({"id": 9001, "image_id": 5000, "category_id": 1,
                                       "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0})
    found.append({"image_id": found[0]["image_id"], "category_id": 4711, "bbox": [0, 0, 9, 9],
                  "score": 1})
    check_equal(tare, tmp_path, annotations, found)


def test_other_layouts_of_the_file(tare, tmp_path):
    """Key order, white space and further members change nothing."""
    annotations, found = small_case()
    mixed = [dict(reversed(d.items())) if i % 3 else {"id": i, "note": '"},{"', **d}
             for i, d in enumerate(found)]
    truth, file = tmp_path / "truth.json", tmp_path / "found.json"
    truth.write_text(json.dumps(annotations, indent=1))
    expected = reference(annotations, found)[0]
    for text in (json.dumps(mixed), json.dumps(mixed, indent=2),
                 json.dumps(found, separators=(",", ":")), json.dumps(found, indent="\t")):
        file.write_text(text)
        assert list(tare_eval(tare, truth, file)["figures"].values()) == expected


def test_large_file_in_chunks(tare, tmp_path):
    """Over the size at which threads share a file, with texts that look like a border."""
    annotations, found = random_case(5)
    found = [{**d, "note": 'x"},{"'} if i % 5 == 0 else d for i, d in enumerate(found * 40)]
    while len(json.dumps(found)) < 5_000_000:
        found += found
    check_equal(tare, tmp_path, annotations, found)


def test_demo_of_the_coco_api(tare, full_data):
    """The reference evaluator's own demo prints 0.505 (cocoapi, PythonAPI/pycocoEvalDemo)."""
    truth = full_data / "coco_eval" / "instances_val2014_100.json"
    file = full_data / "coco_eval" / "instances_val2014_fakebbox100_results.json"
    ours = tare_eval(tare, truth, file)
    figures, classes = reference(json.loads(truth.read_text()), json.loads(file.read_text()))
    assert round(figures[0], 3) == 0.505
    assert [ours["figures"][key] for key in KEYS] == figures
    assert [(c["ap"], c["ap50"], c["ap75"], c["ar100"]) for c in ours["classes"]] == classes


def duplicated(annotations, found, images):
    """The set in which each picture stands as often as in images, under new ids."""
    by_image = {}
    for truth in annotations["annotations"]:
        by_image.setdefault(truth["image_id"], []).append(truth)
    truths, copies = [], []
    for number, image in enumerate(images, 1):
        for truth in by_image.get(image, []):
            truths.append({**truth, "id": len(truths) + 1, "image_id": number})
        copies += [{**d, "image_id": number} for d in found if d["image_id"] == image]
    return {**annotations, "images": [{"id": i + 1} for i in range(len(images))],
            "annotations": truths}, copies


def test_interval_against_real_resampling(tare, tmp_path):
    """The bootstrap's spread is that of evaluating sets in which pictures really stand twice."""
    annotations, found = random_case(10)
    assert len(annotations["images"]) == 20
    rng = random.Random(1)
    # no ties: how those fall depends on the order of pictures
    found = [{**d, "score": d["score"] + rng.random() / 100} for d in found if d["score"] > 0.6]
    worse = [{**d, "bbox": jitter(rng, d["bbox"], 0.05)} for d in found]
    truth, a, b = (tmp_path / name for name in ("truth.json", "a.json", "b.json"))

    def difference(truths, one, other, *more):
        truth.write_text(json.dumps(truths))
        a.write_text(json.dumps(one))
        b.write_text(json.dumps(other))
        return tare_eval(tare, truth, a, "--against", b, *more)["difference"]["ap"]

    ours = difference(annotations, found, worse, "--resamples", "4000")
    ids = [image["id"] for image in annotations["images"]]
    draws = []
    for _ in range(250):
        drawn = sorted(rng.choices(ids, k=len(ids)))
        truths, one = duplicated(annotations, found, drawn)
        other = duplicated(annotations, worse, drawn)[1]
        draws.append(difference(truths, one, other, "--resamples", "1")["difference"])
    assert ours["difference"] == (reference(annotations, found)[0][0] -
                                  reference(annotations, worse)[0][0])
    assert ours["deviation"] == pytest.approx(np.std(draws, ddof=1), rel=0.2)
    assert ours["low"] == pytest.approx(np.quantile(draws, 0.025), abs=ours["deviation"] / 2)
    assert ours["high"] == pytest.approx(np.quantile(draws, 0.975), abs=ours["deviation"] / 2)
