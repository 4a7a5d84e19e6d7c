#include "source/eventhubs/conditions.h"

static const char ADVICE_WAIT[] = "Nothing to do: the node opens it again by itself.";
static const char ADVICE_KEY[] = "Check the policy's key in the secret and that the policy may "
                                 "listen (IoT hub: ServiceConnect).";
static const char ADVICE_REPORT[] = "The node tries again; if it does not end, note the detail "
                                    "and ask the provider of the hub.";

static const struct condition table[] = {
    {"amqp:link:stolen", NULL, SOURCE_END_STOLEN,
     "A receiver with an equal or higher epoch has taken the partition.",
     "Normal when a partition moves. If it repeats: does something else read this consumer group?"},
    {"amqp:link:detach-forced", NULL, SOURCE_END_LOST, "The service has ended the link.",
     ADVICE_WAIT},
    {"amqp:connection:forced", NULL, SOURCE_END_LOST, "The service has ended the connection.",
     ADVICE_WAIT},
    {"com.microsoft:server-busy", "50002", SOURCE_END_BUSY,
     "The hub is throttled: its throughput units are used up.",
     "Raise the throughput (IoT hub: the tier or the number of units)."},
    {"com.microsoft:server-busy", NULL, SOURCE_END_BUSY, "The service is too busy.", ADVICE_WAIT},
    {"com.microsoft:timeout", NULL, SOURCE_END_LOST, "The service ran out of time.", ADVICE_WAIT},
    {"com.microsoft:operation-cancelled", NULL, SOURCE_END_LOST,
     "The service has given up the operation.", ADVICE_WAIT},
    {"com.microsoft:partition-not-owned", NULL, SOURCE_END_LOST,
     "The partition is moving inside the service.", ADVICE_WAIT},
    {"amqp:internal-error", NULL, SOURCE_END_LOST, "An error inside the service.", ADVICE_REPORT},
    {"amqp:connection:framing-error", NULL, SOURCE_END_LOST,
     "What the peer sends is no AMQP, or was cut off.",
     "Is the endpoint an Event Hubs-compatible one, and the port right?"},
    {"amqp:link:transfer-limit-exceeded", NULL, SOURCE_END_LOST,
     "More was transferred than allowed.", ADVICE_REPORT},
    {"amqp:link:message-size-exceeded", NULL, SOURCE_END_LOST,
     "A message is larger than the link allows.", ADVICE_REPORT},
    {"amqp:resource-limit-exceeded", "local-idle-timeout", SOURCE_END_LOST,
     "The hub has been silent for too long.", "Check the network between this node and the hub."},
    {"amqp:resource-limit-exceeded", NULL, SOURCE_END_LOST,
     "A quota of the hub is used up, such as five readers per consumer group.",
     "Use a consumer group that nobody else reads."},
    {"com.microsoft:argument-error", "offset", SOURCE_END_BAD_OFFSET,
     "The position lies outside the log: the hub was created anew or failed over.",
     "Decide where to start: the checkpoint belongs to a log that no longer exists."},
    {"com.microsoft:argument-error", "sequence number", SOURCE_END_BAD_OFFSET,
     "The position lies outside the log: the hub was created anew or failed over.",
     "Decide where to start: the checkpoint belongs to a log that no longer exists."},
    {"com.microsoft:georeplication:invalid-offset", NULL, SOURCE_END_BAD_OFFSET,
     "The position is not valid on this replica.",
     "Decide where to start: the checkpoint belongs to another replica's log."},
    {"com.microsoft:argument-error", NULL, SOURCE_END_REFUSED,
     "The service does not accept an argument.", ADVICE_REPORT},
    {"amqp:unauthorized-access", NULL, SOURCE_END_REFUSED,
     "The token is missing, wrong, expired or not good for this.", ADVICE_KEY},
    {"com.microsoft:auth-failed", NULL, SOURCE_END_REFUSED, "The token is not accepted.",
     ADVICE_KEY},
    {"com.microsoft:entity-disabled", NULL, SOURCE_END_REFUSED, "The hub is disabled.",
     "Enable the hub."},
    {"amqp:not-allowed", NULL, SOURCE_END_REFUSED, "The service does not allow this.",
     ADVICE_REPORT},
    {"amqp:not-implemented", NULL, SOURCE_END_REFUSED, "The service cannot do this.",
     "Is the endpoint an Event Hubs-compatible one?"},
    {"amqp:not-found", NULL, SOURCE_END_NOT_FOUND,
     "There is no such hub, consumer group or partition.",
     "Check EntityPath in the connection string, and the consumer group."},
    {"amqp:link:redirect", NULL, SOURCE_END_REFUSED, "The service points to another endpoint.",
     "Use the connection string of the hub's built-in endpoint."},
    {"", NULL, SOURCE_END_LOST, "A condition that this table does not know.", ADVICE_REPORT},
};

#define ROWS (sizeof table / sizeof table[0])

const struct condition *conditions(size_t *count)
{
    *count = ROWS;
    return table;
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
        error_hint(err, "%s", ADVICE_WAIT);
        return SOURCE_END_LOST;
    }
    const struct condition *row = condition_find(name, text);
    error_detail(err, "%s %.*s: %.*s", row->meaning, (int)name.n, name.p,
                 (int)(text.n > 300 ? 300 : text.n), text.n ? text.p : "");
    error_hint(err, "%s", row->advice);
    return row->end;
}

/* The conditions that the status codes stand for. */
static const struct {
    int status;
    const char *name;
} statuses[] = {
    {400, "com.microsoft:argument-error"},  {401, "amqp:unauthorized-access"},
    {403, "amqp:unauthorized-access"},      {404, "amqp:not-found"},
    {410, "com.microsoft:entity-disabled"}, {500, "amqp:internal-error"},
    {503, "com.microsoft:server-busy"},     {504, "com.microsoft:timeout"},
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
    error_hint(err, "%s", row->advice);
    return row->end;
}
