#!/usr/bin/python3
"""What the pages name is there: the targets of links and their headings, ./dev commands, the
program's commands and options, tests and files. (The SQL of the pages: tests/sql/two/test_docs.py.)"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*)$", re.M)
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
CODE = re.compile(r"`([^`\n]+)`")
DEV = re.compile(r"(?<![\w/])\./dev ([a-z][a-z-]*)")
RUN = re.compile(r"(?<![\w./-])holdfast ([a-z]+)(?=[\s`]|$)((?:[^\n`|]*?))(?=`|\n|$|#|\|)")
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]+)")
TEST = re.compile(r"\b(test_\w+)\b(\.\.\.)?")
PATH = re.compile(r"^(?:src|tests|sql|migrations|server|deploy|docs|thingworx)/[\w./*-]+$")
# Words that follow the program's name in a sentence, not in a command.
NO_COMMAND = set(re.findall(r"\w+", "and is or node has does was reads in of takes"))


def pages():
    found = [ROOT / "README.md"]
    for folder in ("docs", "tests", "thingworx", "deploy", "server"):
        found += sorted((ROOT / folder).rglob("*.md"))
    return [page for page in found if "corpus" not in page.parts]


def anchors(text):
    """The anchors that a forge makes of the headings."""
    seen, names = {}, set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading).replace("`", "")
        name = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
        seen[name] = seen.get(name, -1) + 1
        names.add(name if seen[name] == 0 else f"{name}-{seen[name]}")
    return names | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))


def broken_links(page, text, known):
    for match in LINK.finditer(FENCE.sub("", text)):
        target = match.group(1) or match.group(2)
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists():
            yield f"links to {target}, which is not there"
        elif anchor and path.suffix == ".md" and anchor not in known(path):
            yield f"links to {target}, whose page has no such heading"


def dev_commands():
    text = (ROOT / "dev").read_text(encoding="utf-8")
    cases = text[text.rindex("\ncase $command in"):]
    return {word.strip() for line in re.findall(r"^([a-z][a-z -|]*)\)$", cases, re.M) for word in line.split("|")}


def options_of_tests():
    """All long options that a Python program of the tests takes, and what ./dev itself knows."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.c")]
    texts.append((ROOT / "dev").read_text(encoding="utf-8"))
    return set(re.findall(r"--[a-z][a-z-]+", "\n".join(texts)))


def program_options():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src/bin").glob("*.c")]
    words = set(re.findall(r'"([a-z][a-z-]+)"', "\n".join(texts)))
    return {f"--{word}" for word in words} | {"--help", "--version"}


def program_commands():
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/bin").glob("*.c"))
    return set(re.findall(r'\{\s*"([a-z]+)"', text)) | set(re.findall(r'\.name = "([a-z]+)"', text))


def tests():
    names = set()
    for path in (ROOT / "tests").rglob("*"):
        if path.suffix in (".py", ".c", ".sql") and "corpus" not in path.parts:
            names.add(path.stem)
            names.update(re.findall(r"\b(test_\w+)", path.read_text(encoding="utf-8", errors="replace")))
    return names


def missing_names(text, known):
    for match in DEV.finditer(text):
        if match.group(1) not in known["dev"]:
            yield f"./dev {match.group(1)} does not exist"
    for line in text.splitlines():
        if "./dev " in line:
            for option in OPTION.findall(line.split("./dev ", 1)[1].split("`")[0]):
                if option not in known["test options"]:
                    yield f"no program of the tests takes {option}"
    for match in RUN.finditer(text):
        command, rest = match.group(1), match.group(2)
        if command not in known["commands"]:
            if command not in NO_COMMAND and re.search(r"[`\n] *holdfast " + command, text):
                yield f"holdfast {command} is no command"
            continue
        for option in OPTION.findall(rest):
            if option not in known["options"]:
                yield f"holdfast {command} takes no {option}"
    for match in TEST.finditer(text):
        name = match.group(1)
        if match.group(2) or text[match.end():match.end() + 1] == "*" or name.endswith("_"):
            if not any(test.startswith(name) for test in known["tests"]):
                yield f"no test begins with {name}"
        elif name not in known["tests"]:
            yield f"there is no test {name}"


def missing_files(page, text):
    if "decisions" in page.parts:  # they tell what was, too
        return
    for word in CODE.findall(text):
        name = word.rstrip("/")
        if PATH.match(word) and "NNNN" not in word and not any(
                list(folder.glob(form)) for folder in (ROOT, page.parent) for form in (name, f"{name}.c")):
            yield f"{word} is not there"


def main():
    cache = {}

    def known_anchors(path):
        if path not in cache:
            cache[path] = anchors(path.read_text(encoding="utf-8"))
        return cache[path]

    known = {"dev": dev_commands(), "test options": options_of_tests(), "commands": program_commands(),
             "options": program_options(), "tests": tests()}
    findings = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        name = page.relative_to(ROOT)
        findings += [f"{name}: {what}" for what in broken_links(page, text, known_anchors)]
        findings += [f"{name}: {what}" for what in missing_names(text, known)]
        findings += [f"{name}: {what}" for what in missing_files(page, text)]
    for finding in sorted(set(findings)):
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
