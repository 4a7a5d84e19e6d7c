#!/usr/bin/python3
"""clang-tidy over the files that changed since they were last found clean, two at a time.

usage: tidy.py BUILD_FOLDER   (the one that holds compile_commands.json)
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import sources

FOLDERS = ("src", "tests/lab", "tests/unit")


def shared_state():
    """What the verdict on every file depends on: all headers and the configuration."""
    digest = hashlib.sha256()
    for path in [pathlib.Path(".clang-tidy"), *sources.files(*FOLDERS, suffixes=(".h",))]:
        digest.update(str(path).encode() + b"\0" + (sources.ROOT / path).read_bytes())
    return digest.digest()


def verdict(path, build, stamps, shared):
    """The findings in one file, "" when it is clean."""
    content = (sources.ROOT / path).read_bytes()
    key = hashlib.sha256(shared + str(path).encode() + b"\0" + content).hexdigest()
    stamp = stamps / key
    if stamp.exists():
        return ""
    done = subprocess.run(["clang-tidy", "--quiet", "-p", str(build), str(path)],
                          cwd=sources.ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        stamp.touch()
        return ""
    return done.stdout or done.stderr


def main():
    build = sources.ROOT / sys.argv[1]
    stamps = build / "clang-tidy"
    stamps.mkdir(exist_ok=True)
    known = {os.path.normpath(os.path.join(entry["directory"], entry["file"]))
             for entry in json.loads((build / "compile_commands.json").read_text())}
    paths = [path for path in sources.files(*FOLDERS, suffixes=(".c",))
             if str(sources.ROOT / path) in known]
    shared = shared_state()
    dirty = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        for found in pool.map(lambda path: verdict(path, build, stamps, shared), paths):
            if found:
                dirty += 1
                print(found, end="", flush=True)
    print(f"clang-tidy: {len(paths)} files, {dirty} with findings")
    sys.exit(1 if dirty or not paths else 0)


if __name__ == "__main__":
    main()
