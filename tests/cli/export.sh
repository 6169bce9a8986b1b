# A checkpoint becomes a model; what cannot become one says why, and leaves nothing behind.
cp "$ROOT/data/yolov8n.pt" .
"$TARE" export yolov8n.pt | sed 's/[0-9]* ms$/N ms/'
"$TARE" export yolov8n.pt -o full.onnx --head full --imgsz 320 --batch dynamic |
    sed 's/[0-9]* ms$/N ms/'
"$TARE" export yolov8n.pt --imgsz 64 --json -o small.onnx | grep -v elapsed_ns | tr -d ' \n'
echo
"$TARE" export yolov8n.pt -o - --imgsz 64 | cmp - small.onnx
ls *.onnx*

refused() {
    "$TARE" export "$@" && exit 1
    echo "exit $?"
    test ! -e refused.onnx
}
refused
refused yolov8n.pt -o refused.onnx --imgsz 100
refused yolov8n.pt -o refused.onnx --batch 0
refused yolov8n.pt -o refused.onnx --head both
refused absent.pt -o refused.onnx
refused full.onnx -o refused.onnx
head -c 1000000 yolov8n.pt >short.pt
refused short.pt -o refused.onnx
refused yolov8n.pt -o absent/refused.onnx
refused yolov8n.pt -o /dev/full
