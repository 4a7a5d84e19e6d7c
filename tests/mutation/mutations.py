"""The mutations: each breaks one rule where it lives, and names the test that must notice.

A test is (kind, name[, choice]):
    ("unit", program)                 a cmocka program
    ("sql", file)                     a pgTAP file
    ("two", file, choice)             tests with two connections; choice is pytest's -k
    ("system", file, choice)          tests with real processes
The old text must occur exactly once in the file, and the new one must compile without a warning.
"""

import typing


class Mutation(typing.NamedTuple):
    name: str
    rule: str  # the rule that it breaks
    file: str
    old: str
    new: str
    test: tuple


COORDINATION = "sql/20_coordination/"

CHECKPOINTS = [
    Mutation("save-unfenced", "a checkpoint is saved only under the token of the row",
             COORDINATION + "save_checkpoints.sql",
             "         WHERE c.partition_id = i.partition_id AND c.token = i.token\n"
             "           AND (c.sequence",
             "         WHERE c.partition_id = i.partition_id\n           AND (c.sequence",
             ("sql", "20_checkpoints")),
    Mutation("save-fenced-by-a-plain-read",
             "the fence is part of the update: a read before it is outdated when it writes",
             COORDINATION + "save_checkpoints.sql",
             "         WHERE c.partition_id = i.partition_id AND c.token = i.token\n"
             "           AND (c.sequence",
             "         WHERE c.partition_id = i.partition_id\n"
             "           AND i.token = (SELECT p.token FROM partition p"
             " WHERE p.partition_id = i.partition_id)\n"
             "           AND (c.sequence",
             ("two", "test_sweep", "save_that_waited")),
    Mutation("save-not-monotone", "checkpoints never go back",
             COORDINATION + "save_checkpoints.sql",
             "           AND (c.sequence IS NULL OR c.sequence <= i.sequence)\n", "",
             ("sql", "20_checkpoints")),
    Mutation("save-by-an-ended-session", "the key of an ended session opens nothing",
             COORDINATION + "session_of.sql",
             "ELSIF v_session.ended_at IS NOT NULL THEN", "ELSIF false THEN",
             ("two", "test_sweep", "stale_key")),
    Mutation("take-over-leaves-the-fence",
             "a take-over writes its token into the checkpoint's row in its own transaction",
             COORDINATION + "grant_partitions.sql",
             "           SET token = w.token\n          FROM wanted w\n"
             "         WHERE c.partition_id = w.partition_id)",
             "           SET token = coalesce(c.token, w.token)\n          FROM wanted w\n"
             "         WHERE c.partition_id = w.partition_id)",
             ("sql", "20_checkpoints")),
    Mutation("grants-commit-asynchronously",
             "a token exists only once its transaction has committed synchronously",
             COORDINATION + "lock_cluster.sql",
             "set_config('synchronous_commit', 'on', true)",
             "set_config('synchronous_commit', 'off', true)",
             ("sql", "20_checkpoints")),
    Mutation("dead-letters-unfenced", "dead letters are kept only under the grant's token",
             "sql/40_delivery/add_dead_letters.sql",
             "ON p.partition_id = w.partition_id AND p.token = w.token\n"
             "           AND p.owner_session_id = me",
             "ON p.partition_id = w.partition_id",
             ("two", "test_delivery", "take_over_fences")),
]

