/* SPDX-License-Identifier: MIT */
/*
 * Frames to the guest (netback.h): send() takes as many of its receive requests as the frame has
 * pages and notes the copies; flush() does all noted copies in one hypercall and answers them.
 */
#include "netback.h"
#include <drivers/ring.h>
#include <pvguest/bits.h>
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>

static void answer_slot(struct netback *back, const struct outgoing *slot, bool good)
{
    if (slot->is_extra) {
        netif_extra_info_t extra = { .type = XEN_NETIF_EXTRA_TYPE_GSO,
                                     .u.gso = { .size = slot->gso_size,
                                                .type = XEN_NETIF_GSO_TYPE_TCPV4 } };

        memcpy(RING_GET_RESPONSE(&back->rx, back->rx.rsp_prod_pvt), &extra, sizeof extra);
    } else {
        *RING_GET_RESPONSE(&back->rx, back->rx.rsp_prod_pvt) = (netif_rx_response_t){
            .id = slot->id,
            .flags = slot->flags,
            .status = good ? (int16_t)slot->length : NETIF_RSP_ERROR,
        };
    }
    back->rx.rsp_prod_pvt++;
}

/* The copies of the frame whose slots begin at `first`: all good, or the frame is an error in every
 * slot. */
static bool copied(const struct netback *back, unsigned int first)
{
    for (unsigned int i = first; i < first + back->to_guest[first].frame_slots; i++)
        if (!back->to_guest[i].is_extra && back->copy[i].status != GNTST_okay)
            return refused(false);
    return true;
}

/* Extras copy nothing: closes the gaps for the hypercall, and opens them again. */
static int copy_all(struct netback *back, unsigned int count)
{
    unsigned int copies = 0;

    for (unsigned int i = 0; i < count; i++)
        if (!back->to_guest[i].is_extra)
            back->copy[copies++] = back->copy[i];

    int error = grant_copy(back->copy, copies);

    for (unsigned int i = count; i-- > 0;)
        if (!back->to_guest[i].is_extra)
            back->copy[i] = back->copy[--copies];
    return error;
}

void netback_flush(struct netport *port)
{
    struct netback *back = port->context;
    unsigned int count = back->to_guest_count;
    int notify;

    back->to_guest_count = 0;
    if (count == 0) return;             /* as of who is not connected */

    int error = copy_all(back, count);

    for (unsigned int i = 0; i < count;) {
        bool good = !error && copied(back, i);
        unsigned int end = i + back->to_guest[i].frame_slots;

        for (; i < end; i++) {
            answer_slot(back, &back->to_guest[i], good);
            port->bytes_sent += good ? back->to_guest[i].length : 0;
        }
        port->frames_sent += good;
        port->frames_dropped += !good;
    }
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&back->rx, notify);
    if (notify)
        event_send(back->rx_event);
}

/* Does the guest offer so many buffers? False also if its ring lies. */
static bool has_buffers(struct netback *back, unsigned int wanted)
{
    uint32_t producer = ring_read_index(&back->rx.sring->req_prod);
    int count = ring_requests(producer, back->rx.req_cons, back->rx.rsp_prod_pvt,
                              RING_SIZE(&back->rx));

    if (count == RING_LIE) {
        netback_end_service(back);
        if (back->port.wake)
            back->port.wake(back->port.waker);
    }
    return count >= (int)wanted;
}

/* Notes one slot; `page` is NULL for the extra. */
static struct outgoing *note_slot(struct netback *back, const uint8_t *page, unsigned int length)
{
    unsigned int i = back->to_guest_count++;
    netif_rx_request_t request;

    RING_COPY_REQUEST(&back->rx, back->rx.req_cons, &request);
    back->rx.req_cons++;
    back->to_guest[i] = (struct outgoing){ .id = request.id,
                                           .length = (uint16_t)length,
                                           .is_extra = !page };
    if (page)
        back->copy[i] = (struct gnttab_copy){
            .source = { .u.gmfn = virt_to_mfn(page),
                        .domid = DOMID_SELF,
                        .offset = (uintptr_t)page & (PAGE_SIZE - 1) },
            .dest = { .u.ref = request.gref, .domid = back->backend.domain },
            .len = (uint16_t)length,
            .flags = GNTCOPY_dest_gref,
        };
    return &back->to_guest[i];
}

static uint16_t rx_flags(uint32_t flags)
{
    return (uint16_t)((flags & NET_CHECKSUM_BLANK ? NETRXF_csum_blank | NETRXF_data_validated : 0) |
                      (flags & NET_CHECKSUM_GOOD ? NETRXF_data_validated : 0) |
                      (flags & NET_GSO_TCP4 ? NETRXF_extra_info : 0));
}

bool netback_send(struct netport *port, const void *frame, size_t length, uint32_t flags)
{
    struct netback *back = port->context;
    const uint8_t *at = frame;
    bool large = flags & NET_GSO_TCP4;
    unsigned int slots = (unsigned int)(PAGE_UP(length) / PAGE_SIZE) + large;

    if (back->to_guest_count + slots > TO_GUEST)
        netback_flush(port);
    if (!back->connected || back->broken || length > (large ? NET_LARGE_MAX : NET_FRAME_MAX) ||
        !has_buffers(back, slots)) {
        refused(port->frames_dropped++);
        return false;
    }

    struct outgoing *first = &back->to_guest[back->to_guest_count], *slot = first;

    for (size_t left = length; left;) {
        size_t piece = MIN(left, PAGE_SIZE);

        slot = note_slot(back, at, (unsigned int)piece);
        at += piece;
        left -= piece;
        slot->flags = left ? NETRXF_more_data : 0;
        if (slot == first && large)
            note_slot(back, NULL, 0)->gso_size = (uint16_t)net_gso_size(flags);
    }
    first->flags |= rx_flags(flags);
    first->frame_slots = slots;
    return true;
}
