#include "cmd/doctor_gpu.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cuda/cuda.h"
#include "cuda/cuda_find.h"
#include "measure/peak_cuda.h"

#define GIB       ((double)(1 << 30))
#define LIBRARIES 4

/* --- devices and libraries --- */

static const struct cuda_library *library_at(int index, int driver_version)
{
    return index == 0   ? cuda_library_cublaslt(driver_version)
           : index == 1 ? cuda_library_cudnn()
           : index == 2 ? cuda_library_tensorrt()
                        : cuda_library_ort_provider();
}

static const char *short_name(int index)
{
    static const char *const names[LIBRARIES] = {"cuBLASLt", "cuDNN", "TensorRT", "ORT CUDA"};

    return names[index];
}

static void print_device(int index, int *driver_version)
{
    struct tare_err err = TARE_ERR_INIT;
    struct cuda_facts facts;
    char name[32];

    (void)snprintf(name, sizeof(name), "cuda:%d", index);
    if (cuda_device_facts(index, &facts, &err) != TARE_OK) {
        (void)printf("  %-12s %-7s %s\n", name, "broken", err.text);
        return;
    }
    *driver_version = facts.driver_version;
    (void)printf("  %-12s %-7s %s%s, sm_%d%d, %d multiprocessors, %.1f GiB%s, driver for CUDA "
                 "%d.%d\n",
                 name, "ok", facts.name, facts.stand_in ? " (a stand-in, no device)" : "",
                 facts.major, facts.minor, facts.multiprocessors, (double)facts.memory_bytes / GIB,
                 facts.integrated ? " shared with the processor" : "", facts.driver_version / 1000,
                 facts.driver_version % 1000 / 10);
}

void doctor_gpu_print(void)
{
    struct tare_err err = TARE_ERR_INIT;
    int count, driver_version = 0;

    if (cuda_count(&count, &err) != TARE_OK) {
        (void)printf("gpu         none: %s\n", err.text);
        return;
    }
    (void)printf("gpu\n");
    for (int i = 0; i < count; i++)
        print_device(i, &driver_version);
    for (int i = 0; i < LIBRARIES; i++) {
        struct tare_err absent = TARE_ERR_INIT;
        char path[FILE_MAX_PATH];
        bool found =
            cuda_find(library_at(i, driver_version), path, sizeof(path), &absent) == TARE_OK;

        (void)printf("  %-12s %-7s %s\n", short_name(i), found ? "found" : "absent",
                     found ? path : absent.text);
    }
}

static void put_device(struct json_writer *w, int index, int *driver_version)
{
    struct tare_err err = TARE_ERR_INIT;
    struct cuda_facts facts;

    (void)cuda_device_facts(index, &facts, &err);
    if (err.status == TARE_OK)
        *driver_version = facts.driver_version;
    json_open_object(w, NULL);
    json_put_int(w, "index", index);
    json_put_text(w, "text", err.text);
    json_put_text(w, "name", facts.name);
    json_put_text(w, "uuid", facts.uuid);
    json_put_text(w, "pci", facts.pci);
    json_put_int(w, "sm", facts.major * 10 + facts.minor);
    json_put_int(w, "multiprocessors", facts.multiprocessors);
    json_put_int(w, "memory_bytes", facts.memory_bytes);
    json_put_int(w, "cache_bytes", facts.cache_bytes);
    json_put_int(w, "driver_version", facts.driver_version);
    json_put_bool(w, "integrated", facts.integrated);
    json_put_bool(w, "stand_in", facts.stand_in);
    json_close_object(w);
}

