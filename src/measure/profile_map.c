/* profile_map.c - from a runtime's rows to the nodes of the graph, and what they cost. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "measure/profile.h"
#include "measure/roofline_inner.h"
#include "onnx/onnx_cost.h"

#define NONE ((size_t)-1)

/* A name that a row may carry: a node's own or that of a value that it makes. */
struct name {
    const char *text;
    size_t node;
};

struct group {
    const char *name, *op; /* of its node, or in brackets */
    bool of_graph;
    double time_ns;
};

struct map {
    const Onnx__GraphProto *graph;
    const struct onnx_shapes *shapes;
    struct name *values; // (value_count), made by nodes, by text
    size_t value_count;
    size_t *group_of;  // (n_node); NONE
    bool *has_row;     // (n_node)
    size_t *consumers; // (n_node), edges to other nodes
    size_t *consumer;  // (n_node), the first; NONE
    bool *escapes;     // (n_node), read outside its group
    struct group *groups;
    size_t group_count;
};

/* --- the graph --- */

static int compare_names(const void *a, const void *b)
{
    const struct name *x = a, *y = b;

    return strcmp(x->text, y->text);
}

/* The node that makes a value; NONE for weights and inputs. */
static size_t maker_of(const struct map *map, const char *value)
{
    const struct name key = {value, 0};
    const struct name *found =
        map->value_count && value[0]
            ? bsearch(&key, map->values, map->value_count, sizeof(key), compare_names)
            : NULL;

    return found ? found->node : NONE;
}

static void list_values(struct map *map)
{
    for (size_t i = 0; i < map->graph->n_node; i++)
        for (size_t k = 0; k < map->graph->node[i]->n_output; k++)
            if (map->graph->node[i]->output[k][0])
                map->values[map->value_count++] = (struct name){map->graph->node[i]->output[k], i};
    if (map->value_count)
        qsort(map->values, map->value_count, sizeof(*map->values), compare_names);
}

static void list_consumers(struct map *map)
{
    for (size_t i = 0; i < map->graph->n_node; i++)
        for (size_t k = 0; k < map->graph->node[i]->n_input; k++) {
            size_t maker = maker_of(map, map->graph->node[i]->input[k]);

            if (maker == NONE || maker == i)
                continue;
            map->consumers[maker]++;
            if (map->consumer[maker] == NONE)
                map->consumer[maker] = i;
        }
}

static bool dequantises(const Onnx__NodeProto *node)
{
    return strcmp(node->op_type, "DequantizeLinear") == 0;
}

/* --- rows to nodes --- */

/* Length of `name` if a row's name is it, or goes on after it with something that is no further
 * part of a name: neither a letter or digit nor a number that makes it another node's ("_1"). */
static size_t matches(const char *row, const char *name)
{
    size_t length = strlen(name);
    unsigned char next;

    if (length == 0 || strncmp(row, name, length) != 0)
        return 0;
    next = (unsigned char)row[length];
    if (isalnum(next) || (next == '_' && isdigit((unsigned char)row[length + 1])))
        return 0;
    return length;
}

static size_t find_node(const struct map *map, const struct profile_row *row)
{
    size_t best = 0, node = NONE;

    if (strstr(row->op, "Reorder"))
        return NONE;
    for (size_t i = 0; i < map->graph->n_node; i++) {
        const Onnx__NodeProto *own = map->graph->node[i];
        size_t length = own->name ? matches(row->name, own->name) : 0;

        for (size_t k = 0; k < own->n_output; k++) {
            size_t other = matches(row->name, own->output[k]);

            length = other > length ? other : length;
        }
        if (length > best) {
            best = length;
            node = i;
        }
    }
    return node;
}

static size_t add_group(struct map *map, const char *name, const char *op, bool of_graph)
{
    for (size_t i = 0; i < map->group_count && !of_graph; i++)
        if (strcmp(map->groups[i].name, name) == 0 && strcmp(map->groups[i].op, op) == 0)
            return i;
    map->groups[map->group_count] = (struct group){name, op, of_graph, 0};
    return map->group_count++;
}

static void place_rows(struct map *map, const struct profile_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t node = find_node(map, &rows[i]);
        size_t group = node == NONE ? NONE : map->group_of[node];

        if (node == NONE)
            group = strstr(rows[i].op, "Reorder") ? add_group(map, "(layout)", "Reorder", false)
                                                  : add_group(map, "(added)", rows[i].op, false);
        else if (group == NONE)
            group = add_group(map, map->graph->node[node]->name, "", true);
        if (node != NONE) {
            map->group_of[node] = group;
            map->has_row[node] = true;
        }
        map->groups[group].time_ns += rows[i].time_ns;
    }
}

/* --- nodes without a row --- */

