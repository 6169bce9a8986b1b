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

/* What the reference says of one picture. */
struct answer {
    float *values; // (value_count): its outputs in a row
    struct box *boxes;
    size_t box_count, box_room;
};

struct agree_reference {
    struct agree_options options;
    struct side side;
    size_t value_count;     /* of one slot, all outputs together */
    struct answer *answers; // (answer_count)
    size_t answer_count;
};

/* What of an output is compared: elements first .. first + count of each slot. */
struct part {
    char name[AGREEMENT_NAME];
    size_t reference_at; /* in an answer's values */
    size_t model;        /* output */
    size_t first, count;
};

struct comparison {
    const struct agree_reference *reference;
    struct side model;
    struct part parts[AGREEMENT_MAX_HEADS];
    size_t part_count;
    struct agreement *agreement;
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

static void add_part(struct comparison *c, const char *name, size_t reference_at, size_t model,
                     size_t first, size_t count)
{
    struct part *part = &c->parts[c->part_count];

    if (c->part_count == AGREEMENT_MAX_HEADS)
        return;
    *part = (struct part){
        .reference_at = reference_at + first, .model = model, .first = first, .count = count};
    (void)snprintf(part->name, sizeof(part->name), "%s", name);
    c->part_count++;
}

/* Output i of the reference, whose values are at `at` in an answer. */
static void find_parts_of(struct comparison *c, size_t i, size_t at)
{
    const struct family_graph *ours = &c->reference->side.graph.graph;
    const struct family_graph *theirs = &c->model.graph.graph;
    const struct tare_tensor *output = &ours->outputs[i];
    size_t count = slot_elements(&c->reference->side, i);

    for (size_t k = 0; k < theirs->output_count; k++) {
        if (strcmp(output->name, theirs->outputs[k].name) != 0 || count == 0 ||
            count != slot_elements(&c->model, k))
            continue;
        if (ours->output_count == 1 && output->rank == 3 && output->shape[1] > BOX_ROWS) {
            size_t boxes = BOX_ROWS * (size_t)output->shape[2];

            add_part(c, "boxes", at, k, 0, boxes);
            add_part(c, "scores", at, k, boxes, count - boxes);
        } else {
            add_part(c, output->name, at, k, 0, count);
        }
    }
}

static enum tare_status open_model(struct comparison *c, struct tare_err *err)
{
    const struct side *reference = &c->reference->side;
    const char *names[AGREEMENT_MAX_HEADS];
    size_t at = 0;
    enum tare_status status = open_side(&c->model, err);

    if (status == TARE_OK && reference->slots != c->model.slots)
        status = tare_fail(err, TARE_UNSUPPORTED,
                           "the reference takes %d pictures a run, the model %d: need the same",
                           reference->slots, c->model.slots);
    if (status != TARE_OK)
        return status;
    for (size_t i = 0; i < reference->graph.graph.output_count; i++) {
        find_parts_of(c, i, at);
        at += slot_elements(reference, i);
    }
    for (size_t i = 0; i < c->part_count; i++)
        names[i] = c->parts[i].name;
    return agreement_new(&c->reference->options.figures, names, c->part_count, &c->agreement, err);
}

/* --- pictures --------------------------------------------------------------------------------- */

static enum tare_status load_picture(const struct side *side, const char *path, int32_t slot,
                                     struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    struct file_map map = {NULL, 0};
    enum tare_status status = file_map(path, PICTURE_MAX, &map, err);

    if (status == TARE_OK)
        status = side->family->load(side->state, map.data, map.size, slot, NULL, &inner);
    if (inner.status != TARE_OK)
        status = tare_fail(err, inner.status, "picture '%s': %s", path, inner.text);
    file_unmap(&map);
    return status;
}

/* The last batch is filled up with its last picture, which then counts once. */
static enum tare_status run_batch(const struct side *side, const struct agree_options *options,
                                  size_t first, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (int32_t slot = 0; slot < side->slots && status == TARE_OK; slot++) {
        size_t index =
            first + (size_t)slot < options->count ? first + (size_t)slot : options->count - 1;

        status = load_picture(side, options->paths[index], slot, err);
    }
    return status == TARE_OK ? backend_session_run(side->session, NULL, NULL, err) : status;
}

/* Elements first .. first + count of an output's slot as floats; valid until the side's next call.
 */
static const float *output_values(const struct side *side, size_t output, int32_t slot,
                                  size_t first, size_t count)
{
    const struct tare_tensor *tensor = &side->graph.graph.outputs[output];
    size_t at = (size_t)slot * slot_elements(side, output) + first;

    if (tensor->dtype == TARE_FP32)
        return (const float *)tensor->data + at;
    half_to_floats((const uint16_t *)tensor->data + at, count, side->widened);
    return side->widened;
}

static enum tare_status keep_boxes(struct answer *answer, const struct box *boxes, size_t count,
                                   struct tare_err *err)
{
    answer->box_count = 0;
    if (count > answer->box_room) {
        free(answer->boxes);
        answer->boxes = malloc(count * sizeof(*answer->boxes));
        answer->box_room = answer->boxes ? count : 0;
        if (!answer->boxes)
            return tare_fail(err, TARE_NOMEM, "out of memory for %zu boxes", count);
    }
    if (count)
        memcpy(answer->boxes, boxes, count * sizeof(*boxes));
    answer->box_count = count;
    return TARE_OK;
}

static enum tare_status keep_answer(const struct agree_reference *reference, int32_t slot,
                                    struct answer *answer, struct tare_err *err)
{
    const struct side *side = &reference->side;
    const struct box *boxes;
    size_t at = 0, count = 0;
    enum tare_status status = side->family->boxes(side->state, slot, &boxes, &count, NULL, err);

