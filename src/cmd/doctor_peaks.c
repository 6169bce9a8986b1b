#include "cmd/doctor_peaks.h"

#include <stdio.h>

#include "base/cpu.h"
#include "base/json_write.h"
#include "cmd/command.h"
#include "cmd/doctor_gpu.h"
#include "measure/peak.h"

#define WINDOWS   100
#define WINDOW_NS ((int64_t)3 * 1000000)
#define SPANS     2 /* one thread, all of them */

/* What became of one kernel, or of one kind of traffic. */
struct row {
    const char *what, *by;
    bool present, right;
    struct peak_rate rates[SPANS];
    char why[120];
};

static struct peak_options options_of(int span)
{
    return (struct peak_options){
        .threads = span == 0 ? 1 : peak_processors(),
        .windows = WINDOWS,
        .window_ns = WINDOW_NS,
    };
}

static struct row measure_kernel(const struct peak_kernel *kernel)
{
    struct row row = {peak_type_name(kernel->type), kernel->name, .present = kernel->present()};
    struct tare_err err = TARE_ERR_INIT;

    row.right = row.present && peak_is_right(kernel);
    if (row.present && !row.right)
        (void)snprintf(row.why, sizeof(row.why), "wrong answers");
    for (int span = 0; span < SPANS && row.right && err.status == TARE_OK; span++) {
        const struct peak_options options = options_of(span);

        (void)peak_measure(kernel, &options, &row.rates[span], &err);
    }
    if (err.status != TARE_OK)
        (void)snprintf(row.why, sizeof(row.why), "%.110s", err.text);
    return row;
}

static struct row measure_traffic(enum peak_traffic kind)
{
    struct row row = {peak_traffic_name(kind), "", .present = true, .right = true};
    struct tare_err err = TARE_ERR_INIT;

    for (int span = 0; span < SPANS && err.status == TARE_OK; span++) {
        const struct peak_options options = options_of(span);

        (void)peak_measure_traffic(kind, &options, &row.rates[span], &err);
    }
    if (err.status != TARE_OK)
        (void)snprintf(row.why, sizeof(row.why), "%.110s", err.text);
    return row;
}

static void print_row(const struct row *row)
{
    (void)printf("  %-6s %-14s", row->what, row->by);
    if (!row->present) {
        (void)printf("  not on this processor\n");
        return;
    }
    if (row->why[0]) {
        (void)printf("  failed: %s\n", row->why);
        return;
    }
    for (int span = 0; span < SPANS; span++)
        (void)printf("%9.1f (%4.1f %%)", row->rates[span].best * 1e-9,
                     100 * (1 - row->rates[span].median / row->rates[span].best));
    (void)printf("\n");
    (void)fflush(stdout);
}

static void put_row(struct json_writer *w, const struct row *row)
{
    static const char *const names[SPANS] = {"one_thread", "all_threads"};

    json_open_object(w, NULL);
    json_put_text(w, "what", row->what);
    json_put_text(w, "by", row->by);
    json_put_bool(w, "present", row->present);
    json_put_bool(w, "right", row->right);
    json_put_text(w, "why", row->why);
    for (int span = 0; span < SPANS; span++) {
        const struct peak_rate *rate = &row->rates[span];

        if (rate->best <= 0) {
            json_put_null(w, names[span]);
            continue;
        }
        json_open_object(w, names[span]);
        json_put_number(w, "best", rate->best);
        json_put_number(w, "median", rate->median);
        json_put_number(w, "worst", rate->worst);
        json_close_object(w);
    }
    json_close_object(w);
}

static void print_head(const struct cpu_info *cpu)
{
    (void)printf("measured on %s, %d processor%s, %s\n", cpu->model[0] ? cpu->model : "?",
                 peak_processors(), peak_processors() == 1 ? "" : "s",
                 cpu->virtualisation[0] ? "virtual" : "not virtual");
    (void)printf("best of %d windows of about %d ms (how far the median lies below it)\n\n",
                 WINDOWS, (int)(WINDOW_NS / 1000000));
    (void)printf("10^9 operations a second          one thread       all threads\n");
}

static void print_traffic_head(void)
{
    (void)printf("\n10^9 bytes a second               one thread       all threads\n");
}

static void print_traffic_foot(void)
{
    (void)printf("read and triad over %lld MiB, cache over %lld MiB; last cache %lld MiB\n",
                 (long long)peak_buffer_bytes(PEAK_READ) >> 20,
                 (long long)peak_buffer_bytes(PEAK_CACHE) >> 20,
                 (long long)peak_cache_bytes("") >> 20);
}

int doctor_peaks(bool json)
{
    struct tare_err err = TARE_ERR_INIT;
    const struct peak_kernel *kernel;
    struct buf out = BUF_INIT;
    struct json_writer w;
    struct cpu_info cpu;
    bool failed = false;

    if (cpu_read("", &cpu, &err) != TARE_OK)
        return command_fail("doctor", &err);
    json_start(&w, &out, true);
    json_open_object(&w, NULL);
    json_put_text(&w, "processor", cpu.model);
    json_put_int(&w, "processors", peak_processors());
    json_put_int(&w, "cache_bytes", peak_cache_bytes(""));
    json_put_int(&w, "buffer_bytes", peak_buffer_bytes(PEAK_READ));
    json_open_array(&w, "peaks");
    if (!json)
        print_head(&cpu);
    for (size_t i = 0; (kernel = peak_kernel(i)); i++) {
        struct row row = measure_kernel(kernel);

        failed = failed || row.why[0];
        json ? put_row(&w, &row) : print_row(&row);
    }
    if (!json)
        print_traffic_head();
    for (int kind = 0; kind < PEAK_TRAFFICS; kind++) {
        struct row row = measure_traffic((enum peak_traffic)kind);

        failed = failed || row.why[0];
        json ? put_row(&w, &row) : print_row(&row);
    }
    json_close_array(&w);
    if (!json)
        print_traffic_foot();
    if (!(json ? doctor_gpu_put_peaks(&w) : doctor_gpu_print_peaks()))
        failed = true;
    json_close_object(&w);
    if (json)
        (void)puts(buf_text(&out));
    if (buf_status(&out, "the answer", &err) != TARE_OK) {
        buf_release(&out);
        return command_fail("doctor", &err);
    }
    buf_release(&out);
    return command_finish("doctor", failed ? EXIT_FAILED : EXIT_OK);
}
