/* SPDX-License-Identifier: MIT */
/* The SDK and the store, faked, for the tests of who is served when (test_serving.c): a guest that
 * is faster than the back ends. */
#ifndef TESTS_UNIT_SERVING_HOST_H
#define TESTS_UNIT_SERVING_HOST_H

#include <stdlib.h>
#include <string.h>
#include <drivers/backend.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>

static _Alignas(4096) uint8_t ring_page[2][4096];
static blkif_sring_t *block_ring = (blkif_sring_t *)(void *)ring_page[0];
static netif_tx_sring_t *net_ring = (netif_tx_sring_t *)(void *)ring_page[0];
static event_handler handler;
static void *handler_data;
static unsigned int woken, frames, refills;
static void (*refill)(void);
static unsigned int second_disk;        /* whose ring is another page */

/* --- the fake SDK --- */

void printk(const char *format, ...)
{
}
const char *errno_name(long error)
{
    return "error";
}
bool events_save(void)
{
    return true;
}
void events_restore(bool was_masked)
{
}
static bool port_masked[3];
void event_mask(evtchn_t port)
{
    port_masked[port] = true;
}
void event_hold(evtchn_t port)
{
    event_mask(port);
}
void event_rearm(evtchn_t port)
{
    port_masked[port] = false;
}
void event_unbind(evtchn_t port)
{
}
int event_send(evtchn_t port)
{
    return 0;
}
static unsigned int yields;
static void (*while_waiting)(void);
void thread_yield(void)
{
    yields++;
    if (while_waiting)
        while_waiting();
}
void *alloc_pages(unsigned int order)
{
    return aligned_alloc(4096, 4096u << order);
}
void free_pages(void *va, unsigned int order)
{
    free(va);
}
void *vspace_alloc(unsigned long n)
{
    return NULL;
}
void vspace_free(void *va, unsigned long n)
{
}
int grant_unmap(struct grant_map *map)
{
    return 0;
}
int grant_unmap_at(void *const *vas, const grant_handle_t *handles, unsigned int n)
{
    return 0;
}
int grant_unmap_dma(const unsigned long *mfns, const grant_handle_t *handles, unsigned int n)
{
    return 0;
}
int grant_copy_from(void *to, domid_t domid, grant_ref_t ref, unsigned int offset,
                    unsigned int length)
{
    return -22;
}

int event_bind_interdomain(domid_t remote, evtchn_t remote_port, event_handler function, void *data)
{
    handler = function;
    handler_data = data;
    port_masked[1] = false;
    return 1;
}

int grant_map(domid_t domid, grant_ref_t ref, bool readonly, struct grant_map *map)
{
    map->va = ring_page[ref + second_disk];
    return 0;
}

int grant_map_at(domid_t domid, void *const *vas, const grant_ref_t *refs, unsigned int n,
                 bool readonly, grant_handle_t *handles, unsigned long *mfns, int *results)
{
    return -22;
}

/* The moment in which the guest is faster. */
int grant_map_dma(domid_t domid, const grant_ref_t *refs, unsigned int n, bool readonly,
                  grant_handle_t *handles, unsigned long *mfns, int *results)
{
    memset(results, 0, n * sizeof *results);
    memset(mfns, 0, n * sizeof *mfns);
    if (refill)
        refill();
    return 0;
}

int grant_copy(struct gnttab_copy *ops, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++)
        ops[i].status = GNTST_okay;
    if (refill)
        refill();
    return 0;
}

static const char *front_state;         /* NULL: it works */
static char back_state;

static int store_read(void *context, const char *path, char *value, size_t size)
{
    static const struct { const char *key, *value; } node[] = {
        { "/state", "4" }, { "/ring-ref", "0" }, { "/event-channel", "5" }, { "/tx-ring-ref", "0" },
        { "/rx-ring-ref", "1" }, { "/request-rx-copy", "1" },
    };

    for (unsigned int i = 0; i < sizeof node / sizeof *node; i++)
        if (strcmp(strrchr(path, '/'), node[i].key) == 0)
            return (int)strlen(strcpy(value, i || !front_state ? node[i].value : front_state));
    return -2;
}

static int store_write(void *context, const char *path, const char *value)
{
    if (strcmp(strrchr(path, '/'), "/state") == 0)
        back_state = value[0];
    return 0;
}

static const struct backend_store store = { .read = store_read, .write = store_write };

static void wake(void *waker)
{
    assert_ptr_equal(waker, &woken);
    woken++;
}

#endif
