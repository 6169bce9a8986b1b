# A repository is rendered whole or not at all; what is not a rendering of tare's is left alone.
export TMPDIR="$PWD/tmp"
mkdir tmp
"$TARE" repo -o cpu
(cd cpu && find . -type f | LC_ALL=C sort)
grep -A 3 '^dynamic_batching' cpu/yolov8/config.pbtxt
"$TARE" repo -o cpu --models nms,yolov8_ensemble --max-batch 4 --queue-delay-us 0 --json
grep -A 3 '^dynamic_batching' cpu/yolov8/config.pbtxt
"$TARE" repo --target a6000 -o gpu --models yolov8_ensemble --precision fp32
"$TARE" repo --target orin -o orin --models yolov8 --json | grep -c model.plan

# other sizes and classes come from the file itself; a graph of one picture takes one
"$TARE" export "$ROOT/data/yolov8n.pt" --imgsz 320 -o small.onnx >/dev/null
"$TARE" repo small.onnx -o small --models yolov8,preprocess
grep -e max_batch -e dims -e '^dynamic' small/*/config.pbtxt

refused() {
    "$TARE" repo "$@" && exit 1
    echo "exit $?"
}
refused
refused small.onnx small.onnx -o x
refused -o x --target tpu
refused -o x --models yolov8,yolov9
refused -o x --max-batch 0
refused -o x --precision int8
refused -o x --plugin '"'
refused small.onnx -o x --max-batch 2
refused absent.onnx -o x
"$TARE" export "$ROOT/data/yolov8n.pt" --imgsz 64 --head full -o full.onnx >/dev/null
refused full.onnx -o x
"$TARE" export "$ROOT/data/yolov8n.pt" --imgsz 64 --batch 2 -o two.onnx >/dev/null
refused two.onnx -o x
test ! -e x

mkdir mine
echo precious >mine/file
refused -o mine
refused -o mine/file
touch cpu/yolov8/1/mine
refused -o cpu
"$TARE" repo small.onnx -o cpu --force --models nms
ls cpu mine tmp
refused -o mine/file/x
