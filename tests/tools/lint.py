#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make lint: the rules of the house that a machine can check.

1. Arrows: who may include whom (hypervisor and SDK know only the public
   interface, drivers know the SDK, dom0 both). Between the rooms of the hypervisor they go down
   (map.py has the order and what there is beside it), and the picture in its README shows them.
2. Every source file opens with its licence.
3. A file has one subject: none over 580 lines, a test 655; each room of the hypervisor has its size
   in lines of code (what is left of C and assembly without comments and empty lines: nobody shall
   save on words), and so has the monitor; these limits are those that CONTRIBUTING.md names.
4. The boundary is one file: swapgs, sysret and iretq stand in hypervisor/entry/entry.asm and
   nowhere else in ring 0.
5. Operations of hypercalls go through the table of privileges: the hypervisor names them by OP,
   ROW and their kin, never as they are; each row has its place in a handler and its call in
   tests/guests/privilege; one with a check stands where the check is made.
6. dom0, drivers and SDK refuse by refused(), which tests count, one to a line; the toolstack,
   which does what the operator says, need not.
7. C has one style (style.py); lines of all sources, tables and shell files have at most 100
   columns, those of texts 120.
8. "rule 7", "decision 2" and "I9" in comments name what stands in CONTRIBUTING.md and in the
   hypervisor's README.
9. Only the native kernel, not its neighbours, may be a kernel for bare metal: it knows nothing of
   Xen or of the port.
