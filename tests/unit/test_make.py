# SPDX-License-Identifier: MIT
"""What make says to people: of a tool that is missing, of a step that is none, of edits; and what a
choice of tests needs."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pexpect
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PORT = ROOT / "patches/tools/port.py"


def run(*words):
    # of a make around us
    quiet = {name: value for name,
             value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run([str(word) for word in words],
                          cwd=ROOT, capture_output=True, text=True, env=quiet)


def test_a_missing_tool_is_named():
    found = run("make", "-n", "NASM=no-nasm-here", "all")
    assert found.returncode == 2
    assert "not installed: no-nasm-here. `make deps` installs what Domus is built with" \
        in found.stderr
    assert run("make", "-n", "NASM=no-nasm-here", "help").returncode == 0


def test_a_package_is_missed_where_it_is_used(tmp_path):
    """A header by what includes it; the programs that make images by nobody else."""
    found = run("make", "DEPS=present", f"B={tmp_path}", f"{tmp_path}/headers/no/such.h")
    assert found.returncode == 2 and "not installed: the header <no/such.h>. `make deps` installs" \
        in found.stderr
    assert run("make", "DEPS=present", f"B={tmp_path}", f"{tmp_path}/headers/stdint.h").returncode \
        == 0
    with_headers = run("make", "-n", "DEPS=present", f"B={tmp_path}",
                       f"{tmp_path}/unit/inflate/test").stdout
    for name in ("cmocka", "zlib", "xen/xen"):
        assert f"#include <{name}.h>" in with_headers
    for name in ("sh", "sed", "find", "nproc", "awk", "gcc", "nasm", "ld", "ar", "objcopy", "make"):
        (tmp_path / name).symlink_to(shutil.which(name))
    here = os.environ | {"PATH": str(tmp_path)}
    for target, status in ((f"{tmp_path}/domus.elf", 0), ("insula", 2)):
        done = subprocess.run(["make", *(["-n"] if not status else ["-o", f"{tmp_path}/native/"
                               "insula.iso", "-o", f"{tmp_path}/native/insula-fs.img"]),
                               "DEPS=present", f"B={tmp_path}", target], cwd=ROOT,
                              capture_output=True, text=True, env=here)
        assert done.returncode == status, done.stderr
    assert "not installed: qemu-system-x86_64. `make deps`" in done.stderr


def test_commands_for_editors(tmp_path):
    said = "gcc -O2 \\\n  -Ibuild/none/gen '-DA=\"b c\"' -c -o build/none/a/x.o x.c\nld -o y\n" \
           "gcc -DDEBUG -c -o build/none/b/x.o x.c\n"
    done = subprocess.run([sys.executable, "pvguest-sdk/tools/compdb.py", "build/none", "build"],
                          cwd=ROOT, input=said, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [
        {"directory": str(ROOT), "file": "x.c", "output": "build/a/x.o",
         "arguments": ["gcc", "-O2", "-Ibuild/gen", '-DA="b c"', "-c", "-o", "build/a/x.o", "x.c"]}]


@pytest.mark.parametrize("tool", [
    "patches/tools/boot.py", "tests/bench/curve.py", "tests/bench/guests.py",
    "tests/mistakes/console.py", "tests/tools/linux.py", "tests/tools/map.py",
    "tests/tools/readme.py", "tests/tools/rig.py"])
def test_help_of_what_make_calls(tool):
    """It is said, and nothing is done: no folder `--help` is filled."""
    found = run(sys.executable, tool, "--help")
    said = found.stdout + found.stderr
    assert pathlib.Path(tool).name in said and "Traceback" not in said
    assert not (ROOT / "--help").exists()


def test_a_function_that_there_is_not(tmp_path):
    """TEST=NAME of a unit test: nothing run is nothing passed."""
    (tmp_path / "test.c").write_text("""
        #include <setjmp.h>
        #include <stdarg.h>
        #include <stddef.h>
        #include <stdint.h>
        #include <cmocka.h>
        static void one(void **state) { (void)state; }
        static void two(void **state) { (void)state; }
        int main(void)
        {
            const struct CMUnitTest first[] = { cmocka_unit_test(one) };
            const struct CMUnitTest second[] = { cmocka_unit_test(two) };
            return cmocka_run_group_tests(first, NULL, NULL) +
                   cmocka_run_group_tests(second, NULL, NULL);
        }""")
    flags = re.search(r"^CHOOSES +:= (.*)", (ROOT / "tests/build.mk").read_text(), re.M)[1]
    made = run("gcc", "-o", tmp_path / "test", tmp_path / "test.c", ROOT / "tests/unit/chosen.c",
               flags, "-lcmocka")
    assert made.returncode == 0, made.stderr
    for name, status, ran in ((None, 0, ["one", "two"]), ("two", 0, ["two"]),
                              ("o*", 0, ["one"]), ("three", 1, [])):
        done = subprocess.run([tmp_path / "test"], capture_output=True, text=True,
                              env=os.environ | ({"TEST": name} if name else {}))
        said = done.stdout + done.stderr
        assert done.returncode == status and re.findall(r"RUN +\] (\w+)", said) == ran, said
        assert (status == 1) == ("TEST=three: no test here has that name" in said)


def test_an_unknown_dom0():
    found = run("make", "-n", "DEPS=present", "DOM0=bsd", "run")
    assert found.returncode == 2
    assert "DOM0=bsd: there is DOM0=linux, and without DOM0= our own" in found.stderr


def test_the_kit_goes_as_a_whole(tmp_path):
    """And nothing else does. (What is installed says test_install.)"""
    names = [f"bin/domus-{tool}" for tool in ("run", "image", "new", "scan")]
    names += [f"share/man/man1/domus-{tool}.1" for tool in ("run", "image", "new", "scan")]
    names += ["share/man/man1/xl.1", "share/man/man5/xl.cfg.5", "share/man/man7/domus.7",
              "lib/domus/libpvguest.a", "include/domus/abi/pte.h", "lib/pkgconfig/pvguest.pc",
              "share/doc/domus/README.md", "bin/others"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert run("make", "DEPS=present", f"PREFIX={tmp_path}", "uninstall-sdk").returncode == 0
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] \
        == ["bin/others"]


def test_a_kit_that_is_not_installed(tmp_path):
    found = run("make", "DEPS=present", f"PREFIX={tmp_path}/none", "uninstall-sdk")
    assert found.returncode == 2
    assert f"uninstall-sdk: no kit is in {tmp_path}/none: which PREFIX= had it?" in found.stderr


def test_an_unknown_target_is_told_who_knows_them():
    found = run("make", "halp")
    assert found.returncode == 2 and not found.stdout
    assert "there is no target or file 'halp': `make help` lists the targets" in found.stderr
    assert len(found.stderr.splitlines()) == 1


# It misses no Ctrl-c, not even one between its prompt and its reading.
DEBUGGER = """#!/usr/bin/env python3
import os, signal, threading

