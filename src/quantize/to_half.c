#include "quantize/to_half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/onnx_graph.h"
#include "onnx/onnx_precision.h"
#include "quantize/half_rules.h"

#define BF16_IR_VERSION 10
#define FP16_NORMAL_MIN 0x1p-14F

/* One value of the graph: under which name it is there in FP32 and in half. */
struct value {
    const char *name;
    Onnx__TensorProto *tensor; /* its constant, or NULL */
    bool is_float;             /* FP32 in the model as read */
    bool half;                 /* what makes it makes half */
    bool output;               /* of the graph */
    bool used_half, used_fp32;
    const char *as[2]; /* FP32, half; NULL: not yet */
};

struct conversion {
    struct onnx_model *model;
    Onnx__GraphProto *graph;
    const struct to_half_options *options;
    struct to_half_report *report;
    struct onnx_builder builder;
    struct onnx_shapes *shapes;
    struct value *values; // (value_count) by name
    size_t value_count;
    enum to_half_reason *reasons; // (node_count)
    Onnx__NodeProto **nodes;      // (node_count) as they were
    size_t node_count;
    int32_t type; /* enum onnx_type */
};

const char *to_half_reason_name(enum to_half_reason reason)
{
    static const char *const names[] = {"converted", "operator", "decode", "range", "type"};

    return (unsigned)reason < TO_HALF_REASONS ? names[reason] : "unknown";
}

/* --- values ----------------------------------------------------------------------------------- */

static int compare_values(const void *left, const void *right)
{
    return strcmp(((const struct value *)left)->name, ((const struct value *)right)->name);
}

static struct value *find(const struct conversion *c, const char *name)
{
    const struct value key = {.name = name};

    if (!name[0])
        return NULL;
    return bsearch(&key, c->values, c->value_count, sizeof(key), compare_values);
}

static void add_value(struct conversion *c, const char *name, Onnx__TensorProto *tensor)
{
    const struct onnx_shape *shape = onnx_shapes_find(c->shapes, name);

    if (!name[0])
        return;
    c->values[c->value_count++] = (struct value){
        .name = name,
        .tensor = tensor,
        .is_float = tensor ? tensor->data_type == ONNX_FLOAT : shape && shape->type == ONNX_FLOAT,
    };
}

static bool converts(const struct conversion *c, size_t node)
{
    return c->reasons[node] == TO_HALF_CONVERTED;
}

static void note_uses(struct conversion *c)
{
    for (size_t i = 0; i < c->node_count; i++)
        for (size_t k = 0; k < c->nodes[i]->n_input; k++) {
            struct value *value = find(c, c->nodes[i]->input[k]);

            if (value && converts(c, i) && half_takes_input(c->nodes[i], k))
                value->used_half = true;
            else if (value)
                value->used_fp32 = true;
        }
    for (size_t i = 0; i < c->node_count; i++)
        for (size_t k = 0; k < c->nodes[i]->n_output; k++) {
            struct value *value = find(c, c->nodes[i]->output[k]);

            if (value)
                value->half = value->is_float && converts(c, i);
        }
    for (size_t i = 0; i < c->graph->n_output; i++) {
        struct value *value = find(c, c->graph->output[i]->name);

        if (value)
            value->output = value->used_fp32 = true;
    }
}

/* Inputs that are initializers too (models of old) count as initializers. */
static enum tare_status list_values(struct conversion *c, struct tare_err *err)
{
    size_t most = c->graph->n_input + c->graph->n_initializer, kept = 0;

    for (size_t i = 0; i < c->node_count; i++)
        most += c->nodes[i]->n_output;
    c->values = calloc(most + 1, sizeof(*c->values));
    if (!c->values)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu values", most);
    for (size_t i = 0; i < c->graph->n_initializer; i++)
        add_value(c, c->graph->initializer[i]->name, c->graph->initializer[i]);
    for (size_t i = 0; i < c->graph->n_input; i++)
        if (!onnx_find_initializer(c->graph, c->graph->input[i]->name))
            add_value(c, c->graph->input[i]->name, NULL);
    for (size_t i = 0; i < c->node_count; i++)
        for (size_t k = 0; k < c->nodes[i]->n_output; k++)
            add_value(c, c->nodes[i]->output[k], NULL);
    qsort(c->values, c->value_count, sizeof(*c->values), compare_values);
    for (size_t i = 0; i < c->value_count; i++) /* names are unique: shapes were worked out */
        if (i == 0 || strcmp(c->values[i].name, c->values[kept - 1].name) != 0)
            c->values[kept++] = c->values[i];
    c->value_count = kept;
    note_uses(c);
    return TARE_OK;
}

