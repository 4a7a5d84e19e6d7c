#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "hub/devices.h"
#include "hub/faults.h"
#include "hub/message.h"
#include "hub/partition_log.h"
#include "hub/settings.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct connection;
struct reader;

struct hub_options {
    const char *name;
    int partitions;
    const char *data;     /* folder; NULL: memory only */
    const char *key_name; /* the policy whose tokens are accepted */
    const char *key;      /* NULL: every token is accepted, and none is needed */
    const char *iothub;   /* host name of the IoT Hub that sends its readers here; NULL: none */
    const char *redirect_host; /* the host that it sends them to */
    int64_t retain;            /* events per partition; 0: all */
    struct settings settings;
};

struct partition {
    int index;
    char id[12];
    struct partition_log *log;
    struct reader *readers; /* attached now; see reader.h */
    int64_t sent;           /* events sent to readers since the start of the process */
};

/* The hub: its logs, who is attached, and its counters. One per process; everything that runs on
 * the loop hangs off it. */
struct hub {
    struct hub_options options; /* its name is the one that the hub has now */
    const char *given;          /* its name at the first start; borrowed */
    char *name;                 /* what options.name points to */
    struct event_base *loop;    /* borrowed */
    struct log *log;            /* borrowed */
    struct partition *partitions;
    struct devices *devices;
    struct connection *connections;
    struct buffer scratch; /* the message being encoded */
    char instance[33];     /* names this life of the process in container ids and errors */
    int64_t created_ms;
    int generation;              /* how often the logs were begun anew */
    struct partition_log **past; /* the logs before: generation * partitions + partition */
    int64_t stolen;              /* links closed because an epoch won */
    int64_t connected;           /* connections accepted so far */
    struct faults faults;
    int64_t redirected;     /* answers of the IoT Hub so far */
    int64_t tokens_refused; /* on demand */
    int redirect_lag;       /* so many answers of the IoT Hub still name the old hub */
    char old_name[65];
    bool stopping;      /* the process is about to end */
    bool broken;        /* a log cannot be written: the process ends */
    int next_partition; /* for publishers that do not choose one */
};

/* Opens the logs. NULL and err if the data folder cannot be used or belongs to another hub. */
struct hub *hub_open(const struct hub_options *options, struct event_base *loop, struct log *log,
                     struct error *err);
/* The connections must be gone. */
void hub_close(struct hub *hub);

/* Gives the hub another name (NULL: the same), and unless `keep` begins new, empty logs with a new
 * time of creation. The old ones are still shown to the check. Nobody may be attached. False and
 * err when the data folder cannot be written. */
bool hub_renew(struct hub *hub, const char *name, bool keep, struct error *err);

/* Appends one event to its device's partition, or to `partition` if that is not negative. */
void hub_append_telemetry(struct hub *hub, int partition, const struct telemetry *telemetry);

/* Appends what a client sent. False when the message is too large. */
bool hub_append_sent(struct hub *hub, int partition, const struct message *message);

/* To be called after a run of appends: flushes the logs, and has the readers served soon. */
void hub_appended(struct hub *hub);

/* Events ever written to the logs, past ones too. */
int64_t hub_emitted(const struct hub *hub);

/* The partition with this id (text of a number); NULL if there is none. */
struct partition *hub_partition(struct hub *hub, struct slice id);

/* Appends what the service adds to the text of every error, for the support to search for. */
void hub_put_tracking(struct hub *hub, struct buffer *text, const struct partition *partition,
                      const char *group);

#define HUB_MESSAGE_MAX ((size_t)1 << 20)
