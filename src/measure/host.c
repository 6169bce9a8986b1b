#include "measure/host.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"

#define PROC_MAX ((size_t)4 << 20)

typedef enum tare_status (*put_fn)(const char *key, const char *value, void *data,
                                   struct tare_err *err);

/* The text of a file below root, trailing white space cut; NULL if it can't be read. */
static char *read_text(const char *root, const char *path)
{
    char full[FILE_MAX_PATH], *text = NULL;
    size_t size = 0;

    if ((size_t)snprintf(full, sizeof(full), "%s%s", root, path) >= sizeof(full) ||
        file_read(full, PROC_MAX, &text, &size, NULL) != TARE_OK)
        return NULL;
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        text[--size] = '\0';
    return text;
}

/* The value of the first "key<spaces>: value" line; false if there is none. */
static bool find_value(const char *text, const char *key, char *out, size_t bytes)
{
    size_t length = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        const char *at = line += *line == '\n';

        if (strncmp(at, key, length) != 0)
            continue;
        at += length;
        at += strspn(at, " \t");
        if (*at != ':' && *at != '=')
            continue;
        at += 1 + strspn(at + 1, " \t\"");
        (void)snprintf(out, bytes, "%.*s", (int)strcspn(at, "\n\""), at);
        return true;
    }
    return false;
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = strstr(words, word); at; at = strstr(at + 1, word))
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

/* The features that decide which kernels a runtime picks. */
static void list_features(const char *flags, struct buf *out)
{
    static const char *const names[] = {
        "sse4_2",   "avx",         "avx2",     "fma",      "avx512f", "avx512_vnni",
        "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd",   "asimddp",
        "i8mm",     "bf16",        "sve",      "fphp",     "asimdhp",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (has_word(flags, names[i]))
            buf_printf(out, "%s%s", out->size ? " " : "", names[i]);
}

static enum tare_status put_cpu(const char *root, put_fn put, void *data, struct tare_err *err)
{
    char *text = read_text(root, "/proc/cpuinfo"), value[4096];
    struct buf features = BUF_INIT;
    enum tare_status status = TARE_OK;

    if (!text)
        return TARE_OK;
    if (find_value(text, "model name", value, sizeof(value)) ||
        find_value(text, "Model", value, sizeof(value)))
        status = put("cpu.model", value, data, err);
    if (find_value(text, "flags", value, sizeof(value)) ||
        find_value(text, "Features", value, sizeof(value))) {
        list_features(value, &features);
        if (status == TARE_OK && features.size)
            status = put("cpu.features", buf_text(&features), data, err);
        if (status == TARE_OK && has_word(value, "hypervisor"))
            status = put("host.virtual", "yes", data, err);
    }
    if (status == TARE_OK && find_value(text, "cache size", value, sizeof(value)))
        status = put("cpu.cache", value, data, err);
    buf_release(&features);
    free(text);
    return status;
}

static enum tare_status put_file(const char *root, const char *path, const char *key, put_fn put,
                                 void *data, struct tare_err *err)
{
    char *text = read_text(root, path);
    enum tare_status status = text && *text ? put(key, text, data, err) : TARE_OK;

    free(text);
    return status;
}

static enum tare_status put_line(const char *root, const char *path, const char *line,
                                 const char *key, put_fn put, void *data, struct tare_err *err)
{
    char *text = read_text(root, path), value[256];
    enum tare_status status = TARE_OK;

    if (text && find_value(text, line, value, sizeof(value)))
        status = put(key, value, data, err);
    free(text);
    return status;
}

static enum tare_status put_number(const char *key, long long number, put_fn put, void *data,
                                   struct tare_err *err)
{
    char value[32];

    (void)snprintf(value, sizeof(value), "%lld", number);
    return put(key, value, data, err);
}

static enum tare_status put_kernel(put_fn put, void *data, struct tare_err *err)
{
    struct utsname name;
    char value[256];
    enum tare_status status;

    if (uname(&name) != 0)
        return TARE_OK;
    (void)snprintf(value, sizeof(value), "%.60s %.120s %.60s", name.sysname, name.release,
                   name.machine);
    status = put("host.kernel", value, data, err);
    return status == TARE_OK ? put("host.architecture", name.machine, data, err) : status;
}

enum tare_status host_facts(const char *root, put_fn put, void *data, struct tare_err *err)
{
    static const struct {
        const char *path, *key;
    } files[] = {
        {"/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "cpu.governor"},
        {"/sys/devices/system/cpu/cpufreq/boost", "cpu.boost"},
        {"/sys/devices/system/cpu/smt/active", "cpu.smt"},
        {"/sys/kernel/mm/transparent_hugepage/enabled", "host.hugepages"},
        {"/proc/sys/kernel/randomize_va_space", "host.address_randomisation"},
        {"/proc/device-tree/model", "host.board"},
    };
    enum tare_status status = put_cpu(root, put, data, err);

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && status == TARE_OK; i++)
        status = put_file(root, files[i].path, files[i].key, put, data, err);
    if (status == TARE_OK)
        status = put_line(root, "/etc/os-release", "PRETTY_NAME", "host.os", put, data, err);
    if (status == TARE_OK)
        status = put_line(root, "/proc/meminfo", "MemTotal", "memory.total", put, data, err);
    if (status == TARE_OK)
        status = put_kernel(put, data, err);
    if (status == TARE_OK)
        status = put_number("cpu.cores", sysconf(_SC_NPROCESSORS_ONLN), put, data, err);
    if (status == TARE_OK)
        status = put_number("clock.cost_ps", clock_cost_ps(), put, data, err);
    return status;
}

int64_t host_steal_ns(void)
{
    char *text = read_text("", "/proc/stat"), *at;
    long long steal = -1;
    int64_t tick = sysconf(_SC_CLK_TCK) > 0 ? 1000000000 / sysconf(_SC_CLK_TCK) : 10000000;

    at = text && strncmp(text, "cpu ", 4) == 0 ? text + 4 : NULL;
    for (int i = 0; at && i < 8; i++) /* the eighth figure is steal: proc(5) */
        steal = strtoll(at, &at, 10);
    free(text);
    return steal < 0 ? -1 : steal * tick;
}

double host_clock_hz(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    double sum = 0;
    int read = 0;

    for (long i = 0; i < cores; i++) {
        char path[96], *text;

        (void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/cpufreq/%s", i,
                       "scaling_cur_freq");
        text = read_text("", path);
        if (text) {
            sum += strtod(text, NULL) * 1e3;
            read++;
        }
        free(text);
    }
    return read ? sum / read : -1;
}
