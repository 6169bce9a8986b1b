#!/bin/sh
# tools/gpu-study.sh - studies/yolov8-gpu.json on this machine's GPU: in one command from a clone
# that was built, or from an unpacked gpu-pack (where it is called run-study), to a result bundle.
#
#     tools/gpu-study.sh [-o DIR] [-p PYTHON] [-l LIBRARY] [-s STUDY] [-- OPTIONS OF TARE BENCH]
#
#     -o DIR      where results go (gpu-result); called again with the same one, it goes on
#     -p PYTHON   an interpreter that has PyTorch (TARE_PYTHON, else python3)
#     -l LIBRARY  libonnxruntime.so of onnxruntime-gpu, or a folder with it (TARE_ONNXRUNTIME_CUDA,
#                 TARE_ONNXRUNTIME, else the one in PYTHON's packages)
#     -s STUDY    another study
#
# Pictures: data/coco128 of the pack, else that of TARE_DATA, else the study's own 24.
# What is missing costs its cells a row that says so, and nothing else.
set -eu

root=$(cd "$(dirname "$0")" && pwd)
[ -d "$root/studies" ] || root=$(cd "$root/.." && pwd)
name=$(basename "$0")
tare=$root/bin/tare
out=gpu-result
study=$root/studies/yolov8-gpu.json
python=
library=

say() {
    printf '%s: %s\n' "$name" "$*" >&2
}

die() {
    say "$*"
    exit 1
}

while getopts o:p:l:s:h option; do
    case $option in
    o) out=${OPTARG%"${OPTARG##*[!/]}"} ;; # without slashes at its end: the bundle lies beside it
    p) python=$OPTARG ;;
    l) library=$OPTARG ;;
    s) study=$OPTARG ;;
    h)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

[ -x "$tare" ] || die "no program '$tare': 'make' builds it in a clone"
[ -r "$study" ] || die "cannot read '$study'"
. "$root/tools/gpu-runtimes.sh"
use_runtimes "$python" "$library"
[ -n "$python" ] ||
    say "no python3: PyTorch's cells will say so; -p names an interpreter that has PyTorch"
[ -n "$found" ] ||
    say "no ONNX Runtime for GPUs: its cells will say so; -l names its libonnxruntime.so"

pictures=$root/data/coco128
[ -d "$pictures" ] || pictures=${TARE_DATA:+$TARE_DATA/coco128}
models=$root/models
[ -d "$models" ] || models=$out/models
mkdir -p "$out" "$models"

"$tare" doctor >"$out/doctor.txt" 2>&1 || true
result=$out/result.sqlite
if [ -s "$result" ]; then
    say "goes on with '$result', as it was begun"
    set -- --resume "$result"
else
    [ -z "$pictures" ] || set -- -i "$pictures/images" -a "$pictures/instances.json" "$@"
    set -- "$study" -o "$result" "$@"
fi
{ "$tare" bench "$@" --models "$models" --no-ledger 2>&1 || true; } | tee -a "$out/log.txt" >&2
[ -s "$result" ] || die "no result; '$out/log.txt' says why"

"$tare" report "$result" -o "$out/report.html" --csv "$out/report.csv" --svg "$out/ledger.svg" \
    >"$out/report.txt"
"$tare" report "$result" --json >"$out/report.json"
mkdir -p "$out/engines" # what they are; the engines themselves hold for this machine alone
find "$models" -name '*.plan.json' -exec cp {} "$out/engines" ';'
bundle=$out.tar.gz
tar -czf "$bundle" --exclude=models -C "$(dirname "$out")" "$(basename "$out")"
cat "$out/report.txt"
say "report: $out/report.html"
say "bundle: $bundle"
