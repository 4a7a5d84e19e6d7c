"""Mutations of heartbeat rules."""

from mutation.mutation import Mutation

THINGS = [
    Mutation("checkpoint-before-the-row",
             "no checkpoint passes the first event of a device that the database does not know of",
             "src/node/grants_save.c",
             "    if (!heartbeats_save(g->node->heartbeats, on_beats_saved, save))\n"
             "        on_beats_saved(save, true);\n",
             "    on_beats_saved(save, true);\n",
             ("system", "test_heartbeat", "no_checkpoint")),
    Mutation("nobody-takes-them-over", "the next owner goes on with what is known as connected",
             "src/node/heartbeats.c", "        if (b->loaded || b->loading)\n",
             "        if (b->loaded || !b->loading)\n",
             ("system", "test_heartbeat", "node_that_dies")),
    Mutation("silence-by-the-clock", "only listening counts as silence", "src/core/presence.c",
             "    if (!listening || !p->caught_up || p->time_ms",
             "    if ((!listening && p->time_ms < 0) || p->time_ms", ("unit", "test_presence")),
    Mutation("loaded-is-silent", "who was taken over counts as heard of just now",
             "src/core/presence.c",
             "    entry->last_ms = p->time_ms != PRESENCE_NO_TIME ? p->time_ms : 0;\n",
             "    entry->last_ms = 0;\n", ("unit", "test_presence")),
    Mutation("told-of-the-round-before", "an old answer says nothing of a new silence",
             "src/core/presence.c", " || entry->round != round)",
             " || entry->round < round)", ("unit", "test_presence")),
    Mutation("heartbeats-unfenced", "presence is noted only under the grant's token",
             "sql/40_delivery/note_presence.sql",
             "AND p.token = w.token\n       AND p.owner_session_id = me\n     WHERE w.present",
             "AND p.owner_session_id = me\n     WHERE w.present", ("sql", "14_heartbeats")),
]
