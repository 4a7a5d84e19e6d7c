#!/usr/bin/python3
"""Writes the tables of docs/ that repeat what stands in the code: states, options, metrics, SQL;
also those of the manual pages and of the completion (manual.py).

A page marks the place:

    <!-- table: session -->
    ...
    <!-- end -->

usage: tables.py          rewrites every marked block
       tables.py --check  changes nothing; names the pages that are stale, exit status 1
"""

import pathlib
import re
import subprocess
import sys

import manual

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(<!-- table: ([a-z-]+) -->\n)(.*?)(<!-- end -->)", re.S)
STRING = r'"(?:[^"\\]|\\.)*"'
STRINGS = rf"{STRING}(?:\s*{STRING})*"


class Stale(Exception):
    """The code does not look as this script expects it."""


# --- reading C ----------------------------------------------------------------------------------

def preprocessed(path):
    """The text of one of our C files with its macros expanded and its includes left out."""
    text = (ROOT / path).read_text(encoding="utf-8")
    text = re.sub(r"^\s*#\s*(include|pragma)\b.*$", "", text, flags=re.M)
    done = subprocess.run(["cc", "-E", "-P", "-x", "c", "-"], input=text, capture_output=True,
                          text=True, check=True, cwd=ROOT)
    return done.stdout


def initializer(path, pattern):
    """What stands between the braces of the array whose declaration matches."""
    text = preprocessed(path)
    start = re.search(pattern + r"\s*\[[^\]]*\]\s*=\s*\{", text)
    if not start:
        raise Stale(f"{path} has no table {pattern}")
    depth, end, quoted = 1, start.end(), False
    while depth:
        char = text[end]
        if char == '"' and text[end - 1] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += {"{": 1, "}": -1}.get(char, 0)
        end += 1
    return text[start.end():end - 1]


def rows(path, pattern, fields, nested=0):
    """The rows of a table of structs, each as its fields; as many as there are braces, of which
    each row has so many more inside."""
    body = initializer(path, pattern)
    row = re.compile(r"\{\s*" + r"\s*,\s*".join(fields) + r"\s*,?\s*\}", re.S)
    found = row.findall(body)
    outer = len(re.findall(r"\{", re.sub(STRING, "", body)))
    if not found or len(found) * (1 + nested) != outer:
        raise Stale(f"{path}: {len(found)} of {outer / (1 + nested):g} rows of {pattern} are readable")
    return found


def joined(text):
    """The value of adjacent string constants; "" for NULL."""
    parts = re.findall(STRING, text)
    return "".join(part[1:-1] for part in parts).replace('\\"', '"').replace("\\\\", "\\")


def name_of(symbol, prefix):
    return symbol.removeprefix(prefix).lower().replace("_", " ")


# --- writing Markdown ---------------------------------------------------------------------------

def table(head, lines):
    cells = [head, ["---"] * len(head), *lines]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |\n"
                   for line in cells).replace("| --- ", "|---").replace("|--- |", "|---|")


def states(path, kind):
    """Edges of a table of states; those that differ only in where they start stand together."""
    prefix = kind.upper() + "_"
    grouped = {}
    for start, event, to, actions, sentence in rows(
            path, rf"struct {kind}_edge edges",
            [rf"({prefix}\w+)"] * 3 + [rf"([()|\s\w]+?)", rf"({STRINGS})"]):
        done = [name_of(action, prefix + "DO_") for action in re.findall(r"\w+", actions)]
        rest = (name_of(event, prefix), name_of(to, prefix),
                ", ".join(action for action in done if action != "nothing"), joined(sentence))
        grouped.setdefault(rest, []).append(name_of(start, prefix))
    return table(["in state", "on event", "to state", "the node does", "and says"],
                 [[", ".join(starts), *rest] for rest, starts in grouped.items()])


def answers():
    lines = []
    for low, high, answer, meaning, hint in rows(
            "src/core/answer.c", r"struct answer_rule rules",
            [r"(\d+)", r"(\d+)", r"ANSWER_(\w+)", rf"({STRINGS})", rf"({STRINGS})"]):
        lines.append([low if low == high else f"{low}-{high}", name_of(answer, ""),
                      joined(meaning), joined(hint)])
    return table(["status", "class", "meaning", "what to do"], lines)


