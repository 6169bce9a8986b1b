/*
 * The types that a detection checkpoint may name, and what calling or building each comes to. All
 * others are refused. An allowed type is still never run: ROLE_RECORD only keeps what it was given.
 */
#include <string.h>

#include "export/pickle_machine.h"

struct allowed {
    const char *module; /* a final '*' stands for any rest */
    const char *name;   /* '|' between several */
    enum type_role role;
    enum tare_dtype dtype;
};

static const struct allowed table[] = {
    {"collections", "OrderedDict", ROLE_DICT, TARE_DTYPE_NONE},
    {"__builtin__", "set|frozenset|list", ROLE_SET, TARE_DTYPE_NONE},
    {"builtins", "set|frozenset|list", ROLE_SET, TARE_DTYPE_NONE},
    {"__builtin__", "object|bytearray|complex|slice", ROLE_RECORD, TARE_DTYPE_NONE},
    {"builtins", "object|bytearray|complex|slice", ROLE_RECORD, TARE_DTYPE_NONE},
    {"_codecs", "encode", ROLE_ENCODE, TARE_DTYPE_NONE},
    {"copy_reg", "_reconstructor", ROLE_RECREATE, TARE_DTYPE_NONE},
    {"copyreg", "_reconstructor", ROLE_RECREATE, TARE_DTYPE_NONE},
    {"datetime", "datetime", ROLE_RECORD, TARE_DTYPE_NONE},
    {"pathlib", "PosixPath|WindowsPath", ROLE_RECORD, TARE_DTYPE_NONE},
    {"pathlib._local", "PosixPath|WindowsPath", ROLE_RECORD, TARE_DTYPE_NONE},
    {"numpy", "dtype|ndarray", ROLE_RECORD, TARE_DTYPE_NONE},
    {"numpy.core.multiarray", "scalar|_reconstruct", ROLE_RECORD, TARE_DTYPE_NONE},
    {"numpy._core.multiarray", "scalar|_reconstruct", ROLE_RECORD, TARE_DTYPE_NONE},
    {"types", "SimpleNamespace", ROLE_RECORD, TARE_DTYPE_NONE},
    {"torch", "Size", ROLE_SIZE, TARE_DTYPE_NONE},
    {"torch", "device|dtype", ROLE_RECORD, TARE_DTYPE_NONE},
    {"torch", "DoubleStorage", ROLE_STORAGE, TARE_FP64},
    {"torch", "FloatStorage", ROLE_STORAGE, TARE_FP32},
    {"torch", "HalfStorage", ROLE_STORAGE, TARE_FP16},
    {"torch", "BFloat16Storage", ROLE_STORAGE, TARE_BF16},
    {"torch", "LongStorage", ROLE_STORAGE, TARE_INT64},
    {"torch", "IntStorage", ROLE_STORAGE, TARE_INT32},
    {"torch", "ShortStorage", ROLE_STORAGE, TARE_INT16},
    {"torch", "CharStorage", ROLE_STORAGE, TARE_INT8},
    {"torch", "ByteStorage", ROLE_STORAGE, TARE_UINT8},
    {"torch", "BoolStorage", ROLE_STORAGE, TARE_BOOL},
    {"torch._utils", "_rebuild_tensor_v2", ROLE_TENSOR, TARE_DTYPE_NONE},
    {"torch._utils", "_rebuild_parameter", ROLE_PARAMETER, TARE_DTYPE_NONE},
    {"torch.nn.parameter", "Parameter", ROLE_RECORD, TARE_DTYPE_NONE},
    {"torch.nn.modules.container", "Sequential|ModuleList|ModuleDict", ROLE_RECORD,
     TARE_DTYPE_NONE},
    {"torch.nn.modules.conv", "Conv2d", ROLE_RECORD, TARE_DTYPE_NONE},
    {"torch.nn.modules.batchnorm", "BatchNorm2d", ROLE_RECORD, TARE_DTYPE_NONE},
    {"torch.nn.modules.activation", "SiLU|ReLU|LeakyReLU|Hardswish|Sigmoid", ROLE_RECORD,
     TARE_DTYPE_NONE},
    {"torch.nn.modules.linear", "Identity", ROLE_RECORD, TARE_DTYPE_NONE},
    {"torch.nn.modules.pooling", "MaxPool2d", ROLE_RECORD, TARE_DTYPE_NONE},
    {"torch.nn.modules.upsampling", "Upsample", ROLE_RECORD, TARE_DTYPE_NONE},
    {"torch.nn.modules.loss", "BCEWithLogitsLoss", ROLE_RECORD, TARE_DTYPE_NONE},
    {"ultralytics.nn.tasks", "DetectionModel", ROLE_RECORD, TARE_DTYPE_NONE},
    {"ultralytics.nn.modules*", "Conv|DWConv|Bottleneck|C2f|SPPF|Concat|Detect|DFL", ROLE_RECORD,
     TARE_DTYPE_NONE},
    {"ultralytics.utils", "IterableSimpleNamespace", ROLE_RECORD, TARE_DTYPE_NONE},
    {"ultralytics.yolo.utils", "IterableSimpleNamespace", ROLE_RECORD, TARE_DTYPE_NONE},
    {"ultralytics.utils.loss", "v8DetectionLoss|BboxLoss|DFLoss", ROLE_RECORD, TARE_DTYPE_NONE},
    {"ultralytics.yolo.utils.loss", "v8DetectionLoss|BboxLoss", ROLE_RECORD, TARE_DTYPE_NONE},
    {"ultralytics.utils.tal", "TaskAlignedAssigner", ROLE_RECORD, TARE_DTYPE_NONE},
    {"ultralytics.yolo.utils.tal", "TaskAlignedAssigner", ROLE_RECORD, TARE_DTYPE_NONE},
};

