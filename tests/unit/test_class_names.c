/* Texts as Python's repr() writes them. */
#include "check.h"
#include "models/class_names.h"

#include <stdlib.h>

static void reads_a_dict(void)
{
    struct class_names *names;

    CHECK_OK(
        class_names_parse("{0: 'person', 2: \"driver's seat\", 11: 'a\\'b\\\\'}", &names, err));
    CHECK_TEXT(class_names_get(names, 0), "person");
    CHECK_TEXT(class_names_get(names, 1), "");
    CHECK_TEXT(class_names_get(names, 2), "driver's seat");
    CHECK_TEXT(class_names_get(names, 11), "a'b\\");
    CHECK_TEXT(class_names_get(names, -1), "");
    CHECK_TEXT(class_names_get(names, 1 << 30), "");
    class_names_free(names);
}

static void reads_a_list(void)
{
    struct class_names *names;

    CHECK_OK(class_names_parse(" [ 'cat' , 'dog', ] ", &names, err));
    CHECK_TEXT(class_names_get(names, 1), "dog");
    class_names_free(names);
    CHECK_OK(class_names_parse("{}", &names, err));
    CHECK_TEXT(class_names_get(names, 0), "");
    class_names_free(names);
}

static void knows_coco(void)
{
    struct class_names *names;

    CHECK_OK(class_names_parse(NULL, &names, err));
    CHECK_TEXT(class_names_get(names, 16), "dog");
    CHECK_TEXT(class_names_get(names, 80), "");
    class_names_free(names);
    class_names_free(NULL);
}

static void refuses_nonsense(void)
{
    static const char *const bad[] = {"",
                                      "person",
                                      "{0: 'person'",
                                      "{0 'person'}",
                                      "{0: 'a' 1: 'b'}",
                                      "{'0': 'a'}",
                                      "{-1: 'a'}",
                                      "{8192: 'a'}",
                                      "{99999999999999999999: 'a'}",
                                      "['a'",
                                      "['a]",
                                      "['a\\']",
                                      "{0: 'a'} x",
                                      "[1]",
                                      "{,}"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct class_names *names;

        CHECK(class_names_parse(bad[i], &names, NULL) == TARE_BADDATA && !names);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"reads_a_dict", reads_a_dict},
        {"reads_a_list", reads_a_list},
        {"knows_coco", knows_coco},
        {"refuses_nonsense", refuses_nonsense},
        {0},
    };

    return check_main("class_names", cases, argc, argv);
}
