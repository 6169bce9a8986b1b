/*
 * Mean power of made-up traces against arithmetic, and NVMLs that are whole, bare, broken and gone.
 */
#include "power/nvml.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/clock.h"
#include "check.h"

#define STANDIN TEST_BUILD "/fixtures/nvml_standin.so"
#define BARE    TEST_BUILD "/fixtures/nvml_bare.so"
#define MS      INT64_C(1000000)

/* A counter that ticks every 100 ms at so many mW, seen up to 5 ms later. */
static struct power_trace counter_of(const int64_t *mw, size_t ticks)
{
    struct power_trace trace = {.kind = POWER_COUNTER, .count = ticks};

    trace.at_ns = calloc(ticks + 1, sizeof(int64_t));
    trace.value = calloc(ticks + 1, sizeof(int64_t));
    trace.slack_ns = calloc(ticks + 1, sizeof(int64_t));
    for (size_t i = 0; i < ticks; i++) {
        trace.at_ns[i] = (int64_t)i * 100 * MS;
        trace.value[i] = i ? trace.value[i - 1] + mw[i] / 10 : 777;
        trace.slack_ns[i] = i ? 5 * MS : 0;
    }
    return trace;
}

static void counts_between_changes(void)
{
    /* 80 W for a second, 200 W for two, 80 W again */
    int64_t mw[40];
    struct power_trace trace;
    struct power_mean mean;

    for (size_t i = 0; i < 40; i++)
        mw[i] = i > 10 && i <= 30 ? 200000 : 80000;
    trace = counter_of(mw, 40);
    CHECK(power_period_ns(&trace) == 100 * MS);
    CHECK_OK(power_mean_of(&trace, 1050 * MS, 2950 * MS, 5, &mean, err));
    CHECK(mean.mw == 200000);
    CHECK(mean.from_ns == 1100 * MS && mean.to_ns == 2900 * MS && mean.readings == 19);
    /* two changes, each seen up to 5 ms late, over 1.8 s, and a mJ of 360 J */
    CHECK(fabs(mean.resolution - (10.0 / 1800 + 1.0 / 360000)) < 1e-9);
    CHECK_OK(power_mean_of(&trace, 0, 4000 * MS, 5, &mean, err));
    CHECK(fabs(mean.mw - (9 * 80000 + 20 * 200000 + 9 * 80000) / 38.0) < 1);
    power_trace_release(&trace);
}

static void refuses_what_is_no_counter(void)
{
    int64_t mw[10] = {0};
    struct power_trace trace = counter_of(mw, 10);
    struct tare_err why = TARE_ERR_INIT;
    struct power_mean mean;

    CHECK(power_mean_of(&trace, 0, 1000 * MS, 5, &mean, &why) == TARE_BADDATA);
    CHECK(strstr(why.text, "stood still") != NULL);
    CHECK(power_period_ns(&trace) == 0);
    tare_err_clear(&why);
    trace.value[6] = 3;
    CHECK(power_mean_of(&trace, 0, 1000 * MS, 5, &mean, &why) == TARE_BADDATA);
    CHECK(strstr(why.text, "backwards") != NULL);
    tare_err_clear(&why);
    CHECK(power_mean_of(&trace, 0, 300 * MS, 5, &mean, &why) == TARE_ABSENT);
    tare_err_clear(&why);
    CHECK(power_mean_of(&trace, 5000 * MS, 6000 * MS, 5, &mean, &why) == TARE_ABSENT);
    power_trace_release(&trace);
}

static void integrates_by_trapezoids(void)
{
    int64_t at[] = {0, 100 * MS, 300 * MS, 400 * MS}, mw[] = {100, 200, 200, 100};
    int64_t slack[] = {0, MS, MS, MS};
    struct power_trace trace = {
        .kind = POWER_READINGS, .at_ns = at, .value = mw, .slack_ns = slack, .count = 4};
    struct power_mean mean;

    CHECK_OK(power_mean_of(&trace, 0, 400 * MS, 2, &mean, err));
    CHECK(fabs(mean.mw - (15 + 40 + 15) / 0.4) < 1e-9);
}

static void names_reasons(void)
{
    char text[100], little[8];

    /* NVML's documentation: 1 idle, 4 software power cap, 0x40 hardware thermal slow-down */
    CHECK(!power_throttled(1) && !power_throttled(-1) && power_throttled(4));
    power_put_reasons(0x45, text, sizeof(text));
    CHECK(strcmp(text, "sw_power_cap hw_thermal") == 0);
    power_put_reasons(1, text, sizeof(text));
    CHECK(text[0] == '\0');
    power_put_reasons(0xff, little, sizeof(little)); /* cut, not overrun */
    CHECK(power_reason_name(63) == NULL && power_reason_name(-1) == NULL);
}

static enum tare_status open_with(const char *library, const char *scenario,
                                  const struct nvml_which *which, struct nvml **nvml,
                                  struct tare_err *err)
{
    (void)setenv("TARE_NVML", library, 1);
    (void)setenv("STANDIN_NVML", scenario, 1);
    return nvml_open(which, nvml, err);
}

