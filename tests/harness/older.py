"""An older commit of this repository: its SQL, and a build of it."""

import io
import os
import pathlib
import subprocess
import tarfile

from harness import place

# Nodes of the commits of this list must work beside those of today. The first is what the catalog is
# compared with, and what `./dev upgrade-test` builds unless told otherwise. When a release is made,
# its commit takes the place of the first.
COMMITS = ["2ee5d76"]
# Builds since then join a database that has been migrated past them, if it says that it serves them.
# Older ones are told the SQL of the newer build by HOLDFAST_SQL_DIR.
SERVED_SINCE = "sql/50_admin/schema_serves.sql"


def known(commit):
    """Whether the history reaches back so far: it does not in a shallow clone, or an archive."""
    return subprocess.run(["git", "-C", str(place.ROOT), "cat-file", "-e", f"{commit}^{{commit}}"],
                          capture_output=True, check=False).returncode == 0


def extract(commit, folder, *paths):
    """The tree of the commit, or some paths of it, below `folder`; gives that."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Below the top of a repository, as a copy in build/ is, only that part would be archived.
    top = subprocess.run(["git", "-C", str(place.ROOT), "rev-parse", "--show-toplevel"],
                         capture_output=True, text=True, check=True).stdout.strip()
    done = subprocess.run(["git", "-C", top, "archive", commit, *paths],
                          capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder)
    return folder


def build(commit):
    """(program, tree) of a release build of the commit, made once, in a folder of its own."""
    home = place.ROOT / "build" / "older" / commit
    tree, out = home / "tree", home / "release"
    program = out / "holdfast"
    if not program.exists():
        extract(commit, tree)
        environment = {**os.environ, "CCACHE_BASEDIR": str(tree)}
        for command in (["cmake", "-S", tree, "-B", out, "-G", "Ninja",
                         "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DBUILD_TESTING=OFF"],
                        ["ninja", "-C", out, "holdfast"]):
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                                  check=False, env=environment)
            if done.returncode:
                raise RuntimeError(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return program, tree
