/* SPDX-License-Identifier: MIT */
/* The SDK's suspend: in which order all is put away and taken out again, in another life and in
 * the same one; and who cannot. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include <pvguest/suspend.h>
#include <pvguest/console.h>
#include <pvguest/cpu.h>
#include <pvguest/errno.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>
#include "pvguest-sdk/lib/smp.h"
#include "pvguest-sdk/lib/suspend.h"

_Alignas(4096) struct shared_info shared_info;
static struct start_info info;
struct start_info *start_info = &info;
unsigned long *p2m, nr_pages = 100, kernel_root_mfn;
static char steps[400];
static long answer;
static int cannot_hold;
static bool store, no_thread, masked;
static unsigned int said;
static void (*waiting)(void *);
static unsigned long list[4];

/* The toolstack finds the p2m: as Xen's looks for it, before it asks for anything. */
static bool is_shown(void)
{
    const struct arch_shared_info *a = &shared_info.arch;

    return a->max_pfn == 100 && a->p2m_vaddr == (unsigned long)list && !a->p2m_generation &&
           a->p2m_cr3 == kernel_root_mfn << PAGE_SHIFT && kernel_root_mfn;
}

static void step(const char *word)
{
    strcat(steps, word);
    strcat(steps, " ");
}

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    assert_true(nr == __HYPERVISOR_sched_op && a == SCHEDOP_shutdown &&
                ((struct sched_shutdown *)b)->reason == SHUTDOWN_suspend &&
                c == virt_to_mfn(&info));
    /* the frames of the rings as the toolstack reads them */
    assert_true(info.store_mfn == 1005 && info.console.domU.mfn == 1006 && is_shown());
    assert_true(masked);
    step("leave");
    if (answer == 0) {                          /* another life: what the restorer writes */
        info.store_mfn = 7;
        info.console.domU.mfn = 8;
        info.pt_base = 0x5000;
    }
    return answer;
}
#define STEP(name) void name(void) { step(#name); }
STEP(xs_suspend)
STEP(xs_watch_again)
STEP(grants_suspend)
STEP(shared_info_suspend)
STEP(shared_info_resume)
STEP(own_domid_forget)
STEP(events_resume)
STEP(time_resume)
STEP(console_resume)
STEP(smp_resume)
STEP(smp_release)
int smp_hold(void)
{
    assert_true(masked);
    step("smp_hold");
    return cannot_hold;
}
int pt_flush(void)
{
    step("pt_flush");
    return 0;
}
int grants_resume(void)
{
    step("grants_resume");
    return 0;
}
void xs_resume(bool restored)
{
    step(restored ? "xs_resume:restored" : "xs_resume");
}
unsigned long host_pfn_of(unsigned long mfn)
{
    return mfn + 1000;
}
bool events_save(void)
{
    bool was = masked;

    masked = true;
    return was;
}
void events_restore(bool was)
{
    masked = was;
}
void printk(const char *format, ...)
{
    said++;
}
void panic(const char *format, ...)
{
    abort();
}
bool xs_available(void)
{
    return store;
}
struct thread *thread_create(const char *name, void (*function)(void *), void *argument)
{
    waiting = function;
    return no_thread ? NULL : (struct thread *)steps;
}

/* --- the store, in which control/shutdown says one word after the other ----------------------- */

#define LIFE "xs_suspend smp_hold pt_flush grants_suspend shared_info_suspend leave " \
             "shared_info_resume "
#define SAME_LIFE  LIFE "grants_resume xs_resume smp_release "
#define OTHER_LIFE LIFE "own_domid_forget events_resume smp_resume time_resume console_resume " \
                   "grants_resume xs_resume:restored smp_release xs_watch_again "

/* What cannot be written while it is read, how the call ends, what is done, how much is said. */
static const struct word { const char *says, *cannot_write; long answer; const char *steps;
                           unsigned int said; } words[] = {
    { "poweroff", NULL, 0, "", 0 }, { "", NULL, 0, "", 0 }, { "suspend2", NULL, 0, "", 0 },
    { "suspend", "control/shutdown", 0, "", 0 },
    { "suspend", NULL, 0,
      "control/shutdown '' " OTHER_LIFE "control/feature-suspend 1 ", 0 },
    { "suspend", "control/feature-suspend", 0, "control/shutdown '' " OTHER_LIFE, 1 },
    /* this store knows it */
    { "suspend", NULL, 1, "control/shutdown '' " SAME_LIFE, 0 },
    { "suspend", NULL, -5, "control/shutdown '' " SAME_LIFE, 1 },
}, *word;
static jmp_buf no_more_words;
static const char *cannot_write;
static bool no_watch;

