# SPDX-License-Identifier: MIT
"""QEMU's machine protocol (QMP: one JSON object a line on a socket).

A machine that is just ending may leave a command without an answer, and stay: QEMU 7.2 can then
wait for ever in monitor_cleanup() (seen ten times in some minutes of asking without a pause). So
who asks waits a bounded time, and a machine's end is what its serial line says.
"""
import json
import socket

import machine


class NoAnswer(Exception):
    """The machine has ended, or is about to."""


class Monitor:
    """Raises NoAnswer where the machine has none."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30 * machine.PATIENCE)
        try:
            self.socket.connect(str(path))
            self.lines = self.socket.makefile("r")
            self.lines.readline()                       # QEMU greets
        except OSError as error:
            raise NoAnswer(f"{path}: {error!r}") from error
        self.ask("qmp_capabilities")

    def ask(self, command, arguments=None):
        """What it returns."""
        try:
            words = {"execute": command, "arguments": arguments or {}}
            self.socket.sendall(json.dumps(words).encode())
            while line := self.lines.readline():        # events come between
                if "return" in (answer := json.loads(line)):
                    return answer["return"]
                assert "error" not in answer, answer
        except (OSError, ValueError) as error:          # also a line that it did not end
            raise NoAnswer(f"{command}: {error!r}") from error
        raise NoAnswer(f"{command}: QEMU has hung up")
