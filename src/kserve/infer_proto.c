/*
 * The inference over gRPC: ModelInferRequest is written around the tensors and ModelInferResponse
 * read as it comes, so that no tensor is ever part of a packed or unpacked message of ours.
 *
 * Field numbers are those of the published definition of the protocol. Order: fields of a message
 * may come in any by the encoding's rules; every server writes them by number, and one that sent
 * raw_output_contents before outputs is refused.
 */
#include <string.h>

#include "kserve/infer_request.h"
#include "kserve/proto_wire.h"

#define PREFIX_BYTES 5

enum field { /* of ModelInferRequest; inputs and outputs: of their tensors */
    REQUEST_MODEL = 1,
    REQUEST_VERSION = 2,
    REQUEST_PARAMETERS = 4,
    REQUEST_INPUTS = 5,
    REQUEST_OUTPUTS = 6,
    REQUEST_RAW = 7,
    INPUT_NAME = 1,
    INPUT_DATATYPE = 2,
    INPUT_SHAPE = 3,
    INPUT_PARAMETERS = 4,
    OUTPUT_PARAMETERS = 2,
    ENTRY_KEY = 1, /* of a map */
    ENTRY_VALUE = 2,
    VALUE_BOOL = 1, /* of InferParameter */
    VALUE_INT64 = 2,
    VALUE_TEXT = 3,
    RESPONSE_OUTPUTS = 5,
    RESPONSE_RAW = 6,
};

enum state {
    STATE_TAG,
    STATE_VARINT,
    STATE_SIZE,
    STATE_SKIP,
    STATE_LIST,
    STATE_RAW
};

/* --- the request --- */

/* An entry of a map<string, InferParameter>. value is the encoded InferParameter. */
static void put_entry(struct buf *out, uint32_t field, const char *key, const struct buf *value)
{
    struct buf entry = BUF_INIT;

    proto_put_text(&entry, ENTRY_KEY, key);
    proto_put_bytes(&entry, ENTRY_VALUE, value);
    proto_put_bytes(out, field, &entry);
    if (entry.status != TARE_OK)
        out->status = entry.status;
    buf_release(&entry);
}

static void put_text_entry(struct buf *out, uint32_t field, const char *key, const char *text)
{
    struct buf value = BUF_INIT;

    proto_put_text(&value, VALUE_TEXT, text);
    put_entry(out, field, key, &value);
    buf_release(&value);
}

static void put_number_entry(struct buf *out, uint32_t field, const char *key, enum field kind,
                             uint64_t number)
{
    struct buf value = BUF_INIT;

    proto_put_tag(&value, kind, PROTO_VARINT);
    proto_put_varint(&value, number);
    put_entry(out, field, key, &value);
    buf_release(&value);
}

static void put_place(struct buf *out, uint32_t field, const struct infer_place *place)
{
    put_text_entry(out, field, "shared_memory_region", place->region);
    if (place->offset)
        put_number_entry(out, field, "shared_memory_offset", VALUE_INT64, place->offset);
}

/* The size of a shared input. That of a TARE_BYTES input holds its place until each sending. */
static void put_shared_size(struct infer_request *request, struct buf *out, size_t index)
{
    const struct tare_tensor *tensor = &request->inputs[index];
    struct buf value = BUF_INIT;
    const uint8_t blank[PROTO_SIZE_BYTES] = {128, 128, 128, 128, 0};

    if (tensor->dtype != TARE_BYTES) {
        put_number_entry(out, INPUT_PARAMETERS, "shared_memory_byte_size", VALUE_INT64,
                         (uint64_t)tare_shape_count(tensor->rank, tensor->shape) *
                             tare_dtype_bytes(tensor->dtype));
        return;
    }
    proto_put_tag(&value, VALUE_INT64, PROTO_VARINT);
    buf_append(&value, blank, sizeof(blank));
    put_entry(out, INPUT_PARAMETERS, "shared_memory_byte_size", &value);
    buf_release(&value);
}

