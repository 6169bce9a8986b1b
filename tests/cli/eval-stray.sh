# A detection of a picture that the annotations do not list.
echo '{"images": [{"id": 1}], "categories": [{"id": 1}], "annotations": []}' >truth.json
echo '[{"image_id": 2, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]' >found.json
tare eval -a truth.json -d found.json
