/* SPDX-License-Identifier: MIT */
/* A machine that is played, with a small guest, and a tape in memory: for test_save.c. */
#ifndef TESTS_UNIT_SAVE_HOST_H
#define TESTS_UNIT_SAVE_HOST_H

#include <stdlib.h>
#include <string.h>
#include "dom0/save/save.h"

#define PAGES 600u                      /* Two frames of p2m. */
#define FRAMES 2048u                    /* Of the machine. */
#define BASE 0xffffffff80000000ul       /* Where the guest maps its page 0. */
#define HOLE 20u                        /* These ten pfns have no frame. */
#define SHARED 2000u                    /* The frame of the shared page. */
enum { ROOT = 1, L3, L2, L1, LIST = 10, START = 12, STORE, CONSOLE, GDT };

static uint8_t (*ram)[SAVE_PAGE];
static struct { bool owned, typed; uint64_t pfn; uint32_t type; } frame[FRAMES];
static struct mapping { struct mapping *next; uint8_t *at; unsigned count; bool writable;
                        unsigned long mfn[64]; } *mappings;
static unsigned next_frame, populated, most, pins;
static struct vcpu_guest_context vcpu, restored_vcpu;
static bool has_vcpu;
static uint8_t extended[EXTENDED_SIZE], restored_extended[EXTENDED_SIZE];
static uint8_t xsave[700], restored_xsave[700];
static struct problem problem;

/* What goes wrong: the n-th mapping from now on; what is answered to who sets a state. */
static unsigned map_fails, extended_sets, xsave_sets, vcpus = 2;
static int vcpu_error, extended_error, release_error;
static bool no_xsave;
static xen_domctl_vcpu_msr_t msr = { .index = 0xc0000103, .value = 5 }, restored_msr;
static unsigned msr_count = 1, msr_sets;
static int msr_error;

/* --- the machine --- */

static void *map(struct guest *guest, const unsigned long *mfns, unsigned count, bool writable)
{
    struct mapping *mapping;

    assert_true(count && count <= 64);
    if (map_fails && --map_fails == 0) return NULL;
    mapping = calloc(1, sizeof(*mapping));
    if (!mapping) return NULL;
    *mapping = (struct mapping){ .next = mappings, .at = malloc(count * (size_t)SAVE_PAGE),
                                 .count = count, .writable = writable };
    if (!mapping->at) {
        free(mapping);
        return NULL;
    }
    mappings = mapping;
    for (unsigned i = 0; i < count; i++) {
        if (mfns[i] >= FRAMES || !frame[mfns[i]].owned) {
            mappings = mapping->next;
            free(mapping->at);
            free(mapping);
            return NULL;
        }
        assert_false(writable && frame[mfns[i]].typed);
        mapping->mfn[i] = mfns[i];
        memcpy(mapping->at + i * (size_t)SAVE_PAGE, ram[mfns[i]], SAVE_PAGE);
    }
    return mapping->at;
}

static void unmap(struct guest *guest, void *pages, unsigned count)
{
    struct mapping **link = &mappings, *mapping;

    while (*link && (*link)->at != pages)
        link = &(*link)->next;
    assert_non_null(*link);
    mapping = *link;
    *link = mapping->next;
    assert_int_equal(mapping->count, count);
    for (unsigned i = 0; i < count && mapping->writable; i++)
        memcpy(ram[mapping->mfn[i]], mapping->at + i * (size_t)SAVE_PAGE, SAVE_PAGE);
    free(mapping->at);
    free(mapping);
}

static bool is_mapped(unsigned long mfn)
{
    for (const struct mapping *m = mappings; m; m = m->next)
        for (unsigned i = 0; i < m->count; i++)
            if (m->mfn[i] == mfn) return true;
    return false;
}

static int types(struct guest *guest, uint64_t *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        frames[i] = frames[i] < FRAMES && frame[frames[i]].owned ? frame[frames[i]].type
                                                                 : XEN_DOMCTL_PFINFO_XTAB;
    return 0;
}

