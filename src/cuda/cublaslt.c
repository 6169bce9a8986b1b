#include "cuda/cublaslt.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/library.h"
#include "cuda/cuda_find.h"

#define WORKSPACE_BYTES ((size_t)32 << 20)
#define MAX_WAYS        6

/* --- the library's own numbers, by its reference --- */

enum data_type {
    R_32F = 0,
    R_16F = 2,
    R_8I = 3,
    R_32I = 10,
    R_16BF = 14
};
enum compute_type {
    COMPUTE_32F = 68,
    COMPUTE_32I = 72,
    COMPUTE_32F_FAST_TF32 = 77
};
enum {
    DESC_TRANSA = 3,
    OPERATION_T = 1,
    PREFERENCE_WORKSPACE_BYTES = 1
};
enum lt_status {
    LT_OK = 0,
    LT_ALLOC_FAILED = 3,
    LT_NOT_SUPPORTED = 15
};

struct algorithm {
    uint64_t data[8];
};

struct heuristic {
    struct algorithm algorithm;
    size_t workspace_bytes;
    int status;
    float waves;
    int reserved[4];
};

_Static_assert(sizeof(struct heuristic) == 96, "cublasLtMatmulHeuristicResult_t");

struct functions {
    int (*create)(void **handle);
    int (*destroy)(void *handle);
    size_t (*get_version)(void);
    int (*desc_create)(void **desc, int compute, int scale);
    int (*desc_destroy)(void *desc);
    int (*desc_set)(void *desc, int attribute, const void *value, size_t bytes);
    int (*layout_create)(void **layout, int type, uint64_t rows, uint64_t columns, int64_t ld);
    int (*layout_destroy)(void *layout);
    int (*preference_create)(void **preference);
    int (*preference_destroy)(void *preference);
    int (*preference_set)(void *preference, int attribute, const void *value, size_t bytes);
    int (*heuristic)(void *handle, void *desc, void *a, void *b, void *c, void *d, void *preference,
                     int asked, struct heuristic *results, int *count);
    int (*product)(void *handle, void *desc, const void *alpha, const void *a, void *a_layout,
                   const void *b, void *b_layout, const void *beta, const void *c, void *c_layout,
                   void *d, void *d_layout, const struct algorithm *algorithm, void *workspace,
                   size_t workspace_bytes, void *stream);
};

struct symbol {
    const char *name;
    size_t offset;
};

#define AT(member) offsetof(struct functions, member)

static const struct symbol symbols[] = {
    {"cublasLtCreate", AT(create)},
    {"cublasLtDestroy", AT(destroy)},
    {"cublasLtGetVersion", AT(get_version)},
    {"cublasLtMatmulDescCreate", AT(desc_create)},
    {"cublasLtMatmulDescDestroy", AT(desc_destroy)},
    {"cublasLtMatmulDescSetAttribute", AT(desc_set)},
    {"cublasLtMatrixLayoutCreate", AT(layout_create)},
    {"cublasLtMatrixLayoutDestroy", AT(layout_destroy)},
    {"cublasLtMatmulPreferenceCreate", AT(preference_create)},
    {"cublasLtMatmulPreferenceDestroy", AT(preference_destroy)},
    {"cublasLtMatmulPreferenceSetAttribute", AT(preference_set)},
    {"cublasLtMatmulAlgoGetHeuristic", AT(heuristic)},
    {"cublasLtMatmul", AT(product)},
};

struct cublaslt {
    struct functions call;
    struct cuda *cuda;
    void *handle, *workspace;
    char version[48];
};

struct cublaslt_product {
    struct cublaslt *lt;
    enum cublaslt_type type;
    void *desc, *in_layout, *out_layout, *preference;
    struct heuristic ways[MAX_WAYS];
    int way_count;
};

/* --- types --- */

struct type_facts {
    const char *name;
    enum data_type in, out, scale;
    enum compute_type compute;
    size_t in_bytes, out_bytes;
};

static const struct type_facts types[CUBLASLT_TYPES] = {
    [CUBLASLT_FP32] = {"fp32", R_32F, R_32F, R_32F, COMPUTE_32F, 4, 4},
    [CUBLASLT_TF32] = {"tf32", R_32F, R_32F, R_32F, COMPUTE_32F_FAST_TF32, 4, 4},
    [CUBLASLT_FP16] = {"fp16", R_16F, R_16F, R_32F, COMPUTE_32F, 2, 2},
    [CUBLASLT_BF16] = {"bf16", R_16BF, R_16BF, R_32F, COMPUTE_32F, 2, 2},
    [CUBLASLT_INT8] = {"int8", R_8I, R_32I, R_32I, COMPUTE_32I, 1, 4},
};

