/*
 * TensorRT from C: the slot tables against the headers' order (tests/fixtures/trt_functions.txt)
 * and, where it is installed, against TensorRT for RTX itself; versions, messages, sidecars, and
 * trtexec's commands against its documented flags (tests/fixtures/trtexec_flags.txt).
 */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "tensorrt/trt_build_inner.h"
#include "tensorrt/trt_sidecar.h"
#include "tensorrt/trtexec.h"

#define MAX_NAMES 128

/* --- the functions in order ---------------------------------------------------------------------
 */

struct table {
    char names[MAX_NAMES][48];
    size_t count;
};

static char *read_fixture(const char *name)
{
    char path[FILE_MAX_PATH], *text = NULL;
    size_t size;

    (void)snprintf(path, sizeof(path), "tests/fixtures/%s", name);
    CHECK_OK(file_read(path, 1 << 20, &text, &size, err));
    return text;
}

/* Which flavour a tag belongs to: "v8.6.1", "v10.16", "rtx1.7.1". */
static enum trt_flavour flavour_of(const char *tag)
{
    return strncmp(tag, "rtx", 3) == 0   ? TRT_RTX
           : strncmp(tag, "v8", 2) == 0  ? TRT_8_6
           : strncmp(tag, "v10", 3) == 0 ? TRT_10
                                         : TRT_11;
}

