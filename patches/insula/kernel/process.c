/* SPDX-License-Identifier: MIT */
/* Processes: their table, the scheduler, sleeping and waking, and the calls that make and end them.
 * The scheduler runs on the boot stack, with interrupts off except while it waits for work. */
#include "disk_format.h"
#include "kernel.h"

static struct process table[PROCESSES];
static u8 kernel_stacks[PROCESSES][KERNEL_STACK] __attribute__((aligned(4096)));
static struct context *scheduler_context;
static struct process *init;
static int next_pid = 1;
struct process *current;
bool reschedule;

#define EACH_PROCESS(p) (struct process *p = table; p < table + PROCESSES; p++)

/* A free slot with a kernel stack that begins in `entry` and goes on to user mode from there. */
static struct process *process_alloc(void (*entry)(void))
{
    for EACH_PROCESS(p) {
        if (p->state != UNUSED)
            continue;
        memset(p, 0, sizeof *p);
        p->state = EMBRYO;
        p->pid = next_pid++;
        p->kernel_stack = (u64)kernel_stacks[p - table] + KERNEL_STACK;
        p->frame = (struct frame *)p->kernel_stack - 1;
        u64 *stack = (u64 *)p->frame;
        /* where `entry` returns to; also aligns its stack */
        *--stack = (u64)trap_return;
        p->context = (struct context *)stack - 1;
        memset(p->context, 0, sizeof *p->context);
        p->context->rip = (u64)entry;
        return p;
    }
    return NULL;
}

/* A new process comes here from the scheduler, and returns into trap_return. */
static void begin_forked(void)
{
}

static void begin_first(void)
{
    static char run[200];
    char *const arguments[] = { (char *)(uintptr_t)"init", run, NULL };

    interrupts_on();
    fs_init();
    current->directory = inode_get(ROOT_INODE);
    boot_argument("run", run, sizeof run);
    int error = exec_program("/bin/init", arguments);
    if (error < 0)
        kpanic("cannot run /bin/init: error %d", -error);
    interrupts_off();
}

void process_init(void)
{
    init = process_alloc(begin_first);
    if (space_create(&init->space) < 0)
        kpanic("no memory for the first process");
    strlcpy(init->name, "init", sizeof init->name);
    init->state = RUNNABLE;
}

static struct process *next_runnable(void)
{
    static u32 last;

    for (u32 i = 0; i < PROCESSES; i++) {
        last = (last + 1) % PROCESSES;
        if (table[last].state == RUNNABLE) return &table[last];
    }
    return NULL;
}

void scheduler(void)
{
    for (;;) {
        interrupts_off();
        struct process *p = next_runnable();
        if (!p) {
            wait_for_interrupt();
            continue;
        }
        p->state = RUNNING;
        current = p;
        reschedule = false;
        use_kernel_stack(p->kernel_stack);
        space_switch(&p->space);
        switch_context(&scheduler_context, p->context);
        current = NULL;
    }
}

/* To the scheduler, with interrupts off; comes back when it picks this process again. */
static void give_up(enum state state)
{
    current->state = state;
    switch_context(&current->context, scheduler_context);
}

void yield(void)
{
    bool on = interrupts_off();

    give_up(RUNNABLE);
    interrupts_restore(on);
}

/* Sleeps until wake(channel). Callers re-check what they wait for: wake-ups may be for somebody
 * else, or from kill. */
void sleep_on(const volatile void *channel)
{
    bool on = interrupts_off();

    current->channel = channel;
    give_up(SLEEPING);
    current->channel = NULL;
    interrupts_restore(on);
}

void wake(const volatile void *channel)
{
    bool on = interrupts_off();

    for EACH_PROCESS(p)
        if (p->state == SLEEPING && p->channel == channel)
            p->state = RUNNABLE;
    interrupts_restore(on);
}

int sleep_ticks(u64 until)
{
    bool on = interrupts_off();

    while (ticks < until && !current->killed)
        sleep_on(&ticks);
    interrupts_restore(on);
    return current->killed ? -EINTR : 0;
}

void lock_acquire(struct lock *lock)
{
    while (lock->held)
        sleep_on(lock);
    lock->held = true;
}

void lock_release(struct lock *lock)
{
    lock->held = false;
    wake(lock);
}

/* The child sees a copy of everything: memory, registers, open files, directory. */
int process_fork(void)
{
    struct process *child = process_alloc(begin_forked);

    if (!child) return -EAGAIN;
    if (space_copy(&child->space, &current->space) < 0) {
        child->state = UNUSED;
        return -ENOMEM;
    }
    *child->frame = *current->frame;
    child->frame->rax = 0;
    for (int i = 0; i < FILES; i++)
        child->files[i] = current->files[i] ? file_hold(current->files[i]) : NULL;
    child->directory = inode_hold(current->directory);
    child->parent = current;
    strlcpy(child->name, current->name, sizeof child->name);
    child->state = RUNNABLE;
    return child->pid;
}

/* What is left is a zombie: a pid and a status, for the parent to collect; the parent also frees
 * the memory, which this process is still running in. */
void process_exit(int status)
{
    if (current == init)
        kpanic("init has ended with status %d", status);
    interrupts_on();
    for (int i = 0; i < FILES; i++)
        if (current->files[i])
            file_close(current->files[i]);
    log_begin();
    inode_put(current->directory);
    log_end();

    interrupts_off();
    for EACH_PROCESS(p) {
        if (p->parent == current) {
            p->parent = init;
            if (p->state == ZOMBIE)
                wake(init);
        }
    }
    current->status = status;
    wake(current->parent);
    give_up(ZOMBIE);
    kpanic("a zombie ran");
}

int process_wait(u64 user_status)
{
    bool on = interrupts_off();

    for (;;) {
        bool children = false;
        for EACH_PROCESS(p) {
            if (p->state == UNUSED || p->parent != current)
                continue;
            children = true;
            if (p->state != ZOMBIE)
                continue;
            int pid = p->pid, status = p->status;
            p->state = EMBRYO;                  /* ours: nobody else may collect it */
            interrupts_restore(on);
            space_free(&p->space);
            p->state = UNUSED;
            if (user_status && copy_out(user_status, &status, sizeof status) < 0) return -EFAULT;
            return pid;
        }
        if (!children || current->killed) {
            interrupts_restore(on);
            return children ? -EINTR : -ECHILD;
        }
        sleep_on(current);
    }
}

int process_kill(int pid)
{
    for EACH_PROCESS(p) {
        if (p->pid != pid || p->state == UNUSED || p->state == ZOMBIE)
            continue;
        if (p == init) return -EPERM;
        p->killed = true;
        if (p->state == SLEEPING)
            p->state = RUNNABLE;
        return 0;
    }
    return -ESRCH;
}

/* The index-th process in the table, for ps; -ESRCH past the last. */
int process_info(u32 index, struct procinfo *info)
{
    static const char *const names[] = { "", "embryo", "ready", "run", "sleep", "zombie" };

    for EACH_PROCESS(p) {
        if (p->state == UNUSED || index-- > 0)
            continue;
        memset(info, 0, sizeof *info);
        info->pid = p->pid;
        info->parent = p->parent ? p->parent->pid : 0;
        info->pages = p->space.pages;
        info->ticks = p->ticks;
        strlcpy(info->state, names[p->state], sizeof info->state);
        strlcpy(info->name, p->name, sizeof info->name);
        return 0;
    }
    return -ESRCH;
}
