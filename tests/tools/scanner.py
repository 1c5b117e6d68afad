# SPDX-License-Identifier: MIT
"""domus-scan for the tests: the program as built (`make scanner`), small kernels for it, and the
teaching kernel after each patch of its port."""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("DOMUS_BUILD", "build")
PROGRAM = BUILD / "domus-scan"


def run(*words):
    return subprocess.run([str(word) for word in (PROGRAM, *words)], cwd=ROOT, capture_output=True,
                          text=True, timeout=600)


def scan(*words):
    """(exit status, what --json says)"""
    done = run("--json", *words)
    assert done.returncode in (0, 1, 3) and not done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def call(*words, **more):
    subprocess.run([str(word) for word in words], check=True, cwd=ROOT, timeout=100, **more)


def assemble(folder, text, bits=64, *, name="kernel", debug=False, link=True):
    """A kernel of that NASM source."""
    source, thing, elf = (folder / f"{name}{suffix}" for suffix in (".asm", ".o", ".elf"))
    source.write_text(f"bits {bits}\nsection .text\n" + text)
    call("nasm", f"-felf{bits}", *(["-g", "-Fdwarf"] if debug else []), "-o", thing, source)
    if not link:
        return thing
    call("ld", "-m", "elf_x86_64" if bits == 64 else "elf_i386", "-Ttext=0x100000", "-e0x100000",
         "-z", "noexecstack", "-o", elf, thing)
    return elf


def step(folder, number):
    """The teaching kernel after so many patches (0: none), compiled for its lines, not for speed.
    The native one lies where its own linker script wants it."""
    tree, elf = folder / f"step-{number}", folder / f"step-{number}.elf"
    flags = "-std=gnu17 -O0 -g -w -ffreestanding -fno-pic -fno-pie -mcmodel=kernel " \
        "-mno-red-zone -mgeneral-regs-only -fno-stack-protector -ffunction-sections " \
        "-fno-asynchronous-unwind-tables -D__XEN_TOOLS__=1 " \
        f"-I{ROOT}/pvguest-sdk/include -I{ROOT}/drivers/include -I{BUILD}/gen -I{tree}/include"
    script = f"{tree}/kernel/kernel.ld" if not number else f"{ROOT}/pvguest-sdk/pvguest.lds"
    libraries = f"{BUILD}/libpvdrivers.a {BUILD}/libpvguest.a" if number else ""
    tools = {"CC": "gcc", "NASM": "nasm", "LD": "ld", "CFLAGS": flags, "LIBS": libraries,
             "LDFLAGS": "-nostdlib --gc-sections --no-warn-rwx-segments -z noexecstack "
                        f"-T {script}"}
    port = (sys.executable, ROOT / "patches/tools/port.py")
    if number:
        call(*port, "apply", ROOT / "patches/insula", ROOT / "patches/series", tree, number,
             env=os.environ | {"QUIET": "1"})
    else:
        call("cp", "-r", ROOT / "patches/insula", tree)
    call(*port, "build", tree, elf, env=os.environ | tools)
    return elf
