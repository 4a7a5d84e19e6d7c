#include "source/eventhubs/conditions.h"

#define POSITION "The position lies outside the log: the hub was created anew or failed over."
#define DECIDE                                                                                     \
    "The checkpoint belongs to a log that is gone: set it, or the hub's policy, if this repeats."
#define CHECK_KEY                                                                                  \
    "Check the policy's key in the secret, and that the policy may listen (IoT hub: "              \
    "ServiceConnect)."
#define REPORT "If it does not end, note the detail and ask the provider of the hub."
#define CHECK_ENDPOINT "Is the endpoint an Event Hubs-compatible one, and the port right?"

#define HIGHER_EPOCH "A receiver with an equal or higher epoch has taken the partition."
#define OTHER_READER                                                                               \
    "Normal when a partition moves. If it repeats: does something else read this consumer group?"
#define NO_PARTITION "There is no such partition."
#define CHECK_GROUP "Check EntityPath in the connection string, and the consumer group."

static const struct condition table[] = {
    {"amqp:link:stolen", NULL, SOURCE_END_STOLEN, HIGHER_EPOCH, OTHER_READER},
    {"amqp:link:detach-forced", NULL, SOURCE_END_LOST, "The service has ended the link.", ""},
    {"amqp:connection:forced", NULL, SOURCE_END_LOST, "The service has ended the connection.", ""},
    {"com.microsoft:server-busy", "50002", SOURCE_END_BUSY,
     "The hub is throttled: its throughput units are used up, or one partition is hot.",
     "Raise the throughput (IoT hub: the tier or the number of units)."},
    {"com.microsoft:server-busy", "50008", SOURCE_END_BUSY,
     "The hub is throttled: it is short of CPU, or is asked too often.",
     "Raise the throughput (IoT hub: the tier or the number of units)."},
    {"com.microsoft:server-busy", NULL, SOURCE_END_BUSY, "The service is too busy.", ""},
    {"com.microsoft:timeout", NULL, SOURCE_END_LOST, "The service ran out of time.", ""},
    {"com.microsoft:operation-cancelled", NULL, SOURCE_END_LOST,
     "The service has given up the operation.", ""},
    {"com.microsoft:partition-not-owned", NULL, SOURCE_END_LOST,
     "The partition is moving inside the service.", ""},
    {"amqp:internal-error", NULL, SOURCE_END_LOST, "An error inside the service.", REPORT},
    {"amqp:connection:framing-error", NULL, SOURCE_END_LOST,
     "What the peer sends is no AMQP, or was cut off.", CHECK_ENDPOINT},
    {"amqp:link:transfer-limit-exceeded", NULL, SOURCE_END_LOST,
     "More was transferred than allowed.", REPORT},
    {"amqp:link:message-size-exceeded", NULL, SOURCE_END_BAD_MESSAGE,
     "A message is larger than the link allows.", REPORT},
    {"amqp:resource-limit-exceeded", "local-idle-timeout", SOURCE_END_LOST,
     "The hub has been silent for too long.", "Check the network between this node and the hub."},
    {"amqp:resource-limit-exceeded", NULL, SOURCE_END_BUSY,
     "A quota of the hub is used up, such as that of readers per consumer group.",
     "Use a consumer group that nobody else reads."},
    {"com.microsoft:argument-error", "offset", SOURCE_END_BAD_OFFSET, POSITION, DECIDE},
    {"com.microsoft:argument-error", "sequence number", SOURCE_END_BAD_OFFSET, POSITION, DECIDE},
    {"com.microsoft:argument-error", "specified partition", SOURCE_END_NOT_FOUND, NO_PARTITION,
     CHECK_GROUP},
    {"com.microsoft:argument-out-of-range", "offset", SOURCE_END_BAD_OFFSET, POSITION, DECIDE},
    {"com.microsoft:argument-out-of-range", "sequence number", SOURCE_END_BAD_OFFSET, POSITION,
     DECIDE},
    {"com.microsoft:argument-out-of-range", NULL, SOURCE_END_NOT_FOUND, NO_PARTITION, CHECK_GROUP},
    {"com.microsoft:georeplication:invalid-offset", NULL, SOURCE_END_BAD_OFFSET,
     "The position is not valid on this replica of the hub.", DECIDE},
    {"com.microsoft:argument-error", NULL, SOURCE_END_REFUSED,
     "The service does not accept an argument.", REPORT},
    {"amqp:unauthorized-access", "expired", SOURCE_END_LOST, "The token has expired.",
     "Was the node frozen for long? If this repeats: is the clock of its machine right?"},
    {"amqp:unauthorized-access", NULL, SOURCE_END_REFUSED,
     "The token is missing, wrong, expired or not good for this.", CHECK_KEY},
    {"com.microsoft:auth-failed", NULL, SOURCE_END_REFUSED, "The token is not accepted.",
     CHECK_KEY},
    {"com.microsoft:entity-disabled", NULL, SOURCE_END_REFUSED, "The hub is disabled.",
     "Enable the hub."},
    {"amqp:not-allowed", "epoch", SOURCE_END_STOLEN, HIGHER_EPOCH, OTHER_READER},
    {"amqp:resource-locked", NULL, SOURCE_END_STOLEN, HIGHER_EPOCH, OTHER_READER},
    {"amqp:not-allowed", NULL, SOURCE_END_REFUSED, "The service does not allow this.", REPORT},
    {"amqp:not-implemented", NULL, SOURCE_END_REFUSED, "The service cannot do this.",
     CHECK_ENDPOINT},
    {"amqp:not-found", NULL, SOURCE_END_NOT_FOUND,
     "There is no such hub, consumer group or partition.", CHECK_GROUP},
    {"amqp:link:redirect", NULL, SOURCE_END_REFUSED, "The service points to another endpoint.",
     "Use the string of the built-in endpoint, or the service string of the IoT hub."},
    {"", NULL, SOURCE_END_LOST, "A condition that this table does not know.", REPORT},
};

