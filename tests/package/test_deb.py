"""The Debian package, looked at and unpacked; `./dev package-test` installs it in a clean system."""

import os
import re
import shutil
import stat
import subprocess

import pytest

from release import call, debian_package, files_below

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("dpkg-deb", "dpkg-shlibdeps", "file"))),
    reason="this needs dpkg-dev and file")
SCRIPTS = {"postinst", "prerm", "postrm"}


@pytest.fixture(scope="module")
def package():
    return debian_package()


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    call("dpkg-deb", "--raw-extract", package, folder)
    return folder


def field(package, name):
    return call("dpkg-deb", "--field", package, name).strip()


def test_depends_on_what_it_links_and_no_more(package):
    depends = {part.split()[0] for part in field(package, "Depends").split(", ")}
    assert {"libc6", "libpq5", "libevent-2.1-7", "libqpid-proton11", "adduser"} <= depends
    assert not [name for name in depends if name.endswith("-dev") or "asan" in name], depends
    assert field(package, "Package") == "holdfast"


def test_configuration_survives_an_upgrade(package, unpacked):
    conffiles = (unpacked / "DEBIAN/conffiles").read_text().split()
    shipped = {"/" + name for name in files_below(unpacked) if name.startswith("etc/")}
    assert set(conffiles) == shipped == {"/etc/holdfast/holdfast.conf"}
    assert (unpacked / "etc/holdfast/secrets").is_dir()
    for name in ("holdfast.conf", "secrets"):
        assert stat.S_IMODE((unpacked / "etc/holdfast" / name).stat().st_mode) & 0o007 == 0


def test_scripts_of_the_package_are_shell(unpacked):
    assert SCRIPTS <= {path.name for path in (unpacked / "DEBIAN").iterdir()}
    for name in SCRIPTS:
        script = unpacked / "DEBIAN" / name
        assert os.access(script, os.X_OK)
        assert script.read_text().startswith("#!/bin/sh\n")
        call("sh", "-n", script)


def test_it_is_as_debian_wants_it(unpacked):
    found = files_below(unpacked)
    assert "usr/share/doc/holdfast/copyright" in found
    assert "usr/share/doc/holdfast/changelog.gz" in found
    pages = [name for name in found if "/man/" in name]
    assert pages and all(name.endswith(".gz") for name in pages)
    outside = [name for name in found if not re.match(r"(usr|etc/holdfast|DEBIAN)/", name)]
    assert outside == []
    assert [name for name in found if "tests/" in name or "holdfast-lab" in name] == []


def test_the_program_is_stripped_and_runs(unpacked):
    program = unpacked / "usr/bin/holdfast"
    sections = call("readelf", "--wide", "--section-headers", program)
    assert ".debug_info" not in sections and ".symtab" not in sections
    done = subprocess.run([program, "migrate", "--check", "--database", "host=/nowhere"], check=False,
                          capture_output=True, text=True)
    assert "migrations" not in done.stderr, "it found its SQL"
    assert done.returncode == 1


@pytest.mark.skipif(shutil.which("lintian") is None, reason="there is no lintian")
def test_lintian_has_no_complaint(package):
    done = subprocess.run(["lintian", "--fail-on", "error,warning", "--allow-root", package],
                          check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
