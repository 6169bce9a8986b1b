/* What the loader and the registry say of every kind of wrong plugin. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/registry.h"
#include "base/file.h"
#include "check.h"

/* Loads a fixture and compares the error; the text begins with "cannot load 'PATH': ". */
static void refuses(const char *fixture, enum tare_status status, const char *reason)
{
    struct tare_err err = TARE_ERR_INIT;
    struct backend *backend = NULL;
    char path[FILE_MAX_PATH], text[sizeof(err.text)];

    (void)snprintf(path, sizeof(path), "%s/fixtures/%s", TEST_BUILD, fixture);
    CHECK(backend_load(path, &backend, &err) == status);
    CHECK(backend == NULL && err.status == status);
    (void)snprintf(text, sizeof(text), "cannot load '%.300s': %s", path, reason);
    if (strncmp(err.text, text, strlen(text)) != 0)
        CHECK_TEXT(err.text, text);
    backend_free(backend);
}

static void says_what_is_wrong_with_a_file(void)
{
    refuses("none.so", TARE_ABSENT, "No such file or directory");
    refuses("", TARE_BROKEN, "not a regular file");
    refuses("plugin_noentry.so", TARE_BROKEN,
            "not a tare plugin: it exports no tare_backend_entry");
    refuses("plugin_null_entry.so", TARE_BROKEN, "tare_backend_entry gave NULL");
}

static void says_what_is_wrong_with_a_struct(void)
{
    refuses("plugin_major.so", TARE_BROKEN, "backend ABI 9.0, need 1.x up to 1.0");
    refuses("plugin_minor.so", TARE_BROKEN, "backend ABI 1.77, need 1.x up to 1.0");
    refuses("plugin_short.so", TARE_BROKEN, "struct tare_backend of 64 bytes, need at least ");
    refuses("plugin_norun.so", TARE_BROKEN, "required slot 'run' is NULL");
    refuses("plugin_noasync.so", TARE_BROKEN,
            "required slot 'submit' is NULL, but its capability bit is set");
    refuses("plugin_badname.so", TARE_BROKEN, "its name is not of [a-z0-9_-]");
}

static void refuses_what_is_no_object(void)
{
    char path[] = "/tmp/tare-loader-XXXXXX";
    struct tare_err err = TARE_ERR_INIT;
    struct backend *backend = NULL;
    int fd = mkstemp(path);

    CHECK(fd >= 0 && write(fd, "hello", 5) == 5);
    CHECK(backend_load(path, &backend, &err) == TARE_BROKEN);
    CHECK(strstr(err.text, "file too short") || strstr(err.text, "invalid ELF header"));
    (void)close(fd);
    (void)unlink(path);
}

static void resolves_all_symbols_at_once(void)
{
    struct tare_err err = TARE_ERR_INIT;
    struct backend *backend = NULL;

    CHECK(backend_load(TEST_BUILD "/fixtures/plugin_unresolved.so", &backend, &err) == TARE_BROKEN);
    CHECK(strstr(err.text, "undefined symbol: defined_nowhere") != NULL);
}

static void slots_past_the_struct_are_null(void)
{
    struct backend *backend = NULL;

    CHECK_OK(backend_load(TEST_BUILD "/fixtures/plugin_older.so", &backend, err));
    if (!backend)
        return;
    CHECK(backend_slots(backend)->run != NULL);
    CHECK(backend_slots(backend)->bound_shape == NULL);
    CHECK(backend_slots(backend)->allocate == NULL);
    CHECK_TEXT(backend_slots(backend)->name, "variant");
    CHECK(strstr(backend_path(backend), "plugin_older.so") != NULL);
    backend_free(backend);
}

static void absent_and_broken_differ(void)
{
    struct tare_err err = TARE_ERR_INIT;
    struct backend *backend = NULL;

    CHECK(backend_acquire(TEST_BUILD "/fixtures/plugin_absent.so", &backend, NULL, 0, &err) ==
          TARE_ABSENT);
    CHECK_TEXT(err.text, "no libvariant.so: install it");
    tare_err_clear(&err);
    CHECK(backend_acquire(TEST_BUILD "/fixtures/plugin_oddprobe.so", &backend, NULL, 0, &err) ==
          TARE_BROKEN);
    CHECK_TEXT(err.text, "the plugin's probe failed and gave no reason");
    CHECK(backend == NULL);
}

static void finds_by_name_and_by_path(void)
{
    char path[FILE_MAX_PATH];
    struct tare_err err = TARE_ERR_INIT;

    CHECK(backend_find("null", path, sizeof(path), &err) == TARE_OK);
    CHECK_TEXT(path, TEST_BIN "/plugins/null.so");
    CHECK(backend_find("./some/x.so", path, sizeof(path), &err) == TARE_OK);
    CHECK_TEXT(path, "./some/x.so");
    CHECK(backend_find("nosuch", path, sizeof(path), &err) == TARE_ABSENT);
    CHECK(strncmp(err.text, "no plugin is called 'nosuch'; there are ", 40) == 0);
    CHECK(strstr(err.text, "null, onnxruntime") != NULL);
    tare_err_clear(&err);
    CHECK(backend_find("", path, sizeof(path), &err) == TARE_INVALID);
    tare_err_clear(&err);
    CHECK(backend_find("../etc", path, 4, &err) == TARE_LIMIT);
    tare_err_clear(&err);
    CHECK(backend_find("Null", path, sizeof(path), &err) == TARE_INVALID);
}

static void lists_each_plugin_once(void)
{
    char **names = NULL;
    size_t count = 0, null_count = 0;

    CHECK_OK(backend_list(&names, &count, err));
    for (size_t i = 0; i < count; i++) {
        null_count += strcmp(names[i], "null") == 0;
        CHECK(i == 0 || strcmp(names[i - 1], names[i]) < 0);
    }
    CHECK(null_count == 1);
    backend_free_names(names, count);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"says_what_is_wrong_with_a_file", says_what_is_wrong_with_a_file},
        {"says_what_is_wrong_with_a_struct", says_what_is_wrong_with_a_struct},
        {"refuses_what_is_no_object", refuses_what_is_no_object},
        {"resolves_all_symbols_at_once", resolves_all_symbols_at_once},
        {"slots_past_the_struct_are_null", slots_past_the_struct_are_null},
        {"absent_and_broken_differ", absent_and_broken_differ},
        {"finds_by_name_and_by_path", finds_by_name_and_by_path},
        {"lists_each_plugin_once", lists_each_plugin_once},
        {0},
    };

    /* Twice the same folder: a plugin is still listed once. */
    (void)setenv("TARE_PLUGINS", TEST_BIN "/plugins:" TEST_BIN "/plugins", 1);
    return check_main("loader", cases, argc, argv);
}
