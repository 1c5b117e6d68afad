# SPDX-License-Identifier: MIT
"""An answer is what the command printed, wherever in it somebody else has said something. On texts:
no machine is needed."""
import contextlib
import itertools
import re
import types

import pytest

import dom0
import linux_box
import machine

LINUX = "[   12.345678] random: crng init done (it took long)\r\n"
OTHERS = ["(two) hello\r\n", "(domus) audit: nothing\r\n",
          "dom0: domain 7 'two' has ended: crash\r\n",
          "/local/domain/0/backend/vbd/1/51712: ENOMEM\r\n"]


def told(kind, answer, said=(), at=0):
    """A system whose next command is answered so, with those lines in the text from a place on."""
    box = kind.__new__(kind)
    box.name, box.child, box.text = "told", types.SimpleNamespace(before=""), ""

    def send(line):
        for number in re.findall(r"done  (\d+)", line):
            text = f"begin {number}\r\n{answer}\r\ndone {number}\r\n/ # "
            box.text += text[:at] + "".join(said) + text[at:]

    def see(pattern, timeout=60):
        match = re.search(pattern, box.text, re.S)
        if not match:
            raise machine.TooLate(pattern)
        box.child.before, box.text = box.text[:match.start()], box.text[match.end():]

    box.send, box.see, box.tail = send, see, lambda: box.text
    box.console = lambda name: contextlib.nullcontext()
    return box


@pytest.fixture(autouse=True)
def one_number(monkeypatch):
    """So that a pattern is compiled once."""
    monkeypatch.setattr(dom0, "WORDS", itertools.repeat(7))


LENGTH = len("begin 7\r\nrefused\r\ndone 7")


@pytest.mark.parametrize("said", [[LINUX], [LINUX, LINUX], *([line] for line in OTHERS),
                                  [OTHERS[0], LINUX, OTHERS[2]]])
def test_what_is_said_anywhere_in_an_answer_of_linux(said):
    for at in range(LENGTH):
        assert told(linux_box.LinuxBox, "refused", said, at).shell("one", "x") == "refused", at


def test_what_others_say_anywhere_in_an_answer():
    for at in range(LENGTH):
        assert told(dom0.Dom0, "refused", OTHERS, at).shell("one", "x") == "refused", at


@pytest.mark.parametrize("text", ["<6>[    3.000001] Memory: 5K", "said: [    3.000001] I/O error",
                                  "[x] [1] 2.000000", "one\r\ntwo"])
def test_what_a_program_prints_is_kept(text):
    assert told(linux_box.LinuxBox, text).shell("one", "x") == text.replace("\r", "")


def test_a_command_at_the_prompt():
    """Others' lines come between its own."""
    for said in OTHERS:
        for at in (0, len("begin 7\r\n"), len("begin 7\r\nlittle\r\n")):
            box = told(dom0.Dom0, "little", [said], at)
            assert box.answer("xl domname 5") == "begin 7\nlittle"
            assert said.strip() in told(dom0.Dom0, "little", [said], at).ask("xl domname 5")
