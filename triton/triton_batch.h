/*
 * triton_batch.h - the requests of one execution: their inputs read and checked, their outputs
 * placed, each answered by itself, and all of it reported to Triton.
 *
 * A request is an item. What goes wrong with an item is noted in its err, and the others go on; an
 * item with an error takes no further part and is answered with the error's text.
 *
 * Threads: one batch belongs to one thread at a time; different items of one batch may be read and
 * written by different threads at once.
 */
#ifndef TARE_TRITON_BATCH_H
#define TARE_TRITON_BATCH_H

#include "tare/status.h"
#include "tare/tensor.h"
#include "triton_api.h"

struct triton_item {
    struct TRITONBACKEND_Request *request;
    struct TRITONBACKEND_Response *response; /* NULL: it could not be made */
    int32_t first, rows;                     /* of the batch, once they are counted */
    struct tare_err err;
};

struct triton_batch {
    struct triton_item *items; // (count)
    size_t count, room;
    int64_t start_ns, compute_start_ns, compute_end_ns;
};

/* One input of one request. */
struct triton_input {
    struct TRITONBACKEND_Input *handle;
    const char *name;
    int32_t rank;
    int64_t shape[TARE_MAX_RANK]; /* with the batch dimension */
    size_t bytes;
    uint32_t buffers; /* pieces in memory */
};

/* Takes the requests over and starts the clock. TARE_NOMEM, and they are still the caller's.
 * Zeroed, a batch is empty; triton_batch_free() frees its memory. */
enum tare_status triton_batch_take(struct triton_batch *batch,
                                   struct TRITONBACKEND_Request **requests, uint32_t count,
                                   struct tare_err *err);
void triton_batch_free(struct triton_batch *batch);

/* Whether the item still takes part. */
bool triton_item_lives(const struct triton_item *item);

/*
 * Gives every living item its rows, one after the other from 0, and returns how many there are.
 * Items that would go beyond most fail.
 */
int32_t triton_batch_count(struct triton_batch *batch, int32_t most);

/*
 * Answers and releases every request and reports times. The times between are those that the role
 * noted in the batch, or none.
 */
void triton_batch_finish(struct triton_batch *batch, struct TRITONBACKEND_ModelInstance *instance);

/*
 * Finds an input and checks it against info, which is without the batch dimension (-1: any size):
 * dtype, rank, shape, 1 to most rows, as many bytes as its shape needs, and host memory (a string's
 * bytes are checked where they are read). False, and the item has failed, if it is not so.
 */
bool triton_input_find(struct triton_item *item, const struct tare_tensor_info *info, int32_t most,
                       struct triton_input *input);

/* Where it lies, if it lies there in one piece and so aligned; NULL if not. */
const void *triton_input_place(const struct triton_input *input, size_t alignment);

/* Copies all of its input->bytes. False, and the item has failed, if Triton refuses a piece. */
bool triton_input_copy(struct triton_item *item, const struct triton_input *input, void *to);

/* Whether the request asks for this output. */
bool triton_output_wanted(struct triton_item *item, const char *name);

/*
 * Makes an output of the response of tensor's name, dtype and shape, and says where its bytes are
 * to be written (NULL where there are none). False, and the item has failed, if Triton refuses, or
 * places it in a device's memory.
 */
bool triton_output_make(struct triton_item *item, const struct tare_tensor *tensor, size_t bytes,
                        void **data);

#endif
