#include "check.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/options.h"
#include "base/printable.h"

static void buf_grows_and_keeps_its_limit(void)
{
    struct buf buf;
    struct tare_err failure = TARE_ERR_INIT;

    buf_init(&buf, 1000);
    for (int i = 0; i < 100; i++)
        buf_printf(&buf, "%d,", i);
    CHECK(buf.size == 290);
    CHECK(strlen(buf_text(&buf)) == 290);
    buf_append(&buf, "x", 0);
    CHECK_OK(buf_status(&buf, "text", err));
    for (int i = 0; i < 1000; i++)
        buf_append_char(&buf, 'x');
    CHECK(buf.size == 1000);
    CHECK(buf_status(&buf, "text", &failure) == TARE_LIMIT);
    CHECK_TEXT(failure.text, "text would be larger than 1000 bytes");
    buf_release(&buf);
}

static void the_first_error_wins(void)
{
    struct tare_err failure = TARE_ERR_INIT;

    CHECK(tare_fail(&failure, TARE_IO, "first %d", 1) == TARE_IO);
    CHECK(tare_fail(&failure, TARE_NOMEM, "second") == TARE_IO);
    CHECK_TEXT(failure.text, "first 1");
    CHECK(tare_fail(NULL, TARE_NOMEM, "x") == TARE_NOMEM);
}

struct args {
    bool quick, pretty;
    const char *output, *head;
    int64_t count;
    double rate;
    struct option_list images;
};

static const struct option_info table[] = {
    {.kind = OPTION_FLAG, .name = "quick", .letter = 'q', .offset = offsetof(struct args, quick)},
    {.kind = OPTION_FLAG, .name = "pretty", .letter = 'p', .offset = offsetof(struct args, pretty)},
    {.kind = OPTION_TEXT,
     .name = "output",
     .letter = 'o',
     .value = "FILE",
     .offset = offsetof(struct args, output)},
    {.kind = OPTION_CHOICE,
     .name = "head",
     .value = "HEAD",
     .choices = "raw|full",
     .offset = offsetof(struct args, head)},
    {.kind = OPTION_INT,
     .name = "count",
     .letter = 'n',
     .value = "N",
     .min = 1,
     .max = 100,
     .offset = offsetof(struct args, count)},
    {.kind = OPTION_NUMBER, .name = "rate", .value = "HZ", .offset = offsetof(struct args, rate)},
    {.kind = OPTION_LIST,
     .name = "image",
     .value = "FILE",
     .offset = offsetof(struct args, images)},
    {0},
};

static enum tare_status parse(const char *line, struct args *args, struct options_result *result,
                              struct tare_err *err)
{
    static char text[256], *argv[32];
    int argc = 0;

    (void)snprintf(text, sizeof(text), "%s", line);
    for (char *at = text; *at && argc < 32;) {
        char *space = strchr(at, ' ');

        argv[argc++] = at;
        if (!space)
            break;
        *space = '\0';
        at = space + 1;
    }
    memset(args, 0, sizeof(*args));
    return options_parse(table, argc, argv, args, result, err);
}

static void options_are_parsed(void)
{
    struct args args;
    struct options_result result;

    CHECK_OK(parse("x a -qp -o f --count=7 b --head full --rate 2.5 --image i --image=j -- -c",
                   &args, &result, err));
    CHECK(args.quick && args.pretty && args.count == 7 && args.rate == 2.5);
    CHECK_TEXT(args.output, "f");
    CHECK_TEXT(args.head, "full");
    CHECK(args.images.count == 2);
    CHECK(result.operand_count == 3);
    CHECK_TEXT(result.operands[0], "a");
    CHECK_TEXT(result.operands[1], "b");
    CHECK_TEXT(result.operands[2], "-c");
    CHECK_OK(parse("x -n9 --no-quick", &args, &result, err));
    CHECK(args.count == 9 && !args.quick);
    CHECK_OK(parse("x --nonsense --help", &args, &result, err));
    CHECK(result.help);
}

