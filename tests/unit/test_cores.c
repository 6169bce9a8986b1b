/*
 * Where the cells of a study run, on machines that this one is not. The node files of the tree
 * xeon are written by hand in the kernel's format (Documentation/ABI/stable/sysfs-devices-node).
 */
#include "base/cores.h"
#include "check.h"

#define MACHINES "tests/fixtures/machines/"

static cpu_set_t set_of(const char *text)
{
    cpu_set_t set;

    CHECK_OK(cores_parse(text, &set, err));
    return set;
}

static const char *text_of(const cpu_set_t *set)
{
    static char text[CORES_TEXT];

    cores_format(set, text, sizeof(text));
    return text;
}

static void reads_and_writes_lists(void)
{
    static const char *const good[] = {"0", "0-3", "0-3,8", "1,3,5-6,1023"};
    static const char *const bad[] = {"",  "a",  "1-",    "-1",   "3-1", "0,",
                                      ",", "0 ", "0-3-5", "1024", "+1",  "99999999999999999999"};
    cpu_set_t set = set_of("3,1-2,2");

    CHECK_TEXT(text_of(&set), "1-3");
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        set = set_of(good[i]);
        CHECK_TEXT(text_of(&set), good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tare_err err = TARE_ERR_INIT;

        CHECK(cores_parse(bad[i], &set, &err) == TARE_INVALID);
        CHECK(strstr(err.text, "is no list of processors"));
    }
}

static void keeps_one_of_four_for_the_harness(void)
{
    cpu_set_t four = set_of("0-3"), three = set_of("2,5-6");
    struct cores_plan plan;

    CHECK_OK(cores_plan(MACHINES "orin", &four, "", &plan, err));
    CHECK_TEXT(text_of(&plan.cells), "0-2");
    CHECK_TEXT(text_of(&plan.harness), "3");
    CHECK(!plan.shared && plan.nodes == 1);
    CHECK_OK(cores_plan(MACHINES "orin", &three, NULL, &plan, err));
    CHECK_TEXT(text_of(&plan.cells), "2,5-6");
    CHECK_TEXT(text_of(&plan.harness), "2,5-6");
    CHECK(plan.shared);
}

static void obeys_what_is_asked(void)
{
    cpu_set_t two = set_of("0-1");
    struct tare_err refusal = TARE_ERR_INIT;
    struct cores_plan plan;

    CHECK_OK(cores_plan(MACHINES "epyc-vm", &two, "0", &plan, err));
    CHECK_TEXT(text_of(&plan.cells), "0");
    CHECK_TEXT(text_of(&plan.harness), "1");
    CHECK(!plan.shared);
    CHECK_OK(cores_plan(MACHINES "epyc-vm", &two, "0-1", &plan, err));
    CHECK(plan.shared);
    CHECK(cores_plan(MACHINES "epyc-vm", &two, "1-3", &plan, &refusal) == TARE_INVALID);
    CHECK_TEXT(refusal.text, "processors 2-3 are asked for, this process may run on 0-1");
}

static void stays_on_one_memory_node(void)
{
    cpu_set_t all = set_of("0-15"), part = set_of("0,4-7"), one = set_of("0-3");
    struct cores_plan plan;

    CHECK_OK(cores_plan(MACHINES "xeon", &all, "", &plan, err));
    CHECK_TEXT(text_of(&plan.cells), "0-3,8-11");
    CHECK_TEXT(text_of(&plan.harness), "15");
    CHECK(!plan.shared && plan.nodes == 2 && plan.node == 0);
    CHECK_OK(cores_plan(MACHINES "xeon", &part, "", &plan, err));
    CHECK_TEXT(text_of(&plan.cells), "4-7");
    CHECK(plan.node == 1);
    CHECK_OK(cores_plan(MACHINES "xeon", &one, "", &plan, err)); /* the other node is not ours */
    CHECK_TEXT(text_of(&plan.cells), "0-2");
    CHECK(!plan.shared && plan.node == 0);
    CHECK_OK(cores_plan(MACHINES "xeon", &all, "0-7", &plan, err));
    CHECK(plan.nodes == 2 && plan.node == -1);
}

static void takes_and_gives_back(void)
{
    cpu_set_t before, now, one;

    CHECK(sched_getaffinity(0, sizeof(before), &before) == 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    cores_take(&one);
    CHECK(sched_getaffinity(0, sizeof(now), &now) == 0 && CPU_EQUAL(&now, &one));
    CPU_ZERO(&one);
    cores_take(&one); /* nothing to keep to */
    cores_take(&before);
    CHECK(sched_getaffinity(0, sizeof(now), &now) == 0 && CPU_EQUAL(&now, &before));
    CHECK(!cores_bind_memory(100000));
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"reads_and_writes_lists", reads_and_writes_lists},
        {"keeps_one_of_four_for_the_harness", keeps_one_of_four_for_the_harness},
        {"obeys_what_is_asked", obeys_what_is_asked},
        {"stays_on_one_memory_node", stays_on_one_memory_node},
        {"takes_and_gives_back", takes_and_gives_back},
        {0},
    };

    return check_main("cores", cases, argc, argv);
}