size_t cublaslt_in_bytes(enum cublaslt_type type)
{
    return types[type].in_bytes;
}

size_t cublaslt_out_bytes(enum cublaslt_type type)
{
    return types[type].out_bytes;
}

/* --- errors --- */

static const char *status_name(int status, char room[32])
{
    static const struct {
        int status;
        const char *name;
    } names[] = {
        {1, "CUBLAS_STATUS_NOT_INITIALIZED"},
        {LT_ALLOC_FAILED, "CUBLAS_STATUS_ALLOC_FAILED"},
        {7, "CUBLAS_STATUS_INVALID_VALUE"},
        {8, "CUBLAS_STATUS_ARCH_MISMATCH"},
        {13, "CUBLAS_STATUS_EXECUTION_FAILED"},
        {14, "CUBLAS_STATUS_INTERNAL_ERROR"},
        {LT_NOT_SUPPORTED, "CUBLAS_STATUS_NOT_SUPPORTED"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].status == status)
            return names[i].name;
    (void)snprintf(room, 32, "its status %d", status);
    return room;
}

static enum tare_status check(int status, const char *what, struct tare_err *err)
{
    char room[32];

    if (status == LT_OK)
        return TARE_OK;
    return tare_fail(err,
                     status == LT_ALLOC_FAILED    ? TARE_NOMEM
                     : status == LT_NOT_SUPPORTED ? TARE_UNSUPPORTED
                                                  : TARE_FAILED,
                     "cuBLASLt cannot %s: %s", what, status_name(status, room));
}

/* --- the library --- */

/* A library that no folder we know holds may lie where the system's linker looks. */
static enum tare_status open_library(const struct cuda_library *library, char *path,
                                     size_t path_bytes, void **handle, struct tare_err *err)
{
    struct tare_err absent = TARE_ERR_INIT;
    const char *named = getenv(library->variable);

    if (cuda_find(library, path, path_bytes, &absent) == TARE_OK)
        return library_open(path, "cuBLASLt", handle, err);
    for (size_t i = 0; !(named && named[0]) && library->files[i]; i++) {
        (void)snprintf(path, path_bytes, "%s", library->files[i]);
        if (library_open(path, "cuBLASLt", handle, NULL) == TARE_OK)
            return TARE_OK;
    }
    return tare_fail(err, TARE_ABSENT, "%s", absent.text);
}

static enum tare_status load(struct cublaslt *lt, struct tare_err *err)
{
    char path[FILE_MAX_PATH];
    void *handle;
    enum tare_status status =
        open_library(cuda_library_cublaslt(cuda_facts_of(lt->cuda)->driver_version), path,
                     sizeof(path), &handle, err);

    if (status != TARE_OK)
        return status;
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *symbol = dlsym(handle, symbols[i].name);

        if (!symbol)
            return tare_fail(err, TARE_BROKEN, "'%.200s' is not cuBLASLt: it has no %s", path,
                             symbols[i].name);
        memcpy((char *)&lt->call + symbols[i].offset, &symbol, sizeof(symbol));
    }
    return TARE_OK;
}

enum tare_status cublaslt_open(struct cuda *cuda, struct cublaslt **lt, struct tare_err *err)
{
    struct cublaslt *made = calloc(1, sizeof(*made));
    struct tare_err room = TARE_ERR_INIT;
    size_t version;
    enum tare_status status;

    *lt = NULL;
    if (!made)
        return tare_fail(err, TARE_NOMEM, "out of memory");
    made->cuda = cuda;
    status = load(made, err);
    if (status == TARE_OK)
        status = check(made->call.create(&made->handle), "start", err);
    /* without room for it some ways are closed, no more */
    if (status == TARE_OK &&
        cuda_alloc(cuda, WORKSPACE_BYTES, &made->workspace, &room) != TARE_OK &&
        room.status != TARE_NOMEM)
        status = tare_fail(err, room.status, "%s", room.text);
    if (status == TARE_OK) {
        version = made->call.get_version();
        (void)snprintf(made->version, sizeof(made->version), "cuBLASLt %zu.%zu.%zu",
                       version / 10000, version / 100 % 100, version % 100);
        *lt = made;
    } else {
        cublaslt_close(made);
    }
    return status;
}

