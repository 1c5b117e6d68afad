/* SPDX-License-Identifier: MIT */
/*
 * A refusal says what it is about: which frame, as a page table of which level, which slot of it
 * and which entry; or which argument. Every way to a page-table entry is tried with one that is
 * wrong, and what is written down is compared whole: what is known, exactly that, and zeroes for
 * the rest. Of a nested mistake it is the innermost table that is named. And what is none of a
 * guest's business is not told: a frame that stands in another domain's grant entry. What is
 * refused is the call, by its own number and its own errno or status; a fault's refusal is that of
 * no call; a call that is not refused leaves what is written down as it is. on xen: SKIP
 */
#include "../lib/other.h"

#include <abi/domus.h>
#include <pvguest/errno.h>
#include <xen/memory.h>

#define FRAME DOMUS_ABOUT_FRAME
#define LEVEL DOMUS_ABOUT_LEVEL
#define SLOT DOMUS_ABOUT_SLOT
#define VALUE DOMUS_ABOUT_VALUE
#define ENTRY (FRAME | LEVEL | SLOT | VALUE)
#define STATUS DOMUS_ABOUT_STATUS

#define NOWHERE 0x0000123000000000UL /* no table covers it */
#define HUGE 0x80UL                  /* In entries of level 1: PAT. */

static uint64_t *page, mfn, foreign, bad; /* bad: an entry that is not allowed */
static volatile uint64_t *entry;          /* static, for statements that may trap */
static struct domus_last_error why;

static uint64_t entry_of(uint64_t frame, uint64_t flags)
{
    return frame << PAGE_SHIFT | flags;
}

static void judge(int line, const struct domus_last_error *told,
                  const struct domus_last_error *wanted)
{
    if (told->error == wanted->error && told->hypercall == wanted->hypercall &&
        told->about == wanted->about && told->frame == wanted->frame &&
        told->level == wanted->level && told->slot == wanted->slot && told->value == wanted->value)
        test_passed();
    else
        test_failure(__FILE__, line, "about %x: frame %lx level %u slot %u value %lx. %s",
                     told->about, told->frame, told->level, told->slot, told->value, told->words);
}

/* A call that said `result` is to be written down as `wanted`, and as one refusal more. */
static void judge_call(int line, long result, const struct domus_last_error *wanted)
{
    uint64_t before = why.refusals;

    NEED(HYPERVISOR_domus_op(DOMUS_last_error, &why) == 0);
    if (result != wanted->error || why.refusals != before + 1)
        test_failure(__FILE__, line, "the call says %ld, not %d; %lu refusals more", result,
                     wanted->error, why.refusals - before);
    judge(line, &why, wanted);
}

#define TOLD(call, result, number, ...) \
    judge_call( \
        __LINE__, (call), \
        &(struct domus_last_error){ .error = (result), .hypercall = (number), __VA_ARGS__ })

static void begin(void)
{
    CHECK_REFUSED(HYPERVISOR_xen_version(9999, NULL));
    NEED(HYPERVISOR_domus_op(DOMUS_last_error, &why) == 0);
}

/* ---- one entry ---- */

#define ABOUT_ENTRY(address, of_level, entry) \
    .about = ENTRY, .frame = (address) >> PAGE_SHIFT, .level = (of_level), \
    .slot = (address) % PAGE_SIZE / 8, .value = (entry)

static void by_mmu_update(void)
{
    uint64_t pat = entry_of(mfn, PROT_RW | HUGE), at = entry_address(page, 1);

    bad = entry_of(foreign, PROT_RW);
    TOLD(write_entry(at, bad), -EINVAL, __HYPERVISOR_mmu_update, ABOUT_ENTRY(at, 1, bad));
    TOLD(write_entry(at, entry_of(foreign, PROT_RO)), -EINVAL, __HYPERVISOR_mmu_update,
         ABOUT_ENTRY(at, 1, entry_of(foreign, PROT_RO)));
    TOLD(write_entry(at, pat), -EINVAL, __HYPERVISOR_mmu_update, ABOUT_ENTRY(at, 1, pat));
    for (unsigned int level = 2; level <= 4; level++) {
        at = entry_address(page, level) ^ 0x100; /* any slot of that table but the one in use */
        if (level == 4)
            at = entry_of(kernel_root_mfn, 256 * 8); /* the hypervisor's */
        bad = entry_of(foreign, PROT_TABLE);
        TOLD(write_entry(at, bad), -EINVAL, __HYPERVISOR_mmu_update, ABOUT_ENTRY(at, level, bad));
        bad = entry_of(mfn, PROT_TABLE | HUGE);
        TOLD(write_entry(at, bad), -EINVAL, __HYPERVISOR_mmu_update, ABOUT_ENTRY(at, level, bad));
    }
    at = virt_to_machine(&page[9]) + 4;
    TOLD(write_entry(at, 5), -EINVAL, __HYPERVISOR_mmu_update, .about = VALUE, .value = at);
    at = entry_of(foreign, 17 * 8); /* a plain store: no page table, so no level */
    TOLD(write_entry(at, 5), -EINVAL, __HYPERVISOR_mmu_update, .about = FRAME | SLOT | VALUE,
         .frame = foreign, .slot = 17, .value = 5);
    at = entry_of(foreign, MMU_MACHPHYS_UPDATE);
    TOLD(write_entry(at, 5), -EINVAL, __HYPERVISOR_mmu_update, .about = FRAME, .frame = foreign);
}