static uint64_t pfn_of(struct guest *guest, uint64_t mfn)
{
    return mfn < FRAMES && frame[mfn].owned ? frame[mfn].pfn : ABSENT;
}

static void give(unsigned long mfn, uint64_t pfn)
{
    frame[mfn].owned = true;
    frame[mfn].pfn = pfn;
    frame[mfn].type = 0;
    memset(ram[mfn], 0, SAVE_PAGE);
}

static int populate(struct guest *guest, unsigned long *frames, unsigned count)
{
    assert_true(count && count <= 64);
    if (populated + count > most || next_frame + count > FRAMES) return -ENOMEM;
    populated += count;
    for (unsigned i = 0; i < count; i++) {
        give(next_frame, frames[i]);
        frames[i] = next_frame++;
    }
    return 0;
}

static unsigned released;

static int release(struct guest *guest, unsigned long *frames, unsigned count)
{
    assert_true(count && count <= 64);
    if (release_error) return release_error;
    for (unsigned i = 0; i < count; i++) {
        assert_true(frames[i] < FRAMES && frame[frames[i]].owned && !frame[frames[i]].typed);
        assert_false(is_mapped(frames[i]));
        frame[frames[i]].owned = false;
    }
    populated -= count;
    released += count;
    return 0;
}

/* As the hypervisor: all tables below are of the right level, or it is refused. */
static unsigned looked, most_looked;

static int look_at(unsigned level, unsigned long mfn)
{
    const uint64_t *entries = (const uint64_t *)(const void *)ram[mfn];

    assert_true(mfn < FRAMES && frame[mfn].owned && level >= 1 && level <= 4);
    if (frame[mfn].type == level) return 0;     /* it was looked at before */
    looked++;
    for (unsigned i = 0; i < ENTRIES; i++) {
        unsigned long below = (entries[i] & ENTRY_FRAME) >> 12;

        if (!(entries[i] & ENTRY_PRESENT))
            continue;
        if (below >= FRAMES || !frame[below].owned) return -EINVAL;
        if (level > 1 && look_at(level - 1, below)) return -EINVAL;
    }
    frame[mfn].type = level;
    return 0;
}

static int pin(struct guest *guest, unsigned level, unsigned long mfn)
{
    assert_null(mappings);
    looked = 0;
    if (look_at(level, mfn)) return -EINVAL;
    most_looked = MAX(most_looked, looked);
    frame[mfn].typed = true;
    pins++;
    return 0;
}

static int unpin(struct guest *guest, unsigned long mfn)
{
    assert_true(has_vcpu && frame[mfn].typed);
    frame[mfn].typed = false;
    pins--;
    return 0;
}

static int get_vcpu(struct guest *guest, unsigned id, struct vcpu_guest_context *context)
{
    *context = vcpu;
    return id == 1 ? -ENODATA : 0;
}

static int set_vcpu(struct guest *guest, unsigned id, const struct vcpu_guest_context *context)
{
    assert_null(mappings);
    restored_vcpu = *context;
    has_vcpu = true;
    return vcpu_error;
}

static int get_extended(struct guest *guest, unsigned id, uint8_t context[EXTENDED_SIZE])
{
    memcpy(context, extended, EXTENDED_SIZE);
    return 0;
}

static int set_extended(struct guest *guest, unsigned id, const uint8_t context[EXTENDED_SIZE])
{
    memcpy(restored_extended, context, EXTENDED_SIZE);
    extended_sets++;
    return extended_error;
}

static int get_xsave(struct guest *guest, unsigned id, void **state, size_t *size)
{
    if (no_xsave) return 0;
    *size = sizeof(xsave);
    *state = malloc(sizeof(xsave));
    if (!*state) return -ENOMEM;
    memcpy(*state, xsave, sizeof(xsave));
    return 0;
}

static int set_xsave(struct guest *guest, unsigned id, const void *state, size_t size)
{
    xsave_sets++;
    if (size != sizeof(xsave)) return -EOPNOTSUPP;
    memcpy(restored_xsave, state, size);
    return 0;
}

