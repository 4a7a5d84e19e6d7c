#include "core/lane_state.h"

#include <utlist.h>

/* What becomes of rows whose partition is handed over or lost. */

/* Frees a lane that has been emptied; one with a request on the wire has rows. */
static void close_if_empty(struct lanes *lanes, struct lane *lane)
{
    if (lane->rows > 0)
        return;
    lane_depart(lanes, lane);
    lane_free(lanes, lane);
}

size_t lanes_drop(struct lanes *lanes, const void *partition, int64_t above_sequence)
{
    struct lane_group *group = lane_groups_find(&lanes->groups, partition);
    size_t dropped = 0;
    struct parcel *next;
    for (struct parcel *parcel = group ? group->parcels : NULL; parcel != NULL; parcel = next) {
        next = parcel->group_next;
        if (parcel->touched || parcel->sequence <= above_sequence)
            continue;
        struct lane *lane = parcel->lane;
        lane_groups_leave(&lanes->groups, parcel);
        lane_remove_parcel(lanes, parcel);
        close_if_empty(lanes, lane);
        dropped++;
    }
    return dropped;
}

static void abandon(struct lanes *lanes, struct parcel *parcel)
{
    struct lane *lane = parcel->lane;
    lane_groups_leave(&lanes->groups, parcel);
    parcel->dropped = true;
    parcel->partition = NULL;
    DL_APPEND2(lanes->lost, parcel, group_prev, group_next);
    if (lane == NULL)
        return;
    if (parcel->wire_rows > 0) {
        lane_cut_rows(parcel, parcel->next_row + parcel->wire_rows);
    } else {
        lane_remove_parcel(lanes, parcel);
        close_if_empty(lanes, lane);
    }
}

void lanes_abandon(struct lanes *lanes, const void *partition)
{
    struct lane_group *group = lane_groups_find(&lanes->groups, partition);
    struct parcel *next;
    for (struct parcel *parcel = group ? group->parcels : NULL; parcel != NULL; parcel = next) {
        next = parcel->group_next;
        abandon(lanes, parcel);
    }
}

bool lane_is_wanted(const struct lane *lane)
{
    const struct parcel *parcel = lane->parcels;
    while (parcel != NULL && parcel->wire_rows > 0 && !parcel->dropped)
        parcel = parcel->next;
    return parcel == NULL || parcel->wire_rows == 0;
}
