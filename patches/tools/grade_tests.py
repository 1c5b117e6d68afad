# SPDX-License-Identifier: MIT
"""The kinds of tests that a lab has (lab.toml), each run on its own; what comes back is None, or
why it failed: what was expected, where, and where it hung or crashed.

    unit NAME TEST      the function TEST of tests/unit/test_NAME.c, on this host, under ASan, UBSan
    guest NAME          tests/guests/NAME, booted as dom0 of the student's hypervisor
    insula TEST         the teaching kernel in the folder insula, booted as dom0: that one of its
                        own tests (patches/insula/user/tests.c)
    typed               the same kernel's shell does what is typed
    measure ROW WHAT    the measuring guest's number, beside the benchmark's (grade_measured.py)
    paging HOW WHAT     the swapping guest's number, beside a simulation's (grade_paging.py)
"""
import os
import re
import signal
import subprocess
import sys

import grade_measured
import grade_paging

# Whose signals the sanitizer takes, to name the place: of a test that hangs; of one that crashed,
# too, which cmocka only counts as failed (some tests fault on purpose).
HANGS = "handle_abort=2"
CRASHES = HANGS + ":handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2"
# How long one that says nothing more is waited for.
SECONDS = int(os.environ.get("GRADE_SECONDS", "15"))
# Files of the tree in a stack trace or a message, not those of the C library.
PLACE = r"((?:hypervisor|pvguest-sdk|drivers|dom0|tests|insula|patches|lab)/[\w./-]+:\d+)"
# What make said when it could not build.
FAULT = re.compile(r"^[^\s:]+:\d+:.*\b(?:fatal error|error):.*|.*undefined reference to.*|"
                   r"make.*No rule to make.*", re.M)
# Lines of every boot, and of a dump of registers: no news.
BOOT = re.compile(r"  (in|called from) |r\w\w? |Domus |memory:|TSC |wall clock|\d+ CPUs?,|dom0: \d")


def last(box):
    """What a machine said last."""
    return "\n".join(line.strip() for line in box.tail(4).splitlines())


