# SPDX-License-Identifier: MIT
"""Makes the shared tools importable by every suite under tests/."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "tools"))
sys.path.insert(0, str(pathlib.Path(__file__).parent / "system"))
