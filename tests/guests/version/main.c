/* SPDX-License-Identifier: MIT */
/*
 * xen_version tells who is there: 4.17, the capabilities a 64-bit PV guest looks for, where the M2P
 * is, which build it is; buffers come back padded with zeroes and with nothing of the hypervisor's
 * stack in them; bad pointers are -EFAULT, unknown questions -ENOSYS. Idea: XSA-122 (uninitialised
 * bytes in version sub-operations).
 */
#include "../lib/test.h"

static union {
    xen_extraversion_t extra;
    xen_capabilities_info_t capabilities;
    xen_changeset_info_t changeset;
    xen_compile_info_t compile;
    xen_domain_handle_t handle;
    unsigned char bytes[2048];
} buffer;

/* Asks with a poisoned buffer: every byte of the answer must have been written, and none beyond
 * it. */
static void nothing_left_over(unsigned int op, size_t size)
{
    memset(&buffer, 0xc3, sizeof(buffer));
    CHECK(HYPERVISOR_xen_version(op, &buffer) >= 0);
    CHECK_IS(buffer.bytes[size], 0xc3);
    CHECK(memchr(buffer.bytes, 0xc3, size) == NULL);
}

/* After the first NUL of a string there are only NULs. */
static void padded(const char *text, size_t size)
{
    size_t length = strnlen(text, size);

    CHECK(length < size);
    for (size_t i = length; i < size; i++)
        if (text[i]) {
            test_failure(__FILE__, __LINE__, "byte %zu of %zu after the end of a string is 0x%x", i,
                         size, (unsigned char)text[i]);
            return;
        }
    test_passed();
}

/* 20 bytes, not all the same; nothing is written where there is too little room. */
static void build_id(void)
{
    struct { uint32_t len; uint8_t buf[24]; } id = { .len = 19 };
    uint8_t none[24] = { 0 };

    CHECK_IS(HYPERVISOR_xen_version(XENVER_build_id, NULL), 20);
    CHECK_IS(HYPERVISOR_xen_version(XENVER_build_id, &id), -ENOBUFS);
    CHECK(!memcmp(id.buf, none, sizeof(none)));
    id.len = sizeof(id.buf);
    CHECK_IS(HYPERVISOR_xen_version(XENVER_build_id, &id), 20);
    CHECK(memcmp(id.buf, id.buf + 1, 19) && !memcmp(id.buf + 20, none, 4));
}

void test_main(void)
{
    struct xen_feature_info features = { .submap_idx = 0 };
    struct xen_platform_parameters platform;

    CHECK_IS(HYPERVISOR_xen_version(XENVER_version, NULL), 4 << 16 | 17);
    nothing_left_over(XENVER_extraversion, sizeof(buffer.extra));
    padded(buffer.extra, sizeof(buffer.extra));
    nothing_left_over(XENVER_changeset, sizeof(buffer.changeset));
    padded(buffer.changeset, sizeof(buffer.changeset));
    nothing_left_over(XENVER_compile_info, sizeof(buffer.compile));
    padded(buffer.compile.compiler, sizeof(buffer.compile.compiler));
    padded(buffer.compile.compile_by, sizeof(buffer.compile.compile_by));
    padded(buffer.compile.compile_date, sizeof(buffer.compile.compile_date));
    nothing_left_over(XENVER_capabilities, sizeof(buffer.capabilities));
    CHECK(strstr(buffer.capabilities, "xen-3.0-x86_64") != NULL);
    nothing_left_over(XENVER_guest_handle, sizeof(buffer.handle));

    CHECK_IS(HYPERVISOR_xen_version(XENVER_pagesize, NULL), 4096);
    CHECK_IS(HYPERVISOR_xen_version(XENVER_platform_parameters, &platform), 0);
    CHECK_IS(platform.virt_start, 0xffff800000000000UL);
    CHECK_IS(HYPERVISOR_xen_version(XENVER_get_features, &features), 0);
    CHECK(features.submap & (1u << XENFEAT_mmu_pt_update_preserve_ad));
    CHECK(features.submap & (1u << XENFEAT_gnttab_map_avail_bits));
    CHECK(features.submap & (1u << XENFEAT_direct_mapped));
    features.submap_idx = 1000;
    CHECK_REFUSED(HYPERVISOR_xen_version(XENVER_get_features, &features));

    CHECK_IS(HYPERVISOR_xen_version(XENVER_extraversion, (void *)0xffff800000001000UL), -EFAULT);
    CHECK_IS(HYPERVISOR_xen_version(XENVER_get_features, (void *)0x123), -EFAULT);
    CHECK_IS(HYPERVISOR_xen_version(9999, &buffer), -ENOSYS);
    build_id();
}
