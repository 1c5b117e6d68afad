/* SPDX-License-Identifier: MIT */
/* In dom0 of the peer rig: how many of the machine's pages nobody has. `xl info` says it in MiB
 * only. */
#include <stdio.h>
#include <xenctrl.h>

int main(void)
{
    xc_interface *xen = xc_interface_open(NULL, NULL, 0);
    xc_physinfo_t info = { 0 };

    if (!xen || xc_physinfo(xen, &info) != 0) {
        perror("free-pages");
        return 1;
    }
    printf("%lu\n", (unsigned long)info.free_pages);
    return 0;
}
