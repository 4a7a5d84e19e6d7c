#include "hub/hub.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "hub/connection.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

static int64_t wall_ms(void)
{
    return clock_wall_us() / MS_US;
}

static char *identity_path(const struct hub *hub)
{
    return xasprintf("%s/hub.json", hub->options.data);
}

/* `given` is the name at the first start, by which a restart is known. */
static bool write_identity(const struct hub *hub, const char *given, struct error *err)
{
    char *path = identity_path(hub);
    struct json_object *root = json_object_new_object();
    json_object_object_add(root, "given", json_object_new_string(given));
    json_object_object_add(root, "name", json_object_new_string(hub->options.name));
    json_object_object_add(root, "partitions", json_object_new_int(hub->options.partitions));
    json_object_object_add(root, "created_ms", json_object_new_int64(hub->created_ms));
    json_object_object_add(root, "generation", json_object_new_int(hub->generation));
    bool ok = json_object_to_file(path, root) == 0;
    json_object_put(root);
    if (!ok) {
        error_set(err, "cannot write %s", path);
        error_detail(err, "%s", json_util_get_last_err());
    }
    free(path);
    return ok;
}

static void set_name(struct hub *hub, const char *name)
{
    char *copy = xstrdup(name);
    free(hub->name);
    hub->name = copy;
    hub->options.name = copy;
}

static bool read_identity(struct hub *hub, struct json_object *root, struct error *err)
{
    const char *given = json_object_get_string(json_object_object_get(root, "given"));
    const char *name = json_object_get_string(json_object_object_get(root, "name"));
    int partitions = json_object_get_int(json_object_object_get(root, "partitions"));
    if (given == NULL || name == NULL || strcmp(given, hub->given) != 0 ||
        partitions != hub->options.partitions) {
        error_set(err, "%s/hub.json belongs to another hub", hub->options.data);
        error_detail(err, "It is of \"%s\" with %d partitions.", given ? given : "?", partitions);
        return error_hint(err, "Give --data a folder of its own for each hub.");
    }
    hub->created_ms = json_object_get_int64(json_object_object_get(root, "created_ms"));
    hub->generation = json_object_get_int(json_object_object_get(root, "generation"));
    set_name(hub, name);
    return true;
}

/* A restart must be the same hub: its name, number of partitions and time of creation are kept
 * beside the logs. */
static bool keep_identity(struct hub *hub, struct error *err)
{
    hub->created_ms = wall_ms();
    if (hub->options.data == NULL)
        return true;
    if (mkdir(hub->options.data, 0700) != 0 && errno != EEXIST) {
        error_set(err, "cannot make the folder %s", hub->options.data);
        return error_detail(err, "%s", strerror(errno));
    }
    char *path = identity_path(hub);
    struct json_object *root = json_object_from_file(path);
    free(path);
    bool ok = root ? read_identity(hub, root, err) : write_identity(hub, hub->given, err);
    json_object_put(root);
    return ok;
}

/* Brings the sequences of the devices to where the log left them. */
static void recount_devices(struct hub *hub, const struct partition_log *log)
{
    static const char start[] = "{\"seq\":";
    struct event event;
    for (int64_t s = partition_log_begin(log); partition_log_at(log, s, &event); s++) {
        if (event.device.n == 0 || event.body.n < sizeof start ||
            memcmp(event.body.p, start, sizeof start - 1) != 0)
            continue;
        int64_t sequence = 0;
        for (size_t i = sizeof start - 1; i < event.body.n; i++) {
            if (event.body.p[i] < '0' || event.body.p[i] > '9' || sequence > INT64_MAX / 20)
                break;
            sequence = sequence * 10 + (event.body.p[i] - '0');
        }
        struct device *device = devices_get(hub->devices, event.device);
        if (device->sequence < sequence)
            device->sequence = sequence;
    }
}

static struct partition_log *open_log(struct hub *hub, int generation, int partition,
                                      struct error *err)
{
    const char *data = hub->options.data;
    char *path = NULL;
    if (data != NULL)
        path = generation > 0 ? xasprintf("%s/partition-%d.%d.log", data, partition, generation)
                              : xasprintf("%s/partition-%d.log", data, partition);
    struct partition_log *log = partition_log_open(path, hub->options.retain, err);
    free(path);
    if (log != NULL)
        recount_devices(hub, log);
    return log;
}

static bool open_partitions(struct hub *hub, struct error *err)
{
    int n = hub->options.partitions;
    hub->partitions = xcalloc((size_t)n, sizeof *hub->partitions);
    hub->past = xcalloc((size_t)(hub->generation * n) + 1, sizeof(struct partition_log *));
    for (int i = 0; i < hub->generation * n; i++) {
        hub->past[i] = open_log(hub, i / n, i % n, err);
        if (hub->past[i] == NULL)
            return false;
    }
    for (int i = 0; i < n; i++) {
        struct partition *p = &hub->partitions[i];
        p->index = i;
        (void)snprintf(p->id, sizeof p->id, "%d", i);
        p->log = open_log(hub, hub->generation, i, err);
        if (p->log == NULL)
            return false;
    }
    return true;
}

