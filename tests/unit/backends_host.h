/* SPDX-License-Identifier: MIT */
/*
 * What the tests of single back ends share: an SDK that is faked call by call, whose every resource
 * is counted and every one of whose calls can be told to fail, and a store whose nodes the test
 * writes. A grant reference n is the page page[n].
 */
#ifndef TESTS_UNIT_BACKENDS_HOST_H
#define TESTS_UNIT_BACKENDS_HOST_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <drivers/backend.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <pvguest/sched.h>
#include "masked_host.h"

#define GRANTS 100u

static _Alignas(4096) uint8_t page[GRANTS][4096];

/* --- events ----------------------------------------------------------------------------------- */

static struct {
    event_handler handler;
    void *data;
    evtchn_t remote;
    bool masked;
    unsigned int sent;
} port[8];
static unsigned int bound, refused_bindings, refuse_binding;    /* the n-th next one fails */
static unsigned int said;               /* on the console */

void printk(const char *format, ...)
{
    said++;
}
const char *errno_name(long error)
{
    return error == -22 ? "EINVAL" : "another";
}

void event_mask(evtchn_t number)
{
    port[number].masked = true;
}

void event_hold(evtchn_t number)
{
    event_mask(number);
}
void event_rearm(evtchn_t number)
{
    port[number].masked = false;
}

int event_send(evtchn_t number)
{
    assert_non_null(port[number].handler);
    port[number].sent++;
    return 0;
}

int event_bind_interdomain(domid_t remote, evtchn_t remote_port, event_handler handler, void *data)
{
    int number = 1;

    assert_int_equal(remote, 7);
    if (refuse_binding && --refuse_binding == 0) {
        refused_bindings++;
        return -22;
    }
    while (port[number].handler)
        number++;
    port[number].handler = handler;
    port[number].data = data;
    port[number].remote = remote_port;
    port[number].masked = false;
    port[number].sent = 0;
    bound++;
    return number;
}

void event_unbind(evtchn_t number)
{
    assert_non_null(port[number].handler);
    port[number].handler = NULL;
    bound--;
}

/* What the hypervisor does when the front end notifies. */
static void ring_bell(unsigned int number)
{
    bool was = events_save();

    assert_true(number && number < 8);
    if (port[number].handler && !port[number].masked)
        port[number].handler(number, port[number].data);
    events_restore(was);
}

/* --- grants ----------------------------------------------------------------------------------- */

static struct { bool mapped, readonly; void *va; } grant[GRANTS];
static unsigned int mapped, rings_mapped, refuse_map;
static grant_ref_t refused_ring;        /* 0: each */
static bool by_dma, refuse_unmap;
static grant_ref_t bad_grant = UINT32_MAX;      /* this one cannot be mapped or copied */

int grant_map(domid_t domid, grant_ref_t ref, bool readonly, struct grant_map *map)
{
    assert_int_equal(domid, 7);
    assert_false(readonly);
    if (ref >= GRANTS || (refuse_map && --refuse_map == 0)) return -22;
    map->va = page[ref];
    map->handle = ref;
    rings_mapped++;
    return 0;
}

int grant_unmap(struct grant_map *map)
{
    assert_ptr_equal(map->va, page[map->handle]);
    rings_mapped--;
    return refuse_unmap && (refused_ring == 0 || refused_ring == map->handle) ? -22 : 0;
}

static int map_each(void *const *vas, const grant_ref_t *refs, unsigned int n, bool readonly,
                    grant_handle_t *handles, unsigned long *mfns, int *results)
{
    int first = 0;

    assert_true(n >= 1 && by_dma == !vas);
    for (unsigned int i = 0; i < n; i++) {
        results[i] = refs[i] == bad_grant ? -22 : 0;
        handles[i] = results[i] ? ~0u : refs[i];
        mfns[i] = results[i] ? 0 : virt_to_mfn(page[refs[i]]);
        if (results[i]) {
            first = results[i];
            continue;
        }
        assert_true(refs[i] < GRANTS && !grant[refs[i]].mapped);
        for (unsigned int other = 0; vas && other < GRANTS; other++)
            assert_false(grant[other].mapped && grant[other].va == vas[i]);
        grant[refs[i]].va = vas ? vas[i] : NULL;
        grant[refs[i]].mapped = true;
        grant[refs[i]].readonly = readonly;
        mapped++;
    }
    return first;
}

static unsigned int unmaps;             /* calls */

static void unmap_each(void *const *vas, const unsigned long *mfns, const grant_handle_t *handles,
                       unsigned int n)
{
    assert_true(n >= 1);
    unmaps++;
    for (unsigned int i = 0; i < n; i++) {
        assert_true(handles[i] < GRANTS && grant[handles[i]].mapped);
        assert_true(vas ? vas[i] == grant[handles[i]].va
                        : mfns[i] == virt_to_mfn(page[handles[i]]));
        grant[handles[i]].mapped = false;
        mapped--;
    }
}

