/* The inference over HTTP: JSON in front, then the tensors' bytes (KServe's binary extension). */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/json_read.h"
#include "base/json_write.h"
#include "kserve/infer_request.h"
#include "kserve/url_escape.h"

#define SLOT_NUMBER INT64_C(1000000000000000000) /* holds the place of any size */
#define SLOT_DIGITS 19

/* --- the request --- */

/* A number that each sending writes anew, padded with blanks. */
static void put_slot(struct infer_request *request, struct json_writer *writer, const char *key,
                     size_t input)
{
    struct infer_slot *slot = &request->slots[request->slot_count++];

    json_put_int(writer, key, SLOT_NUMBER);
    slot->at = request->body.size - SLOT_DIGITS;
    slot->input = input;
}

/* The size of an input, which for TARE_BYTES is not known yet. */
static void put_size(struct infer_request *request, struct json_writer *writer, const char *key,
                     size_t input)
{
    const struct tare_tensor *tensor = &request->inputs[input];

    if (tensor->dtype == TARE_BYTES)
        put_slot(request, writer, key, input);
    else
        json_put_int(writer, key,
                     tare_shape_count(tensor->rank, tensor->shape) *
                         (int64_t)tare_dtype_bytes(tensor->dtype));
}

static void put_region(struct json_writer *writer, const struct infer_place *place)
{
    json_put_text(writer, "shared_memory_region", place->region);
    json_put_int(writer, "shared_memory_offset", (int64_t)place->offset);
}

static void put_input(struct infer_request *request, struct json_writer *writer, size_t index,
                      const struct infer_place *place)
{
    const struct tare_tensor *tensor = &request->inputs[index];

    json_open_object(writer, NULL);
    json_put_text(writer, "name", tensor->name);
    json_put_text(writer, "datatype", tare_dtype_name(tensor->dtype));
    json_open_array(writer, "shape");
    for (int32_t i = 0; i < tensor->rank; i++)
        json_put_int(writer, NULL, tensor->shape[i]);
    json_close_array(writer);
    json_open_object(writer, "parameters");
    if (request->input_shared[index])
        put_region(writer, place);
    put_size(request, writer,
             request->input_shared[index] ? "shared_memory_byte_size" : "binary_data_size", index);
    json_close_object(writer);
    json_close_object(writer);
}

static void put_output(struct json_writer *writer, const struct tare_tensor *tensor,
                       const struct infer_place *place)
{
    json_open_object(writer, NULL);
    json_put_text(writer, "name", tensor->name);
    json_open_object(writer, "parameters");
    if (place->region) {
        put_region(writer, place);
        json_put_int(writer, "shared_memory_byte_size", (int64_t)tensor->capacity_bytes);
    } else {
        json_put_bool(writer, "binary_data", true);
    }
    json_close_object(writer);
    json_close_object(writer);
}

static enum tare_status write_path(struct infer_request *request, const struct infer_plan *plan,
                                   struct tare_err *err)
{
    struct buf path = BUF_INIT;
    enum tare_status status;

    buf_append_text(&path, "/v2/models/");
    url_escape(&path, plan->model);
    if (plan->version[0]) {
        buf_append_text(&path, "/versions/");
        url_escape(&path, plan->version);
    }
    buf_append_text(&path, "/infer");
    status = buf_status(&path, "a path", err);
    if (status == TARE_OK && path.size >= sizeof(request->path))
        status = tare_fail(err, TARE_LIMIT, "the model's name is too long");
    if (status == TARE_OK)
        memcpy(request->path, path.data, path.size + 1);
    buf_release(&path);
    return status;
}

/* The body leaves out its first brace: the sequence comes before it. */
enum tare_status infer_json_write(struct infer_request *request, const struct infer_plan *plan,
                                  struct tare_err *err)
{
    struct json_writer writer;
    enum tare_status status = write_path(request, plan, err);

    if (status != TARE_OK)
        return status;
    json_start(&writer, &request->body, false);
    json_open_object(&writer, NULL);
    json_open_array(&writer, "inputs");
    for (size_t i = 0; i < plan->input_count; i++)
        put_input(request, &writer, i, &plan->input_places[i]);
    json_close_array(&writer);
    json_open_array(&writer, "outputs");
    for (size_t i = 0; i < plan->output_count; i++)
        put_output(&writer, &plan->outputs[i], &plan->output_places[i]);
    json_close_array(&writer);
    json_close_object(&writer);
    return buf_status(&request->body, "a request", err);
}

