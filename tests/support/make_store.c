/*
 * make_store - writes a result file with made-up, but lifelike numbers, for tests of what reads
 * one. Not a measurement.
 *
 *     make_store OUT.db KIND [SEED]
 * KIND: full (ten cells, accuracy, a failed and a skipped cell), second (another machine),
 * plain (any ONNX file: three cells, no pictures), hostile (texts that try to break out of HTML),
 * empty (a run that measured nothing), large (as many cells as a study may have), troubled (full,
 * but: what comes after "spinning off" is 3 % slower, "openvino" drifts by 6 %, "python binding"
 * has a worker that is 5 % slower, the clock falls), million (a million samples of full's cells).
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accuracy/coco.h"
#include "base/buf.h"
#include "stats/random.h"
#include "store/store.h"

#define SWEEPS    20
#define RESTARTS  5
#define SAMPLES   18
#define MILLION   6250 /* samples a visit: eight cells, twenty sweeps */
#define PICTURES  24
#define MAX_CELLS 256
#define SECOND    INT64_C(1000000000)

struct shape {
    const char *name, *precision, *runtime, *provider, *layer, *options;
    enum store_head head;
    int64_t threads;
    double infer_ms, boxes_ms;
    double quality; /* share of the boxes found; < 0: no accuracy */
    enum store_cell_state state;
    const char *reason;
};

static const struct shape full_shapes[] = {
    {"ordinary export", "fp32", "onnxruntime", "CPUExecutionProvider", "direct", "{}",
     STORE_HEAD_FULL, 2, 54.8, 0.62, 0.90, STORE_CELL_OK, ""},
    {"head cut", "fp32", "onnxruntime", "CPUExecutionProvider", "direct", "{}", STORE_HEAD_RAW, 2,
     51.9, 0.21, 0.90, STORE_CELL_OK, ""},
    {"python binding", "fp32", "onnxruntime", "CPUExecutionProvider", "python", "{}",
     STORE_HEAD_RAW, 2, 52.3, 0.21, 0.90, STORE_CELL_OK, ""},
    {"spinning off", "fp32", "onnxruntime", "CPUExecutionProvider", "direct",
     "{\"spinning\":\"off\"}", STORE_HEAD_RAW, 2, 53.6, 0.21, 0.90, STORE_CELL_OK, ""},
    {"one thread", "fp32", "onnxruntime", "CPUExecutionProvider", "direct", "{}", STORE_HEAD_RAW, 1,
     88.2, 0.22, 0.90, STORE_CELL_OK, ""},
    {"int8", "int8", "onnxruntime", "CPUExecutionProvider", "direct", "{}", STORE_HEAD_RAW, 2, 28.1,
     0.22, 0.8985, STORE_CELL_OK, ""},
    {"openvino", "fp32", "openvino", "", "direct", "{}", STORE_HEAD_RAW, 2, 48.7, 0.21, 0.90,
     STORE_CELL_OK, ""},
    {"openvino bf16", "bf16", "openvino", "", "direct", "{}", STORE_HEAD_RAW, 2, 28.2, 0.21, 0.8994,
     STORE_CELL_OK, ""},
    {"tensorrt fp16", "fp16", "tensorrt", "", "direct", "{}", STORE_HEAD_RAW, 0, 0, 0, -1,
     STORE_CELL_SKIPPED, "not on this machine: no NVIDIA driver (libcuda.so.1)"},
    {"torch", "fp32", "torch", "", "direct", "{}", STORE_HEAD_FULL, 2, 0, 0, -1, STORE_CELL_FAILED,
     "worker was killed by signal 9 (Killed) in sweep 3: out of memory"},
};

