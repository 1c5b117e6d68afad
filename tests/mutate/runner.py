# SPDX-License-Identifier: MIT
"""One mutant at a time, in a copy of the tree that is nobody's: build what changed, run tests until
one fails, put all back.

A Tree is such a copy. Its build folder came with it, so that make only does what the mistake makes
necessary; afterwards source and products come back from the base with their times, and make finds
nothing to do.
"""
import hashlib
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import reach
from limits import bound
from scratch import fingerprint, make, start, die_with_parent

HYPERVISOR, DOM0 = "build/domus.elf", "build/dom0.elf"
MONITOR, SCANNER = "build/guests/monitor.elf", "build/domus-scan"
DRIVERS, SDK = "build/libpvdrivers.a", "build/libpvguest.a"
# What is compared to see whether a mistake in a file makes any difference to the shipped code.
PRODUCTS = [("hypervisor/", [HYPERVISOR]), ("drivers/include/", [DRIVERS, DOM0]),
            ("drivers/", [DRIVERS]), ("dom0/", [DOM0]),
            ("builder/", [HYPERVISOR, DOM0]), ("pvguest-sdk/lib/", [SDK]),
            ("pvguest-sdk/monitor/", [MONITOR]), ("pvguest-sdk/tools/scan/", [SCANNER]),
            ("pvguest-sdk/include/abi/", [HYPERVISOR, SDK]), ("", [SDK, DRIVERS, DOM0])]
SYSTEM = [HYPERVISOR, DOM0, "build/archive.tar", "build/disk.img"]
# Its addresses are those of any guest: only these are asked whether they come to a line of it.
RUN_THE_MONITOR = ("system/test_monitor", "system/test_compare")
PYTEST = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "limits",
          "--rootdir=tests", "-c", "tests/pytest.ini"]


