#include "models/class_names.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "models/coco_names.h"
#include "vision/boxes.h"

struct class_names {
    const char *names[BOXES_MAX_CLASSES]; /* NULL: none */
    char *text;                           /* what they point into; NULL for COCO */
};

/* Reads and writes the same memory: a name never gets longer than its source. */
struct cursor {
    char *at;
    int32_t next; /* class of the next item of a list */
};

static void skip_space(struct cursor *cursor)
{
    while (isspace((unsigned char)*cursor->at))
        cursor->at++;
}

static bool take(struct cursor *cursor, char wanted)
{
    skip_space(cursor);
    if (*cursor->at != wanted)
        return false;
    cursor->at++;
    return true;
}

/* -1 if there is no number below BOXES_MAX_CLASSES. */
static int32_t take_number(struct cursor *cursor)
{
    int32_t number = 0;

    skip_space(cursor);
    if (!isdigit((unsigned char)*cursor->at))
        return -1;
    while (isdigit((unsigned char)*cursor->at)) {
        number = number * 10 + (*cursor->at++ - '0');
        if (number >= BOXES_MAX_CLASSES)
            return -1;
    }
    return number;
}

/* A quoted string, unescaped in place; NULL if there is none or it does not end. */
static const char *take_text(struct cursor *cursor)
{
    char quote, *start, *out;

    skip_space(cursor);
    quote = *cursor->at;
    if (quote != '\'' && quote != '"')
        return NULL;
    start = out = ++cursor->at;
    while (*cursor->at && *cursor->at != quote) {
        if (*cursor->at == '\\' && cursor->at[1])
            cursor->at++;
        *out++ = iscntrl((unsigned char)*cursor->at) ? '?' : *cursor->at;
        cursor->at++;
    }
    if (!*cursor->at)
        return NULL;
    cursor->at++;
    *out = '\0'; /* at the closing quote at the latest */
    return start;
}

static bool take_item(struct cursor *cursor, bool dict, struct class_names *names)
{
    int32_t class_id = dict ? take_number(cursor) : cursor->next++;

    if (class_id < 0 || class_id >= BOXES_MAX_CLASSES || (dict && !take(cursor, ':')))
        return false;
    names->names[class_id] = take_text(cursor);
    return names->names[class_id] != NULL;
}

static bool take_all(struct cursor *cursor, struct class_names *names)
{
    bool dict = take(cursor, '{');
    char end = dict ? '}' : ']';

    if (!dict && !take(cursor, '['))
        return false;
    while (!take(cursor, end)) {
        if (!take_item(cursor, dict, names))
            return false;
        if (!take(cursor, ',')) {
            if (!take(cursor, end))
                return false;
            break;
        }
    }
    skip_space(cursor);
    return *cursor->at == '\0';
}

enum tare_status class_names_parse(const char *text, struct class_names **names,
                                   struct tare_err *err)
{
    struct class_names *n;
    struct cursor cursor = {0};

    *names = NULL;
    if (text && strnlen(text, CLASS_NAMES_MAX_BYTES + 1) > CLASS_NAMES_MAX_BYTES)
        return tare_fail(err, TARE_LIMIT, "class names of more than %zu bytes",
                         CLASS_NAMES_MAX_BYTES);
    n = calloc(1, sizeof(*n));
    if (n && text)
        n->text = strdup(text);
    if (!n || (text && !n->text)) {
        class_names_free(n);
        return tare_fail(err, TARE_NOMEM, "out of memory for class names");
    }
    for (int32_t i = 0; !text && i < COCO_NAMES_COUNT; i++)
        n->names[i] = coco_name(i);
    cursor.at = n->text;
    if (text && !take_all(&cursor, n)) {
        size_t at = (size_t)(cursor.at - n->text);

        class_names_free(n);
        return tare_fail(err, TARE_BADDATA,
                         "class names make no sense at byte %zu, need {0: 'person', ...}", at);
    }
    *names = n;
    return TARE_OK;
}

void class_names_free(struct class_names *names)
{
    if (!names)
        return;
    free(names->text);
    free(names);
}

const char *class_names_get(const struct class_names *names, int32_t class_id)
{
    if (class_id < 0 || class_id >= BOXES_MAX_CLASSES || !names->names[class_id])
        return "";
    return names->names[class_id];
}
