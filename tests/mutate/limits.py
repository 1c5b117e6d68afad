# SPDX-License-Identifier: MIT
"""A plugin for pytest: notes how long each test takes (MUTATE_NOTE=FILE), and later gives each no
more than a multiple of that (MUTATE_TIMES=FILE), so that a guest that hangs costs seconds and not
the patience of the tests themselves."""
import json
import os
import signal
import time

import pytest

NOTE, TIMES = os.environ.get("MUTATE_NOTE"), os.environ.get("MUTATE_TIMES")
usual = json.load(open(TIMES)) if TIMES else {}
taken = {}


def bound(seconds):
    return 5 * seconds + 10


class TooLong(Exception):
    pass


def time_is_up(number, frame):
    raise TooLong("takes much longer than on the tree without the mistake")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    start = time.monotonic()
    if item.nodeid in usual:
        signal.signal(signal.SIGALRM, time_is_up)
        signal.setitimer(signal.ITIMER_REAL, bound(usual[item.nodeid]))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    taken[item.nodeid] = time.monotonic() - start


def pytest_sessionfinish():
    if NOTE:
        with open(NOTE, "w") as file:
            json.dump(taken, file)
