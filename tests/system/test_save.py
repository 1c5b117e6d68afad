# SPDX-License-Identifier: MIT
"""Saving a guest to a partition, and restoring it: by Domus's own dom0."""
import os
import re

import pytest

import dom0
import machine

SCRATCH = "scratch"


@pytest.fixture(scope="module")
def box():
    name = f"save-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    with dom0.Dom0(name, disk=machine.fresh_disk(name), smp=1) as system:
        yield system


def test_a_counter(box):
    box.create("saved.cfg")
    box.see(r"saved: counted to 3\b")
    print(box.ask(f"xl save saved {SCRATCH}", timeout=120))
    assert "saved" not in box.domains()
    print(box.ask(f"xl restore {SCRATCH}", timeout=120))
    box.see(r"saved: restored, as domain \d+", timeout=60)
    box.see(r"saved: counted to \d+")
    print(box.audit())