static const struct store_line full_lines[] = {
    {.kind = STORE_LINE_GAIN, .name = "cut the head", .cell_id = 2, .baseline_id = 1},
    {.kind = STORE_LINE_TAX, .name = "Python binding", .cell_id = 3, .baseline_id = 2},
    {.kind = STORE_LINE_TAX, .name = "threads that sleep", .cell_id = 4, .baseline_id = 2},
    {.kind = STORE_LINE_TAX, .name = "one thread only", .cell_id = 5, .baseline_id = 2},
    {.kind = STORE_LINE_GAIN, .name = "INT8", .cell_id = 6, .baseline_id = 2},
    {.kind = STORE_LINE_GAIN, .name = "OpenVINO", .cell_id = 7, .baseline_id = 2},
    {.kind = STORE_LINE_GAIN, .name = "BF16 on OpenVINO", .cell_id = 8, .baseline_id = 7},
    {.kind = STORE_LINE_GAIN, .name = "TensorRT FP16", .cell_id = 9, .baseline_id = 2},
};

static const struct shape plain_shapes[] = {
    {"", "fp32", "onnxruntime", "CPUExecutionProvider", "direct", "{}", STORE_HEAD_NONE, 1, 0.0213,
     -1, -1, STORE_CELL_OK, ""},
    {"", "fp32", "onnxruntime", "CPUExecutionProvider", "python", "{}", STORE_HEAD_NONE, 1, 0.0342,
     -1, -1, STORE_CELL_OK, ""},
    {"", "fp32", "null", "", "direct", "{}", STORE_HEAD_NONE, 1, 0.00014, -1, -1, STORE_CELL_OK,
     ""},
};

static const struct store_line plain_lines[] = {
    {.kind = STORE_LINE_TAX, .name = "Python binding", .cell_id = 2, .baseline_id = 1},
    {.kind = STORE_LINE_TAX, .name = "ONNX Runtime", .cell_id = 1, .baseline_id = 3},
};

struct maker {
    struct store *store;
    struct random random;
    struct tare_err err;
    int64_t run, cells[MAX_CELLS], restarts[MAX_CELLS][RESTARTS];
    double restart_shift[MAX_CELLS][RESTARTS];
    double machine; /* a slower or faster one */
    const struct shape *shapes;
    size_t shape_count;
    const char *model;
    bool hostile, troubled;
    size_t samples; /* of a visit */
};

static void must(struct maker *m, enum tare_status status)
{
    if (status == TARE_OK)
        return;
    (void)fprintf(stderr, "make_store: %s\n", m->err.text);
    exit(1);
}

static void add_fact(struct maker *m, const char *key, const char *value)
{
    must(m, store_put_fact(m->store, m->run, key, value, &m->err));
}

static void add_host(struct maker *m, bool second)
{
    add_fact(m, "cpu.model", second ? "ARM Cortex-A78AE" : "AMD EPYC 7763 64-Core Processor");
    add_fact(m, "cpu.cores", second ? "12" : "2");
    add_fact(m, "cpu.features", second ? "asimd asimddp fphp" : "sse4_2 avx avx2 fma");
    add_fact(m, "cpu.cache", "512 KB");
    if (second)
        add_fact(m, "host.board", "NVIDIA Jetson AGX Orin Developer Kit");
    else
        add_fact(m, "host.virtual", "yes");
    add_fact(m, "host.os", "Debian GNU/Linux 12 (bookworm)");
    add_fact(m, "host.kernel", "Linux 6.1.0-18 x86_64");
    add_fact(m, "host.address_randomisation", "2");
    add_fact(m, "memory.total", "8048576 kB");
    add_fact(m, "clock.cost_ps", "21400");
    add_fact(m, "study.name", m->hostile ? "</title><script>alert(1)</script>" : "quick");
}

