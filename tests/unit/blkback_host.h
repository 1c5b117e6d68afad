/* SPDX-License-Identifier: MIT */
/* A disk that answers when the test says so, and a front end, for the tests of the block back end
 * (test_blkback.c). */
#ifndef TESTS_UNIT_BLKBACK_HOST_H
#define TESTS_UNIT_BLKBACK_HOST_H

/* --- a disk that answers when the test says so ------------------------------------------------ */

static uint8_t *const addresses = (uint8_t *)0x100000000;      /* nobody looks there */
static struct block_request *pending[32];
static unsigned int pending_count, kicks, polls, yields, polls_until_done;
static int disk_result;

/* An error in every segment that is not mapped: a disk may touch it until it has answered. */
static void check_mapped(const struct block_request *request)
{
    for (unsigned int i = 0; i < request->segments; i++) {
        unsigned int number =
            (unsigned int)((request->segment[i].machine - (uintptr_t)page) / 4096);

        assert_true(number < GRANTS && grant[number].mapped);
        assert_int_equal(grant[number].readonly, request->operation == BLOCK_WRITE);
        if (by_dma) {
            assert_null(request->segment[i].data);
            continue;
        }
        assert_in_range((uint8_t *)grant[number].va - addresses, 0, 32 * 32 * 4096 - 1);
        assert_ptr_equal(request->segment[i].data,
                         (uint8_t *)grant[number].va + (request->segment[i].machine & 4095));
    }
}

static void finish(unsigned int which)
{
    struct block_request *request = pending[which];

    check_mapped(request);
    pending[which] = pending[--pending_count];
    request->done(request, disk_result);
}

static void disk_submit(struct blockdev *device, struct block_request *request)
{
    check_mapped(request);
    pending[pending_count++] = request;
}

static void disk_kick(struct blockdev *device)
{
    kicks++;
}

static void (*while_waiting)(void);

static void disk_poll(struct blockdev *device)
{
    assert_true(masked);
    polls++;
    if (while_waiting)
        while_waiting();
    if (pending_count && polls > polls_until_done)
        finish(0);
}

static struct blockdev disk;
static struct blkback *back;
static blkif_sring_t *ring;

void thread_yield(void)
{
    assert_false(masked);
    assert_true(yields++ < 1000);
}

unsigned allocations_until_failure;
static void *no_addresses;              /* what to answer instead */
static unsigned int vspaces;

void *vspace_alloc(unsigned long n)
{
    assert_true(!by_dma && n == 32 * 32);
    if (no_addresses || allocations_until_failure)
        return no_addresses == addresses ? NULL : no_addresses;
    vspaces++;
    return addresses;
}

void vspace_free(void *va, unsigned long n)
{
    assert_true(!by_dma && va == addresses && n == 32 * 32);
    vspaces--;
}

/* --- a front end ------------------------------------------------------------------------------ */

static void open_back(unsigned offer)
{
    back = blkback_create(&store, 7, 51712, &disk, offer);
    assert_string_equal(states, "2");
    ring = (blkif_sring_t *)(void *)page[RING];
    ring->req_event = ring->rsp_event = 1;
    front_node("ring-ref", "1");
    front_node("event-channel", "5");
    front_node("state", "3");
}

static void reopen(const void *dma, unsigned offer)
{
    if (back)
        blkback_destroy(back);
    forget_all();
    by_dma = dma != NULL;
    open_back(offer);
}

static void connect(void)
{
    blkback_changed(back);
    assert_int_equal(port[1].remote, 5);
    assert_int_equal(rings_mapped, 1);
    assert_int_equal(states[strlen(states) - 1], '4');
}

static int set_up(void **state)
{
    forget_all();
    by_dma = *state != NULL;
    disk = (struct blockdev){ .name = "slow", .sectors = 1000, .max_segments = 16,
                              .submit = disk_submit, .kick = disk_kick, .poll = disk_poll };
    disk.flags = BLOCK_CAN_FLUSH | BLOCK_CAN_DISCARD | (by_dma ? BLOCK_BY_DMA : 0);
    pending_count = kicks = polls = yields = polls_until_done = 0;
    disk_result = 0;
    open_back(true);
    return 0;
}

static int tear_down(void **state)
{
    if (back)
        blkback_destroy(back);
    back = NULL;
    assert_int_equal(pending_count + mapped + rings_mapped + bound + vspaces, 0);
    while_waiting = NULL;
    return 0;
}

static void put(blkif_request_t request)
{
    ring->ring[ring->req_prod & 31].req = request;
    ring->req_prod++;
}

static blkif_request_t request_of(unsigned int operation, uint64_t id, unsigned int segments)
{
    blkif_request_t request = { .operation = (uint8_t)operation, .id = id,
                                .nr_segments = (uint8_t)segments, .sector_number = 100 };

    for (unsigned int i = 0; i < segments; i++)
        request.seg[i] = (struct blkif_request_segment){ .gref = DATA + i,
                                                         .first_sect = (uint8_t)(i & 1),
                                                         .last_sect = 7 };
    return request;
}

static void assert_answer(unsigned int number, uint64_t id, unsigned int operation, int status)
{
    const blkif_response_t *response = &ring->ring[number & 31].rsp;

    assert_true((int32_t)(ring->rsp_prod - number) > 0);
    assert_int_equal(response->id, id);
    assert_int_equal(response->operation, operation);
    assert_int_equal(response->status, status);
}

#endif
