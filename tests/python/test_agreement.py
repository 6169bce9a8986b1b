"""`tare eval MODEL --against REFERENCE`: SQNR against NumPy on ONNX Runtime's own outputs, matched
boxes against another implementation of the rule, AP against pycocotools."""
import contextlib
import io
import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import pipeline_reference
from conftest import DATA

PICTURES = sorted((DATA / "sample/images").glob("*.jpg"))[:8]
MIN_SCORE, MIN_IOU = 0.25, 0.9


def disturbed(source, path, amount=0.03):
    """A copy whose weights are off by some percent, as those of a poor quantiser."""
    model, random = onnx.load(source), np.random.default_rng(3)
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 4 and tensor.dims[1] > 1:
            values = numpy_helper.to_array(tensor)
            noise = random.standard_normal(values.shape, np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values * (1 + amount * noise), tensor.name))
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def work(tare, tmp_path_factory):
    """A folder with some pictures, a reference and a model that differs from it."""
    folder = tmp_path_factory.mktemp("agreement")
    (folder / "images").mkdir()
    for picture in PICTURES:
        shutil.copy(picture, folder / "images")
    done = tare("export", DATA / "yolov8n.pt", "-o", folder / "reference.onnx")
    assert done.returncode == 0, done.stderr
    disturbed(folder / "reference.onnx", folder / "model.onnx")
    return folder