/* "NAME/fp16", not in the graph yet. */
static const char *new_name(struct conversion *c, const char *name, bool half)
{
    const char *suffix = !half ? "fp32" : c->options->bf16 ? "bf16" : "fp16";
    size_t room = strlen(name) + 16;
    char *text = arena_alloc(&c->model->arena, room);

    for (int n = 0; text && n < 1000; n++) {
        if (n == 0)
            (void)snprintf(text, room, "%s/%s", name, suffix);
        else
            (void)snprintf(text, room, "%s/%s.%d", name, suffix, n);
        if (!find(c, text))
            break;
    }
    return text ? text : name;
}

/* --- constants -------------------------------------------------------------------------------- */

static void note_rounding(struct conversion *c, const char *name, float value, float rounded)
{
    struct to_half_report *r = c->report;
    double error = fabs((double)value - (double)rounded);

    if (error > r->largest_error) { /* never for NAN and infinities */
        r->largest_error = error;
        r->largest_error_tensor = name;
    }
    if (!c->options->bf16 && value != 0 && fabsf(value) < FP16_NORMAL_MIN) {
        r->subnormals++;
        r->flushed += rounded == 0;
    }
}

static void write_halves(struct conversion *c, const Onnx__TensorProto *tensor, size_t count,
                         uint16_t *halves)
{
    for (size_t i = 0; i < count; i++) {
        float value = half_element(tensor, i);

        halves[i] = half_bits(value, c->options->bf16);
        note_rounding(c, tensor->name, value, half_value(halves[i], c->options->bf16));
    }
    c->report->weights += count;
}

static void replace_constant(struct conversion *c, struct value *value)
{
    Onnx__TensorProto *tensor = value->tensor;
    size_t count = (size_t)onnx_tensor_count(tensor);
    uint16_t *halves = arena_alloc(&c->model->arena, count * sizeof(*halves) + 1);

    if (!halves)
        return;
    write_halves(c, tensor, count, halves);
    tensor->data_type = c->type;
    tensor->has_raw_data = 1;
    tensor->raw_data.data = (uint8_t *)halves;
    tensor->raw_data.len = count * sizeof(*halves);
    tensor->n_float_data = 0;
    tensor->float_data = NULL;
    value->as[1] = value->name;
}

static void copy_constant(struct conversion *c, struct value *value)
{
    const Onnx__TensorProto *tensor = value->tensor;
    size_t count = (size_t)onnx_tensor_count(tensor);
    const char *name = new_name(c, value->name, true);
    int64_t shape[TARE_MAX_RANK];
    uint16_t *halves;

    for (size_t i = 0; i < tensor->n_dims && i < TARE_MAX_RANK; i++)
        shape[i] = tensor->dims[i];
    halves =
        onnx_add_tensor(&c->builder, name, (enum onnx_type)c->type, (int32_t)tensor->n_dims, shape);
    if (!halves)
        return;
    write_halves(c, tensor, count, halves);
    value->as[1] = name;
}

static void convert_constants(struct conversion *c)
{
    for (size_t i = 0; i < c->value_count; i++) {
        struct value *value = &c->values[i];

        if (!value->tensor || !value->is_float)
            continue;
        value->as[0] = value->name;
        if (value->used_half && value->used_fp32 && value->tensor->n_dims <= TARE_MAX_RANK)
            copy_constant(c, value);
        else if (value->used_half && !value->used_fp32)
            replace_constant(c, value);
    }
}

/* --- nodes -------------------------------------------------------------------------------------
 */

