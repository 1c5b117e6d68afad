/* SPDX-License-Identifier: MIT */
/*
 * Windows on the host: which page of which vCPU's window shows what, which references that takes
 * and gives back, and which descriptors a guest may have, bit by bit. The LDT register is a note: a
 * handler stands in for the instruction that loads it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <signal.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* the hypervisor has one, too */
#include "entry/hypercall.h"
#include "machine/segments.h"
#include "memory/access.h"
#include "memory/entry.h"
#include "memory/frame.h"
#include "memory/mmu.h"
#include "memory/tlb.h"
#include "memory/window.h"
#include "fail_host.h"

#define ALL   (MAX_DOMAINS * MAX_VCPUS)
#define RW    (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_NX)
#define RO    (PTE_PRESENT | PTE_ACCESSED | PTE_NX)
#define GDT   100                   /* the first of its frames */

_Alignas(4096) char host_ram[HOST_FRAMES * 4096ul], host_frames[HOST_FRAMES * sizeof(struct frame)];
_Alignas(4096) char host_windows[0x200000 + 4 * WINDOW_SIZE], host_m2p[8];
_Alignas(4096) char image_start[8];

uint64_t max_frame = HOST_FRAMES, *hv_l4;
struct domain_memory special_io;
static struct domain domain;
static struct cpu cpu;
static struct vcpu vcpu[3];
static uint64_t pool, flushed, walked, guest_entry, again[3];
static unsigned int flushes, no_memory, lldts, selector;
static int refs[HOST_FRAMES], bad_frame;
static enum frame_type asked;

void tlb_flush_page(uint64_t va)
{
    flushes++;
    flushed = va;
}
int copy_from_guest(void *to, vaddr_t from, size_t n)
{
    if (from.a < 4096) return n ? -EFAULT : 0;
    memcpy(to, (void *)from.a, n);
    return 0;
}
long hypercall_continue_with(unsigned int op, unsigned int count, const uint64_t *arguments)
{
    again[0] = op;
    memcpy(again + 1, arguments, count * 8);
    return -ERESTART;
}
int frame_get_type(mfn_t m, struct domain_memory *owner, enum frame_type t)
{
    if ((int)m.n == bad_frame) return -EINVAL;
    assert_ptr_equal(owner, &domain.memory);
    asked = t;
    refs[m.n]++;
    return 0;
}
void frame_put_type(mfn_t m)
{
    refs[m.n]--;
}

uint64_t *mmu_walk(const struct vcpu_tables *t, uint64_t va)
{
    assert_true(domain.memory.pagetable_lock.held);
    walked = va;
    return guest_entry == 1 ? NULL : &guest_entry;
}

static uint64_t *entry_of(uint64_t va, bool make)
{
    uint64_t *t = hv_l4;

    for (unsigned int level = 4; level > 1; level--) {
        uint64_t *e = &t[va >> (3 + 9 * level) & 511];

        if (!*e && !make) return NULL;
        if (!*e)
            *e = ++pool << 12 | 0x67;
        t = maddr_to_virt(MADDR(*e & PTE_MFN_MASK));
    }
    return &t[va >> 12 & 511];
}

uint64_t *hv_entry(uint64_t va, unsigned int level)
{
    assert_int_equal(level, 1);
    return no_memory ? NULL : entry_of(va, true);
}

/* LLDT of a register faults here: noted, and passed over. */
static void on_lldt(int signal, siginfo_t *info, void *context)
{
    static const int registers[] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX,
                                     REG_RSP, REG_RBP, REG_RSI, REG_RDI };
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)r[REG_RIP];

    if (code[0] != 0x0f || code[1] != 0 || (code[2] & 0xf8) != 0xd0)
        _exit(1);
    lldts++;
    selector = (uint16_t)r[registers[code[2] & 7]];
    r[REG_RIP] += 3;
}

