/*
 * engine_layers.c - what an engine executes, from the JSON of TensorRT's inspector. Layers are
 * objects there only in an engine that was built with detailed profiling verbosity; otherwise they
 * are names, which say nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json_tree.h"
#include "engine_session.h"

enum kind {
    FP32,
    FP16,
    BF16,
    INT8,
    KINDS
};

/* The words of descriptions: "Row major linear FP32", "Half", "Channel major FP16 format ...". */
static const struct word {
    const char *text;
    enum kind kind;
} words[] = {
    {"int8", INT8}, {"bfloat16", BF16}, {"bf16", BF16},  {"fp16", FP16},
    {"half", FP16}, {"fp32", FP32},     {"float", FP32}, /* after bfloat16 */
};

static bool holds(const char *text, const char *word)
{
    for (; *text; text++)
        if (strncasecmp(text, word, strlen(word)) == 0)
            return true;
    return false;
}

/* The kind that the first tensor of a layer's side has; KINDS if it says none of ours. */
static enum kind kind_of(const struct json_value *layer, const char *side)
{
    const struct json_value *tensor = json_at(json_get(layer, side), 0);
    const char *text = json_text(json_get(tensor, "Format/Datatype"), "");

    if (!text[0])
        text = json_text(json_get(tensor, "Datatype"), "");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (holds(text, words[i].text))
            return words[i].kind;
    return KINDS;
}

/* Layers that multiply: those whose precision makes the time. */
static bool multiplies(const struct json_value *layer)
{
    static const char *const types[] = {"conv", "gemm", "matmul", "matrixmultiply"};
    const char *type = json_text(json_get(layer, "LayerType"), "");
    const char *parameter = json_text(json_get(layer, "ParameterType"), "");

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (holds(type, types[i]) || holds(parameter, types[i]))
            return true;
    return false;
}

static const char *most_frequent(const int counts[KINDS])
{
    static const char *const names[KINDS] = {"fp32", "fp16", "bf16", "int8"};
    int best = 0;

    for (int i = 1; i < KINDS; i++)
        best = counts[i] > counts[best] ? i : best;
    return counts[best] > 0 ? names[best] : "";
}

void engine_parse_layers(const char *json, struct engine_layers *layers)
{
    struct json_tree *tree = NULL;
    int multiplying[KINDS + 1] = {0}, all[KINDS + 1] = {0};
    const struct json_value *list;
    const char *name;

    memset(layers, 0, sizeof(*layers));
    if (json_parse(json, strlen(json), &tree, NULL) != TARE_OK)
        return;
    list = json_get(json_root(tree), "Layers");
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *layer = json_at(list, i);

        if (json_type(layer) != JSON_OBJECT)
            continue;
        if (holds(json_text(json_get(layer, "LayerType"), ""), "dla"))
            layers->on_dla++;
        else
            layers->on_gpu++;
        all[kind_of(layer, "Inputs")]++;
        if (multiplies(layer))
            multiplying[kind_of(layer, "Inputs")]++;
    }
    name = most_frequent(multiplying);
    if (!name[0])
        name = most_frequent(all);
    (void)snprintf(layers->precision, sizeof(layers->precision), "%s", name);
    json_free(tree);
}

void engine_read_layers(struct trt_object engine, struct engine_layers *layers)
{
    char *json = trt_layers_json(engine);

    memset(layers, 0, sizeof(*layers));
    if (json)
        engine_parse_layers(json, layers);
    free(json);
}
