"""Mutations that the simulator notices: see mutations.py."""

from mutation.mutation import COORDINATION, Mutation

SIM = ("sim", "holdfast-sim", "40")

# Rules whose breach needs luck: a fault between a look and its effect, a message that comes late. What
# the model of the database must not forget is broken by its own switches: holdfast-sim --break RULE.
SIMULATED = [
    Mutation("called-off-beyond-the-grave", "a partition whose owner has died waits for no move of it",
             COORDINATION + "end_sessions.sql",
             "           move_deadline = NULL, move_reason = NULL, move_again_at = NULL,\n",
             "           move_deadline = NULL, move_reason = NULL,\n",
             ("two", "test_moves", "forgotten_with_its_owner")),
    Mutation("model-and-functions-differ", "the simulator's model does what the functions do",
             COORDINATION + "end_sessions.sql",
             "           reserved_node = CASE WHEN reserve THEN o.node END,\n"
             "           reserved_session_id = CASE WHEN reserve THEN o.session_id END\n",
             "           reserved_node = NULL, reserved_session_id = NULL\n",
             ("two", "test_conformance", "does_what")),
    Mutation("kept-without-a-hub", "what is kept for a node and not given to it loses its token",
             COORDINATION + "join.sql",
             "    UPDATE partition p SET reserved_node = NULL, reserved_session_id = NULL"
             " WHERE p.reserved_node = $1;\n",
             "", ("two", "test_incarnation", "cannot_be_written")),
    Mutation("sim-no-trust-margin", "a node stops trusting its lease a margin before it ends",
             "src/core/lease.c", ".margin_us = ttl_us / MARGIN_DIVISOR", ".margin_us = 0", SIM),
    Mutation("sim-leading-without-trust", "a leader acts only while it trusts its lease",
             "src/node/membership.c", "    if (!m->leader || !membership_trusted(m, now_us))",
             "    if (!m->leader || now_us < 0)", ("sim", "holdfast-sim", "400")),
    Mutation("sim-attach-after-stolen", "who was thrown out asks before it attaches again",
             "src/core/ownership.c",
             "    {OWNERSHIP_READING, OWNERSHIP_STOLEN, OWNERSHIP_IN_DOUBT, DOUBT,",
             "    {OWNERSHIP_READING, OWNERSHIP_STOLEN, OWNERSHIP_WAITING, OWNERSHIP_DO_BACK_OFF,", SIM),
    Mutation("sim-unsent-kept-after-stolen", "who was thrown out drops what it has not sent",
             "src/core/ownership.c", "#define DOUBT (OWNERSHIP_DO_DROP_ALL | OWNERSHIP_DO_ASK)",
             "#define DOUBT (OWNERSHIP_DO_ASK)", SIM),
    Mutation("sim-release-before-saving", "a partition is handed over only when it is checkpointed",
             "src/core/ownership.c",
             "{OWNERSHIP_DRAINING, OWNERSHIP_DRAINED, OWNERSHIP_SAVING, OWNERSHIP_DO_SAVE,",
             "{OWNERSHIP_DRAINING, OWNERSHIP_DRAINED, OWNERSHIP_RELEASING, OWNERSHIP_DO_RELEASE,", SIM),
    Mutation("sim-two-requests-for-a-thing", "one request is on the wire for each Thing",
             "src/core/lane.c", "    if (lane == NULL) {\n        lane = lane_create(lanes, key);",
             "    if (lane == NULL || lane->state == LANE_IS_ON_THE_WIRE) {\n"
             "        lane = lane_create(lanes, key);", SIM),
    Mutation("sim-checkpoint-beyond-a-hole", "the checkpoint is the contiguous completed prefix",
             "src/core/tracker.c",
             "    while (t->head < t->tail && at(t, t->head)->completed)",
             "    while (t->head < t->tail && (at(t, t->head)->completed || t->tail - t->head > 8))", SIM),
    Mutation("completed-forgotten", "what is completed is saved again after a crash, also while nobody reads",
             "src/node/grant.c", "    if (!begun)\n        return;\n", "    if (begun || !begun)\n        return;\n",
             ("system", "test_database_locks", "though_nothing_is_read")),
    Mutation("sim-letters-not-kept", "an event is complete when its dead letter is stored",
             "src/node/office.c", "        not_stored(o, err);\n        return;\n    }\n",
             "        outcomes = NULL;\n        if (count == 7777)\n            not_stored(o, err);\n"
             "        DL_FOREACH_SAFE(o->waiting, letter, next)\n        {\n            if (letter->sent)\n"
             "                stored(o, letter, STORE_FILED_KEPT);\n        }\n        return;\n    }\n", SIM),
]
