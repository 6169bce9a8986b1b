#include "base/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Edit distance, bounded: names longer than 31 bytes are never suggested. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], length_a = strlen(a), length_b = strlen(b);

    if (length_a >= 32 || length_b >= 32)
        return 32;
    for (size_t j = 0; j <= length_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= length_a; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= length_b; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[length_b];
}

static enum tare_status fail_unknown(const struct option_info *table, const char *name,
                                     struct tare_err *err)
{
    const char *nearest = NULL;
    size_t best = 3; /* further away it is another word, not a slip */

    for (const struct option_info *o = table; o->kind != OPTION_END; o++) {
        size_t d = distance(name, o->name);

        if (d < best) {
            best = d;
            nearest = o->name;
        }
    }
    if (nearest)
        return tare_fail(err, TARE_INVALID, "no option '--%s'; did you mean '--%s'?", name,
                         nearest);
    return tare_fail(err, TARE_INVALID, "no option '--%s'", name);
}

static bool is_choice(const char *choices, const char *value)
{
    size_t length = strlen(value);

    for (const char *start = choices; start;) {
        const char *end = strchr(start, '|');
        size_t span = end ? (size_t)(end - start) : strlen(start);

        if (span == length && memcmp(start, value, span) == 0)
            return true;
        start = end ? end + 1 : NULL;
    }
    return false;
}

static enum tare_status parse_number(const struct option_info *option, const char *value,
                                     double *number, struct tare_err *err)
{
    char *end;
    bool whole = option->kind == OPTION_INT;

    errno = 0;
    *number = strtod(value, &end);
    if (end == value || *end || errno || !isfinite(*number) || (whole && *number != floor(*number)))
        return tare_fail(err, TARE_INVALID, "'--%s' takes a %s, not '%s'", option->name,
                         whole ? "whole number" : "number", value);
    if (option->min != option->max && (*number < option->min || *number > option->max))
        return tare_fail(err, TARE_INVALID, "'--%s' is %s, allowed is %.12g to %.12g", option->name,
                         value, option->min, option->max);
    return TARE_OK;
}

static enum tare_status add_to_list(const struct option_info *option, struct option_list *list,
                                    const char *value, struct tare_err *err)
{
    if (list->count == OPTION_LIST_MAX)
        return tare_fail(err, TARE_LIMIT, "'--%s' is given more than %d times", option->name,
                         OPTION_LIST_MAX);
    list->items[list->count++] = value;
    return TARE_OK;
}

static enum tare_status set_value(const struct option_info *option, const char *value, void *args,
                                  struct tare_err *err)
{
    void *field = (char *)args + option->offset;
    enum tare_status status = TARE_OK;
    double number = 0;

    switch (option->kind) {
    case OPTION_TEXT:
        *(const char **)field = value;
        return TARE_OK;
    case OPTION_CHOICE:
        if (!is_choice(option->choices, value))
            return tare_fail(err, TARE_INVALID, "'--%s' is '%s', allowed is %s", option->name,
                             value, option->choices);
        *(const char **)field = value;
        return TARE_OK;
    case OPTION_LIST:
        return add_to_list(option, field, value, err);
    case OPTION_INT:
        status = parse_number(option, value, &number, err);
        if (status == TARE_OK && fabs(number) > 9e18)
            return tare_fail(err, TARE_INVALID, "'--%s' is out of range: %s", option->name, value);
        if (status == TARE_OK)
            *(int64_t *)field = (int64_t)number;
        return status;
    case OPTION_NUMBER:
        status = parse_number(option, value, &number, err);
        if (status == TARE_OK)
            *(double *)field = number;
        return status;
    default:
        return tare_fail(err, TARE_INVALID, "'--%s' takes no value", option->name);
    }
}

static const struct option_info *find_name(const struct option_info *table, const char *name,
                                           size_t length)
{
    for (const struct option_info *o = table; o->kind != OPTION_END; o++)
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0)
            return o;
    return NULL;
}

