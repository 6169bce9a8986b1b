#include "backend/backend_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum tare_status backend_options_parse(const char *text, struct backend_options *options,
                                       struct tare_err *err)
{
    char *at = options->text;
    int length;

    options->count = 0;
    options->text[0] = '\0';
    if (!text)
        return TARE_OK;
    length = snprintf(options->text, sizeof(options->text), "%s", text);
    if (length < 0 || (size_t)length >= sizeof(options->text))
        return tare_fail(err, TARE_LIMIT, "runtime options are longer than %zu bytes",
                         sizeof(options->text) - 1);
    while (*at) {
        size_t part = strcspn(at, ",");
        bool last = at[part] == '\0';
        char *equals;

        at[part] = '\0';
        if (options->count == BACKEND_OPTIONS_MAX)
            return tare_fail(err, TARE_LIMIT, "more than %d runtime options", BACKEND_OPTIONS_MAX);
        equals = strchr(at, '=');
        if (equals == at || part == 0)
            return tare_fail(err, TARE_INVALID, "runtime option without a name in '%s'", text);
        if (equals)
            *equals = '\0';
        options->values[options->count].name = at;
        options->values[options->count].value = equals ? equals + 1 : "1";
        for (char *c = equals ? equals + 1 : at + part; *c; c++)
            if (*c == ';')
                *c = ',';
        options->count++;
        at += part + !last;
    }
    return TARE_OK;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t length = strlen(value);

    while (choices && *choices) {
        size_t part = strcspn(choices, "|");

        if (part == length && strncmp(choices, value, length) == 0)
            return true;
        choices += part + (choices[part] == '|');
    }
    return false;
}

static bool is_int(const struct tare_option_info *info, const char *value)
{
    char *end;
    long long number;

    errno = 0;
    number = strtoll(value, &end, 10);
    return errno == 0 && end != value && *end == '\0' && number >= info->min && number <= info->max;
}

static enum tare_status check_value(const char *backend, const struct tare_option_info *info,
                                    const char *value, struct tare_err *err)
{
    switch (info->kind) {
    case TARE_OPTION_INT:
        if (!is_int(info, value))
            return tare_fail(err, TARE_INVALID,
                             "option '%s' of runtime '%s' is '%s', need %" PRId64 " to %" PRId64,
                             info->name, backend, value, info->min, info->max);
        return TARE_OK;
    case TARE_OPTION_BOOL:
        if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
            return tare_fail(err, TARE_INVALID, "option '%s' of runtime '%s' is '%s', need 0 or 1",
                             info->name, backend, value);
        return TARE_OK;
    case TARE_OPTION_CHOICE:
        if (!is_choice(info->choices, value))
            return tare_fail(err, TARE_INVALID, "option '%s' of runtime '%s' is '%s', need %s",
                             info->name, backend, value, info->choices);
        return TARE_OK;
    default:
        return TARE_OK;
    }
}

enum tare_status backend_options_check(const struct tare_backend *backend,
                                       const struct tare_option_value *values, size_t count,
                                       struct tare_err *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct tare_option_info *info = backend->options;
        enum tare_status status;

        while (info && info->name && strcmp(info->name, values[i].name) != 0)
            info++;
        if (!info || !info->name)
            return tare_fail(err, TARE_INVALID, "runtime '%s' has no option '%s'", backend->name,
                             values[i].name);
        status = check_value(backend->name, info, values[i].value, err);
        if (status != TARE_OK)
            return status;
    }
    return TARE_OK;
}