/* At a test's beginning: cmocka puts its own handler there. */
static void note_lldt(void)
{
    struct sigaction action = { .sa_sigaction = on_lldt, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
}

static int set_up(void **state)
{
    hv_l4 = (uint64_t *)host_ram;
    cpu = (struct cpu){ .self = &cpu, .running = &vcpu[0], .budget = 1 << 30 };
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    for (unsigned int i = 0; i < 3; i++) {
        vcpu[i] = (struct vcpu){ .domain = &domain, .tables.owner = &domain.memory };
        assert_int_equal(window_create(&vcpu[i].window), 0);
    }
    flushes = lldts = 0;
    selector = 77;
    bad_frame = -1;
    memset(refs, 0, sizeof(refs));
    return 0;
}

static int tear_down(void **state)
{
    cpu.running = &vcpu[2];
    for (unsigned int i = 0; i < 3; i++)
        window_destroy(&vcpu[i].window);
    for (unsigned int i = 0; i < HOST_FRAMES; i++)
        assert_int_equal(refs[i], 0);
    return 0;
}

static uint64_t shown(unsigned int v, unsigned int n)
{
    return *entry_of(vcpu[v].window.base + n * 4096, false);
}

/* --- windows --- */

static void each_has_its_own(void **state)
{
    uint64_t zero = shown(0, 0);

    assert_int_equal(zero & (0xfff | PTE_NX), RO);
    for (unsigned int v = 0; v < 3; v++) {
        assert_int_equal(vcpu[v].window.base, WINDOW_VIRT + v * WINDOW_SIZE);
        for (unsigned int i = 0; i < WINDOW_PAGES; i++)
            assert_int_equal(shown(v, i), i < 14 ? zero : 0);
    }
    window_set_cpu_page(&vcpu[1].window, host_ram + 7 * 4096);
    assert_int_equal(shown(1, 14), 7 << 12 | RW);
    assert_true(flushes == 1 && flushed == vcpu[1].window.base + 14 * 4096);
    assert_true(shown(1, 13) == zero && shown(1, 15) == 0 && shown(0, 14) == 0);
    window_destroy(&vcpu[1].window);
    assert_int_equal(vcpu[1].window.base, 0);
    assert_int_equal(*entry_of(WINDOW_VIRT + WINDOW_SIZE + 14 * 4096, false), 0);
    flushes = 0;
    window_destroy(&vcpu[1].window);               /* once more: nothing */
    assert_int_equal(flushes, 0);
    no_memory = 1;
    assert_int_equal(window_create(&vcpu[1].window), -ENOMEM);
    assert_int_equal(vcpu[1].window.base, 0);
    no_memory = 0;
    assert_int_equal(window_create(&vcpu[1].window), 0);
    assert_int_equal(vcpu[1].window.base, WINDOW_VIRT + WINDOW_SIZE);
}

static void there_are_so_many(void **state)
{
    static struct vcpu more[ALL];

    for (unsigned int i = 3; i < ALL; i++) {
        more[i].domain = &domain;
        assert_int_equal(window_create(&more[i].window), 0);
        assert_int_equal(more[i].window.base, WINDOW_VIRT + i * WINDOW_SIZE);
    }
    cpu.budget = 1 << 20;
    assert_int_equal(window_create(&more[0].window), -ENOMEM);
    assert_int_equal((1 << 20) - cpu.budget, (ALL + 63) / 64 * 5);
    window_destroy(&more[ALL - 1].window);
    window_destroy(&more[64].window);
    cpu.budget = 1 << 20;
    assert_int_equal(window_create(&more[0].window), 0);
    assert_int_equal((1 << 20) - cpu.budget, 5);        /* 64 that are used are looked at */
    assert_int_equal(more[0].window.base, WINDOW_VIRT + 64 * WINDOW_SIZE);
    more[64].window.base = more[ALL - 1].window.base = 0;
    for (unsigned int i = 0; i < ALL; i++)
        window_destroy(&more[i].window);
}

/* --- descriptors --- */

#define P      (1ul << 47)
#define DPL(n) ((n) * 1ul << 45)
#define S      (1ul << 44)
#define TYPE(n) ((n) * 1ul << 40)
#define L      (1ul << 53)
#define D      (1ul << 54)

static void each_kind_of_descriptor(void **state)
{
    for (uint64_t type = 0; type < 32; type++)
        for (uint64_t rest = 0; rest < 32; rest++) {
            bool present = rest & 1, l = rest & 2, d = rest & 4, code = type & 8, plain = type & 16;
            uint64_t bits = TYPE(type & 15) | (plain ? S : 0) | (present ? P : 0) | (l ? L : 0) |
                            (d ? D : 0) | DPL(rest >> 3), seen;
            bool good = !present || (plain ? !(code && l && d) : (type & 15) == 0);

            bits = seen = bits | 0x12000000abcdefff;
            assert_int_equal(descriptor_ok(&seen), good);
            assert_int_equal(seen, bits | (good && present && plain ? DPL(3) : 0));
        }
}

static void each_of_a_page_is_looked_at(void **state)
{
    static const unsigned int slots[] = { 0, 1, 255, 510, 511 };
    uint64_t *page = map_frame(MFN(GDT));

    for (unsigned int i = 0; i < ARRAY_SIZE(slots); i++) {
        for (unsigned int n = 0; n < 512; n++)
            page[n] = P | S;
        assert_true(segdesc_page_ok(MFN(GDT)));
        for (unsigned int n = 0; n < 512; n++)
            assert_int_equal(page[n], P | S | DPL(3));
        page[slots[i]] = P | TYPE(12);
        memset(&about, 0, sizeof(about));
        assert_false(segdesc_page_ok(MFN(GDT)));
        assert_int_equal(segdesc_refused(MFN(GDT)), -EINVAL);
        assert_true(about.frame == GDT && about.slot == slots[i] && about.value == (P | TYPE(12)));
    }
}

static void one_descriptor(void **state)
{
    static const struct { uint64_t address, value; int error; enum frame_type type; } rows[] = {
        { 300 * 4096 + 8, P | S, 0, FRAME_WRITABLE }, { 301 * 4096, P | S, 0, FRAME_SEGDESC },
        { 300 * 4096 + 4, P | S, -EINVAL, 0 }, { 300 * 4096 + 1, P | S, -EINVAL, 0 },
        { 300 * 4096 + 8, P | TYPE(12), -EINVAL, 0 }, { 302 * 4096, P | S, -EINVAL, 0 },
        { HOST_FRAMES * 4096ul, P | S, -EINVAL, 0 }, { 300 * 4096 + 16, 0, 0, FRAME_WRITABLE },
    };

    frame_of(MFN(301))->state = (uint64_t)FRAME_SEGDESC << FRAME_TYPE_SHIFT;
    bad_frame = 302;
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t *at = (uint64_t *)(host_ram + (rows[i].address & ~7ul));

        if (rows[i].address < sizeof(host_ram))
            *at = 5;
        assert_int_equal(do_update_descriptor(rows[i].address, rows[i].value),
                         rows[i].error);
        if (rows[i].error && rows[i].address < sizeof(host_ram))
            assert_int_equal(*at, 5);
        if (!rows[i].error)
            assert_true(*at == (rows[i].value ? P | S | DPL(3) : 0) && asked == rows[i].type);
        assert_int_equal(refs[rows[i].address / 4096 % HOST_FRAMES], 0);
    }
}

