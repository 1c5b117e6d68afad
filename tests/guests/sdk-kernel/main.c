/* SPDX-License-Identifier: MIT */
/*
 * What a ported kernel leans on. It starts by itself (its own guest_start, no grants, no XenStore),
 * runs two programs that never give up the CPU, and takes it from them in the hook before user
 * mode, where it switches to another kernel stack: after an event, a system call, a fault alike. A
 * program that executes `syscall` where there are no system calls gets an invalid opcode, and the
 * kernel lives. The first map_frames of all works under a second root of page tables. A process's
 * trees come and go, their pages are used again; memory is taken for an allocator of its own, and
 * input told to a kernel without the SDK's threads. Ideas: a port of xv6, whose timer handler could
 * not yield, whose first stray system call ended the domain, and whose first mapping of a foreign
 * frame faulted; one of a microkernel, whose pager hands out pages that the kernel makes tables of.
 */
#include "../lib/user.h"

#include <pvguest/thread.h>

/* ---- a start of its own ---- */

void guest_start(struct start_info *si)
{
    start_init(si);
    console_init();
    traps_init();
    mm_init();
    events_init();
    time_init();
    threads_init();
    events_unmask_all();
    guest_main();
    poweroff();
}

/* ---- several roots: before anything has been mapped ---- */

static volatile uint64_t *again, read;              /* static, for what may trap */
static unsigned int freed;

static void free_page_again(void *page)
{
    memset(page, 0xee, PAGE_SIZE);                  /* it can be written to */
    free_page(page);
    freed++;
}

static void first_mapping_under_another_root(void)
{
    uint64_t *root = alloc_page(), *page = alloc_zeroed_page();
    unsigned long mfn = virt_to_mfn(page);

    NEED(root && page);
    memset(root, 0xff, PAGE_SIZE);                          /* a root is made of any page */
    NEED(pt_make_root(root, true) == 0);
    pt_new_base(virt_to_mfn(root));
    NEED(pt_flush() == 0);
    again = map_frames(&mfn, 1, PROT_RW, DOMID_SELF, NULL);
    NEED(!IS_ERR(ADDRESS(again)));
    *page = 0x1122334455667788;
    CHECK_IS(TRAP_IN(read = *again), -1);
    CHECK_IS(read, 0x1122334455667788);
    unmap_frames(ADDRESS(again), 1);
    pt_new_base(kernel_root_mfn);
    NEED(pt_flush() == 0);
    NEED(pt_end_roots(root, NULL, free_page_again) == 0);
    CHECK_IS(freed, 1);
    free_page(page);
}

/* ---- a process's two trees: made, used, taken down, and their pages used for others ---- */

#define FAR (1UL << 39 | 1UL << 30 | 1UL << 21)     /* slot 1 of L4, L3, L2 */

static void hook(uint64_t *table, unsigned int slot, void *below)
{
    pt_set(virt_to_machine(&table[slot]), virt_to_machine(below) | PROT_TABLE);
}

static void two_trees(void)
{
    unsigned long before = free_page_count();
    uint64_t *page = alloc_zeroed_page(), *roots[2], *l3 = alloc_page(), *l2 = alloc_page();
    uint64_t *l1 = alloc_page();

    for (unsigned int i = 0; i < 2; i++)
        NEED((roots[i] = alloc_page()) && pt_make_root(roots[i], i == 0) == 0);
    CHECK_IS(roots[0][511], *pt_walk(~0UL, 4));
    CHECK_IS(roots[1][511] & PTE_PRESENT, 0);       /* the kernel is not in user mode's */
    memset(l1, 0xff, PAGE_SIZE);
    NEED(pt_make_table(l3) == 0 && pt_make_table(l2) == 0 && pt_make_table(l1) == 0);
    CHECK_IS(l1[7], 0);
    pt_set(virt_to_machine(&l1[0]), virt_to_machine(page) | PROT_RW | PTE_USER);
    hook(l2, 1, l1);
    hook(l3, 1, l2);
    for (unsigned int i = 0; i < 2; i++)
        hook(roots[i], 1, l3);
    pt_new_base(virt_to_mfn(roots[0]));
    pt_new_user_base(virt_to_mfn(roots[1]));
    NEED(pt_flush() == 0);
    *page = 0x8877665544332211;
    CHECK_IS(TRAP_IN(read = *(volatile uint64_t *)ADDRESS(FAR)), -1);
    CHECK_IS(read, 0x8877665544332211);
    pt_new_base(kernel_root_mfn);
    pt_new_user_base(0);
    NEED(pt_flush() == 0);
    freed = 0;
    CHECK_IS(pt_end_roots(roots[0], roots[1], free_page_again), 0);
    CHECK_IS(freed, 5);
    free_page(page);
    CHECK_IS(free_page_count(), before);
}

/* ---- memory, for an allocator of one's own ---- */

static void memory_of_its_own(void)
{
    unsigned long before = free_page_count(), pages, more;
    uint64_t *run = take_memory(256, &pages);

    NEED(run);
    CHECK(pages > before / 2);
    CHECK_IS(free_page_count(), before - pages);
    for (unsigned long i = 0; i < pages; i++)
        run[i * 512] = i;
    for (unsigned long i = 0; i < pages; i += 97)
        CHECK_IS(run[i * 512], i);
    CHECK(alloc_pages(7) != NULL);                  /* the SDK has what it keeps */
    CHECK(take_memory(before, &more) == NULL);       /* and nobody takes that from it */
    for (unsigned long i = 0; i < pages; i++)
        free_page((char *)run + i * PAGE_SIZE);
    CHECK_IS(free_page_count(), before - 128);
}

