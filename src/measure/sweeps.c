#include "measure/sweeps.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "accuracy/coco.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/stop.h"
#include "measure/agreeing.h"
#include "measure/cold.h"
#include "measure/confirm.h"
#include "measure/energy.h"
#include "measure/evaluate.h"
#include "measure/host.h"
#include "measure/limits.h"
#include "measure/profile.h"
#include "measure/record.h"
#include "measure/residency.h"
#include "measure/soak.h"
#include "measure/steady.h"
#include "measure/sweeps_inner.h"
#include "measure/thread_count.h"
#include "stats/random.h"

#define FACT_WALL   "run.wall_ns"
#define FACT_VISITS "run.visits_ns"

static const char *const picture_suffixes[] = {".jpg", ".jpeg", NULL};

/* Whether cell i is to be measured in the present set. */
static bool takes_part(const struct sweeps *s, size_t i)
{
    bool here = !s->planned || s->plan.set[i] == s->set || s->plan.set[i] == RESIDENCY_EVERY_SET;

    return here && !s->cells[i].ended;
}

static size_t count_alive(const struct sweeps *s)
{
    size_t alive = 0;

    for (size_t i = 0; i < s->study->cell_count; i++)
        alive += takes_part(s, i);
    return alive;
}

/* --- starting -------------------------------------------------------------------------------- */

static enum tare_status start_crew(struct sweeps *s, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < s->study->cell_count && status == TARE_OK; i++) {
        struct tare_err failure = TARE_ERR_INIT;

        if (!takes_part(s, i))
            continue;
        sweeps_tell(s, "starting", s->study->cells[i].name, s->result->sweeps_done, 0);
        status = sweeps_start_cell(s, i, &failure, err);
        if (status == TARE_OK && residency_may_fit_alone(s, &failure))
            status = residency_start_alone(s, i, &failure, err);
        if (status == TARE_OK && failure.status != TARE_OK)
            status = sweeps_end_cell(s, i, &failure, err);
        sweeps_tell(s, "starting", s->study->cells[i].name, s->result->sweeps_done,
                    SWEEPS_START_WORK);
        if (status == TARE_OK && !s->planned && !s->cells[i].ended)
            status = residency_weigh(s, i, err);
    }
    return status;
}

static enum tare_status choose_plan(struct sweeps *s, int64_t start_ns, struct tare_err *err)
{
    struct plan_pilot pilot = {.start_ns = start_ns};
    int64_t once = 0;
    enum tare_status status = residency_deal_cells(s, &pilot, err);

    if (status != TARE_OK)
        return status;
    for (size_t i = 0; i < s->study->cell_count; i++) {
        const struct cell_state *cell = &s->cells[i];

        pilot.run_ns[i] = cell->ended ? 0 : cell->pilot_ns;
        pilot.pictures[i] = cell->opened.pictures > 0;
        pilot.restart_ns += cell->ended ? 0 : cell->start_ns;
        if (pilot.sets > 1 && i == pilot.baseline && !cell->ended)
            pilot.restart_ns += (pilot.sets - 1) * cell->start_ns;
        once += pilot.pictures[i] ? pilot.run_ns[i] : 0;
    }
    if (s->exceeded) /* all of them start once more */
        pilot.start_ns += pilot.restart_ns;
    if (s->study->annotations[0])
        pilot.other_ns = once * (int64_t)s->pictures.count;
    pilot.other_ns += cold_expected_ns(s) + agreeing_expected_ns(s) + energy_expected_ns(s);
    pilot.other_ns += sweeps_spent_ns(s) - start_ns; /* before: the machine's peaks */
    plan_choose(s->study, &pilot, &s->plan);
    return plan_save(s->store, s->result->run_id, s->study->cell_count, &s->plan, err);
}

/* --- visiting -------------------------------------------------------------------------------- */

/* Sweeps of different sets are different ones. */
static int64_t stored_sweep(const struct sweeps *s, int64_t sweep)
{
    return s->set * s->plan.sweeps + sweep;
}

static enum tare_status sweep_once(struct sweeps *s, int64_t sweep, struct tare_err *err)
{
    size_t order[STUDY_MAX_CELLS], cells = s->study->cell_count;
    bool *visited = s->visited + (size_t)sweep * cells;
    enum tare_status status = TARE_OK;
    struct random random;
    int64_t position = 0;

