#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make grade, in a lab's tree (patches/tools/lab.py): builds what the lab's tests want, runs each
test on its own, and says the points of each task in words, as build/grade.json and as
build/grade.xml (JUnit).

    grade.py TREE [WORD]      only tests whose task or name has WORD in it

A test is a line of lab.toml, "POINTS KIND NAME...": grade_tests.py has the kinds. The tests and
this grader are as they were handed out, or nothing is graded."""
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import grade_tests

# The grader's own: what has been changed here gives no points.
GRADERS = ["tests", "lab", "patches/tools", "Makefile", ":(glob)**/*.mk"]


class Refused(Exception):
    """Nothing is graded; the text says what to do."""


def description(tree):
    try:
        return json.loads((tree / "lab/lab.json").read_text())
    except OSError:
        raise Refused("this is no lab's tree. `make lab` lists the labs, `make lab N=2 DIR=~/lab2` "
                      "makes your own tree of one; type `make grade` there")
    except ValueError:
        raise Refused("lab/lab.json cannot be read. It is as it was after\n"
                      "  git checkout $(git rev-list --max-parents=0 HEAD) -- lab/lab.json")


def git(tree, *words):
    done = subprocess.run(["git", *words], cwd=tree, capture_output=True, text=True)
    if done.returncode:
        raise Refused("this is not the git repository that was handed out: its first commit says "
                      f"what the tests were ({done.stderr.strip()})")
    return done.stdout.split()


def as_given(tree, lab):
    """Refuses tests that are not those handed out; returns other files that have been changed and
    are not the student's."""
    first = git(tree, "rev-list", "--max-parents=0", "HEAD")[-1]
    mine = [f":(exclude){name}" for name in lab["files"]]
    if changed := git(tree, "diff", "--name-only", first, "--", *GRADERS, *mine):
        raise Refused(f"not as handed out: {', '.join(changed)}. What tests you is not yours to "
                      f"edit; it is as it was after\n"
                      f"  git checkout {first[:12]} -- {' '.join(changed)}")
    return git(tree, "diff", "--name-only", first, "--", ".", *mine)


def parsed(task, line):
    points, kind, *words = line.split()
    return {"task": task["name"], "points": int(points), "kind": kind, "words": words,
            "name": " ".join(words) or kind}


def chosen(lab, word):
    tests = [parsed(task, line) for task in lab["task"] for line in task["tests"]]
    found = [test for test in tests if not word or word in test["task"] or word in test["name"]]
    if not found:
        raise Refused(f"TESTS={word}: no task and no test has that in its name. There are: " +
                      ", ".join(f"{test['task']}: {test['name']}" for test in tests))
    return found


def grade(tree, word=None):
    """[{task}], each with its tests and how each did: ok, or why not."""
    lab = description(tree)
    tests = chosen(lab, word)
    runner = grade_tests.Runner(tree)
    runner.build(tests)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for test, why in zip(tests, pool.map(runner.run, tests)):
            test["why"] = why
    results = []
    for task in lab["task"]:
        own = [test for test in tests if test["task"] == task["name"]]
        if own:
            results.append({"name": task["name"], "text": task["text"], "tests": own,
                            "of": sum(test["points"] for test in own),
                            "has": sum(test["points"] for test in own if not test["why"])})
    return results


def total(results):
    return sum(task["has"] for task in results)


def possible(results):
    return sum(task["of"] for task in results)


# --- saying it ------------------------------------------------------------------------------------
def in_words(lab, results, others):
    lines = [f"Lab {lab['number']}: {lab['title']}"]
    for task in results:
        lines += ["", f"  {task['name']}: {task['has']} of {task['of']} points   {task['text']}"]
        for test in task["tests"]:
            lines.append(f"    {'FAILED' if test['why'] else 'ok    '} {test['points']:2}  "
                         f"{test['name']}")
            lines += ["               " + line for line in (test["why"] or "").splitlines()]
    if others:
        lines += ["", f"  Changed too, but not handed in: {', '.join(others)}"]
    return "\n".join(lines + ["", f"  in all {total(results)} of {possible(results)} points"])


def as_junit(lab, results):
    lines = ['<?xml version="1.0" encoding="UTF-8"?>',
             f"<testsuites name={quoteattr(lab['title'])}>"]
    for task in results:
        failed = sum(1 for test in task["tests"] if test["why"])
        lines.append(f'<testsuite name={quoteattr(task["name"])} tests="{len(task["tests"])}" '
                     f'failures="{failed}">')
        for test in task["tests"]:
            case = (f'<testcase classname={quoteattr(task["name"])} '
                    f'name={quoteattr(test["name"])}>')
            points = f'<properties><property name="points" value="{test["points"]}"/></properties>'
            why = test["why"]
            fault = why and (f"<failure message={quoteattr(why.splitlines()[0])}>"
                             f"{escape(why)}</failure>")
            lines.append(f"{case}{points}{fault or ''}</testcase>")
        lines.append("</testsuite>")
    return "\n".join(lines + ["</testsuites>", ""])


def say(tree, word=None):
    lab = description(tree)
    others = as_given(tree, lab)
    if not (tree / "build").exists():
        print("The first time all is built that the tests want: half a minute ...", flush=True)
    results = grade(tree, word)
    print(in_words(lab, results, others))
    (tree / "build").mkdir(exist_ok=True)
    (tree / "build/grade.json").write_text(json.dumps(
        {"lab": lab["number"], "title": lab["title"], "points": total(results),
         "of": possible(results), "tasks": results}, indent=1) + "\n")
    (tree / "build/grade.xml").write_text(as_junit(lab, results))
    print("  (also in build/grade.json and, as JUnit, in build/grade.xml)")


if __name__ == "__main__":
    if sys.argv[1:] in ([], ["--help"]):
        sys.exit(print(__doc__))
    try:
        say(Path(sys.argv[1]).absolute(), sys.argv[2] if len(sys.argv) > 2 else None)
    except Refused as problem:
        sys.exit(f"make grade: {problem}")
