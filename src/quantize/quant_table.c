#include "quantize/quant_table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json_tree.h"
#include "base/json_write.h"

#define TABLE_FORMAT   "tare calibration table 1"
#define TABLE_MAX_ROWS 100000

/* --- reading ------------------------------------------------------------------------------------
 */

/* The numbers of an array, of the table's arena; NULL with *count 0 if there are none. */
static enum tare_status read_numbers(struct quant_table *table, const char *tensor,
                                     const struct json_value *array, const double **numbers,
                                     size_t *count, struct tare_err *err)
{
    double *values = arena_zero(&table->arena, json_count(array), sizeof(*values));

    *numbers = NULL;
    *count = json_count(array);
    if (!values)
        return arena_status(&table->arena, "the calibration table", err);
    for (size_t i = 0; i < *count; i++) {
        values[i] = (double)(float)json_number(json_at(array, i), NAN);
        if (!isfinite(values[i]))
            return tare_fail(err, TARE_BADDATA, "tensor '%.200s': number %zu is not finite", tensor,
                             i);
    }
    *numbers = *count ? values : NULL;
    return TARE_OK;
}

static enum tare_status read_statistics(struct quant_table *table, const struct json_value *value,
                                        struct quant_row *row, struct tare_err *err)
{
    size_t lags = 0;
    enum tare_status status = read_numbers(table, row->tensor, json_get(value, "means"),
                                           &row->means, &row->mean_count, err);

    if (status == TARE_OK)
        status = read_numbers(table, row->tensor, json_get(value, "lags"), &row->lags, &lags, err);
    if (status == TARE_OK && lags != 0 && lags != LAGS_COUNT)
        status = tare_fail(err, TARE_BADDATA, "tensor '%.200s' has %zu lags, need %d", row->tensor,
                           lags, LAGS_COUNT);
    return status;
}

static enum tare_status read_row(struct quant_table *table, const struct json_value *value,
                                 struct quant_row *row, struct tare_err *err)
{
    const char *name = json_text(json_get(value, "tensor"), "");
    const char *method = json_text(json_get(value, "method"), "fixed");
    double low = json_number(json_get(value, "low"), NAN);
    double high = json_number(json_get(value, "high"), NAN);

    if (!name[0])
        return tare_fail(err, TARE_BADDATA, "tensor %zu has no name", table->count + 1);
    row->tensor = arena_text(&table->arena, name, strlen(name));
    if (!row->tensor)
        return arena_status(&table->arena, "the calibration table", err);
    if (!(low <= 0 && high >= 0 && low < high && low >= -1e30 && high <= 1e30))
        return tare_fail(err, TARE_BADDATA,
                         "tensor '%.200s' has no range: need numbers low <= 0 <= high", name);
    row->range = (struct range){(float)low, (float)high, range_method_of(method)};
    if (row->range.method == RANGE_METHODS)
        return tare_fail(err, TARE_BADDATA, "tensor '%.200s': unknown method '%.40s'", name,
                         method);
    row->histogram = strtoull(json_text(json_get(value, "histogram"), "0"), NULL, 16);
    return read_statistics(table, value, row, err);
}

static int by_name(const void *a, const void *b)
{
    const struct quant_row *x = a, *y = b;

    return strcmp(x->tensor, y->tensor);
}

static enum tare_status check_unique(const struct quant_table *table, struct tare_err *err)
{
    struct quant_row *sorted = malloc((table->count + 1) * sizeof(*sorted));
    enum tare_status status = TARE_OK;

    if (!sorted)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu tensors", table->count);
    memcpy(sorted, table->rows, table->count * sizeof(*sorted));
    qsort(sorted, table->count, sizeof(*sorted), by_name);
    for (size_t i = 1; i < table->count && status == TARE_OK; i++)
        if (strcmp(sorted[i - 1].tensor, sorted[i].tensor) == 0)
            status = tare_fail(err, TARE_BADDATA, "tensor '%.200s' stands twice", sorted[i].tensor);
    free(sorted);
    return status;
}

static enum tare_status read_rows(struct quant_table *table, const struct json_value *root,
                                  struct tare_err *err)
{
    const struct json_value *tensors = json_get(root, "tensors");
    size_t count = json_count(tensors);
    enum tare_status status = TARE_OK;

    if (strcmp(json_text(json_get(root, "format"), ""), TABLE_FORMAT) != 0)
        return tare_fail(err, TARE_BADDATA, "not a calibration table: need \"format\": \"%s\"",
                         TABLE_FORMAT);
    if (json_type(tensors) != JSON_ARRAY || count == 0 || count > TABLE_MAX_ROWS)
        return tare_fail(err, TARE_BADDATA, "%zu tensors, need 1 to %d", count, TABLE_MAX_ROWS);
    table->pictures = (size_t)json_int(json_get(root, "pictures"), 0);
    table->rows = arena_zero(&table->arena, count, sizeof(*table->rows));
    if (!table->rows)
        return arena_status(&table->arena, "the calibration table", err);
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        status = read_row(table, json_at(tensors, i), &table->rows[i], err);
        table->count += status == TARE_OK;
    }
    return status == TARE_OK ? check_unique(table, err) : status;
}

enum tare_status quant_table_parse(const char *text, size_t size, struct quant_table *table,
                                   struct tare_err *err)
{
    struct json_tree *tree = NULL;
    enum tare_status status;

