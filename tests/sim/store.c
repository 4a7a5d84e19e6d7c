#include "hub.h"
#include "server.h"

#include "base/memory.h"
#include "base/vault.h"
#include "checks.h"
#include "node/node.h"
#include "pg/migrate.h"
#include "store/bindings.h"
#include "store/configuration.h"
#include "store/coordination.h"
#include "store/dead_letters.h"
#include "store/presence.h"
#include "store/progress.h"
#include "store/server.h"

#include <stdlib.h>
#include <string.h>

/* src/store over the model of the database: the same functions, without SQL. */

bool call_failed(const struct call *call)
{
    return call->cancelled || call->error != DB_OK;
}

void call_error(const struct call *call, struct error *err)
{
    static const char *const codes[] = {[DB_NAME_IN_USE] = HF_NAME_IN_USE,
                                        [DB_SESSION_ENDED] = HF_SESSION_ENDED,
                                        [DB_NOT_LEADER] = HF_NOT_LEADER,
                                        [DB_INVALID] = "22023"};
    *err = (struct error){.message = ""};
    if (!call_failed(call))
        return;
    const char *code = call->cancelled ? "57014" : codes[call->error];
    error_set(err, "the model refuses: %s", code);
    (void)snprintf(err->code, sizeof err->code, "%s", code);
}

/* ---- answers ------------------------------------------------------------------------------ */

#define GIVE(type, ...) ((type)call->done)(call->ctx, __VA_ARGS__)

static void give_joined(struct call *call, const struct error *err)
{
    struct store_joined joined = {.session_id = call->session.id,
                                  .place = {.system_identifier = "1", .timeline = call->timeline}};
    (void)snprintf(joined.session_key, sizeof joined.session_key, "%016llx",
                   (unsigned long long)call->session.key);
    (void)snprintf(joined.incarnation, sizeof joined.incarnation, "%d", call->incarnation);
    if (err == NULL)
        check_joined(the_world, call->node, call->session.id, call->session.key);
    GIVE(store_joined_fn, err == NULL ? &joined : NULL, err);
}

static void give_server(struct call *call, const struct error *err)
{
    struct primary_answer answer = {
        .state = PRIMARY_WRITABLE, .place = {.system_identifier = "1", .timeline = call->timeline}};
    GIVE(store_server_fn, err == NULL ? &answer : NULL, err);
}

static void give_assignment(struct call *call, const struct error *err)
{
    struct store_assigned rows[DB_PARTITIONS];
    char hubs[DB_PARTITIONS][16], names[DB_PARTITIONS][16], offsets[DB_PARTITIONS][24];
    char logs[DB_PARTITIONS][40];
    for (int i = 0; i < call->assigned_n; i++) {
        const struct db_partition *p = &call->assigned[i];
        const struct db_checkpoint *c = &call->checkpoints[i];
        int64_t left = (p->deadline_us - call->now_us) / 1000;
        (void)snprintf(hubs[i], sizeof hubs[i], "h%d", p->hub);
        (void)snprintf(names[i], sizeof names[i], "%d", p->number);
        hub_offset(c->sequence, offsets[i], sizeof offsets[i]);
        hub_log_name(p->hub, call->hub_created[p->hub], logs[i], sizeof logs[i]);
        rows[i] = (struct store_assigned){.partition_id = call->assigned_ids[i] + 1,
                                          .hub = hubs[i],
                                          .partition = names[i],
                                          .token = p->token,
                                          .releasing = p->state == DB_RELEASING,
                                          .deadline_ms = left > 0 ? (int)left : 0,
                                          .start_offset = c->saved ? offsets[i] : NULL,
                                          .sequence = c->sequence,
                                          .enqueued_ms = c->saved ? c->enqueued_ms : -1,
                                          .log = logs[i],
                                          .generation = p->generation};
        if (err == NULL)
            check_told(the_world, call->node, p->token, call->executed_us);
    }
    if (err != NULL)
        GIVE(store_assignment_fn, NULL, 0, err);
    else
        GIVE(store_assignment_fn, rows, (size_t)call->assigned_n, NULL);
}

