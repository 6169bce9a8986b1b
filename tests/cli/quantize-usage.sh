# What cannot be asked for is said before anything is read, and nothing is written.
try() {
    status=0
    tare quantize "$@" -o out.onnx || status=$?
    echo "$status"
}

try
try model.onnx
try model.onnx --method guess --images .
try model.onnx --for dla --images .
try model.onnx --precision int4
try nothing.onnx --images .
mkdir empty
tare export "$ROOT/data/yolov8n.pt" --imgsz 32 -o small.onnx >/dev/null
try small.onnx --images empty
ls
