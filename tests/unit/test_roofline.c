/*
 * A cell against its limit, with numbers that can be followed by hand; peaks as JSON and back; what
 * a damaged file makes of them.
 */
#include "measure/roofline.h"

#include "check.h"

/* 100 and 180 G op/s in FP32, 200 and 400 in INT8; memory 10 and 16 GB/s, cache 40 and 64. */
static struct roofline_peaks made_peaks(void)
{
    struct roofline_peaks peaks = {.known = true, .processors = 4, .cache_bytes = 32 << 20};

    peaks.operations[PEAK_FP32][ROOFLINE_ONE] = (struct roofline_peak){{100e9, 99e9, 1e9}, "A"};
    peaks.operations[PEAK_FP32][ROOFLINE_ALL] = (struct roofline_peak){{180e9, 99e9, 1e9}, "A"};
    peaks.operations[PEAK_INT8][ROOFLINE_ONE] = (struct roofline_peak){{200e9, 99e9, 1e9}, "B"};
    peaks.operations[PEAK_INT8][ROOFLINE_ALL] = (struct roofline_peak){{400e9, 99e9, 1e9}, "B"};
    peaks.traffic[PEAK_READ][ROOFLINE_ONE].rate = (struct peak_rate){10e9, 9e9, 1e9};
    peaks.traffic[PEAK_READ][ROOFLINE_ALL].rate = (struct peak_rate){16e9, 9e9, 1e9};
    peaks.traffic[PEAK_CACHE][ROOFLINE_ONE].rate = (struct peak_rate){40e9, 9e9, 1e9};
    peaks.traffic[PEAK_CACHE][ROOFLINE_ALL].rate = (struct peak_rate){64e9, 9e9, 1e9};
    return peaks;
}

static void arithmetic_holds_a_row(void)
{
    const struct roofline_peaks peaks = made_peaks();
    const struct roofline_graph graph = {1, true, "", {9e9, 0, 12e6, 8e6}};
    struct roofline_row row = roofline_row_of(&peaks, &graph, "fp32", 1, 150e6);

    CHECK(row.known && row.bound == ROOFLINE_COMPUTE && !row.stands_in);
    CHECK_NEAR(row.limit_ns, 90e6, 1); /* 9 G at 100 G/s */
    CHECK_NEAR(row.share, 0.6, 1e-9);
    CHECK_NEAR(row.intensity, 450, 1e-9);
    CHECK_NEAR(row.attained, 60e9, 1);
    row = roofline_row_of(&peaks, &graph, "fp32", 0, 100e6); /* all: 180 */
    CHECK_NEAR(row.limit_ns, 50e6, 1);
    row = roofline_row_of(&peaks, &graph, "fp32", 3, 100e6); /* 3 x 100, at most 180 */
    CHECK_NEAR(row.limit_ns, 50e6, 1);
}

static void bytes_hold_a_row(void)
{
    const struct roofline_peaks peaks = made_peaks();
    const struct roofline_graph large = {1, true, "", {1e6, 0, 90e6, 10e6}};
    const struct roofline_graph small = {1, true, "", {1e6, 0, 19e6, 1e6}};
    struct roofline_row row = roofline_row_of(&peaks, &large, "fp32", 1, 20e6);

    CHECK(row.known && row.bound == ROOFLINE_MEMORY);
    CHECK_NEAR(row.limit_ns, 10e6, 1); /* 100 MB at 10 GB/s */
    CHECK_NEAR(row.share, 0.5, 1e-9);
    row = roofline_row_of(&peaks, &small, "fp32", 1, 20e6); /* 20 MB stay in the cache */
    CHECK(row.bound == ROOFLINE_CACHE);
    CHECK_NEAR(row.limit_ns, 0.5e6, 1);
    row = roofline_row_of(&peaks, &large, "bf16", 1, 20e6); /* half the weights */
    CHECK_NEAR(row.bytes, 55e6, 1);
    CHECK(row.stands_in); /* no BF16 here */
}

static void quantised_and_other_nodes_add_up(void)
{
    const struct roofline_peaks peaks = made_peaks();
    const struct roofline_graph graph = {1, true, "", {1e9, 8e9, 3e6, 1e6}};
    struct roofline_row row = roofline_row_of(&peaks, &graph, "int8", 1, 100e6);

    CHECK_NEAR(row.limit_ns, 40e6 + 10e6, 1); /* 8 G at 200, 1 G at 100 */
    CHECK_NEAR(row.compute_rate, 180e9, 1);
    CHECK(!row.stands_in);
}

/* 50 and 400 T op/s in FP32 and TF32, 800 in FP16, 1600 in INT8; copies at 4 TB/s; L2 of 50 MB. */
static struct roofline_peaks made_device(void)
{
    struct roofline_peaks peaks = made_peaks();
    struct peak_cuda *device = &peaks.devices[peaks.device_count++];

