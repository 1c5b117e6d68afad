# SPDX-License-Identifier: MIT
"""Guests move between two machines, over a net that the test holds in its hands.

DOMUS_MOVES=n (`make lives`: 10) cuts the connection so often, half the time without a word to
anybody, and does what takes long.
"""
import os
import random
import re
import statistics

import pytest

import dom0
import machine
import two_machines
from two_machines import ADDRESSES, not_come

pytestmark = [pytest.mark.xdist_group("move"),          # two machines, one worker
              pytest.mark.skipif(dom0.ON_XEN, reason="there, moving is Xen's tools' business")]
MOVES = int(os.environ.get("DOMUS_MOVES", "0"))
long = pytest.mark.skipif(not MOVES, reason="a long test (make lives)")
HELLO = b"DomusMv1"
GO = (0x21214f47).to_bytes(4, "little")
DONE = (3).to_bytes(4, "little")


@pytest.fixture(scope="module")
def box():
    disk = machine.fresh_disk(f"move-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}")
    with two_machines.Pair("move", disk=disk, memory=256) as pair:
        for one in pair.machines:           # what the first guest, and the first move, make grow
            one.ask("migrate-receive any")  # stays
        for one in pair.machines:
            one.create("saved.cfg name='other'")
        pair.machines[0].create("split-saved.cfg")
        for here in 0, 1:
            pair.machines[here].see(rf"split-saved: round \d+ of life {here}\b", 60)
            assert "has moved to" in move(pair, here, "split-saved")
        for one in pair.machines:
            one.end_all()
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
        one.until(lambda one=one, free=free: one.free_pages()[0] >= free, 40)


def count(one):
    """What the guest has counted to, when it says so next."""
    return int(one.see(r"\(saved\) saved: counted to (\d+)[\r\n]", timeout=30).group(1))


def create(one, words=""):
    """One that listens, not one before it that may still be heard."""
    one.create(f"saved.cfg {words}")
    one.see(r"\(saved\) saved: counted to 3[\r\n]", timeout=30)


def move(pair, here, name="saved", options=""):
    return pair.machines[here].run(f"xl migrate {options} {name} {ADDRESSES[1 - here]}", 180)


def arrived(pair, here, before):
    assert "saved" not in pair.machines[here].domains()
    after = count(pair.machines[1 - here])
    assert before < after <= before + 20, (before, after)
    assert "saved" in pair.machines[1 - here].domains()


def moved(pair, here):
    before = count(pair.machines[here])
    answer = move(pair, here)
    assert "has moved to" in answer, answer
    arrived(pair, here, before)


def stays(pair, words, options=""):
    """It is refused, and the guest goes on here; there is nothing there."""
    before = count(pair.machines[0])
    answer = move(pair, 0, options=options)
    assert re.search(words, answer), answer
    assert count(pair.machines[0]) > before
    assert "saved" not in pair.machines[1].domains()


def test_what_is_refused(pair):
    here, there = pair.machines
    assert "no domain 'saved'" in move(pair, 0)
    create(here)
    assert "HOST is an address" in here.refused("xl migrate saved elsewhere")
    assert "own address" in here.refused(f"xl migrate saved {ADDRESSES[0]}")
    assert "has not suspended itself" in here.refused("xl resume saved")
    there.ask("migrate-receive off")
    stays(pair, "takes no guests from here now")
    there.ask("migrate-receive 10.0.2.99")
    stays(pair, "takes no guests from here now")
    there.ask(f"migrate-receive {ADDRESSES[0]}")
    there.ask("create -p saved.cfg")
    assert "a domain named 'saved' runs already" in move(pair, 0)
    there.ask("destroy saved")
    # a CPU that can more than the one there: the hello is changed on its way
    pair.net.change = lambda side, data: (data[:108] + b"\xff" * 4 + data[112:]
                                          if data.startswith(HELLO) else data)
    stays(pair, "its CPU lacks what the guest may use")
    pair.net.be_good()
    # more memory than there is
    there.ask("create -p saved.cfg name='large' memory=184")
    stays(pair, "too little memory")
    there.ask("destroy large")
    # more than dom0 could remember of it
    here.ask("destroy saved")
    create(here, "maxmem=16384")
    stays(pair, "dom0 has too little memory for a guest of 16384 MiB")
    here.ask("destroy saved")
    create(here)
    moved(pair, 0)
    moved(pair, 1)