/* Adds the names of one line. */
static void add_names(struct table *table, char *line)
{
    char *rest = NULL;

    for (char *name = strtok_r(line, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
        if (table->count < MAX_NAMES)
            (void)snprintf(table->names[table->count++], sizeof(table->names[0]), "%s", name);
}

static void check_row(const struct trt_row *row, enum trt_flavour flavour, const char *tag,
                      const struct table *table)
{
    const char *wanted = strcmp(row->function, "~") == 0 ? "~delete" : row->function;
    int slot = row->slot[flavour];
    bool there = false, good;

    for (size_t i = 0; i < table->count; i++)
        there = there || strcmp(table->names[i], wanted) == 0;
    good = slot == TRT_LACKS
               ? !there
               : (size_t)slot < table->count && strcmp(table->names[slot], wanted) == 0;
    if (!good)
        (void)fprintf(stderr, "%s::%s is not in slot %d of %s\n", row->interface, row->function,
                      slot, tag);
    CHECK(good);
}

/* Compares a row with every table of its class that a flavour has had. Returns how many. */
static size_t check_flavour(const char *text, const struct trt_row *row, enum trt_flavour flavour)
{
    struct table *table = calloc(1, sizeof(*table));
    char *copy = strdup(text), *rest = NULL, sign, class_name[48], tag[24], last[24] = "";
    bool own = false; /* whether what is being read is of the row's class */
    size_t compared = 0;

    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#')
            continue;
        if (own && line[0] == ' ')
            add_names(table, line);
        if (line[0] == ' ')
            continue;
        if (own && flavour_of(last) == flavour) {
            check_row(row, flavour, last, table);
            compared++;
        }
        CHECK(sscanf(line, "%c %47s %23s", &sign, class_name, tag) == 3);
        own = strcmp(class_name, row->interface) == 0 &&
              flavour_of(tag) <= flavour && /* in the order of the tags */
              !(flavour == TRT_RTX && strcmp(tag, "v11.1") == 0);
        if (own && compared == 0 && flavour_of(tag) == flavour && sign == '+' && last[0])
            check_row(row, flavour, last, table); /* as the flavour began */
        if (own && sign == '=')
            table->count = 0;
        if (own)
            (void)snprintf(last, sizeof(last), "%s", tag);
    }
    if (own || compared == 0) {
        check_row(row, flavour, last, table);
        compared++;
    }
    free(copy);
    free(table);
    return compared;
}

static void slots_are_where_the_headers_have_them(void)
{
    char *text = read_fixture("trt_functions.txt");

    for (int call = 0; text && call < TRT_BUILD_CALLS; call++)
        for (int flavour = 0; flavour < TRT_FLAVOURS; flavour++)
            CHECK(check_flavour(text, trt_build_row((enum trt_build_call)call),
                                (enum trt_flavour)flavour) >= 1);
    free(text);
}

/* --- TensorRT for RTX itself ---------------------------------------------------------------------
 */

struct real {
    struct trt_library library;
    struct trt_logger *logger;
    void *builder, *config;
};

static bool open_real(struct real *real)
{
    void *(*create)(void *, int32_t) = NULL;

    memset(real, 0, sizeof(*real));
    if (trt_library_load_any(NULL, TRT_BIT(TRT_RTX), &real->library, NULL) != TARE_OK) {
        check_skip("no TensorRT for RTX: tools/setup tensorrt");
        return false;
    }
    CHECK_OK(trt_logger_new(TRT_RTX, NULL, NULL, &real->logger, err));
    CHECK_OK(trt_library_symbol(&real->library, "createInferBuilder_INTERNAL", &create, err));
    real->builder = create ? create(trt_logger_object(real->logger), real->library.version) : NULL;
    CHECK(real->builder != NULL);
    if (real->builder)
        real->config = trt_call_object(TRT_RTX, real->builder, TRT_BUILDER_CREATE_CONFIG);
    CHECK(real->config != NULL);
    return real->config != NULL;
}

static void close_real(struct real *real)
{
    trt_delete(real->config);
    trt_delete(real->builder);
    trt_logger_free(real->logger);
}

/* Every setting that has a value of its own comes back as it was set, and no other moves. */
static void rtx_gives_back_what_is_set(void)
{
    static const struct setting {
        enum trt_build_call set, get;
        int32_t value;
    } settings[] = {
        {TRT_CONFIG_SET_LEVEL, TRT_CONFIG_LEVEL, 1},
        {TRT_CONFIG_SET_VERBOSITY, TRT_CONFIG_VERBOSITY, 2},
        {TRT_CONFIG_SET_LEVEL, TRT_CONFIG_LEVEL, 4},
        {TRT_CONFIG_SET_VERBOSITY, TRT_CONFIG_VERBOSITY, 1},
    };
    struct real real;

    if (!open_real(&real))
        return;
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        trt_call_set(TRT_RTX, real.config, settings[i].set, settings[i].value);
        CHECK(trt_call_int(TRT_RTX, real.config, settings[i].get) == settings[i].value);
    }
    trt_call_set(TRT_RTX, real.builder, TRT_BUILDER_SET_THREADS, 3);
    CHECK(trt_call_int(TRT_RTX, real.builder, TRT_BUILDER_THREADS) == 3);
    CHECK(trt_call_object(TRT_RTX, real.builder, TRT_BUILDER_LOGGER) ==
          trt_logger_object(real.logger));
    CHECK(trt_call_int(TRT_RTX, real.builder, TRT_BUILDER_DLA_CORES) == 0);
    CHECK(trt_call_int(TRT_RTX, real.config, TRT_CONFIG_DEVICE) == 0);
    close_real(&real);
}

static void rtx_gives_back_flags_and_pools(void)
{
    struct real real;
    trt_function set, get;
    uint32_t before;

    if (!open_real(&real))
        return;
    before = (uint32_t)trt_call_int(TRT_RTX, real.config, TRT_CONFIG_FLAGS);
    trt_call_set(TRT_RTX, real.config, TRT_CONFIG_SET_FLAG, 4); /* REFIT */
    CHECK((uint32_t)trt_call_int(TRT_RTX, real.config, TRT_CONFIG_FLAGS) == (before | 1u << 4));
    CHECK((trt_call_int_at(TRT_RTX, real.config, TRT_CONFIG_FLAG, 4) & 0xff) == 1);
    trt_call_set(TRT_RTX, real.config, TRT_CONFIG_CLEAR_FLAG, 4);
    CHECK((uint32_t)trt_call_int(TRT_RTX, real.config, TRT_CONFIG_FLAGS) == before);
    CHECK((before & 1u << 6) != 0); /* TF32 is on unless it is cleared */

    set = trt_call_find(TRT_RTX, real.config, TRT_CONFIG_SET_POOL);
    get = trt_call_find(TRT_RTX, real.config, TRT_CONFIG_POOL);
    ((void (*)(void *, int32_t, size_t))set)(trt_impl(real.config), 0, (size_t)123 << 20);
    CHECK(((size_t(*)(void *, int32_t))get)(trt_impl(real.config), 0) == (size_t)123 << 20);
    close_real(&real);
}