def prompt():
    while input("(gdb) ") != "quit":
        pass
    os._exit(0)

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
threading.Thread(target=prompt).start()
while signal.sigwait({signal.SIGINT}):
    print("stopped", flush=True)
"""

# It waits for a debugger.
EMULATOR = """#!/usr/bin/env python3
import re, socket, sys, time

port = int(re.search(r"tcp:127.0.0.1:([0-9]+)", " ".join(sys.argv))[1])
server = socket.create_server(("127.0.0.1", port))
time.sleep(60)
"""


def test_ctrl_c_under_the_debugger_is_none_of_makes_business(tmp_path):
    """make, which waits for the debugger's end, would call it an error. The two programs are small
    ones of the same names."""
    for name, text in (("gdb", DEBUGGER), ("qemu-system-x86_64", EMULATOR)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    for name in ("domus.elf", "dom0.elf", "loader.elf", "archive.tar", "disk.img"):
        (tmp_path / name).touch()
    tool = ROOT / "pvguest-sdk/tools/domus-run"
    (tmp_path / "makefile").write_text(f"gdb:\n\t@{sys.executable} {tool} "
                                       f"--build {tmp_path} --gdb\n")
    make = pexpect.spawn("make", ["-f", f"{tmp_path}/makefile"],
                         encoding="utf-8", echo=False, timeout=120,
                         env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    make.expect_exact("(gdb) ")
    for _ in range(2):
        make.sendintr()
        make.expect_exact("stopped")
    make.sendline("quit")
    make.expect(pexpect.EOF)
    make.close()
    assert "Interrupt" not in make.before and make.exitstatus == 0


def test_steps_that_are_none():
    for step in ("0", "13", "foo", "05", "1.5", "-1", "a'b", "a b"):
        found = run("make", "DEPS=present", "port", f"STEP={step}")
        assert found.returncode == 2 \
            and f"STEP={step}: there is no such patch. The series has 12" in found.stderr
        assert not found.stdout                                 # and nothing was built before
    assert run(sys.executable, PORT, "step", "patches/series", "12").returncode == 0


def apply(tree, step):
    return run(sys.executable, PORT, "apply", "patches/insula", "patches/series", tree, step).stdout


def test_edits_of_a_step_stay(tmp_path):
    tree = tmp_path / "step-2"
    assert apply(tree, 2).count("PATCH") == 2
    (tree / "obj").mkdir()
    (tree / "obj/main.o").write_text("made by building")
    assert apply(tree, 3).count("PATCH") == 3                   # nobody has edited it
    main, added = tree / "kernel/main.c", tree / "kernel/mine.c"
    before = main.read_text()
    main.write_text(before + "/* mine */\n")
    added.write_text("")
    said = apply(tree, 3)
    assert "PATCH" not in said and "EDITED" in said and "kernel/main.c, kernel/mine.c" in said
    assert main.read_text().endswith("/* mine */\n")
    added.unlink()
    main.write_text(before)
    assert apply(tree, 1).count("PATCH") == 1
    (tree / "SOURCES").unlink()
    assert "EDITED" in apply(tree, 1)


def test_to_boot_a_step_is_no_edit(tmp_path):
    """What boot.py writes does not lie in the tree, where the next `make port STEP=1` would take it
    for somebody's change."""
    tree, kernel, disk = (tmp_path / name
                          for name in ("port/step-1", "insula.elf", "native/insula-fs.img"))
    apply(tree, 1)
    disk.parent.mkdir()
    disk.touch()
    kernel.touch()
    boot = PORT.parent / "boot.py"
    functions = boot.read_text().split("\ntry:\n    main()")[0]
    found = run(sys.executable, "-c",
                f"__file__ = {str(boot)!r}\n{functions}\nmachine.Machine = lambda *_, **__: None\n"
                f"domu('step-1', {str(kernel)!r}, '', '')", tmp_path)
    assert found.returncode == 0, found.stderr
    assert apply(tree, 1).count("PATCH") == 1