def test_disk_and_card(pair):
    """Both are at work while the guest is moved; both machines have the disk, and nothing that was
    written is lost."""
    pair.machines[0].create("split-saved.cfg")
    pair.machines[0].see(r"split-saved: round 3 of life 0", 60)
    for life in range(1, 3):
        answer = move(pair, (life - 1) % 2, "split-saved")
        assert "has moved to" in answer, answer
        for _ in range(2):
            pair.machines[life % 2].see(rf"split-saved: round \d+ of life {life}\b", 30)
    for one in pair.machines:
        assert "not true" not in one.said() and "RESULT" not in one.said()


def live(pair, here, name):
    """Moved while it runs: milliseconds for which it stood still, rounds before that."""
    answer = move(pair, here, name, "--live")
    print(answer)
    assert f"'{name}' has moved to" in answer and "Round 1: " in answer, answer
    still = re.search(r"stood still for (\d+) ms", answer).group(1)
    went = re.search(r"(\d+) pages? went in (\d+) rounds? before, and (\d+) then", answer)
    assert name not in pair.machines[here].domains()
    return int(still), int(went.group(2)), int(went.group(1))


def at_work(pair, here, life):
    for _ in range(2):
        pair.machines[here].see(rf"split-saved: round \d+ of life {life}\b", 60)


def test_live(pair):
    """Its disk, its card and its memory are at work, page tables come and go."""
    pair.machines[0].create("split-saved.cfg")
    at_work(pair, 0, 0)
    for life in range(1, 3):
        still, rounds, pages = live(pair, (life - 1) % 2, "split-saved")
        assert rounds >= 2 and pages > 100
        at_work(pair, life % 2, life)
    for one in pair.machines:
        assert "not true" not in one.said() and "RESULT" not in one.said()


@long
def test_live_again_and_again(pair):
    """With figures; and as often cut off at a random byte of all that goes."""
    pair.machines[0].create("split-saved.cfg")
    at_work(pair, 0, 0)
    figures, wholes = [], []
    for life in range(1, 2 * MOVES + 1):
        pair.net.be_good()
        figures.append(live(pair, (life - 1) % 2, "split-saved"))
        wholes.append(pair.net.passed)
        at_work(pair, life % 2, life)
    for name, column in zip(("ms still", "rounds", "pages before"), zip(*figures)):
        print(f"{name:13} {min(column):8} {statistics.median(column):10} {max(column):8}")
    for number in range(MOVES):
        lost = not_come(pair.machines[1])
        pair.net.be_good()
        at = random.SystemRandom().randrange(1, min(wholes))
        pair.net.cut_at, pair.net.reset = at, number % 2
        answer = move(pair, 0, "split-saved", "--live")
        print("cut at", at, "of", min(wholes), answer)
        assert "Error: " in answer and pair.net.cut_at is None
        at_work(pair, 0, 2 * MOVES)
        pair.machines[1].until(lambda lost=lost: not_come(pair.machines[1]) > lost, 80)
        assert "split-saved" not in pair.machines[1].domains()
    for one in pair.machines:
        assert "not true" not in one.said() and "RESULT" not in one.said()


def test_live_ends(pair):
    """Though it writes all that it has all the time."""
    pair.machines[0].create("split-saved.cfg extra='writes=all'")
    at_work(pair, 0, 0)
    still, rounds, pages = live(pair, 0, "split-saved")
    assert 2 <= rounds <= 3 and 1000 < pages <= 3 * 2560
    at_work(pair, 1, 1)
    assert "not true" not in pair.machines[1].said()


