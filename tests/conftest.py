# SPDX-License-Identifier: MIT
"""What every suite under tests/ has: the kit's tools and the shared ones, and an order."""
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("tests/system", "tests/tools", "pvguest-sdk/tools")]

# minutes each, and on one worker
LONGEST = ["test_linux_load.py", "test_rig.py", "test_toolstack.py", "test_linux.py"]


# fixtures that are a machine, or its images, for all tests of a file
MACHINES = {"shared", "system", "box", "made"}


@pytest.hookimpl(tryfirst=True)             # before xdist looks who belongs together
def pytest_collection_modifyitems(items):
    """What takes long comes first, else one worker is still at it when the others have nothing more
    to do. Tests that share a machine are one worker's, else each worker boots it."""
    def rank(item):
        name = item.path.name
        return LONGEST.index(name) if name in LONGEST \
            else len(LONGEST) + (item.path.parent.name != "system")
    items.sort(key=rank)
    for item in items:
        if MACHINES & set(item.fixturenames) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
