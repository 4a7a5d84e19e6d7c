#pragma once
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

struct parcel;

/* The pending parcels of each partition, in the order in which they came. A partition is known
 * only while it has some. */
struct lane_group {
    UT_hash_handle hh;
    const void *partition;
    struct parcel *parcels; /* linked by group_next */
    size_t count;
    int64_t touched; /* highest sequence that has had a row on the wire; INT64_MIN if none has */
};

/* All zero is empty. */
struct lane_groups {
    struct lane_group *table;
    struct lane_group *last; /* most events come from the partition of the one before */
};

/* NULL if the partition has nothing pending. */
struct lane_group *lane_groups_find(const struct lane_groups *groups, const void *partition);
/* Appends the parcel to the group of its partition. */
void lane_groups_join(struct lane_groups *groups, struct parcel *parcel);
/* Takes the parcel out of its group. */
void lane_groups_leave(struct lane_groups *groups, struct parcel *parcel);
/* Frees the groups and the parcels in them. */
void lane_groups_free(struct lane_groups *groups);

/* Frees parcels that are linked by group_next. */
void lane_group_free_list(struct parcel *parcels);
