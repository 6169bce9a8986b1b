/*
 * What must hold is RFC 8259's: its two example documents, its grammar, and for numbers strtod() of
 * the C library in the C locale.
 */
#include "check.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/json_tree.h"
#include "base/json_write.h"

static struct json_tree *parse(const char *text)
{
    struct json_tree *tree = NULL;

    CHECK_OK(json_parse(text, strlen(text), &tree, err));
    return tree;
}

static void reads_rfc_examples(void)
{
    struct json_tree *tree =
        parse("{\"Image\": {\"Width\": 800, \"Title\": \"View\", \"Thumbnail\": "
              "{\"Height\": 125}, \"Animated\" : false, "
              "\"IDs\": [116, 943, 234, 38793]}}");
    const struct json_value *image = json_get(json_root(tree), "Image");
    const struct json_value *ids = json_get(image, "IDs");

    CHECK(json_int(json_get(image, "Width"), 0) == 800);
    CHECK_TEXT(json_text(json_get(image, "Title"), ""), "View");
    CHECK(json_int(json_get(json_get(image, "Thumbnail"), "Height"), 0) == 125);
    CHECK(json_bool(json_get(image, "Animated"), true) == false);
    CHECK(json_count(ids) == 4 && json_int(json_at(ids, 3), 0) == 38793);
    CHECK_TEXT(json_key(image, 4), "IDs");
    json_free(tree);
    tree = parse("[{\"precision\": \"zip\", \"Latitude\": 37.7668}, {\"Latitude\":-122.026020}]");
    CHECK(json_number(json_get(json_at(json_root(tree), 0), "Latitude"), 0) == 37.7668);
    CHECK(json_number(json_get(json_at(json_root(tree), 1), "Latitude"), 0) == -122.02602);
    json_free(tree);
}

static void answers_fallbacks(void)
{
    struct json_tree *tree = parse(" {\"a\":1,\"a\":2,\"t\":\"x\",\"n\":null,\"h\":1.5,\"e\":[]} ");
    const struct json_value *root = json_root(tree);

    CHECK(json_int(json_get(root, "a"), 0) == 2);
    CHECK(json_int(json_get(root, "h"), -7) == -7 && json_int(json_get(root, "t"), -7) == -7);
    CHECK(json_type(json_get(root, "n")) == JSON_NULL);
    CHECK(json_count(json_get(root, "e")) == 0 && !json_at(json_get(root, "e"), 0));
    CHECK(!json_get(NULL, "a") && json_type(NULL) == JSON_NONE && json_count(NULL) == 0);
    CHECK(!json_get(json_get(root, "missing"), "a") && !json_key(root, 6));
    CHECK_TEXT(json_text(NULL, "none"), "none");
    json_free(tree);
    json_free(NULL);
    CHECK(json_root(NULL) == NULL);
}

static void decodes_texts(void)
{
    struct json_tree *tree =
        parse("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"\\u00e9\\u20AC\\uD834\\uDD1E\","
              "\"\xC3\xA9\xE2\x82\xAC\xF0\x9D\x84\x9E\",\"\"]");

    CHECK_TEXT(json_text(json_at(json_root(tree), 0), ""), "\"\\/\b\f\n\r\t");
    CHECK_TEXT(json_text(json_at(json_root(tree), 1), ""),
               json_text(json_at(json_root(tree), 2), "?"));
    CHECK_TEXT(json_text(json_at(json_root(tree), 3), "?"), "");
    json_free(tree);
}

static void refuses_what_is_no_json(void)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "0x10",
        "NaN",
        "Infinity",
        "-Infinity",
        "tru",
        "nul",
        "True",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\uD800\"",
        "\"\\uDC00\"",
        "\"\\u0000\"",
        "\"\t\"",
        "\"\xFF\"",
        "\"\xC0\x80\"",
        "\"\xED\xA0\x80\"",
        "\"\xF4\x90\x80\x80\"",
        "1 2",
        "[1]]",
        "{\"a\":1 \"b\":2}",
        "[\"a\",\n\"b]",
        "\"\\",
        "--1",
        "1.5.2",
        "[1}",
        "{\"a\":1]",
        "/* */1",
        "\xEF\xBB\xBF[]",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct json_tree *tree = NULL;
        struct tare_err err = TARE_ERR_INIT;
        enum tare_status status = json_parse(bad[i], strlen(bad[i]), &tree, &err);

        if (status != TARE_BADDATA)
            (void)fprintf(stderr, "accepted: %s\n", bad[i]);
        CHECK(status == TARE_BADDATA && !tree);
        json_free(tree);
    }
}

