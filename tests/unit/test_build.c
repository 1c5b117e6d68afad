/* SPDX-License-Identifier: MIT */
/*
 * dom0's builder of domains against a machine whose frames lie in disorder: what the new domain
 * finds in its memory, its page tables walked as the CPU would, its first registers, and that of a
 * domain that could not be built nothing is left.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <pvguest/console.h>
#include <pvguest/start.h>
#include <pvguest/time.h>
#include <abi/domus.h>
#include <xen/elfnote.h>
#include "dom0/xc/build.h"
#include "dom0/xc/control.h"

unsigned allocations_until_failure;

/* --- the machine: its pages, which are in no order -------------------------------------------- */

#define PAGES 2500u      /* of the domain; an odd multiplier makes each frame another's neighbour */
#define FRAMES 4096u
#define FIRST_MFN 0x10000u
#define GRANT_MFN (FIRST_MFN + FRAMES)
#define SHARED_MFN (GRANT_MFN + 1)

static _Alignas(4096) uint8_t memory[FRAMES + 2][4096];
static unsigned windows, populated;     /* mapped in dom0 now; given to the domain */
static struct { void *at; unsigned long mfn[128], n; } window[4];

static unsigned long frame_of(uint64_t pfn)
{
    return FIRST_MFN + (pfn * 1237 + 99) % FRAMES;
}
static uint8_t *page(unsigned long mfn)
{
    assert_in_range(mfn, FIRST_MFN, SHARED_MFN);
    return memory[mfn - FIRST_MFN];
}
static uint8_t *page_at(uint64_t pfn)
{
    return page(frame_of(pfn));
}

static unsigned refuse_window;          /* the n-th next one */
static unsigned busy;                   /* pages' worth of work since others had their turn */

void thread_yield(void)
{
    busy = 0;
}

static void work(unsigned pages)
{
    busy += pages;
    assert_true(busy <= 1700);
}

void *map_frames(const unsigned long *mfns, unsigned long n, uint64_t prot, domid_t owner,
                 int *errors)
{
    unsigned i = 0;

    assert_true(n && n <= 128 && prot == PROT_RW && owner == 9 && !errors);
    work((unsigned)n);
    if (refuse_window && --refuse_window == 0) return ERR_PTR(-12);
    while (window[i].at)
        i++;
    window[i].at = aligned_alloc(4096, n * 4096);
    window[i].n = n;
    for (unsigned long k = 0; k < n; k++) {
        window[i].mfn[k] = mfns[k];
        memcpy((uint8_t *)window[i].at + k * 4096, page(mfns[k]), 4096);
    }
    windows++;
    return window[i].at;
}

void unmap_frames(void *va, unsigned long n)
{
    unsigned i = 0;

    while (window[i].at != va)
        i++;
    assert_int_equal(window[i].n, n);
    for (unsigned long k = 0; k < n; k++)
        memcpy(page(window[i].mfn[k]), (uint8_t *)va + k * 4096, 4096);
    free(va);
    window[i].at = NULL;
    windows--;
}

void *alloc_pages(unsigned order)
{
    return allocation_fails() ? NULL : aligned_alloc(4096, 4096u << order);
}
void free_pages(void *va, unsigned order)
{
    free(va);
}
const char *errno_name(long error)
{
    return "ERROR";
}
uint64_t wall_clock_ns(void)
{
    return 1234567;
}

void panic(const char *format, ...)
{
    fail_msg("panic: %s", format);
    abort();
}

/* --- the hypervisor --------------------------------------------------------------------------- */

static bool alive, pinned;
static unsigned destroyed, refuse_call, calls, ports;
static uint64_t free_pages_left, max_kib, most_kib, hypercall_mfn;
static unsigned max_vcpus, vcpus;
static xen_domain_handle_t handle;
static struct vcpu_guest_context context;
static int16_t setup_status;
static domid_t who_answers;             /* when domain 9 is asked for */
static bool memory_is_gone;

static struct build_request request;