static void give_saved(struct call *call, const struct error *err)
{
    static const enum store_saved outcomes[] = {[DB_SAVED] = STORE_SAVED,
                                                [DB_STALE_TOKEN] = STORE_STALE_TOKEN,
                                                [DB_NOT_MONOTONE] = STORE_NOT_MONOTONE};
    struct store_saved_row rows[DB_PARTITIONS];
    int n = err != NULL ? 0 : call->count;
    for (int i = 0; i < n; i++)
        rows[i] =
            (struct store_saved_row){call->rows[i].partition + 1, outcomes[call->rows[i].outcome]};
    GIVE(store_saved_fn, rows, (size_t)n, err);
}

static void give_filed(struct call *call, const struct error *err)
{
    int n = err != NULL ? 0 : call->count;
    enum store_filed *outcomes = xcalloc((size_t)n + 1, sizeof *outcomes);
    for (int i = 0; i < n; i++)
        outcomes[i] = call->rows[i].filed ? STORE_FILED_KEPT : STORE_FILED_STALE;
    GIVE(store_filed_fn, outcomes, (size_t)n, err);
    free(outcomes);
}

static void give_resolved(struct call *call, const struct error *err)
{
    struct store_binding *rows = xcalloc((size_t)call->count + 1, sizeof *rows);
    int n = err != NULL ? 0 : call->count;
    for (int i = 0; i < n; i++)
        rows[i] = (struct store_binding){.device = slice_from(call->devices[i].name),
                                         .thing = slice_from(call->devices[i].thing)};
    GIVE(store_resolved_fn, rows, (size_t)n, err);
    free(rows);
}

static struct configuration *make_configuration(const struct call *call)
{
    struct configuration *c = xcalloc(1, sizeof *c);
    c->version = call->number;
    c->destination_count = c->fleet_count = 1;
    c->destinations = xcalloc(1, sizeof *c->destinations);
    c->destinations[0] = (struct destination_config){.name = xstrdup("plant"),
                                                     .base_urls = xcalloc(2, sizeof(char *)),
                                                     .base_url_count = 2,
                                                     .app_key_secret = xstrdup("key"),
                                                     .max_in_flight = 4,
                                                     .request_timeout_ms = 1500,
                                                     .max_rows = 20,
                                                     .max_bytes = 65536,
                                                     .failed_after_s = 900};
    c->destinations[0].base_urls[0] = xstrdup("http://192.0.2.1:80/Thingworx");
    c->destinations[0].base_urls[1] = xstrdup("http://192.0.2.2:80/Thingworx");
    c->fleets = xcalloc(1, sizeof *c->fleets);
    c->fleets[0] = (struct fleet_config){.name = xstrdup("fleet"), .destination = xstrdup("plant")};
    c->hub_count = DB_HUBS;
    c->hubs = xcalloc(DB_HUBS, sizeof *c->hubs);
    for (int i = 0; i < DB_HUBS; i++)
        c->hubs[i] = (struct hub_config){.name = xasprintf("h%d", i),
                                         .fleet = xstrdup("fleet"),
                                         .connection_secret = xasprintf("h%d", i),
                                         .consumer_group = xstrdup("g"),
                                         .start_ms = -1,
                                         .start_sequence = -1,
                                         .on_invalid_offset = INVALID_OFFSET_EARLIEST,
                                         .enabled = call->hub_state[i] != 0};
    return c;
}

