#include "triton_batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "triton_error.h"

/* --- all requests -------------------------------------------------------------------------------
 */

enum tare_status triton_batch_take(struct triton_batch *batch,
                                   struct TRITONBACKEND_Request **requests, uint32_t count,
                                   struct tare_err *err)
{
    batch->start_ns = clock_now_ns();
    batch->compute_start_ns = batch->compute_end_ns = 0;
    batch->count = 0;
    if (count > batch->room) {
        struct triton_item *grown = realloc(batch->items, count * sizeof(*grown));

        if (!grown)
            return tare_fail(err, TARE_NOMEM, "out of memory for %u requests", count);
        batch->items = grown;
        batch->room = count;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct triton_item *item = &batch->items[i];

        item->request = requests[i];
        item->response = NULL;
        item->first = item->rows = 0;
        tare_err_clear(&item->err);
        (void)triton_check(TRITONBACKEND_ResponseNew(&item->response, item->request), &item->err);
    }
    batch->count = count;
    return TARE_OK;
}

void triton_batch_free(struct triton_batch *batch)
{
    free(batch->items);
    *batch = (struct triton_batch){0};
}

bool triton_item_lives(const struct triton_item *item)
{
    return item->err.status == TARE_OK;
}

int32_t triton_batch_count(struct triton_batch *batch, int32_t most)
{
    int32_t rows = 0;

    for (size_t i = 0; i < batch->count; i++) {
        struct triton_item *item = &batch->items[i];

        if (!triton_item_lives(item))
            continue;
        if (item->rows > most - rows) {
            (void)tare_fail(&item->err, TARE_LIMIT, "the batch has more than %d rows", most);
            continue;
        }
        item->first = rows;
        rows += item->rows;
    }
    return rows;
}

static void finish_item(struct triton_item *item, const struct triton_batch *batch,
                        struct TRITONBACKEND_ModelInstance *instance)
{
    struct TRITONSERVER_Error *error = NULL;
    bool well = triton_item_lives(item);

    if (!well)
        error = triton_error(&item->err);
    if (item->response)
        triton_ignore(TRITONBACKEND_ResponseSend(item->response, TRITON_RESPONSE_FINAL, error));
    if (error)
        TRITONSERVER_ErrorDelete(error);
    triton_ignore(TRITONBACKEND_ModelInstanceReportStatistics(
        instance, item->request, well, (uint64_t)batch->start_ns, (uint64_t)batch->compute_start_ns,
        (uint64_t)batch->compute_end_ns, (uint64_t)clock_now_ns()));
    triton_ignore(TRITONBACKEND_RequestRelease(item->request, TRITON_RELEASE_ALL));
}

void triton_batch_finish(struct triton_batch *batch, struct TRITONBACKEND_ModelInstance *instance)
{
    int64_t now_ns = clock_now_ns();
    uint64_t rows = 0;

    if (batch->compute_start_ns == 0)
        batch->compute_start_ns = now_ns;
    if (batch->compute_end_ns == 0)
        batch->compute_end_ns = now_ns;
    for (size_t i = 0; i < batch->count; i++) {
        rows += triton_item_lives(&batch->items[i]) ? (uint64_t)batch->items[i].rows : 0;
        finish_item(&batch->items[i], batch, instance);
    }
    if (rows > 0)
        triton_ignore(TRITONBACKEND_ModelInstanceReportBatchStatistics(
            instance, rows, (uint64_t)batch->start_ns, (uint64_t)batch->compute_start_ns,
            (uint64_t)batch->compute_end_ns, (uint64_t)clock_now_ns()));
    batch->count = 0;
}

/* --- inputs -------------------------------------------------------------------------------------
 */

static bool check_shape(struct triton_item *item, const struct tare_tensor_info *info, int32_t most,
                        const int64_t *shape, uint32_t rank)
{
    if (rank != (uint32_t)info->rank + 1) {
        (void)tare_fail(&item->err, TARE_INVALID, "input '%s' has %u dimensions, need %d",
                        info->name, rank, info->rank + 1);
        return false;
    }
    if (shape[0] < 1 || shape[0] > most) {
        (void)tare_fail(&item->err, TARE_INVALID, "input '%s' has a batch of %lld, need 1 to %d",
                        info->name, (long long)shape[0], most);
        return false;
    }
    for (int32_t i = 0; i < info->rank; i++)
        if (shape[i + 1] < 0 || (info->shape[i] != -1 && shape[i + 1] != info->shape[i])) {
            (void)tare_fail(&item->err, TARE_INVALID,
                            "dimension %d of input '%s' is %lld, need %lld", i + 1, info->name,
                            (long long)shape[i + 1], (long long)info->shape[i]);
            return false;
        }
    return true;
}