static long domain_op(struct xen_domctl *op)
{
    assert_int_equal(op->interface_version, XEN_DOMCTL_INTERFACE_VERSION);
    if (op->cmd == XEN_DOMCTL_createdomain) {
        assert_int_equal(op->domain, 0);
        max_vcpus = op->u.createdomain.max_vcpus;
        memcpy(handle, op->u.createdomain.handle, sizeof(handle));
        assert_int_equal(op->u.createdomain.max_evtchn_port, 4095);
        assert_int_equal(op->u.createdomain.max_grant_frames, request.grant_frames ? 5 : -1);
        assert_int_equal(op->u.createdomain.max_maptrack_frames, request.maptrack_frames ? 7 : 8);
        op->domain = 9;
        alive = true;
        return 0;
    }
    assert_int_equal(op->domain, 9);
    switch (op->cmd) {
    case XEN_DOMCTL_max_vcpus:
        vcpus = op->u.max_vcpus.max;
        break;
    case XEN_DOMCTL_destroydomain:
        assert_true(alive);
        work(500);
        alive = false;
        destroyed++;
        break;
    case XEN_DOMCTL_max_mem:
        max_kib = op->u.max_mem.max_memkb;
        most_kib = max_kib > most_kib ? max_kib : most_kib;
        break;
    case XEN_DOMCTL_getdomaininfo:
        op->u.getdomaininfo.shared_info_frame = SHARED_MFN;
        op->domain = who_answers;
        break;
    case XEN_DOMCTL_hypercall_init:
        hypercall_mfn = op->u.hypercall_init.gmfn;
        break;
    case XEN_DOMCTL_setvcpucontext:
        assert_true(pinned);
        context = *op->u.vcpucontext.ctxt.p;
        break;
    default:
        return -ENOSYS;
    }
    return 0;
}

static long memory_op(struct xen_memory_reservation *op)
{
    unsigned long n = op->nr_extents < 1000 ? op->nr_extents : 1000,
                  *list = (unsigned long *)op->extent_start.p;

    assert_true(op->domid == 9 && op->extent_order == 0);
    work((unsigned)op->nr_extents);
    if (memory_is_gone && populated >= PAGES / 2) return 0;
    for (unsigned long i = 0; i < n; i++) {
        assert_int_equal(list[i], populated);   /* the page's number in the domain */
        list[i] = frame_of(populated++);
    }
    return (long)n;
}

static unsigned long pinned_l1[16];
static unsigned pinned_l1s;

/* Of the last level, below a table of some level: those of which no entry was looked at yet are so
 * much work. */
static void validate(unsigned long table, unsigned level)
{
    const uint64_t *entry = (const void *)page(table);

    for (unsigned i = 0; level == 1 && i < pinned_l1s; i++)
        if (pinned_l1[i] == table) return;
    if (level == 1)
        work(512);
    for (unsigned i = 0; level > 1 && i < 512; i++)
        if (entry[i] & PTE_PRESENT)
            validate((entry[i] & PTE_MFN_MASK) >> 12, level - 1);
}

