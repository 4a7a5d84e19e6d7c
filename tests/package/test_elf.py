"""What the release program is hardened with, read from the program itself."""

import json
import platform
import re

import pytest

from release import BUILD, readelf


def imports():
    return set(re.findall(r"UND\s+(\w+)@", readelf("--dyn-syms")))


def commands():
    """{source below src/: how it was compiled}"""
    return {entry["file"]: entry["command"]
            for entry in json.loads((BUILD / "compile_commands.json").read_text())
            if "/src/" in entry["file"] and "/tests/" not in entry["file"]}


def test_runs_at_an_address_that_nobody_knows():
    assert re.search(r"Type:\s+DYN", readelf("--file-header"))
    assert re.search(r"FLAGS_1.*\bPIE\b", readelf("--dynamic"))


def test_tables_of_functions_cannot_be_overwritten():
    assert "GNU_RELRO" in readelf("--program-headers")
    assert re.search(r"FLAGS_1.*\bNOW\b", readelf("--dynamic"))


def test_nothing_is_both_writable_and_executable():
    segments = re.findall(r"^\s*(LOAD|GNU_STACK)\s+(?:0x\w+\s+){5}([RWE ]{3})",
                          readelf("--program-headers"), re.M)
    assert "GNU_STACK" in dict(segments)
    assert [rights for _kind, rights in segments if "W" in rights and "E" in rights] == []


def test_libraries_come_from_the_system_only():
    assert not re.search(r"\((RPATH|RUNPATH)\)", readelf("--dynamic"))


def test_overruns_are_noticed():
    names = imports()
    assert "__stack_chk_fail" in names
    assert len([name for name in names if name.endswith("_chk")]) >= 5, names
    for name in ("sprintf", "strcpy", "gets"):
        assert name not in names


@pytest.mark.skipif(platform.machine() != "x86_64", reason="control-flow protection is of x86")
def test_jumps_go_where_they_may():
    """Of our own code: Debian's start files do not carry the note, so the linker drops it."""
    for library in sorted(BUILD.glob("libhf_*.a")):
        told = readelf("--notes", program=library)
        objects = told.count("File: ")
        assert objects
        assert len(re.findall(r"x86 feature: IBT, SHSTK", told)) == objects, library.name


def test_every_file_is_compiled_so():
    flags = ["-O2", "-fPIE", "-fstack-protector-strong", "-fstack-clash-protection",
             "-D_FORTIFY_SOURCE=3"]
    missing = {file: [flag for flag in flags if flag not in command.split()]
               for file, command in commands().items()}
    assert missing and not any(missing.values()), {k: v for k, v in missing.items() if v}
