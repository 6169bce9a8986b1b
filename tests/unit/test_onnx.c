#include "onnx/onnx_graph.h"
#include "onnx/onnx_read.h"
#include "onnx/onnx_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "check.h"

/* One Conv of two channels from one, with what each kind of field needs. */
static void build_small(struct onnx_model *model)
{
    const int64_t shape[4] = {-1, 1, 4, 4}, weight_shape[4] = {2, 1, 1, 1}, kernel[2] = {1, 1};
    const char *inputs[2] = {"x", "w"};
    const char *output = "y";
    const int64_t sizes[2] = {3, -1};
    struct onnx_builder builder;
    Onnx__NodeProto *node;
    float *weight;

    onnx_model_init(model, 0);
    onnx_build_new(&builder, model, "small", 17);
    onnx_add_input(&builder, "x", ONNX_FLOAT, 4, shape, "batch");
    weight = onnx_add_tensor(&builder, "w", ONNX_FLOAT, 4, weight_shape);
    if (weight) {
        weight[0] = 1.5f;
        weight[1] = -2;
    }
    onnx_add_int64s(&builder, "sizes", sizes, 2);
    node = onnx_add_node(&builder, "Conv", "c", inputs, 2, &output, 1);
    onnx_set_ints(&builder, node, "kernel_shape", kernel, 2);
    onnx_set_int(&builder, node, "group", 1);
    onnx_set_text(&builder, node, "auto_pad", "NOTSET");
    onnx_set_float(&builder, node, "alpha", 0.5f);
    onnx_add_output(&builder, "y", ONNX_FLOAT, 4, shape, "batch");
    onnx_add_metadata(&builder, "names", "{0: 'a'}");
    onnx_set_producer(&builder, "tare", "1");
    CHECK_OK(onnx_builder_status(&builder, err));
}

static void check_small(const struct onnx_model *model)
{
    const Onnx__GraphProto *graph = model->proto->graph;
    const Onnx__TensorProto *weight = onnx_find_initializer(graph, "w");
    int64_t ints[4] = {0};
    float values[2] = {0};

    CHECK(onnx_opset(model->proto) == 17 && model->proto->ir_version == 8);
    CHECK_TEXT(onnx_metadata(model->proto, "names"), "{0: 'a'}");
    CHECK(graph->n_node == 1 && onnx_attribute_int(graph->node[0], "group", 7) == 1);
    CHECK(onnx_attribute_int(graph->node[0], "absent", 7) == 7);
    CHECK(onnx_find_attribute(graph->node[0], "kernel_shape")->n_ints == 2);
    CHECK(weight && weight->raw_data.len == sizeof(values));
    memcpy(values, weight->raw_data.data, sizeof(values));
    CHECK(values[0] == 1.5f && values[1] == -2);
    CHECK(onnx_tensor_ints(onnx_find_initializer(graph, "sizes"), ints, 4) == 2);
    CHECK(ints[0] == 3 && ints[1] == -1);
    CHECK(onnx_tensor_ints(onnx_find_initializer(graph, "sizes"), ints, 1) == -1);
    CHECK(onnx_tensor_ints(weight, ints, 4) == -1);
    CHECK_TEXT(graph->input[0]->type->tensor_type->shape->dim[0]->dim_param, "batch");
}

static void reads_what_it_writes(void)
{
    struct onnx_model model, again;
    uint8_t *bytes = NULL, *twice = NULL;
    size_t size = 0, size_twice = 0;

    build_small(&model);
    check_small(&model);
    CHECK_OK(onnx_pack(&model, &bytes, &size, err));
    CHECK_OK(onnx_parse(bytes, size, &again, err));
    check_small(&again);
    free(bytes);
    CHECK_OK(onnx_pack(&again, &bytes, &size, err));
    onnx_model_release(&again);
    CHECK_OK(onnx_parse(bytes, size, &again, err));
    check_small(&again);
    CHECK_OK(onnx_pack(&again, &twice, &size_twice, err));
    CHECK(size == size_twice && memcmp(bytes, twice, size) == 0);
    onnx_model_release(&again);
    onnx_model_release(&model);
    free(bytes);
    free(twice);
}

