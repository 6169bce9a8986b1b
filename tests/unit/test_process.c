#include "check.h"

#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/process.h"

static enum tare_status start_shell(struct process *process, const char *script,
                                    const char *const *env, struct tare_err *err)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct process_options options = {.argv = argv, .env = env, .shared_fd = -1};

    return process_start(process, &options, err);
}

static int64_t in_seconds(int64_t seconds)
{
    return clock_now_ns() + seconds * 1000000000;
}

static void talks_in_lines(void)
{
    struct process p;
    char *line;

    CHECK_OK(start_shell(&p, "while read x <&3; do echo \"<$x>\" >&3; done", NULL, err));
    CHECK_OK(process_send(&p, "one", 0, err));
    CHECK_OK(process_receive(&p, in_seconds(10), &line, err));
    CHECK(line && strcmp(line, "<one>") == 0);
    CHECK_OK(process_send(&p, "two", in_seconds(10), err));
    CHECK_OK(process_receive(&p, in_seconds(10), &line, err));
    CHECK(line && strcmp(line, "<two>") == 0);
    process_release(&p, 1000000000);
}

static void hands_out_lines_that_came_together(void)
{
    struct process p;
    char *line;

    CHECK_OK(start_shell(&p, "printf 'a\\nbc\\n\\nd\\n' >&3; sleep 5", NULL, err));
    CHECK_OK(process_receive(&p, in_seconds(10), &line, err));
    CHECK_TEXT(line, "a");
    CHECK_OK(process_receive(&p, in_seconds(10), &line, err));
    CHECK_TEXT(line, "bc");
    CHECK_OK(process_receive(&p, in_seconds(10), &line, err));
    CHECK_TEXT(line, "");
    CHECK_OK(process_receive(&p, in_seconds(10), &line, err));
    CHECK_TEXT(line, "d");
    process_release(&p, 0);
}

static void says_how_a_child_died(void)
{
    struct tare_err failure = TARE_ERR_INIT;
    struct process p;
    char *line, tail[64];

    CHECK_OK(start_shell(&p, "echo last words; kill -SEGV $$", NULL, err));
    CHECK(process_receive(&p, in_seconds(10), &line, &failure) == TARE_FAILED);
    CHECK(strstr(failure.text, "signal 11") != NULL);
    process_log_tail(&p, tail, sizeof(tail));
    CHECK_TEXT(tail, "last words\n");
    process_release(&p, 0);
}

static void times_out(void)
{
    struct tare_err failure = TARE_ERR_INIT;
    struct process p;
    char *line;

    CHECK_OK(start_shell(&p, "sleep 60", NULL, err));
    CHECK(process_receive(&p, clock_now_ns() + 50000000, &line, &failure) == TARE_TIMEOUT);
    process_release(&p, 0);
}

static void a_program_that_is_not_there(void)
{
    const char *argv[] = {"/nonexistent/program", NULL};
    struct process_options options = {.argv = argv, .shared_fd = -1};
    struct tare_err failure = TARE_ERR_INIT;
    struct process p;
    char *line;

    CHECK_OK(process_start(&p, &options, err));
    CHECK(process_receive(&p, in_seconds(10), &line, &failure) == TARE_FAILED);
    CHECK(strstr(failure.text, "not found") != NULL);
    process_release(&p, 0);
}

static void changes_the_environment(void)
{
    static const char *const env[] = {"TARE_TEST=yes", "HOME", NULL};
    struct process p;
    char *line;

    CHECK_OK(start_shell(&p, "echo \"$TARE_TEST/${HOME-none}\" >&3", env, err));
    CHECK_OK(process_receive(&p, in_seconds(10), &line, err));
    CHECK_TEXT(line, "yes/none");
    process_release(&p, 1000000000);
}

static void ends_a_child_that_ignores_it(void)
{
    struct process p;
    pid_t pid;

    CHECK_OK(start_shell(&p, "trap '' TERM; while :; do sleep 0.05; done", NULL, err));
    pid = p.pid;
    process_release(&p, 50000000);
    CHECK(kill(pid, 0) != 0);
}

static void counts_cpu_time(void)
{
    struct process p;
    char *line;

    CHECK_OK(start_shell(
        &p, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo x >&3; sleep 9", NULL, err));
    CHECK_OK(process_receive(&p, in_seconds(60), &line, err));
    CHECK(process_cpu_ns(p.pid) > 1000000);
    CHECK(process_rss_bytes(p.pid) > 100000);
    process_release(&p, 0);
    CHECK(process_cpu_ns(999999999) == -1);
}

/* A socket pair holds some hundred KiB; what does not read must not hold up its parent. */
static void does_not_wait_for_a_deaf_child(void)
{
    size_t size = (size_t)4 << 20;
    char *line = malloc(size + 1);
    struct tare_err err = TARE_ERR_INIT;
    int64_t start = clock_now_ns();
    struct process p;

    CHECK(line != NULL);
    if (!line)
        return;
    memset(line, 'x', size);
    line[size] = '\0';
    CHECK(start_shell(&p, "sleep 30", NULL, &err) == TARE_OK);
    CHECK(process_send(&p, line, clock_now_ns() + 300000000, &err) == TARE_TIMEOUT);
    CHECK(clock_now_ns() - start < (int64_t)10 * 1000000000);
    process_release(&p, 0);
    free(line);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"talks_in_lines", talks_in_lines},
        {"hands_out_lines_that_came_together", hands_out_lines_that_came_together},
        {"says_how_a_child_died", says_how_a_child_died},
        {"times_out", times_out},
        {"a_program_that_is_not_there", a_program_that_is_not_there},
        {"changes_the_environment", changes_the_environment},
        {"ends_a_child_that_ignores_it", ends_a_child_that_ignores_it},
        {"counts_cpu_time", counts_cpu_time},
        {"does_not_wait_for_a_deaf_child", does_not_wait_for_a_deaf_child},
        {NULL, NULL},
    };

    return check_main("process", cases, argc, argv);
}
