/* SPDX-License-Identifier: MIT */
/*
 * memory_op's operations that move frames, on a small machine on the host: every refusal, with
 * nothing moved; lists that end, machines that are full, extents that are done in steps and those
 * that another call ends; an exchange that fails in its middle is as if it had not begun. After
 * each the auditor finds the books right.
 */
#include "tests/unit/memory_host.h"
#include "machine/boot_info.h"
#include "calls/reservation.h"

struct boot_info boot_info;

#define HEAP 160                        /* where new frames come from */
#define PFN_ 5000

static struct xen_memory_reservation *const r = (struct xen_memory_reservation *)page;
static struct xen_memory_exchange *const x = (struct xen_memory_exchange *)page;
static xen_pfn_t *const in = page + 32, *const out = page + 200;

static long op(unsigned long command)
{
    return do_memory_op(command, (unsigned long)page);
}

static int with_memory(void **state)
{
    set_up(state);
    next_frame = HEAP;
    for (unsigned int i = HEAP; i < FRAMES; i++)
        memset(table(i), 0xee, 4096);   /* what was another's */
    return 0;
}

static bool clear(uint64_t n)
{
    for (unsigned int i = 0; i < 512; i++)
        if (table(n)[i]) return false;
    return true;
}

/* For a map of memory, which nobody sets here. */
void *hv_alloc(size_t size)
{
    return NULL;
}
void hv_free(void *p, size_t size)
{
}

/* --- whose --- */

static void of_whom(void **state)
{
    static const struct { unsigned int id; long guests, dom0s; } rows[] = {
        { DOMID_SELF, 48, 48 }, { 5, 48, 48 }, { 6, -EPERM, 16 }, { 0, -EPERM, 48 },
        { 7, -EPERM, -ESRCH }, { DOMID_IO, -EPERM, -ESRCH },
    };

    other.memory.max_pages = 17;
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
        for (unsigned int dying = 0; dying < 2; dying++) {
            long guests = rows[i].guests, dom0s = dying && rows[i].id == 6 ? -ESRCH : rows[i].dom0s;

            other.life = (other.memory.closed = dying) ? DOMAIN_DYING : DOMAIN_ALIVE;
            *(domid_t *)page = (domid_t)rows[i].id;
            assert_int_equal(op(XENMEM_current_reservation), guests);
            assert_int_equal(op(XENMEM_maximum_reservation), guests == 48 ? 1000 : guests);
            run_as(&dom0_);
            assert_int_equal(op(XENMEM_current_reservation), dom0s);
            assert_int_equal(op(XENMEM_maximum_reservation),
                             dom0s == 48 ? 1000 : dom0s == 16 ? 17 : dom0s);
            /* as extents are counted: who is not there has none; without a map, none is changed */
            *r = (struct xen_memory_reservation){ .domid = (domid_t)rows[i].id, .nr_extents = 1,
                                                  .extent_order = 10 };
            assert_int_equal(op(XENMEM_increase_reservation | 0 << 6), 0);
            *(struct xen_add_to_physmap *)page =
                (struct xen_add_to_physmap){ .domid = (domid_t)rows[i].id };
            assert_int_equal(op(XENMEM_add_to_physmap), dom0s < 0 ? dom0s : -EACCES);
            *(struct xen_remove_from_physmap *)page =
                (struct xen_remove_from_physmap){ .domid = (domid_t)rows[i].id };
            assert_int_equal(op(XENMEM_remove_from_physmap), dom0s < 0 ? dom0s : -EACCES);
            run_as(&guest);
            assert_int_equal(op(XENMEM_remove_from_physmap), guests < 0 ? guests : -EACCES);
            all_is_well();
        }
    guest.memory.max_pages = ~0ul;
    *(domid_t *)page = DOMID_SELF;
    assert_int_equal(op(XENMEM_maximum_reservation), ~0ul >> 1);
}

