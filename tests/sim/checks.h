#pragma once
#include "db.h"
#include "world.h"

/* The promises, looked after at every step. Each function is told what has just happened, or is
 * about to; what must not be ends the run (world_fail). Knows nothing of how a node decides. */

struct server;

struct checks *checks_create(struct world *w);
void checks_free(struct checks *c);

/* Leases (promise 2). */
void check_joined(struct world *w, int node, int session, uint64_t key);
void check_lease_ended(struct world *w, struct server *server, int node, uint32_t life, int session,
                       const char *why);
void check_acts_as_leader(struct world *w, int node);

/* Tokens and the tables (promise 1). */
void check_tables(struct world *w, struct server *server);
/* An assignment of `at_us`, true time, says that the node owns a grant with this token. */
void check_told(struct world *w, int node, int64_t token, int64_t at_us);
/* A call has ended a session; `node` if it joins, and replaces its own. */
void check_buried(struct world *w, const struct server *server, int session, int node);
/* A sweep is done: nothing is left of the dead. */
void check_swept(struct world *w, const struct server *server);
void check_crashed(struct world *w, struct server *server, bool promoted);
void check_joins(struct world *w, struct server *server,
                 const struct db_join *join); /* before it */
void check_led(struct world *w, struct server *server, int session, int64_t token);
void check_letter(struct world *w, struct server *server, const struct db_session *me,
                  const struct db_letter *letter, int64_t token);

/* Checkpoints and hand-overs (promises 3, 4 and 6). */
void check_saved(struct world *w, struct server *server, const struct db_session *me, int partition,
                 int64_t token, const struct db_checkpoint *before);
void check_abandoned(struct world *w, struct server *server, int partition);
void check_releasing(struct world *w, struct server *server, const struct db_session *me,
                     int partition, int64_t token);
void check_leaving(struct world *w, struct server *server, const struct db_session *me);

/* Readers. */
void check_opens(struct world *w, int node, int64_t token);
void check_attached(struct world *w, int reader, int node, uint32_t life, int64_t token, int log,
                    int partition);
void check_stolen(struct world *w, int64_t token);
/* What the grant had in hand may have been dropped: its hand-over may repeat. */
void check_disturbed(struct world *w, int64_t token);
void check_node_disturbed(struct world *w, int node); /* all its grants */
void check_woken(struct world *w, int node, int64_t gap_us);

/* ThingWorx (promises 4 and 5). Values are hub_encode()d. */
void check_posts(struct world *w, int node, const uint64_t *values, size_t count);
void check_accepted(struct world *w, const uint64_t *values, size_t count);
/* ThingWorx refuses good values from now on: some may become dead letters. */
void check_gave_up(struct world *w);
/* The node does not know what became of a request. */
void check_unknown(struct world *w, const uint64_t *values, size_t count);

/* Whether all that is due is below the checkpoints. */
bool check_drained(const struct world *w);
/* After the faults (promise 6): everything is owned and drained. */
void check_end(struct world *w);

struct check_counts {
    uint64_t accepted, repeated, letters, saves, grants;
};
struct check_counts check_counts(const struct checks *c);
