#pragma once
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where telemetry comes from: a hub with partitions, each an ordered log that is read from a
 * position. One `struct source` is one hub: one warm connection that is kept up by itself.
 * How a kind is opened stands in its own header (source/eventhubs/eventhubs.h).
 *
 * All callbacks come from the event loop, never from inside a function of this header. A callback
 * may call source_read, source_credit, source_hold and source_stop; source_close only from
 * outside callbacks. Nothing here blocks. */

struct source;
struct source_reader; /* one partition being read */
struct random;
struct log;
struct metrics;
struct buffer;

/* One event. Every slice lives for the callback only. */
struct source_message {
    struct slice body;
    struct slice device;
    struct slice module;
    struct slice offset; /* opaque text: stored and given back, never computed with */
    struct slice content_type;
    struct slice content_encoding;
    struct slice message_source;  /* "Telemetry", "twinChangeEvents", ... */
    struct slice auth_generation; /* tells two devices apart that had the same name */
    struct slice auth_method;     /* how the device proved who it is: JSON text of the hub */
    struct slice subject;         /* the component of the device, where it has several */
    struct slice message_id;      /* if the sender gave it as text, and not as number or uuid */
    struct slice correlation_id;  /* the same */
    struct slice properties;      /* what the sender added: see source_next_property */
    int64_t sequence;
    int64_t enqueued_ms;
    int64_t creation_ms;      /* 0: not given */
    int64_t last_sequence;    /* runtime metrics: the end of the partition's log; -1: not given */
    int64_t last_enqueued_ms; /* the same; -1: not given */
    size_t wire_bytes;        /* the whole encoded message */
    /* Its encoding makes no sense: `body` is all of it as it came, offset and sequence are good,
     * and everything else is what could be read. */
    bool unreadable;
};

/* For whoever keeps a message: how many bytes its texts have, and a copy whose slices point into
 * that many `bytes`, which are the caller's. */
size_t source_message_size(const struct source_message *message);
void source_message_copy(struct source_message *to, const struct source_message *from, char *bytes);

/* One property of the sender's own. */
enum source_value {
    SOURCE_VALUE_NULL,
    SOURCE_VALUE_BOOLEAN, /* integer: 0 or 1 */
    SOURCE_VALUE_INTEGER,
    SOURCE_VALUE_TIME,   /* integer: milliseconds since 1970 */
    SOURCE_VALUE_NUMBER, /* number */
    SOURCE_VALUE_TEXT,   /* text; bytes too */
    SOURCE_VALUE_OTHER   /* text: as it is encoded */
};
struct source_property {
    struct slice name;
    enum source_value kind;
    struct slice text;
    int64_t integer;
    double number;
};

/* Cuts the next property off `rest`, which at first is `properties` of a message. False at the
 * end, or where the encoding makes no sense. Nothing is copied. */
bool source_next_property(struct slice *rest, struct source_property *out);
/* The other way round: appends a property, so that source_next_property reads it. False if it does
 * not fit, or is a SOURCE_VALUE_OTHER. */
bool source_put_property(struct buffer *to, const struct source_property *property);

/* Why a reader ended. */
enum source_end {
    SOURCE_END_CLOSED,     /* we asked for it */
    SOURCE_END_STOLEN,     /* somebody reads it with an equal or higher token: ask the database */
    SOURCE_END_LOST,       /* connection or link lost: may be opened again after a back-off */
    SOURCE_END_REFUSED,    /* authorisation or configuration: an operator must act */
    SOURCE_END_BAD_OFFSET, /* the position does not exist in this log */
    SOURCE_END_NOT_FOUND,  /* no such hub, consumer group or partition */
    SOURCE_END_BUSY,       /* throttled: as LOST, but the next reader waits longer by itself */
    SOURCE_END_BAD_MESSAGE /* the next message cannot be placed in the log: nothing is skipped, so
                            * an operator must act */
};

/* The name of an end, for logs and metrics: "closed", "stolen", ... */
const char *source_end_name(enum source_end end);

struct source_metadata {
    int64_t asked_us;      /* when it was asked for, by clock_now_us: later changes are not in it */
    struct slice endpoint; /* host and path of the log: changes when the hub is renamed */
    int64_t created_ms;    /* changes when the hub is created anew */
    const struct slice *partitions;
    size_t partition_count;
};

