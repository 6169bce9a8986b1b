/*
 * html_sections.c - the page's sections after the ledger.
 */
#include <math.h>
#include <string.h>

#include "base/json_tree.h"
#include "report/chart.h"
#include "report/html.h"
#include "report/write.h"

#define MAX_CLASS_CELLS 10

static void put_left_out(struct buf *out, const struct ledger *ledger,
                         const struct html_detail *detail)
{
    if (ledger->cell_count > detail->cells)
        buf_printf(out, "<p class=\"about\">%zu more cells are in the CSV.</p>\n",
                   ledger->cell_count - detail->cells);
}

static size_t shown_cells(const struct ledger *ledger, const struct html_detail *detail)
{
    return ledger->cell_count < detail->cells ? ledger->cell_count : detail->cells;
}

static void put_row_head(struct buf *out, const struct ledger *ledger, size_t index)
{
    bool winner = ledger->decision.known && ledger->decision.winner == index;
    bool off = !ledger_times(&ledger->cells[index]);

    buf_printf(out, "<tr%s><th scope=\"row\">",
               winner ? " class=\"win\""
               : off  ? " class=\"off\""
                      : "");
    write_html(out, ledger->cells[index].label);
    buf_append_text(out, "</th>");
}

static void put_ms(struct buf *out, double ns)
{
    buf_printf(out, "<td>%s</td>", write_ms(ns, false).text);
}

static void put_ms_interval(struct buf *out, double ns, const struct ledger_interval *interval)
{
    buf_printf(out, "<td>%s", write_ms(ns, false).text);
    html_interval(out, write_ms(interval->low, false).text, write_ms(interval->high, false).text,
                  !isnan(interval->low));
    buf_append_text(out, "</td>");
}

static void put_cell(struct buf *out, const struct ledger *ledger, size_t index)
{
    const struct ledger_cell *cell = &ledger->cells[index];
    const struct ledger_times *t = ledger_times(cell);

    put_row_head(out, ledger, index);
    if (!t) {
        buf_printf(out, "<td colspan=\"11\">%s: ", store_cell_state_name(cell->row.state));
        write_html(out, cell->row.reason);
        buf_append_text(out, "</td></tr>\n");
        return;
    }
    put_ms_interval(out, t->p50_ns, &t->p50_interval_ns);
    put_ms(out, t->min_ns);
    put_ms_interval(out, t->p90_ns, &t->p90_interval_ns);
    buf_printf(out, "<td>%s</td><td>%s", write_tail(&t->p95).text, write_tail(&t->p99).text);
    html_interval(out, write_ms(t->p99.interval_ns.low, false).text,
                  write_ms(t->p99.interval_ns.high, false).text,
                  t->p99.kind == LEDGER_TAIL_INTERVAL);
    buf_printf(out, "</td><td>%s</td>", write_rate(t->throughput_hz).text);
    put_ms(out, t->after_switch_ns);
    put_ms(out, cell->load_ns);
    put_ms(out, cell->first_run_ns);
    buf_printf(out, "<td>%s</td><td>%zu</td></tr>\n", write_bytes(cell->peak_rss_bytes).text,
               t->samples);
}

static void put_other_modes(struct buf *out, const struct ledger *ledger,
                            const struct html_detail *detail)
{
    bool open = false;

    for (size_t i = 0; i < shown_cells(ledger, detail); i++)
        for (int mode = 0; mode < LEDGER_MODES; mode++) {
            const struct ledger_times *t = &ledger->cells[i].times[mode];

            if (t->samples == 0 || mode == (int)ledger->cells[i].mode)
                continue;
            if (!open) {
                buf_append_text(out, "<h3>In other modes</h3>\n");
                html_open_scroll(out, "Cells in other modes");
                buf_append_text(out, "<table><thead><tr><th scope=\"col\">cell</th><th "
                                     "scope=\"col\" class=\"l\">mode</th><th scope=\"col\">p50, ms"
                                     "</th><th scope=\"col\">p90</th><th scope=\"col\">p99</th><th "
                                     "scope=\"col\">runs</th></tr></thead><tbody>\n");
            }
            open = true;
            put_row_head(out, ledger, i);
            buf_printf(out, "<td class=\"l\">%s</td>", write_mode((enum store_visit_mode)mode));
            put_ms_interval(out, t->p50_ns, &t->p50_interval_ns);
            put_ms(out, t->p90_ns);
            buf_printf(out, "<td>%s</td><td>%zu</td></tr>\n", write_tail(&t->p99).text, t->samples);
        }
    if (open)
        buf_append_text(out, "</tbody></table></div>\n");
}

