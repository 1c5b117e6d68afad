# SPDX-License-Identifier: MIT
"""What people type at dom0's prompt who know another one: keys of a terminal, words of a shell,
other spellings of xl's options."""
import re
import time

import pytest

import machine

HINTS = [
    ("exit", "no command 'exit'; this prompt lasts as long as the machine: poweroff ends that one. "
             "(Ctrl-a x ends QEMU"),
    ("xl quit", "poweroff ends that one"),
    ("dir", "files lists the boot archive"),
    ("xl migrate hello elsewhere", "HOST is an address like 10.0.2.11"),
    ("xl vm-list", "xl has it, but there is none here"),
    ("'exit quit'", "no command 'exit quit'; \"help\" lists them"),
    ("exi", "no command 'exi'; \"help\" lists them"),
    ("debug-keys", "usage: debug-keys KEYS: press the hypervisor's debug keys; h lists them"),
    ("info now", "usage: info [-n]: the machine"),
    ("xl list -Z", "list: -Z is not understood; usage: list [-lv] [NAME...]: the domains"),
    ("xl list --longer", "list: --longer is not understood"),
    ("xl info -N", "info: -N is not understood"),
    ("xl create -e hello.cfg", "create: -e is not understood; usage: create"),
    ("xl -N destroy hello", "destroy cannot be tried without being done"),
    ("xl -Q list", "xl: -Q is not understood"),
    ("xl create -f", "create: -f is not understood; usage: create"),
    ("xl create -p", "usage: create"),
    ("xl create name='x'", "no configuration is named"),
    ("xl create /dev/null", "/dev/null: there is no name"),
    ("xl console -t serial hello", "a PV guest has one console: -t pv -n 0"),
    ("xl block-list nobody", "no domain 'nobody'"),
    ("xl destroy -f nobody", "no domain 'nobody'"),
    ("xl destroy ''", "no domain ''"),
    ("consoles maybe", "consoles on, or consoles off"),
    ("sleep forever", "SECONDS is a number, 1000000 at most, and not 'forever'"),
    ("sleep", "usage: sleep SECONDS: let time pass"),
    ("wait Domain-0", "'Domain-0' is the control domain"),
    ("cycle hello.cfg 1x", "TIMES is a number"),
    ("xl shutdown", "say which domain, or -a for all (the machine: poweroff, restart)"),
]


@pytest.mark.parametrize("line, error", HINTS, ids=[line.replace(" ", "-") for line, _ in HINTS])
def test_who_knows_another_prompt_is_told(system, line, error):
    answer = system.run(line)
    # no table's header before it
    assert error in answer.removeprefix("Parsing config from /dev/null\n").split("\n")[0]
    assert not re.search(r" $", answer, re.M)


def test_numbers(system):
    system.create("hello.cfg -p")
    for line in ("vcpu-set hello 1x", "vcpu-set hello two", "trigger hello nmi x",
                 "trigger hello nmi 99999999999", "wait hello soon", "keys hello -1",
                 "wait hello 99999999999999999999", "sleep -1"):
        error = system.refused(line)
        assert "is a number" in error or "is not understood" in error, error


def test_twice_paused_is_not_yet_running(system):
    system.create("hello.cfg -p")
    system.ask("pause hello")
    assert system.answer("unpause hello") == \
        "Domain 'hello' was paused more than once, and still is"
    assert system.domains()["hello"][1] == "--p---"
    assert "no vCPU 7" in system.refused("trigger hello nmi 7")
    assert system.ask("unpause hello").startswith("Domain 'hello' runs")
    system.ended("hello")


def test_spellings_of_xl(system):
    for words in ("-f hello.cfg -p", "--defconfig=hello.cfg -pq",
                  "-p name='hello' hello.cfg", "-pfhello.cfg",
                  "-p /dev/null name='hello' kernel='hello.elf' memory=8", "-p -- hello.cfg"):
        system.ask(f"xl create {words}")
        assert system.domains()["hello"][1] == "--p---", words
        system.ask("xl destroy --force hello")
    assert "  create " in system.answer("xl create --help") == system.answer("xl help create")
    assert "  list " in system.ask("xl list nobody -h")
    for line in system.ask("help").splitlines():
        assert not line.endswith(" "), line


def test_who_has_ended_has_left_a_log(system):
    system.create("hello.cfg")
    system.ended("hello")
    assert "no domain 'hello': it has ended; console-log shows what it said last" \
        in system.refused("xl console hello")
    assert "Hello from domain" in system.ask("console-log hello")


def test_whether_consoles_are_shown(system):
    for state, said in (("off", "kept for xl console"), ("on", "shown")):
        system.ask(f"consoles {state}")
        assert system.answer("consoles") == f"Guests' output is {said}"


