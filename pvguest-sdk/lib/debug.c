/* SPDX-License-Identifier: MIT */
/*
 * What a debug build says of a refused hypercall (<pvguest/debug.h>): in the hypervisor's words
 * where it has some, and from where it was called. The words lie in memory of their own, for a
 * process's kernel stack has no room for them; so one vCPU at a time says something, and what is
 * refused while it is being said (the console's own calls, say) is not said.
 */
#include <pvguest/console.h>
#include <pvguest/debug.h>
#include <pvguest/errno.h>
#include <pvguest/hypercalls.h>
#include <pvguest/string.h>
#include <abi/domus.h>
#include "entry.h"

int pvguest_hush;

static const char *const names[DOMUS_HYPERCALL_SLOTS] = {
#define HYPERCALL(number, name, handler, parameters, flags) [number] = #name,
#include <abi/hypercall_list.h>
};

static struct domus_last_error last;
static char told[300];

/* What the hypervisor has written down, if it is about this call; else what is known here. */
static void in_words(char *words, size_t size, unsigned int hypercall, long error)
{
    const char *name = hypercall < DOMUS_HYPERCALL_SLOTS ? names[hypercall] : NULL;
    long answer = may_be_refused(HYPERVISOR_domus_op(DOMUS_last_error, &last));

    if (!answer && last.hypercall == hypercall && last.error == error) {
        strlcpy(words, last.words, size);
        return;
    }
    snprintf(words, size, "%s: %ld %s%s", name ? name : "an unknown hypercall", error,
             errno_name(error),
             answer == -ENOSYS ? " (this hypervisor does not tell guests why; its log may)" : "");
}

void pvguest_refused(unsigned int hypercall, long error)
{
    static bool telling;
    static const void *caller;
    static char words[sizeof(told)];

    if (__atomic_load_n(&pvguest_hush, __ATOMIC_RELAXED)) return;
    if (__atomic_exchange_n(&telling, true, __ATOMIC_ACQUIRE)) return;
    in_words(words, sizeof(words), hypercall, error);
    if (caller != __builtin_return_address(0) || strcmp(words, told)) {
        caller = __builtin_return_address(0);
        strlcpy(told, words, sizeof(told));
        printk("pvguest: refused: %s\npvguest:   called at", words);
        print_callers((unsigned long)__builtin_frame_address(0));
    }
    __atomic_store_n(&telling, false, __ATOMIC_RELEASE);
}
