/* The KServe client without a server: addresses, slices of a request, both encodings of an
 * inference, names of shared memory. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "kserve/infer_request.h"
#include "kserve/proto_wire.h"
#include "kserve/shared_region.h"
#include "kserve/url_escape.h"

static void reads_addresses(void)
{
    static const struct {
        const char *url, *host, *port, *text;
    } good[] = {
        {"localhost", "localhost", "8000", "localhost:8000"},
        {"127.0.0.1:9", "127.0.0.1", "9", "127.0.0.1:9"},
        {"[::1]:65535", "::1", "65535", "[::1]:65535"},
        {"[::1]", "::1", "8000", "[::1]:8000"},
    };
    static const char *const bad[] = {"",     ":1",     "h:",     "h:0",    "h:65536", "h:1x",
                                      "[::1", "[::1]1", "h/x:80", "h h:80", "h\n:80",  "::1"};
    struct kserve_address address;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_OK(kserve_address_parse(good[i].url, "8000", &address, err));
        CHECK_TEXT(address.host, good[i].host);
        CHECK_TEXT(address.port, good[i].port);
        CHECK_TEXT(address.text, good[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(kserve_address_parse(bad[i], "8000", &address, NULL) == TARE_INVALID);
}

static void escapes_names(void)
{
    struct buf out = BUF_INIT;

    url_escape(&out, "a-b_c.d~0/ ?%\xC3\xA9");
    CHECK_TEXT(buf_text(&out), "a-b_c.d~0%2F%20%3F%25%C3%A9");
    buf_release(&out);
}

static void cuts_slices(void)
{
    char text[] = "abcdefgh";
    const struct iovec parts[] = {{text, 3}, {text, 0}, {text + 3, 5}};
    struct exchange exchange = {.parts = parts, .part_count = 3};
    struct iovec slices[4];

    exchange_reset(&exchange);
    CHECK(exchange_left(&exchange) == 8);
    CHECK(exchange_slices(&exchange, 5, slices, 4) == 2);
    CHECK(slices[0].iov_len == 3 && slices[1].iov_len == 2 && slices[1].iov_base == text + 3);
    CHECK(exchange_slices(&exchange, 5, slices, 1) == 1 && slices[0].iov_len == 3);
    exchange_advance(&exchange, 4);
    CHECK(exchange_left(&exchange) == 4);
    CHECK(exchange_slices(&exchange, SIZE_MAX, slices, 4) == 1);
    CHECK(slices[0].iov_base == text + 4 && slices[0].iov_len == 4);
    exchange_advance(&exchange, 4);
    CHECK(exchange_left(&exchange) == 0 && exchange_slices(&exchange, 9, slices, 4) == 0);
}

/* --- requests --- */

static float numbers[4] = {1, 2, 3, 4};
static uint8_t strings[64];
static float answer[4];

static const struct kserve_address server = {"h", "1", "h:1"};
static const struct tare_tensor inputs[] = {
    {"x\"", TARE_FP32, TARE_MEM_HOST, 0, 2, {1, 4}, numbers, sizeof(numbers)},
    {"s", TARE_BYTES, TARE_MEM_HOST, 0, 1, {1}, strings, sizeof(strings)},
};
static const struct tare_tensor outputs[] = {
    {"y", TARE_FP32, TARE_MEM_HOST, 0, 1, {4}, answer, sizeof(answer)},
};

static struct infer_request *make(enum kserve_transport transport, const char *region)
{
    const struct infer_place places[] = {{region, 64}, {region, 128}};
    const struct infer_plan plan = {
        .address = &server,
        .transport = transport,
        .model = "a b",
        .version = "3",
        .inputs = inputs,
        .outputs = outputs,
        .input_places = places,
        .output_places = places,
        .input_count = 2,
        .output_count = 1,
    };
    struct infer_request *request = NULL;

    CHECK_OK(infer_request_new(&plan, &request, err));
    return request;
}

