#include "core/lane_group.h"

#include "base/memory.h"
#include "core/parcel.h"

#include <stdlib.h>
#include <utlist.h>

struct lane_group *lane_groups_find(const struct lane_groups *groups, const void *partition)
{
    if (groups->last != NULL && groups->last->partition == partition)
        return groups->last;
    struct lane_group *group;
    HASH_FIND_PTR(groups->table, &partition, group);
    return group;
}

void lane_groups_join(struct lane_groups *groups, struct parcel *parcel)
{
    struct lane_group *group = lane_groups_find(groups, parcel->partition);
    if (group == NULL) {
        group = xcalloc(1, sizeof *group);
        group->partition = parcel->partition;
        group->touched = INT64_MIN;
        HASH_ADD_PTR(groups->table, partition, group);
    }
    groups->last = group;
    parcel->group = group;
    group->count++;
    DL_APPEND2(group->parcels, parcel, group_prev, group_next);
}

void lane_groups_leave(struct lane_groups *groups, struct parcel *parcel)
{
    struct lane_group *group = parcel->group;
    DL_DELETE2(group->parcels, parcel, group_prev, group_next);
    parcel->group = NULL;
    if (--group->count > 0)
        return;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the group is in the table */
    HASH_DEL(groups->table, group);
    if (groups->last == group)
        groups->last = NULL;
    free(group);
}

void lane_group_free_list(struct parcel *parcels)
{
    while (parcels != NULL) {
        struct parcel *next = parcels->group_next;
        parcel_free(parcels);
        parcels = next;
    }
}

void lane_groups_free(struct lane_groups *groups)
{
    struct lane_group *group, *next;
    HASH_ITER(hh, groups->table, group, next)
    {
        lane_group_free_list(group->parcels);
        HASH_DEL(groups->table, group);
        free(group);
    }
    groups->last = NULL;
}