void call_answer(struct call *call, const struct error *err)
{
    if (call->done == NULL)
        return;
    switch (call->kind) {
    case CALL_SERVER:
        give_server(call, err);
        break;
    case CALL_SCHEMA:
        GIVE(store_schema_fn, 1, "model", err);
        break;
    case CALL_JOIN:
        give_joined(call, err);
        break;
    case CALL_PING:
        GIVE(store_number_fn, call->pid, err);
        break;
    case CALL_TEND:
    case CALL_REPORT_HUB:
        GIVE(store_number_fn, call->number, err);
        break;
    case CALL_WATCH:
        GIVE(store_text_fn, call->text, err);
        break;
    case CALL_SWEEP:
    case CALL_ASSIGNMENT:
        give_assignment(call, err);
        break;
    case CALL_POLL:
        GIVE(store_poll_fn, err == NULL ? &call->poll : NULL, err);
        break;
    case CALL_RELEASE:
    case CALL_KEEP:
    case CALL_DECLINE:
    case CALL_ABANDON:
        GIVE(store_bool_fn, call->yes, err);
        break;
    case CALL_SAVE:
        give_saved(call, err);
        break;
    case CALL_RESOLVE:
        give_resolved(call, err);
        break;
    case CALL_CONFIGURATION:
        GIVE(store_configuration_fn, err == NULL ? make_configuration(call) : NULL, err);
        break;
    case CALL_LETTERS:
        give_filed(call, err);
        break;
    case CALL_LISTEN:
    case CALL_LEAVE:
    case CALL_REPORT:
    case CALL_NOTHING:
        GIVE(store_done_fn, err);
        break;
    }
}

/* ---- calls -------------------------------------------------------------------------------- */

static void simple(struct pg_connection *pg, enum call_kind kind, const char *key, void *done,
                   void *ctx)
{
    call_submit(pg, call_new(pg, kind, key, done, ctx));
}

void store_server(struct pg_connection *pg, store_server_fn done, void *ctx)
{
    simple(pg, CALL_SERVER, NULL, done, ctx);
}

void store_schema_version(struct pg_connection *pg, store_schema_fn done, void *ctx)
{
    simple(pg, CALL_SCHEMA, NULL, done, ctx);
}

/* The model's schema is that of the build. */
void store_schema_serves(struct pg_connection *pg, int version, const char *digest,
                         store_serves_fn done, void *ctx)
{
    (void)version;
    (void)digest;
    (void)done;
    simple(pg, CALL_NOTHING, NULL, NULL, ctx);
}

void store_join(struct pg_connection *pg, const struct store_join *join, store_joined_fn done,
                void *ctx)
{
    struct call *call = call_new(pg, CALL_JOIN, NULL, done, ctx);
    const char *previous = join->previous_key;
    call->join =
        (struct db_join){.node = call->node,
                         .previous_key = previous != NULL ? strtoull(previous, NULL, 16) : 0,
                         .highest_token = join->highest_token,
                         .capacity = join->capacity,
                         .ttl_ms = join->ttl_ms};
    call_submit(pg, call);
}

/* The start-up options of the model always count. */
void store_line(struct pg_connection *pg, const struct store_line *line, store_number_fn done,
                void *ctx)
{
    (void)line;
    simple(pg, CALL_PING, NULL, done, ctx);
}

void store_ping(struct pg_connection *pg, store_number_fn done, void *ctx)
{
    simple(pg, CALL_PING, NULL, done, ctx);
}

void store_listen(struct pg_connection *pg, store_done_fn done, void *ctx)
{
    simple(pg, CALL_LISTEN, NULL, done, ctx);
}

void store_leave(struct pg_connection *pg, const char *key, store_done_fn done, void *ctx)
{
    simple(pg, CALL_LEAVE, key, done, ctx);
}

void store_watch(struct pg_connection *pg, const char *key, int timeout_ms, store_text_fn done,
                 void *ctx)
{
    struct call *call = call_new(pg, CALL_WATCH, key, done, ctx);
    call->timeout_ms = timeout_ms;
    call_submit(pg, call);
}

void store_sweep(struct pg_connection *pg, const char *key, store_assignment_fn done, void *ctx)
{
    simple(pg, CALL_SWEEP, key, done, ctx);
}

void store_assignment(struct pg_connection *pg, const char *key, store_assignment_fn done,
                      void *ctx)
{
    simple(pg, CALL_ASSIGNMENT, key, done, ctx);
}

void store_poll(struct pg_connection *pg, const char *key, store_poll_fn done, void *ctx)
{
    simple(pg, CALL_POLL, key, done, ctx);
}

