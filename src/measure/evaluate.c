#include "measure/evaluate.h"

#include "base/file.h"
#include "base/stop.h"
#include "measure/session_graph.h"
#include "models/family.h"

#define PICTURE_MAX ((size_t)64 << 20) /* bytes of one JPEG file */

struct evaluation {
    struct backend_session *session;
    const struct coco_dataset *dataset;
    const struct evaluate_options *options;
    struct coco_detections *detections;
    const struct family *family;
    struct family_state *state;
    int32_t slots;
};

static enum tare_status picture_path(const struct coco_dataset *dataset, const char *images,
                                     size_t index, char *path, struct tare_err *err)
{
    const struct coco_image *image = coco_image(dataset, index);

    if (!image->file_name[0])
        return tare_fail(err, TARE_BADDATA, "the annotations give picture %lld no file name",
                         (long long)image->id);
    return file_join(path, FILE_MAX_PATH, images, image->file_name, err);
}

enum tare_status evaluate_check(const struct coco_dataset *dataset, const char *images,
                                struct tare_err *err)
{
    size_t count = coco_image_count(dataset), missing = 0, first = 0;
    enum tare_status status = TARE_OK;
    char path[FILE_MAX_PATH];

    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        status = picture_path(dataset, images, i, path, err);
        if (status != TARE_OK || file_exists(path))
            continue;
        first = missing ? first : i;
        missing++;
    }
    if (status == TARE_OK && missing)
        status = tare_fail(err, TARE_ABSENT,
                           "%zu of %zu annotated pictures are not in '%s', the first is '%s'",
                           missing, count, images, coco_image(dataset, first)->file_name);
    return status;
}

static enum tare_status load_picture(const struct evaluation *e, size_t index, int32_t slot,
                                     struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    struct file_map map = {NULL, 0};
    char path[FILE_MAX_PATH];
    enum tare_status status = picture_path(e->dataset, e->options->images, index, path, err);

    if (status == TARE_OK)
        status = file_map(path, PICTURE_MAX, &map, err);
    if (status == TARE_OK)
        status = e->family->load(e->state, map.data, map.size, slot, NULL, &inner);
    if (inner.status != TARE_OK)
        status = tare_fail(err, inner.status, "picture '%s': %s", path, inner.text);
    file_unmap(&map);
    return status;
}

static enum tare_status add_box(const struct evaluation *e, size_t index, const struct box *box,
                                struct tare_err *err)
{
    const struct coco_category *category = coco_category(e->dataset, (size_t)box->class_id);
    struct coco_detection detection = {
        .image_id = coco_image(e->dataset, index)->id,
        .x = (double)box->x1,
        .y = (double)box->y1,
        .width = (double)box->x2 - (double)box->x1,
        .height = (double)box->y2 - (double)box->y1,
        .score = (double)box->score,
    };

    if (!category)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "the model has a class %d, the annotations have %zu classes",
                         box->class_id, coco_category_count(e->dataset));
    detection.category_id = category->id;
    return coco_detections_add(e->detections, &detection, err);
}

static enum tare_status take_boxes(const struct evaluation *e, size_t index, int32_t slot,
                                   struct tare_err *err)
{
    const struct box *boxes = NULL;
    size_t count = 0;
    enum tare_status status = e->family->boxes(e->state, slot, &boxes, &count, NULL, err);

    for (size_t i = 0; i < count && status == TARE_OK; i++)
        status = add_box(e, index, &boxes[i], err);
    return status;
}

/* The last batch is filled up with its last picture, whose further boxes are not taken. */
static enum tare_status run_batch(const struct evaluation *e, size_t first, struct tare_err *err)
{
    size_t count = coco_image_count(e->dataset);
    enum tare_status status = TARE_OK;

    for (int32_t slot = 0; slot < e->slots && status == TARE_OK; slot++) {
        size_t index = first + (size_t)slot < count ? first + (size_t)slot : count - 1;

        status = load_picture(e, index, slot, err);
    }
    if (status == TARE_OK)
        status = backend_session_run(e->session, NULL, NULL, err);
    for (int32_t slot = 0; slot < e->slots && status == TARE_OK; slot++)
        if (first + (size_t)slot < count)
            status = take_boxes(e, first + (size_t)slot, slot, err);
    return status;
}

static enum tare_status run_all(const struct evaluation *e, struct tare_err *err)
{
    size_t count = coco_image_count(e->dataset);
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < count && status == TARE_OK; i += (size_t)e->slots) {
        if (stop_requested())
            return tare_fail(err, TARE_STOPPED, "stopped");
        status = run_batch(e, i, err);
        if (status == TARE_OK && e->options->progress)
            e->options->progress((double)(i + 1) / (double)count, e->options->progress_data);
    }
    return status;
}

enum tare_status evaluate_pictures(struct backend_session *session,
                                   const struct coco_dataset *dataset,
                                   const struct evaluate_options *options,
                                   struct coco_detections *detections, struct tare_err *err)
{
    struct evaluation e = {
        .session = session, .dataset = dataset, .options = options, .detections = detections};
    const struct family_options settings = {
        .min_score = 0.001f, .iou = 0.7f, .max_boxes = 300, .multi_label = true};
    struct session_graph graph;
    enum tare_status status = session_graph_describe(session, &graph, err);

    if (status != TARE_OK)
        return status;
    e.family = family_find(&graph.graph);
    if (!e.family->predicts)
        status = tare_fail(err, TARE_UNSUPPORTED,
                           "the model is of no family whose predictions can be scored");
    if (status == TARE_OK)
        status = evaluate_check(dataset, options->images, err);
    if (status == TARE_OK)
        status = e.family->open(&graph.graph, &settings, &e.state, err);
    if (status == TARE_OK) {
        e.slots = e.family->slots(e.state);
        status = run_all(&e, err);
    }
    if (e.state)
        e.family->close(e.state);
    session_graph_release(&graph);
    return status;
}
