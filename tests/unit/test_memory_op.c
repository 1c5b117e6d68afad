/* SPDX-License-Identifier: MIT */
/*
 * memory_op: the list of the M2P's frames, which is as long as the machine is large. It is paid for
 * by its length, so that a multicall of such calls ends when the budget does, also where there is
 * more memory than a test has.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "domain/chosen.h"
#include "machine/boot_info.h"
#include "memory/heap.h"
#include "entry/hypercall.h"
#include "memory/access.h"
#include "memory/frame.h"
#include "calls/reservation.h"
#include "fail_host.h"

#define NOT_THERE 0x666000ul
#define GIB (1ul << 18)                         /* in frames */
#define WRITE 35                                /* instructions that an element of the list takes */

static struct cpu cpu;
static struct vcpu vcpu;
static struct domain domain, other = { .id = 3 };
static bool no_memory;
static long held;
static unsigned int written, bad_from = ~0u;

struct boot_info boot_info;
uint64_t max_frame, *m2p_table;

int copy_from_guest(void *to, vaddr_t from, size_t n)
{
    if (from.a == NOT_THERE) return -EFAULT;
    memcpy(to, (void *)from.a, n);
    return 0;
}
int copy_to_guest(vaddr_t to, const void *from, size_t n)
{
    memcpy((void *)to.a, from, n);
    return 0;
}

struct domain *domain_get_self_or(domid_t id)
{
    if (id != DOMID_SELF && id != domain.id && id != other.id) return NULL;
    held++;
    return id == other.id ? &other : &domain;
}
struct domain *domain_get(domid_t id)
{
    return id == DOMID_SELF ? NULL : domain_get_self_or(id);
}
void domain_put(struct domain *d)
{
    held--;
}
void *hv_alloc(size_t size)
{
    return no_memory ? NULL : calloc(1, size);
}
void hv_free(void *p, size_t size)
{
    free(p);
}
int answer_guest(uint64_t va, const void *object, size_t n)
{
    return copy_to_guest(VADDR(va), object, n);
}
long memory_reservation(struct memory_call *c, uint64_t arg)
{
    return -ENOSYS;
}
long memory_exchange(struct memory_call *c, uint64_t arg)
{
    return -ENOSYS;
}

int write_guest_u64(uint64_t va, uint64_t value)
{
    if (written++ >= bad_from) return -EFAULT;
    *(uint64_t *)va = value;
    return 0;
}

static xen_pfn_t frame[2048];

static long list(unsigned int room, unsigned int *given)
{
    struct xen_machphys_mfn_list m = { .max_extents = room, .extent_start.p = frame };
    long answer = do_memory_op(XENMEM_machphys_mfn_list, (unsigned long)&m);

    *given = m.nr_extents;
    return answer;
}

static int set_up(void **state)
{
    cpu.self = &cpu;
    cpu.running = &vcpu;
    vcpu.domain = &domain;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    budget_refill();
    m2p_table = (uint64_t *)DIRECTMAP_VIRT;
    return 0;
}

/* A chunk is 2 MiB of the table, which are of 1 GiB of memory. */
static void one_element_a_gibibyte(void **state)
{
    unsigned int given;

    max_frame = 3 * GIB + 1;
    assert_int_equal(list(2048, &given), 0);
    assert_int_equal(given, 4);
    for (unsigned int i = 0; i < given; i++)
        assert_int_equal(frame[i], i * 512);
    assert_int_equal(list(2, &given), 0);
    assert_int_equal(given, 2);
    written = 0;
    bad_from = 1;
    assert_int_equal(list(4, &given), -EFAULT);
    bad_from = ~0u;
}

/* Calls in a multicall go on until the budget is spent. */
static void its_length_is_paid_for(void **state)
{
    static const unsigned long sizes[] = { 1, 16, 64, 256, 1024 };

    for (unsigned int i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned int calls = 0, given;

        max_frame = sizes[i] * GIB;
        written = 0;
        for (budget_refill(); !spent(); calls++) {
            spend(COST_CALL);
            assert_int_equal(list(2048, &given), 0);
            assert_int_equal(given, sizes[i]);
        }
        assert_in_range(written * WRITE + calls * COST_CALL, ENTRY_BUDGET / 4, 2 * ENTRY_BUDGET);
    }
}

/* --- maps: a guest's machine, and the machine's own; as many entries as there is room for --- */

static struct {
    uint64_t start, size;
    uint32_t type;
} __attribute__((packed)) entry[4];

static long map(unsigned int op, unsigned int room, unsigned int *given)
{
    struct xen_memory_map m = { .nr_entries = room, .buffer.p = entry };
    long answer;

    memset(entry, 0x55, sizeof(entry));
    answer = do_memory_op(op, (unsigned long)&m);
    *given = m.nr_entries;
    return answer;
}

