/* The HTTP reader: whole and split input, what it takes and refuses by RFC 9112, its limits. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kserve/http_read.h"

/* What came of a response. */
struct outcome {
    enum http_event last;
    int status, heads;
    bool keep_alive;
    int64_t content_length, json_bytes;
    size_t used, body_bytes;
    char body[65536];
    const char *fault;
};

static void note(struct outcome *outcome, const struct http_reader *reader, enum http_event event,
                 const struct http_piece *piece)
{
    outcome->last = event;
    if (event == HTTP_HEAD) {
        outcome->heads++;
        outcome->status = reader->status;
        outcome->content_length = reader->content_length;
        outcome->json_bytes = reader->json_bytes;
    }
    if (event == HTTP_BODY && outcome->body_bytes + piece->size <= sizeof(outcome->body)) {
        memcpy(outcome->body + outcome->body_bytes, piece->bytes, piece->size);
        outcome->body_bytes += piece->size;
    }
    outcome->keep_alive = reader->keep_alive;
    outcome->fault = reader->fault;
}

/* Reads in steps of so many bytes; close: then the peer closes. */
static void read_steps(const char *text, size_t size, size_t step, bool close_it, int64_t body_max,
                       struct outcome *outcome)
{
    static struct http_reader reader;
    struct http_piece piece;
    size_t used;

    memset(outcome, 0, sizeof(*outcome));
    http_read_start(&reader, body_max);
    for (size_t at = 0; at < size;) {
        size_t end = size - at < step ? size : at + step;

        do {
            note(outcome, &reader, http_read_next(&reader, text + at, end - at, &used, &piece),
                 &piece);
            at += used;
            outcome->used = at;
        } while (outcome->last == HTTP_HEAD || outcome->last == HTTP_BODY);
        if (outcome->last != HTTP_MORE)
            return;
    }
    if (close_it)
        note(outcome, &reader, http_read_closed(&reader), &piece);
}

static struct outcome whole, split;

/* In one piece, in single bytes and in sevens: the same. */
static void read_all_ways(const char *text, size_t size, bool close_it, int64_t body_max)
{
    const size_t steps[] = {1, 7};

    read_steps(text, size, SIZE_MAX, close_it, body_max, &whole);
    for (size_t i = 0; i < 2; i++) {
        read_steps(text, size, steps[i], close_it, body_max, &split);
        CHECK(split.last == whole.last);
        CHECK(split.status == whole.status && split.heads == whole.heads);
        CHECK(split.keep_alive == whole.keep_alive && split.json_bytes == whole.json_bytes);
        CHECK(split.body_bytes == whole.body_bytes &&
              memcmp(split.body, whole.body, whole.body_bytes) == 0);
        CHECK(split.fault == whole.fault);
    }
}

