#include "base/cpu.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/file.h"

#define TEXT_MAX  ((size_t)4 << 20)
#define CORES_MAX 4096

/* Names as they stand in /proc/cpuinfo, whole words; all of a row must be there. */
static const struct {
    enum cpu_feature feature;
    const char *name;
    const char *words[5];
} feature_rows[] = {
    {CPU_AVX2, "avx2", {"avx2"}},
    {CPU_FMA, "fma", {"fma"}},
    {CPU_F16C, "f16c", {"f16c"}},
    {CPU_AVX512, "avx512", {"avx512f", "avx512bw", "avx512dq", "avx512vl"}},
    {CPU_VNNI, "vnni", {"avx512_vnni"}},
    {CPU_VNNI, "vnni", {"avx_vnni"}},
    {CPU_AVX512_BF16, "avx512_bf16", {"avx512_bf16"}},
    {CPU_AVX512_FP16, "avx512_fp16", {"avx512_fp16"}},
    {CPU_AMX_INT8, "amx_int8", {"amx_tile", "amx_int8"}},
    {CPU_AMX_BF16, "amx_bf16", {"amx_tile", "amx_bf16"}},
    {CPU_NEON, "neon", {"asimd"}},
    {CPU_NEON, "neon", {"neon"}},
    {CPU_FP16, "fp16", {"asimdhp"}},
    {CPU_DOTPROD, "dotprod", {"asimddp"}},
    {CPU_I8MM, "i8mm", {"i8mm"}},
    {CPU_ARM_BF16, "bf16", {"bf16"}},
    {CPU_SVE, "sve", {"sve"}},
};

#define FEATURE_ROWS (sizeof(feature_rows) / sizeof(feature_rows[0]))

/* Arm's cores by implementer and part (MIDR_EL1), where the kernel says no more than "ARMv8". */
static const struct {
    long implementer, part;
    const char *name;
} arm_parts[] = {
    {0x41, 0xd03, "Arm Cortex-A53"},   {0x41, 0xd07, "Arm Cortex-A57"},
    {0x41, 0xd08, "Arm Cortex-A72"},   {0x41, 0xd0b, "Arm Cortex-A76"},
    {0x41, 0xd0c, "Arm Neoverse-N1"},  {0x41, 0xd40, "Arm Neoverse-V1"},
    {0x41, 0xd42, "Arm Cortex-A78AE"}, {0x41, 0xd49, "Arm Neoverse-N2"},
    {0x41, 0xd4f, "Arm Neoverse-V2"},  {0x4e, 0x004, "NVIDIA Carmel"},
};

/* A small file below root as text that the caller frees; NULL if it cannot be read. */
static char *read_text(const char *root, const char *path)
{
    char full[FILE_MAX_PATH], *text = NULL;
    size_t size;

    if (snprintf(full, sizeof(full), "%s%s", root ? root : "", path) >= (int)sizeof(full))
        return NULL;
    if (file_read(full, TEXT_MAX, &text, &size, NULL) != TARE_OK)
        return NULL;
    return text;
}

static void copy_trimmed(char *out, size_t out_bytes, const char *from, size_t length)
{
    while (length > 0 && isspace((unsigned char)from[length - 1]))
        length--;
    while (length > 0 && isspace((unsigned char)*from)) {
        from++;
        length--;
    }
    if (length >= out_bytes)
        length = out_bytes - 1;
    memcpy(out, from, length);
    out[length] = '\0';
}

static void read_line(const char *root, const char *path, char *out, size_t out_bytes)
{
    char *text = read_text(root, path);

    out[0] = '\0';
    if (text)
        copy_trimmed(out, out_bytes, text, strcspn(text, "\n"));
    free(text);
}

