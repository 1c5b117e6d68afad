# SPDX-License-Identifier: MIT
"""What the image whose locks are watched is worth: mistakes that are put into ring 0 on purpose,
one at a time, each stop it with a sentence (mutate/locks.py). That each can still be made is seen
always; that it is found, in make soak (DOMUS_MISTAKES), four minutes.
"""
import os
import pathlib
import re
import sys

import pytest

import dom0
import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/guests"), str(ROOT / "tests/mutate")]
import locks  # noqa: E402
import seeded  # noqa: E402
import test_guests as guests  # noqa: E402

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="what is tested is Domus")


@pytest.fixture(scope="module")
def made():
    return seeded.Tree(ROOT, machine.BUILD.resolve(), machine.BUILD.resolve() / "locks")


@pytest.mark.parametrize("mistake", locks.MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_can_be_made(mistake):
    assert seeded.mistaken(mistake, ROOT)


@pytest.mark.skipif("DOMUS_MISTAKES" not in os.environ, reason="a long test (make soak)")
@pytest.mark.parametrize("mistake", locks.MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found(made, mistake):
    image = machine.Hypervisor("domus", made.image(mistake), machine.WATCHED.args,
                               machine.WATCHED.cpu)
    outcome, words = guests.run_guest(mistake.guest, image, smp=mistake.cpus)
    print(f"{mistake.name}: {outcome}")
    assert outcome == "CRASH" and re.search(mistake.said, words), words