SESSIONS = [
    Mutation("sweep-without-proof", "a session is dead only when its lock is free",
             COORDINATION + "dead_sessions.sql",
             "pg_try_advisory_xact_lock_shared(lock_class(), s.session_id) AS is_free",
             "true AS is_free",
             ("two", "test_sweep", "opens_the_next_term")),
    Mutation("sweep-on-the-lease-connection", "a node must not bury itself with its own lock",
             COORDINATION + "sweep.sql",
             "    PERFORM refuse_on_lease('sweep');\n", "",
             ("two", "test_sweep", "refuse_the_lease_connection")),
    Mutation("lock-of-a-transaction", "the lease is held as long as the connection lives",
             COORDINATION + "join.sql",
             "IF NOT pg_try_advisory_lock(", "IF NOT pg_try_advisory_xact_lock(",
             ("two", "test_sweep", "watch_alone_and_waiting")),
    Mutation("join-on-any-time-out", "the server itself ends a silent session after the TTL",
             COORDINATION + "check_lease_backend.sql",
             "IF v_timeout <> ttl_ms OR v_reset <> ttl_ms THEN", "IF v_timeout <> ttl_ms THEN",
             ("two", "test_join", "set_inside_a_session")),
    Mutation("join-beside-a-live-name", "a name has one live session",
             COORDINATION + "join.sql",
             "IF v_previous.session_key IS DISTINCT FROM $4 THEN", "IF false THEN",
             ("two", "test_join", "two_joins_of_one_name")),
    Mutation("adoption-without-the-key",
             "only who presents the session key keeps the tokens",
             COORDINATION + "join.sql",
             "CASE WHEN s.session_key = $4 AND h.system_identifier",
             "CASE WHEN h.system_identifier",
             ("two", "test_join", "wrong_previous_key")),
    Mutation("adoption-on-another-timeline", "tokens are kept within one timeline",
             COORDINATION + "join.sql",
             "                           AND h.timeline = v_live.timeline THEN", " THEN",
             ("two", "test_incarnation", "other_timeline")),
    Mutation("backends-of-the-dead-stay", "what is left of a dead session is ended",
             COORDINATION + "sweep_dead.sql",
             "    PERFORM terminate_backends(v_dead);\n", "",
             ("two", "test_sweep", "ends_what_is_left")),
    Mutation("hung-leases-stay", "the leader ends a lease backend that hangs",
             COORDINATION + "tend.sql", "    PERFORM end_hung_leases();\n", "",
             ("two", "test_sweep", "backend_that_hangs")),
    Mutation("hung-leases-by-the-wall-clock", "a clock that jumps ahead makes no lease hang",
             COORDINATION + "end_hung_leases.sql",
             "greatest(0, least(v_longest_ms,\n                                extract(",
             "greatest(0, least(1000 * v_longest_ms,\n                                extract(",
             ("two", "test_sweep", "jumps_ahead")),
    Mutation("a-clock-that-steps-back-puts-off", "what was due before a step back is due now",
             COORDINATION + "tend.sql", "    PERFORM notice_clock_step();\n", "",
             ("two", "test_sweep", "steps_back_puts_off")),
]

