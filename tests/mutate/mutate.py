#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make mutate: puts small mistakes into the shipped code, one at a time: does a test notice?

What came of each is kept in BUILD/mutate/results.jsonl under the mutant's name, which stays the
same as long as its line does: a campaign goes on where it ended. What the test that noticed it said
is in BUILD/mutate/said/NAME. Without -n nothing is tried and the table is printed. The status is 1
when in a component more than 5 % survive without a reason in tests/mutate/survivors.
"""
import argparse
import fnmatch
import os
import pathlib
import sys

import campaign
import mutants
import results as kept
import scratch

ROOT = pathlib.Path(__file__).resolve().parents[2]
SURVIVORS = pathlib.Path("tests/mutate/survivors")


def say(text):
    print(text, flush=True)


def options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("build", type=lambda text: pathlib.Path(text).resolve(), help="the build folder")
    add("-n", type=int, default=0,
        help="so many mutants of these files shall have been tried, those of earlier runs included")
    add("--files", nargs="*", default=[], metavar="PATTERN",
        help="only files whose path begins with it, or matches it")
    add("--kinds", nargs="*", default=[], choices=sorted(mutants.KINDS), metavar="KIND",
        help="only such mistakes: " + " ".join(mutants.KINDS))
    add("--seed", default="1", help="another order")
    add("--survived", action="store_true", help="try the survivors again that have no reason")
    add("--only", nargs="*", default=[], metavar="NAME", help="try these again, whatever is known")
    add("--again", action="store_true", help="forget what came of the mutants of these files")
    add("--jobs", type=int, default=os.cpu_count(), help="mutants at a time")
    add("--budget", type=float, default=100, metavar="SECONDS",
        help="of the CPU's time that the tests of one mutant may take together (default 100)")
    add("--with", dest="extra", nargs="*", default=[], metavar="TEST",
        help="further system tests, such as toolstack linux_disk cycles")
    add("--without", nargs="*", default=[], metavar="TEST", help="leave out: guest:NAME unit:NAME")
    add("--units", action="store_true", help="judge by unit tests alone: seconds for each")
    add("--list", action="store_true", help="say what would be tried, and try nothing")
    return parser.parse_args()


def choose(args, every, order, results, reasons):
    """The mutants to try now, in their order."""
    if args.only:
        if missing := [name for name in args.only if name not in every]:
            raise scratch.Broken(f"no such mutant: {' '.join(missing)}")
        return [every[name] for name in args.only]
    if args.survived:
        return [mutant for mutant in order if mutant.id not in reasons
                and results.of.get(mutant.id, {}).get("result") == "survived"]
    fresh = [mutant for mutant in order if mutant.id not in results.of]
    tried = sum(results.of[mutant.id]["result"] != "discarded" for mutant in order
                if mutant.id in results.of)
    return fresh[:max(args.n - tried, 0)]


def main():
    args = options()
    every = {mutant.id: mutant for file in mutants.shipped_files(ROOT)
             for mutant in mutants.mutants_of(file, (ROOT / file).read_text())}
    (args.build / "mutate").mkdir(parents=True, exist_ok=True)
    results = kept.Results(args.build / "mutate/results.jsonl")
    reasons = kept.explained(ROOT / SURVIVORS, every)

    def meant(mutant):
        here = any(mutant.file.startswith(pattern) or fnmatch.fnmatch(mutant.file, pattern)
                   for pattern in args.files or [""])
        return here and mutant.kind in (args.kinds or mutants.KINDS)
    shown = {name: mutant for name, mutant in every.items() if meant(mutant)}
    if not shown:
        raise scratch.Broken(f"no mutant is in {' '.join(args.files)}")
    if args.again:
        results.of = {name: record for name, record in results.of.items() if name not in shown}
    chosen = choose(args, every, mutants.chosen(shown.values(), args.seed), results, reasons)
    if args.list:
        for mutant in chosen:
            say(f"{mutant.id} {mutant}")
        return 0
    if chosen:
        try:
            campaign.run(ROOT, args.build, chosen, results, args, say)
        except KeyboardInterrupt:
            say("\nended early; what is known stays known")
    return 0 if kept.show(shown, results, reasons, say) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (scratch.Broken, kept.Stale) as problem:
        sys.exit(f"mutate: {problem}")