/* Slots that no other flavour has: 55 to 58. */
static void rtx_gives_back_compute_capabilities(void)
{
    struct real real;
    trt_function count;

    if (!open_real(&real))
        return;
    count = trt_call_find(TRT_RTX, real.config, TRT_CONFIG_SET_CAPABILITIES);
    CHECK(((bool (*)(void *, int32_t))count)(trt_impl(real.config), 2));
    CHECK(trt_call_int(TRT_RTX, real.config, TRT_CONFIG_CAPABILITIES) == 2);
    CHECK(trt_call_bool_at(TRT_RTX, real.config, TRT_CONFIG_SET_CAPABILITY, 86, 0));
    CHECK(trt_call_bool_at(TRT_RTX, real.config, TRT_CONFIG_SET_CAPABILITY, 120, 1));
    CHECK(trt_call_int_at(TRT_RTX, real.config, TRT_CONFIG_CAPABILITY, 0) == 86);
    CHECK(trt_call_int_at(TRT_RTX, real.config, TRT_CONFIG_CAPABILITY, 1) == 120);
    CHECK(trt_logger_errors(real.logger) == 0);
    CHECK(!trt_call_bool_at(TRT_RTX, real.config, TRT_CONFIG_SET_CAPABILITY, 87, 0));
    CHECK(trt_logger_errors(real.logger) > 0);
    close_real(&real);
}

/* --- versions and messages -----------------------------------------------------------------------
 */

static void versions_are_told_apart(void)
{
    static const struct known {
        const char *file;
        int32_t version;
        enum trt_flavour flavour;
        const char *name;
    } known[] = {
        {"libnvinfer.so.8", 8601, TRT_8_6, "TensorRT 8.6.1"},
        {"libnvinfer.so.8.6.2", 8602, TRT_8_6, "TensorRT 8.6.2"},
        {"libnvinfer.so.10", 100000, TRT_10, "TensorRT 10.0.0"},
        {"libnvinfer.so.10.16.1", 101601, TRT_10, "TensorRT 10.16.1"},
        {"libnvinfer.so.11", 110100, TRT_11, "TensorRT 11.1.0"},
        {"libtensorrt_rtx.so.1.7.1", 10701, TRT_RTX, "TensorRT for RTX 1.7.1"},
        {"trt_standin.so", 10701, TRT_RTX, "TensorRT for RTX 1.7.1"},
    };
    struct trt_library library;

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        CHECK_OK(trt_library_identify(known[i].file, known[i].version, &library, err));
        CHECK(library.flavour == known[i].flavour);
        CHECK_TEXT(library.name, known[i].name);
    }
}

static void versions_without_a_table_are_refused(void)
{
    static const struct unknown {
        const char *file;
        int32_t version;
        const char *says;
    } unknown[] = {
        {"libnvinfer.so.9", 9300, "cannot use 'libnvinfer.so.9': TensorRT 9.3.0, need "},
        {"libnvinfer.so.8", 8503, "TensorRT 8.5.3, need TensorRT 8.6, "},
        {"libnvinfer.so.10", 101700, "TensorRT 10.17.0, need "},
        {"libnvinfer.so.11", 110200, "TensorRT 11.2.0, need "},
        {"libtensorrt_rtx.so.1", 10600, "TensorRT for RTX 1.6.0, need "},
        {"libtensorrt_rtx.so.1", 10800, "TensorRT for RTX 1.8.0, need "},
        {"libnvinfer.so.1", 10701, "TensorRT for RTX 1.7.1, which its name contradicts"},
        {"libtensorrt_rtx.so.1", 101601, "TensorRT 10.16.1, which its name contradicts"},
        {"x.so", -5, "need "},
        {"x.so", 0, "need "},
        {"x.so", 2147483647, "need "},
    };
    struct trt_library library;

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        struct tare_err err = TARE_ERR_INIT;

        CHECK(trt_library_identify(unknown[i].file, unknown[i].version, &library, &err) ==
              TARE_BROKEN);
        CHECK(strstr(err.text, unknown[i].says) != NULL);
    }
}

