/* SPDX-License-Identifier: MIT */
/* The file system below path names: blocks, inodes, what is in a file, what is in a directory.
 * Everything that changes something runs inside log_begin .. log_end of the caller; every change
 * goes to log_write. */
#include "kernel.h"
#include "disk_format.h"

enum { INODES = 128 };
static struct superblock super;
static struct inode inodes[INODES];                     /* those in use */

static u32 block_alloc(void)
{
    static u32 next;
    struct buffer *bitmap = buffer_get(super.bitmap);

    if (next < super.data_start)
        next = super.data_start;
    for (u32 tried = super.data_start; tried < super.blocks; tried++) {
        u32 block = next;
        next = next + 1 < super.blocks ? next + 1 : super.data_start;
        if (bitmap->data[block / 8] & 1 << block % 8)
            continue;
        bitmap->data[block / 8] |= (u8)(1 << block % 8);
        log_write(bitmap);
        buffer_put(bitmap);
        struct buffer *fresh = buffer_new(block);
        log_write(fresh);
        buffer_put(fresh);
        return block;
    }
    buffer_put(bitmap);
    return 0;
}

static void block_free(u32 block)
{
    struct buffer *bitmap = buffer_get(super.bitmap);

    if (!(bitmap->data[block / 8] & 1 << block % 8))
        kpanic("block %u is free already", block);
    bitmap->data[block / 8] &= (u8)~(1 << block % 8);
    log_write(bitmap);
    buffer_put(bitmap);
}

static struct buffer *inode_buffer(u32 number, struct disk_inode **entry)
{
    struct buffer *buffer = buffer_get(super.inode_start + number / INODES_PER_BLOCK);

    *entry = (struct disk_inode *)buffer->data + number % INODES_PER_BLOCK;
    return buffer;
}

/* An inode in the table of those in use, not yet read from the disk. */
struct inode *inode_get(u32 number)
{
    struct inode *free = NULL;

    for (struct inode *i = inodes; i < inodes + INODES; i++) {
        if (i->references && i->number == number) {
            i->references++;
            return i;
        }
        if (!i->references)
            free = i;
    }
    if (!free)
        kpanic("too many files in use");
    memset(free, 0, sizeof *free);
    free->number = number;
    free->references = 1;
    return free;
}

struct inode *inode_hold(struct inode *inode)
{
    inode->references++;
    return inode;
}

struct inode *inode_alloc(u16 type)
{
    for (u32 number = ROOT_INODE; number < super.inodes; number++) {
        struct disk_inode *entry;
        struct buffer *buffer = inode_buffer(number, &entry);
        bool free = entry->type == TYPE_FREE;
        if (free) {
            memset(entry, 0, sizeof *entry);
            entry->type = type;
            log_write(buffer);
        }
        buffer_put(buffer);
        if (free) return inode_get(number);
    }
    return NULL;
}

void inode_lock(struct inode *inode)
{
    lock_acquire(&inode->lock);
    if (!inode->valid) {
        struct disk_inode *entry;
        struct buffer *buffer = inode_buffer(inode->number, &entry);
        inode->type = entry->type;
        inode->device = entry->device;
        inode->links = entry->links;
        inode->size = entry->size;
        memcpy(inode->block, entry->block, sizeof inode->block);
        buffer_put(buffer);
        inode->valid = true;
    }
}

void inode_unlock(struct inode *inode)
{
    lock_release(&inode->lock);
}

/* Copies what the kernel knows of an inode to its block. */
void inode_update(struct inode *inode)
{
    struct disk_inode *entry;
    struct buffer *buffer = inode_buffer(inode->number, &entry);

    entry->type = inode->type;
    entry->device = inode->device;
    entry->links = inode->links;
    entry->size = inode->size;
    memcpy(entry->block, inode->block, sizeof inode->block);
    log_write(buffer);
    buffer_put(buffer);
}

void inode_truncate(struct inode *inode)
{
    if (inode->block[DIRECT]) {
        struct buffer *indirect = buffer_get(inode->block[DIRECT]);
        for (u32 i = 0; i < INDIRECT; i++)
            if (((u32 *)indirect->data)[i])
                block_free(((u32 *)indirect->data)[i]);
        buffer_put(indirect);
    }
    for (u32 i = 0; i <= DIRECT; i++) {
        if (inode->block[i])
            block_free(inode->block[i]);
        inode->block[i] = 0;
    }
    inode->size = 0;
    inode_update(inode);
}

/* Gives up a reference. The last one to a file without a name frees the file, so this too runs
 * inside a log operation. */
void inode_put(struct inode *inode)
{
    if (inode->references == 1 && inode->valid && inode->links == 0) {
        inode_lock(inode);              /* nobody else has it, so this does not wait */
        inode_truncate(inode);
        inode->type = TYPE_FREE;
        inode_update(inode);
        inode->valid = false;
        inode_unlock(inode);
    }
    inode->references--;
}

/* The block that holds the index-th part of a file; 0: there is none (and none is wanted, or the
 * disk is full). */
