#pragma once
#include <stdbool.h>
#include <stddef.h>

/* The life of a node's session with the database, as a table of states. The node carries out the
 * actions; this decides which. Telemetry goes on in every state: see DESIGN, "Losing the database
 * does not stop telemetry". */
enum session_state {
    SESSION_AWAY,       /* no connections; a back-off runs */
    SESSION_CONNECTING, /* three connections on their way */
    SESSION_CHECKING,   /* connected; is the schema one that we know? */
    SESSION_JOINING,
    SESSION_LIVE,
    SESSION_LEAVING,
    SESSION_GONE
};

enum session_event {
    SESSION_RETRY_DUE,
    SESSION_CONNECTED, /* all three */
    SESSION_SCHEMA_KNOWN,
    SESSION_SCHEMA_UNKNOWN,
    SESSION_JOINED,
    SESSION_REFUSED,       /* join failed: the name is taken, a pooler, a setting, ... */
    SESSION_LOST,          /* a connection is lost or was never made */
    SESSION_ENDED,         /* the database says that our session has ended */
    SESSION_TRUST_EXPIRED, /* no answer to our pings in time */
    SESSION_LEFT_BEHIND,   /* another host of the database is on a newer timeline */
    SESSION_LEAVE,         /* we want to stop, all is drained */
    SESSION_LEFT
};

enum session_action {
    SESSION_DO_NOTHING = 0,
    SESSION_DO_CONNECT = 1, /* open all three connections */
    SESSION_DO_CHECK = 2,
    SESSION_DO_JOIN = 4,
    SESSION_DO_BEGIN = 8,  /* listen, read configuration and assignment, ping, watch */
    SESSION_DO_DOUBT = 16, /* no leader's duties, no grant is ours for sure */
    SESSION_DO_CLOSE = 32, /* close all three; the lease connection is never reused */
    SESSION_DO_BACK_OFF = 64,
    SESSION_DO_LEAVE = 128,
    SESSION_DO_END = 256
};

struct session_edge {
    enum session_state from;
    enum session_event event;
    enum session_state to;
    unsigned actions;     /* enum session_action, or-ed; carried out in the order of their values,
                             but doubt and close before back-off */
    const char *sentence; /* for the log and the documentation */
};

/* The edge to take. NULL: the event means nothing in this state and is ignored. */
const struct session_edge *session_step(enum session_state state, enum session_event event);

const char *session_state_name(enum session_state state);
const char *session_event_name(enum session_event event);
/* All edges, for the documentation and the tests. */
const struct session_edge *session_edges(size_t *count);
