#pragma once
#include "base/slice.h"
#include "core/translate.h"

#include <stdbool.h>
#include <stdint.h>

struct lane;
struct lane_group;
struct pool;

/* Behind the texts of a parcel so many bytes may be read, whatever they are. */
#define PARCEL_SLACK 16u

/* What several parcels of one event share: an event whose values go to several Things is complete
 * when the last of them is. Lives as long as one of them does. */
struct bundle {
    uint32_t parcels; /* that are not freed */
    uint32_t open;    /* that are not completed */
};

/* One event on its way to a Thing: its rows and what must be known when they are completed.
 * One allocation; every slice points into it. */
struct parcel {
    void *partition; /* whose event it is; NULL once nobody waits for it any more */
    uint64_t ticket; /* of the partition's tracker */
    int64_t sequence;
    int64_t enqueued_ms;
    struct slice offset, device, module;
    struct slice body;     /* the event as it came, if it was asked to be kept */
    struct slice thing;    /* where it goes, if that is not where the device is bound to */
    struct pool *pool;     /* where its memory goes back to */
    int64_t time_ms;       /* of rows that are places */
    struct bundle *bundle; /* NULL: the event has this parcel only */
    uint32_t row_count;
    bool in_places; /* its rows are places in the event's body, and not texts */
    bool repeats;   /* a property may have several rows */
    bool dropped;   /* its partition was abandoned: completes to nobody */

    /* The lanes' own from here on. */
    bool touched;                           /* a row has been on the wire */
    uint32_t next_row;                      /* rows before it are accepted or refused */
    uint32_t end_row;                       /* rows from it on are not to be sent */
    uint32_t wire_rows;                     /* rows on the wire, from next_row on */
    uint32_t refused;                       /* rows with the dead-letter office, not yet done */
    size_t bytes;                           /* memory of the whole parcel */
    struct parcel *next, *prev;             /* in the lane */
    struct parcel *group_next, *group_prev; /* in the partition */
    struct lane *lane;
    struct lane_group *group;
    uint32_t rows[]; /* where each text ends, or struct row_place */
};

/* What the rows belong to. Everything is copied. */
struct parcel_origin {
    void *partition;
    uint64_t ticket;
    int64_t sequence;
    int64_t enqueued_ms;
    struct slice offset, device, module;
    struct slice body;  /* empty: do not keep it */
    struct slice thing; /* empty: that of the device */
    struct pool *pool;  /* must outlive the parcel; NULL: the heap */
};

/* Packs the rows. The caller owns the parcel until it pushes it into a lane. */
struct parcel *parcel_create(const struct rows *rows, const struct parcel_origin *origin);
void parcel_free(struct parcel *parcel);

/* Makes the parcel one of the bundle, which is made if it is NULL; for the parcels of one event,
 * all before the first is pushed. */
void parcel_join(struct parcel *parcel, struct bundle **bundle);
/* The parcel is completed; true if with it the event is. */
bool parcel_completes(struct parcel *parcel);

/* Appends the JSON text of row i. False if the buffer's ceiling is in the way. */
bool parcel_row(const struct parcel *parcel, uint32_t i, struct buffer *to);
/* The property's name of row i, in the escaped form in which it stands in the JSON text. */
struct slice parcel_property(const struct parcel *parcel, uint32_t i);

/* For whoever writes rows (core/row_write.h): the places of the rows and what they are places in;
 * NULL if the rows are texts. */
const struct row_place *parcel_places(const struct parcel *parcel, const char **body);
/* Of rows that are texts: [from, to) joined by commas; to > from. */
struct slice parcel_text(const struct parcel *parcel, uint32_t from, uint32_t to);