static void add_cast(struct conversion *c, const char *from, const char *to, bool half)
{
    Onnx__NodeProto *node = onnx_add_simple(&c->builder, "Cast", to, from, NULL, to);

    onnx_set_int(&c->builder, node, "to", half ? c->type : ONNX_FLOAT);
    c->report->casts++;
}

/* The name under which a value is there in the type wanted; a cast is added if need be. */
static const char *name_as(struct conversion *c, struct value *value, bool half)
{
    if (!value->as[half]) {
        const char *name = new_name(c, value->name, half);

        add_cast(c, value->as[!half], name, half);
        value->as[half] = name;
    }
    return value->as[half];
}

/* protobuf-c's structs hold char *, though nobody writes to these texts. */
static void set_name(struct conversion *c, char **place, const char *name)
{
    char *copy;

    if (strcmp(*place, name) == 0)
        return;
    copy = arena_text(&c->model->arena, name, strlen(name));
    if (copy)
        *place = copy;
}

static void append(struct conversion *c, Onnx__NodeProto *node)
{
    c->graph->node[c->graph->n_node++] = node;
}

static void convert_node(struct conversion *c, size_t index)
{
    Onnx__NodeProto *node = c->nodes[index];
    bool half = converts(c, index);

    for (size_t k = 0; k < node->n_input; k++) {
        struct value *value = find(c, node->input[k]);

        if (value && value->is_float)
            set_name(c, &node->input[k], name_as(c, value, half && half_takes_input(node, k)));
    }
    append(c, node);
    for (size_t k = 0; k < node->n_output; k++) {
        struct value *value = find(c, node->output[k]);

        if (!value || !value->is_float)
            continue;
        if (value->output && value->half != c->options->half_io) {
            const char *name = new_name(c, value->name, value->half);

            value->as[value->half] = name;
            value->as[!value->half] = value->name;
            set_name(c, &node->output[k], name);
            add_cast(c, name, value->name, !value->half);
        } else {
            value->as[value->half] = value->name;
        }
    }
}

static void set_io_type(struct conversion *c, Onnx__ValueInfoProto *info)
{
    struct value *value = find(c, info->name);

    if (c->options->half_io && value && value->is_float && !value->tensor && info->type &&
        info->type->tensor_type)
        info->type->tensor_type->elem_type = c->type;
}

static void convert_io(struct conversion *c)
{
    for (size_t i = 0; i < c->graph->n_input; i++) {
        struct value *value = find(c, c->graph->input[i]->name);

        if (value && value->tensor)
            c->graph->input[i]->type->tensor_type->elem_type = value->tensor->data_type;
        if (!value || value->tensor)
            continue;
        value->half = value->is_float && c->options->half_io;
        value->as[value->half] = value->name;
        set_io_type(c, c->graph->input[i]);
    }
    for (size_t i = 0; i < c->graph->n_output; i++)
        set_io_type(c, c->graph->output[i]);
}

static enum tare_status report_nodes(struct conversion *c, struct tare_err *err)
{
    struct to_half_report *r = c->report;

    r->kept = arena_zero(&c->model->arena, c->node_count + 1, sizeof(*r->kept));
    for (size_t i = 0; r->kept && i < c->node_count; i++) {
        r->nodes[c->reasons[i]]++;
        if (!converts(c, i))
            r->kept[r->kept_count++] =
                (struct to_half_node){c->nodes[i]->name, c->nodes[i]->op_type, c->reasons[i]};
    }
    return arena_status(&c->model->arena, "a converted model", err);
}

static enum tare_status convert(struct conversion *c, struct tare_err *err)
{
    size_t most = c->node_count + 2 * c->value_count + c->graph->n_output + 1;
    Onnx__NodeProto **room = arena_zero(&c->model->arena, most, sizeof(*room));

    if (!room)
        return arena_status(&c->model->arena, "a converted model", err);
    onnx_build_on(&c->builder, c->model);
    convert_constants(c);
    c->graph->node = room;
    c->graph->n_node = 0;
    c->graph->n_value_info = 0;
    c->builder.nodes = (struct onnx_room){room, most};
    convert_io(c);
    for (size_t i = 0; i < c->node_count; i++)
        convert_node(c, i);
    return report_nodes(c, err);
}

