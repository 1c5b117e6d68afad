/* SPDX-License-Identifier: MIT */
/*
 * What the block back end does with a guest's requests (blkback.h).
 *
 * The way of a request: the guest's event only wakes; serve -> take_requests (index judged) -> a
 * private copy -> plan_block (every number judged) -> its grants mapped -> the disk -> done(),
 * which only wakes, too -> serve -> unmapped -> answered. A slot per ring entry, so there is always
 * one. How much is served at once, and when, is the caller's to say. Little of a guest's is at the
 * disk at once (PAGES_IN_FLIGHT, of all its disks): the rest waits in its own rings, not in front
 * of others. A disk with DMA reaches the guest's pages directly: they are mapped for the device
 * only (their machine addresses go into its descriptors), which costs no page-table entry and no
 * TLB flush. For a RAM disk they are mapped at the slot's own addresses.
 * A barrier waits in the ring for what is at the disk, and what is behind it waits for it.
 */
#include "blkback.h"
#include "check.h"
#include <drivers/ring.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>

/* with more than these at the disk no further request starts */
#define PAGES_IN_FLIGHT 32u
/* as which a flush or a discard counts: the disk works for it, too */
#define PAGES_OF_NO_DATA 16u

uint32_t blkback_flags(const struct blkback *back)
{
    uint32_t flags = back->device->flags;

    if (!(back->offer & BLKBACK_WRITABLE))
        flags |= BLOCK_READ_ONLY;
    return back->offer & BLKBACK_NO_DISCARD ? flags & ~BLOCK_CAN_DISCARD : flags;
}

unsigned int blkback_segments(const struct blkback *back)
{
    return MIN(back->device->max_segments, PAGES);
}

/* --- answers --- */

static void answer(struct blkback *back, uint64_t id, uint8_t operation, int status)
{
    blkif_response_t *response = RING_GET_RESPONSE(&back->ring, back->ring.rsp_prod_pvt);

    response->id = id;
    response->operation = operation;
    response->status = (int16_t)status;
    back->ring.rsp_prod_pvt++;
    if (status != BLKIF_RSP_OKAY)
        back->counters.errors++;
}

static void push_answers(struct blkback *back)
{
    int notify;

    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&back->ring, notify);
    if (notify)
        event_send(back->port);
}

/* A run of the slot's pages. */
static void unmap(struct slot *slot, unsigned int first, unsigned int count)
{
    if (slot->back->pages ? grant_unmap_at(slot->page + first, slot->handle + first, count)
                          : grant_unmap_dma(slot->frame + first, slot->handle + first, count))
        printk("%s: a grant could not be unmapped\n", slot->back->backend.back);
}

static void done(struct block_request *request, int error);

void blkback_release(struct slot *slot)
{
    slot->next = slot->back->free;
    slot->back->free = slot;
}

static void count_done(struct blkback *back, const struct block_request *request)
{
    struct blkback_counters *counters = &back->counters;

    counters->reads += request->operation == BLOCK_READ;
    counters->writes += request->operation == BLOCK_WRITE;
    counters->flushes += request->operation == BLOCK_FLUSH;
    counters->sectors_read += request->operation == BLOCK_READ ? request->sectors : 0;
    counters->sectors_written += request->operation == BLOCK_WRITE ? request->sectors : 0;
}

/*
 * Little of a guest's is at the disk, and its disks take turns with that. Who is not woken cannot
 * wait.
 */
static bool may_begin(const struct blkback *back)
{
    const struct blkback_quota *quota = back->quota;

    return !back->wake ||
           (quota->pages <= PAGES_IN_FLIGHT &&
            (list_empty(&quota->waiting) || quota->waiting.next == &back->waiting));
}

static unsigned int weight(const struct slot *slot)
{
    return slot->mapped ? slot->mapped : PAGES_OF_NO_DATA;
}

void blkback_call_next(const struct blkback_quota *quota)
{
    struct blkback *next = list_first(&quota->waiting, struct blkback, waiting);

    if (next && quota->pages <= PAGES_IN_FLIGHT)
        next->wake(next->waker);
}

/*
 * The next step of a request. A barrier with data has three: the disk's cache is emptied, the data
 * written, the cache emptied again.
 */