TERMS = [
    Mutation("no-next-term-in-the-sweep", "the next term opens in the sweep itself",
             COORDINATION + "sweep_dead.sql",
             "    PERFORM open_terms(sweep_dead.session_id);\n", "",
             ("two", "test_sweep", "opens_the_next_term")),
    Mutation("term-closed-by-now", "a term ends when it ends, not when the caller's call began",
             COORDINATION + "end_sessions.sql",
             "greatest(clock_timestamp(), lower(t.during)", "greatest(now(), lower(t.during)",
             ("two", "test_sweep", "what_queued_ends")),
    Mutation("ownership-closed-by-now", "an ownership ends when it ends",
             COORDINATION + "close_ownerships.sql",
             "greatest(clock_timestamp(), lower(o.during)", "greatest(now(), lower(o.during)",
             ("two", "test_sweep", "what_queued_ends")),
    Mutation("term-before-the-last-ended", "terms do not overlap when the clock steps back",
             COORDINATION + "open_terms.sql",
             "tstzrange(greatest(clock_timestamp(), v_lease.free_since), NULL)",
             "tstzrange(clock_timestamp(), NULL)",
             ("two", "test_sweep", "clock_steps_back")),
    Mutation("no-reservation", "a restart of the database moves nothing",
             COORDINATION + "open_incarnation.sql",
             "end_sessions(v_old, 'restart', true)", "end_sessions(v_old, 'restart', false)",
             ("two", "test_incarnation", "nothing_moves")),
    Mutation("reservation-ignored", "what is reserved is placed nowhere else for one TTL",
             COORDINATION + "placement.sql",
             "         WHERE a.target IS NULL AND NOT a.reserved\n",
             "         WHERE a.target IS NULL\n",
             ("two", "test_incarnation", "reservation_ends")),
    Mutation("token-not-jumped", "tokens jump at a new incarnation over what a crash may forget",
             COORDINATION + "open_incarnation.sql",
             "    PERFORM raise_tokens((extract(epoch FROM v_now) * 1000000)::bigint);\n", "",
             ("two", "test_incarnation", "nothing_moves")),
    Mutation("token-set-back", "tokens never go back",
             COORDINATION + "raise_tokens.sql",
             "IF above >= (SELECT t.last_value FROM token t) THEN", "IF above IS NOT NULL THEN",
             ("sql", "22_leases")),
    Mutation("reported-token-ignored", "tokens grow over the highest that a node has seen",
             COORDINATION + "join.sql", "    PERFORM raise_tokens($5);\n", "",
             ("two", "test_join", "highest_token")),
    Mutation("tend-by-anyone", "only the leader of this term tends the cluster",
             COORDINATION + "require_leader.sql",
             "                      AND l.token = require_leader.leader_token) THEN", ") THEN",
             ("sql", "22_leases")),
    Mutation("release-of-any-token", "only the present grant can be released",
             COORDINATION + "release.sql",
             "AND p.owner_session_id = v_id AND p.token = $3 AND p.state = 'releasing'",
             "AND p.owner_session_id = v_id AND p.state = 'releasing'",
             ("two", "test_moves", "stale_token")),
    Mutation("the-heir-is-passed-over", "if the owner dies in a move, the successor inherits",
             COORDINATION + "end_sessions.sql",
             "    PERFORM grant_partitions(v_inherited, v_heirs, 'forced');\n", "",
             ("sql", "21_placement")),
]

LEASE = [
    Mutation("no-trust-margin", "a node stops trusting its lease a margin before it ends",
             "src/core/lease.c", ".margin_us = ttl_us / MARGIN_DIVISOR",
             ".margin_us = 0",
             ("unit", "test_lease")),
    Mutation("trust-from-the-answer-of-join", "trust counts from when the call was sent",
             "src/core/lease.c", "lease->trusted_until_us = sent_us + lease->ttl_us",
             "lease->trusted_until_us = 0 * sent_us + now_us + lease->ttl_us",
             ("unit", "test_lease")),
    Mutation("first-ping-from-the-answer", "after a slow join the first ping is due at once",
             "src/core/lease.c",
             "now_us - sent_us < interval_us ? sent_us + interval_us : now_us",
             "0 * sent_us + now_us + interval_us",
             ("unit", "test_lease")),
    Mutation("trust-from-after-the-ping", "trust counts from when the ping was sent",
             "src/core/lease.c", "lease->trusted_until_us = lease->sent_us + lease->ttl_us",
             "lease->trusted_until_us = lease->next_us + lease->ttl_us",
             ("unit", "test_lease")),
    Mutation("an-answer-brings-trust-back", "trust that is lost stays lost",
             "src/core/lease.c", "if (lease->trusted_until_us == 0 || lease->sent_us == 0)",
             "if (lease->sent_us < 0)",
             ("unit", "test_lease")),
    Mutation("leading-in-doubt", "who doubts its lease stops leading",
             "src/core/session.c",
             "    {SESSION_LIVE, SESSION_TRUST_EXPIRED, SESSION_AWAY,\n"
             "     SESSION_DO_DOUBT | SESSION_DO_CLOSE",
             "    {SESSION_LIVE, SESSION_TRUST_EXPIRED, SESSION_AWAY,\n     SESSION_DO_CLOSE",
             ("unit", "test_session")),
    Mutation("connection-kept-after-a-refusal", "a failed join may have taken the lock: close",
             "src/core/session.c",
             "    {SESSION_JOINING, SESSION_REFUSED, SESSION_AWAY,"
             " SESSION_DO_CLOSE | SESSION_DO_BACK_OFF,",
             "    {SESSION_JOINING, SESSION_REFUSED, SESSION_AWAY, SESSION_DO_BACK_OFF,",
             ("unit", "test_session")),
]

