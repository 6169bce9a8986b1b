/* The null backend through backend_session: what it describes, and each planted misbehaviour. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/registry.h"
#include "backend/session.h"
#include "base/clock.h"
#include "check.h"

/* Opens the null backend with options; both results are the caller's. */
static enum tare_status open_null(const struct tare_option_value *options, size_t count,
                                  int32_t batch, struct backend **backend,
                                  struct backend_session **session, struct tare_err *err)
{
    struct backend_session_options open = {
        .batch = batch, .options = options, .option_count = count};
    char note[64];

    *session = NULL;
    if (backend_acquire("null", backend, note, sizeof(note), err) != TARE_OK)
        return err->status;
    return backend_session_open(*backend, &open, session, err);
}

static void describes_what_options_say(void)
{
    const struct tare_option_value options[] = {{"inputs", "a:fp16:-1x3x8+b:int64:2"},
                                                {"outputs", "c:uint8:-1x5+d:bool:"}};
    struct backend *backend = NULL;
    struct backend_session *session = NULL;
    const struct tare_tensor *tensor;

    CHECK_OK(open_null(options, 2, 4, &backend, &session, err));
    if (!session)
        return;
    CHECK(backend_session_count(session, true) == 2);
    CHECK(backend_session_count(session, false) == 2);
    CHECK(backend_session_info(session, true, 0)->shape[0] == -1);
    CHECK(backend_session_info(session, true, 2) == NULL);
    tensor = backend_session_tensor(session, true, 0);
    CHECK_TEXT(tensor->name, "a");
    CHECK(tensor->dtype == TARE_FP16 && tensor->rank == 3 && tensor->shape[0] == 4);
    CHECK(tensor->data && (uintptr_t)tensor->data % 64 == 0);
    CHECK(tensor->capacity_bytes >= 4 * 3 * 8 * 2);
    CHECK(backend_session_tensor(session, false, 0)->shape[0] == 4);
    CHECK(backend_session_tensor(session, false, 1)->rank == 0);
    CHECK(backend_session_find(session, false, "d") == 1);
    CHECK(backend_session_find(session, false, "a") == -1);
    CHECK_OK(backend_session_run(session, NULL, NULL, err));
    backend_session_close(session);
    backend_free(backend);
}

static void refuses(const char *name, const char *value, enum tare_status status, const char *text)
{
    const struct tare_option_value options[] = {{name, value}};
    struct tare_err err = TARE_ERR_INIT;
    struct backend *backend = NULL;
    struct backend_session *session = NULL;

    CHECK(open_null(options, 1, 1, &backend, &session, &err) == status);
    CHECK(session == NULL);
    if (!strstr(err.text, text))
        CHECK_TEXT(err.text, text);
    backend_session_close(session);
    backend_free(backend);
}

static void refuses_bad_options(void)
{
    refuses("delay_ns", "-1", TARE_INVALID, "need 0 to 60000000000");
    refuses("delay_ns", "1e3", TARE_INVALID, "need 0 to 60000000000");
    refuses("open", "well", TARE_INVALID, "need ok|fail|nomem|crash|hang|nothing|garbage");
    refuses("delay", "1", TARE_INVALID, "runtime 'null' has no option 'delay'");
    refuses("inputs", "x:fp32", TARE_INVALID, "'x:fp32' is not name:dtype:shape");
    refuses("inputs", "x:fp31:1", TARE_INVALID, "is not name:dtype:shape");
    refuses("inputs", "x:fp32:1x2x3x4x5x6x7x8x9", TARE_INVALID, "is not name:dtype:shape");
    refuses("inputs", "x:fp32:1x-1", TARE_INVALID, "give the shape of 'x'");
    refuses("inputs", "x:fp32:99999999999x99999999999", TARE_LIMIT, "larger than");
}

static void survives_lies(void)
{
    refuses("open", "fail", TARE_FAILED, "as planted");
    refuses("open", "nothing", TARE_BROKEN, "opens no session");
    refuses("open", "garbage", TARE_BROKEN, "name has no end");
}

