/* SPDX-License-Identifier: MIT */
/* Pages that come and go while others map them, and write through mappings that are changed under
 * their eyes. Only the mappings here are theirs. */
#include "races.h"

#define POOL    12
#define BUSY    1UL             /* not a frame of ours: the first megabyte's */
#define WINDOWS RACERS

static unsigned long pfns[POOL];
static volatile uint64_t frames[POOL];      /* 0: given back; BUSY: under way */
static uint64_t *windows[WINDOWS];
static long reservation;
static uint64_t *calm;                      /* what nobody changes */

static long pages_now(void)
{
    domid_t self = DOMID_SELF;

    return HYPERVISOR_memory_op(XENMEM_current_reservation, &self);
}

void memory_begin(void)
{
    calm = alloc_page();
    NEED(calm != NULL);
    for (unsigned int i = 0; i < 512; i++)
        calm[i] = i * 0x9e3779b97f4a7c15UL;
    for (unsigned int i = 0; i < WINDOWS; i++) {
        windows[i] = vspace_alloc(1);
        NEED(windows[i] != NULL);
    }
    for (int i = 0; i < POOL; i++) {
        void *page = alloc_zeroed_page();

        NEED(page != NULL);
        pfns[i] = virt_to_pfn(page);
        frames[i] = virt_to_mfn(page);
        NEED(HYPERVISOR_update_va_mapping((unsigned long)page, 0, UVMF_TLB_FLUSH | UVMF_ALL) == 0);
    }
    reservation = pages_now();
}

static long reserve(unsigned int command, xen_pfn_t *frame)
{
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, frame);
    return HYPERVISOR_memory_op(command, &r);
}

/* What is in the place, if it is a frame and nobody else has it now. */
static uint64_t take(unsigned int i)
{
    uint64_t frame = frames[i];

    if (frame <= BUSY || !__atomic_compare_exchange_n(&frames[i], &frame, BUSY, false,
                                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return 0;
    return frame;
}

static void give_back(struct racer *r, unsigned int i)
{
    xen_pfn_t frame = take(i);

    if (!frame) return;
    if (reserve(XENMEM_decrease_reservation, &frame) == 1)
        frame = 0;
    note(r, frame ? -1 : 0);
    frames[i] = frame;
}

static void have_again(struct racer *r, unsigned int i)
{
    uint64_t none = 0;
    xen_pfn_t frame = pfns[i];

    if (!__atomic_compare_exchange_n(&frames[i], &none, BUSY, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        return;
    if (reserve(XENMEM_populate_physmap, &frame) != 1)
        frame = 0;
    note(r, frame ? 0 : -1);
    frames[i] = frame;
}

static void exchange(struct racer *r, unsigned int i)
{
    xen_pfn_t in = take(i), out = pfns[i];
    struct xen_memory_exchange x = { .in = { .nr_extents = 1, .domid = DOMID_SELF },
                                     .out = { .nr_extents = 1, .domid = DOMID_SELF } };
    long result;

    if (!in) return;
    set_xen_guest_handle(x.in.extent_start, &in);
    set_xen_guest_handle(x.out.extent_start, &out);
    result = HYPERVISOR_memory_op(XENMEM_exchange, &x);
    note(r, result);
    frames[i] = result == 0 && x.nr_exchanged == 1 ? out : in;
}

static void map(struct racer *r)
{
    uint64_t mask = any(r, 16);
    unsigned long flags[] = { 0, UVMF_INVLPG, UVMF_INVLPG | UVMF_ALL, UVMF_TLB_FLUSH | UVMF_ALL,
                              UVMF_INVLPG | (unsigned long)&mask,
                              UVMF_TLB_FLUSH | (unsigned long)&mask };
    uint64_t frame = frames[any(r, POOL)], entry = 0;

    if (frame > BUSY && any(r, 3))
        entry = frame << PAGE_SHIFT | (any(r, 2) ? PROT_RW : PROT_RO);
    note(r, HYPERVISOR_update_va_mapping((unsigned long)windows[any(r, WINDOWS)], entry,
                                         flags[any(r, 6)]));
}

static void use(struct racer *r)
{
    uint64_t *at = windows[any(r, WINDOWS)] + any(r, 512), word = any(r, 512);

    note(r, try_write64(at, 0));
    note(r, try_read64(at, &word));
    MUST(r, calm[word % 512] == (word % 512) * 0x9e3779b97f4a7c15UL);
}

void memory_race(struct racer *r)
{
    unsigned int i = any(r, POOL);

    switch (any(r, 8)) {
    case 0: give_back(r, i); break;
    case 1: have_again(r, i); break;
    case 2: exchange(r, i); break;
    case 3: use(r); break;
    default: map(r); break;
    }
}

/* All of them can be had again, each once, and are ours. */
void memory_end(void)
{
    for (unsigned int i = 0; i < WINDOWS; i++)
        CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)windows[i], 0,
                                              UVMF_TLB_FLUSH | UVMF_ALL),
                 0);
    for (unsigned int i = 0; i < POOL; i++) {
        xen_pfn_t frame = pfns[i];

        if (!frames[i]) {
            CHECK_IS(reserve(XENMEM_populate_physmap, &frame), 1);
            frames[i] = frame;
        }
        CHECK(frames[i] > BUSY);
        for (unsigned int before = 0; before < i; before++)
            CHECK(frames[before] != frames[i]);
        p2m[pfns[i]] = frames[i];
        CHECK_IS(page_set_readonly(pfn_to_virt(pfns[i]), false), 0);
        *(volatile uint64_t *)pfn_to_virt(pfns[i]) = i;
    }
    for (unsigned int i = 0; i < POOL; i++)
        CHECK_IS(*(volatile uint64_t *)pfn_to_virt(pfns[i]), i);
    for (unsigned int i = 0; i < 512; i++)
        CHECK(calm[i] == i * 0x9e3779b97f4a7c15UL);
    CHECK_IS(pages_now(), reservation);
}
