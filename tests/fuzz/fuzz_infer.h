/*
 * fuzz_infer.h - a prepared inference of three outputs (numbers, strings, one that is dropped),
 * given an answer as a whole, in pieces of three bytes, and with its length not said before: all
 * are taken or refused alike, with the same outputs, and memory beside the outputs stays as it was.
 */
#ifndef TARE_TESTS_FUZZ_INFER_H
#define TARE_TESTS_FUZZ_INFER_H

#include <stdlib.h>
#include <string.h>

#include "kserve/infer_request.h"

#define FUZZ_ROOM 64

struct fuzz_outputs {
    uint8_t numbers[FUZZ_ROOM], strings[FUZZ_ROOM];
};

static struct infer_request *fuzz_request(enum kserve_transport transport,
                                          struct fuzz_outputs *memory)
{
    static const struct kserve_address address = {"127.0.0.1", "1", "127.0.0.1:1"};
    const struct infer_place places[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    const struct tare_tensor outputs[3] = {
        {"y", TARE_FP32, TARE_MEM_HOST, 0, 2, {2, 3}, memory->numbers, 24},
        {"s", TARE_BYTES, TARE_MEM_HOST, 0, 1, {2}, memory->strings, FUZZ_ROOM},
        {"z", TARE_INT64, TARE_MEM_HOST, 0, 1, {-1}, NULL, 0},
    };
    const struct infer_plan plan = {
        .address = &address,
        .transport = transport,
        .model = "m",
        .version = "",
        .input_places = places,
        .outputs = outputs,
        .output_places = places,
        .output_count = 3,
    };
    struct infer_request *request = NULL;

    memset(memory, 0xEE, sizeof(*memory));
    if (infer_request_new(&plan, &request, NULL) != TARE_OK)
        abort();
    return request;
}

static enum tare_status fuzz_answer(struct infer_request *request, int64_t json_bytes,
                                    int64_t body_bytes, const uint8_t *data, size_t size,
                                    size_t step)
{
    const struct exchange_sink *sink = request->exchange.sink;
    struct tare_err err = TARE_ERR_INIT;
    enum tare_status status = sink->begin(request, json_bytes, body_bytes, &err);

    for (size_t at = 0; at < size && status == TARE_OK; at += step)
        status = sink->take(request, data + at, size - at < step ? size - at : step, &err);
    if (status == TARE_OK)
        status = sink->end(request, &err);
    if (status != err.status || (status != TARE_OK && !err.text[0]))
        abort();
    return status;
}

__attribute__((unused)) static void fuzz_infer(enum kserve_transport transport, int64_t json_bytes,
                                               const uint8_t *data, size_t size)
{
    struct fuzz_outputs whole, split, open;
    struct infer_request *one = fuzz_request(transport, &whole);
    struct infer_request *other = fuzz_request(transport, &split);
    struct infer_request *third = fuzz_request(transport, &open);
    int64_t body_bytes = json_bytes < 0 ? -1 : (int64_t)size, shape[TARE_MAX_RANK];
    bool good = fuzz_answer(one, json_bytes, body_bytes, data, size, size ? size : 1) == TARE_OK;
    int32_t rank;

    if ((fuzz_answer(other, json_bytes, body_bytes, data, size, 3) == TARE_OK) != good ||
        (fuzz_answer(third, json_bytes, -1, data, size, size ? size : 1) == TARE_OK) != good)
        abort();
    for (size_t i = 24; i < FUZZ_ROOM; i++)
        if (whole.numbers[i] != 0xEE || open.numbers[i] != 0xEE)
            abort();
    if (good) {
        if (memcmp(&whole, &split, sizeof(whole)) != 0 || memcmp(&whole, &open, sizeof(whole)) != 0)
            abort();
        for (size_t i = 0; i < 3; i++)
            if (!infer_request_shape(one, i, &rank, shape) || rank < 0 || rank > TARE_MAX_RANK)
                abort();
    }
    infer_request_free(one);
    infer_request_free(other);
    infer_request_free(third);
}

#endif
