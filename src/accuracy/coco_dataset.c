/*
 * coco_dataset.c - annotation files.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "accuracy/coco_inner.h"
#include "base/file.h"

#define NAMES_BLOCK    65536
#define MAX_TRUTHS     ((size_t)1 << 27)
#define MAX_NAME_BYTES 4096

struct coco_names {
    struct coco_names *next;
    size_t used, size;
    char text[]; // (size)
};

/* Growing arrays while a file is read. */
struct loading {
    struct coco_dataset *dataset;
    struct json_reader reader;
    const char *name;
    struct tare_err *err;
    enum tare_status status; /* of what is not the reader's fault */
    size_t image_capacity, category_capacity, truth_capacity;
    struct raw_truth *truths; /* as the file names them */
    size_t truth_count;
};

struct raw_truth {
    struct coco_truth truth;
    int64_t id, image_id, category_id;
};

static const char *keep_name(struct loading *loading, const struct json_span *span)
{
    struct coco_names **names = &loading->dataset->names;
    size_t room = span->size + 1;
    char *at;

    if (span->size >= MAX_NAME_BYTES) {
        json_read_fault(&loading->reader, "a name of over 4095 bytes");
        return "";
    }
    if (!*names || (*names)->size - (*names)->used < room) {
        struct coco_names *block = malloc(sizeof(*block) + NAMES_BLOCK);

        if (!block) {
            loading->status = tare_fail(loading->err, TARE_NOMEM, "out of memory for names");
            return "";
        }
        *block = (struct coco_names){.next = *names, .size = NAMES_BLOCK};
        *names = block;
    }
    at = (*names)->text + (*names)->used;
    if (json_decode(span, at, room) < 0) {
        json_read_fault(&loading->reader, "bad escape, or a byte that is not UTF-8, in a name");
        return "";
    }
    (*names)->used += strlen(at) + 1;
    return at;
}

static const char *read_name(struct loading *loading)
{
    struct json_span span;

    return json_read_text(&loading->reader, &span) ? keep_name(loading, &span) : "";
}

/* A size is for those who read the picture; a wrong one is no reason to refuse the file. */
static int32_t read_size(struct json_reader *reader)
{
    double number = 0;

    if (json_peek(reader) == JSON_NUMBER)
        (void)coco_read_finite(reader, &number);
    else
        (void)json_skip(reader);
    return number >= 0 && number <= INT32_MAX ? (int32_t)number : 0;
}

static void read_image(struct loading *loading)
{
    struct coco_dataset *dataset = loading->dataset;
    struct json_reader *reader = &loading->reader;
    struct coco_image image = {.file_name = ""};
    struct json_span key;
    bool has_id = false;

    loading->status =
        coco_grow((void **)&dataset->images, &loading->image_capacity, dataset->image_count,
                  sizeof(image), COCO_MAX_IMAGES, "pictures", loading->err);
    if (loading->status != TARE_OK || !json_enter_object(reader))
        return;
    while (json_next_member(reader, &key)) {
        if (json_span_is(&key, "id"))
            has_id = coco_read_id(reader, &image.id);
        else if (json_span_is(&key, "file_name"))
            image.file_name = read_name(loading);
        else if (json_span_is(&key, "width"))
            image.width = read_size(reader);
        else if (json_span_is(&key, "height"))
            image.height = read_size(reader);
        else
            (void)json_skip(reader);
    }
    if (!has_id)
        json_read_fault(reader, "picture without 'id'");
    dataset->images[dataset->image_count++] = image;
}

static void read_category(struct loading *loading)
{
    struct coco_dataset *dataset = loading->dataset;
    struct json_reader *reader = &loading->reader;
    struct coco_category category = {.name = ""};
    struct json_span key;
    bool has_id = false;

    loading->status = coco_grow((void **)&dataset->categories, &loading->category_capacity,
                                dataset->category_count, sizeof(category), COCO_MAX_CATEGORIES,
                                "classes", loading->err);
    if (loading->status != TARE_OK || !json_enter_object(reader))
        return;
    while (json_next_member(reader, &key)) {
        if (json_span_is(&key, "id"))
            has_id = coco_read_id(reader, &category.id);
        else if (json_span_is(&key, "name"))
            category.name = read_name(loading);
        else
            (void)json_skip(reader);
    }
    if (!has_id)
        json_read_fault(reader, "class without 'id'");
    dataset->categories[dataset->category_count++] = category;
}

