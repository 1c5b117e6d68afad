/* SPDX-License-Identifier: MIT */
/*
 * The block and network back ends against a guest that writes random bytes into its rings: whatever
 * it does, no access leaves its bounds (ASan judges), every grant mapped is unmapped, every port
 * bound is closed, and the connection either works or ends. The SDK below them is faked: a grant is
 * a page of ours, or is refused at random.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <drivers/blkback.h>
#include <drivers/netback.h>
#include <drivers/ring.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <pvguest/sched.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>

/* --- the fake SDK --- */

static _Alignas(4096) uint8_t ring_page[2][4096], guest_page[1024][4096];
static int mapped, bound, sent;
static event_handler handler[2];
static void *handler_data[2];
static bool masked_port[2];

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
void event_mask(evtchn_t port)
{
    masked_port[port - 1] = true;
}
void event_hold(evtchn_t port)
{
    event_mask(port);
}
void event_rearm(evtchn_t port)
{
    masked_port[port - 1] = false;
}
void thread_yield(void)
{
}
void *alloc_pages(unsigned int order)
{
    return aligned_alloc(4096, 4096u << order);
}
void free_pages(void *va, unsigned int order)
{
    free(va);
}
/* nobody looks at these addresses: map_at replaces them */
void *vspace_alloc(unsigned long n)
{
    return guest_page;
}
void vspace_free(void *va, unsigned long n)
{
}

int event_send(evtchn_t port)
{
    assert_true(port >= 1 && port <= 2);
    sent++;
    return 0;
}

int event_bind_interdomain(domid_t remote, evtchn_t remote_port, event_handler function, void *data)
{
    int port = handler[0] ? 2 : 1;

    handler[port - 1] = function;
    handler_data[port - 1] = data;
    masked_port[port - 1] = false;
    bound++;
    return port;
}

void event_unbind(evtchn_t port)
{
    assert_non_null(handler[port - 1]);
    handler[port - 1] = NULL;
    bound--;
}

int grant_map(domid_t domid, grant_ref_t ref, bool readonly, struct grant_map *map)
{
    map->va = ring_page[ref];
    mapped++;
    return 0;
}

int grant_unmap(struct grant_map *map)
{
    mapped--;
    return 0;
}

static bool by_dma;                     /* how the disk under test is to be reached */

/* The handle is the reference plus one: unmapping something else than was mapped would show. */
static bool is_mapped[1024];

int grant_map_at(domid_t domid, void *const *vas, const grant_ref_t *refs, unsigned int n,
                 bool readonly, grant_handle_t *handles, unsigned long *mfns, int *results)
{
    int first = 0;

    assert_true(n >= 1 && n <= 32 && by_dma == !vas);
    for (unsigned int i = 0; i < n; i++) {
        unsigned int slot = 0;

        while (slot < 1024 && is_mapped[slot])
            slot++;
        results[i] = refs[i] % 16 == 0 || slot == 1024 ? -22 : 0;
        if (results[i] == 0) {
            is_mapped[slot] = true;
            handles[i] = slot;
            mfns[i] = virt_to_mfn(guest_page[slot]);
            mapped++;
        } else if (!first) {
            first = results[i];
        }
    }
    return first;
}

int grant_unmap_at(void *const *vas, const grant_handle_t *handles, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        assert_true(handles[i] < 1024 && is_mapped[handles[i]]);
        is_mapped[handles[i]] = false;
        mapped--;
    }
    return 0;
}

int grant_map_dma(domid_t domid, const grant_ref_t *refs, unsigned int n, bool readonly,
                  grant_handle_t *handles, unsigned long *mfns, int *results)
{
    assert_true(by_dma);
    return grant_map_at(domid, NULL, refs, n, readonly, handles, mfns, results);
}

int grant_unmap_dma(const unsigned long *mfns, const grant_handle_t *handles, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++)
        assert_int_equal(mfns[i], virt_to_mfn(guest_page[handles[i]]));
    return grant_unmap_at(NULL, handles, n);
}