    *device = (struct peak_cuda){.known = true, .index = 1, .cache_bytes = 50000000};
    device->operations[PEAK_FP32].rate.best = 50e12;
    device->operations[PEAK_TF32].rate.best = 400e12;
    device->operations[PEAK_FP16].rate.best = 800e12;
    device->operations[PEAK_INT8].rate.best = 1600e12;
    device->copies[PEAK_COPY_DEVICE].rate.best = 4e12;
    (void)snprintf(device->operations[PEAK_BF16].why, sizeof(device->operations[0].why), "none");
    return peaks;
}

static void a_device_has_its_own_limits(void)
{
    const struct roofline_peaks peaks = made_device();
    const struct roofline_graph graph = {1, true, "", {8e9, 0, 12e6, 8e6}};
    struct roofline_row row = roofline_row_on(&peaks, "cuda:1", &graph, "fp32", 1, 1e6);

    CHECK(row.known && row.bound == ROOFLINE_COMPUTE && row.fits_cache && !row.stands_in);
    CHECK_NEAR(row.limit_ns, 160e3, 1); /* 8 G at 50 T/s, on whatever threads */
    CHECK_NEAR(row.share, 0.16, 1e-9);
    row = roofline_row_on(&peaks, "cuda:1", &graph, "tf32", 0, 1e6);
    CHECK_NEAR(row.limit_ns, 20e3, 1);
    CHECK(row.type == PEAK_TF32);
    row = roofline_row_on(&peaks, "cuda:1", &graph, "fp16", 0, 1e6);
    CHECK_NEAR(row.limit_ns, 10e3, 1);
    CHECK_NEAR(row.bytes, 14e6, 1);
    row = roofline_row_on(&peaks, "cuda:1", &graph, "bf16", 0, 1e6);
    CHECK(row.stands_in);
    CHECK_NEAR(row.limit_ns, 160e3, 1);
}

static void a_device_waits_for_memory(void)
{
    const struct roofline_peaks peaks = made_device();
    const struct roofline_graph graph = {1, true, "", {8e9, 0, 190e6, 10e6}};
    struct roofline_row row = roofline_row_on(&peaks, "cuda:1", &graph, "tf32", 1, 1e6);

    CHECK(row.known && row.bound == ROOFLINE_MEMORY && !row.fits_cache);
    CHECK_NEAR(row.limit_ns, 50e3, 1); /* 200 MB at 4 TB/s */
}

static void a_quantised_graph_on_a_device(void)
{
    const struct roofline_peaks peaks = made_device();
    const struct roofline_graph graph = {1, true, "", {8e9, 16e9, 3e6, 1e6}};
    struct roofline_row row = roofline_row_on(&peaks, "cuda:1", &graph, "int8", 1, 1e6);

    CHECK_NEAR(row.limit_ns, 20e3, 1); /* 16 G at 1600 T/s, 8 G at the fastest of the others */
    CHECK_NEAR(row.compute_rate, 1200e12, 1e6);
    row = roofline_row_on(&peaks, "cuda:1", &graph, "fp32", 1, 1e6); /* as it was executed */
    CHECK_NEAR(row.limit_ns, 480e3, 1);
}

static void a_device_says_why_there_is_none(void)
{
    const struct roofline_graph graph = {1, true, "", {1e9, 0, 1e6, 1e6}};
    struct roofline_peaks peaks = made_device();

    CHECK_TEXT(roofline_row_on(&peaks, "cuda:0", &graph, "fp32", 1, 1e6).why,
               "the peaks of cuda:0 were not measured");
    peaks.devices[0].known = false;
    (void)snprintf(peaks.devices[0].why, sizeof(peaks.devices[0].why), "no driver");
    CHECK_TEXT(roofline_row_on(&peaks, "cuda:1", &graph, "fp32", 1, 1e6).why,
               "the peaks of cuda:1 were not measured: no driver");
    peaks = made_device();
    peaks.devices[0].copies[PEAK_COPY_DEVICE].rate.best = 0;
    CHECK(!roofline_row_on(&peaks, "cuda:1", &graph, "fp32", 1, 1e6).known);
    CHECK(!roofline_row_on(&peaks, "cuda:1", NULL, "fp32", 1, 1e6).known);
    CHECK(!roofline_row_on(&peaks, "cuda:1", &graph, "fp32", 1, NAN).known);
    CHECK(roofline_row_on(&peaks, "cpu", &graph, "fp32", 1, 1e6).known);
    CHECK(!roofline_row_on(&peaks, "gpu", &graph, "fp32", 1, 1e6).known);
    CHECK(roofline_device(&peaks, "cuda:1") == &peaks.devices[0]);
    CHECK(roofline_device(&peaks, "cuda:0") == NULL);
}