    /* From the seed and the sweep alone, so that a resumed run keeps to it. */
    for (size_t k = 0; k < cells; k++)
        order[k] = k;
    random_seed(&random, (uint64_t)s->study->seed * 1000003 + (uint64_t)sweep);
    random_shuffle(&random, order, cells);
    for (size_t k = 0; k < cells && status == TARE_OK; k++, position++) {
        struct tare_err failure = TARE_ERR_INIT;
        size_t i = order[k];

        if (!takes_part(s, i) || visited[i])
            continue;
        status = sweeps_visit_cell(s, i, sweep, position, &failure, err);
        visited[i] = status == TARE_OK && failure.status == TARE_OK;
        if (status == TARE_OK && failure.status != TARE_OK)
            status = sweeps_end_cell(s, i, &failure, err);
        sweeps_tell(s, "sweep", s->study->cells[i].name, sweep + 1, 1);
    }
    return status;
}

/* --- accuracy -------------------------------------------------------------------------------- */

struct eval_watch {
    struct sweeps *s;
    size_t cell;
    double told, work;
};

static void eval_progress(double share, void *data)
{
    struct eval_watch *watch = data;

    sweeps_tell(watch->s, "accuracy", watch->s->study->cells[watch->cell].name,
                watch->s->study->sweeps, watch->work * (share - watch->told));
    watch->told = share;
}

/* How many visits' worth of work one cell's accuracy is. */
static double eval_work(const struct study *study, size_t pictures)
{
    return study->annotations[0] ? (double)pictures / 10.0 : 0;
}

static enum tare_status eval_cell(struct sweeps *s, size_t i, struct tare_err *failure,
                                  struct tare_err *err)
{
    struct eval_watch watch = {s, i, 0, eval_work(s->study, s->pictures.count)};
    char path[64];
    int64_t pictures = 0;
    enum tare_status status = TARE_OK;
    int fd = memfd_create("tare-detections", MFD_CLOEXEC); /* a killed run leaves no file behind */

    if (fd < 0)
        return tare_fail(err, TARE_IO, "cannot make memory for detections: %s", strerror(errno));
    (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
    if (crew_eval(&s->crew[i], s->study, path, eval_progress, &watch, &pictures, failure) ==
        TARE_OK)
        status = record_accuracy(s->store, s->cells[i].id, s->study, path, pictures, err);
    (void)close(fd);
    return status;
}

bool sweeps_scores(const struct cell_state *cell)
{
    return cell->opened.predicts && strcmp(cell->opened.family, "pipeline") != 0;
}

static enum tare_status eval_crew(struct sweeps *s, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < s->study->cell_count && status == TARE_OK; i++) {
        struct tare_err failure = TARE_ERR_INIT;

        if (!takes_part(s, i) || s->cells[i].scored || !sweeps_scores(&s->cells[i]))
            continue;
        status = eval_cell(s, i, &failure, err);
        s->cells[i].scored = status == TARE_OK && failure.status == TARE_OK;
        if (status == TARE_OK && failure.status != TARE_OK)
            status = sweeps_end_cell(s, i, &failure, err);
    }
    return status;
}

/* --- the whole ------------------------------------------------------------------------------- */

enum tare_status sweeps_stop_crew(struct sweeps *s, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < s->study->cell_count; i++) {
        int64_t peak = crew_peak_rss_bytes(&s->crew[i]);

        if (status == TARE_OK && peak > 0 && s->cells[i].restart_id)
            status = store_set_peak_rss(s->store, s->cells[i].restart_id, peak, err);
        crew_dismiss(&s->crew[i]);
    }
    for (size_t i = 0; i < s->study->cell_count; i++)
        crew_stop(&s->crew[i]);
    return status;
}

static bool needs_accuracy(const struct sweeps *s)
{
    for (size_t i = 0; i < s->study->cell_count && s->study->annotations[0]; i++)
        if (takes_part(s, i) && !s->cells[i].scored)
            return true;
    return false;
}

/* Whether the sweeps first..last still have visits to make. */
static bool needs_visits(const struct sweeps *s, int64_t first, int64_t last)
{
    size_t cells = s->study->cell_count;

    for (int64_t sweep = first; sweep < last; sweep++)
        for (size_t i = 0; i < cells; i++)
            if (takes_part(s, i) && !s->visited[(size_t)stored_sweep(s, sweep) * cells + i])
                return true;
    return false;
}

enum tare_status sweeps_make_room(struct sweeps *s, struct tare_err *err)
{
    size_t cells = s->study->cell_count, room = (size_t)(s->plan.sets * s->plan.sweeps) * cells + 1;
    bool *grown;