static bool module_matches(const char *pattern, const char *module, size_t size)
{
    size_t length = strlen(pattern);

    if (length && pattern[length - 1] == '*') {
        length--; /* the package itself or something inside it, not a longer name */
        return size >= length && memcmp(pattern, module, length) == 0 &&
               (size == length || module[length] == '.');
    }
    return size == length && memcmp(pattern, module, size) == 0;
}

static bool name_matches(const char *names, const char *name, size_t size)
{
    while (size) {
        size_t length = strcspn(names, "|");

        if (length == size && memcmp(names, name, size) == 0)
            return true;
        if (!names[length])
            return false;
        names += length + 1;
    }
    return false;
}

enum tare_status pickle_find_type(struct pickle_machine *m, const char *module, size_t module_size,
                                  const char *name, size_t name_size)
{
    struct pickle_value *value;
    struct pickle_type *type;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (!module_matches(table[i].module, module, module_size) ||
            !name_matches(table[i].name, name, name_size))
            continue;
        value = pickle_new(m, PICKLE_TYPE);
        type = arena_zero(&m->arena, 1, sizeof(*type));
        if (!value || !type)
            return arena_status(&m->arena, "the checkpoint's pickle", m->err);
        type->module = module;
        type->name = name;
        type->module_size = (uint32_t)module_size;
        type->name_size = (uint32_t)name_size;
        type->role = table[i].role;
        type->dtype = table[i].dtype;
        value->as.type = type;
        return pickle_push(m, value);
    }
    return pickle_fail(m, TARE_UNSUPPORTED,
                       "the checkpoint names '%.*s.%.*s', which a YOLOv8 detection checkpoint "
                       "does not need; refused",
                       module_size < 100 ? (int)module_size : 100, module,
                       name_size < 100 ? (int)name_size : 100, name);
}

/* Non-negative integers of a tuple. */
static enum tare_status read_extents(struct pickle_machine *m, const struct pickle_value *tuple,
                                     int64_t *extents, int32_t *rank)
{
    size_t count = pickle_count(tuple);

    if (pickle_kind_of(tuple) != PICKLE_TUPLE || count > PICKLE_MAX_RANK)
        return pickle_fail(m, TARE_BADDATA, "the shape of a tensor is no tuple of at most %d",
                           PICKLE_MAX_RANK);
    for (size_t i = 0; i < count; i++) {
        const struct pickle_value *item = pickle_at(tuple, i);

        if (pickle_kind_of(item) != PICKLE_INT || item->as.integer < 0)
            return pickle_fail(m, TARE_BADDATA,
                               "the shape of a tensor holds something that is no "
                               "size");
        extents[i] = item->as.integer;
    }
    *rank = (int32_t)count;
    return TARE_OK;
}

