# SPDX-License-Identifier: MIT
"""What gdb knows about Domus, as commands: `help domus` there. Loaded by gdbinit.

Ring 0's memory is in every address space, and all frames are in its direct map, so this works
wherever the machine was stopped, once the hypervisor has made its tables.
"""
import os

import gdb

DIRECT_MAP = 0xFFFF830000000000             # hypervisor/lib/layout.h
FRAME_TABLE = 0xFFFF810000000000
MFN_MASK = 0x000FFFFFFFFFF000
TYPES = ("-", "L1", "L2", "L3", "L4", "descriptors", "writable", "ours, read-only")
FLAGS = ((57, "valid"), (58, "being undone"), (59, "pinned"), (60, "allocated"), (61, "free"),
         (62, "shared"))
BITS = ((0, "present"), (1, "write"), (2, "user"), (3, "PWT"), (4, "PCD"), (5, "accessed"),
        (6, "dirty"), (7, "PS"), (8, "global"), (63, "NX"))


def number(value):
    return int(value) & 0xFFFFFFFFFFFFFFFF


def pointer_to(address, kind):
    return gdb.Value(address).cast(gdb.lookup_type(kind).pointer())


def word(machine):
    """The 8 bytes at a machine address."""
    return number(pointer_to(DIRECT_MAP + machine, "unsigned long").dereference())


def domains():
    """Each that is in the list."""
    head = gdb.parse_and_eval("&domain_list")
    offset = next(field.bitpos // 8 for field in gdb.lookup_type("struct domain").fields()
                  if field.name == "all_domains")
    link = head["next"]
    while link != head:
        yield pointer_to(number(link) - offset, "struct domain")
        link = link["next"]


def running():
    """(CPU, vCPU) of each CPU."""
    for index in range(int(gdb.parse_and_eval("cpus_online"))):
        cpu = gdb.parse_and_eval(f"cpus[{index}]")
        yield cpu, cpu["running"]


def name_of(vcpu):
    domain = vcpu["domain"]
    return f"d{int(domain['id'])}v{int(vcpu['id'])}" if number(domain) else "nobody"


def frame(mfn):
    """A frame in words: owner, type, counts, M2P."""
    if mfn >= number(gdb.parse_and_eval("max_frame")):
        return f"mfn {mfn:#x}: no RAM"
    entry = (pointer_to(FRAME_TABLE, "struct frame") + mfn).dereference()
    state, owner = number(entry["state"]), number(entry["owner"])
    owners = {number(domain): f"d{int(domain['id'])}" for domain in domains()}
    owners |= {number(gdb.parse_and_eval(f"&special_{name}")): f"DOMID_{name.upper()}"
               for name in ("io", "xen")}
    flags = ", ".join(name for bit, name in FLAGS if state >> bit & 1)
    pfn = number(gdb.parse_and_eval("m2p_table")[mfn])
    return (f"mfn {mfn:#x}: {owners.get(owner, 'the hypervisor' if not owner else 'unknown')}'s, "
            f"type {TYPES[state >> 54 & 7]}, {state & 0x7FFFFFF} references, "
            f"{state >> 27 & 0x7FFFFFF} of its type ({flags or 'no flags'}); "
            + ("no pfn" if pfn == 2 ** 64 - 1 else f"pfn {pfn:#x}"))


def entry_in_words(value):
    bits = " ".join(name for bit, name in BITS if value >> bit & 1)
    return f"{value:#018x}: mfn {(value & MFN_MASK) >> 12:#x}, {bits or 'nothing'}"