    s->work = (double)(cells + (size_t)s->plan.sets - 1) *
              ((double)s->plan.sweeps + SWEEPS_START_WORK * (double)s->plan.restarts +
               eval_work(s->study, s->pictures.count) + SWEEPS_COLD_WORK * (double)s->study->cold);
    if (s->study->confirm && cells >= PLAN_CONFIRM_CELLS)
        s->work += PLAN_PICK_CELLS *
                   ((double)s->plan.sweeps + SWEEPS_START_WORK * (double)s->plan.restarts);
    s->planned = true;
    grown = realloc(s->visited, room * sizeof(bool));
    if (!grown)
        return tare_fail(err, TARE_NOMEM, "out of memory for a study");
    memset(grown + s->visited_room, 0, (room - s->visited_room) * sizeof(bool));
    s->visited = grown;
    s->visited_room = room;
    return TARE_OK;
}

/* A number that an earlier process of this run left as a fact; 0: none. */
static int64_t known_fact(struct sweeps *s, const char *key)
{
    struct store_fact *facts = NULL;
    size_t count = 0;
    int64_t value = 0;

    if (!s->options->resume_run_id ||
        store_facts(s->store, s->result->run_id, &facts, &count, NULL) != TARE_OK)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (strcmp(facts[i].key, key) == 0)
            value = strtoll(facts[i].value, NULL, 10);
    free(facts);
    return value > 0 ? value : 0;
}

int64_t sweeps_spent_ns(struct sweeps *s)
{
    return clock_now_ns() - s->start_ns + known_fact(s, FACT_WALL);
}

/* After the last generation of a pilot: how many are to follow. */
static enum tare_status settle(struct sweeps *s, int64_t ordinal, struct tare_err *err)
{
    int64_t spent_ns = sweeps_spent_ns(s);
    enum tare_status status;

    if (s->plan.settled || ordinal < s->plan.pilot_restarts - 1)
        return TARE_OK;
    status = width_settle(s, spent_ns, err);
    return status == TARE_OK ? sweeps_make_room(s, err) : status;
}

/* One generation of workers and its share of the sweeps. */
static enum tare_status run_restart(struct sweeps *s, int64_t ordinal, struct tare_err *err)
{
    int64_t start_ns = clock_now_ns();
    enum tare_status status = start_crew(s, err);

    if (status == TARE_OK && !s->planned) {
        status = choose_plan(s, clock_now_ns() - start_ns, err);
        if (status == TARE_OK)
            status = sweeps_make_room(s, err);
        if (status == TARE_OK && s->exceeded) /* none of them was left running */
            status = start_crew(s, err);
    }
    for (int64_t sweep = status == TARE_OK ? plan_first_sweep(&s->plan, ordinal) : 0;
         status == TARE_OK && sweep < plan_first_sweep(&s->plan, ordinal + 1) && count_alive(s);
         sweep++) {
        status = stop_requested() ? tare_fail(err, TARE_STOPPED, "stopped")
                                  : sweep_once(s, stored_sweep(s, sweep), err);
        if (status == TARE_OK)
            s->result->sweeps_done = stored_sweep(s, sweep) + 1;
    }
    if (status == TARE_OK)
        status = settle(s, ordinal, err);
    if (status == TARE_OK && ordinal == s->plan.restarts - 1 && s->study->annotations[0])
        status = eval_crew(s, err);
    if (status == TARE_OK && ordinal == s->plan.restarts - 1)
        status = agreeing_run(s, err);
    return status == TARE_OK ? sweeps_stop_crew(s, err) : status;
}

/* Generations that an earlier process finished are passed over. */
static enum tare_status run_restarts(struct sweeps *s, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (int64_t r = 0; status == TARE_OK && count_alive(s); r++) {
        bool visits;

        if (s->planned && r >= s->plan.restarts)
            break;
        visits = !s->planned ||
                 needs_visits(s, plan_first_sweep(&s->plan, r), plan_first_sweep(&s->plan, r + 1));
        if (!visits)
            status = settle(s, r, err);
        if (visits || (status == TARE_OK && r == s->plan.restarts - 1 && needs_accuracy(s)))
            status = run_restart(s, r, err);
    }
    return status;
}

/* One set of cells after the other; mostly there is one. */
static enum tare_status run_sets(struct sweeps *s, struct tare_err *err)
{
    enum tare_status status = run_restarts(s, err);