class Runner:
    def __init__(self, tree):
        self.tree, self.unbuilt = tree, {}
        self.measured = grade_measured.Measured(self.boot_counted)
        self.paging = grade_paging.Paging(self.boot_counted)

    # --- building ---------------------------------------------------------------------------------
    def make(self, *words):
        quiet = {name: value for name, value in os.environ.items()
                 if not name.startswith(("MAKE", "MFLAGS"))}
        return subprocess.run(["make", "-s", "DEPS=present", "B=build", "TREE=insula", *words],
                              cwd=self.tree, env=quiet, capture_output=True, text=True)

    def build(self, tests):
        """All that the tests need; what cannot be built is remembered, and why."""
        targets = sorted({target for test in tests for target in self.needs(test)})
        if self.make("-k", *targets).returncode == 0:
            return
        for target in targets:
            said = self.make(target).stderr
            if said:
                faults = list(dict.fromkeys(FAULT.findall(said)))[:4]
                self.unbuilt[target] = "it does not build:\n" + \
                    "\n".join(faults or said.splitlines()[-4:])

    def needs(self, test):
        return getattr(self, "needs_" + test["kind"])(*test["words"])

    def run(self, test):
        for target in self.needs(test):
            if target in self.unbuilt:
                return self.unbuilt[target]
        return getattr(self, "run_" + test["kind"])(*test["words"])

    # --- on this host -----------------------------------------------------------------------------
    def needs_unit(self, name, _):
        return [f"build/unit/{name}/test"]

    def run_unit(self, name, function):
        code, said, hung = self.unit(name, function, HANGS)
        if code == 0 and f"[       OK ] {function}\n" in said:
            return None
        if "Test failed with exception" in said:
            said = self.unit(name, function, CRASHES)[1]
        return self.why_unit(said, hung, f"tests/unit/test_{name}.c", function)

    def said_by(self, program):
        """What it says until it ends, within SECONDS of the time that it really gets."""
        clock = self.machine()[0].Clock(program.pid)
        end = clock.now() + SECONDS
        while True:
            try:
                return program.communicate(timeout=0.5)[0]
            except subprocess.TimeoutExpired:
                if clock.now() > end:
                    raise

    def unit(self, name, function, options):
        """(exit status, what it said, whether it hung)."""
        program = subprocess.Popen([self.tree / f"build/unit/{name}/test"], cwd=self.tree,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace",
                                   env=os.environ | {"TEST": function, "ASAN_OPTIONS": options})
        try:
            said = self.said_by(program)
            return program.returncode, said, False
        except subprocess.TimeoutExpired:
            # the sanitizer says where that was
            program.send_signal(signal.SIGABRT)
        try:
            said = program.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            program.kill()
            said = program.communicate()[0]
        return program.returncode, said, True

    def why_unit(self, said, hung, file, function):
        frames = re.findall(r"#\d+ \S+ in (\S+) (?:\S*/)??" + PLACE, said)
        places = [f"{where} in {name}" for name, where in frames]
        if hung:
            return f"it hangs: after {SECONDS} s it is still at\n" + "\n".join(places[:3])
        if wrong := re.search(PLACE + r"(?::\d+)?: runtime error: (.*)", said):
            return f"{wrong.group(1)}: {wrong.group(2)}"
        if asan := re.search(r"ERROR: (?:Address|Leak)Sanitizer:? (.*)", said):
            return f"it crashes: {asan.group(1).split(' on address')[0]}, at\n" + \
                "\n".join(places[:3])
        if failed := re.search(r"(?s)(?:\[  ERROR   \] ---|Could not run test:) (.*?)"
                               r"\[   LINE   \] --- (\S+:\d+)", said):
            told = re.search(r"ERROR: (?!Addr|Leak)(.*)", said)        # fail_msg()
            what = told.group(1) if told else " ".join(failed.group(1).split())
            statement = self.statement(failed.group(2))
            return f"{failed.group(2)}: {statement}" + (f"\n{what}" if what not in statement
                                                        else "")
        return f"{file}, {function}: it ends without saying how:\n" + \
            "\n".join(said.splitlines()[-4:])

    def statement(self, place):
        """The line of source there."""
        path, line = place.rsplit(":", 1)
        return (self.tree / path).read_text().splitlines()[int(line) - 1].strip()

    # --- in QEMU ----------------------------------------------------------------------------------
    def needs_guest(self, name):
        return ["build/domus.elf", "build/loader.elf", f"build/guests/test-{name}.elf"]

    def machine(self):
        """The tests' machine, as modules; their build folder is this tree's."""
        os.environ["DOMUS_BUILD"] = str(self.tree / "build")
        for folder in ("tests/guests", "tests/tools", "pvguest-sdk/tools"):
            if str(self.tree / folder) not in sys.path:
                sys.path.insert(0, str(self.tree / folder))
        import machine
        import test_guests
        return machine, test_guests

    def run_guest(self, name):
        machine, guests = self.machine()
        wanted = guests.wishes(name)
        options = guests.devices(f"grade-{name}", wanted)
        monitor = self.tree / f"build/logs/grade-{name}.qmp"
        monitor.parent.mkdir(parents=True, exist_ok=True)
        monitor.unlink(missing_ok=True)
        options["extra"] = [*options.get("extra", []), "-qmp",
                            f"unix:{os.path.relpath(monitor)},server=on,wait=off"]
        elf = self.tree / f"build/guests/test-{name}.elf"
        with machine.Machine(f"grade-{name}", modules=[[elf, "test"]],
                             hypervisor=guests.on_cpu(machine.DOMUS, wanted), **options) as box:
            try:
                match = box.expect([guests.RESULT, *guests.CRASHES], timeout=SECONDS)
                if box.which:
                    box.listen(1)
                    return self.stopped(box, match.group(0).strip())
                outcome, words = match.group(1), match.group(2).strip()
                if outcome != "SUCCESS":
                    return f"tests/guests/{name}: {outcome} {words}"
                box.wait_off(timeout=SECONDS)
            except machine.TooLate:
                return f"nothing more comes after {SECONDS} s: it is " + \
                    self.where(monitor, elf)
            except machine.Failed as problem:
                return self.stopped(box, str(problem).splitlines()[0])
        return None

    # --- the teaching kernel ----------------------------------------------------------------------
    def needs_insula(self, *_):
        return ["build/domus.elf", "build/loader.elf", "build/native/insula-fs.img",
                "build/port/own/insula.elf"]

    needs_typed = needs_insula

    def insula(self, name, words):
        machine, _ = self.machine()
        return machine, machine.Machine(
            f"grade-{name}", memory=256, hypervisor=machine.DOMUS, modules=[
                [self.tree / "build/port/own/insula.elf", *words],
                [self.tree / "build/native/insula-fs.img"]])

    def run_insula(self, test):
        machine, box = self.insula(test, [f"run=tests {test};poweroff"])
        with box:
            try:
                box.expect(rf"test {test}: ok", timeout=SECONDS)
                return None
            except machine.TooLate:
                why = f"nothing more comes after {SECONDS} s"
            except machine.Failed:
                why = "the machine has ended"
            return f'"test {test}: ok" does not come: {why}. The last it said:\n' + last(box)

    def run_typed(self):
        machine, box = self.insula("typed", [])
        with box:
            try:
                box.expect(r"\$ ", timeout=SECONDS)
                box.send("echo this | wc")
                box.expect(r"1 1 5", timeout=SECONDS)
            except machine.Failed:
                return '"echo this | wc" was typed, and "1 1 5" does not come. The last it ' \
                    'said:\n' + last(box)
        return None

    # --- what is measured -------------------------------------------------------------------------
    def needs_measure(self, *_):
        return ["build/domus.elf", "build/loader.elf", "build/guests/measure.elf",
                "build/guests/bench.elf"]

    def run_measure(self, row, what):
        return self.measured.why(row, what)

    def needs_paging(self, *_):
        return ["build/domus.elf", "build/loader.elf", "build/guests/paging.elf"]

    def run_paging(self, how, what):
        return self.paging.why(how, what)

    def boot_counted(self, name, last_line, more):
        """What a guest has said when it ends, or says nothing more; a tick is an instruction."""
        machine, _ = self.machine()
        with machine.Machine(f"grade-{name}", icount=True, hypervisor=machine.DOMUS,
                             modules=[[self.tree / f"build/guests/{name}.elf"]]) as box:
            try:
                box.expect(last_line, timeout=more * SECONDS)
            except machine.Failed:
                pass
            return box.tail(400)

    def place(self, program, address):
        """The innermost place in our source at an address, and the function."""
        said = subprocess.run(["addr2line", "-f", "-i", "-e", program, f"{address:x}"],
                              capture_output=True, text=True).stdout.splitlines()
        for function, where in zip(said[::2], said[1::2]):
            if found := re.search(PLACE, where):
                return f"{found.group(1)} in {function}"
        return f"{said[0] if said else '??'} ({address:x})"

    def stopped(self, box, what):
        """The hypervisor or the guest has stopped by itself: what it said, and where it was."""
        text = box.tail(60)
        elf = self.tree / "build/domus.elf"
        # behind a call stands what comes after it
        trace = [f"{word} {self.place(elf, int(at, 16) - (word != 'in'))}" for word, at in
                 re.findall(r"  (in|called from) \S+\+0x\w+ \((\w+)\)", text)]
        said = [line.strip() for line in re.findall(r"\(domus\) (.*)", text)
                if not BOOT.match(line)]
        last = next((i for i, line in enumerate(said) if line.startswith("HYPERVISOR PANIC")), -3)
        return "\n".join(dict.fromkeys([what, *said[last:][:3], *trace[:4]]))

    def where(self, monitor, elf):
        """Where a machine hangs that says nothing: three looks at its instruction pointer."""
        import qmp
        seen, registers = [], ""
        try:
            qemu = qmp.Monitor(monitor)
            for _ in range(3):
                registers = qemu.ask("human-monitor-command", {"command-line": "info registers"})
                rip = int(re.search(r"RIP=(\w+)", registers).group(1), 16)
                ring = int(re.search(r"CPL=(\d)", registers).group(1))
                program, who = ((self.tree / "build/domus.elf", "in the hypervisor"),
                                (elf, "in the guest"))[ring != 0]
                seen.append(f"{who}, {self.place(program, rip)}")
        except qmp.NoAnswer as problem:
            seen.append(f"where QEMU does not say ({problem})")
        halted = " (its CPU waits for an interrupt)" if "HLT=1" in registers else ""
        return "\n".join(dict.fromkeys(seen)) + halted
