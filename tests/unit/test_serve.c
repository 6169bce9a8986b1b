#include "check.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/tree.h"
#include "serve/server_http.h"
#include "serve/server_log.h"
#include "serve/server_models.h"
#include "serve/server_state.h"
#include "serve/template.h"

static const struct template_value values[] = {
    {"A", "one"}, {"B", "0"}, {"C", ""}, {"D", "x\ny"}, {NULL, NULL}};

static void filled(const char *text, const char *expected)
{
    struct buf out = BUF_INIT;

    CHECK_OK(template_fill(text, values, &out, err));
    CHECK_TEXT(buf_text(&out), expected);
    buf_release(&out);
}

static void puts_values_in_their_places(void)
{
    filled("", "");
    filled("plain", "plain\n");
    filled("a @A@ b @A@@A@\n", "a one b oneone\n");
    filled("@D@", "x\ny\n");
    filled("@if A\nyes @A@\n@else\nno\n@end\nrest", "yes one\nrest\n");
    filled("@if B\nyes\n@else\nno\n@end\n", "no\n");
    filled("@if !C\nyes\n@end\n", "yes\n");
    filled("@if A\n@if C\n1\n@else\n2\n@end\n3\n@end\n", "2\n3\n");
    filled("@if C\n@if A\n1\n@else\n2\n@end\n3\n@end\n", "");
    filled("a\n\n@if C\nb\n@end\n\nc\n", "a\n\nc\n");
}

static void refuses_a_broken_template(void)
{
    static const char *const broken[] = {
        "@E@",
        "@",
        "a @A",
        "@if E\n@end\n",
        "@if A\nb\n",
        "@end",
        "@if \n@end",
        "@else",
        "@if A\n@else\n@else\n@end",
        "@@",
        "@if A\n@if A\n@if A\n@if A\n@if A\n@if A\n@if A\n@if A\n@if A\n",
        "@0123456789012345678901234567890123456789012345678901234567890123456789@"};

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct buf out = BUF_INIT;
        struct tare_err err = TARE_ERR_INIT;

        CHECK(template_fill(broken[i], values, &out, &err) == TARE_BADDATA);
        CHECK(strncmp(err.text, "line ", 5) == 0);
        buf_release(&out);
    }
}

/* Lines of a real server, shortened. */
static const char server_log[] =
    "W1128 11:05:38.701751 13913 pinned_memory_manager.cc:273] \"no pinned memory\"\n"
    "[libprotobuf ERROR /tmp/text_format.cc:337] Error parsing text-format inference.ModelConfig: "
    "1:22: Message type \"inference.ModelConfig\" has no field named \"foo\".\n"
    "E1128 11:05:38.708313 13913 model_repository_manager.cc:1460] \"Poll failed for model "
    "directory 'bad': failed to read text proto from repo/bad/config.pbtxt\"\n"
    "E1128 11:05:38.708896 13913 model_repository_manager.cc:703] \"Invalid argument: ensemble "
    "both "
    "contains models that are not available or ambiguous: 'bad'\"\n"
    "I1128 11:05:38.708902 13913 model_lifecycle.cc:472] \"loading: 'trt':1\"\n"
    "E1128 11:05:38.709189 13913 model_lifecycle.cc:642] \"failed to load 'trt' version 1: Invalid "
    "argument: unable to find backend library for backend 'tensorrt'\"\n"
    "E1128 11:17:30.982441 21951 main.cc:245] \"failed to start GRPC service: Unavailable - Socket "
    "'127.0.0.1:18000' already in use \"\n"
    "+------+";

static void finds_reasons_in_a_log(void)
{
    char reason[200];

    server_log_model_reason(server_log, "bad", reason, sizeof(reason));
    CHECK_TEXT(reason, "config.pbtxt:1:22: Message type \"inference.ModelConfig\" has no field "
                       "named \"foo\".");
    server_log_model_reason(server_log, "trt", reason, sizeof(reason));
    CHECK_TEXT(reason, "failed to load 'trt' version 1: Invalid argument: unable to find backend "
                       "library for backend 'tensorrt'");
    server_log_model_reason(server_log, "both", reason, sizeof(reason));
    CHECK_TEXT(reason, "Invalid argument: ensemble both contains models that are not available or "
                       "ambiguous: 'bad'");
    server_log_model_reason(server_log, "other", reason, sizeof(reason));
    CHECK_TEXT(reason, "");
    server_log_last_error(server_log, reason, sizeof(reason));
    CHECK_TEXT(reason, "failed to start GRPC service: Unavailable - Socket '127.0.0.1:18000' "
                       "already in use");
    CHECK(server_log_port_taken(server_log));
    server_log_last_error("error: creating server: Internal\nE11", reason, sizeof(reason));
    CHECK_TEXT(reason, "error: creating server: Internal");
    server_log_last_error("", reason, sizeof(reason));
    CHECK_TEXT(reason, "");
    CHECK(!server_log_port_taken("all is well"));
    server_log_model_reason("E1128 x] 'm' \"\x1b[2J\"\n", "m", reason, 8);
    CHECK(strlen(reason) < 8 && !strchr(reason, '\x1b'));
}

