# SPDX-License-Identifier: MIT
"""What came of each mutant: kept as lines of JSON, the last one of a mutant counts; shown as a
table by component; survivors that are known to be none, with their reasons, in a file of text."""
import json

import mutants

ALLOWED = 0.05                  # of a component's mutants may survive without a reason
OUTCOMES = ("killed", "survived", "explained")


class Stale(Exception):
    """The file of explained survivors is not right; the text says where."""


class Results:
    def __init__(self, path):
        self.path, self.of = path, {}
        for line in path.read_text().splitlines() if path.exists() else []:
            record = json.loads(line)
            self.of[record["id"]] = record

    def add(self, mutant, record):
        record = {"id": mutant.id, "file": mutant.file, "line": mutant.line, "kind": mutant.kind,
                  "before": mutants.short(mutant.before), "after": mutants.short(mutant.after),
                  **record}
        self.of[mutant.id] = record
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def codes(self, mutant):
        """{what the code is: who} of the other mutants of its file that were tried."""
        return {record["code"]: record["id"] for record in self.of.values()
                if record["file"] == mutant.file and record["result"] != "discarded"
                and record["id"] != mutant.id and "code" in record}


def explained(path, every):
    """{id: reason}, from lines "ID FILE: KIND: `BEFORE` -> `AFTER` | REASON"."""
    reasons = {}
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        if not line.strip() or line.startswith("#"):
            continue
        identity, _, rest = line.partition(" ")
        what, bar, reason = rest.rpartition(" | ")
        if not bar or not what.strip() or not reason.strip():
            raise Stale(f"{path}:{number}: no reason: ID FILE: KIND: `BEFORE` -> `AFTER` | REASON")
        if identity not in every:
            raise Stale(f"{path}:{number}: no mutant {identity} any more, its line changed: {rest}")
        reasons[identity] = reason.strip()
    return reasons


def count(every, results, reasons):
    """({component: {outcome: how many}}, unexplained survivors)."""
    rows, survivors = {}, []
    for mutant in every.values():
        record = results.of.get(mutant.id)
        if not record or record["result"] == "discarded":
            continue
        outcome = record["result"]
        if outcome == "survived":
            if mutant.id in reasons:
                outcome = "explained"
            else:
                survivors.append((mutant, record))
        row = rows.setdefault(mutants.component(mutant.file), dict.fromkeys(OUTCOMES, 0))
        row[outcome] += 1
    return rows, survivors


def show(every, results, reasons, say):
    """Says the table; True when few enough survive."""
    rows, survivors = count(every, results, reasons)
    if not rows:
        say("no mutant has been tried here yet: make mutate N=40")
        return True
    for identity in reasons:
        if identity in every and results.of.get(identity, {}).get("result") == "killed":
            say(f"has a reason, but {results.of[identity]['by']} kills it: {every[identity]}")
    if survivors:
        say("survivors without a reason:")
    for mutant, record in sorted(survivors, key=lambda pair: (pair[0].file, pair[0].line)):
        say(f"  {mutant.id} {mutant}   ({record['by']})")
    say(f"\n{'component':20} mutants  killed  survived  explained  killed of the rest")
    every_row = {outcome: sum(row[outcome] for row in rows.values()) for outcome in OUTCOMES}
    fine = True
    for name, row in [*sorted(rows.items()), ("all", every_row)]:
        tried = sum(row.values())
        enough = row["survived"] <= ALLOWED * tried
        fine &= enough
        rate = row["killed"] / max(row["killed"] + row["survived"], 1)
        say(f"{name:20} {tried:7} {row['killed']:7} {row['survived']:9} {row['explained']:10} "
            f"{rate:19.1%}{'' if enough else '  too few'}")
    discarded = sum(results.of.get(identity, {}).get("result") == "discarded" for identity in every)
    say(f"({discarded} more do not build, or are the same code as without it or as another)")
    return fine