static void names_line_and_column(void)
{
    static const char text[] = "{\n  \"a\": 1,\n  \"b\": oops\n}";
    struct json_tree *tree;
    struct tare_err err = TARE_ERR_INIT;

    CHECK(json_parse(text, sizeof(text) - 1, &tree, &err) == TARE_BADDATA);
    CHECK_TEXT(err.text, "line 3, column 8: expected a value");
    tare_err_clear(&err);
    CHECK(json_parse("[1, 2", 5, &tree, &err) == TARE_BADDATA);
    CHECK_TEXT(err.text, "line 1, column 6: the text ends too early");
}

static void bounds_depth(void)
{
    char text[2 * 65 + 1];
    struct json_tree *tree;
    struct tare_err why = TARE_ERR_INIT;

    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    CHECK_OK(json_parse(text + 1, 128, &tree, err));
    json_free(tree);
    CHECK(json_parse(text, 130, &tree, &why) == TARE_BADDATA);
    CHECK(strstr(why.text, "64 levels") != NULL);
}

static double read_number(const char *text)
{
    struct json_reader reader;
    struct json_number number = {0};

    json_read_start(&reader, text, strlen(text));
    CHECK(json_read_number(&reader, &number));
    CHECK(json_read_end(&reader));
    return number.value;
}

static void check_number(const char *text)
{
    double actual = read_number(text), expected = strtod(text, NULL);

    if (memcmp(&actual, &expected, sizeof(actual)) != 0) {
        (void)fprintf(stderr, "%s: %.17g, strtod gives %.17g\n", text, actual, expected);
        CHECK(!"the nearest double");
    }
}

static uint64_t random_bits(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void rounds_hard_numbers(void)
{
    static const char *const hard[] = {
        "0",
        "-0",
        "-0.0",
        "0e999",
        "0.0000000000000000000000000000000000",
        "9007199254740993",
        "9007199254740992.5",
        "9007199254740993.0000000000000000001",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "4.9406564584124654e-324",
        "2.4703282292062328e-324",
        "1e-400",
        "1e400",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "1e22",
        "1e23",
        "123456789e-30",
        "8.41e21",
        "9214843084008499",
        "0.500000000000000166533453693773481063544750213623046875",
        "3.5e-323",
        "6.02214076e23",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999",
        "1.00000000000000011102230246251565",
        "7.3177701707893310e+15",
        "0.1",
        "0.30000000000000004",
        "1e-5",
        "5e-27",
        "9999999999999999999e-27",
        "9999999999999999999e27",
        "1e99999999999999999999",
        "1e-99999999999999999999",
    };

    for (size_t i = 0; i < sizeof(hard) / sizeof(hard[0]); i++)
        check_number(hard[i]);
}

static void rounds_as_strtod(void)
{
    uint64_t state = 88172645463325252u;
    char text[64];

    for (int i = 0; i < 200000; i++) {
        uint64_t bits = random_bits(&state);
        int64_t places = (int64_t)(random_bits(&state) % 21);
        uint64_t mantissa = bits >> (random_bits(&state) % 64);
        double number;

        (void)snprintf(text, sizeof(text), "%" PRIu64 "e%d", mantissa,
                       (int)(random_bits(&state) % 64) - 32);
        check_number(text);
        (void)snprintf(text, sizeof(text), "%.*f", (int)places,
                       (double)(bits >> 40) / 1024.0 / 3.0);
        check_number(text);
        memcpy(&number, &bits, sizeof(number));
        (void)snprintf(text, sizeof(text), "%.17g", number);
        if (isfinite(number))
            check_number(text);
    }
}

static void keeps_integers_exact(void)
{
    struct json_tree *tree =
        parse("[9223372036854775807,-9223372036854775808,9223372036854775808,1e3,-3.0,1.5]");
    const struct json_value *root = json_root(tree);

    CHECK(json_int(json_at(root, 0), 0) == INT64_MAX);
    CHECK(json_int(json_at(root, 1), 0) == INT64_MIN);
    CHECK(json_int(json_at(root, 2), 42) == 42);
    CHECK(json_number(json_at(root, 2), 0) == 9223372036854775808.0);
    CHECK(json_int(json_at(root, 3), 0) == 1000 && json_int(json_at(root, 4), 0) == -3);
    CHECK(json_int(json_at(root, 5), 42) == 42);
    json_free(tree);
}

static void refuses_endless_numbers(void)
{
    char text[1200];
    struct json_reader reader;
    struct json_number number;

    memset(text, '1', sizeof(text));
    json_read_start(&reader, text, sizeof(text));
    CHECK(!json_read_number(&reader, &number));
    json_read_start(&reader, text, 1000);
    CHECK(json_read_number(&reader, &number) && isinf(number.value));
}

static void pulls_in_order(void)
{
    static const char text[] = "{\"skip\":{\"a\":[1,{\"b\":[]}],\"c\":\"]\"},\"n\\u0061me\":\"x\","
                               "\"flag\":true,\"none\":null,\"list\":[1,2.5]}";
    struct json_reader reader;
    struct json_span key, name = {0};
    struct json_number number = {0};
    double sum = 0;
    bool flag = false;

    json_read_start(&reader, text, sizeof(text) - 1);
    CHECK(json_enter_object(&reader));
    while (json_next_member(&reader, &key)) {
        if (json_span_is(&key, "name"))
            CHECK(json_read_text(&reader, &name));
        else if (json_span_is(&key, "flag"))
            CHECK(json_read_bool(&reader, &flag));
        else if (json_span_is(&key, "none"))
            CHECK(json_read_null(&reader));
        else if (json_span_is(&key, "list"))
            for (json_enter_array(&reader); json_next_element(&reader); sum += number.value)
                CHECK(json_read_number(&reader, &number));
        else
            CHECK(json_skip(&reader));
    }
    CHECK(json_read_end(&reader));
    CHECK_OK(json_read_status(&reader, err));
    CHECK(json_span_is(&name, "x") && !json_span_is(&name, "xy") && flag && sum == 3.5);
}

static void reports_callers_faults(void)
{
    struct json_reader reader;
    struct json_span text;
    struct tare_err err = TARE_ERR_INIT;

    json_read_start(&reader, "[\"a\", 1]", 8);
    CHECK(json_enter_array(&reader) && json_next_element(&reader));
    CHECK(json_read_text(&reader, &text));
    json_read_fault(&reader, "no such class");
    CHECK(!json_next_element(&reader) && !json_read_end(&reader));
    CHECK(json_read_status(&reader, &err) == TARE_BADDATA);
    CHECK_TEXT(err.text, "line 1, column 5: no such class");
}

static void writes_what_it_reads(void)
{
    struct buf out = BUF_INIT;
    struct json_writer writer;

    json_start(&writer, &out, false);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "t", "a\"\\\n\t\x01\xC3\xA9\xFF");
    json_open_array(&writer, "a");
    json_put_int(&writer, NULL, INT64_MIN);
    json_put_number(&writer, NULL, 0.1);
    json_put_number(&writer, NULL, NAN);
    json_put_bool(&writer, NULL, true);
    json_put_null(&writer, NULL);
    json_open_object(&writer, NULL);
    json_close_object(&writer);
    json_close_array(&writer);
    json_put_text(&writer, "n", NULL);
    json_close_object(&writer);
    CHECK_TEXT(buf_text(&out), "{\"t\":\"a\\\"\\\\\\n\\t\\u0001\xC3\xA9\xEF\xBF\xBD\","
                               "\"a\":[-9223372036854775808,0.1,null,true,null,{}],\"n\":null}");
    buf_release(&out);
    json_start(&writer, &out, true);
    json_open_object(&writer, NULL);
    json_open_array(&writer, "a");
    json_put_int(&writer, NULL, 1);
    json_put_int(&writer, NULL, 2);
    json_close_array(&writer);
    json_open_array(&writer, "b");
    json_close_array(&writer);
    json_close_object(&writer);
    CHECK_TEXT(buf_text(&out), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": []\n}");
    buf_release(&out);
}

