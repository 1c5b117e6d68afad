# SPDX-License-Identifier: MIT
"""A campaign: workers, each in a tree of its own; first all tests where nothing is wrong, then the
mutants."""
import fcntl
import json
import multiprocessing
import multiprocessing.connection
import re
import time

import reach
import runner
import scratch

# Whole systems that take minutes or test none of the shipped code; those with Linux in them
# (FOREIGN) are left out, too. WITH names those that shall run all the same.
LEFT_OUT = {"cycles", "demo", "explained", "peer", "power_cuts", "pvgrub", "races", "run"}
FOREIGN = re.compile(r"\b(linux_box|rig_box)\b")

# Of ring 0 alone: what no guest sees by itself.
OF_RING0 = ["guests/test_residence::test_residence[residence]", "guests/test_nmi"]
# What no micro-guest has in it or runs on.
IN_NO_GUEST = ("dom0/", "builder/", "pvguest-sdk/monitor/", "pvguest-sdk/tools/")


class Crew:
    """Some workers at once."""

    def __init__(self, folder, base, jobs):
        self.folder, self.base, self.workers = folder, base, {}
        for number in range(jobs):
            self.hire(number)

    def hire(self, number):
        """A worker with a fresh tree; the pipe to it."""
        tree = runner.Tree(self.folder / f"job{number}", self.base)
        scratch.copy_of(self.base, tree.path)
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.Process(target=runner.worker, args=(tree, theirs), daemon=True)
        process.start()
        theirs.close()                                      # so that its end is seen
        self.workers[ours] = process, number
        return ours

    def work(self, tasks):
        """tasks: an iterator of (key, what to do, with what). Yields (key, what came of it)."""
        busy, idle, tasks, lost = {}, list(self.workers), iter(tasks), []
        again = []
        while True:
            while idle and (task := lost.pop() if lost else next(tasks, None)):
                pipe = idle.pop()
                pipe.send(task[1:])
                busy[pipe] = task
            if not busy:
                return
            for pipe in multiprocessing.connection.wait(list(busy)):
                task = busy.pop(pipe)
                try:
                    found, problem = pipe.recv()
                except EOFError:                            # somebody has ended it: once more
                    process, number = self.workers.pop(pipe)
                    if task in again:
                        raise scratch.Broken(f"{task[0]}: its worker ends, twice") from None
                    idle.append(self.hire(number))
                    lost.append(task)
                    again.append(task)
                    continue
                if problem:
                    raise scratch.Broken(f"{task[0]}: {problem}")
                idle.append(pipe)
                yield task[0], found

    def end(self):
        for process, _ in self.workers.values():
            process.terminate()


def tests_of(base, chosen, extra, without, units_alone):
    """The set that a campaign runs: all that can notice something there and take seconds."""
    units, files = reach.units_of(base / "build"), {mutant.file for mutant in chosen}
    tests = [f"unit:{name}" for name in sorted(units) if units[name] & files]
    tests += [f"python:{name}" for name in reach.readers_of(files)]
    if units_alone:
        return [test for test in tests if test not in without]
    if any(not file.startswith(IN_NO_GUEST) for file in files):
        for path in sorted(base.glob("tests/guests/*/main.c")):
            name, cpus = path.parent.name, re.search(r"also on: (.*)", path.read_text())
            tests += [f"guest:{name}"]
            for cpu in cpus.group(1).split(";") if cpus else []:
                tests.append(f"guest:{name}@{cpu.strip()}")
    paths = sorted(base.glob("tests/system/test_*.py"))
    systems = {path.stem[5:]: path.read_text() for path in paths}
    if unknown := set(extra) - set(systems):
        raise scratch.Broken(f"no such system test: {' '.join(unknown)}")
    if any(file.startswith("hypervisor/") for file in files):
        tests += [f"python:{name}" for name in OF_RING0]
    tests += ["system:guests/test_attackers", "system:guests/test_privilege"]
    tests += [f"system:system/test_{name}" for name, text in systems.items()
              if name in extra or name not in LEFT_OUT and not FOREIGN.search(text)]
    if unknown := set(without) - set(tests):
        raise scratch.Broken(f"not among the tests of this campaign: {' '.join(unknown)}")
    return [test for test in tests if test not in without]


def baseline(crew, base, folder, tests, say):
    """{test: what is known of it}; all must pass where no mistake is."""
    kept_in, tree = folder / "baseline.json", runner.Tree(base, base)
    kept = json.loads(kept_in.read_text()) if kept_in.exists() else {}
    keys = {test: tree.key(test) for test in tests}
    missing = [test for test in tests if kept.get(test, {}).get("key") != keys[test]]
    if missing:
        say(f"baseline: {len(missing)} of {len(tests)} tests are measured on the tree as it is")
    failed = []
    missing.sort(key=lambda test: not test.startswith("system"))        # the long ones first
    for test, found in crew.work((test, "measure", (test,)) for test in missing):
        said = found.pop("said")
        say(f"  {'passes' if found['passed'] else 'FAILS':7} {found['seconds']:6.1f} s  {test}")
        if found["passed"]:
            kept[test] = {"key": keys[test], **found}
            kept_in.write_text(json.dumps(kept))
        else:
            failed.append(f"{test}:\n{said[-3000:]}")
    if failed:
        raise scratch.Broken("these tests fail without any mutant, nothing can be learnt from them "
                            "(WITHOUT=TEST leaves one out):\n" + "\n".join(failed))
    return {test: kept[test] for test in tests}


def run(root, build, chosen, results, args, say):
    """Tries the chosen mutants; results are kept as they come."""
    folder = build / "mutate"
    base, said_in = folder / "base", folder / "said"
    for needed in (base, said_in):
        needed.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise scratch.Broken(f"another campaign is at work in {folder}") from None
    say(f"{len(chosen)} mutants to try; the tree is copied and built")
    scratch.prepare_base(root, build, base)
    crew = Crew(folder, base, args.jobs)
    try:
        tests = tests_of(base, chosen, args.extra, args.without, args.units)
        known = reach.Reach(baseline(crew, base, folder, tests, say),
                            reach.units_of(base / "build"),
                            reach.by_file(scratch.all_refusals(base)))
        for record in results.of.values():
            if record["result"] == "killed":
                known.note_kill(record["file"], record["by"])

        def tasks():
            for mutant in chosen:
                wanted, near = known.tests_for(mutant)
                wanted = known.within(wanted, args.budget)
                seconds = {test: known.usual(test) for test in wanted}
                yield mutant, "try_mutant", (mutant, wanted, seconds, near, results.codes(mutant))
        start = time.monotonic()
        for done, (mutant, record) in enumerate(crew.work(tasks()), 1):
            said = record.pop("said", "")
            (said_in / mutant.id).write_text(f"{mutant}\n{record['by']}\n{said}\n")
            results.add(mutant, record)
            if record["result"] == "killed":
                known.note_kill(mutant.file, record["by"])
            seconds = record.get("build", 0) + record.get("test", 0)
            say(f"[{done}/{len(chosen)} {time.monotonic() - start:5.0f} s] {record['result']:9} "
                f"{seconds:5.1f} s  {mutant.id} {mutant}  ({record['by']})")
    finally:
        crew.end()
        lock.close()
