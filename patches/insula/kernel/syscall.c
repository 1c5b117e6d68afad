/* SPDX-License-Identifier: MIT */
/* System calls: fetch and check the arguments, call the part of the kernel that does the work. A
 * pointer from a program is a u64 here and is only ever used by copy_in, copy_out and
 * copy_in_string. */
#include "kernel.h"

enum { PATH = 128, ARGUMENTS = 16, ARGUMENT_SIZE = 128 };

static long sys_fork(const u64 *arg)
{
    return process_fork();
}
static long sys_exit(const u64 *arg)
{
    process_exit((int)arg[0]);
}
static long sys_wait(const u64 *arg)
{
    return process_wait(arg[0]);
}
static long sys_kill(const u64 *arg)
{
    return process_kill((int)arg[0]);
}
static long sys_getpid(const u64 *arg)
{
    return current->pid;
}
static long sys_uptime(const u64 *arg)
{
    return (long)ticks * TICK_MS;
}
static long sys_sleep(const u64 *arg)
{
    return sleep_ticks(ticks + (arg[0] + TICK_MS - 1) / TICK_MS);
}

static long sys_sync(const u64 *arg)
{
    log_sync();
    return 0;
}

static long sys_poweroff(const u64 *arg)
{
    log_sync();
    kprintf("Insula: power off after %lu ms; %u log commits, %u writes absorbed\n", ticks * TICK_MS,
            log_commits, log_absorbed);
    power_off();
}

static long sys_procinfo(const u64 *arg)
{
    struct procinfo info;
    int error = process_info((u32)arg[0], &info);

    return error ? error : copy_out(arg[1], &info, sizeof info);
}

/* Returns the old end of the heap. */
static long sys_sbrk(const u64 *arg)
{
    u64 old = current->space.heap_end;
    int error = space_set_heap(&current->space, old + arg[0]);

    return error ? error : (long)old;
}

/* exec(path, argv): the strings are copied into one page first, for the old memory is about to
 * go. */
static long sys_exec(const u64 *arg)
{
    char path[PATH], *strings = page_alloc(), *arguments[ARGUMENTS + 1];
    int n, count = 0;
    u64 pointer, used = 0;

    if (!strings) return -ENOMEM;
    n = copy_in_string(path, arg[0], sizeof path);
    for (; n >= 0; count++) {
        n = copy_in(&pointer, arg[1] + (u64)count * 8, sizeof pointer);
        if (n < 0 || !pointer)
            break;
        arguments[count] = strings + used;
        n = count == ARGUMENTS ? -E2BIG : copy_in_string(strings + used, pointer, PAGE_SIZE - used);
        used += (u64)n + 1;
    }
    if (n >= 0) {
        arguments[count] = NULL;
        n = exec_program(path, arguments);
    }
    page_free(strings);
    return n;
}

static long sys_read(const u64 *arg)
{
    struct file *file = file_of(arg[0]);
    return file ? file_read(file, arg[1], (u32)arg[2]) : -EBADF;
}

static long sys_write(const u64 *arg)
{
    struct file *file = file_of(arg[0]);
    return file ? file_write(file, arg[1], (u32)arg[2]) : -EBADF;
}

static long sys_close(const u64 *arg)
{
    struct file *file = file_of(arg[0]);

    if (!file) return -EBADF;
    current->files[arg[0]] = NULL;
    file_close(file);
    return 0;
}

static long sys_dup(const u64 *arg)
{
    struct file *file = file_of(arg[0]);
    return file ? file_descriptor(file_hold(file)) : -EBADF;
}

static long sys_fstat(const u64 *arg)
{
    struct file *file = file_of(arg[0]);
    struct stat stat;

    if (!file) return -EBADF;
    memset(&stat, 0, sizeof stat);
    stat.type = file->type;
    if (file->type == TYPE_FILE) {
        inode_lock(file->inode);
        stat = (struct stat){ file->inode->number, file->inode->type, file->inode->links,
                              file->inode->size };
        inode_unlock(file->inode);
    }
    return copy_out(arg[1], &stat, sizeof stat);
}

static long sys_pipe(const u64 *arg)
{
    struct file *ends[2];
    int fds[2] = { -1, -1 }, error = pipe_create(&ends[0], &ends[1]);

    if (error) return error;
    fds[0] = file_descriptor(ends[0]);
    fds[1] = file_descriptor(ends[1]);
    error = fds[0] < 0 || fds[1] < 0 ? -EMFILE : copy_out(arg[0], fds, sizeof fds);
    for (int i = 0; error && i < 2; i++) {
        if (fds[i] >= 0) {
            current->files[fds[i]] = NULL;
            file_close(ends[i]);
        }
    }
    return error;
}

/* The body of link, unlink, mkdir, open and chdir: they begin with a path and run inside a log
 * operation. */