    for (s->set = 1; status == TARE_OK && s->set < s->plan.sets; s->set++)
        status = run_restarts(s, err);
    return status;
}

static enum tare_status register_cells(struct sweeps *s, struct tare_err *err)
{
    int64_t ids[STUDY_MAX_CELLS] = {0};
    enum tare_status status = store_begin(s->store, err);

    if (status != TARE_OK)
        return status;
    status = record_run(s->store, s->study, s->options, &s->result->run_id, err);
    for (size_t i = 0; i < s->study->cell_count && status == TARE_OK; i++) {
        status =
            record_cell(s->store, s->result->run_id, s->study, &s->study->cells[i], &ids[i], err);
        s->cells[i].id = ids[i];
    }
    if (status == TARE_OK)
        status = record_lines(s->store, s->result->run_id, s->study, ids, err);
    if (status == TARE_OK)
        return store_commit(s->store, err);
    store_rollback(s->store);
    s->result->run_id = 0;
    return status;
}

static enum tare_status list_pictures(struct sweeps *s, struct tare_err *err)
{
    if (!s->study->images[0])
        return TARE_OK;
    return file_list_paths(s->study->images, picture_suffixes, "picture (.jpg or .jpeg)",
                           &s->pictures.paths, &s->pictures.count, err);
}

static enum tare_status check_annotations(const struct study *study, struct tare_err *err)
{
    struct coco_dataset *dataset = NULL;
    enum tare_status status;

    if (!study->annotations[0])
        return TARE_OK;
    status = coco_dataset_load(study->annotations, &dataset, err);
    if (status == TARE_OK)
        status = evaluate_check(dataset, study->images, err);
    coco_dataset_free(dataset);
    return status;
}

static enum tare_status settle_cells(struct sweeps *s, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    size_t measured = 0, skipped = 0;

    for (size_t i = 0; i < s->study->cell_count; i++) {
        const struct cell_state *cell = &s->cells[i];

        measured += !cell->ended;
        skipped += cell->ended && !cell->opened_once;
        if (!cell->ended && status == TARE_OK && cell->restarts > 0)
            status = record_state(s->store, cell->id, STORE_CELL_OK, "", &cell->opened, err);
    }
    s->result->measured = measured;
    s->result->skipped = skipped;
    s->result->failed = s->study->cell_count - measured - skipped;
    return status;
}

static enum tare_status put_number(struct sweeps *s, const char *key, int places, double value,
                                   struct tare_err *err)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%.*f", places, value);
    return store_put_fact(s->store, s->result->run_id, key, text, err);
}

/* How much of the time was spent in visits, over all processes of the run that came to their end.
 */
static enum tare_status record_share(struct sweeps *s, struct tare_err *err)
{
    double wall = (double)(s->result->wall_ns + known_fact(s, FACT_WALL));
    double visits = (double)(s->result->visit_ns + known_fact(s, FACT_VISITS));
    enum tare_status status = put_number(s, FACT_WALL, 0, wall, err);

    if (status == TARE_OK)
        status = put_number(s, FACT_VISITS, 0, visits, err);
    return status == TARE_OK && wall > 0 ? put_number(s, "run.visit_share", 3, visits / wall, err)
                                         : status;
}

static enum tare_status finish(struct sweeps *s, enum tare_status status, struct tare_err *err)
{
    enum store_run_state state = status == TARE_OK ? STORE_RUN_COMPLETE : STORE_RUN_INTERRUPTED;
    enum tare_status settled, ended = TARE_OK;

    for (size_t i = 0; i < s->study->cell_count; i++)
        crew_stop(&s->crew[i]);
    s->result->wall_ns = clock_now_ns() - s->start_ns;
    settled = settle_cells(s, err);
    if (s->result->run_id && settled == TARE_OK)
        settled = record_share(s, err);
    if (s->result->run_id)
        ended = store_end_run(s->store, s->result->run_id, state, clock_wall_ns(), err);
    if (status == TARE_OK && s->result->measured == 0)
        return tare_fail(err, TARE_FAILED, "no cell could be measured");
    return status != TARE_OK ? status : settled != TARE_OK ? settled : ended;
}

/* While no worker runs yet. */
static enum tare_status record_limits(struct sweeps *s, struct tare_err *err)
{
    int64_t ids[STUDY_MAX_CELLS] = {0};

