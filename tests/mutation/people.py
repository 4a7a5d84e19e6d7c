"""Mutations of what people are told by `holdfast status`, `check` and `migrate`: see mutations.py."""

from mutation.mutation import Mutation

PEOPLE = [
    Mutation("status-steered-from-outside", "what comes from outside cannot steer the terminal",
             "src/bin/page.c", "bool control = first < ' ' || first == 0x7F ||",
             "bool control = first == 0x7F ||",
             ("system", "test_status", "operator")),
    Mutation("status-healthy-in-spite-of-findings", "a finding of diagnose() is no good health",
             "src/store/overview.c",
             "FROM found f WHERE f.bad HAVING count(*) > 0", "FROM found f WHERE false HAVING count(*) > 0",
             ("system", "test_status", "cannot_tell or drawn_over")),
    Mutation("check-reads-with-an-epoch", "a check throws nobody off a partition",
             "src/bin/check_hub.c", "SOURCE_NO_TOKEN, newest", "INT64_MAX, newest",
             ("system", "test_check", "not_disturbed")),
    Mutation("check-forgives-fsync", "a server that can forget a token is not let go live",
             "src/core/deployment.c", "if (!f->fsync)", "if (f->fsync && !f->schema)",
             ("unit", "test_deployment")),
    Mutation("check-forgives-a-dropped-time-out", "the server must end a silent lease after the TTL",
             "src/core/deployment.c",
             "if (f->timeout_ms != f->ttl_ms || f->reset_timeout_ms != f->ttl_ms) {",
             "if (f->timeout_ms != f->ttl_ms) {",
             ("unit", "test_deployment")),
]
