"""Mutations of who is trusted and what is sent to whom: see mutations.py."""

from mutation.mutation import Mutation

SECURITY = [
    Mutation("database-not-verified", "a database on another machine is verified unless told otherwise",
             "src/pg/secure.c", 'mode = security.sslmode = "verify-full"',
             'mode = security.sslmode = "prefer"',
             ("system", "test_database_tls", "gets_nothing")),
    Mutation("database-name-not-verified", "and its name with it",
             "src/pg/secure.c", 'mode = security.sslmode = "verify-full"',
             'mode = security.sslmode = "verify-ca"',
             ("system", "test_database_tls", "who_is_not_verified")),
    Mutation("prefer-is-a-statement", "sslmode=prefer leaves it to the other end: that is no statement",
             "src/pg/secure.c",
             'mode != NULL && strcmp(mode, "prefer") != 0 && strcmp(mode, "allow") != 0', "mode != NULL",
             ("system", "test_database_tls", "whoever_says")),
    Mutation("a-tunnel-is-this-machine", "an address of ours under another's name is verified",
             "src/pg/secure.c", "are_here(host) && are_here(hostaddr)",
             "are_here(hostaddr != NULL ? hostaddr : host)",
             ("unit", "test_secure")),
]
