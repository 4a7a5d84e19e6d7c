#pragma once
#include <stdbool.h>

/* What a node does at a notice of the database. With hundreds of nodes a notice that made all of
 * them ask would cost more than what it tells, so most name whom they concern:
 *
 *     assignment 3 17    what sessions 3 and 17 own has changed (or no numbers: of many)
 *     leader 3           session 3 leads now
 *     members            who is live has changed: the leader's business
 *     config, bindings, replay, and what a later version may say: everybody's
 *
 * A notice only makes things faster: everybody polls in any case. */
struct notice {
    bool refresh; /* ask for the assignment */
    bool poll;    /* ask what has changed */
    bool tend;    /* the leader's duty is due */
};

struct notice notice_read(const char *payload, int session_id, bool leader);