static void by_address(void)
{
    uint64_t at = entry_address(page, 1);

    bad = entry_of(foreign, PROT_RW);
    TOLD(HYPERVISOR_update_va_mapping((unsigned long)page, bad, 0), -EINVAL,
         __HYPERVISOR_update_va_mapping, ABOUT_ENTRY(at, 1, bad));
    TOLD(HYPERVISOR_update_va_mapping(NOWHERE, bad, 0), -EINVAL, __HYPERVISOR_update_va_mapping,
         .about = VALUE, .value = NOWHERE);
}

/* A fault of ours instead of a store: of no call. Of half an entry, the whole that it would have
 * made. */
static void by_store(void)
{
    uint64_t at = entry_address(page, 1), old;

    bad = entry_of(foreign, PROT_RW);
    entry = ADDRESS(pt_walk((unsigned long)page, 1));
    TOLD((TRAP_IN(*entry = bad) == TRAP_PF ? -EINVAL : 0), -EINVAL, DOMUS_NO_HYPERCALL,
         ABOUT_ENTRY(at, 1, bad));
    old = *entry;
    bad = (old & ~0xffffffffUL) | (uint32_t)(old | HUGE);
    TOLD((TRAP_IN(*(volatile uint32_t *)entry = (uint32_t)bad) == TRAP_PF ? -EINVAL : 0), -EINVAL,
         DOMUS_NO_HYPERCALL, ABOUT_ENTRY(at, 1, bad));
    CHECK_IS(*entry, old);
}

/* ---- whole tables ---- */

/* The mistake is two levels down, and then one level down, where the table below is none. */
static void by_validation(void)
{
    uint64_t *l3 = alloc_zeroed_page(), *l2 = alloc_zeroed_page(), *l1 = alloc_zeroed_page();
    uint64_t to_l1, to_l2, slot;

    NEED(l3 && l2 && l1);
    bad = entry_of(foreign, PROT_RO);
    to_l1 = virt_to_machine(l1) | PROT_TABLE;
    to_l2 = virt_to_machine(l2) | PROT_TABLE;
    l1[3] = entry_of(mfn, PROT_RO);
    l1[487] = bad;
    l2[11] = to_l1;
    l3[510] = to_l2;
    NEED(page_set_readonly(l1, true) == 0 && page_set_readonly(l2, true) == 0 &&
         page_set_readonly(l3, true) == 0);
    TOLD(mmuext_mfn(MMUEXT_PIN_L3_TABLE, virt_to_mfn(l3)), -EINVAL, __HYPERVISOR_mmuext_op,
         ABOUT_ENTRY(virt_to_machine(&l1[487]), 1, bad));
    slot = entry_of(kernel_root_mfn, 5 * 8);
    TOLD(write_entry(slot, virt_to_machine(l3) | PROT_TABLE), -EINVAL, __HYPERVISOR_mmu_update,
         ABOUT_ENTRY(virt_to_machine(&l1[487]), 1, bad));
    NEED(page_set_readonly(l1, false) == 0);
    TOLD(mmuext_mfn(MMUEXT_PIN_L3_TABLE, virt_to_mfn(l3)), -EINVAL, __HYPERVISOR_mmuext_op,
         ABOUT_ENTRY(virt_to_machine(&l2[11]), 2, to_l1)); /* it can be written */
    NEED(page_set_readonly(l2, false) == 0);
    TOLD(mmuext_mfn(MMUEXT_PIN_L3_TABLE, virt_to_mfn(l3)), -EINVAL, __HYPERVISOR_mmuext_op,
         ABOUT_ENTRY(virt_to_machine(&l3[510]), 3, to_l2));
    NEED(page_set_readonly(l3, false) == 0);
    TOLD(mmuext_mfn(MMUEXT_PIN_L3_TABLE, virt_to_mfn(l3)), -EINVAL, __HYPERVISOR_mmuext_op,
         .about = FRAME | LEVEL, .frame = virt_to_mfn(l3), .level = 3);
    free_page(l1);
    free_page(l2);
    free_page(l3);
}