static bool check_bytes(struct triton_item *item, enum tare_dtype dtype,
                        const struct triton_input *input)
{
    int64_t count = tare_shape_count(input->rank, input->shape);
    size_t each = dtype == TARE_BYTES ? 4 : tare_dtype_bytes(dtype), need = 0;

    if (count < 0 || __builtin_mul_overflow((size_t)count, each, &need) ||
        (dtype == TARE_BYTES ? input->bytes < need : input->bytes != need)) {
        (void)tare_fail(&item->err, TARE_INVALID, "input '%s' has %zu bytes, need %s%zu",
                        input->name, input->bytes, dtype == TARE_BYTES ? "at least " : "", need);
        return false;
    }
    return true;
}

static bool piece(struct triton_item *item, const struct triton_input *input, uint32_t index,
                  const void **data, uint64_t *bytes)
{
    enum triton_memory memory = TRITON_MEMORY_CPU;
    int64_t memory_id = 0;

    if (triton_check(
            TRITONBACKEND_InputBuffer(input->handle, index, data, bytes, &memory, &memory_id),
            &item->err) != TARE_OK)
        return false;
    if (memory == TRITON_MEMORY_GPU)
        (void)tare_fail(&item->err, TARE_UNSUPPORTED,
                        "input '%s' is in device memory, need host memory", input->name);
    return memory != TRITON_MEMORY_GPU;
}

bool triton_input_find(struct triton_item *item, const struct tare_tensor_info *info, int32_t most,
                       struct triton_input *input)
{
    enum triton_dtype dtype = TRITON_TYPE_INVALID;
    const int64_t *shape = NULL;
    uint32_t rank = 0;
    uint64_t bytes = 0;

    *input = (struct triton_input){.name = info->name};
    if (triton_check(TRITONBACKEND_RequestInput(item->request, info->name, &input->handle),
                     &item->err) != TARE_OK ||
        triton_check(TRITONBACKEND_InputProperties(input->handle, NULL, &dtype, &shape, &rank,
                                                   &bytes, &input->buffers),
                     &item->err) != TARE_OK)
        return false;
    if (triton_dtype_in(dtype) != info->dtype) {
        (void)tare_fail(&item->err, TARE_INVALID, "input '%s' is %s, need %s", info->name,
                        tare_dtype_name(triton_dtype_in(dtype)), tare_dtype_name(info->dtype));
        return false;
    }
    if (!check_shape(item, info, most, shape, rank))
        return false;
    input->rank = (int32_t)rank;
    memcpy(input->shape, shape, rank * sizeof(*shape));
    input->bytes = (size_t)bytes;
    return check_bytes(item, info->dtype, input);
}

const void *triton_input_place(const struct triton_input *input, size_t alignment)
{
    struct triton_item unused = {.err = TARE_ERR_INIT};
    const void *data = NULL;
    uint64_t bytes = 0;

    if (input->buffers != 1 || !piece(&unused, input, 0, &data, &bytes) || bytes != input->bytes ||
        (uintptr_t)data % alignment != 0)
        return NULL;
    return data;
}

bool triton_input_copy(struct triton_item *item, const struct triton_input *input, void *to)
{
    uint8_t *out = to;
    size_t left = input->bytes;

    for (uint32_t i = 0; i < input->buffers; i++) {
        const void *data = NULL;
        uint64_t bytes = 0;

        if (!piece(item, input, i, &data, &bytes))
            return false;
        if (bytes > left)
            break;
        if (bytes > 0)
            memcpy(out, data, (size_t)bytes);
        out += bytes;
        left -= (size_t)bytes;
    }
    if (left > 0)
        (void)tare_fail(&item->err, TARE_BADDATA, "input '%s' lacks %zu of its %zu bytes",
                        input->name, left, input->bytes);
    return left == 0;
}

/* --- outputs ------------------------------------------------------------------------------------
 */

bool triton_output_wanted(struct triton_item *item, const char *name)
{
    uint32_t count = 0;

    if (triton_check(TRITONBACKEND_RequestOutputCount(item->request, &count), &item->err) !=
        TARE_OK)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const char *wanted = NULL;

        if (triton_check(TRITONBACKEND_RequestOutputName(item->request, i, &wanted), &item->err) !=
            TARE_OK)
            return false;
        if (strcmp(wanted, name) == 0)
            return true;
    }
    return false;
}

bool triton_output_make(struct triton_item *item, const struct tare_tensor *tensor, size_t bytes,
                        void **data)
{
    enum triton_memory memory = TRITON_MEMORY_CPU;
    struct TRITONBACKEND_Output *output = NULL;
    int64_t memory_id = 0;

    *data = NULL;
    if (triton_check(TRITONBACKEND_ResponseOutput(item->response, &output, tensor->name,
                                                  triton_dtype_out(tensor->dtype), tensor->shape,
                                                  (uint32_t)tensor->rank),
                     &item->err) != TARE_OK ||
        triton_check(TRITONBACKEND_OutputBuffer(output, data, bytes, &memory, &memory_id),
                     &item->err) != TARE_OK)
        return false;
    if (memory == TRITON_MEMORY_GPU || (!*data && bytes > 0)) {
        (void)tare_fail(&item->err, TARE_UNSUPPORTED,
                        "output '%s' is wanted in device memory, need host memory", tensor->name);
        return false;
    }
    return true;
}
