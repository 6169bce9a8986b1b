/* What is said of plugins that would take the program down with them. */
#include <stdlib.h>

#include "backend/look.h"
#include "check.h"

static enum tare_status look_at(const char *name, int64_t patience_ns, struct backend_look *look)
{
    struct tare_err err = TARE_ERR_INIT;

    CHECK(backend_look_at(name, patience_ns, look, &err) == TARE_OK);
    return look->status;
}

static void a_working_plugin_is_ok(void)
{
    struct backend_look look;

    CHECK(look_at("null", 10000000000, &look) == TARE_OK);
    CHECK(!look.runs_models);
    CHECK(look_at(TEST_BUILD "/fixtures/plugin_absent.so", 10000000000, &look) == TARE_ABSENT);
    CHECK_TEXT(look.text, "no libvariant.so: install it");
    CHECK(look_at("../etc", 10000000000, &look) != TARE_OK);
}

static void a_crash_is_a_row(void)
{
    struct backend_look look;

    CHECK(look_at(TEST_BUILD "/fixtures/plugin_crash.so", 10000000000, &look) == TARE_BROKEN);
    CHECK(strstr(look.text, "plugin_crash.so': killed by signal 11") != NULL);
}

static void a_hang_is_a_row(void)
{
    struct backend_look look;

    CHECK(look_at(TEST_BUILD "/fixtures/plugin_hang.so", 300000000, &look) == TARE_BROKEN);
    CHECK(strstr(look.text, "plugin_hang.so': no answer in") != NULL);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"a_working_plugin_is_ok", a_working_plugin_is_ok},
        {"a_crash_is_a_row", a_crash_is_a_row},
        {"a_hang_is_a_row", a_hang_is_a_row},
        {0},
    };

    (void)setenv("TARE_PLUGINS", TEST_BIN "/plugins", 1);
    return check_main("look", cases, argc, argv);
}
