# A whole study of the null backend: export, workers, sweeps, store, report, under a sanitizer.
# $TARE is the program built with it; what it finds in a worker process is in a file of its own.
export ASAN_OPTIONS="$ASAN_OPTIONS:log_path=$TMPDIR/found"
export TSAN_OPTIONS="$TSAN_OPTIONS:log_path=$TMPDIR/found"
export UBSAN_OPTIONS="$UBSAN_OPTIONS:log_path=$TMPDIR/found"
trap 'if cat "$TMPDIR"/found* 2>/dev/null; then exit 1; fi' EXIT

"$TARE" bench "$ROOT/data/yolov8n.pt" --runtime null --images "$ROOT/data/calibration" \
    --threads 1,2 --sweeps 3 --restarts 2 --runs 10 --warmup 1ms --warmup-runs 2 \
    --output "$TMPDIR/null.db"
"$TARE" report "$TMPDIR/null.db" -o "$TMPDIR/report.html"
