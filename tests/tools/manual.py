"""The parts of the manual pages and of the completion that repeat the tables of commands and options.

tables.py writes them; a command that has no page yet gets one, to be filled by hand.
"""

import re

FOLDER = "docs/man"
COMPLETION = "deploy/completion/holdfast"
# Commands about holdfast itself stand in holdfast(1) only.
WITHOUT_PAGE = {"version", "options", "help"}
# What may follow an option; anything else is a value that nobody can guess.
CHOICES = {"log-format": "logfmt json", "log-level": "debug info warning error",
           "status-page": "loopback all none",
           "core-dumps": "deny allow"}
FILES = {"file", "sql-dir", "secrets"}
NUMBER = "OPTION_NUMBER"
FLAG = "OPTION_FLAG"

NEW_PAGE = r""".TH HOLDFAST-{upper} 1 "" Holdfast "Holdfast Manual"
.SH NAME
.\" table: manual-name-{name}
.\" end
.SH SYNOPSIS
.B holdfast {name}
.RI [ options ]
.SH OPTIONS
.\" table: manual-options-{name}
.\" end
.SH EXIT STATUS
0 done, 1 the answer is no, 2 wrong usage, 3 failed.
.SH SEE ALSO
.BR holdfast (1)
"""


def roff(text):
    """Text as it stands in a line of a manual page."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return r"\&" + text if text[:1] in (".", "'") else text


class Manual:
    """`code` is the module that reads tables of C: rows(), joined(), STRING and STRINGS."""

    def __init__(self, code):
        self.code = code

    def commands(self):
        """[(name, help)] as `holdfast help` shows them."""
        code = self.code
        return [(code.joined(name), code.joined(text)) for name, _run, text in code.rows(
            "src/bin/main.c", r"struct command commands",
            [rf"({code.STRING})", r"(\w+)", rf"({code.STRINGS})"])]

    def paged(self):
        return [name for name, _text in self.commands() if name not in WITHOUT_PAGE]

    def options(self, command=None):
        """The options of one command, or all."""
        found = [{"name": self.code.joined(name), "variable": self.code.joined(variable),
                  "kind": kind, "default": self.code.joined(default), "least": least, "most": most,
                  "commands": self.code.joined(commands).split(), "text": self.code.joined(text)}
                 for name, variable, kind, _at, default, least, most, commands, text
                 in self.code.option_rows()]
        return [row for row in found if command is None or command in row["commands"]]

    def name(self, command):
        return f"holdfast\\-{command} \\- {roff(dict(self.commands())[command])}\n"

    def meaning(self, row):
        lines = roff(row["text"]) + ".\n"
        if row["kind"] == NUMBER:
            lines += f"From {row['least']} to {row['most']}.\n"
        if row["default"]:
            lines += f"Default: {roff(row['default'])}.\n"
        return lines

    def option_list(self, command):
        text = ""
        for row in self.options(command):
            value = {FLAG: "", NUMBER: " \\fIN\\fR"}.get(row["kind"], " \\fIVALUE\\fR")
            text += f".TP\n\\fB\\-\\-{roff(row['name'])}\\fR{value}\n" + self.meaning(row)
            if row["variable"]:
                text += (f"Or in the environment: \\fB{row['variable']}\\fR, or the name of a file that"
                         f" holds it as \\fB{row['variable']}_FILE\\fR.\n")
        return text

    def environment(self):
        text = ""
        for row in self.options("node"):
            if row["variable"]:
                text += f".TP\n\\fB{row['variable']}\\fR\n" + self.meaning(row)
        return text

    def command_list(self):
        text = ""
        for name, meaning in self.commands():
            page = f".BR holdfast\\-{name} (1)" if name in self.paged() else f".B holdfast {name}"
            text += f".TP\n{page}\n{roff(meaning)}.\n"
        return text

    def completion(self):
        commands = " ".join(name for name, _text in self.commands())
        text = f'_holdfast_commands="{commands} --help --version"\n_holdfast_options() {{\n'
        text += '    case $1 in\n'
        for name, _text in self.commands():
            flags = " ".join(f"--{row['name']}" for row in self.options(name))
            if flags:
                text += f'    {name}) echo "{flags}" ;;\n'
        text += '    esac\n}\n_holdfast_values() {\n    case $1 in\n'
        for row in self.options():
            if row["name"] in CHOICES:
                text += f'    --{row["name"]}) echo "{CHOICES[row["name"]]}" ;;\n'
        paths = "|".join(f"--{row['name']}" for row in self.options() if row["name"] in FILES)
        flags = "|".join(f"--{row['name']}" for row in self.options() if row["kind"] == FLAG)
        text += f'    esac\n}}\n_holdfast_is_path() {{ [[ $1 == @({paths}) ]]; }}\n'
        return text + f'_holdfast_is_flag() {{ [[ $1 == @({flags}) ]]; }}\n'

    def tables(self):
        found = {"manual-commands": self.command_list, "manual-environment": self.environment,
                 "completion": self.completion}
        for name in self.paged():
            found[f"manual-name-{name}"] = lambda name=name: self.name(name)
            found[f"manual-options-{name}"] = lambda name=name: self.option_list(name)
        return found

    def missing(self, root):
        """{path: text} of the pages that commands should have and have not."""
        pages = {root / FOLDER / f"holdfast-{name}.1": name for name in self.paged()}
        return {path: NEW_PAGE.format(name=name, upper=name.upper())
                for path, name in pages.items() if not path.exists()}


def pages(root):
    """The files with marked places."""
    return [*sorted((root / FOLDER).glob("*.[1-8]")), root / COMPLETION]


# .\" table: NAME ... .\" end in a manual page, # table: NAME ... # end in a script.
BLOCK = re.compile(r'((?:\.\\"|#) table: ([a-z-]+)\n)(.*?)((?:\.\\"|#) end\n)', re.S)