/* The value of the line "key : value" at or after text; NULL if there is none. */
static const char *find_value(const char *text, const char *key)
{
    size_t length = strlen(key);

    while (text && *text) {
        if (strncmp(text, key, length) == 0) {
            const char *at = text + length + strspn(text + length, " \t");

            if (*at == ':')
                return at + 1 + strspn(at + 1, " \t");
        }
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return NULL;
}

static bool has_word(const char *line, const char *word)
{
    size_t length = strlen(word), end = strcspn(line, "\n");

    for (const char *at = line; at < line + end; at += strcspn(at, " \n") + 1)
        if (strncmp(at, word, length) == 0 &&
            (at[length] == ' ' || at[length] == '\n' || at[length] == '\0'))
            return true;
    return false;
}

static unsigned read_features(const char *flags)
{
    unsigned features = 0;

    for (size_t row = 0; row < FEATURE_ROWS; row++) {
        bool all = true;

        for (const char *const *word = feature_rows[row].words; *word; word++)
            all = all && has_word(flags, *word);
        if (all)
            features |= feature_rows[row].feature;
    }
    return features;
}

static void read_model(const char *text, struct cpu_info *info)
{
    const char *name = find_value(text, "model name");
    const char *implementer = find_value(text, "CPU implementer");
    const char *part = find_value(text, "CPU part");

    if (name)
        copy_trimmed(info->model, sizeof(info->model), name, strcspn(name, "\n"));
    for (size_t i = 0; implementer && part && i < sizeof(arm_parts) / sizeof(arm_parts[0]); i++)
        if (strtol(implementer, NULL, 16) == arm_parts[i].implementer &&
            strtol(part, NULL, 16) == arm_parts[i].part)
            (void)snprintf(info->model, sizeof(info->model), "%s", arm_parts[i].name);
}

/* Counts processors, and the different pairs of socket and core among them. */
static void count_cores(const char *text, struct cpu_info *info)
{
    long seen[CORES_MAX][2];
    int cores = 0;

    for (const char *at = find_value(text, "processor"); at; at = find_value(at, "processor")) {
        const char *next = find_value(at, "processor");
        const char *socket = find_value(at, "physical id"), *core = find_value(at, "core id");
        bool known = false;
        long pair[2];

        info->logical_count++;
        if (!socket || !core || (next && (socket > next || core > next)))
            continue;
        pair[0] = strtol(socket, NULL, 10);
        pair[1] = strtol(core, NULL, 10);
        for (int i = 0; i < cores && !known; i++)
            known = seen[i][0] == pair[0] && seen[i][1] == pair[1];
        if (!known && cores < CORES_MAX) {
            memcpy(seen[cores], pair, sizeof(pair));
            cores++;
        }
    }
    info->core_count = cores ? cores : info->logical_count;
}

static void read_memory(const char *root, struct cpu_info *info)
{
    char *text = read_text(root, "/proc/meminfo");
    const char *total = text ? find_value(text, "MemTotal") : NULL;
    const char *available = text ? find_value(text, "MemAvailable") : NULL;

    if (total)
        info->memory_bytes = strtoll(total, NULL, 10) * 1024;
    if (available)
        info->available_bytes = strtoll(available, NULL, 10) * 1024;
    free(text);
}

static void read_clocks(const char *root, struct cpu_info *info)
{
    char text[32];

    read_line(root, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", info->governor,
              sizeof(info->governor));
    read_line(root, "/sys/devices/system/cpu/cpufreq/boost", text, sizeof(text));
    info->boost = text[0] == '1' ? 1 : text[0] == '0' ? 0 : -1;
    if (info->boost >= 0)
        return;
    read_line(root, "/sys/devices/system/cpu/intel_pstate/no_turbo", text, sizeof(text));
    info->boost = text[0] == '1' ? 0 : text[0] == '0' ? 1 : -1;
}

static void read_virtualisation(const char *root, bool flag, struct cpu_info *info)
{
    static const struct {
        const char *product, *name;
    } rows[] = {{"KVM", "KVM"},
                {"Virtual Machine", "Hyper-V"},
                {"VMware", "VMware"},
                {"VirtualBox", "VirtualBox"},
                {"HVM domU", "Xen"},
                {"Google", "Google"},
                {"Firecracker", "Firecracker"}};
    char product[128], vendor[128];

    read_line(root, "/sys/class/dmi/id/product_name", product, sizeof(product));
    read_line(root, "/sys/class/dmi/id/sys_vendor", vendor, sizeof(vendor));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strstr(product, rows[i].product) || strstr(vendor, rows[i].product)) {
            (void)snprintf(info->virtualisation, sizeof(info->virtualisation), "%s", rows[i].name);
            return;
        }
    if (flag)
        (void)snprintf(info->virtualisation, sizeof(info->virtualisation), "hypervisor");
}

