# SPDX-License-Identifier: MIT
"""What only ran out of time is run once more, alone; nothing else is (tools/again.py)."""
import os
import pathlib
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
LATE = "raise machine.TooLate('still at work')"

HEAD = """
import pathlib, sys
import pytest
import machine
SEEN = pathlib.Path(__file__).with_name("seen")

def second():
    seen, _ = SEEN.exists(), SEEN.touch()
    return seen

@pytest.fixture(scope="module")
def shared():
    pass
"""


def run(folder, body):
    """Both runs, as `make test` has them: whether the whole is green, and what was run again."""
    tests = folder / "tests"
    tests.mkdir()
    (tests / "conftest.py").write_text((TESTS / "conftest.py").read_text().replace(
        "pathlib.Path(__file__).resolve().parents[1]", f"pathlib.Path({str(TESTS.parent)!r})"))
    (tests / "test_it.py").write_text(HEAD + body)
    usual = ["-q", "-p", "no:cacheprovider", "--rootdir=tests"]
    late = folder / "late"
    first = subprocess.run([sys.executable, "-m", "pytest", *usual, "-n", "2", "--dist",
                            "loadgroup", "tests"], cwd=folder, capture_output=True, text=True,
                           env=os.environ | {"DOMUS_LATE": str(late)}, timeout=300)
    assert first.returncode == 1, first.stdout
    again = subprocess.run([sys.executable, TESTS / "tools/again.py", late, *usual], cwd=folder,
                           capture_output=True, text=True, timeout=300)
    return again.returncode == 0, late.read_text().split() if late.exists() else []


def test_late_once(tmp_path):
    """Also one of a group, whose name xdist adds to."""
    assert run(tmp_path, f"""
def test_good(): pass
@pytest.mark.parametrize("a", ["x-1"])
def test_late(shared, a):
    if not second():
        {LATE}
""") == (True, ["test_it.py::test_late[x-1]"])


@pytest.mark.parametrize("body, run_again", [
    (f"def test_always():\n    {LATE}", ["test_it.py::test_always"]),
    ("def test_wrong(): assert second()", []),
    (f"def test_wrong(): assert second()\ndef test_late():\n    {LATE}", []),
    ("@pytest.mark.parametrize('n', range(6))\ndef test_many(n):\n    " +
     f"if not SEEN.with_name(str(n)).exists():\n        SEEN.with_name(str(n)).touch()\n        "
     f"{LATE}", [])], ids=["always", "wrong", "both", "many"])
def test_nothing_else(tmp_path, body, run_again):
    assert run(tmp_path, body) == (False, run_again)
