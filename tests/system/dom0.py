# SPDX-License-Identifier: MIT
"""The whole system at its prompt: a machine that runs the hypervisor and our dom0, spoken to as an
operator would.

Used by the system tests and the demo. A command is followed by an `echo` of a number that nobody
has said before; what comes before that is the command's answer, whatever else the guests say in
between.

DOMUS_ON=xen runs everything that uses this on Debian's real Xen instead: dom0 does not know the
difference. (There, power-off ends in a halt, and the hypervisor cannot audit itself.)
"""
import contextlib
import itertools
import os
import re
import socket

import machine
import qemu

ON_XEN = os.environ.get("DOMUS_ON") == "xen"
XEN = machine.Hypervisor("xen", machine.XEN.path, qemu.XEN_GUESTS_ARGUMENTS,
                         qemu.XEN_GUESTS_CPU)
# dom0's own; QEMU's DHCP server gives away 10.0.2.15 and what is above
ADDRESS = "10.0.2.10"
XENS_OWN = 16           # pages: real Xen's own pools grow with the guests it has had, and stay
LEAVE_CONSOLE = "\x1d"
WORDS = itertools.count(1)
# A line of another guest, of dom0 or of the hypervisor; they come whole, but anywhere.
OTHER = r"(?:(?<!:)\((?:XEN|[a-z][a-z0-9.-]*)\) |" \
        r"(?:dom0|xenstore|console|virtio|pvguest): |/local/domain/)[^\n]*\n"
FATAL = [r"Panic on CPU[^\r\n]*", r"Domain 0 (?:crashed|halted)[^\r\n]*",
         r"HYPERVISOR PANIC[^\r\n]*", r"dom0: cannot start[^\r\n]*",
         r"GUEST PANIC[^\r\n]*"]


TURNS = ("disk", "card", "vbd", "vif", "store", "console", "pace", "state")


def number_of(word):
    """Of a table's cell: 12, 0.345, 100k."""
    unit = " kMGTPE".find(word[-1])
    return float(word[:-1]) * 1000 ** unit if unit > 0 else float(word)


