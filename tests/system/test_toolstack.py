# SPDX-License-Identifier: MIT
"""What the toolstack can do to a Linux guest that runs: columns, names and refusals of `xl`,
triggers, XenStore's rights and limits, and what becomes of a guest that dies while disks and cards
come and go.

(That disks, cards and memory really come and go: test_linux.py.)
"""
import json
import os
import re

import pytest

import dom0
import linux_box

# one machine, slowly warmed up: all on one worker
pytestmark = pytest.mark.xdist_group("toolstack")
CONFIGS = {
    "guest.cfg": linux_box.config("guest", linux_box.QUICK, vcpus=2, memory=192,
                                  maxmem=256, vif=["bridge=br0"], disk=["phy:scratch,xvda,w"]),
    "small.cfg": linux_box.config("small", linux_box.QUICK, memory=128, maxvcpus=2),
}


class Shared(linux_box.Shared):
    def warm_up(self):
        """Two at once, as the largest test has them."""
        for name in ("guest", "small"):
            self.system.boot(f"{name}.cfg")
        for name in ("guest", "small"):
            self.system.ask(f"xl destroy {name}")


@pytest.fixture(scope="module")
def shared():
    holder = Shared(f"toolstack-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}", CONFIGS)
    yield holder
    holder.drop()


def status(system, line):
    """The exit status of a command that a script would see."""
    return int(re.search(r"^status (\d+)$", system.run(f"{line}; echo status $?"), re.M).group(1))


def test_words_options_and_statuses_are_those_of_xl(system):
    system.ask("xl create -pq small.cfg memory=160 name=\"little\" 'on_crash=\"preserve\"'")
    assert re.search(r"^little +\d+ +160 +1 +--p---", system.ask("xl list"), re.M)
    number = int(system.answer("xl domid little"))
    assert system.answer(f"xl domname {number}") == "little"
    assert re.search(rf"^little +{number} +160 .*\n"
                     rf"    [0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}} +- +-$",
                     system.ask("xl list -v little"), re.M)
    [little] = json.loads(system.ask("xl list --long little"))
    assert little["domid"] == number and little["config"]["c_info"]["name"] == "little"
    assert little["config"]["b_info"]["target_memkb"] == 160 << 10 \
        and little["config"]["b_info"]["max_vcpus"] == 2
    assert [entry["domid"] for entry in json.loads(system.ask("xl list -l"))] == [0, number]
    assert re.search(rf"^ \d\d:\d\d:\d\d up +0:\d\d, little \({number}\)$",
                     system.ask("xl uptime -s little"), re.M)
    assert status(system, "xl unpause little") == 0 == status(system, "xl unpause little")
    assert [status(system, f"xl {line}")
            for line in ("list", "list nobody", "frobnicate",
                         "block-detach little", "list -x", "create nothing.cfg")] == \
        [0, 1, 1, 2, 2, 3]
    assert status(system, "xl rename little little") == 0
    system.run("xl dmesg -c")                                   # all that was said, errors too
    assert "TSC" not in system.run("xl dmesg")
    assert "Shutting down domain" in system.ask("xl shutdown -a --wait", timeout=120)
    assert set(system.domains()) == {"Domain-0"}


def test_created_at_its_console(system):
    system.send("xl create -c small.cfg")
    system.see(r"LINUX UP: \S+ 1 CPU", 120)                     # of two that it may have
    system.see("/ # ")
    system.send("echo $((6 * 7))")
    system.see(r"\n42\r")
    system.child.send(dom0.LEAVE_CONSOLE)
    system.see("Detached")
    system.ask("xl vcpu-set small 2")
    # Linux learns of it, and leaves it to its user space to bring the CPU up.
    assert system.shell("small", "until echo 1 2>/dev/null >/sys/devices/system/cpu/cpu1/online; "
                                 "do sleep 0.1; done; nproc").endswith("2")
    system.send("xl console small")
    system.send("poweroff -f")
    # and the operator is back at the prompt, while what it had is still given back
    system.see("The guest is gone")
    system.ended("small")
    assert set(system.domains()) == {"Domain-0"}