static long pin(struct mmuext_op *op, domid_t owner)
{
    assert_int_equal(owner, 9);
    assert_int_equal(windows, 0);           /* a table that we could still write would be refused */
    switch (op->cmd) {
    case MMUEXT_PIN_L4_TABLE:
        validate(op->arg1.mfn, 4);
        pinned = true;
        return 0;
    case MMUEXT_PIN_L1_TABLE:
        for (unsigned i = 0; i < pinned_l1s; i++)
            assert_true(pinned_l1[i] != op->arg1.mfn);
        validate(op->arg1.mfn, 1);
        pinned_l1[pinned_l1s++] = op->arg1.mfn;
        return 0;
    case MMUEXT_UNPIN_TABLE:
        assert_true(pinned && pinned_l1s);      /* what nothing holds would be looked at again */
        assert_int_equal(pinned_l1[0], op->arg1.mfn);
        memmove(pinned_l1, pinned_l1 + 1, --pinned_l1s * sizeof(pinned_l1[0]));
        return 0;
    default:
        return -ENOSYS;
    }
}

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    calls++;
    if (refuse_call && --refuse_call == 0) return -ENOMEM;
    switch (nr) {
    case __HYPERVISOR_domctl:
        return domain_op((struct xen_domctl *)a);
    case __HYPERVISOR_sysctl:
        assert_int_equal(((struct xen_sysctl *)a)->interface_version, XEN_SYSCTL_INTERFACE_VERSION);
        ((struct xen_sysctl *)a)->u.physinfo.free_pages = free_pages_left;
        return 0;
    case __HYPERVISOR_memory_op:
        assert_int_equal(a, XENMEM_populate_physmap);
        return memory_op((struct xen_memory_reservation *)b);
    case __HYPERVISOR_event_channel_op:
        assert_int_equal(a, EVTCHNOP_alloc_unbound);
        assert_int_equal(((struct evtchn_alloc_unbound *)b)->dom, 9);
        assert_int_equal(((struct evtchn_alloc_unbound *)b)->remote_dom, 0);
        ((struct evtchn_alloc_unbound *)b)->port = ++ports;
        return 0;
    case __HYPERVISOR_grant_table_op:
        assert_int_equal(a, GNTTABOP_setup_table);
        *((struct gnttab_setup_table *)b)->frame_list.p = GRANT_MFN;
        ((struct gnttab_setup_table *)b)->status = setup_status;
        return 0;
    case __HYPERVISOR_mmuext_op:
        return pin((struct mmuext_op *)a, (domid_t)d);
    case __HYPERVISOR_domus_op: return -ENOSYS;     /* as on real Xen: at once */
    default:
        fail();
        return 0;
    }
}

/* --- a kernel: 700 bytes of it in the file, at 0x...100010, and 9,000 in memory --------------- */

#define BASE 0xffffffff80000000ul

static uint8_t file[4096], ramdisk[10000];
static struct build_result result;
static char why[200];

static void put(size_t at, uint64_t value, unsigned bytes)
{
    memcpy(file + at, &value, bytes);
}

static size_t notes_end;

static void note(uint32_t type, uint64_t value)
{
    put(notes_end, 4, 4);
    put(notes_end + 4, 8, 4);
    put(notes_end + 8, type, 4);
    memcpy(file + notes_end + 12, "Xen", 4);
    put(notes_end + 16, value, 8);
    notes_end += 24;
    put(120 + 32, notes_end - 512, 8);
}

static int setup(void **state)
{
    memset(file, 0, sizeof(file));
    memcpy(file, "\177ELF\2\1\1", 7);
    put(18, 62, 2);
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 2, 2);
    put(64, 1, 4);
    put(64 + 8, 1024, 8);
    put(64 + 24, 0x100010, 8);
    put(64 + 32, 700, 8);
    put(64 + 40, 9000, 8);
    put(120, 4, 4);
    put(120 + 8, 512, 8);
    notes_end = 512;
    note(XEN_ELFNOTE_VIRT_BASE, BASE);
    note(XEN_ELFNOTE_ENTRY, BASE + 0x100020);
    for (unsigned i = 0; i < 700; i++)
        file[1024 + i] = (uint8_t)(i + 1);
    for (unsigned i = 0; i < sizeof(ramdisk); i++)
        ramdisk[i] = (uint8_t)(i * 7 + i / 300);
    memset(memory, 0xcc, sizeof(memory));
    request = (struct build_request){ .kernel = file,
                                      .kernel_size = 2048,
                                      .ramdisk = ramdisk,
                                      .ramdisk_size = sizeof(ramdisk),
                                      .command_line = "root=/dev/xvda",
                                      .pages = PAGES,
                                      .max_pages = 3000,
                                      .vcpus = 3 };
    alive = pinned = false;
    busy = populated = calls = ports = destroyed = refuse_call = refuse_window =
        allocations_until_failure = 0;
    hypercall_mfn = most_kib = pinned_l1s = 0;
    setup_status = GNTST_okay;
    who_answers = 9;
    memory_is_gone = false;
    free_pages_left = PAGES;
    memset(&context, 0, sizeof(context));
    return 0;
}

static int build(void)
{
    int error;

    why[0] = '\0';
    error = build_domain(&request, &result, why, sizeof(why));
    assert_int_equal(windows, 0);
    assert_int_equal(alive, !error);
    if (!error)
        assert_int_equal(pinned_l1s, 0);
    return error;
}