/* Whether both read the same value, other than a weight. */
static bool share_input(const struct map *map, const Onnx__NodeProto *a, const Onnx__NodeProto *b)
{
    for (size_t i = 0; i < a->n_input; i++)
        for (size_t k = 0; k < b->n_input; k++)
            if (a->input[i][0] && strcmp(a->input[i], b->input[k]) == 0 &&
                !onnx_shapes_is_constant(map->shapes, a->input[i]))
                return true;
    return false;
}

/* The latest node before this one that makes an input of it and has a group. */
static size_t group_before(const struct map *map, size_t node)
{
    const Onnx__NodeProto *own = map->graph->node[node];
    size_t latest = NONE;

    for (size_t k = 0; k < own->n_input; k++) {
        size_t maker = maker_of(map, own->input[k]);

        if (maker != NONE && map->group_of[maker] != NONE && (latest == NONE || maker > latest))
            latest = maker;
    }
    return latest == NONE ? NONE : map->group_of[latest];
}

static void place_fused(struct map *map)
{
    size_t nodes = map->graph->n_node, none = NONE;

    for (size_t i = 0; i < nodes; i++) {
        size_t to = map->consumer[i];

        if (map->group_of[i] == NONE && map->consumers[i] == 1 && map->has_row[to] &&
            share_input(map, map->graph->node[i], map->graph->node[to]))
            map->group_of[i] = map->group_of[to];
    }
    for (size_t i = 0; i < nodes; i++)
        if (map->group_of[i] == NONE && !dequantises(map->graph->node[i]))
            map->group_of[i] = group_before(map, i);
    for (size_t i = nodes; i-- > 0;)
        if (map->group_of[i] == NONE && map->consumer[i] != NONE)
            map->group_of[i] = map->group_of[map->consumer[i]];
    for (size_t i = 0; i < nodes; i++) {
        if (map->group_of[i] == NONE && none == NONE)
            none = add_group(map, "(no row)", "", true);
        if (map->group_of[i] == NONE)
            map->group_of[i] = none;
    }
}

/* --- what a group costs --- */

/* A value as it is kept: quantised, where it only comes from turning that back. */
static const char *kept_as(const struct map *map, const char *value)
{
    size_t maker = maker_of(map, value);

    return maker != NONE && dequantises(map->graph->node[maker]) && !map->has_row[maker] &&
                   map->graph->node[maker]->n_input > 0
               ? map->graph->node[maker]->input[0]
               : value;
}

static double bytes_of(const struct map *map, const char *value)
{
    const struct onnx_shape *shape = onnx_shapes_find(map->shapes, value);
    int64_t count = onnx_shape_count(shape);

    return count > 0 ? (double)count * (double)onnx_type_bytes(shape->type) : 0;
}

static void find_escapes(struct map *map)
{
    const Onnx__GraphProto *graph = map->graph;

    for (size_t i = 0; i < graph->n_node; i++)
        for (size_t k = 0; k < graph->node[i]->n_input; k++) {
            size_t maker = maker_of(map, kept_as(map, graph->node[i]->input[k]));

            if (maker != NONE && map->group_of[maker] != map->group_of[i])
                map->escapes[maker] = true;
        }
    for (size_t i = 0; i < graph->n_output; i++) {
        size_t maker = maker_of(map, graph->output[i]->name);

        if (maker != NONE)
            map->escapes[maker] = true;
    }
}

/* Whether an earlier input of the group's nodes, up to input k of node i, is the same value. */
static bool seen_before(const struct map *map, size_t i, size_t k, const char *value)
{
    size_t group = map->group_of[i];

    for (size_t n = 0; n <= i; n++)
        for (size_t m = 0; map->group_of[n] == group && m < map->graph->node[n]->n_input; m++) {
            if (n == i && m == k)
                return false;
            if (strcmp(kept_as(map, map->graph->node[n]->input[m]), value) == 0)
                return true;
        }
    return false;
}

static void add_node_bytes(const struct map *map, size_t i, struct roofline_cost *cost)
{
    const Onnx__NodeProto *node = map->graph->node[i];

    for (size_t k = 0; k < node->n_input; k++) {
        const char *value = kept_as(map, node->input[k]);
        size_t maker = maker_of(map, value);
        bool constant = onnx_shapes_is_constant(map->shapes, value);

        if (!value[0] || seen_before(map, i, k, value) ||
            (!constant && maker != NONE && map->group_of[maker] == map->group_of[i]))
            continue;
        if (constant)
            cost->weight_bytes += bytes_of(map, value);
        else
            cost->edge_bytes += bytes_of(map, value);
    }
    for (size_t k = 0; map->escapes[i] && k < node->n_output; k++)
        if (!onnx_shapes_is_constant(map->shapes, node->output[k]))
            cost->edge_bytes += bytes_of(map, node->output[k]);
}

