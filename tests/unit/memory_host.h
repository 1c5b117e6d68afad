/* SPDX-License-Identifier: MIT */
/*
 * A small machine on the host for tests of page tables: 256 frames of RAM, of which two domains own
 * some, with the hypervisor's own frame table, page types, walks and auditor. Around them: guest
 * memory is the test's, but for a page that cannot be read or written; flushes and frames given to
 * the heap are noted; domains are found by number, and their references counted.
 */
#ifndef MEMORY_HOST_H
#define MEMORY_HOST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* the hypervisor has one, too */
#include "control/audit.h"
#include "domain/grants.h"
#include "entry/hypercall.h"
#include "lib/printk.h"
#include "memory/access.h"
#include "memory/entry.h"
#include "calls/foreign.h"
#include "memory/heap.h"
#include "memory/mmu.h"
#include "memory/window.h"
#include "cpus_host.h"
#include "fail_host.h"

#define FRAMES 256
/* Who owns what: a guest, dom0, another guest; device registers; nobody. */
#define CODE(n)   (16 + (n))    /* the guest's: 0 to 47 */
#define OTHERS(n) (64 + (n))    /* 0 to 15 */
#define DOM0S(n)  (80 + (n))    /* 0 to 47 */
#define DEVICE(n) (128 + (n))   /* 0 to 3 */
#define NOBODYS   140
#define NO_RAM(n) (FRAMES + (n))
#define ENTRY(n, flags) ((uint64_t)(n) << 12 | PTE_PRESENT | PTE_USER | (flags))

_Alignas(4096) char host_ram[HOST_FRAMES * 4096ul], host_frames[HOST_FRAMES * sizeof(struct frame)];
_Alignas(4096) char host_m2p[8];

static struct cpu cpu;
static struct vcpu vcpu[3];
static struct domain guest, other, dom0_;
struct list domain_list, destroyed_list;
static uint64_t our_l4[512], m2p[HOST_FRAMES];
uint64_t *hv_l4 = our_l4;
int log_level;

/* --- guest memory: a page that can be had, and one behind it that cannot --- */

static _Alignas(4096) uint64_t page[1024];
#define UNREADABLE_FROM ((uint64_t)(page + 512))
#define UNREADABLE_TO   ((uint64_t)(page + 1024))

static const void *read_only;           /* a word that cannot be written */

static bool bad(uint64_t va, size_t n)
{
    return n && va + n > UNREADABLE_FROM && va < UNREADABLE_TO;
}
int copy_from_guest(void *to, vaddr_t from, size_t n)
{
    if (bad(from.a, n)) return -EFAULT;
    memcpy(to, (void *)from.a, n);
    return 0;
}
int copy_to_guest(vaddr_t to, const void *from, size_t n)
{
    if (bad(to.a, n) || (to.a < (uint64_t)read_only + 8 && to.a + n > (uint64_t)read_only))
        return -EFAULT;
    if (n)
        memcpy((void *)to.a, from, n);
    return 0;
}
int read_guest_u64(uint64_t *to, uint64_t va)
{
    return copy_from_guest(to, VADDR(va), 8);
}
int write_guest_u64(uint64_t va, uint64_t value)
{
    return copy_to_guest(VADDR(va), &value, 8);
}
int write_guest_u32(uint64_t va, uint32_t value)
{
    return copy_to_guest(VADDR(va), &value, 4);
}

int answer_guest(uint64_t va, const void *object, size_t n)
{
    return copy_to_guest(VADDR(va), object, n);
}

static unsigned int warnings;

void printk_at(int level, const char *format, ...)
{
    va_list arguments;

    if (level == LOG_WARN) {
        warnings++;
        return;
    }
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}

/* --- what is flushed --- */

uint32_t tlb_clock, tlb_flushed_at[MAX_CPUS];
static unsigned int stale_flushes, flushes, page_flushes, loads;
static uint64_t flushed_mask, flushed_va;
static struct domain *flushed_domain;

