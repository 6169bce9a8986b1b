/* Options as a user writes them, and the checks against a plugin's table. */
#include <stdlib.h>
#include <string.h>

#include "backend/backend_options.h"
#include "check.h"

static void reads_pairs(void)
{
    struct backend_options options;

    CHECK_OK(backend_options_parse("a=1,flag,c=x;y,d=", &options, err));
    CHECK(options.count == 4);
    CHECK_TEXT(options.values[0].name, "a");
    CHECK_TEXT(options.values[0].value, "1");
    CHECK_TEXT(options.values[1].name, "flag");
    CHECK_TEXT(options.values[1].value, "1");
    CHECK_TEXT(options.values[2].value, "x,y");
    CHECK_TEXT(options.values[3].value, "");
    CHECK_OK(backend_options_parse("", &options, err));
    CHECK(options.count == 0);
    CHECK_OK(backend_options_parse(NULL, &options, err));
    CHECK(options.count == 0);
}

static void refuses_bad_text(void)
{
    static const char *const bad[] = {"=1", ",", "a=1,,b=2", "a=1,=2"};
    struct backend_options options;
    char text[4000];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(backend_options_parse(bad[i], &options, NULL) == TARE_INVALID);
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    CHECK(backend_options_parse(text, &options, NULL) == TARE_LIMIT);
    for (size_t i = 0; i < 100; i++)
        memcpy(text + 2 * i, i == 99 ? "a" : "a,", 2);
    CHECK(backend_options_parse(text, &options, NULL) == TARE_LIMIT);
}

static enum tare_status check_one(const char *name, const char *value)
{
    static const struct tare_option_info table[] = {
        {"count", "", TARE_OPTION_INT, "1", -5, 10, NULL},
        {"flag", "", TARE_OPTION_BOOL, "0", 0, 1, NULL},
        {"mode", "", TARE_OPTION_CHOICE, "a", 0, 0, "a|bc|d"},
        {"text", "", TARE_OPTION_TEXT, "", 0, 0, NULL},
        {0},
    };
    const struct tare_backend backend = {.name = "some", .options = table};
    const struct tare_option_value option = {name, value};

    return backend_options_check(&backend, &option, 1, NULL);
}

static void checks_values_against_the_table(void)
{
    CHECK(check_one("count", "-5") == TARE_OK && check_one("count", "10") == TARE_OK);
    CHECK(check_one("count", "-6") == TARE_INVALID && check_one("count", "11") == TARE_INVALID);
    CHECK(check_one("count", "") == TARE_INVALID && check_one("count", "1x") == TARE_INVALID);
    CHECK(check_one("count", "99999999999999999999") == TARE_INVALID);
    CHECK(check_one("flag", "1") == TARE_OK && check_one("flag", "yes") == TARE_INVALID);
    CHECK(check_one("mode", "bc") == TARE_OK && check_one("mode", "b") == TARE_INVALID);
    CHECK(check_one("mode", "") == TARE_INVALID && check_one("mode", "a|bc") == TARE_INVALID);
    CHECK(check_one("text", "") == TARE_OK && check_one("text", "anything") == TARE_OK);
    CHECK(check_one("other", "1") == TARE_INVALID);
}

static void no_table_has_no_options(void)
{
    const struct tare_backend backend = {.name = "some"};
    const struct tare_option_value option = {"a", "1"};
    struct tare_err err = TARE_ERR_INIT;

    CHECK(backend_options_check(&backend, NULL, 0, &err) == TARE_OK);
    CHECK(backend_options_check(&backend, &option, 1, &err) == TARE_INVALID);
    CHECK_TEXT(err.text, "runtime 'some' has no option 'a'");
}

static void finds_values_and_fallbacks(void)
{
    static const struct tare_option_info table[] = {
        {"count", "", TARE_OPTION_INT, "7", 0, 10, NULL}, {0}};
    const struct tare_option_value value = {"count", "3"};
    struct tare_open_options open = {.options = &value, .option_count = 1};

    CHECK(tare_option_int(&open, table, "count") == 3);
    open.option_count = 0;
    CHECK(tare_option_int(&open, table, "count") == 7);
    CHECK_TEXT(tare_option_text(&open, table, "none"), "");
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"reads_pairs", reads_pairs},
        {"refuses_bad_text", refuses_bad_text},
        {"checks_values_against_the_table", checks_values_against_the_table},
        {"no_table_has_no_options", no_table_has_no_options},
        {"finds_values_and_fallbacks", finds_values_and_fallbacks},
        {0},
    };

    return check_main("backend_options", cases, argc, argv);
}