static void maps(void **state)
{
    unsigned int given;

    max_frame = 1000;
    domain.memory.max_pages = 300;
    domain.memory.page_count = 200;
    assert_int_equal(map(XENMEM_memory_map, 4, &given), 0);
    assert_int_equal(given, 1);
    assert_true(entry[0].start == 0 && entry[0].size == 300 << 12 && entry[0].type == 1);
    assert_int_equal(entry[1].type, 0x55555555);
    domain.memory.page_count = 301;
    assert_int_equal(map(XENMEM_memory_map, 1, &given), 0);
    assert_int_equal(entry[0].size, 301 << 12);
    domain.memory.most_pages = 400; /* once; a balloon may have room for as much again */
    assert_int_equal(map(XENMEM_memory_map, 1, &given), 0);
    assert_int_equal(entry[0].size, 400 << 12);
    domain.memory.max_pages = 1000; /* as much as there is, or no limit at all: what it has */
    assert_int_equal(map(XENMEM_memory_map, 1, &given), 0);
    assert_int_equal(entry[0].size, 301 << 12);
    domain.memory.max_pages = 999;
    assert_int_equal(map(XENMEM_memory_map, 1, &given), 0);
    assert_int_equal(entry[0].size, 999 << 12);
    assert_int_equal(map(XENMEM_memory_map, 0, &given), 0);
    assert_true(given == 0 && entry[0].type == 0x55555555);

    domain.privileged = true;
    boot_info.region_count = 3;
    for (unsigned int i = 0; i < 3; i++)
        boot_info.regions[i] = (struct region){ i * 0x10000, i * 0x10000 + 0x3000 + i, 1 + i };
    for (unsigned int room = 0; room < 5; room++) {
        assert_int_equal(map(XENMEM_machine_memory_map, room, &given), 0);
        assert_int_equal(given, room < 3 ? room : 3);
        for (unsigned int i = 0; i < given; i++)
            assert_true(entry[i].start == i * 0x10000 && entry[i].size == 0x3000 + i &&
                        entry[i].type == 1 + i);
        if (given < 4)
            assert_int_equal(entry[given].type, 0x55555555);
    }
}

static long choose(domid_t whose, unsigned int entries, unsigned long buffer)
{
    struct xen_foreign_memory_map m = {
        .domid = whose, .map = { .nr_entries = entries, .buffer.p = (void *)buffer }
    };

    return do_memory_op(XENMEM_set_memory_map, (unsigned long)&m);
}

static void a_map_that_was_chosen(void **state)
{
    static const struct e820_entry chosen[MEMORY_MAP_MOST] = { { 0, 0x1000, 1 }, { 0x5000, 7, 2 } };
    unsigned long p = (unsigned long)chosen;
    unsigned int given;

    domain.privileged = false;
    assert_int_equal(choose(3, 2, p), -EPERM);
    assert_int_equal(choose(DOMID_SELF, 129, p), -EINVAL);
    assert_int_equal(choose(DOMID_SELF, 2, NOT_THERE), -EFAULT);
    no_memory = true;
    assert_int_equal(choose(DOMID_SELF, 2, p), -ENOMEM);
    no_memory = false;
    assert_null(domain.memory_map);
    assert_int_equal(choose(DOMID_SELF, 128, p), 0);
    assert_int_equal(choose(DOMID_SELF, 2, p), 0);
    for (unsigned int room = 0; room < 4; room++) {
        assert_int_equal(map(XENMEM_memory_map, room, &given), 0);
        assert_int_equal(given, room < 2 ? room : 2);
        assert_memory_equal(entry, chosen, given * sizeof(chosen[0]));
        assert_int_equal(entry[given].type, 0x55555555);
    }
    domain.privileged = true;
    assert_int_equal(choose(3, 1, p), 0);
    assert_int_equal(other.memory_map->count, 1);
    assert_int_equal(choose(99, 1, p), -ESRCH);
    free(domain.memory_map);
    free(other.memory_map);
    domain.memory_map = NULL;
    assert_int_equal(held, 0);
}