/* --- GDT --- */

static uint64_t frames[14];

static void gdts_of_each_size(void **state)
{
    static const struct { unsigned int entries, pages; } rows[] = {
        { 1, 1 }, { 512, 1 }, { 513, 2 }, { 14 * 512, 14 }, { 14 * 512 - 511, 14 }, { 0, 0 },
        { 13 * 512, 13 },
    };
    uint64_t zero = shown(1, 0);

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned int old = i ? rows[i - 1].pages : 0;

        for (unsigned int n = 0; n < 14; n++)
            frames[n] = GDT + 20 * i + n;
        cpu.budget = 1 << 20;
        flushes = 0;
        assert_int_equal(do_set_gdt((unsigned long)frames, rows[i].entries), 0);
        assert_int_equal((1 << 20) - cpu.budget, (int)(rows[i].pages + old) * COST_TYPE);
        assert_int_equal(flushes, MAX(rows[i].pages, old));
        assert_int_equal(vcpu[0].window.gdt_entries, rows[i].entries);
        for (unsigned int n = 0; n < 14; n++) {
            bool mine = n < rows[i].pages;

            assert_int_equal(shown(0, n), mine ? (GDT + 20 * i + n) << 12 | RW : zero);
            assert_int_equal(refs[GDT + 20 * i + n], mine);
            assert_true(!i || refs[GDT + 20 * (i - 1) + n] == 0);
        }
        assert_int_equal(asked, FRAME_SEGDESC);
    }
}

