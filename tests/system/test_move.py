# SPDX-License-Identifier: MIT
"""Guests move between two machines, over a net that the test holds in its hands."""
import random
import re

import pytest

import dom0
import machine
import two_machines
from two_machines import ADDRESSES

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="there, moving is Xen's tools' business")


@pytest.fixture(scope="module")
def box():
    with two_machines.Pair("move", memory=256) as pair:
        for one in pair.machines:           # what the first guest, and the first move, make grow
            one.ask("migrate-receive any")  # stays
        create(pair.machines[0])
        moved(pair, 0)
        moved(pair, 1)
        pair.machines[0].end_all()
        yield pair


@pytest.fixture
def pair(box):
    before = [one.free_pages()[0] for one in box.machines]
    for one in box.machines:
        one.ask("migrate-receive any")
    box.net.be_good()
    yield box
    box.net.be_good()
    for one, free in zip(box.machines, before):
        one.end_all()
        one.audit()
        one.until(lambda one=one, free=free: one.free_pages()[0] >= free, 10)


def count(one):
    """What the guest has counted to, when it says so next."""
    return int(one.see(r"\(saved\) saved: counted to (\d+)[\r\n]", timeout=30).group(1))


def create(one):
    one.create("saved.cfg")
    while count(one) < 3:
        pass


def move(pair, here, options=""):
    there = 1 - here
    answer = pair.machines[here].run(f"xl migrate {options} saved {ADDRESSES[there]}", timeout=180)
    return answer


def moved(pair, here):
    before = count(pair.machines[here])
    answer = move(pair, here)
    assert "has moved to" in answer, answer
    assert "saved" not in pair.machines[here].domains()
    after = count(pair.machines[1 - here])
    assert before < after <= before + 20, (before, after)
    assert "saved" in pair.machines[1 - here].domains()


def test_there_and_back(pair):
    create(pair.machines[0])
    for life in range(4):
        moved(pair, life % 2)


def stays(pair, words, options=""):
    """It is refused, and the guest goes on here; there is nothing there."""
    before = count(pair.machines[0])
    answer = move(pair, 0, options)
    assert re.search(words, answer), answer
    assert count(pair.machines[0]) > before
    assert "saved" not in pair.machines[1].domains()


def test_what_is_refused(pair):
    here, there = pair.machines
    assert "no domain 'saved'" in move(pair, 0)
    create(here)
    stays(pair, "--live is not there yet", "--live")
    assert "HOST is an address" in here.refused("xl migrate saved elsewhere")
    assert "own address" in here.refused(f"xl migrate saved {ADDRESSES[0]}")
    there.ask("migrate-receive off")
    stays(pair, "takes no guests from here now")
    there.ask("migrate-receive 10.0.2.99")
    stays(pair, "takes no guests from here now")
    there.ask(f"migrate-receive {ADDRESSES[0]}")
    there.ask("create -p saved.cfg")
    assert "a domain named 'saved' runs already" in move(pair, 0)
    there.ask("destroy saved")
    # a CPU that can more than the one there: the hello is changed on its way
    pair.net.change = lambda side, data: (data[:104 + 4] + b"\xff" * 4 + data[104 + 8:]
                                          if data.startswith(b"DomusMv1") else data)
    stays(pair, "its CPU lacks what the guest may use")
    pair.net.be_good()
    # more memory than there is
    there.ask("create -p saved.cfg name='large' memory=184")
    stays(pair, "too little memory")
    there.ask("destroy large")
    moved(pair, 0)


def cut(pair, at, reset):
    def said():
        pair.machines[1].ask("sleep 1")
        return pair.machines[1].said().count("has not come")

    before = said()
    pair.net.be_good()
    pair.net.cut_at, pair.net.reset = at, reset
    stays(pair, "Error: ")
    assert pair.net.cut_at is None          # it was cut
    pair.machines[1].until(lambda: said() > before, 40)
    pair.net.be_good()


def test_a_connection_that_is_cut(pair):
    """Within the guest's memory: at one time both are told, at another nobody says a word."""
    create(pair.machines[0])
    chosen = random.SystemRandom().randrange(300, 8 << 20), \
        random.SystemRandom().randrange(300, 8 << 20)
    print("cut at", chosen)
    cut(pair, chosen[0], reset=True)
    cut(pair, chosen[1], reset=False)
    moved(pair, 0)


def test_a_net_that_loses(pair):
    create(pair.machines[0])
    pair.net.lose = 10
    moved(pair, 0)
