# SPDX-License-Identifier: MIT
"""domus-run's machine under gdb: gdb has this terminal, the machine's serial line is a socket, and
another terminal, or a pane of tmux, is its prompt (--attach)."""
import contextlib
import fcntl
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import tty

import host
import qemu

GDBINIT = pathlib.Path(__file__).with_name("gdbinit")
COMMANDS = GDBINIT.with_name("gdb_domus.py")
# the serial line of the machine under the debugger: a socket in the folder that keeps our state
LINE = "gdb-serial"
SECONDS_TO_BEGIN, SECONDS_TO_END = 30, 5
HELP = "`help domus` lists commands for domains, page tables and symbols of guests."


def own(path, refusal):
    """A lock that lasts as long as this process; or the end, with the owner's number in the
    refusal."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        raise host.Refused(refusal.format(os.read(lock, 20).decode().strip())) from problem
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())


@contextlib.contextmanager
def own_keys():
    """What is typed at the terminal is for us and our children alone: Ctrl-c does not reach make,
    which waits for us and would call it an error. Nobody would go on after a Ctrl-z, so there is
    none."""
    if not os.isatty(0):
        yield
        return
    settings, owner = termios.tcgetattr(0), os.tcgetpgrp(0)
    keys = termios.tcgetattr(0)
    keys[6][termios.VSUSP] = b"\0"
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)               # of giving the terminal back
    if os.getpid() != os.getsid(0):
        os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    termios.tcsetattr(0, termios.TCSADRAIN, keys)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, settings)
        os.tcsetpgrp(0, owner)


def waiting(port):
    """QEMU's options to stand still until a debugger comes."""
    return ["-S", "-gdb", f"tcp:127.0.0.1:{port}"]


def entry(kernel):
    """The address of an ELF file's first instruction."""
    with open(kernel, "rb") as file:
        header = file.read(32)
    if len(header) < 32:
        raise host.Refused(f"{kernel} ends in its ELF header")
    return struct.unpack_from("<Q", header, 24)[0]


def for_gdb(path):
    """A file's name as one of gdb's words, whatever is in it."""
    return '"' + re.sub(r'(["\\])', r"\\\1", str(path)) + '"'


def first_words(hypervisor, kernel, where):
    """What gdb is told at the start: whose symbols there are, and where it stops first. Every
    guest's kernel has the same addresses, so beside the hypervisor's symbols there are those of one
    of them: dom0, or who is in its place. hypervisor: None for real Xen, which has none."""
    words = [hypervisor, "-x", GDBINIT, "-x", COMMANDS] if hypervisor else ["-x", GDBINIT]
    if kernel:
        words += ["-ex", f"domus symbols {for_gdb(kernel)}" if hypervisor
                  else f"add-symbol-file {for_gdb(kernel)}"]
    if not where:
        where = f"*{entry(kernel):#x}" if kernel else "boot_main" if hypervisor else None
    return words + (["-ex", f"hbreak {where}"] if where else [])


def beside(line, state):
    """Inside tmux the machine's serial line gets a pane of its own, until the machine ends."""
    if not os.environ.get("TMUX") or not shutil.which("tmux"):
        return False
    tool = [sys.executable, str(host.HERE / "domus-run"), "--attach"]
    tool += [] if host.INSTALLED else ["--build", str(state.resolve())]
    wait = f"until [ -S {shlex.quote(str(line.resolve()))} ]; do sleep 0.2; done; "
    return subprocess.run(["tmux", "split-window", "-d", "-h", wait + shlex.join(tool)],
                          capture_output=True).returncode == 0