static void add_run(struct maker *m, bool second)
{
    const struct store_run run = {
        .uuid = second ? "2d9be3f6-3f06-4c1c-9f5c-1f3e2d3c4b5a"
                       : "7b0c2a44-9a1e-4a53-8f0d-5a6f5b2d1c3e",
        .started_wall_ns = INT64_C(1763918102) * SECOND,
        .ended_wall_ns = INT64_C(1763918214) * SECOND,
        .version = "0.1.0",
        .command = "tare bench --study studies/quick.json -o quick.db",
        .study = "{\"name\": \"quick\"}",
        .seed = 1,
        .state = STORE_RUN_COMPLETE,
    };
    const struct store_file model = {
        "model", m->hostile ? "\"><img src=x onerror=alert(1)>.onnx" : "yolov8n.onnx",
        "31e20dde3def09e2cf938c7be6fe23d9150bbbe503982af13345706515f2ef95", 12835467};
    const struct store_note energy = {STORE_NOTE_NOT_MEASURED, "energy",
                                      "no power sensor answers on this machine"};
    const struct store_note trust = {
        STORE_NOTE_TRUST, "A against A",
        "differs by 0.2 % [-0.4, 0.7]: differences of 0.9 % and more can be seen today"};

    must(m, store_add_run(m->store, &run, &m->run, &m->err));
    must(m, store_add_file(m->store, m->run, &model, &m->err));
    must(m, store_add_note(m->store, m->run, &energy, &m->err));
    if (!second)
        must(m, store_add_note(m->store, m->run, &trust, &m->err));
    add_host(m, second);
}

static void add_cells(struct maker *m)
{
    for (size_t i = 0; i < m->shape_count; i++) {
        const struct shape *s = &m->shapes[i];
        char key[200], command[400];
        struct store_cell cell = {
            .key = key,
            .name = m->hostile ? "" : s->name,
            .model = m->model,
            .family = s->boxes_ms < 0 ? "" : "yolov8",
            .precision = s->precision,
            .runtime = s->runtime,
            .provider = s->provider,
            .device = "cpu",
            .batch = 1,
            .threads = s->threads,
            .layer = s->layer,
            .head = s->head,
            .options = s->options,
            .command = command,
            .state = s->state,
            .reason = m->hostile ? "<script src=\"http://example.com/x.js\"></script>" : s->reason,
            .executed_precision = s->state == STORE_CELL_OK ? s->precision : "",
            .runtime_version = strcmp(s->runtime, "openvino") == 0 ? "2026.4.0" : "1.32.0",
        };

        if (m->hostile)
            cell.layer = i ? "<b onmouseover='alert(1)'>&amp;\"" : "]]></style></svg>";
        (void)snprintf(key, sizeof(key), "%s/%s/%s/cpu/b1/t%d/%s/%s/%zu", m->model, s->precision,
                       s->runtime, (int)s->threads, s->layer, store_head_name(s->head), i);
        (void)snprintf(command, sizeof(command),
                       "tare bench %s --runtime %s --layer %s --precision %s --device cpu --batch 1"
                       " --threads %d --images data/sample/images --annotations"
                       " data/sample/instances.json",
                       m->model, s->runtime, s->layer, s->precision, (int)s->threads);
        must(m, store_add_cell(m->store, m->run, &cell, &m->cells[i], &m->err));
    }
}

static void add_lines(struct maker *m, const struct store_line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct store_line line = lines[i];

        line.ordinal = (int64_t)i;
        line.cell_id = m->cells[lines[i].cell_id - 1];
        line.baseline_id = m->cells[lines[i].baseline_id - 1];
        if (m->hostile)
            line.name = "<i>tax</i> & 'more' \"still\"";
        must(m, store_add_line(m->store, m->run, &line, NULL, &m->err));
    }
}

