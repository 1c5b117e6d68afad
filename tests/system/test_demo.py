# SPDX-License-Identifier: MIT
"""`make demo` must hold as it stands."""
import pathlib
import subprocess
import sys

import dom0
import machine
import pytest


@pytest.mark.skipif(dom0.ON_XEN, reason="the demo is of Domus")
def test_the_demo_holds():
    demo = pathlib.Path(__file__).parent / "demo.py"
    done = subprocess.run([sys.executable, demo, machine.BUILD], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    assert "steps hold" in done.stdout