static void put_input(struct infer_request *request, size_t index, const struct infer_place *place)
{
    const struct tare_tensor *tensor = &request->inputs[index];
    struct buf out = BUF_INIT, shape = BUF_INIT;

    proto_put_text(&out, INPUT_NAME, tensor->name);
    proto_put_text(&out, INPUT_DATATYPE, tare_dtype_name(tensor->dtype));
    for (int32_t i = 0; i < tensor->rank; i++)
        proto_put_varint(&shape, (uint64_t)tensor->shape[i]);
    if (shape.size)
        proto_put_bytes(&out, INPUT_SHAPE, &shape);
    if (request->input_shared[index]) {
        put_place(&out, INPUT_PARAMETERS, place);
        put_shared_size(request, &out, index);
    }
    proto_put_bytes(&request->body, REQUEST_INPUTS, &out);
    if (request->input_shared[index] &&
        tensor->dtype == TARE_BYTES) /* its size is the last that was written */
        request->slots[request->slot_count++] =
            (struct infer_slot){request->body.size - PROTO_SIZE_BYTES, index};
    if (out.status != TARE_OK || shape.status != TARE_OK)
        request->body.status = TARE_NOMEM;
    buf_release(&out);
    buf_release(&shape);
}

static void put_output(struct buf *body, const struct tare_tensor *tensor,
                       const struct infer_place *place)
{
    struct buf out = BUF_INIT;

    proto_put_text(&out, INPUT_NAME, tensor->name);
    if (place->region) {
        put_place(&out, OUTPUT_PARAMETERS, place);
        put_number_entry(&out, OUTPUT_PARAMETERS, "shared_memory_byte_size", VALUE_INT64,
                         tensor->capacity_bytes);
    }
    proto_put_bytes(body, REQUEST_OUTPUTS, &out);
    if (out.status != TARE_OK)
        body->status = out.status;
    buf_release(&out);
}

enum tare_status infer_proto_write(struct infer_request *request, const struct infer_plan *plan,
                                   struct tare_err *err)
{
    proto_put_text(&request->body, REQUEST_MODEL, plan->model);
    if (plan->version[0])
        proto_put_text(&request->body, REQUEST_VERSION, plan->version);
    for (size_t i = 0; i < plan->input_count; i++)
        put_input(request, i, &plan->input_places[i]);
    for (size_t i = 0; i < plan->output_count; i++)
        put_output(&request->body, &plan->outputs[i], &plan->output_places[i]);
    return buf_status(&request->body, "a request", err);
}

/* Entries of the request's parameters, written by hand into the room for them: a key, then
 * InferParameter with one varint. */
static size_t put_parameter(uint8_t *at, const char *key, enum field kind, uint64_t number)
{
    size_t key_bytes = strlen(key), value_bytes = 2;
    uint8_t *start = at;

    for (uint64_t rest = number; rest > 127; rest >>= 7)
        value_bytes++;
    *at++ = REQUEST_PARAMETERS << 3 | PROTO_BYTES;
    *at++ = (uint8_t)(2 + key_bytes + 2 + value_bytes);
    *at++ = ENTRY_KEY << 3 | PROTO_BYTES;
    *at++ = (uint8_t)key_bytes;
    memcpy(at, key, key_bytes);
    at += key_bytes;
    *at++ = ENTRY_VALUE << 3 | PROTO_BYTES;
    *at++ = (uint8_t)value_bytes;
    *at++ = (uint8_t)(kind << 3 | PROTO_VARINT);
    for (; number > 127; number >>= 7)
        *at++ = (uint8_t)((number & 127) | 128);
    *at++ = (uint8_t)number;
    return (size_t)(at - start);
}

static void write_sequence(struct infer_request *request, const struct tare_request *sequence)
{
    uint8_t *at = (uint8_t *)request->sequence;
    size_t size = 0;

    if (sequence) {
        size += put_parameter(at + size, "sequence_id", VALUE_INT64, sequence->sequence_id);
        size += put_parameter(at + size, "sequence_start", VALUE_BOOL, sequence->sequence_start);
        size += put_parameter(at + size, "sequence_end", VALUE_BOOL, sequence->sequence_end);
    }
    request->sequence_bytes = size;
}