/* What toolstacks ask, and go on from. */
static void what_there_is_not(void **state)
{
    struct xen_mem_acquire_resource resource = { .domid = 3 };
    struct xen_vnuma_topology_info nodes = { .domid = 3 };

    domain.privileged = true;
    assert_int_equal(do_memory_op(XENMEM_acquire_resource, (unsigned long)&resource), -EOPNOTSUPP);
    assert_int_equal(do_memory_op(XENMEM_get_vnumainfo, (unsigned long)&nodes), -EOPNOTSUPP);
    resource.domid = nodes.domid = 99;
    assert_int_equal(do_memory_op(XENMEM_acquire_resource, (unsigned long)&resource), -ESRCH);
    assert_int_equal(do_memory_op(XENMEM_get_vnumainfo, (unsigned long)&nodes), -ESRCH);
    nodes.pad = 1;
    assert_int_equal(do_memory_op(XENMEM_get_vnumainfo, (unsigned long)&nodes), -EINVAL);
    assert_int_equal(do_memory_op(XENMEM_get_sharing_freed_pages, 0), 0);
    assert_int_equal(do_memory_op(XENMEM_get_sharing_shared_pages, 0), 0);
    assert_int_equal(held, 0);
}

static uint64_t claimed;
static unsigned int disclaims;

int frames_claim(struct domain_memory *d, uint64_t pages)
{
    assert_ptr_equal(d, &other.memory);
    claimed = pages;
    return pages > 100 ? -ENOMEM : 0;
}
void frames_disclaim(struct domain_memory *d)
{
    assert_ptr_equal(d, &other.memory);
    disclaims++;
}

static long claim(struct xen_memory_reservation r)
{
    return do_memory_op(XENMEM_claim_pages, (unsigned long)&r);
}

static void claims(void **state)
{
    const struct xen_memory_reservation good = { .domid = 3, .nr_extents = 100 };
    struct xen_memory_reservation bad = good;

    domain.privileged = false;
    assert_int_equal(claim(good), -EPERM);
    domain.privileged = true;
    bad.domid = 99;
    assert_int_equal(claim(bad), -EINVAL);
    bad = good, bad.extent_start.p = frame;
    assert_int_equal(claim(bad), -EINVAL);
    bad = good, bad.extent_order = 1;
    assert_int_equal(claim(bad), -EINVAL);
    bad = good, bad.mem_flags = 1;
    assert_int_equal(claim(bad), -EINVAL);
    assert_int_equal(do_memory_op(XENMEM_claim_pages | 1ul << MEMOP_EXTENT_SHIFT,
                                  (unsigned long)&good), -EINVAL);
    assert_true(!claimed && !disclaims);
    assert_int_equal(claim(good), 0);
    assert_int_equal(claimed, 100);
    bad = good, bad.nr_extents = 101;
    assert_int_equal(claim(bad), -ENOMEM);
    bad.nr_extents = 0;
    assert_int_equal(claim(bad), 0);
    assert_int_equal(disclaims, 1);
    assert_int_equal(held, 0);
}

static void last_numbers(void **state)
{
    static struct shared_info shared;
    static const uint64_t says[][2] = { { 0, 0 }, { 1, 0 }, { 500, 499 }, { ~0ul, ~0ul >> 1 } };
    domid_t id = 3;

    domain.privileged = true;
    other.shared = &shared;
    for (unsigned int i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
        shared.arch.max_pfn = says[i][0];
        assert_int_equal(do_memory_op(XENMEM_maximum_gpfn, (unsigned long)&id), says[i][1]);
    }
    other.shared = NULL;                            /* it is nearly gone */
    assert_int_equal(do_memory_op(XENMEM_maximum_gpfn, (unsigned long)&id), 0);
    assert_int_equal(held, 0);
}

static void small_answers(void **state)
{
    struct xen_machphys_mapping m;

    domain.privileged = true;

    max_frame = 1000;
    assert_int_equal(do_memory_op(XENMEM_maximum_ram_page, 0), 1000);
    assert_int_equal(do_memory_op(XENMEM_machphys_mapping, (unsigned long)&m), 0);
    assert_true(m.v_start == MACH2PHYS_VIRT_START && m.v_end == MACH2PHYS_VIRT_END &&
                m.max_mfn == 999);
    domain.privileged = false;                      /* its next machine may have more */
    assert_int_equal(do_memory_op(XENMEM_machphys_mapping, (unsigned long)&m), 0);
    assert_true(m.v_start == MACH2PHYS_VIRT_START && m.v_end == MACH2PHYS_VIRT_END &&
                m.max_mfn == MACH2PHYS_NR_ENTRIES - 1);
    assert_int_equal(do_memory_op(63, 0), -ENOSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_element_a_gibibyte, set_up),
        cmocka_unit_test_setup(its_length_is_paid_for, set_up),
        cmocka_unit_test_setup(maps, set_up),
        cmocka_unit_test_setup(a_map_that_was_chosen, set_up),
        cmocka_unit_test_setup(what_there_is_not, set_up),
        cmocka_unit_test_setup(claims, set_up),
        cmocka_unit_test_setup(last_numbers, set_up),
        cmocka_unit_test_setup(small_answers, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