static void reads_what_is_loaded(void)
{
    static const char text[] =
        "[{\"name\":\"z\",\"version\":\"1\",\"state\":\"READY\"},"
        "{\"name\":\"e\",\"version\":\"1\",\"state\":\"UNAVAILABLE\",\"reason\":\"ensemble 'e' "
        "depends on 'b' which has no loaded version. Model 'b' ...\"},"
        "{\"name\":\"b\",\"version\":\"1\",\"state\":\"UNAVAILABLE\",\"reason\":\"no\\n  way\\n\"},"
        "{\"name\":\"z\",\"version\":\"2\",\"state\":\"UNAVAILABLE\",\"reason\":\"old\"},"
        "{\"name\":\"a\"}]";
    struct tritonserver_model *models;
    size_t count;

    CHECK_OK(server_models_parse(text, strlen(text), &models, &count, err));
    CHECK(count == 4);
    if (count == 4) {
        CHECK_TEXT(models[0].name, "a");
        CHECK(!models[0].ready && !models[0].reason[0]);
        CHECK_TEXT(models[1].reason, "no way");
        CHECK_TEXT(models[2].reason, "ensemble 'e' depends on 'b' which has no loaded version");
        CHECK(models[3].ready && !models[3].reason[0]);
    }
    free(models);
}

static void refuses_what_is_no_list(void)
{
    static const char *const broken[] = {
        "", "{}", "[1]", "[{}]", "[{\"name\":\"\"}]", "[", "[{\"name\":3}]"};

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct tritonserver_model *models;
        size_t count;

        CHECK(server_models_parse(broken[i], strlen(broken[i]), &models, &count, NULL) ==
              TARE_BADDATA);
        CHECK(!models && count == 0);
    }
}

static void one_server_a_user(void)
{
    struct server_state state = {.pid = getpid(), .http_port = 8000, .repository = "/r"}, read;
    char folder[FILE_MAX_PATH];
    bool running = true;
    int fd, other;

    CHECK_OK(tree_temporary(folder, sizeof(folder), "tare-unit", err));
    CHECK(setenv("XDG_RUNTIME_DIR", folder, 1) == 0);
    CHECK_OK(server_state_read(&read, &running, err));
    CHECK(!running);
    CHECK_OK(server_state_take(&fd, err));
    CHECK_OK(server_state_read(&read, &running, err));
    CHECK(running && read.pid == 0);
    CHECK(server_state_take(&other, NULL) == TARE_FAILED && other < 0);
    CHECK_OK(server_state_write(fd, &state, err));
    CHECK_OK(server_state_read(&read, &running, err));
    CHECK(running && read.pid == getpid() && read.http_port == 8000);
    CHECK_TEXT(read.repository, "/r");
    CHECK(server_state_take(&other, NULL) == TARE_FAILED && other < 0);
    server_state_release(fd);
    CHECK_OK(server_state_read(&read, &running, err));
    CHECK(!running);
    CHECK_OK(server_state_take(&fd, err));
    server_state_release(fd);
    CHECK(rmdir(folder) == 0); /* nothing is left in it */
}

/* Folder of a state that path names; the caller removes both. */
static void make_state_folder(char *folder, char *path)
{
    CHECK_OK(tree_temporary(folder, FILE_MAX_PATH, "tare-unit", err));
    CHECK_OK(file_join(path, FILE_MAX_PATH, folder, "tare-serve.json", err));
    CHECK(setenv("XDG_RUNTIME_DIR", folder, 1) == 0);
}

/* A server that was killed left its file, and the next one has locked it but not emptied it yet:
 * the process that has that number meanwhile is none of ours. */
