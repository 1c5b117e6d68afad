# SPDX-License-Identifier: MIT
"""The course (patches/labs): each lab's patch fits today's source; what is handed out has no points
and says why, the solution has all of them, and each wrong solution that is kept beside the lab
loses those it should. And what `make lab`, `make grade` and `make grades` say to people."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree

import pytest

import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "patches/tools"))
import lab  # noqa: E402

# What is built is taken over: a lab's tree compiles what its patch changes.
BUILT = ["gen", "hv-obj", "guest-obj", "guests", "headers", "unit", "native", "loader.elf",
         "loader.elf.o", "libpvguest.a", "libpvdrivers.a", "domus.elf"]
QUIET = {name: value for name, value in os.environ.items()
         if not name.startswith(("MAKE", "MFLAGS", "DOMUS_SMP"))}


def run(*words, cwd=ROOT):
    return subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True,
                          env=QUIET)


def take_built(tree):
    """The tree's build is this one's."""
    built = [machine.BUILD / name for name in BUILT]
    built = [path for path in built + [path.with_name(path.name + ".parts") for path in built]
             if path.exists()]
    shutil.rmtree(tree / "build", ignore_errors=True)
    (tree / "build").mkdir()
    subprocess.run(["cp", "-a", "--reflink=auto", *built, tree / "build"], check=True)


def make_lab(number):
    tree = (machine.BUILD / "labs" / str(number)).absolute()
    shutil.rmtree(tree, ignore_errors=True)
    tree.parent.mkdir(parents=True, exist_ok=True)
    made, _ = lab.make(number, tree)
    take_built(tree)
    return made, tree


def solve(number, tree):
    """As old as what was built of it: nothing is to be compiled."""
    take_built(tree)
    for name in lab.solution(number, tree)["files"]:
        if (ROOT / name).exists():
            shutil.copystat(ROOT / name, tree / name)


def graded(tree):
    """({task: points}, {test: why not})."""
    done = run("make", "grade", cwd=tree)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tree / "build/grade.json").read_text())
    tests = [test for task in found["tasks"] for test in task["tests"]]
    return ({task["name"]: task["has"] for task in found["tasks"]},
            {test["name"]: test["why"] for test in tests if test["why"]})


@pytest.mark.parametrize("number", lab.labs())
def test_a_lab(number):
    described, tree = make_lab(number)
    tasks = {task["name"]: lab.points_of(task) for task in described["task"]}
    points, why = graded(tree)
    assert not any(points.values()), f"points for nothing: {points}"
    assert all(text and "without saying" not in text for text in why.values()), why
    solve(number, tree)
    points, why = graded(tree)
    assert points == tasks, why
    assert len(described["wrong"]) >= 2
    for wrong in described["wrong"]:
        solve(number, tree)
        lab.apply(tree, lab.folder_of(number) / wrong["patch"])
        points, why = graded(tree)
        assert points == wrong["has"], f"{wrong['what']}: {why}"
        assert sum(points.values()) < sum(tasks.values())
