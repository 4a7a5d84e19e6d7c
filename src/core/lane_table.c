#include "core/lane_state.h"

#include "base/memory.h"

#include <stdlib.h>

/* The lanes of the Things that have rows: found by name, made and freed. */

/* Things with longer names do without lanes that were used before. */
enum { NAME_USUAL = 64 };

static size_t lane_bytes(const struct lane *lane)
{
    return sizeof *lane + lane->thing.n;
}

/* A lane that was used before, if its name fits: with many devices almost every event makes a lane
 * and frees it. */
static struct lane *lane_memory(struct lanes *lanes, size_t name_n)
{
    struct lane *lane = lanes->spare;
    size_t room = name_n > NAME_USUAL ? name_n : NAME_USUAL;
    if (lane == NULL || lane->room < name_n) {
        lane = xmalloc(sizeof *lane + room);
    } else {
        lanes->spare = lane->next;
        room = lane->room;
    }
    *lane = (struct lane){.lanes = lanes, .room = room};
    return lane;
}

struct lane *lane_create(struct lanes *lanes, const struct lane_key *key)
{
    struct lane *lane = lane_memory(lanes, key->thing.n);
    if (key->thing.n > 0)
        memcpy(lane->name, key->thing.p, key->thing.n);
    lane->thing = (struct slice){lane->name, key->thing.n};
    lane->hash = key->hash;
    hash_index_add(&lanes->by_thing, key->hash, lane);
    lanes->counts.lanes++;
    lanes->counts.bytes += lane_bytes(lane);
    return lane;
}

void lane_free(struct lanes *lanes, struct lane *lane)
{
    hash_index_remove(&lanes->by_thing, lane->hash, lane);
    lanes->counts.lanes--;
    lanes->counts.bytes -= lane_bytes(lane);
    if (lane->room > NAME_USUAL) {
        free(lane);
        return;
    }
    lane->next = lanes->spare;
    lanes->spare = lane;
}

struct lane *lane_find(const struct lanes *lanes, const struct lane_key *key)
{
    size_t at = hash_index_start(&lanes->by_thing, key->hash);
    struct lane *lane;
    while ((lane = hash_index_next(&lanes->by_thing, key->hash, &at)) != NULL)
        if (slice_equal(lane->thing, key->thing))
            break;
    return lane;
}

void lane_free_all(struct lanes *lanes)
{
    struct lane *lane;
    for (size_t at = 0; (lane = hash_index_walk(&lanes->by_thing, &at)) != NULL;)
        free(lane);
    while ((lane = lanes->spare) != NULL) {
        lanes->spare = lane->next;
        free(lane);
    }
    hash_index_free(&lanes->by_thing);
}

void lanes_expect(const struct lanes *lanes, const struct lane_key *key)
{
    if (lanes->by_thing.slots != NULL)
        __builtin_prefetch(&lanes->by_thing.slots[hash_index_start(&lanes->by_thing, key->hash)]);
}

void lanes_expect_soon(const struct lanes *lanes, const struct lane_key *key)
{
    size_t at = hash_index_start(&lanes->by_thing, key->hash);
    const struct lane *lane = hash_index_next(&lanes->by_thing, key->hash, &at);
    if (lane == NULL)
        return;
    __builtin_prefetch(&lane->parcels, 1);
    __builtin_prefetch(lane->name);
}