static void accepts(const char *text, int status, const char *body, bool keep_alive)
{
    read_all_ways(text, strlen(text), false, 1 << 20);
    if (whole.last != HTTP_DONE)
        (void)fprintf(stderr, "of %s: %s\n", text, whole.fault ? whole.fault : "not done");
    CHECK(whole.last == HTTP_DONE && whole.status == status && whole.heads == 1);
    CHECK(whole.body_bytes == strlen(body) && memcmp(whole.body, body, whole.body_bytes) == 0);
    CHECK(whole.keep_alive == keep_alive);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void reads_bodies(void)
{
    accepts(OK "Content-Length: 5\r\n\r\nhello", 200, "hello", true);
    accepts(OK "content-length:5\r\nX: \t y \r\n\r\nhello", 200, "hello", true);
    accepts(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true);
    accepts(OK "Content-Length: 0\r\n\r\n", 200, "", true);
    accepts(OK "Content-Length: 1\r\nConnection: x, Close\r\n\r\na", 200, "a", false);
    accepts("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, "a", false);
    accepts("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", 200, "a",
            true);
    accepts("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", 404, "{}", true);
    accepts("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na", 200, "a", true);
    accepts("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true);
    accepts("HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\na", 200, "a", true);
}

static void reads_chunks(void)
{
    accepts(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, "hello", true);
    accepts(OK "Transfer-Encoding: Chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nT: x\r\n\r\n",
            200, "hello", true);
    accepts(OK "Transfer-Encoding: chunked\r\n\r\n0A\r\n0123456789\r\n000\r\n\r\n", 200,
            "0123456789", true);
}

static void stops_where_the_response_ends(void)
{
    const char *text = OK "Content-Length: 2\r\n\r\nabHTTP/1.1 ";

    read_steps(text, strlen(text), SIZE_MAX, false, 100, &whole);
    CHECK(whole.last == HTTP_DONE && whole.used == strlen(text) - 9 && whole.body_bytes == 2);
}

static void knows_inference_header(void)
{
    const char *text = OK "Inference-Header-Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde";

    read_all_ways(text, strlen(text), false, 100);
    CHECK(whole.json_bytes == 3 && whole.content_length == 5);
}

static void ends_with_the_connection(void)
{
    const char *text = OK "\r\nabc", *cut = OK "Content-Length: 5\r\n\r\nabc", *head = OK "A";

    read_all_ways(text, strlen(text), true, 100);
    CHECK(whole.last == HTTP_DONE && whole.body_bytes == 3 && !whole.keep_alive);
    read_all_ways(cut, strlen(cut), true, 100);
    CHECK(whole.last == HTTP_BAD);
    CHECK_TEXT(whole.fault, "it ends too early");
    read_all_ways(head, strlen(head), true, 100);
    CHECK(whole.last == HTTP_BAD);
}

static void refuses_sized(const char *text, size_t size, const char *fault)
{
    read_all_ways(text, size, false, 10);
    CHECK(whole.last == HTTP_BAD);
    CHECK_TEXT(whole.fault ? whole.fault : "nothing", fault);
}

static void refuses(const char *text, const char *fault)
{
    refuses_sized(text, strlen(text), fault);
}

static void refuses_malformed_heads(void)
{
    const char *start = "it does not start with an HTTP/1.1 status line";

    refuses("HTTP/2 200 OK\r\n", start);
    refuses("HTTP/1.1  200 OK\r\n", start);
    refuses("HTTP/1.1 2000 OK\r\n", start);
    refuses("HTTP/1.1 +20 OK\r\n", start);
    refuses("http/1.1 200 OK\r\n", start);
    refuses("\r\n", start);
    refuses("HTTP/1.1 099 Low\r\n", "its status is below 100");
    refuses("HTTP/1.1 200 OK\n", "a line does not end in CRLF");
    refuses(OK "A: b\n", "a line does not end in CRLF");
    refuses(OK "A: b\rc\r\n", "a line holds a control character");
    refuses_sized(OK "A: \0\r\n", strlen(OK) + 6, "a line holds a control character");
    refuses(OK "A b\r\n", "a line of its head is no header");
    refuses(OK "A : b\r\n", "a line of its head is no header");
    refuses(OK ": b\r\n", "a line of its head is no header");
    refuses(OK " folded: b\r\n", "a line of its head is no header");
    refuses("HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "it is an endless or unwanted interim response");
}

static void refuses_malformed_bodies(void)
{
    const char *no_number = "its content-length is no number";

    refuses(OK "Content-Length: 5, 5\r\n", no_number);
    refuses(OK "Content-Length: -5\r\n", no_number);
    refuses(OK "Content-Length: +5\r\n", no_number);
    refuses(OK "Content-Length: 0x5\r\n", no_number);
    refuses(OK "Content-Length:\r\n", no_number);
    refuses(OK "Content-Length: 99999999999999999999\r\n", no_number);
    refuses(OK "Content-Length: 5\r\nContent-Length: 6\r\n", "it says two lengths");
    refuses(OK "Content-Length: 11\r\n\r\n", "its body is too large");
    refuses(OK "Content-Length: 5\r\nInference-Header-Content-Length: 6\r\n\r\n",
            "its inference header is longer than its body");
    refuses(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "it says a length and is chunked");
    refuses(OK "Transfer-Encoding: gzip\r\n", "its transfer coding is not just chunked");
    refuses(OK "Transfer-Encoding: gzip, chunked\r\n", "its transfer coding is not just chunked");
    refuses(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "its transfer coding is not just chunked");
    refuses(OK "Content-Encoding: gzip\r\n", "its content is encoded, which was not asked for");
    refuses(OK "\r\n12345678901", "its body is too large");
}

static void refuses_malformed_chunks(void)
{
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
    refuses(CHUNKED "\r\n", "a chunk has no size");
    refuses(CHUNKED "g\r\n", "a chunk has no size");
    refuses(CHUNKED "0x5\r\n", "a chunk has no size");
    refuses(CHUNKED "-5\r\n", "a chunk has no size");
    refuses(CHUNKED "fffffffffffffffff\r\n", "a chunk is too large");
    refuses(CHUNKED "fffffffffffffff\r\n", "its body is too large");
    refuses(CHUNKED "8\r\n12345678\r\n3\r\n123\r\n", "its body is too large");
    refuses(CHUNKED "2\r\n123\r\n", "a chunk does not end where it should");
    refuses(CHUNKED "0\r\nno header\r\n", "its trailer is no header or one too many");
}

/* A head of so many headers of one letter, each value so many bytes long. */
static char *long_head(size_t headers, size_t value_bytes, size_t *size)
{
    char *text = malloc(64 + headers * (value_bytes + 6)), *at = text;

    memcpy(at, OK, strlen(OK));
    at += strlen(OK);
    for (size_t i = 0; i < headers; i++) {
        memcpy(at, "A: ", 3);
        memset(at + 3, 'x', value_bytes);
        memcpy(at + 3 + value_bytes, "\r\n", 2);
        at += value_bytes + 5;
    }
    memcpy(at, "Content-Length: 0\r\n\r\n", 21);
    *size = (size_t)(at - text) + 21;
    return text;
}

static void has_limits(void)
{
    size_t size;
    char *text = long_head(HTTP_HEADERS_MAX - 1, 10, &size);

    read_all_ways(text, size, false, 10);
    CHECK(whole.last == HTTP_DONE);
    free(text);
    text = long_head(HTTP_HEADERS_MAX, 10, &size);
    refuses_sized(text, size, "it has too many headers");
    free(text);
    text = long_head(1, HTTP_LINE_MAX - 3, &size);
    read_all_ways(text, size, false, 10);
    CHECK(whole.last == HTTP_DONE);
    free(text);
    text = long_head(1, HTTP_LINE_MAX - 2, &size);
    refuses_sized(text, size, "a line is too long");
    free(text);
    text = long_head(20, 2000, &size);
    read_steps(text, size, SIZE_MAX, false, 10, &whole);
    CHECK(whole.last == HTTP_BAD);
    CHECK_TEXT(whole.fault, "its head is too large");
    free(text);
}

static void has_a_limit_of_interim_responses(void)
{
    char text[1024] = "";
    size_t at = 0;

    for (int i = 0; i <= HTTP_INTERIM_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "HTTP/1.1 103 Early\r\n\r\n");
    refuses(text, "it is an endless or unwanted interim response");
}

static void lets_the_caller_receive_a_body(void)
{
    static struct http_reader reader;
    const char *head = OK "Content-Length: 100\r\n\r\nab";
    struct http_piece piece;
    size_t used = 0, at = 0;

    http_read_start(&reader, 1000);
    CHECK(http_read_plain(&reader) == 0);
    CHECK(http_read_next(&reader, head, strlen(head), &used, &piece) == HTTP_HEAD);
    at += used;
    CHECK(http_read_plain(&reader) == 100);
    CHECK(http_read_next(&reader, head + at, strlen(head) - at, &used, &piece) == HTTP_BODY);
    CHECK(piece.size == 2 && http_read_plain(&reader) == 98);
    http_read_skip(&reader, 90);
    CHECK(http_read_next(&reader, head, 0, &used, &piece) == HTTP_MORE);
    http_read_skip(&reader, 8);
    CHECK(http_read_next(&reader, head, 0, &used, &piece) == HTTP_DONE);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"reads_bodies", reads_bodies},
        {"reads_chunks", reads_chunks},
        {"stops_where_the_response_ends", stops_where_the_response_ends},
        {"knows_inference_header", knows_inference_header},
        {"ends_with_the_connection", ends_with_the_connection},
        {"refuses_malformed_heads", refuses_malformed_heads},
        {"refuses_malformed_bodies", refuses_malformed_bodies},
        {"refuses_malformed_chunks", refuses_malformed_chunks},
        {"has_limits", has_limits},
        {"has_a_limit_of_interim_responses", has_a_limit_of_interim_responses},
        {"lets_the_caller_receive_a_body", lets_the_caller_receive_a_body},
        {0},
    };

    return check_main("http_read", cases, argc, argv);
}