10. The README of a folder names each file that a reader may look for there.
"""
import fnmatch
import pathlib
import re
import subprocess
import sys

sys.path[:0] = ["pvguest-sdk/tools", "tests/tools"]
import hypercalls  # noqa: E402
import map as rooms_map  # noqa: E402
import style  # noqa: E402

SOURCES = {".c", ".h", ".asm", ".inc", ".S", ".py", ".mk", ".sh", ".lds", ".tbl"}
CODE = {".c", ".h", ".asm", ".S", ".lds"}
# What has lines of at most 100 columns, beside C; and what a text's may have.
WIDE = {".asm", ".inc", ".S", ".py", ".mk", ".sh", ".lds", ".tbl", ".txt"}
SCRIPT = re.compile(r"#! ?/(bin/(ba)?sh|usr/bin/env python3)\b")
# Configurations and sessions as they are: what we say of them is a comment.
SHOWN = {"tests/unit/toolstack.txt", "tests/unit/xlcfg.txt"}
PROSE = 120
LARGEST_FILE, LARGEST_TEST = 580, 655
# Lines of code, at 100 columns; CONTRIBUTING.md, rule 1, has them, too.
ROOMS = {"lib": 870, "machine": 1990, "memory": 1960,
         "domain": 3150, "entry": 1420, "emulate": 1220,
         "calls": 1980, "svm": 440, "control": 1800, "boot": 730, "": 60}
MONITOR = 6000                      # of pvguest-sdk/monitor, without svm.[ch]
# What the compiler itself brings; there is no C library in a freestanding program.
FREESTANDING = {"stddef.h", "stdint.h", "stdbool.h",
                "stdarg.h", "stdalign.h", "stdatomic.h", "limits.h", "stdnoreturn.h"}
# The same files of dom0 and drivers also run on the host, under cmocka (UNIT_TEST): there they may
# use the C library's.
HOSTED = {"string.h", "stdio.h", "stdlib.h", "errno.h"}
# Programs for the host, with its libraries.
HOST_PROGRAMS = ("pvguest-sdk", "tools")
# Made by the build: from hypercall.tbl, and from C structures for NASM.
GENERATED = {"abi/hypercall_list.h", "abi/operation_names.h", "abi/operation_list.h",
             "pvguest/hypercalls.h", "offsets.inc"}
# Component: the include roots (folder, prefix of the name) that it may use beside its own folder.
ARROWS = {
    "builder": ("pvguest-sdk/include",),
    "hypervisor": ("pvguest-sdk/include/abi", "builder"),
    "pvguest-sdk": (),
    "pvguest-sdk/examples": ("pvguest-sdk/include", "drivers/include"),
    "pvguest-sdk/monitor": ("pvguest-sdk/include", "pvguest-sdk/monitor", "drivers/include"),
    "drivers": ("pvguest-sdk/include",),
    "dom0": ("pvguest-sdk/include", "drivers/include", "builder"),
}
ROOTS = ("", "hypervisor", "pvguest-sdk/include", "drivers/include", "dom0")
# dom0's rooms from below: each may know those before it, and what lies beside them all of them do.
DOM0 = ("config", "xc", "xenstore", "console", "storage", "network",
        "save", "devices", "guests", "xl", "main.c")
OPERATORS = ("dom0/config/", "dom0/save/", "dom0/devices/", "dom0/guests/", "dom0/xl/")
INCLUDE = re.compile(r'^\s*[#%]\s*include\s*[<"]([^">]+)[">]', re.M)
# Instructions, not words in a comment: first on their line, perhaps after a label.
WAY_OUT = re.compile(r"^\s*(?:[.\w]+:\s*)?(?:o64\s+)?(swapgs|sysret[ql]?|iretq)\b"
                     r"|\"[^\"\n]*\b(swapgs|sysretq?|iretq)\b", re.M)
# The public constants that choose an operation, and the macros (entry/hypercall.h, calls/mmuext.c)
# by which they may be named.
OPERATIONS = re.compile(r"\b(\w+\()?((?:XEN_DOMCTL_[a-z]|XEN_SYSCTL_[a-z]|XENPF_[a-z]|PHYSDEVOP_|"
                        r"XENMEM_[a-z]|GNTTABOP_|EVTCHNOP_|VCPUOP_|SCHEDOP_|XENVER_|CONSOLEIO_|"
                        r"MMUEXT_[A-Z]|CALLBACKOP_|XENNMI_|VMASST_CMD_|SEGBASE_|DOMUS_[a-z]|"
                        r"MMU_[A-Z_]*UPDATE)\w*)")
# An error that is born here: handed up, not compared with.
REFUSAL = re.compile(r"(?:\breturn |[?:,] |(?<!refused)\()-E[A-Z0-9]{2,}\b")
CITATION = re.compile(r"\b([Rr]ule|[Dd]ecision) (\d+)\b|(?<=[ (])I([1-9]\d?)(?=[),:; ])")
COMMENT = re.compile(r"/\*.*?\*/", re.S)
# Which README names the files of which folders.
NAMED = {"hypervisor/README.md": ("hypervisor/*.c", "hypervisor/*.asm"),
         "dom0/README.md": ("dom0/*.c",), "drivers/README.md": ("drivers/*.c",),
         "pvguest-sdk/README.md": ("pvguest-sdk/lib/*.c", "pvguest-sdk/lib/*.asm",
                                   "pvguest-sdk/tools/*.py", "pvguest-sdk/tools/domus-*",
                                   "pvguest-sdk/include/pvguest/*.h")}
CHECKED, UNCHECKED = {"ROW(", "ROW_AT(", "OPERATION("}, {"OP(", "OBJECT("}

problems = []


def complain(path, text):
    problems.append(f"{path}: {text}")


def tracked():
    listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"],
                             capture_output=True, text=True, check=True).stdout
    # whatever its name and place
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
    paths = [pathlib.Path(line) for line in listing.splitlines()]
    return [path for path in paths if path.is_file() and build not in path.resolve().parents]


def where(include, path):
    """The file of this tree that an include names, or None for a system header."""
    for root in (str(path.parent),) + ROOTS:
        candidate = pathlib.Path(root) / include
        if candidate.is_file():
            return candidate
    return None


def without_comments(text):
    """Its lines keep their numbers."""
    return COMMENT.sub(lambda comment: "\n" * comment.group(0).count("\n"), text)


def lines_of_code(path, text):
    """Without comments and empty lines."""
    if path.suffix in (".asm", ".inc"):
        text = re.sub(r";.*", "", text)
    else:
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return sum(1 for line in text.splitlines() if line.strip())


def level(path):
    return DOM0.index(path.parts[1]) if path.parts[1] in DOM0 else -1


def check_arrows(path, text):
    component = path.parts[0]
    # guests like any other: they use SDK and drivers
    if path.parts[:2] in (("pvguest-sdk", "examples"), ("pvguest-sdk", "monitor")):
        component = "/".join(path.parts[:2])
    if component not in ARROWS:
        return
    for include in INCLUDE.findall(text):
        if include.startswith("xen/") or include in FREESTANDING:
            continue
        if include in HOSTED and component != "hypervisor" \
                and ("UNIT_TEST" in text or "__STDC_HOSTED__" in text):
            continue
        if include in GENERATED:
            continue
        target = where(include, path)
        if target is None and path.parts[:2] == HOST_PROGRAMS:
            continue
        if target is None:
            complain(path, f"includes <{include}>, which is neither in this tree nor a "
                           f"freestanding header")
        elif target.parts[0] != component and not str(target).startswith(ARROWS[component]):
            complain(path, f"includes {target}: {component}/ may not know it")
        elif component == "dom0" == target.parts[0] and level(target) > level(path):
            complain(path, f"includes {target}: an arrow upwards")


def check_rooms(found, picture):
    """The arrows between the hypervisor's rooms, and the picture of them."""
    for who, whom in found:
        if not rooms_map.allowed(who, whom):
            complain(f"hypervisor/{who}",
                     f"includes {whom}: a room includes those below it (tests/tools/map.py)")
    for who, whom in set(rooms_map.UPWARDS) - set(found):
        complain("tests/tools/map.py", f"{who} includes {whom} no more")
    if picture != rooms_map.picture(found):
        complain(rooms_map.PICTURE, "shows other arrows than there are: make map")