def cpu_seconds():
    """Of the tests that this process has run, QEMU and all."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def guest_elf(name):
    return f"build/guests/test-{name.partition('@')[0]}.elf"


def read_by(name):
    """What a test looks at that boots nothing."""
    if name.startswith("unit/test_sdk_"): return [SDK]
    return [SCANNER] if name.startswith("unit/test_scan") else [HYPERVISOR]


def products(file):
    return next(made for prefix, made in PRODUCTS if file.startswith(prefix))


class Tree:
    """A scratch copy; base is the one without mistakes."""

    def __init__(self, path, base):
        self.path, self.base = pathlib.Path(path), pathlib.Path(base)
        self.fingerprints = {}

    def enter(self):
        """Makes this process live here: the tests' own tools are those of this tree."""
        os.chdir(self.path)
        os.environ["DOMUS_BUILD"] = "build"
        sys.path[:0] = [str(self.path / name)
                        for name in ("pvguest-sdk/tools", "tests/tools", "tests/guests")]

    # --- a mutant ------------------------------------------------------------------------------
    def try_mutant(self, mutant, tests, seconds, near, codes):
        """What came of it: "result" is killed, survived or discarded, "by" the test, or why."""
        since, made = time.time(), products(mutant.file)
        if tuple(made) not in self.fingerprints:
            self.fingerprints[tuple(made)] = fingerprint(self.base, made)
        try:
            source = self.path / mutant.file
            source.write_text(mutant.apply((self.base / mutant.file).read_text()))
            units = [test for test in tests if test.startswith("unit:")]
            killed = self.by_units(units, seconds, made)
            if killed:
                return {**killed, "test": round(time.time() - since, 1)}
            if make(self.path, *made):
                return {"result": "discarded", "by": "does not build"}
            code = fingerprint(self.path, made)
            if code in codes or code == self.fingerprints[tuple(made)]:
                twin = codes.get(code, "without it")
                return {"result": "discarded", "by": f"the same code as {twin}"}
            built = time.time()
            found = self.first_to_fail([test for test in tests if test not in units], seconds, made)
            if not found:
                passed = f"{len(tests)} tests pass" if tests else "no test comes here"
                passed += ", none at the line" if tests and not near else ""
                found = {"result": "survived", "by": passed}
            return {**found, "code": code, "build": round(built - since, 1),
                    "test": round(time.time() - built, 1)}
        finally:
            self.restore(mutant.file, since)

    def by_units(self, units, seconds, made):
        """By the first unit test that fails; None: none does. They need no product, whose build
        takes longer than they do; only what does not compile there asks whether it does here."""
        for test in units:
            said = make(self.path, f"build/unit/{test[5:]}/test")
            if said and make(self.path, *made):
                return {"result": "discarded", "by": "does not build"}
            passed, said = (False, said) if said else self.run(test, seconds[test])
            if not passed:
                return {"result": "killed", "by": test, "said": said}
        return None

    def first_to_fail(self, tests, seconds, made):
        for test in tests:
            passed, said = self.run(test, seconds[test], rebuild=made != [HYPERVISOR])
            if not passed and test.startswith("system:"):       # on a busy machine once is no proof
                passed, said = self.run(test, seconds[test])
            if not passed:
                return {"result": "killed", "by": test, "said": said}
        return None

    def restore(self, file, since):
        shutil.copy2(self.base / file, self.path / file)
        for folder, _, names in os.walk(self.path / "build"):
            for name in names:
                path = os.path.join(folder, name)
                original = self.base / os.path.relpath(path, self.path)
                if os.path.islink(path) or os.lstat(path).st_mtime < since - 1:
                    continue
                if original.exists():
                    shutil.copy2(original, path)
                else:
                    os.unlink(path)

    # --- a test --------------------------------------------------------------------------------
    def run(self, test, usual=None, rebuild=False):
        """(did it pass, what it said). usual: its time; None: no mistake is in the tree."""
        kind, name = test.split(":", 1)
        targets = {"unit": [f"build/unit/{name}/test"], "system": SYSTEM, "python": read_by(name),
                   "guest": [HYPERVISOR, guest_elf(name)]}[kind]
        if rebuild and (said := make(self.path, *targets)):
            return False, said
        limit = 900 if usual is None else bound(usual)
        if kind == "guest":
            return self.run_guest(name, limit)
        environment, command = dict(os.environ), targets
        if kind in ("system", "python"):
            file, _, only = name.partition("::")
            command = PYTEST + [f"tests/{file}.py" + (only and f"::{only}")]
            environment["PYTHONPATH"] = str(self.path / "tests/mutate")
            environment.setdefault("DOMUS_PATIENCE", "3")               # the limits are ours
            times = self.base / "times" / f"{name.replace('/', '-')}.json"
            environment["MUTATE_NOTE" if usual is None else "MUTATE_TIMES"] = str(times)
        process = start(command, self.path, environment)
        try:
            said = process.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)      # and what it has forked
            said = process.communicate()[0] + "\ntime is up"
        return process.returncode == 0, said

    @staticmethod
    def run_guest(name, limit):
        """name: GUEST, or GUEST@CPU."""
        import machine
        import test_guests
        guest, _, cpu = name.partition("@")
        domus = machine.DOMUS
        if cpu:
            domus = machine.Hypervisor(domus.name, domus.path, domus.args, cpu)
        outcome, words = test_guests.run_guest(guest, domus, timeout=limit / machine.PATIENCE)
        return outcome in (test_guests.expected(guest, "domus"), "SKIP"), f"{outcome} {words}"

    # --- before any mistake --------------------------------------------------------------------
    def measure(self, test):
        """What is to be known of a test here, where nothing is wrong."""
        import refusals
        kind, name = test.split(":", 1)
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as refused:
            if kind != "unit":
                os.environ["DOMUS_QEMU"] = f"-plugin {self.base}/build/reach.so,out={folder}"
            os.environ["DOMUS_REFUSALS"] = refusals.FOLDER = refused        # of pytest; of guests
            os.environ["REFUSALS_FILE"] = f"{refused}/unit-{name}"
            since, used = time.monotonic(), cpu_seconds()
            passed, said = self.run(test)
            found = {"passed": passed, "said": said, "seconds": round(time.monotonic() - since, 2),
                     "cpu": round(cpu_seconds() - used, 2)}
            refusals.FOLDER = None
            for variable in ("DOMUS_QEMU", "DOMUS_REFUSALS", "REFUSALS_FILE"):
                os.environ.pop(variable, None)
            taken = reach.by_file(refusals.all_reached(pathlib.Path(refused)))
            elves = [HYPERVISOR, guest_elf(name) if kind == "guest" else DOM0]
            elves += [MONITOR] if name in RUN_THE_MONITOR else []
            lines = {} if kind == "unit" else reach.lines_reached(folder, self.path, elves)
            return {**found, "refusals": taken, "lines": lines}

    def key(self, test):
        """Changes when the test does, or what it tests."""
        kind, name = test.split(":", 1)
        tools = sorted(map(str, self.path.glob("tests/system/[a-z]*.py")))
        files = {"unit": [f"build/unit/{name}/test"],
                 "system": [*SYSTEM[:3], f"tests/{name}.py", *tools],
                 "python": [*read_by(name), f"tests/{name.partition('::')[0]}.py"],
                 "guest": [HYPERVISOR, guest_elf(name), "tests/guests/test_guests.py"]}[kind]
        digest = hashlib.sha1()
        for file in [*files, "tests/mutate/reach.py", "tests/mutate/runner.py"]:
            digest.update((self.path / file).read_bytes())
        return digest.hexdigest()[:16]


def worker(tree, pipe):
    """Lives in a process of its own: takes (what to do, with what), sends what came of it."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)                        # the parent decides
    tree.enter()
    while True:
        task, arguments = pipe.recv()
        try:
            pipe.send((getattr(tree, task)(*arguments), None))
        except (Exception, SystemExit) as problem:
            pipe.send((None, f"{type(problem).__name__}: {problem}"))
