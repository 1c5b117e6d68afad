/* SPDX-License-Identifier: MIT */
/* The gates of a probe (probe.h): which entry of ways.asm catches what. */
#include "probe.h"
#include <xen/callback.h>

extern void *const probe_entries[20];
void probe_event(void);
void probe_failsafe(void);
void probe_int80(void);
void probe_int_gate(void);

_Static_assert(offsetof(struct probe, registers) == 8 && offsetof(struct probe, flags) == 136 &&
                   offsetof(struct probe, way) == 144 && offsetof(struct probe, vector) == 152 &&
                   offsetof(struct probe, ss) == 200 &&
                   offsetof(struct probe, handler_flags) == 208 &&
                   offsetof(struct probe, selectors) == 216 &&
                   offsetof(struct probe, under_way) == 248,
               "as ways.asm has it");

/* A trap of the test's own lines, while the gates are the probes'. vector error rip cs rflags rsp
 * ss. */
void probe_stray(const uint64_t *frame) __attribute__((noreturn));
void probe_stray(const uint64_t *frame)
{
    test_error("a trap outside of a probe: vector %ld, error %lx, rip %lx, rsp %lx, cr2 %lx",
               (long)frame[0], frame[1], frame[2], frame[5], (unsigned long)fault_address());
}

/* Software may use INT 0x80, INT3 and the gate of INT 0x55, which masks events; what the CPU raises
 * is for the CPU. */
static void fill_gates(struct trap_info *table)
{
    unsigned int n = 0;

    for (unsigned int vector = 0; vector < 20; vector++) {
        if (vector == TRAP_NMI || vector == 9 || vector == 15)
            continue;
        table[n++] = (struct trap_info){ (uint8_t)vector, vector == TRAP_BP ? 3 : 0, FLAT_KERNEL_CS,
                                         (unsigned long)probe_entries[vector] };
    }
    table[n++] = (struct trap_info){ VECTOR_INT80, 3, FLAT_KERNEL_CS, (unsigned long)probe_int80 };
    table[n++] = (struct trap_info){ 0x55, 3 | 4, FLAT_KERNEL_CS, (unsigned long)probe_int_gate };
    table[n] = (struct trap_info){ 0 };
}

#define CODE_VA 0x5550000000UL

unsigned int probe_instruction_offset;

/* Two pages, writable where the allocator gave them and executable at CODE_VA. */
void (*probe_instruction(const uint8_t *bytes, unsigned int length))(void)
{
    static const uint8_t jump[] = { 0xff, 0x25, 0, 0, 0, 0 };       /* jmp *0(%rip) */
    static uint8_t *pages;
    extern const char probe_through[];
    uint64_t target = (unsigned long)probe_through;
    uint8_t *at;

    if (!pages) {
        pages = alloc_pages(1);
        NEED(pages && map_page(CODE_VA, virt_to_mfn(pages), PROT_EXEC, DOMID_SELF) == 0);
        NEED(map_page(CODE_VA + PAGE_SIZE, virt_to_mfn(pages + PAGE_SIZE), PROT_EXEC, DOMID_SELF) ==
             0);
    }
    at = pages + probe_instruction_offset;
    *at++ = 0x9d;                                                   /* popfq */
    memcpy(at, bytes, length);
    memcpy(at + length, jump, sizeof(jump));
    memcpy(at + length + sizeof(jump), &target, sizeof(target));
    return (void (*)(void))(CODE_VA + probe_instruction_offset);
}

unsigned long probe_instruction_at(void)
{
    return CODE_VA + probe_instruction_offset + 1;
}

void probe_gates(bool on)
{
    static struct trap_info table[32];

    events_mask_all();
    NEED(HYPERVISOR_set_trap_table(NULL) == 0);
    if (on) {
        fill_gates(table);
        NEED(HYPERVISOR_set_trap_table(table) == 0);
        NEED(HYPERVISOR_set_callbacks((unsigned long)probe_event, (unsigned long)probe_failsafe,
                                      (unsigned long)probe_syscall) == 0);
    } else {
        traps_init();
        events_unmask_all();
    }
}

void probe_context(struct vcpu_guest_context *context)
{
    static struct trap_info table[32];

    fill_gates(table);
    for (const struct trap_info *t = table; t->address; t++)
        context->trap_ctxt[t->vector] = *t;
    context->event_callback_eip = (unsigned long)probe_event;
    context->failsafe_callback_eip = (unsigned long)probe_failsafe;
    context->syscall_callback_eip = (unsigned long)probe_syscall;
}