void doctor_gpu_put(struct json_writer *w)
{
    struct tare_err err = TARE_ERR_INIT;
    int count = 0, driver_version = 0;

    (void)cuda_count(&count, &err);
    json_open_object(w, "gpu");
    json_put_text(w, "text", err.text);
    json_open_array(w, "devices");
    for (int i = 0; i < count; i++)
        put_device(w, i, &driver_version);
    json_close_array(w);
    json_open_array(w, "libraries");
    for (int i = 0; i < LIBRARIES; i++) {
        struct tare_err absent = TARE_ERR_INIT;
        char path[FILE_MAX_PATH];
        bool found =
            cuda_find(library_at(i, driver_version), path, sizeof(path), &absent) == TARE_OK;

        json_open_object(w, NULL);
        json_put_text(w, "name", short_name(i));
        json_put_text(w, "path", found ? path : NULL);
        json_put_text(w, "text", absent.text);
        json_close_object(w);
    }
    json_close_array(w);
    json_close_object(w);
}

/* --- peaks --- */

static bool failed(const struct peak_cuda *peaks)
{
    bool wrong = false;

    for (int type = 0; type < PEAK_TYPES; type++)
        wrong = wrong || strstr(peaks->operations[type].why, "wrong answers");
    return wrong;
}

static void print_rate(const char *what, const char *by, const struct peak_cuda_rate *row)
{
    (void)printf("  %-14s %-16s", what, by);
    if (row->rate.best > 0)
        (void)printf("%12.1f (%4.1f %%)\n", row->rate.best * 1e-9,
                     100 * (1 - row->rate.median / row->rate.best));
    else
        (void)printf("  %s\n", row->why);
}

static void print_peaks(const struct peak_cuda *peaks)
{
    static const enum peak_type order[] = {PEAK_FP32, PEAK_TF32, PEAK_FP16, PEAK_BF16, PEAK_INT8};

    (void)printf("\ncuda:%d: %s%s, %s, %.1f GiB, L2 cache %.1f MiB, driver for CUDA %d.%d\n",
                 peaks->index, peaks->name, peaks->stand_in ? " (a stand-in, no device)" : "",
                 peaks->architecture, (double)peaks->memory_bytes / GIB,
                 (double)peaks->cache_bytes / (1 << 20), peaks->driver_version / 1000,
                 peaks->driver_version % 1000 / 10);
    (void)printf("10^9 operations a second, products of %lld x %lld\n", (long long)peaks->size,
                 (long long)peaks->size);
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        print_rate(peak_type_name(order[i]), peaks->library, &peaks->operations[order[i]]);
    (void)printf("10^9 bytes a second, %.1f MiB; within the device read and written\n",
                 (double)peaks->copy_bytes / (1 << 20));
    for (int copy = 0; copy < PEAK_COPIES; copy++)
        print_rate(peak_copy_name((enum peak_copy)copy), "", &peaks->copies[copy]);
}

bool doctor_gpu_print_peaks(void)
{
    const struct peak_cuda_options options = {0};
    struct tare_err none = TARE_ERR_INIT;
    bool right = true;
    int count = 0;

    if (cuda_count(&count, &none) != TARE_OK) {
        (void)printf("\nno GPU: %s\n", none.text);
        return none.status == TARE_ABSENT;
    }
    for (int i = 0; i < count; i++) {
        struct tare_err err = TARE_ERR_INIT;
        struct peak_cuda peaks;

        (void)fflush(stdout);
        if (peak_cuda_ask(i, &options, &peaks, &err) == TARE_OK)
            print_peaks(&peaks);
        else
            (void)printf("\ncuda:%d: failed: %s\n", i, err.text);
        right = right && err.status == TARE_OK && !failed(&peaks);
    }
    return right;
}

bool doctor_gpu_put_peaks(struct json_writer *w)
{
    const struct peak_cuda_options options = {0};
    struct tare_err none = TARE_ERR_INIT;
    bool right = true;
    int count = 0;

    if (cuda_count(&count, &none) != TARE_OK)
        right = none.status == TARE_ABSENT;
    json_put_text(w, "no_device", none.text);
    json_open_array(w, "devices");
    for (int i = 0; i < count; i++) {
        struct peak_cuda peaks;

        right = peak_cuda_ask(i, &options, &peaks, NULL) == TARE_OK && right && !failed(&peaks);
        json_open_object(w, NULL);
        peak_cuda_put(&peaks, w);
        json_close_object(w);
    }
    json_close_array(w);
    return right;
}
