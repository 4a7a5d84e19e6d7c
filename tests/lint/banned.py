#!/usr/bin/python3
"""Calls that have a safer name in src/base, files that grew too long, and words left behind."""

import re

import sources

LONGEST_FILE = 600
WIDEST_LINE = 120

EVERYWHERE = {
    "strcpy": "use a struct slice or buffer_append",
    "strcat": "use buffer_append",
    "sprintf": "use snprintf or buffer_printf",
    "vsprintf": "use vsnprintf",
    "gets": "reads without bound",
    "strtok": "keeps hidden state; walk a struct slice",
    "atoi": "hides errors; parse the slice",
    "atol": "hides errors; parse the slice",
    "atof": "hides errors, and numbers keep their text",
    "system": "starts a shell",
    "popen": "starts a shell",
}
PRODUCT = {
    "time": "use base/clock.h",
    "gettimeofday": "use base/clock.h",
    "clock_gettime": "use base/clock.h",
    "sleep": "blocks the loop; use a timer",
    "usleep": "blocks the loop; use a timer",
    "nanosleep": "blocks the loop; use a timer",
    "rand": "use base/random.h",
    "random": "use base/random.h",
    "PQexec": "blocks the loop; use the asynchronous calls of pg/",
    "PQconnectdb": "blocks the loop, and verifies nobody; see pg/secure.h",
    "PQconnectdbParams": "blocks the loop, and verifies nobody; see pg/secure.h",
    "curl_easy_perform": "blocks the loop",
    "pthread_create": "a node has one loop and no threads",
}
# One module may do what the others must leave to it.
EXEMPT = {
    "clock_gettime": {"src/base/clock.c"},
    # `holdfast migrate` and `holdfast explain` are commands of their own that have no loop.
    "PQexec": {"src/pg/migrate.c"},
    "PQconnectdbParams": {"src/pg/secure.c"},
}
LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def banned_calls(path, names):
    code = sources.code(path)
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(map(re.escape, names)) + r")\s*\(")
    for match in pattern.finditer(code):
        name = match.group(1)
        if str(path) not in EXEMPT.get(name, ()):
            line = code.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: {name}() is banned: {names[name]}"


def size(path):
    lines = sources.text(path).splitlines()
    if len(lines) > LONGEST_FILE:
        yield f"{path}:{LONGEST_FILE}: {len(lines)} lines; split it (at most {LONGEST_FILE})"


def leftovers(path):
    for number, line in enumerate(sources.text(path).splitlines(), 1):
        if LEFTOVER.search(line):
            yield f"{path}:{number}: finish it or file it: {line.strip()}"


def wide_lines(path):
    for number, line in enumerate(sources.text(path).splitlines(), 1):
        if len(line) > WIDEST_LINE:
            yield f"{path}:{number}: {len(line)} columns (at most {WIDEST_LINE})"


def main():
    problems = []
    product = sources.files("src")
    tests = sources.files("tests")
    for path in product:
        problems += banned_calls(path, {**EVERYWHERE, **PRODUCT})
    for path in tests:
        problems += banned_calls(path, EVERYWHERE)
    scripts = sources.files("tests", suffixes=(".py", ".sh"))
    sql = sources.files("sql", "migrations", "server", "tests", suffixes=(".sql",))
    for path in product + tests + scripts + sql + [sources.ROOT.joinpath("dev").relative_to(
            sources.ROOT)]:
        problems += size(path)
        if path.name != "banned.py":
            problems += leftovers(path)
    for path in scripts:
        problems += wide_lines(path)
    sources.finish(problems)


if __name__ == "__main__":
    main()