static int get_msrs(struct guest *guest, unsigned id, xen_domctl_vcpu_msr_t msrs[MOST_MSRS],
                    unsigned *count)
{
    *count = msr_count;
    for (unsigned i = 0; i < msr_count; i++)
        msrs[i] = msr;
    return msr_error;
}

static int set_msr(struct guest *guest, unsigned id, const xen_domctl_vcpu_msr_t *from)
{
    assert_true(has_vcpu);
    msr_sets++;
    restored_msr = *from;
    return from->index == msr.index ? 0 : -EINVAL;
}

static unsigned rests;

static void rest(void)
{
    rests++;
}

static const struct guest_hands hands = {
    map, unmap, types, pfn_of, populate, release, pin, unpin, get_vcpu, set_vcpu, get_extended,
    set_extended, get_xsave, set_xsave, get_msrs, set_msr, rest,
};
static struct guest guest;
static uint64_t may_have = 600;

const char *errno_name(long error)
{
    return "an error";
}

/* --- the tape; where pieces begin that are no pages --- */

static uint8_t *bytes;
static size_t size, at, room = 1u << 23;
static struct { size_t at, size; } piece[4096];
static unsigned pieces;
static int tape_ends;                   /* Why it does, if not for it is full, or all is read. */

static int tape_write(struct tape *tape, const void *from, size_t count)
{
    if (size + count > room) return tape_ends ? tape_ends : -ENOSPC;
    memcpy(bytes + size, from, count);
    if (count < SAVE_PAGE && pieces < ARRAY_SIZE(piece)) {
        piece[pieces].at = size;
        piece[pieces++].size = count;
    }
    size += count;
    return 0;
}

static int tape_read(struct tape *tape, void *to, size_t count)
{
    if (count > size - at) return tape_ends ? tape_ends : -ENODATA;
    memcpy(to, bytes + at, count);
    at += count;
    return 0;
}

static struct tape tape = { tape_write, tape_read };

/* --- the guest --- */

static unsigned long pages_of_guest;

static unsigned long frame_of_pfn(unsigned long pfn)
{
    return 3 + pfn * 7 % 601;
}

static uint64_t *table(unsigned pfn)
{
    return (uint64_t *)(void *)ram[frame_of_pfn(pfn)];
}

static bool in_hole(unsigned long pfn)
{
    return pfn >= HOLE && pfn < HOLE + 10;
}

static void set_table(unsigned pfn, unsigned level, bool pinned)
{
    frame[frame_of_pfn(pfn)].type = level << XEN_DOMCTL_PFINFO_LTAB_SHIFT |
                                    (pinned ? XEN_DOMCTL_PFINFO_LPINTAB : 0);
    frame[frame_of_pfn(pfn)].typed = true;
}

static uint64_t entry_of(unsigned long pfn)
{
    return frame_of_pfn(pfn) << 12 | 0x8000000000000067ul;
}

static void make_tables(void)
{
    table(ROOT)[BASE >> 39 & 511] = entry_of(L3);
    table(ROOT)[260] = 0x1234567;       /* The hypervisor's: not ours to read. */
    table(L3)[BASE >> 30 & 511] = entry_of(L2);
    for (unsigned i = 0; i < 2; i++) {
        table(L2)[i] = entry_of(L1 + i);
        for (unsigned j = 0; j < ENTRIES; j++)
            if (i * ENTRIES + j < pages_of_guest && !in_hole(i * ENTRIES + j))
                table(L1 + i)[j] = entry_of(i * ENTRIES + j);
        set_table(L1 + i, 1, false);
    }
    table(L1)[L1] = 0xdead000;          /* Not present: whatever stands there stays. */
    set_table(ROOT, 4, true);
    set_table(L3, 3, false);
    set_table(L2, 2, false);
}