/* The bytes that a request would be sent as, in the caller's 4096. */
static size_t bytes_of(struct infer_request *request, const struct tare_request *sequence,
                       char *bytes)
{
    struct exchange *exchange = NULL;
    size_t size = 0;

    CHECK_OK(infer_request_prepare(request, sequence, &exchange, err));
    for (size_t i = 0; exchange && i < exchange->part_count; i++) {
        memcpy(bytes + size, exchange->parts[i].iov_base, exchange->parts[i].iov_len);
        size += exchange->parts[i].iov_len;
    }
    bytes[size] = '\0';
    return size;
}

static void set_string(const char *text)
{
    struct tare_tensor tensor = inputs[1];

    CHECK(tare_bytes_set(&tensor, 0, text, strlen(text)));
}

static void writes_json_on_the_wire(void)
{
    static const char head[] =
        "POST /v2/models/a%20b/versions/3/infer HTTP/1.1\r\nHost: h:1\r\n"
        "Content-Type: application/octet-stream\r\nInference-Header-Content-Length: 253\r\n"
        "Content-Length: 275\r\n\r\n"
        "{\"inputs\":[{\"name\":\"x\\\"\",\"datatype\":\"FP32\",\"shape\":[1,4],"
        "\"parameters\":{\"binary_data_size\":16}},{\"name\":\"s\",\"datatype\":\"BYTES\","
        "\"shape\":[1],\"parameters\":{\"binary_data_size\":6                  }}],"
        "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"binary_data\":true}}]}";
    struct infer_request *request = make(KSERVE_HTTP, NULL);
    char bytes[4096];
    size_t size;

    set_string("hi");
    size = bytes_of(request, NULL, bytes);
    CHECK(size == strlen(head) + 16 + 6);
    CHECK(memcmp(bytes + strlen(head), numbers, 16) == 0);
    CHECK(memcmp(bytes + strlen(head) + 16, "\2\0\0\0hi", 6) == 0);
    bytes[strlen(head)] = '\0';
    CHECK_TEXT(bytes, head);
    infer_request_free(request);
}

static void writes_json_of_shared_memory(void)
{
    const struct tare_request sequence = {7, true, false, 0};
    struct infer_request *request = make(KSERVE_HTTP, "r");
    char bytes[4096];

    set_string("hello");
    (void)bytes_of(request, &sequence, bytes);
    CHECK(strstr(bytes, "{\"parameters\":{\"sequence_id\":7,\"sequence_start\":true,"
                        "\"sequence_end\":false},\"inputs\":"));
    CHECK(strstr(bytes, "\"shared_memory_region\":\"r\",\"shared_memory_offset\":64,"
                        "\"shared_memory_byte_size\":16}"));
    CHECK(strstr(bytes, "\"shared_memory_offset\":128,\"shared_memory_byte_size\":9  "));
    (void)bytes_of(request, NULL, bytes);
    CHECK(strstr(bytes, "\r\n\r\n{\"inputs\":"));
    infer_request_free(request);
}

static bool is_text(const struct proto_field *field, uint32_t number, const char *text)
{
    return field->number == number && field->type == PROTO_BYTES && field->size == strlen(text) &&
           memcmp(field->bytes, text, field->size) == 0;
}

