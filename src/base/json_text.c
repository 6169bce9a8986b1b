/*
 * json_text.c - texts of json_read.h: escapes and UTF-8.
 */
#include <string.h>

#include "base/json_read.h"

#define MAX_LITERAL 64

size_t json_utf8_length(const char *at, const char *end)
{
    const unsigned char *s = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    size_t length = 0;
    unsigned char low = 0x80, high = 0xBF; /* of the second byte: no overlong form, no surrogate */

    if (left == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        length = 2;
    else if ((s[0] & 0xF0) == 0xE0)
        length = 3;
    else if (s[0] >= 0xF0 && s[0] <= 0xF4)
        length = 4;
    if (s[0] == 0xE0)
        low = 0xA0;
    else if (s[0] == 0xED)
        high = 0x9F;
    else if (s[0] == 0xF0)
        low = 0x90;
    else if (s[0] == 0xF4)
        high = 0x8F;
    if (length == 0 || length > left || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* The four hex digits of \uXXXX; -1 if they are not. */
static int32_t hex_unit(const char *at, const char *end)
{
    int32_t unit = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int value = hex_value(at[i]);

        if (value < 0)
            return -1;
        unit = unit << 4 | value;
    }
    return unit;
}

/* Code point of the \u escape at *at (behind the 'u'), which is moved past it; -1 if malformed. */
static int32_t code_point(const char **at, const char *end)
{
    int32_t high = hex_unit(*at, end), low;

    if (high < 0)
        return -1;
    *at += 4;
    if (high < 0xD800 || high > 0xDFFF)
        return high;
    if (high > 0xDBFF || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return -1;
    low = hex_unit(*at + 2, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return -1;
    *at += 6;
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

static size_t encode_utf8(int32_t point, char *out)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xC0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xE0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}

/* Decodes the escape at *at (behind the backslash) into out; its length, 0 if malformed. */
static size_t decode_escape(const char **at, const char *end, char out[4])
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    char letter = *at < end ? *(*at)++ : '\0';
    const char *found = letter ? strchr(letters, letter) : NULL;
    int32_t point;

    if (found) {
        out[0] = bytes[found - letters];
        return 1;
    }
    if (letter != 'u')
        return 0;
    point = code_point(at, end);
    return point > 0 ? encode_utf8(point, out) : 0;
}

ptrdiff_t json_decode(const struct json_span *text, char *out, size_t out_bytes)
{
    const char *at = text->bytes, *end = at + text->size;
    size_t used = 0;

    while (at < end) {
        char decoded[4];
        size_t length;

        if (*at == '\\') {
            at++;
            length = decode_escape(&at, end, decoded);
        } else {
            length = json_utf8_length(at, end);
            memcpy(decoded, at, length);
            at += length;
        }
        if (length == 0 || out_bytes - used <= length)
            return -1;
        memcpy(out + used, decoded, length);
        used += length;
    }
    if (used >= out_bytes)
        return -1;
    out[used] = '\0';
    return (ptrdiff_t)used;
}

bool json_span_is(const struct json_span *text, const char *literal)
{
    char decoded[MAX_LITERAL];

    if (!text->escaped)
        return strncmp(literal, text->bytes, text->size) == 0 && literal[text->size] == '\0';
    return json_decode(text, decoded, sizeof(decoded)) >= 0 && strcmp(decoded, literal) == 0;
}
