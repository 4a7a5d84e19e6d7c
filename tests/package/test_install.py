"""`cmake --install`: what is there, that it runs from where it was put, and what is not there."""

import os
import re
import shutil
import stat
import subprocess

import pytest

from harness import place
from release import PROGRAM, call, files_below, install

COMPLETION = "share/bash-completion/completions/holdfast"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Installed below one prefix, and then moved to another."""
    folder = tmp_path_factory.mktemp("install")
    install(folder / "first")
    (folder / "first").rename(folder / "moved")
    return folder / "moved"


def test_everything_is_there(installed):
    found = files_below(installed)
    for name in ("bin/holdfast", "share/holdfast/sql/90_grants.sql",
                 "share/holdfast/migrations/0001_configuration.sql",
                 "share/holdfast/thingworx/holdfast-bulk.xml", "share/holdfast/server/roles.sql",
                 "share/holdfast/server/postgresql.conf", "share/doc/holdfast/README.md",
                 "share/doc/holdfast/guarantees.md", "share/doc/holdfast/examples/holdfast.conf",
                 "share/man/man1/holdfast.1", "share/man/man1/holdfast-migrate.1",
                 "share/man/man5/holdfast.conf.5", "etc/holdfast/holdfast.conf",
                 "lib/systemd/system/holdfast.service", "lib/systemd/system/holdfast@.service",
                 "share/holdfast/prometheus/holdfast.rules.yml",
                 "share/holdfast/grafana/holdfast.json", COMPLETION):
        assert name in found
    for folder in ("migrations", "sql"):
        assert files_below(installed / "share/holdfast" / folder) == {
            name for name in files_below(place.ROOT / folder) if name.endswith(".sql")}
    assert (installed / "etc/holdfast/secrets").is_dir()


def test_nothing_else_is_there(installed):
    found = files_below(installed)
    assert [name for name in found if re.search(r"(^|/)(tests?|lab)\b|holdfast-lab|\.[ach]$|\.py$",
                                                name)] == []
    assert [name for name in found if name.startswith("bin/")] == ["bin/holdfast"]


def test_what_may_hold_a_password_is_not_for_all(installed):
    for name in ("holdfast.conf", "secrets"):
        mode = stat.S_IMODE((installed / "etc/holdfast" / name).stat().st_mode)
        assert mode & 0o007 == 0, f"{name}: {mode:o}"


def test_it_migrates_a_database_with_its_own_sql(installed, postgres):
    """From where it stands now: neither the sources nor the first prefix are asked."""
    postgres.create_database("installed")
    environment = {name: value for name, value in os.environ.items() if name != "HOLDFAST_SQL_DIR"}
    environment["HOLDFAST_DATABASE"] = postgres.dsn("holdfast_migrate", "installed")
    program = installed / "bin/holdfast"
    check = [program, "migrate", "--check"]
    assert subprocess.run(check, env=environment, check=False, capture_output=True).returncode == 1
    call(program, "migrate", env=environment)
    call(*check, env=environment)
    # Without its SQL it says which folder it looked into.
    shutil.move(installed / "share/holdfast/sql", installed / "share/holdfast/other")
    done = subprocess.run(check, env=environment, check=False, capture_output=True, text=True)
    shutil.move(installed / "share/holdfast/other", installed / "share/holdfast/sql")
    assert done.returncode != 0
    assert f"{installed}/bin/../share/holdfast" in done.stderr


def test_version_names_the_commit_and_the_build(installed):
    told = call(installed / "bin/holdfast", "--version")
    version = re.search(r"^project\(holdfast VERSION (\S+)",
                        (place.ROOT / "CMakeLists.txt").read_text(), re.M).group(1)
    assert re.fullmatch(rf"holdfast {re.escape(version)} \((git \S+, )?RelWithDebInfo\)\n", told)
    described = subprocess.run(["git", "-C", place.ROOT, "describe", "--always"], check=False,
                               capture_output=True)  # refused where the checkout is another user's
    if (place.ROOT / ".git").exists() and described.returncode == 0:
        assert "git " in told
    others = [path for path in [place.ROOT / "CMakeLists.txt",
                                *(place.ROOT / "cmake").iterdir(), *(place.ROOT / "src").rglob("*.?"),
                                *(place.ROOT / "docs/man").iterdir()]
              if f'"{version}"' in path.read_text(encoding="utf-8")]
    assert others == [], "the version stands in one place only"


def test_units_name_the_folders_they_were_installed_to(tmp_path):
    """DESTDIR is not part of them; what is below /usr has its configuration in /etc."""
    install("/usr", destdir=tmp_path)
    assert (tmp_path / "etc/holdfast/holdfast.conf").exists()
    assert not (tmp_path / "usr/etc").exists()
    for name in ("holdfast.service", "holdfast@.service"):
        unit = (tmp_path / "usr/lib/systemd/system" / name).read_text()
        assert "\nExecStart=/usr/bin/holdfast node" in unit
        assert "\nEnvironmentFile=/etc/holdfast/holdfast.conf\n" in unit
        assert str(tmp_path) not in unit and "@bindir@" not in unit and "@common@" not in unit
    # What an administrator has written survives another installation.
    (tmp_path / "etc/holdfast/holdfast.conf").write_text("HOLDFAST_NAME=mine\n")
    install("/usr", destdir=tmp_path)
    assert (tmp_path / "etc/holdfast/holdfast.conf").read_text() == "HOLDFAST_NAME=mine\n"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_units_are_understood_and_closed(tmp_path):
    install(tmp_path / "here")
    for name in ("holdfast.service", "holdfast@a.service"):
        unit = tmp_path / "here/lib/systemd/system" / name
        if not unit.exists():
            unit.symlink_to("holdfast@.service")
        said = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], check=False,
                              capture_output=True, text=True).stderr
        assert [line for line in said.splitlines() if "holdfast" in line] == [], said
    scored = call("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15",
                  tmp_path / "here/lib/systemd/system/holdfast.service")
    print(scored.splitlines()[-1])


@pytest.mark.skipif(shutil.which("lexgrog") is None, reason="there is no man-db")
def test_manual_pages_are_found_and_read(installed):
    pages = sorted((installed / "share/man").rglob("*.[1-8]"))
    commands = re.findall(r"^  (\w+) ", call(PROGRAM, "help"), re.M)
    for command in set(commands) - {"version", "options", "help"}:
        assert installed / f"share/man/man1/holdfast-{command}.1" in pages
    for page in pages:
        call("lexgrog", page)
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)],
                              check=False, capture_output=True, text=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
        assert (done.returncode, done.stderr) == (0, "")


def complete(script, *words):
    """What bash offers behind these words."""
    quoted = " ".join(f"'{word}'" for word in words)
    told = call("bash", "--norc", "-c", f"source '{script}'; COMP_WORDS=({quoted});"
                f" COMP_CWORD={len(words) - 1}; _holdfast; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    return told.split()


def test_bash_completes(installed):
    script = installed / COMPLETION
    assert complete(script, "holdfast", "mi") == ["migrate"]
    assert complete(script, "holdfast", "migrate", "--c") == ["--check"]
    assert complete(script, "holdfast", "migrate", "--check", "--d") == ["--database"]
    assert complete(script, "holdfast", "node", "--log-format", "j") == ["json"]
    assert complete(script, "holdfast", "node", "--log-format", "=", "lo") == ["logfmt"]
    assert complete(script, "holdfast", "node", "--name", "") == []
    assert "--discard" not in complete(script, "holdfast", "migrate", "--")


def test_every_option_is_completed(installed):
    for command in set(re.findall(r"^  (\w+) ", call(PROGRAM, "help"), re.M)):
        done = subprocess.run([PROGRAM, command, "--help"], check=False, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL)
        options = set(re.findall(r"^  (--[a-z-]+)", done.stdout, re.M))
        if command in ("version", "options", "help"):
            continue
        assert options and options == set(complete(installed / COMPLETION, "holdfast", command,
                                                   "--")), command
