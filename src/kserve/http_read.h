/*
 * http_read.h - reads one HTTP/1.1 response (RFC 9112) from pieces as they come. It allocates
 * nothing and copies no body: the caller walks through what it received,
 *
 *     http_read_start(&reader, max);
 *     while (at < size) {
 *         event = http_read_next(&reader, bytes + at, size - at, &used, &piece);
 *         at += used;
 *         switch (event) ...
 *     }
 *
 * It is strict: lines end in CRLF, no folded headers, no control characters, a length that is said
 * once or twice the same, chunked as the only transfer coding and never beside a length. Interim
 * responses (1xx) are passed over. What is limited: a line, the head, the number of headers, of
 * interim responses, the body.
 *
 * Threads: a reader belongs to one thread.
 */
#ifndef TARE_KSERVE_HTTP_READ_H
#define TARE_KSERVE_HTTP_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_LINE_MAX    4096  /* bytes of a line of the head, without CRLF */
#define HTTP_HEAD_MAX    32768 /* bytes of a head, and of a body's trailers */
#define HTTP_HEADERS_MAX 100
#define HTTP_INTERIM_MAX 8 /* responses 1xx before the one that counts */

enum http_event {
    HTTP_MORE, /* all bytes are used, and the response goes on */
    HTTP_HEAD, /* the head is complete: the fields below it are set */
    HTTP_BODY, /* the piece is the next part of the body */
    HTTP_DONE, /* the response is complete; bytes not used belong to the next one */
    HTTP_BAD,  /* malformed or over a limit: fault says how. Every later call says the same */
};

enum http_state {
    HTTP_STATUS_LINE,
    HTTP_HEADER_LINE,
    HTTP_LENGTH,   /* a body of content_length */
    HTTP_TO_CLOSE, /* a body as long as the connection lasts */
    HTTP_CHUNK_LINE,
    HTTP_CHUNK,
    HTTP_CHUNK_END,
    HTTP_TRAILER,
    HTTP_COMPLETE,
    HTTP_FAULT,
};

struct http_reader {
    /* after HTTP_HEAD */
    int status;             /* 200 to 999 */
    bool keep_alive;        /* the connection may be used again after HTTP_DONE */
    int64_t content_length; /* -1: not said */
    int64_t json_bytes;     /* Inference-Header-Content-Length; -1: not said */
    const char *fault;      /* static text; NULL: nothing so far */

    /* the reader's own */
    enum http_state state;
    int64_t body_max, body_bytes, left;
    size_t head_bytes, line_bytes;
    int header_count, interim_count;
    bool chunked;
    char line[HTTP_LINE_MAX + 2];
};

/* A part of the body, in the bytes that were passed in. */
struct http_piece {
    const char *bytes; // (size)
    size_t size;
};

/* Before each response. body_max: bytes that a body may have. */
void http_read_start(struct http_reader *reader, int64_t body_max);

/* Reads on. *used is how many of the size bytes were read; piece is set for HTTP_BODY. With size 0
 * it says HTTP_MORE, or what came of earlier bytes (HTTP_DONE, HTTP_BAD). */
enum http_event http_read_next(struct http_reader *reader, const char *bytes, size_t size,
                               size_t *used, struct http_piece *piece);

/* How many bytes of the body come next without anything between: the caller may receive as many
 * straight to where they belong, and then says so with http_read_skip(). */
int64_t http_read_plain(const struct http_reader *reader);
void http_read_skip(struct http_reader *reader, size_t count);

/* The connection was closed by the peer: HTTP_DONE if the response ends with it, else HTTP_BAD. */
enum http_event http_read_closed(struct http_reader *reader);

#endif
