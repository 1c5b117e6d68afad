#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make mutate: puts small mistakes into the shipped code, one at a time, and sees whether a test notices.

    mutate.py BUILD [--files PATTERN...] [-n N] [--seed S] [--survived] [--again] [--jobs J] [--with SYSTEM-TEST...] [--list]

What came of each is kept in BUILD/mutate/results.jsonl by the mutant's name, which stays the same as long as its line does: a
campaign goes on where it ended. Without -n nothing is run and the table is printed. The status is 1 when in a component more
than 5 % survive without a reason in tests/mutate/survivors.
"""
import argparse
import fnmatch
import json
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import sys
import time

import mutants
import reach
import runner

ROOT = pathlib.Path(__file__).resolve().parents[2]
SURVIVORS = ROOT / "tests/mutate/survivors"
ALLOWED = 0.05
# Whole systems that take minutes, need what is not ours, or test no shipped code here; --with names those that shall run all the same.
LEFT_OUT = {"cycles", "demo", "explained", "linux", "linux_disk", "linux_load", "linux_net", "peer", "power_cuts", "pvgrub", "rig", "run", "toolstack"}


def say(text):
    print(text, flush=True)


# --- what is kept --------------------------------------------------------------------------------------------------------------
class Results:
    def __init__(self, path):
        self.path, self.of = path, {}
        if path.exists():
            for line in path.read_text().splitlines():
                record = json.loads(line)
                self.of[record["id"]] = record

    def add(self, mutant, record):
        record = {"id": mutant.id, "file": mutant.file, "line": mutant.line, "kind": mutant.kind, "before": mutants.short(mutant.before),
                  "after": mutants.short(mutant.after), **record}
        self.of[mutant.id] = record
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def twin(self, mutant, code):
        """Another mutant that is the same code."""
        return next((other for other in self.of.values() if other["id"] != mutant.id and other.get("code") == code and other["file"] == mutant.file
                     and other["result"] != "discarded"), None)


def explained(all_mutants):
    """{id: reason}; a line that names no mutant is an error."""
    reasons = {}
    for number, line in enumerate(SURVIVORS.read_text().splitlines() if SURVIVORS.exists() else [], 1):
        if not line.strip() or line.startswith("#"):
            continue
        identity, _, rest = line.partition(" ")
        reason = rest.rpartition(" | ")[2].strip()
        if identity not in all_mutants:
            raise runner.Broken(f"{SURVIVORS.relative_to(ROOT)}:{number}: no mutant {identity} any more: {rest}")
        if " | " not in rest or not reason:
            raise runner.Broken(f"{SURVIVORS.relative_to(ROOT)}:{number}: says no reason: ID FILE: KIND: BEFORE -> AFTER | REASON")
        reasons[identity] = reason
    return reasons


def table(every, results, reasons):
    """Prints it; True when few enough survive."""
    rows, survivors = {}, []
    for mutant in every.values():
        record = results.of.get(mutant.id)
        if record and record["result"] != "discarded":
            row = rows.setdefault(mutants.component(mutant.file), {"killed": 0, "survived": 0, "explained": 0})
            known = record["result"] == "survived" and mutant.id in reasons
            row["explained" if known else record["result"]] += 1
            if record["result"] == "survived" and not known:
                survivors.append((mutant, record))
    if not rows:
        say("no mutant has been tried yet: make mutate N=40")
        return True
    if survivors:
        say("survivors without a reason:")
        for mutant, record in sorted(survivors, key=lambda pair: (pair[0].file, pair[0].line)):
            say(f"  {mutant.id} {mutant}   ({record['by']}, {record.get('near', 0)} at the line)")
    say(f"\n{'component':22} {'mutants':>8} {'killed':>8} {'survived':>9} {'explained':>10} {'killed of the rest':>19}")
    fine = True
    for name, row in [*sorted(rows.items()), ("all", {key: sum(row[key] for row in rows.values()) for key in ("killed", "survived", "explained")})]:
        tried = sum(row.values())
        unexplained = row["survived"] / tried
        fine &= unexplained <= ALLOWED
        rate = row["killed"] / max(row["killed"] + row["survived"], 1)
        say(f"{name:22} {tried:8} {row['killed']:8} {row['survived']:9} {row['explained']:10} {rate:18.1%}" + ("" if unexplained <= ALLOWED else "  <"))
    discarded = sum(record["result"] == "discarded" for identity, record in results.of.items() if identity in every)
    say(f"({discarded} more do not build, or are the same code as without the mistake or with another)")
    return fine


# --- work ------------------------------------------------------------------------------------------------------------------------
class Crew:
    """Some workers, each in a tree of its own."""

    def __init__(self, scratch, base, jobs):
        self.workers = {}
        for number in range(jobs):
            tree = runner.copy_of(base, scratch / f"job{number}")
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.Process(target=runner.worker, args=(tree, theirs), daemon=True)
            process.start()
            self.workers[ours] = process

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
                found, problem = pipe.recv()
                key = busy.pop(pipe)
                if problem:
                    raise runner.Broken(f"{key}: {problem}")
                idle.append(pipe)
                yield key, found

    def end(self):
        for process in self.workers.values():
            process.terminate()


def tests_of(base, chosen, extra):
    """The set that a campaign runs: all that can notice something there and takes seconds."""
    units = reach.units_of(base / "build")
    files = {mutant.file for mutant in chosen}
    tests = [f"unit:{name}" for name in sorted(units) if units[name] & files]
    if any(not file.startswith("dom0/") for file in files):
        tests += [f"guest:{path.parent.name}" for path in sorted(base.glob("tests/guests/*/main.c"))]
    tests += ["system:guests/test_attackers"]
    names = (path.stem for path in sorted(base.glob("tests/system/test_*.py")))
    return tests + [f"system:system/{name}" for name in names if name[5:] not in LEFT_OUT or name[5:] in extra]


def baseline(crew, base, scratch, tests):
    """{test: what is known of it}; all must pass where no mistake is."""
    kept_in, tree = scratch / "baseline.json", runner.Tree(base, base)
    kept = json.loads(kept_in.read_text()) if kept_in.exists() else {}
    keys = {test: tree.key(test) for test in tests}
    missing = [test for test in tests if kept.get(test, {}).get("key") != keys[test]]
    if missing:
        say(f"baseline: {len(missing)} of {len(tests)} tests are measured on the tree as it is")
    failed = []
    for test, found in crew.work((test, "measure", (test,)) for test in sorted(missing, key=lambda test: not test.startswith("system"))):
        say(f"  {'passes' if found['passed'] else 'FAILS':7} {found['seconds']:6.1f} s  {test}")
        if found["passed"]:
            kept[test] = {"key": keys[test], **{name: found[name] for name in ("seconds", "cpu", "lines")}}
            kept_in.write_text(json.dumps(kept))
        else:
            failed.append(f"{test}:\n{found['said'][-3000:]}")
    if failed:
        raise runner.Broken("these tests fail without any mutant; nothing can be learnt from them:\n" + "\n".join(failed))
    return {test: kept[test] for test in tests}


def campaign(args, chosen, results):
    scratch = args.build / "mutate"
    base = scratch / "base"
    for folder in (base, scratch / "said"):
        folder.mkdir(parents=True, exist_ok=True)
    say(f"{len(chosen)} mutants to try; the tree is copied and built")
    runner.prepare_base(ROOT, args.build, base)
    crew = Crew(scratch, base, args.jobs)
    try:
        known = reach.Reach(baseline(crew, base, scratch, tests_of(base, chosen, args.extra)), reach.units_of(base / "build"))
        for record in results.of.values():
            if record["result"] == "killed":
                known.note_kill(record["file"], record["by"])

        def tasks():
            for mutant in chosen:
                tests, near = known.tests_for(mutant)
                tests = known.within(tests, args.budget)
                times = {test: {"seconds": known.known[test]["seconds"]} for test in tests}
                yield mutant, "try_mutant", (mutant, tests, times, near)
        done, start = 0, time.monotonic()
        for mutant, record in crew.work(tasks()):
            twin = record.get("code") and results.twin(mutant, record["code"])
            if twin:
                record = {"result": "discarded", "by": f"the same code as {twin['id']}"}
            if record["result"] == "killed":
                known.note_kill(mutant.file, record["by"])
            said = record.pop("said", "")
            (scratch / "said" / mutant.id).write_text(f"{mutant}\n{record['by']}\n{said}\n")
            results.add(mutant, record)
            done += 1
            seconds = record.get("build", 0) + record.get("test", 0)
            say(f"[{done}/{len(chosen)} {time.monotonic() - start:5.0f} s] {record['result']:9} {seconds:5.1f} s  {mutant.id} {mutant}  ({record['by']})")
    finally:
        crew.end()


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--files", nargs="*", default=[], metavar="PATTERN", help="only in files whose path begins with or matches it")
    parser.add_argument("--kinds", nargs="*", default=[], choices=sorted(mutants.KINDS), metavar="KIND", help=" ".join(mutants.KINDS))
    parser.add_argument("-n", type=int, default=0, help="how many mutants shall have been tried in these files, those of earlier runs included")
    parser.add_argument("--seed", default="1", help="another order")
    parser.add_argument("--only", nargs="*", default=[], metavar="ID", help="these mutants, whatever is known of them")
    parser.add_argument("--survived", action="store_true", help="try the survivors again that have no reason")
    parser.add_argument("--again", action="store_true", help="forget what came of the mutants in these files")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--budget", type=float, default=100, metavar="SECONDS",
                        help="of the CPU's, for the tests of one mutant; a survivor has seen all tests only with a large one (default 100)")
    parser.add_argument("--with", dest="extra", nargs="*", default=[], metavar="TEST", help="system tests to run beside: " + " ".join(sorted(LEFT_OUT)))
    parser.add_argument("--list", action="store_true", help="say what would be tried, try nothing")
    return parser.parse_args()


def main():
    args = options()
    every = {}
    for file in mutants.shipped_files(ROOT):
        for mutant in mutants.mutants_of(file, (ROOT / file).read_text()):
            every[mutant.id] = mutant
    (args.build / "mutate").mkdir(parents=True, exist_ok=True)
    results = Results(args.build / "mutate/results.jsonl")
    reasons = explained(every)

    def meant(mutant):
        fits = not args.files or any(mutant.file.startswith(pattern) or fnmatch.fnmatch(mutant.file, pattern) for pattern in args.files)
        return fits and (not args.kinds or mutant.kind in args.kinds)
    order = mutants.chosen(filter(meant, every.values()), args.seed)
    if args.files and not order:
        raise runner.Broken(f"no mutant is in {' '.join(args.files)}")
    if args.again:
        results.of = {identity: record for identity, record in results.of.items() if identity not in every or not meant(every[identity])}
    known = {mutant.id for mutant in order if mutant.id in results.of and results.of[mutant.id]["result"] != "discarded"}
    if args.only:
        chosen = [every[identity] for identity in args.only if identity in every]
    elif args.survived:
        chosen = [mutant for mutant in order if mutant.id not in reasons and results.of.get(mutant.id, {}).get("result") == "survived"]
    else:
        chosen = [mutant for mutant in order if mutant.id not in results.of][:max(args.n - len(known), 0)]
    if args.list:
        for mutant in chosen:
            say(f"{mutant.id} {mutant}")
        return 0
    if chosen:
        try:
            campaign(args, chosen, results)
        except KeyboardInterrupt:
            say("\nended early; what is known stays known")
    shown = {identity: mutant for identity, mutant in every.items() if meant(mutant)}
    return 0 if table(shown, results, reasons) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except runner.Broken as problem:
        sys.exit(f"mutate: {problem}")
