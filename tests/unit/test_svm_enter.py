# SPDX-License-Identifier: MIT
"""svm/enter.asm, run instruction by instruction: the order in which what is ours is put away and
taken back, and that each register of the guest's comes from its place and goes there again."""
import pytest

import machine
import stepper

OBJECT = machine.BUILD / "hv-obj" / "hypervisor" / "svm" / "enter.asm.o"
STACK, GENERAL, BLOCK, HOST = 0xffff830000100000, 0xffff830000200000, 0x7770000, 0x8880000
# By their numbers; RAX and RSP are in the CPU's block.
GENERALS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
            "r13", "r14", "r15")
IN_THE_BLOCK = ("rax", "rsp")


def test_a_run():
    if not OBJECT.exists():
        pytest.fail(f"{OBJECT} is not built")
    order = []

    def runs(cpu):
        order.append(("vmrun", cpu.regs["rax"]))
        for i, name in enumerate(GENERALS):
            if name not in IN_THE_BLOCK:
                assert cpu.regs[name] == 0x1000 + i, name
                cpu.regs[name] = 0x2000 + i

    def with_a_block(name):
        return lambda cpu: order.append((name, cpu.regs["rax"]))

    def alone(name):
        return lambda cpu: order.append(name)

    hooks = {name: with_a_block(name) for name in ("vmsave", "vmload")}
    hooks |= {name: alone(name) for name in ("clgi", "stgi", "sti", "cli")}
    cpu = stepper.Processor(stepper.Program(OBJECT, 0xffff82d000000000), hooks | {"vmrun": runs})
    cpu.give(STACK - 256, 256)
    cpu.give(GENERAL, 8 * len(GENERALS))
    for i in range(len(GENERALS)):
        cpu.store(GENERAL + 8 * i, 0x1000 + i)
    cpu.regs["rsp"] = STACK - 64
    cpu.push(0)
    before = dict(cpu.regs)
    cpu.run("svm_enter", rdi=BLOCK, rsi=HOST, rdx=GENERAL)
    assert order == ["clgi", "sti", ("vmsave", HOST), ("vmload", BLOCK), ("vmrun", BLOCK),
                     ("vmsave", BLOCK), ("vmload", HOST), "cli", "stgi"]
    left = [cpu.load(GENERAL + 8 * i) for i in range(len(GENERALS))]
    assert left == [0x1000 + i if name in IN_THE_BLOCK else 0x2000 + i
                    for i, name in enumerate(GENERALS)]
    assert all(cpu.regs[name] == before[name] for name in stepper.PRESERVED)
    assert cpu.regs["rsp"] == STACK - 64
