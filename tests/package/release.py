"""The release build, and what is made from it: an installation, a Debian package."""

import functools
import pathlib
import os
import subprocess
import tempfile

from harness import place

BUILD = place.ROOT / "build/release"
PROGRAM = BUILD / "holdfast"


def call(*command, **more):
    """Runs a command that must succeed; gives its output."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          check=False, **more)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def readelf(*arguments, program=PROGRAM):
    return call("readelf", "--wide", *arguments, program)


def install(prefix, destdir=None):
    environment = {**os.environ, **({"DESTDIR": str(destdir)} if destdir else {})}
    call("cmake", "--install", BUILD, "--prefix", prefix, env=environment)


@functools.cache
def debian_package():
    """Builds the package, outside the build tree; gives its path."""
    folder = tempfile.TemporaryDirectory(prefix="holdfast-deb-")
    debian_package.folder = folder  # as long as the process lives
    call("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", folder.name)
    return next(pathlib.Path(folder.name).glob("holdfast_*.deb"))


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