static void devices_survive_json(void)
{
    const struct roofline_peaks peaks = made_device();
    struct roofline_peaks again;
    struct buf text = BUF_INIT;

    roofline_write(&peaks, &text);
    CHECK_OK(roofline_parse(text.data, text.size, &again, err));
    CHECK(again.device_count == 1 && again.devices[0].index == 1 && again.devices[0].known);
    CHECK(again.devices[0].operations[PEAK_TF32].rate.best == 400e12);
    CHECK(again.operations[PEAK_TF32][ROOFLINE_ALL].rate.best == 0);
    CHECK_TEXT(again.devices[0].operations[PEAK_BF16].why, "none");
    buf_release(&text);
}

static void takes_no_more_devices_than_it_holds(void)
{
    struct roofline_peaks peaks;
    struct buf text = BUF_INIT;

    buf_append_text(&text, "{\"processors\": 1, \"rates\": [], \"devices\": [");
    for (int i = 0; i < 100; i++)
        buf_printf(&text, "%s{\"index\": %d}", i ? "," : "", i);
    buf_append_text(&text, "]}");
    CHECK_OK(roofline_parse(text.data, text.size, &peaks, err));
    CHECK(peaks.known && peaks.device_count == ROOFLINE_MAX_DEVICES);
    buf_release(&text);
}

static void says_why_there_is_none(void)
{
    const struct roofline_peaks none = {0}, peaks = made_peaks();
    const struct roofline_graph unknown = {.cell_id = 1, .why = "no such operator"};
    const struct roofline_graph graph = {1, true, "", {1e9, 0, 1e6, 1e6}};

    CHECK(!roofline_row_of(&none, &graph, "fp32", 1, 1e6).known);
    CHECK(!roofline_row_of(&peaks, NULL, "fp32", 1, 1e6).known);
    CHECK(!roofline_row_of(&peaks, &graph, "fp32", 1, NAN).known);
    CHECK_TEXT(roofline_row_of(&peaks, &unknown, "fp32", 1, 1e6).why, "no such operator");
}

static void peaks_survive_json(void)
{
    const struct roofline_peaks peaks = made_peaks();
    struct roofline_peaks again;
    struct buf text = BUF_INIT;

    roofline_write(&peaks, &text);
    CHECK_OK(roofline_parse(text.data, text.size, &again, err));
    CHECK(again.known && again.processors == 4 && again.cache_bytes == 32 << 20);
    for (int type = 0; type < PEAK_TYPES; type++)
        for (int span = 0; span < ROOFLINE_SPANS; span++) {
            CHECK(again.operations[type][span].rate.best == peaks.operations[type][span].rate.best);
            CHECK_TEXT(again.operations[type][span].by, peaks.operations[type][span].by);
        }
    CHECK(again.traffic[PEAK_CACHE][ROOFLINE_ALL].rate.best == 64e9);
    buf_release(&text);
}

static void refuses_damaged_peaks(void)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "{",
                                        "{\"processors\": 0, \"rates\": []}",
                                        "{\"processors\": 2}",
                                        "{\"processors\": 2, \"rates\": 3}"};
    static const char odd[] =
        "{\"processors\": 2, \"rates\": [{\"what\": \"fp32\", \"best\": -1}, 7,"
        "{\"what\": \"later\", \"best\": 1}, {\"what\": \"int8\"}]}";
    struct roofline_peaks peaks;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct tare_err err = TARE_ERR_INIT;

        CHECK(roofline_parse(texts[i], strlen(texts[i]), &peaks, &err) == TARE_BADDATA);
        CHECK(!peaks.known);
    }
    CHECK_OK(roofline_parse(odd, strlen(odd), &peaks, err));
    CHECK(peaks.known && peaks.operations[PEAK_FP32][ROOFLINE_ONE].rate.best == 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"arithmetic_holds_a_row", arithmetic_holds_a_row},
        {"bytes_hold_a_row", bytes_hold_a_row},
        {"quantised_and_other_nodes_add_up", quantised_and_other_nodes_add_up},
        {"a_device_has_its_own_limits", a_device_has_its_own_limits},
        {"a_device_waits_for_memory", a_device_waits_for_memory},
        {"a_quantised_graph_on_a_device", a_quantised_graph_on_a_device},
        {"a_device_says_why_there_is_none", a_device_says_why_there_is_none},
        {"devices_survive_json", devices_survive_json},
        {"takes_no_more_devices_than_it_holds", takes_no_more_devices_than_it_holds},
        {"says_why_there_is_none", says_why_there_is_none},
        {"peaks_survive_json", peaks_survive_json},
        {"refuses_damaged_peaks", refuses_damaged_peaks},
        {0},
    };

    return check_main("roofline", cases, argc, argv);
}
