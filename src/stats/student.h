/*
 * student.h - Student's t distribution, by way of the regularised incomplete beta function
 * (DLMF 8.17.22, continued fraction). Relative error under 1e-12 for 1 <= df <= 1e6.
 * Threads: no shared state.
 */
#ifndef TARE_STATS_STUDENT_H
#define TARE_STATS_STUDENT_H

/* I_x(a, b) for a, b > 0 and 0 <= x <= 1; NAN outside. */
double student_beta(double x, double a, double b);

/* P(T <= t) with df > 0 degrees of freedom; NAN for a NAN or df <= 0. */
double student_cdf(double t, double df);

/* P(|T| > |t|): exact in the tail, where 1 - cdf is not. */
double student_two_tails(double t, double df);

/* The t with P(T <= t) = p, for 0 < p < 1; NAN outside. */
double student_quantile(double p, double df);

#endif
