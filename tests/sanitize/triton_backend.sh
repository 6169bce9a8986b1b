# Triton's backend under AddressSanitizer, in a real tritonserver: it answers, and stays up under
# malformed requests, while models come and go, and after models that cannot load.
case $TARE_BIN in
*asan*) ;;
*) echo "only AddressSanitizer's runtime can be loaded before a server" >&2 && exit 77 ;;
esac
python=$ROOT/.deps/venv/bin/python
[ -x "$python" ] || { echo "no $python: run 'tools/setup test'" >&2 && exit 77; }
PYTHONDONTWRITEBYTECODE=1 "$python" -m pytest -q -x -p no:cacheprovider \
    "$ROOT/tests/python/test_triton_backend.py"