static void submit(struct slot *slot)
{
    struct blkback *back = slot->back;
    bool data = back->barrier != slot || slot->steps == 2;

    slot->steps--;
    if (!data)
        back->flush = (struct block_request){ .operation = BLOCK_FLUSH,
                                              .done = done,
                                              .context = slot };
    block_submit(back->device, data ? &slot->request : &back->flush);
}

static void finish(struct blkback *back, struct slot *slot)
{
    int error = slot->error;

    if (slot->steps && !error) {
        submit(slot);
        return;
    }
    if (back->barrier == slot)
        back->barrier = NULL;
    if (slot->mapped)
        unmap(slot, 0, slot->mapped);
    back->quota->pages -= weight(slot);
    slot->mapped = 0;
    answer(back, slot->id, slot->operation,
           error == 0 ? BLKIF_RSP_OKAY : error == -EOPNOTSUPP ? refused(BLKIF_RSP_EOPNOTSUPP)
                                                              : refused(BLKIF_RSP_ERROR));
    count_done(back, &slot->request);
    blkback_release(slot);
    back->in_flight--;
}

/* At most so many; what is left of that number. */
unsigned int blkback_finish(struct blkback *back, unsigned int budget)
{
    for (; back->finished && budget; budget--) {
        struct slot *slot = back->finished;

        back->finished = slot->next;
        if (!back->finished)
            back->finished_end = &back->finished;
        finish(back, slot);
    }
    push_answers(back);
    return budget;
}

/* The disk is finished with a request: called from its interrupt, or from block_submit itself. The
 * work left is the guest's. */
static void done(struct block_request *request, int error)
{
    struct slot *slot = request->context;
    struct blkback *back = slot->back;

    slot->error = error;
    slot->next = NULL;
    *back->finished_end = slot;
    back->finished_end = &slot->next;
    if (back->wake)
        back->wake(back->waker);
    else if (blkback_finish(back, SLOTS) && back->held)
        blkback_event(back->port, back);        /* what waits for these */
    else
        block_kick(back->device);
}

/* --- requests --- */

static bool map_all(struct slot *slot, const struct block_plan *plan, int *result)
{
    domid_t domain = slot->back->backend.domain;
    bool readonly = plan->operation == BLOCK_WRITE;
    grant_ref_t reference[PAGES];
    int error;

    for (unsigned int i = 0; i < plan->segments; i++)
        reference[i] = plan->segment[i].grant;
    error = slot->back->pages ? grant_map_at(domain, slot->page, reference, plan->segments,
                                             readonly, slot->handle, slot->frame, result)
                              : grant_map_dma(domain, reference, plan->segments, readonly,
                                              slot->handle, slot->frame, result);
    return error == 0;
}

/* Of the pages of a plan those that did map go back, together: a call is as much as many pages. */
static void unmap_good(struct slot *slot, const int *result, unsigned int segments)
{
    unsigned int good = 0;

    for (unsigned int i = 0; i < segments; i++) {
        void *page = slot->page[i];

        if (result[i])
            continue;
        slot->page[i] = slot->page[good];
        slot->page[good] = page;
        slot->frame[good] = slot->frame[i];
        slot->handle[good++] = slot->handle[i];
    }
    if (good)
        unmap(slot, 0, good);
}

/* Maps the pages of a plan; a guest that names a grant it never made gets an error. */
static bool map(struct slot *slot, const struct block_plan *plan)
{
    int result[PAGES];

    if (plan->segments == 0) return true;
    if (!map_all(slot, plan, result)) {
        unmap_good(slot, result, plan->segments);
        return refused(false);
    }
    for (unsigned int i = 0; i < plan->segments; i++)
        slot->request.segment[i] = (struct block_segment){
            .data = slot->back->pages ? (uint8_t *)slot->page[i] + plan->segment[i].offset : NULL,
            .machine = ((uint64_t)slot->frame[i] << PAGE_SHIFT) + plan->segment[i].offset,
            .length = plan->segment[i].length,
        };
    slot->mapped = plan->segments;
    return true;
}

/* An indirect request's segments are fetched, once, before they are judged: the guest can still
 * write their page. */
