"""The SQL on the pages: every statement that names something of the schema is one that the database
understands, with the names and the types that it has today."""

import pathlib
import re

import psycopg2
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "thingworx/README.md"]
BEGIN = re.compile(r"(?:SELECT|WITH|UPDATE|INSERT|DELETE)\b")
ELLIPSIS = re.compile(r"\.\.\.")


def blocks(text):
    """The indented and fenced blocks of a page."""
    for match in re.finditer(r"(?:^(?: {4}|\t).*\n(?:\s*\n(?= {4}))?)+", text, re.M):
        yield re.sub(r"^ {4,}", "", match.group(0), flags=re.M)
    for match in re.finditer(r"^```(?:sql)?\n(.*?)^```", text, re.M | re.S):
        yield match.group(1)


def statements(text):
    for block in blocks(text):
        for part in re.split(r";\s*(?:--.*)?(?:\n|$)", block):
            part = re.sub(r"^\s*(?:--.*\n\s*)*", "", part).strip()
            if BEGIN.match(part):
                yield re.sub(r"\n\s*\n.*", "", part, flags=re.S)
    for code in re.findall(r"`([^`\n]+)`", text):
        if BEGIN.match(code):
            yield code.rstrip("; ")


def on(page):
    found = dict.fromkeys(statements(page.read_text(encoding="utf-8")))
    return [statement for statement in found if "holdfast." in statement and not ELLIPSIS.search(statement)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_sql_of_a_page_is_understood(admin, page):
    wrong = []
    for statement in on(page):
        # What stands for a name of the reader's own is written in capitals or in angle brackets.
        try:
            admin.rows(f"PREPARE of_the_docs AS {statement.replace('%', '%%')}")
            admin.rows("DEALLOCATE of_the_docs")
        except psycopg2.Error as error:
            wrong.append(f"{statement}\n    {str(error).splitlines()[0]}")
    assert not wrong, "\n".join(wrong)


def test_the_pages_hold_sql():
    assert sum(len(on(page)) for page in PAGES) > 40
