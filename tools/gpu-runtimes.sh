# tools/gpu-runtimes.sh - for tools/gpu-study.sh and tools/prove-tensorrt.sh, which source it: the
# Python and the ONNX Runtime that a study on a GPU takes. The caller has die() and $root.

# first_library PLACE...: the first of these files, or in these folders, that is an ONNX Runtime
first_library() {
    for place; do
        if [ -d "$place" ]; then
            find "$place" -name 'libonnxruntime.so*' 2>/dev/null | sort | head -n 1
        elif [ -f "$place" ]; then
            printf '%s\n' "$place"
        fi
    done | head -n 1
}

# use_runtimes PYTHON LIBRARY: exports what tare looks at; "": what there is. Leaves in $python the
# interpreter, in $found the library; empty: none.
use_runtimes() {
    python=${1:-${TARE_PYTHON:-$(command -v python3 || true)}}
    library=${2:-${TARE_ONNXRUNTIME_CUDA:-${TARE_ONNXRUNTIME:-}}}
    found=
    if [ -n "$python" ]; then
        command -v "$python" >/dev/null 2>&1 ||
            die "cannot run '$python', need an interpreter that has PyTorch"
        # Before the others on PATH: its packages are where CUDA's libraries are looked for too.
        PATH=$(dirname "$(command -v "$python")"):$PATH
        export PATH
        export TARE_PYTHON="$python"
    fi
    if [ -n "$library" ]; then
        found=$(first_library "$library")
        [ -n "$found" ] || die "no libonnxruntime.so at '$library'"
    elif [ -n "$python" ]; then
        package=$("$python" -c 'import importlib.util as u
s = u.find_spec("onnxruntime")
print(*(s.submodule_search_locations if s else ()), sep="\n")' 2>/dev/null | head -n 1 || true)
        [ -z "$package" ] || found=$(first_library "$package")
    fi
    [ -n "$found" ] || return 0
    export TARE_ONNXRUNTIME="${TARE_ONNXRUNTIME:-$found}"
    [ -f "$TARE_ONNXRUNTIME" ] || TARE_ONNXRUNTIME=$found
    # A Python's may be for the processor alone; it must not hide the one of tools/setup ort-cuda.
    if [ -n "$library" ] || [ -f "$(dirname "$found")/libonnxruntime_providers_cuda.so" ]; then
        export TARE_ONNXRUNTIME_CUDA="$found"
    else
        found=$(first_library "$root/.deps/ort-cuda/onnxruntime/capi")
    fi
}