    if (status == TARE_OK)
        status = keep_boxes(answer, boxes, count, err);
    if (status == TARE_OK && !answer->values)
        answer->values = malloc((reference->value_count + 1) * sizeof(*answer->values));
    if (status == TARE_OK && !answer->values)
        status =
            tare_fail(err, TARE_NOMEM, "out of memory for %zu outputs", reference->value_count);
    for (size_t i = 0; i < side->graph.graph.output_count && status == TARE_OK; i++) {
        size_t elements = slot_elements(side, i);

        if (elements)
            memcpy(answer->values + at, output_values(side, i, slot, 0, elements),
                   elements * sizeof(*answer->values));
        at += elements;
    }
    return status;
}

/* Runs a batch on the reference; answers of its pictures go to `answers` and what follows. */
static enum tare_status ask_reference(const struct agree_reference *reference, size_t first,
                                      struct answer *answers, struct tare_err *err)
{
    enum tare_status status = run_batch(&reference->side, &reference->options, first, err);

    for (int32_t slot = 0; slot < reference->side.slots && status == TARE_OK; slot++)
        if (first + (size_t)slot < reference->options.count)
            status = keep_answer(reference, slot, &answers[slot], err);
    return status;
}

static enum tare_status compare_slot(const struct comparison *c, int32_t slot,
                                     const struct answer *answer, struct tare_err *err)
{
    const struct box *boxes;
    size_t count = 0;
    enum tare_status status = agreement_next_picture(c->agreement, err);

    for (size_t i = 0; i < c->part_count && status == TARE_OK; i++) {
        const struct part *part = &c->parts[i];

        status = agreement_add_outputs(
            c->agreement, i, answer->values + part->reference_at,
            output_values(&c->model, part->model, slot, part->first, part->count), part->count,
            err);
    }
    if (status == TARE_OK)
        status = c->model.family->boxes(c->model.state, slot, &boxes, &count, NULL, err);
    if (status == TARE_OK)
        status =
            agreement_add_boxes(c->agreement, answer->boxes, answer->box_count, boxes, count, err);
    return status;
}

static enum tare_status ask_model(const struct comparison *c, size_t first,
                                  const struct answer *answers, struct tare_err *err)
{
    const struct agree_options *options = &c->reference->options;
    enum tare_status status = run_batch(&c->model, options, first, err);

    for (int32_t slot = 0; slot < c->model.slots && status == TARE_OK; slot++)
        if (first + (size_t)slot < options->count)
            status = compare_slot(c, slot, &answers[slot], err);
    return status;
}

/* --- all of them ------------------------------------------------------------------------------ */

static enum tare_status check_stop(struct tare_err *err)
{
    return stop_requested() ? tare_fail(err, TARE_STOPPED, "stopped") : TARE_OK;
}

static void tell(const struct agree_options *options, size_t done)
{
    if (options->progress)
        options->progress((double)(done < options->count ? done : options->count) /
                              (double)options->count,
                          options->progress_data);
}

/* all: room for the answers of all pictures, else for those of one batch. */
static enum tare_status open_reference(struct backend_session *session,
                                       const struct agree_options *options, bool all,
                                       struct agree_reference **made, struct tare_err *err)
{
    struct agree_reference *r = calloc(1, sizeof(*r));
    enum tare_status status;

