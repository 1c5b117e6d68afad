# SPDX-License-Identifier: MIT
"""Once more, alone: the tests that only ran out of time.

A test's limit counts the time its machine got; but two machines beside each other, on a host that
others use, still wait for more than a CPU. So `make test` runs what was late a second time with
nothing beside it. What failed in any other way, or is late again, fails the run; and so do more
than a few: the code is slow then, not the host.

  again.py FILE PYTEST-ARGUMENTS...    FILE ($DOMUS_LATE) as Late, below, left it
"""
import pathlib
import re
import subprocess
import sys

FEW = 5
# how a report's last line begins where only the time was up
SIGNS = ("machine.TooLate", "Failed: Timeout >", "pexpect.exceptions.TIMEOUT",
         "subprocess.TimeoutExpired")


def said(report):
    """What a failed test's exception says; nothing where it has none."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message if crash and crash.message else ""


class Late:
    """A plugin of pytest: which tests only ran out of time; none when others failed, too."""

    def __init__(self, path):
        self.path, self.late, self.wrong = pathlib.Path(path), [], False
        self.path.unlink(missing_ok=True)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            if said(report).startswith(SIGNS):
                self.late.append(re.sub(r"@[\w-]+$", "", report.nodeid))      # its xdist group
            else:
                self.wrong = True

    def pytest_sessionfinish(self, exitstatus):
        if exitstatus == 1 and not self.wrong and len(self.late) <= FEW:
            self.path.write_text("".join(f"{node}\n" for node in dict.fromkeys(self.late)))


def main():
    path, *arguments = sys.argv[1:]
    try:
        nodes = pathlib.Path(path).read_text().splitlines()
    except FileNotFoundError:
        return 1
    print("ran out of time beside others, now alone:", *nodes, sep="\n  ", flush=True)
    return subprocess.run([sys.executable, "-m", "pytest", *arguments,
                           *("tests/" + node for node in nodes)]).returncode


if __name__ == "__main__":
    sys.exit(main())
