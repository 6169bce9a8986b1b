#include "quantize/quant_table.h"

#include <stdlib.h>
#include <unistd.h>

#include "check.h"

#define HEAD "{\"format\": \"tare calibration table 1\", \"pictures\": 3, \"tensors\": ["

static enum tare_status parse(const char *text, struct quant_table *table, struct tare_err *err)
{
    return quant_table_parse(text, strlen(text), table, err);
}

static void writes_what_it_reads(void)
{
    char path[] = "/tmp/tare-table-XXXXXX";
    struct quant_table table, again;
    int fd = mkstemp(path);

    CHECK_OK(parse(HEAD "{\"tensor\": \"x\", \"low\": -0.25, \"high\": 6.1, \"method\": \"mse\","
                        "\"histogram\": \"00ff00000000000f\", \"means\": [0.1, -3]},"
                        "{\"tensor\": \"y\", \"low\": 0, \"high\": 1}]}",
                   &table, err));
    CHECK_OK(quant_table_write(&table, path, err));
    CHECK_OK(quant_table_read(path, &again, err));
    CHECK(again.count == 2 && again.pictures == 3);
    CHECK_TEXT(again.rows[0].tensor, "x");
    CHECK(again.rows[0].range.low == -0.25F && again.rows[0].range.high == 6.1F);
    CHECK(again.rows[0].range.method == RANGE_MSE && again.rows[1].range.method == RANGE_FIXED);
    CHECK(again.rows[0].histogram == 0x00ff00000000000f && again.rows[1].histogram == 0);
    CHECK(again.rows[0].mean_count == 2 && again.rows[0].means[1] == -3);
    quant_table_release(&table);
    quant_table_release(&again);
    (void)close(fd);
    (void)unlink(path);
}

static void refuses_what_is_no_table(void)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"{}", "not a calibration table"},
        {HEAD "]}", "0 tensors"},
        {HEAD "{\"low\": 0, \"high\": 1}]}", "tensor 1 has no name"},
        {HEAD "{\"tensor\": \"x\", \"low\": 1, \"high\": 2}]}", "'x' has no range"},
        {HEAD "{\"tensor\": \"x\", \"low\": 0, \"high\": 0}]}", "'x' has no range"},
        {HEAD "{\"tensor\": \"x\", \"low\": 0}]}", "'x' has no range"},
        {HEAD "{\"tensor\": \"x\", \"low\": 0, \"high\": 1e300}]}", "'x' has no range"},
        {HEAD "{\"tensor\": \"x\", \"low\": 0, \"high\": 1, \"method\": \"luck\"}]}",
         "unknown method 'luck'"},
        {HEAD "{\"tensor\": \"x\", \"low\": 0, \"high\": 1, \"means\": [null]}]}",
         "number 0 is not finite"},
        {HEAD "{\"tensor\": \"x\", \"low\": 0, \"high\": 1, \"lags\": [1, 0.5]}]}",
         "2 lags, need 13"},
        {HEAD "{\"tensor\": \"x\", \"low\": 0, \"high\": 1}, "
              "{\"tensor\": \"x\", \"low\": 0, \"high\": 2}]}",
         "'x' stands twice"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tare_err err = TARE_ERR_INIT;
        struct quant_table table;

        CHECK(parse(cases[i].text, &table, &err) == TARE_BADDATA);
        CHECK(strstr(err.text, cases[i].part));
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"writes_what_it_reads", writes_what_it_reads},
        {"refuses_what_is_no_table", refuses_what_is_no_table},
        {0}};

    return check_main("quant_table", cases, argc, argv);
}
