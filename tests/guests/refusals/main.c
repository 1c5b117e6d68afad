/* SPDX-License-Identifier: MIT */
/*
 * Every sub-operation that a guest can get wrong says so, by the errno that the headers and real Xen give it, and does nothing: absent
 * vCPUs and domains, arguments out of range, structures that cannot be read or answers that cannot be written. The other half of what
 * guests/privilege does with arguments that are right. Runs as dom0, because most of these operations are its own. What Xen answers
 * differently on purpose (it has HVM, more schedulers, more interrupts) is judged on Domus only.
 * machine: net
 * on xen: SKIP
 */
#include "refusals.h"

void test_main(void)
{
    if (!on_domus())
        test_skip("which of several faults of a call is named first is each hypervisor's own choice");
    refused_control();
    refused_vcpus();
    refused_interrupts();
}