def test_keys_of_a_terminal(system):
    system.ask("echo first")
    system.child.send("\x1b[A\x1b[A" + 5 * "\x1b[D" + "the \r")  # up, up, into its middle
    system.see(r"\nthe first")
    system.child.send("cre\thello.c\t\x01echo \r")              # Tab; to the beginning
    system.see(r"\ncreate hello\.cfg")
    system.child.send("create \t\t\x15echo shown\r")           # configurations, and nothing else
    words = set(system.see(r"\n([a-z][^>]*)dom0> .*\nshown")[1].split())
    assert "hello.cfg" in words and not [word for word in words if not word.endswith(".cfg")]
    system.child.send("the\x12\r")                              # sought
    system.see(r"\nthe first")
    # what has no meaning leaves nothing behind
    system.child.send("echo ar\x1b[15~rows\r")
    system.see(r"\narrows")
    system.child.send("destroy everything\x03echo  well\r")
    system.see(r"\^C\s+dom0> ")
    system.see(r"\nwell")
    system.child.send("\x04")
    system.see(r"no command 'logout'; this prompt lasts[^\n]*\n")
    assert system.answer("echo 1;;echo 2; ;echo '3;4';") == "1\n2\n3;4"
    assert "first" in system.said() and "[A" not in system.run("echo done")


def test_ctrl_c_ends_a_wait(system):
    system.create("hello.cfg -p")
    for line, said in (("sleep 1000", ""),
                       ("wait hello 1000; echo  never",
                        "Error: domain 'hello' still runs, but is not waited for"),
                       ("xl shutdown -w hello", "is not waited for"),
                       ("cycle insula1.cfg 3 1000000", "cycle: 1 times")):
        system.send(f"echo  before; {line}")
        system.see(r"\nbefore")
        begin = system.clock.now()
        time.sleep(0.5)
        system.child.send("echo thrown away\r\x03")
        system.see(r"\^C")
        if said:
            system.see(said)
        system.ask("list")
        assert system.clock.now() - begin < 60 * machine.PATIENCE
    said = system.said()
    assert "\nnever" not in said and "\nthrown away" not in said


def test_no_domain_is_just_a_number(system):
    """A name of digits is a name; a number that is somebody's is that one's."""
    number = system.create("hello.cfg -p")
    other = system.create(f"hello.cfg -p name='{number + 1000}'")
    assert int(system.answer(f"xl domid {number + 1000}")) == other
    assert system.answer(f"xl domname {number}") == "hello"


def test_a_line_that_is_too_long(system):
    system.send("echo " + "x" * 3000)
    assert system.ask("echo  short").endswith("short")
    assert "too many words" in system.refused("echo" + " x" * 40)


def test_what_domains_have_the_hypervisor_do(system):
    def counts():
        titles, *rows = system.ask("perf").splitlines()
        assert len(titles) <= 100 and all(len(row) == len(titles) for row in rows)
        return {row.split()[0]: dict(zip(titles.split()[2:], map(int, row.split()[2:])))
                for row in rows}
    before = counts()["Domain-0"]
    system.ask("perf -r")
    after = counts()["Domain-0"]
    assert 0 < after["hypercalls"] < before["hypercalls"]
    assert after["switches"] < before["switches"]


def test_which_domus_this_is(system):
    assert re.fullmatch(r"dom0 of Domus (\d+\.\d+); below it Xen 4\.17\.0(-domus-\1)?",
                        system.ask("version").strip())


def test_no_line_is_wider_than_a_terminal(system):
    """100 columns, of help and of every table; but for what has Xen's own form (info), and somebody
    else's words (dmesg, console-log)."""
    system.ask("xl create -q insula1.cfg")
    try:
        names = re.findall(r"^ {0,2}([a-z][a-z-]*)", system.ask("help"), re.M)
        assert {"version", "served", "top"} <= set(names)
        wide = {}
        for line in ["help", *(f"help {name}" for name in names), "list", "list -v", "served",
                     "vcpu-list", "top -b -i 1", "perf", "info -n", "disks", "files", "bridge",
                     "ip", "uptime", "sched-credit", "version", "network-list insula1",
                     "block-list insula1", "domid insula1", "consoles", "audit", "xl nonsense"]:
            rows = system.run(line).expandtabs().splitlines()
            if line == "info -n":
                rows = [row for row in rows if not re.match("[a-z_]+ *:", row)]
            if any(len(row) > 100 for row in rows):
                wide[line] = max(rows, key=len)
        assert not wide
    finally:
        system.ask("xl destroy insula1")
