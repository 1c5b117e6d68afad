/* SPDX-License-Identifier: MIT */
/* Open files: what a descriptor stands for, shared by dup and fork, with one offset. */
#include "kernel.h"

enum { OPEN_FILES = 128, CHUNK = 7 * 4096 };
static struct file files[OPEN_FILES];

struct file *file_alloc(void)
{
    for (struct file *f = files; f < files + OPEN_FILES; f++) {
        if (f->references)
            continue;
        memset(f, 0, sizeof *f);
        f->references = 1;
        return f;
    }
    return NULL;
}

struct file *file_hold(struct file *file)
{
    file->references++;
    return file;
}

void file_close(struct file *file)
{
    struct file last = *file;

    if (--file->references > 0) return;
    if (last.pipe)
        pipe_close(last.pipe, last.writable);
    if (last.socket)
        socket_close(last.socket);
    if (last.inode) {
        log_begin();
        inode_put(last.inode);
        log_end();
    }
}

bool file_descriptor_free(void)
{
    for (int fd = 0; fd < FILES; fd++)
        if (!current->files[fd])
            return true;
    return false;
}

int file_descriptor(struct file *file)
{
    for (int fd = 0; fd < FILES; fd++) {
        if (!current->files[fd]) {
            current->files[fd] = file;
            return fd;
        }
    }
    file_close(file);
    return -EMFILE;
}

struct file *file_of(u64 descriptor)
{
    return descriptor < FILES ? current->files[descriptor] : NULL;
}

int file_read(struct file *file, u64 user, u32 n)
{
    int result;

    if (!file->readable) return -EBADF;
    if (file->pipe) return pipe_read(file->pipe, user, n);
    inode_lock(file->inode);
    if (file->inode->type == TYPE_DEVICE) {
        inode_unlock(file->inode);
        return terminal_read(user, n, file->raw);
    }
    result = inode_read(file->inode, NULL, user, file->offset, n);
    if (result > 0)
        file->offset += (u32)result;
    inode_unlock(file->inode);
    return result;
}

/* A long write is several log operations, so that each fits the log. */
static int write_file(struct file *file, u64 user, u32 n)
{
    u32 done = 0;
    int result = 0;

    do {
        u32 chunk = n - done < CHUNK ? n - done : CHUNK;
        log_begin();
        inode_lock(file->inode);
        if (file->append)
            file->offset = file->inode->size;
        result = inode_write(file->inode, NULL, user + done, file->offset, chunk);
        if (result > 0)
            file->offset += (u32)result;
        inode_unlock(file->inode);
        log_end();
        if (result > 0)
            done += (u32)result;
    } while (result > 0 && done < n);
    return done ? (int)done : result;
}

int file_write(struct file *file, u64 user, u32 n)
{
    if (!file->writable) return -EBADF;
    if (n > 0x7fffffff) return -EINVAL;
    if (file->pipe) return pipe_write(file->pipe, user, n);
    inode_lock(file->inode);
    bool device = file->inode->type == TYPE_DEVICE;
    inode_unlock(file->inode);
    return device ? terminal_write(user, n) : write_file(file, user, n);
}
