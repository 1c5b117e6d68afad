#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the chosen tests need built beside Domus itself: prints some of "linux",
"rig" and "scanner", or nothing.

    needs.py [PYTEST-OPTION...]
"""
import pathlib
import re
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
# the modules by which a test gets at it
FOREIGN = {"linux_box": "linux", "rig_box": "rig", "scanner": "scanner"}

listing = subprocess.run([sys.executable, "-m", "pytest",
                          "-q", "--collect-only", "-p", "no:cacheprovider", f"--rootdir={TESTS}",
                          "-c", str(TESTS / "pytest.ini"), str(TESTS), *sys.argv[1:]],
                         capture_output=True, text=True).stdout
chosen = {line.split("::")[0] for line in listing.splitlines() if "::" in line}
text = "".join((TESTS / path).read_text() for path in chosen if (TESTS / path).exists())
print(" ".join(target for module, target in FOREIGN.items() if re.search(rf"\b{module}\b", text)))
