# The twelve figures, the classes, and an interval; two pictures, both boxes found by one file.
cat >truth.json <<'END'
{"images": [{"id": 1}, {"id": 2}],
 "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
 "annotations": [
  {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 40], "area": 2000, "iscrowd": 0},
  {"id": 2, "image_id": 2, "category_id": 1, "bbox": [9, 9, 20, 20], "area": 400, "iscrowd": 0}]}
END
cat >both.json <<'END'
[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 40], "score": 0.9},
 {"image_id": 2, "category_id": 1, "bbox": [9, 9, 20, 20], "score": 0.8}]
END
echo '[{"image_id": 2, "category_id": 1, "bbox": [9, 9, 20, 20], "score": 0.8}]' >one.json
tare eval --annotations truth.json --detections both.json --classes
tare eval -a truth.json -d both.json --against one.json --resamples 200
tare eval -a truth.json -d one.json --json