static void write_sequence(struct infer_request *request, const struct tare_request *sequence)
{
    int length = 1;

    request->sequence[0] = '{';
    if (sequence)
        length = snprintf(request->sequence, sizeof(request->sequence),
                          "{\"parameters\":{\"sequence_id\":%" PRIu64
                          ",\"sequence_start\":%s,\"sequence_end\":%s},",
                          sequence->sequence_id, sequence->sequence_start ? "true" : "false",
                          sequence->sequence_end ? "true" : "false");
    request->sequence_bytes = (size_t)length;
}

static void write_slots(struct infer_request *request)
{
    char number[SLOT_DIGITS + 1];

    for (size_t i = 0; i < request->slot_count; i++) {
        const struct infer_slot *slot = &request->slots[i];

        (void)snprintf(number, sizeof(number), "%-*zu", SLOT_DIGITS,
                       request->input_bytes[slot->input]);
        memcpy(request->body.data + slot->at, number, SLOT_DIGITS);
    }
}

enum tare_status infer_json_prepare(struct infer_request *request,
                                    const struct tare_request *sequence, struct tare_err *err)
{
    struct iovec *parts = request->parts;
    size_t json, total, count = 3;
    int length;

    write_sequence(request, sequence);
    write_slots(request);
    json = request->sequence_bytes + request->body.size - 1;
    total = json;
    parts[1] = (struct iovec){request->sequence, request->sequence_bytes};
    parts[2] = (struct iovec){request->body.data + 1, request->body.size - 1};
    for (size_t i = 0; i < request->input_count; i++)
        if (!request->input_shared[i]) {
            parts[count++] = (struct iovec){request->inputs[i].data, request->input_bytes[i]};
            total += request->input_bytes[i];
        }
    length = snprintf(request->head, sizeof(request->head),
                      "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\n"
                      "Inference-Header-Content-Length: %zu\r\nContent-Length: %zu\r\n\r\n",
                      request->path, request->host, json, total);
    if (length < 0 || (size_t)length >= sizeof(request->head))
        return tare_fail(err, TARE_LIMIT, "the head of a request is over %d bytes", INFER_HEAD_MAX);
    parts[0] = (struct iovec){request->head, (size_t)length};
    request->exchange.part_count = count;
    return TARE_OK;
}

/* --- the response --- */

static enum tare_status begin(void *context, int64_t json_bytes, int64_t body_bytes,
                              struct tare_err *err)
{
    struct infer_request *request = context;
    struct infer_reading *reading = &request->reading;

    infer_answer_begin(&request->answer);
    reading->json_bytes = json_bytes >= 0 ? json_bytes : body_bytes;
    reading->body_bytes = body_bytes;
    reading->at = 0;
    reading->listed = false;
    reading->list_bytes = 0;
    if (reading->json_bytes > (int64_t)INFER_LIST_MAX)
        return tare_fail(err, TARE_LIMIT, "the JSON of a response has %lld bytes, need at most %zu",
                         (long long)reading->json_bytes, INFER_LIST_MAX);
    return TARE_OK;
}

static bool read_shape(struct json_reader *reader, struct infer_said *said)
{
    struct json_number number;

    said->rank = 0;
    if (!json_enter_array(reader))
        return false;
    while (json_next_element(reader)) {
        if (!json_read_number(reader, &number))
            return false;
        if (!number.is_integer || number.integer < 0 || said->rank == TARE_MAX_RANK) {
            json_read_fault(reader, "expected a shape");
            return false;
        }
        said->shape[said->rank++] = number.integer;
    }
    return true;
}

static void read_parameters(struct json_reader *reader, struct infer_said *said)
{
    struct json_number number;
    struct json_span key;

    if (!json_enter_object(reader))
        return;
    while (json_next_member(reader, &key)) {
        if (!json_span_is(&key, "binary_data_size")) {
            (void)json_skip(reader);
        } else if (json_read_number(reader, &number)) {
            if (!number.is_integer || number.integer < 0)
                json_read_fault(reader, "expected a size");
            said->wire_bytes = number.integer;
        }
    }
}

/* A text of an output: its name or its dtype. */
static size_t read_word(struct json_reader *reader, char *word, size_t word_bytes)
{
    struct json_span span;
    ptrdiff_t length = -1;

    if (json_read_text(reader, &span)) {
        length = json_decode(&span, word, word_bytes);
        if (length < 0)
            json_read_fault(reader, "expected a short text");
    }
    return length > 0 ? (size_t)length : 0;
}

