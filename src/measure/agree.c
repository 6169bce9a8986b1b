#include "measure/agree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/stop.h"
#include "measure/session_graph.h"
#include "models/family.h"
#include "vision/half.h"

#define PICTURE_MAX ((size_t)64 << 20) /* bytes of one JPEG file */
#define BOX_ROWS    4                  /* of the full head, before the scores */

/* One of the two models. */
struct side {
    const char *role;
    struct backend_session *session;
    struct session_graph graph;
    const struct family *family;
    struct family_state *state;
    int32_t slots;
    float *widened; // (most elements of one output's slot)
};

/* What of an output is compared: elements first .. first + count of each slot. */
struct part {
    char name[AGREEMENT_NAME];
    size_t reference, model; /* outputs */
    size_t first, count;
};

struct agree {
    const struct agree_options *options;
    struct side reference, model;
    struct part parts[AGREEMENT_MAX_HEADS];
    size_t part_count;
    struct agreement *agreement;
    struct box *boxes; // (box_room) the reference's, kept until the model's are there
    size_t box_room;
};

/* --- the two models --------------------------------------------------------------------------- */

static bool is_float(const struct tare_tensor *tensor)
{
    return tensor->dtype == TARE_FP32 || tensor->dtype == TARE_FP16;
}

/* Elements of one slot of an output; 0 if it has none. */
static size_t slot_elements(const struct side *side, size_t output)
{
    const struct tare_tensor *tensor = &side->graph.graph.outputs[output];
    int64_t count = tare_shape_count(tensor->rank, tensor->shape);

    if (!is_float(tensor) || count <= 0 || tensor->rank < 2 || tensor->shape[0] != side->slots)
        return 0;
    return (size_t)(count / side->slots);
}

static enum tare_status open_side(struct side *side, struct tare_err *err)
{
    const struct family_options settings = {
        .min_score = 0.001f, .iou = 0.7f, .max_boxes = 300, .multi_label = true};
    enum tare_status status = session_graph_describe(side->session, &side->graph, err);
    size_t most = 1;

    if (status != TARE_OK)
        return status;
    side->family = family_find(&side->graph.graph);
    if (!side->family->predicts)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "the %s is of no family whose predictions can be compared", side->role);
    status = side->family->open(&side->graph.graph, &settings, &side->state, err);
    if (status != TARE_OK)
        return status;
    side->slots = side->family->slots(side->state);
    for (size_t i = 0; i < side->graph.graph.output_count; i++)
        if (slot_elements(side, i) > most)
            most = slot_elements(side, i);
    side->widened = malloc(most * sizeof(*side->widened));
    return side->widened ? TARE_OK
                         : tare_fail(err, TARE_NOMEM, "out of memory for %zu outputs", most);
}

static void close_side(struct side *side)
{
    if (side->state)
        side->family->close(side->state);
    session_graph_release(&side->graph);
    free(side->widened);
}

static void add_part(struct agree *a, const char *name, size_t reference, size_t model,
                     size_t first, size_t count)
{
    struct part *part = &a->parts[a->part_count];

    if (a->part_count == AGREEMENT_MAX_HEADS)
        return;
    *part = (struct part){.reference = reference, .model = model, .first = first, .count = count};
    (void)snprintf(part->name, sizeof(part->name), "%s", name);
    a->part_count++;
}

static void find_parts(struct agree *a)
{
    const struct family_graph *ours = &a->reference.graph.graph, *theirs = &a->model.graph.graph;

    for (size_t i = 0; i < ours->output_count; i++)
        for (size_t k = 0; k < theirs->output_count; k++) {
            size_t count = slot_elements(&a->reference, i);
            const struct tare_tensor *output = &ours->outputs[i];

            if (strcmp(output->name, theirs->outputs[k].name) != 0 || count == 0 ||
                count != slot_elements(&a->model, k))
                continue;
            if (ours->output_count == 1 && output->rank == 3 && output->shape[1] > BOX_ROWS) {
                size_t boxes = BOX_ROWS * (size_t)output->shape[2];

                add_part(a, "boxes", i, k, 0, boxes);
                add_part(a, "scores", i, k, boxes, count - boxes);
            } else {
                add_part(a, output->name, i, k, 0, count);
            }
        }
}

static enum tare_status open_both(struct agree *a, struct tare_err *err)
{
    const char *names[AGREEMENT_MAX_HEADS];
    enum tare_status status = open_side(&a->reference, err);

    if (status == TARE_OK)
        status = open_side(&a->model, err);
    if (status == TARE_OK && a->reference.slots != a->model.slots)
        status = tare_fail(err, TARE_UNSUPPORTED,
                           "the reference takes %d pictures a run, the model %d: need the same",
                           a->reference.slots, a->model.slots);
    if (status != TARE_OK)
        return status;
    find_parts(a);
    for (size_t i = 0; i < a->part_count; i++)
        names[i] = a->parts[i].name;
    return agreement_new(&a->options->figures, names, a->part_count, &a->agreement, err);
}