static void writes_shortest_numbers(void)
{
    static const struct {
        double number;
        const char *text;
    } cases[] = {{0.1, "0.1"},       {0.1 + 0.2, "0.30000000000000004"},
                 {-0.0, "-0"},       {5e-324, "5e-324"},
                 {100000, "100000"}, {1.0 / 3.0, "0.3333333333333333"},
                 {1e300, "1e+300"},  {9007199254740993.0, "9007199254740992"}};
    uint64_t state = 88172645463325252u;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = BUF_INIT;

        json_append_number(&out, cases[i].number);
        CHECK_TEXT(buf_text(&out), cases[i].text);
        buf_release(&out);
    }
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_bits(&state);
        struct buf out = BUF_INIT;
        double number;

        memcpy(&number, &bits, sizeof(number));
        if (!isfinite(number))
            continue;
        json_append_number(&out, number);
        CHECK(strtod(buf_text(&out), NULL) == number);
        buf_release(&out);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"reads_rfc_examples", reads_rfc_examples},
        {"answers_fallbacks", answers_fallbacks},
        {"decodes_texts", decodes_texts},
        {"refuses_what_is_no_json", refuses_what_is_no_json},
        {"names_line_and_column", names_line_and_column},
        {"bounds_depth", bounds_depth},
        {"rounds_hard_numbers", rounds_hard_numbers},
        {"rounds_as_strtod", rounds_as_strtod},
        {"keeps_integers_exact", keeps_integers_exact},
        {"refuses_endless_numbers", refuses_endless_numbers},
        {"pulls_in_order", pulls_in_order},
        {"reports_callers_faults", reports_callers_faults},
        {"writes_what_it_reads", writes_what_it_reads},
        {"writes_shortest_numbers", writes_shortest_numbers},
        {0},
    };

    return check_main("json", cases, argc, argv);
}
