/* SPDX-License-Identifier: MIT */
/* Three domains that grant each other frames, whose references are counted, and the operations in
 * short: for test_grant_calls.c and test_grant_entries.c. */
#ifndef TESTS_UNIT_GRANTS_HOST_H
#define TESTS_UNIT_GRANTS_HOST_H

#include "ring0_host.h"
#include "domain/grant_table.h"
#include "memory/frame.h"
#include "memory/mmu.h"
#include "memory/tlb.h"

#define RAM      64
#define OWNERS   16                     /* frames 16 to 31 are the owner's, 32 to 47 the user's */
#define USERS    32
#define TABLE    5                      /* of each of them: one that is a page table */
#define BAD_ADDRESS 0xbad000ul          /* where nothing can be mapped */

_Alignas(4096) char host_ram[RAM * 4096];
char host_frames[64], host_m2p[8];
static struct domain control, owner, user;
static struct vcpu vcpus[3];
static struct domain *const all[] = { &control, &owner, &user };

/* --- frames --- */

static int refs[RAM], writers[RAM], shared_pages;
static bool stale;                      /* a mapping is gone that a TLB may still have */
static int refs_left;                   /* until there are too many */

static bool is_of(mfn_t m, struct domain_memory *d)
{
    return m.n < RAM && m.n / 16 == domain_of(d)->id && m.n / 16 > 0;
}
int frame_get(mfn_t m, struct domain_memory *d)
{
    if (!is_of(m, d) || refs_left == 0) return -EINVAL;
    refs_left--;
    refs[m.n]++;
    return 0;
}
bool frame_try_get(mfn_t m, struct domain_memory *d)
{
    return frame_get(m, d) == 0;
}
void frame_put(mfn_t m)
{
    assert_false(stale);
    assert_true(refs[m.n] > 0);
    refs[m.n]--;
}
int frame_get_type(mfn_t m, struct domain_memory *d, enum frame_type t)
{
    assert_int_equal(t, FRAME_WRITABLE);
    if (!is_of(m, d) || m.n % 16 == TABLE || refs_left == 0) return -EBUSY;
    refs_left--;
    writers[m.n]++;
    return 0;
}
void frame_put_type(mfn_t m)
{
    assert_false(stale);
    assert_true(writers[m.n] > 0);
    writers[m.n]--;
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

/* --- page tables: the last mapping that was made or ended --- */

static struct { uint64_t address, flags, new; mfn_t frame; bool is_pte; unsigned int made, ended; }
    entry;
static unsigned int flushes;

int16_t mmu_map_grant(const struct vcpu_tables *t, uint64_t address, mfn_t frame, uint64_t flags,
                      bool is_pte)
{
    assert_ptr_equal(t, &current->tables);
    if (address == BAD_ADDRESS) return GNTST_general_error;
    entry.address = address;
    entry.frame = frame;
    entry.flags = flags;
    entry.is_pte = is_pte;
    entry.made++;
    return GNTST_okay;
}
int16_t mmu_unmap_grant(const struct vcpu_tables *t, uint64_t address, mfn_t frame, uint64_t flags,
                        bool is_pte, uint64_t new)
{
    assert_ptr_equal(t, &current->tables);
    if (address == BAD_ADDRESS) return GNTST_bad_virt_addr;
    entry.address = address;
    entry.frame = frame;
    entry.flags = flags;
    entry.is_pte = is_pte;
    entry.new = new;
    entry.ended++;
    stale = true;
    return GNTST_okay;
}
void tlb_flush_vcpus(struct domain *d, uint64_t mask)
{
    assert_ptr_equal(d, current->domain);
    flushes++;
    stale = false;
}

/* --- domains --- */

struct domain *domain_get(domid_t id)
{
    struct domain *d = id < 3 && all[id]->refs ? all[id] : NULL;

    if (d)
        d->refs++;
    return d;
}
struct domain *domain_get_self_or(domid_t id)
{
    return domain_get(id == DOMID_SELF ? current->domain->id : id);
}
void domain_put(struct domain *d)
{
    assert_int_equal(locks_count, 0);
    d->refs--;
}

static inline void run_as(struct domain *d)
{
    cpu.running = &vcpus[d->id];
}

static int set_up(void **state)
{
    memset(refs, 0, sizeof(refs));
    memset(writers, 0, sizeof(writers));
    memset(&entry, 0, sizeof(entry));
    shared_pages = 0;
    flushes = 0;
    stale = false;
    refs_left = 1 << 30;
    for (unsigned int i = 0; i < 3; i++) {
        *all[i] = (struct domain){ .id = (domid_t)i, .refs = 1, .privileged = i == 0 };
        vcpus[i] = (struct vcpu){ .domain = all[i] };
    }
    ring0_begin(&vcpus[2]);
    for (unsigned int i = 0; i < 3; i++)
        assert_int_equal(grants_create(all[i], 4, 2), 0);
    return 0;
}

/* Nothing is held by anybody. */
static void all_is_given_back(void)
{
    for (unsigned int i = 0; i < RAM; i++)
        assert_true(refs[i] == 0 && writers[i] == 0);
    for (unsigned int i = 0; i < 3; i++) {
        assert_int_equal(all[i]->refs, 1);
        for (uint32_t j = 0; j < all[i]->grants->frames; j++)
            assert_int_equal(all[i]->grants->slots[j].used, 0);
    }
    assert_int_equal(locks_count, 0);
}

static int tear_down(void **state)
{
    all_is_given_back();
    for (unsigned int i = 0; i < 3; i++) {
        for (budget_refill(); grants_release_mappings(all[i]); budget_refill())
            ;
        grants_free(all[i]);
        assert_null(all[i]->grants);
    }
    assert_int_equal(shared_pages, 0);
    ring0_end();
    return 0;
}

/* --- entries and requests --- */

static struct grant_entry_v1 *entry_of(struct domain *d, uint32_t ref)
{
    return &d->grants->slots[ref / ENTRIES_PER_FRAME].shared[ref % ENTRIES_PER_FRAME];
}
static inline void grant(uint32_t ref, uint16_t flags, domid_t to, uint32_t frame)
{
    *entry_of(&owner, ref) = (struct grant_entry_v1){ .flags = flags, .domid = to, .frame = frame };
}
static inline void entry_is(uint32_t ref, uint16_t flags, domid_t to, uint32_t frame)
{
    struct grant_entry_v1 want = { .flags = flags, .domid = to, .frame = frame };

    assert_memory_equal(entry_of(&owner, ref), &want, sizeof(want));
}
static inline long grant_op(unsigned long cmd, const void *arg, unsigned long count)
{
    return AS_CALLED(do_grant_table_op)(cmd, (unsigned long)arg, count, 0, 0, 0);
}

static inline int16_t maps(uint32_t flags, uint32_t ref, uint64_t address, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref op = { .host_addr = address, .flags = flags, .ref = ref, .dom = 1 };

    assert_int_equal(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    assert_int_equal(op.handle == NO_HANDLE, op.status != GNTST_okay);
    if (op.status == GNTST_okay)
        assert_int_equal(op.dev_bus_addr,
                         active_of(owner.grants, ref)->frame.n << 12);
    *handle = op.handle;
    return op.status;
}
static inline int16_t unmaps(grant_handle_t handle, uint64_t address, uint64_t bus)
{
    struct gnttab_unmap_grant_ref op = { .host_addr = address, .dev_bus_addr = bus,
                                         .handle = handle };

    assert_int_equal(grant_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
    assert_false(stale);
    return op.status;
}

#endif