def check_licence(path, text):
    if "SPDX-License-Identifier: MIT" not in "\n".join(text.splitlines()[:3]):
        complain(path, "does not open with SPDX-License-Identifier: MIT")


def check_way_out(path, text):
    if path.parts[0] != "hypervisor" or str(path) == "hypervisor/entry/entry.asm":
        return
    for match in WAY_OUT.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        complain(f"{path}:{line}",
                 f"`{match.group(1) or match.group(2)}` belongs in hypervisor/entry/entry.asm")


def check_refusals(path, text):
    name = str(path)
    if not name.startswith(("builder/", "dom0/", "drivers/", "pvguest-sdk/lib/")) \
            or path.suffix != ".c":
        return
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        translated = re.match(r"\s*(case|default)\b", line)     # somebody else's refusal
        if REFUSAL.search(line) and not translated and not name.startswith(OPERATORS):
            complain(f"{path}:{number}", "an error that nobody counts: <pvguest/refuse.h>")
        if line.count("refused(") > 1:
            complain(f"{path}:{number}",
                     "two refusals in a line: its number is what tells them apart")


def is_wide(path, text):
    return path.suffix in WIDE or path.name in ("Makefile", "inittab", "gdbinit") \
        or SCRIPT.match(text)


def check_style(path, text):
    if path.suffix in (".c", ".h"):
        for number, problem in style.problems(text):
            complain(f"{path}:{number}", problem)
    elif is_wide(path, text):
        lines = text.split("\n")
        if str(path) in SHOWN:
            lines = [line if line.startswith(("#", ";")) else "" for line in lines]
        for number in style.wide(lines, style.WIDTH):
            complain(f"{path}:{number}", f"more than {style.WIDTH} columns")


def check_document(path):
    for number in style.wide(style.prose(path.read_text()), PROSE):
        complain(f"{path}:{number}", f"more than {PROSE} columns")


def citable():
    """What comments may cite."""
    text = pathlib.Path("CONTRIBUTING.md").read_text()
    decisions, rules = text.split("## Decisions")[1].split("## Rules")
    numbered = {kind: set(re.findall(r"^(\d+)\. ", part, re.M))
                for kind, part in (("decision", decisions), ("rule", rules.split("## Style")[0]))}
    invariants = pathlib.Path("hypervisor/README.md").read_text()
    return numbered | {"I": set(re.findall(r"^\| I(\d+) \|", invariants, re.M))}


def check_sizes(text):
    """Rule 1 says what is checked."""
    said = " ".join(text.split("1. **Size.**")[1].split("2. **")[0].split())
    wanted = [f"`{room}/` {limit:,}" for room, limit in ROOMS.items() if room]
    wanted += [f"at most {LARGEST_FILE} lines, a test {LARGEST_TEST}"]
    for words in wanted:
        if words not in said:
            complain("CONTRIBUTING.md", f"rule 1 does not say \"{words}\"")


def check_named(readme, text, files):
    """By name alone, or by a pattern; what is a folder of its own has a README of its own."""
    said = {word.rpartition("/")[2] for words in re.findall(r"`([^`\n]+)`", text)
            for word in words.split()}
    own = {path.parent for path in files
           if path.name == "README.md" and readme.parent in path.parent.parents}
    for path in files:
        if any(fnmatch.fnmatch(path, pattern) for pattern in NAMED[str(readme)]) \
                and not own & set(path.parents) \
                and not any(fnmatch.fnmatch(path.name, word) for word in said):
            complain(readme, f"does not name {path.relative_to(readme.parent)}")


def check_citations(path, text, known):
    for match in CITATION.finditer(text):
        kind = (match.group(1) or "I").lower()
        number = match.group(2) or match.group(3)
        if number not in known["I" if kind == "i" else kind]:
            line = text.count("\n", 0, match.start()) + 1
            complain(f"{path}:{line}", f"cites {match.group(0)}, which is nowhere to be read")


