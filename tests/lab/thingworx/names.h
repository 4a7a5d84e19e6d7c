#pragma once
#include "base/slice.h"

#include <stdint.h>

/* Every text that stands in the ledger many times (names of Things, properties, senders) is
 * kept once and called by a small number. */
struct names;

struct names *names_create(void);
void names_free(struct names *names);

/* The number of the text, given out on first sight, from 0. */
uint32_t names_id(struct names *names, struct slice text);

/* The text of a number that names_id gave out. Lives as long as the table. */
const char *names_text(const struct names *names, uint32_t id);

uint32_t names_count(const struct names *names);
