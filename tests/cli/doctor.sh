# Another machine's /proc and /sys, a broken plugin, and no runtime: what is wrong is said, with 1.
mkdir plugins
echo "not a plugin" >plugins/broken.so
export TARE_PLUGINS="$PWD/plugins"
export TARE_ONNXRUNTIME=/nowhere/libonnxruntime.so TARE_PYTHON=/nowhere/python3
export TARE_OPENVINO=/nowhere/libopenvino_c.so TRITONSERVER_LIB=/nowhere/libtritonserver.so
export TRITONSERVER=/nowhere/tritonserver TARE_CUDA_DRIVER=/nowhere/libcuda.so.1
unset TARE_DATA
"$TARE" doctor --root "$ROOT/tests/fixtures/machines/orin" || echo "exit $?"
"$TARE" doctor --json --root "$ROOT/tests/fixtures/machines/xeon" | grep -c '"amx_int8"'
"$TARE" doctor --root /nowhere || echo "exit $?"
"$TARE" doctor surplus
