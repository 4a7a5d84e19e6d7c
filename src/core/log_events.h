#pragma once
#include "base/log.h"

/* Every happening that the program tells of: docs/logs.md is made of this table, and
 * tests/lint/events.py compares it with what the code says. Give it to log_know. */
const struct log_event *log_events(size_t *count);
