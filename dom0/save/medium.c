/* SPDX-License-Identifier: MIT */
/* See medium.h. */
#include "dom0/save/medium.h"
#include "dom0/console/terminal.h"
#include "dom0/save/format.h"
#include "dom0/storage/disks.h"
#include "dom0/storage/gpt.h"
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/thread.h>

#define ORDER   4u
#define BUFFER  (SAVE_PAGE << ORDER)    /* Bytes moved at a time. */
#define LOOK    (1u << 20)              /* Must be empty: some file systems begin at 64 KiB. */
#define LOOK_NS (200 * NS_PER_MS)       /* How long Ctrl-C may not be seen. */
/* In the first buffer's place while the rest is written: nothing is of worth there. */
#define MARK "Domus: a guest is being saved here, or was and is not whole\n"

struct medium {
    struct tape tape;
    struct blockdev *disk;
    char target[GPT_NAME];              /* By which it is claimed: a partition, or "/dev/disk0". */
    bool writing;
    uint8_t *buffer, *head;             /* Pages; the first buffer's, kept until the end. */
    uint64_t at;                        /* The disk's sector behind the buffer, or of it. */
    size_t filled, used;
    struct wait_queue wait;
    struct block_request request;       /* The disk's, and what it names too, until it is done. */
    bool done;
    int status;
    bool given_up, closed;              /* By the operator; by us: then it goes when it is done. */
    bool stands;                        /* A guest may, in spite of that: then it is revoked. */
};

static void release(struct medium *medium)
{
    if (medium->disk)
        disks_release(medium->target, medium->writing);
    if (medium->buffer)
        free_pages(medium->buffer, ORDER);
    if (medium->head)
        free_pages(medium->head, ORDER);
    free(medium);
}

/* --- the disk --- */

static void let_go(struct medium *medium);

static void finished(struct block_request *request, int status)
{
    struct medium *medium = request->context;

    medium->status = status;
    medium->done = true;
    wake_all(&medium->wait);
    if (medium->closed)
        let_go(medium);
}

/* One that is closed may be gone then. */
static void start(struct medium *medium, const struct block_request *request)
{
    struct blockdev *disk = medium->disk;
    bool masked = events_save();

    medium->request = *request;
    medium->request.done = finished;
    medium->request.context = medium;
    medium->done = false;
    block_submit(disk, &medium->request);
    block_kick(disk);
    events_restore(masked);
}

/* A slow disk is waited for as long as the operator does, who may have one that never answers. */
static int submit(struct medium *medium, const struct block_request *request)
{
    if (medium->given_up) return -EAGAIN;
    start(medium, request);
    while (!wait_event_timeout(medium->wait, medium->done, LOOK_NS)) {
        medium->given_up = !terminal_sleep(0);
        if (medium->given_up) return -EAGAIN;
    }
    return medium->status;
}

static int transfer(struct medium *medium, enum block_operation operation, uint64_t sector,
                    uint8_t *bytes, size_t size)
{
    int error = 0;

    if (sector >= medium->disk->sectors || size / BLOCK_SECTOR > medium->disk->sectors - sector)
        return operation == BLOCK_WRITE ? -ENOSPC : -ENODATA;
    while (size && !error) {
        struct block_request request = { .operation = operation, .sector = sector };
        size_t moved = block_describe(&request, bytes, size, virt_to_machine);

        error = submit(medium, &request);
        bytes += moved;
        size -= moved;
        sector += moved / BLOCK_SECTOR;
    }
    return error;
}

static int flush(struct medium *medium)
{
    struct block_request request = { .operation = BLOCK_FLUSH };

    return submit(medium, &request);
}

static void mark(struct medium *medium)
{
    memset(medium->buffer, 0, BUFFER);
    memcpy(medium->buffer, MARK, sizeof(MARK));
}

/* Closed, and nothing of it is at the disk. The guest goes on that was not saved after all: what
 * there may be of it in spite of that is no guest any more, which takes a first page. */
static void let_go(struct medium *medium)
{
    struct block_request request = { .operation = BLOCK_WRITE };

    if (!medium->stands) {
        release(medium);
        return;
    }
    medium->stands = false;
    medium->closed = true;
    mark(medium);
    block_describe(&request, medium->buffer, SAVE_PAGE, virt_to_machine);
    start(medium, &request);
}

/* --- bytes --- */

/* The first buffer stays in memory: in its place there is the mark until the end. */
static int write_buffer(struct medium *medium)
{
    uint64_t at = medium->at;

    medium->at += BUFFER / BLOCK_SECTOR;
    medium->filled = 0;
    if (at) return transfer(medium, BLOCK_WRITE, at, medium->buffer, BUFFER);
    memcpy(medium->head, medium->buffer, BUFFER);
    mark(medium);
    return transfer(medium, BLOCK_WRITE, 0, medium->buffer, BUFFER);
}

static int tape_write(struct tape *tape, const void *from, size_t size)
{
    struct medium *medium = container_of(tape, struct medium, tape);
    const uint8_t *bytes = from;
    int error = 0;

    while (size && !error) {
        size_t piece = MIN(size, BUFFER - medium->filled);

        memcpy(medium->buffer + medium->filled, bytes, piece);
        medium->filled += piece;
        bytes += piece;
        size -= piece;
        if (medium->filled == BUFFER)
            error = write_buffer(medium);
    }
    return error;
}

