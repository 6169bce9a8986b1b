/*
 * infer_answer.h - what a response to an inference is checked against, and where its tensors go.
 * The readers of the two encodings (infer_json.h, infer_proto.h) announce the outputs in the order
 * in which the server sends them, then the bytes of those on the wire follow in that order, and are
 * put straight into the caller's memory. Each asked for must come once, with the dtype that it was
 * bound with, and fit in its memory; nothing else may come.
 *
 * Threads: an answer belongs to one thread.
 */
#ifndef TARE_KSERVE_INFER_ANSWER_H
#define TARE_KSERVE_INFER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"
#include "tare/tensor.h"

#define INFER_TENSORS_MAX 256 /* a side */

/* An output that is asked for. */
struct infer_output {
    struct tare_tensor tensor; /* as bound; data NULL: only its shape is wanted */
    bool shared;               /* the server writes it: no bytes come */

    /* of the last answer */
    int32_t rank;
    int64_t shape[TARE_MAX_RANK];
    int64_t wire_bytes; /* that come; -1: not said yet */
    bool seen;
};

struct infer_answer {
    struct infer_output *outputs; // (count)
    size_t count;

    /* since infer_answer_begin() */
    size_t order[INFER_TENSORS_MAX]; // (ordered): outputs as they were announced
    size_t ordered;
    size_t piece;       /* how many of them are complete */
    int64_t piece_left; /* bytes of the next one that have not come yet; -1: it has not begun */
};

/* What the server says of an output. */
struct infer_said {
    const char *name; /* name_bytes of them; need not end */
    size_t name_bytes;
    enum tare_dtype dtype;
    int32_t rank;
    int64_t shape[TARE_MAX_RANK];
    int64_t wire_bytes; /* -1: not said, as gRPC does */
};

/* By its name ("FP32", not ended); TARE_DTYPE_NONE if it is none. */
enum tare_dtype infer_dtype(const char *name, size_t size);

void infer_answer_begin(struct infer_answer *answer);

/* An output that comes. TARE_BADDATA if it was not asked for, comes twice or is not what was bound;
 * TARE_LIMIT if it does not fit. */
enum tare_status infer_answer_output(struct infer_answer *answer, const struct infer_said *said,
                                     struct tare_err *err);

/* All outputs have been announced. wire_bytes: of all that follow; -1: not known. */
enum tare_status infer_answer_listed(const struct infer_answer *answer, int64_t wire_bytes,
                                     struct tare_err *err);

/* The bytes of the next output begin, so many (gRPC says so only then). */
enum tare_status infer_answer_piece(struct infer_answer *answer, int64_t wire_bytes,
                                    struct tare_err *err);

/* Where its next bytes go and how many it still needs; *place is NULL if they are not wanted. 0: it
 * is complete or has not begun. */
size_t infer_answer_place(struct infer_answer *answer, uint8_t **place);

/* So many of them are there now. */
void infer_answer_placed(struct infer_answer *answer, size_t count);

/* Takes bytes of as many outputs as they hold, whose wire_bytes must be known: HTTP. */
enum tare_status infer_answer_take(struct infer_answer *answer, const uint8_t *bytes, size_t size,
                                   struct tare_err *err);

/* The response is complete: everything asked for must have come. */
enum tare_status infer_answer_end(struct infer_answer *answer, struct tare_err *err);

#endif
