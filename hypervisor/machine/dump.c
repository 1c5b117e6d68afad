/* SPDX-License-Identifier: MIT */
/* What is printed when ring 0 itself is in trouble: registers, and by name who is where, by frame
 * pointers. */
#include "machine/dump.h"
#include "lib/printk.h"
#include "machine/cpu.h"
#include "machine/io.h"
#include "machine/symbols.h"

extern char text_start[], text_end[];

static bool in_text(uint64_t address)
{
    return address >= (uint64_t)text_start && address < (uint64_t)text_end;
}

void print_registers(const struct cpu_user_regs *r, uint64_t cr3)
{
    log_error("rip %04x:%016lx  rsp %04x:%016lx  rflags %08lx", r->cs, r->rip, r->ss, r->rsp,
              r->rflags);
    log_error("rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx", r->rax, r->rbx, r->rcx, r->rdx);
    log_error("rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx", r->rsi, r->rdi, r->rbp, r->r8);
    log_error("r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx", r->r9, r->r10, r->r11, r->r12);
    log_error("r13 %016lx  r14 %016lx  r15 %016lx  cr3 %016lx", r->r13, r->r14, r->r15, cr3);
}

static void print_place(const char *what, uint64_t address, uint64_t inside)
{
    const struct symbol *found = NULL;

    for (const struct symbol *s = symbols_start; s < symbols_end && s->address <= inside; s++)
        found = s;
    if (found)
        log_error("  %s %s+0x%lx (%lx)", what, found->name, address - found->address, address);
    else
        log_error("  %s %lx", what, address);
}

/*
 * Where it is (0: in whoever asks), then who called, as saved frame pointers climb within this
 * CPU's stack. The first may be a guest's value, so nothing is read before it is known to lie in
 * the stack. A call that never returns may be a function's last instruction.
 */
void print_stack_trace(uint64_t rip, uint64_t frame)
{
    uint64_t top = this_cpu()->stack_top;

    if (in_text(rip))
        print_place("in", rip, rip);
    while (frame >= top - CPU_STACK_SIZE && frame <= top - 16 && !(frame & 7)) {
        const uint64_t *f = (const uint64_t *)frame;

        if (!in_text(f[1])) return;
        print_place("called from", f[1], f[1] - 1);
        if (f[0] <= frame) return;
        frame = f[0];
    }
}