/* A partition may end within a buffer. */
static int read_buffer(struct medium *medium)
{
    uint64_t left = medium->at < medium->disk->sectors ? medium->disk->sectors - medium->at : 0;
    size_t size = MIN(left, (uint64_t)(BUFFER / BLOCK_SECTOR)) * BLOCK_SECTOR;
    int error = transfer(medium, BLOCK_READ, medium->at, medium->buffer, size);

    medium->at += size / BLOCK_SECTOR;
    medium->filled = error ? 0 : size;
    medium->used = 0;
    return error;
}

static int tape_read(struct tape *tape, void *to, size_t size)
{
    struct medium *medium = container_of(tape, struct medium, tape);
    uint8_t *bytes = to;
    int error = 0;

    while (size && !error) {
        size_t piece = MIN(size, medium->filled - medium->used);

        memcpy(bytes, medium->buffer + medium->used, piece);
        medium->used += piece;
        bytes += piece;
        size -= piece;
        if (size)
            error = read_buffer(medium);
    }
    return error;
}

/* --- from the claim to the end --- */

static int claim(const char *target, bool writing, struct medium **made, struct problem *problem)
{
    struct medium *medium = calloc(1, sizeof(*medium));
    const char *why;
    int error;

    if (medium) {
        medium->buffer = alloc_pages(ORDER);
        medium->head = alloc_pages(ORDER);
    }
    if (!medium || !medium->buffer || !medium->head) {
        if (medium)
            release(medium);
        return problem_set(problem, -ENOMEM, "dom0 has no memory left");
    }
    medium->tape = (struct tape){ tape_write, tape_read };
    medium->writing = writing;
    medium->done = true;
    wait_queue_init(&medium->wait);
    snprintf(medium->target, sizeof(medium->target), "%s", target);
    error = disks_claim(target, writing, &medium->disk, &why);
    if (error) {
        release(medium);
        return problem_set(problem, error, "'%s': %s", target, why);
    }
    *made = medium;
    return 0;
}

static bool is_empty(const struct medium *medium)
{
    for (size_t i = 0; i < medium->filled; i++)
        if (medium->buffer[i])
            return false;
    return true;
}

/* -EEXIST: there is something, and it is no guest that was saved or is not whole. */
static int look_at_all(struct medium *medium, bool *saved)
{
    int error = read_buffer(medium);

    *saved = !error && !memcmp(medium->buffer, XL_MAGIC, sizeof(((struct xl_header *)NULL)->magic));
    if (error || *saved || !memcmp(medium->buffer, MARK, sizeof(MARK))) return error;
    while (!error && is_empty(medium) && medium->at < MIN(LOOK / BLOCK_SECTOR,
                                                          medium->disk->sectors))
        error = read_buffer(medium);
    return error || is_empty(medium) ? error : -EEXIST;
}

/* What is there is somebody's. */
static int look(struct medium *medium, const char *target, bool over, struct problem *problem)
{
    bool saved;
    int error = look_at_all(medium, &saved);

    if (error == -EEXIST)
        return problem_set(problem, error, "'%s' holds something that is no saved guest: write "
                           "zeroes over its first %u KiB, if nobody wants it", target, LOOK / 1024);
    if (error == -EAGAIN) return problem_set(problem, error, "given up");
    if (error)
        return problem_set(problem, error, "'%s' cannot be read: %s", target, errno_name(error));
    if (!saved || over) return 0;
    return problem_set(problem, -EEXIST, "'%s' holds a saved guest already: save -f writes over it",
                       target);
}

int medium_to_write(const char *target, bool over, struct medium **medium, struct problem *problem)
{
    int error = claim(target, true, medium, problem);

    if (error) return error;
    error = look(*medium, target, over, problem);
    if (!error) {
        (*medium)->at = 0;
        (*medium)->filled = 0;
        return 0;
    }
    medium_close(*medium);
    return error;
}

int medium_to_read(const char *target, struct medium **medium, struct problem *problem)
{
    return claim(target, false, medium, problem);
}

struct tape *medium_tape(struct medium *medium)
{
    return &medium->tape;
}

uint64_t medium_bytes(const struct medium *medium)
{
    return medium->disk->sectors * BLOCK_SECTOR;
}

/* What is in the buffer, to the end of its sector; a guest of less than a buffer, which says itself
 * what it has, is a whole one, the first. */
static int write_rest(struct medium *medium)
{
    size_t size = (medium->filled + BLOCK_SECTOR - 1) & ~(size_t)(BLOCK_SECTOR - 1);

    memset(medium->buffer + medium->filled, 0, BUFFER - medium->filled);
    if (!medium->at) return write_buffer(medium);
    return size ? transfer(medium, BLOCK_WRITE, medium->at, medium->buffer, size) : 0;
}

int medium_finish(struct medium *medium, struct problem *problem)
{
    int error = write_rest(medium);

    error = error ? error : flush(medium);
    medium->stands = !error;
    error = error ? error : transfer(medium, BLOCK_WRITE, 0, medium->head, BUFFER);
    error = error ? error : flush(medium);
    medium->stands = medium->stands && error;
    if (error == -ENOSPC)
        return problem_set(problem, error, "there is too little room for the guest");
    if (error == -EAGAIN) return problem_set(problem, error, "given up");
    return error ? problem_set(problem, error, "cannot be written: %s", errno_name(error)) : 0;
}

void medium_close(struct medium *medium)
{
    bool masked = events_save();

    medium->closed = !medium->done;
    events_restore(masked);
    if (!medium->closed)
        let_go(medium);
}