/* 0, 1, or true and false as some tools write it. */
static bool read_crowd(struct json_reader *reader)
{
    double number = 0;
    bool truth = false;

    if (json_peek(reader) == JSON_BOOL)
        (void)json_read_bool(reader, &truth);
    else
        (void)coco_read_finite(reader, &number);
    return truth || number != 0;
}

/* Reads one member of an annotation; has gets a bit for each of those that must be there. */
static void read_truth_member(struct json_reader *reader, const struct json_span *key,
                              struct raw_truth *raw, unsigned *has)
{
    struct coco_truth *truth = &raw->truth;
    double box[4] = {0};

    if (json_span_is(key, "id")) {
        *has |= coco_read_id(reader, &raw->id) ? 1 : 0;
    } else if (json_span_is(key, "image_id")) {
        *has |= coco_read_id(reader, &raw->image_id) ? 2 : 0;
    } else if (json_span_is(key, "category_id")) {
        *has |= coco_read_id(reader, &raw->category_id) ? 4 : 0;
    } else if (json_span_is(key, "bbox")) {
        *has |= coco_read_box(reader, box) ? 8 : 0;
        truth->x = box[0];
        truth->y = box[1];
        truth->width = box[2];
        truth->height = box[3];
    } else if (json_span_is(key, "area")) {
        *has |= coco_read_finite(reader, &truth->area) ? 16 : 0;
    } else if (json_span_is(key, "iscrowd")) {
        truth->crowd = read_crowd(reader);
    } else {
        (void)json_skip(reader);
    }
}

static void read_truth(struct loading *loading)
{
    static const char *const faults[] = {
        "annotation without 'id'",          "annotation without 'image_id'",
        "annotation without 'category_id'", "annotation without 'bbox'",
        "annotation without 'area'",
    };
    struct json_reader *reader = &loading->reader;
    struct raw_truth raw = {0};
    struct json_span key;
    unsigned has = 0;

    loading->status =
        coco_grow((void **)&loading->truths, &loading->truth_capacity, loading->truth_count,
                  sizeof(raw), MAX_TRUTHS, "annotations", loading->err);
    if (loading->status != TARE_OK || !json_enter_object(reader))
        return;
    while (json_next_member(reader, &key))
        read_truth_member(reader, &key, &raw, &has);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        if (!(has & 1u << i))
            json_read_fault(reader, faults[i]);
    raw.truth.unfindable = raw.id == 0;
    loading->truths[loading->truth_count++] = raw;
}

static void read_list(struct loading *loading, void (*read_item)(struct loading *))
{
    struct json_reader *reader = &loading->reader;

    if (!json_enter_array(reader))
        return;
    while (loading->status == TARE_OK && json_next_element(reader))
        read_item(loading);
}

static enum tare_status read_file(struct loading *loading)
{
    static const struct {
        const char *name;
        void (*read_item)(struct loading *);
    } lists[] = {
        {"images", read_image}, {"categories", read_category}, {"annotations", read_truth}};
    struct json_reader *reader = &loading->reader;
    struct json_span key;
    unsigned seen = 0;

    if (json_enter_object(reader))
        while (loading->status == TARE_OK && json_next_member(reader, &key)) {
            size_t i = 0;

            while (i < 3 && !json_span_is(&key, lists[i].name))
                i++;
            if (i == 3)
                (void)json_skip(reader);
            else if (seen & 1u << i)
                json_read_fault(reader, "a list that stands twice");
            else
                read_list(loading, lists[i].read_item);
            seen |= i < 3 ? 1u << i : 0;
        }
    if (loading->status != TARE_OK)
        return loading->status;
    (void)json_read_end(reader);
    if (reader->fault)
        return coco_json_status(reader, loading->name, loading->err);
    for (size_t i = 0; i < 3; i++)
        if (!(seen & 1u << i))
            return tare_fail(loading->err, TARE_BADDATA, "'%s' has no '%s'", loading->name,
                             lists[i].name);
    return TARE_OK;
}

