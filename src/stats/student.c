#include "stats/student.h"

#include <math.h>

/* The continued fraction of I_x(a, b), by Lentz's method; converges for x < (a+1)/(a+b+2). */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1), h;

    d = 1 / (fabs(d) < tiny ? tiny : d);
    h = d;
    for (int m = 1; m < 100000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double step;

        d = 1 + even * d;
        c = 1 + even / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        d = 1 + odd * d;
        c = 1 + odd / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        step = d * c;
        h *= step;
        if (fabs(step - 1) < 1e-15)
            break;
    }
    return h;
}

double student_beta(double x, double a, double b)
{
    int sign;
    double front;

    if (!(x >= 0 && x <= 1 && a > 0 && b > 0))
        return NAN;
    if (x == 0 || x == 1)
        return x;
    front = exp(lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) + a * log(x) +
                b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(1 - x, b, a) / b;
}

double student_two_tails(double t, double df)
{
    if (isnan(t) || !(df > 0))
        return NAN;
    if (isinf(t))
        return 0;
    return student_beta(df / (df + t * t), df / 2, 0.5);
}

double student_cdf(double t, double df)
{
    double tail = student_two_tails(t, df) / 2;

    return t > 0 ? 1 - tail : tail;
}

double student_quantile(double p, double df)
{
    double tails = 2 * (p < 0.5 ? p : 1 - p);
    double low = 0, high = 1;

    if (!(p > 0 && p < 1 && df > 0))
        return NAN;
    if (p == 0.5)
        return 0;
    while (student_two_tails(high, df) > tails && high < 1e300)
        high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-15 * high; i++) {
        double middle = low + (high - low) / 2;

        if (student_two_tails(middle, df) > tails)
            low = middle;
        else
            high = middle;
    }
    return p < 0.5 ? -(low + high) / 2 : (low + high) / 2;
}
