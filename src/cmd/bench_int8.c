#include "cmd/bench_int8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cmd/progress.h"
#include "cmd/quantize_int8.h"
#include "cmd/version.h"
#include "quantize/quantize.h"

const char *bench_int8_target(const struct study_cell *cell)
{
    const char *provider = study_option_of(cell, "provider");

    if (strcmp(cell->device, "cpu") != 0)
        return "tensorrt";
    if (strcmp(cell->runtime, "openvino") == 0 || (provider && strcmp(provider, "openvino") == 0))
        return "openvino";
    return "cpu";
}

/* --- what a file was made of --- */

/* Adds a text to a 64-bit FNV-1a hash. */
static uint64_t add_hash(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211U;
    return hash;
}

static enum tare_status make_recipe(const char *fp32_path, const char *pictures,
                                    const struct quant_profile *profile, char recipe[200],
                                    struct tare_err *err)
{
    static const char *const suffixes[] = {".jpg", ".jpeg", NULL};
    uint64_t hash = 14695981039346656037U;
    char **paths = NULL, hex[65];
    size_t count = 0;
    enum tare_status status =
        file_list_paths(pictures, suffixes, "picture (.jpg or .jpeg)", &paths, &count, err);

    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        status = file_sha256(paths[i], hex, err);
        hash = add_hash(hash, hex);
    }
    if (status == TARE_OK)
        status = file_sha256(fp32_path, hex, err);
    file_free_names(paths, count);
    (void)snprintf(recipe, 200, "%s %s entropy %d model %.16s pictures %zu %016" PRIx64,
                   TARE_VERSION, profile->name, (int)profile->weight_most, hex, count, hash);
    return status;
}

/* --- making it --- */

static void show(double share, void *data)
{
    struct progress *progress = data;
    int64_t passed = clock_now_ns() - progress->start_ns;

    progress_show(progress, "INT8 calibration", share,
                  share > 0 ? (int64_t)((double)passed * (1 - share) / share) : -1);
}

enum tare_status bench_int8_make(const char *fp32_path, const char *pictures, const char *target,
                                 const char *path, bool quiet, struct tare_err *err)
{
    struct progress progress;
    char recipe[200];
    struct quantize_options options = {
        .input = fp32_path,
        .output = path,
        .method = RANGE_ENTROPY,
        .recipe = recipe,
        .producer_version = TARE_VERSION,
        .calibrate = {.images = pictures, .progress = show, .progress_data = &progress},
    };
    struct quantize_report report;
    enum tare_status status;

    (void)quantize_profile(target, quantize_saturates_here(), &options.profile);
    status = make_recipe(fp32_path, pictures, &options.profile, recipe, err);
    if (status != TARE_OK || quantize_is_current(path, recipe))
        return status;
    progress_start(&progress, quiet);
    status = quantize_model(&options, &report, err);
    progress_end(&progress);
    if (status == TARE_OK)
        quantize_warn(&report, pictures);
    return status;
}