class Command(gdb.Command):
    """One of ours: a usage, and what the words do; what cannot be done is a sentence."""
    def __init__(self, name):
        super().__init__(f"domus {name}", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        try:
            self.run(gdb.string_to_argv(argument))
        except (IndexError, ValueError):
            usage = next(line for line in self.__doc__.split("\n") if line.startswith("domus "))
            raise gdb.GdbError("usage: " + usage) from None
        except gdb.MemoryError as problem:
            raise gdb.GdbError(f"{problem}: has the hypervisor made its tables yet? "
                               "`continue` a while") from None


class Domains(Command):
    """Each domain, its pages, and where its vCPUs run.

domus domains"""
    def run(self, _):
        where = {number(vcpu): int(cpu["id"]) for cpu, vcpu in running()}
        for domain in domains():
            print(f"d{int(domain['id'])}{'*' if domain['privileged'] else ''}  {domain['life']}  "
                  f"{int(domain['memory']['page_count'])} pages  (struct domain *)"
                  f"{number(domain):#x}")
            for index in range(int(domain["vcpu_count"])):
                vcpu = domain["vcpus"][index]
                if number(vcpu):
                    place = f"on CPU {where[number(vcpu)]}" if number(vcpu) in where \
                        else f"rip {number(vcpu['regs']['rip']):#x}"
                    print(f"    v{index}  {vcpu['sched']['state']}  {place}  (struct vcpu *)"
                          f"{number(vcpu):#x}")


class Current(Command):
    """Whose state each CPU has.

domus current"""
    def run(self, _):
        for cpu, vcpu in running():
            mode = "kernel" if vcpu["in_kernel"] else "user"
            print(f"CPU {int(cpu['id'])}: {name_of(vcpu)}, {mode} mode, cr3 "
                  f"{number(cpu['loaded_cr3']):#x}")


class Walk(Command):
    """A guest's page tables for an address, entry by entry.

domus walk ADDRESS [DOMAIN]
Without a domain those of who runs on CPU 0. $pte is where the last entry shown lies:
`watch *$pte` stops at the next write there, in a replay with `reverse-continue` at the last."""
    def run(self, words):
        address = number(gdb.parse_and_eval(words[0]))
        vcpu = next(running())[1]
        if len(words) > 1:
            found = [domain for domain in domains() if int(domain["id"]) == int(words[1], 0)]
            if not found:
                raise gdb.GdbError(f"there is no domain {words[1]}: `domus domains` lists them")
            vcpu = found[0]["vcpus"][0]
        table = number(vcpu["tables"]["kernel_cr3"]) & MFN_MASK
        print(f"{name_of(vcpu)}, L4 at {table:#x}")
        for level in (4, 3, 2, 1):
            slot = address >> 12 + 9 * (level - 1) & 511
            value = word(table + slot * 8)
            gdb.set_convenience_variable("pte", pointer_to(DIRECT_MAP + table + slot * 8,
                                                           "unsigned long"))
            print(f"L{level}[{slot}] {entry_in_words(value)}")
            if not value & 1:
                return
            print(f"    {frame((value & MFN_MASK) >> 12)}")
            if level in (2, 3) and value & 0x80:
                return
            table = value & MFN_MASK


class Pte(Command):
    """A page-table entry in words, and the frame that it names.

domus pte VALUE"""
    def run(self, words):
        value = number(gdb.parse_and_eval(words[0]))
        print(entry_in_words(value))
        if value & 1:
            print(frame((value & MFN_MASK) >> 12))


class Frame(Command):
    """Whose a frame is, its type and counts, and its pfn.

domus frame MFN"""
    def run(self, words):
        print(frame(number(gdb.parse_and_eval(words[0]))))


class Mfn(Command):
    """Which frame of a domain has that number; looks through all the M2P.

domus mfn DOMAIN PFN"""
    def run(self, words):
        owner, pfn = int(words[0], 0), number(gdb.parse_and_eval(words[1]))
        count = number(gdb.parse_and_eval("max_frame"))
        table = gdb.selected_inferior().read_memory(
            number(gdb.parse_and_eval("m2p_table")), count * 8).cast("B").cast("Q")
        told = [frame(mfn) for mfn in range(count) if table[mfn] == pfn]
        told = [text for text in told if f": d{owner}'s" in text]
        print("\n".join(told) or f"d{owner} has no frame of pfn {pfn:#x}")


class Symbols(Command):
    """The symbols of that guest's kernel, in the place of those before.

domus symbols FILE
All kernels have the same addresses, so there are those of one at a time."""
    last = None

    def run(self, words):
        path = os.path.abspath(words[0])
        if not os.path.isfile(path):
            raise gdb.GdbError(f"there is no file {path}")
        if Symbols.last:
            gdb.execute(f"remove-symbol-file {Symbols.last}", to_string=True)
        Symbols.last = None
        word = '"' + path.replace("\\", r"\\").replace('"', r"\"") + '"'
        gdb.execute(f"add-symbol-file {word}")
        Symbols.last = word


class Domus(gdb.Command):
    """What runs on Domus, what its pages are, and whose symbols are used."""
    def __init__(self):
        super().__init__("domus", gdb.COMMAND_DATA, prefix=True)


Domus()
for command, name in ((Domains, "domains"), (Current, "current"), (Walk, "walk"), (Pte, "pte"),
                      (Frame, "frame"), (Mfn, "mfn"), (Symbols, "symbols")):
    command(name)
