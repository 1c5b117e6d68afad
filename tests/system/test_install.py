# SPDX-License-Identifier: MIT
"""The kit as somebody has it who has installed it: the README's commands in their order, then
without this tree, in a place with blanks in its name, beside a kernel with names of its own."""
import os
import pathlib
import re
import shutil
import subprocess

import pexpect
import pytest

import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINES = re.search(r"<!-- kit: begin -->\n```\n(.*?)```\n<!-- kit: end -->",
                  (ROOT / "pvguest-sdk/README.md").read_text(), re.S)[1].splitlines()
COMMANDS = [line.partition("#")[0].strip() for line in LINES]
RUNS = [line for line in COMMANDS if re.match("make (run|gdb)", line)]
# A shell in which this tree is not to be seen, where one may have such a shell.
HIDING = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(ROOT)]

# A kernel that was not written for this: its own idea of uint64_t, and of much else.
KERNEL = """
#ifdef PVGUEST_OWN_TYPES
typedef char bool, int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uintptr_t, size_t;
typedef __builtin_va_list va_list;
#define true 1
#define false 0
#define NULL ((void *)0)
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif
typedef unsigned long long uint64_t;
#define PAGE_SIZE 4096
#define PTE_PWT 8
#define printf printk
#define noreturn _Noreturn
#define MIN(a, b) ((a) < (b) ? (a) : (b))
void *memset(void *p, int c, unsigned int n);
void panic(char *why) __attribute__((__noreturn__));
#include <pvguest/balloon.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/smp.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <pvguest/traps.h>
#include <pvguest/xenbus.h>
#include <drivers/blkfront.h>
#include <drivers/netfront.h>
void *memset(void *p, int c, unsigned int n)
{
    panic("somebody takes mine for his");
}
void unmask(void) {}
char *alloc_page(char *of, int the_kernels)
{
    return of + the_kernels;
}
void map_page(void) {}
void printk(char *text)
{
    pvguest_printk("mine: %s", text);
}
void panic(char *why)
{
    printk(why);
    pvguest_crash();
}
void guest_start(struct start_info *si)
{
    uint64_t entries = MIN(si->nr_pages, PAGE_SIZE) / PTE_PWT;

    start_init(si);
    console_init();
    traps_init();
    mm_init();
    printk(pvguest_malloc(PAGE_SIZE / PTE_PWT) && pvguest_alloc_page() && entries ?
           "a kernel of its own\\n" : "none\\n");
    pvguest_poweroff();
}
"""


def surroundings(home):
    """What a newcomer's shell has: nothing of the tests' and of make's."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS", "DOMUS_", "PKG_CONFIG"))}
    return kept | {"HOME": str(home), "XDG_CACHE_HOME": f"{home}/.cache"}


def shell(script, cwd, home):
    done = subprocess.run(["sh", "-ec", script], cwd=cwd, env=surroundings(home),
                          capture_output=True, text=True)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A home in which the README was followed up to `make`."""
    home = tmp_path_factory.mktemp("home")
    install, *there = COMMANDS[:COMMANDS.index("make")]
    shell(f"{install} DEPS=present B={machine.BUILD}", ROOT, home)
    shell("\n".join([*there, "make"]), home, home)
    if machine.xen_available():
        (home / ".cache/domus/peer").mkdir(parents=True)
        shutil.copy(machine.BUILD / "peer/xen.elf", home / ".cache/domus/peer")
    yield home
    shutil.rmtree(home)


def hidden(words):
    """A command, without this tree if that can be."""
    tried = subprocess.run([*HIDING, "true"], capture_output=True)
    return [*HIDING, *words] if tried.returncode == 0 else words


def started(box, name, line, folder="hello"):
    (machine.BUILD / "logs").mkdir(exist_ok=True)
    log = (machine.BUILD / "logs" / f"install-{name}.log").open("w")
    words = hidden(line.split())
    return pexpect.spawn(words[0], words[1:], cwd=box / folder, env=surroundings(box) |
                         {"TERM": "dumb"}, encoding="utf-8", codec_errors="replace", echo=False,
                         timeout=120 * machine.PATIENCE, logfile=log,
                         preexec_fn=machine.die_with_parent)


