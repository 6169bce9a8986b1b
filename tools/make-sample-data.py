#!/usr/bin/env python3
"""Makes data/ from the full sets: make-sample-data.py TARE_DATA OUTPUT

The rule of the split, so that anyone can make it again. Of coco128's pictures, those whose licence
lets anyone pass them on and adapt them: Attribution (4), Attribution-ShareAlike (5), no known
restrictions (7). Sorted by their number of annotations, most first, then by id: every fourth and
the last go to calibration, which needs no annotations; the others are for evaluation. So both
halves run from crowded to nearly empty, and the full pictures stay with the evaluation.
"""
import collections
import hashlib
import json
import pathlib
import shutil
import sys

LICENCES = {
    4: ("CC BY 2.0", "https://creativecommons.org/licenses/by/2.0/"),
    5: ("CC BY-SA 2.0", "https://creativecommons.org/licenses/by-sa/2.0/"),
    7: ("no known copyright restrictions", "https://www.flickr.com/commons/usage/"),
}
FULL_SETS = ("yolov8n/yolov8n.pt", "coco128", "calib64", "coco_eval", "track/bag")

ATTRIBUTION_HEAD = """\
# Attribution of the pictures

Every picture is part of COCO train2017, unchanged. The photographers who published them on Flickr
own them; each row names the licence they gave, as COCO recorded it, and the address. The number
that begins an address's last part leads to the photographer's page:
`https://www.flickr.com/photo.gne?id=NUMBER`.

The annotations (`sample/instances.json`) are by the COCO Consortium, under
[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), cut down to these pictures.

| picture | used for | licence | published at |
| --- | --- | --- | --- |
"""


def split(instances):
    """The images for evaluation and for calibration, each in the order of their ids."""
    boxes = collections.Counter(a["image_id"] for a in instances["annotations"])
    free = [image for image in instances["images"] if image["license"] in LICENCES]
    free.sort(key=lambda image: (-boxes[image["id"]], image["id"]))
    calibration = free[3::4] + free[-1:]
    chosen = {image["id"] for image in calibration}
    evaluation = [image for image in free if image["id"] not in chosen]
    evaluation.sort(key=lambda image: image["id"])
    return evaluation, sorted(calibration, key=lambda image: image["id"])


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_sums(output, root, paths):
    """The format of sha256sum -c, sorted by path."""
    rows = sorted((path.relative_to(root).as_posix(), sha256(path)) for path in paths)
    output.write_text("".join(f"{digest}  {name}\n" for name, digest in rows))


def files_below(path):
    return [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]


def write_attribution(output, evaluation, calibration):
    rows = [(image, "evaluation") for image in evaluation]
    rows += [(image, "calibration") for image in calibration]
    lines = [ATTRIBUTION_HEAD]
    for image, use in sorted(rows, key=lambda row: row[0]["id"]):
        name, address = LICENCES[image["license"]]
        lines.append(f"| {image['id']} | {use} | [{name}]({address}) | {image['flickr_url']} |\n")
    output.write_text("".join(lines))


def copy_pictures(source, folder, images):
    folder.mkdir(parents=True, exist_ok=True)
    for image in images:
        shutil.copyfile(source / image["file_name"], folder / image["file_name"])


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: make-sample-data.py TARE_DATA OUTPUT")
    full, data = map(pathlib.Path, sys.argv[1:])
    instances = json.loads((full / "coco128/instances.json").read_text())
    evaluation, calibration = split(instances)

    copy_pictures(full / "coco128/images", data / "sample/images", evaluation)
    copy_pictures(full / "coco128/images", data / "calibration", calibration)
    shutil.copyfile(full / "yolov8n/yolov8n.pt", data / "yolov8n.pt")

    chosen = {image["id"] for image in evaluation}
    instances["images"] = evaluation
    instances["annotations"] = [a for a in instances["annotations"] if a["image_id"] in chosen]
    (data / "sample/instances.json").write_text(json.dumps(instances) + "\n")

    write_attribution(data / "ATTRIBUTION.md", evaluation, calibration)
    made = [data / "yolov8n.pt", *files_below(data / "sample"), *files_below(data / "calibration")]
    write_sums(data / "SHA256SUMS", data, made)
    full_files = [f for name in FULL_SETS for f in files_below(full / name)]
    write_sums(data / "full.sha256", full, full_files)
    print(f"{len(evaluation)} pictures with {len(instances['annotations'])} annotations for "
          f"evaluation, {len(calibration)} pictures for calibration")


if __name__ == "__main__":
    main()
