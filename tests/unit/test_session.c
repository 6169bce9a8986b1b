/* backend_session over a backend whose shapes are open and whose memory is its own. */
#include <string.h>

#include "backend/registry.h"
#include "backend/session.h"
#include "check.h"

#define DYNAMIC TEST_BUILD "/fixtures/plugin_dynamic.so"

static void finds_open_output_shapes_by_a_run(void)
{
    const struct backend_shape shape = {"x", 2, {2, 3}};
    const struct backend_session_options options = {
        .model_path = "any.onnx", .shapes = &shape, .shape_count = 1};
    const float x[] = {1, 2, 3, 4, 5, 6};
    const float expected[] = {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6};
    struct backend *backend = NULL;
    struct backend_session *session = NULL;
    const struct tare_tensor *y;
    int64_t actual[TARE_MAX_RANK];
    int32_t rank = 0;

    CHECK_OK(backend_acquire(DYNAMIC, &backend, NULL, 0, err));
    if (!backend)
        return;
    CHECK_OK(backend_session_open(backend, &options, &session, err));
    if (session) {
        y = backend_session_tensor(session, false, 0);
        CHECK(y->rank == 2 && y->shape[0] == 2 && y->shape[1] == 6);
        CHECK(y->memory == TARE_MEM_PINNED && y->capacity_bytes >= sizeof(expected));
        memcpy(backend_session_tensor(session, true, 0)->data, x, sizeof(x));
        CHECK_OK(backend_session_run(session, NULL, NULL, err));
        CHECK(memcmp(y->data, expected, sizeof(expected)) == 0);
        CHECK_OK(backend_session_output_shape(session, 0, &rank, actual, err));
        CHECK(rank == 2 && actual[0] == 2 && actual[1] == 6);
        CHECK(backend_session_output_shape(session, 1, &rank, actual, NULL) == TARE_INVALID);
        CHECK(strlen(backend_session_report(session)->runtime_version) == 63);
    }
    backend_session_close(session);
    backend_free(backend);
}

static void open_input_needs_a_shape(void)
{
    const struct backend_session_options options = {.model_path = "any.onnx"};
    struct tare_err err = TARE_ERR_INIT;
    struct backend *backend = NULL;
    struct backend_session *session = NULL;

    CHECK(backend_acquire(DYNAMIC, &backend, NULL, 0, &err) == TARE_OK);
    if (!backend)
        return;
    CHECK(backend_session_open(backend, &options, &session, &err) == TARE_INVALID);
    CHECK_TEXT(err.text, "input 'x' leaves dimension 1 open: give the shape of 'x'");
    backend_free(backend);
}

static void needs_a_model(void)
{
    const struct backend_session_options options = {0};
    struct tare_err err = TARE_ERR_INIT;
    struct backend *backend = NULL;
    struct backend_session *session = NULL;

    CHECK(backend_acquire(DYNAMIC, &backend, NULL, 0, &err) == TARE_OK);
    if (!backend)
        return;
    CHECK(backend_session_open(backend, &options, &session, &err) == TARE_INVALID);
    CHECK_TEXT(err.text, "runtime 'dynamic' needs a model file");
    backend_free(backend);
}

/* Strings of bytes: set in any order, of any length, in KServe's encoding, within the room. */
static void strings_of_bytes_change_between_runs(void)
{
    const struct tare_option_value values[] = {{"inputs", "jpeg:bytes:-1x1"},
                                               {"outputs", "y:bytes:-1x1"}};
    const struct backend_session_options options = {
        .options = values, .option_count = 2, .batch = 2};
    static const uint8_t expected[] = {3, 0, 0, 0, 'a', 'b', 'c', 1, 0, 0, 0, 'z'};
    struct backend_session *session;
    struct backend *backend;
    struct tare_tensor *x;
    size_t size = 9;

    CHECK_OK(backend_acquire("null", &backend, NULL, 0, err));
    CHECK_OK(backend_session_open(backend, &options, &session, err));
    x = backend_session_tensor(session, true, 0);
    CHECK(x->dtype == TARE_BYTES && x->capacity_bytes >= 2 * BACKEND_ELEMENT_ROOM);
    CHECK(tare_bytes_used(x) == 8 && tare_bytes_at(x, 1, &size) && size == 0);
    CHECK(tare_bytes_set(x, 1, "z", 1) && tare_bytes_set(x, 0, "abcdef", 6));
    CHECK(tare_bytes_used(x) == 15 && tare_bytes_set(x, 0, "abc", 3));
    CHECK(tare_bytes_used(x) == sizeof(expected));
    CHECK(memcmp(x->data, expected, sizeof(expected)) == 0);
    CHECK_OK(backend_session_run(session, NULL, NULL, err));
    CHECK(!tare_bytes_set(x, 2, "q", 1) && !tare_bytes_set(x, -1, "q", 1));
    CHECK(!tare_bytes_set(x, 0, x->data, x->capacity_bytes));
    CHECK(memcmp(x->data, expected, sizeof(expected)) == 0);
    memset(x->data, 0xff, 4); /* a length past the end */
    CHECK(tare_bytes_used(x) == -1 && !tare_bytes_at(x, 0, &size) && size == 0);
    CHECK(!tare_bytes_set(x, 0, "q", 1));
    backend_session_close(session);
    backend_free(backend);
}

/* A part of the batch, and memory of ours, may be bound instead; what does not fit may not. */
static void other_tensors_can_be_bound(void)
{
    const struct tare_option_value values[] = {{"inputs", "x:fp32:-1x2"},
                                               {"outputs", "y:fp32:-1x2"}};
    const struct backend_session_options options = {
        .options = values, .option_count = 2, .batch = 4};
    struct tare_err err_text = TARE_ERR_INIT;
    struct backend_session *session;
    struct tare_tensor x, y;
    struct backend *backend;
    float memory[2] = {1, 2};

    CHECK_OK(backend_acquire("null", &backend, NULL, 0, err));
    CHECK_OK(backend_session_open(backend, &options, &session, err));
    x = *backend_session_tensor(session, true, 0);
    y = *backend_session_tensor(session, false, 0);
    x.shape[0] = y.shape[0] = 1;
    x.data = memory;
    x.capacity_bytes = sizeof(memory);
    CHECK_OK(backend_session_bind(session, &x, &y, err));
    CHECK_OK(backend_session_run(session, NULL, NULL, err));
    x.shape[0] = 2;
    CHECK(backend_session_bind(session, &x, &y, &err_text) == TARE_INVALID);
    CHECK_TEXT(err_text.text, "'x' is bound to 8 bytes, too few for its shape");
    x.shape[0] = 1;
    y.data = NULL; /* allowed where a shape is open, but this runtime places no outputs */
    CHECK(backend_session_bind(session, &x, &y, NULL) == TARE_UNSUPPORTED);
    y = *backend_session_tensor(session, false, 0);
    x.dtype = TARE_INT32;
    CHECK(backend_session_bind(session, &x, &y, NULL) == TARE_INVALID);
    CHECK(backend_session_tensor(session, true, 0)->shape[0] == 4);
    backend_session_close(session);
    backend_free(backend);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"finds_open_output_shapes_by_a_run", finds_open_output_shapes_by_a_run},
        {"open_input_needs_a_shape", open_input_needs_a_shape},
        {"needs_a_model", needs_a_model},
        {"strings_of_bytes_change_between_runs", strings_of_bytes_change_between_runs},
        {"other_tensors_can_be_bound", other_tensors_can_be_bound},
        {0},
    };

    (void)setenv("TARE_PLUGINS", TEST_BIN "/plugins", 0);
    return check_main("session", cases, argc, argv);
}