static enum tare_status read_output(struct infer_answer *answer, struct json_reader *reader,
                                    struct tare_err *err)
{
    char name[TARE_MAX_NAME] = "", dtype[16] = "";
    struct infer_said said = {.name = name, .wire_bytes = -1, .rank = -1};
    struct json_span key;

    if (!json_enter_object(reader))
        return json_read_status(reader, err);
    while (json_next_member(reader, &key)) {
        if (json_span_is(&key, "name"))
            said.name_bytes = read_word(reader, name, sizeof(name));
        else if (json_span_is(&key, "datatype"))
            said.dtype = infer_dtype(dtype, read_word(reader, dtype, sizeof(dtype)));
        else if (json_span_is(&key, "shape"))
            (void)read_shape(reader, &said);
        else if (json_span_is(&key, "parameters"))
            read_parameters(reader, &said);
        else
            (void)json_skip(reader);
    }
    if (json_read_status(reader, err) != TARE_OK)
        return TARE_BADDATA;
    if (said.rank < 0)
        return tare_fail(err, TARE_BADDATA, "the server sends an output without its shape");
    return infer_answer_output(answer, &said, err);
}

static enum tare_status read_list(struct infer_answer *answer, const char *text, size_t size,
                                  struct tare_err *err)
{
    struct json_reader reader;
    struct json_span key;
    enum tare_status status = TARE_OK;

    json_read_start(&reader, text, size);
    if (json_enter_object(&reader))
        while (status == TARE_OK && json_next_member(&reader, &key)) {
            if (!json_span_is(&key, "outputs")) {
                (void)json_skip(&reader);
                continue;
            }
            if (json_enter_array(&reader))
                while (status == TARE_OK && json_next_element(&reader))
                    status = read_output(answer, &reader, err);
        }
    if (status != TARE_OK)
        return status;
    (void)json_read_end(&reader);
    return json_read_status(&reader, err);
}

/* The JSON is complete. */
static enum tare_status list_outputs(struct infer_request *request, struct tare_err *err)
{
    struct infer_reading *reading = &request->reading;
    struct tare_err inner = TARE_ERR_INIT;
    int64_t left = reading->body_bytes < 0 ? -1 : reading->body_bytes - reading->json_bytes;
    enum tare_status status =
        read_list(&request->answer, (const char *)reading->list, reading->list_bytes, &inner);

    reading->listed = true;
    if (status == TARE_OK)
        return infer_answer_listed(&request->answer, left, err);
    return tare_fail(err, status, "the server's response: %s", inner.text);
}

static enum tare_status take(void *context, const uint8_t *bytes, size_t size, struct tare_err *err)
{
    struct infer_request *request = context;
    struct infer_reading *reading = &request->reading;
    enum tare_status status = TARE_OK;

    if (!reading->listed) {
        size_t room = INFER_LIST_MAX - reading->list_bytes, part = size;

        if (reading->json_bytes >= 0 && part > (size_t)reading->json_bytes - reading->list_bytes)
            part = (size_t)reading->json_bytes - reading->list_bytes;
        if (part > room)
            return tare_fail(err, TARE_LIMIT, "the JSON of a response is over %zu bytes",
                             INFER_LIST_MAX);
        memcpy(reading->list + reading->list_bytes, bytes, part);
        reading->list_bytes += part;
        bytes += part;
        size -= part;
        if ((int64_t)reading->list_bytes == reading->json_bytes)
            status = list_outputs(request, err);
    }
    return status == TARE_OK && size ? infer_answer_take(&request->answer, bytes, size, err)
                                     : status;
}

static uint8_t *room(void *context, size_t *size)
{
    struct infer_request *request = context;
    uint8_t *place = NULL;

    *size = request->reading.listed ? infer_answer_place(&request->answer, &place) : 0;
    return place;
}

static void placed(void *context, size_t size)
{
    struct infer_request *request = context;

    infer_answer_placed(&request->answer, size);
}

static enum tare_status end(void *context, struct tare_err *err)
{
    struct infer_request *request = context;
    enum tare_status status = TARE_OK;

    if (!request->reading.listed) { /* a body of unknown length that is all JSON, or an early end */
        if (request->reading.json_bytes >= 0)
            return tare_fail(err, TARE_BADDATA, "the server's response ends too early");
        status = list_outputs(request, err);
    }
    return status == TARE_OK ? infer_answer_end(&request->answer, err) : status;
}

const struct exchange_sink infer_json_sink = {begin, take, room, placed, end};
