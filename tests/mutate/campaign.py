# SPDX-License-Identifier: MIT
"""A campaign: workers, each in a tree of its own; first all tests where nothing is wrong, then the
mutants."""
import fcntl
import json
import multiprocessing
import multiprocessing.connection
import time

import reach
import runner

# Whole systems that take minutes, need what is not ours, or test none of the shipped code. WITH
# names those that shall run all the same.
LEFT_OUT = {"cycles", "demo", "explained", "linux", "linux_disk", "linux_load", "linux_net", "peer",
            "power_cuts", "pvgrub", "rig", "run", "toolstack"}


class Crew:
    """Some workers at once."""

    def __init__(self, scratch, base, jobs):
        self.workers = {}
        for number in range(jobs):
            tree = runner.copy_of(base, scratch / f"job{number}")
            ours, theirs = multiprocessing.Pipe()
            self.workers[ours] = multiprocessing.Process(target=runner.worker, args=(tree, theirs),
                                                         daemon=True)
            self.workers[ours].start()

    def work(self, tasks):
        """tasks: an iterator of (key, what to do, with what). Yields (key, what came of it)."""
        busy, idle, tasks = {}, list(self.workers), iter(tasks)
        while True:
            while idle and (task := next(tasks, None)):
                key, what, arguments = task
                pipe = idle.pop()
                pipe.send((what, arguments))
                busy[pipe] = key
            if not busy:
                return
            for pipe in multiprocessing.connection.wait(list(busy)):
                key = busy.pop(pipe)
                try:
                    found, problem = pipe.recv()
                except EOFError:
                    problem = "its worker has died"
                if problem:
                    raise runner.Broken(f"{key}: {problem}")
                idle.append(pipe)
                yield key, found

    def end(self):
        for process in self.workers.values():
            process.terminate()


def tests_of(base, chosen, extra, without):
    """The set that a campaign runs: all that can notice something there and take seconds."""
    units, files = reach.units_of(base / "build"), {mutant.file for mutant in chosen}
    tests = [f"unit:{name}" for name in sorted(units) if units[name] & files]
    if any(not file.startswith("dom0/") for file in files):
        guests = base.glob("tests/guests/*/main.c")
        tests += [f"guest:{path.parent.name}" for path in sorted(guests)]
    names = [path.stem[5:] for path in sorted(base.glob("tests/system/test_*.py"))]
    if unknown := set(extra) - set(names):
        raise runner.Broken(f"no such system test: {' '.join(unknown)}")
    tests += ["system:guests/test_attackers"]
    tests += [f"system:system/test_{name}" for name in names
              if name not in LEFT_OUT or name in extra]
    if unknown := set(without) - set(tests):
        raise runner.Broken(f"not among the tests of this campaign: {' '.join(unknown)}")
    return [test for test in tests if test not in without]


def baseline(crew, base, scratch, tests, say):
    """{test: what is known of it}; all must pass where no mistake is."""
    kept_in, tree = scratch / "baseline.json", runner.Tree(base, base)
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
        raise runner.Broken("these tests fail without any mutant, nothing can be learnt from them "
                            "(WITHOUT=TEST leaves one out):\n" + "\n".join(failed))
    return {test: kept[test] for test in tests}


def run(root, build, chosen, results, args, say):
    """Tries the chosen mutants; results are kept as they come."""
    scratch = build / "mutate"
    base, said_in = scratch / "base", scratch / "said"
    for folder in (base, said_in):
        folder.mkdir(parents=True, exist_ok=True)
    lock = (scratch / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise runner.Broken(f"another campaign is at work in {scratch}") from None
    say(f"{len(chosen)} mutants to try; the tree is copied and built")
    runner.prepare_base(root, build, base)
    crew = Crew(scratch, base, args.jobs)
    try:
        tests = tests_of(base, chosen, args.extra, args.without)
        known = reach.Reach(baseline(crew, base, scratch, tests, say),
                            reach.units_of(base / "build"))
        for record in results.of.values():
            if record["result"] == "killed":
                known.note_kill(record["file"], record["by"])

        def tasks():
            for mutant in chosen:
                wanted, near = known.tests_for(mutant)
                wanted = known.within(wanted, args.budget)
                seconds = {test: known.known[test]["seconds"] for test in wanted}
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