static void arguments_that_cannot_be_read(void **state)
{
    static const unsigned int each[] = {
        XENMEM_current_reservation, XENMEM_maximum_reservation, XENMEM_exchange, XENMEM_memory_map,
        XENMEM_machphys_mapping, XENMEM_machphys_mfn_list, XENMEM_add_to_physmap,
        XENMEM_add_to_physmap_batch, XENMEM_remove_from_physmap,
    };
    static const unsigned int counted[] = { XENMEM_increase_reservation,
                                            XENMEM_decrease_reservation, XENMEM_populate_physmap };

    for (unsigned int i = 0; i < ARRAY_SIZE(each); i++)
        assert_int_equal(do_memory_op(each[i], UNREADABLE_FROM), -EFAULT);
    for (unsigned int i = 0; i < 3; i++) {
        about.why = "";
        assert_int_equal(do_memory_op(counted[i] | 7 << 6, UNREADABLE_FROM), 7);
        assert_string_equal(about.why, "the reservation");
    }
    *r = (struct xen_memory_reservation){ .domid = 0, .nr_extents = 1 };
    assert_int_equal(op(XENMEM_increase_reservation | 1 << 6), 1);      /* none is left */
    assert_int_equal(op(XENMEM_increase_reservation), -EPERM);
    run_as(&dom0_);
    assert_int_equal(do_memory_op(XENMEM_machine_memory_map, UNREADABLE_FROM), -EFAULT);
    *(struct xen_memory_map *)page =
        (struct xen_memory_map){ .nr_entries = 1, .buffer.p = (void *)(UNREADABLE_FROM - 8) };
    assert_int_equal(op(XENMEM_memory_map), -EFAULT);
}

/* No more is read of an argument than it has: it may end where the guest's memory does. */
static void arguments_at_the_edge(void **state)
{
    static const struct { unsigned int op; size_t size; long answer; } rows[] = {
        { XENMEM_add_to_physmap, sizeof(struct xen_add_to_physmap), -EACCES },
        { XENMEM_add_to_physmap_batch, sizeof(struct xen_add_to_physmap_batch), -EACCES },
        { XENMEM_remove_from_physmap, sizeof(struct xen_remove_from_physmap), -EACCES },
        { XENMEM_current_reservation, sizeof(domid_t), 48 },
        { XENMEM_maximum_reservation, sizeof(domid_t), 1000 },
        { XENMEM_memory_map, sizeof(struct xen_memory_map), 0 },
    };
    domid_t self = DOMID_SELF;

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        char *at = (char *)UNREADABLE_FROM - rows[i].size;

        memset(at, 0, rows[i].size);
        if (rows[i].op != XENMEM_memory_map)
            memcpy(at, &self, sizeof(self));
        assert_int_equal(do_memory_op(rows[i].op, (uintptr_t)at), rows[i].answer);
        memmove(at + 1, at, rows[i].size - 1);
        assert_int_equal(do_memory_op(rows[i].op, (uintptr_t)at + 1), -EFAULT);
    }
}

/* --- more and less --- */

static void reserve(unsigned int extents, unsigned int order, domid_t id)
{
    *r = (struct xen_memory_reservation){ .extent_start.p = in, .nr_extents = extents,
                                          .extent_order = order, .domid = id };
}