enum tare_status infer_proto_prepare(struct infer_request *request,
                                     const struct tare_request *sequence, struct tare_err *err)
{
    struct iovec *parts = request->parts;
    uint8_t *head = (uint8_t *)request->head;
    size_t total, count = 3;

    write_sequence(request, sequence);
    for (size_t i = 0; i < request->slot_count; i++)
        proto_set_size((uint8_t *)request->body.data + request->slots[i].at,
                       request->input_bytes[request->slots[i].input]);
    total = request->sequence_bytes + request->body.size;
    for (size_t i = 0; i < request->input_count; i++) {
        if (request->input_shared[i])
            continue;
        if (request->input_bytes[i] > PROTO_MESSAGE_MAX)
            break;
        request->tags[i][0] = REQUEST_RAW << 3 | PROTO_BYTES;
        proto_set_size(request->tags[i] + 1, request->input_bytes[i]);
        parts[count++] = (struct iovec){request->tags[i], 1 + PROTO_SIZE_BYTES};
        parts[count++] = (struct iovec){request->inputs[i].data, request->input_bytes[i]};
        total += 1 + PROTO_SIZE_BYTES + request->input_bytes[i];
    }
    for (size_t i = 0; i < request->input_count; i++)
        if (total > PROTO_MESSAGE_MAX || request->input_bytes[i] > PROTO_MESSAGE_MAX)
            return tare_fail(err, TARE_LIMIT, "the inputs are over the %d bytes of a gRPC message",
                             PROTO_MESSAGE_MAX);
    head[0] = 0;
    for (int i = 0; i < 4; i++)
        head[1 + i] = (uint8_t)(total >> (24 - 8 * i));
    parts[0] = (struct iovec){head, PREFIX_BYTES};
    parts[1] = (struct iovec){request->sequence, request->sequence_bytes};
    parts[2] = (struct iovec){request->body.data, request->body.size};
    request->exchange.part_count = count;
    return TARE_OK;
}

/* --- the response --- */

static enum tare_status begin(void *context, int64_t json_bytes, int64_t body_bytes,
                              struct tare_err *err)
{
    struct infer_request *request = context;
    struct infer_reading *reading = &request->reading;

    (void)json_bytes;
    (void)body_bytes;
    (void)err;
    infer_answer_begin(&request->answer);
    reading->state = STATE_TAG;
    reading->number = 0;
    reading->digits = 0;
    reading->listed = false;
    return TARE_OK;
}

/* Dimensions: packed, or one a field. */
static bool take_dimension(struct infer_said *said, uint64_t value)
{
    if (value > INT64_MAX || said->rank == TARE_MAX_RANK)
        return false;
    said->shape[said->rank++] = (int64_t)value;
    return true;
}

static bool read_shape(struct infer_said *said, const struct proto_field *field)
{
    const uint8_t *at = field->bytes, *end = field->bytes + field->size;
    uint64_t value;

    if (field->type == PROTO_VARINT)
        return take_dimension(said, field->value);
    if (field->type != PROTO_BYTES)
        return false;
    while (at && at < end) {
        at = proto_get_varint(at, end, &value);
        if (!at || !take_dimension(said, value))
            return false;
    }
    return true;
}

/* One InferOutputTensor, complete in memory. */
static enum tare_status read_output(struct infer_answer *answer, const uint8_t *bytes, size_t size,
                                    struct tare_err *err)
{
    struct infer_said said = {.name = "", .wire_bytes = -1};
    const uint8_t *at = bytes;
    struct proto_field field;
    bool fine = true;

    while (fine && proto_next(&at, bytes + size, &field)) {
        if (field.number == INPUT_NAME && field.type == PROTO_BYTES) {
            said.name = (const char *)field.bytes;
            said.name_bytes = field.size;
        } else if (field.number == INPUT_DATATYPE && field.type == PROTO_BYTES) {
            said.dtype = infer_dtype((const char *)field.bytes, field.size);
        } else if (field.number == INPUT_SHAPE) {
            fine = read_shape(&said, &field);
        }
    }
    if (!fine || !at)
        return tare_fail(err, TARE_BADDATA, "the server sends an output that is malformed");
    return infer_answer_output(answer, &said, err);
}

/* A number ends: a tag, a varint that is passed over or a length. */
static enum tare_status take_number(struct infer_request *request, struct tare_err *err)
{
    struct infer_reading *reading = &request->reading;
    uint64_t number = reading->number;
    uint64_t type = number & 7;

