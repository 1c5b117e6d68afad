/* SPDX-License-Identifier: MIT */
/* A block front end under test: what its kernel submits, and a back end's end of its ring. */
#ifndef TESTS_UNIT_BLKFRONT_HOST_H
#define TESTS_UNIT_BLKFRONT_HOST_H

#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <drivers/blkfront.h>
#include <pvguest/bits.h>
#include "frontends_host.h"

#define BACK "/local/domain/3/backend/vbd/1/51712"

static struct blkfront disk;
static blkif_sring_t *ring;
static unsigned int taken;              /* requests that the back end has looked at */

/* --- requests of the kernel's ----------------------------------------------------------------- */

static _Alignas(4096) uint8_t data[40][4096];
static struct block_request request[80];
static int result[80];                  /* 1: not done */

static unsigned int when_done;          /* Not 0: the next request that is done submits this one. */
static void submit(unsigned int number, enum block_operation operation, unsigned int segments);

static void done(struct block_request *which, int status)
{
    unsigned int another = when_done;

    assert_int_equal(result[which - request], 1);       /* once */
    result[which - request] = status;
    when_done = 0;
    if (another)
        submit(another, BLOCK_READ, 1);
}

static void submit(unsigned int number, enum block_operation operation, unsigned int segments)
{
    request[number] = (struct block_request){ .operation = operation, .sector = 8 + number,
                                              .segments = segments, .done = done,
                                              .next = (void *)8 };      /* the driver's to set */
    for (unsigned int i = 0; i < segments; i++) {
        request[number].segment[i] = (struct block_segment){
            .data = data[i], .machine = virt_to_machine(data[i]) + 1024, .length = 1536
        };
        request[number].sectors += 3;
    }
    if (!segments)
        request[number].sectors = 5;
    result[number] = 1;
    masked = true;
    block_submit(&disk.device, &request[number]);
    block_kick(&disk.device);
    masked = false;
}

/* --- the back end ----------------------------------------------------------------------------- */

static const blkif_request_t *next_request(void)
{
    assert_true(ring->req_prod != taken);
    return &ring->ring[taken++ & 31].req;
}

static void answer(uint64_t id, int status)
{
    ring->ring[ring->rsp_prod & 31].rsp = (blkif_response_t){ .id = id, .status = (int16_t)status };
    ring->rsp_prod++;
}

static int set_up(void **state)
{
    forget_all("device/vbd/51712", BACK);
    set_node("device/vbd/51712/backend", BACK);
    set_node("device/vbd/51712/backend-id", "3");
    set_node(BACK "/sectors", "1000");
    set_node(BACK "/sector-size", "512");
    set_node(BACK "/mode", "w");
    set_node(BACK "/feature-flush-cache", "1");
    set_node(BACK "/feature-discard", "1");
    taken = 0;
    return 0;
}

static void open_disk(void)
{
    assert_int_equal(blkfront_open(&disk, 51712), 0);
    ring = (blkif_sring_t *)(void *)disk.ring_page;
    assert_int_equal(granted, 1);
}

static void close_disk(void)
{
    uint64_t before = clock_ns;

    blkfront_close(&disk);
    assert_true(clock_ns - before < NS_PER_S);  /* for nothing that does not come is waited */
    assert_int_equal(granted, 0);
    assert_null(handler);
}

/* --- the disks in the store ------------------------------------------------------------------- */

static unsigned int entries;

char **xs_directory(xs_transaction t, const char *path, unsigned int *count)
{
    static const char *const names[] = { "51728", "51712", "51744" };
    char **array = malloc(sizeof names);

    assert_string_equal(path, "device/vbd");
    *count = entries;
    memcpy(array, names, sizeof names);
    if (entries <= 3) return array;
    free(array);
    return ERR_PTR(-ENOENT);
}

#endif