/* Puts empty logs in the place of the present ones, which become past. */
static bool begin_logs(struct hub *hub, struct error *err)
{
    int n = hub->options.partitions;
    struct partition_log **fresh = xcalloc((size_t)n, sizeof(struct partition_log *));
    bool ok = true;
    for (int i = 0; ok && i < n; i++) {
        fresh[i] = open_log(hub, hub->generation + 1, i, err);
        ok = fresh[i] != NULL;
    }
    if (ok) {
        size_t past = (size_t)(hub->generation + 1) * (size_t)n;
        hub->past = xrealloc(hub->past, past * sizeof(struct partition_log *));
    }
    for (int i = 0; i < n; i++) {
        if (ok) {
            hub->past[hub->generation * n + i] = hub->partitions[i].log;
            hub->partitions[i].log = fresh[i];
        } else {
            partition_log_close(fresh[i]);
        }
    }
    free(fresh);
    return ok;
}

bool hub_renew(struct hub *hub, const char *name, bool keep, struct error *err)
{
    if (!keep) {
        if (!begin_logs(hub, err))
            return false;
        hub->generation++;
        int64_t now_ms = wall_ms();
        hub->created_ms = now_ms > hub->created_ms ? now_ms : hub->created_ms + 1;
    }
    if (name != NULL)
        set_name(hub, name);
    return hub->options.data == NULL || write_identity(hub, hub->given, err);
}

struct hub *hub_open(const struct hub_options *options, struct event_base *loop, struct log *log,
                     struct error *err)
{
    struct hub *hub = xcalloc(1, sizeof *hub);
    hub->options = *options;
    hub->loop = loop;
    hub->log = log;
    hub->given = options->name;
    set_name(hub, options->name);
    faults_open(hub);
    hub->devices = devices_open(options->partitions);
    buffer_init(&hub->scratch, HUB_MESSAGE_MAX * 2);
    unsigned char secret[16];
    random_secret(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++)
        (void)snprintf(hub->instance + 2 * i, 3, "%02x", secret[i]);
    if (keep_identity(hub, err) && open_partitions(hub, err))
        return hub;
    hub_close(hub);
    return NULL;
}

void hub_close(struct hub *hub)
{
    for (int i = 0; hub->partitions != NULL && i < hub->options.partitions; i++)
        partition_log_close(hub->partitions[i].log);
    for (int i = 0; hub->past != NULL && i < hub->generation * hub->options.partitions; i++)
        partition_log_close(hub->past[i]);
    free(hub->partitions);
    free(hub->past);
    free(hub->name);
    faults_close(hub);
    devices_close(hub->devices);
    buffer_free(&hub->scratch);
    free(hub);
}

static struct stamp next_stamp(const struct hub *hub, const struct partition_log *log)
{
    int64_t now_ms = wall_ms();
    int64_t last_ms = partition_log_last_ms(log);
    return (struct stamp){
        .sequence = partition_log_next(log),
        .offset = partition_log_next_offset(log),
        .enqueued_ms = now_ms > last_ms ? now_ms : last_ms,
        .prefixed = settings_differs(&hub->options.settings, SETTING_OFFSETS),
    };
}

void hub_append_telemetry(struct hub *hub, int partition, const struct telemetry *telemetry)
{
    if (partition < 0)
        partition = devices_partition(telemetry->device, hub->options.partitions);
    struct partition_log *log = hub->partitions[partition].log;
    struct stamp stamp = next_stamp(hub, log);
    struct event_parts parts;
    buffer_clear(&hub->scratch);
    message_put_telemetry(&hub->scratch, &stamp, telemetry, &parts);
    if (!hub->scratch.overflowed)
        partition_log_append(log, buffer_slice(&hub->scratch), &parts, stamp.enqueued_ms);
}

bool hub_append_sent(struct hub *hub, int partition, const struct message *message)
{
    struct partition_log *log = hub->partitions[partition].log;
    struct stamp stamp = next_stamp(hub, log);
    struct event_parts parts;
    buffer_clear(&hub->scratch);
    message_put_sent(&hub->scratch, &stamp, message, &parts);
    if (hub->scratch.overflowed)
        return false;
    partition_log_append(log, buffer_slice(&hub->scratch), &parts, stamp.enqueued_ms);
    return true;
}

void hub_appended(struct hub *hub)
{
    struct error err = {0};
    for (int i = 0; i < hub->options.partitions; i++)
        if (!partition_log_flush(hub->partitions[i].log, &err)) {
            /* Going on would send events that a restart forgets. */
            log_error(hub->log, "stopping", &err);
            hub->broken = true;
            event_base_loopbreak(hub->loop);
            return;
        }
    connection_schedule_all(hub);
}

int64_t hub_emitted(const struct hub *hub)
{
    int64_t emitted = 0;
    for (int i = 0; i < hub->options.partitions; i++)
        emitted += partition_log_next(hub->partitions[i].log);
    for (int i = 0; i < hub->generation * hub->options.partitions; i++)
        emitted += partition_log_next(hub->past[i]);
    return emitted;
}

struct partition *hub_partition(struct hub *hub, struct slice id)
{
    for (int i = 0; i < hub->options.partitions; i++)
        if (slice_equal(slice_from(hub->partitions[i].id), id))
            return &hub->partitions[i];
    return NULL;
}

void hub_put_tracking(struct hub *hub, struct buffer *text, const struct partition *partition,
                      const char *group)
{
    time_t now = (time_t)(clock_wall_us() / SECOND_US);
    struct tm utc;
    char when[32];
    gmtime_r(&now, &utc);
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    buffer_printf(text,
                  " TrackingId:%s_B%d, SystemTracker:localhost:eventhub:%s~%s|%s, "
                  "Timestamp:%s",
                  hub->instance, partition->index, hub->options.name, partition->id, group, when);
}