static void gdts_that_are_refused(void **state)
{
    for (unsigned int n = 0; n < 14; n++)
        frames[n] = GDT + n;
    assert_int_equal(do_set_gdt((unsigned long)frames, 14 * 512 + 1), -EINVAL);
    assert_int_equal(do_set_gdt(0, 1), -EFAULT);
    assert_int_equal(do_set_gdt(0, 0), 0);
    assert_int_equal(do_set_gdt((unsigned long)frames, 600), 0);
    frames[0] = GDT + 50;
    for (bad_frame = GDT + 2; bad_frame < GDT + 5; bad_frame++) {
        assert_int_equal(do_set_gdt((unsigned long)frames, 5 * 512), -EINVAL);
        for (unsigned int n = 0; n < 14; n++)
            assert_int_equal(refs[GDT + n], n < 2);
        assert_true(refs[GDT + 50] == 0 && shown(0, 0) == (GDT << 12 | RW));
    }
    bad_frame = -1;
    cpu.budget = 1;
    assert_int_equal(do_set_gdt((unsigned long)frames, 1000), -ERESTART);
    assert_true(again[0] == __HYPERVISOR_set_gdt && again[1] == (uintptr_t)frames);
    assert_true(again[2] == 1000 && refs[GDT + 50] == 0 && vcpu[0].window.gdt_entries == 600);
    cpu.budget = 1;                     /* one page is always done */
    assert_int_equal(do_set_gdt((unsigned long)frames, 512), 0);
    assert_true(refs[GDT + 50] == 1 && refs[GDT] == 0 && refs[GDT + 1] == 0);
}

/* --- LDT --- */

static void ldts_that_are_refused(void **state)
{
    static const struct { uint64_t base; unsigned int entries; int error; } rows[] = {
        { 0x5000, 8193, -EINVAL }, { 0x5000, 8192, 0 }, { 0x5008, 1, -EINVAL }, { 0x5008, 0, 0 },
        { 0x5fff, 1, -EINVAL }, { 0x5800, 1, -EINVAL }, { 0x7ffffffff000, 512, 0 },
        { 0x7ffffffff000, 513, -EINVAL }, { HV_END - 4096, 1, -EINVAL }, { HV_END, 1, 0 },
        { HV_START, 1, -EINVAL }, { ~0xffful, 513, -EINVAL },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(window_set_ldt(&vcpu[1].window, 0x9000, 3), 0);
        assert_int_equal(window_set_ldt(&vcpu[1].window, rows[i].base, rows[i].entries),
                         rows[i].error);
        assert_int_equal(vcpu[1].window.ldt_entries, rows[i].error ? 3 : rows[i].entries);
        assert_int_equal(vcpu[1].window.ldt_base,
                         rows[i].error ? 0x9000 : rows[i].entries ? rows[i].base : 0);
    }
    assert_int_equal(lldts, 0);                     /* it does not run */
}

/* Of the vCPU that runs. */
static int load_ldt(uint64_t base, uint32_t entries)
{
    int error = window_set_ldt(&vcpu[0].window, base, entries);

    window_load_ldt(&vcpu[0].window);
    return error;
}

/* What the CPU is told, and when. */
static void the_register(void **state)
{
    uint64_t *descriptor = (uint64_t *)(vcpu[0].window.base + HV_LDT);
    static const unsigned int sizes[] = { 1, 100, 8192 };

    note_lldt();
    for (unsigned int i = 0; i < 3; i++) {
        uint64_t base = vcpu[0].window.base + 0x10000, limit = sizes[i] * 8 - 1;

        lldts = 0;
        descriptor[0] = descriptor[1] = ~0ul;
        assert_int_equal(load_ldt(0x5000, sizes[i]), 0);
        assert_true(lldts == 1 && selector == HV_LDT);
        assert_int_equal(descriptor[0] & 0xffff, limit & 0xffff);
        assert_int_equal(descriptor[0] >> 48 & 15, limit >> 16);
        assert_int_equal((descriptor[0] >> 16 & 0xffffff) | descriptor[0] >> 56 << 24,
                         base & 0xffffffff);
        assert_int_equal(descriptor[0] >> 40 & 0xff, 0x82);
        assert_int_equal(descriptor[0] >> 52 & 15, 0);
        assert_int_equal(descriptor[1], base >> 32);
        cpu.budget = 10000;
        assert_int_equal(load_ldt(0x5000, sizes[i]), 0);    /* the same: only loaded */
        assert_true(lldts == 2 && cpu.budget == 10000);
    }
    assert_int_equal(load_ldt(0x6000, 8192), 0);            /* another base */
    assert_true(lldts == 3 && cpu.budget == 10000 - 16 * COST_ENTRY);
    descriptor[0] = 5;
    assert_int_equal(load_ldt(0, 0), 0);
    assert_true(lldts == 4 && selector == 0 && descriptor[0] == 5);
    assert_int_equal(load_ldt(0x7000, 0), 0);
    assert_true(lldts == 5 && vcpu[0].window.ldt_base == 0);
}

static bool mapped(uint64_t va)
{
    return ldt_fault(&vcpu[0].window, &vcpu[0].tables, va);
}

