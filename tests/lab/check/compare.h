#pragma once
#include "base/error.h"
#include "base/slice.h"
#include "check/events.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXAMPLES = 10 };

/* Numbers of events (index into struct events), the first few of a kind. */
struct examples {
    uint64_t count;
    size_t event[EXAMPLES];
    uint32_t name[EXAMPLES]; /* of the member in question, UINT32_MAX = none */
};

/* The join of what was emitted with what was accepted. */
struct compare {
    struct events *events;
    int64_t since_us;
    const char *not_sender;  /* NULL = nobody is left out */
    struct table values;     /* (Thing, time, name, text): a = acceptances, b = claimed by events */
    struct table slots;      /* (Thing, time, name): a = acceptances, b = explained by events */
    int64_t *first_accepted; /* per partition, 0 = none */
    uint64_t rows;
    uint64_t delivered;
    uint64_t excepted;
    uint64_t unchecked;
    uint64_t foreign;
    struct examples lost;
    struct examples altered;
    struct examples duplicates;
    struct examples out_of_order;
};

/* The events must be complete. They are borrowed, and marked in the process. */
void compare_init(struct compare *compare, struct events *events, int64_t since_us,
                  const char *not_sender);
void compare_free(struct compare *compare);

/* Takes one line of the ledger: a fetch_line. */
bool compare_take(void *compare, struct slice line, struct error *err);

/* Judges every event; to be called once, after the last line. */
void compare_finish(struct compare *compare);
