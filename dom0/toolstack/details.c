/* SPDX-License-Identifier: MIT */
/*
 * `xl list -l`: all about a guest, as JSON with the keys of Xen's xl, for programs. What xl has and
 * a guest of ours has not (video memory, channels and the like) is left out.
 */
#include "dom0/builder/control.h"
#include "dom0/toolstack/domains.h"
#include "dom0/toolstack/info.h"
#include <pvguest/console.h>

static bool first;                      /* Of the list. */

/* Strings come from configurations, so anything may be in them. */
static void text_of(const char *text)
{
    printk("\"");
    for (; *text; text++)
        if ((unsigned char)*text < ' ')
            printk("\\u%04x", (unsigned)*text);
        else
            printk("%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
    printk("\"");
}

static void text_line(const char *indent, const char *key, const char *value, const char *end)
{
    printk("%s\"%s\": ", indent, key);
    text_of(value);
    printk("%s\n", end);
}

static void disks_of(const struct config *config)
{
    printk("            \"disks\": [\n");
    for (unsigned i = 0; i < config->disk_count; i++) {
        printk("                {\n");
        text_line("                    ", "pdev_path", config->disk[i].partition, ",");
        text_line("                    ", "vdev", config->disk[i].vdev, ",");
        printk("                    \"format\": \"raw\",\n                    \"readwrite\": %u\n  "
               "              }%s\n",
               config->disk[i].writable, i + 1 < config->disk_count ? "," : "");
    }
    printk("            ],\n");
}

static void nics_of(const struct config *config)
{
    printk("            \"nics\": [\n");
    for (unsigned i = 0; i < config->vif_count; i++) {
        const uint8_t *mac = config->vif[i].mac;

        printk("                {\n                    \"devid\": %u,\n", i);
        printk("                    \"mac\": \"%02x:%02x:%02x:%02x:%02x:%02x\",\n", mac[0], mac[1],
               mac[2], mac[3], mac[4], mac[5]);
        text_line("                    ", "bridge", config->vif[i].bridge, ",");
        printk("                    \"nictype\": \"vif\"\n                }%s\n",
               i + 1 < config->vif_count ? "," : "");
    }
    printk("            ],\n");
}

static void actions_of(const struct config *config)
{
    static const char *const names[] = {
        [ACTION_DESTROY] = "destroy", [ACTION_RESTART] = "restart", [ACTION_PRESERVE] = "preserve",
    };

    text_line("            ", "on_poweroff", names[config->on_poweroff], ",");
    text_line("            ", "on_reboot", names[config->on_reboot], ",");
    text_line("            ", "on_watchdog", names[config->on_watchdog], ",");
    text_line("            ", "on_crash", names[config->on_crash], "");
}

static void details_of(const struct domain *domain, const struct xen_domctl_getdomaininfo *info)
{
    const struct config *config = &domain->config;

    printk("%s    {\n        \"domid\": %u,\n        \"config\": {\n            \"c_info\": {\n",
           first ? "" : ",\n", (unsigned)info->domain);
    printk("                \"type\": \"pv\",\n");
    text_line("                ", "name", config->name, ",");
    printk("                \"uuid\": \"");
    info_uuid(info->handle);
    printk("\"\n            },\n            \"b_info\": {\n                \"max_vcpus\": %u,\n",
           config->vcpus);
    printk("                \"max_memkb\": %lu,\n                \"target_memkb\": %lu,\n",
           config->maxmem_mib * 1024, config->memory_mib * 1024);
    if (config->cpu_weight)
        printk("                \"sched_params\": {\n                    \"weight\": %u\n          "
               "      },\n",
               config->cpu_weight);
    text_line("                ", "kernel", config->kernel, ",");
    text_line("                ", "cmdline", config->extra, config->ramdisk[0] ? "," : "");
    if (config->ramdisk[0])
        text_line("                ", "ramdisk", config->ramdisk, "");
    printk("            },\n");
    disks_of(config);
    nics_of(config);
    actions_of(config);
    printk("        }\n    }");
    first = false;
}

/* dom0's own entry has no more than this: xl's has no more to say of it either. */
static void details_of_dom0(void)
{
    printk("%s    {\n        \"domid\": 0,\n        \"config\": {\n            \"c_info\": {\n     "
           "           \"type\": \"pv\",\n"
           "                \"name\": \"Domain-0\"\n            }\n        }\n    }",
           first ? "" : ",\n");
    first = false;
}

void info_list_long(int count, char **word)
{
    struct xen_domctl_getdomaininfo info;

    first = true;
    printk("[\n");
    for (domid_t next = 0; info_next(next, &info); next = (domid_t)(info.domain + 1)) {
        char number[8];
        struct domain *domain;

        snprintf(number, sizeof(number), "%u", (unsigned)info.domain);
        domain = domains_find(number);
        if (!info_is_named(&info, count, word))
            continue;
        if (domain)
            details_of(domain, &info);
        else if (info.domain == 0)
            details_of_dom0();
    }
    printk("\n]\n");
}