/* What the CPU finds at an address of the domain's: its entry; and that only its leaf may be
 * written, never a table. */
static uint64_t walk(uint64_t va)
{
    unsigned long table = context.ctrlreg[3] >> 12;

    for (unsigned level = 4; level > 0; level--) {
        uint64_t entry = ((uint64_t *)(void *)page(table))[va >> (3 + 9 * level) & 511];

        if (!(entry & PTE_PRESENT) || level == 1) return entry;
        assert_int_equal(entry & ~PTE_MFN_MASK, PROT_TABLE);
        table = entry >> 12 & 0xffffffffff;
    }
    return 0;
}

static uint8_t *at(uint64_t va)
{
    uint64_t entry = walk(va);

    assert_true(entry & PTE_PRESENT);
    return page((entry & PTE_MFN_MASK) >> 12) + (va & 4095);
}

static struct start_info *info(void)
{
    return (struct start_info *)(void *)at(context.user_regs.rsi);
}

static void what_the_domain_finds(void **state)
{
    const uint64_t *p2m;
    uint64_t end;

    assert_int_equal(build(), 0);
    assert_int_equal(result.domid, 9);
    assert_true(max_vcpus == 3 && vcpus == 3);
    /* Its memory map is that long, but it takes no more by itself than it was given. */
    assert_int_equal(most_kib, 3000 * 4);
    assert_int_equal(max_kib, PAGES * 4);
    assert_true((handle[6] & 0xf0) == 0x40 && (handle[8] & 0xc0) == 0x80 && populated == PAGES);
    /* Registers. */
    assert_int_equal(context.flags, VGCF_in_kernel | VGCF_online);
    assert_true(context.user_regs.rip == BASE + 0x100020);
    assert_int_equal(context.user_regs.cs, FLAT_KERNEL_CS);
    assert_true(context.user_regs.ss == FLAT_KERNEL_SS && context.kernel_ss == FLAT_KERNEL_SS);
    assert_true(context.kernel_sp == context.user_regs.rsp && context.user_regs.rsp % 4096 == 0);
    assert_int_equal(context.user_regs.rflags, 0x200);
    /* start_info. */
    assert_string_equal(info()->magic, "xen-3.0-x86_64");
    assert_int_equal(info()->nr_pages, PAGES);
    assert_int_equal(info()->shared_info, (uint64_t)SHARED_MFN << 12);
    assert_int_equal(info()->flags, 0);
    assert_string_equal((const char *)info()->cmd_line, "root=/dev/xvda");
    assert_int_equal(info()->mod_len, sizeof(ramdisk));
    assert_int_equal(info()->store_mfn, result.store_mfn);
    assert_int_equal(info()->store_evtchn, result.store_port);
    assert_int_equal(info()->console.domU.mfn, result.console_mfn);
    assert_int_equal(info()->console.domU.evtchn, result.console_port);
    assert_true(result.store_port == 1 && result.console_port == 2 &&
                result.store_mfn != result.console_mfn);
    /* Kernel, and zeroes behind it, to the end of the region; ramdisk; list of frames. */
    assert_memory_equal(at(BASE + 0x100010), file + 1024, 700);
    for (uint64_t va = BASE; va < BASE + 0x103000; va++)
        if (va < BASE + 0x100010 || va >= BASE + 0x100010 + 700)
            assert_int_equal(*at(va), 0);
    for (unsigned i = 0; i < sizeof(ramdisk); i++)
        assert_int_equal(*at(info()->mod_start + i), ramdisk[i]);
    for (unsigned i = 0; i < PAGES; i++) {
        p2m = (const uint64_t *)(void *)at(info()->mfn_list + 8 * i);
        assert_int_equal(*p2m, frame_of(i));
    }
    /* The region is mapped in order, all of it writable but the page tables; nothing behind it
     * is. */
    end = BASE + 4 * 1024 * 1024;
    for (uint64_t va = BASE; va < end; va += 4096) {
        bool table = va >= info()->pt_base && va < info()->pt_base + info()->nr_pt_frames * 4096;

        assert_int_equal((walk(va) & PTE_MFN_MASK) >> 12, frame_of((va - BASE) >> 12));
        assert_int_equal(walk(va) & ~PTE_MFN_MASK, PTE_PRESENT | PTE_USER | PTE_ACCESSED |
                                                       PTE_DIRTY | (table ? 0 : PTE_WRITE));
    }
    assert_int_equal(walk(end), 0);
    assert_int_equal(walk(BASE - 4096), 0);
    assert_int_equal(context.ctrlreg[3] >> 12, frame_of((info()->pt_base - BASE) >> 12));
    assert_true(pinned);
    for (uint64_t va = context.user_regs.rsp; va < end; va++)
        assert_int_equal(*at(va), 0);
    assert_int_equal(hypercall_mfn, 0);
}

