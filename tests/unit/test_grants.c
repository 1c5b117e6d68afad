/* SPDX-License-Identifier: MIT */
/*
 * What is left of a domain that has ended while another has its grants mapped: no more than those
 * grants need, counted against who holds them. Two guests of which one starts again and again
 * cannot have all memory: one that holds too much maps nothing more, and when it lets go, all of it
 * is free.
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
#include "domain/grant_table.h"
#include "entry/hypercall.h"
#include "lib/printk.h"
#include "memory/access.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include "memory/mmu.h"
#include "memory/tlb.h"
#include "fail_host.h"

/* --- the hypervisor around it ----------------------------------------------------------------- */

#define DOMAINS 5000u

static struct cpu cpu;
static struct vcpu vcpu;
static struct domain *by_id[DOMAINS];
static size_t held;                             /* bytes of the heap */
static unsigned int frames_held, shared_pages;

void printk_at(int level, const char *format, ...)
{
}
int answer_guest(uint64_t va, const void *object, size_t bytes)
{
    return 0;
}
int copy_from_guest(void *to, vaddr_t from, size_t n)
{
    memcpy(to, (void *)from.a, n);
    return 0;
}
int copy_to_guest(vaddr_t to, const void *from, size_t n)
{
    memcpy((void *)to.a, from, n);
    return 0;
}

int write_guest_u64(uint64_t va, uint64_t value)
{
    *(uint64_t *)va = value;
    return 0;
}
int frame_get(mfn_t m, struct domain_memory *owner)
{
    frames_held++;
    return 0;
}
bool frame_try_get(mfn_t m, struct domain_memory *owner)
{
    return frame_get(m, owner) == 0;
}
void frame_put(mfn_t m)
{
    frames_held--;
}
int frame_get_type(mfn_t m, struct domain_memory *owner, enum frame_type t)
{
    return 0;
}
void frame_put_type(mfn_t m)
{
}

void tlb_flush_vcpus(struct domain *d, uint64_t mask)
{
}

long hypercall_continue_with(unsigned int op, unsigned int count, const uint64_t *arguments)
{
    assert_true(!"one request at a time");
    return 0;
}

int16_t mmu_map_grant(const struct vcpu_tables *t, uint64_t address, mfn_t frame, uint64_t flags,
                      bool is_pte)
{
    return 0;
}

int16_t mmu_unmap_grant(const struct vcpu_tables *t, uint64_t address, mfn_t frame, uint64_t flags,
                        bool is_pte, uint64_t new)
{
    return 0;
}

void *hv_alloc_pages(unsigned int order)
{
    held += PAGE_SIZE << order;
    return memset(aligned_alloc(PAGE_SIZE, PAGE_SIZE << order), 0, PAGE_SIZE << order);
}

void hv_free_pages(void *p, unsigned int order)
{
    held -= p ? PAGE_SIZE << order : 0;
    free(p);
}

void *hv_alloc(size_t size)
{
    held += size;
    return calloc(1, size);
}

void hv_free(void *p, size_t size)
{
    held -= p ? size : 0;
    free(p);
}

void share_hv_frame(void *page, struct domain_memory *d)
{
    shared_pages++;
}

void unshare_hv_frame(void *page)
{
    shared_pages--;
    hv_free_pages(page, 0);
}

struct domain *domain_get(domid_t id)
{
    if (id < DOMAINS && by_id[id])
        by_id[id]->refs++;
    return id < DOMAINS ? by_id[id] : NULL;
}

struct domain *domain_get_self_or(domid_t id)
{
    return domain_get(id == DOMID_SELF ? current->domain->id : id);
}

void domain_put(struct domain *d)
{
    if (--d->refs) return;
    grants_free(d);
    hv_free(d, sizeof *d);
}

/* --- guests ----------------------------------------------------------------------------------- */

static struct domain *begin(domid_t id)
{
    struct domain *d = hv_alloc(sizeof *d);

    d->id = id;
    d->refs = 1;
    assert_int_equal(grants_create(d, 64, 8), 0);
    return by_id[id] = d;
}

/* In turns, as domain_destroy does it; how many. */
static unsigned int end(struct domain *d)
{
    unsigned int turns = 1;
    int error;

    d->life = DOMAIN_DYING;
    for (budget_refill(); grants_release_mappings(d); budget_refill())
        ;
    budget_refill();
    for (; (error = grants_retire(d)); turns++) {
        assert_int_equal(error, -ERESTART);
        assert_in_range(cpu.budget + ENTRY_BUDGET, 0, ENTRY_BUDGET);
        budget_refill();
    }
    d->life = DOMAIN_DESTROYED;
    by_id[d->id] = NULL;
    domain_put(d);
    return turns;
}

static void grant(struct domain *d, uint32_t ref, domid_t to)
{
    mfn_t unused;

    assert_int_equal(grants_shared_frame(d, (uint32_t)(ref / ENTRIES_PER_FRAME), &unused), 0);
    d->grants->slots[ref / ENTRIES_PER_FRAME].shared[ref % ENTRIES_PER_FRAME] =
        (struct grant_entry_v1){ .flags = GTF_permit_access, .domid = to, .frame = 1000 + ref };
}