/* --- the whole ---------------------------------------------------------------------------------
 */

/* Constant nodes of floats become initializers, which then are rounded and checked like others. */
static void lift_constants(Onnx__GraphProto *graph, struct onnx_model *model)
{
    struct onnx_builder b;
    size_t kept = 0;

    onnx_build_on(&b, model);
    for (size_t i = 0; i < graph->n_node; i++) {
        Onnx__NodeProto *node = graph->node[i];
        const Onnx__AttributeProto *held = onnx_find_attribute(node, "value");
        const Onnx__TensorProto *from = held ? held->t : NULL;
        int64_t shape[TARE_MAX_RANK];
        float *to = NULL;

        if (strcmp(node->op_type, "Constant") == 0 && node->n_output == 1 && from &&
            from->data_type == ONNX_FLOAT && from->n_dims <= TARE_MAX_RANK &&
            from->data_location != ONNX_LOCATION_EXTERNAL) {
            for (size_t k = 0; k < from->n_dims; k++)
                shape[k] = from->dims[k];
            to = onnx_add_tensor(&b, node->output[0], ONNX_FLOAT, (int32_t)from->n_dims, shape);
            for (int64_t k = 0; to && k < onnx_tensor_count(from); k++)
                to[k] = half_element(from, (size_t)k);
        }
        if (!to)
            graph->node[kept++] = node;
    }
    graph->n_node = kept;
}

static void set_opset(Onnx__ModelProto *proto, int64_t opset)
{
    for (size_t i = 0; i < proto->n_opset_import; i++) {
        const char *domain = proto->opset_import[i]->domain;

        if (domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0)
            proto->opset_import[i]->version = opset;
    }
    if (proto->ir_version < BF16_IR_VERSION)
        proto->ir_version = BF16_IR_VERSION;
}

/* From operator set 18 on a Split into equal parts says how many. */
static void complete_splits(struct conversion *c)
{
    for (size_t i = 0; i < c->node_count; i++) {
        Onnx__NodeProto *node = c->nodes[i];

        if (strcmp(node->op_type, "Split") == 0 && (node->n_input < 2 || !node->input[1][0]) &&
            !onnx_find_attribute(node, "num_outputs"))
            onnx_set_int(&c->builder, node, "num_outputs", (int64_t)node->n_output);
    }
}

static enum tare_status run(struct conversion *c, struct tare_err *err)
{
    int64_t opset = 0, had = onnx_opset(c->model->proto);
    enum tare_status status = half_check(c->model->proto, c->options, &opset, err);

    if (status != TARE_OK)
        return status;
    lift_constants(c->graph, c->model);
    c->nodes = c->graph->node;
    c->node_count = c->graph->n_node;
    status = onnx_shapes_infer(c->model->proto, ONNX_UNKNOWN, &c->shapes, err);
    if (status != TARE_OK)
        return status;
    c->reasons = calloc(c->node_count + 1, sizeof(*c->reasons));
    status = c->reasons ? half_choose(c->graph, c->shapes, c->options->bf16, c->reasons, err)
                        : tare_fail(err, TARE_NOMEM, "out of memory for %zu nodes", c->node_count);
    if (status == TARE_OK)
        status = list_values(c, err);
    if (status == TARE_OK)
        status = convert(c, err);
    if (status == TARE_OK && opset != had) {
        complete_splits(c);
        set_opset(c->model->proto, opset);
    }
    return status == TARE_OK ? onnx_builder_status(&c->builder, err) : status;
}

enum tare_status to_half(struct onnx_model *model, const struct to_half_options *options,
                         struct to_half_report *report, struct tare_err *err)
{
    struct conversion c = {
        .model = model,
        .graph = model->proto->graph,
        .options = options,
        .report = report,
        .type = options->bf16 ? ONNX_BFLOAT16 : ONNX_FLOAT16,
    };
    enum tare_status status;

    *report = (struct to_half_report){.largest_error_tensor = ""};
    status = run(&c, err);
    onnx_shapes_free(c.shapes);
    free(c.values);
    free(c.reasons);
    return status;
}
