#include "core/session.h"

static const struct session_edge edges[] = {
    {SESSION_AWAY, SESSION_RETRY_DUE, SESSION_CONNECTING, SESSION_DO_CONNECT,
     "connecting to the database"},
    {SESSION_AWAY, SESSION_LEAVE, SESSION_GONE, SESSION_DO_END,
     "stopping without a session: the database ends it by itself"},

    {SESSION_CONNECTING, SESSION_CONNECTED, SESSION_CHECKING, SESSION_DO_CHECK,
     "connected, checking the schema"},
    {SESSION_CONNECTING, SESSION_LOST, SESSION_AWAY, SESSION_DO_CLOSE | SESSION_DO_BACK_OFF,
     "the database cannot be reached"},
    {SESSION_CONNECTING, SESSION_LEAVE, SESSION_GONE, SESSION_DO_CLOSE | SESSION_DO_END,
     "stopping before joining"},

    {SESSION_CHECKING, SESSION_SCHEMA_KNOWN, SESSION_JOINING, SESSION_DO_JOIN,
     "the schema is known, joining"},
    {SESSION_CHECKING, SESSION_SCHEMA_UNKNOWN, SESSION_AWAY, SESSION_DO_CLOSE | SESSION_DO_BACK_OFF,
     "the schema is not known to this build"},
    {SESSION_CHECKING, SESSION_LOST, SESSION_AWAY, SESSION_DO_CLOSE | SESSION_DO_BACK_OFF,
     "the database was lost before joining"},
    {SESSION_CHECKING, SESSION_LEAVE, SESSION_GONE, SESSION_DO_CLOSE | SESSION_DO_END,
     "stopping before joining"},

    {SESSION_JOINING, SESSION_JOINED, SESSION_LIVE, SESSION_DO_BEGIN,
     "joined: this session holds its lease"},
    /* Whatever went wrong, the backend may hold the session's lock: only closing frees it. */
    {SESSION_JOINING, SESSION_REFUSED, SESSION_AWAY, SESSION_DO_CLOSE | SESSION_DO_BACK_OFF,
     "the database refused to let this node join"},
    {SESSION_JOINING, SESSION_LOST, SESSION_AWAY, SESSION_DO_CLOSE | SESSION_DO_BACK_OFF,
     "the database was lost while joining"},
    {SESSION_JOINING, SESSION_LEAVE, SESSION_GONE, SESSION_DO_CLOSE | SESSION_DO_END,
     "stopping while joining"},

    {SESSION_LIVE, SESSION_LOST, SESSION_AWAY,
     SESSION_DO_DOUBT | SESSION_DO_CLOSE | SESSION_DO_BACK_OFF,
     "a database connection was lost: the lease is in doubt"},
    {SESSION_LIVE, SESSION_ENDED, SESSION_AWAY,
     SESSION_DO_DOUBT | SESSION_DO_CLOSE | SESSION_DO_BACK_OFF,
     "the database has ended this session"},
    {SESSION_LIVE, SESSION_TRUST_EXPIRED, SESSION_AWAY,
     SESSION_DO_DOUBT | SESSION_DO_CLOSE | SESSION_DO_BACK_OFF,
     "no answer from the database in time: the lease is in doubt"},
    {SESSION_LIVE, SESSION_LEFT_BEHIND, SESSION_AWAY,
     SESSION_DO_DOUBT | SESSION_DO_CLOSE | SESSION_DO_BACK_OFF,
     "another host of the database is on a newer timeline: going there"},
    {SESSION_LIVE, SESSION_LEAVE, SESSION_LEAVING, SESSION_DO_LEAVE,
     "leaving: handing everything over"},

    {SESSION_LEAVING, SESSION_LEFT, SESSION_GONE, SESSION_DO_CLOSE | SESSION_DO_END, "left"},
    {SESSION_LEAVING, SESSION_LOST, SESSION_GONE, SESSION_DO_CLOSE | SESSION_DO_END,
     "the database was lost while leaving: it ends the session by itself"},
    {SESSION_LEAVING, SESSION_TRUST_EXPIRED, SESSION_GONE, SESSION_DO_CLOSE | SESSION_DO_END,
     "no answer from the database while leaving"},
    {SESSION_LEAVING, SESSION_ENDED, SESSION_GONE, SESSION_DO_CLOSE | SESSION_DO_END,
     "the session had already ended"},
};

const struct session_edge *session_edges(size_t *count)
{
    *count = sizeof edges / sizeof edges[0];
    return edges;
}

const struct session_edge *session_step(enum session_state state, enum session_event event)
{
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        if (edges[i].from == state && edges[i].event == event)
            return &edges[i];
    return NULL;
}

const char *session_state_name(enum session_state state)
{
    static const char *const names[] = {
        [SESSION_AWAY] = "away",         [SESSION_CONNECTING] = "connecting",
        [SESSION_CHECKING] = "checking", [SESSION_JOINING] = "joining",
        [SESSION_LIVE] = "live",         [SESSION_LEAVING] = "leaving",
        [SESSION_GONE] = "gone"};
    return names[state];
}

const char *session_event_name(enum session_event event)
{
    static const char *const names[] = {[SESSION_RETRY_DUE] = "retry due",
                                        [SESSION_CONNECTED] = "connected",
                                        [SESSION_SCHEMA_KNOWN] = "schema known",
                                        [SESSION_SCHEMA_UNKNOWN] = "schema unknown",
                                        [SESSION_JOINED] = "joined",
                                        [SESSION_REFUSED] = "refused",
                                        [SESSION_LOST] = "lost",
                                        [SESSION_ENDED] = "ended",
                                        [SESSION_TRUST_EXPIRED] = "trust expired",
                                        [SESSION_LEFT_BEHIND] = "left behind",
                                        [SESSION_LEAVE] = "leave",
                                        [SESSION_LEFT] = "left"};
    return names[event];
}
