/* SPDX-License-Identifier: MIT */
/*
 * Specifications of disks (disk.h): first the words, whatever they mean; then what can be had of
 * them. What cannot is refused by its name, for a guest whose disk is another than was asked for is
 * worse than no guest.
 */
#include "dom0/config/disk.h"

#define BY_LABEL "/dev/disk/by-partlabel/"

struct reading {
    struct disk_words *words;
    const char *wrong;
    bool prefixed;                      /* By phy: or its kin: no format comes by position. */
    bool have_access;                   /* By position. */
};

static const char *no(struct reading *reading, const char *wrong, const char *why)
{
    reading->wrong = wrong;
    return why;
}

/* --- single words --- */

/* What is said twice must be the same; an empty text may be replaced. */
static const char *set_text(struct reading *reading, const char **field, const char *value)
{
    if (*field && **field) return no(reading, value, "it is given twice");
    *field = value;
    return NULL;
}

static const char *set_word(struct reading *reading, const char **field, const char *value,
                            const char *const *known)
{
    for (; *known && strcmp(*known, value); known++)
        ;
    if (!*known) return no(reading, value, "there is no such value");
    if (*field && strcmp(*field, *known)) return no(reading, value, "it is given twice");
    *field = *known;
    return NULL;
}

static const char *set_format(struct reading *reading, const char *value)
{
    static const char *const known[] = { "raw", "qcow", "qcow2", "vhd", "qed", "empty", NULL };

    return set_word(reading, &reading->words->format, *value ? value : "raw", known);
}

static const char *set_access(struct reading *reading, const char *value)
{
    reading->words->writable = !strcmp(value, "w") || !strcmp(value, "rw") || !*value;
    if (!reading->words->writable && strcmp(value, "r") && strcmp(value, "ro"))
        return no(reading, value, "a disk's access is 'r' or 'w'");
    return NULL;
}

static const char *set_type(struct reading *reading, const char *value)
{
    reading->words->cdrom = !strcmp(value, "cdrom");
    if (reading->words->cdrom || !strcmp(value, "disk")) return NULL;
    return no(reading, value, "a devtype is disk or cdrom");
}

/* By position a device may say what it is: hdc:cdrom. True: it did. */
static bool set_device(struct reading *reading, char *value, const char **why)
{
    char *colon = strrchr(value, ':');

    if (!colon) return false;
    *colon = '\0';
    *why = set_text(reading, &reading->words->vdev, value);
    if (!*why)
        *why = set_type(reading, colon + 1);
    return true;
}

/* --- by name --- */

static const char *set_backendtype(struct reading *reading, const char *value)
{
    static const char *const known[] = { "phy", "tap", "qdisk", "standalone", NULL };

    return set_word(reading, &reading->words->backendtype, value, known);
}

static const char *set_specification(struct reading *reading, const char *value)
{
    static const char *const known[] = { "xen", "virtio", NULL };

    return set_word(reading, &reading->words->specification, value, known);
}

static const char *set_vdev(struct reading *reading, const char *value)
{
    return set_text(reading, &reading->words->vdev, value);
}

static const char *set_backend(struct reading *reading, const char *value)
{
    return set_text(reading, &reading->words->backend, value);
}

static const char *set_script(struct reading *reading, const char *value)
{
    return set_text(reading, &reading->words->script, value);
}

static const char *by_name(struct reading *reading, char *part, char *equals)
{
    static const struct {
        const char *name;
        const char *(*set)(struct reading *reading, const char *value);
    } names[] = {
        { "format", set_format },           { "access", set_access },   { "vdev", set_vdev },
        { "backendtype", set_backendtype }, { "backend", set_backend }, { "devtype", set_type },
        { "specification", set_specification }, { "script", set_script },
    };

    *equals = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(names[i].name, part))
            return names[i].set(reading, equals + 1);
    return no(reading, part, "a disk has no such word here");
}

