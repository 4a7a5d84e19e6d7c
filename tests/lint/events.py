#!/usr/bin/python3
"""Every line of the log tells of a happening that src/core/log_events.c lists, under one name.

What the code says and the table's messages must be the same; names and messages stand there once.
"""

import pathlib
import re
import sys

import sources

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import tables  # pylint: disable=wrong-import-position

TABLE = "src/core/log_events.c"
NAME = re.compile(r"[a-z]+(_[a-z]+)*")
# The log itself, which is handed messages.
PASSED = {"src/base/log.c", "src/base/log.h"}
CALL = re.compile(r"\blog_(debug|info|warning|error|write|failure)\(")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def arguments(text, start):
    """The arguments of the call whose opening bracket stands before `start`."""
    found, depth, begin, at = [], 1, start, start
    while depth:
        string = STRING.match(text, at)
        if string:
            at = string.end()
            continue
        if text[at] in "([{":
            depth += 1
        elif text[at] in ")]}":
            depth -= 1
        if (text[at] == "," and depth == 1) or depth == 0:
            found.append(text[begin:at].strip())
            begin = at + 1
        at += 1
    return found


def literal(text):
    """The value of adjacent string constants, None if it is something else."""
    return tables.joined(text) if not STRING.sub("", text).strip() and text else None


def sentences(name):
    """The sentences of a table of states."""
    prefix = name.upper() + "_"
    return {tables.joined(row[4]) for row in tables.rows(
        f"src/core/{name}.c", rf"struct {name}_edge edges",
        [rf"({prefix}\w+)"] * 3 + [r"([()|\s\w]+?)", rf"({tables.STRINGS})"])}


def handed_on(text, function, position):
    """The constants that a function of the file gets as its argument of that position."""
    found = set()
    for match in re.finditer(rf"\b{function}\(", text):
        given = arguments(text, match.end())
        value = literal(given[position]) if len(given) > position else None
        if value:
            found.add(value)
    return found


def messages():
    """({message: where}, problems)"""
    found, problems = {}, []
    for path in sources.files("src"):
        if str(path) in PASSED:
            continue
        text = sources.text(path)
        for match in CALL.finditer(text):
            where = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
            given = arguments(text, match.end())
            message = given[2 if match.group(1) in ("write", "failure") else 1]
            choices = re.fullmatch(r"[^?\"]*\?(.*):(.*)", message, re.S)
            values = [literal(part) for part in (choices.groups() if choices else [message])]
            if None not in values:
                told = values
            elif message == "edge->sentence":
                told = sentences("ownership" if "grant" in path.name else "session")
            elif message == "what":
                told = handed_on(text, "call_failed", 1) | handed_on(
                    text, "watch_answered", 1) | handed_on(text, "failed", 2)
            else:
                problems.append(f"{where}: the message must be a constant: {message}")
                continue
            found.update((value, where) for value in told)
    return found, problems


def main():
    said, problems = messages()
    names, listed = set(), set()
    for name, message, _kind, _meaning in tables.log_events():
        if not NAME.fullmatch(name):
            problems.append(f"{TABLE}: {name} is no name for a happening")
        if name in names:
            problems.append(f"{TABLE}: {name} is listed twice")
        if message in listed:
            problems.append(f"{TABLE}: '{message}' is listed twice")
        names.add(name)
        listed.add(message)
    problems += [f"{where}: '{message}' has no name in {TABLE}"
                 for message, where in sorted(said.items()) if message not in listed]
    problems += [f"{TABLE}: nothing says '{message}'"
                 for message in sorted(listed - said.keys())]
    sources.finish(problems)


if __name__ == "__main__":
    main()