    reading->number = 0;
    reading->digits = 0;
    if (reading->state == STATE_VARINT) {
        reading->state = STATE_TAG;
        return TARE_OK;
    }
    if (reading->state == STATE_TAG) {
        reading->field = number >> 3;
        reading->left = type == PROTO_64 ? 8 : 4;
        reading->state = type == PROTO_VARINT  ? STATE_VARINT
                         : type == PROTO_BYTES ? STATE_SIZE
                                               : STATE_SKIP;
        if (reading->field == 0 || type == 3 || type == 4 || type > 5)
            return tare_fail(err, TARE_BADDATA, "the server's response is no protobuf message");
        return TARE_OK;
    }
    if (number > PROTO_MESSAGE_MAX)
        return tare_fail(err, TARE_BADDATA, "the server's response holds an impossible length");
    reading->left = (int64_t)number;
    reading->state = number ? STATE_SKIP : STATE_TAG;
    if (reading->field == RESPONSE_OUTPUTS) {
        if (number > INFER_LIST_MAX || reading->listed)
            return tare_fail(err, TARE_UNSUPPORTED,
                             "the server sends an output that is too large or too late");
        reading->state = STATE_LIST;
        reading->list_bytes = 0;
        return number ? TARE_OK : read_output(&request->answer, reading->list, 0, err);
    }
    if (reading->field != RESPONSE_RAW)
        return TARE_OK;
    if (!reading->listed && infer_answer_listed(&request->answer, -1, err) != TARE_OK)
        return TARE_BADDATA;
    reading->listed = true;
    if (number)
        reading->state = STATE_RAW;
    return infer_answer_piece(&request->answer, (int64_t)number, err);
}

static enum tare_status take_digit(struct infer_request *request, uint8_t byte,
                                   struct tare_err *err)
{
    struct infer_reading *reading = &request->reading;

    if (reading->digits == PROTO_VARINT_MAX)
        return tare_fail(err, TARE_BADDATA, "the server's response is no protobuf message");
    reading->number |= (uint64_t)(byte & 127) << 7 * reading->digits++;
    return byte < 128 ? take_number(request, err) : TARE_OK;
}

/* Bytes that a length has announced. */
static enum tare_status take_bytes(struct infer_request *request, const uint8_t *bytes, size_t size,
                                   struct tare_err *err)
{
    struct infer_reading *reading = &request->reading;
    enum tare_status status = TARE_OK;
    uint8_t *place;

    if (reading->state == STATE_RAW) {
        (void)infer_answer_place(&request->answer, &place);
        if (place)
            memcpy(place, bytes, size);
        infer_answer_placed(&request->answer, size);
    } else if (reading->state == STATE_LIST) {
        memcpy(reading->list + reading->list_bytes, bytes, size);
        reading->list_bytes += size;
    }
    reading->left -= (int64_t)size;
    if (reading->left > 0)
        return TARE_OK;
    if (reading->state == STATE_LIST)
        status = read_output(&request->answer, reading->list, reading->list_bytes, err);
    reading->state = STATE_TAG;
    return status;
}

static enum tare_status take(void *context, const uint8_t *bytes, size_t size, struct tare_err *err)
{
    struct infer_request *request = context;
    struct infer_reading *reading = &request->reading;
    enum tare_status status = TARE_OK;

    while (size && status == TARE_OK) {
        size_t part = 1;

        if (reading->state <= STATE_SIZE) {
            status = take_digit(request, *bytes, err);
        } else {
            part = (int64_t)size > reading->left ? (size_t)reading->left : size;
            status = take_bytes(request, bytes, part, err);
        }
        bytes += part;
        size -= part;
    }
    return status;
}

static enum tare_status end(void *context, struct tare_err *err)
{
    struct infer_request *request = context;

    if (request->reading.state != STATE_TAG || request->reading.digits)
        return tare_fail(err, TARE_BADDATA, "the server's response ends too early");
    return infer_answer_end(&request->answer, err);
}

const struct exchange_sink infer_proto_sink = {begin, take, NULL, NULL, end};