def condition_actions():
    """{end: what the node does}"""
    body = initializer("src/source/eventhubs/conditions.c", r"char \*const actions")
    return {end: joined(text) for end, text in
            re.findall(rf"\[SOURCE_END_(\w+)\]\s*=\s*({STRINGS})", body)}


def conditions():
    lines, actions = [], condition_actions()
    for name, text, end, meaning, advice in rows(
            "src/source/eventhubs/conditions.c", r"struct condition table",
            [rf"({STRING})", rf"({STRING}|NULL)", r"SOURCE_END_(\w+)", rf"({STRINGS})",
             rf"({STRINGS})"]):
        said = f"`{joined(name)}`" if joined(name) else "any other"
        if text != "NULL":
            said += f" with \"{joined(text)}\" in its text"
        lines.append([said, joined(meaning), f"{name_of(end, '')}: {actions[end]}",
                      joined(advice)])
    return table(["condition", "meaning", "what the node does", "what the operator is told"], lines)


def condition_statuses():
    return table(["status", "condition"],
                 [[status, f"`{joined(name)}`"] for status, name in rows(
                     "src/source/eventhubs/conditions.c", r"statuses",
                     [r"(\d+)", rf"({STRING})"])])


def option_rows():
    return rows("src/bin/options.c", r"struct option_row table",
                [rf"({STRING})", rf"({STRING}|NULL|\(\(void \*\)0\))", r"(\w+)",
                 r"([^{},]+,[^{},]+\))", rf"({STRING}|NULL|\(\(void \*\)0\))", r"(\d+)", r"(\d+)",
                 rf"({STRINGS})", rf"({STRINGS})"])


def options():
    lines = []
    for option, environment, _kind, _at, default, _least, _most, commands, text in option_rows():
        variable = joined(environment)
        lines.append([f"`--{joined(option)}`", f"`{variable}`" if variable else "",
                      f"`{variable}_FILE`" if variable else "", joined(default), joined(commands), joined(text)])
    return table(["option", "environment", "or a file", "default", "subcommands", "meaning"], lines)


def log_events():
    """[(name, message, kind, meaning)] of every happening that the log tells of."""
    return [(joined(name), joined(message), kind, joined(meaning))
            for name, message, kind, meaning in rows(
                "src/core/log_events.c", r"struct log_event events",
                [rf"({STRING})", rf"({STRINGS})", r"(LOG_\w+)", rf"({STRINGS})"])]


def log_events_table():
    return table(["event", "msg", "", "meaning, or what follows"],
                 [[f"`{name}`", message, "collapses" if kind == "LOG_REPEATS" else "", meaning]
                  for name, message, kind, meaning in log_events()])


def made_by_hand():
    """[(name, labels, meaning)] of those that a module makes for itself."""
    call = re.compile(rf"metric_(?:counter|gauge)\(\s*[\w>-]+,\s*({STRING}),\s*({STRINGS})\s*,"
                      r"\s*([^;]*?)\);")
    found = []
    for path in sorted((ROOT / "src").rglob("*.c")):
        text = path.read_text(encoding="utf-8")
        labels = ", ".join(sorted(set(re.findall(r'(\w+)=\\"', text))))
        found += [(joined(name), "" if argument == "NULL" else labels, joined(meaning))
                  for name, meaning, argument in call.findall(text)]
    return found


def metrics():
    """[(name, kind, labels, meaning)] of every metric that a node shows."""
    label = rf"({STRING}|NULL)"
    found = made_by_hand()
    found += [(joined(name), "", joined(text)) for name, text, _kind, _at in rows(
        "src/admin/node_metrics.c", r"struct row rows",
        [rf"({STRING})", rf"({STRINGS})", r"(\w+)", r"([^{}]+?\))"])]
    found += [(joined(name), ", ".join(re.findall(r'"(\w+)"', labels)), joined(text))
              for name, labels, text in rows(
                  "src/admin/labelled_metrics.c", r"struct family_row families",
                  [rf"({STRING})", r"\{([^{}]*)\}", rf"({STRINGS})"], nested=1)]
    lines = [(name, "counter" if name.endswith("_total") else "gauge", labels, text)
             for name, labels, text in found]
    lines += [(joined(name), "histogram", joined(labels), joined(text))
              for name, labels, text, _bounds in rows(
                  "src/node/instruments.c", r"struct histogram_row histograms",
                  [rf"({STRING})", label, rf"({STRINGS})", r"\{([^{}]*)\}"], nested=1)]
    return sorted(lines)


