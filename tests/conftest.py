# SPDX-License-Identifier: MIT
"""What every suite under tests/ has: the kit's tools and the shared ones, and an order."""
import os
import pathlib
import signal
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("tests/system", "tests/tools", "pvguest-sdk/tools")]

import again  # noqa: E402  (the shared tools)
import machine  # noqa: E402

# minutes each, and on one worker
LONGEST = ["test_linux_load.py", "test_rig.py", "test_toolstack.py", "test_linux.py"]
# Seconds for a test of another file, where --timeout= gives one more.
SHORTER = 600

# fixtures that are a machine, or its images, for all tests of a file
MACHINES = {"shared", "system", "box", "made"}


@pytest.hookimpl(tryfirst=True)             # before xdist looks who belongs together
def pytest_collection_modifyitems(config, items):
    """What takes long comes first, else one worker is still at it when the others have nothing more
    to do. Tests that share a machine are one worker's, else each worker boots it. A test that hangs
    is not waited for as long as the longest may take."""
    given = config.getoption("timeout", None) or 0

    def rank(item):
        name = item.path.name
        return LONGEST.index(name) if name in LONGEST \
            else len(LONGEST) + (item.path.parent.name != "system")
    items.sort(key=rank)
    for item in items:
        if MACHINES & set(item.fixturenames) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        if item.path.name not in LONGEST and given > SHORTER * machine.PATIENCE:
            item.add_marker(pytest.mark.timeout(SHORTER * machine.PATIENCE))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    machine.SEEN[:] = [box for box in machine.SEEN if not box.child.closed]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What the test's machines said last is in its report, if the error does not say it already."""
    report = (yield).get_result()
    if report.failed and not call.excinfo.errisinstance(machine.Failed):
        report.sections += [(f"{box.name} said last", f"{box.transcript}:\n{box.tail()}\n")
                            for box in machine.SEEN]


class Watch:
    """Says at once which test failed and, when the run is ended from outside, which were at
    work."""

    def __init__(self):
        self.began = {}

    def pytest_runtest_logstart(self, nodeid):
        self.began[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid):
        self.began.pop(nodeid, None)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report):
        if report.failed:
            print(f"\nFAILED in {report.when} after {report.duration:.0f} s: {report.nodeid}",
                  again.said(report).partition("\n")[0][:300], sep="\n", flush=True)

    def ended(self, number, _frame):
        for nodeid, began in self.began.items():
            print(f"\nat work for {time.monotonic() - began:.0f} s: {nodeid}", flush=True)
        pytest.exit("ended from outside", 128 + number)     # with the failures so far


def pytest_configure(config):
    # what prints, not a worker of xdist
    if not hasattr(config, "workerinput"):
        watch = Watch()
        config.pluginmanager.register(watch)
        signal.signal(signal.SIGTERM, watch.ended)
        if "DOMUS_LATE" in os.environ:
            config.pluginmanager.register(again.Late(os.environ["DOMUS_LATE"]))
