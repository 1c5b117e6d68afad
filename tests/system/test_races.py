# SPDX-License-Identifier: MIT
"""Races of vCPUs and of domains on several CPUs, in the image that takes its time where others may
come in between; and what they are worth: mistakes that are put into ring 0 on purpose, one at a
time, are each found (mutate/seeded.py).

That each of these can still be made is seen always. The rest is long (make soak):
DOMUS_RACES_SECONDS=1200 is how long each of the two guests races, a tenth of it how long it looks
for a mistake at most.
"""
import os
import pathlib
import sys

import pytest

import dom0
import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/guests"), str(ROOT / "tests/mutate")]
import seeded  # noqa: E402
import test_guests as guests  # noqa: E402

SECONDS = int(os.environ.get("DOMUS_RACES_SECONDS", "0"))
GUESTS = ["attack-races", "other-races"]
pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="what is tested is Domus")
long = pytest.mark.skipif(not SECONDS, reason="a long test (make soak)")


@pytest.fixture(scope="module")
def made():
    return seeded.Tree(ROOT, machine.BUILD.resolve(), machine.BUILD.resolve() / "seeded")


def race(name, image, cpus, seconds, *words):
    hypervisor = machine.Hypervisor("domus", image, machine.WATCHED.args, machine.WATCHED.cpu)
    return guests.run_guest(name, hypervisor, timeout=seconds + 120, smp=cpus,
                            words=[f"seconds={seconds}", *words])


@pytest.mark.parametrize("mistake", seeded.MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_can_be_made(mistake):
    assert seeded.mistaken(mistake, ROOT)


@long
@pytest.mark.parametrize("name", GUESTS)
def test_nothing_is_found(name):
    outcome, words = race(name, machine.WATCHED.path, 4, SECONDS)
    assert outcome == "SUCCESS", words


@long
@pytest.mark.parametrize("name,part", sorted({(mistake.guest, mistake.part)
                                              for mistake in seeded.MISTAKES}))
def test_nothing_is_found_in_a_part(name, part):
    """Where the mistakes below are looked for."""
    outcome, words = race(name, machine.WATCHED.path, 2, SECONDS // 10, f"part={part}")
    assert outcome == "SUCCESS", words


@long
@pytest.mark.parametrize("mistake", seeded.MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found(made, mistake):
    outcome, words = race(mistake.guest, made.image(mistake), 2, SECONDS // 10,
                          f"part={mistake.part}")
    print(f"{mistake.name}: {outcome}, {words.splitlines()[0]}")
    assert outcome in ("FAILURE", "CRASH"), words