static void make_guest(unsigned long count)
{
    struct shared_info *shared = (void *)ram[SHARED];
    struct start_info *info;

    memset(frame, 0, sizeof(frame));
    pages_of_guest = count;
    for (unsigned long pfn = 0; pfn < count; pfn++)
        if (!in_hole(pfn)) {
            give(frame_of_pfn(pfn), pfn);
            memset(ram[frame_of_pfn(pfn)], (int)(pfn * 3), SAVE_PAGE);
        }
    for (unsigned pfn = ROOT; pfn < LIST; pfn++)
        memset(table(pfn), 0, SAVE_PAGE);
    make_tables();
    for (unsigned long pfn = 0; pfn < 2 * ENTRIES; pfn++)
        table(LIST + (unsigned)(pfn / ENTRIES))[pfn % ENTRIES] =
            pfn >= count ? ~0ul : in_hole(pfn) ? 1ul << 63 | 77 : frame_of_pfn(pfn);
    give(SHARED, ABSENT);
    shared->arch.max_pfn = count;
    shared->arch.p2m_vaddr = BASE + LIST * SAVE_PAGE;
    shared->arch.p2m_cr3 = xen_pfn_to_cr3(frame_of_pfn(ROOT));
    shared->arch.pfn_to_mfn_frame_list_list = 5;
    shared->vcpu_info[0].evtchn_upcall_mask = 1;
    shared->vcpu_info[0].evtchn_pending_sel = 9;
    shared->vcpu_info[0].time.tsc_to_system_mul = 1u << 31;
    shared->evtchn_pending[3] = 8;
    info = (void *)ram[frame_of_pfn(START)];
    info->store_mfn = STORE;
    info->console.domU.mfn = CONSOLE;
    vcpu = (struct vcpu_guest_context){ .flags = VGCF_online | VGCF_in_kernel, .gdt_ents = 10 };
    vcpu.user_regs.rdx = frame_of_pfn(START);
    vcpu.user_regs.rip = 0x1234;
    vcpu.gdt_frames[0] = frame_of_pfn(GDT);
    vcpu.ctrlreg[3] = xen_pfn_to_cr3(frame_of_pfn(ROOT));
    vcpu.ctrlreg[1] = frame_of_pfn(ROOT) << 12;
    memset(xsave, 0x5a, sizeof(xsave));
    guest = (struct guest){ .hands = &hands, .domid = 5, .vcpus = 2, .shared_mfn = SHARED,
                            .most = may_have };
}

static const char config[] = "name = \"it\"\n";      /* So that records are aligned. */

static bool memory_is_low;              /* dom0's, with what was asked for. */

bool account_memory_is_low(void)
{
    return memory_is_low;
}

static int save(void)
{
    size = pieces = 0;
    problem.text[0] = 0;
    int error = save_guest(&guest, &tape, config, strlen(config), &problem);
    assert_null(mappings);
    assert_true(!error || problem.text[0]);
    return error;
}

/* As another domain, with frames from 700 on. */
static int restore(void)
{
    char *text;
    bool json;
    int error;

    memset(frame, 0, sizeof(frame));
    next_frame = 700;
    populated = released = pins = most_looked = extended_sets = xsave_sets = msr_sets = 0;
    most = 1000;
    has_vcpu = false;
    give(SHARED, ABSENT);
    guest = (struct guest){ .hands = &hands, .domid = 6, .vcpus = vcpus, .shared_mfn = SHARED,
                            .shared_machine = SHARED << 12, .pages = 123, .most = may_have,
                            .store_port = 7, .console_port = 8 };
    at = 0;
    problem.text[0] = 0;
    error = restore_config(&tape, &text, &json, &problem);
    if (!error) {
        free(text);
        error = restore_guest(&guest, &tape, &problem);
    }
    assert_null(mappings);
    assert_true(!error || problem.text[0]);
    return error;
}

static int set_up(void **state)
{
    ram = calloc(FRAMES, SAVE_PAGE);
    bytes = malloc(room);
    return ram && bytes ? 0 : -1;
}

static int tear_down(void **state)
{
    free(ram);
    free(bytes);
    return 0;
}

#endif
