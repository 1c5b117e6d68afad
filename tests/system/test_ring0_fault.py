# SPDX-License-Identifier: MIT
"""A bug of ring 0 says where it was: the function and its callers, by name. There is none that a
test could cause, so a debugger makes one: where a function begins it puts an address that no CPU
has into the pointer that it was given."""
import contextlib
import shutil
import subprocess

import pytest

import dom0
import machine

pytestmark = [pytest.mark.skipif(dom0.ON_XEN, reason="ring 0 is ours"),
              pytest.mark.skipif(not shutil.which("gdb"), reason="no gdb here")]

# Function, and who must stand behind it, in this order; what is inlined has no name.
FAULTS = [("grant_acquire", ["syscall_entry"]), ("guest_trap", ["from_guest"])]


def debugger(box, socket, *commands):
    done = subprocess.run(["gdb", "-q", "-batch",
                           "-ex", "set confirm off", "-ex", f"target remote {socket}",
                           *(word for command in commands for word in ("-ex", command)),
                           str(machine.DOMUS.path)],
                          capture_output=True, text=True, timeout=300 * machine.PATIENCE)
    assert "detached" in done.stdout, done.stdout + done.stderr


@contextlib.contextmanager
def stopped_at(function, tmp_path, *commands, guest="grants", smp=None):
    """A machine in which a debugger has stopped once where the function begins, and done
    something."""
    socket = tmp_path / "gdb"
    with machine.Machine(f"ring0-fault-{function}-{tmp_path.name}", hypervisor=machine.DOMUS,
                         modules=[[machine.BUILD / f"guests/test-{guest}.elf", "test"]], smp=smp,
                         extra=["-S", "-chardev", f"socket,path={socket},server=on,wait=off,id=gdb",
                                "-gdb", "chardev:gdb"]) as box:
        debugger(box, socket, f"hbreak {function}", "continue", *commands, "delete", "detach")
        yield box


BAD_ARGUMENT = "set $rdi = 0x7000000000000000"


@pytest.mark.parametrize("function, callers", FAULTS, ids=[function for function, _ in FAULTS])
def test_a_fault_names_its_function_and_the_callers(tmp_path, function, callers):
    with stopped_at(function, tmp_path, BAD_ARGUMENT) as box:
        box.expect("in the hypervisor")
        trace = box.expect(r"(?s)(  in .*)HYPERVISOR PANIC").group(1)
        box.expect("the machine has stopped")
    names = [line.split()[-2].split("+")[0] for line in trace.splitlines() if "+0x" in line]
    assert names[0] == function, trace
    rest = iter(names[1:])
    assert all(caller in rest for caller in callers), trace


def test_a_trace_ends_where_the_stack_does(tmp_path):
    """A frame pointer may be anything; one above the stack is not followed."""
    with stopped_at("guest_trap", tmp_path, BAD_ARGUMENT,
                    "delete", "hbreak *print_stack_trace", "continue",
                    "set $rsi = 0xfffff00000000000") as box:
        box.expect("in the hypervisor")
        box.expect("HYPERVISOR PANIC")
        box.expect("the machine has stopped")


def test_a_fault_while_telling_of_one(tmp_path):
    """It ends there, and nothing is told twice."""
    with stopped_at("guest_trap", tmp_path, BAD_ARGUMENT,
                    "delete", "hbreak *print_registers", "continue", BAD_ARGUMENT) as box:
        box.expect("in the hypervisor")
        box.listen(3)
        assert "in the hypervisor" not in box.tail(20).split("in the hypervisor",
                                                             1)[1], box.tail(20)


@pytest.mark.parametrize("place", ["0xffff830000008000", "&boot_stacks"],
                         ids=["direct-map", "image"])
def test_data_is_not_executed(tmp_path, place):
    """What lies in the direct map of all memory, or in what of the image may be written."""
    with stopped_at("guest_trap", tmp_path, f"set $rip = {place}") as box:
        box.expect(r"exception 14 \(error code 11, ")          # present, and fetched from
        box.expect("HYPERVISOR PANIC")