def check_native_kernel(path, text):
    if path.parts[0] == "patches" and path.suffix in CODE \
            and len(path.parts) > 2 and re.search(r"<xen/|pvguest|hypercall", text):
        if "port" not in path.parts[1]:
            complain(path, "the native kernel has a trace of the port in it")


def operations_in(path, dispatched, checked):
    """Notes which operations a file of the hypervisor names, and which of them it checks."""
    text = without_comments(path.read_text())
    for match in OPERATIONS.finditer(text):
        by, name = match.groups()
        dispatched.add(name)
        if by in CHECKED:
            checked.add(name)
        elif by not in UNCHECKED:
            line = text.count("\n", 0, match.start()) + 1
            complain(f"{path}:{line}",
                     f"{name} goes by ROW or OP: its privilege is in privilege.tbl")


def check_operations(files):
    dispatched, checked = set(), set()
    tries = ""
    for path in files:
        if path.parts[0] == "hypervisor" and path.suffix in CODE:
            operations_in(path, dispatched, checked)
        elif path.parts[:3] == ("tests", "guests", "privilege") and path.suffix == ".c":
            tries += path.read_text()
    abi = "pvguest-sdk/include/abi"
    table = hypercalls.read_hypercalls(f"{abi}/hypercall.tbl")
    for row in hypercalls.read_operations(f"{abi}/privilege.tbl", table):
        if not re.search(rf"\bTRY\({row.hypercall if row.name == '-' else row.name}\)", tries):
            complain(row.where, f"{row.hypercall} {row.name}: tests/guests/privilege does not "
                                f"try it")
        if row.name == "-":
            continue
        if not OPERATIONS.fullmatch(row.name):
            complain(row.where, f"{row.name}: lint does not know such constants for operations")
        elif row.name not in dispatched:
            complain(row.where, f"{row.name}: no handler in hypervisor/ knows it")
        elif hypercalls.is_guarded(row, table) and row.name not in checked:
            complain(row.where,
                     f"{row.name}: dispatched, but not by ROW, which checks")


def main():
    files = tracked()
    known = citable()
    rooms = dict.fromkeys(ROOMS, 0)
    for path in files:
        if path.suffix == ".md":
            check_document(path)
        text = path.read_text(errors="replace")
        if path.suffix not in SOURCES and not is_wide(path, text):
            continue
        lines = text.count("\n")
        if str(path) not in SHOWN:
            check_licence(path, text)
        check_style(path, text)
        if path.suffix in CODE:
            check_arrows(path, text)
            check_way_out(path, text)
            check_refusals(path, text)
            check_citations(path, text, known)
            check_native_kernel(path, text)
            most = LARGEST_TEST if path.parts[0] == "tests" else LARGEST_FILE
            if lines > most:
                complain(path, f"{lines} lines; a file has one subject and at most {most} lines")
            if path.parts[0] == "hypervisor":
                room = path.parts[1] if len(path.parts) > 2 else ""
                rooms[room] = rooms.get(room, 0) + lines_of_code(path, text)
    check_operations(files)
    for readme in map(pathlib.Path, NAMED):
        check_named(readme, readme.read_text(), files)
    check_sizes(pathlib.Path("CONTRIBUTING.md").read_text())
    check_rooms(rooms_map.includes(),
                rooms_map.PICTURE.read_text() if rooms_map.PICTURE.is_file() else None)
    for room, lines in rooms.items():
        if lines > ROOMS.get(room, 0):
            complain(f"hypervisor/{room}", f"{lines} lines of code, more than {ROOMS.get(room, 0)}")
    monitor = sum(lines_of_code(path, path.read_text()) for path in files
                  if path.suffix in CODE and path.parts[:2] == ("pvguest-sdk", "monitor")
                  and path.stem != "svm")
    if monitor > MONITOR:
        complain("pvguest-sdk/monitor", f"{monitor} lines of code, more than {MONITOR}")
    allowed = {"hypervisor", "builder", "pvguest-sdk", "drivers", "dom0", "patches", "tests", ".ci"}
    for folder in sorted({path.parts[0] for path in files if len(path.parts) > 1} - allowed):
        complain(folder + "/", "no other folder at the top")
    for problem in problems:
        print("  LINT    " + problem)
    if problems:
        sys.exit(f"lint: {len(problems)} problem(s)")
    sizes = ", ".join(f"{room or 'itself'} {lines}" for room, lines in rooms.items())
    print(f"  LINT    {len(files)} files as the house wants them; hypervisor/ has "
          f"{sum(rooms.values())} lines of code: {sizes}")


if __name__ == "__main__":
    main()