static bool by_word(struct reading *reading, const char *part)
{
    struct disk_words *words = reading->words;

    if (!strcmp(part, "cdrom"))
        words->cdrom = true;
    else if (!strcmp(part, "trusted") || !strcmp(part, "untrusted"))
        words->untrusted = part[0] == 'u';
    else if (!strcmp(part, "discard") || !strcmp(part, "no-discard"))
        words->no_discard = part[0] == 'n';
    else        /* Both are true of all disks here: no cache, and no second copy. */
        return !strcmp(part, "direct-io-safe") || !strcmp(part, "no-colo");
    return true;
}

/* --- by position --- */

static const char *by_position(struct reading *reading, char *part)
{
    struct disk_words *words = reading->words;
    const char *why = NULL;

    if (!words->target) return set_text(reading, &words->target, part);
    if (!reading->prefixed && !words->format) {
        if (*words->target || !set_device(reading, part, &why)) return set_format(reading, part);
        words->format = "empty";
        return why;
    }
    if (!words->vdev)
        return set_device(reading, part, &why) ? why : set_text(reading, &words->vdev, part);
    if (reading->have_access) return no(reading, part, "it is one word too many");
    reading->have_access = true;
    return set_access(reading, part);
}

/* What stands before a target to say how it is reached: phy: raw: nbd: ... Moves on behind it. */
static const char *take_prefix(struct reading *reading, char **at, bool *taken)
{
    static const char *const formats[] = { "raw", "qcow", "qcow2", "vhd", NULL };
    static const char *const scripts[] = { "block-iscsi", "block-nbd", "block-enbd", "block-drbd",
                                           NULL };
    static const char *const others[] = { "tapdisk", "tap",  "tap2", "aio",
                                          "ioemu",   "file", "phy",  NULL };
    static const char *const *const kinds[] = { formats, scripts, others };
    size_t size = 0;

    *taken = false;
    while (((*at)[size] >= 'a' && (*at)[size] <= 'z') ||
           (size && (*at)[size] >= '0' && (*at)[size] <= '9'))
        size++;
    if (!size || (*at)[size] != ':') return NULL;
    for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++)
        for (const char *const *name = kinds[kind]; *name; name++) {
            const char *prefix = *name + (kinds[kind] == scripts ? strlen("block-") : 0);

            if (strlen(prefix) != size || strncmp(prefix, *at, size))
                continue;
            *at += size + 1;
            *taken = reading->prefixed = true;
            return kinds[kind] == formats ? set_format(reading, *name) :
                   kinds[kind] == scripts ? set_text(reading, &reading->words->script, *name) :
                                            NULL;
        }
    size++;
    if (((*at)[size] >= 'a' && (*at)[size] <= 'z') || ((*at)[size] >= '0' && (*at)[size] <= '9'))
        return NULL;                            /* hdc:cdrom is no prefix. */
    return no(reading, *at, "there is no such prefix");
}

/* --- all of it --- */

/* One word of it; `at` moves on, to the end behind the last. */
static const char *read_one(struct reading *reading, char **at)
{
    char *part, *comma, *equals;
    const char *why;
    bool taken;

    while (**at == ' ' || **at == '\t')
        ++*at;
    if (!**at) return NULL;
    why = take_prefix(reading, at, &taken);
    if (why || taken) return why;
    part = *at;
    if (!strncmp(part, "target=", strlen("target="))) {         /* All the rest is the target. */
        size_t size = strlen(part);

        *at += size;
        if (part[size - 1] == ',')
            part[size - 1] = '\0';
        return set_text(reading, &reading->words->target, part + strlen("target="));
    }
    comma = strchr(part, ',');
    *at = comma ? comma + 1 : part + strlen(part);
    if (comma)
        *comma = '\0';
    equals = strchr(part, '=');
    if (equals) return by_name(reading, part, equals);
    if (!strcmp(part, "colo")) return no(reading, part, "a disk has no such word here");
    return by_word(reading, part) ? NULL : by_position(reading, part);
}

