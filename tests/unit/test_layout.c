/* SPDX-License-Identifier: MIT */
/* The public structures that guests, dom0 and the hypervisor share have the sizes the 64-bit ABI
 * fixes: a compiler flag or a header of another version that moved a field would otherwise show as
 * a guest that hangs at boot.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>
#include <xen/io/xs_wire.h>
#include <xen/vcpu.h>

static void shared_info_is_as_the_abi_says(void **state)
{
    assert_int_equal(sizeof(struct vcpu_info), 64);
    assert_int_equal(offsetof(struct shared_info, evtchn_pending), 32 * 64);
    assert_int_equal(offsetof(struct shared_info, evtchn_mask), 32 * 64 + 512);
    assert_int_equal(offsetof(struct shared_info, wc_version), 32 * 64 + 1024);
    assert_int_equal(sizeof(struct vcpu_time_info), 32);
    assert_int_equal(offsetof(struct start_info, nr_pages), 32);
    assert_int_equal(offsetof(struct start_info, cmd_line), 128);
}

static void ring_entries_fit_their_rings(void **state)
{
    assert_int_equal(sizeof(struct grant_entry_v1), 8);
    assert_int_equal(sizeof(struct blkif_request), 112);
    assert_int_equal(sizeof(struct netif_tx_request), 12);
    assert_int_equal(sizeof(struct netif_rx_response), 8);
    assert_int_equal(sizeof(struct xsd_sockmsg), 16);
    assert_int_equal(sizeof(struct xenstore_domain_interface), 2048 + 16 + 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_info_is_as_the_abi_says),
        cmocka_unit_test(ring_entries_fit_their_rings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