static void a_library_that_is_none_is_refused(void)
{
    struct trt_library library;
    struct tare_err err = TARE_ERR_INIT;

    CHECK(trt_library_load("/nowhere/libnvinfer.so", &library, &err) == TARE_ABSENT);
    CHECK_TEXT(err.text, "no TensorRT at '/nowhere/libnvinfer.so' (option library)");
    tare_err_clear(&err);
    CHECK(trt_library_load("/proc/self/status", &library, &err) == TARE_BROKEN);
    CHECK(strncmp(err.text, "cannot load TensorRT: ", 22) == 0);
    tare_err_clear(&err);
    CHECK(trt_library_load("libm.so.6", &library, &err) == TARE_ABSENT);
}

/* As TensorRT calls it: until 10 by the first slot, from 11 on by the fifth. */
static void a_logger_has_the_layout_of_its_flavour(void)
{
    static const int slots[TRT_FLAVOURS] = {0, 0, 4, 4};
    char said[300];

    for (int flavour = 0; flavour < TRT_FLAVOURS; flavour++) {
        struct trt_logger *logger = NULL;
        void (*log_it)(void *, int32_t, const char *);

        CHECK_OK(trt_logger_new((enum trt_flavour)flavour, NULL, NULL, &logger, err));
        log_it = (void (*)(void *, int32_t, const char *))trt_own_slot(trt_logger_object(logger),
                                                                       slots[flavour]);
        CHECK_TEXT(trt_logger_said(logger, said, sizeof(said)), "it says nothing");
        log_it(trt_logger_object(logger), TRT_INFO, "hello");
        log_it(trt_logger_object(logger), TRT_WARNING, "take care");
        CHECK_TEXT(trt_logger_said(logger, said, sizeof(said)), "take care");
        log_it(trt_logger_object(logger), TRT_ERROR, "first\n\x1b[31mfault\n");
        log_it(trt_logger_object(logger), TRT_INTERNAL_ERROR, "second");
        CHECK_TEXT(trt_logger_said(logger, said, sizeof(said)), "first [31mfault; second");
        CHECK(trt_logger_errors(logger) == 2);
        trt_logger_clear(logger);
        CHECK_TEXT(trt_logger_said(logger, said, sizeof(said)), "it says nothing");
        trt_logger_free(logger);
    }
}

/* --- calibration caches --------------------------------------------------------------------------
 */

static enum tare_status check_cache(const char *text, struct tare_err *err)
{
    return trt_calibration_check(text, strlen(text), "n.cache", 8601, err);
}

static void a_damaged_calibration_cache_is_refused(void)
{
#define HEAD "TRT-8601-EntropyCalibration2"
    static const char *const damaged[] = {
        "",
        "TRT-",
        "TRT-8601-MinMaxCalibration\nimages: 3c010a14\n",
        HEAD "3\nimages: 3c010a14\n",
        HEAD "\nimages",
        HEAD "\nimages: ",
        HEAD "\nimages: 3c010a14\n/model.0/Conv_output_0: 3d01zz",
        HEAD "\nimages: 3c010a14f\n",
        HEAD "\nimages: 7fc00000\n", /* not a number */
        HEAD "\nimages: 7f800000\n",
        HEAD "\nimages: bc010a14\n", /* below 0 */
        HEAD "\n: 3c010a14\n",
    };
    struct tare_err why = TARE_ERR_INIT;

    CHECK_OK(check_cache(HEAD "\nimages: 3c010a14\n(Unnamed Layer* 3) [a: b]: 0\n", err));
    CHECK_OK(check_cache(HEAD, err));
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++)
        CHECK(check_cache(damaged[i], NULL) == TARE_BADDATA);
    CHECK(trt_calibration_check(HEAD "\nimages: 3c010a14\n\0", sizeof(HEAD "\nimages: 3c010a14\n"),
                                "n.cache", 8601, &why) == TARE_BADDATA);
    CHECK(check_cache("TRT-99999999999999999999"
                      "-EntropyCalibration2",
                      NULL) == TARE_UNSUPPORTED);
