#include "kserve/infer_answer.h"

#include <string.h>

enum tare_dtype infer_dtype(const char *name, size_t size)
{
    for (int dtype = TARE_FP64; dtype <= TARE_BYTES; dtype++) {
        const char *known = tare_dtype_name((enum tare_dtype)dtype);

        if (strlen(known) == size && memcmp(known, name, size) == 0)
            return (enum tare_dtype)dtype;
    }
    return TARE_DTYPE_NONE;
}

void infer_answer_begin(struct infer_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++) {
        answer->outputs[i].seen = false;
        answer->outputs[i].wire_bytes = -1;
    }
    answer->ordered = 0;
    answer->piece = 0;
    answer->piece_left = -1;
}

static struct infer_output *find(struct infer_answer *answer, const struct infer_said *said)
{
    for (size_t i = 0; i < answer->count; i++) {
        const char *name = answer->outputs[i].tensor.name;

        if (strlen(name) == said->name_bytes && memcmp(name, said->name, said->name_bytes) == 0)
            return &answer->outputs[i];
    }
    return NULL;
}

/* The room that an output has; no limit where its bytes are dropped. */
static size_t room_of(const struct infer_output *output)
{
    return output->tensor.data ? output->tensor.capacity_bytes : SIZE_MAX;
}

/* Whether so many bytes can be a tensor of the shape that was said, and fit. */
static enum tare_status check_bytes(const struct infer_output *output, int64_t bytes,
                                    struct tare_err *err)
{
    int64_t count = tare_shape_count(output->rank, output->shape);
    size_t each = tare_dtype_bytes(output->tensor.dtype);
    int64_t least;

    if (__builtin_mul_overflow(count, each ? (int64_t)each : 4, &least) || count < 0)
        return tare_fail(err, TARE_BADDATA, "output '%s' comes with an impossible shape",
                         output->tensor.name);
    if ((uint64_t)least > room_of(output) || (bytes >= 0 && (uint64_t)bytes > room_of(output)))
        return tare_fail(err, TARE_LIMIT, "output '%s' has %lld bytes, there is room for %zu",
                         output->tensor.name, (long long)(bytes > least ? bytes : least),
                         output->tensor.capacity_bytes);
    if (bytes >= 0 && (each ? bytes != least : bytes < least))
        return tare_fail(err, TARE_BADDATA, "output '%s' comes with %lld bytes, need %lld",
                         output->tensor.name, (long long)bytes, (long long)least);
    return TARE_OK;
}

enum tare_status infer_answer_output(struct infer_answer *answer, const struct infer_said *said,
                                     struct tare_err *err)
{
    struct infer_output *output = find(answer, said);

    if (!output)
        return tare_fail(err, TARE_BADDATA, "the server sends an output that was not asked for");
    if (output->seen)
        return tare_fail(err, TARE_BADDATA, "the server sends output '%s' twice",
                         output->tensor.name);
    if (said->dtype != output->tensor.dtype)
        return tare_fail(err, TARE_BADDATA, "output '%s' comes as %s, need %s", output->tensor.name,
                         tare_dtype_name(said->dtype), tare_dtype_name(output->tensor.dtype));
    output->seen = true;
    output->rank = said->rank;
    memcpy(output->shape, said->shape, sizeof(output->shape));
    output->wire_bytes = output->shared ? 0 : said->wire_bytes;
    answer->order[answer->ordered++] = (size_t)(output - answer->outputs);
    if (output->shared && said->wire_bytes > 0)
        return tare_fail(err, TARE_BADDATA,
                         "output '%s' comes on the wire, it was wanted in shared memory",
                         output->tensor.name);
    return check_bytes(output, output->shared ? -1 : said->wire_bytes, err);
}

enum tare_status infer_answer_listed(const struct infer_answer *answer, int64_t wire_bytes,
                                     struct tare_err *err)
{
    int64_t total = 0;

    for (size_t i = 0; i < answer->count; i++)
        if (!answer->outputs[i].seen)
            return tare_fail(err, TARE_BADDATA, "the server sends no output '%s'",
                             answer->outputs[i].tensor.name);
    for (size_t i = 0; i < answer->count && wire_bytes >= 0; i++)
        if (answer->outputs[i].wire_bytes < 0 ||
            __builtin_add_overflow(total, answer->outputs[i].wire_bytes, &total))
            return tare_fail(err, TARE_BADDATA, "output '%s' comes without its size",
                             answer->outputs[i].tensor.name);
    if (wire_bytes >= 0 && total != wire_bytes)
        return tare_fail(err, TARE_BADDATA, "the server sends %lld bytes of outputs, says %lld",
                         (long long)wire_bytes, (long long)total);
    return TARE_OK;
}

