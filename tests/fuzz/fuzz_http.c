/*
 * Any bytes as an HTTP response, the first of them as the size of the pieces that it comes in: in
 * pieces and as a whole it is read the same, and no more of it is used than there is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kserve/http_read.h"

#define BODY_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum http_event last;
    int status;
    size_t used, body_bytes;
    char body[BODY_MAX];
};

static void check_piece(const struct http_piece *piece, const char *from, size_t size)
{
    if (piece->size == 0 || piece->bytes < from || piece->bytes + piece->size > from + size)
        abort();
}

static void read_steps(const char *text, size_t size, size_t step, struct outcome *outcome)
{
    struct http_reader *reader = malloc(sizeof(*reader));
    struct http_piece piece;
    size_t used;

    memset(outcome, 0, sizeof(*outcome));
    if (!reader)
        return;
    http_read_start(reader, BODY_MAX);
    for (size_t at = 0; at < size && (outcome->last == HTTP_MORE);) {
        size_t end = size - at < step ? size : at + step;

        do {
            outcome->last = http_read_next(reader, text + at, end - at, &used, &piece);
            if (used > end - at)
                abort();
            if (outcome->last == HTTP_BODY) {
                check_piece(&piece, text + at, end - at);
                if (piece.size > BODY_MAX - outcome->body_bytes)
                    abort();
                memcpy(outcome->body + outcome->body_bytes, piece.bytes, piece.size);
                outcome->body_bytes += piece.size;
            }
            at += used;
        } while (outcome->last == HTTP_HEAD || outcome->last == HTTP_BODY);
        outcome->used = at;
    }
    if (outcome->last == HTTP_MORE)
        outcome->last = http_read_closed(reader);
    outcome->status = reader->status;
    if (outcome->last == HTTP_BAD && !reader->fault)
        abort();
    free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, split;

    if (size == 0)
        return 0;
    read_steps((const char *)data + 1, size - 1, SIZE_MAX, &whole);
    read_steps((const char *)data + 1, size - 1, data[0] ? data[0] : 1, &split);
    if (whole.last != split.last || whole.body_bytes != split.body_bytes ||
        memcmp(whole.body, split.body, whole.body_bytes) != 0)
        abort();
    if (whole.last == HTTP_DONE && (whole.used != split.used || whole.status != split.status))
        abort();
    return 0;
}
