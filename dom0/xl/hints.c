/* SPDX-License-Identifier: MIT */
/* Commands that there are not here, and what somebody may have meant. */
#include "dom0/xl/verbs.h"
#include <pvguest/string.h>

/* Words that somebody may bring along from elsewhere, and what they would be here. */
static const struct { const char *names, *hint;
} strangers[] = {
    { " exit quit logout bye ",
      "this prompt lasts as long as the machine: poweroff ends that one. (Ctrl-a x ends QEMU under"
      " make run; Ctrl-] leaves make attach)" },
    { " halt ", "poweroff ends the machine, shutdown a guest" },
    { " dir ", "files lists the boot archive" },
    { " ps ", "list, top and vcpu-list show who runs" },
    { " ? man ", "help lists the commands" },
    { " remus ", "guests are moved here, but not kept twice" },
    { " cd-insert cd-eject pci-attach pci-detach pci-list vncviewer vm-list dump-core "
      "config-update button-press claims sched-credit2 sched-rtds cpupool-create cpupool-list "
      "cpupool-rename cpupool-cpu-add cpupool-cpu-remove cpupool-destroy cpupool-migrate "
      "cpupool-numa-split set-parameters getenforce setenforce loadpolicy channel-list devd "
      "qemu-monitor-command pci-assignable-add pci-assignable-remove pci-assignable-list "
      "usbctrl-attach usbctrl-detach usbdev-attach usbdev-detach usb-list vtpm-list vkb-list ",
      "xl has it, but there is none here" },
};

const char *command_hint(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(strangers); i++) {
        size_t size = strlen(name);

        for (const char *at = strstr(strangers[i].names, name); at; at = strstr(at + 1, name))
            if (at[-1] == ' ' && at[size] == ' ')
                return strangers[i].hint;
    }
    return "\"help\" lists them";
}
