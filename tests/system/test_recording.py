# SPDX-License-Identifier: MIT
"""`domus-run --record` and `--replay`: a machine with dom0, a guest, its disk and the card does the
same again, to the letter, after it was built anew and moved; and the guide's example, typed at gdb,
goes back to the store of a page-table entry."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pexpect
import pytest

import debugger
import host
import machine
import qemu
import recording

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = ROOT / "pvguest-sdk/tools/domus-run"
GUIDE = ROOT / "pvguest-sdk/PORTING.md"
pytestmark = pytest.mark.xdist_group("run")         # one machine at a time has the build's disk


def run(log, *words):
    (machine.BUILD / "logs").mkdir(exist_ok=True)
    return pexpect.spawn(sys.executable, [str(RUN), *map(str, words)], encoding="utf-8",
                         codec_errors="replace", echo=False, timeout=120 * machine.PATIENCE,
                         logfile=(machine.BUILD / "logs" / f"{log}.log").open("w"),
                         preexec_fn=machine.die_with_parent, env={**os.environ, "TERM": "dumb"})


def said(text):
    """What the machine said, from its first line on."""
    return re.sub(r"[\r\0]", "", text[text.index("(domus) Domus"):])


def test_a_guest_with_disk_and_card_does_the_same_again(tmp_path):
    folder, moved = tmp_path / "first", tmp_path / "a second place, with a comma"
    box = run("record", "--build", machine.BUILD, "--record", folder)
    try:
        box.expect(r"dom0> ")
        before = box.before
        box.send("xl create -c insula1.cfg\r")
        box.expect(r"\n\$ ")
        before += box.after + box.before
        box.send("ls\r")
        box.expect(r"README.*\$ ")
        box.send("\x1d")
        box.expect(r"dom0> ")
        box.send("xl vcpu-list\r")
        box.expect(r"insula1 .*dom0> ")
        box.send("\x01x")
        box.expect("does the same again")
        box.expect(pexpect.EOF)
    finally:
        box.close(force=True)
    first = (machine.BUILD / "logs/record.log").read_text()
    assert "does the same again" in first and "network xen, address" in first
    shutil.move(folder, moved)
    for _ in range(2):
        again = subprocess.run([sys.executable, RUN, "--replay", moved], stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, errors="replace",
                               timeout=200 * machine.PATIENCE)
        assert not again.stderr, again.stderr
        wanted = re.split("qemu-system|`domus-run --replay", said(first))[0]
        assert said(again.stdout).strip() == keys_left_out(wanted).strip()


def keys_left_out(text):
    """The log has what was typed, too, before the machine's echo of it."""
    for typed in ("xl create -c insula1.cfg", "ls", "xl vcpu-list"):
        text = text.replace(typed + "\n" + typed, typed).replace(typed + typed, typed)
    return text.replace("\x1d", "").replace("\x01x", "")


@pytest.fixture(name="hello", scope="module")
def fixture_hello(tmp_path_factory):
    """A recording of a guest in dom0's place, on the image whose instructions the guide shows."""
    folder = tmp_path_factory.mktemp("recording") / "hello"
    done = subprocess.run([sys.executable, RUN, "--build", machine.BUILD, "--record", folder,
                           "--bare", machine.BUILD / "guests/hello.elf"], text=True,
                          env={**os.environ, "DOMUS_HYPERVISOR": str(machine.SHIPPED.path)},
                          stdin=subprocess.DEVNULL, capture_output=True, errors="replace",
                          timeout=100 * machine.PATIENCE)
    assert done.returncode == 0 and "Goodbye." in done.stdout, done.stdout + done.stderr
    return folder


def test_the_guides_example(hello):
    """Back from the end to who wrote an entry."""
    text = GUIDE.read_text()
    example = re.search(r" *```gdb\n(.*?)```", text[text.index("**Go backwards"):], re.S)[1]
    commands = re.findall(r"^ *\(gdb\) (.*)$", example, re.M)
    assert "reverse-continue" in commands and "reverse-stepi" in commands
    port = qemu.free_port()
    box = subprocess.Popen([sys.executable, RUN, "--replay", hello, f"--gdb={port}"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert str(port) in box.stdout.readline()
        words = debugger.first_words(hello / "hypervisor.elf", hello / "dom0.elf", None)
        gdb = ["gdb", "-q", "-batch", "-ex", "set tcp connect-timeout 60",
               "-ex", f"target remote 127.0.0.1:{port}", *words]
        for command in commands:
            gdb += ["-ex", command, "-ex", "echo \\n"]
        done = subprocess.run(gdb + ["-ex", "kill"], text=True, capture_output=True,
                              timeout=100 * machine.PATIENCE)
    finally:
        box.kill()
        box.wait()
    out = done.stdout
    assert not done.stderr, done.stderr
    for line in re.findall(r"^ *(?! |\(gdb\))(.*\S)$", example, re.M):
        for word in re.split(r"\.\.\.|0x[0-9a-f]+", line):
            assert word.strip() in out, f"the guide shows {line!r}, and gdb says:\n{out}"


def test_under_the_debugger_of_domus_run(hello):
    box = run("replay-gdb", "--replay", hello, "--gdb")
    try:
        box.expect(r"\(gdb\) ")
        for line, answer in (("continue", "Breakpoint 1, image_start"),
                             ("hbreak poweroff", "Hardware assisted breakpoint 2"),
                             ("continue", "Breakpoint 2, poweroff"),
                             ("reverse-stepi", "main_thread")):
            box.sendline(line)
            box.expect(rf"({answer}).*\(gdb\) ")
        assert "Goodbye." in (hello / "said").read_text()
        box.sendline("quit")
        box.expect(pexpect.EOF)
    finally:
        box.close(force=True)


def test_what_is_refused(hello, tmp_path, monkeypatch):
    for words, error in ((("--record", hello), "is there already"),
                         (("--replay", tmp_path), "`domus-run --record` makes such a folder"),
                         (("--replay", hello, "x.elf"), "only --gdb goes with it"),
                         (("--record", tmp_path / "new", "--gdb"), "--gdb goes with --replay"),
                         (("--record", tmp_path / "new", "--build", machine.BUILD, "nowhere.elf"),
                          "there is no file nowhere.elf")):
        done = subprocess.run([sys.executable, RUN, *words], capture_output=True, text=True)
        assert done.returncode == 1 and error in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists() and (hello / "log").exists()
    other = tmp_path / "other"
    other.mkdir()
    kept = json.loads((hello / recording.WORDS).read_text())
    for text in "no JSON", "[]", "{}", json.dumps(kept | {"words": 1}):
        (other / recording.WORDS).write_text(text)
        with pytest.raises(host.Refused, match="is not as `domus-run --record` has written it"):
            recording.read(other)
    # who hands a recording on does not choose the program
    (other / recording.WORDS).write_text(json.dumps(kept | {"words": ["reboot", "-m", "5"]}))
    assert recording.read(other)[0] == ["qemu-system-x86_64", "-m", "5"]
    monkeypatch.setattr(recording, "version", lambda: "99.0")
    with pytest.raises(host.Refused, match="only the same one can replay it"):
        recording.read(hello)