OWNERSHIP = [
    Mutation("waking-up-keeps-the-unsent", "after a gap everything unsent is dropped",
             "src/core/ownership.c",
             "#define WAKE (OWNERSHIP_DO_STOP | OWNERSHIP_DO_DROP_ALL | OWNERSHIP_DO_ASK)",
             "#define WAKE (OWNERSHIP_DO_STOP | OWNERSHIP_DO_ASK)",
             ("unit", "test_ownership")),
    Mutation("waking-up-unnoticed", "a node that was frozen sends nothing before it is confirmed",
             "src/node/node.c",
             "    if (gap > node->config.ttl_ms * MS_US / MARGIN_DIVISOR)\n        wake_up(",
             "    if (gap > node->config.ttl_ms * MS_US / MARGIN_DIVISOR * 1000000)\n"
             "        wake_up(",
             ("system", "test_death", "frozen and there")),
    # Mostly survives: the pause until the lease is confirmed, the hub's fence and the next assignment
    # each stop the same values, so the test sees it only when a request falls in between.
    Mutation("waking-up-without-a-reset", "what was not sent before the gap is not sent after it",
             "src/node/node.c",
             "    grants_suspend(parts->grants);\n    office_reset(parts->office);\n"
             "    destinations_reset(parts->destinations);\n", "",
             ("system", "test_death", "frozen and restarted")),
    Mutation("attach-after-stolen", "who was thrown out asks before it attaches again",
             "src/core/ownership.c",
             "    {OWNERSHIP_READING, OWNERSHIP_STOLEN, OWNERSHIP_IN_DOUBT, DOUBT,",
             "    {OWNERSHIP_READING, OWNERSHIP_STOLEN, OWNERSHIP_WAITING, OWNERSHIP_DO_BACK_OFF,",
             ("unit", "test_ownership")),
    Mutation("release-before-saving", "a partition is handed over only when it is checkpointed",
             "src/core/ownership.c",
             "{OWNERSHIP_DRAINING, OWNERSHIP_DRAINED, OWNERSHIP_SAVING, OWNERSHIP_DO_SAVE,",
             "{OWNERSHIP_DRAINING, OWNERSHIP_DRAINED, OWNERSHIP_RELEASING, OWNERSHIP_DO_RELEASE,",
             ("unit", "test_ownership")),
    Mutation("hand-over-drops-what-was-sent",
             "a planned hand-over finishes what was sent: nothing is delivered twice",
             "src/node/grant.c",
             "    int64_t above = destinations_touched(node->destinations, grant);\n"
             "    int64_t completed = tracker_highest_completed(grant->tracker);\n"
             "    if (completed > above)\n        above = completed;\n"
             "    destinations_drop(node->destinations, grant, above);\n",
             "    struct tracker_mark mark = {{NULL, 0}, INT64_MIN, 0};\n"
             "    (void)tracker_checkpoint(grant->tracker, &mark);\n"
             "    int64_t above = mark.sequence;\n"
             "    destinations_abandon(node->destinations, grant);\n",
             ("system", "test_life", "rolling_restart")),
    Mutation("a-revoked-grant-goes-on", "a checkpoint refused as stale ends the grant",
             "src/core/ownership.c",
             "    {OWNERSHIP_READING, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE,",
             "    {OWNERSHIP_READING, OWNERSHIP_REVOKED, OWNERSHIP_READING, 0,",
             ("unit", "test_ownership")),
]

