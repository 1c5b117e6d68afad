/* SPDX-License-Identifier: MIT */
/* Every declaration that crosses a file of the kernel, grouped by the file that owns it, in reading
 * order.
 *
 * Concurrency in one paragraph: there is one CPU, and the kernel is never preempted; a process
 * gives up the CPU where it calls sleep_on() or on its way back to user mode. So data shared
 * between processes needs a lock only across a sleep (struct lock), and data shared with interrupt
 * handlers needs interrupts_off(). Nothing else. */
#pragma once
#include "x86.h"
#include "abi.h"
#include <stdarg.h>

/* The registers of an interrupted program, as entry.asm pushes them; a system call builds the same
 * frame. */
struct frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    u64 vector, error;
    u64 rip, cs, flags, rsp, ss;
};

/* main.c */
void kernel_main(u64 info);                             /* from boot.asm */
extern char boot_arguments[256];                        /* the kernel command line */
bool boot_argument(const char *key, char *value, size_t size);
extern u64 memory_start, memory_end;                    /* physical memory that is free for use */
extern u8 *ram_image;                                 /* a file system image in memory, or NULL */
extern u64 ram_image_size;
void boot_information(u64 info);                        /* multiboot.c: fills in the five above */

/* string.c, print.c */
void *memset(void *to, int byte, size_t n);
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strncmp(const char *a, const char *b, size_t n);
size_t strlcpy(char *to, const char *from, size_t size);
void kprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kvprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* console.c, serial.c */
void console_putc(char c);
void console_input(char c);                             /* from the serial interrupt */
int terminal_read(u64 user, u32 n, bool raw);           /* raw: keys, and not lines */
int terminal_write(u64 user, u32 n);
void serial_init(void);
void serial_interrupts(void);
void serial_write(const char *bytes, u32 n);

/* palloc.c: physical pages, by their address in the direct map */
void palloc_init(void);
void *page_alloc(void);                                 /* zeroed, or NULL */
void page_free(void *page);

/* vm.c */
struct space {                                          /* the memory of one process */
    u64 *root;                                          /* top-level page table */
    /* sbrk moves the end; pages appear on first touch */
    u64 heap_start, heap_end;
    u32 pages;
};
void vm_init(void);
int space_create(struct space *space);
int space_copy(struct space *to, struct space *from);
void space_free(struct space *space);
void space_switch(struct space *space);
int space_map_new(struct space *space, u64 va, u64 flags, u8 **page);
int space_set_heap(struct space *space, u64 end);
int space_fault(struct space *space, u64 va, bool write);      /* 0: repaired */
int copy_in(void *to, u64 user, size_t n);
int copy_out(u64 user, const void *from, size_t n);
int copy_to_space(struct space *space, u64 user, const void *from, size_t n);
int copy_in_string(char *to, u64 user, size_t size);    /* length, or -EFAULT / -ENAMETOOLONG */

/* segment.c */
enum {
    KERNEL_CODE = 0x08,
    KERNEL_DATA = 0x10,
    USER_DATA = 0x18 | 3,
    USER_CODE = 0x20 | 3,
    TASK = 0x28
};
void segments_init(void);
void use_kernel_stack(u64 top);

/* trap.c, pic.c, entry.asm */
enum { VECTOR_PAGE_FAULT = 14, VECTOR_IRQ = 32, IRQS = 16, VECTOR_SYSCALL = 0x100 };
void trap_init(void);
void trap(struct frame *frame);
void irq_init(void);
void irq_install(u32 irq, void (*handler)(void *), void *argument);
void irq_dispatch(u32 irq);
extern const u64 trap_stubs[VECTOR_IRQ + IRQS];
void trap_return(void);
void system_call_entry(void);

/* clock.c */
#define TICK_MS 10
extern volatile u64 ticks;
void clock_init(void);
void tick(void);

/* process.c, switch.asm */
#define PROCESSES    64
#define FILES        16
#define KERNEL_STACK 16384
enum state { UNUSED, EMBRYO, RUNNABLE, RUNNING, SLEEPING, ZOMBIE };

/* what switch_context saves, on the kernel stack */
struct context { u64 r15, r14, r13, r12, rbx, rbp, rip; };

struct process {
    enum state state;
    int pid, status;
    struct process *parent;
    struct space space;
    u64 kernel_stack;                                   /* its top */
    struct frame *frame;
    struct context *context;
    const volatile void *channel;                                /* what it sleeps on */
    bool killed;
    u32 ticks;
    struct file *files[FILES];
    struct inode *directory;
    char name[16];
};
extern struct process *current;
extern bool reschedule;                                 /* the running process has had its slice */
void process_init(void);
void scheduler(void) __attribute__((noreturn));
void yield(void);
/* interrupts off if an interrupt handler wakes the channel */
void sleep_on(const volatile void *channel);
int sleep_ticks(u64 until);
void wake(const volatile void *channel);
int process_fork(void);
void process_exit(int status) __attribute__((noreturn));
int process_wait(u64 user_status);
int process_kill(int pid);
int process_info(u32 index, struct procinfo *info);
void switch_context(struct context **save, struct context *load);