def test_the_readme_has_them_all():
    assert RUNS == ["make run", "make run-bare", "make run-xen", "make gdb"]


def test_the_guide_is_whole(box):
    for guide in [box / f"domus/share/doc/domus/{name}.md" for name in ("README", "PORTING")]:
        for link in re.findall(r"\]\(([^):#]+)\)", guide.read_text()):
            assert (guide.parent / link).is_file(), link


def test_the_monitor_is_there(box):
    """For kernels that are not ported; the README names it."""
    archive = shell("tar tf domus/lib/domus/images/archive.tar", box, box).split()
    assert {"monitor.elf", "hello.elf", "hello.cfg"} <= set(archive)


def test_nothing_of_the_tree_is_in_it(box):
    for path in box.rglob("*"):
        # where it was compiled, programs and archives tell the debugger
        binary = path.is_file() and path.read_bytes()[:4] in (b"\x7fELF", b"!<ar")
        if path.is_file() and not binary and ".cache" not in str(path):
            assert str(ROOT) not in path.read_text(errors="replace"), path
    made = {path.name: len(path.read_text().splitlines()) for path in (box / "hello").iterdir()
            if path.suffix not in (".o", ".elf")}
    assert made["Makefile"] <= 16 and made["hello.c"] <= 30
    assert {"README.md", "hello.cfg"} <= set(made)


def test_a_debug_build(box):
    """What is refused counts itself there alone (<pvguest/debug.h>)."""
    for name, words, debugged in (("plain", "DEBUG=", False), ("debugged", "DEBUG=1", True)):
        shell(f"cp -r hello {name}; make -C {name} -B {words}", box, box)
        assert ("pvguest_hush" in shell(f"nm {name}/hello.elf", box, box)) == debugged


@pytest.mark.parametrize("line", RUNS[:1] + RUNS[2:3])
def test_as_a_domu(box, line):
    if "xen" in line and not machine.xen_available():
        pytest.skip("no real Xen here")
    child = started(box, line.partition(" ")[2], line)
    child.expect("real Xen" if "xen" in line else "Domus 0.3")
    child.expect("Hello from hello, domain 1, with 16 MiB")
    child.expect(r"counter: 3.*hello is done after \d+ ms.*The guest is gone.*dom0> ")
    child.send("poweroff\r")
    if "xen" in line:                                           # which halts
        child.expect("powered off|halted|Domain 0")
        child.send("\x01x")
    child.expect(pexpect.EOF)
    child.close()
    assert "xen" in line or child.exitstatus == 0


def test_as_the_only_guest(box):
    child = started(box, "bare", RUNS[1])
    child.expect(r"Hello from hello, domain 0.*hello is done after \d+ ms")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_under_the_debugger(box):
    child = started(box, "gdb", RUNS[3])
    child.expect(r"\(gdb\) ")
    child.sendline("continue")
    child.expect(r"Breakpoint 1, guest_main \(\) at hello\.c:\d+.*\(gdb\) ")
    child.sendline("info locals")
    child.expect("greeting = .*gdb. ")
    child.sendline("quit")
    child.expect(pexpect.EOF)


def test_elsewhere_beside_a_kernel_of_its_own(box):
    """The kit is moved; `ld` links; the tools are found by their links."""
    kit = box / "a kit of mine"
    shutil.copytree(box / "domus", kit, symlinks=True)
    (box / "mine.c").write_text(KERNEL)
    where = f'PKG_CONFIG_PATH="{kit}/lib/pkgconfig" pkg-config pvguest'
    shell(f"""
        eval cc -std=c11 -Wall -Wextra -Werror -Wno-unused-parameter -DPVGUEST_PREFIXED \\
            $({where} --cflags) "$({where} --variable=longlong)" \\
            -c -o mine.o mine.c
        eval cc -std=c11 -Wall -Wextra -Werror -Wno-unused-parameter -DPVGUEST_PREFIXED \\
            -DPVGUEST_OWN_TYPES -nostdinc -idirafter /usr/include $({where} --cflags) \\
            -c -o mine.o mine.c
        cd '{kit}/lib/domus'
        ld -nostdlib -z max-page-size=4096 --gc-sections -T pvguest.lds -o '{box}/mine.elf' \\
            '{box}/mine.o' libpvguest.a
        '{kit}/bin/domus-image' '{box}/mine.tar' '{box}/mine.elf'
        '{kit}/bin/domus-run' --version > '{box}/version'
        """, box, box)
    assert (box / "version").read_text() == "domus-run, domus-0.3\n"
    plain = shell(f"nm -u '{kit}/lib/domus/libpvguest.a' | awk '/ U /{{print $2}}' | sort -u",
                  box, box).split()
    names = [word for line in (ROOT / "pvguest-sdk/lib/names").read_text().splitlines()
             if not line.startswith("#") for word in line.split()]
    assert "memcpy" in names and not set(names) & set(plain)
    child = started(box, "mine", "domus/bin/domus-run --bare mine.elf", ".")
    child.expect("mine: a kernel of its own")
    child.expect(pexpect.EOF)


