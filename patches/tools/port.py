#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The port of Insula, mechanically: apply the series to a copy of the kernel, build the copy.

    port.py apply NATIVE SERIES TREE [STEP]
        copies NATIVE to TREE and applies the first STEP patches (all by default); a TREE in which
        somebody has edited a file stays as it is, and says so
    port.py step SERIES STEP
        is there such a patch? If not, says what there is
    port.py build TREE ELF [OBJECTS]
        compiles what TREE/SOURCES lists, into TREE/obj or OBJECTS, and links it; the tools and
        their flags come from the environment: CC CFLAGS NASM LD LDFLAGS LIBS
    port.py says SERIES STEP
        prints the subject of patch STEP, and how far its kernel gets

A patch is a unified diff below a header; the header's first line is its subject, its "Gets:" line
says how far the kernel gets. There is no fuzz: a hunk fits exactly or the patch is refused."""
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def series(folder, step=None):
    names = (Path(folder) / "series").read_text().split()
    return [Path(folder) / name for name in names[:step]]


def header_of(patch):
    return patch.read_text().split("\n--- ", 1)[0]


def gets_of(patch):
    match = re.search(r"^Gets: (.*?)(?:\n\n|\Z)", header_of(patch), re.S | re.M)
    return " ".join(match.group(1).split()) if match else "not said"


def apply_hunk(lines, hunk, shift, where):
    """Replaces the hunk's old lines by its new ones; returns how much longer the file is."""
    start = int(re.match(r"@@ -(\d+)", hunk[0]).group(1))
    old = [line[1:] for line in hunk[1:] if line[0] in " -"]
    new = [line[1:] for line in hunk[1:] if line[0] in " +"]
    at = start - 1 + shift if old else start + shift
    if lines[at:at + len(old)] != old:
        sys.exit(f"{where}: hunk {hunk[0]} does not fit")
    lines[at:at + len(old)] = new
    return len(new) - len(old)


def apply_patch(tree, patch):
    lines = patch.read_text().split("\n")
    i = 0
    while i < len(lines):
        if not (lines[i].startswith("--- ") and lines[i + 1].startswith("+++ ")):
            i += 1
            continue
        old, new = lines[i].split()[1], lines[i + 1].split()[1]
        name = (old if new == "/dev/null" else new).split("/", 1)[1]
        target = tree / name
        content = [] if old == "/dev/null" else target.read_text().split("\n")[:-1]
        i, shift = i + 2, 0
        while i < len(lines) and lines[i].startswith("@@"):
            end = i + 1
            while end < len(lines) and lines[end][:1] in (" ", "+", "-") and lines[end] != "":
                end += 1
            shift += apply_hunk(content, lines[i:end],
                                0 if old == "/dev/null" else shift, f"{patch.name}: {name}")
            i = end
        if new == "/dev/null":
            target.unlink()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("\n".join(content) + "\n")


# in a tree: the files that apply() has made, by the sums of their contents
MADE = ".made.json"


def sums(tree):
    """{name: sum} of a tree's files, less what building it makes."""
    paths = (path for path in sorted(tree.rglob("*")) if path.is_file() and path.name != MADE)
    names = {path.relative_to(tree).as_posix(): path for path in paths}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in names.items() if not name.startswith("obj/")}


def edited(tree):
    """The files of a tree that are not as apply() has made them."""
    if not (tree / MADE).exists():
        return []
    made, now = json.loads((tree / MADE).read_text()), sums(tree)
    return sorted(name for name in made.keys() | now.keys() if made.get(name) != now.get(name)
                  and not name.endswith(".elf"))


def apply(native, folder, tree, step=None):
    tree = Path(tree)
    if names := edited(tree):
        print(f"  EDITED  {tree}: {', '.join(names)}; built as it is. Delete that folder to begin "
              f"anew.", flush=True)
        return
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(native, tree)
    for patch in series(folder, step and int(step)):
        if not os.environ.get("QUIET"):
            print(f"  PATCH   {patch.name}", flush=True)
        apply_patch(tree, patch)
    (tree / MADE).write_text(json.dumps(sums(tree)))


def check_step(folder, step):
    last = len(series(folder))
    if not (step.isdigit() and step == str(int(step)) and 1 <= int(step) <= last):
        sys.exit(f"STEP={step}: there is no such patch. The series has {last}, from STEP=1 to "
                 f"STEP={last}:\n" +
                 "\n".join(f"  {number:2}  {header_of(patch).splitlines()[0]}" for number,
                           patch in enumerate(series(folder), 1)))


def sources(tree):
    """The files that SOURCES names, in its order."""
    lines = (Path(tree) / "SOURCES").read_text().splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


def compile_one(tree, objects, name):
    target = objects / (name + ".o")
    target.parent.mkdir(parents=True, exist_ok=True)
    tool = os.environ["CC"] + " -c " if name.endswith(".c") \
        else os.environ["NASM"] + " -f elf64 -g -F dwarf "
    flags = os.environ["CFLAGS"] + f" -I{tree}/include" if name.endswith(".c") else ""
    return subprocess.run([*shlex.split(tool + flags),
                           "-o", str(target), str(tree / name)]).returncode, str(target)


def build(tree, elf, objects=None):
    tree = Path(tree)
    if not (tree / "SOURCES").is_file():
        sys.exit(f"TREE={tree}: there is no kernel (it has a file SOURCES). A tree of your own is "
                 f"a copy: `make port STEP=5`, then cp -r build/port/step-5 SOMEWHERE")
    objects = Path(objects or tree / "obj")
    names = [name for name in sources(tree) if name.endswith((".c", ".asm"))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda name: compile_one(tree, objects, name), names))
    if any(code for code, _ in results):
        sys.exit(1)
    Path(elf).parent.mkdir(parents=True, exist_ok=True)
    libraries = ["--start-group", *shlex.split(os.environ["LIBS"]), "--end-group"]
    link = [*shlex.split(os.environ["LD"] + " " + os.environ["LDFLAGS"]),
            "-o", elf, *[o for _, o in results], *libraries]
    sys.exit(subprocess.run(link).returncode)


def says(folder, step):
    patch = series(folder, int(step))[-1]
    print(f"{patch.name}: {header_of(patch).splitlines()[0]}\n  gets: {gets_of(patch)}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--help"]:
        sys.exit(print(__doc__))
    commands = {"apply": apply, "build": build, "says": says, "step": check_step}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
