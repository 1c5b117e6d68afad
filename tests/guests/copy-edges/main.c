/* SPDX-License-Identifier: MIT */
/*
 * Every copy that the hypervisor makes for a guest stays within its edges. Grant copies between two
 * pages, each with a machine page of ours before and behind it: all combinations of offset and
 * length around the ends, by reference or by frame; what lies around the copied bytes keeps its
 * pattern. Then answers that are written to a guest's address: in front of a page that is not there
 * they fit or are refused, and no byte before or behind is touched. The same at both ends of what
 * is the guest's at all: where the lower half ends, and where the hypervisor's part of the upper
 * half does. Idea: XSA-212, 226, 380 (copies), 122 (xen_version).
 */
#include "../lib/test.h"

#include <xen/vcpu.h>
#include <xen/version.h>

#define PAGES 3                             /* before, the page, behind */

static uint8_t *from, *to;                  /* three pages each, neighbours in the machine */
static uint8_t image[PAGES * PAGE_SIZE], before_image[PAGES * PAGE_SIZE];
static grant_ref_t from_ref, to_ref;

static void fill(void)
{
    for (unsigned int i = 0; i < PAGES * PAGE_SIZE; i++) {
        from[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
        to[i] = (uint8_t)~(i * 5 + (i >> 9));
    }
    memcpy(before_image, from, sizeof(before_image));
}

/* ---- grant copies ---- */

static bool legal(unsigned int source_offset, unsigned int offset, unsigned int length)
{
    return source_offset + length <= PAGE_SIZE && offset + length <= PAGE_SIZE;
}

static int16_t copy(unsigned int form, unsigned int source_offset, unsigned int offset,
                    unsigned int length)
{
    struct gnttab_copy op = { .len = (uint16_t)length, .status = 1 };

    op.source.domid = op.dest.domid = DOMID_SELF;
    op.source.u.gmfn = virt_to_mfn(from + PAGE_SIZE);
    op.dest.u.gmfn = virt_to_mfn(to + PAGE_SIZE);
    op.source.offset = (uint16_t)source_offset;
    op.dest.offset = (uint16_t)offset;
    if (form & 1) {
        op.flags |= GNTCOPY_source_gref;
        op.source.domid = own_domid();
        op.source.u.ref = from_ref;
    }
    if (form & 2) {
        op.flags |= GNTCOPY_dest_gref;
        op.dest.domid = own_domid();
        op.dest.u.ref = to_ref;
    }
    NEED(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1) == 0);
    return op.status;
}

static void one_copy(unsigned int form, unsigned int source_offset, unsigned int offset,
                     unsigned int length)
{
    bool yes = legal(source_offset, offset, length);
    int16_t status;

    memcpy(image, to, sizeof(image));
    status = copy(form, source_offset, offset, length);
    if (yes)
        memcpy(image + PAGE_SIZE + offset, from + PAGE_SIZE + source_offset, length);
    if (yes ? status != GNTST_okay : status >= 0)
        test_failure(__FILE__, __LINE__, "form %u, %u bytes from %u to %u: status %d", form, length,
                     source_offset, offset, status);
    else if (memcmp(image, to, sizeof(image)) || memcmp(before_image, from, sizeof(before_image)))
        test_failure(__FILE__, __LINE__,
                     "form %u, %u bytes from %u to %u: other bytes than asked for", form, length,
                     source_offset, offset);
    else
        test_passed();
    /* the next one shall see a difference */
    for (unsigned int i = 0; yes && i < length; i++)
        to[PAGE_SIZE + offset + i] ^= 0x5a;
}

static void grant_copies(void)
{
    static const unsigned int offsets[] = { 0, 1, 2047, 4088, 4095, 4096, 65535 };
    static const unsigned int lengths[] = { 0, 1, 8, 9, 2048, 4095, 4096, 4097, 65535 };

    for (unsigned int form = 0; form < 4; form++)
        for (unsigned int i = 0; i < 7; i++)
            for (unsigned int j = 0; j < 7; j++)
                for (unsigned int k = 0; k < 9; k++)
                    one_copy(form, offsets[i], offsets[j], lengths[k]);
}

