#include "measure/host_gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cuda/cuda.h"

#define VERSION_MAX ((size_t)4096)

typedef enum tare_status (*put_fn)(const char *key, const char *value, void *data,
                                   struct tare_err *err);

struct sink {
    put_fn put;
    void *data;
    const char *prefix;
};

static enum tare_status put_fact(const struct sink *sink, const char *name, const char *value,
                                 struct tare_err *err)
{
    char key[64];

    (void)snprintf(key, sizeof(key), "%s.%s", sink->prefix, name);
    return sink->put(key, value, sink->data, err);
}

/* The kernel module's own version, "580.159.04"; where there is none nothing is put. */
static enum tare_status put_driver(const struct sink *sink, struct tare_err *err)
{
    enum tare_status status;
    char *text = NULL;
    size_t size = 0;

    if (file_read("/sys/module/nvidia/version", VERSION_MAX, &text, &size, NULL) != TARE_OK)
        return TARE_OK;
    text[strcspn(text, "\n")] = '\0';
    status = text[0] ? put_fact(sink, "driver", text, err) : TARE_OK;
    free(text);
    return status;
}

static enum tare_status put_device(const struct sink *sink, const struct cuda_facts *facts,
                                   struct tare_err *err)
{
    char text[160];
    enum tare_status status;

    (void)snprintf(text, sizeof(text), "%s%s", facts->name,
                   facts->stand_in ? " (stand-in, no device)" : "");
    status = put_fact(sink, "model", text, err);
    (void)snprintf(text, sizeof(text), "sm_%d%d", facts->major, facts->minor);
    if (status == TARE_OK)
        status = put_fact(sink, "architecture", text, err);
    (void)snprintf(text, sizeof(text), "%lld MiB", (long long)(facts->memory_bytes >> 20));
    if (status == TARE_OK)
        status = put_fact(sink, "memory", text, err);
    (void)snprintf(text, sizeof(text), "%d", facts->multiprocessors);
    if (status == TARE_OK)
        status = put_fact(sink, "multiprocessors", text, err);
    (void)snprintf(text, sizeof(text), "%d.%d", facts->driver_version / 1000,
                   facts->driver_version % 1000 / 10);
    if (status == TARE_OK)
        status = put_fact(sink, "cuda", text, err);
    return status == TARE_OK && !facts->stand_in ? put_driver(sink, err) : status;
}

static bool seen_before(const struct study *study, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(study->cells[i].device, study->cells[index].device) == 0)
            return true;
    return false;
}

enum tare_status host_gpu_facts(const struct study *study, put_fn put, void *data,
                                struct tare_err *err)
{
    struct sink sink = {put, data, "gpu"};
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < study->cell_count && status == TARE_OK; i++) {
        const char *device = study->cells[i].device;
        struct cuda_facts facts;
        int number;

        if (strncmp(device, "cuda:", 5) != 0 || seen_before(study, i) ||
            cuda_parse_device(device, &number, NULL) != TARE_OK ||
            cuda_device_facts(number, &facts, NULL) != TARE_OK)
            continue;
        if (strcmp(sink.prefix, "gpu") != 0)
            sink.prefix = device;
        status = put_device(&sink, &facts, err);
        sink.prefix = ""; /* the next one has its own */
    }
    return status;
}