static void wrong_options_are_named(void)
{
    static const char *const cases[][2] = {
        {"x --cuont 3", "no option '--cuont'; did you mean '--count'?"},
        {"x --zzzzzz", "no option '--zzzzzz'"},
        {"x -z", "no option '-z'"},
        {"x --count", "'--count' needs a value: N"},
        {"x --count 0", "'--count' is 0, allowed is 1 to 100"},
        {"x --count 1.5", "'--count' takes a whole number, not '1.5'"},
        {"x --rate nan", "'--rate' takes a number, not 'nan'"},
        {"x --head both", "'--head' is 'both', allowed is raw|full"},
        {"x --quick=1", "'--quick' takes no value"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tare_err failure = TARE_ERR_INIT;
        struct options_result result;
        struct args args;

        CHECK(parse(cases[i][0], &args, &result, &failure) == TARE_INVALID);
        CHECK_TEXT(failure.text, cases[i][1]);
    }
}

static void durations_have_units(void)
{
    CHECK(options_duration_ns("5m") == 300000000000);
    CHECK(options_duration_ns("1.5s") == 1500000000);
    CHECK(options_duration_ns("20") == 20000000000);
    CHECK(options_duration_ns("7ms") == 7000000);
    CHECK(options_duration_ns("x") == -1);
    CHECK(options_duration_ns("5 weeks") == -1);
    CHECK(options_duration_ns("-1s") == -1);
}

/* The vectors are FIPS 180-4's own examples. */
static void sha256_matches_its_standard(void)
{
    static const char *const cases[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char path[] = "/tmp/tare-test-XXXXXX", hex[65];
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(file_write(path, cases[i][0], strlen(cases[i][0]), err));
        CHECK_OK(file_sha256(path, hex, err));
        CHECK_TEXT(hex, cases[i][1]);
    }
    (void)close(fd);
    (void)unlink(path);
}

/* What `find -type f | sort | xargs sha256sum | sha256sum` prints in the folder. */
static void a_folder_has_one_hash(void)
{
    static const char *const files[][2] = {
        {"a", ""}, {"sub/b", "abc"}, {".hidden", "x"}, {"sub/__pycache__/c", "x"}};
    char dir[] = "/tmp/tare-test-XXXXXX", path[FILE_MAX_PATH], hex[65], **paths;
    struct tare_err failure = TARE_ERR_INIT;
    int64_t bytes;
    size_t count;

    CHECK(mkdtemp(dir));
    CHECK_OK(file_join(path, sizeof(path), dir, "sub/__pycache__", err));
    CHECK_OK(file_make_dirs(path, err));
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(file_join(path, sizeof(path), dir, files[i][0], err));
        CHECK_OK(file_write(path, files[i][1], strlen(files[i][1]), err));
    }
    CHECK_OK(file_tree(dir, &paths, &count, err));
    CHECK(count == 2);
    CHECK_TEXT(paths[0], "a");
    CHECK_TEXT(paths[1], "sub/b");
    file_free_names(paths, count);
    CHECK_OK(file_tree_sha256(dir, hex, &bytes, err));
    CHECK_TEXT(hex, "680803ac4da84bdb764a0187814aaf390ec26d4810b72ba6c2a8dfc053ebb94a");
    CHECK(bytes == 3);
    CHECK_OK(file_join(path, sizeof(path), dir, "sub/loop", err));
    CHECK(symlink("..", path) == 0);
    CHECK(file_tree_sha256(dir, hex, &bytes, &failure) == TARE_LIMIT);
    CHECK(strstr(failure.text, "folders more than 16 deep"));
    CHECK(unlink(path) == 0);
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(file_join(path, sizeof(path), dir, files[i][0], err));
        CHECK(unlink(path) == 0);
    }
    CHECK_OK(file_join(path, sizeof(path), dir, "sub/__pycache__", err));
    CHECK(rmdir(path) == 0);
    CHECK_OK(file_join(path, sizeof(path), dir, "sub", err));
    CHECK(rmdir(path) == 0 && rmdir(dir) == 0);
}

static void control_characters_do_not_get_through(void)
{
    char text[] = "a\033[2J\n\x7f \xc2\x9b"
                  "31m \xc3\xa4\xe4\xb8\xad";

    printable_line(text);
    CHECK_TEXT(text, "a?[2J?? ??31m \xc3\xa4\xe4\xb8\xad");
}

static void files_fail_clearly(void)
{
    struct tare_err failure = TARE_ERR_INIT;
    struct file_map map;
    char path[64];

    CHECK(file_map("/nonexistent/x", 100, &map, &failure) == TARE_ABSENT);
    CHECK_TEXT(failure.text, "cannot open '/nonexistent/x': No such file or directory");
    tare_err_clear(&failure);
    CHECK(file_map("/proc/self/exe", 10, &map, &failure) == TARE_LIMIT);
    tare_err_clear(&failure);
    CHECK(file_map("/tmp", 10, &map, &failure) == TARE_IO);
    tare_err_clear(&failure);
    (void)snprintf(path, sizeof(path), "/tmp/tare-test-pipe-%d", (int)getpid());
    CHECK(mkfifo(path, 0600) == 0);
    CHECK(file_map(path, 10, &map, &failure) == TARE_IO);
    CHECK(unlink(path) == 0);
    tare_err_clear(&failure);
    CHECK(file_write("/dev/full", "x", 1, &failure) == TARE_IO);
    CHECK(strstr(failure.text, "No space left") != NULL);
    tare_err_clear(&failure);
    CHECK(file_write("/nonexistent/x", "x", 1, &failure) == TARE_ABSENT);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"buf_grows_and_keeps_its_limit", buf_grows_and_keeps_its_limit},
        {"the_first_error_wins", the_first_error_wins},
        {"options_are_parsed", options_are_parsed},
        {"wrong_options_are_named", wrong_options_are_named},
        {"durations_have_units", durations_have_units},
        {"sha256_matches_its_standard", sha256_matches_its_standard},
        {"a_folder_has_one_hash", a_folder_has_one_hash},
        {"control_characters_do_not_get_through", control_characters_do_not_get_through},
        {"files_fail_clearly", files_fail_clearly},
        {NULL, NULL},
    };

    return check_main("base", cases, argc, argv);
}
