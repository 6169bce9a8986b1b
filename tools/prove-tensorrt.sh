#!/bin/sh
# tools/prove-tensorrt.sh - TensorRT's part of tare, run for real on the GPU of this machine (an RTX
# A6000, a Jetson AGX Orin, any other): checks what is needed, builds the engines, runs
# studies/yolov8-gpu.json with joules, and ends in a bundle to send. Works in a clone that was built
# and in an unpacked gpu-pack; -o, -p, -l and what follows -- are tools/gpu-study.sh's. One step
# alone: --check says what is missing and does nothing.
#
# What is missing is one line each. Without a driver, a device or TensorRT it stops there; without
# PyTorch or ONNX Runtime for GPUs it goes on, and their cells say so. TARE_TENSORRT names another
# libnvinfer.so, TARE_DLA=0 builds for that DLA core of a Jetson too.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tare=$root/bin/tare
out=prove-tensorrt-result
check=no
missing=0
python=
library=

say() {
    printf 'prove-tensorrt: %s\n' "$*" >&2
}

die() {
    say "$*"
    exit 1
}

lack() {
    say "missing: $*"
    missing=1
}

# runtime NAME: what tare doctor says of a runtime, "ok ..." or the reason why not
runtime() {
    printf '%s\n' "$doctor" | awk -v name="$1" '$1 == name {
        sub(/^ *[^ ]+ +/, ""); text = $0; on = 1; next }
        on && /^ {10}/ { sub(/^ +/, ""); text = text " " $0; next }
        { on = 0 }
        END { gsub(/ +/, " ", text); print text }'
}

check_driver() {
    if [ -n "${TARE_CUDA_DRIVER:-}" ]; then
        say "driver: '$TARE_CUDA_DRIVER' in the real one's place: nothing below is a measurement"
        [ -r "$TARE_CUDA_DRIVER" ] || lack "the driver '$TARE_CUDA_DRIVER' (TARE_CUDA_DRIVER)"
        return
    fi
    for place in $(printf '%s' "${LD_LIBRARY_PATH:-}" | tr ':' ' ') /usr/lib/*-linux-gnu \
        /usr/lib/*-linux-gnu/nvidia /usr/lib/*-linux-gnu/tegra /usr/lib64 /usr/lib /lib \
        /usr/local/nvidia/lib64 /usr/lib/wsl/lib; do
        [ ! -e "$place/libcuda.so.1" ] || return 0
    done
    if ! ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1 '; then
        lack "NVIDIA's driver: there is no libcuda.so.1"
    fi
}

check_device() {
    [ -z "${TARE_CUDA_DRIVER:-}" ] || return 0
    for device in /dev/nvidia0 /dev/nvhost-gpu /dev/nvgpu /dev/dxg; do
        [ ! -e "$device" ] || return 0
    done
    lack "a GPU: there is no /dev/nvidia0 (or, on a Jetson, /dev/nvhost-gpu)"
}

check_runtime() {
    said=$(runtime "$1")
    case $said in
    'ok '*) say "$2: ${said#ok }" ;;
    '') "$3" "$2: this tare has no plugin '$1'" ;;
    'absent '*) "$3" "$2: ${said#absent }" ;;
    *) "$3" "$2: $said" ;;
    esac
}

# note ...: what can do without
note() {
    say "without $*"
}

# build PRECISION MODEL OPTIONS...: the engine in $models, or a line that says why not
build() {
    precision=$1
    model=$2
    shift 2
    if "$tare" plan "$model" --precision "$precision" -o "$models" "$@" >>"$log" 2>&1; then
        say "engine: $precision $*"
    else
        say "no engine in $precision $*: $(tail -n 1 "$log")"
    fi
}

if [ "${1:-}" = --check ]; then
    check=yes
    shift
fi
while getopts o:p:l:s:h option; do # the others are passed on as they are
    case $option in
    o) out=${OPTARG%"${OPTARG##*[!/]}"} ;;
    p) python=$OPTARG ;;
    l) library=$OPTARG ;;
    s) ;;
    h)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *) exit 2 ;;
    esac
done

[ -x "$tare" ] || die "missing: the program '$tare': 'make' builds it in a clone"
. "$root/tools/gpu-runtimes.sh"
use_runtimes "$python" "$library"
doctor=$("$tare" doctor 2>&1) || true
check_driver
check_device
check_runtime tensorrt TensorRT lack
check_runtime onnxruntime 'ONNX Runtime' note
check_runtime torch PyTorch note
[ "$missing" = 0 ] || exit 1
if [ "$check" = yes ]; then
    say "all that it needs is here"
    exit 0
fi
models=$root/models
[ -d "$models" ] || models=$out/models
mkdir -p "$out" "$models"
log=$out/log.txt
fp32=$models/yolov8n-raw-640-b1.onnx
int8=$models/yolov8n-raw-640-b1.int8-tensorrt.onnx
"$tare" export "$root/data/yolov8n.pt" -o "$fp32" >>"$log" 2>&1
[ -s "$int8" ] || "$tare" quantize "$fp32" --images "$root/data/calibration" --for tensorrt \
    -o "$int8" >>"$log" 2>&1 || say "no INT8 model: $(tail -n 1 "$log")"
build fp32 "$fp32" --no-tf32
build fp16 "$fp32"
[ ! -s "$int8" ] || build int8 "$int8"
[ -z "${TARE_DLA:-}" ] || build fp16 "$fp32" --dla "$TARE_DLA"

"$root/tools/gpu-study.sh" -o "$out" "$@"
say "please send $out.tar.gz: it holds the figures, the report, what 'tare doctor' says of the"
say "machine, what the engines were built for and the log; no pictures and no engines"