/* _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata]) */
static enum tare_status push_tensor(struct pickle_machine *m, const struct pickle_value *args)
{
    const struct pickle_value *storage = pickle_at(args, 0);
    const struct pickle_value *offset = pickle_at(args, 1);
    struct pickle_value *value = pickle_new(m, PICKLE_TENSOR);
    struct pickle_tensor *tensor = arena_zero(&m->arena, 1, sizeof(*tensor));
    int32_t stride_count = 0;
    enum tare_status status;

    if (!value || !tensor)
        return arena_status(&m->arena, "the checkpoint's pickle", m->err);
    if (pickle_kind_of(storage) != PICKLE_STORAGE || pickle_kind_of(offset) != PICKLE_INT ||
        offset->as.integer < 0)
        return pickle_fail(m, TARE_BADDATA, "a tensor is made of something that is no storage");
    tensor->storage = &storage->as.storage;
    tensor->offset = offset->as.integer;
    status = read_extents(m, pickle_at(args, 2), tensor->shape, &tensor->rank);
    if (status == TARE_OK)
        status = read_extents(m, pickle_at(args, 3), tensor->strides, &stride_count);
    if (status != TARE_OK)
        return status;
    if (stride_count != tensor->rank)
        return pickle_fail(m, TARE_BADDATA, "a tensor has %d dimensions but %d strides",
                           tensor->rank, stride_count);
    value->as.tensor = tensor;
    return pickle_push(m, value);
}

/* OrderedDict() or OrderedDict([(key, value), ...]) */
static enum tare_status push_dict(struct pickle_machine *m, const struct pickle_value *args)
{
    const struct pickle_value *pairs = pickle_at(args, 0);
    struct pickle_value *dict = pickle_new(m, PICKLE_DICT);
    enum tare_status status = dict ? TARE_OK : m->err->status;

    for (size_t i = 0; i < pickle_count(pairs) && status == TARE_OK; i++) {
        const struct pickle_value *pair = pickle_at(pairs, i);

        if (pickle_count(pair) != 2 || pickle_kind_of(pair) == PICKLE_DICT)
            return pickle_fail(m, TARE_BADDATA,
                               "an OrderedDict is made of something that is no "
                               "list of pairs");
        status = pickle_put(m, dict, pair->as.list.items[0], pair->as.list.items[1]);
    }
    return status == TARE_OK ? pickle_push(m, dict) : status;
}

static enum tare_status push_set(struct pickle_machine *m, const struct pickle_value *args)
{
    const struct pickle_value *items = pickle_at(args, 0);
    struct pickle_value *set = pickle_new(m, PICKLE_LIST);
    enum tare_status status = set ? TARE_OK : m->err->status;

    if (pickle_kind_of(items) == PICKLE_DICT)
        return pickle_fail(m, TARE_BADDATA, "a set is made of a dict");
    for (size_t i = 0; i < pickle_count(items) && status == TARE_OK; i++)
        status = pickle_append(m, set, items->as.list.items[i]);
    return status == TARE_OK ? pickle_push(m, set) : status;
}

static enum tare_status push_object(struct pickle_machine *m, const struct pickle_type *type,
                                    struct pickle_value *args)
{
    struct pickle_value *object = pickle_new(m, PICKLE_OBJECT);

    if (!object)
        return m->err->status;
    object->as.object.type = type;
    object->as.object.args = args;
    return pickle_push(m, object);
}

/* The first argument itself, if it is of that kind. */
static enum tare_status push_first(struct pickle_machine *m, const struct pickle_value *args,
                                   enum pickle_kind kind)
{
    if (pickle_kind_of(pickle_at(args, 0)) != kind)
        return pickle_fail(m, TARE_BADDATA, "a function of the pickle gets a wrong argument");
    return pickle_push(m, args->as.list.items[0]);
}

