/*
 * check.h - the unit tests' harness: a table of named cases, each line of output one result.
 *
 *     static void rejects_truncated(void) { CHECK(f("x") == TARE_BADDATA); }
 *     int main(int argc, char **argv) {
 *         static const struct check_case cases[] = {{"rejects_truncated", rejects_truncated}, {0}};
 *         return check_main("archive", cases, argc, argv);
 *     }
 *
 * Output: "ok suite::name", "FAIL suite::name" (with the failed checks before it, on stderr) or
 * "skip suite::name: reason". With an argument, only cases whose name contains it run. Exit status
 * 0 if nothing failed, else 1. The tests' runner (tests/run) counts these lines.
 */
#ifndef TARE_TESTS_CHECK_H
#define TARE_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <string.h>

struct check_case {
    const char *name;
    void (*run)(void);
};

static int check_failures;
static const char *check_skip_reason;

/* Goes on after a failure, so that one run shows all of them. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            check_failures++;                                                                      \
            (void)fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);          \
        }                                                                                          \
    } while (0)

/* The call names its error parameter `err`, which this macro provides. */
#define CHECK_OK(call)                                                                             \
    do {                                                                                           \
        struct tare_err check_err = TARE_ERR_INIT;                                                 \
        struct tare_err *err = &check_err;                                                         \
        if ((call) != TARE_OK) {                                                                   \
            check_failures++;                                                                      \
            (void)fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, check_err.text);   \
        }                                                                                          \
        (void)err;                                                                                 \
    } while (0)

#define CHECK_NEAR(actual, expected, tolerance)                                                    \
    do {                                                                                           \
        double check_a = (double)(actual), check_b = (double)(expected);                           \
        if (!(fabs(check_a - check_b) <= (double)(tolerance))) {                                   \
            check_failures++;                                                                      \
            (void)fprintf(stderr, "%s:%d: %s is %.17g, expected %.17g within %g\n", __FILE__,      \
                          __LINE__, #actual, check_a, check_b, (double)(tolerance));               \
        }                                                                                          \
    } while (0)

#define CHECK_TEXT(actual, expected)                                                               \
    do {                                                                                           \
        const char *check_a = (actual), *check_b = (expected);                                     \
        if (strcmp(check_a, check_b) != 0) {                                                       \
            check_failures++;                                                                      \
            (void)fprintf(stderr, "%s:%d: %s is '%s', expected '%s'\n", __FILE__, __LINE__,        \
                          #actual, check_a, check_b);                                              \
        }                                                                                          \
    } while (0)

__attribute__((unused)) static void check_skip(const char *reason)
{
    check_skip_reason = reason;
}

static int check_main(const char *suite, const struct check_case *cases, int argc, char **argv)
{
    int failed = 0;

    for (; cases->name; cases++) {
        if (argc > 1 && !strstr(cases->name, argv[1]))
            continue;
        check_failures = 0;
        check_skip_reason = NULL;
        cases->run();
        if (check_failures) {
            failed++;
            (void)printf("FAIL %s::%s\n", suite, cases->name);
        } else if (check_skip_reason) {
            (void)printf("skip %s::%s: %s\n", suite, cases->name, check_skip_reason);
        } else {
            (void)printf("ok %s::%s\n", suite, cases->name);
        }
        (void)fflush(stdout);
    }
    return failed ? 1 : 0;
}

#endif