def hold_from(pair, passed):
    """Behind so many bytes nothing gets through, until the net is good again."""
    def change(side, data):
        pair.net.hold = pair.net.hold or pair.net.passed > passed
        return data

    pair.net.be_good()
    pair.net.change = change


def test_destroyed_as_it_comes(pair):
    """All of it is there, but not yet the word that it may run, which has nobody wait: it goes on
    here."""
    def hold_go(side, data):
        pair.net.hold = pair.net.hold or data == GO
        return b"" if data == GO else data

    here, there = pair.machines
    create(here)
    before = count(here)
    pair.net.change = hold_go
    here.send(f"xl migrate saved {ADDRESSES[1]}")
    there.until(lambda: "saved" in there.domains(), 60)
    said = there.ask("xl destroy saved", 60)
    assert "'saved' has not come" in said and "given up" in said, said
    assert "is destroyed" in said and "saved" not in there.domains()
    pair.net.be_good()
    here.see("it has not begun to run there", 60)
    assert count(here) > before


def test_it_ends_meanwhile(pair):
    """It is gone here, and nothing is there."""
    here, there = pair.machines
    lost = not_come(there)
    here.create("split-saved.cfg extra='ends=20'")
    here.see(r"split-saved: round \d+ of life 0", 60)
    hold_from(pair, 200 << 10)
    here.send(f"xl migrate --live split-saved {ADDRESSES[1]}")
    here.see("RESULT SUCCESS", 15)
    assert pair.net.hold
    pair.net.be_good()
    here.see("'split-saved' has ended while it was moved", 30)
    here.until(lambda: "split-saved" not in here.domains(), 20)
    there.until(lambda: not_come(there) > lost, 20)
    assert "split-saved" not in there.domains()


def cut(pair, at, reset, options=""):
    before = not_come(pair.machines[1])
    pair.net.be_good()
    pair.net.cut_at, pair.net.reset = at, reset
    stays(pair, "Error: ", options)
    assert pair.net.cut_at is None          # it was cut
    pair.machines[1].until(lambda: not_come(pair.machines[1]) > before, 80)
    pair.net.be_good()


def test_a_connection_that_is_cut(pair):
    """Somewhere, in what is said first or in the guest's memory; both ends are told. Then without a
    word to anybody."""
    create(pair.machines[0])
    for number in range(max(MOVES, 2)):
        options = "--live" if number % 2 else ""
        at = random.SystemRandom().randrange(1, 200 << 10 if options else 8 << 20)
        print("cut at", at, options)
        cut(pair, at, number < 2 or number % 3, options)
    moved(pair, 0)


def test_the_last_words_are_lost(pair):
    """Has it gone, or not? Who does not know asks again. Lost is GO: it has not; then DONE. Another
    word than GO is none."""
    create(pair.machines[0])
    pair.net.change = lambda side, data: b"nogo" if data == GO else data
    stays(pair, "there: it does not speak as Domus")
    pair.net.be_good()
    pair.net.reset = True
    pair.net.cut_when = lambda side, data: side == 0 and data == GO
    stays(pair, "it has not begun to run there")
    before = count(pair.machines[0])
    pair.net.cut_when = lambda side, data: side == 1 and data.startswith(DONE)
    answer = move(pair, 0)
    assert "asking again" in answer and "has moved to" in answer, answer
    arrived(pair, 0, before)