void html_cells(struct buf *out, const struct ledger *ledger, size_t id,
                const struct html_detail *detail)
{
    buf_printf(out,
               "<section id=\"cells%zu\"><h2>Cells</h2>\n<p>In milliseconds: %s. Quantiles of all "
               "valid samples; in brackets 95 %% by a bootstrap of visits within restarts. "
               "“≤” is a 95 %% bound where the samples bear no interval.</p>\n",
               id, write_unit(ledger));
    html_open_scroll(out, "Cells");
    buf_append_text(out, "<table><thead><tr><th scope=\"col\">cell</th><th scope=\"col\">p50</th>"
                         "<th scope=\"col\">min</th><th scope=\"col\">p90</th><th scope=\"col\">p95"
                         "</th><th scope=\"col\">p99</th><th scope=\"col\">per s</th><th "
                         "scope=\"col\">after<br>switch</th><th scope=\"col\">load</th><th "
                         "scope=\"col\">first<br>run</th><th scope=\"col\">peak<br>memory</th><th "
                         "scope=\"col\">runs</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < shown_cells(ledger, detail); i++)
        put_cell(out, ledger, i);
    buf_append_text(out, "</tbody></table></div>\n");
    put_left_out(out, ledger, detail);
    put_other_modes(out, ledger, detail);
    if (ledger->warnings.count) {
        buf_append_text(out, "<h3>Mind</h3>\n");
        html_notes(out, &ledger->warnings);
    }
    buf_append_text(out, "</section>\n");
}

void html_spread(struct buf *out, const struct ledger *ledger, size_t id,
                 const struct html_detail *detail)
{
    bool any = false;

    for (size_t i = 0; i < ledger->cell_count; i++)
        any = any || ledger_times(&ledger->cells[i]);
    buf_printf(out, "<section id=\"spread%zu\"><h2>Distributions</h2>\n", id);
    if (!any || !detail->distributions) {
        buf_printf(out, "<p>%s</p></section>\n",
                   any ? "Too many cells for this page." : "No cell was measured.");
        return;
    }
    buf_append_text(out, "<p>Every sample, each cell on its own scale: per cent from its median. "
                         "Dark mark: median; red mark: p90. Nothing is clipped: what lies beyond "
                         "the axis is counted at the right.</p>\n<figure>");
    html_open_scroll(out, "Distributions");
    chart_distributions(ledger, id, out);
    buf_append_text(out, "</div></figure></section>\n");
}

static void put_stage_table(struct buf *out, const struct ledger *ledger)
{
    html_open_scroll(out, "Stages as numbers");
    buf_append_text(out, "<table><thead><tr><th scope=\"col\">cell</th>");
    for (int s = 0; s < LEDGER_STAGES; s++)
        buf_printf(out, "<th scope=\"col\">%s</th>", ledger_stage_name((enum ledger_stage)s));
    buf_append_text(out, "<th scope=\"col\">all</th></tr></thead><tbody>\n");
    for (size_t i = 0, rows = 0; i < ledger->cell_count && rows < CHART_MAX_ROWS; i++) {
        const struct ledger_times *t = ledger_times(&ledger->cells[i]);

        if (!t || !ledger->cells[i].pipeline)
            continue;
        rows++;
        put_row_head(out, ledger, i);
        for (int s = 0; s < LEDGER_STAGES; s++)
            put_ms(out, t->stage_ns[s]);
        put_ms(out, t->p50_ns);
        buf_append_text(out, "</tr>\n");
    }
    buf_append_text(out, "</tbody></table></div>\n");
}

void html_stages(struct buf *out, const struct ledger *ledger, size_t id)
{
    if (!chart_has_stages(ledger))
        return;
    buf_printf(out,
               "<section id=\"stages%zu\"><h2>Stages</h2>\n<p>Where the time of one picture goes: "
               "medians in milliseconds. They are medians each, so they need not add up; what "
               "the total has beyond them is the palest part.</p>\n<ul class=\"legend\">",
               id);
    for (int s = 0; s < LEDGER_STAGES; s++)
        buf_printf(out, "<li><i style=\"background:var(--s%d)\"></i>%s</li>", s,
                   ledger_stage_name((enum ledger_stage)s));
    buf_append_text(out, "<li><i style=\"background:var(--s4)\"></i>rest</li></ul>\n<figure>");
    html_open_scroll(out, "Stages");
    chart_stages(ledger, id, out);
    buf_append_text(out, "</div></figure>\n");
    put_stage_table(out, ledger);
    buf_append_text(out, "</section>\n");
}

/* --- accuracy --- */

static void put_figures(struct buf *out, const struct ledger *ledger,
                        const struct html_detail *detail)
{
    html_open_scroll(out, "COCO figures");
    buf_append_text(out,
                    "<table><thead><tr><th scope=\"col\">cell</th><th scope=\"col\">AP</th><th "
                    "scope=\"col\">to the reference</th>");
    for (int k = 1; k < STORE_COCO_FIGURES; k++) {
        static const char *const names[] = {"",          "AP50",     "AP75",      "AP small",
                                            "AP medium", "AP large", "AR1",       "AR10",
                                            "AR100",     "AR small", "AR medium", "AR large"};

        buf_printf(out, "<th scope=\"col\">%s</th>", names[k]);
    }
    buf_append_text(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < shown_cells(ledger, detail); i++) {
        const struct ledger_cell *cell = &ledger->cells[i];

        if (!cell->accuracy.known)
            continue;
        put_row_head(out, ledger, i);
        buf_printf(out, "<td>%s</td><td>", write_points(cell->accuracy.coco[0], false).text);
        if (i == ledger->decision.reference)
            buf_append_text(out, "the reference");
        else
            html_ap(out, &cell->ap_to_reference);
        buf_append_text(out, "</td>");
        for (int k = 1; k < STORE_COCO_FIGURES; k++)
            buf_printf(out, "<td>%s</td>", write_points(cell->accuracy.coco[k], false).text);
        buf_append_text(out, "</tr>\n");
    }
    buf_append_text(out, "</tbody></table></div>\n");
}

/* Other figures by name, where a cell has any. */
static void put_other_figures(struct buf *out, const struct ledger *ledger,
                              const struct html_detail *detail)
{
    bool open = false;

    for (size_t i = 0; i < shown_cells(ledger, detail); i++)
        for (size_t k = 0; k < ledger->cells[i].figure_count; k++) {
            const struct store_figure *figure = &ledger->cells[i].figures[k];

            if (!open) {
                buf_append_text(out, "<details><summary>Other figures</summary>");
                html_open_scroll(out, "Other figures");
                buf_append_text(out, "<table><tbody>\n");
            }
            open = true;
            buf_append_text(out, "<tr><th scope=\"row\">");
            write_html(out, ledger->cells[i].label);
            buf_append_text(out, "</th><td class=\"l\">");
            write_html(out, figure->name);
            buf_printf(out, "</td><td>%.4g</td></tr>\n", figure->value);
        }
    if (open)
        buf_append_text(out, "</tbody></table></div></details>\n");
}

static void put_class_rows(struct buf *out, struct json_tree *const *trees, size_t count)
{
    const struct json_value *first = json_root(trees[0]);

    for (size_t row = 0; row < json_count(first); row++) {
        const char *name = json_key(first, row);

        if (!name)
            break;
        buf_append_text(out, "<tr><th scope=\"row\">");
        write_html(out, name);
        buf_append_text(out, "</th>");
        for (size_t c = 0; c < count; c++)
            buf_printf(
                out, "<td>%s</td>",
                write_points(json_number(json_get(json_root(trees[c]), name), NAN), false).text);
        buf_append_text(out, "</tr>\n");
    }
}

static void put_classes(struct buf *out, const struct ledger *ledger)
{
    struct json_tree *trees[MAX_CLASS_CELLS];
    const struct ledger_cell *cells[MAX_CLASS_CELLS];
    size_t count = 0;

    for (size_t i = 0; i < ledger->cell_count && count < MAX_CLASS_CELLS; i++) {
        const char *text = ledger->cells[i].accuracy.by_class;

        if (!ledger->cells[i].accuracy.known || !text[0])
            continue;
        cells[count] = &ledger->cells[i];
        if (json_parse(text, strlen(text), &trees[count], NULL) == TARE_OK)
            count++;
    }
    if (count == 0)
        return;
    buf_append_text(out, "<details><summary>AP by class</summary>");
    html_open_scroll(out, "AP by class");
    buf_append_text(out, "<table><thead><tr><th scope=\"col\">class</th>");
    for (size_t c = 0; c < count; c++) {
        buf_append_text(out, "<th scope=\"col\">");
        write_html(out, cells[c]->label);
        buf_append_text(out, "</th>");
    }
    buf_append_text(out, "</tr></thead><tbody>\n");
    put_class_rows(out, trees, count);
    buf_append_text(out, "</tbody></table></div></details>\n");
    for (size_t c = 0; c < count; c++)
        json_free(trees[c]);
}

void html_accuracy(struct buf *out, const struct ledger *ledger, size_t id,
                   const struct html_detail *detail)
{
    buf_printf(out, "<section id=\"accuracy%zu\"><h2>Accuracy</h2>\n", id);
    if (!ledger->decision.accuracy_known) {
        buf_append_text(out, "<p>Not measured in this run.</p></section>\n");
        return;
    }
    buf_printf(out,
               "<p>COCO box AP of the very sessions that were timed, in points, on %lld pictures. "
               "In brackets the 95 %% interval of the difference, a paired bootstrap over "
               "pictures.</p>\n",
               (long long)ledger->cells[ledger->decision.reference].accuracy.pictures);
    put_figures(out, ledger, detail);
    put_left_out(out, ledger, detail);
    if (detail->classes)
        put_classes(out, ledger);
    put_other_figures(out, ledger, detail);
    buf_append_text(out, "</section>\n");
}

/* --- environment, commands --- */

static void put_fact(struct buf *out, const char *key, const char *value)
{
    buf_append_text(out, "<div><dt>");
    write_html(out, key);
    buf_append_text(out, "</dt><dd>");
    write_html(out, value);
    buf_append_text(out, "</dd></div>\n");
}

static void put_files(struct buf *out, const struct ledger *ledger)
{
    if (ledger->file_count == 0)
        return;
    html_open_scroll(out, "Files");
    buf_append_text(out, "<table><thead><tr><th scope=\"col\">file</th><th scope=\"col\" "
                         "class=\"l\">path</th><th scope=\"col\">size</th><th scope=\"col\" "
                         "class=\"l\">SHA-256</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < ledger->file_count; i++) {
        buf_append_text(out, "<tr><th scope=\"row\">");
        write_html(out, ledger->files[i].role);
        buf_append_text(out, "</th><td class=\"l\">");
        write_html(out, ledger->files[i].path);
        buf_printf(out, "</td><td>%s</td><td class=\"l hash\">",
                   write_bytes((double)ledger->files[i].bytes).text);
        write_html(out, ledger->files[i].sha256);
        buf_append_text(out, "</td></tr>\n");
    }
    buf_append_text(out, "</tbody></table></div>\n");
}

void html_environment(struct buf *out, const struct ledger *ledger, size_t id)
{
    char seed[32];

    buf_printf(out, "<section id=\"environment%zu\"><h2>Environment</h2>\n", id);
    if (ledger->trust.count) {
        buf_append_text(out, "<h3>The machine's own verdict</h3>\n");
        html_notes(out, &ledger->trust);
    }
    buf_append_text(out, "<dl class=\"facts\">\n");
    put_fact(out, "started", write_date(ledger->run.started_wall_ns).text);
    put_fact(out, "ended", write_date(ledger->run.ended_wall_ns).text);
    put_fact(out, "state", store_run_state_name(ledger->run.state));
    put_fact(out, "run", ledger->run.uuid);
    (void)snprintf(seed, sizeof(seed), "%lld", (long long)ledger->run.seed);
    put_fact(out, "seed", seed);
    for (size_t i = 0; i < ledger->fact_count;
         i++) /* the file's own marks and blanks are no news */
        if (ledger->facts[i].value[0] &&
            strncmp(ledger->facts[i].key, "energy.left_out.", strlen("energy.left_out.")) != 0)
            put_fact(out, ledger->facts[i].key, ledger->facts[i].value);
    buf_append_text(out, "</dl>\n");
    put_files(out, ledger);
    buf_append_text(out, "</section>\n");
}

void html_commands(struct buf *out, const struct ledger *ledger, size_t id,
                   const struct html_detail *detail)
{
    buf_printf(out,
               "<section id=\"again%zu\"><h2>Make each row again</h2>\n<dl class=\"again\">\n"
               "<dt>The whole run</dt><dd><pre tabindex=\"0\"><code>",
               id);
    write_html(out, ledger->run.command);
    buf_append_text(out, "</code></pre></dd>\n");
    for (size_t i = 0; i < shown_cells(ledger, detail); i++) {
        buf_append_text(out, "<dt>");
        write_html(out, ledger->cells[i].label);
        buf_append_text(out, "</dt><dd><pre tabindex=\"0\"><code>");
        write_html(out, ledger->cells[i].row.command);
        buf_append_text(out, "</code></pre></dd>\n");
    }
    buf_append_text(out, "</dl>\n");
    put_left_out(out, ledger, detail);
    buf_append_text(out, "</section>\n");
}

/* --- several files --- */

static const struct ledger_cell *find_key(const struct ledger *ledger, const char *key)
{
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (strcmp(ledger->cells[i].row.key, key) == 0)
            return &ledger->cells[i];
    return NULL;
}

void html_side_by_side(struct buf *out, const struct report_set *set)
{
    const struct ledger *first = set->items[0];

    buf_append_text(out, "<section id=\"side\"><h2>Side by side</h2>\n<p>Medians in milliseconds, "
                         "matched by cell. They were not paired, so no interval stands between "
                         "machines.</p>\n");
    html_open_scroll(out, "Side by side");
    buf_append_text(out, "<table><thead><tr><th scope=\"col\">cell</th>");
    for (size_t f = 0; f < set->count; f++) {
        buf_append_text(out, "<th scope=\"col\" class=\"host\">measured on ");
        write_html(out, set->items[f]->host);
        buf_append_text(out, "</th>");
    }
    buf_append_text(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < first->cell_count && i < 100; i++) {
        buf_append_text(out, "<tr><th scope=\"row\">");
        write_html(out, first->cells[i].label);
        buf_append_text(out, "</th>");
        for (size_t f = 0; f < set->count; f++) {
            const struct ledger_cell *cell = find_key(set->items[f], first->cells[i].row.key);
            const struct ledger_times *t = cell ? ledger_times(cell) : NULL;

            put_ms_interval(out, t ? t->p50_ns : NAN,
                            t ? &t->p50_interval_ns : &(struct ledger_interval){NAN, NAN});
        }
        buf_append_text(out, "</tr>\n");
    }
    buf_append_text(out, "</tbody></table></div></section>\n");
}

void html_footer(struct buf *out, const struct report_set *set)
{
    buf_append_text(out, "<footer><p>Made by tare from ");
    for (size_t i = 0; i < set->count; i++) {
        buf_append_text(out, i ? ", <code>" : "<code>");
        write_html(out, set->items[i]->path);
        buf_append_text(out, "</code>");
    }
    buf_append_text(out, ", which holds every sample behind these figures.</p>\n<p>Medians and "
                         "quantiles are of type 7; a line is the Hodges-Lehmann centre of the "
                         "sweeps' log ratios of medians, its interval Student's t on that one's "
                         "standard error, widened so that all lines hold at "
                         "once (max-t); nothing was clipped or averaged away.</p></footer>\n");
}