static void by_frame(void)
{
    unsigned long table = virt_to_mfn(pt_walk((unsigned long)page, 1));

    TOLD(mmuext_mfn(MMUEXT_PIN_L4_TABLE, foreign), -EINVAL, __HYPERVISOR_mmuext_op,
         .about = FRAME | LEVEL, .frame = foreign, .level = 4);
    TOLD(mmuext_mfn(MMUEXT_UNPIN_TABLE, mfn), -EINVAL, __HYPERVISOR_mmuext_op, .about = FRAME,
         .frame = mfn);
    TOLD(mmuext_mfn(MMUEXT_NEW_BASEPTR, mfn), -EINVAL, __HYPERVISOR_mmuext_op,
         .about = FRAME | LEVEL, .frame = mfn, .level = 4);
    TOLD(mmuext_mfn(MMUEXT_CLEAR_PAGE, table), -EINVAL, __HYPERVISOR_mmuext_op, .about = FRAME,
         .frame = table);
    TOLD(mmuext_mfn(999, 0), -ENOSYS, __HYPERVISOR_mmuext_op, .about = VALUE, .value = 999);
}

/* A page of descriptors: which one. By a call, and when the CPU looks for one of them in an LDT. */
static void by_descriptor(void)
{
    uint64_t *gdt = alloc_zeroed_page(), gate = 0x0000ec0000330000UL;
    unsigned long frame = virt_to_mfn(gdt);
    struct mmuext_op ldt = { .cmd = MMUEXT_SET_LDT,
                             .arg1.linear_addr = (unsigned long)gdt,
                             .arg2.nr_ents = 512 };

    NEED(gdt);
    gdt[5] = gate;
    NEED(page_set_readonly(gdt, true) == 0);
    TOLD(HYPERVISOR_set_gdt(&frame, 512), -EINVAL, __HYPERVISOR_set_gdt,
         .about = FRAME | SLOT | VALUE, .frame = frame, .slot = 5, .value = gate);
    TOLD(HYPERVISOR_update_descriptor(virt_to_machine(&gdt[6]), gate), -EINVAL,
         __HYPERVISOR_update_descriptor, .about = VALUE, .value = gate);
    NEED(HYPERVISOR_mmuext_op(&ldt, 1, NULL, DOMID_SELF) == 0);
    TOLD((TRAP_IN(asm volatile("mov %0, %%fs"
                               :
                               : "r"(4 << 3 | 7))) >= 0
              ? -EINVAL
              : 0),
         -EINVAL, DOMUS_NO_HYPERCALL, .about = FRAME | SLOT | VALUE, .frame = frame, .slot = 5,
         .value = gate);
    ldt.arg2.nr_ents = 0;
    NEED(HYPERVISOR_mmuext_op(&ldt, 1, NULL, DOMID_SELF) == 0);
    NEED(page_set_readonly(gdt, false) == 0);
    free_page(gdt);
}

/* ---- memory ---- */

static long exchange(xen_pfn_t frame)
{
    xen_pfn_t out = 0;
    struct xen_memory_exchange x = { .in = { .nr_extents = 1, .domid = DOMID_SELF },
                                     .out = { .nr_extents = 1, .domid = DOMID_SELF } };

    set_xen_guest_handle(x.in.extent_start, &frame);
    set_xen_guest_handle(x.out.extent_start, &out);
    return HYPERVISOR_memory_op(XENMEM_exchange, &x);
}

/* One less than asked for is no errno: what is written down says why. */
static long one_less(xen_pfn_t frame)
{
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, &frame);
    return HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r) == 0 ? -EINVAL : 0;
}

static void by_memory(void)
{
    TOLD(exchange(mfn), -EINVAL, __HYPERVISOR_memory_op, .about = FRAME, .frame = mfn);
    TOLD(exchange(foreign), -EINVAL, __HYPERVISOR_memory_op, .about = FRAME, .frame = foreign);
    TOLD(one_less(foreign), -EINVAL, __HYPERVISOR_memory_op, .about = FRAME, .frame = foreign);
}

/* ---- grants: a status of the request is told as one ---- */

static grant_handle_t handle;

static int16_t map(grant_ref_t ref, uint64_t address, unsigned int flags)
{
    struct gnttab_map_grant_ref op = {
        .host_addr = address, .flags = flags | GNTMAP_host_map, .ref = ref, .dom = own_domid()
    };

    NEED(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1) == 0);
    handle = op.handle;
    return op.status;
}