def test_tables_refusals_name_vcpus_and_the_nmi(system):
    number = system.boot("guest.cfg")
    # Each row by itself: what the guest says may come between two of them.
    disks, cards = system.ask("xl block-list guest"), system.ask("xl network-list guest")
    for pattern, table in ((r"^Vdev  BE  handle state evt-ch ring-ref BE-path *$", disks),
                           (rf"^51712 0   {number} +4 +\d+ +\d+ "
                            rf"+/local/domain/0/backend/vbd/{number}/51712 *$", disks),
                           (r"^Idx BE Mac Addr. +handle state evt-ch +tx-/rx-ring-ref BE-path *$",
                            cards),
                           (rf"^0   0  00:16:3e(:[0-9a-f]{{2}}){{3}} +0 +4 +-?\d+ +\d+/\d+ "
                            rf"+/local/domain/0/backend/vif/{number}/0 *$", cards)):
        assert re.search(pattern, table, re.M), pattern
    assert len(re.findall(rf"^guest +{number} +[01] +\d+ +[r-][b-]- +\d+\.\d +all / all$",
                          system.ask("xl vcpu-list guest"), re.M)) == 2
    assert re.search(rf"^guest +{number} +0:\d\d:\d\d$", system.ask("xl uptime guest"), re.M)
    assert "no domain 'other'" in system.refused("xl vcpu-list other")
    assert "in use by a guest" in system.refused("xl block-attach guest phy:scratch,xvdb,r")
    assert "no partition of that name" in system.refused("xl block-attach guest phy:nowhere,xvdb,r")
    assert "has a vbd 51712 already" in system.refused("xl block-attach guest phy:insula1,xvda,r")
    assert "it has no device: ,xvda or vdev=xvda" \
        in system.refused("xl block-attach guest nonsense")
    assert "in use by a guest" \
        in system.refused("xl block-attach guest vdev=xvdb,access=rw,target=scratch")
    assert "no device 'xvdb'" in system.refused("xl block-detach guest xvdb")
    assert "no bridge 'br9'" in system.refused("xl network-attach guest bridge=br9")
    assert "256 MiB at most" in system.refused("xl mem-set guest 257")
    assert "is no size" in system.refused("xl mem-set guest much")
    assert "has more than that now" in system.refused("xl mem-max guest 100")
    assert "1 to 2 vCPUs" in system.refused("xl vcpu-set guest 3")
    assert "invalid trigger" in system.refused("xl trigger guest kick")
    assert "no wire" in system.refused("xl trigger guest power")

    system.ask("xl rename guest penguin")
    assert system.domains()["penguin"][0] == number and "guest" not in system.domains()
    assert system.shell("penguin", "xenstore-read name") == "penguin"
    assert "a name has 1 to 63 characters" in system.refused(f"xl rename penguin {'p' * 64}")
    system.ask("xl vcpu-set penguin 1")
    assert system.shell("penguin", "while [ $(nproc) = 2 ]; do sleep 0.1; done; nproc") == "1"
    # Linux counts a CPU as gone before that CPU has run its last and given its vCPU up.
    system.until(lambda: re.search(r"^penguin +\d+ +1 +- +--p +",
                                      system.ask("xl vcpu-list penguin"), re.M))
    system.ask("xl trigger penguin nmi")
    assert system.shell("penguin", "until dmesg | grep -q 'NMI received for unknown reason'; do "
                                   "sleep 0.1; done; echo $((6 * 7))").endswith("42")


def test_rights_and_limits_in_the_store(system):
    number = system.boot("guest.cfg")

    def ask(line):
        return system.shell("guest", line)
    assert "Permission denied" in ask("xenstore-ls / 2>&1")
    assert ask("xenstore-write data/mine 1; xenstore-chmod data/mine b0; xenstore-chmod data/mine "
               "n0 2>&1").endswith("Operation not permitted")
    assert re.search(rf"^mine = \"1\" +\(n{number}\)$",
                     ask(f"xenstore-chmod data/mine n{number}; xenstore-ls -p data"), re.M)
    assert ask("xenstore-read data//x 2>/dev/null || echo refused") == "refused"
    assert ask("xenstore-watch -n 1 data/mine 2>&1; echo status $?") == "data/mine\nstatus 0"
    # More names than one message holds come in parts; more nodes than a guest may have do not come
    # to be. (A process writes a hundred, in a transaction: to start one is what takes long here.)
    fill = "i=0; while [ $i -lt %d ]; do echo data/%s$i v; i=$((i+1)); done | " \
           "xargs -n 200 xenstore-write >/dev/null 2>&1"
    assert ask(fill % (300, "long/a-name-of-some-length-") +
               "; xenstore-list data/long | wc -l").split()[-1] == "300"
    assert int(ask(fill % (1000, "many/") + "; xenstore-list data/many | wc -l").split()[-1]) < 800
    assert ask("xenstore-rm data/long; xenstore-rm data/many; xenstore-write data/mine 2; "
               "xenstore-read data/mine") == "2"