/* argv[*index] is "--name", "--name=value" or "--no-name". */
static enum tare_status parse_long(const struct option_info *table, int argc, char **argv,
                                   int *index, void *args, struct tare_err *err)
{
    const char *name = argv[*index] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_info *option = find_name(table, name, length);
    bool truth = true;

    if (!option && !equals && strncmp(name, "no-", 3) == 0) {
        option = find_name(table, name + 3, length - 3);
        if (option && option->kind != OPTION_FLAG)
            option = NULL;
        truth = false;
    }
    if (!option) {
        char text[64];

        (void)snprintf(text, sizeof(text), "%.*s", (int)(length < 60 ? length : 60), name);
        return fail_unknown(table, text, err);
    }
    if (option->kind == OPTION_FLAG) {
        if (equals)
            return tare_fail(err, TARE_INVALID, "'--%s' takes no value", option->name);
        *(bool *)((char *)args + option->offset) = truth;
        return TARE_OK;
    }
    if (equals)
        return set_value(option, equals + 1, args, err);
    if (*index + 1 >= argc)
        return tare_fail(err, TARE_INVALID, "'--%s' needs a value: %s", option->name,
                         option->value);
    return set_value(option, argv[++*index], args, err);
}

/* argv[*index] is "-x", "-xVALUE" or "-xyz" with x and y flags. */
static enum tare_status parse_letters(const struct option_info *table, int argc, char **argv,
                                      int *index, void *args, struct tare_err *err)
{
    for (const char *letter = argv[*index] + 1; *letter; letter++) {
        const struct option_info *o = table;

        while (o->kind != OPTION_END && o->letter != *letter)
            o++;
        if (o->kind == OPTION_END)
            return tare_fail(err, TARE_INVALID, "no option '-%c'", *letter);
        if (o->kind == OPTION_FLAG) {
            *(bool *)((char *)args + o->offset) = true;
            continue;
        }
        if (letter[1])
            return set_value(o, letter + 1, args, err);
        if (*index + 1 >= argc)
            return tare_fail(err, TARE_INVALID, "'-%c' needs a value: %s", *letter, o->value);
        return set_value(o, argv[++*index], args, err);
    }
    return TARE_OK;
}

enum tare_status options_parse(const struct option_info *table, int argc, char **argv, void *args,
                               struct options_result *result, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    bool only_operands = false;

    *result = (struct options_result){argv + 1, 0, false};
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--") == 0)
            break;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            result->help = true;
    for (int i = 1; i < argc && status == TARE_OK && !result->help; i++) {
        char *word = argv[i];

        if (only_operands || word[0] != '-' || word[1] == '\0')
            result->operands[result->operand_count++] = word;
        else if (strcmp(word, "--") == 0)
            only_operands = true;
        else if (word[1] == '-')
            status = parse_long(table, argc, argv, &i, args, err);
        else
            status = parse_letters(table, argc, argv, &i, args, err);
    }
    return status;
}

static void help_row(const struct option_info *option, FILE *out)
{
    char left[80];
    int length;

    length = snprintf(left, sizeof(left), "  %c%c%s--%s%s%s", option->letter ? '-' : ' ',
                      option->letter ? option->letter : ' ', option->letter ? ", " : "  ",
                      option->name, option->value ? " " : "", option->value ? option->value : "");
    (void)fprintf(out, length > 30 ? "%s\n%32s%s" : "%-32s%s%s", left,
                  length > 30 ? "" : option->help, length > 30 ? option->help : "");
    if (option->kind == OPTION_CHOICE)
        (void)fprintf(out, " (%s)", option->choices);
    else if (option->min != option->max)
        (void)fprintf(out, " (%.12g to %.12g)", option->min, option->max);
    if (option->fallback)
        (void)fprintf(out, " [%s]", option->fallback);
    (void)fputc('\n', out);
}

void options_help(const struct option_info *table, const struct options_usage *usage, FILE *out)
{
    (void)fprintf(out, "usage: tare %s%s%s [options]\n\n%s\n", usage->command,
                  usage->operands ? " " : "", usage->operands ? usage->operands : "",
                  usage->summary);
    if (usage->details)
        (void)fprintf(out, "\n%s\n", usage->details);
    if (table->kind != OPTION_END)
        (void)fputs("\noptions:\n", out);
    for (const struct option_info *o = table; o->kind != OPTION_END; o++)
        help_row(o, out);
}

int64_t options_duration_ns(const char *text)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"m", 60e9}, {"h", 3600e9}};
    char *end;
    double number = strtod(text, &end);

    if (end == text || !(number >= 0))
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(end, units[i].name) == 0)
            return number * units[i].ns < 9e18 ? (int64_t)(number * units[i].ns) : -1;
    return -1;
}

double options_percent(const char *text)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || !(number >= 0) || number > 1000)
        return (double)NAN;
    end += strspn(end, " ");
    return *end == '\0' || strcmp(end, "%") == 0 ? number / 100 : (double)NAN;
}
