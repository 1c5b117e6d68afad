/* SPDX-License-Identifier: MIT */
/*
 * `xl list -l`: all about a guest, as JSON with the keys of Xen's xl, for programs. What xl has and
 * a guest of ours has not (video memory, channels and the like) is left out.
 */
#include "dom0/devices/device.h"
#include "dom0/guests/domains.h"
#include "dom0/xc/control.h"
#include "dom0/xl/info.h"
#include <pvguest/console.h>

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

static void device_of(const struct config_device *config, const struct device_class *class)
{
    struct device_detail detail[DEVICE_DETAILS] = { { .key = NULL } };
    const char *const indent = "                    ";

    class->detail(config, detail);
    for (unsigned i = 0; i < DEVICE_DETAILS && detail[i].key; i++) {
        const char *end = i + 1 < DEVICE_DETAILS && detail[i + 1].key ? "," : "";

        if (detail[i].text[0])
            text_line(indent, detail[i].key, detail[i].text, end);
        else
            printk("%s\"%s\": %u%s\n", indent, detail[i].key, detail[i].number, end);
    }
}

static void devices_of(const struct config_devices *devices, const struct device_class *class)
{
    printk("            \"%s\": [\n", class->details);
    for (unsigned i = 0; i < devices->count; i++) {
        printk("                {\n");
        device_of(&devices->device[i], class);
        printk("                }%s\n", i + 1 < devices->count ? "," : "");
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

static void share_of(const struct config *config)
{
    const char *const indent = "                    ";

    if (!config->cpu_weight && !config->cap) return;
    printk("                \"sched_params\": {\n");
    if (config->cpu_weight)
        printk("%s\"weight\": %u%s\n", indent, config->cpu_weight, config->cap ? "," : "");
    if (config->cap)
        printk("%s\"cap\": %u\n", indent, config->cap);
    printk("                },\n");
}

/* For each vCPU the numbers of the CPUs on which it may run; those to the last of which something
 * was said. */
static void affinity_of(const struct config *config)
{
    uint64_t there = machine_cpus();
    unsigned count = config->vcpus;

    while (count && !config->cpus[count - 1])
        count--;
    if (!count) return;
    printk("                \"vcpu_hard_affinity\": [\n");
    for (unsigned i = 0; i < count; i++) {
        uint64_t cpus = (config->cpus[i] ? config->cpus[i] : CPUS_ALL) & there;
        const char *before = "";

        printk("                    [");
        for (unsigned cpu = 0; cpu < CPUS_MOST; cpu++)
            if (cpus >> cpu & 1) {
                printk("%s%u", before, cpu);
                before = ", ";
            }
        printk("]%s\n", i + 1 < count ? "," : "");
    }
    printk("                ],\n");
}

static void details_of(const struct domain *domain, const struct xen_domctl_getdomaininfo *info,
                       bool first)
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
    share_of(config);
    affinity_of(config);
    text_line("                ", "kernel", config->kernel, ",");
    text_line("                ", "cmdline", config->extra, config->ramdisk[0] ? "," : "");
    if (config->ramdisk[0])
        text_line("                ", "ramdisk", config->ramdisk, "");
    printk("            },\n");
    for (unsigned kind = 0; kind < DEVICE_KINDS; kind++)
        devices_of(&config->devices[kind], device_classes[kind]);
    actions_of(config);
    printk("        }\n    }");
}

/* dom0's own entry has no more than this: xl's has no more to say of it either. */
static void details_of_dom0(bool first)
{
    printk("%s    {\n        \"domid\": 0,\n        \"config\": {\n            \"c_info\": {\n     "
           "           \"type\": \"pv\",\n"
           "                \"name\": \"Domain-0\"\n            }\n        }\n    }",
           first ? "" : ",\n");
}

void info_list_long(int count, char **word)
{
    struct xen_domctl_getdomaininfo info;
    bool first = true;

    printk("[\n");
    for (domid_t next = 0; info_next(next, &info); next = (domid_t)(info.domain + 1)) {
        char number[8];
        struct domain *domain;

        snprintf(number, sizeof(number), "%u", (unsigned)info.domain);
        domain = domains_find(number);
        if (!info_is_named(&info, count, word))
            continue;
        if (domain)
            details_of(domain, &info, first);
        else if (info.domain == 0)
            details_of_dom0(first);
        else
            continue;
        first = false;
    }
    printk("\n]\n");
}
