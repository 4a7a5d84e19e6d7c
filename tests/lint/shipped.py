#!/usr/bin/python3
"""What is shipped for a database server lets nobody in without a password or by a weak method, and by
other machines only with TLS; nothing that is shipped holds a password; and every fuzz target stands in
docs/security.md with what it fuzzes."""

import re

import sources

FOLDERS = ["server", "deploy"]
METHODS = {"peer", "scram-sha-256", "reject", "cert"}
# By these a rule is told from a line of a shell script that begins alike.
KNOWN = METHODS | {"trust", "md5", "password", "ident", "ldap", "radius", "pam", "bsd", "gss", "sspi"}
HERE = re.compile(r"^(127\.0\.0\.1/32|::1/128|localhost)$")
# A line of pg_hba.conf, alone or in a list of YAML.
RULE = re.compile(r"^\s*(?:-\s+)?[\"']?(local|host|hostssl|hostnossl|hostgssenc)\s+(\S.*?)[\"']?\s*$")
ENCRYPTION = re.compile(r"^\s*password_encryption\s*[=:]\s*['\"]?([\w-]+)", re.M)
PASSWORD = re.compile(r"(?i)\b(password|pwd)\b['\"]?\s*[=:]\s*['\"]?([^\s'\"$<{.][^\s'\"]*)")
HARMLESS = {"scram-sha-256", "md5"}


def shipped():
    for folder in FOLDERS:
        for path in sorted((sources.ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix not in (".png", ".json"):
                yield path.relative_to(sources.ROOT)


def rules(path):
    for number, line in enumerate(sources.text(path).splitlines(), 1):
        match = RULE.match(line.split("#")[0])
        words = [word for word in match.group(2).split() if "=" not in word] if match else []
        if len(words) >= 3 and words[-1] in KNOWN:
            yield f"{path}:{number}: ", match.group(1), words


def check_rule(where, kind, words):
    address = words[2] if kind != "local" and len(words) > 3 else None
    method = words[-1]
    if method not in METHODS:
        yield where + f"{method} lets in whom it should not; use scram-sha-256"
    if kind == "host" and method != "reject" and not (address and HERE.match(address)):
        yield where + "other machines with TLS only: hostssl"


def unnamed_targets():
    page = sources.text("docs/security.md")
    table = page[page.index("## Parsers of foreign bytes"):page.index("Others read before us")]
    for path in sources.files("tests/fuzz", suffixes=(".c",)):
        if path.name.startswith("fuzz_") and f"`{path.stem}`" not in table:
            yield f"{path}: docs/security.md does not say what it fuzzes"


def main():
    problems, encryptions = list(unnamed_targets()), 0
    for path in shipped():
        text = sources.text(path)
        for rule in rules(path):
            problems += check_rule(*rule)
        for match in ENCRYPTION.finditer(text):
            encryptions += 1
            if match.group(1) != "scram-sha-256":
                problems.append(f"{path}: password_encryption must be scram-sha-256")
        for match in PASSWORD.finditer(text):
            if match.group(2).strip(";,") not in HARMLESS:
                problems.append(f"{path}: looks like a password: {match.group(0)}")
    if encryptions < 2 or not any(True for _ in rules("server/pg_hba.conf")):
        problems.append("server/: password_encryption or the rules of pg_hba.conf were not found")
    sources.finish(problems)


if __name__ == "__main__":
    main()
