/* SPDX-License-Identifier: MIT */
/*
 * Suspend and resume (<pvguest/suspend.h>), as Xen's PV guests do it. The toolstack finds our
 * start_info by its frame, the third argument of the call and so in RDX; in it, the frames of the
 * rings by pfns; and the p2m by its address (shared_info.arch). It saves all of our frames, and
 * each present entry of our page tables by its pfn: so while we are saved there must be none of a
 * frame that is not ours, the shared page and the grant table among them. What it gives us back are
 * frames under the same pfns, a new p2m, and a start_info of the new domain.
 */
#include <pvguest/suspend.h>
#include <pvguest/console.h>
#include <pvguest/cpu.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>
#include "smp.h"
#include "suspend.h"

static LIST(hooks);

void suspend_hook(struct suspend_hook *hook)
{
    list_append(&hooks, &hook->link);
}

void suspend_unhook(struct suspend_hook *hook)
{
    list_remove(&hook->link);
}

static void call_before(void)
{
    struct suspend_hook *hook;

    for (struct list *at = hooks.prev; at != &hooks; at = at->prev) {
        hook = container_of(at, struct suspend_hook, link);
        if (hook->before)
            hook->before(hook);
    }
}

static void call_after(bool restored)
{
    struct suspend_hook *hook;

    list_for_each(hook, &hooks, link)
        if (hook->after)
            hook->after(hook, restored);
}

/* Where the toolstack finds the p2m. Xen's looks for it before it asks; and what it writes into the
 * shared page of another life are the words of the last one, with that one's frame. */
static void show_p2m(void)
{
    shared_info.arch.max_pfn = nr_pages;
    shared_info.arch.p2m_generation = 0;
    shared_info.arch.p2m_vaddr = (unsigned long)p2m;
    shared_info.arch.p2m_cr3 = xen_pfn_to_cr3(kernel_root_mfn);
}

/* Events are masked. The answer is the hypervisor's: in another life RAX is 0, as it was when we
 * left; who lets us go on sets it to 1. */
static long leave(void)
{
    struct sched_shutdown op = { .reason = SHUTDOWN_suspend };
    unsigned long store = start_info->store_mfn, console = start_info->console.domU.mfn;
    long result;

    start_info->store_mfn = mfn_to_pfn(store);
    start_info->console.domU.mfn = (xen_pfn_t)mfn_to_pfn(console);
    show_p2m();
    shared_info_suspend();
    result = pvguest_call3(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (unsigned long)&op,
                           virt_to_mfn(start_info));
    if (result) {
        start_info->store_mfn = store;
        start_info->console.domU.mfn = console;
    }
    shared_info_resume();
    return result;
}

static void renew(void)
{
    kernel_root_mfn = virt_to_mfn((void *)start_info->pt_base);
    show_p2m();
    own_domid_forget();
    events_resume();
    smp_resume();
    time_resume();
    console_resume();
}

/* Others stand still. What leave() says. */
static long away(void)
{
    long result;

    pt_flush();
    grants_suspend();
    result = leave();
    if (!result)
        renew();
    if (grants_resume())
        panic("pvguest: no grant table after a suspend\n");
    return result;
}

int suspend(void)
{
    bool masked, restored;
    long result;

    if (is_dom0()) return refused(-ENODEV);
    call_before();
    xs_suspend();
    masked = events_save();
    result = smp_hold();
    if (!result)
        result = away();
    restored = result == 0;
    xs_resume(restored);
    smp_release();
    events_restore(masked);
    if (restored)
        xs_watch_again();
    call_after(restored);
    return (int)result;
}

/* ---- when asked ---- */

static void answer(struct xs_watch *watch)
{
    char *word = xs_read(XS_NONE, watch->path, NULL);
    bool asked = !IS_ERR(word) && !strcmp(word, "suspend");

    if (!IS_ERR(word))
        free(word);
    if (!asked || xs_write(XS_NONE, watch->path, "", 0)) return;
    /* what cannot be done now is noticed by who waits for it */
    if (suspend() < 0)
        printk("pvguest: cannot suspend\n");
}

static int say_so(void)
{
    return xs_write(XS_NONE, "control/feature-suspend", "1", 1);
}

/* Another store does not know it. */
static void say_again(struct suspend_hook *hook, bool restored)
{
    if (restored && say_so())
        printk("pvguest: the toolstack cannot be told that we can suspend\n");
}

int suspend_announce(void)
{
    static struct suspend_hook hook = { .after = say_again };
    int error;

    show_p2m();
    error = say_so();
    if (!error)
        suspend_hook(&hook);
    return error;
}

static void wait_for_request(void *unused)
{
    static struct xs_watch watch;

    if (xs_watch(&watch, "control/shutdown") || suspend_announce()) return;
    for (;;) {
        free(xs_watch_wait(&watch, 0));
        answer(&watch);
    }
}

int suspend_when_asked(void)
{
    if (!xs_available()) return refused(-ENODEV);
    show_p2m();
    return thread_create("suspend", wait_for_request, NULL) ? 0 : refused(-ENOMEM);
}
