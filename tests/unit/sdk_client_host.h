/* SPDX-License-Identifier: MIT */
/*
 * The SDK's XenStore client and dom0's XenStore in one program, for test_sdk_client.c: the guest's
 * end of the ring, the daemon's, and what a node reads.
 */
#ifndef SDK_CLIENT_HOST_H
#define SDK_CLIENT_HOST_H

#include "whole_request.h"

/* --- one machine: the guest's end of the ring has port 2, the daemon's has port 3 ------------- */

static _Alignas(4096) struct {
    struct xenstore_domain_interface ring;
} store_page;
static struct start_info info;
struct start_info *start_info = &info;
static unsigned int said;

void printk(const char *format, ...)
{
    said++;
}
const char *errno_name(long error)
{
    return error == -5 || error == 5 ? "EIO" : "another";
}
domid_t own_domid(void)
{
    return 5;
}

void *map_frames(const unsigned long *mfns, unsigned long n, uint64_t prot, domid_t owner,
                 int *errors)
{
    return mfn_to_virt(*mfns);
}

void unmap_frames(void *va, unsigned long n)
{
}

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    if (nr == __HYPERVISOR_event_channel_op && a == EVTCHNOP_send) {
        ring(((struct evtchn_send *)b)->port ^ 1);
        return 0;
    }
    if (nr == __HYPERVISOR_event_channel_op && a == EVTCHNOP_bind_interdomain) {
        ((struct evtchn_bind_interdomain *)b)->local_port = 3;
        return 0;
    }
    return thread_hypercall(nr, a, b);
}

static struct xenstore_connection dom0;
static char dom0_answer[XENSTORE_PAYLOAD_MAX + 1];

static void dom0_receives(struct xenstore_connection *to, const struct xsd_sockmsg *header,
                          const void *payload)
{
    memcpy(dom0_answer, payload, header->len);
    dom0_answer[header->len] = 0;
}

static const char *dom0_asks(uint32_t type, const char *payload, size_t size)
{
    struct xsd_sockmsg header = { .type = type, .len = (uint32_t)size };

    xenstore_handle(&dom0, &header, payload);
    return dom0_answer;
}

#define DOM0(type, text) assert_string_equal(dom0_asks(type, text, sizeof(text)), "OK")
#define DOM0_WRITES(text) assert_string_equal(dom0_asks(XS_WRITE, text, sizeof(text) - 1), "OK")

static void connect(void **state)
{
    char text[64];
    int size = snprintf(text, sizeof text, "5%c%lu%c9", 0, virt_to_mfn(&store_page), 0);

    assert_int_equal(xenstore_start(&xenstore_rings), 0);
    dom0.actor = (struct tree_actor){ .domid = 0, .privileged = true };
    dom0.send = dom0_receives;
    xenstore_connect(&dom0);
    stacks_left = 0;
    assert_int_equal(workers_start(), -ENOMEM);
    stacks_left = ~0u;
    assert_int_equal(workers_start(), 0);
    DOM0(XS_MKDIR, "/local/domain/5");
    DOM0(XS_SET_PERMS, "/local/domain/5\0n5");
    assert_string_equal(dom0_asks(XS_INTRODUCE, text, (size_t)size + 1), "OK");
    assert_false(xs_available());
    assert_int_equal(PTR_ERR(xs_read(XS_NONE, "a", NULL)), -ENODEV);
    assert_int_equal(xs_init(), -ENODEV);       /* no ring */
    info.store_mfn = virt_to_mfn(&store_page);
    info.store_evtchn = 2;
    info.flags = SIF_INITDOMAIN;
    assert_int_equal(xs_init(), -ENODEV);       /* dom0 serves itself */
    info.flags = 0;
    allocations_until_failure = 1;              /* the other one alone is not enough */
    assert_int_equal(xs_init(), -ENOMEM);
    assert_false(xs_available());
    for (stacks_left = 0; stacks_left < 2; stacks_left++) {     /* of its two threads */
        unsigned int left = stacks_left;

        assert_int_equal(xs_init(), -ENOMEM);
        assert_false(xs_available());
        stacks_left = left;
    }
    stacks_left = ~0u;
    assert_int_equal(xs_init(), 0);
    assert_true(xs_available());
}

static void assert_reads(xs_transaction t, const char *path, const char *expected)
{
    size_t length;
    char *value = xs_read(t, path, &length);

    if (!expected) {
        assert_int_equal(PTR_ERR(value), -ENOENT);
        return;
    }
    assert_false(IS_ERR(value));
    assert_string_equal(value, expected);
    assert_int_equal(length, strlen(expected));
    free(value);
}

#endif