static int by_image_id(const void *a, const void *b)
{
    const struct coco_image *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static int by_category_id(const void *a, const void *b)
{
    const struct coco_category *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static int by_id(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* ids are sorted here. */
static enum tare_status check_twice(int64_t *ids, size_t count, const char *what,
                                    const struct loading *loading)
{
    qsort(ids, count, sizeof(*ids), by_id);
    for (size_t i = 1; i < count; i++)
        if (ids[i] == ids[i - 1])
            return tare_fail(loading->err, TARE_BADDATA, "'%s' has two %s with id %" PRId64,
                             loading->name, what, ids[i]);
    return TARE_OK;
}

/* Sorts pictures and classes by id and makes their maps; ids is scratch memory for all ids. */
static enum tare_status index_names(struct loading *loading, int64_t *ids)
{
    struct coco_dataset *dataset = loading->dataset;
    enum tare_status status;

    for (size_t i = 0; i < loading->truth_count; i++)
        ids[i] = loading->truths[i].id;
    status = check_twice(ids, loading->truth_count, "annotations", loading);
    if (status != TARE_OK)
        return status;
    if (dataset->image_count)
        qsort(dataset->images, dataset->image_count, sizeof(*dataset->images), by_image_id);
    for (size_t i = 0; i < dataset->image_count; i++)
        ids[i] = dataset->images[i].id;
    status = check_twice(ids, dataset->image_count, "pictures", loading);
    if (status == TARE_OK)
        status = coco_map_build(&dataset->image_map, ids, dataset->image_count);
    if (status != TARE_OK)
        return tare_fail(loading->err, status, "out of memory for pictures");
    if (dataset->category_count)
        qsort(dataset->categories, dataset->category_count, sizeof(*dataset->categories),
              by_category_id);
    for (size_t i = 0; i < dataset->category_count; i++)
        ids[i] = dataset->categories[i].id;
    status = check_twice(ids, dataset->category_count, "classes", loading);
    if (status == TARE_OK)
        status = coco_map_build(&dataset->category_map, ids, dataset->category_count);
    if (status != TARE_OK)
        return tare_fail(loading->err, status, "out of memory for classes");
    return TARE_OK;
}

/* Finds the picture and class of each annotation; those that have none go to the end. */
static void resolve_truths(struct loading *loading)
{
    struct coco_dataset *dataset = loading->dataset;
    size_t kept = 0;

    for (size_t i = 0; i < loading->truth_count; i++) {
        struct raw_truth *raw = &loading->truths[i];
        ptrdiff_t image = coco_map_find(&dataset->image_map, raw->image_id);
        ptrdiff_t category = coco_map_find(&dataset->category_map, raw->category_id);

        if (image < 0 || category < 0)
            continue;
        raw->truth.image = (uint32_t)image;
        raw->truth.category = (uint32_t)category;
        loading->truths[kept++] = *raw;
    }
    dataset->left_out = loading->truth_count - kept;
    loading->truth_count = kept;
}

/* Two stable counting sorts: by picture, then by class. order and first are scratch memory. */
static void sort_truths(struct loading *loading, uint32_t *order, size_t *first)
{
    struct coco_dataset *dataset = loading->dataset;
    size_t count = loading->truth_count;

    memset(first, 0, (dataset->image_count + 1) * sizeof(*first));
    for (size_t i = 0; i < count; i++)
        first[loading->truths[i].truth.image + 1]++;
    for (size_t i = 0; i < dataset->image_count; i++)
        first[i + 1] += first[i];
    for (size_t i = 0; i < count; i++)
        order[first[loading->truths[i].truth.image]++] = (uint32_t)i;
    for (size_t i = 0; i < count; i++)
        dataset->first_truth[loading->truths[i].truth.category + 1]++;
    for (size_t i = 0; i < dataset->category_count; i++)
        dataset->first_truth[i + 1] += dataset->first_truth[i];
    memcpy(first, dataset->first_truth, (dataset->category_count + 1) * sizeof(*first));
    for (size_t i = 0; i < count; i++) {
        const struct coco_truth *truth = &loading->truths[order[i]].truth;

        dataset->truths[first[truth->category]++] = *truth;
    }
    dataset->truth_count = count;
}

static enum tare_status index_dataset(struct loading *loading)
{
    struct coco_dataset *dataset = loading->dataset;
    size_t most = loading->truth_count + dataset->image_count + dataset->category_count + 1;
    int64_t *ids = malloc(most * sizeof(*ids));
    uint32_t *order = malloc(most * sizeof(*order));
    size_t *first = malloc(most * sizeof(*first));
    enum tare_status status = TARE_NOMEM;

    dataset->truths = malloc((loading->truth_count + 1) * sizeof(*dataset->truths));
    dataset->first_truth = calloc(dataset->category_count + 1, sizeof(*dataset->first_truth));
    if (ids && order && first && dataset->truths && dataset->first_truth)
        status = index_names(loading, ids);
    if (status == TARE_OK) {
        resolve_truths(loading);
        sort_truths(loading, order, first);
    }
    free(ids);
    free(order);
    free(first);
    return status == TARE_NOMEM
               ? tare_fail(loading->err, status, "out of memory for '%s'", loading->name)
               : status;
}

enum tare_status coco_dataset_parse(const char *text, size_t size, const char *name,
                                    struct coco_dataset **dataset, struct tare_err *err)
{
    struct loading loading = {.name = name, .err = err};
    enum tare_status status;

    *dataset = NULL;
    loading.dataset = calloc(1, sizeof(*loading.dataset));
    if (!loading.dataset)
        return tare_fail(err, TARE_NOMEM, "out of memory for '%s'", name);
    json_read_start(&loading.reader, text, size);
    status = read_file(&loading);
    if (status == TARE_OK)
        status = index_dataset(&loading);
    free(loading.truths);
    if (status == TARE_OK)
        *dataset = loading.dataset;
    else
        coco_dataset_free(loading.dataset);
    return status;
}

enum tare_status coco_dataset_load(const char *path, struct coco_dataset **dataset,
                                   struct tare_err *err)
{
    struct file_map map;
    enum tare_status status = file_map(path, COCO_MAX_BYTES, &map, err);

    *dataset = NULL;
    if (status != TARE_OK)
        return status;
    status =
        coco_dataset_parse(map.data ? (const char *)map.data : "", map.size, path, dataset, err);
    file_unmap(&map);
    return status;
}

void coco_dataset_free(struct coco_dataset *dataset)
{
    if (!dataset)
        return;
    while (dataset->names) {
        struct coco_names *next = dataset->names->next;

        free(dataset->names);
        dataset->names = next;
    }
    coco_map_release(&dataset->image_map);
    coco_map_release(&dataset->category_map);
    free(dataset->images);
    free(dataset->categories);
    free(dataset->truths);
    free(dataset->first_truth);
    free(dataset);
}

size_t coco_image_count(const struct coco_dataset *dataset)
{
    return dataset->image_count;
}

const struct coco_image *coco_image(const struct coco_dataset *dataset, size_t index)
{
    return index < dataset->image_count ? &dataset->images[index] : NULL;
}

size_t coco_category_count(const struct coco_dataset *dataset)
{
    return dataset->category_count;
}

const struct coco_category *coco_category(const struct coco_dataset *dataset, size_t index)
{
    return index < dataset->category_count ? &dataset->categories[index] : NULL;
}

ptrdiff_t coco_find_image(const struct coco_dataset *dataset, int64_t id)
{
    return coco_map_find(&dataset->image_map, id);
}

ptrdiff_t coco_find_category(const struct coco_dataset *dataset, int64_t id)
{
    return coco_map_find(&dataset->category_map, id);
}

size_t coco_annotation_count(const struct coco_dataset *dataset)
{
    return dataset->truth_count;
}

size_t coco_annotations_left_out(const struct coco_dataset *dataset)
{
    return dataset->left_out;
}
