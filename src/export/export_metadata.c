/*
 * The metadata of an exported model, under the keys and in the spelling that ultralytics writes and
 * its readers parse (Python literals), so that they take the file for one of their own.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/printable.h"
#include "export/export_walk.h"

#define METADATA_MAX_BYTES ((size_t)1 << 20)

/* Length of the UTF-8 sequence at text, and its code point; 0 if it is none. */
static size_t decode_utf8(const char *text, size_t size, uint32_t *code)
{
    static const uint32_t lowest[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = (uint8_t)text[0];
    size_t count = lead < 0x80       ? 1
                   : lead >> 5 == 6  ? 2
                   : lead >> 4 == 14 ? 3
                   : lead >> 3 == 30 ? 4
                                     : 0;

    if (count == 0 || count > size)
        return 0;
    *code = count == 1 ? lead : lead & (0x7fu >> count);
    for (size_t i = 1; i < count; i++) {
        if (((uint8_t)text[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | ((uint8_t)text[i] & 0x3f);
    }
    if (*code < lowest[count] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
        return 0;
    return count;
}

/* A text as Python's repr() writes it. Bytes that are no UTF-8 become a replacement character. */
static void append_repr(struct buf *buf, const char *text, size_t size)
{
    bool single = memchr(text, '\'', size) != NULL;
    char quote = single && !memchr(text, '"', size) ? '"' : '\'';

    buf_append_char(buf, quote);
    while (size) {
        uint32_t code = 0;
        size_t count = decode_utf8(text, size, &code);

        if (count == 0) {
            buf_append_text(buf, "\xef\xbf\xbd");
            count = 1;
        } else if (code == (uint32_t)quote || code == '\\') {
            buf_printf(buf, "\\%c", (int)code);
        } else if (code == '\n' || code == '\r' || code == '\t') {
            buf_printf(buf, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
        } else if (code < 0x20 || (code >= 0x7f && code < 0xa1)) {
            buf_printf(buf, "\\x%02x", code);
        } else {
            buf_append(buf, text, count);
        }
        text += count;
        size -= count;
    }
    buf_append_char(buf, quote);
}

/* The name of a class: names is a dict by number or a list. NULL if it has none. */
static const struct pickle_value *find_name(const struct pickle_value *names, int64_t index)
{
    const struct pickle_value *name = pickle_at(names, (size_t)index);

    if (pickle_kind_of(names) == PICKLE_DICT)
        for (size_t i = 0; i < names->as.dict.count; i++)
            if (pickle_int(names->as.dict.pairs[i].key, -1) == index)
                name = names->as.dict.pairs[i].value;
    return pickle_kind_of(name) == PICKLE_TEXT ? name : NULL;
}

/* A checkpoint without any names gets the classes' numbers for names. */
static enum tare_status append_names(struct walk *walk, const struct pickle_value *names,
                                     int64_t classes, struct buf *buf)
{
    for (int64_t i = 0; i < classes; i++) {
        const struct pickle_value *name = find_name(names, i);

        if (!name && pickle_kind_of(names) != PICKLE_NONE)
            return tare_fail(walk->err, TARE_BADDATA, "names: class %lld of %lld has none",
                             (long long)i, (long long)classes);
        buf_printf(buf, "%s%lld: ", i ? ", " : "", (long long)i);
        if (name)
            append_repr(buf, name->as.text.bytes, name->as.text.size);
        else
            buf_printf(buf, "'%lld'", (long long)i);
    }
    return buf_status(buf, "the list of class names", walk->err);
}

static enum tare_status add_names(struct walk *walk, const struct pickle_value *model,
                                  int64_t classes)
{
    struct buf buf = BUF_INIT;
    enum tare_status status;

    buf_init(&buf, METADATA_MAX_BYTES);
    buf_append_char(&buf, '{');
    status = append_names(walk, walk_attribute(model, "names"), classes, &buf);
    buf_append_char(&buf, '}');
    if (status == TARE_OK)
        onnx_add_metadata(&walk->builder, "names", buf_text(&buf));
    buf_release(&buf);
    return status;
}

/* The weights' licence and date go with them, where the checkpoint says them. */
static void copy_text(struct walk *walk, const char *key)
{
    const struct pickle_value *value = pickle_get(checkpoint_root(walk->checkpoint), key);
    char text[200];
    int size;

    if (pickle_kind_of(value) != PICKLE_TEXT || value->as.text.size >= sizeof(text))
        return;
    size = (int)value->as.text.size;
    (void)snprintf(text, sizeof(text), "%.*s", size, value->as.text.bytes);
    printable(text);
    onnx_add_metadata(&walk->builder, key, text);
}

enum tare_status walk_metadata(struct walk *walk, const struct pickle_value *model, int64_t stride,
                               int64_t size, int64_t classes)
{
    struct onnx_builder *builder = &walk->builder;
    const struct yolov8_options *options = walk->options;
    bool dynamic = options->batch == YOLOV8_DYNAMIC;
    int64_t batch = options->batch > 0 ? options->batch : 1;
    char text[160];

    onnx_set_producer(builder, "tare", options->version);
    onnx_add_metadata(builder, "author", "tare");
    onnx_add_metadata(builder, "tare version", options->version);
    onnx_add_metadata(builder, "task", "detect");
    onnx_add_metadata(builder, "head", options->head == YOLOV8_FULL ? "full" : "raw");
    (void)snprintf(text, sizeof(text), "%lld", (long long)stride);
    onnx_add_metadata(builder, "stride", text);
    /* ultralytics' reader passes it to int(), so a dynamic batch is said in args. */
    (void)snprintf(text, sizeof(text), "%lld", (long long)batch);
    onnx_add_metadata(builder, "batch", text);
    (void)snprintf(text, sizeof(text), "[%lld, %lld]", (long long)size, (long long)size);
    onnx_add_metadata(builder, "imgsz", text);
    (void)snprintf(text, sizeof(text),
                   "{'batch': %lld, 'half': False, 'dynamic': %s, 'simplify': False, 'opset': %d, "
                   "'nms': False}",
                   (long long)batch, dynamic ? "True" : "False", YOLOV8_OPSET);
    onnx_add_metadata(builder, "args", text);
    copy_text(walk, "license");
    copy_text(walk, "date");
    return add_names(walk, model, classes);
}
