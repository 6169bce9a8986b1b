/*
 * The pickles here are what Python's pickle.dumps() gives for the value named beside them, or,
 * where hostile, assembled from pickletools' list of opcodes.
 */
#include "export/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

#define LOAD(bytes, pickle, err) load("" bytes, sizeof(bytes) - 1, pickle, err)

static enum tare_status load(const char *bytes, size_t size, struct pickle **pickle,
                             struct tare_err *err)
{
    return pickle_load((const uint8_t *)bytes, size, pickle, err);
}

static const struct pickle_value *root_of(const struct pickle *pickle)
{
    return pickle ? pickle_root(pickle) : NULL;
}

/* pickle.dumps({'a': [1, -2, 300, 70000, 1 << 40, 1.5, None, True]}, 2) */
static void reads_plain_values(void)
{
    struct pickle *pickle = NULL;
    const struct pickle_value *list;

    CHECK_OK(LOAD("\x80\x02}q\x00X\x01\x00\x00\x00"
                  "aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM,\x01Jp\x11\x01\x00\x8a\x06\x00\x00\x00\x00"
                  "\x00\x01G?\xf8\x00\x00\x00\x00\x00\x00N\x88"
                  "es.",
                  &pickle, err));
    list = pickle_get(root_of(pickle), "a");
    CHECK(pickle_kind_of(list) == PICKLE_LIST && pickle_count(list) == 8);
    CHECK(pickle_int(pickle_at(list, 0), 0) == 1);
    CHECK(pickle_int(pickle_at(list, 1), 0) == -2);
    CHECK(pickle_int(pickle_at(list, 2), 0) == 300);
    CHECK(pickle_int(pickle_at(list, 3), 0) == 70000);
    CHECK(pickle_int(pickle_at(list, 4), 0) == (int64_t)1 << 40);
    CHECK_NEAR(pickle_real(pickle_at(list, 5), 0), 1.5, 0);
    CHECK(pickle_kind_of(pickle_at(list, 6)) == PICKLE_NONE);
    CHECK(pickle_kind_of(pickle_at(list, 7)) == PICKLE_BOOL);
    CHECK(pickle_at(list, 8) == NULL);
    pickle_free(pickle);
}

/* An object of an allowed type with a tensor of shape (2, 3) in its state. */
static void keeps_objects_and_tensors_inert(void)
{
    struct pickle *pickle = NULL;
    const struct pickle_value *weight;

    CHECK_OK(LOAD("\x80\x02"
                  "cultralytics.nn.modules.conv\nConv\n)\x81}X\x01\x00\x00\x00w"
                  "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nHalfStorage"
                  "\nX\x01\x00\x00\x00"
                  "7X\x03\x00\x00\x00"
                  "cpuK\x06tQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89"
                  "ccollections\nOrderedDict\n)RtRsb.",
                  &pickle, err));
    CHECK(pickle_is_a(root_of(pickle), "Conv"));
    weight = pickle_get(root_of(pickle), "w");
    CHECK(pickle_kind_of(weight) == PICKLE_TENSOR);
    if (pickle_kind_of(weight) == PICKLE_TENSOR) {
        const struct pickle_tensor *tensor = weight->as.tensor;

        CHECK(tensor->rank == 2 && tensor->shape[0] == 2 && tensor->shape[1] == 3);
        CHECK(tensor->strides[0] == 3 && tensor->strides[1] == 1 && tensor->offset == 0);
        CHECK(tensor->storage->dtype == TARE_FP16 && tensor->storage->count == 6);
        CHECK(tensor->storage->key_size == 1 && tensor->storage->key[0] == '7');
    }
    pickle_free(pickle);
}

static void refuses_other_types_by_name(void)
{
    struct tare_err err = TARE_ERR_INIT;
    struct pickle *pickle = NULL;

    CHECK(LOAD("\x80\x02"
               "cposix\nsystem\nX\x02\x00\x00\x00id\x85R.",
               &pickle, &err) == TARE_UNSUPPORTED);
    CHECK(pickle == NULL);
    CHECK(strstr(err.text, "'posix.system'") != NULL);
}

