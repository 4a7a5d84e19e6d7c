#include "admin/node_metrics.h"

#include "admin/labelled_metrics.h"
#include "base/memory.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum source_kind {
    FROM_U64,
    FROM_I64,
    FROM_I64_US,
    FROM_I64_MS,
    FROM_SIZE,
    FROM_BOOL,
    FROM_LONG,
    FROM_KIB
};

/* One row per metric: where its figure stands in the snapshot, and what it is called. */
struct row {
    const char *name, *help;
    enum source_kind kind;
    size_t at;
};

#define AT(member) offsetof(struct node_snapshot, member)

static const struct row rows[] = {
    {"holdfast_events_received_total", "Events taken from the partitions", FROM_U64,
     AT(counts.events_received)},
    {"holdfast_event_bytes_received_total",
     "Bytes of the events received, as they came over the wire", FROM_U64,
     AT(counts.bytes_received)},
    {"holdfast_events_repeated_total",
     "Events that the hub sent again while they were under way; they are passed over", FROM_U64,
     AT(counts.events_repeated)},
    {"holdfast_events_skipped_total",
     "Events that are no telemetry: changes of twins, life cycles, connection states", FROM_U64,
     AT(counts.events_skipped)},
    {"holdfast_events_delivered_total", "Events whose every value ThingWorx has accepted", FROM_U64,
     AT(counts.events_delivered)},
    {"holdfast_values_delivered_total", "Values that ThingWorx has accepted", FROM_U64,
     AT(counts.values_delivered)},
    {"holdfast_dead_letters_dropped_total",
     "Events and values dropped at the ceiling of their device, as its policy says", FROM_U64,
     AT(counts.dead_letters_dropped)},
    {"holdfast_replays_delivered_total", "Dead letters that were replayed and accepted", FROM_U64,
     AT(counts.replays_delivered)},
    {"holdfast_events_dropped_unsent_total",
     "Events read and not sent when their partition was lost or in doubt; they are read again",
     FROM_U64, AT(counts.dropped_unsent)},
    {"holdfast_thingworx_requests_total", "Requests sent to ThingWorx", FROM_U64,
     AT(counts.requests)},
    {"holdfast_thingworx_requests_unaccepted_total",
     "Requests that were not accepted: refused, or to be sent again", FROM_U64,
     AT(counts.requests_retried)},
    {"holdfast_thingworx_requests_unknown_total",
     "Requests of which nobody knows what became of them; their values are sent again", FROM_U64,
     AT(counts.requests_unknown)},
    {"holdfast_values_sent_again_total",
     "Values in requests of which nobody knows what became of them: each may arrive twice",
     FROM_U64, AT(counts.values_again)},
    {"holdfast_events_delivered_unsaved_total",
     "Events delivered above the last saved checkpoint of a partition when it was lost: its next "
     "owner delivers them again",
     FROM_U64, AT(counts.delivered_unsaved)},
    {"holdfast_checkpoints_saved_total", "Checkpoints stored in the database", FROM_U64,
     AT(counts.checkpoints_saved)},
    {"holdfast_checkpoints_refused_total", "Checkpoints that the database refused", FROM_U64,
     AT(counts.checkpoints_refused)},
    {"holdfast_grants_total", "Partitions granted to this node", FROM_U64, AT(counts.takeovers)},
    {"holdfast_readers_stolen_total", "Readers thrown out by a higher token", FROM_U64,
     AT(counts.stolen)},
    {"holdfast_joins_total", "Sessions that this process has begun", FROM_U64, AT(counts.joins)},
    {"holdfast_wakeups_total", "Gaps in the loop that were longer than the margin of trust",
     FROM_U64, AT(counts.wakeups)},
    {"holdfast_partitions_owned", "Partitions that this node owns", FROM_SIZE, AT(partitions)},
    {"holdfast_events_in_flight", "Events read and not yet completed", FROM_SIZE, AT(in_flight)},
    {"holdfast_event_bytes_in_flight", "Bytes of the events read and not yet completed", FROM_SIZE,
     AT(bytes_in_flight)},
    {"holdfast_lag_events", "Events in the logs of this node's partitions and not yet delivered",
     FROM_I64, AT(lag_events)},
    {"holdfast_lag_seconds",
     "How long the oldest event that this node has not delivered waits since the hub took it",
     FROM_I64_MS, AT(lag_max_ms)},
    {"holdfast_thingworx_requests_in_flight", "Requests on the wire", FROM_SIZE, AT(on_the_wire)},
    {"holdfast_bindings_cached", "Devices whose Thing is known to this node", FROM_SIZE,
     AT(bindings_cached)},
    {"holdfast_events_waiting_for_binding", "Events of devices that are being looked up", FROM_SIZE,
     AT(events_waiting)},
    {"holdfast_dead_letters_waiting", "Dead letters that wait for the database", FROM_SIZE,
     AT(letters_waiting)},
    {"holdfast_dead_letters_held",
     "Dead letters that wait because their device has as many as may be kept", FROM_SIZE,
     AT(letters_held)},
    {"holdfast_things_connected", "Things that are heard of, by the heartbeat rules", FROM_SIZE,
     AT(things_connected)},
    {"holdfast_heartbeats_heard_total", "Things that were heard of after silence", FROM_U64,
     AT(counts.heartbeats_heard)},
    {"holdfast_heartbeats_lost_total", "Things of which nothing was heard any more", FROM_U64,
     AT(counts.heartbeats_lost)},
    {"holdfast_things_created_total", "Things made that ThingWorx did not have", FROM_U64,
     AT(counts.things_created)},
    {"holdfast_properties_added_total", "Property definitions added to Things", FROM_U64,
     AT(counts.properties_added)},
    {"holdfast_leader", "Whether this node leads the cluster", FROM_BOOL, AT(leader)},
    {"holdfast_lease_trusted", "Whether this node trusts its lease", FROM_BOOL, AT(trusted)},
    {"holdfast_lease_remaining_trust_seconds", "How long the lease is trusted without an answer",
     FROM_I64_US, AT(remaining_trust_us)},
    {"holdfast_lease_ping_seconds", "Round trip of the last ping of the lease", FROM_I64_US,
     AT(ping_us)},
    {"holdfast_loop_stall_max_seconds", "Longest stall of the event loop since the start",
     FROM_I64_US, AT(stall_max_us)},
    {"holdfast_log_repeats_total",
     "What happened again without a line of its own; a later line tells how often", FROM_U64,
     AT(log_untold)},
    {"process_cpu_seconds_total", "CPU time of the process, user and system", FROM_I64_US,
     AT(process.cpu_us)},
    {"process_resident_memory_bytes", "Resident memory of the process", FROM_KIB,
     AT(process.resident_kib)},
    {"process_virtual_memory_bytes", "Virtual memory of the process", FROM_KIB,
     AT(process.virtual_kib)},
    {"process_open_fds", "Open file descriptors", FROM_LONG, AT(process.open_fds)},
    {"process_max_fds", "File descriptors that the process may open", FROM_LONG,
     AT(process.max_fds)},
    {"process_start_time_seconds", "When the process started, in seconds since 1970", FROM_I64_US,
     AT(process.started_us)},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

struct node_metrics {
    struct metric *metrics[ROWS];
    struct labelled_metrics *labelled;
    int64_t started_us; /* found out once: the wall clock may step */
};

static bool is_counter(const char *name)
{
    size_t n = strlen(name);
    return n > 6 && strcmp(name + n - 6, "_total") == 0;
}

struct node_metrics *node_metrics_create(struct metrics *registry, int schema_version)
{
    struct node_metrics *m = xcalloc(1, sizeof *m);
    struct process_figures process;
    process_look(&process);
    m->started_us = process.started_us;
    m->labelled = labelled_metrics_create(registry, schema_version);
    for (size_t i = 0; i < ROWS; i++)
        m->metrics[i] = is_counter(rows[i].name)
                            ? metric_counter(registry, rows[i].name, rows[i].help, NULL)
                            : metric_gauge(registry, rows[i].name, rows[i].help, NULL);
    return m;
}

void node_metrics_free(struct node_metrics *m)
{
    if (m != NULL)
        labelled_metrics_free(m->labelled);
    free(m);
}

static double figure(const struct node_snapshot *snapshot, const struct row *row)
{
    const void *at = (const char *)snapshot + row->at;
    switch (row->kind) {
    case FROM_U64:
        return (double)*(const uint64_t *)at;
    case FROM_I64:
        return (double)*(const int64_t *)at;
    case FROM_I64_US:
        return (double)*(const int64_t *)at / 1e6;
    case FROM_I64_MS:
        return (double)*(const int64_t *)at / 1e3;
    case FROM_SIZE:
        return (double)*(const size_t *)at;
    case FROM_BOOL:
        return *(const bool *)at ? 1 : 0;
    case FROM_LONG:
        return (double)*(const long *)at;
    case FROM_KIB:
        return (double)*(const long *)at * 1024;
    }
    return 0;
}

void node_metrics_update(struct node_metrics *m, const struct node *node)
{
    struct node_snapshot snapshot;
    node_snapshot(node, &snapshot);
    snapshot.process.started_us = m->started_us;
    for (size_t i = 0; i < ROWS; i++)
        metric_set(m->metrics[i], figure(&snapshot, &rows[i]));
    labelled_metrics_update(m->labelled, node, &snapshot);
}