static int16_t map(struct domain *who, domid_t from, uint32_t ref, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref op = { .flags = GNTMAP_device_map, .ref = ref, .dom = from };

    vcpu.domain = who;
    assert_int_equal(do_grant_table_op(GNTTABOP_map_grant_ref, (unsigned long)&op, 1), 0);
    *handle = op.handle;
    return op.status;
}

static void unmap(struct domain *who, grant_handle_t handle, uint64_t frame)
{
    struct gnttab_unmap_grant_ref op = { .dev_bus_addr = frame << PAGE_SHIFT, .handle = handle };

    vcpu.domain = who;
    assert_int_equal(do_grant_table_op(GNTTABOP_unmap_grant_ref, (unsigned long)&op, 1),
                     0);
    assert_int_equal(op.status, GNTST_okay);
}

static int set_up(void **state)
{
    cpu.self = &cpu;
    cpu.running = &vcpu;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    budget_refill();
    assert_int_equal(held, 0);
    return 0;
}

static int tear_down(void **state)
{
    assert_int_equal(held, 0);
    assert_int_equal(frames_held + shared_pages, 0);
    return 0;
}

/* --- the tests -------------------------------------------------------------------------------- */

#define LAST (64 * (uint32_t)ENTRIES_PER_FRAME - 1)     /* in the last frame of the largest table */

static void one_that_starts_again_and_again(void **state)
{
    static grant_handle_t handle[DOMAINS];
    struct domain *holder = begin(1), *neighbour = begin(2), *other = begin(3);
    size_t before = held;
    unsigned int lives = 0;

    grant(neighbour, 8, 1);
    grant(neighbour, 9, 3);
    before = held;
    for (;; lives++) {
        struct domain *d = begin((domid_t)(4 + lives));
        int16_t status;

        assert_true(lives < 2500);
        grant(d, LAST, 1);
        status = map(holder, d->id, LAST, &handle[lives]);
        end(d);
        if (status == GNTST_okay)
            continue;
        assert_int_equal(status, GNTST_no_space);
        break;
    }
    assert_in_range(lives, 64, 256);                    /* an eighth of his 8 pages of handles */
    assert_int_equal(holder->orphans, lives);
    assert_in_range(held - before, 1, lives * 6 * PAGE_SIZE);
    /* It is his own loss, and only until he lets go. */
    assert_int_equal(map(other, 2, 9, &handle[lives]), GNTST_okay);
    unmap(other, handle[lives], 1009);
    assert_int_equal(map(holder, 2, 8, &handle[lives]), GNTST_no_space);
    unmap(holder, handle[0], 1000 + LAST);
    assert_int_equal(map(holder, 2, 8, &handle[lives]), GNTST_okay);
    unmap(holder, handle[lives], 1008);
    for (unsigned int i = 1; i < lives; i++)
        unmap(holder, handle[i], 1000 + LAST);
    assert_int_equal(holder->orphans, 0);
    assert_int_equal(held - before, 2 * PAGE_SIZE);     /* two pages of handles */
    end(holder);
    end(neighbour);
    end(other);
}

/*
 * Who serves others for the machine, as the control domain does, is not held up by what they leave.
 */
static void the_control_domain_maps_on(void **state)
{
    static grant_handle_t handle[400];
    struct domain *holder = begin(0);

    holder->privileged = true;
    for (unsigned int i = 0; i < 400; i++) {
        struct domain *d = begin((domid_t)(4 + i));

        grant(d, 8, 0);
        assert_int_equal(map(holder, d->id, 8, &handle[i]), GNTST_okay);
        end(d);
    }
    assert_int_equal(holder->orphans, 400);
    for (unsigned int i = 0; i < 400; i++)
        unmap(holder, handle[i], 1008);
    end(holder);
}

/*
 * Each user of each entry counts, for whoever he is; frames of the table go when their last user
 * has.
 */
static void each_use_is_counted(void **state)
{
    static grant_handle_t one[300], two[300];
    struct domain *first = begin(1), *second = begin(2), *d = begin(3);
    unsigned int pages;

    for (uint32_t i = 0; i < 100; i++) {
        grant(d, 3 * i, 1);
        grant(d, LAST - i, 2);
        for (uint32_t use = 0; use < 3; use++)
            assert_int_equal(map(first, 3, 3 * i, &one[3 * i + use]), GNTST_okay);
        assert_int_equal(map(second, 3, LAST - i, &two[i]), GNTST_okay);
    }
    pages = shared_pages;
    unmap(first, one[0], 1000);
    assert_int_equal(first->orphans, 0);                /* while its owner lives, it is his */
    assert_true(end(d) > 2);
    assert_int_equal(pages - shared_pages, 62);         /* all but the first and the last */
    assert_int_equal(first->orphans, 299);
    assert_int_equal(second->orphans, 100);
    for (uint32_t i = 1; i < 300; i++)
        unmap(first, one[i], 1000 + i / 3 * 3);
    assert_int_equal(first->orphans, 0);
    assert_int_equal(pages - shared_pages, 63);
    assert_int_equal(second->orphans, 100);
    end(second);                                        /* with all that it holds */
    assert_int_equal(pages - shared_pages, 65);         /* its own page, too */
    end(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_starts_again_and_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_control_domain_maps_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_use_is_counted, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