DELIVERY = [
    Mutation("checkpoint-over-a-hole", "the checkpoint is the contiguous completed prefix",
             "src/core/tracker.c",
             "    event->completed = true;\n    t->open--;",
             "    for (uint64_t hole = t->head; at(t, hole) != event; hole++)\n"
             "        at(t, hole)->completed = true;\n"
             "    event->completed = true;\n    t->open--;",
             ("unit", "test_tracker")),
    Mutation("checkpoint-of-what-is-read", "only what is completed is checkpointed",
             "src/core/tracker.c",
             "    describe(&t->prefix, mark);\n    return t->prefix.sequence > t->taken;",
             "    describe(newest(t), mark);\n    return newest(t)->sequence > t->taken;",
             ("unit", "test_flow_model")),
    Mutation("unfenced-reads-on", "a source that cannot fence stops at the trust deadline",
             "src/node/node.c",
             "    grants_hold(node->parts.grants, true);\n    replays_forget",
             "    replays_forget",
             ("system", "test_database_away", "cannot_fence")),
    Mutation("autonomy-without-limit", "without the database reading stops at the limit",
             "src/node/node.c",
             "    grants_hold(node->parts.grants, false);\n",
             "    (void)now_us;\n",
             ("system", "test_database_away", "limit_of_autonomy")),
    Mutation("a-late-node-keeps-what-it-lost", "what the assignment does not name is dropped",
             "src/node/grants.c",
             "        else if (!grant->assigned)\n            grant_step(grant, OWNERSHIP_REVOKED, NULL);",
             "        else if (!grant->assigned)\n            grant->assigned = true;",
             ("system", "test_database_away", "comes_back_late")),
    Mutation("a-hole-takes-room", "what is completed beyond a hole does not stop reading",
             "src/core/tracker.c",
             "    if (t->open_bytes >= t->max_bytes || t->open >= t->max_events)\n"
             "        return 0;\n    return t->max_events - t->open;",
             "    if (t->open_bytes >= t->max_bytes || held(t) >= t->max_events)\n"
             "        return 0;\n    return t->max_events - held(t);",
             ("unit", "test_tracker")),
    Mutation("a-hole-fills-memory", "what is completed beyond a hole is kept as runs",
             "src/core/tracker.c",
             "    if (held(t) - t->open > t->capacity / 2)\n        join_runs(t);",
             "    if (held(t) - t->open > t->capacity)\n        join_runs(t);",
             ("unit", "test_tracker")),
    Mutation("404-is-poison", "a 404 is poison only if the platform accepts another Thing",
             "src/core/evidence.c",
             "    if (!e->ready)\n        return false;",
             "    if (since_us >= 0)\n        return true;\n    if (!e->ready)\n        return false;",
             ("unit", "test_evidence")),
    Mutation("404-confirmed-at-once", "a refusal is confirmed by evidence, never by itself",
             "src/thingworx/client.c",
             "    if (!r->refutable && !(r->refutable_again && r->known_status == status))\n"
             "        return false;\n    if (!e->ready || e->generation != r->generation)\n"
             "        return false;\n    if (status != 404)\n        return true;",
             "    if (e != NULL)\n        return true;",
             ("unit", "test_thingworx_faults")),
    Mutation("404-is-poison-for-real", "a platform that starts drains nothing into dead letters",
             "src/thingworx/client.c",
             "    if (!r->refutable && !(r->refutable_again && r->known_status == status))\n"
             "        return false;\n    if (!e->ready || e->generation != r->generation)\n"
             "        return false;\n    if (status != 404)\n        return true;",
             "    if (e != NULL)\n        return true;",
             ("system", "test_destination", "404_to_everything")),
    Mutation("401-is-a-refusal", "a refused key is a configuration fault, the data is kept",
             "src/core/answer.c",
             "    {401, 401, ANSWER_CONFIGURATION,", "    {401, 401, ANSWER_SUSPECT,",
             ("unit", "test_answer")),
    Mutation("503-is-accepted", "only what ThingWorx accepted counts as delivered",
             "src/core/answer.c",
             "    {502, 599, ANSWER_RETRY,", "    {502, 599, ANSWER_ACCEPTED,",
             ("system", "test_destination", "503_for_a_while")),
    Mutation("dead-letter-done-too-early", "a dead letter is stored before its event is done",
             "src/node/office.c",
             "    letter->grant = event->grant;\n    letter->ticket = event->ticket;\n",
             "    letter->grant = event->grant;\n    letter->ticket = event->ticket;\n"
             "    grant_complete(event->grant, event->ticket);\n",
             ("system", "test_destination", "stored_before")),
    Mutation("unknown-devices-dropped", "events of a device not resolved yet wait",
             "src/node/flow.c",
             "    case BINDING_PENDING:\n",
             "    case BINDING_PENDING:\n        finish(event);\n        break;\n",
             ("system", "test_life", "clean_start")),
    Mutation("retry-out-of-order", "a retry keeps the order of a Thing's values",
             "src/core/lane.c",
             "    bisect_again(&lane->bisect, n);\n    keep_rows(lane);\n",
             "    bisect_again(&lane->bisect, n);\n    keep_rows(lane);\n"
             "    struct parcel *first = lane->parcels;\n"
             "    if (first != NULL && first->next != NULL) {\n"
             "        DL_DELETE(lane->parcels, first);\n"
             "        DL_APPEND(lane->parcels, first);\n    }\n",
             ("unit", "test_flow_model")),
    Mutation("two-requests-of-a-thing", "a Thing has at most one request on the wire",
             "src/core/lane.c",
             "    if (lane == NULL) {\n        lane = lane_create(lanes, key);",
             "    if (lane == NULL || lane->state == LANE_IS_ON_THE_WIRE) {\n"
             "        lane = lane_create(lanes, key);",
             ("unit", "test_lane")),
    Mutation("bisecting-refuses-all", "a refused batch is bisected until the poison is alone",
             "src/core/lane.c",
             "    if (n > 1) {\n        if (too_large) {",
             "    if (n > 1 && too_large) {\n        if (too_large) {",
             ("unit", "test_lane")),
]