struct source_handlers {
    /* Connected, token accepted, metadata known: readers may be opened. */
    void (*up)(void *ctx);
    /* Once after each connect, before `up`, and then every few minutes. */
    void (*metadata)(void *ctx, const struct source_metadata *metadata);
    /* The connection is gone, all its readers have ended before; also after each attempt to
     * connect that failed. It reconnects by itself, with capped back-off and full jitter. */
    void (*down)(void *ctx, const struct error *why);
    /* The peer has confirmed the attach. */
    void (*opened)(void *ctx, void *reader_ctx);
    void (*message)(void *ctx, void *reader_ctx, const struct source_message *message);
    /* The last callback of a reader, which is freed after it. */
    void (*ended)(void *ctx, void *reader_ctx, enum source_end end, const struct error *why);
    /* For tools: if given, it gets every message as it came, instead of `message`. */
    void (*raw)(void *ctx, void *reader_ctx, struct slice encoded);
};

enum source_position_kind {
    SOURCE_AT_EARLIEST,
    SOURCE_AT_LATEST, /* what comes from now on */
    SOURCE_AFTER_OFFSET,
    SOURCE_AT_TIME,    /* what was enqueued then or later */
    SOURCE_AT_SEQUENCE /* this message and those behind it */
};
struct source_position {
    enum source_position_kind kind;
    struct slice offset; /* SOURCE_AFTER_OFFSET only; copied */
    int64_t time_ms;     /* SOURCE_AT_TIME only: milliseconds since 1970 */
    int64_t sequence;    /* SOURCE_AT_SEQUENCE only */
};

/* Everything is copied except random, log and metrics, which must outlive the source. */
struct source_config {
    const char *name;              /* of the hub, for logs */
    const char *connection_string; /* a secret: never logged, never echoed */
    const char *ca_file;           /* whom to trust by TLS (PEM); NULL: the system's authorities */
    const char *proxy; /* host:port of an HTTP proxy that connects on (CONNECT); NULL: none */
    const char *consumer_group;
    const char *node;         /* told to the peer as the name of the receiver */
    size_t window_bytes;      /* ceiling of what is received but not yet taken, per reader */
    int64_t token_lifetime_s; /* of the tokens we make; 0: an hour. Renewed well before */
    uint32_t idle_ms;         /* silence of the peer that ends the connection; 0: two minutes */
    struct random *random;    /* jitter */
    struct log *log;          /* may be NULL */
    struct metrics *metrics;  /* may be NULL */
};

/* In place of a token: a reader that throws nobody out, and is thrown out by whoever has one. */
#define SOURCE_NO_TOKEN INT64_C(-1)

/* Begins to read `partition` at `position`, fenced by `token` where the source can fence. Up to
 * `credit` messages arrive before more is granted. Always ends with one `ended` callback; with
 * LOST if the source is not up. A position that is no text of a source ends with BAD_OFFSET. */
struct source_reader *source_read(struct source *source, struct slice partition, int64_t token,
                                  struct source_position position, uint32_t credit,
                                  void *reader_ctx);

/* Grants more messages. They are settled on arrival: progress is the checkpoint. */
void source_credit(struct source_reader *reader, uint32_t more);

/* While held, no message is delivered: what the peer still sends within the credit stays in the
 * window of the reader, which is bounded in bytes. For a tracker that is full in bytes while it
 * still has credit out. */
void source_hold(struct source_reader *reader, bool hold);

/* Asks for a clean end: no message callback after this call; `ended` with CLOSED, whatever happens
 * meanwhile, follows when the peer has let go, or after a few seconds without its answer. */
void source_stop(struct source_reader *reader);

/* Whether a reader with a higher token throws out one with a lower. */
bool source_fences(const struct source *source);

/* Reads the metadata again: `metadata` follows, asked for not before this call, or `down`. For when
 * the log may have been made anew, which only its metadata tell. */
void source_refresh(struct source *source);

/* What a source has done so far, for metrics. */
struct source_counters {
    uint64_t messages;
    uint64_t bytes;      /* encoded messages */
    uint64_t unreadable; /* messages whose encoding made no sense, handed over as they came */
    uint64_t connects;   /* connections that came up */
    uint64_t failures;   /* connections lost and attempts that failed */
    uint64_t stolen;
    uint64_t busy; /* readers and connections ended by throttling */
};
struct source_counters source_counters(const struct source *source);

/* Closes without callbacks and frees, readers too. */
void source_close(struct source *source);
