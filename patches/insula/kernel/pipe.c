/* SPDX-License-Identifier: MIT */
/* Pipes: a page of bytes between two open files. Positions run freely; their difference is what is
 * in the pipe. */
#include "kernel.h"

enum { PIPES = 32 };
struct pipe {
    u8 *bytes;                          /* NULL: the slot is free */
    u32 read, written;
    bool reader, writer;                /* ends still open */
};
static struct pipe pipes[PIPES];

int pipe_create(struct file **read_end, struct file **write_end)
{
    struct pipe *pipe = pipes;

    while (pipe < pipes + PIPES && pipe->bytes)
        pipe++;
    if (pipe == pipes + PIPES) return -ENFILE;
    *pipe = (struct pipe){ page_alloc(), 0, 0, true, true };
    if (!pipe->bytes) return -ENOMEM;
    *read_end = file_alloc();
    *write_end = *read_end ? file_alloc() : NULL;
    if (!*write_end) {
        if (*read_end)
            file_close(*read_end);
        page_free(pipe->bytes);
        pipe->bytes = NULL;
        return -ENFILE;
    }
    (*read_end)->type = (*write_end)->type = TYPE_PIPE;
    (*read_end)->pipe = (*write_end)->pipe = pipe;
    (*read_end)->readable = (*write_end)->writable = true;
    return 0;
}

void pipe_close(struct pipe *pipe, bool write_end)
{
    if (write_end)
        pipe->writer = false;
    else
        pipe->reader = false;
    wake(pipe);
    if (!pipe->reader && !pipe->writer) {
        page_free(pipe->bytes);
        pipe->bytes = NULL;
    }
}

int pipe_write(struct pipe *pipe, u64 user, u32 n)
{
    u32 done = 0;

    while (done < n) {
        u32 room = (u32)PAGE_SIZE - (pipe->written - pipe->read), at = pipe->written % PAGE_SIZE;
        if (!pipe->reader) return -EPIPE;
        if (current->killed) return -EINTR;
        if (!room) {
            sleep_on(pipe);
            continue;
        }
        u32 chunk = (u32)PAGE_SIZE - at;
        if (chunk > room)
            chunk = room;
        if (chunk > n - done)
            chunk = n - done;
        if (copy_in(pipe->bytes + at, user + done, chunk) < 0) return -EFAULT;
        pipe->written += chunk;
        done += chunk;
        wake(pipe);
    }
    return (int)n;
}

/* Waits for the first byte, then takes what there is. 0: nobody will ever write again. */
int pipe_read(struct pipe *pipe, u64 user, u32 n)
{
    u32 done = 0;

    while (pipe->read == pipe->written && pipe->writer) {
        if (current->killed) return -EINTR;
        sleep_on(pipe);
    }
    while (done < n && pipe->read != pipe->written) {
        u32 at = pipe->read % PAGE_SIZE, chunk = (u32)PAGE_SIZE - at;
        if (chunk > pipe->written - pipe->read)
            chunk = pipe->written - pipe->read;
        if (chunk > n - done)
            chunk = n - done;
        if (copy_out(user + done, pipe->bytes + at, chunk) < 0) return -EFAULT;
        pipe->read += chunk;
        done += chunk;
    }
    wake(pipe);
    return (int)done;
}