static void extents_that_come(void **state)
{
    for (unsigned int command = 0; command < 3; command++)
        for (unsigned int order = 0; order < 3; order++) {
            bool populate = command == 2, told = command > 0;

            with_memory(state);
            reserve(3, order, DOMID_SELF);
            r->mem_flags = XENMEMF_address_bits(33);
            if (!told)
                r->extent_start.p = NULL;
            for (unsigned int i = 0; i < 4; i++)
                in[i] = PFN_ + i * 100;
            assert_int_equal(op(populate ? XENMEM_populate_physmap : XENMEM_increase_reservation),
                             3);
            assert_int_equal(wanted_bits, 33);
            assert_int_equal(guest.memory.page_count, 48 + (3 << order));
            for (unsigned int i = 0; i < 3; i++) {
                assert_int_equal(in[i], told ? HEAP + (i << order) : PFN_ + i * 100);
                for (unsigned int j = 0; j < 1u << order; j++) {
                    assert_true(clear(HEAP + (i << order) + j));
                    assert_int_equal(m2p[HEAP + (i << order) + j],
                                     populate ? PFN_ + i * 100 + j : ~0ul);
                }
            }
            assert_true(in[3] == PFN_ + 300 && !clear(HEAP + (3 << order)));
            all_is_well();
        }
}

static void extents_that_are_too_large(void **state)
{
    for (unsigned int order = 9; order <= 10; order++) {
        reserve(1, order, DOMID_SELF);
        memset(&about, 0, sizeof(about));
        assert_int_equal(op(XENMEM_populate_physmap), 0);
        assert_int_equal(strcmp(about.why, "extents of more than 2 MiB") == 0, order == 10);
    }
}

