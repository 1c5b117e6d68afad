# SPDX-License-Identifier: MIT
"""A test's time limit counts the time that the machine under test got, not the wall's: other
people's load makes no test fail. Nor does how a number is printed."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

import machine


def spinner():
    return subprocess.Popen([sys.executable, "-c", "while True: pass"],
                            preexec_fn=machine.die_with_parent)


def wait_for_state(pid, state):
    """A busy machine is slow to start a process, and to stop it."""
    until = time.monotonic() + 60
    while open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != state:
        assert time.monotonic() < until
        time.sleep(0.01)


def end(processes):
    for process in processes:
        process.kill()
        process.wait()


def elapsed(pid, seconds):
    """(the process's time, the wall's) while the wall goes on by so many seconds."""
    clock, wall = machine.Clock(pid), time.monotonic()
    start = clock.now()
    while time.monotonic() < wall + seconds:
        time.sleep(0.2)
        clock.now()
    return clock.now() - start, clock.last - wall


def test_the_time_of_a_process_that_waits_for_a_cpu_stands_still():
    watched, cpu = spinner(), min(os.sched_getaffinity(0))
    others = [spinner() for _ in range(4)]
    try:
        for process in [watched] + others:
            os.sched_setaffinity(process.pid, {cpu})
        got, wall = elapsed(watched.pid, 3)
    finally:
        end([watched] + others)
    assert got < wall / 2                   # a fifth, if only these five want the CPU


def test_the_time_of_a_process_that_sleeps_goes_on():
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                               preexec_fn=machine.die_with_parent)
    try:
        wait_for_state(sleeper.pid, "S")
        got, wall = elapsed(sleeper.pid, 1)
    finally:
        end([sleeper])
    assert got > wall * 0.8


def test_the_time_of_a_process_that_is_stopped_goes_on():
    """So a machine that hangs is found."""
    stopped = spinner()
    os.kill(stopped.pid, signal.SIGSTOP)
    try:
        wait_for_state(stopped.pid, "T")
        got, wall = elapsed(stopped.pid, 1)
    finally:
        end([stopped])
    assert got > wall * 0.8


HANGS = """
import signal
import machine

def test_it():
    with machine.Machine("patience-hangs", modules=[[machine.BUILD / "guests/hello.elf"]]) as box:
        box.expect("Hello from domain 0")
        signal.raise_signal(signal.SIGALRM)             # as if the time were up
"""


def test_one_that_hangs_shows_what_its_machine_said(tmp_path):
    """And has not 20 minutes for it."""
    (tmp_path / "test_it.py").write_text(HANGS)
    tests = pathlib.Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:xdist",
                           "-p", "no:cacheprovider", "--timeout=1200", tmp_path],
                          env=os.environ | {"PYTHONPATH": str(tests), "DOMUS_PATIENCE": "1.5"},
                          capture_output=True, text=True, timeout=300 * machine.PATIENCE)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Timeout >900.0s" in done.stdout
    assert re.search(r"-- patience-hangs said last --.*\n +Hello from domain 0", done.stdout, re.S)


@pytest.mark.parametrize("number", [0.0, 0.049, 0.05, 0.0999, 1.95, 2.0, 31.9999])
def test_a_number_lies_within_the_bounds_of_its_print(number):
    cut = f"{int(number * 10) / 10:.1f}"
    for printed in (f"{number:.1f}", f"{number:.2f}", cut, f"{number:.0f}", str(int(number))):
        least, most = machine.bounds(printed)
        assert least <= number <= most
    assert machine.bounds("1.5") == (pytest.approx(1.4), pytest.approx(1.6))
    assert machine.bounds("7") == (6, 8)