int grant_map_at(domid_t domid, void *const *vas, const grant_ref_t *refs, unsigned int n,
                 bool readonly, grant_handle_t *handles, unsigned long *mfns, int *results)
{
    assert_true(vas && domid == 7);
    return map_each(vas, refs, n, readonly, handles, mfns, results);
}

int grant_unmap_at(void *const *vas, const grant_handle_t *handles, unsigned int n)
{
    assert_false(by_dma);
    unmap_each(vas, NULL, handles, n);
    return refuse_unmap ? -22 : 0;
}

int grant_map_dma(domid_t domid, const grant_ref_t *refs, unsigned int n, bool readonly,
                  grant_handle_t *handles, unsigned long *mfns, int *results)
{
    assert_int_equal(domid, 7);
    return map_each(NULL, refs, n, readonly, handles, mfns, results);
}

int grant_unmap_dma(const unsigned long *mfns, const grant_handle_t *handles, unsigned int n)
{
    assert_true(by_dma);
    unmap_each(NULL, mfns, handles, n);
    return refuse_unmap ? -22 : 0;
}

static unsigned int copies;             /* made by the hypervisor */
static bool refuse_copies;

int grant_copy_from(void *to, domid_t domid, grant_ref_t ref, unsigned int offset,
                    unsigned int length)
{
    assert_true(domid == 7 && offset == 0 && length && length <= 4096 &&
                ((uintptr_t)to & 4095) + length <= 4096);
    if (ref == bad_grant) return -22;
    memcpy(to, page[ref], length);
    return 0;
}

/* Copies as the hypervisor does, within a page on either side. */
int grant_copy(struct gnttab_copy *ops, unsigned int n)
{
    assert_true(n >= 1);
    if (refuse_copies) return -14;
    for (unsigned int i = 0; i < n; i++) {
        bool from_guest = ops[i].flags == GNTCOPY_source_gref;
        grant_ref_t ref = from_guest ? ops[i].source.u.ref : ops[i].dest.u.ref;
        uint8_t *own = (uint8_t *)((from_guest ? ops[i].dest.u.gmfn : ops[i].source.u.gmfn) << 12);
        uint8_t *ours = own + (from_guest ? ops[i].dest.offset : ops[i].source.offset);

        assert_true(from_guest || ops[i].flags == GNTCOPY_dest_gref);
        assert_true(ops[i].len && ops[i].source.offset + ops[i].len <= 4096 &&
                    ops[i].dest.offset + ops[i].len <= 4096);
        assert_int_equal(from_guest ? ops[i].source.domid : ops[i].dest.domid, 7);
        assert_int_equal(from_guest ? ops[i].dest.domid : ops[i].source.domid, DOMID_SELF);
        ops[i].status = ref == bad_grant || ref >= GRANTS ? GNTST_bad_gntref : GNTST_okay;
        if (ops[i].status == GNTST_okay && from_guest)
            memcpy(ours, page[ref] + ops[i].source.offset, ops[i].len);
        else if (ops[i].status == GNTST_okay)
            memcpy(page[ref] + ops[i].dest.offset, ours, ops[i].len);
        copies++;
    }
    return 0;
}

/* --- the store -------------------------------------------------------------------------------- */

static struct { char path[96], value[64]; } node[64];
static unsigned int nodes, refuse_write;        /* the n-th next write fails */
static char states[64];                 /* what the back end went through, a digit each */

static const char *value_of(const char *path)
{
    for (unsigned int i = 0; i < nodes; i++)
        if (strcmp(node[i].path, path) == 0)
            return node[i].value;
    return NULL;
}

static void set_node(const char *path, const char *value)
{
    unsigned int i = 0;

    while (i < nodes && strcmp(node[i].path, path))
        i++;
    if (i == nodes)
        nodes++;
    assert_true(nodes <= 64);
    snprintf(node[i].path, sizeof node[i].path, "%s", path);
    snprintf(node[i].value, sizeof node[i].value, "%s", value);
}

static void (*while_read)(const char *path);    /* it sleeps */

static int store_read(void *context, const char *path, char *value, size_t size)
{
    const char *found = value_of(path);

    assert_ptr_equal(context, &nodes);
    if (while_read)
        while_read(path);
    if (!found || !*found) return found ? 0 : -2;
    snprintf(value, size, "%s", found);
    return (int)strlen(value);
}

static int store_write(void *context, const char *path, const char *value)
{
    assert_ptr_equal(context, &nodes);
    assert_false(masked);
    if (refuse_write && --refuse_write == 0) return -28;
    set_node(path, value);
    if (strcmp(strrchr(path, '/'), "/state") == 0)
        strcat(states, value);
    return 0;
}

static const struct backend_store store = { .read = store_read, .write = store_write,
                                            .context = &nodes };

static void forget_all(void)
{
    assert_int_equal(mapped + rings_mapped + bound, 0);
    memset(port, 0, sizeof port);
    memset(page, 0, sizeof page);
    nodes = said = copies = refused_bindings = refuse_binding = refuse_map = refuse_write = 0;
    states[0] = 0;
    while_read = NULL;
    refuse_unmap = refuse_copies = masked = by_dma = false;
    bad_grant = UINT32_MAX;
}

#endif