def metrics_table():
    return table(["metric", "kind", "labels", "meaning"],
                 [[f"`{name}`", kind, labels, text.rstrip(".")]
                  for name, kind, labels, text in metrics()])


# --- reading SQL --------------------------------------------------------------------------------

def sql_files():
    return [path.read_text(encoding="utf-8") for path in sorted((ROOT / "sql").rglob("*.sql"))]


def comments(kind):
    """{name: comment} of every view or function."""
    pattern = rf"COMMENT ON {kind} holdfast\.(\w+)(?:\([^)]*\))?\s+IS\s+'((?:[^']|'')*)'"
    return {name: text.replace("''", "'") for source in sql_files()
            for name, text in re.findall(pattern, source)}


def views():
    return table(["view", "what it shows"],
                 [[f"`{name}`", text] for name, text in sorted(comments("VIEW").items())])


def signatures():
    """{name: arguments with their defaults, on one line}"""
    found = {}
    for source in sql_files():
        for name, arguments in re.findall(
                r"CREATE OR REPLACE FUNCTION holdfast\.(\w+)\((.*?)\)\s*(?:RETURNS|LANGUAGE)",
                source, re.S):
            found[name] = " ".join(arguments.split())
    return found


def functions(role):
    granted = re.search(rf"{role}_functions constant text\[\] := ARRAY\[(.*?)\];",
                        (ROOT / "sql/90_grants.sql").read_text(encoding="utf-8"), re.S)
    if not granted:
        raise Stale(f"sql/90_grants.sql does not list {role}_functions")
    text, arguments = comments("FUNCTION"), signatures()
    names = re.findall(r"'(\w+)'", granted.group(1))
    return table(["function", "what it does"],
                 [[f"`{name}({arguments[name]})`", text[name]] for name in sorted(names)])


TABLES = {
    "session": lambda: states("src/core/session.c", "session"),
    "ownership": lambda: states("src/core/ownership.c", "ownership"),
    "answers": answers,
    "conditions": conditions,
    "condition-statuses": condition_statuses,
    "options": options,
    "metrics": metrics_table,
    "log-events": log_events_table,
    "views": views,
    "admin-functions": lambda: functions("admin"),
    "node-functions": lambda: functions("node"),
}


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    help_pages = manual.Manual(sys.modules[__name__])
    TABLES.update(help_pages.tables())
    unused, stale = set(TABLES), []
    for page, text in help_pages.missing(ROOT).items():
        if check:
            sys.exit(f"{page.relative_to(ROOT)}: missing: run tests/tools/tables.py")
        page.write_text(text, encoding="utf-8")
    for page in [*sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]),
                 *manual.pages(ROOT)]:
        old = page.read_text(encoding="utf-8")

        def renew(match):
            unused.discard(match.group(2))
            if match.group(2) not in TABLES:
                raise Stale(f"there is no table {match.group(2)}")
            return match.group(1) + TABLES[match.group(2)]() + match.group(4)

        try:
            new = (BLOCK if page.suffix == ".md" else manual.BLOCK).sub(renew, old)
        except Stale as error:
            sys.exit(f"{page.relative_to(ROOT)}: {error}")
        if new == old:
            continue
        stale.append(page.relative_to(ROOT))
        if not check:
            page.write_text(new, encoding="utf-8")
    for page in stale:
        print(f"{page}: {'stale: run tests/tools/tables.py' if check else 'rewritten'}")
    for name in sorted(unused):
        print(f"docs/: no page has the table {name}")
    sys.exit(1 if unused or (check and stale) else 0)


if __name__ == "__main__":
    main()
