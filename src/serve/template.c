#include "serve/template.h"

#include <stdbool.h>
#include <string.h>

#define DEPTH_MAX 8
#define NAME_MAX  40 /* bytes of a name, with its final NUL */

struct filler {
    const struct template_value *values;
    struct buf *out;
    int line;
    int depth;
    bool shown[DEPTH_MAX + 1]; /* whether a level's text stands; level 0 is the whole */
    bool other[DEPTH_MAX + 1]; /* a level's @else was seen */
    struct tare_err *err;
};

static const char *find_value(const struct filler *filler, const char *name)
{
    for (const struct template_value *v = filler->values; v->name; v++)
        if (strcmp(v->name, name) == 0)
            return v->value;
    return NULL;
}

static enum tare_status get_value(struct filler *filler, const char *name, size_t length,
                                  const char **value)
{
    char text[NAME_MAX] = "";

    if (length < sizeof(text))
        memcpy(text, name, length);
    *value = find_value(filler, text);
    return *value ? TARE_OK
                  : tare_fail(filler->err, TARE_BADDATA, "line %d: no value for '%.*s'",
                              filler->line, (int)(length < 40 ? length : 40), name);
}

static enum tare_status open_block(struct filler *filler, const char *name, size_t length)
{
    bool inverse = length > 0 && name[0] == '!', truth;
    const char *value;
    enum tare_status status = get_value(filler, name + inverse, length - inverse, &value);

    if (status != TARE_OK)
        return status;
    if (filler->depth == DEPTH_MAX)
        return tare_fail(filler->err, TARE_BADDATA, "line %d: blocks nest too deep", filler->line);
    truth = (*value && strcmp(value, "0") != 0) != inverse;
    filler->depth++;
    filler->shown[filler->depth] = truth;
    filler->other[filler->depth] = false;
    return TARE_OK;
}

static bool is_shown(const struct filler *filler)
{
    for (int i = 1; i <= filler->depth; i++)
        if (!filler->shown[i])
            return false;
    return true;
}

static bool is_word(const char *line, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(line, word, length) == 0;
}

/* The other case of the innermost block, or its end. */
static enum tare_status turn_block(struct filler *filler, bool other)
{
    int depth = filler->depth;

    if (depth == 0 || (other && filler->other[depth]))
        return tare_fail(filler->err, TARE_BADDATA, "line %d: there is no '@if' for it",
                         filler->line);
    if (!other) {
        filler->depth--;
        return TARE_OK;
    }
    filler->shown[depth] = !filler->shown[depth];
    filler->other[depth] = true;
    return TARE_OK;
}

/* Deals with a line that is an instruction; *done says whether it was one. */
static enum tare_status instruction(struct filler *filler, const char *line, size_t length,
                                    bool *done)
{
    *done = true;
    if (length > 4 && memcmp(line, "@if ", 4) == 0)
        return open_block(filler, line + 4, length - 4);
    if (is_word(line, length, "@else") || is_word(line, length, "@end"))
        return turn_block(filler, line[2] == 'l');
    *done = false;
    return TARE_OK;
}

static enum tare_status fill_line(struct filler *filler, const char *line, size_t length)
{
    const char *end = line + length, *out = buf_text(filler->out);
    size_t size = filler->out->size;

    if (length == 0 && (size == 0 || (size > 1 && out[size - 1] == '\n' && out[size - 2] == '\n')))
        return TARE_OK; /* what stood between two empty lines was left out */
    while (line < end) {
        const char *at = memchr(line, '@', (size_t)(end - line)), *close, *value;
        enum tare_status status;

        if (!at)
            break;
        close = memchr(at + 1, '@', (size_t)(end - at - 1));
        if (!close)
            return tare_fail(filler->err, TARE_BADDATA, "line %d: a single '@'", filler->line);
        status = get_value(filler, at + 1, (size_t)(close - at - 1), &value);
        if (status != TARE_OK)
            return status;
        buf_append(filler->out, line, (size_t)(at - line));
        buf_append_text(filler->out, value);
        line = close + 1;
    }
    buf_append(filler->out, line, (size_t)(end - line));
    buf_append_char(filler->out, '\n');
    return TARE_OK;
}

enum tare_status template_fill(const char *text, const struct template_value *values,
                               struct buf *out, struct tare_err *err)
{
    struct filler filler = {.values = values, .out = out, .err = err};
    enum tare_status status = TARE_OK;

    while (*text && status == TARE_OK) {
        size_t length = strcspn(text, "\n");
        bool done;

        filler.line++;
        status = instruction(&filler, text, length, &done);
        if (status == TARE_OK && !done && is_shown(&filler))
            status = fill_line(&filler, text, length);
        text += length + (text[length] == '\n');
    }
    if (status == TARE_OK && filler.depth > 0)
        status = tare_fail(err, TARE_BADDATA, "line %d: '@end' is missing", filler.line);
    return status == TARE_OK ? buf_status(out, "a configuration", err) : status;
}
