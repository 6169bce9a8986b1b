# AArch64's kernels, on the processors that an emulator has: with all extensions, with FP16 and dot
# products, with NEON alone. What is absent is not called, what is there is right.
command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64-static >/dev/null || exit 77
for source in "$ROOT"/src/base/*.c "$ROOT/src/measure/peak.c" \
        "$ROOT"/src/measure/peak_[!c]*.c "$ROOT/src/stats/random.c" "$ROOT/src/vision/half.c" \
        "$ROOT/tests/unit/test_peak.c"; do
    case $source in */base/library.c) continue ;; esac # dlopen has no place in a static program
    aarch64-linux-gnu-gcc -O2 -std=c11 -D_GNU_SOURCE -ffp-contract=off -pthread -Wall -Wextra \
        -Werror -I"$ROOT/include" -I"$ROOT/src" -c "$source"
done
aarch64-linux-gnu-gcc -static -pthread ./*.o -lm -o test_peak
for cpu in max cortex-a76 cortex-a72; do
    echo "$cpu"
    qemu-aarch64-static -cpu "$cpu" ./test_peak kernels 2>names
    cut -d ' ' -f 2- names | tr '\n' ',' && echo
done