/* A model that was read has arrays without room to spare; adding must not overrun them. */
static void adds_to_a_model_that_was_read(void)
{
    struct onnx_model model, again;
    struct onnx_builder builder;
    uint8_t *bytes = NULL;
    size_t size = 0;

    build_small(&model);
    CHECK_OK(onnx_pack(&model, &bytes, &size, err));
    CHECK_OK(onnx_parse(bytes, size, &again, err));
    onnx_build_on(&builder, &again);
    for (int i = 0; i < 100; i++)
        (void)onnx_add_simple(&builder, "Relu", "r", "y", NULL, "z");
    CHECK_OK(onnx_builder_status(&builder, err));
    CHECK(again.proto->graph->n_node == 101);
    CHECK_TEXT(again.proto->graph->node[0]->op_type, "Conv");
    CHECK_TEXT(again.proto->graph->node[100]->op_type, "Relu");
    onnx_model_release(&again);
    onnx_model_release(&model);
    free(bytes);
}

static void refuses_every_truncation(void)
{
    struct onnx_model model, again;
    uint8_t *bytes = NULL;
    size_t size = 0, accepted = 0;

    build_small(&model);
    CHECK_OK(onnx_pack(&model, &bytes, &size, err));
    for (size_t i = 0; i < size; i++)
        if (onnx_parse(bytes, i, &again, NULL) == TARE_OK) {
            accepted++; /* cut between two fields of the outermost message: metadata is left out */
            onnx_model_release(&again);
        }
    CHECK(accepted <= 3);
    onnx_model_release(&model);
    free(bytes);
}

static void refuses_shapes_that_do_not_fit(void)
{
    static const char *const files[] = {"wrong_shape", "truncated"};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[FILE_MAX_PATH];
        struct tare_err fault = TARE_ERR_INIT;
        struct onnx_model model;

        CHECK_OK(file_join(path, sizeof(path), "tests/fuzz/corpus/onnx", files[i], err));
        CHECK(onnx_read(path, &model, &fault) == TARE_BADDATA);
        CHECK(model.proto == NULL && strstr(fault.text, path) != NULL);
    }
}

/* Written by the onnx package: an If node, whose branches are fields that onnx.proto leaves out. */
static void keeps_fields_that_it_does_not_know(void)
{
    struct file_map map = {NULL, 0};
    struct onnx_model model;
    uint8_t *bytes = NULL;
    size_t size = 0;

    CHECK_OK(file_map("tests/fuzz/corpus/onnx/subgraph", 65536, &map, err));
    CHECK_OK(onnx_parse(map.data, map.size, &model, err));
    CHECK_OK(onnx_pack(&model, &bytes, &size, err));
    CHECK(size >= map.size && memmem(bytes, size, "then_branch", 11) != NULL);
    CHECK(memmem(bytes, size, "Identity", 8) != NULL);
    onnx_model_release(&model);
    file_unmap(&map);
    free(bytes);
}

static void names_the_path_that_it_cannot_write(void)
{
    struct onnx_model model;
    struct tare_err err = TARE_ERR_INIT;

    build_small(&model);
    CHECK(onnx_write(&model, "/nonexistent-folder/x.onnx", NULL, &err) != TARE_OK);
    CHECK(strstr(err.text, "/nonexistent-folder/x.onnx") != NULL);
    onnx_model_release(&model);
}

static void reports_a_full_arena(void)
{
    const int64_t shape[1] = {1 << 20};
    struct onnx_model model;
    struct onnx_builder builder;
    struct tare_err err = TARE_ERR_INIT;

    onnx_model_init(&model, 65536);
    onnx_build_new(&builder, &model, "g", 17);
    CHECK(onnx_add_tensor(&builder, "w", ONNX_FLOAT, 1, shape) == NULL);
    onnx_set_int(&builder, onnx_add_simple(&builder, "Relu", "r", "x", NULL, "y"), "axis", 1);
    CHECK(onnx_builder_status(&builder, &err) == TARE_LIMIT);
    onnx_model_release(&model);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"reads_what_it_writes", reads_what_it_writes},
        {"adds_to_a_model_that_was_read", adds_to_a_model_that_was_read},
        {"refuses_every_truncation", refuses_every_truncation},
        {"refuses_shapes_that_do_not_fit", refuses_shapes_that_do_not_fit},
        {"keeps_fields_that_it_does_not_know", keeps_fields_that_it_does_not_know},
        {"names_the_path_that_it_cannot_write", names_the_path_that_it_cannot_write},
        {"reports_a_full_arena", reports_a_full_arena},
        {0},
    };

    return check_main("onnx", cases, argc, argv);
}