static long with_path(const u64 *arg, long (*operation)(const char *path, const u64 *arg))
{
    char path[PATH];
    long result = copy_in_string(path, arg[0], sizeof path);

    if (result < 0) return result;
    log_begin();
    result = operation(path, arg);
    log_end();
    return result;
}

static long open_path(const char *path, const u64 *arg)
{
    u32 mode = (u32)arg[1];
    struct inode *inode = NULL;
    struct file *file;
    int error;

    if (!file_descriptor_free()) return -EMFILE;
    error = mode & O_CREATE ? path_create(path, TYPE_FILE, &inode) : 0;
    if (error && error != -EEXIST) return error;
    if (!inode)
        inode = path_find(path);
    if (!inode) return -ENOENT;
    inode_lock(inode);
    if (inode->type == TYPE_DIR && (mode & 3) != O_RDONLY) {
        inode_unlock(inode);
        inode_put(inode);
        return -EISDIR;
    }
    if (mode & O_TRUNC && inode->type == TYPE_FILE)
        inode_truncate(inode);
    inode_unlock(inode);
    file = file_alloc();
    if (!file) {
        inode_put(inode);
        return -ENFILE;
    }
    file->type = TYPE_FILE;
    file->inode = inode;
    file->readable = (mode & 3) != O_WRONLY;
    file->writable = (mode & 3) != O_RDONLY;
    file->append = mode & O_APPEND;
    file->raw = mode & O_RAW;
    return file_descriptor(file);
}

static long mkdir_path(const char *path, const u64 *arg)
{
    struct inode *inode;
    int error = path_create(path, TYPE_DIR, &inode);

    if (!error)
        inode_put(inode);
    return error;
}

static long chdir_path(const char *path, const u64 *arg)
{
    struct inode *inode = path_find(path);

    if (!inode) return -ENOENT;
    inode_lock(inode);
    bool directory = inode->type == TYPE_DIR;
    inode_unlock(inode);
    if (!directory) {
        inode_put(inode);
        return -ENOTDIR;
    }
    inode_put(current->directory);
    current->directory = inode;
    return 0;
}

static long link_path(const char *path, const u64 *arg)
{
    char to[PATH];
    int n = copy_in_string(to, arg[1], sizeof to);

    return n < 0 ? n : path_link(path, to);
}

static long unlink_path(const char *path, const u64 *arg)
{
    return path_unlink(path);
}

static long sys_open(const u64 *arg)
{
    return with_path(arg, open_path);
}
static long sys_mkdir(const u64 *arg)
{
    return with_path(arg, mkdir_path);
}
static long sys_chdir(const u64 *arg)
{
    return with_path(arg, chdir_path);
}
static long sys_link(const u64 *arg)
{
    return with_path(arg, link_path);
}
static long sys_unlink(const u64 *arg)
{
    return with_path(arg, unlink_path);
}

/* socket(port): a UDP end point; port 0 takes a free one. */
static long sys_socket(const u64 *arg)
{
    struct file *file = nic ? file_alloc() : NULL;

    if (!file) return nic ? -ENFILE : -ENODEV;
    file->socket = socket_create((u16)arg[0]);
    if (!file->socket) {
        file_close(file);
        return -EADDRINUSE;
    }
    file->type = TYPE_SOCKET;
    return file_descriptor(file);
}

/* sendto(fd, address, data, n); recvfrom(fd, address, data, n, timeout in ms) */
static long sys_sendto(const u64 *arg)
{
    struct file *file = file_of(arg[0]);
    struct address address;

    if (!file || file->type != TYPE_SOCKET) return -EBADF;
    if (copy_in(&address, arg[1], sizeof address) < 0) return -EFAULT;
    return socket_send(file->socket, &address, arg[2], (u32)arg[3]);
}

static long sys_recvfrom(const u64 *arg)
{
    struct file *file = file_of(arg[0]);
    struct address address;
    int n;

    if (!file || file->type != TYPE_SOCKET) return -EBADF;
    n = socket_receive(file->socket, &address, arg[2], (u32)arg[3], (u32)arg[4]);
    if (n >= 0 && arg[1] && copy_out(arg[1], &address, sizeof address) < 0) return -EFAULT;
    return n;
}

static long sys_ping(const u64 *arg)
{
    return net_ping((u32)arg[0], (u16)arg[1], (u32)arg[2]);
}

static long (*const calls[SYS_COUNT])(const u64 *arg) = {
#define X(name) [SYS_##name] = sys_##name,
    SYSTEM_CALLS(X)
#undef X
};

void system_call(struct frame *frame)
{
    const u64 arg[] = { frame->rdi, frame->rsi, frame->rdx, frame->r10, frame->r8 };
    long result = frame->rax < SYS_COUNT ? calls[frame->rax](arg) : -ENOSYS;

    if (frame->rax == SYS_exec && result >= 0)
        return;                         /* the frame is the new program's */
    frame->rax = (u64)result;
}
