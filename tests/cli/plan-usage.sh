# What cannot be asked for is said before any library is looked for, and nothing is written.
try() {
    status=0
    tare plan "$@" || status=$?
    echo "$status"
}

try
try a.onnx b.onnx
try a.onnx --precision int4
try a.onnx --max-batch 0
try a.onnx --dla 99
try none.onnx
tare export "$ROOT/data/yolov8n.pt" --imgsz 32 -o n.onnx >/dev/null
tare quantize n.onnx --precision bf16 -o n.bf16.onnx >/dev/null
try n.bf16.onnx
try n.onnx --precision int8
try n.onnx --dla 0
try n.onnx --precision fp16 --calibration n.cache
try n.onnx --max-batch 4
try n.onnx --for gpu
ls