static void add_restarts(struct maker *m)
{
    for (size_t i = 0; i < m->shape_count; i++)
        for (int64_t r = 0; r < RESTARTS && m->shapes[i].state != STORE_CELL_SKIPPED; r++) {
            const struct store_restart restart = {
                .cell_id = m->cells[i],
                .ordinal = r,
                .pid = 4000 + r + (int64_t)i * 10,
                .load_ns = (int64_t)((60 + 12 * random_normal(&m->random)) * 1e6),
                .first_run_ns = (int64_t)((m->shapes[i].infer_ms + 8) * 1.2e6),
                .warmup_runs = 38,
                .warmup_steady = true,
                .peak_rss_bytes = INT64_C(120) << 20,
            };

            m->restart_shift[i][r] = 0.003 * random_normal(&m->random);
            must(m, store_add_restart(m->store, &restart, &m->restarts[i][r], &m->err));
        }
}

/* One run's stages in ms; pictures differ in size, and now and then something gets in the way. */
static double draw_run(struct maker *m, const struct shape *s, double shift, size_t picture,
                       double stages[4])
{
    double slow = random_uniform(&m->random) < 0.015 ? 1.15 + 0.4 * random_uniform(&m->random) : 1;
    double noise = exp(shift + 0.008 * fabs(random_normal(&m->random))) * slow * m->machine;

    if (s->boxes_ms < 0) {
        stages[2] = s->infer_ms * noise;
        return stages[2];
    }
    stages[0] = (1.4 + 0.9 * fabs(sin((double)picture * 1.7))) * noise;
    stages[1] = (0.42 + 0.08 * fabs(sin((double)picture * 2.3))) * noise;
    stages[2] = s->infer_ms * noise;
    stages[3] = (s->boxes_ms + 0.1 * fabs(sin((double)picture * 3.1))) * noise;
    return stages[0] + stages[1] + stages[2] + stages[3] + 0.01;
}

static void add_visit(struct maker *m, size_t index, int64_t sweep, int64_t position,
                      int64_t before, double shift)
{
    static const char *const names[] = {STORE_SERIES_DECODE, STORE_SERIES_LETTERBOX,
                                        STORE_SERIES_INFER, STORE_SERIES_BOXES};
    const struct shape *s = &m->shapes[index];
    static int64_t total[MILLION], stage[4][MILLION];
    int64_t after[2];
    struct store_series series[6] = {{STORE_SERIES_TOTAL, total, m->samples},
                                     {STORE_SERIES_AFTER_SWITCH, after, 2}};
    size_t count = 2;
    int64_t restart = sweep * RESTARTS / SWEEPS;
    struct store_visit visit = {.cell_id = m->cells[index],
                                .restart_id = m->restarts[index][restart],
                                .sweep = sweep,
                                .position = position,
                                .predecessor_id = before,
                                .started_ns = (sweep * 16 + position) * SECOND / 2,
                                .mean_clock_hz = -1,
                                .steal_ns = -1,
                                .valid = true};

    if (m->troubled) {
        visit.mean_clock_hz = 3.4e9 - 2e7 * (double)sweep;
        shift += before == m->cells[3] ? 0.03 : 0;
        shift += index == 6 ? 0.06 * (double)sweep / (SWEEPS - 1) : 0;
        shift += index == 2 && restart == 3 ? 0.05 : 0;
    }
    for (size_t i = 0; i < m->samples; i++) {
        double stages[4] = {0};
        double ms = draw_run(m, s, shift + m->restart_shift[index][restart], i % PICTURES, stages);

        total[i] = (int64_t)(ms * 1e6);
        visit.wall_ns += total[i];
        for (int k = 0; k < 4; k++)
            stage[k][i] = (int64_t)(stages[k] * 1e6);
    }
    after[0] = total[0] * 13 / 10;
    after[1] = total[1] * 21 / 20;
    visit.steal_ns = m->troubled ? visit.wall_ns / 50 : -1;
    visit.cpu_ns = visit.wall_ns * (s->threads ? s->threads : 1) * 97 / 100;
    visit.valid = !(index == 1 && sweep == 7);
    visit.why_invalid = visit.valid ? "" : "3 major faults";
    for (int k = 0; k < 4 && s->boxes_ms >= 0; k++)
        series[count++] = (struct store_series){names[k], stage[k], m->samples};
    must(m, store_add_visit(m->store, &visit, series, count, NULL, &m->err));
}

