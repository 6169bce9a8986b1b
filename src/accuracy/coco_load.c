/*
 * coco_load.c - results files, fast.
 *
 * One program writes a results file, so its objects look alike. The bytes between the values of a
 * chunk's first object are kept as a template; each further object is compared with them and only
 * its numbers are parsed. An object that looks different is read member by member.
 *
 * The array is cut into chunks that threads read at the same time. Where to cut can only be guessed
 * ("},{" may also stand inside a text), so a guess must prove itself: it holds if the chunk before
 * it, itself right, ends an object exactly there. If a guess does not hold, or anything at all is
 * wrong, the whole text is read again in order, which alone decides what the error is.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "accuracy/coco_inner.h"
#include "base/file.h"
#include "base/json_number.h"

#define CHUNK_BYTES ((size_t)2 << 20)
#define MAX_PARTS   16

/* No detection takes fewer bytes than this, with its comma. */
#define LEAST_BYTES (sizeof("{\"image_id\":0,\"category_id\":0,\"bbox\":[0,0,0,0],\"score\":0}"))

enum slot {
    SLOT_IMAGE,
    SLOT_CATEGORY,
    SLOT_X,
    SLOT_Y,
    SLOT_WIDTH,
    SLOT_HEIGHT,
    SLOT_SCORE,
    SLOT_NUMBER, /* a number or a text that nobody wants */
    SLOT_TEXT,
};

/* The bytes up to a value, and where the value goes. */
struct part {
    const char *gap; // (gap_bytes)
    size_t gap_bytes;
    enum slot slot;
};

struct template
{
    struct part parts[MAX_PARTS];
    size_t part_count;
    const char *tail; /* from the last value to the closing brace */
    size_t tail_bytes;
    const char *done; /* while it is learnt: the end of the last value */
    bool usable;
};

struct chunk {
    const char *start, *end; /* of the text to read: from an object to before the next chunk's */
    struct coco_detection *items;
    size_t count;
    bool good;
};

struct load {
    const char *text, *text_end;
    struct chunk *chunks;
    size_t chunk_count;
};

static void learn_value(struct template *template, enum slot slot, const char *start,
                        const char *end)
{
    if (!template || !template->usable)
        return;
    if (template->part_count == MAX_PARTS) {
        template->usable = false;
        return;
    }
    template->parts[template->part_count++] =
        (struct part){template->done, (size_t)(start - template->done), slot};
    template->done = end;
}

static double *slot_field(struct coco_detection *detection, enum slot slot)
{
    switch (slot) {
    case SLOT_X:
        return &detection->x;
    case SLOT_Y:
        return &detection->y;
    case SLOT_WIDTH:
        return &detection->width;
    case SLOT_HEIGHT:
        return &detection->height;
    default:
        return &detection->score;
    }
}

static bool read_slot_id(struct json_reader *reader, int64_t *id, enum slot slot,
                         struct template *template)
{
    const char *start;

    (void)json_peek(reader);
    start = reader->at;
    if (!coco_read_id(reader, id))
        return false;
    learn_value(template, slot, start, reader->at);
    return true;
}

static bool read_slot(struct json_reader *reader, struct coco_detection *detection, enum slot slot,
                      struct template *template)
{
    const char *start;

    (void)json_peek(reader);
    start = reader->at;
    if (!coco_read_finite(reader, slot_field(detection, slot)))
        return false;
    learn_value(template, slot, start, reader->at);
    return true;
}

static bool read_box(struct json_reader *reader, struct coco_detection *detection,
                     struct template *template)
{
    int count = 0;

    if (!json_enter_array(reader))
        return false;
    for (; json_next_element(reader); count++) {
        if (count == 4)
            json_read_fault(reader, "a bbox has 4 numbers, not more");
        else
            (void)read_slot(reader, detection, SLOT_X + count, template);
    }
    if (count < 4)
        json_read_fault(reader, "a bbox has 4 numbers, not fewer");
    return !reader->fault;
}

static void skip_other(struct json_reader *reader, struct template *template)
{
    enum json_type type = json_peek(reader);
    const char *start = reader->at;

    if (!json_skip(reader))
        return;
    if (type == JSON_NUMBER || type == JSON_TEXT)
        learn_value(template, type == JSON_TEXT ? SLOT_TEXT : SLOT_NUMBER, start, reader->at);
    else if (type == JSON_ARRAY || type == JSON_OBJECT)
        template->usable = false;
}

