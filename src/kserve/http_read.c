#include "kserve/http_read.h"

#include <string.h>
#include <strings.h>

#define CHUNK_DIGITS_MAX 15 /* of a hexadecimal chunk size: below 2^60 */

void http_read_start(struct http_reader *reader, int64_t body_max)
{
    reader->status = 0;
    reader->keep_alive = true;
    reader->content_length = -1;
    reader->json_bytes = -1;
    reader->fault = NULL;
    reader->state = HTTP_STATUS_LINE;
    reader->body_max = body_max;
    reader->body_bytes = 0;
    reader->left = 0;
    reader->head_bytes = 0;
    reader->line_bytes = 0;
    reader->header_count = 0;
    reader->interim_count = 0;
    reader->chunked = false;
}

static enum http_event bad(struct http_reader *reader, const char *fault)
{
    if (!reader->fault)
        reader->fault = fault;
    reader->state = HTTP_FAULT;
    return HTTP_BAD;
}

/*
 * Takes bytes up to the end of a line into reader->line, without its CRLF and with a NUL. Says
 * whether the line is complete; a line that is too long or not plain text is a fault.
 */
static bool take_line(struct http_reader *reader, const char *bytes, size_t size, size_t *used)
{
    const char *end = memchr(bytes, '\n', size);
    size_t count = end ? (size_t)(end - bytes) + 1 : size;
    size_t length;

    if (reader->line_bytes + count > sizeof(reader->line)) {
        (void)bad(reader, "a line is too long");
        return false;
    }
    memcpy(reader->line + reader->line_bytes, bytes, count);
    reader->line_bytes += count;
    reader->head_bytes += count;
    *used += count;
    if (reader->head_bytes > HTTP_HEAD_MAX)
        (void)bad(reader, "its head is too large");
    if (!end || reader->fault)
        return false;
    length = reader->line_bytes;
    reader->line_bytes = 0;
    if (length < 2 || reader->line[length - 2] != '\r') {
        (void)bad(reader, "a line does not end in CRLF");
        return false;
    }
    length -= 2;
    reader->line[length] = '\0';
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)reader->line[i];

        if ((byte < ' ' && byte != '\t') || byte == 127) {
            (void)bad(reader, "a line holds a control character");
            return false;
        }
    }
    return true;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* A number of decimal digits and nothing else; -1 if it is anything else or too large. */
static int64_t parse_size(const char *text)
{
    int64_t number = 0;

    if (!*text)
        return -1;
    for (; *text; text++) {
        if (!is_digit(*text) || number > (INT64_MAX - 9) / 10)
            return -1;
        number = number * 10 + (*text - '0');
    }
    return number;
}

static void read_status_line(struct http_reader *reader)
{
    const char *line = reader->line;

    if (strncmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ' ||
        !is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]) ||
        (line[12] != ' ' && line[12] != '\0')) {
        (void)bad(reader, "it does not start with an HTTP/1.1 status line");
        return;
    }
    reader->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    reader->keep_alive = line[7] == '1';
    if (reader->status < 100)
        (void)bad(reader, "its status is below 100");
    else
        reader->state = HTTP_HEADER_LINE;
}

/* A header's name (RFC 9110, token) up to its ':'; NULL if there is none. */
static char *end_of_name(char *line)
{
    char *at = line;

    while (*at && *at != ':') {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || is_digit(*at);

        if (!letter && !strchr("!#$%&'*+-.^_`|~", *at))
            return NULL;
        at++;
    }
    return *at == ':' && at > line ? at : NULL;
}

/* Cuts blanks off both ends. */
static char *trim(char *text)
{
    size_t length;

    while (*text == ' ' || *text == '\t')
        text++;
    length = strlen(text);
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    text[length] = '\0';
    return text;
}

/* Whether a comma-separated list holds a word, in any case. */
static bool list_has(const char *list, const char *word)
{
    size_t length = strlen(word);

    while (*list) {
        size_t part;

        list += strspn(list, " \t,");
        part = strcspn(list, " \t,");
        if (part == length && strncasecmp(list, word, length) == 0)
            return true;
        list += part;
    }
    return false;
}

static void read_sizes(struct http_reader *reader, const char *name, const char *value)
{
    bool of_body = strcasecmp(name, "content-length") == 0;
    int64_t *field = of_body ? &reader->content_length : &reader->json_bytes;
    int64_t size = parse_size(value);

    if (size < 0)
        (void)bad(reader, of_body ? "its content-length is no number"
                                  : "its inference-header-content-length is no number");
    else if (*field >= 0 && *field != size)
        (void)bad(reader, "it says two lengths");
    *field = size;
}

static void read_header(struct http_reader *reader)
{
    char *colon = end_of_name(reader->line);
    char *value;

    if (!colon) {
        (void)bad(reader, "a line of its head is no header");
        return;
    }
    if (++reader->header_count > HTTP_HEADERS_MAX) {
        (void)bad(reader, "it has too many headers");
        return;
    }
    *colon = '\0';
    value = trim(colon + 1);
    if (strcasecmp(reader->line, "content-length") == 0 ||
        strcasecmp(reader->line, "inference-header-content-length") == 0) {
        read_sizes(reader, reader->line, value);
    } else if (strcasecmp(reader->line, "transfer-encoding") == 0) {
        if (reader->chunked || strcasecmp(value, "chunked") != 0)
            (void)bad(reader, "its transfer coding is not just chunked");
        reader->chunked = true;
    } else if (strcasecmp(reader->line, "content-encoding") == 0) {
        if (strcasecmp(value, "identity") != 0)
            (void)bad(reader, "its content is encoded, which was not asked for");
    } else if (strcasecmp(reader->line, "connection") == 0) {
        if (list_has(value, "close"))
            reader->keep_alive = false;
        else if (list_has(value, "keep-alive"))
            reader->keep_alive = true;
    }
}

