# SPDX-License-Identifier: MIT
"""`make demo` must hold as it stands, and the README show what it says."""
import os
import pathlib
import subprocess
import sys

import dom0
import machine
import pytest
import readme

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.skipif(dom0.ON_XEN, reason="the demo is of Domus")
def test_the_demo_holds():
    demo = pathlib.Path(__file__).parent / "demo.py"
    done = subprocess.run([sys.executable, demo, machine.BUILD],
                          env=os.environ | {"DOMUS_SMP": "1"},      # the README's machine
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=600 * machine.PATIENCE)
    assert done.returncode == 0, done.stdout
    assert "steps hold" in done.stdout
    (machine.BUILD / "demo.txt").write_text(done.stdout)
    today, shown = readme.steps(done.stdout), readme.steps(
        readme.between((ROOT / "README.md").read_text(), "demo")[1])
    assert set(shown) == set(readme.STEPS)
    for number, lines in shown.items():
        # a guest's come when they come
        lines = [line for line in lines if "| (insula" not in line]
        said_today = {readme.alike(line) for line in today.get(number, lines)}
        unsaid = {readme.alike(line) for line in lines} - said_today
        assert not unsaid, f"step {number} of README.md's demo: nobody says this any more " \
            "(tests/tools/readme.py --demo)"
    assert list(map(readme.alike, shown[1])) == list(map(readme.alike, today[1]))