    *made = NULL;
    if (!r)
        return tare_fail(err, TARE_NOMEM, "out of memory for a reference");
    r->options = *options;
    r->side = (struct side){.role = "reference", .session = session};
    status = open_side(&r->side, err);
    for (size_t i = 0; i < r->side.graph.graph.output_count && status == TARE_OK; i++)
        r->value_count += slot_elements(&r->side, i);
    if (status == TARE_OK) {
        size_t slots = (size_t)r->side.slots;

        r->answer_count = all ? (options->count + slots - 1) / slots * slots : slots;
        r->answers = calloc(r->answer_count + 1, sizeof(*r->answers));
        if (!r->answers)
            status = tare_fail(err, TARE_NOMEM, "out of memory for %zu answers", r->answer_count);
    }
    if (status == TARE_OK)
        *made = r;
    else
        agree_reference_free(r);
    return status;
}

void agree_reference_free(struct agree_reference *reference)
{
    if (!reference)
        return;
    for (size_t i = 0; reference->answers && i < reference->answer_count; i++) {
        free(reference->answers[i].values);
        free(reference->answers[i].boxes);
    }
    free(reference->answers);
    close_side(&reference->side);
    free(reference);
}

enum tare_status agree_reference_new(struct backend_session *session,
                                     const struct agree_options *options,
                                     struct agree_reference **reference, struct tare_err *err)
{
    struct agree_reference *r;
    enum tare_status status = open_reference(session, options, true, &r, err);

    for (size_t i = 0; status == TARE_OK && i < options->count; i += (size_t)r->side.slots) {
        status = check_stop(err);
        if (status == TARE_OK)
            status = ask_reference(r, i, r->answers + i, err);
        if (status == TARE_OK)
            tell(options, i + (size_t)r->side.slots);
    }
    if (status != TARE_OK) {
        agree_reference_free(r);
        r = NULL;
    }
    *reference = r;
    return status;
}

/* Compares all pictures; answers are there, or made batch by batch. */
static enum tare_status compare_all(const struct agree_reference *r, bool answered,
                                    struct backend_session *model, struct agreement_result *result,
                                    struct tare_err *err)
{
    struct comparison c = {.reference = r, .model = {.role = "model", .session = model}};
    enum tare_status status = open_model(&c, err);

    for (size_t i = 0; i < r->options.count && status == TARE_OK; i += (size_t)c.model.slots) {
        struct answer *answers = answered ? r->answers + i : r->answers;

        status = check_stop(err);
        if (status == TARE_OK && !answered)
            status = ask_reference(r, i, answers, err);
        if (status == TARE_OK)
            status = ask_model(&c, i, answers, err);
        if (status == TARE_OK && !answered)
            tell(&r->options, i + (size_t)c.model.slots);
    }
    if (status == TARE_OK)
        status = agreement_finish(c.agreement, result, err);
    agreement_free(c.agreement);
    close_side(&c.model);
    return status;
}

enum tare_status agree_with(const struct agree_reference *reference, struct backend_session *model,
                            struct agreement_result *result, struct tare_err *err)
{
    return compare_all(reference, true, model, result, err);
}

enum tare_status agree_pictures(struct backend_session *reference, struct backend_session *model,
                                const struct agree_options *options,
                                struct agreement_result *result, struct tare_err *err)
{
    struct agree_reference *r;
    enum tare_status status = open_reference(reference, options, false, &r, err);

    if (status == TARE_OK)
        status = compare_all(r, false, model, result, err);
    agree_reference_free(r);
    return status;
}