def debug(state, options, more, first):
    """first: gdb's words for whose symbols there are, and what it does."""
    debugger, port, line = host.program("gdb"), qemu.free_port(), state / LINE
    own(state / "gdb.lock", f"the debugger of {state} is in use: process {{}} has it. End that one "
                            "first, or use a port of your own: --gdb=PORT")
    log = state / "logs" / "gdb-serial.log"
    log.parent.mkdir(exist_ok=True)
    line.unlink(missing_ok=True)
    serial = ["-chardev", f"socket,id=line,path={qemu.in_list(line)},server=on,wait=off,"
              f"logfile={qemu.in_list(log)}",
              "-serial", "chardev:line", "-monitor", "none"]
    command = qemu.command(line=serial, **options) + more + waiting(port)
    prompt = "domus-run --attach" if host.INSTALLED else "make attach"
    where = "is in the pane beside" if beside(line, state) else f"is `{prompt}` in another terminal"
    stop = first[-1].removeprefix("hbreak ") if first and first[-1].startswith("hbreak ") else None
    host.say("Type `continue` "
             + (f"to come to {stop}, and once more to boot" if stop else "to boot")
             + "; Ctrl-c stops the machine again.",
             f"Its serial line, with dom0's prompt, {where}.",
             f"What is said there is also in {log}.", HELP)
    try:
        under(command, debugger, port, first)
    finally:
        line.unlink(missing_ok=True)


def pass_on(problems):
    """What QEMU says is wrong; not that it ends, which is our doing."""
    for line in problems:
        if b"terminating on signal" not in line:
            sys.stderr.buffer.write(line)
            sys.stderr.flush()


def listens(port):
    """Whether somebody waits at that port of 127.0.0.1 (a look at it would be a debugger's)."""
    return f" 0100007F:{port:04X} 00000000:0000 0A " in pathlib.Path("/proc/net/tcp").read_text()


def under(command, debugger, port, first, **more):
    """The machine, with the debugger at this terminal until it ends."""
    child = subprocess.Popen(command, start_new_session=True, preexec_fn=qemu.die_with_parent,
                             stderr=subprocess.PIPE, **more)
    listener = threading.Thread(target=pass_on, args=(child.stderr,), daemon=True)
    listener.start()
    begun = time.monotonic()
    while not listens(port) and time.monotonic() - begun < SECONDS_TO_BEGIN:
        if child.poll() is not None:        # gdb would look for it for long, and ask for words then
            listener.join(timeout=SECONDS_TO_END)
            raise host.Refused("QEMU has not started the machine, and says why above")
        time.sleep(0.05)
    signal.signal(signal.SIGINT, signal.SIG_IGN)                # Ctrl-c is for the debugger
    try:
        with own_keys():
            subprocess.run([debugger, "-q", "-ex", f"target remote 127.0.0.1:{port}", *first],
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    finally:
        child.terminate()                   # it dies with us, at the latest
        listener.join(timeout=SECONDS_TO_END)


def replay(folder, words, first):
    """A recording; its line is a file, for nobody types there."""
    debugger, port = host.program("gdb"), qemu.free_port()
    host.say("Type `continue`: the machine does again what it did, as often as you like, and "
             "reverse-stepi and reverse-continue take it backwards. What it says is in "
             f"{folder / 'said'}.", HELP)
    said = ["-chardev", "file,id=line,path=said", "-serial", "chardev:line", "-monitor", "none"]
    under(words + said + waiting(port), debugger, port, first, cwd=folder)


def attach(state):
    """This terminal at the serial line of the machine under the debugger, until Ctrl-]."""
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(str(state / LINE))
    except OSError as problem:
        start = "`domus-run --gdb ...`" if host.INSTALLED else "`make gdb`"
        raise host.Refused("no machine is under the debugger. "
                           f"Start one first: {start} in another terminal.") from problem
    own(state / "attach.lock",
        "another terminal is at that prompt already: process {}. Leave it there with Ctrl-].")
    host.say("dom0's terminal, as far as the debugger lets it run: Enter shows its prompt. Ctrl-] "
             "leaves it.")
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        while True:
            ready = select.select([0, line], [], [])[0]
            said = line.recv(4096) if line in ready else None
            typed = os.read(0, 4096) if 0 in ready else None
            if said == b"" or typed == b"" or (typed and b"\x1d" in typed):
                return
            os.write(1, said or b"")
            line.sendall(typed or b"")
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        print()