#undef HEAD
}

/* --- sidecars ------------------------------------------------------------------------------------
 */

static void fill(struct trt_sidecar *s)
{
    memset(s, 0, sizeof(*s));
    (void)snprintf(s->architecture, sizeof(s->architecture), "sm_86");
    (void)snprintf(s->library, sizeof(s->library), "TensorRT 10.3.0");
    (void)snprintf(s->precision, sizeof(s->precision), "fp16");
    (void)snprintf(s->model, sizeof(s->model), "n.onnx");
    memset(s->model_sha256, 'a', 64);
    s->dla_core = s->level = -1;
    s->max_batch = 8;
    s->engine_bytes = 7;
    s->layers = 217;
    s->build_ns = 5000000000;
}

static void make_engine(char *path, size_t path_bytes, struct trt_sidecar *sidecar)
{
    CHECK_OK(file_temporary(path, path_bytes, ".plan", err));
    CHECK_OK(file_write(path, "engine!", 7, err));
    fill(sidecar);
    CHECK_OK(file_sha256(path, sidecar->engine_sha256, err));
    CHECK_OK(trt_sidecar_write(path, sidecar, err));
}

static void remove_engine(const char *path)
{
    char sidecar[FILE_MAX_PATH];

    CHECK_OK(trt_sidecar_path(path, sidecar, sizeof(sidecar), err));
    (void)unlink(path);
    (void)unlink(sidecar);
}

static void a_sidecar_comes_back_as_it_was(void)
{
    char path[FILE_MAX_PATH], text[160];
    struct trt_sidecar written, read;

    make_engine(path, sizeof(path), &written);
    CHECK_OK(trt_sidecar_read(path, &read, err));
    CHECK(memcmp(&written, &read, sizeof(read)) == 0);
    CHECK(!trt_sidecar_differs(&written, &read, text, sizeof(text)));
    CHECK_OK(trt_sidecar_check(path, &read, err));
    remove_engine(path);
}

static void an_engine_that_was_changed_is_refused(void)
{
    struct tare_err err = TARE_ERR_INIT;
    char path[FILE_MAX_PATH];
    struct trt_sidecar sidecar;

    make_engine(path, sizeof(path), &sidecar);
    CHECK(file_write(path, "engine", 6, NULL) == TARE_OK);
    CHECK(trt_sidecar_check(path, &sidecar, &err) == TARE_BADDATA);
    CHECK(strstr(err.text, "was cut or changed: it has 6 bytes, built were 7") != NULL);
    tare_err_clear(&err);
    CHECK(file_write(path, "engime!", 7, NULL) == TARE_OK);
    CHECK(trt_sidecar_check(path, &sidecar, &err) == TARE_BADDATA);
    CHECK(strstr(err.text, "was changed since it was built: its SHA-256 is ") != NULL);
    remove_engine(path);
}

static void a_damaged_sidecar_is_refused(void)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"format\": 2}",
        "{\"format\": 1}",
        "{\"format\": 1, \"architecture\": 86}",
    };
    char path[FILE_MAX_PATH], sidecar_path[FILE_MAX_PATH], *whole = NULL, *at;
    struct trt_sidecar sidecar;
    size_t size = 0;

    make_engine(path, sizeof(path), &sidecar);
    CHECK_OK(trt_sidecar_path(path, sidecar_path, sizeof(sidecar_path), err));
    CHECK_OK(file_read(sidecar_path, 1 << 20, &whole, &size, err));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK_OK(file_write(sidecar_path, texts[i], strlen(texts[i]), err));
        CHECK(trt_sidecar_read(path, &sidecar, NULL) == TARE_BADDATA);
    }
    at = whole ? strstr(whole, "\"max_batch\": 8") : NULL;
    CHECK(at != NULL);
    if (at) {
        memcpy(at, "\"max_batch\":-8", strlen("\"max_batch\":-8"));
        CHECK_OK(file_write(sidecar_path, whole, size, err));
        CHECK(trt_sidecar_read(path, &sidecar, NULL) == TARE_BADDATA);
    }
    (void)unlink(sidecar_path);
    CHECK(trt_sidecar_read(path, &sidecar, NULL) == TARE_ABSENT);
    free(whole);
    remove_engine(path);
}