/* Names that only begin or end like an allowed one. */
static void does_not_match_parts_of_names(void)
{
    struct pickle *pickle = NULL;

    CHECK(LOAD("\x80\x02"
               "cultralytics.nn.modulesx\nConv\n.",
               &pickle, NULL) == TARE_UNSUPPORTED);
    CHECK(LOAD("\x80\x02"
               "cultralytics.nn.modules\nConv|C2f\n.",
               &pickle, NULL) == TARE_UNSUPPORTED);
    CHECK(LOAD("\x80\x02"
               "cultralytics.nn.modules\n\n.",
               &pickle, NULL) == TARE_UNSUPPORTED);
    CHECK(LOAD("\x80\x02"
               "cTorch\nSize\n.",
               &pickle, NULL) == TARE_UNSUPPORTED);
}

static void refuses_what_misuses_the_stack(void)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"\x80\x02.", 3},         /* STOP on an empty stack */
        {"\x80\x02NN.", 5},       /* values left over */
        {"\x80\x02Ns.", 4},       /* SETITEM with too little */
        {"\x80\x02(u.", 4},       /* SETITEMS below the mark */
        {"\x80\x02}(K\x01u.", 7}, /* a key without a value */
        {"\x80\x02N(K\x01"
         "e.",
         7},                                  /* APPENDS to None */
        {"\x80\x02t.", 4},                    /* TUPLE without a mark */
        {"\x80\x02h\x05.", 5},                /* an empty memo slot */
        {"\x80\x02q\x00N.", 6},               /* nothing to remember */
        {"\x80\x02N)R.", 5},                  /* calls None */
        {"\x80\x02N}b.", 5},                  /* a state for None */
        {"\x80\x02NQ.", 4},                   /* None as a persistent id */
        {"\x80\x06N.", 4},                    /* a protocol of the future */
        {"\x80\x02\x8b\xff\xff\xff\x7f.", 8}, /* LONG4 */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tare_err err = TARE_ERR_INIT;
        struct pickle *pickle = NULL;

        CHECK(load(bad[i].bytes, bad[i].size, &pickle, &err) != TARE_OK);
        CHECK(pickle == NULL && err.text[0] != '\0');
    }
}

/* a = []; a.append(a): the reader gives a list that holds itself. */
static void allows_cycles(void)
{
    struct pickle *pickle = NULL;

    CHECK_OK(LOAD("\x80\x02]q\x00h\x00"
                  "a.",
                  &pickle, err));
    CHECK(pickle_at(root_of(pickle), 0) == root_of(pickle));
    pickle_free(pickle);
}

/* A million lists inside one another: no recursion, so no stack to run out of. */
static void reads_deep_nesting_without_recursion(void)
{
    const size_t depth = 900000;
    char *bytes = malloc(2 * depth + 2);
    struct pickle *pickle = NULL;

    if (!bytes)
        return;
    memcpy(bytes, "\x80\x02", 2);
    memset(bytes + 2, ']', depth);
    memset(bytes + 2 + depth, 'a', depth - 1);
    bytes[2 * depth + 1] = '.';
    CHECK_OK(load(bytes, 2 * depth + 2, &pickle, err));
    CHECK(pickle_count(root_of(pickle)) == 1);
    pickle_free(pickle);
    free(bytes);
}

static void bounds_stack_memo_and_marks(void)
{
    const size_t count = ((size_t)1 << 20) + 10;
    char *bytes = malloc(count + 2);
    struct pickle *pickle = NULL;

    if (!bytes)
        return;
    memcpy(bytes, "\x80\x02", 2);
    memset(bytes + 2, 'N', count);
    CHECK(load(bytes, count + 2, &pickle, NULL) == TARE_LIMIT);
    memset(bytes + 2, '(', count);
    CHECK(load(bytes, count + 2, &pickle, NULL) == TARE_LIMIT);
    CHECK(LOAD("\x80\x02Nr\xff\xff\xff\xff.", &pickle, NULL) == TARE_LIMIT);
    free(bytes);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"reads_plain_values", reads_plain_values},
        {"keeps_objects_and_tensors_inert", keeps_objects_and_tensors_inert},
        {"refuses_other_types_by_name", refuses_other_types_by_name},
        {"does_not_match_parts_of_names", does_not_match_parts_of_names},
        {"refuses_what_misuses_the_stack", refuses_what_misuses_the_stack},
        {"allows_cycles", allows_cycles},
        {"reads_deep_nesting_without_recursion", reads_deep_nesting_without_recursion},
        {"bounds_stack_memo_and_marks", bounds_stack_memo_and_marks},
        {0},
    };

    return check_main("pickle", cases, argc, argv);
}
