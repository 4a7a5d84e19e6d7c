"""Mutations of the short cuts between event and request."""

from mutation.mutation import Mutation

SPEED = [
    Mutation("escaped-names-in-place", "a property is found again however its name is escaped",
             "src/core/translate.c", "    if (rows->names.n > 0)", "    if (false)",
             ("unit", "test_row_write")),
    Mutation("unquoted-texts", "a text keeps its quotes",
             "src/core/translate.c", "value->kind == JSON_STRING ? 1 : 0", "0",
             ("unit", "test_row_write")),
    Mutation("bodies-without-a-limit", "no request is larger than the destination takes",
             "src/core/bulk_body.c", "body->n + n + TAIL_N > max_bytes", "body->n + n > max_bytes",
             ("unit", "test_row_write")),
    Mutation("update-bodies-without-a-limit", "no request is larger than the destination takes",
             "src/core/update_body.c", "body->n + n + TAIL_N > max_bytes",
             "body->n + n > max_bytes", ("unit", "test_row_write")),
    Mutation("last-parcel-forgotten", "a Thing's events stay in their order when some are dropped",
             "src/core/lane.c", "        lane->last = parcel->prev;", "        (void)lane->last;",
             ("unit", "test_lane_loss")),
    Mutation("index-with-gaps", "a lane is found as long as it exists",
             "src/core/hash_index.c", "        gap = at;\n    }\n    index->slots[gap]",
             "        gap = at;\n        break;\n    }\n    index->slots[gap]",
             ("unit", "test_hash_index")),
    Mutation("same-hash-is-same-thing", "two Things with one hash have lanes of their own",
             "src/core/lane_table.c", "        if (slice_equal(lane->thing, key->thing))\n", "",
             ("unit", "test_lane")),
]