/* Which of its pages that is; it is empty. */
static unsigned pfn_of_ring(unsigned long mfn)
{
    unsigned pfn = 0;

    while (frame_of(pfn) != mfn)
        assert_true(++pfn < PAGES);
    for (unsigned i = 0; i < 4096; i++)
        assert_int_equal(page(mfn)[i], 0);
    return pfn;
}

/* The console's and the store's rings are granted to dom0, and events begin masked. */
static void what_is_shared(void **state)
{
    const struct grant_entry_v1 *table = (const void *)memory[FRAMES];
    struct shared_info *shared = (void *)memory[FRAMES + 1];

    memset(memory[FRAMES + 1], 0, 4096);
    memset(memory[FRAMES], 0, 4096);
    memset(&result, 0, sizeof(result));
    assert_int_equal(build(), 0);
    assert_int_equal(table[GNTTAB_RESERVED_CONSOLE].flags, GTF_permit_access);
    assert_int_equal(table[GNTTAB_RESERVED_CONSOLE].domid, 0);
    assert_int_equal(table[GNTTAB_RESERVED_CONSOLE].frame, result.console_mfn);
    assert_int_equal(table[GNTTAB_RESERVED_XENSTORE].flags, GTF_permit_access);
    assert_int_equal(table[GNTTAB_RESERVED_XENSTORE].frame, result.store_mfn);
    assert_int_not_equal(pfn_of_ring(result.console_mfn), pfn_of_ring(result.store_mfn));
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        assert_int_equal(shared->vcpu_info[i].evtchn_upcall_mask, 1);
}

