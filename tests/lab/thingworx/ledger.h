#pragma once
#include "base/buffer.h"
#include "base/slice.h"
#include "thingworx/names.h"

#include <stdbool.h>
#include <stdint.h>

/* Every value that was accepted, in order, for ever: what the check compares with. 40 bytes
 * and the text of the value for each. */
struct ledger_entry {
    int64_t accepted_us; /* CLOCK_REALTIME */
    int64_t time_ms;     /* the time that the sender gave the value */
    const char *text;    /* the JSON text of the value, verbatim; not terminated */
    uint32_t length;
    uint32_t thing; /* numbers of struct names */
    uint32_t name;
    uint32_t sender;
};

struct ledger;

/* Counted references: one for the server, one for each reader that streams it. */
struct ledger *ledger_create(void);
struct ledger *ledger_keep(struct ledger *ledger);
void ledger_drop(struct ledger *ledger);

/* Appends an entry; its text is copied. */
void ledger_add(struct ledger *ledger, const struct ledger_entry *entry);

uint64_t ledger_count(const struct ledger *ledger);
const struct ledger_entry *ledger_at(const struct ledger *ledger, uint64_t i);

/* Appends entry i as one line of text: number (from 1), accepted_us, sender, thing, name,
 * time_ms, value, separated by tabs, with \t, \n, \r and \\ escaped in each. */
bool ledger_line(const struct ledger *ledger, const struct names *names, uint64_t i,
                 struct buffer *out);