const char *disk_read(char *text, struct disk_words *words, const char **wrong)
{
    struct reading reading = { .words = words };
    const char *why = NULL;

    memset(words, 0, sizeof(*words));
    words->writable = true;
    while (!why && *text)
        why = read_one(&reading, &text);
    *wrong = reading.wrong;
    if (why) return why;
    if (words->cdrom)
        words->writable = false;
    if (words->cdrom && (!words->target || !*words->target))
        words->format = "empty";
    if (!words->format)
        words->format = "raw";
    if (!words->vdev && words->target && strchr(words->target, ','))
        return "it has no device: target= takes all that follows, so it comes last";
    if (!words->vdev) return "it has no device: ,xvda or vdev=xvda";
    return words->target || words->cdrom ? NULL : "it has no target";
}

/* What is said but cannot be had. */
static const char *unavailable(const struct disk_words *words, const char **wrong)
{
    static const char *const here[] = { "0", "dom0", "Domain-0" };
    size_t i = 0;

    *wrong = words->format;
    if (!strcmp(words->format, "empty") || !words->target || !*words->target)
        return "an empty drive is not offered";
    if (strcmp(words->format, "raw")) return "a disk's format can only be raw";
    *wrong = words->backendtype;
    if (words->backendtype && strcmp(words->backendtype, "phy"))
        return "a disk's backendtype can only be phy";
    *wrong = words->script;
    if (words->script) return "no script makes a disk here";
    *wrong = words->specification;
    if (words->specification && strcmp(words->specification, "xen"))
        return "a disk's specification can only be xen";
    *wrong = words->backend;
    while (words->backend && i < ARRAY_SIZE(here) && strcmp(words->backend, here[i]))
        i++;
    return i < ARRAY_SIZE(here) ? NULL : "a disk's backend can only be dom0";
}

static int judge(const struct disk_words *words, struct config_disk *disk,
                 struct problem *problem)
{
    const char *target = words->target, *wrong, *why = unavailable(words, &wrong);

    if (why) return setting_refuse(NULL, problem, "'%.40s': %s", wrong ? wrong : "", why);
    if (!strncmp(target, BY_LABEL, strlen(BY_LABEL)))
        target += strlen(BY_LABEL);
    if (!*target || strlen(target) >= sizeof(disk->partition))
        return setting_refuse(NULL, problem, "'%.60s': a partition's name has 1 to 36 characters",
                              target);
    if (strlen(words->vdev) >= sizeof(disk->vdev) || !disk_number(words->vdev, &disk->number))
        return setting_refuse(NULL, problem, "'%.20s' is no device name: xvda, sdb1, d0p1, 768",
                              words->vdev);
    snprintf(disk->partition, sizeof(disk->partition), "%s", target);
    snprintf(disk->vdev, sizeof(disk->vdev), "%s", words->vdev);
    disk->writable = words->writable;
    disk->cdrom = words->cdrom;
    disk->untrusted = words->untrusted;
    disk->no_discard = words->no_discard;
    return 0;
}

int disk_parse(const char *text, struct config_disk *disk, struct problem *problem)
{
    struct disk_words words;
    char copy[DEVICE_MOST_BYTES];
    const char *wrong, *why;

    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' && *c != '\t')
            return setting_refuse(NULL, problem,
                                  "a disk's specification has no control characters");
    if (strlen(text) >= sizeof(copy))
        return setting_refuse(NULL, problem, "a disk's specification has at most %zu characters",
                              sizeof(copy) - 1);
    snprintf(copy, sizeof(copy), "%s", text);
    why = disk_read(copy, &words, &wrong);
    if (why && wrong)
        return setting_refuse(NULL, problem, "in disk '%.60s', '%.40s': %s", text, wrong, why);
    if (why) return setting_refuse(NULL, problem, "in disk '%.60s': %s", text, why);
    return judge(&words, disk, problem);
}

/* --- names of devices --- */