/* What a control group leaves of its limit; -1: there is none. */
static int64_t group_left(const char *root, const char *folder, const char *limit,
                          const char *usage)
{
    char path[512], text[64];
    int64_t most;

    (void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s", folder, limit);
    read_line(root, path, text, sizeof(text));
    most = text[0] >= '0' && text[0] <= '9' ? strtoll(text, NULL, 10) : -1;
    (void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s", folder, usage);
    read_line(root, path, text, sizeof(text));
    if (most < 0 || most > INT64_MAX / 2 || !text[0]) /* version 1 writes "none" as a huge number */
        return -1;
    return most > strtoll(text, NULL, 10) ? most - strtoll(text, NULL, 10) : 0;
}

/* The group that this process is in (version 2), or the one at the top, as containers see theirs.
 */
static void read_group_memory(const char *root, struct cpu_info *info)
{
    char own[384] = "";
    int64_t left[3];

    read_line(root, "/proc/self/cgroup", own, sizeof(own));
    left[0] = strncmp(own, "0::/", 4) == 0 && own[4]
                  ? group_left(root, own + 3, "memory.max", "memory.current")
                  : -1;
    left[1] = group_left(root, "", "memory.max", "memory.current");
    left[2] = group_left(root, "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes");
    for (int i = 0; i < 3; i++)
        if (left[i] >= 0 && left[i] < info->available_bytes)
            info->available_bytes = left[i];
}

/* "200000 100000": two processors' worth of time in each period; "max 100000": no limit. */
static void read_quota(const char *root, struct cpu_info *info)
{
    char text[64], *end;
    double quota, period;

    read_line(root, "/sys/fs/cgroup/cpu.max", text, sizeof(text));
    quota = strtod(text, &end);
    period = end != text ? strtod(end, NULL) : 0;
    if (quota > 0 && period > 0)
        info->quota = quota / period;
}

static void read_architecture(const char *root, const char *cpuinfo, struct cpu_info *info)
{
    struct utsname name;

    if ((!root || !root[0]) && uname(&name) == 0)
        (void)snprintf(info->architecture, sizeof(info->architecture), "%.31s", name.machine);
    else /* a recorded tree has no uname */
        (void)snprintf(info->architecture, sizeof(info->architecture), "%s",
                       find_value(cpuinfo, "CPU implementer") ? "aarch64" : "x86_64");
}

enum tare_status cpu_read(const char *root, struct cpu_info *info, struct tare_err *err)
{
    char *text = read_text(root, "/proc/cpuinfo");
    const char *flags;

    memset(info, 0, sizeof(*info));
    if (!text)
        return tare_fail(err, TARE_ABSENT, "cannot read '%s/proc/cpuinfo'", root ? root : "");
    flags = find_value(text, "flags");
    if (!flags)
        flags = find_value(text, "Features");
    if (flags)
        info->features = read_features(flags);
    read_model(text, info);
    count_cores(text, info);
    read_architecture(root, text, info);
    read_line(root, "/proc/device-tree/model", info->board, sizeof(info->board));
    read_memory(root, info);
    read_group_memory(root, info);
    read_clocks(root, info);
    read_virtualisation(root, flags && has_word(flags, "hypervisor"), info);
    read_quota(root, info);
    free(text);
    return TARE_OK;
}

const char *cpu_feature_name(enum cpu_feature feature)
{
    for (size_t row = 0; row < FEATURE_ROWS; row++)
        if (feature_rows[row].feature == feature)
            return feature_rows[row].name;
    return NULL;
}

void cpu_feature_names(unsigned features, char *text, size_t text_bytes)
{
    size_t used = 0;

    if (text_bytes > 0)
        text[0] = '\0';
    for (unsigned bit = 1; bit && bit <= features; bit <<= 1) {
        const char *name = features & bit ? cpu_feature_name((enum cpu_feature)bit) : NULL;
        int length;

        if (!name)
            continue;
        length = snprintf(text + used, text_bytes - used, "%s%s", used ? " " : "", name);
        if (length < 0 || (size_t)length >= text_bytes - used)
            return;
        used += (size_t)length;
    }
}
