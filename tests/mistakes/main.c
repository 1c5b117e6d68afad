/* SPDX-License-Identifier: MIT */
/*
 * What people do wrong when they port a kernel, each by its name on the command line
 * (mistake=NAME): so that the porting guide shows what a console really says.
 * tests/system/test_mistakes.py boots it once for each, on Domus and on real Xen, and compares with
 * the guide. A debug build.
 */
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <pvguest/traps.h>

#define USER_PAGE 0x10000000UL

static char kernel_stack[8192] __attribute__((aligned(16)));

static uint64_t *page(void)
{
    uint64_t *p = alloc_zeroed_page();

    if (!p)
        panic("no page\n");
    return p;
}

/* A page that is a table from now on: nobody can write it. */
static uint64_t *table(void)
{
    uint64_t *t = page();

    page_set_readonly(t, true);
    return t;
}


static uint64_t entry_for(const void *va, uint64_t prot)
{
    return (uint64_t)virt_to_mfn(va) << PAGE_SHIFT | prot;
}

/* ---- step 2: devices, and tables of traps, that are not ours ---- */

static void port(void)
{
    asm volatile("outb %%al, %%dx" : : "a" ('x'), "d" (0x3f8));
}

static void lidt(void)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) idt = { 0 };

    asm volatile("lidt %0" : : "m" (idt));
}

/* ---- step 5: numbers of pages ---- */

/* The kernel's own number of a page, where the machine's is wanted. */
static void pfn_for_mfn(void)
{
    void *p = page();

    pt_set_va((unsigned long)p, (uint64_t)virt_to_pfn(p) << PAGE_SHIFT | PROT_RW);
    printk("pt_flush: %d\n", pt_flush());
}

/* ---- step 6: page tables ---- */

static void writable_table(void)
{
    pt_pin(4, virt_to_mfn(page()));
    printk("pt_flush: %d\n", pt_flush());
}

/* Of an L4: in one of an L1 it is done, silently. */
static void store_into_table(void)
{
    volatile uint64_t *root = mfn_to_virt(kernel_root_mfn);

    root[300] = 0;
}

static void writable_mapping_of_table(void)
{
    uint64_t *t = table();

    pt_pin(1, virt_to_mfn(t));
    pt_flush();
    printk("page_set_readonly: %d\n", page_set_readonly(t, false));
}

/* A second root without the kernel's slots. */
static void empty_root(void)
{
    pt_new_base(virt_to_mfn(table()));
    printk("pt_flush: %d\n", pt_flush());
}

/* ---- step 9: user mode ---- */

static void no_user_tables(void)
{
    struct user_context user = { .rip = USER_PAGE, .rsp = USER_PAGE + 0x800, .rflags = 0x202 };

    set_kernel_stack((unsigned long)kernel_stack + sizeof(kernel_stack));
    enter_user_mode(&user);
}

static unsigned long user_mfn;

static unsigned long user_root(void)
{
    uint64_t *l1 = table(), *l2 = table(), *l3 = table(), *l4 = table();

    user_mfn = virt_to_mfn(page());
    pt_set(virt_to_machine(&l1[0]), user_mfn << PAGE_SHIFT | PROT_EXEC | PTE_USER | PTE_WRITE);
    pt_set(virt_to_machine(&l2[128]), entry_for(l1, PROT_TABLE));
    pt_set(virt_to_machine(&l3[0]), entry_for(l2, PROT_TABLE));
    pt_set(virt_to_machine(&l4[0]), entry_for(l3, PROT_TABLE));
    pt_pin(4, virt_to_mfn(l4));
    if (pt_flush())
        panic("no user tables\n");
    return virt_to_mfn(l4);
}

/* The program's first instructions fault, as zeroes do; there is no stack to say so on. */
static void no_kernel_stack(void)
{
    struct user_context user = { .rip = USER_PAGE, .rsp = USER_PAGE + 0x800, .rflags = 0x202 };

    pt_new_user_base(user_root());
    pt_flush();
    set_kernel_stack(0);
    enter_user_mode(&user);
}

/* Not 0x80: real Xen in QEMU 7.2 takes it for another. */
extern const unsigned long trap_entries[32];

static bool came(struct trap_frame *frame)
{
    printk("int 0x40 has come through its gate\n");
    poweroff();
}

static void software_interrupt(void)
{
    struct user_context user = { .rip = USER_PAGE, .rsp = USER_PAGE + 0x800, .rflags = 0x202 };
    uint64_t root = user_root();

    memcpy(mfn_to_virt(user_mfn), "\xcd\x40", 2);
    pt_new_user_base(root);
    pt_flush();
    set_trap_handler(TRAP_BP, came);
    set_trap_gate(0x40, 3, true, (void *)trap_entries[TRAP_BP]);
    set_kernel_stack((unsigned long)kernel_stack + sizeof(kernel_stack));
    enter_user_mode(&user);
}

/* ---- step 8: events ---- */

static void sleeps(void *unused)
{
    thread_sleep(NS_PER_MS);
}

static void sleep_in_handler(void)
{
    static struct timer timer;

    timer_set(&timer, now_ns() + NS_PER_MS, sleeps, NULL);
    thread_sleep(100 * NS_PER_MS);
}

static void null_pointer(void)
{
    volatile int *volatile nowhere = NULL;

    nowhere[2] = 1;
}

static const struct { const char *name; void (*make)(void); } mistakes[] = {
    { "port", port },
    { "lidt", lidt },
    { "null-pointer", null_pointer },
    { "pfn-for-mfn", pfn_for_mfn },
    { "writable-table", writable_table },
    { "store-into-table", store_into_table },
    { "writable-mapping", writable_mapping_of_table },
    { "empty-root", empty_root },
    { "sleep-in-handler", sleep_in_handler },
    { "no-user-tables", no_user_tables },
    { "no-kernel-stack", no_kernel_stack },
    { "software-interrupt", software_interrupt },
};

void guest_main(void)
{
    char name[40] = "";

    command_option("mistake", name, sizeof(name));
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
        if (!strcmp(name, mistakes[i].name)) {
            printk("MISTAKE %s\n", name);
            mistakes[i].make();
            return;
        }
    printk("there is no mistake \"%s\"\n", name);
}
