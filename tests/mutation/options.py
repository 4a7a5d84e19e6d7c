"""Mutations of what a program is told by its environment."""

from mutation.mutation import Mutation

OPTIONS = [
    Mutation("value-and-file", "a value and a file for the same option are refused, not guessed between",
             "src/bin/options.c", "bool ok = given == NULL || path == NULL;", "bool ok = true;",
             ("unit", "test_options")),
    Mutation("file-with-its-line-ends", "a password from a file does not end in a line end",
             "src/bin/options.c", "text[n - 1] == '\\n' || text[n - 1] == '\\r'",
             "text[n - 1] == '\\r'", ("unit", "test_options")),
]