def agreement(tare, work, model="model.onnx", *more):
    done = tare("eval", work / model, "--against", work / "reference.onnx", "--images",
                work / "images", "--threads", 1, "--json", "-q", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def measured(tare, work):
    return agreement(tare, work)


@pytest.fixture(scope="module")
def boxes(tare, work):
    """Boxes of the reference and of the model, by picture: rows of class, corners, score."""
    names = [p.name for p in PICTURES]
    annotations = {"images": [{"id": i, "file_name": n} for i, n in enumerate(names)],
                   "categories": [{"id": c} for c in range(80)], "annotations": []}
    (work / "a.json").write_text(json.dumps(annotations))
    found = {}
    for which in ("reference", "model"):
        done = tare("eval", work / f"{which}.onnx", "-i", work / "images", "-a", work / "a.json",
                    "-o", work / f"{which}.json", "--threads", 1, "-q")
        assert done.returncode == 0, done.stderr
        found[which] = json.loads((work / f"{which}.json").read_text())
    return found


def rows(detections, picture):
    """(n, 6): class, corners, score; best score first, as they came."""
    return np.array([(d["category_id"], d["bbox"][0], d["bbox"][1], d["bbox"][0] + d["bbox"][2],
                      d["bbox"][1] + d["bbox"][3], d["score"])
                     for d in detections if d["image_id"] == picture]).reshape(-1, 6)


def match(wanted, offered, free):
    """Index of the free offer of the same class that overlaps most, or None."""
    if not len(offered):
        return None
    iou = pipeline_reference.overlap(wanted[1:5], offered[:, 1:5])
    iou = np.where(free & (offered[:, 0] == wanted[0]), iou, 0)
    return int(np.argmax(iou)) if iou.max() >= MIN_IOU else None


def count_boxes(reference, model):
    """found, faded, added, reference's, model's boxes of one picture."""
    seen, faint = model[:, 5] >= MIN_SCORE, model[:, 5] < MIN_SCORE
    wanted = reference[reference[:, 5] >= MIN_SCORE]
    free = np.ones(len(model), bool)
    found = faded = 0
    for one in wanted:
        for pool in (seen, faint):
            at = match(one, model, free & pool)
            if at is not None:
                free[at] = False
                found, faded = found + (pool is seen), faded + (pool is faint)
                break
    return np.array([found, faded, seen.sum() - found, len(wanted), seen.sum()])


def test_sqnr_is_numpys(measured, work):
    sessions = [onnxruntime.InferenceSession(work / name, providers=["CPUExecutionProvider"])
                for name in ("reference.onnx", "model.onnx")]
    signal, noise = {}, {}
    for picture in PICTURES:
        tensor, _ = pipeline_reference.letterbox(picture)
        outputs = [session.run(None, {"images": tensor}) for session in sessions]
        for info, r, m in zip(sessions[0].get_outputs(), *outputs):
            r, m = r.astype(np.float64), m.astype(np.float64)
            signal.setdefault(info.name, []).append((r * r).sum())
            noise.setdefault(info.name, []).append(((r - m) ** 2).sum())
    assert {h["name"] for h in measured["heads"]} == signal.keys()
    for head in measured["heads"]:
        s, n = np.array(signal[head["name"]]), np.array(noise[head["name"]])
        assert head["sqnr_db"]["value"] == pytest.approx(10 * np.log10(s.sum() / n.sum()), abs=0.01)
        draws = np.random.default_rng(0).integers(0, len(s), (4000, len(s)))
        low, high = np.quantile(10 * np.log10(s[draws].sum(1) / n[draws].sum(1)), (0.025, 0.975))
        assert head["sqnr_db"]["low"] == pytest.approx(low, abs=0.15 * (high - low) + 0.01)
        assert head["sqnr_db"]["high"] == pytest.approx(high, abs=0.15 * (high - low) + 0.01)


def test_boxes_are_matched_as_the_rule_says(measured, boxes):
    counts = np.array([count_boxes(rows(boxes["reference"], i), rows(boxes["model"], i))
                       for i in range(len(PICTURES))])
    names = ("found_boxes", "faded_boxes", "added_boxes", "reference_boxes", "model_boxes")
    assert [measured[name] for name in names] == counts.sum(0).tolist()
    found, faded, added, reference, model = counts.T
    assert 0 < found.sum() < reference.sum() and added.sum() > 0, "the model must differ"
    for name, over, under in (("found", found, reference), ("faded", faded, reference),
                              ("added", added, model)):
        figure = measured[name]
        assert figure["value"] == pytest.approx(over.sum() / under.sum())
        draws = np.random.default_rng(0).integers(0, len(over), (4000, len(over)))
        low, high = np.quantile(over[draws].sum(1) / under[draws].sum(1), (0.025, 0.975))
        assert figure["low"] == pytest.approx(low, abs=0.15 * (high - low) + 0.005)
        assert figure["high"] == pytest.approx(high, abs=0.15 * (high - low) + 0.005)


def test_ap_against_the_reference_is_pycocotools(measured, boxes):
    seen = [d for d in boxes["reference"] if d["score"] >= MIN_SCORE]
    truths = [dict(d, id=i, area=d["bbox"][2] * d["bbox"][3], iscrowd=0)
              for i, d in enumerate(seen, 1)]
    truth = COCO()
    truth.dataset = {"images": [{"id": i} for i in range(len(PICTURES))],
                     "categories": [{"id": c} for c in range(80)], "annotations": truths}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        truth.dataset["info"] = {}
        scored = COCOeval(truth, truth.loadRes(boxes["model"]), "bbox")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    assert measured["ap"]["value"] == pytest.approx(scored.stats[0], abs=1e-12)
    assert measured["ap50"]["value"] == pytest.approx(scored.stats[1], abs=1e-12)
    assert measured["ap"]["low"] < measured["ap"]["value"] < measured["ap"]["high"]


def test_a_model_agrees_with_itself(tare, work):
    same = agreement(tare, work, "reference.onnx")
    assert same["found"]["value"] == 1 and same["added"]["value"] == 0 and same["ap"]["value"] == 1
    assert all(head["equal"] and head["sqnr_db"]["value"] is None for head in same["heads"])


def test_full_and_raw_heads_share_boxes_only(tare, work):
    done = tare("export", DATA / "yolov8n.pt", "-o", work / "full.onnx", "--head", "full")
    assert done.returncode == 0, done.stderr
    both = agreement(tare, work, "full.onnx")
    assert both["heads"] == [] and both["found"]["value"] == 1


@pytest.mark.parametrize("more, says", [
    ((), "needs --images DIR"),
    (("--images", "{work}/none"), "none"),
    (("--images", "{work}"), "no picture"),
    (("--images", "{work}/images", "--classes"), "--classes needs --annotations"),
])
def test_what_is_missing_is_said(tare, work, more, says):
    done = tare("eval", work / "model.onnx", "--against", work / "reference.onnx",
                *(text.format(work=work) for text in more))
    assert done.returncode in (1, 2) and says in done.stderr and not done.stdout


def test_outputs_that_are_not_finite_are_named(tare, work):
    model = onnx.load(work / "reference.onnx")
    last = {node.output[0]: node for node in model.graph.node}["cls8"]
    bias = next(t for t in model.graph.initializer if t.name == last.input[2])
    bias.CopyFrom(numpy_helper.from_array(
        np.full(tuple(bias.dims), np.nan, np.float32), bias.name))
    onnx.save(model, work / "nan.onnx")
    done = tare("eval", work / "nan.onnx", "--against", work / "reference.onnx", "--images",
                work / "images", "--threads", 1, "-q")
    assert done.returncode == 1 and "'cls8' has a value that is not finite" in done.stderr


def study(work, **settings):
    path = work / "study.json"
    path.write_text(json.dumps({
        "model": str(work / "model.onnx"), "images": str(work / "images"), "sweeps": 2, "runs": 1,
        "restarts": 1, "warmup_runs": 1, "warmup_ms": 1, "defaults": {"threads": 1},
        "cells": [{"name": "other", "runtime": "openvino"},
                  {"name": "exact", "model": str(work / "reference.onnx")}], **settings}))
    return path


def test_bench_says_what_eval_says(tare, work):
    """The figures of a study's cell are those of the same pair of files and runtimes by hand."""
    by_hand = agreement(tare, work, "model.onnx", "--runtime", "openvino", "--seed", 1)
    done = tare("bench", study(work, reference="exact"), "-o", work / "run.db", "-q", "--json",
                timeout=600)
    assert done.returncode == 0, done.stderr
    cells = {c["label"]: c["figures"] for c in json.loads(done.stdout)["ledgers"][0]["cells"]}
    assert not any(name.startswith("agreement.") for name in cells["exact"])
    figures = cells["other"]
    assert figures["agreement.pictures"] == len(PICTURES)
    for name in ("found", "faded", "added", "ap", "ap50"):
        for part, suffix in (("value", ""), ("low", ".low"), ("high", ".high")):
            assert figures[f"agreement.{name}{suffix}"] == pytest.approx(by_hand[name][part])
    for head in by_hand["heads"]:
        assert figures[f"agreement.sqnr_db.{head['name']}"] == pytest.approx(
            head["sqnr_db"]["value"])
    text = tare("report", work / "run.db").stdout
    assert "boxes of exact" in text and "worst head" in text


def test_the_reference_runs_in_the_batch_of_each_cell(tare, work):
    """A checkpoint's graphs have fixed batches: the reference of batch 2 is another cell's file."""
    cells = [{"name": "exact"}, {"name": "one", "runtime": "openvino"}, {"name": "two", "batch": 2},
             {"name": "other, two", "runtime": "openvino", "batch": 2}]
    path = study(work, model=str(DATA / "yolov8n.pt"), cells=cells, reference="exact",
                 confirm=False)
    done = tare("bench", path, "--models", work / "models", "-o", work / "batch.db", "-q", "--json",
                timeout=600)
    assert done.returncode == 0, done.stderr
    cells = {c["label"]: c["figures"] for c in json.loads(done.stdout)["ledgers"][0]["cells"]}
    assert cells["other, two"]["agreement.pictures"] == len(PICTURES)
    assert cells["other, two"]["agreement.found"] == pytest.approx(cells["one"]["agreement.found"])


def test_bench_refuses_a_reference_that_is_no_cell(tare, work):
    done = tare("bench", study(work, reference="nobody"), "-o", work / "none.db", "-q")
    assert done.returncode != 0 and "the reference 'nobody' is not a cell" in done.stderr
    assert not (work / "none.db").exists()
