/*
 * vino_profile.c - time per node of the executed graph. The library keeps a mean over all runs of
 * a compiled model, in whole microseconds.
 */
#include <stdlib.h>
#include <string.h>

#include "vino_session.h"

#define ROWS_MAX ((size_t)1 << 20)

void vino_drop_profile(struct tare_session *session)
{
    if (session->profile.rows)
        session->api.profile_free(&session->profile);
    free(session->rows);
    memset(&session->profile, 0, sizeof(session->profile));
    session->rows = NULL;
}

static int compare_rows(const void *a, const void *b)
{
    const struct tare_profile_row *x = a, *y = b;

    return (x->total_ns < y->total_ns) - (x->total_ns > y->total_ns);
}

enum tare_status vino_profile(struct tare_session *session, const struct tare_profile_row **rows,
                              size_t *count, struct tare_err *err)
{
    enum tare_status status;

    *count = 0;
    if (!session->profiling)
        return tare_fail(err, TARE_INVALID, "the session was opened without option profile=1");
    if (!session->request)
        return tare_fail(err, TARE_INVALID, "nothing is bound");
    vino_drop_profile(session);
    status =
        vino_check(&session->api, session->api.get_profile(session->request, &session->profile),
                   "cannot read times of nodes", err);
    if (status != TARE_OK)
        return status;
    if (session->profile.count > ROWS_MAX)
        return tare_fail(err, TARE_LIMIT, "a profile has more than %zu nodes", ROWS_MAX);
    session->rows = calloc(session->profile.count + 1, sizeof(*session->rows));
    if (!session->rows)
        return tare_fail(err, TARE_NOMEM, "out of memory for a profile");
    for (size_t i = 0; i < session->profile.count; i++) {
        const struct vino_profile_row *row = &session->profile.rows[i];

        if (row->status != VINO_EXECUTED || row->real_us < 0 || !row->node || !row->type)
            continue;
        session->rows[(*count)++] =
            (struct tare_profile_row){row->node, row->type, row->real_us * 1000, 1};
    }
    qsort(session->rows, *count, sizeof(*session->rows), compare_rows);
    *rows = session->rows;
    return TARE_OK;
}