CONDITIONS = "src/source/eventhubs/conditions.c"

SOURCE = [
    Mutation("lower-epoch-known-by-one-name", "a lower epoch is stolen, however it is refused",
             CONDITIONS,
             '    {"amqp:not-allowed", "epoch", SOURCE_END_STOLEN, HIGHER_EPOCH, OTHER_READER},\n',
             "", ("system", "test_service_ways", "lower_epoch")),
    Mutation("lost-position-known-by-one-name",
             "a position outside the log is the policy's to decide, however it is refused",
             CONDITIONS,
             '    {"com.microsoft:argument-out-of-range", "offset", SOURCE_END_BAD_OFFSET, POSITION,'
             ' DECIDE},\n', "", ("system", "test_service_ways", "bad_offset")),
    Mutation("token-accepted-by-200-alone", "a put-token is accepted by any status from 200 to 299",
             "src/source/eventhubs/tokens.c",
             "    if (status < 200 || status > 299) {", "    if (status != 200) {",
             ("system", "test_service_ways", "token_status")),
]

HUBS = [
    Mutation("old-endpoint-believed-at-once",
             "an IoT hub that names the same endpoint once more is asked again before it is believed",
             "src/source/eventhubs/whereabouts.c",
             "    w->missing = w->same < EVENTHUBS_SAME_ANSWERS;\n", "    w->missing = false;\n",
             ("unit", "test_whereabouts")),
    Mutation("iot-hub-asked-in-a-loop", "an IoT hub is asked ever less often",
             "src/source/eventhubs/whereabouts.c",
             "        most_us = EVENTHUBS_ASK_SAME_BASE_US << w->same++;",
             "        most_us = EVENTHUBS_ASK_SAME_BASE_US << (w->same++ * 0);",
             ("unit", "test_whereabouts")),
    Mutation("refusal-of-an-old-endpoint-is-final",
             "tokens that an endpoint refuses are no fault while the endpoint may have moved",
             "src/source/eventhubs/eventhubs.c",
             "(end == SOURCE_END_REFUSED && whereabouts_missed(", "(false && whereabouts_missed(",
             ("system", "test_source_azure", "refuses_our_tokens")),
    Mutation("metadata-of-an-old-endpoint",
             "metadata are read once the IoT hub has named the endpoint again",
             "src/source/eventhubs/eventhubs.c",
             "    if (hub->iot_hub.host != NULL)\n        ask_iot_hub(hub);\n    else\n"
             "        read_metadata(hub);",
             "    read_metadata(hub);\n    if (hub->iot_hub.host != NULL)\n        ask_iot_hub(hub);",
             ("system", "test_source_azure", "endpoint_that_has_moved")),
    Mutation("leader-reports-what-it-heard-before",
             "a new leader reports no metadata that it asked for before it led",
             "src/node/node.c", "        hubs_lead(node->parts.hubs);",
             "        hubs_report(node->parts.hubs);",
             ("system", "test_hub_changes", "read_nothing and leader")),
    Mutation("proxy-of-a-hub-forgotten", "a hub is reached through the proxy that is set for it",
             "src/node/hubs.c", "                                       .proxy = hub->proxy,\n", "",
             ("system", "test_hub_changes", "proxy_leads")),
    Mutation("start-sequence-forgotten",
             "a partition that was never read begins where start_at says",
             "src/node/hubs.c", "first && hub->start_sequence >= 0", "false && first",
             ("system", "test_hub_changes", "begins_at_a_sequence_number")),
    Mutation("another-log-is-not-looked-for",
             "a node that is granted a log that its hub does not show looks again",
             "src/node/hubs.c", "now_us >= hub->look_again_us", "false",
             ("system", "test_hub_changes", "read_nothing and bystander")),
]

