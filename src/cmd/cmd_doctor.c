/*
 * cmd_doctor.c - tare doctor: what this machine is, which runtimes work on it, and what to do about
 * those that don't. Exit status 0 if models can be measured here: a runtime that runs model files
 * works, and no sample data file is damaged.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/look.h"
#include "backend/registry.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/json_write.h"
#include "cmd/command.h"
#include "cmd/doctor_gpu.h"
#include "cmd/doctor_peaks.h"
#include "serve/server_places.h"

#define RUNTIMES_MAX     64
#define CHECKSUMS_MAX    ((size_t)1 << 20)
#define LOOK_PATIENCE_NS ((int64_t)30 * 1000000000)

struct args {
    bool json, peaks;
    const char *root;
};

static const struct option_info table[] = {
    {.kind = OPTION_FLAG,
     .name = "json",
     .help = "print one JSON object",
     .offset = offsetof(struct args, json)},
    {.kind = OPTION_FLAG,
     .name = "peaks",
     .help = "measure the highest rates of processor, memory and GPU instead, in seconds",
     .offset = offsetof(struct args, peaks)},
    {.kind = OPTION_TEXT,
     .name = "root",
     .value = "DIR",
     .help = "read /proc and /sys below DIR: another machine's, recorded",
     .offset = offsetof(struct args, root)},
    {0},
};

static const struct options_usage usage = {
    .command = "doctor",
    .operands = "",
    .summary = "say what this machine can measure, and what is missing",
};

struct runtime {
    char name[TARE_MAX_NAME];
    struct backend_look look;
};

/* One folder of files with checksums. */
struct data_set {
    char folder[FILE_MAX_PATH]; /* "": not named */
    size_t good, missing, damaged;
    char first_bad[256]; /* the first file that is missing or damaged */
};

struct sensors {
    bool rapl, rapl_readable, nvml, ina3221;
};

struct doctor {
    struct cpu_info cpu;
    struct sensors sensors;
    struct runtime runtimes[RUNTIMES_MAX];
    size_t runtime_count;
    struct data_set sample, full;
    char server[FILE_MAX_PATH]; /* tritonserver; "": none */
    struct tare_err no_server;  /* why there is none */
};

/* --- looking ---------------------------------------------------------------------------------- */

static enum tare_status look_at_runtimes(struct doctor *doctor, struct tare_err *err)
{
    char **names = NULL;
    size_t count = 0;
    enum tare_status status = backend_list(&names, &count, err);

    for (size_t i = 0; i < count && i < RUNTIMES_MAX && status == TARE_OK; i++) {
        struct runtime *runtime = &doctor->runtimes[doctor->runtime_count++];

        (void)snprintf(runtime->name, sizeof(runtime->name), "%s", names[i]);
        status = backend_look_at(names[i], LOOK_PATIENCE_NS, &runtime->look, err);
    }
    backend_free_names(names, count);
    return status;
}

static bool exists_below(const char *root, const char *path)
{
    char full[FILE_MAX_PATH];

    return snprintf(full, sizeof(full), "%s%s", root ? root : "", path) < (int)sizeof(full) &&
           file_exists(full);
}

static bool has_ina3221(const char *root)
{
    char dir[FILE_MAX_PATH], path[FILE_MAX_PATH], **names = NULL, *text;
    size_t count = 0, size;
    bool found = false;

    if (snprintf(dir, sizeof(dir), "%s/sys/class/hwmon", root ? root : "") >= (int)sizeof(dir) ||
        !file_is_dir(dir) || file_list(dir, NULL, &names, &count, NULL) != TARE_OK)
        return false;
    for (size_t i = 0; i < count && !found; i++) {
        if (snprintf(path, sizeof(path), "%.2000s/%.200s/name", dir, names[i]) >=
                (int)sizeof(path) ||
            file_read(path, 4096, &text, &size, NULL) != TARE_OK)
            continue;
        found = strncmp(text, "ina3221", 7) == 0;
        free(text);
    }
    file_free_names(names, count);
    return found;
}