/* Reads one object member by member and learns its template. */
static bool read_object(struct json_reader *reader, struct coco_detection *detection,
                        struct template *template)
{
    static const char *const faults[] = {
        "detection without 'image_id'",
        "detection without 'category_id'",
        "detection without 'bbox'",
        "detection without 'score'",
    };
    struct json_span key;
    unsigned has = 0;

    *template = (struct template){.usable = true, .done = reader->at};
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, &key)) {
        if (json_span_is(&key, "image_id"))
            has |= read_slot_id(reader, &detection->image_id, SLOT_IMAGE, template) ? 1 : 0;
        else if (json_span_is(&key, "category_id"))
            has |= read_slot_id(reader, &detection->category_id, SLOT_CATEGORY, template) ? 2 : 0;
        else if (json_span_is(&key, "bbox"))
            has |= read_box(reader, detection, template) ? 4 : 0;
        else if (json_span_is(&key, "score"))
            has |= read_slot(reader, detection, SLOT_SCORE, template) ? 8 : 0;
        else
            skip_other(reader, template);
    }
    for (size_t i = 0; i < 4; i++)
        if (!(has & 1u << i))
            json_read_fault(reader, faults[i]);
    template->tail = template->done;
    template->tail_bytes = (size_t)(reader->at - template->done);
    return !reader->fault;
}

/* The place after a text without escapes; NULL if it is not one. */
static const char *pass_text(const char *at, const char *end)
{
    if (at == end || *at != '"')
        return NULL;
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' || (unsigned char)*at < 0x20)
            return NULL;
    return at < end ? at + 1 : NULL;
}

static const char *pass_value(const char *at, const char *end, enum slot slot,
                              struct coco_detection *detection)
{
    struct json_number number;
    const char *fault;

    if (slot == SLOT_TEXT)
        return pass_text(at, end);
    at = json_number_parse(at, end, &number, &fault);
    if (!at || slot == SLOT_NUMBER)
        return at;
    if (slot > SLOT_CATEGORY) {
        *slot_field(detection, slot) = number.value;
        return isfinite(number.value) ? at : NULL;
    }
    if (slot == SLOT_IMAGE)
        detection->image_id = number.integer;
    else
        detection->category_id = number.integer;
    return number.is_integer ? at : NULL;
}

/* Reads one object that looks like the template's; false, with nothing read, if it does not. */
static bool read_alike(struct json_reader *reader, struct coco_detection *detection,
                       const struct template *template)
{
    const char *at = reader->at, *end = reader->end;

    for (size_t i = 0; i < template->part_count; i++) {
        const struct part *part = &template->parts[i];

        if ((size_t)(end - at) < part->gap_bytes || memcmp(at, part->gap, part->gap_bytes) != 0)
            return false;
        at = pass_value(at + part->gap_bytes, end, part->slot, detection);
        if (!at)
            return false;
    }
    if ((size_t)(end - at) < template->tail_bytes ||
        memcmp(at, template->tail, template->tail_bytes) != 0)
        return false;
    reader->at = at + template->tail_bytes;
    return true;
}

/*
 * Reads detections from the next element on until one begins at stop or later (NULL: to the end of
 * the array). items has room for as many as fit in the text.
 */
static size_t read_elements(struct json_reader *reader, const char *stop,
                            struct coco_detection *items)
{
    struct template template = {0};
    size_t count = 0;

    while (json_next_element(reader)) {
        (void)json_peek(reader);
        if (stop && reader->at >= stop)
            break;
        if (!(template.usable && read_alike(reader, &items[count], &template)) &&
            !read_object(reader, &items[count], &template))
            break;
        count++;
    }
    return count;
}

static void read_chunk(void *context, int worker, size_t index)
{
    struct load *load = context;
    struct chunk *chunk = &load->chunks[index];
    bool is_last = index + 1 == load->chunk_count;
    struct json_reader reader;
    struct coco_detection *shrunk;

    (void)worker;
    chunk->items =
        malloc(((size_t)(chunk->end - chunk->start) / LEAST_BYTES + 1) * sizeof(*chunk->items));
    if (!chunk->items)
        return;
    json_read_start(&reader, load->text, (size_t)(load->text_end - load->text));
    reader.at = chunk->start;
    reader.depth = 1; /* inside the array, before an element */
    reader.first = true;
    chunk->count = read_elements(&reader, is_last ? NULL : chunk->end, chunk->items);
    chunk->good = is_last ? json_read_end(&reader) : !reader.fault && reader.at == chunk->end;
    shrunk = realloc(chunk->items, (chunk->count + 1) * sizeof(*shrunk));
    if (shrunk)
        chunk->items = shrunk;
}

