# SPDX-License-Identifier: MIT
"""What the measuring guest of lab 8 says (pvguest-sdk/examples/measure.c), beside what the
project's benchmark (tests/bench) finds on the same hypervisor. Both are booted once, under -icount,
where a tick is an instruction and every run says the same."""
import functools
import re
import threading

# The rows of the guest: which of the benchmark's each is, operation and form.
ROWS = {
    "null-call": ("null hypercall (XENVER_version)", "hypercall"),
    "multicall": ("multicall of 16 nulls, per call", "hypercall"),
    "ts-call": ("clear TS (fpu_taskswitch / clts)", "hypercall"),
    "ts-trap": ("clear TS (fpu_taskswitch / clts)", "trap"),
    "pte-call": ("one entry (update_va_mapping, no flush / mov to the read-only L1)", "hypercall"),
    "pte-store": ("one entry (update_va_mapping, no flush / mov to the read-only L1)", "trap"),
    "pte-list-of-1": ("mmu_update, 1 PTE", "hypercall"),
    "pte-list-of-64": ("mmu_update, batch of 64, per PTE", "hypercall"),
}
ROW = r"measure: (\S+) (\S+) (\d+)"
BENCH = r"BENCH [^|\n]+\|([^|\n]+)\|([^|\n]+)\|(\d+)"
# Another compiler's code around the operation may be so many instructions more or less; a
# prediction is right by a factor.
PART, INSTRUCTIONS, FACTOR = 0.02, 4, 1.5


class Measured:
    def __init__(self, boot):
        """boot(name, last line, seconds) is what the guest of that name says under -icount."""
        self.boot, self.lock = boot, threading.Lock()

    @functools.cached_property
    def found(self):
        return {(row, what): int(number) for row, what, number
                in re.findall(ROW, self.boot("measure", "measure: end", 1))}

    @functools.cached_property
    def benchmark(self):
        text = self.boot("bench", "BENCH END", 10)
        return {(operation, form): int(ticks) for operation, form, ticks in re.findall(BENCH, text)}

    def should_be(self, row, what):
        """What the guest must say of a row, by the benchmark."""
        def of(name):
            return self.benchmark[ROWS[name]]
        if row != "list":
            return of(row)
        one, batch, single = of("pte-list-of-1"), 64 * of("pte-list-of-64"), of("pte-call")
        each = (batch - one) / 63
        return {"fixed": one - each, "each": each,
                "cheaper-from": (one - each) // (single - each) + 1}[what]

    def why(self, row, what):
        """None, or what is wrong with it."""
        with self.lock:
            if (row, what) not in self.found:
                return f'"measure: {row} {what} NUMBER" does not come. What it says is in ' \
                    "build/logs/grade-measure.log"
            if len(self.benchmark.keys() & ROWS.values()) < len(set(ROWS.values())):
                return "the benchmark does not come to its end: build/logs/grade-bench.log"
            number, right = self.found[row, what], self.should_be(row, what)
        if what == "predicted":
            good = right / FACTOR <= number <= right * FACTOR
            return None if good else f"{row}: predicted {number}, and it is {right} " \
                f"instructions. Right is what is not off by more than a factor of {FACTOR}"
        if what == "cheaper-from":
            return None if number == right else f"cheaper from {number} entries on: by what the " \
                f"benchmark measures it is {right:.0f}"
        if abs(number - right) <= max(PART * right, INSTRUCTIONS):
            return None
        return f"{row}: {what} is {number}; the benchmark of this hypervisor says {right:.0f} " \
            "instructions"
