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
# A grader that does not wait long for what hangs, as holes do.
OURS = "MAKE", "MFLAGS", "DOMUS_SMP", "DOMUS_HYPERVISOR", "DEBUG"   # this run's, not a student's
QUIET = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} \
    | {"GRADE_SECONDS": "8"}


def run(*words, cwd=ROOT, **variables):
    return subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True,
                          env=QUIET | variables)


def objects_of(words):
    """What the unit tests of these names are linked from."""
    parts = [machine.BUILD / f"unit/{word}/test.parts" for word in words]
    return {found for path in parts if path.exists()
            for found in re.findall(r"unit/with/\S+(?=\.o\b)", path.read_text())}


def is_wanted(words, objects, name):
    """Of the unit tests and guests, which are large, those that the lab's tests name."""
    if name.parts[0] == "guests":
        return name.stem.removeprefix("test-") in words
    if name.parts[:2] == ("unit", "with"):
        return name.with_suffix("").as_posix() in objects
    return name.parts[0] != "unit" or len(name.parts) == 2 or name.parts[1] in words


def files_of(build, words):
    """{name: (when, how large)} of what is taken over."""
    parts = [build / name for name in BUILT]
    parts += [path.with_name(path.name + ".parts") for path in parts]
    paths = [file for path in parts for file in ([path] if path.is_file() else path.rglob("*"))]
    names, objects = [path.relative_to(build) for path in paths], objects_of(words)
    return {name: (stat.st_mtime_ns, stat.st_size) for name in names
            if (build / name).is_file() and is_wanted(words, objects, name)
            for stat in [(build / name).stat()]}


def take_built(tree):
    """The tree's build is this one's; only what differs is copied."""
    described = json.loads((tree / "lab/lab.json").read_text())
    words = {word for task in described["task"] for test in task["tests"] for word in test.split()}
    ours, its = (files_of(build, words | {"bench"}) for build in (machine.BUILD, tree / "build"))
    for name in its.keys() - ours.keys():
        (tree / "build" / name).unlink()
    for name, stat in ours.items():
        if its.get(name) != stat:
            (tree / "build" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(machine.BUILD / name, tree / "build" / name)


@pytest.fixture
def folder(tmp_path):
    """Of what is large: gone when the test is over."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def make_lab(number, folder):
    made, tree = lab.make(number, folder / str(number))
    take_built(tree)
    return made, tree


def solve(number, tree):
    """As old as what was built of it: nothing is to be compiled."""
    take_built(tree)
    for name in lab.solution(number, tree)["files"]:
        if (ROOT / name).exists():
            shutil.copystat(ROOT / name, tree / name)


def graded(tree, **variables):
    """({task: points}, {test: why not})."""
    done = run("make", "grade", cwd=tree, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tree / "build/grade.json").read_text())
    tests = [test for task in found["tasks"] for test in task["tests"]]
    return ({task["name"]: task["has"] for task in found["tasks"]},
            {test["name"]: test["why"] for test in tests if test["why"]})


@pytest.mark.parametrize("number", lab.labs())
def test_a_lab(number, folder):
    described, tree = make_lab(number, folder)
    tasks = {task["name"]: lab.points_of(task) for task in described["task"]}
    # nothing is to come, however long one waits
    points, why = graded(tree, GRADE_SECONDS="2")
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


def test_the_pages_say_what_there_is():
    """Each task with its points on the student's page; each lab's hours and points on the
    teacher's."""
    teachers = (ROOT / "patches/labs/README.md").read_text()
    listed = run("make", "lab").stdout
    for number, folder in lab.labs().items():
        described, page = lab.read(folder), (folder / "README.md").read_text()
        of = sum(map(lab.points_of, described["task"]))
        for task in described["task"]:
            points = lab.points_of(task)
            assert f"**{task['name']}** ({points} point{'s' * (points > 1)})" in page, page
        assert re.search(rf"(?m)^\| {number} .*\| {described['hours']} \| {of} \|$", teachers)
        assert re.search(rf"N={number}  {described['title']} +{of} points, {described['hours']} "
                         "hours", listed), listed


def test_what_make_lab_refuses(tmp_path):
    def refused(*words, cwd=ROOT):
        done = run("make", *words, cwd=cwd)
        assert done.returncode, done.stdout
        return done.stderr

    assert "N=99: there is no such lab. `make lab` lists them" in refused("lab", "N=99", "DIR=/x")
    assert "N=two: there is no such lab" in refused("lab", "N=two", "DIR=/x")
    assert "where to? make lab N=2 DIR=~/lab2" in refused("lab", "N=2")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "work").write_text("of hours")
    assert f"{mine} is there already, and stays as it is" in refused("lab", "N=2", f"DIR={mine}")
    assert [path.name for path in mine.iterdir()] == ["work"]
    assert "there is no folder" in refused("lab", "N=2", f"DIR={tmp_path}/no/such")
    assert "this is no lab's tree. `make lab` lists the labs" in refused("grade")
    assert 'make grades: FROM="DIR..."' in refused("grades", "N=2")
    assert "no such folder" in refused("grades", "N=2", f"FROM={tmp_path}/nobody")
    nothing = refused("port", f"TREE={tmp_path}", "DEPS=present", f"B={machine.BUILD.absolute()}")
    assert "there is no kernel" in nothing and "make port STEP=5" in nothing


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A lab's tree, whose solution is in it, with what is built."""
    tree = tmp_path_factory.mktemp("labs") / "events"
    assert run("make", "lab", "N=4", f"DIR={tree}").returncode == 0
    solve(4, tree)
    yield tree
    shutil.rmtree(tree)