/* More in one call than the hypervisor takes at once: each is done where it says, and answered in
 * its own place. */
static void a_batch(void)
{
    enum { MANY = 41 };
    static struct gnttab_copy op[MANY];
    unsigned int wrong = 0;

    memcpy(image, to, sizeof(image));
    for (unsigned int i = 0; i < MANY; i++) {
        op[i] = (struct gnttab_copy){ .len = 3,
                                      .status = 1,
                                      .source = { .u.gmfn = virt_to_mfn(from + PAGE_SIZE),
                                                  .domid = DOMID_SELF,
                                                  .offset = (uint16_t)(7 * i) },
                                      .dest = { .u.gmfn = virt_to_mfn(to + PAGE_SIZE),
                                                .domid = DOMID_SELF,
                                                .offset = (uint16_t)(11 * i) } };
        /* refused, in the middle of the others */
        if (i % 5 == 4)
            op[i].len = 4097;
        else
            memcpy(image + PAGE_SIZE + 11 * i, from + PAGE_SIZE + 7 * i, 3);
    }
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, op, MANY), 0);
    for (unsigned int i = 0; i < MANY; i++)
        wrong += i % 5 == 4 ? op[i].status >= 0 : op[i].status != GNTST_okay;
    CHECK_IS(wrong, 0);
    CHECK(memcmp(image, to, sizeof(image)) == 0);
}

/* ---- clear and copy of whole frames, one descriptor ---- */