void cublaslt_close(struct cublaslt *lt)
{
    if (!lt)
        return;
    cuda_free(lt->cuda, lt->workspace);
    if (lt->handle)
        (void)lt->call.destroy(lt->handle);
    free(lt);
}

const char *cublaslt_version(const struct cublaslt *lt)
{
    return lt->version;
}

/* --- products --- */

static enum tare_status describe(struct cublaslt_product *product, int64_t size,
                                 struct tare_err *err)
{
    const struct type_facts *type = &types[product->type];
    const struct functions *call = &product->lt->call;
    const int32_t transposed = OPERATION_T;
    const uint64_t side = (uint64_t)size, room = product->lt->workspace ? WORKSPACE_BYTES : 0;
    int status = call->desc_create(&product->desc, type->compute, type->scale);

    if (status == LT_OK)
        status = call->desc_set(product->desc, DESC_TRANSA, &transposed, sizeof(transposed));
    if (status == LT_OK)
        status = call->layout_create(&product->in_layout, type->in, side, side, size);
    if (status == LT_OK)
        status = call->layout_create(&product->out_layout, type->out, side, side, size);
    if (status == LT_OK)
        status = call->preference_create(&product->preference);
    if (status == LT_OK)
        status = call->preference_set(product->preference, PREFERENCE_WORKSPACE_BYTES, &room,
                                      sizeof(room));
    return check(status, "describe a product", err);
}

static enum tare_status find_ways(struct cublaslt_product *product, struct tare_err *err)
{
    const struct functions *call = &product->lt->call;
    int count = 0, kept = 0;
    int status = call->heuristic(product->lt->handle, product->desc, product->in_layout,
                                 product->in_layout, product->out_layout, product->out_layout,
                                 product->preference, MAX_WAYS, product->ways, &count);

    if (status != LT_OK && status != LT_NOT_SUPPORTED)
        return check(status, "choose how to multiply", err);
    count = status != LT_OK || count < 0 ? 0 : count > MAX_WAYS ? MAX_WAYS : count;
    for (int i = 0; i < count; i++)
        if (product->ways[i].status == LT_OK && product->ways[i].workspace_bytes <= WORKSPACE_BYTES)
            product->ways[kept++] = product->ways[i];
    product->way_count = kept;
    if (kept == 0)
        return tare_fail(err, TARE_UNSUPPORTED, "%s multiplies no %s on this device",
                         product->lt->version, types[product->type].name);
    return TARE_OK;
}

enum tare_status cublaslt_product_new(struct cublaslt *lt, enum cublaslt_type type, int64_t size,
                                      struct cublaslt_product **product, struct tare_err *err)
{
    struct cublaslt_product *made = calloc(1, sizeof(*made));
    enum tare_status status;

    *product = NULL;
    if (!made)
        return tare_fail(err, TARE_NOMEM, "out of memory");
    made->lt = lt;
    made->type = type;
    status = describe(made, size, err);
    if (status == TARE_OK)
        status = find_ways(made, err);
    if (status == TARE_OK)
        *product = made;
    else
        cublaslt_product_free(made);
    return status;
}

void cublaslt_product_free(struct cublaslt_product *product)
{
    const struct functions *call;

    if (!product)
        return;
    call = &product->lt->call;
    if (product->preference)
        (void)call->preference_destroy(product->preference);
    if (product->out_layout)
        (void)call->layout_destroy(product->out_layout);
    if (product->in_layout)
        (void)call->layout_destroy(product->in_layout);
    if (product->desc)
        (void)call->desc_destroy(product->desc);
    free(product);
}

int cublaslt_product_ways(const struct cublaslt_product *product)
{
    return product->way_count;
}

enum tare_status cublaslt_product_run(struct cublaslt_product *product, int way, const void *a,
                                      const void *b, void *out, void *stream, struct tare_err *err)
{
    static const float one = 1, zero = 0;
    static const int32_t whole_one = 1, whole_zero = 0;
    const bool whole = types[product->type].scale == R_32I;
    const struct cublaslt *lt = product->lt;

    return check(lt->call.product(lt->handle, product->desc,
                                  whole ? (const void *)&whole_one : &one, a, product->in_layout, b,
                                  product->in_layout, whole ? (const void *)&whole_zero : &zero,
                                  out, product->out_layout, out, product->out_layout,
                                  &product->ways[way].algorithm, lt->workspace,
                                  lt->workspace ? WORKSPACE_BYTES : 0, stream),
                 "multiply", err);
}