/* Linux wants its list elsewhere and its ramdisk by number; and it has a hypercall page. */
static void as_linux_wants_it(void **state)
{
    note(XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    note(XEN_ELFNOTE_MOD_START_PFN, 1);
    note(XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x101000);
    assert_int_equal(build(), 0);
    assert_int_equal(hypercall_mfn, frame_of(0x101));
    assert_true(info()->mfn_list == 0x8000000000);
    assert_int_equal(info()->first_p2m_pfn, 1024);
    assert_int_equal(info()->nr_p2m_frames, 5);
    assert_int_equal(info()->flags, SIF_MOD_START_PFN);
    assert_int_equal(info()->mod_start, 1024 + 5);
    for (unsigned i = 0; i < PAGES; i++)
        assert_int_equal(*(const uint64_t *)(void *)at(info()->mfn_list + 8 * i), frame_of(i));
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(walk(info()->mfn_list + i * 4096) & PTE_MFN_MASK,
                         (uint64_t)frame_of(1024 + i) << 12);
    assert_int_equal(walk(info()->mfn_list + 5 * 4096), 0);
    for (unsigned i = 0; i < sizeof(ramdisk); i++)
        assert_int_equal(page_at(info()->mod_start + i / 4096)[i % 4096], ramdisk[i]);
}

/* A kernel is as large as whoever made it wants: what its page tables cost is done piece by piece,
 * too. */
static void a_large_kernel(void **state)
{
    put(64 + 40, 6500000, 8);
    assert_int_equal(build(), 0);
    assert_int_equal(info()->nr_pt_frames, 1 + 1 + 1 + 4);
}

/* Where addresses begin, too: its first 2 MiB have a table like all others. */
static void a_kernel_at_the_lowest_addresses(void **state)
{
    note(XEN_ELFNOTE_VIRT_BASE, 0);
    note(XEN_ELFNOTE_ENTRY, 0x100020);
    assert_int_equal(build(), 0);
    assert_memory_equal(at(0x100010), file + 1024, 700);
    for (uint64_t va = 0; va < 4 * 1024 * 1024; va += 4096)
        assert_int_equal((walk(va) & PTE_MFN_MASK) >> 12, frame_of(va >> 12));
}

static void without_a_ramdisk(void **state)
{
    request.ramdisk = NULL;
    request.ramdisk_size = 0;
    request.uuid = (const uint8_t *)"sixteen letters!";
    assert_int_equal(build(), 0);
    assert_memory_equal(handle, request.uuid, 16);
    assert_int_equal(info()->mod_start | info()->mod_len, 0);
}

static bool low;

bool account_memory_is_low(void)
{
    return low;
}

static void too_little_memory(void **state)
{
    low = true;                                 /* dom0 has it, but would not be left enough */
    assert_int_equal(build(), -ENOMEM);
    assert_non_null(strstr(why, "dom0 has no memory left to build a domain this large"));
    low = false;
    request.pages = 1023;
    assert_int_equal(build(), -ENOMEM);
    assert_non_null(strstr(why, "needs at least 4 MiB"));
    request.pages = 1024;
    assert_int_equal(build(), 0);
    setup(state);
    free_pages_left = PAGES - 1;
    assert_int_equal(build(), -ENOMEM);
    assert_non_null(strstr(why, "9 MiB are free"));
    file[0] = 0;
    assert_int_equal(build(), -ENOEXEC);
    assert_non_null(strstr(why, "no ELF file"));
    assert_int_equal(destroyed, 0);
}

/* Each call, each window and each allocation fails in its turn: a sentence, and no domain. */
static void whatever_fails(void **state)
{
    unsigned total, i;

    note(XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x101000);
    assert_int_equal(build(), 0);
    total = calls;
    for (i = 1; i <= total; i++) {
        setup(state);
        note(XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x101000);
        refuse_call = i;
        assert_true(build() < 0);
        assert_true(why[0]);
        /* the first asks for free memory, the second makes it */
        assert_int_equal(destroyed, i > 2);
    }
    for (i = 1;; i++) {
        setup(state);
        refuse_window = i;
        if (build() == 0)
            break;
        assert_true(why[0]);
        assert_int_equal(destroyed, 1);
    }
    assert_true(i > 10);
    for (i = 1;; i++) {
        setup(state);
        allocations_until_failure = i;
        if (build() == 0)
            break;
        assert_non_null(strstr(why, "no memory left"));
    }
    assert_int_equal(i, 5);
    allocations_until_failure = 0;
    setup(state);
    setup_status = GNTST_general_error;
    assert_int_equal(build(), -EIO);
    assert_int_equal(destroyed, 1);
    setup(state);
    who_answers = 10;                           /* the next domain: ours is gone */
    assert_int_equal(build(), -ESRCH);
    assert_int_equal(destroyed, 1);
    setup(state);
    memory_is_gone = true;                      /* in the middle, and no error says so */
    request.pages = 9 * 256;
    assert_int_equal(build(), -ENOMEM);
    assert_non_null(strstr(why, "too little memory: the hypervisor has not 9 MiB ("));
    assert_int_equal(destroyed, 1);
}

static void longest_command_line(void **state)
{
    static char line[2000];

    memset(line, 'x', sizeof(line) - 1);
    request.command_line = line;
    request.grant_frames = 5;
    request.maptrack_frames = 7;
    assert_int_equal(build(), 0);
    assert_int_equal(strlen((const char *)info()->cmd_line), MAX_GUEST_CMDLINE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_the_domain_finds, setup),
        cmocka_unit_test_setup(what_is_shared, setup),
        cmocka_unit_test_setup(as_linux_wants_it, setup),
        cmocka_unit_test_setup(a_large_kernel, setup),
        cmocka_unit_test_setup(a_kernel_at_the_lowest_addresses, setup),
        cmocka_unit_test_setup(without_a_ramdisk, setup),
        cmocka_unit_test_setup(too_little_memory, setup),
        cmocka_unit_test_setup(whatever_fails, setup),
        cmocka_unit_test_setup(longest_command_line, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