static void given_shape_must_fit(void)
{
    const struct tare_option_value options[] = {{"inputs", "x:fp32:-1x3x-1"}};
    struct backend_shape shape = {"x", 3, {2, 3, 7}};
    struct backend_session_options open = {
        .options = options, .option_count = 1, .shapes = &shape, .shape_count = 1};
    struct backend *backend = NULL;
    struct backend_session *session = NULL;
    struct tare_err err = TARE_ERR_INIT;

    CHECK(backend_acquire("null", &backend, NULL, 0, &err) == TARE_OK);
    if (!backend)
        return;
    CHECK(backend_session_open(backend, &open, &session, &err) == TARE_OK);
    CHECK(session && backend_session_tensor(session, true, 0)->shape[2] == 7);
    CHECK(session && backend_session_tensor(session, false, 0)->shape[0] == 2);
    backend_session_close(session);
    shape.shape[1] = 4;
    CHECK(backend_session_open(backend, &open, &session, &err) == TARE_INVALID);
    CHECK_TEXT(err.text, "shape given for input 'x' has 4 as dimension 1, need 3");
    tare_err_clear(&err);
    shape.name = "y";
    CHECK(backend_session_open(backend, &open, &session, &err) == TARE_INVALID);
    CHECK_TEXT(err.text, "a shape is given for 'y', which is no input");
    backend_free(backend);
}

static void fixed_batch_is_kept(void)
{
    const struct tare_option_value options[] = {{"inputs", "x:fp32:1x3"}};
    struct backend *backend = NULL;
    struct backend_session *session = NULL;
    struct tare_err err = TARE_ERR_INIT;

    CHECK(open_null(options, 1, 2, &backend, &session, &err) == TARE_INVALID);
    CHECK_TEXT(err.text, "the model's batch is fixed at 1, not 2");
    backend_free(backend);
}

static void fails_at_the_run_asked_for(void)
{
    const struct tare_option_value options[] = {{"fail_at_run", "3"}};
    struct backend *backend = NULL;
    struct backend_session *session = NULL;
    struct tare_err err = TARE_ERR_INIT;

    CHECK(open_null(options, 1, 1, &backend, &session, &err) == TARE_OK);
    for (int run = 1; session && run <= 4; run++) {
        CHECK(backend_session_run(session, NULL, NULL, &err) == (run == 3 ? TARE_FAILED : TARE_OK));
        tare_err_clear(&err);
    }
    backend_session_close(session);
    backend_free(backend);
}

static void spins_at_least_its_delay(void)
{
    const struct tare_option_value options[] = {{"delay_ns", "200000"}, {"jitter_ns", "100000"}};
    struct backend *backend = NULL;
    struct backend_session *session = NULL;

    CHECK_OK(open_null(options, 2, 1, &backend, &session, err));
    for (int run = 0; session && run < 20; run++) {
        struct tare_timing timing;
        int64_t start = clock_now_ns();

        CHECK_OK(backend_session_run(session, NULL, &timing, err));
        CHECK(clock_now_ns() - start >= 200000);
        CHECK(timing.compute_ns >= 200000 && timing.queue_ns == -1);
    }
    backend_session_close(session);
    backend_free(backend);
}

static void leaks_and_gives_back(void)
{
    const struct tare_option_value options[] = {{"leak_bytes", "1000"}};
    struct backend *backend = NULL;
    struct backend_session *session = NULL;

    CHECK_OK(open_null(options, 1, 1, &backend, &session, err));
    for (int run = 0; session && run < 10; run++)
        CHECK_OK(backend_session_run(session, NULL, NULL, err));
    backend_session_close(session);
    backend_free(backend);
}

/* Runs twice in a child; the wait status, or -1. A child that hangs is killed after a second. */
static int end_of_child(const char *option)
{
    const struct tare_option_value options[] = {{option, "2"}};
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        struct backend *backend = NULL;
        struct backend_session *session = NULL;
        struct tare_err err = TARE_ERR_INIT;

        if (open_null(options, 1, 1, &backend, &session, &err) != TARE_OK)
            _exit(9);
        (void)alarm(1); /* ends a hang */
        (void)backend_session_run(session, NULL, NULL, &err);
        (void)backend_session_run(session, NULL, NULL, &err);
        _exit(8);
    }
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

static void crashes_when_asked(void)
{
    int status = end_of_child("crash_at_run");

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void hangs_when_asked(void)
{
    int status = end_of_child("hang_at_run");

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"describes_what_options_say", describes_what_options_say},
        {"refuses_bad_options", refuses_bad_options},
        {"survives_lies", survives_lies},
        {"given_shape_must_fit", given_shape_must_fit},
        {"fixed_batch_is_kept", fixed_batch_is_kept},
        {"fails_at_the_run_asked_for", fails_at_the_run_asked_for},
        {"spins_at_least_its_delay", spins_at_least_its_delay},
        {"leaks_and_gives_back", leaks_and_gives_back},
        {"crashes_when_asked", crashes_when_asked},
        {"hangs_when_asked", hangs_when_asked},
        {0},
    };

    (void)setenv("TARE_PLUGINS", TEST_BIN "/plugins", 0);
    return check_main("null", cases, argc, argv);
}