static void whole_frames(void)
{
    struct mmuext_op op = { .cmd = MMUEXT_COPY_PAGE,
                            .arg1.mfn = virt_to_mfn(to + PAGE_SIZE),
                            .arg2.src_mfn = virt_to_mfn(from + PAGE_SIZE) };

    memcpy(image, to, sizeof(image));
    memcpy(image + PAGE_SIZE, from + PAGE_SIZE, PAGE_SIZE);
    CHECK_IS(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    CHECK(memcmp(image, to, sizeof(image)) == 0 &&
          memcmp(before_image, from, sizeof(before_image)) == 0);
    memset(image + PAGE_SIZE, 0, PAGE_SIZE);
    CHECK_IS(mmuext_mfn(MMUEXT_CLEAR_PAGE, virt_to_mfn(to + PAGE_SIZE)), 0);
    CHECK(memcmp(image, to, sizeof(image)) == 0);
}

static void descriptors(void)
{
    static const unsigned int places[] = { 0, 8, 4080, 4088 };

    for (unsigned int i = 0; i < 4; i++) {
        uint64_t descriptor = 0x00cff3000000ffffUL + i;             /* data, DPL 3 */

        memcpy(image, to, sizeof(image));
        memcpy(image + PAGE_SIZE + places[i], &descriptor, 8);
        CHECK_IS(
            HYPERVISOR_update_descriptor(virt_to_machine(to + PAGE_SIZE) + places[i], descriptor),
            0);
        CHECK(memcmp(image, to, sizeof(image)) == 0);
    }
    for (unsigned int odd = 1; odd < 8; odd++)
        CHECK_IS(HYPERVISOR_update_descriptor(virt_to_machine(to + PAGE_SIZE) + 4088 + odd, 0),
                 -EINVAL);
    CHECK(memcmp(image, to, sizeof(image)) == 0);
}

/* ---- answers at the end of a page, with nothing behind it ---- */

static uint8_t *edge;                       /* the end of the last page there is */

/* One call with its buffer so that `short_by` bytes of the answer have no place. */
static long answered(unsigned int op, unsigned int size, unsigned int short_by)
{
    memset(edge - 2 * PAGE_SIZE, 0xa5, 2 * PAGE_SIZE);
    return HYPERVISOR_xen_version(op, edge - size + short_by);
}

static void versions(void)
{
    static const struct { unsigned int op, size;
    } answers[] = {
        { XENVER_extraversion, sizeof(xen_extraversion_t) },
        { XENVER_compile_info, sizeof(struct xen_compile_info) },
        { XENVER_capabilities, sizeof(xen_capabilities_info_t) },
        { XENVER_changeset, sizeof(xen_changeset_info_t) },
        { XENVER_platform_parameters, sizeof(struct xen_platform_parameters) },
        { XENVER_commandline, sizeof(xen_commandline_t) },
        { XENVER_guest_handle, sizeof(xen_domain_handle_t) },
    };

    for (unsigned int i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        unsigned int size = answers[i].size;

        CHECK_IS(answered(answers[i].op, size, 0), 0);
        CHECK_IS(edge[-(long)size - 1], 0xa5);
        CHECK_IS(answered(answers[i].op, size, 1), -EFAULT);
        CHECK_IS(edge[-(long)size], 0xa5);
        CHECK_IS(answered(answers[i].op, size, size), -EFAULT);
        /* The whole answer is written: no byte of ours, and none of the hypervisor's stack, is left
         * in it. */
        if (answers[i].op == XENVER_platform_parameters)
            continue;
        CHECK_IS(answered(answers[i].op, size, 0), 0);
        memcpy(image, edge - size, size);
        memset(edge - size, 0, size);
        CHECK_IS(HYPERVISOR_xen_version(answers[i].op, edge - size), 0);
        CHECK(memcmp(image, edge - size, size) == 0);
    }
}

/* Short arguments, read and written, at the same edge. */
static void arguments(void)
{
    struct evtchn_status *status = (struct evtchn_status *)(void *)(edge - sizeof(*status));
    struct mmu_update *update = (struct mmu_update *)(void *)(edge - sizeof(*update));
    domid_t *domid = (domid_t *)(void *)(edge - sizeof(*domid));
    uint32_t *done = (uint32_t *)(void *)(edge - sizeof(*done));

    memset(edge - PAGE_SIZE, 0, PAGE_SIZE);
    *status = (struct evtchn_status){ .dom = DOMID_SELF, .port = 1 };
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_status, status), 0);
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_status, (char *)status + 1), -EFAULT);
    *update = (struct mmu_update){ virt_to_machine(to) & PAGE_MASK, *(uint64_t *)(void *)to };
    CHECK_IS(HYPERVISOR_mmu_update(update, 1, NULL, DOMID_SELF), 0);
    CHECK_IS(HYPERVISOR_mmu_update(update, 2, NULL, DOMID_SELF), -EFAULT);
    *domid = DOMID_SELF;
    CHECK(HYPERVISOR_memory_op(XENMEM_current_reservation, domid) > 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, (char *)domid + 1), -EFAULT);
    *done = 77;
    CHECK_IS(HYPERVISOR_mmu_update(NULL, 0, done, DOMID_SELF), 0);
    CHECK_IS(*done, 0);
}

/* ---- the last page of the lower half, the first one behind the hypervisor's ---- */

#define LOW_END   0x0000800000000000UL
#define UPPER     0xffff880000000000UL      /* HYPERVISOR_VIRT_END */

/* A page of ours there, with what tables it needs. */
static void map_at(uint64_t va)
{
    for (unsigned int level = 4; level > 1; level--)
        if (!*pt_walk(va, level))
            NEED(write_entry(entry_address(ADDRESS(va), level),
                             virt_to_machine(new_table()) | PROT_TABLE) == 0);
    NEED(write_entry(entry_address(ADDRESS(va), 1),
                     virt_to_machine(alloc_zeroed_page()) | PROT_RW) == 0);
}

static long port_status(uint64_t at)
{
    return HYPERVISOR_event_channel_op(EVTCHNOP_status, (void *)at);
}

static long runstate_at(uint64_t at)
{
    struct vcpu_register_runstate_memory_area area = { .addr.p = at };

    return HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area);
}