static void add_sweeps(struct maker *m)
{
    int64_t before = 0;

    for (int64_t sweep = 0; sweep < SWEEPS; sweep++) {
        double shift = 0.012 * random_normal(&m->random); /* what the machine does to all */
        size_t order[MAX_CELLS];

        for (size_t i = 0; i < m->shape_count; i++)
            order[i] = i;
        random_shuffle(&m->random, order, m->shape_count);
        for (size_t i = 0; i < m->shape_count; i++) {
            const struct shape *s = &m->shapes[order[i]];

            if (s->state == STORE_CELL_SKIPPED || (s->state == STORE_CELL_FAILED && sweep > 2))
                continue;
            if (s->infer_ms > 0)
                add_visit(m, order[i], sweep, (int64_t)i, before,
                          shift + 0.004 * random_normal(&m->random));
            before = m->cells[order[i]];
        }
    }
}

/* --- accuracy: boxes on a grid, found or not --- */

static void put_annotations(struct buf *out, struct random *random)
{
    int id = 1;

    buf_append_text(out, "{\"images\":[");
    for (int i = 1; i <= PICTURES; i++)
        buf_printf(out, "%s{\"id\":%d,\"width\":640,\"height\":480,\"file_name\":\"%d.jpg\"}",
                   i > 1 ? "," : "", i, i);
    buf_append_text(out, "],\"categories\":[{\"id\":1,\"name\":\"person\"},{\"id\":2,\"name\":"
                         "\"bicycle\"},{\"id\":3,\"name\":\"car\"}],\"annotations\":[");
    for (int i = 1; i <= PICTURES; i++)
        for (int k = 0; k < 8; k++) {
            double w = 30 + 60 * random_uniform(random), h = 30 + 60 * random_uniform(random);

            buf_printf(out,
                       "%s{\"id\":%d,\"image_id\":%d,\"category_id\":%d,\"bbox\":[%d,%d,%.1f,%.1f]"
                       ",\"area\":%.1f,\"iscrowd\":0}",
                       id > 1 ? "," : "", id, i, 1 + (i + k) % 3, 10 + (k % 4) * 155,
                       20 + (k / 4) * 220, w, h, w * h);
            id++;
        }
    buf_append_text(out, "]}");
}

static void put_detections(struct buf *out, double quality)
{
    struct random truth, luck;
    bool first = true;

    random_seed(&truth, 77); /* the boxes of put_annotations() */
    random_seed(&luck, 5);
    buf_append_char(out, '[');
    for (int i = 1; i <= PICTURES; i++)
        for (int k = 0; k < 8; k++) {
            double w = 30 + 60 * random_uniform(&truth), h = 30 + 60 * random_uniform(&truth);
            double off = 24 * (1.02 - quality) * random_normal(&luck);
            double found = random_uniform(&luck), score = 0.3 + 0.69 * random_uniform(&luck);

            if (found > quality * 0.8)
                continue;
            buf_printf(out,
                       "%s{\"image_id\":%d,\"category_id\":%d,\"bbox\":[%.1f,%.1f,%.1f,%.1f],"
                       "\"score\":%.4f}",
                       first ? "" : ",", i, 1 + (i + k) % 3, 10 + (k % 4) * 155 + off,
                       20 + (k / 4) * 220 - off, w, h, score);
            first = false;
        }
    buf_append_char(out, ']');
}

static void score(struct maker *m, const struct coco_dataset *dataset, const struct buf *text,
                  struct store_accuracy *row)
{
    const struct coco_options options = {0};
    struct coco_detections *found = NULL;
    struct coco_result result;

