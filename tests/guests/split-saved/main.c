/* SPDX-License-Identifier: MIT */
/*
 * A domU whose disk, card and memory are always at work while it is saved and restored: two threads
 * write and read back, with requests on the ring whenever it may be, a third changes its memory
 * (memory.c; as much as it can with writes=all on its command line), the main thread asks the
 * network who has 10.0.2.2 and wants an answer. It says each round, and which life it has. Ends
 * only by a failure, or with ends=N before round N; with late=MS it takes so long to suspend;
 * without a disk it is bare, and skips. (tests/system/test_save.py)
 */
#include "../lib/arp.h"
#include "../lib/test.h"
#include "memory.h"

#include <drivers/blkfront.h>
#include <drivers/netfront.h>
#include <pvguest/suspend.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>

#define WORKERS 2u
#define BYTES 32768u

static struct blkfront disk;
static struct netfront card;
static unsigned int life;
static volatile unsigned int replies, transfers[WORKERS];
static WAIT_QUEUE(finished);
static _Alignas(4096) uint8_t data[WORKERS][BYTES], back[WORKERS][BYTES];

static void done(struct block_request *request, int status)
{
    *(volatile int *)request->context = status;
    wake_all(&finished);
}

/* Sleeps: others run meanwhile, the one that suspends among them. */
static int transfer(enum block_operation operation, uint64_t sector, uint8_t *bytes)
{
    for (size_t size = BYTES; size; ) {
        struct block_request request = { .operation = operation, .sector = sector };
        size_t moved = block_describe(&request, bytes, size, virt_to_machine);
        volatile int status = 1;
        bool masked = events_save();

        request.done = done;
        request.context = (void *)(uintptr_t)&status;
        block_submit(&disk.device, &request);
        block_kick(&disk.device);
        events_restore(masked);
        wait_event(finished, status != 1);
        if (status) return status;
        bytes += moved;
        size -= moved;
        sector += moved / BLOCK_SECTOR;
    }
    return 0;
}

static void work(void *argument)
{
    unsigned int me = (unsigned int)(uintptr_t)argument;
    uint64_t sector = 64 + me * (uint64_t)(BYTES / BLOCK_SECTOR);

    for (unsigned int seed = 1; ; seed++) {
        for (unsigned int i = 0; i < BYTES; i++)
            data[me][i] = (uint8_t)(i * seed + i / 4096 + me);
        CHECK_IS(transfer(BLOCK_WRITE, sector, data[me]), 0);
        CHECK_IS(transfer(BLOCK_READ, sector, back[me]), 0);
        CHECK(memcmp(data[me], back[me], BYTES) == 0);
        transfers[me]++;
        thread_yield();
    }
}

static void receive(struct netport *port, void *bytes, size_t length, uint32_t flags)
{
    if (arp_answers(port, bytes, length))
        replies++;
}

static void ask(struct netport *port)
{
    bool masked = events_save();

    arp_ask(port, 78);
    port->flush(port);
    events_restore(masked);
}

static unsigned int late_ms;            /* it has heard that it is to suspend, and takes its time */

static void delay(struct suspend_hook *hook)
{
    printk("split-saved: has heard\n");
    thread_sleep(late_ms * NS_PER_MS);
}

static void tell(struct suspend_hook *hook, bool restored)
{
    life += restored;
    printk("split-saved: %s\n", restored ? "restored" : "going on");
}

/* An answer, and something of each worker's; a question may be lost on the way to another life. */
static void one_round(unsigned int number)
{
    unsigned int had = replies, before[WORKERS] = { transfers[0], transfers[1] };
    unsigned int steps = memory_steps;
    uint64_t until = now_ns() + 60 * NS_PER_S;

    while ((replies == had || transfers[0] == before[0] || transfers[1] == before[1] ||
            memory_steps == steps) && now_ns() < until) {
        ask(&card.port);
        thread_sleep(100 * NS_PER_MS);
    }
    CHECK(replies > had && transfers[0] > before[0] && transfers[1] > before[1] &&
          memory_steps > steps);
    printk("split-saved: round %u of life %u\n", number, life);
}

void test_main(void)
{
    char writes[8] = "", ends[8] = "0", late[8] = "0";
    unsigned int last;
    static struct suspend_hook hook = { .before = delay, .after = tell };

    if (!xs_available())
        test_skip("no XenStore");
    card.port.receive = receive;
    CHECK_IS(blkfront_open(&disk, (unsigned int)blkfront_first()), 0);
    CHECK_IS(netfront_open(&card, 0), 0);
    suspend_hook(&hook);
    NEED(suspend_when_asked() == 0);
    command_option("writes", writes, sizeof(writes));
    command_option("ends", ends, sizeof(ends));
    command_option("late", late, sizeof(late));
    last = (unsigned int)strtoul(ends, NULL, 10);
    late_ms = (unsigned int)strtoul(late, NULL, 10);
    memory_begin(!strcmp(writes, "all"));
    for (unsigned int i = 0; i < WORKERS; i++)
        NEED(thread_create("worker", work, (void *)(uintptr_t)i));
    for (unsigned int round = 1; round != last; round++)
        one_round(round);
}