    for (size_t i = 0; i < s->study->cell_count; i++)
        ids[i] = s->cells[i].id;
    sweeps_tell(s, "peaks of this machine", "", 0, 0);
    return limits_record(s->study, ids, s->store, s->result->run_id, err);
}

/* Before the first visit, so that a message about one comes once and early. */
static enum tare_status record_gpus(struct sweeps *s, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < s->study->cell_count; i++)
        (void)gpu_find(&s->gpus, s->study->cells[i].device);
    for (size_t i = 0; i < s->gpus.count && status == TARE_OK; i++)
        status = gpu_record(&s->gpus.items[i], s->store, s->result->run_id, err);
    return status;
}

static void tell_profile(const char *cell, void *data)
{
    sweeps_tell(data, "nodes", cell, 0, 0);
}

/* When no worker of the sweeps runs any more. */
static enum tare_status profile_cells(struct sweeps *s, struct tare_err *err)
{
    int64_t ids[STUDY_MAX_CELLS] = {0}, run_ns[STUDY_MAX_CELLS] = {0};
    const struct profile_job job = {s->study, ids, run_ns, &s->pictures, tell_profile, s};

    for (size_t i = 0; i < s->study->cell_count; i++) {
        ids[i] = s->cells[i].ended ? 0 : s->cells[i].id;
        run_ns[i] = s->cells[i].pilot_ns;
        crew_stop(&s->crew[i]);
    }
    return profile_record(&job, s->store, s->result->run_id, err);
}

/* What the workers may hold: the machine must not swap, nor the kernel pick its own victim. */
static void limit_memory(struct sweeps *s)
{
    struct cpu_info info;
    int64_t share = 0;

    s->pictures.members = s->crew;
    s->pictures.member_count = s->crew ? s->study->cell_count : 0;
    if (cpu_read(NULL, &info, NULL) == TARE_OK)
        share = (int64_t)(RESIDENCY_SHARE * (double)info.available_bytes);
    s->pictures.limit_bytes = s->study->memory_limit_mb ? s->study->memory_limit_mb << 20 : share;
    s->pictures.together_bytes =
        s->study->resident_limit_mb ? s->study->resident_limit_mb << 20 : share;
}

enum tare_status sweeps_run(const struct study *study, struct store *store,
                            const struct sweeps_options *options, struct sweeps_result *result,
                            struct tare_err *err)
{
    struct sweeps s = {.study = study, .options = options, .store = store, .result = result};
    enum tare_status status = TARE_OK;

    memset(result, 0, sizeof(*result));
    s.mode = sweeps_mode(study);
    s.start_ns = s.epoch_ns = clock_now_ns();
    s.work = (double)study->cell_count * SWEEPS_START_WORK * 10; /* until there is a plan */
    s.crew = calloc(study->cell_count + 1, sizeof(*s.crew));
    s.cells = calloc(study->cell_count + 1, sizeof(*s.cells));
    limit_memory(&s);
    if (!s.crew || !s.cells)
        status = tare_fail(err, TARE_NOMEM, "out of memory for a study");
    if (status == TARE_OK)
        status = thread_count_plan(&s, err);
    if (status == TARE_OK)
        status = list_pictures(&s, err);
    if (status == TARE_OK)
        status = check_annotations(study, err);
    if (status == TARE_OK)
        status = options->resume_run_id ? resume_run(&s, err) : register_cells(&s, err);
    if (status == TARE_OK)
        status = thread_count_record(&s, err);
    if (status == TARE_OK)
        status = record_gpus(&s, err);
    if (status == TARE_OK && !options->skip_limits)
        status = record_limits(&s, err);
    cores_take(&s.cores.harness);
    if (status == TARE_OK)
        status = study->soak ? soak_run(&s, err) : run_sets(&s, err);
    if (status == TARE_OK && !study->soak)
        status = confirm_run(&s, err);
    if (status == TARE_OK)
        status = energy_run(&s, err);
    if (status == TARE_OK)
        status = cold_run(&s, err);
    if (status == TARE_OK && options->profile)
        status = profile_cells(&s, err);
    if (s.crew && s.cells)
        status = finish(&s, status, err);
    cores_take(&s.allowed);
    if (s.memory_bound)
        (void)cores_bind_memory(-1);
    file_free_names(s.pictures.paths, s.pictures.count);
    gpu_watch_release(&s.looks);
    gpu_release(&s.gpus);
    free(s.crew);
    free(s.cells);
    free(s.visited);
    return status;
}
