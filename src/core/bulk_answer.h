#pragma once
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the bulk service (thingworx/README.md) answers: an infotable with one row for each value
 * that it could not write. */

struct bulk_refusal {
    uint32_t row;        /* of the request, from 0 */
    bool missing;        /* there is no such Thing */
    struct slice reason; /* as it stands in the JSON text; borrowed from the answer */
};

/* A scratch that is used again for every answer. All zero is a fresh one. */
struct bulk_answer {
    struct bulk_refusal *refusals; /* in the order of their rows, each row once */
    size_t count;
    size_t capacity;
    const char *why; /* after a failure: a static text */
};

/* Reads the answer to a request of `rows` rows. False if it is not an answer of the service, or
 * names a row that was not sent. */
bool bulk_answer_read(struct bulk_answer *answer, struct slice body, uint32_t rows);
void bulk_answer_free(struct bulk_answer *answer);
