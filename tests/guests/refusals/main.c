/* SPDX-License-Identifier: MIT */
/*
 * Every sub-operation that a guest can get wrong says so, by the errno that the headers and real
 * Xen give it, and does nothing: absent vCPUs and domains, arguments out of range, structures that
 * cannot be read or answers that cannot be written. The other half of what guests/privilege does
 * with arguments that are right. Runs as dom0, because most of these operations are its own. What
 * Xen answers differently on purpose (it has HVM, more schedulers, more interrupts) is judged on
 * Domus only.
 * machine: nvme large (it has MSI-X, more messages than the CPU has vectors; 256 MiB for a domU)
 * on xen: SKIP
 */
#include "refusals.h"

#include <abi/domus.h>

void *unwritable(const void *bytes, size_t length)
{
    void *page = alloc_zeroed_page();

    NEED(page && length <= PAGE_SIZE);
    memcpy(page, bytes, length);
    NEED(page_set_readonly(page, true) == 0);
    return page;
}

void unwritable_end(void *page)
{
    NEED(page_set_readonly(page, false) == 0);
    free_page(page);
}

long last_error(void)
{
    struct domus_last_error error = { 0 };

    NEED(HYPERVISOR_domus_op(DOMUS_last_error, &error) == 0);
    return error.error;
}

void judge(const char *file, int line, const char *what, long got, long wanted)
{
    long told = got < 0 ? last_error() : got;

    if (got == wanted && told == got)
        test_passed();
    else
        test_failure(file, line, "%s is %ld, not %ld, and written down is %ld", what, got, wanted,
                     told);
}

void test_main(void)
{
    if (!on_domus())
        test_skip(
            "which of several faults of a call is named first is each hypervisor's own choice");
    refused_control();
    refused_vcpus();
    refused_interrupts();
    refused_memory();
    refused_sharing();
    refused_answers();
    refused_to_the_dying();
}
