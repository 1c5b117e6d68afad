/* SPDX-License-Identifier: MIT */
/* Why the last call was refused, in the hypervisor's own words. */
#include <pvguest/debug.h>
#include <pvguest/errno.h>
#include <pvguest/hypercalls.h>
#include <pvguest/string.h>

#include <abi/domus.h>

long hypercall_reason(char *words, size_t size)
{
    struct domus_last_error why = { .words = "" };
    long error = may_be_refused(HYPERVISOR_domus_op(DOMUS_last_error, &why));

    strlcpy(words, why.words, size);
    return error;
}