static void takes_no_other_process_for_the_server(void)
{
    struct server_state state = {.http_port = 8000, .repository = "/r"}, read = {.pid = 0};
    char folder[FILE_MAX_PATH], path[FILE_MAX_PATH];
    bool running = false;
    pid_t child;
    int fd, status;

    make_state_folder(folder, path);
    child = fork();
    if (child == 0) {
        state.pid = getpid();
        status = server_state_take(&fd, NULL) == TARE_OK &&
                         server_state_write(fd, &state, NULL) == TARE_OK
                     ? 0
                     : 1;
        _exit(status);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
    CHECK_OK(server_state_read(&read, &running, err));
    CHECK(running && read.pid == 0);
    (void)close(fd);
    CHECK_OK(server_state_read(&read, &running, err));
    CHECK(!running && read.pid == 0);
    CHECK_OK(tree_remove(folder, err));
}

static void refuses_a_file_in_the_way(void)
{
    struct server_state read;
    char folder[FILE_MAX_PATH], path[FILE_MAX_PATH], other[FILE_MAX_PATH];
    struct stat info;
    bool running;
    int fd = -1;

    make_state_folder(folder, path);
    CHECK_OK(file_join(other, sizeof(other), folder, "precious", err));
    CHECK_OK(file_write(other, "text", 4, err));
    CHECK(symlink(other, path) == 0);
    CHECK(server_state_take(&fd, NULL) == TARE_IO && fd < 0);
    CHECK(server_state_read(&read, &running, NULL) == TARE_IO && !running);
    CHECK(unlink(path) == 0 && link(other, path) == 0);
    CHECK(server_state_take(&fd, NULL) == TARE_IO && fd < 0);
    CHECK(stat(other, &info) == 0 && info.st_size == 4);
    CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    CHECK(server_state_take(&fd, NULL) == TARE_IO && fd < 0);
    CHECK_OK(tree_remove(folder, err));
}

static void reads_states_in_range(void)
{
    static const char *const broken[] = {
        "", "[]", "{\"pid\":4294967298}", "{\"pid\":1}", "{\"pid\":-5}", "{\"pid\":2.5}"};
    static const char text[] = "{\"pid\": 2, \"http_port\": 65537, \"grpc_port\": -1, "
                               "\"metrics_port\": 4294975296, \"repository\": \"a\\u001b\"}";
    struct server_state state;

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        server_state_parse(broken[i], strlen(broken[i]), &state);
        CHECK(state.pid == 0);
    }
    server_state_parse(text, strlen(text), &state);
    CHECK(state.pid == 2 && state.http_port == 0 && state.grpc_port == 0);
    CHECK(state.metrics_port == 0);
    CHECK_TEXT(state.repository, "a?");
}

static void finds_a_free_port(void)
{
    int a = 0, code;
    struct buf body = BUF_INIT;

    CHECK_OK(server_free_port(&a, err));
    CHECK(a > 1023 && a < 65536 && server_port_is_free(a));
    CHECK(server_http(a, "GET", "/", INT64_MAX, &code, &body, NULL) == TARE_ABSENT);
    buf_release(&body);
}

/* Answers one request with chunks that never end, each with more around it than in it. */
static void answer_for_ever(int listener)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    static char chunks[500][2000]; /* at once, so that there is always more to read */
    int fd = accept(listener, NULL, NULL);

    memset(chunks, 'x', sizeof(chunks));
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        memcpy(chunks[i], "1;", 2);
        memcpy(chunks[i] + sizeof(chunks[i]) - 5, "\r\ny\r\n", 5);
    }
    if (send(fd, head, strlen(head), MSG_NOSIGNAL) > 0)
        while (send(fd, chunks, sizeof(chunks), MSG_NOSIGNAL) > 0)
            continue;
    _exit(0);
}

static void gives_an_endless_answer_up(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), code, status;
    struct buf body = BUF_INIT;
    pid_t child;

    CHECK(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    child = fork();
    if (child == 0)
        answer_for_ever(listener);
    CHECK(server_http(ntohs(address.sin_port), "GET", "/", clock_now_ns() + 200000000, &code, &body,
                      NULL) == TARE_TIMEOUT);
    CHECK(waitpid(child, &status, 0) == child);
    (void)close(listener);
    buf_release(&body);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"puts_values_in_their_places", puts_values_in_their_places},
        {"refuses_a_broken_template", refuses_a_broken_template},
        {"finds_reasons_in_a_log", finds_reasons_in_a_log},
        {"reads_what_is_loaded", reads_what_is_loaded},
        {"refuses_what_is_no_list", refuses_what_is_no_list},
        {"one_server_a_user", one_server_a_user},
        {"takes_no_other_process_for_the_server", takes_no_other_process_for_the_server},
        {"refuses_a_file_in_the_way", refuses_a_file_in_the_way},
        {"reads_states_in_range", reads_states_in_range},
        {"finds_a_free_port", finds_a_free_port},
        {"gives_an_endless_answer_up", gives_an_endless_answer_up},
        {NULL, NULL},
    };

    return check_main("serve", cases, argc, argv);
}
