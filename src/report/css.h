/*
 * css.h - the look of the report. Plain text; nothing in it comes from a result file.
 */
#ifndef TARE_REPORT_CSS_H
#define TARE_REPORT_CSS_H

extern const char *const css_page[]; /* the whole page, in parts; NULL ends them */
extern const char css_chart[];       /* the charts' classes and colours, also for an SVG alone */

#endif
