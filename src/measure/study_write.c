/* study_write.c - a study as JSON that study_parse() reads back to the same study. */
#include "base/json_write.h"
#include "measure/study.h"

static void put_cell(struct json_writer *w, const struct study_cell *cell)
{
    json_open_object(w, NULL);
    json_put_text(w, "name", cell->name);
    json_put_text(w, "model", cell->model);
    json_put_text(w, "runtime", cell->runtime);
    json_put_text(w, "layer", cell->layer);
    json_put_text(w, "precision", cell->precision);
    json_put_text(w, "device", cell->device);
    json_put_text(w, "head", cell->head);
    json_put_int(w, "batch", cell->batch);
    json_put_int(w, "threads", cell->threads);
    json_put_int(w, "size", cell->size);
    if (!cell->energy)
        json_put_bool(w, "energy", false);
    json_open_object(w, "options");
    for (size_t i = 0; i < cell->option_count; i++)
        json_put_text(w, cell->options[i].name, cell->options[i].value);
    json_close_object(w);
    json_close_object(w);
}

static void put_line(struct json_writer *w, const struct study *study,
                     const struct study_line *line)
{
    json_open_object(w, NULL);
    json_put_text(w, "kind", line->gain ? "gain" : "tax");
    json_put_text(w, "name", line->name);
    json_put_text(w, "cell", study->cells[line->cell].name);
    json_put_text(w, "baseline", study->cells[line->baseline].name);
    json_close_object(w);
}

static void put_settings(struct json_writer *w, const struct study *study)
{
    json_put_text(w, "name", study->name);
    json_put_text(w, "images", study->images);
    json_put_text(w, "annotations", study->annotations);
    json_put_text(w, "calibration", study->calibration);
    json_put_text(w, "reference", study->reference);
    json_put_int(w, "sweeps", study->sweeps);
    json_put_int(w, "restarts", study->restarts);
    json_put_number(w, "visit_ms", (double)study->visit_ns / 1e6);
    json_put_int(w, "runs", study->runs);
    json_put_int(w, "after_switch", study->after_switch);
    json_put_int(w, "warmup_runs", study->warmup_runs);
    json_put_number(w, "warmup_ms", (double)study->warmup_ns / 1e6);
    json_put_number(w, "timeout_ms", (double)study->timeout_ns / 1e6);
    json_put_number(w, "budget_ms", (double)study->budget_ns / 1e6);
    json_put_number(w, "width", study->width);
    json_put_int(w, "max_sweeps", study->max_sweeps);
    json_put_int(w, "memory_limit_mb", study->memory_limit_mb);
    json_put_int(w, "resident_limit_mb", study->resident_limit_mb);
    json_put_text(w, "cpus", study->cpus);
    json_put_int(w, "seed", study->seed);
    json_put_text(w, "timed", study->runs_alone ? "run" : "picture");
    json_put_bool(w, "freeze", study->freeze);
    json_put_bool(w, "confirm", study->confirm);
    json_put_text(w, "mode",
                  study->soak         ? "soak"
                  : study->throughput ? "throughput"
                  : study->paced      ? "paced"
                                      : "back_to_back");
    json_put_number(w, "soak_ms", (double)study->soak_ns / 1e6);
    json_put_int(w, "cold", study->cold);
    json_put_bool(w, "energy", study->energy);
    json_put_number(w, "energy_ms", (double)study->energy_ns / 1e6);
    json_put_int(w, "energy_visits", study->energy_visits);
    json_put_number(w, "rate_hz", study->rate_hz);
    json_put_int(w, "streams", study->streams);
    json_put_number(w, "min_score", study->min_score);
    json_put_number(w, "iou", study->iou);
    json_put_number(w, "max_drop", study->max_drop);
    json_put_number(w, "max_ap_drop", study->max_ap_drop);
}

void study_write(const struct study *study, struct buf *out)
{
    struct json_writer w;

    json_start(&w, out, true);
    json_open_object(&w, NULL);
    put_settings(&w, study);
    json_open_array(&w, "cells");
    for (size_t i = 0; i < study->cell_count; i++)
        put_cell(&w, &study->cells[i]);
    json_close_array(&w);
    json_open_array(&w, "ledger");
    for (size_t i = 0; i < study->line_count; i++)
        put_line(&w, study, &study->lines[i]);
    json_close_array(&w);
    json_close_object(&w);
}
