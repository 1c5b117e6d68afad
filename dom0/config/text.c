/* SPDX-License-Identifier: MIT */
/* See text.h. Whatever was chosen is written, what has a default and was left at it is not. */
#include "dom0/config/text.h"
#include <stdarg.h>

struct out { char *text; size_t size; };

__attribute__((format(printf, 2, 3))) static void add(struct out *out, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    out->size += (size_t)vsnprintf(out->text + out->size, CONFIG_TEXT_BYTES - out->size, format,
                                   arguments);
    va_end(arguments);
    if (out->size >= CONFIG_TEXT_BYTES)
        out->size = CONFIG_TEXT_BYTES - 1;
}

/* In quotes; what would end them, or is a backslash, behind one. */
static void add_quoted(struct out *out, const char *value)
{
    add(out, "\"");
    for (; *value; value++) {
        if (*value == '\n' || *value == '\t')
            add(out, "\\%c", *value == '\n' ? 'n' : 't');
        else
            add(out, "%s%c", *value == '"' || *value == '\\' ? "\\" : "", *value);
    }
    add(out, "\"");
}

static void add_string(struct out *out, const char *key, const char *value)
{
    if (!*value) return;
    add(out, "%s = ", key);
    add_quoted(out, value);
    add(out, "\n");
}

static void add_number(struct out *out, const char *key, unsigned long value)
{
    if (value)
        add(out, "%s = %lu\n", key, value);
}

static void add_action(struct out *out, const char *key, enum config_action action)
{
    static const char *const words[] = { "destroy", "restart", "preserve" };

    add_string(out, key, words[action]);
}

static void add_uuid(struct out *out, const struct config *config)
{
    if (!config->has_uuid) return;
    add(out, "uuid = \"");
    for (unsigned i = 0; i < sizeof(config->uuid); i++)
        add(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", config->uuid[i]);
    add(out, "\"\n");
}

static void add_cpus(struct out *out, const char *key, const uint64_t *cpus, unsigned said)
{
    char list[CPUS_TEXT];

    while (said && !cpus[said - 1])
        said--;
    if (!said) return;
    add(out, "%s = [ ", key);
    for (unsigned i = 0; i < said; i++) {
        cpus_print(cpus[i] ? cpus[i] : CPUS_ALL, CPUS_ALL, list, sizeof(list));
        add(out, "%s\"%s\"", i ? ", " : "", list);
    }
    add(out, " ]\n");
}

static void add_devices(struct out *out, const struct config *config)
{
    char text[DEVICE_TEXT_BYTES];

    for (unsigned kind = 0; kind < DEVICE_KINDS; kind++) {
        const struct config_devices *devices = &config->devices[kind];

        for (unsigned i = 0; i < devices->count; i++) {
            device_syntaxes[kind]->write(&devices->device[i], text);
            if (i)
                add(out, ", ");
            else
                add(out, "%s = [ ", device_syntaxes[kind]->key);
            add_quoted(out, text);
        }
        if (devices->count)
            add(out, " ]\n");
    }
}

size_t config_write(const struct config *config, char text[CONFIG_TEXT_BYTES])
{
    struct out out = { .text = text };

    text[0] = '\0';
    add_string(&out, "name", config->name);
    add_uuid(&out, config);
    add_string(&out, "type", "pv");
    add_string(&out, "kernel", config->kernel);
    add_string(&out, "ramdisk", config->ramdisk);
    add_string(&out, "cmdline", config->extra);
    add_number(&out, "memory", config->memory_mib);
    add_number(&out, "maxmem", config->maxmem_mib);
    add_number(&out, "vcpus", config->vcpus_at_start);
    add_number(&out, "maxvcpus", config->vcpus);
    add_number(&out, "cpu_weight", config->cpu_weight);
    add_number(&out, "cap", config->cap);
    add_cpus(&out, "cpus", config->cpus, config->vcpus);
    add_cpus(&out, "cpus_soft", config->cpus_soft, config->vcpus);
    add_number(&out, "max_grant_frames", config->grant_frames);
    add_number(&out, "max_maptrack_frames", config->maptrack_frames);
    add_devices(&out, config);
    add_action(&out, "on_poweroff", config->on_poweroff);
    add_action(&out, "on_reboot", config->on_reboot);
    add_action(&out, "on_crash", config->on_crash);
    add_action(&out, "on_watchdog", config->on_watchdog);
    add_action(&out, "on_soft_reset", config->on_soft_reset);
    return out.size;
}