static void both_sides_of_a_difference_are_named(void)
{
    struct trt_sidecar is, wanted;
    char text[160];

    fill(&is);
    fill(&wanted);
    (void)snprintf(wanted.architecture, sizeof(wanted.architecture), "sm_87");
    CHECK(trt_sidecar_differs(&is, &wanted, text, sizeof(text)));
    CHECK_TEXT(text, "is for sm_86, not sm_87");
    fill(&wanted);
    (void)snprintf(wanted.library, sizeof(wanted.library), "TensorRT 8.6.2");
    CHECK(trt_sidecar_differs(&is, &wanted, text, sizeof(text)));
    CHECK_TEXT(text, "is for TensorRT 10.3.0, not TensorRT 8.6.2");
    fill(&wanted);
    wanted.model_sha256[0] = 'b';
    CHECK(trt_sidecar_differs(&is, &wanted, text, sizeof(text)));
    CHECK_TEXT(text, "was built from a model aaaaaaaaaaaa..., not baaaaaaaaaaa...");
    fill(&wanted);
    wanted.max_batch = 4;
    CHECK(trt_sidecar_differs(&is, &wanted, text, sizeof(text)));
    CHECK_TEXT(text, "was built with --max-batch 8, not 4");
    fill(&wanted);
    wanted.no_tf32 = true;
    CHECK(trt_sidecar_differs(&is, &wanted, text, sizeof(text)));
}

/* --- trtexec -------------------------------------------------------------------------------------
 */

/* Whether every tag of a flavour lists the flag. */
static bool is_documented(const char *text, enum trt_flavour flavour, const char *flag)
{
    char *copy = strdup(text), *rest = NULL;
    size_t tags = 0, found = 0;
    bool own = false;

    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *more = NULL;

        if (line[0] == '=') {
            own = flavour_of(line + 2) == flavour;
            tags += own;
        }
        if (line[0] != ' ' || !own)
            continue;
        for (char *word = strtok_r(line, " ", &more); word; word = strtok_r(NULL, " ", &more))
            found += strcmp(word, flag) == 0;
    }
    free(copy);
    return tags > 0 && found == tags;
}

static void check_flags(const char *text, const struct trtexec_wish *wish)
{
    struct trtexec_command *command = calloc(1, sizeof(*command));

    if (trtexec_write(wish, command, NULL) == TARE_OK)
        for (size_t i = 1; i < command->count; i++) {
            char flag[64];
            bool good;

            (void)snprintf(flag, sizeof(flag), "%.*s", (int)strcspn(command->words[i], "="),
                           command->words[i]);
            good = is_documented(text, wish->flavour, flag);
            if (!good)
                (void)fprintf(stderr, "%s has no %s\n", trt_flavour_name(wish->flavour), flag);
            CHECK(good);
        }
    free(command);
}

static void trtexec_gets_documented_flags_alone(void)
{
    static const char *const precisions[] = {"fp32", "fp16", "int8"};
    char *text = read_fixture("trtexec_flags.txt");

    for (int flavour = TRT_8_6; text && flavour <= TRT_11; flavour++)
        for (size_t from = 0; from < 3; from++)
            for (size_t to = 0; to < 3; to++)
                for (int extras = 0; extras < 4; extras++) {
                    const struct trtexec_wish wish = {
                        .flavour = (enum trt_flavour)flavour,
                        .model = "n.onnx",
                        .half_model = "n.fp16.onnx",
                        .file_precision = precisions[from],
                        .precision = precisions[to],
                        .calibration = extras & 1 && from == 0 && to == 2 ? "c.cache" : NULL,
                        .timing_cache = extras & 1 ? "t.cache" : NULL,
                        .engine = "n.plan",
                        .input = "images",
                        .shape = "x3x640x640",
                        .max_batch = extras & 1 ? 8 : 0,
                        .dla_core = extras & 2 ? 0 : -1,
                        .level = extras & 1 ? 3 : -1,
                        .workspace_bytes = extras & 1 ? 512 << 20 : 0,
                        .no_tf32 = extras & 1,
                    };

                    check_flags(text, &wish);
                }
    free(text);
}

