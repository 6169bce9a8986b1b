# The equal trtexec commands, for which nothing needs to be installed.
export TARE_TENSORRT=nowhere
tare export "$ROOT/data/yolov8n.pt" --imgsz 32 --batch dynamic -o "my n.onnx" >/dev/null
tare plan "my n.onnx" --precision fp16 --max-batch 8 --workspace 512 --commands
tare plan "my n.onnx" --precision int8 --calibration n.cache --dla 1 --commands
tare plan "my n.onnx" --no-tf32 --level 5 --timing-cache t.cache --commands --json
ls
