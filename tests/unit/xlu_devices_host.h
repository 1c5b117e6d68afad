/* SPDX-License-Identifier: MIT */
/*
 * Xen's own readers of disks, of cards' rates and of devices' names beside ours. The names' is not
 * in libxlutil but within libxl, so tests link libxenlight.a, and what that wants.
 *
 * The differences that are meant, and why:
 *   colo...            Words of Xen's COLO are refused as unknown.
 *   (un)trusted        xl-disk-configuration(5) of Xen 4.17 has these words; Debian's library was
 *                      built without them.
 *   a last =           Xen's scanner of disks does not see a stray '=' at the very end.
 *   too little         A rate of less than a byte an interval would never send: refused, not
 *                      rounded to nothing.
 *   010, 09            What begins with a zero is octal, for Xen and for us. Xen takes what stands
 *                      behind the first 8 or 9 for a unit that nobody gave: refused.
 *   signs and blanks   "d-1p0", " 5" and "" are no devices.
 *   d0xp1              A 0x without digits is a zero for scanf, and for Xen: refused.
 *   hd, sd5            Xen takes the letter that is missing for the one before a: refused.
 */
#ifndef TESTS_UNIT_XLU_DEVICES_HOST_H
#define TESTS_UNIT_XLU_DEVICES_HOST_H

#include <ctype.h>
#include <libxl_utils.h>
#include "dom0/config/disk.h"
#include "dom0/config/vif.h"
#include "xlu_host.h"

int libxl__device_disk_dev_number(const char *name, int *disk, int *partition);

static unsigned long disks_taken, rates_taken, devices_taken;

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : !a && !b;
}

static bool same_disk(const libxl_device_disk *xen, const struct disk_words *words)
{
    return xen->readwrite == words->writable && xen->is_cdrom == words->cdrom &&
           same_text(xen->vdev, words->vdev) && same_text(xen->pdev_path, words->target) &&
           same_text(xen->script, words->script) &&
           same_text(xen->backend_domname, words->backend) &&
           !strcmp(libxl_disk_format_to_string(xen->format), words->format) &&
           same_text(xen->backend ? libxl_disk_backend_to_string(xen->backend) : NULL,
                     words->backendtype) &&
           same_text(xen->specification ? libxl_disk_specification_to_string(xen->specification) :
                                          NULL,
                     words->specification) &&
           (!libxl_defbool_is_default(xen->discard_enable) &&
            !libxl_defbool_val(xen->discard_enable)) == words->no_discard &&
           (!libxl_defbool_is_default(xen->trusted) && !libxl_defbool_val(xen->trusted)) ==
               words->untrusted;
}

static bool disk_alike(struct xen_reading *xen, const char *text)
{
    struct disk_words words;
    libxl_device_disk disk;
    char copy[1024];
    const char *why, *wrong;
    bool same;
    int error;

    snprintf(copy, sizeof(copy), "%s", text);
    libxl_device_disk_init(&disk);
    xen_listen(xen);
    error = xlu_disk_parse(xen->config, 1, &text, &disk);
    why = disk_read(copy, &words, &wrong);
    disks_taken += !why;
    if (!error == !why)
        same = error || same_disk(&disk, &words);
    else
        same = why ? (strstr(text, "colo") || strstr(text, "-disk=") ||
                      (*text && text[strlen(text) - 1] == '=')) &&
                         strstr(why, "no such word") :
                     strstr(text, "trusted") && strstr(xen_said(xen), "trusted'");
    if (!same)
        fprintf(stderr, "disk '%s': Xen: %s; ours: %s (%s)\n", text,
                error ? xen_said(xen) : "taken", why ? why : "taken", wrong ? wrong : "");
    libxl_device_disk_dispose(&disk);
    return same;
}

/* A zero, then an 8 or 9 before the digits end; in the rate or in its interval. */
static bool odd_octal(const char *text)
{
    for (; *text; text++)
        if (*text == '0')
            for (const char *digit = text; *digit >= '0' && *digit <= '9'; digit++)
                if (*digit > '7')
                    return true;
    return false;
}

static bool rate_alike(struct xen_reading *xen, const char *text)
{
    libxl_device_nic nic;
    uint64_t bytes;
    uint32_t usecs;
    const char *why = vif_parse_rate(text, &bytes, &usecs);
    bool same;
    int error;

    libxl_device_nic_init(&nic);
    xen_listen(xen);
    errno = 0;
    error = xlu_vif_parse_rate(xen->config, text, &nic);
    rates_taken += !why;
    if (!error == !why)
        same = error || (nic.rate_bytes_per_interval == bytes && nic.rate_interval_usecs == usecs);
    else
        same =
            why && ((strstr(why, "too small") && !nic.rate_bytes_per_interval) || odd_octal(text));
    if (!same)
        fprintf(stderr, "rate '%s': Xen: %s; ours: %s\n", text, error ? xen_said(xen) : "taken",
                why ? why : "taken");
    libxl_device_nic_dispose(&nic);
    return same;
}

/* What Xen takes for a device and nobody would: signs, blanks, a 0x without digits, no letter. */
static bool odd_device(const char *name)
{
    const char *behind = name + (*name == 'x' ? 3 : 2);

    if (!*name || strpbrk(name, " \t\n\v\f\r+-")) return true;
    for (const char *hex = name; (hex = strcasestr(hex, "0x")); hex += 2)
        if (!isxdigit((unsigned char)hex[2]))
            return true;
    return (!strncmp(name, "xvd", 3) || !strncmp(name, "hd", 2) || !strncmp(name, "sd", 2)) &&
           (*behind < 'a' || *behind > 'z');
}

static bool device_alike(const char *name)
{
    unsigned number = 0;
    bool taken = disk_number(name, &number);
    char padded[200] = "";              /* It looks at three characters, be there as many or not. */
    int xen;

    strncpy(padded, name, sizeof(padded) - 1);
    xen = libxl__device_disk_dev_number(padded, NULL, NULL);

    devices_taken += taken;
    if (taken ? (int)number == xen : xen < 0 || odd_device(name)) return true;
    fprintf(stderr, "device '%s': Xen: %d; ours: %s %d\n", name, xen, taken ? "taken" : "refused",
            (int)number);
    return false;
}

/* What stands in the lists `disk` and `vif` of a configuration that was just read by both. */
static bool devices_alike(struct xen_reading *xen)
{
    const struct setting *disks = settings_find(&ours, "disk"), *vifs = settings_find(&ours, "vif");
    bool same = true;

    for (const struct setting_value *value = disks ? disks->value->first : NULL; value && same;
         value = value->next)
        same = !value->text || strchr(value->text, '\n') || disk_alike(xen, value->text);
    for (const struct setting_value *value = vifs ? vifs->value->first : NULL; value && same;
         value = value->next) {
        const char *rate = value->text ? strstr(value->text, "rate=") : NULL;
        char text[100] = "";

        if (rate)
            snprintf(text, sizeof(text), "%.*s", (int)strcspn(rate + 5, ","), rate + 5);
        same = !rate || rate_alike(xen, text);
    }
    return same;
}

#endif
