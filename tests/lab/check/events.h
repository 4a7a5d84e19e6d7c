#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"
#include "check/table.h"
#include "json_scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

/* What the hub emitted, as its log says. */
struct label {
    char *text;
    uint64_t hash;
    uint32_t id;         /* its place in struct labels */
    int64_t highest_seq; /* of a Thing: the highest seq that was accepted so far */
    int32_t partition;   /* of a Thing: of its last event */
    UT_hash_handle hh;
};

/* Names (of devices, Things, members), each kept once. */
struct labels {
    struct label *by_text;
    struct label **by_id;
    uint32_t n;
    uint32_t capacity;
};

/* A member of an event's body that has to arrive. */
struct member {
    uint64_t value; /* hash of name and text */
    uint32_t name;
    bool optional; /* null, object, array: may arrive or not */
    bool found;
};

struct event {
    int64_t seq;
    int64_t sequence;
    int64_t enqueued_ms;
    int64_t accepted_ms; /* the time that came with the first acceptance of seq */
    uint32_t device;
    uint32_t thing;
    uint32_t first_member;
    uint32_t n_members;
    uint32_t same; /* how many events share device and seq; counted at the first */
    int32_t partition;
    bool has_seq;
    bool seen; /* accepted_ms is set */
    bool excepted;
    bool readable; /* the body is a JSON object */
};

struct events {
    const char *template; /* of the Thing's name: {device} and {module} are replaced */
    const char *only;     /* compared members, comma-separated; NULL = all */
    struct event *events;
    size_t n;
    size_t capacity;
    struct member *members;
    size_t n_members;
    size_t members_capacity;
    struct labels devices;
    struct labels things;
    struct labels names;
    struct table by_seq; /* (Thing, seq): a = index of the event + 1, b = acceptances */
    struct buffer scratch;
    int32_t partitions;
};

void events_init(struct events *events, const char *template, const char *only);
void events_free(struct events *events);

/* Takes one line of the hub's log: a fetch_line. */
bool events_take(void *events, struct slice line, struct error *err);

/* Marks the events of a file: lines "device TAB seq" or "device TAB #partition:sequence". */
bool events_except(struct events *events, const char *path, struct error *err);

/* True if the member is compared. */
bool events_compares(const struct events *events, struct slice name);

/* The label of the text; NULL if there is none and `add` is false. */
struct label *labels_get(struct labels *labels, struct slice text, bool add);

/* What two values share exactly if they are the same: the raw text of a number or a word, the
 * characters of a string. */
uint64_t events_value_hash(struct buffer *scratch, const struct label *name,
                           const struct scan_value *value);

/* The key of a seq in by_seq. */
uint64_t events_seq_key(const struct label *thing, int64_t seq);

/* A JSON integer that fits in 64 bits. */
bool events_integer(const struct scan_value *value, int64_t *number);
