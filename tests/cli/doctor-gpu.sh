# A GPU that a stand-in of NVIDIA's driver plays: what is said of it, its libraries and its peaks.
fixtures="$ROOT/build/fixtures"
[ -e "$fixtures/cuda_standin.so" ] || { echo "build/fixtures is not built" >&2; exit 77; }
mkdir plugins libraries
touch libraries/libcudnn.so.8 libraries/libnvinfer.so.10 libraries/libonnxruntime_providers_cuda.so
export TARE_PLUGINS="$PWD/plugins" LD_LIBRARY_PATH="$PWD/libraries"
export TARE_ONNXRUNTIME_CUDA="$PWD/libraries/libonnxruntime.so"
export TARE_CUDA_DRIVER="$fixtures/cuda_standin.so" TARE_CUBLASLT="$fixtures/cublaslt_standin.so"
export TRITONSERVER_LIB=/nowhere/libtritonserver.so STANDIN_CUDA=devices=2,sm=87,integrated=1
"$TARE" doctor | sed -n '/^gpu/,/^serving/p'
"$TARE" doctor --json | sed -n '/"gpu"/,/"tritonserver"/p' | grep -c stand_in
STANDIN_CUDA=fail=cuInit:0 "$TARE" doctor | grep ^gpu
STANDIN_CUDA=sm=75,memory_mb=1 "$TARE" doctor --peaks | sed -n '/^cuda/,$p'
export STANDIN_CUDA=memory_mb=1
STANDIN_CUBLASLT=wrong=int8,lacks=fp32 "$TARE" doctor --peaks --json >peaks.json || echo "exit $?"
grep -c 'wrong answers' peaks.json
STANDIN_CUDA=devices=0 "$TARE" doctor --peaks | tail -n 1