static const char *const actions[] = {
    [SOURCE_END_CLOSED] = "Nothing more is read.",
    [SOURCE_END_STOLEN] =
        "The node stops, drops what it has not sent, and asks the database whose it is.",
    [SOURCE_END_LOST] = "The node tries again by itself, soon at first, then every few seconds.",
    [SOURCE_END_REFUSED] = "The node leaves the partition to others; a connection is tried again "
                           "after 1 to 2 s at first and 30 to 60 s at most.",
    [SOURCE_END_BAD_OFFSET] = "The node applies the hub's policy for positions that are lost.",
    [SOURCE_END_NOT_FOUND] = "The node leaves the partition to others; the endpoint of an IoT hub "
                             "is looked up anew.",
    [SOURCE_END_BUSY] = "The node tries again by itself, after 4 to 8 s at first and a minute at "
                        "most.",
    [SOURCE_END_BAD_MESSAGE] = "The node skips nothing; the partition is tried again every 30 to "
                               "60 s.",
};

#define ROWS (sizeof table / sizeof table[0])

const struct condition *conditions(size_t *count)
{
    *count = ROWS;
    return table;
}

const char *condition_action(enum source_end end)
{
    return actions[end];
}

static void hint(const struct condition *row, struct error *err)
{
    error_hint(err, "%s%s%s", actions[row->end], *row->advice ? " " : "", row->advice);
}

static bool contains(struct slice text, const char *part)
{
    return text.n > 0 && memmem(text.p, text.n, part, strlen(part)) != NULL;
}

const struct condition *condition_find(struct slice name, struct slice text)
{
    for (size_t i = 0; i < ROWS - 1; i++)
        if (slice_equal(name, slice_from(table[i].name)) &&
            (table[i].text == NULL || contains(text, table[i].text)))
            return &table[i];
    return &table[ROWS - 1];
}

enum source_end condition_explain(const char *what, struct slice name, struct slice text,
                                  struct error *err)
{
    error_set(err, "%s", what);
    if (name.n == 0) {
        error_detail(err, "The peer gave no reason.");
        error_hint(err, "%s", actions[SOURCE_END_LOST]);
        return SOURCE_END_LOST;
    }
    const struct condition *row = condition_find(name, text);
    error_detail(err, "%s %.*s: %.*s", row->meaning, (int)name.n, name.p,
                 (int)(text.n > 300 ? 300 : text.n), text.n ? text.p : "");
    hint(row, err);
    return row->end;
}

/* The conditions that the status codes stand for. */
static const struct {
    int status;
    const char *name;
} statuses[] = {
    {400, "com.microsoft:argument-error"},
    {401, "amqp:unauthorized-access"},
    {403, "amqp:unauthorized-access"},
    {404, "amqp:not-found"},
    {410, "com.microsoft:partition-not-owned"},
    {429, "com.microsoft:server-busy"},
    {500, "amqp:internal-error"},
    {503, "com.microsoft:server-busy"},
    {504, "com.microsoft:timeout"},
};

enum source_end condition_of_status(const char *what, int status, struct slice text,
                                    struct error *err)
{
    const char *name = status >= 400 && status < 500 ? "amqp:not-allowed" : "amqp:internal-error";
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (statuses[i].status == status)
            name = statuses[i].name;
    const struct condition *row = condition_find(slice_from(name), text);
    error_set(err, "%s (status %d)", what, status);
    error_detail(err, "%s %.*s", row->meaning, (int)(text.n > 300 ? 300 : text.n),
                 text.n ? text.p : "");
    hint(row, err);
    return row->end;
}
