# SPDX-License-Identifier: MIT
"""What becomes of a question that QEMU does not answer (tools/qmp.py), and who asks for a student
(patches/tools/grade_tests.py). QEMU is a socket here, and a thread that says what the test wants.
"""
import pathlib
import re
import socket
import threading

import pytest

import qmp

ROOT = pathlib.Path(__file__).resolve().parents[2]
GREETING = b'{"QMP": {}}\n'
YES = b'{"event": "STOP"}\n{"return": {}}\n'
REGISTERS = b'{"return": "RIP=0000000000000000 CPL=%d HLT=%d"}\n'


@pytest.fixture
def says(tmp_path, monkeypatch):
    """says(greeting, answer, ...): the path of a QEMU that says so, and then hangs up; None: it
    says nothing more, and stays."""
    over = threading.Event()

    def serve(server, greeting, *answers):
        line, _ = server.accept()
        with server, line:
            line.sendall(greeting)
            for answer in answers:
                line.recv(4096)
                if answer is None:
                    over.wait()
                    break
                line.sendall(answer)

    def start(*words):
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(tmp_path / "qmp"))
        server.listen()
        threading.Thread(target=serve, args=(server, *words), daemon=True).start()
        if None in words:
            monkeypatch.setattr(qmp.machine, "PATIENCE", 0.01)      # 0.3 s
        return tmp_path / "qmp"
    yield start
    over.set()


def test_an_answer(says):
    monitor = qmp.Monitor(says(GREETING, YES, b'{"return": 7}\n'))
    assert monitor.ask("query-seven") == 7


@pytest.mark.parametrize("words", [
    (b"",), (GREETING,), (GREETING, b""), (GREETING, b'{"event": "SHUT'), (GREETING, None)],
    ids=["gone", "hung-up", "no-answer", "half-a-line", "silence"])
def test_no_answer(says, words):
    with pytest.raises(qmp.NoAnswer):
        qmp.Monitor(says(*words))


def test_nobody_there(tmp_path):
    with pytest.raises(qmp.NoAnswer):
        qmp.Monitor(tmp_path / "qmp")


@pytest.mark.parametrize("answers, told", [
    ([YES] + 3 * [REGISTERS % (3, 1)],
     r"in the guest, \S+ \(0\) \(its CPU waits for an interrupt\)"),
    ([YES, REGISTERS % (0, 0)],
     r"in the hypervisor, \S+ \(0\)\nwhere QEMU does not say \(human-monitor-command: .*\)"),
    ([YES, b'{"ret'], r"where QEMU does not say \(human-monitor-command: .*\)"),
    ([None], r"where QEMU does not say \(.*\)")],
    ids=["it-says", "once", "never", "silence"])
def test_a_student_is_told_nevertheless(says, tmp_path, monkeypatch, answers, told):
    monkeypatch.syspath_prepend(ROOT / "patches/tools")
    import grade_tests
    found = grade_tests.Runner(tmp_path).where(says(GREETING, *answers), tmp_path / "test.elf")
    assert re.fullmatch(told, found), found