/* ---- keys, for readers that are no threads of the SDK's ---- */

static volatile bool keys;

static void keys_came(void)
{
    keys = true;
}

static void input(void)
{
    char text[8];
    size_t length = 0;

    console_init_events();
    console_on_input(keys_came);
    printk("TYPE key\n");
    for (uint64_t late = now_ns() + 20 * NS_PER_S; length < 3 && now_ns() < late;) {
        set_deadline(late);
        events_mask_all();
        if (!keys)
            vcpu_block();
        events_unmask_all();
        keys = false;
        length += console_read(text + length, 3 - length);
    }
    console_on_input(NULL);
    CHECK_IS(length, 3);
    CHECK(memcmp(text, "key", 3) == 0);
}

/* ---- a system call, and nobody to take it ---- */

static void *context[5];                    /* for __builtin_setjmp: the way back into the test */
static struct trap_frame invalid;
static char first_stack[16384] __attribute__((aligned(16)));

static bool steps_over(struct trap_frame *frame)
{
    invalid = *frame;
    frame->rip += 2;
    return true;
}

static bool ends(struct trap_frame *frame)
{
    invalid.rdi = frame->rdi;
    __builtin_longjmp(context, 1);
}

static void stray_system_call(void)
{
    struct user_context user = { .rip = USER_CODE, .rsp = USER_STACK + 0xff8, .rflags = 0x202,
                                 .rdi = 0x1234 };

    /* mov $7, %eax; syscall; int3 */
    user_code("\xb8\x07\x00\x00\x00\x0f\x05\xcc", 8);
    set_kernel_stack((unsigned long)first_stack + sizeof(first_stack));
    set_trap_handler(TRAP_UD, steps_over);
    set_trap_handler(TRAP_BP, ends);
    if (__builtin_setjmp(context) == 0)
        enter_user_mode(&user);
    events_unmask_all();
    CHECK_IS(invalid.vector, TRAP_UD);
    CHECK_IS(invalid.rip, USER_CODE + 5);           /* at the instruction, not behind it */
    CHECK_IS(invalid.rax, 7);
    CHECK_IS(invalid.rdi, 0x1234);                  /* the program went on, and has it still */
    CHECK(frame_from_user(&invalid));
}

/* ---- preemption ---- */

#define SWITCHES 40
#define TICK     (2 * NS_PER_MS)

static struct process { char stack[16384] __attribute__((aligned(16))); } processes[2];
static bool tick_came;
static unsigned int switches, hooks[3];             /* after an event, a system call, a fault */
static bool badly_called;
static struct timer timer;

static void tick(void *unused)
{
    static unsigned int ticks;

    if (ticks++ > 10 * SWITCHES)
        panic("nobody takes the CPU from a program\n");
    tick_came = true;
    timer_set(&timer, now_ns() + TICK, tick, NULL);
}

static void give_turns(struct trap_frame *frame)
{
    struct process *mine = thread_current()->argument;

    if (!frame_from_user(frame) || !events_masked())
        badly_called = true;
    hooks[frame->vector == TRAP_FRAME_EVENT ? 0 : frame->vector == TRAP_FRAME_SYSCALL ? 1 : 2]++;
    if (!tick_came) return;
    tick_came = false;
    switches++;
    thread_yield();                     /* the other one's turn, until it is ours again */
    set_kernel_stack((unsigned long)(mine + 1));
}

static void system_call(struct trap_frame *frame)
{
    frame->rax++;
}

static bool fault(struct trap_frame *frame)
{
    return frame_from_user(frame);
}

static void process(void *argument)
{
    struct process *mine = argument;
    unsigned long number = (unsigned long)(mine - processes);
    struct user_context user = { .rip = USER_CODE + 32 * number, .rsp = USER_STACK + 0xff8,
                                 .rflags = 0x202, .rdi = USER_STACK + 8 * number };

    set_kernel_stack((unsigned long)(mine + 1));
    enter_user_mode(&user);
}

static void preemption(void)
{
    /* One does nothing but count. The other makes calls and faults, too. */
    static const unsigned char code[64] = {
        0x48, 0xff, 0x07,               /* 1: incq (%rdi) */
        0xeb, 0xfb,                     /* jmp 1b */
        [32] = 0x48, 0xff, 0x07,        /* 1: incq (%rdi) */
        0x0f, 0x05,                     /* syscall */
        0xcc,                           /* int3 */
        0xeb, 0xf8,                     /* jmp 1b */
    };
    const uint64_t *counts = (const uint64_t *)user_stack;
    unsigned int last = 0;

    user_code(code, sizeof(code));
    set_trap_handler(TRAP_BP, fault);
    NEED(set_syscall_handler(system_call, true) == 0);
    set_return_hook(give_turns);
    tick(NULL);
    for (unsigned int i = 0; i < 2; i++)
        NEED(thread_create("process", process, &processes[i]));
    while (switches < SWITCHES) {
        thread_yield();                 /* comes back when both have had a turn */
        CHECK(switches > last);
        last = switches;
    }
    timer_cancel(&timer);
    set_return_hook(NULL);
    CHECK(counts[0] > 0);
    CHECK(counts[1] > 0);
    CHECK(hooks[0] > 0);
    CHECK(hooks[1] > 0);
    CHECK(hooks[2] > 0);
    CHECK(!badly_called);
}

void test_main(void)
{
    first_mapping_under_another_root();
    two_trees();
    memory_of_its_own();
    input();
    user_space();
    stray_system_call();
    preemption();
    user_space_end();
}