FAIL_OVER = [
    Mutation("lower-timeline-joined", "a primary that was left behind is not joined",
             "src/node/lines.c", "if (primary_left_behind(known, place)) {",
             "if (known == NULL && primary_left_behind(known, place)) {",
             ("system", "test_failover_database", "leads_back")),
    Mutation("first-writable-host", "of several primaries the one on the highest timeline counts",
             "src/core/primary.c", "answers[i].place.timeline > answers[best].place.timeline", "false",
             ("unit", "test_primary")),
    Mutation("lower-timeline-chosen", "a host on a lower timeline than was seen is not used",
             "src/core/primary.c",
             "return answer->state == PRIMARY_WRITABLE && !primary_left_behind(known, &answer->place);",
             "(void)known;\n    return answer->state == PRIMARY_WRITABLE;",
             ("system", "test_failover_database", "lost_the_last_grants")),
    Mutation("stolen-confirmed-by-any-database",
             "what a stale primary says of a stolen partition is no confirmation",
             "src/node/grants.c",
             "fresh && grant->state == OWNERSHIP_IN_DOUBT && grant->stolen &&",
             "false && grant->stolen &&",
             ("system", "test_failover_database", "stolen_from")),
    Mutation("first-answer-is-enough", "the first host to answer waits a little for the others",
             "src/core/primary.c", "now_us - usable_us >= PRIMARY_GRACE_US", "true",
             ("unit", "test_primary")),
    Mutation("a-fresh-grant-knows-nothing",
             "a fail-over in which no node dies delivers nothing twice but what was on the wire",
             "src/core/inherit.c", "return past->prefix > stored;", "return false && past != NULL;",
             ("system", "test_failover_database", "follow")),
    Mutation("lost-letters-are-not-missed",
             "a dead letter that the new primary does not have is written again",
             "src/core/inherit.c", "stored < past->lettered", "false",
             ("system", "test_failover_database", "dead_letters")),
    Mutation("others-work-is-vouched-for",
             "a node vouches for what it has delivered itself, not for what others did before",
             "src/core/inherit.c", "stored < past->began", "false",
             ("unit", "test_inherit")),
]

MUTATIONS = [*SOURCE, *CHECKPOINTS, *SESSIONS, *TERMS, *LEASE, *OWNERSHIP, *DELIVERY, *HUBS,
             *FAIL_OVER]
