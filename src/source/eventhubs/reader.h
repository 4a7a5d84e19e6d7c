#pragma once
#include "base/buffer.h"
#include "source/eventhubs/wire.h"
#include "source/source_kind.h"

/* One partition being read over one link in a session of its own. */

struct reader;
struct whereabouts;

/* What the readers of one hub share. */
struct reader_host {
    struct source_handlers handlers;
    void *ctx;
    struct source_counters *counters;
    struct random *random; /* jitter */
    struct log *log;       /* may be NULL */
    const char *hub_name;  /* for logs; the texts are borrowed */
    const char *hub;       /* at the endpoint */
    const char *group;     /* consumer group */
    const char *node;      /* told to the peer */
    size_t window_bytes;
    struct whereabouts *whereabouts; /* hears of what is not found; NULL: the endpoint is given */
    struct wire *wire;               /* NULL: no connection */
    struct pauses *pauses;           /* made by reader_host_init */
    struct event *soon;    /* runs reader_host_turn from the loop, when there is no wire to do it */
    struct buffer scratch; /* one whole message */
    struct buffer joined;  /* a body of several sections */
    struct reader *readers; /* attached */
    struct reader *busy;    /* have credit to grant or messages left over */
    struct reader *ended;   /* wait for their last callback */
};

void reader_host_init(struct reader_host *host);
void reader_host_free(struct reader_host *host); /* readers too, without callbacks */

/* Attaches a reader. `kind` is what the calls of source.h on it go to. */
struct source_reader *reader_open(struct reader_host *host, const struct source_kind *kind,
                                  struct slice partition, int64_t token,
                                  struct source_position position, uint32_t credit,
                                  void *reader_ctx);
/* A reader that never was: ends with this. */
struct source_reader *reader_stillborn(struct reader_host *host, const struct source_kind *kind,
                                       struct slice partition, void *reader_ctx,
                                       enum source_end end, const struct error *why);

/* The calls of source.h. */
void reader_credit(struct source_reader *reader, uint32_t more);
void reader_hold(struct source_reader *reader, bool hold);
void reader_stop(struct source_reader *reader);

/* The end of a turn of the loop: grants credit, delivers what was left over, and makes the last
 * callbacks. True if messages are still left over. */
bool reader_host_turn(struct reader_host *host);
/* Housekeeping, about once a second. */
void reader_host_tick(struct reader_host *host, int64_t now_us);
/* The connection is gone: every reader ends, and hears of it now. */
void reader_host_lost(struct reader_host *host, enum source_end end, const struct error *why);