static void look_at_sensors(const char *root, struct sensors *sensors)
{
    static const char rapl[] = "/sys/class/powercap/intel-rapl:0/energy_uj";
    char path[FILE_MAX_PATH];

    sensors->rapl = exists_below(root, rapl);
    (void)snprintf(path, sizeof(path), "%.4000s%s", root ? root : "", rapl);
    sensors->rapl_readable = sensors->rapl && access(path, R_OK) == 0;
    sensors->nvml = exists_below(root, "/proc/driver/nvidia/version");
    sensors->ina3221 = has_ina3221(root);
}

/* One line of sha256sum's format: 64 hex digits, two blanks, a path relative to the folder. */
static void check_line(struct data_set *set, const char *line, size_t length)
{
    char name[256], path[FILE_MAX_PATH], actual[65];
    enum tare_status status;

    if (length < 67 || length - 66 >= sizeof(name))
        return;
    memcpy(name, line + 66, length - 66);
    name[length - 66] = '\0';
    if (file_join(path, sizeof(path), set->folder, name, NULL) != TARE_OK)
        return;
    status = file_sha256(path, actual, NULL);
    if (status == TARE_OK && memcmp(actual, line, 64) == 0) {
        set->good++;
        return;
    }
    if (set->missing + set->damaged == 0)
        (void)snprintf(set->first_bad, sizeof(set->first_bad), "%s", name);
    if (status == TARE_ABSENT)
        set->missing++;
    else
        set->damaged++;
}

static void look_at_data(struct data_set *set, const char *folder, const char *list)
{
    char *text = NULL;
    size_t size;

    (void)snprintf(set->folder, sizeof(set->folder), "%s", folder);
    if (file_read(list, CHECKSUMS_MAX, &text, &size, NULL) != TARE_OK)
        return;
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");

        check_line(set, line, length);
        line += length + (line[length] == '\n');
    }
    free(text);
}

static void look_at_all_data(struct doctor *doctor)
{
    char home[FILE_MAX_PATH], folder[FILE_MAX_PATH], list[FILE_MAX_PATH];
    const char *full = getenv("TARE_DATA");

    if (file_home(home, sizeof(home), NULL) != TARE_OK ||
        file_join(folder, sizeof(folder), home, "data", NULL) != TARE_OK)
        return;
    if (file_join(list, sizeof(list), folder, "SHA256SUMS", NULL) == TARE_OK)
        look_at_data(&doctor->sample, folder, list);
    if (full && full[0] && file_join(list, sizeof(list), folder, "full.sha256", NULL) == TARE_OK)
        look_at_data(&doctor->full, full, list);
}

static void look_at_server(struct doctor *doctor)
{
    struct server_places places;

    if (server_find(NULL, &places, &doctor->no_server) == TARE_OK)
        (void)snprintf(doctor->server, sizeof(doctor->server), "%s", places.binary);
}

static bool is_usable(const struct doctor *doctor)
{
    bool runs = false;

    for (size_t i = 0; i < doctor->runtime_count; i++)
        runs = runs ||
               (doctor->runtimes[i].look.status == TARE_OK && doctor->runtimes[i].look.runs_models);
    return runs && doctor->sample.damaged == 0;
}

/* --- telling ---------------------------------------------------------------------------------- */

static const char *state_name(enum tare_status status)
{
    return status == TARE_OK ? "ok" : status == TARE_ABSENT ? "absent" : "broken";
}

static const char *boost_name(int boost)
{
    return boost > 0 ? "on" : boost == 0 ? "off" : "not readable";
}