def test_what_run_is_given():
    """LINUX=1 and ADD=... are options of domus-run; Linux comes from Debian's archive, or is
    missed by name."""
    said = run("make", "-n", "DEPS=present", "LINUX=1", "ADD=a.elf b.cfg", "do-run").stdout
    command = said.replace("\\\n", " ").splitlines()[-1]
    assert re.search(r"domus-run --build build --memory 1536 +--forward tcp:0:10\.0\.2\.30:80 "
                     r".*--add build/linux/vmlinux .*--add tests/linux/linux\.cfg +a\.elf b\.cfg$",
                     command), command
    assert "Debian's Linux is not here" in said
    assert run("make", "-n", "DEPS=present",
               "do-run").stdout.splitlines()[-1].strip().endswith("domus-run --build build")


def test_long_runs_are_told_that_they_are_long():
    """What a shell finds before a list of commands is for the first of them alone."""
    said = run("make", "-n", "DEPS=present", "do-soak", "do-lives").stdout.replace("\\\n", " ")
    for words, times in ("DOMUS_CYCLES=100", 1), ("DOMUS_CYCLES=20", 1), ("DOMUS_MOVES=10", 2), \
            ("DOMUS_SMP=2", 1), (r"DOMUS_SMP=\$cpus", 1):
        assert len(re.findall(rf"^ *{words} [^;|]*-m pytest | {words} [^;|]*-m pytest ", said,
                              re.M)) == times, words


def test_the_size_of_the_port_is_todays():
    said = run(sys.executable, PORT.with_name("portsize.py"),
               "patches/insula", "patches/series").stdout
    assert said.strip() in (ROOT / "patches/README.md").read_text()


def test_what_chosen_tests_need():
    needs = [sys.executable, "tests/tools/needs.py"]
    assert run(*needs, "-k", "test_consoles").stdout == "\n"
    assert run(*needs, "-k", "test_linux_net").stdout == "linux\n"
    assert "rig" in run(*needs, "-k", "test_rig").stdout


MAKEFILES = [ROOT / "Makefile", *ROOT.glob("*/*.mk")]


def targets():
    """Those that are for people: by a plain name, and no file."""
    database = run("make", "-pqRr", "help").stdout
    phony = re.search(r"^\.PHONY: (.*)$", database, re.M).group(1).split()
    return {name for name in phony if name.islower() and not name.startswith(("do-", "unit-"))}


