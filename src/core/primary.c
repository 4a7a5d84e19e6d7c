#include "core/primary.h"

#include <string.h>

static bool same_cluster(const struct primary_place *a, const struct primary_place *b)
{
    return strcmp(a->system_identifier, b->system_identifier) == 0;
}

bool primary_left_behind(const struct primary_place *known, const struct primary_place *found)
{
    return same_cluster(known, found) && found->timeline < known->timeline;
}

bool primary_newer(const struct primary_place *known, const struct primary_place *found)
{
    return same_cluster(known, found) && found->timeline > known->timeline;
}

void primary_saw(struct primary_place *known, const struct primary_place *found)
{
    if (!primary_left_behind(known, found))
        *known = *found;
}

static bool usable(const struct primary_place *known, const struct primary_answer *answer)
{
    return answer->state == PRIMARY_WRITABLE && !primary_left_behind(known, &answer->place);
}

/* Hosts of two clusters in one list are a mistake; then the one we have been in counts. */
static const struct primary_place *cluster_of(const struct primary_place *known,
                                              const struct primary_answer *answers, size_t count)
{
    const struct primary_place *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!usable(known, &answers[i]))
            continue;
        if (same_cluster(known, &answers[i].place))
            return known;
        if (first == NULL)
            first = &answers[i].place;
    }
    return first;
}

int primary_choose(const struct primary_place *known, const struct primary_answer *answers,
                   size_t count)
{
    const struct primary_place *cluster = cluster_of(known, answers, count);
    int best = -1;
    for (size_t i = 0; cluster != NULL && i < count; i++)
        if (usable(known, &answers[i]) && same_cluster(cluster, &answers[i].place) &&
            (best < 0 || answers[i].place.timeline > answers[best].place.timeline))
            best = (int)i;
    return best;
}

bool primary_settled(const struct primary_place *known, const struct primary_answer *answers,
                     size_t count, int64_t usable_us, int64_t now_us)
{
    bool all = true;
    if (usable_us != 0 && now_us - usable_us >= PRIMARY_GRACE_US)
        return true;
    for (size_t i = 0; i < count; i++) {
        if (answers[i].state == PRIMARY_WRITABLE && primary_newer(known, &answers[i].place))
            return true;
        all = all && answers[i].state != PRIMARY_ASKED;
    }
    return all;
}

void primary_explain(const struct primary_place *known, const struct primary_place *found,
                     struct error *why)
{
    error_set(why, "the database is on a timeline that was left behind");
    error_detail(why, "timeline %d; this node has seen timeline %d of the same cluster",
                 found->timeline, known->timeline);
    error_hint(why, "An old primary still takes writes after a fail-over: stop it, and name the "
                    "new primary in HOLDFAST_DATABASE. If the newer timeline was given up on "
                    "purpose, restart the nodes.");
}