void store_tend(struct pg_connection *pg, const char *key, int64_t leader_token,
                store_number_fn done, void *ctx)
{
    struct call *call = call_new(pg, CALL_TEND, key, done, ctx);
    call->token = leader_token;
    check_acts_as_leader(the_world, call->node);
    call_submit(pg, call);
}

void store_report_hub(struct pg_connection *pg, const char *key, int64_t leader_token,
                      const struct store_hub_report *report, store_number_fn done, void *ctx)
{
    struct call *call = call_new(pg, CALL_REPORT_HUB, key, done, ctx);
    call->token = leader_token;
    call->hub = report->hub[1] - '0';
    call->created_ms = report->created_ms;
    call->count = (int)report->partition_count;
    check_acts_as_leader(the_world, call->node);
    call_submit(pg, call);
}

static void partition_call(struct pg_connection *pg, enum call_kind kind, const char *key,
                           int partition_id, int64_t token, store_bool_fn done, void *ctx)
{
    struct call *call = call_new(pg, kind, key, done, ctx);
    call->partition = partition_id - 1;
    call->token = token;
    call_submit(pg, call);
}

void store_release(struct pg_connection *pg, const char *key, int partition_id, int64_t token,
                   store_bool_fn done, void *ctx)
{
    partition_call(pg, CALL_RELEASE, key, partition_id, token, done, ctx);
}

void store_keep(struct pg_connection *pg, const char *key, int partition_id, int64_t token,
                const char *reason, store_bool_fn done, void *ctx)
{
    (void)reason;
    partition_call(pg, CALL_KEEP, key, partition_id, token, done, ctx);
}

void store_decline(struct pg_connection *pg, const char *key, int partition_id, int64_t token,
                   const char *reason, store_bool_fn done, void *ctx)
{
    (void)reason;
    partition_call(pg, CALL_DECLINE, key, partition_id, token, done, ctx);
}

void store_abandon_offset(struct pg_connection *pg, const char *key, int partition_id,
                          int64_t token, const char *reason, store_bool_fn done, void *ctx)
{
    (void)reason;
    partition_call(pg, CALL_ABANDON, key, partition_id, token, done, ctx);
}

void store_save_checkpoints(struct pg_connection *pg, const char *key,
                            const struct store_checkpoint *rows, size_t count, store_saved_fn done,
                            void *ctx)
{
    struct call *call = call_new(pg, CALL_SAVE, key, done, ctx);
    call->count = (int)count;
    call->rows = xcalloc(count, sizeof *call->rows);
    for (size_t i = 0; i < count; i++)
        call->rows[i] = (struct call_row){.partition = rows[i].partition_id - 1,
                                          .token = rows[i].token,
                                          .sequence = rows[i].sequence,
                                          .enqueued_ms = rows[i].enqueued_ms};
    call_submit(pg, call);
}

void store_file_dead_letters(struct pg_connection *pg, const char *key,
                             const struct store_dead_letter *rows, size_t count,
                             store_filed_fn done, void *ctx)
{
    struct call *call = call_new(pg, CALL_LETTERS, key, done, ctx);
    call->count = (int)count;
    call->rows = xcalloc(count, sizeof *call->rows);
    for (size_t i = 0; i < count; i++)
        call->rows[i] = (struct call_row){.partition = rows[i].partition_id - 1,
                                          .token = rows[i].token,
                                          .sequence = rows[i].sequence,
                                          .row = hub_row_of(rows[i].property)};
    call_submit(pg, call);
}

void store_resolve(struct pg_connection *pg, const char *key, const char *fleet,
                   const struct store_device *devices, size_t count, store_resolved_fn done,
                   void *ctx)
{
    (void)fleet;
    struct call *call = call_new(pg, CALL_RESOLVE, key, done, ctx);
    call->count = (int)count;
    call->devices = xcalloc(count, sizeof *call->devices);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(call->devices[i].name, sizeof call->devices[i].name, "%.*s",
                       (int)devices[i].device.n, devices[i].device.p);
        hub_thing_of(call->devices[i].name, call->devices[i].thing, sizeof call->devices[i].thing);
    }
    call_submit(pg, call);
}

