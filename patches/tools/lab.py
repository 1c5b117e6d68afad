#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make lab: a student's own tree of the course, made from this source.

    lab.py list
        the labs, a line each
    lab.py make N DIR
        this tree's files at DIR, with the holes of lab N (its holes.patch), as a git repository of
        one commit
    lab.py diff N TREE
        prints the patch from this source to TREE's files of lab N: what holes.patch and the wrong
        solutions are made by
    lab.py grades N TABLE WORD DIR...
        for who teaches: points of the files handed in in each DIR, put into a fresh tree; in words,
        and into the file TABLE (CSV); of tests with WORD in their name ("": all)

A lab is a folder of patches/labs: README.md is the student's page; lab.toml says what is the
student's to edit and which tests give how many points; holes.patch takes out of the source what is
to be written; tree/, if there is one, is laid over the student's. The solution is the source
itself (and solution/, of what is not in it)."""
import csv
import difflib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import port

ROOT = Path(__file__).resolve().parents[2]
LABS = ROOT / "patches/labs"
# What no student is given: the labs themselves, and what was built.
KEPT_BACK = ("patches/labs/", "build/", ".git/")
AUTHOR = ["-c", "user.name=Domus", "-c", "user.email=domus@localhost", "-c", "commit.gpgsign=false",
          "-c", "init.defaultBranch=main", "-c", "core.autocrlf=false"]


class Refused(Exception):
    """What cannot be done; the text says what to do instead."""


def labs():
    """{number: folder}."""
    found = {int(path.name.split("-")[0]): path for path in LABS.glob("[0-9]*-*")}
    if not found:
        raise Refused("there are no labs here (patches/labs): this is a lab's own tree. Type "
                      "`make grade`, or `make lab` where Domus was cloned")
    return dict(sorted(found.items()))


def folder_of(number):
    found = labs()
    if not str(number).isdigit() or int(number) not in found:
        raise Refused(f"N={number}: there is no such lab. `make lab` lists them: N=1 to "
                      f"N={max(found)}")
    return found[int(number)]


def read(folder):
    lab = tomllib.loads((folder / "lab.toml").read_text())
    lab["number"] = int(folder.name.split("-")[0])
    return lab


def points_of(task):
    return sum(int(test.split()[0]) for test in task["tests"])


def listing():
    lines = ["The course's labs. `make lab N=2 DIR=~/lab2` makes your own tree of one; `make "
             "grade` there", "says your points. For who teaches: patches/labs/README.md.", ""]
    for number, folder in labs().items():
        lab = read(folder)
        points = sum(map(points_of, lab["task"]))
        lines.append(f"  N={number}  {lab['title']:60} {points:3} points, {lab['hours']} hours")
    return "\n".join(lines)


# --- a tree ---------------------------------------------------------------------------------------
def source_files():
    """This tree's files, by name."""
    listed = subprocess.run(["git", "ls-files", "-zco", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True)
    if listed.returncode == 0:
        names = listed.stdout.split("\0")
    else:
        names = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*"))
    return sorted(name for name in names if (ROOT / name).is_file()
                  and not name.startswith(KEPT_BACK) and "__pycache__" not in name)


def git(tree, *words):
    done = subprocess.run(["git", *AUTHOR, *words], cwd=tree, capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout


def apply(tree, patch):
    try:
        # a comment beside a hole may change
        git(tree, "apply", "-C1", "--whitespace=nowarn", str(patch))
    except Refused as problem:
        raise Refused(f"{patch.relative_to(ROOT)} does not fit today's source: {problem}. "
                      f"Make it anew: patches/tools/lab.py diff (patches/labs/README.md)")


def copy(name, source, tree):
    target = tree / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source / name, target)


def description(lab):
    """What the grader must know, in the student's tree: nothing of the solutions."""
    given = {key: lab[key] for key in ("number", "title", "files", "task")}
    return json.dumps(given, indent=1) + "\n"


def make_port(lab, tree):
    """The teaching kernel with the series, as a folder of the tree."""
    shutil.copytree(ROOT / "patches/insula", tree / lab["port"])
    for patch in port.series(ROOT / "patches/series", lab["step"]):
        port.apply_patch(tree / lab["port"], patch)


def base(tree, folder, lab):
    """The source that lab's holes are made in."""
    without = tuple(lab.get("without", ()))
    for name in source_files():
        if not name.startswith(without):
            copy(name, ROOT, tree)
    if "port" in lab:
        make_port(lab, tree)
    (tree / "lab").mkdir()
    shutil.copy2(folder / "README.md", tree / "lab/README.md")
    (tree / "lab/lab.json").write_text(description(lab))


def make(number, where):
    folder, tree = folder_of(number), Path(where).expanduser().absolute()
    lab = read(folder)
    if not shutil.which("git"):
        raise Refused("git is not installed. `make deps` installs what Domus is built with")
    if tree.exists():
        raise Refused(f"{tree} is there already, and stays as it is. Name another DIR, or delete "
                      f"it first if nothing in it is worth keeping")
    if not tree.parent.is_dir():
        raise Refused(f"there is no folder {tree.parent} to make {tree.name} in")
    tree.mkdir()
    git(tree, "init", "-q")
    base(tree, folder, lab)
    for laid in ("tree", "solution"):
        if (folder / laid).is_dir():
            shutil.copytree(folder / laid, tree, dirs_exist_ok=True)
    apply(tree, folder / "holes.patch")
    git(tree, "add", "-A", "-f")
    git(tree, "commit", "-q", "-m", f"Lab {lab['number']}: {lab['title']}, as handed out")
    return lab, tree


def handed_out(lab, tree):
    return f"""Lab {lab['number']}, {lab['title']}: {tree}
Read lab/README.md there. What is yours to edit:
{chr(10).join('  ' + name for name in lab['files'])}
`make grade` there says your points. Commit as you go; the first commit is what you were given."""


# --- patches of a lab -----------------------------------------------------------------------------
def solution(number, target):
    """The solution's files of a lab, at target: the source's, or the port's, or those of the lab's
    folder solution/."""
    folder = folder_of(number)
    lab = read(folder)
    with tempfile.TemporaryDirectory() as scratch:
        places = [folder / "solution", ROOT]
        if "port" in lab:
            make_port(lab, Path(scratch))
            places.insert(0, Path(scratch))
        for name in lab["files"]:
            file = Path(target) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            # new for make, too
            shutil.copyfile(next(place / name for place in places if (place / name).is_file()),
                            file)
    return lab


def diff(number, tree):
    with tempfile.TemporaryDirectory() as right:
        for name in solution(number, right)["files"]:
            old, new = ((Path(place) / name).read_text().splitlines(True)
                        for place in (right, tree))
            sys.stdout.writelines(difflib.unified_diff(old, new, f"a/{name}", f"b/{name}"))


# --- a class --------------------------------------------------------------------------------------
def is_linked(source, name):
    """A link there, or above it, may lead anywhere: to another student's file, or one of ours."""
    places = [Path(name), *Path(name).parents][:-1]
    return any((source / place).is_symlink() for place in places)


def put_in(lab, source, tree):
    """The student's files out of what was handed in; why others are as they were handed out."""
    problems = []
    for name in lab["files"]:
        linked = is_linked(source, name)
        if linked or not (source / name).is_file():
            problems.append(f"a link, which is not followed: {name}" if linked
                            else f"not handed in: {name}")
            git(tree, "checkout", "-q", "HEAD", "--", name)
        elif (source / name).read_bytes() != (tree / name).read_bytes():
            shutil.copy(source / name, tree / name)
    return problems


def graded(tree, word):
    """What the tree's own grader says."""
    done = subprocess.run([sys.executable, "patches/tools/grade.py", ".", word], cwd=tree,
                          capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"{tree}: {done.stderr.strip()}")
    return json.loads((tree / "build/grade.json").read_text())


def grades(number, table, word, *sources):
    folder_of(number)
    if not sources:
        raise Refused('FROM="DIR..." names the trees that were handed in')
    if bad := [name for name in sources if not Path(name).expanduser().is_dir()]:
        raise Refused(f"FROM={' '.join(bad)}: no such folder")
    # not below build/, where make would take its dependencies for ours
    with tempfile.TemporaryDirectory() as scratch:
        rows = grade_each(*make(number, Path(scratch) / "tree"), word, sources)
    Path(table).parent.mkdir(parents=True, exist_ok=True)
    with Path(table).open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    print(f"  {table}")


def grade_each(lab, tree, word, sources):
    rows = []
    for name in sources:
        problems = put_in(lab, Path(name).expanduser(), tree)
        found = graded(tree, word)
        if not rows:
            rows.append(["who", *(task["name"] for task in found["tasks"]), "points"])
        row = [Path(name).name or name, *(task["has"] for task in found["tasks"]), found["points"]]
        rows.append(row)
        print(f"  {row[0]:30} {row[-1]:3} of {found['of']}  " + "  ".join(
            f"{task['name']} {task['has']}/{task['of']}" for task in found["tasks"]) +
            (f"  ({'; '.join(problems)})" if problems else ""), flush=True)
    return rows


def main(words):
    match words:
        case ["list"]:
            print(listing())
        case ["make", number, where] if where:
            print(handed_out(*make(number, where)))
        case ["make", number, *_]:
            folder_of(number)
            raise Refused(f"where to? make lab N={number} DIR=~/lab{number}")
        case ["diff", number, tree]:
            diff(number, tree)
        case ["grades", number, table, word, *sources]:
            grades(number, table, word, *sources)
        case ["--help"]:
            print(__doc__)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as problem:
        sys.exit(f"make {'grades' if sys.argv[1] == 'grades' else 'lab'}: {problem}")
    except BrokenPipeError:
        os._exit(1)