def test_the_first_stone_of_a_port(box):
    """Laid in the native teaching kernel, whose own files stay as they are."""
    tree = box / "my kernel"
    shutil.copytree(ROOT / "patches/insula", tree)
    (tree / "kernel/arm64").mkdir()                             # of another machine: not looked at
    (tree / "kernel/arm64/uart.c").write_text("void uart_init(void);\n")
    assert "my kernel/domus is where the port of my-kernel begins" in \
        shell("domus/bin/domus-new --port 'my kernel'; make -C 'my kernel/domus'", box, box)
    assert (tree / "domus/my-kernel.elf").exists()
    assert "nasm -f elf64" in shell("make -C 'my kernel/domus' -B KERNEL=kernel/switch.asm", box,
                                    box)
    found = (tree / "domus/PORT.md").read_text()
    steps = re.findall(r"^## (\d+)\. .*?\n\nFound: (\d+)\. ", found, re.M | re.S)
    assert [int(step) for step, _ in steps] == [1, 2, 3, 4, 5, 6, 8, 9, 10]
    assert all(int(count) for _, count in steps[1:]), steps
    assert re.search(r"^    kernel/trap\.c:\d+: .*lidt", found, re.M) and "arm64/" not in found
    guide = pathlib.Path(re.search(r"The guide is (.*?): ten steps", found)[1])
    assert "\n## Step 10: " in guide.read_text()
    subprocess.run(["diff", "-r", "-x", "domus", "-x", "arm64", ROOT / "patches/insula", tree],
                   check=True)


@pytest.mark.parametrize("line, status, error", (
    ("domus/bin/domus-new --port nowhere", 2, "nowhere is no folder: the kernel's tree is wanted"),
    ("domus/bin/domus-new hello", 1, "domus-new: hello is there already, and stays as it is"),
    ("domus/bin/domus-new no/../way!", 2, "a guest's name has letters, digits, - and _"),
    ("domus/bin/domus-run nothing.elf", 1, "domus-run: there is no file nothing.elf"),
    ("domus/bin/domus-run --disk nothing.img", 1, "domus-run: there is no file nothing.img"),
    ("domus/bin/domus-run --build nowhere", 1, "there is no folder nowhere"),
    ("domus/bin/domus-run --attach", 1, "Start one first: `domus-run --gdb ...`"),
    ("domus/bin/domus-image x.iso nothing.elf", 1, "domus-image: there is no file nothing.elf"),
), ids=str)
def test_what_is_wrong_is_said(box, line, status, error):
    done = subprocess.run(line.split(), cwd=box, env=surroundings(box), capture_output=True,
                          text=True)
    assert done.returncode == status and error in done.stderr and "Traceback" not in done.stderr


def test_where_nobody_may_write(box):
    for prefix, error in (("relative", "does not begin with /"),
                          ("/proc/nowhere", "is not yours to write: another PREFIX=")):
        done = subprocess.run(["make", "DEPS=present", f"B={machine.BUILD}", "install-sdk",
                               f"PREFIX={prefix}"], cwd=ROOT, env=surroundings(box),
                              capture_output=True, text=True)
        assert done.returncode == 2 and error in done.stderr, done.stderr