def test_documents_name_targets_and_variables_that_there_are():
    """Each `make TARGET VARIABLE=...` of a document or of make help. (A new guest has a makefile of
    its own: test_install.py.)"""
    # not what there is in this moment: other tests make folders in build
    listed = run("git", "ls-files", "-co", "--exclude-standard", "*.md").stdout.splitlines()
    documents = [(ROOT / name).read_text() for name in listed if "/template/" not in name]
    assert len(documents) > 20
    text = re.sub(r"<!-- kit: begin -->.*?<!-- kit: end -->", "",
                  "\n".join([run("make", "help").stdout, *documents]), flags=re.S)
    names = r"(?: [A-Z_]+=\S*)*"
    said = re.findall(rf"(?:^(?=make [a-z-]+{names}(?:  |$))|`)make((?: "
                      rf"[a-z][a-z-]*\b(?![/.]))?{names})",
                      text, re.M)
    makefiles = "".join(path.read_text() for path in MAKEFILES)
    known = targets()
    assert len(said) > 40
    for word in {word for words in said for word in words.split()}:
        name, is_variable, _ = word.partition("=")
        if is_variable:
            assert re.search(rf"^{name} *[?:]?=", makefiles, re.M), f"make {word}"
        elif name.startswith("unit-"):
            assert (ROOT / f"tests/unit/test_{name.removeprefix('unit-')}.c").is_file()
        else:
            assert name in known, f"make {word}"


def test_help_names_every_target_and_variable():
    said = run("make", "help").stdout
    assert targets() == set(re.findall(r"\bmake ([a-z][a-z-]*)(?= {2,}|: |$)", said, re.M)) | \
        {"all"}
    variables = {name for path in MAKEFILES
                 for name in re.findall(r"^([A-Z_]+) +\?=", path.read_text(), re.M)}
    assert variables - {"CC"} == set(re.findall(r"\b([A-Z_]+)=", said))
    assert max(map(len, said.splitlines())) <= 100


def test_assembly_follows_what_it_includes(tmp_path):
    build, made = ("make", "DEPS=present",
                   f"B={tmp_path}"), f"{tmp_path}/hv-obj/hypervisor/memory/access.asm.o"
    assert run(*build, made).returncode == 0
    assert run(*build, "-q", made).returncode == 0
    assert run(*build, "-q", "-W", "hypervisor/machine/asm.inc", made).returncode == 1


def test_what_has_other_parts_is_made_again(tmp_path):
    """However old they are."""
    (tmp_path / "makefile").write_text("""include Makefile
$(B)/whole: $$(call others,$$@,$$(PARTS))
\t@echo $(PARTS) > $@
\t$(call remember,$(PARTS))
""")
    for parts, status in (("a b", 1), ("a b", 0), ("b a", 0), ("a", 1), ("a c", 1), ("c a", 0)):
        build = ("make", "-f", tmp_path / "makefile", "DEPS=present", f"B={tmp_path}",
                 f"PARTS={parts}", f"{tmp_path}/whole")
        assert run(*build, "-q").returncode == status, parts
        assert run(*build).returncode == 0
        assert set((tmp_path / "whole").read_text().split()) == set(parts.split())


def test_silence(tmp_path):
    build = ("make", "DEPS=present", f"B={tmp_path}", f"{tmp_path}/hv-obj/hypervisor/boot/main.c.o")
    assert "CC      hypervisor/boot/main.c\n" in run(*build).stdout
    assert run(*build[:2], "-s", *build[2:], "-W", "hypervisor/boot/main.c").stdout == ""


def test_offsets_follow_every_header(tmp_path):
    """A field that moves is seen by the assembly, whichever header it stands in."""
    offsets = tmp_path / "gen/hypervisor/offsets.inc"
    assert run("make", "DEPS=present", f"B={tmp_path}", offsets).returncode == 0
    read = re.findall(r"hypervisor/\S+\.h", offsets.with_suffix(".d").read_text())
    assert {"hypervisor/domain/domain.h", "hypervisor/lib/pqueue.h"} <= set(read)
    assert run("make", "DEPS=present", f"B={tmp_path}", "-q", offsets).returncode == 0
    for header in sorted(set(read)):
        assert run("make", "DEPS=present", f"B={tmp_path}",
                   "-q", "-W", header, offsets).returncode == 1
