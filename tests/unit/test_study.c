#include "check.h"

#include <stdlib.h>
#include <unistd.h>

#include "backend/backend_options.h"
#include "backend/registry.h"
#include "measure/forms.h"
#include "measure/steady.h"
#include "measure/study.h"

static enum tare_status load_text(const char *text, struct study *study, struct tare_err *err)
{
    char path[] = "/tmp/tare-study-XXXXXX";
    int fd = mkstemp(path);
    enum tare_status status = fd < 0 ? TARE_IO : file_write(path, text, strlen(text), err);

    if (status == TARE_OK)
        status = study_load(path, study, err);
    if (fd >= 0)
        (void)close(fd);
    (void)unlink(path);
    return status;
}

static void a_whole_study_is_read(void)
{
    struct study s;

    CHECK_OK(load_text("{\"name\": \"x\", \"model\": \"m.pt\", \"images\": \"/i\", \"sweeps\": 7,"
                       " \"visit_ms\": 250, \"defaults\": {\"threads\": 2, \"head\": \"raw\"},"
                       " \"cells\": [{\"name\": \"a\"}, {\"name\": \"b\", \"layer\": \"python\","
                       " \"options\": {\"spinning\": \"off\", \"n\": 3}}],"
                       " \"ledger\": [{\"kind\": \"tax\", \"name\": \"t\", \"cell\": \"b\","
                       " \"baseline\": \"a\"}]}",
                       &s, err));
    CHECK(s.sweeps == 7 && s.restarts == 5 && s.visit_ns == 250000000);
    CHECK_TEXT(s.images, "/i");
    CHECK(s.cell_count == 2 && s.line_count == 1);
    CHECK_TEXT(s.cells[0].model, "/tmp/m.pt");
    CHECK_TEXT(s.cells[0].key, "m/fp32/onnxruntime/cpu/b1/t2/direct/raw");
    CHECK_TEXT(s.cells[1].key, "m/fp32/onnxruntime/cpu/b1/t2/python/raw/spinning=off/n=3");
    CHECK_TEXT(study_cell_plugin(&s.cells[0]), "onnxruntime");
    CHECK_TEXT(study_cell_plugin(&s.cells[1]), "python");
    CHECK(!s.lines[0].gain && s.lines[0].cell == 1 && s.lines[0].baseline == 0);
    study_release(&s);
}

static void a_matrix_is_a_product(void)
{
    struct study s;

    CHECK_OK(load_text("{\"model\": \"m.onnx\", \"matrix\": {\"threads\": [1, 2],"
                       " \"layer\": [\"direct\", \"python\"]}}",
                       &s, err));
    CHECK(s.cell_count == 4);
    CHECK(s.cells[1].threads == 1 && strcmp(s.cells[1].layer, "python") == 0);
    CHECK(s.cells[2].threads == 2 && strcmp(s.cells[2].layer, "direct") == 0);
    CHECK(s.line_count == 3);
    CHECK_TEXT(s.lines[0].name, "layer direct to python");
    CHECK(!s.lines[0].gain);
    CHECK_TEXT(s.lines[1].name, "threads 1 to 2");
    CHECK(s.lines[1].gain && s.lines[1].cell == 2 && s.lines[1].baseline == 0);
    CHECK(s.lines[2].cell == 3 && s.lines[2].baseline == 1);
    study_release(&s);
}

static void forms_make_two_cells_of_one(void)
{
    struct study s;

    CHECK_OK(load_text("{\"model\": \"m.onnx\", \"forms\": [\"default\", \"quiet\"], \"cells\":"
                       " [{\"name\": \"a\"}, {\"name\": \"v\", \"runtime\": \"openvino\"},"
                       " {\"name\": \"o\", \"options\": {\"spinning\": \"off\"}},"
                       " {\"name\": \"p\", \"layer\": \"python\"},"
                       " {\"name\": \"e\", \"options\": {\"provider\": \"openvino\"}}]}",
                       &s, err));
    CHECK(s.cell_count == 6 && s.line_count == 6);
    CHECK_TEXT(s.cells[5].name, "p, quiet");
    CHECK_TEXT(s.cells[5].key, "m/fp32/onnxruntime/cpu/b1/t0/python/spinning=off");
    CHECK(s.lines[4].cell == 0 && s.lines[4].baseline == 2 && !s.lines[4].gain);
    CHECK(s.lines[5].cell == 3 && s.lines[5].baseline == 5);
    CHECK_TEXT(s.lines[4].name, FORMS_LINE);
    study_release(&s);
}

static void forms_go_with_a_written_ledger(void)
{
    struct study s;

    CHECK_OK(load_text("{\"model\": \"m.onnx\", \"forms\": [\"default\", \"quiet\"], \"cells\":"
                       " [{\"name\": \"a\"}, {\"name\": \"b\", \"threads\": 2}], \"ledger\":"
                       " [{\"name\": \"x\", \"cell\": \"b, quiet\", \"baseline\": \"a\"}]}",
                       &s, err));
    CHECK(s.cell_count == 4 && s.line_count == 3);
    CHECK(s.lines[0].cell == 3 && s.lines[0].baseline == 0);
    CHECK(s.lines[2].cell == 1 && s.lines[2].baseline == 3);
    study_release(&s);
}