static int16_t unmap(grant_handle_t which, uint64_t address)
{
    struct gnttab_unmap_grant_ref op = { .host_addr = address, .handle = which };

    NEED(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1) == 0);
    return op.status;
}

static int16_t copy_from(unsigned long frame)
{
    struct gnttab_copy op = { .source.domid = DOMID_SELF, .dest.domid = DOMID_SELF, .len = 8 };

    op.source.u.gmfn = frame;
    op.dest.u.gmfn = mfn;
    NEED(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1) == 0);
    return op.status;
}

static void by_grants(void)
{
    int ref = grant_page(own_domid(), page, false);
    void *va = vspace_alloc(1);
    uint64_t at, other;

    NEED(ref > 0 && va);
    at = entry_address(va, 1);
    TOLD(map(9999999, (unsigned long)va, 0), GNTST_bad_gntref, __HYPERVISOR_grant_table_op,
         .about = VALUE | STATUS, .value = 9999999);
    TOLD(map((grant_ref_t)ref, NOWHERE, 0), GNTST_general_error, __HYPERVISOR_grant_table_op,
         .about = VALUE | STATUS, .value = NOWHERE);
    TOLD(map((grant_ref_t)ref, at + 4, GNTMAP_contains_pte), GNTST_general_error,
         __HYPERVISOR_grant_table_op, .about = VALUE | STATUS, .value = at + 4);
    TOLD(map((grant_ref_t)ref, entry_of(foreign, 8), GNTMAP_contains_pte), GNTST_general_error,
         __HYPERVISOR_grant_table_op, .about = VALUE | STATUS, .value = entry_of(foreign, 8));
    TOLD(unmap(777, (unsigned long)va), GNTST_bad_handle, __HYPERVISOR_grant_table_op,
         .about = VALUE | STATUS, .value = 777);
    NEED(map((grant_ref_t)ref, (unsigned long)va, 0) == 0);
    NEED(write_entry(at, entry_of(virt_to_mfn(&why), PROT_RO)) == 0);
    other = *pt_walk((unsigned long)va, 1);
    TOLD(unmap(handle, (unsigned long)va), GNTST_general_error, __HYPERVISOR_grant_table_op,
         .about = ENTRY | STATUS, .frame = at >> PAGE_SHIFT, .level = 1, .slot = at % PAGE_SIZE / 8,
         .value = other);
    TOLD(copy_from(foreign), GNTST_bad_page, __HYPERVISOR_grant_table_op, .about = FRAME | STATUS,
         .frame = foreign);
}

/* An errno of the same call is one, though a helper answers in statuses. */
static void errno_of_grants(void)
{
    struct gnttab_get_version op = { .dom = 4242 };

    TOLD(HYPERVISOR_grant_table_op(GNTTABOP_get_version, &op, 1), -ESRCH,
         __HYPERVISOR_grant_table_op, .about = VALUE, .value = 4242);
}

/* Another domain maps what we grant it: that the frame in our entry is not ours is told, but not
 * which one it is. */
static void not_of_others(void)
{
    static struct other other;
    struct gnttab_map_grant_ref op = { .flags = GNTMAP_host_map,
                                       .host_addr = OTHER_VA(OTHER_FREE) };
    struct domus_last_error told;
    int ref;

    other_begin(&other, 16);
    NEED((ref = grant_access(other.id, foreign, false)) > 0);
    op.ref = (grant_ref_t)ref;
    op.dom = own_domid();
    CHECK_IS(other_grant_op(&other, GNTTABOP_map_grant_ref, &op, sizeof(op)), 0);
    CHECK_IS(op.status, GNTST_bad_page);
    memset(other.data, 0xa5, sizeof(told));
    CHECK_IS(
        other_call(&other, __HYPERVISOR_domus_op, DOMUS_last_error, OTHER_VA(OTHER_DATA), 0, 0), 0);
    memcpy(&told, other.data, sizeof(told));
    judge(__LINE__, &told,
          &(struct domus_last_error){ .error = GNTST_bad_page,
                                      .hypercall = __HYPERVISOR_grant_table_op,
                                      .about = VALUE | STATUS,
                                      .value = op.ref });
    CHECK_IS(grant_end_access(op.ref), 0);
    other_end(&other);
    begin(); /* domctl was refused meanwhile */
}

/* ---- whose it is ---- */