static void print_machine(const struct cpu_info *cpu)
{
    char features[256];

    cpu_feature_names(cpu->features, features, sizeof(features));
    (void)printf("machine     %s%s%s, %s%s%s\n", cpu->model[0] ? cpu->model : "unknown processor",
                 cpu->board[0] ? " on " : "", cpu->board, cpu->architecture,
                 cpu->virtualisation[0] ? ", virtual: " : "", cpu->virtualisation);
    (void)printf("processors  %d, of %d cores", cpu->logical_count, cpu->core_count);
    if (cpu->quota > 0)
        (void)printf(", limited to the time of %.2f", cpu->quota);
    (void)printf("\nfeatures    %s\n", features[0] ? features : "none that kernels look for");
    (void)printf("memory      %.1f GiB, %.1f GiB available\n",
                 (double)cpu->memory_bytes / (1 << 30), (double)cpu->available_bytes / (1 << 30));
    (void)printf("clocks      governor %s, boost %s\n",
                 cpu->governor[0] ? cpu->governor : "not readable", boost_name(cpu->boost));
}

static void print_sensors(const struct sensors *sensors)
{
    (void)printf("power       %s",
                 sensors->nvml ? "NVML" : "no sensor that is read, so no energy figures");
    if (sensors->rapl || sensors->ina3221)
        (void)printf("; there, but not read yet: %s%s%s", sensors->rapl ? "RAPL" : "",
                     sensors->rapl && sensors->ina3221 ? ", " : "",
                     sensors->ina3221 ? "INA3221" : "");
    (void)printf("\n");
}

static void print_data(const char *name, const struct data_set *set, const char *unnamed)
{
    size_t count = set->good + set->missing + set->damaged;

    if (!set->folder[0])
        (void)printf("  %-12s %s\n", name, unnamed);
    else if (count == 0)
        (void)printf("  %-12s no checksums for %s\n", name, set->folder);
    else if (set->good == count)
        (void)printf("  %-12s %s: %zu files, all as they should be\n", name, set->folder, count);
    else
        (void)printf("  %-12s %s: of %zu files %zu are missing and %zu damaged, the first is %s\n",
                     name, set->folder, count, set->missing, set->damaged, set->first_bad);
}

static void print_text(const struct doctor *doctor)
{
    print_machine(&doctor->cpu);
    print_sensors(&doctor->sensors);
    (void)printf("runtimes\n");
    if (doctor->runtime_count == 0)
        (void)printf("  none: 'make plugins' builds them, TARE_PLUGINS names their folder\n");
    for (size_t i = 0; i < doctor->runtime_count; i++)
        (void)printf("  %-12s %-7s %s\n", doctor->runtimes[i].name,
                     state_name(doctor->runtimes[i].look.status), doctor->runtimes[i].look.text);
    doctor_gpu_print();
    (void)printf("serving\n  %-12s %-7s %s\n", "tritonserver", doctor->server[0] ? "ok" : "absent",
                 doctor->server[0] ? doctor->server : doctor->no_server.text);
    (void)printf("data\n");
    print_data("sample", &doctor->sample, "not found: TARE_HOME names the installation's folder");
    print_data("full", &doctor->full, "TARE_DATA names no folder");
    (void)printf("%s\n", is_usable(doctor) ? "usable: models can be measured here"
                                           : "not usable: see above for what is missing");
}

static void put_machine(struct json_writer *writer, const struct cpu_info *cpu)
{
    json_open_object(writer, "machine");
    json_put_text(writer, "processor", cpu->model);
    json_put_text(writer, "board", cpu->board[0] ? cpu->board : NULL);
    json_put_text(writer, "architecture", cpu->architecture);
    json_put_text(writer, "virtualisation", cpu->virtualisation[0] ? cpu->virtualisation : NULL);
    json_put_int(writer, "processors", cpu->logical_count);
    json_put_int(writer, "cores", cpu->core_count);
    if (cpu->quota > 0)
        json_put_number(writer, "quota", cpu->quota);
    else
        json_put_null(writer, "quota");
    json_open_array(writer, "features");
    for (unsigned bit = 1; bit && bit <= cpu->features; bit <<= 1)
        if (cpu->features & bit)
            json_put_text(writer, NULL, cpu_feature_name((enum cpu_feature)bit));
    json_close_array(writer);
    json_put_int(writer, "memory_bytes", cpu->memory_bytes);
    json_put_int(writer, "available_bytes", cpu->available_bytes);
    json_put_text(writer, "governor", cpu->governor[0] ? cpu->governor : NULL);
    if (cpu->boost >= 0)
        json_put_bool(writer, "boost", cpu->boost);
    else
        json_put_null(writer, "boost");
    json_close_object(writer);
}

