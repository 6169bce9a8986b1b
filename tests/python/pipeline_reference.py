"""JPEG to boxes in OpenCV, PyTorch and NumPy: what the program's own pipeline is compared with.

The rules are those of the published COCO figures: letterbox of 114 on a square, confidence over
0.001, every class of a box that is over it, suppression within a class over an IoU of 0.7, the
300 best boxes of a picture.
"""
import cv2
import numpy as np
import torch

CATEGORY_IDS = [c for c in range(1, 91) if c not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]


def letterbox(path, size=640):
    """(1, 3, size, size) RGB of 0..1, and how the picture lies in it: scale, left, top, w, h."""
    picture = cv2.imread(str(path))
    height, width = picture.shape[:2]
    scale = min(size / height, size / width)
    w, h = round(width * scale), round(height * scale)
    if (w, h) != (width, height):
        picture = cv2.resize(picture, (w, h), interpolation=cv2.INTER_LINEAR)
    left, top = round((size - w) / 2 - 0.1), round((size - h) / 2 - 0.1)
    square = cv2.copyMakeBorder(picture, top, size - h - top, left, size - w - left,
                                cv2.BORDER_CONSTANT, value=(114, 114, 114))
    tensor = np.ascontiguousarray(square[:, :, ::-1].transpose(2, 0, 1), dtype=np.float32) / 255
    return tensor[None], (scale, left, top, width, height)


def overlap(box, others):
    """IoU of one corner box with each of others (n, 4)."""
    corner = np.maximum(box[:2], others[:, :2])
    side = np.clip(np.minimum(box[2:], others[:, 2:]) - corner, 0, None)
    both = side[:, 0] * side[:, 1]
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    return both / (area + areas - both)


def suppress(boxes, scores, classes, iou):
    """Indices of the boxes that stay, best score first."""
    order = np.argsort(-scores, kind="stable")
    keep = []
    for one in np.unique(classes):
        left = order[classes[order] == one]
        while len(left):
            keep.append(left[0])
            left = left[1:][overlap(boxes[left[0]], boxes[left[1:]]) <= iou]
    keep = np.array(keep, dtype=int)
    return keep[np.argsort(-scores[keep], kind="stable")]


def boxes(head, frame, min_score=0.001, iou=0.7, most=300):
    """Of one picture's full head (4 + C, A): corners in the picture's pixels, scores, classes."""
    scale, left, top, width, height = frame
    classes, anchors = np.nonzero(head[4:] > min_score)
    scores = head[4:][classes, anchors]
    best = np.argsort(-scores, kind="stable")[:30000]
    classes, anchors, scores = classes[best], anchors[best], scores[best]
    x, y, w, h = head[:4, anchors]
    corners = np.stack((x - w / 2, y - h / 2, x + w / 2, y + h / 2), axis=1)
    keep = suppress(corners, scores, classes, iou)[:most]
    corners = (corners[keep] - (left, top, left, top)) / scale
    corners = np.clip(corners, 0, (width, height, width, height))
    return corners, scores[keep], classes[keep]


@torch.no_grad()
def detect(model, images, folder, size=640):
    """COCO detections of a PyTorch model over `images`, rows of a COCO annotation file."""
    found = []
    for image in images:
        tensor, frame = letterbox(folder / image["file_name"], size)
        corners, scores, classes = boxes(model(torch.from_numpy(tensor))[0].numpy(), frame)
        for (x1, y1, x2, y2), score, one in zip(corners, scores, classes):
            found.append({"image_id": image["id"], "category_id": CATEGORY_IDS[one],
                          "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
                          "score": float(score)})
    return found