def test_rights_between_two_guests(system):
    """n, r, w, b as XenStore's documentation means them, seen from the other guest: reading,
    writing, removing, hearing of a change."""
    owner, other = system.boot("guest.cfg"), system.boot("small.cfg")

    def foreign(line):
        return system.shell("small", f"N=/local/domain/{owner}/data/shared; {line}")

    for mode, may_read, may_write in (("n", False, False),
                                      ("r", True, False), ("w", False, True), ("b", True, True)):
        system.shell("guest", f"xenstore-write data/shared mine; xenstore-chmod data/shared "
                              f"n{owner} {mode}{other}")
        assert foreign("xenstore-read $N 2>/dev/null || echo refused") == \
            ("mine" if may_read else "refused")
        assert foreign("xenstore-exists $N && echo there || echo refused") == \
            ("there" if may_read else "refused")
        assert foreign("xenstore-write $N theirs 2>/dev/null && echo done || echo refused") == \
            ("done" if may_write else "refused")
        assert system.shell("guest", "xenstore-read data/shared") == \
            ("theirs" if may_write else "mine")
        # the owner stays the owner
        assert foreign(f"xenstore-chmod $N n{other} 2>/dev/null && echo done || echo refused") == \
            "refused"
        foreign("(timeout 200 xenstore-watch -n 2 $N >/tmp/heard 2>/dev/null &); until [ -s "
                "/tmp/heard ]; do sleep 0.1; done")
        system.shell("guest", "xenstore-write data/shared news")
        heard = "until [ $(wc -l < /tmp/heard) = 2 ]; do sleep 0.1; done" if may_read else "sleep 1"
        assert foreign(f"{heard}; wc -l < /tmp/heard; killall xenstore-watch 2>/dev/null") == \
            ("2" if may_read else "1")
        assert foreign("xenstore-rm $N 2>/dev/null && echo done || echo refused") == \
            ("done" if may_write else "refused")
    for line in ("xenstore-write /local/domain/0/x y", "xenstore-write name other",
                 "xenstore-rm /local", f"xenstore-write /local/domain/{owner}/data/x y",
                 f"xenstore-list /local/domain/{owner}/device"):
        assert foreign(f"{line} 2>/dev/null && echo done || echo refused") == "refused", line


def test_a_guest_that_does_not_answer_and_one_that_dies_meanwhile(system):
    number = system.boot("guest.cfg")
    # it may be given time, or the disk may be taken
    system.ask("xl pause guest")
    assert "does not let go" in system.refused("xl block-detach guest xvda", timeout=60)
    assert re.search(r"^scratch +\d+ MiB  written by a guest", system.ask("disks"), re.M)
    system.ask("xl block-detach --force guest xvda")
    assert re.search(r"^scratch +\d+ MiB  free", system.ask("disks"), re.M)
    system.ask("xl unpause guest")
    system.shell("guest", "echo 1 > /proc/sys/kernel/sysrq; (sleep 3; echo c > "
                          "/proc/sysrq-trigger) & true")
    for _ in range(200):
        said = [system.run(f"xl {line}")
                for line in ("block-attach guest phy:insula1,xvdb,w", "network-attach guest",
                             "block-detach guest xvdb", "network-detach guest 1")]
        if any("Error: no domain" in line for line in said):
            break
    assert f"domain {number} 'guest' has ended: crash" in system.said()
    assert "Kernel panic" in system.run("console-log guest")
    assert system.ask("disks").count(" free") >= 2
