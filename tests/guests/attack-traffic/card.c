/* SPDX-License-Identifier: MIT */
/* Attacks on a network card at work: chains of slots that make no frame, receive buffers that are
 * none, rings that are taken away. */
#include "traffic.h"

#include <drivers/netfront.h>

#define MORE  NETTXF_more_data
#define EXTRA NETTXF_extra_info
#define BLANK (NETTXF_csum_blank | NETTXF_data_validated)

static struct netfront card;
static unsigned int answers;

/* Who has 10.0.2.2? The network of QEMU answers whoever asks. (RFC 826) */
static const uint8_t question[42] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0,    0, 0,  0x49, 0x08, 0x06,
    0,    1,    0x08, 0,    6,    4,    0,    1, 0x02, 0, 0,  0,    0,    0x49,
    10,   0,    2,    49,   0,    0,    0,    0, 0,    0, 10, 0,    2,    2,
};

static void arrived(struct netport *port, void *frame, size_t length, uint32_t flags)
{
    answers += length >= sizeof question && memcmp(frame, question + 6, 6) == 0;
}

static void open_card(void)
{
    card.port.receive = arrived;
    CHECK_IS(netfront_open(&card, 0), 0);
}

static void close_card(void)
{
    char *backend = xs_read_node(XS_NONE, card.node, "backend");

    NEED(!IS_ERR(backend));
    netfront_close(&card);
    CHECK(closes(backend));
    free(backend);
    for (unsigned int i = 0; i < NETFRONT_RX; i++)
        CHECK((entries[card.rx_grant[i]].flags & (GTF_reading | GTF_writing)) == 0);
    for (unsigned int i = 0; i < NETFRONT_TX; i++)
        CHECK((entries[card.tx_grant[i]].flags & (GTF_reading | GTF_writing)) == 0);
}

static void ask(void)
{
    bool masked = events_save();

    card.port.send(&card.port, question, sizeof question, 0);
    card.port.flush(&card.port);
    events_restore(masked);
    thread_sleep(5 * NS_PER_MS);
}

/* Questions until one is answered: frames may be lost, not all of them. */
static bool is_answered(void)
{
    unsigned int before = answers;

    for (unsigned int tries = 0; tries < 200 && answers == before; tries++)
        ask();
    return answers != before;
}

static void it_serves(void)
{
    open_card();
    CHECK(is_answered());
    close_card();
}

/* --- what we send --- */

static void put(grant_ref_t reference, unsigned int offset, unsigned int size, unsigned int flags)
{
    *RING_GET_REQUEST(&card.tx,
                      card.tx.req_prod_pvt) = (netif_tx_request_t){ .gref = reference,
                                                                    .offset = (uint16_t)offset,
                                                                    .size = (uint16_t)size,
                                                                    .flags = (uint16_t)flags };
    card.tx.req_prod_pvt++;
}

static void put_extra(unsigned int type, unsigned int flags, unsigned int size,
                      unsigned int gso_type)
{
    netif_extra_info_t extra = { .type = (uint8_t)type,
                                 .flags = (uint8_t)flags,
                                 .u.gso = { .size = (uint16_t)size, .type = (uint8_t)gso_type } };

    memcpy(RING_GET_REQUEST(&card.tx, card.tx.req_prod_pvt), &extra, sizeof extra);
    card.tx.req_prod_pvt++;
}

static void push(void)
{
    RING_PUSH_REQUESTS(&card.tx);
    event_send(card.event);
}

/* The status of the frame whose slots have been put; 100 when there was no answer. */
static int status(void)
{
    uint64_t until = now_ns() + 20 * NS_PER_S;
    uint32_t first = card.tx.rsp_cons;

    push();
    while (card.tx.sring->rsp_prod != card.tx.req_prod_pvt && now_ns() < until)
        vcpu_yield();
    if (card.tx.sring->rsp_prod != card.tx.req_prod_pvt) return 100;
    card.tx.rsp_cons = card.tx.req_prod_pvt;
    return RING_GET_RESPONSE(&card.tx, first)->status;
}

static int one_slot(grant_ref_t reference, unsigned int offset, unsigned int size,
                    unsigned int flags)
{
    put(reference, offset, size, flags);
    return status();
}

static int two_slots(unsigned int size, unsigned int second)
{
    put(card.tx_grant[0], 0, size, MORE);
    put(card.tx_grant[1], 0, second, 0);
    return status();
}

static int large(unsigned int size, unsigned int flags, unsigned int piece, unsigned int gso_type)
{
    put(card.tx_grant[0], 0, size, flags | EXTRA);
    put_extra(XEN_NETIF_EXTRA_TYPE_GSO, 0, piece, gso_type);
    return status();
}