static void of_which_call(void)
{
    static struct multicall_entry calls[2] __attribute__((aligned(64)));
    struct multicall_entry *fixed = alloc_zeroed_page();
    struct xen_domctl info = { .cmd = XEN_DOMCTL_getpageframeinfo3, .domain = DOMID_SELF };
    xen_pfn_t asked = foreign;
    uint64_t before;

    TOLD(hypercall_by_syscall(61, 0, 0, 0, 0, 0), -ENOSYS, 61, .about = 0);
    TOLD(hypercall_by_syscall(~0UL, 0, 0, 0, 0, 0), -ENOSYS, 63, .about = 0);
    TOLD(HYPERVISOR_vcpu_op(VCPUOP_is_up, 8000, NULL), -ENOENT, __HYPERVISOR_vcpu_op, .about = 0);
    calls[0] =
        (struct multicall_entry){ .op = __HYPERVISOR_xen_version, .args = { XENVER_version } };
    calls[1] = (struct multicall_entry){ .op = __HYPERVISOR_multicall };
    TOLD((HYPERVISOR_multicall(calls, 2), (long)calls[1].result), -EINVAL, __HYPERVISOR_multicall,
         .about = 0);
    calls[1] = (struct multicall_entry){ .op = __HYPERVISOR_set_debugreg, .args = { 8 } };
    TOLD((HYPERVISOR_multicall(calls, 2), (long)calls[1].result), -ENODEV,
         __HYPERVISOR_set_debugreg, .about = 0);
    NEED(fixed);
    fixed[0] = calls[0];
    NEED(page_set_readonly(fixed, true) == 0);
    TOLD(HYPERVISOR_multicall(fixed, 1), -EFAULT, __HYPERVISOR_multicall,
         .about = 0); /* not the version's */
    NEED(page_set_readonly(fixed, false) == 0);
    free_page(fixed);

    before = why.refusals; /* a frame that is not the domain's is an answer */
    info.u.getpageframeinfo3.num = 1;
    set_xen_guest_handle(info.u.getpageframeinfo3.array, &asked);
    CHECK_IS(domctl(&info), 0);
    CHECK_IS(asked, XEN_DOMCTL_PFINFO_XTAB);
    NEED(HYPERVISOR_domus_op(DOMUS_last_error, &why) == 0);
    CHECK_IS(why.refusals, before);
}

/* The example of the porting guide, which shows what it says. */
static void in_words(void)
{
    char words[260], wanted[260];
    unsigned int length;
    uint64_t at = entry_address(page, 1);
    long error;

    bad = entry_of(foreign, PROT_RW);
    error = HYPERVISOR_update_va_mapping((unsigned long)page, bad, UVMF_INVLPG);

    if (error && hypercall_reason(words, sizeof(words)) == 0)
        printk("the page stays unmapped: %s\n", words);
    CHECK_IS(error, -EINVAL);
    snprintf(wanted, sizeof(wanted),
             "update_va_mapping: -22 EINVAL: the frame is not RAM, or another domain's (frame "
             "0x%lx, level 1, "
             "slot %lu, entry 0x%lx) hypervisor/memory/frame.c:",
             at >> PAGE_SHIFT, at % PAGE_SIZE / 8, bad);
    length = (unsigned int)strlen(wanted);
    CHECK(strncmp(words, wanted, length) == 0 && words[length] >= '0' && words[length] <= '9');
    NEED(map(9999999, 0, 0) == GNTST_bad_gntref);
    CHECK_IS(hypercall_reason(words, sizeof(words)), 0);
    snprintf(wanted, sizeof(wanted), "grant_table_op: status %d bad_gntref: ", GNTST_bad_gntref);
    CHECK(strncmp(words, wanted, strlen(wanted)) == 0 && strstr(words, " (value 0x98967f) "));
    CHECK_IS(hypercall_reason(words, 8), 0);
    CHECK(strcmp(words, "grant_t") == 0);
}

/* With the word "crash" on the command line: what the guest was refused last stands behind the
 * sentence that ends it. */
static void end_badly(void)
{
    CHECK_REFUSED(HYPERVISOR_set_debugreg(8, 0));
    asm volatile("xor %%esp, %%esp; mov %0, %%eax; syscall" : : "i"(__HYPERVISOR_iret) : "memory");
}

void test_main(void)
{
    if (!on_domus())
        test_skip("only Domus says why");
    NEED(page = alloc_zeroed_page());
    mfn = virt_to_mfn(page);
    NEED((foreign = foreign_mfn()) != INVALID_MFN);
    begin();
    by_mmu_update();
    by_address();
    by_store();
    by_validation();
    by_frame();
    by_descriptor();
    by_memory();
    by_grants();
    errno_of_grants();
    if (is_dom0())
        not_of_others();
    of_which_call();
    in_words();
    if (strstr(command_line(), "crash"))
        end_badly();
}