/* The segments of an indirect request: likely ones. */
int grant_copy_from(void *to, domid_t domid, grant_ref_t ref, unsigned int offset,
                    unsigned int length)
{
    struct blkif_request_segment *segment = to;

    assert_true(offset == 0 && length <= 32 * sizeof *segment &&
                ((uintptr_t)to & 4095) + length <= 4096);
    for (unsigned int i = 0; i < length / sizeof *segment; i++)
        segment[i] = (struct blkif_request_segment){ .gref = (uint32_t)(rand() % 500 ? 1 : 16),
                                                     .last_sect = rand() % 100 ? 7 : 9 };
    return rand() % 10 ? 0 : -22;
}

int grant_copy(struct gnttab_copy *ops, unsigned int n)
{
    assert_true(n >= 1);
    for (unsigned int i = 0; i < n; i++) {
        assert_true(ops[i].len >= 1 && ops[i].source.offset + ops[i].len <= 4096 &&
                    ops[i].dest.offset + ops[i].len <= 4096);
        if (ops[i].flags == GNTCOPY_source_gref)        /* into our memory: it must be ours */
            memset((uint8_t *)(ops[i].dest.u.gmfn << 12) + ops[i].dest.offset, 0x55, ops[i].len);
        ops[i].status = rand() % 50 ? GNTST_okay : GNTST_bad_gntref;
    }
    return 0;
}

/* --- the fake store: every number the back ends ask for --- */

static const char *front_state = "1";
static char back_state[8];
static bool split;

static int store_read(void *context, const char *path, char *value, size_t size)
{
    const struct { const char *key, *value;
    } node[] = {
        { "/state", front_state },
        { "/ring-ref", "0" },
        { "/event-channel", "5" },
        { "/tx-ring-ref", "0" },
        { "/rx-ring-ref", "1" },
        { "/request-rx-copy", "1" },
        { split ? "/event-channel-tx" : "/none", "5" },
        { split ? "/event-channel-rx" : "/none", "6" },
        { "/feature-sg", "1" },
        { "/feature-gso-tcpv4", "1" },
    };

    for (unsigned int i = 0; i < sizeof node / sizeof *node; i++)
        if (strcmp(strrchr(path, '/'), node[i].key) == 0) {
            strncpy(value, node[i].value, size - 1);
            value[size - 1] = 0;
            return (int)strlen(value);
        }
    return -2;
}

static int store_write(void *context, const char *path, const char *value)
{
    if (strcmp(strrchr(path, '/'), "/state") == 0)
        strncpy(back_state, value, sizeof back_state - 1);
    return 0;
}

static const struct backend_store store = { .read = store_read, .write = store_write };

static void random_bytes(void *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)at)[i] = (uint8_t)rand();
}

static void ring_bell(unsigned int port)
{
    if (handler[port] && !masked_port[port])
        handler[port]((evtchn_t)port + 1, handler_data[port]);
}

/* --- a slow disk --- */

static unsigned int long_requests;      /* of more than 11 segments */
/* requests that were in flight when their connection ended */
static unsigned int cut_short;
static struct block_request *pending[32];
static unsigned int pending_count;

static void disk_submit(struct blockdev *device, struct block_request *request)
{
    assert_true(pending_count < 32);
    long_requests += request->segments > 11;
    pending[pending_count++] = request;
}

static void disk_kick(struct blockdev *device)
{
}

/* Finishes some, in any order. */
static void disk_poll(struct blockdev *device)
{
    while (pending_count && rand() % 4) {
        unsigned int which = (unsigned int)rand() % pending_count;
        struct block_request *request = pending[which];

        for (unsigned int i = 0; i < request->segments; i++)
            assert_true((request->segment[i].machine & 4095) + request->segment[i].length <= 4096 &&
                        by_dma == !request->segment[i].data &&
                        is_mapped[(request->segment[i].machine - virt_to_machine(guest_page)) /
                                  4096]); /* until it has answered */
        pending[which] = pending[--pending_count];
        request->done(request, rand() % 5 ? 0 : -5);
    }
}

