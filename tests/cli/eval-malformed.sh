# Malformed JSON is named by line and column, and nothing is printed as a result.
echo '{"images": [], "categories": [], "annotations": []}' >truth.json
printf '[{"image_id": 1,\n "category_id": oops}]' >found.json
tare eval -a truth.json -d found.json
