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

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"finds_open_output_shapes_by_a_run", finds_open_output_shapes_by_a_run},
        {"open_input_needs_a_shape", open_input_needs_a_shape},
        {"needs_a_model", needs_a_model},
        {0},
    };

    return check_main("session", cases, argc, argv);
}