void tlb_flush_stale_slow(uint32_t stamp)
{
    stale_flushes++;
    tlb_flushed_at[0] = ++tlb_clock;
}
void tlb_flush_vcpus(struct domain *d, uint64_t mask)
{
    flushes++;
    flushed_domain = d;
    flushed_mask = mask;
}
void tlb_flush_page_vcpus(struct domain *d, uint64_t mask, uint64_t va)
{
    page_flushes++;
    flushed_domain = d;
    flushed_mask = mask;
    flushed_va = va;
}
void vcpu_load_tables(struct vcpu *v)
{
    loads++;
}

/* --- the heap --- */

static uint64_t next_frame, heap_end, freed[64];
static unsigned int freed_count, wanted_bits;

mfn_t heap_alloc_frames(unsigned int order, unsigned int address_bits)
{
    uint64_t n = next_frame;

    wanted_bits = address_bits;
    if (!n || n + (1ul << order) > heap_end) return INVALID_MFN;
    next_frame += 1ul << order;
    return MFN(n);
}
void heap_free_frames(mfn_t m, unsigned int order)
{
    for (uint64_t i = 0; i < 1ul << order; i++) {
        assert_in_range(freed_count, 0, 63);
        assert_int_equal(frame_of(MFN(m.n + i))->state, 0);
        freed[freed_count++] = m.n + i;
    }
}
uint64_t heap_free_count(void)
{
    return 0;
}
static uint64_t kept, keeps_at_most;
bool heap_keep(uint64_t frames)
{
    if (kept + frames > keeps_at_most) return false;
    kept += frames;
    return true;
}
void heap_let_go(uint64_t frames)
{
    kept -= frames;
}

static _Alignas(4096) char own_pages[4 * 4096];
static int pages_out;
static bool no_pages;

void *hv_alloc_pages(unsigned int order)
{
    assert_int_equal(order, 2);
    if (no_pages) return NULL;
    pages_out += 4;
    return own_pages;
}
void hv_free_pages(void *p, unsigned int order)
{
    if (p)
        pages_out -= 1 << order;
}

/* --- the rest of ring 0 --- */

static int domain_refs;

struct domain *domain_get(domid_t id)
{
    struct domain *all[] = { &guest, &other, &dom0_ };

    for (unsigned int i = 0; i < 3; i++)
        if (all[i]->id == id) {
            domain_refs++;
            return all[i];
        }
    return NULL;
}
struct domain *domain_hold(struct domain *d)
{
    domain_refs++;
    return d;
}
struct domain *domain_get_self_or(domid_t id)
{
    return id == DOMID_SELF ? domain_hold(current->domain) : domain_get(id);
}
void domain_put(struct domain *d)
{
    assert_true(d == &guest || d == &other || d == &dom0_);
    domain_refs--;
}
void svm_for_each_table(void (*seen)(mfn_t m)) {}
void grants_for_each_hold(const struct domain *d, void (*seen)(mfn_t frame, bool writable))
{
}
void window_for_each_frame(const struct vcpu_window *w, void (*seen)(mfn_t m))
{
}

static bool descriptors_ok = true;
static struct { uint64_t base; unsigned int entries; } ldt;
static unsigned int ldts_loaded;
static int ldt_error;

bool segdesc_page_ok(mfn_t m)
{
    return descriptors_ok;
}
int segdesc_refused(mfn_t m)
{
    return -EINVAL;
}
int window_set_ldt(struct vcpu_window *w, uint64_t base, uint32_t entries)
{
    assert_ptr_equal(w, &current->window);
    ldt.base = base;
    ldt.entries = entries;
    return ldt_error;
}
void window_load_ldt(const struct vcpu_window *w)
{
    assert_ptr_equal(w, &current->window);
    ldts_loaded++;
}
void hv_fill_l4(uint64_t *l4)
{
    memcpy(l4 + HV_SLOT_FIRST, hv_l4 + HV_SLOT_FIRST, HV_SLOT_COUNT * 8);
    l4[M2P_SLOT] = 0;
}
void hv_show_m2p(mfn_t l4)
{
    ((uint64_t *)map_frame(l4))[M2P_SLOT] = hv_l4[M2P_SLOT];
}

/* The CPU: leaves 0, 7 and 0x80000008, and one MSR. */
static struct cpuid_regs leaf0, leaf7, leaf8;
static bool has_capabilities;
static uint64_t capabilities;

struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
    assert_int_equal(subleaf, 0);
    assert_true(leaf == 0 || leaf == 7 || leaf == 0x80000008);
    return leaf == 0 ? leaf0 : leaf == 7 ? leaf7 : leaf8;
}
bool rdmsr_safe(uint32_t msr, uint64_t *value)
{
    assert_int_equal(msr, 0x10a);
    *value = has_capabilities ? capabilities : 0xff;
    return has_capabilities;
}

/* --- hypercalls that go on: by hand, or to the end --- */

static struct { unsigned int op, count; uint64_t argument[6]; } again;

long hypercall_continue_with(unsigned int op, unsigned int count, const uint64_t *arguments)
{
    again.op = op;
    again.count = count;
    memcpy(again.argument, arguments, count * 8);
    return -ERESTART;
}

/* --- the machine --- */

static struct frame *frame(uint64_t n)
{
    return frame_of(MFN(n));
}
static uint64_t *table(uint64_t n)
{
    return map_frame(MFN(n));
}

static void make_domain(struct domain *d, domid_t id, struct vcpu *v, uint64_t first,
                        uint64_t count)
{
    *d = (struct domain){
        .id = id, .refs = 1, .vcpu_count = 1, .vcpus = { v }, .memory.max_pages = 1000
    };
    *v = (struct vcpu){ .domain = d, .id = 3, .tables.owner = &d->memory,
                         .events.info_frame = INVALID_MFN };
    domain_memory_init(&d->memory);
    list_append(&domain_list, &d->all_domains);
    d->memory.page_count = count;
    for (uint64_t i = 0; i < count; i++)
        frames_give(&d->memory, MFN(first + i), 0);
}

static void run_as(struct domain *d)
{
    cpu.running = d->vcpus[0];
}

static int set_up(void **state)
{
    memset(host_frames, 0, sizeof(host_frames));
    memset(host_ram, 0, sizeof(host_ram));
    memset(m2p, 0xff, sizeof(m2p));
    memset(page, 0, sizeof(page));
    m2p_table = m2p;
    max_frame = FRAMES;
    cpu = (struct cpu){ .self = &cpu, .budget = 1 << 30 };
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    list_init(&domain_list);
    list_init(&destroyed_list);
    make_domain(&guest, 5, &vcpu[0], CODE(0), 48);
    make_domain(&other, 6, &vcpu[1], OTHERS(0), 16);
    make_domain(&dom0_, 0, &vcpu[2], DOM0S(0), 48);
    dom0_.privileged = dom0_.memory.trusted = true;
    special_io = special_xen = (struct domain_memory){ .max_pages = 1000 };
    domain_memory_init(&special_io);
    domain_memory_init(&special_xen);
    for (unsigned int i = 0; i < 4; i++)
        frame(DEVICE(i))->owner = &special_io;
    for (unsigned int i = 256; i < 272; i++)
        hv_l4[i] = ENTRY(200 + i, 0);
    run_as(&guest);
    cpu.budget = 1 << 30;
    tlb_clock = 10;
    tlb_flushed_at[0] = 11;
    stale_flushes = flushes = page_flushes = loads = freed_count = 0;
    domain_refs = 0;
    for (unsigned int i = 0; i < 8; i++) {              /* what lies there looks as it likes */
        frame(NO_RAM(i))->owner = &guest.memory;
        frame(NO_RAM(i))->state = FRAME_ALLOCATED | FRAME_TOTAL_ONE;
    }
    next_frame = 0;
    heap_end = FRAMES;
    no_pages = false;
    descriptors_ok = true;
    memset(&about, 0, sizeof(about));
    memset(&again, 0, sizeof(again));
    leaf8.a = 0x3129;            /* 41 bits of addresses */
    leaf0.b = 0;
    return 0;
}

/* Nothing is left locked or half way, and all books are right. */
static void all_is_well(void)
{
    struct domus_audit result;
    struct domain_memory *all[] = { &guest.memory, &other.memory, &dom0_.memory, &special_io,
                                    &special_xen };

    for (unsigned int i = 0; i < ARRAY_SIZE(all); i++)
        assert_false(all[i]->pagetable_lock.held || all[i]->lock.held);
    assert_true(domain_refs == 0 && pages_out == 0);
    assert_int_equal(memory_audit(&result), 0);
}

#endif
