#pragma once
#include "base/error.h"
#include "base/slice.h"
#include "source/source.h"

#include <stddef.h>

/* What the peer can say when it ends a link, a session or the connection, or refuses a request:
 * one row per condition. The code, the documentation and the tests read the same table. */
struct condition {
    const char *name;    /* AMQP symbol; of several rows with one name the first that fits wins */
    const char *text;    /* the description must contain this; NULL: any */
    enum source_end end; /* how a reader ends by it, or the whole connection */
    const char *meaning; /* one sentence: what the operator sees as detail */
    const char *advice;  /* what the operator is told to do, behind what the node does itself; may
                          * be "" */
};

/* What the node does when a reader or the connection ends so: one sentence. */
const char *condition_action(enum source_end end);

/* All rows; the last one has the name "" and stands for every condition not in the table. */
const struct condition *conditions(size_t *count);

const struct condition *condition_find(struct slice name, struct slice text);

/* Fills `err` from the row that fits: `what` happened (message), name and text (detail), action and
 * advice (hint). Returns how it ends. An empty name means that the peer gave no reason. */
enum source_end condition_explain(const char *what, struct slice name, struct slice text,
                                  struct error *err);

/* The same for a status code of a $cbs or $management reply that is not 2xx. */
enum source_end condition_of_status(const char *what, int status, struct slice text,
                                    struct error *err);