enum tare_status pickle_call(struct pickle_machine *m, struct pickle_value *type,
                             struct pickle_value *args)
{
    if (type->kind != PICKLE_TYPE)
        return pickle_fail(m, TARE_BADDATA, "the pickle calls something that is no type");
    if (args->kind != PICKLE_TUPLE)
        return pickle_fail(m, TARE_BADDATA, "the pickle calls a type with no tuple of arguments");
    switch (type->as.type->role) {
    case ROLE_DICT:
        return push_dict(m, args);
    case ROLE_SET:
        return push_set(m, args);
    case ROLE_SIZE:
        return push_first(m, args, PICKLE_TUPLE);
    case ROLE_TENSOR:
        return push_tensor(m, args);
    case ROLE_PARAMETER:
        return push_first(m, args, PICKLE_TENSOR);
    case ROLE_ENCODE:
        return push_first(m, args, PICKLE_TEXT);
    case ROLE_RECREATE:
        if (pickle_kind_of(pickle_at(args, 0)) != PICKLE_TYPE)
            return pickle_fail(m, TARE_BADDATA, "an object is made of something that is no type");
        return pickle_new_object(m, args->as.list.items[0], args);
    case ROLE_STORAGE:
        return pickle_fail(m, TARE_UNSUPPORTED,
                           "a storage lies inside the pickle, need it in an "
                           "archive entry of its own");
    default:
        return push_object(m, type->as.type, args);
    }
}

enum tare_status pickle_new_object(struct pickle_machine *m, struct pickle_value *type,
                                   struct pickle_value *args)
{
    if (type->kind != PICKLE_TYPE || args->kind != PICKLE_TUPLE)
        return pickle_fail(m, TARE_BADDATA, "an object is made of something that is no type");
    if (type->as.type->role == ROLE_DICT)
        return push_dict(m, args);
    if (type->as.type->role != ROLE_RECORD)
        return pickle_fail(m, TARE_BADDATA, "an object is made of '%.*s', which is a function",
                           (int)type->as.type->name_size, type->as.type->name);
    return push_object(m, type->as.type, args);
}

enum tare_status pickle_set_state(struct pickle_machine *m, struct pickle_value *object,
                                  struct pickle_value *state)
{
    if (object->kind == PICKLE_DICT) /* attributes of an OrderedDict (a state_dict's _metadata) */
        return TARE_OK;
    if (object->kind != PICKLE_OBJECT)
        return pickle_fail(m, TARE_BADDATA,
                           "the pickle gives a state to something that is no "
                           "object");
    if (object->as.object.state)
        return pickle_fail(m, TARE_BADDATA, "the pickle gives an object two states");
    object->as.object.state = state;
    return TARE_OK;
}

/* ('storage', type, key, location, count), as torch.save() writes it. */
enum tare_status pickle_persistent(struct pickle_machine *m, struct pickle_value *id)
{
    const struct pickle_value *type = pickle_at(id, 1);
    const struct pickle_value *key = pickle_at(id, 2);
    const struct pickle_value *count = pickle_at(id, 4);
    struct pickle_value *value = pickle_new(m, PICKLE_STORAGE);

    if (!value)
        return m->err->status;
    if (!pickle_text_is(pickle_at(id, 0), "storage") || pickle_kind_of(type) != PICKLE_TYPE ||
        type->as.type->role != ROLE_STORAGE || pickle_kind_of(key) != PICKLE_TEXT ||
        key->as.text.size > 20 || pickle_int(count, -1) < 0)
        return pickle_fail(m, TARE_BADDATA, "a persistent id names no storage");
    value->as.storage.key = key->as.text.bytes;
    value->as.storage.key_size = (uint32_t)key->as.text.size;
    value->as.storage.dtype = type->as.type->dtype;
    value->as.storage.count = pickle_int(count, -1);
    return pickle_push(m, value);
}