static u32 block_of(struct inode *inode, u32 index, bool create)
{
    struct buffer *indirect;
    u32 *slot;
    u32 block;

    if (index < DIRECT) {
        if (!inode->block[index] && create)
            inode->block[index] = block_alloc();
        return inode->block[index];
    }
    if (!inode->block[DIRECT]) {
        if (create)
            inode->block[DIRECT] = block_alloc();
        if (!inode->block[DIRECT]) return 0;
    }
    indirect = buffer_get(inode->block[DIRECT]);
    slot = (u32 *)indirect->data + (index - DIRECT);
    if (!*slot && create) {
        *slot = block_alloc();
        log_write(indirect);
    }
    block = *slot;
    buffer_put(indirect);
    return block;
}

int inode_read(struct inode *inode, void *to, u64 user, u32 offset, u32 n)
{
    u32 done = 0;

    if (offset >= inode->size) return 0;
    if (n > inode->size - offset)
        n = inode->size - offset;
    while (done < n) {
        u32 at = (offset + done) % BLOCK_SIZE,
            chunk = BLOCK_SIZE - at < n - done ? BLOCK_SIZE - at : n - done;
        struct buffer *buffer = buffer_get(block_of(inode, (offset + done) / BLOCK_SIZE, false));
        int error = 0;
        if (to)
            memcpy((u8 *)to + done, buffer->data + at, chunk);
        else
            error = copy_out(user + done, buffer->data + at, chunk);
        buffer_put(buffer);
        if (error) return error;
        done += chunk;
    }
    return (int)n;
}

/* Writes at most what fits a log operation: 7 blocks and what describes them. Files have no
 * holes. */
int inode_write(struct inode *inode, const void *from, u64 user, u32 offset, u32 n)
{
    u32 done = 0;
    int error = 0;

    if (offset > inode->size || (u64)offset + n > MAX_FILE) return -EFBIG;
    while (done < n && !error) {
        u32 at = (offset + done) % BLOCK_SIZE,
            chunk = BLOCK_SIZE - at < n - done ? BLOCK_SIZE - at : n - done;
        u32 block = block_of(inode, (offset + done) / BLOCK_SIZE, true);
        if (!block) {
            error = -ENOSPC;
            break;
        }
        struct buffer *buffer = buffer_get(block);
        if (from)
            memcpy(buffer->data + at, (const u8 *)from + done, chunk);
        else
            error = copy_in(buffer->data + at, user + done, chunk);
        log_write(buffer);
        buffer_put(buffer);
        if (!error)
            done += chunk;
    }
    if (offset + done > inode->size)
        inode->size = offset + done;
    inode_update(inode);
    return done ? (int)done : error;
}

struct inode *directory_find(struct inode *directory, const char *name, u32 *offset)
{
    struct dirent entry;

    for (u32 at = 0; inode_read(directory, &entry, 0, at, sizeof entry) == sizeof entry;
         at += (u32)sizeof entry) {
        if (!entry.inode || strncmp(entry.name, name, NAME_MAX) != 0)
            continue;
        if (offset)
            *offset = at;
        return inode_get(entry.inode);
    }
    return NULL;
}

/* The name is not there yet: the caller has looked, and holds the directory's lock. */
int directory_add(struct inode *directory, const char *name, u32 number)
{
    struct dirent entry;
    u32 at = 0;
    int n;

    while (inode_read(directory, &entry, 0, at, sizeof entry) == sizeof entry && entry.inode)
        at += (u32)sizeof entry;
    memset(&entry, 0, sizeof entry);
    entry.inode = (u16)number;
    memcpy(entry.name, name, strlen(name) < NAME_MAX ? strlen(name) : NAME_MAX);
    n = inode_write(directory, &entry, 0, at, sizeof entry);
    return n < 0 ? n : 0;
}

bool directory_empty(struct inode *directory)
{
    struct dirent entry;

    for (u32 at = 2 * sizeof entry; inode_read(directory, &entry, 0, at, sizeof entry) > 0;
         at += (u32)sizeof entry)
        if (entry.inode)
            return false;
    return true;
}

/* Files that were open without a name when the machine stopped. */
static void free_orphans(void)
{
    for (u32 number = ROOT_INODE; number < super.inodes; number++) {
        struct disk_inode *entry;
        struct buffer *buffer = inode_buffer(number, &entry);
        bool orphan = entry->type != TYPE_FREE && entry->links == 0;
        buffer_put(buffer);
        if (!orphan)
            continue;
        log_begin();
        struct inode *inode = inode_get(number);
        inode_lock(inode);
        inode_unlock(inode);
        inode_put(inode);
        log_end();
    }
}

/* In the first process, for the disk may sleep. */
void fs_init(void)
{
    struct buffer *buffer = buffer_get(0);

    memcpy(&super, buffer->data, sizeof super);
    buffer_put(buffer);
    if (super.magic != FS_MAGIC || super.blocks > disk->blocks ||
        super.log_start + LOG_MAX >= super.inode_start)
        kpanic("disk %s holds no file system of mine", disk->name);
    log_init(super.log_start);
    free_orphans();
}