static void quiet_alone_changes_the_cells(void)
{
    struct study s;

    CHECK_OK(load_text("{\"model\": \"m.onnx\", \"forms\": [\"quiet\"],"
                       " \"matrix\": {\"threads\": [1, 2]}}",
                       &s, err));
    CHECK(s.cell_count == 2 && s.line_count == 1);
    CHECK_TEXT(s.cells[0].key, "m/fp32/onnxruntime/cpu/b1/t1/direct/spinning=off");
    CHECK_TEXT(s.cells[1].name, s.cells[1].key);
    CHECK_TEXT(s.lines[0].name, "threads 1 to 2");
    study_release(&s);
}

/* The table here is held against what the plugins themselves offer. */
static void quiet_settings_are_the_plugins_own(void)
{
    size_t count;
    const struct forms_setting *settings = forms_settings(&count);

    for (size_t i = 0; i < count; i++) {
        const struct tare_option_value value = {settings[i].option, settings[i].value};
        char path[FILE_MAX_PATH];
        struct backend *backend = NULL;

        CHECK(snprintf(path, sizeof(path), "%s/plugins/%s.so", TEST_BIN, settings[i].plugin) > 0);
        CHECK_OK(backend_load(path, &backend, err));
        CHECK_OK(backend_options_check(backend_slots(backend), &value, 1, err));
        backend_free(backend);
    }
}

static void wrong_studies_are_named(void)
{
    static const char *const cases[][2] = {
        {"{", "line 1"},
        {"[]", "an object is expected"},
        {"{\"model\": \"m\"}", "the study has no cells"},
        {"{\"swepes\": 3}", "no setting is called 'swepes'"},
        {"{\"sweeps\": \"3\"}", "'sweeps' must be a number from 1 to 100000"},
        {"{\"sweeps\": 1.5}", "'sweeps' must be a whole number"},
        {"{\"sweeps\": 0}", "'sweeps' must be a number"},
        {"{\"name\": 3}", "'name' must be a text"},
        {"{\"mode\": \"fast\"}", "'mode' is 'fast', allowed is back_to_back|paced|soak"},
        {"{\"forms\": \"quiet\", \"cells\": [{}]}", "'forms' must be a list"},
        {"{\"forms\": [\"loud\"], \"cells\": [{}]}", "a form is called 'loud', allowed is"},
        {"{\"mode\": \"paced\"}", "needs a 'rate_hz'"},
        {"{\"rate_hz\": 1e-300}", "'rate_hz' must be a number from 0.001"},
        {"{\"cells\": [{\"name\": \"a\"}, {\"name\": \"a\"}]}", "cell 'a' stands twice"},
        {"{\"cells\": [{\"threds\": 1}]}", "no setting is called 'threds'"},
        {"{\"cells\": [3]}", "an object is expected"},
        {"{\"cells\": [{\"options\": {\"a\": []}}]}", "option 'a' must be a text or a number"},
        {"{\"matrix\": {\"threads\": 1}}", "matrix 'threads' must be a list"},
        {"{\"matrix\": {\"threads\": []}}", "matrix 'threads' must be a list"},
        {"{\"cells\": [{\"name\": \"a\"}], \"ledger\": [{\"cell\": \"a\"}]}",
         "lacks its 'baseline'"},
        {"{\"cells\": [{\"name\": \"a\"}], \"ledger\": [{\"cell\": \"a\", \"baseline\": \"a\"}]}",
         "compares 'a' with itself"},
        {"{\"cells\": [{\"name\": \"a\"}], \"ledger\": [{\"cell\": \"z\", \"baseline\": \"a\"}]}",
         "names cell 'z'"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tare_err failure = TARE_ERR_INIT;
        struct study s;

        CHECK(load_text(cases[i][0], &s, &failure) != TARE_OK);
        CHECK(strstr(failure.text, cases[i][1]) != NULL);
        if (!strstr(failure.text, cases[i][1]))
            (void)fprintf(stderr, "got: %s\n", failure.text);
        study_release(&s);
    }
}

static void steadiness_is_seen(void)
{
    int64_t flat[60], falling[60], jump[60];

    for (int i = 0; i < 60; i++) {
        flat[i] = 1000000 + (i * 7919 % 13) * 1000;
        falling[i] = 2000000 - i * 20000;
        jump[i] = i < 40 ? 1000000 : 1200000;
    }
    CHECK(steady_check(flat, 60));
    CHECK(!steady_check(falling, 60));
    CHECK(!steady_check(jump, 60));
    CHECK(!steady_check(flat, 5));
    CHECK(steady_median(jump, 60) == 1200000);
    CHECK(steady_median(NULL, 0) == 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"a_whole_study_is_read", a_whole_study_is_read},
        {"a_matrix_is_a_product", a_matrix_is_a_product},
        {"forms_make_two_cells_of_one", forms_make_two_cells_of_one},
        {"forms_go_with_a_written_ledger", forms_go_with_a_written_ledger},
        {"quiet_alone_changes_the_cells", quiet_alone_changes_the_cells},
        {"quiet_settings_are_the_plugins_own", quiet_settings_are_the_plugins_own},
        {"wrong_studies_are_named", wrong_studies_are_named},
        {"steadiness_is_seen", steadiness_is_seen},
        {NULL, NULL},
    };

    return check_main("study", cases, argc, argv);
}