struct lock { bool held; };                             /* a lock that may be held across sleeps */
void lock_acquire(struct lock *lock);
void lock_release(struct lock *lock);

/* exec.c */
int exec_program(const char *path, char *const *arguments);

/* syscall.c */
void system_call(struct frame *frame);

/* disk.c and the drivers below it */
struct disk {
    const char *name;
    u64 blocks;                                         /* of 4 KiB */
    int (*transfer)(bool write, u64 block, void *page); /* sleeps until done; 0 or -EIO */
    int (*flush)(void);
};
extern struct disk *disk;
void disk_init(void);
struct disk *ramdisk_find(void);
struct disk *virtio_block_find(void);

/* buffer.c */
struct buffer {
    u32 block, references;
    bool valid, logged;
    u64 used;                                           /* for least-recently-used replacement */
    struct lock lock;
    u8 *data;
};
void buffer_init(void);
struct buffer *buffer_get(u32 block);                   /* locked, with the block's contents */
struct buffer *buffer_new(u32 block);                   /* locked, zeroed */
void buffer_put(struct buffer *buffer);
void buffer_write(struct buffer *buffer);               /* straight to the disk */

/* log.c */
void log_init(u32 start);
void log_begin(void);
void log_end(void);
void log_write(struct buffer *buffer);
void log_sync(void);
extern u32 log_commits, log_absorbed;

/* fs.c, path.c */
struct inode {
    u32 number, references;
    bool valid;
    struct lock lock;
    u16 type, device, links;
    u32 size, block[13];
};
void fs_init(void);
struct inode *inode_get(u32 number);
struct inode *inode_alloc(u16 type);
struct inode *inode_hold(struct inode *inode);
void inode_lock(struct inode *inode);
void inode_unlock(struct inode *inode);
void inode_put(struct inode *inode);
void inode_update(struct inode *inode);
void inode_truncate(struct inode *inode);
/* to `to`, or to user memory if NULL */
int inode_read(struct inode *inode, void *to, u64 user, u32 offset, u32 n);
int inode_write(struct inode *inode, const void *from, u64 user, u32 offset, u32 n);
struct inode *directory_find(struct inode *directory, const char *name, u32 *offset);
int directory_add(struct inode *directory, const char *name, u32 number);
bool directory_empty(struct inode *directory);
struct inode *path_find(const char *path);
int path_create(const char *path, u16 type, struct inode **result);
int path_link(const char *from, const char *to);
int path_unlink(const char *path);

/* file.c, pipe.c, udp.c: what a file descriptor stands for */
struct file {
    /* TYPE_FILE (any inode), TYPE_PIPE, TYPE_SOCKET */
    u16 type;
    u16 references;
    bool readable, writable, append, raw;
    struct inode *inode;
    struct pipe *pipe;
    struct socket *socket;
    u32 offset;
};
struct file *file_alloc(void);
struct file *file_hold(struct file *file);
void file_close(struct file *file);
int file_read(struct file *file, u64 user, u32 n);
int file_write(struct file *file, u64 user, u32 n);
/* takes a descriptor for it; closes it if there is none */
int file_descriptor(struct file *file);
bool file_descriptor_free(void);
struct file *file_of(u64 descriptor);
int pipe_create(struct file **read_end, struct file **write_end);
void pipe_close(struct pipe *pipe, bool write_end);
int pipe_read(struct pipe *pipe, u64 user, u32 n);
int pipe_write(struct pipe *pipe, u64 user, u32 n);

/* net.c, udp.c and the driver below them */
struct nic {
    const char *name;
    u8 mac[6];
    void (*send)(const void *frame, u32 n);
};
extern struct nic *nic;
extern u32 net_address;
void net_init(void);
void net_receive(const u8 *frame, u32 n);               /* from the driver's interrupt */
int ip_send(u32 to, u8 protocol, const void *payload, u32 n, bool may_sleep);
int net_ping(u32 to, u16 sequence, u32 timeout_ms);
struct nic *virtio_net_find(void);
void udp_receive(u32 from, const u8 *packet, u32 n);
struct socket *socket_create(u16 port);
void socket_close(struct socket *socket);
int socket_send(struct socket *socket, const struct address *to, u64 user, u32 n);
int socket_receive(struct socket *socket, struct address *from, u64 user, u32 n, u32 timeout_ms);

/* machine.c */
void kpanic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void power_off(void) __attribute__((noreturn));