/* The next place at or after `at` where an object seems to begin; NULL if there is none. */
static const char *guess_object(const char *at, const char *end)
{
    static const char spaces[] = " \n\r\t";

    while (at && at < end) {
        const char *brace = memchr(at, '}', (size_t)(end - at));

        if (!brace)
            return NULL;
        for (at = brace + 1; at < end && memchr(spaces, *at, 4); at++)
            ;
        if (at == end || *at != ',')
            continue;
        for (at++; at < end && memchr(spaces, *at, 4); at++)
            ;
        if (at < end && *at == '{')
            return at;
    }
    return NULL;
}

static enum tare_status cut(struct load *load, const char *first)
{
    size_t most = (size_t)(load->text_end - first) / CHUNK_BYTES + 1;
    const char *at = first;

    load->chunks = calloc(most, sizeof(*load->chunks));
    if (!load->chunks)
        return TARE_NOMEM;
    while (at) {
        struct chunk *chunk = &load->chunks[load->chunk_count++];
        const char *next = NULL;

        if ((size_t)(load->text_end - at) > CHUNK_BYTES && load->chunk_count < most)
            next = guess_object(at + CHUNK_BYTES, load->text_end);
        *chunk = (struct chunk){.start = at, .end = next ? next : load->text_end};
        at = next;
    }
    return TARE_OK;
}

/* Threads over chunks. False, with the set empty, if a chunk went wrong. */
static bool load_chunks(struct load *load, int threads, struct coco_detections *detections)
{
    bool good = true;

    coco_run_tasks(threads, load->chunk_count, read_chunk, load);
    for (size_t i = 0; i < load->chunk_count; i++)
        good = good && load->chunks[i].good;
    for (size_t i = 0; good && i < load->chunk_count; i++) {
        struct chunk *chunk = &load->chunks[i];

        good = coco_detections_take(detections, chunk->items, chunk->count, NULL) == TARE_OK;
        if (good)
            chunk->items = NULL;
    }
    for (size_t i = 0; i < load->chunk_count; i++)
        free(load->chunks[i].items);
    return good;
}

/* One reader over the whole text: what it says is true. */
static enum tare_status load_in_order(struct load *load, const char *name,
                                      struct coco_detections *detections, struct tare_err *err)
{
    size_t size = (size_t)(load->text_end - load->text);
    struct coco_detection *items = malloc((size / LEAST_BYTES + 1) * sizeof(*items));
    struct json_reader reader;
    enum tare_status status;
    size_t count = 0;

    if (!items)
        return tare_fail(err, TARE_NOMEM, "out of memory for '%s'", name);
    json_read_start(&reader, load->text, size);
    if (json_enter_array(&reader))
        count = read_elements(&reader, NULL, items);
    (void)json_read_end(&reader);
    status = coco_json_status(&reader, name, err);
    if (status == TARE_OK)
        status = coco_detections_take(detections, items, count, err);
    if (status != TARE_OK)
        free(items);
    return status;
}

static void drop_blocks(struct coco_detections *detections)
{
    for (size_t i = 0; i < detections->block_count; i++)
        free(detections->blocks[i].items);
    detections->block_count = detections->count = 0;
}

enum tare_status coco_detections_parse(const char *text, size_t size, const char *name, int threads,
                                       struct coco_detections **detections, struct tare_err *err)
{
    struct load load = {.text = text, .text_end = text + size};
    struct json_reader reader;
    enum tare_status status = coco_detections_new(detections, err);

    if (status != TARE_OK)
        return status;
    json_read_start(&reader, text, size);
    if (json_enter_array(&reader) && json_peek(&reader) == JSON_OBJECT)
        status = cut(&load, reader.at);
    if (status != TARE_OK || !load.chunks || !load_chunks(&load, threads, *detections)) {
        drop_blocks(*detections);
        status = load_in_order(&load, name, *detections, err);
    }
    free(load.chunks);
    if (status != TARE_OK) {
        coco_detections_free(*detections);
        *detections = NULL;
    }
    return status;
}

enum tare_status coco_detections_load(const char *path, int threads,
                                      struct coco_detections **detections, struct tare_err *err)
{
    struct file_map map;
    enum tare_status status = file_map(path, COCO_MAX_BYTES, &map, err);

    *detections = NULL;
    if (status != TARE_OK)
        return status;
    status = coco_detections_parse(map.data ? (const char *)map.data : "", map.size, path, threads,
                                   detections, err);
    file_unmap(&map);
    return status;
}