char *xs_read(xs_transaction transaction, const char *path, size_t *length)
{
    assert_string_equal(path, "control/shutdown");
    return *word->says ? strdup(word->says) : ERR_PTR(-ENOENT);
}
int xs_write(xs_transaction transaction, const char *path, const void *data, size_t length)
{
    if (cannot_write && !strcmp(path, cannot_write)) return -ENOMEM;
    step(path);
    step(length ? data : "''");
    return 0;
}
int xs_watch(struct xs_watch *watch, const char *path)
{
    watch->path = (char *)path;
    return no_watch ? -ENOMEM : 0;
}
char *xs_watch_wait(struct xs_watch *watch, uint64_t timeout)
{
    assert_int_equal(timeout, 0);
    assert_string_equal(steps, word ? word->steps : "control/feature-suspend 1 ");
    assert_int_equal(said, word ? word->said : 0);
    word = word ? word + 1 : words;
    if (word == words + sizeof(words) / sizeof(*words))
        longjmp(no_more_words, 1);
    *steps = 0;
    said = 0;
    cannot_write = word->cannot_write;
    answer = word->answer;
    info.store_mfn = 5;
    info.console.domU.mfn = 6;
    return strdup(watch->path);
}

static void before(struct suspend_hook *hook)
{
    assert_false(masked);
    step("before");
}
static void after(struct suspend_hook *hook, bool restored)
{
    assert_false(masked);
    step(restored ? "after:restored" : "after");
}

static int set_up(void **state)
{
    *steps = 0;
    info = (struct start_info){ .store_mfn = 5, .console.domU.mfn = 6 };
    store = no_thread = false;
    cannot_hold = 0;
    no_watch = false;
    cannot_write = NULL;
    answer = said = 0;
    p2m = list;
    kernel_root_mfn = 17;
    memset(&shared_info, 0, sizeof(shared_info));
    return 0;
}

static void another_life(void **state)
{
    struct suspend_hook hook = { .before = before, .after = after };

    suspend_hook(&hook);
    assert_int_equal(suspend(), 0);
    assert_string_equal(steps, "before " OTHER_LIFE "after:restored ");
    assert_true(kernel_root_mfn == virt_to_mfn((void *)0x5000) && is_shown());
    assert_true(info.store_mfn == 7 && info.console.domU.mfn == 8);
    suspend_unhook(&hook);
}

static void the_same_life(void **state)
{
    struct suspend_hook hook = { .before = before, .after = after };

    suspend_hook(&hook);
    answer = 1;
    assert_int_equal(suspend(), 1);
    assert_string_equal(steps, "before " SAME_LIFE "after ");
    assert_true(info.store_mfn == 5 && info.console.domU.mfn == 6);
    suspend_unhook(&hook);
}

static void who_cannot(void **state)
{
    info.flags = SIF_INITDOMAIN;
    assert_int_equal(suspend(), -ENODEV);
    info.flags = 0;
    assert_string_equal(steps, "");
    cannot_hold = -EPERM;                       /* a vCPU is not to be had */
    assert_int_equal(suspend(), -EPERM);
    assert_string_equal(steps, "xs_suspend smp_hold xs_resume smp_release ");
    assert_false(masked);
    assert_int_equal(suspend_when_asked(), -ENODEV);
    store = true;
    assert_false(is_shown());
    assert_int_equal(suspend_when_asked(), 0);
    assert_true(is_shown());
    no_thread = true;
    assert_int_equal(suspend_when_asked(), -ENOMEM);
}

/* As the thread does that waits for words of the toolstack: not without a watch, nor when nobody
 * would know. */
static void when_asked(void **state)
{
    store = true;
    assert_int_equal(suspend_when_asked(), 0);
    no_watch = true;
    waiting(NULL);
    assert_string_equal(steps, "");
    no_watch = false;
    cannot_write = "control/feature-suspend";
    waiting(NULL);
    assert_string_equal(steps, "");
    cannot_write = NULL;
    assert_int_equal(suspend(), 0);             /* what was not announced is not announced again */
    assert_string_equal(steps, OTHER_LIFE);
    set_up(NULL);
    store = true;
    if (!setjmp(no_more_words))
        waiting(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(another_life, set_up), cmocka_unit_test_setup(the_same_life, set_up),
        cmocka_unit_test_setup(who_cannot, set_up), cmocka_unit_test_setup(when_asked, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
