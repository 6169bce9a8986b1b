#include "base/cores.h"

#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

#define SPARE_FROM 4 /* rule 8: with so many processors one is kept for the harness */
#define LIST_MAX   ((size_t)1 << 16)
#define WORD_BITS  (8 * sizeof(unsigned long))
#define NODE_WORDS (CPU_SETSIZE / WORD_BITS)

enum tare_status cores_parse(const char *text, cpu_set_t *set, struct tare_err *err)
{
    const char *at = text;

    CPU_ZERO(set);
    do {
        char *end = NULL;
        long first = *at >= '0' && *at <= '9' ? strtol(at, &end, 10) : -1, last = first;

        if (end && *end == '-' && end[1] >= '0' && end[1] <= '9')
            last = strtol(end + 1, &end, 10);
        if (!end || first > last || last >= CPU_SETSIZE || (*end && *end != ',' && *end != '\n'))
            return tare_fail(err, TARE_INVALID,
                             "'%.60s' is no list of processors, need such as 0-3,8", text);
        for (long cpu = first; cpu <= last; cpu++)
            CPU_SET((size_t)cpu, set);
        at = end + (*end == ',');
        if (*end != ',')
            return TARE_OK;
    } while (true);
}

void cores_format(const cpu_set_t *set, char *text, size_t text_bytes)
{
    struct buf list = BUF_INIT;

    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        size_t last = cpu;

        if (!CPU_ISSET(cpu, set))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
            last++;
        buf_printf(&list, last > cpu ? "%s%zu-%zu" : "%s%zu", list.size ? "," : "", cpu, last);
        cpu = last;
    }
    (void)snprintf(text, text_bytes, "%s", list.size ? buf_text(&list) : "");
    buf_release(&list);
}

/* A list of processors or of nodes from a file; false if it cannot be read. */
static bool read_list(const char *root, const char *path, cpu_set_t *set)
{
    char full[FILE_MAX_PATH], *text = NULL;
    size_t size;
    bool good;

    if (snprintf(full, sizeof(full), "%s%s", root ? root : "", path) >= (int)sizeof(full) ||
        file_read(full, LIST_MAX, &text, &size, NULL) != TARE_OK)
        return false;
    good = cores_parse(text, set, NULL) == TARE_OK;
    free(text);
    return good;
}

/* The processors of a memory node that are among `of`; none if there is no such node. */
static cpu_set_t node_set(const char *root, size_t node, const cpu_set_t *of)
{
    char path[80];
    cpu_set_t set;

    (void)snprintf(path, sizeof(path), "/sys/devices/system/node/node%zu/cpulist", node);
    if (!read_list(root, path, &set))
        CPU_ZERO(&set);
    CPU_AND(&set, &set, of);
    return set;
}

/* The node with most processors of `of`; -1 where the machine has one node or does not say. */
static int main_node(const char *root, const cpu_set_t *of, int *nodes)
{
    cpu_set_t online;
    int best = -1, most = 0;

    *nodes = 1;
    if (!read_list(root, "/sys/devices/system/node/online", &online) || CPU_COUNT(&online) < 2)
        return -1;
    *nodes = CPU_COUNT(&online);
    for (size_t node = 0; node < CPU_SETSIZE; node++) {
        cpu_set_t set;
        int count;

        if (!CPU_ISSET(node, &online))
            continue;
        set = node_set(root, node, of);
        count = CPU_COUNT(&set);
        if (count > most) {
            most = count;
            best = (int)node;
        }
    }
    return best;
}

static size_t last_of(const cpu_set_t *set)
{
    size_t cpu = CPU_SETSIZE;

    while (cpu-- > 0)
        if (CPU_ISSET(cpu, set))
            break;
    return cpu;
}

static enum tare_status take_asked(const cpu_set_t *allowed, const char *asked, cpu_set_t *cells,
                                   struct tare_err *err)
{
    char there[CORES_TEXT], missing[CORES_TEXT];
    enum tare_status status = cores_parse(asked, cells, err);
    cpu_set_t outside;

    if (status != TARE_OK)
        return status;
    CPU_AND(&outside, cells, allowed);
    CPU_XOR(&outside, &outside, cells);
    if (CPU_COUNT(&outside) == 0)
        return TARE_OK;
    cores_format(allowed, there, sizeof(there));
    cores_format(&outside, missing, sizeof(missing));
    return tare_fail(err, TARE_INVALID, "processors %s are asked for, this process may run on %s",
                     missing, there);
}

enum tare_status cores_plan(const char *root, const cpu_set_t *allowed, const char *asked,
                            struct cores_plan *plan, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    cpu_set_t rest;
    int node;

    memset(plan, 0, sizeof(*plan));
    plan->cells = *allowed;
    if (asked && asked[0])
        status = take_asked(allowed, asked, &plan->cells, err);
    if (status != TARE_OK)
        return status;
    node = main_node(root, &plan->cells, &plan->nodes);
    if (node >= 0 && !(asked && asked[0]))
        plan->cells = node_set(root, (size_t)node, &plan->cells);
    if (!(asked && asked[0]) && CPU_EQUAL(&plan->cells, allowed) &&
        CPU_COUNT(allowed) >= SPARE_FROM)
        CPU_CLR(last_of(allowed), &plan->cells);
    plan->node = -1;
    if (plan->nodes == 1)
        plan->node = 0;
    else if (node >= 0) {
        cpu_set_t own = node_set(root, (size_t)node, &plan->cells);

        plan->node = CPU_EQUAL(&own, &plan->cells) ? node : -1;
    }
    CPU_XOR(&rest, allowed, &plan->cells);
    plan->shared = CPU_COUNT(&rest) == 0;
    plan->harness = plan->cells;
    if (!plan->shared) {
        CPU_ZERO(&plan->harness);
        CPU_SET(last_of(&rest), &plan->harness);
    }
    return TARE_OK;
}

void cores_take(const cpu_set_t *set)
{
    if (CPU_COUNT(set) > 0)
        (void)sched_setaffinity(0, sizeof(*set), set);
}

bool cores_bind_memory(int node)
{
    unsigned long mask[NODE_WORDS] = {0};

    if (node < 0)
        return syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0) == 0;
    if (node >= CPU_SETSIZE)
        return false;
    mask[(size_t)node / WORD_BITS] |= 1UL << ((size_t)node % WORD_BITS);
    /* the kernel takes one bit less than it is told */
    return syscall(SYS_set_mempolicy, MPOL_BIND, mask, CPU_SETSIZE + 1UL) == 0;
}