/* After the empty line. True if it is the head of the response, not of an interim one. */
static bool end_head(struct http_reader *reader)
{
    if (reader->status < 200) {
        int interim = reader->interim_count + 1;
        int64_t body_max = reader->body_max;

        if (reader->status == 101 || interim > HTTP_INTERIM_MAX) {
            (void)bad(reader, "it is an endless or unwanted interim response");
            return false;
        }
        http_read_start(reader, body_max);
        reader->interim_count = interim;
        return false;
    }
    if (reader->chunked && reader->content_length >= 0)
        (void)bad(reader, "it says a length and is chunked");
    else if (reader->content_length > reader->body_max)
        (void)bad(reader, "its body is too large");
    else if (reader->content_length >= 0 && reader->json_bytes > reader->content_length)
        (void)bad(reader, "its inference header is longer than its body");
    if (reader->fault)
        return false;
    reader->head_bytes = 0;
    if (reader->status == 204 || reader->status == 304 || reader->content_length == 0)
        reader->state = HTTP_COMPLETE;
    else if (reader->chunked)
        reader->state = HTTP_CHUNK_LINE;
    else if (reader->content_length > 0)
        reader->state = HTTP_LENGTH;
    else
        reader->state = HTTP_TO_CLOSE;
    if (reader->state == HTTP_TO_CLOSE)
        reader->keep_alive = false;
    reader->left = reader->content_length > 0 ? reader->content_length : 0;
    return true;
}

/* "1a2b" or "1a2b;extension" */
static void read_chunk_line(struct http_reader *reader)
{
    int64_t size = 0;
    int digits = 0;
    const char *at = reader->line;

    for (;; at++, digits++) {
        int digit;

        if (is_digit(*at))
            digit = *at - '0';
        else if ((*at | 32) >= 'a' && (*at | 32) <= 'f')
            digit = (*at | 32) - 'a' + 10;
        else
            break;
        if (digits == CHUNK_DIGITS_MAX) {
            (void)bad(reader, "a chunk is too large");
            return;
        }
        size = size * 16 + digit;
    }
    if (digits == 0 || (*at && *at != ';' && *at != ' ' && *at != '\t')) {
        (void)bad(reader, "a chunk has no size");
        return;
    }
    if (size > reader->body_max - reader->body_bytes) {
        (void)bad(reader, "its body is too large");
        return;
    }
    reader->head_bytes = 0;
    reader->left = size;
    reader->state = size ? HTTP_CHUNK : HTTP_TRAILER;
}

/* One line of the head or between chunks. *head: the head is complete with it. */
static void read_line(struct http_reader *reader, bool *head)
{
    switch (reader->state) {
    case HTTP_STATUS_LINE:
        read_status_line(reader);
        break;
    case HTTP_HEADER_LINE:
        if (reader->line[0])
            read_header(reader);
        else
            *head = end_head(reader);
        break;
    case HTTP_CHUNK_LINE:
        read_chunk_line(reader);
        break;
    case HTTP_CHUNK_END:
        if (reader->line[0])
            (void)bad(reader, "a chunk does not end where it should");
        else
            reader->state = HTTP_CHUNK_LINE;
        break;
    default: /* HTTP_TRAILER: passed over */
        if (!reader->line[0])
            reader->state = HTTP_COMPLETE;
        else if (!end_of_name(reader->line) || ++reader->header_count > HTTP_HEADERS_MAX)
            (void)bad(reader, "its trailer is no header or one too many");
        break;
    }
}

int64_t http_read_plain(const struct http_reader *reader)
{
    if (reader->state == HTTP_LENGTH || reader->state == HTTP_CHUNK)
        return reader->left;
    return reader->state == HTTP_TO_CLOSE ? reader->body_max - reader->body_bytes : 0;
}

void http_read_skip(struct http_reader *reader, size_t count)
{
    reader->body_bytes += (int64_t)count;
    if (reader->state == HTTP_TO_CLOSE)
        return;
    reader->left -= (int64_t)count;
    if (reader->left == 0)
        reader->state = reader->state == HTTP_CHUNK ? HTTP_CHUNK_END : HTTP_COMPLETE;
}

enum http_event http_read_next(struct http_reader *reader, const char *bytes, size_t size,
                               size_t *used, struct http_piece *piece)
{
    *used = 0;
    for (;;) {
        bool head = false;
        int64_t plain;

        if (reader->state == HTTP_FAULT)
            return HTTP_BAD;
        if (reader->state == HTTP_COMPLETE)
            return HTTP_DONE;
        if (*used == size)
            return HTTP_MORE;
        plain = http_read_plain(reader);
        if (plain > 0) {
            size_t count = size - *used;

            piece->bytes = bytes + *used;
            piece->size = (int64_t)count > plain ? (size_t)plain : count;
            *used += piece->size;
            http_read_skip(reader, piece->size);
            return HTTP_BODY;
        }
        if (reader->state == HTTP_TO_CLOSE)
            return bad(reader, "its body is too large");
        if (take_line(reader, bytes + *used, size - *used, used))
            read_line(reader, &head);
        if (head)
            return HTTP_HEAD;
    }
}

enum http_event http_read_closed(struct http_reader *reader)
{
    if (reader->state == HTTP_TO_CLOSE)
        reader->state = HTTP_COMPLETE;
    if (reader->state == HTTP_COMPLETE)
        return HTTP_DONE;
    return bad(reader, "it ends too early");
}