def test_a_tree_is_the_students_own(made):
    """A repository of one commit, with the page, and without what the solutions are in."""
    log = run("git", "log", "--format=%s", cwd=made).stdout
    assert log == "Lab 4: Event channels, as handed out\n"
    assert run("git", "status", "--porcelain", cwd=made).stdout.splitlines() == \
        [f" M {name}" for name in sorted(lab.read(lab.folder_of(4))["files"])]
    assert not (made / "patches/labs").exists()
    assert "# Lab 4" in (made / "lab/README.md").read_text()
    assert "wrong" not in json.loads((made / "lab/lab.json").read_text())


def test_tests_are_as_they_were_handed_out(made):
    test = made / "tests/unit/test_events.c"
    was = test.read_text()
    test.write_text(was.replace("assert_int_equal", "(void)"))
    refused = run("make", "grade", cwd=made)
    assert refused.returncode and "not as handed out: tests/unit/test_events.c" in refused.stderr
    restore = re.search(r"git checkout \S+ -- \S+", refused.stderr).group(0)
    assert run(*restore.split(), cwd=made).returncode == 0
    assert test.read_text() == was
    (made / "lab/lab.json").unlink()
    lost = run("make", "grade", cwd=made)
    assert lost.returncode and "this is no lab's tree" in lost.stderr
    run("git", "checkout", "HEAD", "--", "lab/lab.json", cwd=made)
    assert "no task and no test" in run("make", "grade", "TESTS=nonsense", cwd=made).stderr


def test_points_in_words_and_for_machines(made):
    (made / "README.md").write_text("mine")
    done = run("make", "grade", "TESTS=ports", cwd=made)
    assert "ports: 3 of 3 points" in done.stdout and "in all 3 of 3 points" in done.stdout
    assert "raise" not in done.stdout
    assert "Changed too, but not handed in: README.md" in done.stdout
    suites = xml.etree.ElementTree.parse(made / "build/grade.xml").getroot()
    assert [suite.get("failures") for suite in suites] == ["0"]
    assert {case.get("name") for case in suites.iter("testcase")} == \
        {"events all_of_them", "events vcpus_are_there"}


CRASH = "*(volatile char *)(unsigned long)port = 1;"


@pytest.mark.parametrize("hole, place", [("for (;;) {}", "hang"), (CRASH, "")])
def test_where_it_hangs_or_crashes(made, hole, place):
    """On the host and in the machine: the function and its file, by name."""
    solve(4, made)
    file = made / "hypervisor/domain/events.c"
    file.write_text(re.sub(r"(void event_raise\([^{]*\{\n)", rf"\1    {hole}\n", file.read_text()))
    for words, seconds in (("raised_once", "1"), ("other-events", "5")):
        run("make", "grade", f"TESTS={words}", cwd=made, GRADE_SECONDS=seconds)
        found = json.loads((made / "build/grade.json").read_text())
        why = found["tasks"][0]["tests"][0]["why"]
        assert re.search(r"hypervisor/domain/events\.c:\d+ in event_raise", why), why
        assert ("hangs" in why or "nothing more comes" in why) == (place == "hang"), why


def test_a_class(made, tmp_path):
    """Of what was handed in only the lab's files count, and those themselves: a link might lead to
    another's, or to what only the teacher may read."""
    good, lazy, sly, sneaky = (tmp_path / name for name in ("good", "lazy", "sly", "sneaky"))
    lab.solution(7, good)
    (good / "tests/unit").mkdir(parents=True)
    (good / "tests/unit/test_share.c").write_text("int main(void) { return 0; }")
    lazy.mkdir()
    (sly / "hypervisor/lib").mkdir(parents=True)
    (sly / "hypervisor/lib/share.c").symlink_to(good / "hypervisor/lib/share.c")
    sneaky.mkdir()
    (sneaky / "hypervisor").symlink_to(good / "hypervisor")
    done = run("make", "grades", "N=7", f"FROM={good} {lazy} {sly} {sneaky}", "TESTS=next",
               f"B={tmp_path}/build")
    assert re.search(r"good +5 of 5 ", done.stdout), done.stdout + done.stderr
    assert re.search(r"lazy +0 of 5 .*not handed in: hypervisor/lib/share.c", done.stdout)
    for name in ("sly", "sneaky"):
        assert re.search(rf"{name} +0 of 5 .*a link, which is not followed: hypervisor/lib/share.c",
                         done.stdout), done.stdout
    table = (tmp_path / "build/grades.csv").read_text().splitlines()
    assert table[0] == "who,next,points" and table[1] == "good,5,5"