static void put_data(struct json_writer *writer, const char *name, const struct data_set *set)
{
    json_open_object(writer, name);
    json_put_text(writer, "folder", set->folder[0] ? set->folder : NULL);
    json_put_int(writer, "good", (int64_t)set->good);
    json_put_int(writer, "missing", (int64_t)set->missing);
    json_put_int(writer, "damaged", (int64_t)set->damaged);
    json_close_object(writer);
}

static enum tare_status print_json(const struct doctor *doctor, struct tare_err *err)
{
    struct json_writer writer;
    enum tare_status status;
    struct buf out;

    buf_init(&out, 1 << 20);
    json_start(&writer, &out, true);
    json_open_object(&writer, NULL);
    json_put_bool(&writer, "usable", is_usable(doctor));
    put_machine(&writer, &doctor->cpu);
    json_open_object(&writer, "power");
    json_put_bool(&writer, "rapl", doctor->sensors.rapl);
    json_put_bool(&writer, "rapl_readable", doctor->sensors.rapl_readable);
    json_put_bool(&writer, "nvml", doctor->sensors.nvml);
    json_put_bool(&writer, "ina3221", doctor->sensors.ina3221);
    json_close_object(&writer);
    json_open_array(&writer, "runtimes");
    for (size_t i = 0; i < doctor->runtime_count; i++) {
        const struct runtime *runtime = &doctor->runtimes[i];

        json_open_object(&writer, NULL);
        json_put_text(&writer, "name", runtime->name);
        json_put_text(&writer, "state", state_name(runtime->look.status));
        json_put_bool(&writer, "runs_models", runtime->look.runs_models);
        json_put_text(&writer, "text", runtime->look.text);
        json_close_object(&writer);
    }
    json_close_array(&writer);
    doctor_gpu_put(&writer);
    json_open_object(&writer, "tritonserver");
    json_put_text(&writer, "path", doctor->server[0] ? doctor->server : NULL);
    json_put_text(&writer, "text", doctor->no_server.text);
    json_close_object(&writer);
    json_open_object(&writer, "data");
    put_data(&writer, "sample", &doctor->sample);
    put_data(&writer, "full", &doctor->full);
    json_close_object(&writer);
    json_close_object(&writer);
    status = buf_status(&out, "the answer", err);
    if (status == TARE_OK)
        (void)puts(buf_text(&out)); /* a failed write is seen by command_finish() */
    buf_release(&out);
    return status;
}

int cmd_doctor(int argc, char **argv)
{
    struct tare_err err = TARE_ERR_INIT;
    struct options_result result;
    struct args args = {0};
    struct doctor *doctor;
    enum tare_status status;
    int exit_code;

    if (!command_parse(table, &usage, argc, argv, &args, &result, &exit_code))
        return exit_code;
    if (result.operand_count > 0)
        return command_usage("doctor", "unexpected '%s'", result.operands[0]);
    if (args.peaks)
        return doctor_peaks(args.json);
    doctor = calloc(1, sizeof(*doctor));
    if (!doctor) {
        (void)tare_fail(&err, TARE_NOMEM, "out of memory");
        return command_fail("doctor", &err);
    }
    status = cpu_read(args.root, &doctor->cpu, &err);
    if (status == TARE_OK)
        status = look_at_runtimes(doctor, &err);
    if (status == TARE_OK) {
        look_at_sensors(args.root, &doctor->sensors);
        look_at_all_data(doctor);
        look_at_server(doctor);
        if (args.json)
            status = print_json(doctor, &err);
        else
            print_text(doctor);
    }
    exit_code = is_usable(doctor) ? EXIT_OK : EXIT_FAILED;
    free(doctor);
    return status == TARE_OK ? command_finish("doctor", exit_code) : command_fail("doctor", &err);
}