/* The model has no heartbeat rules. */
void store_note_presence(struct pg_connection *pg, const char *key,
                         const struct store_presence *rows, size_t count, store_done_fn done,
                         void *ctx)
{
    (void)rows;
    (void)count;
    simple(pg, CALL_NOTHING, key, done, ctx);
}

void store_presence_of(struct pg_connection *pg, const char *key, int partition_id,
                       store_presence_fn done, void *ctx)
{
    (void)pg;
    (void)key;
    (void)partition_id;
    done(ctx, NULL, 0, NULL);
}

void store_configuration(struct pg_connection *pg, const char *key, store_configuration_fn done,
                         void *ctx)
{
    simple(pg, CALL_CONFIGURATION, key, done, ctx);
}

void configuration_free(struct configuration *c)
{
    if (c == NULL)
        return;
    free(c->destinations[0].name);
    for (size_t i = 0; i < c->destinations[0].base_url_count; i++)
        free(c->destinations[0].base_urls[i]);
    free(c->destinations[0].base_urls);
    free(c->destinations[0].app_key_secret);
    free(c->destinations);
    free(c->fleets[0].name);
    free(c->fleets[0].destination);
    free(c->fleets);
    for (size_t i = 0; i < c->hub_count; i++) {
        free(c->hubs[i].name);
        free(c->hubs[i].fleet);
        free(c->hubs[i].connection_secret);
        free(c->hubs[i].consumer_group);
    }
    free(c->hubs);
    free(c);
}

const struct fleet_config *configuration_fleet(const struct configuration *c, const char *name)
{
    return strcmp(c->fleets[0].name, name) == 0 ? &c->fleets[0] : NULL;
}

void store_report(struct pg_connection *pg, const char *key, const char *stats,
                  const struct store_partition_end *ends, size_t count, store_reported_fn done,
                  void *ctx)
{
    (void)ends;
    (void)count;
    struct call *call = call_new(pg, CALL_REPORT, key, done, ctx);
    for (int i = 0; i < DB_HUBS; i++) {
        char up[24], known[24];
        (void)snprintf(up, sizeof up, "\"h%d\":\"up\"", i);
        (void)snprintf(known, sizeof known, "\"h%d\":", i);
        call->hub_state[i] = strstr(stats, up) != NULL ? 1 : strstr(stats, known) != NULL ? 2 : 0;
    }
    call_submit(pg, call);
}

void store_report_event(struct pg_connection *pg, const char *key, const char *kind,
                        const char *subject, const struct error *what)
{
    (void)kind;
    (void)subject;
    (void)what;
    simple(pg, CALL_NOTHING, key, NULL, NULL);
}

void store_claim_dead_letters(struct pg_connection *pg, const char *key, int max_rows,
                              store_replays_fn done, void *ctx)
{
    (void)max_rows;
    (void)done;
    simple(pg, CALL_NOTHING, key, NULL, ctx);
}

void store_settle_replays(struct pg_connection *pg, const char *key,
                          const struct store_settled *rows, size_t count, store_settled_fn done,
                          void *ctx)
{
    (void)rows;
    (void)count;
    simple(pg, CALL_NOTHING, key, done, ctx);
}

bool migrate_known(int expected_version, const char *expected_digest, int version,
                   const char *digest, struct error *err)
{
    (void)expected_digest;
    (void)digest;
    (void)err;
    return expected_version == version;
}

/* Secrets are what they are called. */
char *secret_read(const char *folder, const char *name, struct error *err)
{
    (void)folder;
    (void)err;
    return vault_copy(name, strlen(name));
}

char *secret_read_app_key(const char *folder, const char *name, struct error *err)
{
    return secret_read(folder, name, err);
}

void secret_free(char *secret)
{
    vault_free(secret);
}

char *secret_path(const char *folder, const char *name, struct error *err)
{
    (void)folder;
    (void)err;
    return xstrdup(name);
}

/* They never change. */
uint64_t secret_stamp(const char *folder, const char *name)
{
    (void)folder;
    (void)name;
    return 1;
}