static void writes_protobuf(void)
{
    struct infer_request *request = make(KSERVE_GRPC, NULL);
    char bytes[4096];
    const uint8_t *at = (const uint8_t *)bytes + 5, *end;
    struct proto_field field;
    size_t size;

    set_string("hi");
    size = bytes_of(request, NULL, bytes);
    end = (const uint8_t *)bytes + size;
    CHECK(bytes[0] == 0 &&
          (size_t)(uint8_t)bytes[4] + ((size_t)(uint8_t)bytes[3] << 8) == size - 5);
    CHECK(proto_next(&at, end, &field) && is_text(&field, 1, "a b"));
    CHECK(proto_next(&at, end, &field) && is_text(&field, 2, "3"));
    CHECK(proto_next(&at, end, &field) && is_text(&field, 5,
                                                  "\x0A\x02x\"\x12\x04"
                                                  "FP32\x1A\x02\x01\x04"));
    CHECK(proto_next(&at, end, &field) && is_text(&field, 5,
                                                  "\x0A\x01s\x12\x05"
                                                  "BYTES\x1A\x01\x01"));
    CHECK(proto_next(&at, end, &field) && is_text(&field, 6, "\x0A\x01y"));
    CHECK(proto_next(&at, end, &field) && field.number == 7 && field.size == 16 &&
          memcmp(field.bytes, numbers, 16) == 0);
    CHECK(proto_next(&at, end, &field) && field.number == 7 && field.size == 6 &&
          memcmp(field.bytes, "\2\0\0\0hi", 6) == 0);
    CHECK(!proto_next(&at, end, &field) && at == end);
    infer_request_free(request);
}

/* A parameter's value in the fields of an input, by its key; -1 if it is not there. */
static int64_t parameter(const uint8_t *at, const uint8_t *end, const char *key)
{
    struct proto_field field, part;
    int64_t found = -1;

    while (proto_next(&at, end, &field)) {
        const uint8_t *inner = field.bytes, *inner_end = field.bytes + field.size, *value;

        if (field.number != 4 || !proto_next(&inner, inner_end, &part) || !is_text(&part, 1, key) ||
            !proto_next(&inner, inner_end, &part))
            continue;
        value = part.bytes;
        if (proto_next(&value, part.bytes + part.size, &field) && field.type == PROTO_VARINT)
            found = (int64_t)field.value;
    }
    return found;
}

static void writes_sizes_of_strings_in_shared_memory(void)
{
    struct infer_request *request = make(KSERVE_GRPC, "r");
    const struct tare_request sequence = {UINT64_C(1) << 40, false, true, 0};
    const char *texts[] = {"", "hello"};
    char bytes[4096];

    for (size_t i = 0; i < 2; i++) {
        const uint8_t *at = (const uint8_t *)bytes + 5, *end;
        struct proto_field field;
        size_t seen = 0;

        set_string(texts[i]);
        end = (const uint8_t *)bytes + bytes_of(request, &sequence, bytes);
        CHECK(parameter(at, end, "sequence_id") == INT64_C(1) << 40);
        CHECK(parameter(at, end, "sequence_start") == 0);
        CHECK(parameter(at, end, "sequence_end") == 1);
        while (proto_next(&at, end, &field)) {
            CHECK(field.number != 7);
            if (field.number == 5 && seen++ == 1) {
                CHECK(parameter(field.bytes, field.bytes + field.size, "shared_memory_byte_size") ==
                      4 + (int64_t)strlen(texts[i]));
                CHECK(parameter(field.bytes, field.bytes + field.size, "shared_memory_offset") ==
                      128);
            }
        }
        CHECK(at == end && seen == 2);
    }
    infer_request_free(request);
}

static void refuses_tensors_that_do_not_fit(void)
{
    const struct infer_place place = {NULL, 0};
    struct tare_tensor tensor = inputs[0];
    struct infer_plan plan = {.address = &server,
                              .model = "m",
                              .version = "",
                              .inputs = &tensor,
                              .input_places = &place,
                              .input_count = 1};
    struct infer_request *request;

    tensor.shape[1] = 5;
    CHECK(infer_request_new(&plan, &request, NULL) == TARE_INVALID && !request);
    tensor.shape[1] = INT64_MAX;
    CHECK(infer_request_new(&plan, &request, NULL) == TARE_INVALID);
    tensor = inputs[0];
    tensor.memory = TARE_MEM_DEVICE;
    CHECK(infer_request_new(&plan, &request, NULL) == TARE_UNSUPPORTED);
    tensor = inputs[0];
    tensor.data = NULL;
    CHECK(infer_request_new(&plan, &request, NULL) == TARE_INVALID);
    plan.model = "";
    CHECK(infer_request_new(&plan, &request, NULL) == TARE_INVALID);
}