static int plan_by_page(struct blkback *back, struct block_plan *plan,
                        const blkif_request_t *request)
{
    /* within one page; used at once */
    static struct blkif_request_segment segment[PAGES] __attribute__((aligned(512)));
    unsigned int segments = indirect_segments(request, blkback_segments(back));
    blkif_request_indirect_t indirect;

    memcpy(&indirect, request, sizeof indirect);
    if (segments == 0 || grant_copy_from(segment, back->backend.domain, indirect.indirect_grefs[0],
                                         0, segments * sizeof *segment))
        return refused(BLKIF_RSP_ERROR);
    return plan_indirect(plan, request, segment, segments, back->device->sectors,
                         blkback_flags(back));
}

/* The operation as the answer names it: of an indirect request the one inside, or Linux gives the
 * disk up. */
static uint8_t operation_of(const blkif_request_t *request)
{
    blkif_request_indirect_t indirect;

    memcpy(&indirect, request, sizeof indirect);
    return request->operation == BLKIF_OP_INDIRECT ? indirect.indirect_op : request->operation;
}

static void start(struct blkback *back, const blkif_request_t *request)
{
    struct slot *slot = back->free;
    struct block_plan plan;
    int status = request->operation == BLKIF_OP_INDIRECT
                     ? plan_by_page(back, &plan, request)
                     : plan_block(&plan, request, back->device->sectors, blkback_flags(back));

    back->counters.requests++;
    if (status == BLKIF_RSP_OKAY && !map(slot, &plan))
        status = BLKIF_RSP_ERROR;
    if (status != BLKIF_RSP_OKAY) {
        /* the id is in the same place in all layouts */
        answer(back, request->id, operation_of(request), status);
        return;
    }
    back->free = slot->next;
    back->in_flight++;
    back->quota->pages += weight(slot);
    slot->id = request->id;
    slot->operation = operation_of(request);
    slot->request.operation = plan.operation;
    slot->request.sector = plan.sector;
    slot->request.sectors = plan.sectors;
    slot->request.segments = plan.segments;
    slot->request.done = done;
    slot->request.context = slot;
    slot->steps = plan.barrier && plan.segments ? 3 : 1;
    if (plan.barrier)
        back->barrier = slot;
    submit(slot);
}

/* One batch, up to a barrier that cannot begin yet. False when the index is a lie. */
static bool take_requests(struct blkback *back, unsigned int budget)
{
    uint32_t producer = ring_read_index(&back->ring.sring->req_prod);
    int count = ring_requests(producer, back->ring.req_cons, back->ring.rsp_prod_pvt, SLOTS);

    back->held = false;
    for (int i = 0; i < count && budget && may_begin(back); i++, budget--) {
        blkif_request_t request;

        RING_COPY_REQUEST(&back->ring, back->ring.req_cons, &request);
        back->held = back->barrier ||
                     (request.operation == BLKIF_OP_WRITE_BARRIER && back->in_flight);
        if (back->held)
            break;
        back->ring.req_cons++;
        start(back, &request);
    }
    return count != RING_LIE;
}

/*
 * The last look asks for an event for what comes later; what has come meanwhile is more to do, next
 * time. Who may not begin more waits behind the guest's other disks.
 */
bool blkback_serve(struct blkback *back, unsigned int budget)
{
    int more = 0;
    bool waits;

    if (!back->connected) return false;
    budget = blkback_finish(back, budget);
    if (back->broken || back->closing) {
        block_kick(back->device);               /* a barrier is seen through */
        blkback_call_next(back->quota);
        return back->finished;
    }
    event_rearm(back->port);
    if (!budget) return true;
    if (!take_requests(back, budget)) {
        back->broken = true;
        event_mask(back->port);
    }
    waits = !back->broken && !may_begin(back);
    list_remove(&back->waiting);
    if (waits)
        list_append(&back->quota->waiting, &back->waiting);
    else if (!back->broken && !back->held)
        RING_FINAL_CHECK_FOR_REQUESTS(&back->ring, more);
    blkback_call_next(back->quota);
    block_kick(back->device);
    push_answers(back);
    return more;
}

void blkback_event(evtchn_port_t port, void *data)
{
    struct blkback *back = data;

    event_hold(port);
    if (back->wake)
        back->wake(back->waker);
    else
        while (blkback_serve(back, SLOTS))
            ;
}
