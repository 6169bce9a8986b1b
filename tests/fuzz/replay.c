/*
 * The main of a fuzz target outside the fuzzer: gives it each file named.
 *
 *     build/asan/tests/fuzz/fuzz_json tests/fuzz/corpus/json/...
 *
 * The last file named on stderr is the one that a crash belongs to. An input that takes more than
 * ten seconds ends the program.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define INPUT_MAX_BYTES ((size_t)16 << 20)
#define INPUT_MAX_S     10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Gives the target a copy of exactly the input's size, so that a read past its end is seen. */
static enum tare_status replay(const char *path, struct tare_err *err)
{
    char *text = NULL;
    uint8_t *input = NULL;
    size_t size = 0;
    enum tare_status status = file_read(path, INPUT_MAX_BYTES, &text, &size, err);

    if (status)
        goto done;
    input = malloc(size ? size : 1);
    if (!input) {
        status = tare_fail(err, TARE_NOMEM, "no memory for '%s'", path);
        goto done;
    }
    memcpy(input, text, size);
    (void)alarm(INPUT_MAX_S);
    (void)LLVMFuzzerTestOneInput(input, size);
    (void)alarm(0);
done:
    free(input);
    free(text);
    return status;
}

int main(int argc, char **argv)
{
    struct tare_err err = TARE_ERR_INIT;

    for (int i = 1; i < argc; i++) {
        (void)fprintf(stderr, "replaying %s\n", argv[i]);
        if (replay(argv[i], &err) != TARE_OK) {
            (void)fprintf(stderr, "%s\n", err.text);
            return 1;
        }
    }
    (void)printf("replayed %d inputs\n", argc - 1);
    return 0;
}