static struct blockdev disk = { .name = "slow", .sectors = 1000, .max_segments = 32,
                                .submit = disk_submit, .kick = disk_kick, .poll = disk_poll };

/* A request that may be good: random bytes alone would never get past the first check. */
static void plausible_request(blkif_request_t *request)
{
    random_bytes(request, sizeof *request);
    request->operation %= 7;
    if (request->operation == BLKIF_OP_INDIRECT) {
        blkif_request_indirect_t indirect = { .operation = BLKIF_OP_INDIRECT,
                                              .indirect_op = (uint8_t)(rand() % 3),
                                              .nr_segments = (uint16_t)(rand() % 34),
                                              .sector_number = (uint64_t)rand() % 1000 };

        memcpy(request, &indirect, sizeof indirect);
        return;
    }
    request->nr_segments %= 13;
    request->sector_number %= 1100;
    for (unsigned int i = 0; i < 11; i++) {
        request->seg[i].first_sect = rand() % 50 ? 0 : (uint8_t)rand();
        request->seg[i].last_sect = rand() % 50 ? 7 : (uint8_t)rand();
        request->seg[i].gref = (uint32_t)(rand() % 64 + 1);
    }
}

/* Half of the guests are honest to the end, with requests in flight there; the others corrupt their
 * ring first. */
static void block_guest(struct blkback *back)
{
    blkif_sring_t *ring = (blkif_sring_t *)(void *)ring_page[0];
    unsigned int steps = rand() % 2 ? 300 : 200;

    for (unsigned int step = 0; step < steps; step++) {
        if (step == 200)
            random_bytes(ring_page[0] + 64, 4032);
        if (step > 250 && rand() % 20 == 0)
            random_bytes(ring_page[0], 16);             /* the indices themselves */
        for (int i = rand() % 4; i && step <= 250; i--)
            if (ring->req_prod - ring->rsp_prod < 32) {
                plausible_request(&ring->ring[ring->req_prod & 31].req);
                ring->req_prod++;
            }
        ring_bell(0);
        if (step + 1 < steps)
            disk_poll(&disk);
    }
    cut_short += pending_count;
    blkback_service(back);
}

static void test_block_back_end_survives(void **state)
{
    for (unsigned int round = 0; round < 300; round++) {
        struct blkback *back;

        srand(round);
        by_dma = round % 2;
        disk.flags = BLOCK_CAN_FLUSH | BLOCK_CAN_DISCARD | (by_dma ? BLOCK_BY_DMA : 0);
        front_state = "1";
        back = blkback_create(&store, 7, 51712, &disk, round % 3 != 0);
        assert_string_equal(back_state, "2");
        memset(ring_page, 0, sizeof ring_page);
        front_state = "3";
        blkback_changed(back);
        assert_string_equal(back_state, "4");
        block_guest(back);
        if (round == 0)
            assert_true(blkback_counters(back)->reads > 20 && blkback_counters(back)->errors > 20);
        front_state = rand() % 2 ? "5" : "6";
        if (rand() % 2)
            blkback_changed(back);
        blkback_destroy(back);
        assert_int_equal(mapped, 0);
        assert_int_equal(bound, 0);
        assert_int_equal(pending_count, 0);
    }
    print_message("%u requests in flight at the end of their connection\n", cut_short);
    assert_true(long_requests > 1000 && cut_short > 40);
}

/* --- network --- */

static unsigned int delivered, large;

static void receive(struct netport *port, void *frame, size_t length, uint32_t flags)
{
    assert_true(length >= NET_FRAME_MIN &&
                length <= (flags & NET_GSO_TCP4 ? NET_LARGE_MAX : NET_FRAME_MAX));
    delivered++;
    large += (flags & NET_GSO_TCP4) != 0;
    /* comes back: the receive ring is tried as well */
    if (rand() % 2)
        port->send(port, frame, length, flags);
}

