# SPDX-License-Identifier: MIT
"""What every suite under tests/ has: the kit's tools and the shared ones, and an order."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("tests/system", "tests/tools", "pvguest-sdk/tools")]

# minutes each, and on one worker
LONGEST = ["test_linux_load.py", "test_rig.py", "test_toolstack.py", "test_linux.py"]


def pytest_collection_modifyitems(items):
    """What takes long comes first, else one worker is still at it when the others have nothing more
    to do."""
    def rank(item):
        name = item.path.name
        return LONGEST.index(name) if name in LONGEST \
            else len(LONGEST) + (item.path.parent.name != "system")
    items.sort(key=rank)
