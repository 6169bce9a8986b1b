/* Against qsort() of the whole stream. */
#include "check.h"
#include "vision/best.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return *state ^ *state >> 29;
}

/* order: 0 random, 1 rising, 2 falling */
static void check_stream(size_t keep, size_t count, int order, uint64_t mask)
{
    uint64_t *keys = malloc((count + 1) * sizeof(*keys)), state = count * 7 + keep;
    struct best best;

    CHECK_OK(best_init(&best, keep, err));
    for (int round = 0; round < 2; round++) {
        best_clear(&best);
        for (size_t i = 0; i < count; i++) {
            keys[i] = order == 0 ? next(&state) & mask : order == 1 ? i * 3 : (count - i) * 3;
            best_add(&best, keys[i]);
        }
        best_sort(&best);
        qsort(keys, count, sizeof(*keys), by_value);
        CHECK(best.count == (count < keep ? count : keep));
        CHECK(memcmp(best.keys, keys, best.count * sizeof(*keys)) == 0);
    }
    best_release(&best);
    free(keys);
}

static void keeps_the_smallest(void)
{
    static const size_t counts[] = {0, 1, 2, 9, 10, 11, 19, 20, 21, 39, 40, 41, 1000, 5003};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        for (int order = 0; order < 3; order++) {
            check_stream(10, counts[i], order, UINT64_MAX);
            check_stream(1000, counts[i], order, UINT64_MAX >> 1);
            check_stream(1, counts[i], order, UINT64_MAX);
        }
}

/* Equal keys are interchangeable, but none may be lost or made up. */
static void takes_equal_keys(void)
{
    check_stream(10, 1000, 0, 0xf00000000000000fULL);
    check_stream(300, 1000, 0, 0x0000ff0000000000ULL);
    check_stream(300, 299, 0, 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"keeps_the_smallest", keeps_the_smallest},
        {"takes_equal_keys", takes_equal_keys},
        {0},
    };

    return check_main("best", cases, argc, argv);
}