static long flush_by_mask(uint64_t at)
{
    struct mmuext_op op = { .cmd = MMUEXT_INVLPG_MULTI, .arg1.linear_addr = (unsigned long)to };

    set_xen_guest_handle(op.arg2.vcpumask, (const void *)at);
    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

static long ldt_at(uint64_t at, unsigned int entries)
{
    struct mmuext_op op = { .cmd = MMUEXT_SET_LDT,
                            .arg1.linear_addr = at,
                            .arg2.nr_ents = entries };

    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

/* Each is `size` bytes at `at`, which is the guest's to the last byte, or to the first. */
static void last_or_first(bool last)
{
#define AT(size) (last ? LOW_END - (size) : UPPER)
#define BEYOND(size) (last ? LOW_END - (size) + 1 : UPPER - 1)
    struct evtchn_status *status = (void *)AT(sizeof(*status));
    uint32_t *done = (void *)AT(sizeof(*done));

    *status = (struct evtchn_status){ .dom = DOMID_SELF, .port = 1 };
    CHECK_IS(port_status(AT(sizeof(*status))), 0);
    CHECK_IS(port_status(BEYOND(sizeof(*status))), -EFAULT);
    CHECK_IS(
        HYPERVISOR_xen_version(XENVER_compile_info, (void *)AT(sizeof(struct xen_compile_info))),
        0);
    CHECK_IS(HYPERVISOR_xen_version(XENVER_compile_info,
                                    (void *)BEYOND(sizeof(struct xen_compile_info))),
             -EFAULT);
    *done = 77;
    CHECK_IS(HYPERVISOR_mmu_update(NULL, 0, done, DOMID_SELF), 0);
    CHECK_IS(*done, 0);
    if (on_domus())                         /* Xen does not mind where there is nothing to count */
        CHECK_IS(HYPERVISOR_mmu_update(NULL, 0, (void *)BEYOND(sizeof(*done)), DOMID_SELF),
                 -EFAULT);
    CHECK_IS(flush_by_mask(AT(sizeof(uint64_t))), 0);
    CHECK_REFUSED(flush_by_mask(BEYOND(sizeof(uint64_t))));
    CHECK_IS(runstate_at(AT(sizeof(struct vcpu_runstate_info))), 0);
    CHECK_IS(runstate_at(0), 0);
    if (on_domus())                         /* Xen looks when it writes */
        CHECK_IS(runstate_at(BEYOND(sizeof(struct vcpu_runstate_info))), -EFAULT);
    CHECK_IS(HYPERVISOR_set_debugreg(0, AT(sizeof(uint64_t))), 0);
    CHECK_REFUSED(HYPERVISOR_set_debugreg(0, last ? LOW_END : UPPER - 1));
    CHECK_IS(ldt_at(AT(PAGE_SIZE), 512), 0);
    CHECK_IS(ldt_at(0, 0), 0);
    CHECK_REFUSED(ldt_at(last ? LOW_END : UPPER - PAGE_SIZE, 512));
#undef AT
#undef BEYOND
}

static void the_ends(void)
{
    map_at(LOW_END - PAGE_SIZE);
    map_at(UPPER);
    last_or_first(true);
    last_or_first(false);
    CHECK_IS(HYPERVISOR_set_debugreg(0, 0), 0);
}

void test_main(void)
{
    int ref;

    if (!is_dom0())
        test_skip("neighbours in the machine are for dom0");
    from = alloc_machine_contiguous(2, 32);
    to = alloc_machine_contiguous(2, 32);
    edge = alloc_pages(2);
    NEED(from && to && edge);
    edge += 3 * PAGE_SIZE;
    NEED(HYPERVISOR_update_va_mapping((unsigned long)edge, 0, UVMF_INVLPG) == 0);
    NEED((ref = grant_page(own_domid(), from + PAGE_SIZE, true)) > 0);
    from_ref = (grant_ref_t)ref;
    NEED((ref = grant_page(own_domid(), to + PAGE_SIZE, false)) > 0);
    to_ref = (grant_ref_t)ref;
    fill();
    grant_copies();
    a_batch();
    whole_frames();
    descriptors();
    versions();
    arguments();
    the_ends();
    CHECK_IS(grant_end_access(from_ref), 0);
    CHECK_IS(grant_end_access(to_ref), 0);
}