/* False if the cost of one of its nodes is not known. */
static bool cost_of(const struct map *map, size_t group, struct roofline_cost *cost)
{
    bool known = true, executed = strcmp(map->groups[group].name, "(no row)") != 0;

    memset(cost, 0, sizeof(*cost));
    for (size_t i = 0; i < map->graph->n_node; i++) {
        const Onnx__NodeProto *node = map->graph->node[i];
        struct onnx_cost own;

        if (map->group_of[i] != group)
            continue;
        if (executed)
            add_node_bytes(map, i, cost);
        if (roofline_node_converts(node))
            continue;
        own = onnx_cost_node(map->shapes, node);
        known = known && own.known;
        if (roofline_node_is_int8(map->graph, node))
            cost->int8_operations += (double)own.flops;
        else
            cost->operations += (double)own.flops;
    }
    return known;
}

/* --- writing --- */

static void put_nodes(const struct map *map, size_t group, struct json_writer *w)
{
    struct buf ops = BUF_INIT;

    json_open_array(w, "nodes");
    for (size_t i = 0; i < map->graph->n_node; i++) {
        const Onnx__NodeProto *node = map->graph->node[i];

        if (map->group_of[i] != group)
            continue;
        json_put_text(w, NULL, node->name && node->name[0] ? node->name : node->op_type);
        if (ops.size < 200 && strcmp(node->op_type, "Constant") != 0)
            buf_printf(&ops, "%s%s", ops.size ? "+" : "", node->op_type);
    }
    json_close_array(w);
    json_put_text(w, "ops", map->groups[group].op[0] ? map->groups[group].op : buf_text(&ops));
    buf_release(&ops);
}

static void put_groups(const struct map *map, struct json_writer *w)
{
    for (size_t g = 0; g < map->group_count; g++) {
        const struct group *group = &map->groups[g];
        struct roofline_cost cost = {0};

        json_open_object(w, NULL);
        json_put_text(w, "name", group->name && group->name[0] ? group->name : "(unnamed)");
        json_put_bool(w, "of_graph", group->of_graph);
        json_put_number(w, "time_ns", group->time_ns);
        if (group->of_graph && cost_of(map, g, &cost)) {
            json_put_number(w, "operations", cost.operations);
            json_put_number(w, "int8_operations", cost.int8_operations);
            json_put_number(w, "weight_bytes", cost.weight_bytes);
            json_put_number(w, "edge_bytes", cost.edge_bytes);
        }
        put_nodes(map, g, w);
        json_close_object(w);
    }
}

static enum tare_status make_room(struct map *map, size_t rows, struct tare_err *err)
{
    size_t nodes = map->graph->n_node, values = 0;

    for (size_t i = 0; i < nodes; i++)
        values += map->graph->node[i]->n_output;
    map->values = calloc(values + 1, sizeof(*map->values));
    map->group_of = calloc(nodes + 1, sizeof(size_t));
    map->has_row = calloc(nodes + 1, sizeof(bool));
    map->consumers = calloc(nodes + 1, sizeof(size_t));
    map->consumer = calloc(nodes + 1, sizeof(size_t));
    map->escapes = calloc(nodes + 1, sizeof(bool));
    map->groups = calloc(rows + 1, sizeof(*map->groups)); /* and "(no row)" */
    if (!map->values || !map->group_of || !map->has_row || !map->consumers || !map->consumer ||
        !map->escapes || !map->groups)
        return tare_fail(err, TARE_NOMEM, "out of memory for a profile");
    for (size_t i = 0; i < nodes; i++)
        map->group_of[i] = map->consumer[i] = NONE;
    return TARE_OK;
}

static void release(struct map *map)
{
    free(map->values);
    free(map->group_of);
    free(map->has_row);
    free(map->consumers);
    free(map->consumer);
    free(map->escapes);
    free(map->groups);
}

enum tare_status profile_map(const char *path, int64_t batch, int64_t size,
                             const struct profile_row *rows, size_t count, struct json_writer *w,
                             struct tare_err *err)
{
    struct onnx_shapes *shapes;
    struct onnx_model model;
    struct map map = {0};
    enum tare_status status = roofline_read_graph(path, batch, size, &model, &shapes, err);

    if (status != TARE_OK)
        return status;
    map.graph = model.proto->graph;
    map.shapes = shapes;
    status = make_room(&map, count, err);
    if (status == TARE_OK) {
        list_values(&map);
        list_consumers(&map);
        place_rows(&map, rows, count);
        place_fused(&map);
        find_escapes(&map);
        put_groups(&map, w);
    }
    release(&map);
    onnx_shapes_free(shapes);
    onnx_model_release(&model);
    return status;
}
