/*
 * What cpu_read() makes of recorded machines: a cloud VM on an EPYC (Zen 3), a Jetson AGX Orin, a
 * two-socket Xeon (Sapphire Rapids). Of the trees in tests/fixtures/machines, epyc-vm was recorded
 * on such a machine; orin and xeon were written by hand after the known formats of these files, so
 * they show that the formats are read, not that tare has run there.
 */
#include "base/cpu.h"
#include "check.h"

#define MACHINES "tests/fixtures/machines/"

static void reads_a_virtual_epyc(void)
{
    struct cpu_info info;
    char names[128];

    CHECK_OK(cpu_read(MACHINES "epyc-vm", &info, err));
    CHECK_TEXT(info.model, "AMD EPYC");
    CHECK_TEXT(info.architecture, "x86_64");
    CHECK_TEXT(info.virtualisation, "hypervisor");
    CHECK_TEXT(info.governor, "");
    CHECK(info.boost == -1 && info.quota == 0);
    CHECK(info.logical_count == 2 && info.core_count == 2);
    cpu_feature_names(info.features, names, sizeof(names));
    CHECK_TEXT(names, "avx2 fma f16c");
}

static void reads_an_orin(void)
{
    struct cpu_info info;
    char names[128];

    CHECK_OK(cpu_read(MACHINES "orin", &info, err));
    CHECK_TEXT(info.model, "Arm Cortex-A78AE");
    CHECK_TEXT(info.board, "NVIDIA Jetson AGX Orin Developer Kit");
    CHECK_TEXT(info.architecture, "aarch64");
    CHECK_TEXT(info.governor, "schedutil");
    CHECK_TEXT(info.virtualisation, "");
    CHECK(info.logical_count == 12 && info.core_count == 12);
    CHECK(info.memory_bytes == 64343640LL * 1024 && info.available_bytes == 60211320LL * 1024);
    cpu_feature_names(info.features, names, sizeof(names));
    CHECK_TEXT(names, "neon fp16 dotprod");
}

static void reads_a_xeon(void)
{
    const unsigned features = CPU_AVX2 | CPU_FMA | CPU_F16C | CPU_AVX512 | CPU_VNNI |
                              CPU_AVX512_BF16 | CPU_AVX512_FP16 | CPU_AMX_INT8 | CPU_AMX_BF16;
    struct cpu_info info;

    CHECK_OK(cpu_read(MACHINES "xeon", &info, err));
    CHECK_TEXT(info.model, "Intel(R) Xeon(R) Platinum 8480+");
    CHECK_TEXT(info.governor, "performance");
    CHECK_TEXT(info.virtualisation, "");
    CHECK(info.boost == 0); /* no_turbo is 1 */
    CHECK(info.logical_count == 8 && info.core_count == 4);
    CHECK_NEAR(info.quota, 2.5, 1e-12);
    CHECK(info.features == features);
}

static void reads_this_machine(void)
{
    struct cpu_info info;

    CHECK_OK(cpu_read(NULL, &info, err));
    CHECK(info.logical_count >= 1 && info.core_count >= 1);
    CHECK(info.memory_bytes > info.available_bytes && info.available_bytes > 0);
#if defined(__x86_64__)
    CHECK(((info.features & CPU_AVX2) != 0) == (__builtin_cpu_supports("avx2") != 0));
    CHECK(((info.features & CPU_FMA) != 0) == (__builtin_cpu_supports("fma") != 0));
#endif
}

static void refuses_an_empty_tree(void)
{
    struct tare_err err = TARE_ERR_INIT;
    struct cpu_info info;

    CHECK(cpu_read("/nowhere", &info, &err) == TARE_ABSENT);
    CHECK_TEXT(err.text, "cannot read '/nowhere/proc/cpuinfo'");
}

static void names_fit_or_stop(void)
{
    char names[8];

    cpu_feature_names(CPU_AVX2 | CPU_FMA | CPU_F16C, names, sizeof(names));
    CHECK(strncmp(names, "avx2", 4) == 0 && strlen(names) < sizeof(names));
    cpu_feature_names(0, names, sizeof(names));
    CHECK_TEXT(names, "");
    CHECK(cpu_feature_name((enum cpu_feature)(CPU_AVX2 | CPU_FMA)) == NULL);
}

/* The trees limited-v1 and limited-v2 have epyc-vm's processor and memory, and the
 * files of a control group of either version, written by hand (cgroups(7)). */
static void obeys_a_control_group(void)
{
    struct cpu_info info;

    CHECK_OK(cpu_read(MACHINES "limited-v2", &info, err));
    CHECK(info.available_bytes == (int64_t)(512 - 128) << 20);
    CHECK_OK(cpu_read(MACHINES "limited-v1", &info, err));
    CHECK(info.available_bytes == (int64_t)(256 - 64) << 20);
    CHECK_OK(cpu_read(MACHINES "xeon", &info, err)); /* has none */
    CHECK(info.available_bytes > (int64_t)1 << 30);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"reads_a_virtual_epyc", reads_a_virtual_epyc},
        {"reads_an_orin", reads_an_orin},
        {"reads_a_xeon", reads_a_xeon},
        {"reads_this_machine", reads_this_machine},
        {"refuses_an_empty_tree", refuses_an_empty_tree},
        {"names_fit_or_stop", names_fit_or_stop},
        {"obeys_a_control_group", obeys_a_control_group},
        {0},
    };

    return check_main("cpu", cases, argc, argv);
}