static void received(struct netport *port)
{
    port->flush(port);
}

static void plausible_slot(netif_tx_request_t *slot, unsigned int left)
{
    *slot = (netif_tx_request_t){ .gref = (uint32_t)rand(),
                                  .offset = (uint16_t)(rand() % 2600),
                                  .id = (uint16_t)rand(),
                                  .size = (uint16_t)(rand() % 1600) };
    if (left && rand() % 4 == 0)
        slot->flags = (uint16_t)(rand() % 2 ? NETTXF_more_data : NETTXF_extra_info);
    if (rand() % 200 == 0)
        random_bytes(slot, sizeof *slot);
}

/* A large frame: first slot, its extra, then pages. Returns the slots used. */
static unsigned int large_frame(netif_tx_sring_t *tx, uint32_t producer)
{
    unsigned int pages = (unsigned int)rand() % 17;
    netif_extra_info_t extra = { .type = XEN_NETIF_EXTRA_TYPE_GSO,
                                 .u.gso = { .type = XEN_NETIF_GSO_TYPE_TCPV4,
                                            .size = (uint16_t)(rand() % 1500) } };

    tx->ring[producer & 255].req = (netif_tx_request_t){
        .gref = 3,
        .offset = 1000,
        .size = (uint16_t)(200 + pages * 3800),
        .flags = (uint16_t)(NETTXF_csum_blank | NETTXF_extra_info | (pages ? NETTXF_more_data : 0))
    };
    memcpy(&tx->ring[(producer + 1) & 255], &extra, sizeof extra);
    for (unsigned int i = 0; i < pages; i++)
        tx->ring[(producer + 2 + i) & 255].req = (netif_tx_request_t){
            .gref = 5,
            .offset = (uint16_t)(rand() % 297),
            .size = 3800,
            .flags = i + 1 < pages ? NETTXF_more_data : 0
        };
    return pages + 2;
}

static void net_guest(struct netback *back)
{
    netif_tx_sring_t *tx = (netif_tx_sring_t *)(void *)ring_page[0];
    netif_rx_sring_t *rx = (netif_rx_sring_t *)(void *)ring_page[1];

    for (unsigned int step = 0; step < 200; step++) {
        uint32_t producer = tx->req_prod;

        if (step > 150 && rand() % 20 == 0)
            random_bytes(ring_page[rand() % 2], 16);
        for (unsigned int i = (unsigned int)rand() % 60;
             i && step <= 150 && producer - tx->rsp_prod < 256; i--, producer++)
            plausible_slot(&tx->ring[producer & 255].req, i - 1);
        if (step <= 150 && rand() % 2 && producer - tx->rsp_prod < 256 - 20)
            producer += large_frame(tx, producer);
        tx->req_prod = producer;
        if (step <= 150)
            rx->req_prod = rx->rsp_prod + (uint32_t)rand() % 257;
        ring_bell(0);
        ring_bell(1);
    }
    netback_service(back);
}

static void test_net_back_end_survives(void **state)
{
    static const uint8_t mac[6];

    for (unsigned int round = 0; round < 300; round++) {
        struct netback *back;

        srand(round);
        split = round % 2;
        front_state = "1";
        back = netback_create(&store, 7, 0, mac);
        netback_port(back)->receive = receive;
        netback_port(back)->received = received;
        memset(ring_page, 0, sizeof ring_page);
        front_state = "4";
        netback_changed(back);
        assert_string_equal(back_state, "4");
        net_guest(back);
        netback_destroy(back);
        assert_int_equal(mapped, 0);
        assert_int_equal(bound, 0);
    }
    print_message("%u frames, %u of them large\n", delivered, large);
    assert_true(delivered > 1000 && large > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_back_end_survives),
        cmocka_unit_test(test_net_back_end_survives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