static void samples_the_counter(void)
{
    const struct nvml_which which = {.index = -1};
    struct power_source source;
    struct power_sampler_options options = {
        .source = &source, .step_ns = MS, .rest_ns = 7 * MS, .state_step_ns = 20 * MS};
    struct power_sampler *sampler = NULL;
    struct power_trace trace;
    struct power_mean mean;
    struct nvml *nvml;

    CHECK_OK(open_with(STANDIN, "period_ms=10,empty_mw=50000", &which, &nvml, err));
    CHECK_OK(nvml_source(nvml, POWER_COUNTER, &source, err));
    CHECK(source.stand_in && strstr(source.name, "stand-in") == source.name);
    CHECK(strstr(source.device, "stand-in board") != NULL);
    CHECK_OK(power_sampler_start(&options, &sampler, err));
    clock_sleep_until(clock_now_ns() + 500 * MS);
    power_sampler_stop(sampler, &trace);
    CHECK_OK(power_mean_of(&trace, 0, INT64_MAX, 5, &mean, err));
    CHECK(fabs(mean.mw / 50000 - 1) < 0.002 + mean.resolution);
    CHECK(power_period_ns(&trace) >= 10 * MS);
    CHECK(trace.state_count >= 2 && trace.states[0].sm_clock_hz == INT64_C(345000000));
    CHECK(trace.states[0].temperature_mc == 40000 && trace.states[0].reasons == 1);
    power_trace_release(&trace);
    nvml_close(nvml);
}

/* On a machine without NVIDIA's driver, which is no fault of its own. */
static void says_that_there_is_no_driver(void)
{
    const struct nvml_which only = {.index = -1};
    struct tare_err why = TARE_ERR_INIT;
    void *real = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    struct nvml *nvml;

    if (real) {
        (void)dlclose(real);
        return;
    }
    CHECK(open_with("", "", &only, &nvml, &why) == TARE_ABSENT && !nvml);
    CHECK_TEXT(why.text, "there is no libnvidia-ml.so.1, NVML of NVIDIA's driver");
}

static void says_what_is_missing(void)
{
    const struct nvml_which only = {.index = -1}, other = {.uuid = "GPU-other", .index = -1};
    const struct nvml_which by_uuid = {.uuid = "GPU-00000000-0000-0000-0000-000000000001"};
    struct tare_err why = TARE_ERR_INIT;
    struct power_source source;
    struct nvml_facts facts;
    struct nvml *nvml;

    CHECK(open_with("/nowhere/nvml.so", "", &only, &nvml, &why) == TARE_ABSENT && !nvml);
    CHECK(strstr(why.text, "'/nowhere/nvml.so'") != NULL);
    tare_err_clear(&why);
    CHECK(open_with(TEST_BUILD "/fixtures/plugin_absent.so", "", &only, &nvml, &why) ==
          TARE_BROKEN);
    CHECK(strstr(why.text, "no nvmlInit_v2") != NULL);
    tare_err_clear(&why);
    CHECK(open_with(STANDIN, "fail=nvmlInit_v2:9", &only, &nvml, &why) == TARE_ABSENT);
    CHECK(strstr(why.text, "Driver Not Loaded") != NULL);
    tare_err_clear(&why);
    CHECK(open_with(STANDIN, "boards=2", &only, &nvml, &why) == TARE_UNSUPPORTED);
    tare_err_clear(&why);
    CHECK(open_with(STANDIN, "boards=0", &only, &nvml, &why) == TARE_ABSENT);
    tare_err_clear(&why);
    CHECK(open_with(STANDIN, "", &other, &nvml, &why) == TARE_ABSENT);
    tare_err_clear(&why);
    CHECK_OK(open_with(STANDIN, "boards=2,mig=1", &by_uuid, &nvml, err));
    nvml_facts(nvml, &facts);
    CHECK(facts.parted == 1 && facts.power_limit_mw == 300000 && facts.stand_in);
    CHECK(facts.memory_bytes == 1 << 30 && facts.memory_used_bytes == 1 << 29);
    nvml_close(nvml);
    CHECK_OK(open_with(STANDIN, "fail=nvmlDeviceGetTotalEnergyConsumption:3", &only, &nvml, err));
    CHECK(nvml_source(nvml, POWER_COUNTER, &source, &why) == TARE_UNSUPPORTED);
    tare_err_clear(&why);
    CHECK_OK(nvml_source(nvml, POWER_READINGS, &source, err));
    nvml_close(nvml);
}

static void does_with_little(void)
{
    const struct nvml_which only = {.index = -1};
    struct power_state state = {.sm_clock_hz = POWER_UNKNOWN, .reasons = POWER_UNKNOWN};
    int64_t pids[POWER_MAX_PIDS], mw = 0;
    struct tare_err why = TARE_ERR_INIT;
    struct power_source source;
    struct nvml_facts facts;
    struct nvml *nvml;
    size_t count;

    CHECK_OK(open_with(BARE, "", &only, &nvml, err));
    nvml_facts(nvml, &facts);
    CHECK(facts.name[0] == '\0' && facts.parted == POWER_UNKNOWN);
    CHECK(facts.power_limit_mw == POWER_UNKNOWN && facts.memory_bytes == POWER_UNKNOWN);
    CHECK(nvml_source(nvml, POWER_COUNTER, &source, &why) == TARE_UNSUPPORTED);
    tare_err_clear(&why);
    CHECK_OK(nvml_source(nvml, POWER_READINGS, &source, err));
    CHECK_OK(source.read(source.self, &mw, err));
    CHECK(mw == 50000 || mw == 52000);
    source.state(source.self, &state);
    CHECK(state.sm_clock_hz == POWER_UNKNOWN && state.reasons == POWER_UNKNOWN);
    CHECK(source.processes(source.self, pids, &count, &why) == TARE_UNSUPPORTED);
    nvml_close(nvml);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"counts_between_changes", counts_between_changes},
        {"refuses_what_is_no_counter", refuses_what_is_no_counter},
        {"integrates_by_trapezoids", integrates_by_trapezoids},
        {"names_reasons", names_reasons},
        {"samples_the_counter", samples_the_counter},
        {"says_that_there_is_no_driver", says_that_there_is_no_driver},
        {"says_what_is_missing", says_what_is_missing},
        {"does_with_little", does_with_little},
        {0},
    };

    return check_main("power", cases, argc, argv);
}
