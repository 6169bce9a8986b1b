# One picture through the checkpoint that comes with tare: a table, the picture with boxes, JSON.
cp "$ROOT/data/sample/images/000000000030.jpg" vase.jpg
if ! "$TARE" predict vase.jpg -o boxes.jpg >table 2>error; then
    grep -q 'no ONNX Runtime' error && { echo "no ONNX Runtime" >&2; exit 77; }
    cat error >&2
    exit 1
fi
cat table
"$TARE" predict boxes.jpg --min-score 0.9999
"$TARE" predict vase.jpg --json --min-score 0.5 | grep -e '"class"' -e '"width"'
"$TARE" predict vase.jpg --model "$ROOT/data/yolov8n.pt" -o - | head -c 3 | od -An -tx1
ls