/* --- pictures --------------------------------------------------------------------------------- */

static enum tare_status load_picture(const struct agree *a, size_t index, int32_t slot,
                                     struct tare_err *err)
{
    const struct side *sides[] = {&a->reference, &a->model};
    struct tare_err inner = TARE_ERR_INIT;
    struct file_map map = {NULL, 0};
    enum tare_status status = file_map(a->options->paths[index], PICTURE_MAX, &map, err);

    for (size_t i = 0; i < 2 && status == TARE_OK; i++)
        status = sides[i]->family->load(sides[i]->state, map.data, map.size, slot, NULL, &inner);
    if (inner.status != TARE_OK)
        status =
            tare_fail(err, inner.status, "picture '%s': %s", a->options->paths[index], inner.text);
    file_unmap(&map);
    return status;
}

/* Elements of a part of one slot as floats; valid until the side's next call. */
static const float *part_values(const struct side *side, size_t output, int32_t slot,
                                const struct part *part)
{
    const struct tare_tensor *tensor = &side->graph.graph.outputs[output];
    size_t first = (size_t)slot * slot_elements(side, output) + part->first;

    if (tensor->dtype == TARE_FP32)
        return (const float *)tensor->data + first;
    half_to_floats((const uint16_t *)tensor->data + first, part->count, side->widened);
    return side->widened;
}

/* The reference's boxes belong to its state, and the two states may be one family's. */
static enum tare_status keep_boxes(struct agree *a, const struct box *boxes, size_t count,
                                   struct tare_err *err)
{
    if (count > a->box_room) {
        free(a->boxes);
        a->boxes = malloc(count * sizeof(*a->boxes));
        a->box_room = a->boxes ? count : 0;
        if (!a->boxes)
            return tare_fail(err, TARE_NOMEM, "out of memory for %zu boxes", count);
    }
    if (count)
        memcpy(a->boxes, boxes, count * sizeof(*boxes));
    return TARE_OK;
}

static enum tare_status compare_slot(struct agree *a, int32_t slot, struct tare_err *err)
{
    const struct box *boxes;
    size_t kept = 0, count = 0;
    enum tare_status status = agreement_next_picture(a->agreement, err);

    for (size_t i = 0; i < a->part_count && status == TARE_OK; i++) {
        const struct part *part = &a->parts[i];

        status = agreement_add_outputs(
            a->agreement, i, part_values(&a->reference, part->reference, slot, part),
            part_values(&a->model, part->model, slot, part), part->count, err);
    }
    if (status == TARE_OK)
        status = a->reference.family->boxes(a->reference.state, slot, &boxes, &kept, NULL, err);
    if (status == TARE_OK)
        status = keep_boxes(a, boxes, kept, err);
    if (status == TARE_OK)
        status = a->model.family->boxes(a->model.state, slot, &boxes, &count, NULL, err);
    if (status == TARE_OK)
        status = agreement_add_boxes(a->agreement, a->boxes, kept, boxes, count, err);
    return status;
}

/* The last batch is filled up with its last picture, which then counts once. */
static enum tare_status run_batch(struct agree *a, size_t first, struct tare_err *err)
{
    size_t count = a->options->count;
    enum tare_status status = TARE_OK;

    for (int32_t slot = 0; slot < a->model.slots && status == TARE_OK; slot++)
        status = load_picture(a, first + (size_t)slot < count ? first + (size_t)slot : count - 1,
                              slot, err);
    if (status == TARE_OK)
        status = backend_session_run(a->reference.session, NULL, NULL, err);
    if (status == TARE_OK)
        status = backend_session_run(a->model.session, NULL, NULL, err);
    for (int32_t slot = 0; slot < a->model.slots && status == TARE_OK; slot++)
        if (first + (size_t)slot < count)
            status = compare_slot(a, slot, err);
    return status;
}

enum tare_status agree_pictures(struct backend_session *reference, struct backend_session *model,
                                const struct agree_options *options,
                                struct agreement_result *result, struct tare_err *err)
{
    struct agree a = {.options = options,
                      .reference = {.role = "reference", .session = reference},
                      .model = {.role = "model", .session = model}};
    enum tare_status status = open_both(&a, err);

    for (size_t i = 0; i < options->count && status == TARE_OK; i += (size_t)a.model.slots) {
        if (stop_requested())
            status = tare_fail(err, TARE_STOPPED, "stopped");
        else
            status = run_batch(&a, i, err);
        if (status == TARE_OK && options->progress)
            options->progress((double)(i + 1) / (double)options->count, options->progress_data);
    }
    if (status == TARE_OK)
        status = agreement_finish(a.agreement, result, err);
    agreement_free(a.agreement);
    close_side(&a.reference);
    close_side(&a.model);
    free(a.boxes);
    return status;
}
