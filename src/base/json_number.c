#include "base/json_number.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 uint128;

#define MAX_DIGITS    19 /* that always fit in 64 bits */
#define MAX_POWER     27 /* 5^27 is the largest power of five under 2^63 */
#define EXACT_POWER   22 /* 10^22 is the largest power of ten that is a double */
#define MAX_MANTISSA  ((uint64_t)1 << 53)
#define HUGE_EXPONENT 100000

struct decimal {
    uint64_t mantissa; /* right only if digits <= MAX_DIGITS */
    int64_t exponent;  /* of ten */
    size_t digits;     /* significant ones; leading zeros don't count */
    bool negative;
    bool integral; /* neither point nor exponent */
};

/* value * 2^exponent, rounded to nearest even; below says that the true value is a little more. */
static double round_to_double(uint128 value, int exponent, bool more)
{
    uint64_t high = (uint64_t)(value >> 64), low = (uint64_t)value;
    int length = high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll(low);
    int shift = length - 53;
    uint128 rest, half;

    if (shift <= 0)
        return ldexp((double)low, exponent);
    half = (uint128)1 << (shift - 1);
    rest = value & (half * 2 - 1);
    low = (uint64_t)(value >> shift);
    if (rest > half || (rest == half && (more || (low & 1))))
        low++;
    return ldexp((double)low, exponent + shift);
}

/* mantissa * 10^power for |power| <= MAX_POWER, in integers. */
static double scale_exactly(uint64_t mantissa, int power)
{
    uint64_t five = 1;
    uint128 value;
    int shift;

    for (int i = 0; i < abs(power); i++)
        five *= 5;
    if (power >= 0)
        return round_to_double((uint128)mantissa * five, power, false);
    shift = __builtin_clzll(mantissa);
    value = (uint128)(mantissa << shift) << 64;
    return round_to_double(value / five, power - 64 - shift, value % five != 0);
}

static inline double scale(uint64_t mantissa, int power)
{
    static const double tens[EXACT_POWER + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    };

    if (mantissa > MAX_MANTISSA || power < -EXACT_POWER || power > EXACT_POWER)
        return scale_exactly(mantissa, power);
    return power < 0 ? (double)mantissa / tens[-power] : (double)mantissa * tens[power];
}

static double by_strtod(const char *text, size_t length)
{
    char copy[JSON_MAX_NUMBER_LENGTH + 1];
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value;

    memcpy(copy, text, length);
    copy[length] = '\0';
    if (!c_locale)
        return strtod(copy, NULL);
    value = strtod_l(copy, NULL, c_locale);
    freelocale(c_locale);
    return value;
}

static inline const char *scan_digits(const char *at, const char *end, uint64_t *mantissa)
{
    uint64_t sum = *mantissa;

    for (; at < end && (unsigned char)(*at - '0') <= 9; at++)
        sum = sum * 10 + (unsigned char)(*at - '0');
    *mantissa = sum;
    return at;
}

/* The part after 'e'; NULL if it has no digits. */
static const char *scan_exponent(const char *at, const char *end, int64_t *exponent)
{
    bool negative = at < end && *at == '-';
    int64_t sum = 0;
    const char *digits;

    if (at < end && (*at == '-' || *at == '+'))
        at++;
    digits = at;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        sum = sum < HUGE_EXPONENT ? sum * 10 + (*at - '0') : sum;
    *exponent += negative ? -sum : sum;
    return at == digits ? NULL : at;
}

static size_t significant(const char *from, const char *to)
{
    size_t count = 0;

    for (; from < to && (*from == '0' || *from == '.'); from++)
        ;
    for (; from < to; from++)
        count += *from != '.';
    return count;
}

static const char *scan(const char *at, const char *end, struct decimal *decimal,
                        const char **fault)
{
    const char *digits, *point;

    *fault = "expected a number";
    decimal->negative = at < end && *at == '-';
    at += decimal->negative;
    digits = at;
    at = scan_digits(at, end, &decimal->mantissa);
    if (at == digits)
        return NULL;
    *fault = "malformed number";
    if (*digits == '0' && at - digits > 1)
        return NULL;
    decimal->integral = true;
    if (at < end && *at == '.') {
        point = ++at;
        at = scan_digits(at, end, &decimal->mantissa);
        if (at == point)
            return NULL;
        decimal->exponent = point - at;
        decimal->integral = false;
    }
    decimal->digits = (size_t)(at - digits);
    if (decimal->digits > MAX_DIGITS)
        decimal->digits = significant(digits, at);
    if (at < end && (*at == 'e' || *at == 'E')) {
        at = scan_exponent(at + 1, end, &decimal->exponent);
        decimal->integral = false;
    }
    return at;
}

const char *json_number_parse(const char *at, const char *end, struct json_number *number,
                              const char **fault)
{
    struct decimal d = {0};
    const char *after = scan(at, end, &d, fault);
    uint64_t limit = (uint64_t)INT64_MAX + d.negative;

    if (!after)
        return NULL;
    if (after - at > JSON_MAX_NUMBER_LENGTH) {
        *fault = "number longer than 1000 characters";
        return NULL;
    }
    if (d.mantissa == 0 && d.digits <= MAX_DIGITS)
        number->value = d.negative ? -0.0 : 0.0;
    else if (d.digits > MAX_DIGITS || d.exponent < -MAX_POWER || d.exponent > MAX_POWER)
        number->value = by_strtod(at, (size_t)(after - at));
    else
        number->value =
            d.negative ? -scale(d.mantissa, (int)d.exponent) : scale(d.mantissa, (int)d.exponent);
    number->is_integer = d.integral && d.digits <= MAX_DIGITS && d.mantissa <= limit;
    number->integer = 0;
    if (number->is_integer)
        number->integer = d.negative ? (int64_t)(0 - d.mantissa) : (int64_t)d.mantissa;
    return after;
}
