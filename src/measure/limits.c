#include "measure/limits.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "cuda/cuda.h"
#include "measure/roofline.h"

static bool is_graph(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && strcmp(dot, ".onnx") == 0 && file_exists(path);
}

const char *limits_graph_path(const struct study *study, size_t cell)
{
    const struct study_cell *own = &study->cells[cell];

    if (is_graph(own->model_path))
        return own->model_path;
    for (size_t i = 0; i < study->cell_count; i++) {
        const struct study_cell *other = &study->cells[i];

        if (strcmp(other->model, own->model) == 0 && strcmp(other->head, own->head) == 0 &&
            other->batch == own->batch && other->size == own->size && is_graph(other->model_path))
            return other->model_path;
    }
    return NULL;
}

static void find_graph(const struct study *study, size_t cell, struct roofline_graph *graph)
{
    const char *path = limits_graph_path(study, cell);
    struct tare_err err = TARE_ERR_INIT;

    if (!path)
        (void)snprintf(graph->why, sizeof(graph->why), "there is no ONNX file of its graph");
    else if (roofline_cost_of(path, study->cells[cell].batch, study->cells[cell].size, &graph->cost,
                              &err) != TARE_OK)
        (void)snprintf(graph->why, sizeof(graph->why), "%.150s", err.text);
    else
        graph->known = true;
}

/* Of each device that a cell runs on. Without, its cells have no limit, and say why. */
static void measure_devices(const struct study *study, struct roofline_peaks *peaks)
{
    const struct peak_cuda_options options = {0};

    for (size_t i = 0; i < study->cell_count; i++) {
        const char *device = study->cells[i].device;
        struct tare_err err = TARE_ERR_INIT;
        int index;

        if (cuda_parse_device(device, &index, NULL) != TARE_OK || roofline_device(peaks, device) ||
            peaks->device_count == ROOFLINE_MAX_DEVICES)
            continue;
        if (peak_cuda_ask(index, &options, &peaks->devices[peaks->device_count++], &err) != TARE_OK)
            log_warn("no limit is known on %s: %s", device, err.text);
    }
}

static enum tare_status put_peaks(const struct study *study, struct store *store, int64_t run_id,
                                  struct tare_err *err)
{
    const struct roofline_options options = {0};
    struct tare_err inner = TARE_ERR_INIT;
    struct roofline_peaks peaks;
    struct buf text = BUF_INIT;
    enum tare_status status = roofline_read(store, run_id, &peaks, &inner);

    if (status == TARE_OK && peaks.known)
        return TARE_OK;
    if (roofline_measure(&options, &peaks, &inner) != TARE_OK) {
        log_warn("no limit is known: %s", inner.text); /* a study does not fail for it */
        return TARE_OK;
    }
    measure_devices(study, &peaks);
    roofline_write(&peaks, &text);
    status = buf_status(&text, "the machine's peaks", err);
    if (status == TARE_OK)
        status =
            store_put_document(store, run_id, ROOFLINE_DOCUMENT, buf_text(&text), text.size, err);
    buf_release(&text);
    return status;
}

enum tare_status limits_record(const struct study *study, const int64_t *cell_ids,
                               struct store *store, int64_t run_id, struct tare_err *err)
{
    struct roofline_graphs graphs = {calloc(study->cell_count + 1, sizeof(*graphs.items)), 0};
    struct buf text = BUF_INIT;
    enum tare_status status = TARE_OK;
    bool any = false;

    if (!graphs.items)
        return tare_fail(err, TARE_NOMEM, "out of memory for what graphs ask");
    for (; graphs.count < study->cell_count; graphs.count++) {
        struct roofline_graph *graph = &graphs.items[graphs.count];

        graph->cell_id = cell_ids[graphs.count];
        find_graph(study, graphs.count, graph);
        any = any || graph->known;
    }
    if (any)
        status = put_peaks(study, store, run_id, err);
    roofline_write_graphs(&graphs, &text);
    if (status == TARE_OK)
        status = buf_status(&text, "what graphs ask", err);
    if (status == TARE_OK && any)
        status =
            store_put_document(store, run_id, ROOFLINE_GRAPHS, buf_text(&text), text.size, err);
    buf_release(&text);
    roofline_release_graphs(&graphs);
    return status;
}