static unsigned int seen_count;
static uint64_t seen_frames[32];

static void see(mfn_t m)
{
    seen_frames[seen_count++] = m.n;
}

/* Page by page, as the CPU looks there. */
static void pages_of_the_ldt(void **state)
{
    static const struct { uint64_t offset, entry; bool good; } rows[] = {
        { 0, 400 << 12 | PTE_PRESENT, true },
        { 0, 400 << 12 | PTE_PRESENT, false },                              /* there already */
        { 0x1ff8, 401 << 12 | PTE_PRESENT | PTE_WRITE, true }, { 0x2000, 402 << 12, false },
        { 0x2000, 1, false },                                               /* no table */
        { 0x2000, (HOST_FRAMES + 3ul) << 12 | PTE_PRESENT, false },
        { 0x2000, 403 << 12 | PTE_PRESENT, false },
        { 0x2000, 404 << 12 | PTE_PRESENT, false },                     /* not descriptors */
        { 3 * 4096, 400 << 12 | PTE_PRESENT, true }, { 4000 * 8, 405 << 12 | PTE_PRESENT, false },
        { 3999 * 8 + 7, 405 << 12 | PTE_PRESENT, true }, { -1ul, 406 << 12 | PTE_PRESENT, false },
    };

    note_lldt();
    frame_of(MFN(403))->owner = &special_io;
    bad_frame = 404;
    assert_int_equal(window_set_ldt(&vcpu[0].window, 0x50000, 4000), 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t va = vcpu[0].window.base + LDT_WINDOW + rows[i].offset;

        guest_entry = rows[i].entry;
        walked = 0;
        assert_int_equal(mapped(va), rows[i].good);
        assert_false(domain.memory.pagetable_lock.held);
        if (rows[i].good) {
            assert_int_equal(walked, 0x50000 + (rows[i].offset & ~0xffful));
            assert_int_equal(*entry_of(va, false), (rows[i].entry & PTE_MFN_MASK) | RW);
            assert_true(flushed == (va & ~0xffful) && asked == FRAME_SEGDESC);
        }
    }
    assert_int_equal(do_set_gdt((unsigned long)frames, 513), 0);
    seen_count = 0;
    window_for_each_frame(&vcpu[0].window, see);
    assert_true(seen_count == 6 && seen_frames[0] == frames[0] && seen_frames[1] == frames[1]);
    assert_true(seen_frames[2] == 400 && seen_frames[3] == 401 && seen_frames[4] == 400);
    assert_int_equal(seen_frames[5], 405);
    assert_true(refs[400] == 2 && refs[401] == 1 && refs[405] == 1);
    assert_int_equal(window_set_ldt(&vcpu[0].window, 0x60000, 4000), 0);           /* all go */
    for (unsigned int n = 16; n < 32; n++)
        assert_int_equal(shown(0, n), 0);
    assert_true(refs[400] == 0 && refs[401] == 0 && refs[405] == 0);
    guest_entry = 407 << 12 | PTE_PRESENT;                /* the last page there can be */
    assert_int_equal(window_set_ldt(&vcpu[0].window, 0x60000, 8192), 0);
    assert_true(mapped(vcpu[0].window.base + LDT_WINDOW + 0xffff));
    assert_false(mapped(vcpu[0].window.base + LDT_WINDOW + 0x10000));
    assert_false(mapped(vcpu[0].window.base + LDT_WINDOW - 1));
    seen_count = 0;
    window_for_each_frame(&vcpu[0].window, see);
    assert_true(seen_count == 3 && seen_frames[2] == 407);
    vcpu[0].window.ldt_entries = 9000;                     /* no window is larger than it is */
    assert_false(mapped(vcpu[0].window.base + LDT_WINDOW + 0x10000));
    vcpu[0].window.ldt_entries = 8192;
    seen_count = 0;
    window_for_each_frame(&(struct vcpu_window){ 0 }, see);
    assert_int_equal(seen_count, 0);
}

#define CASE_OF(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(each_has_its_own),
        CASE_OF(there_are_so_many),
        CASE_OF(each_kind_of_descriptor),
        CASE_OF(each_of_a_page_is_looked_at),
        CASE_OF(one_descriptor),
        CASE_OF(gdts_of_each_size),
        CASE_OF(gdts_that_are_refused),
        CASE_OF(ldts_that_are_refused),
        CASE_OF(the_register),
        CASE_OF(pages_of_the_ldt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