/* Digits in the base that their beginning tells (0x, 0), up to `most`; moves on. False: none, or
 * more. */
static bool take_number(const char **at, unsigned long most, unsigned *number)
{
    char *end;
    unsigned long value = **at >= '0' && **at <= '9' ? strtoul(*at, &end, 0) : most + 1;

    if (value > most) return false;
    *at = end;
    *number = (unsigned)value;
    return true;
}

/* "xvdaa12": letters count disks, as if there were no zero; digits count partitions from 1. */
static bool take_letters(const char *vdev, const char *kind, unsigned most_disks,
                         unsigned most_partitions, unsigned *disk, unsigned *partition)
{
    const char *at = vdev + strlen(kind);

    if (strncmp(vdev, kind, strlen(kind)) || *at < 'a' || *at > 'z') return false;
    for (*disk = 0; *at >= 'a' && *at <= 'z'; at++) {
        *disk = *disk * 26 + (unsigned)(*at - 'a') + 1;
        if (*disk > most_disks) return false;
    }
    --*disk;
    *partition = 0;
    if (!*at) return true;
    for (; *at >= '0' && *at <= '9' && *partition <= most_partitions; at++) {
        *partition = *partition * 10 + (unsigned)(*at - '0');
        if (!*partition) return false;
    }
    return !*at && *partition <= most_partitions;
}

/* "d0p1" */
static bool take_d_p(const char *vdev, unsigned *disk, unsigned *partition)
{
    const char *at = vdev + 1;

    if (*vdev != 'd' || !take_number(&at, (1u << 20) - 1, disk) || *at++ != 'p') return false;
    return take_number(&at, 255, partition) && !*at;
}

/* Numbers are what <xen/io/blkif.h> tells; those of hd and sd are Linux's for such disks. */
bool disk_number(const char *vdev, unsigned *number)
{
    unsigned disk, partition;
    const char *at = vdev;

    if (take_d_p(vdev, &disk, &partition) ||
        take_letters(vdev, "xvd", 1u << 20, 255, &disk, &partition))
        *number = disk < 16 && partition < 16 ? 202u << 8 | disk << 4 | partition :
                                                1u << 28 | disk << 8 | partition;
    else if (take_letters(vdev, "hd", 4, 63, &disk, &partition))
        *number = (disk < 2 ? 3u : 22u) << 8 | (disk & 1) << 6 | partition;
    else if (take_letters(vdev, "sd", 16, 15, &disk, &partition))
        *number = 8u << 8 | disk << 4 | partition;
    else
        return take_number(&at, INT32_MAX, number) && !*at;
    return true;
}

/* --- among a guest's devices --- */

static int parse(const char *text, struct config_device *device, struct problem *problem)
{
    struct config_disk *disk = config_of(struct config_disk, device);
    int error = disk_parse(text, disk, problem);

    device->number = disk->number;
    return error;
}

static const char *same(const struct config_device *one, const struct config_device *other)
{
    return one->number == other->number ? config_of(struct config_disk, other)->vdev : NULL;
}

/* The target takes all that follows, but for a comma at the end: one that is its own is the one
 * before that. */
static void write(const struct config_device *device, char text[DEVICE_TEXT_BYTES])
{
    const struct config_disk *disk = config_of(struct config_disk, device);
    const char *target = disk->partition;

    snprintf(text, DEVICE_TEXT_BYTES, "vdev=%s, access=%s, %s%s%starget=%s%s", disk->vdev,
             disk->writable ? "rw" : "ro", disk->cdrom ? "devtype=cdrom, " : "",
             disk->untrusted ? "untrusted, " : "", disk->no_discard ? "no-discard, " : "", target,
             target[strlen(target) - 1] == ',' ? "," : "");
}

const struct device_syntax disk_syntax = {
    .key = "disk",
    .example = "phy:PARTITION,xvda,w",
    .numbered = true,
    .parse = parse,
    .write = write,
    .same = same,
};
