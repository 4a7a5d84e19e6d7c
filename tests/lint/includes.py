#!/usr/bin/python3
"""Includes go one way, and the code that decides sees no library that does I/O.

base <- core <- {pg, source, thingworx} <- store <- node <- admin <- bin
"""

import re

import sources

# What each folder of src/ may include besides itself.
ALLOWED = {
    "base": set(),
    "core": {"base"},
    "pg": {"base", "core"},
    "source": {"base", "core"},
    "thingworx": {"base", "core"},
    "store": {"base", "core", "pg"},
    "node": {"base", "core", "pg", "source", "thingworx", "store"},
    "admin": {"base", "core", "pg", "source", "thingworx", "store", "node"},
}
ALLOWED["bin"] = set(ALLOWED)

# The libraries that do I/O, and the only folders that may see their headers.
LIBRARIES = {
    "libpq-fe.h": {"pg", "store"},
    "libpq/": {"pg", "store"},
    "curl/": {"thingworx", "bin"},  # bin/ starts the library for the whole process
    "proton/": {"source"},
    "event2/": {"pg", "source", "thingworx", "store", "node", "admin", "bin"},
}
# Headers of the system that a pure module has no use for.
IMPURE = re.compile(r"^(sys/(socket|time|select|epoll|timerfd)|netdb|netinet/.*|time|poll|pthread"
                    r"|unistd|fcntl|signal)\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)
# The lab stands for the outside world: it shares nothing with the product but src/base.
LAB_ALLOWED = {"base"}


def includes(path):
    text = sources.text(path)
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def check_product(path):
    folder = path.parts[1]
    if folder not in ALLOWED or len(path.parts) < 3:
        yield f"{path}:1: src/{folder} is no folder of the layout"
        return
    for line, quote, name in includes(path):
        where = f"{path}:{line}: "
        target = name.split("/")[0]
        if quote == '"':
            if target not in ALLOWED:
                yield where + f'"{name}": give the path from src/'
            elif target != folder and target not in ALLOWED[folder]:
                yield where + f"{folder}/ may not include {name}: includes go one way"
        for prefix, folders in LIBRARIES.items():
            if name.startswith(prefix) and folder not in folders:
                yield where + f"{folder}/ may not include <{name}>"
        if folder == "core" and IMPURE.match(name):
            yield where + f"core/ is pure and may not include <{name}>"


def check_lab(path):
    for line, quote, name in includes(path):
        target = name.split("/")[0]
        if quote == '"' and target in ALLOWED and target not in LAB_ALLOWED:
            if not (sources.ROOT / "tests/lab" / name).exists():
                yield f"{path}:{line}: the lab may not include {name} of the product"


def check_header(path):
    if path.suffix == ".h" and "#pragma once" not in sources.text(path):
        yield f"{path}:1: a header starts with #pragma once"


def main():
    problems = []
    for path in sources.files("src"):
        problems += check_product(path)
        problems += check_header(path)
    for path in sources.files("tests/lab"):
        problems += check_lab(path)
        problems += check_header(path)
    sources.finish(problems)


if __name__ == "__main__":
    main()
