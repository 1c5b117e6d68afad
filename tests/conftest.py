# SPDX-License-Identifier: MIT
"""What every suite under tests/ has: the shared tools, and an order."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "tools"))
sys.path.insert(0, str(pathlib.Path(__file__).parent / "system"))

LONGEST = ["test_linux_load.py", "test_rig.py", "test_toolstack.py", "test_linux.py"]       # minutes each, and on one worker


def pytest_collection_modifyitems(items):
    """What takes long comes first, else one worker is still at it when the others have nothing more to do."""
    def rank(item):
        name = item.path.name
        return LONGEST.index(name) if name in LONGEST else len(LONGEST) + (item.path.parent.name != "system")
    items.sort(key=rank)
