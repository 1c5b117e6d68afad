/* SPDX-License-Identifier: MIT */
/*
 * IRET and far RET of ring 3, for QEMU's sake. No CPU ever faults on a guest's own stack there
 * because of SMAP, but QEMU's TCG (7.2 at least) reads the stack of these two instructions as if
 * ring 0 did: a page fault of ring 3 whose error code says "supervisor". Nothing else makes such a
 * fault on a guest's address, so it is safe to recognise; we then do what the instruction would
 * have done. Guests that return by the iret hypercall never come here.
 */
#include "entry/far_return.h"
#include "entry/trap.h"
#include "machine/io.h"
#include "memory/access.h"

#define REX_W  0x48
#define IRET   0xcf
#define RETF   0xcb

#define RIGHTS_CODE   0x9800u       /* present, code segment */
#define RIGHTS_DPL3   0x6000u
#define RIGHTS_LONG   0x200000u

/* LAR: the access rights of a selector as bits 8 to 23 of a descriptor's upper half; 0 if it has
 * none, or is in an LDT page that is not there: that faults. */
static uint32_t access_rights(uint16_t selector)
{
    uint32_t rights;

    if (likely(selector == FLAT_RING3_CS64)) return RIGHTS_CODE | RIGHTS_DPL3 | RIGHTS_LONG;
    __asm__ volatile("1: lar %1, %0; jz 3f; 2: xor %0, %0; 3:\n"
                     ".pushsection .fixups, \"a\"; .quad 1b, 2b; .popsection"
                     : "=r"(rights)
                     : "r"((uint32_t)selector)
                     : "cc");
    return rights;
}

static bool code_selector_ok(uint16_t selector)
{
    uint32_t rights = access_rights(selector);

    return (selector & 3) == 3 &&
           (rights & (RIGHTS_CODE | RIGHTS_DPL3)) == (RIGHTS_CODE | RIGHTS_DPL3);
}

/* `words` words of 4 or 8 bytes from the guest's stack. */
static bool pop(const struct vcpu *v, uint64_t *frame, unsigned int words, unsigned int size)
{
    uint32_t narrow[5];

    if (size == 8) return copy_from_guest(frame, VADDR(v->regs.rsp), words * 8) == 0;
    if (copy_from_guest(narrow, VADDR(v->regs.rsp), words * 4) != 0) return false;
    for (unsigned int i = 0; i < words; i++)
        frame[i] = narrow[i];
    return true;
}

bool far_return(struct vcpu *v)
{
    struct cpu_user_regs *r = &v->regs;
    uint8_t code[2];
    uint64_t frame[5];
    unsigned int words, size;

    if (!(access_rights(r->cs) & RIGHTS_LONG) ||
        copy_from_guest(code, VADDR(r->rip), sizeof(code)) != 0)
        return false;
    size = code[0] == REX_W ? 8 : 4;
    if (code[size == 8] != IRET && code[size == 8] != RETF) return false;
    words = code[size == 8] == IRET ? 5 : 2;
    if (!pop(v, frame, words, size)) return false;
    if (!code_selector_ok((uint16_t)frame[1]) || !is_canonical(frame[0])) {
        inject_trap(v, TRAP_GP, (int)(frame[1] & 0xfffc));
        return true;
    }
    r->rip = frame[0];
    r->cs = (uint16_t)frame[1];
    r->rsp = words == 5 ? frame[3] : r->rsp + words * size;
    if (words == 5) {
        /* the rest is made harmless at exit */
        r->rflags = (r->rflags & RFLAGS_IF) | (frame[2] & ~(uint64_t)RFLAGS_IF);
        r->ss = (uint16_t)(frame[4] | 3);
    }
    /* by IRETQ, as from any exception: rcx and r11 are not ours to change */
    return true;
}