/* Frames that are refused one by one: the card goes on. */
static void wrong_frames(void)
{
    grant_ref_t page = card.tx_grant[0];

    printk("wrong frames\n");
    CHECK_IS(one_slot(page, 0, 60, 0), NETIF_RSP_OKAY);
    CHECK_IS(one_slot(page, 0, 0, 0), NETIF_RSP_ERROR);
    CHECK_IS(one_slot(page, 0, 13, 0), NETIF_RSP_ERROR);
    CHECK_IS(one_slot(page, 0, 1519, 0), NETIF_RSP_ERROR);
    CHECK_IS(one_slot(page, 0, 65535, 0), NETIF_RSP_ERROR);
    CHECK_IS(one_slot(page, 4095, 60, 0), NETIF_RSP_ERROR);
    CHECK_IS(one_slot(page, 65535, 60, 0), NETIF_RSP_ERROR);
    CHECK_IS(one_slot(NEVER_GRANTED, 0, 60, 0), NETIF_RSP_ERROR);
    CHECK_IS(one_slot(0xffffffff, 0, 60, 0), NETIF_RSP_ERROR);
    CHECK_IS(two_slots(100, 100), NETIF_RSP_ERROR);             /* nothing is left for the first */
    CHECK_IS(two_slots(100, 65535), NETIF_RSP_ERROR);
    CHECK_IS(two_slots(100, 0), NETIF_RSP_ERROR);
    CHECK_IS(large(1000, BLANK, 0, XEN_NETIF_GSO_TYPE_TCPV4), NETIF_RSP_ERROR);
    CHECK_IS(large(1000, BLANK, 500, XEN_NETIF_GSO_TYPE_TCPV6), NETIF_RSP_ERROR);
    CHECK_IS(large(1000, 0, 500, XEN_NETIF_GSO_TYPE_TCPV4), NETIF_RSP_ERROR);
    CHECK_IS(large(10, BLANK, 500, XEN_NETIF_GSO_TYPE_TCPV4), NETIF_RSP_ERROR);
}

/* Frames for everybody that claim to be TCP to be cut, or summed, and are noise behind their first
 * bytes. */
static void noise_for_everybody(void)
{
    static const uint8_t tcp[] = { 0x08, 0, 0x45, 0, 0x0f, 0xa0, 0, 0, 0, 0, 64, 6 };
    static uint64_t seed = 11;
    uint8_t *frame = card.tx_buffer[0];

    printk("noise for everybody\n");
    for (unsigned int round = 0; round < 200; round++) {
        for (unsigned int i = 0; i < 4096; i++)
            frame[i] = (uint8_t)next_random(&seed);
        memcpy(frame, question, 12);
        memcpy(frame + 12, tcp, round % 3 ? sizeof tcp : round % sizeof tcp);
        if (round % 2)
            (void)large(14 + round * 20, BLANK, 1 + round * 300 % 65535, XEN_NETIF_GSO_TYPE_TCPV4);
        else
            CHECK_IS(one_slot(card.tx_grant[0], 0, 14 + round, BLANK), NETIF_RSP_OKAY);
    }
}

/* Chains that do not end make the ring as a whole meaningless. */
static void endless_chains(unsigned int kind)
{
    printk("endless chain %u\n", kind);
    open_card();
    for (unsigned int i = 0; kind == 0 && i < 40; i++)          /* longer than any frame may be */
        put(card.tx_grant[0], 0, 1500, MORE);
    if (kind == 1)                                              /* ends with the ring's contents */
        put(card.tx_grant[0], 0, 100, MORE);
    if (kind >= 2)
        put(card.tx_grant[0], 0, 100, EXTRA | BLANK);
    for (unsigned int i = 0; kind == 3 && i < 40; i++)
        put_extra(XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE, 500,
                  XEN_NETIF_GSO_TYPE_TCPV4);
    push();
    CHECK(closes(card.bus.other_path));
    close_card();
}

/* --- what we receive --- */

static void wrong_buffers(void)
{
    const grant_ref_t wrong[] = { NEVER_GRANTED, 0xffffffff, card.tx_grant[0] };

    printk("wrong buffers\n");
    for (unsigned int i = 0; i < NETFRONT_RX; i++)
        RING_GET_REQUEST(&card.rx, i)->gref = wrong[i % ARRAY_SIZE(wrong)];
    for (unsigned int i = 0; i < 40; i++)
        ask();
    /* each wrong one was used up by a frame; then come the driver's own */
    CHECK(is_answered());
}

static void impossible_index(void)
{
    printk("impossible index\n");
    open_card();
    card.rx.sring->req_prod += 1000;
    for (unsigned int i = 0; i < 10; i++)
        ask();
    CHECK(closes(card.bus.other_path));
    close_card();
}

/* --- what we take away --- */

void card_at_work(void)
{
    open_card();
    for (unsigned int i = 0; i < 200; i++)
        put(card.tx_grant[i % NETFRONT_TX], 0, 1500, 0);
    push();
}

static void grants_withdrawn(void)
{
    printk("grants withdrawn\n");
    card_at_work();
    for (unsigned int i = 0; i < NETFRONT_TX; i++)
        entries[card.tx_grant[i]].flags = 0;
    for (unsigned int i = 0; i < NETFRONT_RX; i++)
        entries[card.rx_grant[i]].flags = 0;
    entries[card.tx_ring_grant].flags = entries[card.rx_ring_grant].flags = 0;
    CHECK_IS(page_set_readonly(card.rx_page, true), 0);
    CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(card.rx_page)));
    CHECK_IS(page_set_readonly(card.rx_page, false), 0);
    close_card();
    it_serves();
}

static void port_closed(void)
{
    printk("port closed\n");
    card_at_work();
    event_unbind(card.event);
    card.event = 0;
    close_card();
    it_serves();
}

static void states_flap(void)
{
    printk("states flap\n");
    for (unsigned int round = 0; round < 3; round++) {
        card_at_work();
        flap(card.node);
        close_card();
    }
    it_serves();
}

void card_attacks(void)
{
    it_serves();
    open_card();
    wrong_frames();
    noise_for_everybody();
    close_card();
    open_card();
    wrong_buffers();
    close_card();
    for (unsigned int kind = 0; kind < 4; kind++)
        endless_chains(kind);
    impossible_index();
    grants_withdrawn();
    port_closed();
    states_flap();
}
