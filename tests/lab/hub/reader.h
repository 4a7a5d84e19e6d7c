#pragma once
#include "hub/connection.h"
#include "hub/links.h"

/* A link that reads one partition for one consumer group. Events go out settled, in order, as
 * far as the client's credit and session window allow. */
struct reader {
    enum link_kind kind; /* first: see links.h */
    struct connection *connection;
    pn_link_t *link;
    struct partition *partition;
    char *group;
    char *name;
    bool has_epoch;
    int64_t epoch;
    bool unsettled;   /* transfers wait for the client's disposition */
    bool metrics;     /* the client wants to know the partition's end with every event */
    int64_t position; /* the sequence to be sent next */
    uint32_t tag;
    bool held;           /* the session's window is used up: nothing is sent this turn */
    struct reader *prev; /* in the partition */
    struct reader *next;
    struct reader *turn_prev; /* in the connection */
    struct reader *turn_next;
};

/* Answers the attach: an open link, or a refusal with the service's words. May close the links of
 * readers with a lower epoch, on any connection. */
void reader_attach(struct connection *connection, pn_link_t *link, struct partition *partition,
                   const char *group);

/* Frees the reader; the link is the caller's. */
void reader_release(struct reader *reader);

/* Closes the link with an error, and frees the reader. */
void reader_close(struct reader *reader, const char *condition, const char *text);

/* Whether its connection still has a token for what it reads. */
bool reader_allowed(const struct reader *reader);

/* Sends what the readers of a connection may have, in turns, up to a bound. True if some could
 * go on at once. */
bool readers_pump(struct connection *connection);

/* Whether a write has emptied the queue of a reader that the last pump passed over for it: nobody
 * else would wake the connection for it. */
bool readers_released(const struct connection *connection);