    must(m, coco_detections_parse(buf_text(text), text->size, "made up", 1, &found, &m->err));
    must(m, coco_evaluate(dataset, found, &options, &result, &m->err));
    for (int k = 0; k < STORE_COCO_FIGURES; k++)
        row->coco[k] = result.figures[k];
    coco_result_release(&result);
    coco_detections_free(found);
}

static void add_accuracy(struct maker *m)
{
    struct coco_dataset *dataset = NULL;
    struct buf text = BUF_INIT;
    struct random truth;

    random_seed(&truth, 77);
    put_annotations(&text, &truth);
    must(m,
         store_put_document(m->store, m->run, "annotations", buf_text(&text), text.size, &m->err));
    must(m, coco_dataset_parse(buf_text(&text), text.size, "made up", &dataset, &m->err));
    for (size_t i = 0; i < m->shape_count; i++) {
        double q = m->shapes[i].quality;
        struct store_accuracy row = {
            .cell_id = m->cells[i],
            .pictures = PICTURES,
            .by_class = m->hostile ? "{\"<script>alert(2)</script>\": 0.5}"
                                   : "{\"person\": 0.512, \"bicycle\": 0.397, \"car\": 0.441}"};

        if (q < 0)
            continue;
        buf_clear(&text);
        put_detections(&text, q);
        score(m, dataset, &text, &row);
        must(m, store_put_accuracy(m->store, &row, buf_text(&text), text.size, &m->err));
        must(m, store_put_figure(m->store, m->cells[i], "boxes_found_again",
                                 q > 0.899 ? 1 : q + 0.08, &m->err));
    }
    coco_dataset_free(dataset);
    buf_release(&text);
}

/* All cells that fit, each a little slower than the one before. */
static void make_large(struct maker *m)
{
    static struct shape shapes[MAX_CELLS];
    static char names[MAX_CELLS][90];

    for (size_t i = 0; i < MAX_CELLS; i++) {
        shapes[i] = full_shapes[1];
        (void)snprintf(names[i], sizeof(names[i]), "cell number %zu with a name of some length", i);
        shapes[i].name = names[i];
        shapes[i].infer_ms += (double)i;
    }
    m->shapes = shapes;
    m->shape_count = MAX_CELLS;
}

int main(int argc, char **argv)
{
    static struct maker m = {
        .err = TARE_ERR_INIT, .machine = 1, .model = "yolov8n.pt", .samples = SAMPLES};
    bool second, plain;

    if (argc != 3 && argc != 4) {
        (void)fprintf(stderr, "usage: make_store OUT.db full|second|plain|hostile|empty|large|"
                              "troubled|million [SEED]\n");
        return 2;
    }
    second = strcmp(argv[2], "second") == 0;
    plain = strcmp(argv[2], "plain") == 0;
    m.hostile = strcmp(argv[2], "hostile") == 0;
    m.shapes = plain ? plain_shapes : full_shapes;
    m.shape_count = plain ? 3 : 10;
    m.machine = second ? 2.1 : 1;
    m.troubled = strcmp(argv[2], "troubled") == 0;
    if (strcmp(argv[2], "million") == 0)
        m.samples = MILLION;
    if (plain)
        m.model = "classifier.onnx";
    if (strcmp(argv[2], "large") == 0)
        make_large(&m);
    random_seed(&m.random, argc == 4 ? strtoull(argv[3], NULL, 10) : second ? 2 : 1);
    (void)unlink(argv[1]);
    must(&m, store_open(argv[1], STORE_CREATE, &m.store, &m.err));
    must(&m, store_begin(m.store, &m.err));
    add_run(&m, second);
    if (strcmp(argv[2], "empty") != 0) {
        add_cells(&m);
        add_lines(&m, plain ? plain_lines : full_lines, plain ? 2 : 8);
        add_restarts(&m);
        add_sweeps(&m);
        if (!plain)
            add_accuracy(&m);
    }
    must(&m, store_commit(m.store, &m.err));
    store_close(m.store);
    return 0;
}