/* --- answers --- */

/* What comes of an answer whose length is not known beforehand, as in chunks, all at once. */
static enum tare_status take_answer(const char *list, size_t tensor_bytes)
{
    struct infer_request *request = make(KSERVE_HTTP, NULL);
    const struct exchange_sink *sink = request->exchange.sink;
    size_t size = strlen(list);
    enum tare_status status = sink->begin(request, (int64_t)size, -1, NULL);
    uint8_t bytes[512];

    memcpy(bytes, list, size);
    memset(bytes + size, 1, tensor_bytes);
    if (status == TARE_OK)
        status = sink->take(request, bytes, size + tensor_bytes, NULL);
    if (status == TARE_OK)
        status = sink->end(request, NULL);
    infer_request_free(request);
    return status;
}

static void refuses_answers_that_lack_bytes(void)
{
    static const char sized[] = "{\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\","
                                "\"shape\":[4],\"parameters\":{\"binary_data_size\":16}}]}";
    static const char open[] = "{\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\","
                               "\"shape\":[4]}]}";

    CHECK(take_answer(sized, 16) == TARE_OK);
    CHECK(take_answer(sized, 15) == TARE_BADDATA);
    CHECK(take_answer(sized, 17) == TARE_BADDATA);
    CHECK(take_answer(sized, 0) == TARE_BADDATA);
    CHECK(take_answer(open, 0) == TARE_BADDATA);
    CHECK(take_answer(open, 16) == TARE_BADDATA);
}

/* --- shared memory --- */

static void knows_stale_regions(void)
{
    struct shared_region region;
    int ends[2], status;
    char name[SHARED_NAME_MAX + 1] = "";
    pid_t child;

    CHECK_OK(shared_region_make(&region, 100, err));
    CHECK(region.size >= 100 && region.data[99] == 0);
    CHECK(!shared_region_is_stale(shared_region_name(&region)));
    shared_region_release(&region);
    CHECK(!shared_region_is_stale("tare-kserve-1-1-1-1"));
    CHECK(!shared_region_is_stale("tare-kserve-"));
    CHECK(!shared_region_is_stale("other"));
    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) { /* leaves its region behind, as if it had been killed */
        if (shared_region_make(&region, 1, NULL) != TARE_OK ||
            write(ends[1], region.key, sizeof(region.key)) != (ssize_t)sizeof(region.key))
            _exit(1);
        _exit(0);
    }
    CHECK(read(ends[0], name, sizeof(name)) == (ssize_t)sizeof(name));
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
    CHECK(shared_region_is_stale(name + 1));
    (void)snprintf(strrchr(name, '-'), 2, "-");
    CHECK(shared_region_is_stale(name + 1));
    shared_region_sweep();
}

static void refuses_regions_without_room(void)
{
    struct shared_region region;

    CHECK(shared_region_make(&region, 0, NULL) == TARE_LIMIT);
    CHECK(shared_region_make(&region, SIZE_MAX, NULL) == TARE_LIMIT);
    CHECK(shared_region_make(&region, (size_t)1 << 60, NULL) != TARE_OK);
    CHECK(!region.data && !region.linked);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"reads_addresses", reads_addresses},
        {"escapes_names", escapes_names},
        {"cuts_slices", cuts_slices},
        {"writes_json_on_the_wire", writes_json_on_the_wire},
        {"writes_json_of_shared_memory", writes_json_of_shared_memory},
        {"writes_protobuf", writes_protobuf},
        {"writes_sizes_of_strings_in_shared_memory", writes_sizes_of_strings_in_shared_memory},
        {"refuses_tensors_that_do_not_fit", refuses_tensors_that_do_not_fit},
        {"refuses_answers_that_lack_bytes", refuses_answers_that_lack_bytes},
        {"knows_stale_regions", knows_stale_regions},
        {"refuses_regions_without_room", refuses_regions_without_room},
        {0},
    };

    return check_main("kserve", cases, argc, argv);
}