def test_given_up(pair):
    """By the operator, here and there."""
    here, there = pair.machines
    create(here)
    before, lost = count(here), not_come(there)
    hold_from(pair, 100 << 10)
    here.send(f"xl migrate --live saved {ADDRESSES[1]}")
    here.until(lambda: pair.net.hold)
    here.child.send("\x03")
    here.see("Error: given up", 20)
    assert count(here) > before
    pair.net.be_good()
    # that here has ended the connection was lost, too
    there.until(lambda: not_come(there) > lost, 80)
    before, lost = count(here), not_come(there)
    pair.net.cut_at = 4 << 20
    here.send(f"xl migrate saved {ADDRESSES[1]}")
    here.until(lambda: pair.net.cut_at is None)
    assert "is just moving" in there.refused(f"xl migrate {there_is(there)} {ADDRESSES[0]}")
    here.child.send("\x03")
    here.see("Error: given up", 20)
    assert count(here) > before
    there.ask("migrate-receive off")
    there.until(lambda: not_come(there) > lost, 15)
    assert "given up" in there.said()


def there_is(one):
    """A guest that could move; its name."""
    one.create("saved.cfg name='other'")
    one.see(r"\(other\) saved: counted to 2", 30)
    return "other"


@long
def test_a_guest_that_takes_its_time(pair):
    """It is waited for here and there; and who gives up first is here, who has the guest."""
    here, there = pair.machines
    create(here)
    before, lost = count(here), not_come(there)
    here.ask("xl pause saved")
    here.send(f"xl migrate saved {ADDRESSES[1]}")
    here.see("Error: 'saved' does not suspend itself: it has not listened", 60)
    there.until(lambda: not_come(there) > lost, 20)
    assert there.said().rsplit("has not come", 1)[1].startswith(
        f" from {ADDRESSES[0]}: the connection is broken")
    here.ask("xl unpause saved")
    assert count(here) > before
    here.ask("xl destroy saved")
    # longer than there is waited for a peer that has nothing more to do
    here.create("split-saved.cfg extra='late=26000'")
    at_work(pair, 0, 0)
    assert "'split-saved' has moved to" in move(pair, 0, "split-saved")
    at_work(pair, 1, 1)
    assert "not true" not in there.said()


@long
def test_what_is_changed_on_its_way(pair):
    """One byte: it is refused, or it was the guest's own. It never runs twice, and nothing is
    left."""
    seed = random.SystemRandom()
    for _ in range(5 * MOVES):
        # what says what comes; or anything
        at, passed = seed.randrange(232, seed.choice((1200, 40000))), 0

        def change(side, data):
            nonlocal passed
            place, passed = at - passed, passed + (len(data) if side == 0 else 0)
            if side or not 0 <= place < len(data):
                return data
            return data[:place] + bytes([data[place] ^ 1 << seed.randrange(8)]) + data[place + 1:]

        create(pair.machines[0])
        pair.net.change = change
        answer = move(pair, 0)
        pair.net.change = None
        print(at, answer.split("\n")[-1])
        runs = ["saved" in one.domains() for one in pair.machines]
        assert runs == [True, False] if "Error" in answer else not runs[0], answer
        for one in pair.machines:
            one.end_all()
            one.audit()


@long
def test_nobody_says_what_became_of_it(pair):
    """The net is gone when GO has gone: the guest stays, suspended, until the operator knows."""
    def gone(side, data):
        pair.net.lose = 1000 if data == GO else 0
        return data == GO

    here = pair.machines[0]
    create(here)
    pair.net.cut_when = gone
    here.send(f"xl migrate saved {ADDRESSES[1]}")
    here.see("asking again", 60)
    here.child.send("\x03")
    here.see("nobody says whether 'saved' runs there now", 60)
    assert "s" in here.domains()["saved"][1]
    assert "has ended" in here.refused("xl save saved scratch")
    here.ask("xl resume saved")
    count(here)
    pair.net.be_good()
    there = pair.machines[1]
    there.until(lambda: not_come(there) and "saved" not in there.domains(), 60)
    moved(pair, 0)


@long
def test_a_net_that_loses(pair):
    create(pair.machines[0])
    pair.net.lose = 10
    moved(pair, 0)