static void join(const struct trtexec_wish *wish, char *out, size_t out_bytes)
{
    struct trtexec_command *command = calloc(1, sizeof(*command));
    size_t used = 0;

    CHECK_OK(trtexec_write(wish, command, err));
    out[0] = '\0';
    for (size_t i = 0; i < command->count && used < out_bytes; i++)
        used +=
            (size_t)snprintf(out + used, out_bytes - used, "%s%s", i ? " " : "", command->words[i]);
    free(command);
}

static void trtexec_differs_between_versions(void)
{
    struct trtexec_wish wish = {
        .flavour = TRT_8_6,
        .model = "n.onnx",
        .half_model = "n.fp16.onnx",
        .file_precision = "fp32",
        .precision = "fp16",
        .engine = "n.plan",
        .dla_core = -1,
        .level = -1,
    };
    char text[2000];

    join(&wish, text, sizeof(text));
    CHECK_TEXT(text, "trtexec --onnx=n.onnx --saveEngine=n.plan --fp16 "
                     "--profilingVerbosity=detailed --skipInference");
    wish.flavour = TRT_11;
    join(&wish, text, sizeof(text));
    CHECK_TEXT(text, "trtexec --onnx=n.fp16.onnx --saveEngine=n.plan "
                     "--profilingVerbosity=detailed --skipInference");
    wish.flavour = TRT_10;
    wish.file_precision = "fp16";
    join(&wish, text, sizeof(text));
    CHECK_TEXT(text, "trtexec --onnx=n.onnx --saveEngine=n.plan --stronglyTyped "
                     "--profilingVerbosity=detailed --skipInference");
    wish.file_precision = "fp32";
    wish.precision = "int8";
    wish.calibration = "c.cache";
    wish.dla_core = 0;
    join(&wish, text, sizeof(text));
    CHECK_TEXT(text, "trtexec --onnx=n.onnx --saveEngine=n.plan --fp16 --int8 --calib=c.cache "
                     "--useDLACore=0 --allowGPUFallback --profilingVerbosity=detailed "
                     "--skipInference");
    wish.flavour = TRT_11;
    CHECK(trtexec_write(&wish, &(struct trtexec_command){0}, NULL) == TARE_UNSUPPORTED);
    wish.flavour = TRT_10;
    wish.input = "a\033[2J"; /* nothing for a terminal */
    CHECK(trtexec_write(&wish, &(struct trtexec_command){0}, NULL) == TARE_UNSUPPORTED);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"a_damaged_calibration_cache_is_refused", a_damaged_calibration_cache_is_refused},
        {"slots_are_where_the_headers_have_them", slots_are_where_the_headers_have_them},
        {"rtx_gives_back_what_is_set", rtx_gives_back_what_is_set},
        {"rtx_gives_back_flags_and_pools", rtx_gives_back_flags_and_pools},
        {"rtx_gives_back_compute_capabilities", rtx_gives_back_compute_capabilities},
        {"versions_are_told_apart", versions_are_told_apart},
        {"versions_without_a_table_are_refused", versions_without_a_table_are_refused},
        {"a_library_that_is_none_is_refused", a_library_that_is_none_is_refused},
        {"a_logger_has_the_layout_of_its_flavour", a_logger_has_the_layout_of_its_flavour},
        {"a_sidecar_comes_back_as_it_was", a_sidecar_comes_back_as_it_was},
        {"an_engine_that_was_changed_is_refused", an_engine_that_was_changed_is_refused},
        {"a_damaged_sidecar_is_refused", a_damaged_sidecar_is_refused},
        {"both_sides_of_a_difference_are_named", both_sides_of_a_difference_are_named},
        {"trtexec_gets_documented_flags_alone", trtexec_gets_documented_flags_alone},
        {"trtexec_differs_between_versions", trtexec_differs_between_versions},
        {0},
    };

    return check_main("tensorrt", cases, argc, argv);
}