static void extents_that_go(void **state)
{
    static const struct {
        uint64_t frame;
        unsigned int order;
        long gone;
        uint64_t frames;
    } rows[] = {
        { CODE(1), 0, 1, 1 }, { CODE(2), 2, 1, 4 }, { OTHERS(0), 0, 0, 0 },
        { OTHERS(0) - 1, 1, 0, 1 }, { NO_RAM(5), 0, 0, 0 }, { DEVICE(0), 0, 0, 0 },
        { NOBODYS, 0, 0, 0 }, { CODE(1), 0, 0, 0 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t before = guest.memory.page_count;

        reserve(1, rows[i].order, DOMID_SELF);
        in[0] = rows[i].frame;
        freed_count = 0;
        m2p[CODE(1)] = 5;
        assert_int_equal(op(XENMEM_decrease_reservation), rows[i].gone);
        assert_int_equal(before - guest.memory.page_count, rows[i].frames);
        assert_int_equal(freed_count, rows[i].frames);
        assert_int_equal(m2p[CODE(1)], i == 0 ? ~0ul : 5);
        all_is_well();
    }
    assert_int_equal(frame_get_writable(MFN(CODE(20)), &guest.memory), 0);
    assert_true(pt_pin(frame(CODE(20))));               /* pinned: given back, and stays */
    reserve(1, 0, DOMID_SELF);
    in[0] = CODE(20);
    freed_count = 0;
    assert_int_equal(op(XENMEM_decrease_reservation), 1);
    assert_int_equal(op(XENMEM_decrease_reservation), 1);
    assert_true(freed_count == 0 && frame(CODE(20))->state & FRAME_PINNED);
    all_is_well();
    reserve(1, 0, 6);                                   /* another's, by dom0 */
    in[0] = OTHERS(2);
    assert_int_equal(op(XENMEM_decrease_reservation), -EPERM);
    run_as(&dom0_);
    assert_int_equal(op(XENMEM_decrease_reservation), 1);
    assert_int_equal(other.memory.page_count, 15);
    all_is_well();
}

static void how_many_extents(void **state)
{
    static const struct {
        unsigned long extents, start;
        unsigned int order;
        uint64_t limit;
        bool dying;
        long result;
        uint64_t more;
    } rows[] = {
        { 4, 0, 0, 1000, false, 4, 4 }, { 4, 3, 0, 1000, false, 4, 1 },
        { 4, 4, 0, 1000, false, 4, 0 },
        { 4, 5, 0, 1000, false, 5, 0 }, { 0, 0, 0, 1000, false, 0, 0 },
        { ~0ul >> 6, 9, 10, 1000, false, 9, 0 }, { (~0ul >> 6) + 1, 9, 0, 1000, false, 9, 0 },
        { 4, 0, 10, 1000, false, 0, 0 }, { 4, 0, 0, 50, false, 2, 2 }, { 4, 0, 0, 48, false, 0, 0 },
        { 4, 0, 0, 47, false, 0, 0 }, { 4, 0, 0, 3, false, 0, 0 }, { 4, 0, 1, 51, false, 1, 2 },
        { 4, 0, 2, 52, false, 1, 4 }, { 4, 0, 0, 1000, true, 0, 0 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        with_memory(state);
        guest.memory.max_pages = rows[i].limit;
        guest.life = (guest.memory.closed = rows[i].dying) ? DOMAIN_DYING : DOMAIN_ALIVE;
        reserve(0, rows[i].order, DOMID_SELF);
        r->nr_extents = rows[i].extents;
        assert_int_equal(op(XENMEM_populate_physmap | rows[i].start << 6), rows[i].result);
        assert_int_equal(guest.memory.page_count, 48 + rows[i].more);
        assert_int_equal(next_frame, HEAP + rows[i].more);
        guest.life = DOMAIN_ALIVE;
    guest.memory.closed = false;
        all_is_well();
    }
    with_memory(state);
    next_frame = 0;                     /* the machine is full */
    reserve(1, 3, DOMID_SELF);
    assert_int_equal(op(XENMEM_populate_physmap), 0);
    all_is_well();
    next_frame = HEAP;                  /* the list ends in its second element */
    reserve(3, 0, DOMID_SELF);
    r->extent_start.p = (xen_pfn_t *)UNREADABLE_FROM - 1;
    assert_int_equal(op(XENMEM_populate_physmap), 1);
    assert_int_equal(next_frame, HEAP + 1);
    assert_int_equal(op(XENMEM_decrease_reservation), 1);
    assert_int_equal(op(XENMEM_increase_reservation), 1);
    assert_int_equal(next_frame, HEAP + 3);     /* the second one's number reached nobody */
    all_is_well();
}

/* What is kept for a domain is what it is given first. */
static void claims(void **state)
{
    static const struct { uint64_t pages; int error; } rows[] = {
        { 48, -EINVAL }, { 1001, -EINVAL }, { 59, -ENOMEM }, { 58, 0 }, { 50, -EINVAL }, };
    struct domain_memory *m = &guest.memory;

    keeps_at_most = 10;
    m->closed = true;
    assert_int_equal(frames_claim(m, 58), -EINVAL);
    m->closed = false;
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(frames_claim(m, rows[i].pages), rows[i].error);
    reserve(3, 0, DOMID_SELF);
    assert_int_equal(op(XENMEM_populate_physmap), 3);
    next_frame = 0;                             /* the machine is full */
    assert_int_equal(op(XENMEM_populate_physmap), 0);
    next_frame = HEAP + 4;                      /* swapped, as many will go */
    assert_int_equal(frames_reserve(m, 2, 0, true).n, HEAP + 4);
    assert_true(m->claimed == 7 && kept == 7);
    reserve(1, 3, DOMID_SELF);
    assert_int_equal(op(XENMEM_populate_physmap), 1);           /* of eight, one was not claimed */
    assert_true(m->claimed == 0 && kept == 0);
    assert_int_equal(frames_claim(m, 64), 0);
    frames_disclaim(m);
    assert_true(m->claimed == 0 && kept == 0);
}

/* An extent in steps: each call goes on where the last one stopped, and only that very call. */
static void extents_in_steps(void **state)
{
    unsigned int times = 0;
    long result;

    reserve(2, 4, DOMID_SELF);
    in[0] = PFN_;
    in[1] = PFN_ + 100;
    for (again.argument[0] = XENMEM_populate_physmap; ; times++) {
        cpu.budget = COST_CLEAR + 1;    /* two frames */
        again.op = 0;
        result = op(again.argument[0]);
        cpu.budget = 1 << 30;
        if (result != -ERESTART)
            break;
        assert_true(again.op == __HYPERVISOR_memory_op && again.count == 2);
        assert_int_equal(again.argument[1], (uintptr_t)page);
        assert_int_equal(again.argument[0] & 63, XENMEM_populate_physmap);
        assert_in_range(times, 0, 16);
    }
    assert_true(result == 2 && times >= 15);
    for (unsigned int i = 0; i < 32; i++)
        assert_int_equal(m2p[HEAP + i], PFN_ + i / 16 * 100 + i % 16);
    assert_true(in[0] == HEAP && in[1] == HEAP + 16 && !vcpu[0].extent.domain);
    all_is_well();
    again.argument[0] = XENMEM_decrease_reservation;    /* and they go in steps */
    for (times = 0; ; times++) {
        cpu.budget = 2 * COST_FRAME;
        result = op(again.argument[0]);
        cpu.budget = 1 << 30;
        if (result != -ERESTART)
            break;
        assert_in_range(times, 0, 16);
    }
    assert_true(result == 2 && times >= 14 && freed_count == 32 && guest.memory.page_count == 48);
    all_is_well();
}

static void extents_that_others_end(void **state)
{
    for (unsigned int how = 0; how < 6; how++) {
        unsigned long command = XENMEM_populate_physmap;
        struct xen_memory_reservation *second = (void *)(page + 64);

        with_memory(state);
        run_as(&dom0_);
        reserve(2, 3, 6);
        in[0] = PFN_;
        cpu.budget = 1;
        assert_int_equal(op(command), -ERESTART);
        cpu.budget = 1 << 30;
        assert_true(vcpu[2].extent.domain == &other && vcpu[2].extent.done == 1);
        assert_int_equal(other.memory.page_count, 16 + 8);
        in[0] = PFN_ + 1000;
        *second = *r;
        if (how == 1)
            r->domid = DOMID_SELF;
        if (how == 2)
            command |= 1 << 6;
        if (how == 3)
            r->extent_order = 2;
        if (how == 5)
            extent_end(&vcpu[2]);
        next_frame = HEAP + 16;
        assert_int_equal(do_memory_op(command, (unsigned long)(how == 4 ? second : r)),
                         2);
        assert_int_equal(freed_count, how ? 8 : 0);
        for (unsigned int i = 0; how && i < 8; i++)
            assert_int_equal(freed[i], HEAP + i);
        if (how != 2)
            assert_int_equal(in[0], how ? HEAP + 16 : HEAP);
        assert_int_equal(m2p[HEAP], PFN_);
        if (how && how != 2)
            assert_int_equal(m2p[HEAP + 16], PFN_ + 1000);
        assert_null(vcpu[2].extent.domain);
        all_is_well();
    }
}

/* --- exchange --- */

static void exchange(uint64_t extents, unsigned int order, uint64_t out_extents,
                     unsigned int out_order)
{
    memset(page, 0, 400 * 8);
    *x = (struct xen_memory_exchange){
        .in = { .extent_start.p = in, .nr_extents = extents, .extent_order = order,
                .domid = DOMID_SELF },
        .out = { .extent_start.p = out, .nr_extents = out_extents, .extent_order = out_order,
                 .domid = DOMID_SELF, .mem_flags = XENMEMF_address_bits(31) },
    };
    for (unsigned int i = 0; i < 32; i++) {
        in[i] = DOM0S(0) + (i << order);
        out[i] = PFN_ + i * 100;
    }
}

static void exchanges(void **state)
{
    static const struct { unsigned int extents, order, out_extents, out_order; } rows[] = {
        { 1, 0, 1, 0 }, { 8, 0, 8, 0 }, { 8, 0, 2, 2 }, { 2, 3, 16, 0 }, { 4, 1, 2, 2 },
        { 2, 4, 2, 4 }, { 0, 0, 0, 0 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned int frames = rows[i].extents << rows[i].order, o = rows[i].out_order;

        with_memory(state);
        run_as(&dom0_);
        dom0_.memory.max_pages = 48;                       /* as much comes as goes */
        exchange(rows[i].extents, rows[i].order, rows[i].out_extents, o);
        assert_int_equal(op(XENMEM_exchange), 0);
        assert_int_equal(x->nr_exchanged, rows[i].extents);
        assert_int_equal(freed_count, frames);
        assert_true(!frames || wanted_bits == 31);
        for (unsigned int n = 0; n < frames; n++) {
            assert_int_equal(freed[n], DOM0S(n));
            assert_int_equal(m2p[HEAP + n], PFN_ + (n >> o) * 100 + (n & ((1u << o) - 1)));
            assert_true(clear(HEAP + n) && frame(HEAP + n)->owner == &dom0_.memory);
            assert_int_equal(m2p[DOM0S(n)], ~0ul);
        }
        for (unsigned int n = 0; n < rows[i].out_extents; n++)
            assert_int_equal(out[n], HEAP + (n << o));
        assert_int_equal(out[rows[i].out_extents], PFN_ + rows[i].out_extents * 100);
        assert_int_equal(dom0_.memory.page_count, 48);
        all_is_well();
    }
}

static void exchanges_that_are_refused(void **state)
{
    static const struct {
        uint64_t extents, order, out_extents, out_order, exchanged;
        domid_t id, out_id;
        bool guests;
        int error;
    } rows[] = {
        { 8, 10, 8, 0, 0, DOMID_SELF, DOMID_SELF, false, -EPERM },
        { 8, 0, 8, 10, 0, DOMID_SELF, DOMID_SELF, false, -EPERM },
        { 8, 0, 4, 1, 0, DOMID_SELF, DOMID_SELF, true, -EPERM },
        { 4, 1, 8, 0, 0, DOMID_SELF, DOMID_SELF, true, -EPERM },
        { 1ul << 48, 0, 1ul << 48, 0, 0, DOMID_SELF, DOMID_SELF, false, -EINVAL },
        { (1ul << 55) + 1, 9, 512, 0, 0, DOMID_SELF, DOMID_SELF, false, -EINVAL },
        { 512, 0, (1ul << 55) + 1, 9, 0, DOMID_SELF, DOMID_SELF, false, -EINVAL },
        { (1ul << 63) + 1, 1, 2, 0, 0, DOMID_SELF, DOMID_SELF, false, -EINVAL },
        { 2, 0, (1ul << 63) + 1, 1, 0, DOMID_SELF, DOMID_SELF, false, -EINVAL },
        { 8, 0, 7, 0, 0, DOMID_SELF, DOMID_SELF, false, -EINVAL },
        { 8, 0, 8, 0, 0, DOMID_SELF, 0, false, -EINVAL },
        { 8, 0, 8, 0, 9, DOMID_SELF, DOMID_SELF, false, -EINVAL },
        { 8, 0, 8, 0, 8, DOMID_SELF, DOMID_SELF, false, 0 },        /* all is done already */
        { 8, 0, 4, 1, 1, DOMID_SELF, DOMID_SELF, false, -EINVAL },
        { 4, 1, 8, 0, 5, DOMID_SELF, DOMID_SELF, false, -EINVAL },
        { 8, 0, 8, 0, 0, 7, 7, false, -ESRCH },
        { 8, 0, 8, 0, 0, 6, 6, true, -EPERM },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        with_memory(state);
        run_as(rows[i].guests ? &guest : &dom0_);
        exchange(rows[i].extents, (unsigned int)rows[i].order, rows[i].out_extents,
                 (unsigned int)rows[i].out_order);
        for (unsigned int n = 0; n < 32; n++)
            in[n] = (rows[i].guests ? CODE(0) : DOM0S(0)) + n;
        x->nr_exchanged = rows[i].exchanged;
        x->in.domid = rows[i].id;
        x->out.domid = rows[i].out_id;
        assert_int_equal(op(XENMEM_exchange), rows[i].error);
        assert_int_equal(x->nr_exchanged, rows[i].exchanged);
        assert_true(freed_count == 0 && next_frame == HEAP);
        all_is_well();
    }
    with_memory(state);                     /* any domain may have other frames, one for one */
    exchange(8, 0, 8, 0);
    in[0] = CODE(3);
    x->in.nr_extents = x->out.nr_extents = 1;
    assert_int_equal(op(XENMEM_exchange), 0);
    assert_true(out[0] == HEAP && freed[0] == CODE(3));
    all_is_well();
    /* the largest number that is none too large: one chunk after the other, up to a bad frame */
    with_memory(state);
    run_as(&dom0_);
    exchange((1ul << 48) - 1, 0, (1ul << 48) - 1, 0);
    in[2] = OTHERS(0);
    assert_int_equal(op(XENMEM_exchange), -EINVAL);
    assert_int_equal(x->nr_exchanged, 2);
    all_is_well();
}

/* What a frame, a list or the machine makes impossible: nothing of that chunk moved. */
static void exchanges_that_fail_in_the_middle(void **state)
{
    for (unsigned int how = 0; how < 10; how++) {
        int error = how < 5 || how == 9 ? -EINVAL : how == 5 || how == 8 ? -ENOMEM : -EFAULT;

        with_memory(state);
        run_as(&dom0_);
        exchange(8, 0, 2, 2);
        if (how == 0)
            in[6] = OTHERS(0);
        if (how == 1)
            assert_int_equal(frame_get(MFN(in[6]), &dom0_.memory), 0);             /* mapped */
        if (how == 2)
            assert_int_equal(frame_get_writable(MFN(in[6]), &dom0_.memory), 0);
        if (how == 3)
            in[6] = in[5];
        if (how == 4)
            in[6] = NO_RAM(3);
        if (how == 5)
            next_frame = 0;
        if (how == 6)
            x->in.extent_start.p = (xen_pfn_t *)UNREADABLE_FROM - 6;
        if (how == 7)
            x->out.extent_start.p = (xen_pfn_t *)UNREADABLE_FROM - 1;
        if (how == 8)
            no_pages = true;
        if (how == 9) {                             /* given up, and still mapped */
            assert_int_equal(frame_get(MFN(in[6]), &dom0_.memory), 0);
            assert_int_equal(domain_free_frame(&dom0_.memory, MFN(in[6])), 0);
        }
        memcpy((xen_pfn_t *)UNREADABLE_FROM - 6, in, 6 * 8);
        /* how 7 fails at the second chunk: its list is not to be read */
        assert_int_equal(op(XENMEM_exchange), error);
        assert_int_equal(x->nr_exchanged, how == 5 || how == 8 ? 0 : 4);
        assert_int_equal(frame_total(frame(OTHERS(0))), 1);
        if (how == 1 || how == 2 || how == 9)
            assert_true(about.frame == in[6] && about.level == 0);
        assert_int_equal(dom0_.memory.page_count, 48);
        if (how == 1 || how == 9)
            frame_put(MFN(in[6]));
        if (how == 2)
            frame_put_writable(MFN(in[6]));
        assert_int_equal(dom0_.memory.page_count, how == 9 ? 47 : 48);
        for (unsigned int n = 0; n < 8; n++)
            assert_int_equal(frame_total(frame(DOM0S(n))),
                             !(x->nr_exchanged && n < 4) && !(how == 9 && n == 6));
        all_is_well();
    }
    with_memory(state);                     /* two that come are to be had, and go back */
    run_as(&dom0_);
    exchange(2, 2, 8, 0);
    heap_end = HEAP + 2;
    assert_int_equal(op(XENMEM_exchange), -ENOMEM);
    assert_true(freed_count == 2 && freed[0] == HEAP && freed[1] == HEAP + 1);
    all_is_well();
    heap_end = FRAMES;                      /* they are exchanged, but nobody can be told */
    with_memory(state);
    run_as(&dom0_);
    exchange(8, 0, 8, 0);
    read_only = &out[0];
    assert_int_equal(op(XENMEM_exchange), -EFAULT);
    assert_int_equal(x->nr_exchanged, 0);
    exchange(1, 0, 1, 0);
    in[0] = DOM0S(20);
    read_only = &x->nr_exchanged;
    assert_int_equal(op(XENMEM_exchange), -EFAULT);
    read_only = NULL;
    all_is_well();
    with_memory(state);
    run_as(&dom0_);
    exchange(2, 2, 8, 0);
    for (unsigned int n = 0; n < 4; n++) {  /* one frame of an extent */
        assert_int_equal(frame_get(MFN(DOM0S(n)), &dom0_.memory), 0);
        heap_end = FRAMES;
        assert_int_equal(op(XENMEM_exchange), -EINVAL);
        assert_int_equal(about.frame, DOM0S(n));
        frame_put(MFN(DOM0S(n)));
        all_is_well();
    }
    dom0_.memory.closed = true;
    assert_int_equal(op(XENMEM_exchange), -ENOMEM);
    dom0_.life = DOMAIN_DYING;
    assert_int_equal(op(XENMEM_exchange), -ESRCH);
    dom0_.life = DOMAIN_ALIVE;
    dom0_.memory.closed = false;
    all_is_well();
}

static void exchanges_in_steps(void **state)
{
    unsigned int times;
    long result;

    run_as(&dom0_);
    exchange(8, 0, 4, 1);
    for (times = 0; ; times++) {
        cpu.budget = 1;
        result = op(XENMEM_exchange);
        cpu.budget = 1 << 30;
        if (result != -ERESTART)
            break;
        assert_int_equal(x->nr_exchanged, 2 * (times + 1));
        assert_true(again.op == __HYPERVISOR_memory_op && again.count == 2);
        assert_true(again.argument[0] == XENMEM_exchange && again.argument[1] == (uintptr_t)page);
        all_is_well();
    }
    assert_true(result == 0 && times == 3 && x->nr_exchanged == 8);
    for (unsigned int i = 0; i < 4; i++)
        assert_int_equal(out[i], HEAP + 2 * i);
    with_memory(state);                     /* each frame is paid for */
    run_as(&dom0_);
    exchange(8, 0, 8, 0);
    cpu.budget = 8 * 4 * COST_FRAME;
    assert_int_equal(op(XENMEM_exchange), -ERESTART);
    cpu.budget = 1 << 30;
    assert_in_range(x->nr_exchanged, 4, 7);
    in[0] = OTHERS(0);                      /* what fails is not tried again */
    x->nr_exchanged = 0;
    cpu.budget = 1;
    assert_int_equal(op(XENMEM_exchange), -EINVAL);
    cpu.budget = 1 << 30;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(of_whom, with_memory),
        cmocka_unit_test_setup(arguments_that_cannot_be_read, with_memory),
        cmocka_unit_test_setup(arguments_at_the_edge, with_memory),
        cmocka_unit_test_setup(extents_that_come, with_memory),
        cmocka_unit_test_setup(extents_that_are_too_large, with_memory),
        cmocka_unit_test_setup(extents_that_go, with_memory),
        cmocka_unit_test_setup(how_many_extents, with_memory),
        cmocka_unit_test_setup(claims, with_memory),
        cmocka_unit_test_setup(extents_in_steps, with_memory),
        cmocka_unit_test_setup(extents_that_others_end, with_memory),
        cmocka_unit_test_setup(exchanges, with_memory),
        cmocka_unit_test_setup(exchanges_that_are_refused, with_memory),
        cmocka_unit_test_setup(exchanges_that_fail_in_the_middle, with_memory),
        cmocka_unit_test_setup(exchanges_in_steps, with_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