    memset(table, 0, sizeof(*table));
    arena_init(&table->arena, QUANT_TABLE_MAX_BYTES * 4);
    status = json_parse(text, size, &tree, err);
    if (status == TARE_OK)
        status = read_rows(table, json_root(tree), err);
    json_free(tree);
    if (status != TARE_OK)
        quant_table_release(table);
    return status;
}

enum tare_status quant_table_read(const char *path, struct quant_table *table, struct tare_err *err)
{
    struct tare_err cause = TARE_ERR_INIT;
    char *text = NULL;
    size_t size = 0;
    enum tare_status status = file_read(path, QUANT_TABLE_MAX_BYTES, &text, &size, err);

    if (status == TARE_OK && quant_table_parse(text, size, table, &cause) != TARE_OK)
        status = tare_fail(err, cause.status, "calibration table '%s': %s", path, cause.text);
    free(text);
    return status;
}

void quant_table_release(struct quant_table *table)
{
    arena_release(&table->arena);
    table->rows = NULL;
    table->count = 0;
}

static const double *copy_numbers(struct quant_table *table, const double *numbers, size_t count)
{
    double *copy = numbers && count ? arena_zero(&table->arena, count, sizeof(*copy)) : NULL;

    if (copy)
        memcpy(copy, numbers, count * sizeof(*copy));
    return copy;
}

enum tare_status quant_table_copy(const struct quant_row *rows, size_t count, size_t pictures,
                                  struct quant_table *table, struct tare_err *err)
{
    enum tare_status status;

    memset(table, 0, sizeof(*table));
    arena_init(&table->arena, QUANT_TABLE_MAX_BYTES * 4);
    table->pictures = pictures;
    table->rows = arena_zero(&table->arena, count + 1, sizeof(*table->rows));
    for (size_t i = 0; i < count && table->rows; i++) {
        struct quant_row *row = &table->rows[table->count++];

        *row = rows[i];
        row->tensor = arena_text(&table->arena, rows[i].tensor, strlen(rows[i].tensor));
        row->means = copy_numbers(table, rows[i].means, rows[i].mean_count);
        row->lags = copy_numbers(table, rows[i].lags, LAGS_COUNT);
    }
    status = arena_status(&table->arena, "the calibration table", err);
    if (status != TARE_OK)
        quant_table_release(table);
    return status;
}

/* --- writing ------------------------------------------------------------------------------------
 */

/* The shortest number that reads back to the same float. */
static double short_float(double value)
{
    char text[32];

    for (int digits = 6; digits <= 9; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtof(text, NULL) == (float)value)
            break;
    }
    return strtod(text, NULL);
}

static void put_numbers(struct json_writer *json, const char *key, const double *numbers,
                        size_t count)
{
    if (count == 0)
        return;
    json_open_array(json, key);
    for (size_t i = 0; i < count; i++)
        json_put_number(json, NULL, short_float(numbers[i]));
    json_close_array(json);
}

static void put_row(struct json_writer *json, const struct quant_row *row)
{
    char hash[20];

    json_open_object(json, NULL);
    json_put_text(json, "tensor", row->tensor);
    json_put_number(json, "low", short_float((double)row->range.low));
    json_put_number(json, "high", short_float((double)row->range.high));
    json_put_text(json, "method", range_method_name(row->range.method));
    if (row->histogram) {
        (void)snprintf(hash, sizeof(hash), "%016" PRIx64, row->histogram);
        json_put_text(json, "histogram", hash);
    }
    put_numbers(json, "means", row->means, row->mean_count);
    put_numbers(json, "lags", row->lags, row->lags ? LAGS_COUNT : 0);
    json_close_object(json);
}

enum tare_status quant_table_write(const struct quant_table *table, const char *path,
                                   struct tare_err *err)
{
    struct buf out = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    json_start(&json, &out, true);
    json_open_object(&json, NULL);
    json_put_text(&json, "format", TABLE_FORMAT);
    json_put_int(&json, "pictures", (int64_t)table->pictures);
    json_open_array(&json, "tensors");
    for (size_t i = 0; i < table->count; i++)
        put_row(&json, &table->rows[i]);
    json_close_array(&json);
    json_close_object(&json);
    buf_append_char(&out, '\n');
    status = buf_status(&out, "the calibration table", err);
    if (status == TARE_OK)
        status = file_write(path, out.data, out.size, err);
    buf_release(&out);
    return status;
}

enum tare_status quant_cache_write(const struct quant_plan *plan, int64_t version, const char *path,
                                   struct tare_err *err)
{
    struct buf out = BUF_INIT;
    enum tare_status status;

    buf_printf(&out, "TRT-%" PRId64 "-EntropyCalibration2\n", version);
    for (size_t i = 0; i < plan->value_count; i++) {
        const struct range *range = &plan->values[plan->values[i].group].range;
        struct range_scale scale = range_to_scale(range->low, range->high, true);
        uint32_t bits;

        memcpy(&bits, &scale.scale, sizeof(bits));
        buf_printf(&out, "%s: %08" PRIx32 "\n", plan->values[i].name, bits);
    }
    status = buf_status(&out, "the calibration cache", err);
    if (status == TARE_OK)
        status = file_write(path, out.data, out.size, err);
    buf_release(&out);
    return status;
}
