# What is wrong is said before anything is started; without a server, with 1.
export XDG_RUNTIME_DIR="$PWD/run" TMPDIR="$PWD/tmp"
mkdir run tmp

refused() {
    "$TARE" serve "$@" && exit 1
    echo "exit $?"
}
refused --status
refused --status --json
"$TARE" serve --stop
refused a.onnx b.onnx
refused --stop --status
refused --stop --detach
refused --repository r -o r
refused --http-port 65536
refused --target tpu
refused absent.onnx
refused --server /nowhere/tritonserver
refused --repository absent
TRITONSERVER=/nowhere/tritonserver
export TRITONSERVER
refused
refused --detach
ls run tmp