enum tare_status infer_answer_piece(struct infer_answer *answer, int64_t wire_bytes,
                                    struct tare_err *err)
{
    struct infer_output *output;

    while (answer->piece < answer->ordered && wire_bytes > 0 &&
           answer->outputs[answer->order[answer->piece]].shared)
        answer->piece++; /* a server may leave out what has no bytes */
    if (answer->piece == answer->ordered)
        return tare_fail(err, TARE_BADDATA, "the server sends more tensors than it says");
    output = &answer->outputs[answer->order[answer->piece]];
    if (wire_bytes < 0)
        return tare_fail(err, TARE_BADDATA, "output '%s' comes without its size",
                         output->tensor.name);
    if (output->shared ? wire_bytes != 0
                       : output->wire_bytes >= 0 && wire_bytes != output->wire_bytes)
        return tare_fail(err, TARE_BADDATA, "output '%s' comes with %lld bytes, said %lld",
                         output->tensor.name, (long long)wire_bytes, (long long)output->wire_bytes);
    output->wire_bytes = wire_bytes;
    answer->piece_left = wire_bytes;
    if (!output->shared && check_bytes(output, wire_bytes, err) != TARE_OK)
        return err ? err->status : TARE_BADDATA;
    if (wire_bytes == 0)
        infer_answer_placed(answer, 0);
    return TARE_OK;
}

size_t infer_answer_place(struct infer_answer *answer, uint8_t **place)
{
    const struct infer_output *output;

    *place = NULL;
    if (answer->piece == answer->ordered || answer->piece_left <= 0)
        return 0;
    output = &answer->outputs[answer->order[answer->piece]];
    if (output->tensor.data)
        *place = (uint8_t *)output->tensor.data + (output->wire_bytes - answer->piece_left);
    return (size_t)answer->piece_left;
}

void infer_answer_placed(struct infer_answer *answer, size_t count)
{
    answer->piece_left -= (int64_t)count;
    if (answer->piece_left == 0) {
        answer->piece++;
        answer->piece_left = -1;
    }
}

/* Begins outputs until one has bytes to come. */
static enum tare_status next_piece(struct infer_answer *answer, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    while (answer->piece < answer->ordered && answer->piece_left < 0 && status == TARE_OK)
        status = infer_answer_piece(answer,
                                    answer->outputs[answer->order[answer->piece]].wire_bytes, err);
    return status;
}

enum tare_status infer_answer_take(struct infer_answer *answer, const uint8_t *bytes, size_t size,
                                   struct tare_err *err)
{
    enum tare_status status = next_piece(answer, err);

    while (size && status == TARE_OK) {
        uint8_t *place;
        size_t count = infer_answer_place(answer, &place);

        if (!count)
            return tare_fail(err, TARE_BADDATA, "the server sends more bytes than it says");
        count = count < size ? count : size;
        if (place)
            memcpy(place, bytes, count);
        infer_answer_placed(answer, count);
        bytes += count;
        size -= count;
        status = next_piece(answer, err);
    }
    return status;
}

/* The elements of a TARE_BYTES output must end where its bytes do. */
static enum tare_status check_elements(const struct infer_output *output, struct tare_err *err)
{
    struct tare_tensor tensor = output->tensor;
    int64_t used;

    tensor.rank = output->rank;
    memcpy(tensor.shape, output->shape, sizeof(tensor.shape));
    if (!output->shared)
        tensor.capacity_bytes = (size_t)output->wire_bytes;
    used = tare_bytes_used(&tensor);
    if (used < 0 || (!output->shared && used != output->wire_bytes))
        return tare_fail(err, TARE_BADDATA, "the elements of output '%s' do not fill its bytes",
                         tensor.name);
    return TARE_OK;
}

enum tare_status infer_answer_end(struct infer_answer *answer, struct tare_err *err)
{
    enum tare_status status = infer_answer_listed(answer, -1, err);

    for (size_t i = 0; i < answer->count && status == TARE_OK; i++) {
        const struct infer_output *output = &answer->outputs[i];

        if (output->wire_bytes < 0)
            status = tare_fail(err, TARE_BADDATA, "the server sends no bytes of output '%s'",
                               output->tensor.name);
        else if (output->tensor.data && output->tensor.dtype == TARE_BYTES)
            status = check_elements(output, err);
    }
    for (size_t i = answer->piece; i < answer->ordered && status == TARE_OK; i++)
        if (answer->outputs[answer->order[i]].wire_bytes > 0)
            status = tare_fail(err, TARE_BADDATA, "the server's response ends too early");
    return status;
}