class Dom0(machine.Machine):
    """A booted machine with dom0's prompt before us."""
    OTHER = OTHER                           # what may stand anywhere in what a guest is asked for

    def __init__(self, name, *, disk=None, net="user,id=n0",
                 on_xen=ON_XEN, domus=machine.DOMUS, xen=XEN, archive=None, **machine_options):
        """domus or, when DOMUS_ON says so, xen: what to boot; archive: the guests, other than the
        build's own."""
        self.on_xen, self.unseen = on_xen, ""
        super().__init__(name, hypervisor=xen if on_xen else domus, disk=disk, net=net,
                         modules=[[machine.BUILD / "dom0.elf", f"ip={ADDRESS}"],
                                  [archive or machine.BUILD / "archive.tar"]], **machine_options)
        try:
            self.see(r'dom0: ready; "help" lists the commands', timeout=90 if archive else 60)
            self.ask("consoles on")
        except BaseException:
            self.kill()
            raise

    # --- at the prompt ----------------------------------------------------------------------------
    def see(self, pattern, timeout=60):
        """Like expect(), but a dying system is noticed at once. What a guest said while create()
        waited for dom0 counts."""
        patterns = [pattern] if isinstance(pattern, str) else list(pattern)
        unseen, self.unseen = self.unseen, ""
        for self.which, early in enumerate(re.search(one, unseen, re.S) for one in patterns):
            if early:
                self.unseen = unseen[early.end():]
                return early
        match = self.expect(patterns + FATAL, timeout)
        if self.which >= len(patterns):
            with contextlib.suppress(machine.Failed):
                self.listen(1)
            raise machine.Failed(f"{self.name}: while waiting for {pattern!r}: {match.group(0)}\n"
                                 f"{self.tail(40)}")
        return match

    def mark(self, word, timeout, number):
        """Waits until whoever was told to say a word and a number has said it, other people's lines
        in the middle of it or not.

        Returns what came before it.
        """
        try:
            others = f"(?:{self.OTHER})*"
            said = others.join(re.escape(character) for character in f"{word} {number}")
            self.see(said + r"(?!\d)", timeout)
        except machine.TooLate:
            raise machine.TooLate(f"{self.name}: nobody has said `{word} {number}` within "
                                  f"{timeout} s.\n{self.tail()}") from None
        return machine.ESCAPES.sub("", self.child.before)

    def run(self, line, timeout=60):
        """Runs a command; returns what was said meanwhile, without control characters."""
        number = next(WORDS)
        self.send(line)
        # said back with single blanks: its echo is not what we wait for
        self.send(f"echo  done  {number}")
        text = self.mark("done", timeout, number)
        # less its echo
        rows = (row for row in text.split("\n") if row != line
                and not re.match("dom0> |echo  done", row))
        return "\n".join(rows).strip("\n")

    def ask(self, line, timeout=60):
        """Runs a command that must succeed."""
        answer = self.run(line, timeout)
        if re.search(r"^Error: ", answer, re.M):
            raise machine.Failed(f"{self.name}: `{line}` says:\n{answer}")
        return answer

    def ended(self, name, timeout=60):
        """Waits for a domain's end: so many seconds of what this machine really got, while the
        prompt's own `wait` looks at a clock that goes on when the machine does not."""
        return self.ask(f"wait {name} 100000", timeout)

    def answer(self, line, timeout=60):
        """What a command that must succeed says itself, to be compared word by word: without the
        lines that others have said meanwhile."""
        return re.sub(OTHER, "", self.ask(line, timeout) + "\n").strip("\n")

    def refused(self, line, timeout=60):
        """Runs a command that must not succeed; returns its error."""
        answer = self.run(line, timeout)
        match = re.search(r"^(?:cycle \d+: )?Error: .*", answer, re.M)
        if not match:
            raise machine.Failed(f"{self.name}: `{line}` is not refused:\n{answer}")
        return match.group(0)

    def create(self, config, timeout=60):
        """`xl create`; returns the new domain's number. A guest that is quick has spoken before
        that: see() finds it."""
        answer = self.ask(f"xl create {config}", timeout)
        match = re.search(r"Domain '\S+' is created: (\d+)", answer)
        if not match:
            raise machine.Failed(f"{self.name}: `xl create {config}` says:\n{answer}")
        self.unseen = answer
        return int(match.group(1))

    def domains(self):
        """`xl list` as {name: (number, state)}."""
        rows = re.findall(r"^(\S+) +(\d+) +\d+ +\d+ +(\S+) +[\d.]+$", self.ask("xl list"), re.M)
        return {name: (int(number), state) for name, number, state in rows}

    def served(self):
        """`served` as {name: {title: number}}; what is short there (100k) is a number here."""
        table = self.ask("served")                      # and what else is said meanwhile
        kinds = re.search(r"^Name +(.*)$", table, re.M).group(1).split()
        rows = re.findall(r"^(\S+)((?: +[\d.]+[kMGTPE]?)+)$", table, re.M)
        cells = [(name, row.split()) for name, row in rows]
        return {name: dict(zip(kinds, map(number_of, words))) for name, words in cells
                if len(words) == len(kinds)}

    def free_pages(self):
        """Pages of the machine, and of dom0, that belong to nobody. Those that Domus has cut up for
        small objects stay so, as many as were ever needed at once, whenever that was: no domain's.
        """
        info = self.ask("info")
        free, own = (int(re.search(rf"^{key} *: (\d+)$", info, re.M).group(1))
                     for key in ("free_pages", "dom0_free_pages"))
        if not self.on_xen:
            free += int(re.search(r"pages free, (\d+) cut up", self.ask("debug-keys m")).group(1))
        return free, own

    def books(self):
        """What dom0 holds that no count of pages shows: event channels, and nodes of its own in
        XenStore."""
        ports = len(re.findall(r"d0 port \d+: ", self.ask("debug-keys e")))
        return {"ports": ports, "nodes": self.served()["Domain-0"]["Nodes"]}

    def all_free_again(self, before):
        """As much as before is free. The hypervisor frees the last of a domain a moment later; so a
        moment's patience."""
        spare = XENS_OWN if self.on_xen else 0
        try:
            self.until(lambda: self.free_pages()[0] + spare >= before[0], 5, 0.2)
        except machine.Failed:
            now = self.free_pages()
            raise machine.Failed(f"{self.name}: {before[0] - now[0]} pages of the machine are not "
                                 f"free again (dom0's own: {before[1]} -> {now[1]})") from None

    def end_all(self):
        """Every guest."""
        for name in self.domains():
            if name != "Domain-0":
                self.run(f"destroy {name}")

    def audit(self):
        """Lets the hypervisor recount every frame; its sentence. Real Xen cannot: None."""
        answer = self.run("audit", timeout=120)
        if self.on_xen:
            return None
        if not re.search(r"^audit: 0 violations in \d+ frames", answer, re.M):
            raise machine.Failed(f"{self.name}: the audit finds violations:\n{answer}")
        return answer

    def said(self):
        """All that came over the serial line so far."""
        self.log.flush()
        return machine.ESCAPES.sub("", self.transcript.read_text(errors="replace"))

    # --- at a guest's console ---------------------------------------------------------------------
    @contextlib.contextmanager
    def console(self, name):
        """The operator joins a guest's console, and leaves it."""
        self.send(f"xl console {name}")
        self.see(rf"Console of {name}: Ctrl-\] brings you back")
        yield
        self.child.send(LEAVE_CONSOLE)
        self.see(r"\n(?:Detached|The guest is gone)\.")

    def shell(self, name, line, timeout=60):
        """Runs a line in the shell of a teaching kernel; returns what it printed."""
        number = next(WORDS)
        with self.console(name):
            end = " " if line.endswith("&") else "; "
            # one line: all of its echo is before all it says
            self.send(f"echo  begin  {number}; {line}{end}echo  done  {number}")
            self.mark("begin", timeout, number)
            text = self.mark("done", timeout, number)
        return re.sub(self.OTHER, "", text).strip("\n")

    # --- the end ----------------------------------------------------------------------------------
    def power_off(self, timeout=40):
        """Everything ends in order: guests, disk, machine. QEMU must end by itself, without
        complaint."""
        self.send("poweroff")
        self.see("The machine is powered off.", timeout)
        if self.on_xen:
            self.kill()
            return 0
        status = self.wait_off(timeout)
        if status:
            raise machine.Failed(f"{self.name}: QEMU ended with {status}\n{self.tail()}")
        return status


def udp_echo(port, text, tries=60):
    """Sends a datagram from this host to a forwarded port, each second, until it comes back; what
    came, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(machine.PATIENCE)
        for _ in range(tries):
            client.sendto(text.encode(), ("127.0.0.1", port))
            with contextlib.suppress(TimeoutError):
                return client.recv(2048).decode(errors="replace")
    return None
