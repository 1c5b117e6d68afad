/* SPDX-License-Identifier: MIT */
/*
 * Parses a guest's configuration (config.h). Two layers: values (number, string, list), and what each key makes of its
 * value; the table `keys` joins them. The first error ends the parse and carries its line.
 */
#include "dom0/toolstack/config.h"
#include <stdarg.h>

#define MAX_STRING 1100u
#define MAX_LIST 9u                     /* One more than any key takes: each says how many. */

struct value {
    enum { NUMBER, STRING, LIST } kind;
    unsigned long number;
    unsigned count;                     /* Strings: 1 for a STRING. */
    char string[MAX_LIST][MAX_STRING];
};

struct parser {
    const char *at, *end;
    unsigned line;
    struct config *config;
    struct config_problem *problem;
    struct value value;
};

__attribute__((format(printf, 2, 3)))
static void say_why(struct parser *parser, const char *format, ...) {
    va_list arguments;

    parser->problem->line = parser->line;
    va_start(arguments, format);
    vsnprintf(parser->problem->text, sizeof(parser->problem->text), format, arguments);
    va_end(arguments);
}

#define refuse(parser, ...) (say_why(parser, __VA_ARGS__), refused(-EINVAL))

/* --- values --- */

static bool word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Skips blanks and comments; ends of lines too, if they mean nothing here. */
static void skip(struct parser *parser, bool lines_too) {
    while (parser->at < parser->end) {
        char c = *parser->at;

        if (c == '#') {
            while (parser->at < parser->end && *parser->at != '\n')
                parser->at++;
            continue;
        }
        if (c == '\n' && lines_too)
            parser->line++;
        else if (c != ' ' && c != '\t' && c != '\r')
            return;
        parser->at++;
    }
}

static char peek(const struct parser *parser) {
    return parser->at < parser->end ? *parser->at : '\0';
}

static int take_string(struct parser *parser, char *string) {
    char quote = *parser->at++;
    size_t size = 0;

    while (peek(parser) != quote) {
        char c = peek(parser);

        if (parser->at >= parser->end || c == '\n')
            return refuse(parser, "the string has no closing %c", quote);
        if ((unsigned char)c < ' ')
            return refuse(parser, "a control character in a string");
        if (size + 1 >= MAX_STRING)
            return refuse(parser, "the string is too long");
        string[size++] = c;
        parser->at++;
    }
    parser->at++;
    string[size] = '\0';
    return 0;
}

static int take_number(struct parser *parser) {
    unsigned long number = 0;

    while (peek(parser) >= '0' && peek(parser) <= '9') {
        number = number * 10 + (unsigned long)(*parser->at++ - '0');
        if (number > 1000000000)
            return refuse(parser, "the number is too large");
    }
    if (word_character(peek(parser)))
        return refuse(parser, "letters in a number");
    parser->value.kind = NUMBER;
    parser->value.number = number;
    return 0;
}

static int take_list(struct parser *parser) {
    struct value *value = &parser->value;
    int error;

    value->kind = LIST;
    parser->at++;                                               /* The bracket. */
    for (skip(parser, true); peek(parser) != ']'; skip(parser, true)) {
        if (peek(parser) != '"' && peek(parser) != '\'')
            return refuse(parser, parser->at < parser->end ? "a list holds quoted strings" : "the list has no closing ]");
        if (value->count == MAX_LIST)
            return refuse(parser, "the list is too long");
        error = take_string(parser, value->string[value->count]);
        if (error)
            return error;
        value->count++;
        skip(parser, true);
        if (peek(parser) == ',')
            parser->at++;
        else if (peek(parser) != ']')
            return refuse(parser, "expected , or ] in the list");
    }
    parser->at++;
    return 0;
}

static int take_value(struct parser *parser) {
    char c = peek(parser);

    parser->value.count = 0;
    if (c >= '0' && c <= '9')
        return take_number(parser);
    if (c == '[')
        return take_list(parser);
    if (c != '"' && c != '\'')
        return refuse(parser, "expected a number, a quoted string or a list");
    parser->value.kind = STRING;
    parser->value.count = 1;
    return take_string(parser, parser->value.string[0]);
}

/* --- what the keys make of them --- */

static int want_string(struct parser *parser, char *to, size_t room) {
    if (parser->value.kind != STRING)
        return refuse(parser, "the value must be a quoted string");
    if ((size_t)snprintf(to, room, "%s", parser->value.string[0]) >= room)
        return refuse(parser, "the string is too long (at most %zu characters)", room - 1);
    return 0;
}

static int want_number(struct parser *parser, unsigned long least, unsigned long most, unsigned long *number) {
    if (parser->value.kind != NUMBER)
        return refuse(parser, "the value must be a number");
    if (parser->value.number < least || parser->value.number > most)
        return refuse(parser, "the number must be %lu to %lu", least, most);
    *number = parser->value.number;
    return 0;
}

bool config_name_valid(const char *name) {
    size_t size = 0;

    for (; name[size]; size++)
        if (!word_character(name[size]) && name[size] != '-' && name[size] != '.')
            return refused(false);
    return (size && size < sizeof(((struct config *)NULL)->name)) || refused(false);
}

static int key_name(struct parser *parser) {
    char *name = parser->config->name;
    int error = want_string(parser, name, sizeof(parser->config->name));

    if (!error && !name[0])
        error = refuse(parser, "the name is empty");
    if (!error && !config_name_valid(name))
        error = refuse(parser, "a name has letters, digits, '-', '_' and '.' only");
    return error;
}

static int key_kernel(struct parser *parser) {
    return want_string(parser, parser->config->kernel, sizeof(parser->config->kernel));
}

static int key_ramdisk(struct parser *parser) {
    return want_string(parser, parser->config->ramdisk, sizeof(parser->config->ramdisk));
}

static int key_extra(struct parser *parser) {
    return want_string(parser, parser->config->extra, sizeof(parser->config->extra));
}

static int key_memory(struct parser *parser) {
    return want_number(parser, 1, 1024 * 1024, &parser->config->memory_mib);
}

static int key_maxmem(struct parser *parser) {
    return want_number(parser, 1, 1024 * 1024, &parser->config->maxmem_mib);
}

static int key_vcpus(struct parser *parser) {
    unsigned long vcpus = 1;
    int error = want_number(parser, 1, CONFIG_MAX_VCPUS, &vcpus);

    parser->config->vcpus_at_start = (unsigned)vcpus;
    return error;
}

static int key_maxvcpus(struct parser *parser) {
    unsigned long vcpus = 1;
    int error = want_number(parser, 1, CONFIG_MAX_VCPUS, &vcpus);

    parser->config->vcpus = (unsigned)vcpus;
    return error;
}

static int key_cpu_weight(struct parser *parser) {
    unsigned long weight = 0;
    int error = want_number(parser, CONFIG_LEAST_WEIGHT, CONFIG_MOST_WEIGHT, &weight);

    parser->config->cpu_weight = (unsigned)weight;
    return error;
}

static int key_frames(struct parser *parser, unsigned *frames) {
    unsigned long most = 0;
    int error = want_number(parser, 1, CONFIG_MOST_FRAMES, &most);

    *frames = (unsigned)most;
    return error;
}

static int key_max_grant_frames(struct parser *parser) {
    return key_frames(parser, &parser->config->grant_frames);
}

static int key_max_maptrack_frames(struct parser *parser) {
    return key_frames(parser, &parser->config->maptrack_frames);
}

static int key_type(struct parser *parser) {
    char type[16];
    int error = want_string(parser, type, sizeof(type));

    if (!error && strcmp(type, "pv"))
        error = refuse(parser, "only type = \"pv\" can be built");
    return error;
}

static int want_action(struct parser *parser, enum config_action *action) {
    char text[32];
    int error = want_string(parser, text, sizeof(text));

    if (error)
        return error;
    if (!strcmp(text, "destroy"))
        *action = ACTION_DESTROY;
    else if (!strcmp(text, "restart"))
        *action = ACTION_RESTART;
    else if (!strcmp(text, "preserve"))
        *action = ACTION_PRESERVE;
    else
        return refuse(parser, "an action is \"destroy\", \"restart\" or \"preserve\"");
    return 0;
}

static int key_on_poweroff(struct parser *parser) {
    return want_action(parser, &parser->config->on_poweroff);
}

static int key_on_reboot(struct parser *parser) {
    return want_action(parser, &parser->config->on_reboot);
}

static int key_on_crash(struct parser *parser) {
    return want_action(parser, &parser->config->on_crash);
}

static int key_on_watchdog(struct parser *parser) {
    return want_action(parser, &parser->config->on_watchdog);
}

/* Cuts the text at its next comma; the rest, or NULL when there was none. Leading blanks of the part go. */
static char *cut(char **text) {
    char *part = *text, *comma;

    while (*part == ' ')
        part++;
    comma = strchr(part, ',');
    if (comma)
        *comma = '\0';
    *text = comma ? comma + 1 : NULL;
    return part;
}

/* "xvda" is 202 << 8, each further disk 16 more; a digit behind the letter names a partition (<xen/io/blkif.h>). */
bool config_device_number(const char *vdev, unsigned *number) {
    unsigned disk, partition = 0;

    if (strncmp(vdev, "xvd", 3) || vdev[3] < 'a' || vdev[3] > 'p')
        return refused(false);
    disk = (unsigned)(vdev[3] - 'a');
    for (const char *digit = vdev + 4; *digit; digit++) {
        if (*digit < '0' || *digit > '9')
            return refused(false);
        partition = partition * 10 + (unsigned)(*digit - '0');
        if (partition < 1 || partition > 15)
            return refused(false);
    }
    *number = 202u << 8 | disk << 4 | partition;
    return true;
}

enum { DISK_TARGET, DISK_FORMAT, DISK_VDEV, DISK_ACCESS, DISK_FIELDS };

/* "target,format,vdev,access", where a part may also come as key=value, in any order; the format may be left out. */
static int disk_fields(struct parser *parser, char *text, char *field[DISK_FIELDS]) {
    static const char *const names[] = { "target", "format", "vdev", "access" };
    unsigned next = DISK_TARGET, i;

    while (text) {
        char *part = cut(&text), *value = strchr(part, '=');

        if (!value) {
            if (next == DISK_FORMAT && *part && strcmp(part, "raw"))
                next = DISK_VDEV;
            if (next == DISK_FIELDS)
                return refuse(parser, "a disk is 'phy:PARTITION,xvda,w'; '%.20s' is too much", part);
            field[next++] = part;
            continue;
        }
        *value++ = '\0';
        for (i = 0; i < DISK_FIELDS && strcmp(names[i], part); i++)
            ;
        if (i < DISK_FIELDS)
            field[i] = value;
        else if (strcmp(part, "backendtype") || strcmp(value, "phy"))
            return refuse(parser, "a disk has no '%.20s=%.20s' here", part, value);
    }
    return 0;
}

static int one_disk(struct parser *parser, char *text, struct config_disk *disk) {
    char *field[DISK_FIELDS] = { NULL };
    const char *target, *vdev, *access;
    int error = disk_fields(parser, text, field);

    if (error)
        return error;
    target = field[DISK_TARGET];
    vdev = field[DISK_VDEV];
    access = field[DISK_ACCESS] ? field[DISK_ACCESS] : "w";
    if (target && !strncmp(target, "phy:", 4))
        target += 4;
    if (!target || !vdev)
        return refuse(parser, "a disk is 'phy:PARTITION,xvda,w'");
    if (field[DISK_FORMAT] && *field[DISK_FORMAT] && strcmp(field[DISK_FORMAT], "raw"))
        return refuse(parser, "a disk's format can only be raw");
    if (!*target || (size_t)snprintf(disk->partition, sizeof(disk->partition), "%s", target) >= sizeof(disk->partition))
        return refuse(parser, "a partition's name has 1 to 36 characters");
    if (strlen(vdev) >= sizeof(disk->vdev) || !config_device_number(vdev, &disk->number))
        return refuse(parser, "'%.20s' is no device name: xvda to xvdp", vdev);
    snprintf(disk->vdev, sizeof(disk->vdev), "%s", vdev);
    disk->writable = !strcmp(access, "w") || !strcmp(access, "rw");
    if (!disk->writable && strcmp(access, "r") && strcmp(access, "ro"))
        return refuse(parser, "a disk's access is 'r' or 'w'");
    return 0;
}

static int key_disk(struct parser *parser) {
    struct config *config = parser->config;

    if (parser->value.kind != LIST)
        return refuse(parser, "disk is a list: [ 'phy:PARTITION,xvda,w' ]");
    if (parser->value.count > CONFIG_MAX_DISKS)
        return refuse(parser, "at most %u disks", CONFIG_MAX_DISKS);
    config->disk_count = parser->value.count;
    for (unsigned i = 0; i < config->disk_count; i++) {
        int error = one_disk(parser, parser->value.string[i], &config->disk[i]);

        if (error)
            return error;
        for (unsigned j = 0; j < i; j++)
            if (config->disk[j].number == config->disk[i].number)
                return refuse(parser, "two disks are both %s", config->disk[i].vdev);
    }
    return 0;
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool config_parse_mac(const char *text, uint8_t mac[6]) {
    for (unsigned i = 0; i < 6; i++, text += 3) {
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

        if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
            return refused(false);
        mac[i] = (uint8_t)(high << 4 | low);
    }
    return !(mac[0] & 1) || refused(false);                     /* A station, not a group. */
}

/* One word of a vif; its value, or NULL if it is another. */
static const char *word_value(const char *part, const char *key) {
    size_t size = strlen(key);

    return strncmp(part, key, size) || part[size] != '=' ? NULL : part + size + 1;
}

static int vif_word(struct parser *parser, const char *part, struct config_vif *vif) {
    const char *value, *why;

    if ((value = word_value(part, "mac"))) {
        if (!config_parse_mac(value, vif->mac))
            return refuse(parser, "'%.20s' is no station's address", value);
    } else if ((value = word_value(part, "bridge"))) {
        if ((size_t)snprintf(vif->bridge, sizeof(vif->bridge), "%s", value) >= sizeof(vif->bridge))
            return refuse(parser, "the bridge's name is too long");
    } else if ((value = word_value(part, "ip"))) {
        if ((size_t)snprintf(vif->ip, sizeof(vif->ip), "%s", value) >= sizeof(vif->ip) ||
            !vif_parse_addresses(value, vif->address, &vif->addresses))
            return refuse(parser, "'%.40s' are not one to %u addresses like 10.0.2.30", value, VIF_MAX_ADDRESSES);
    } else if ((value = word_value(part, "rate"))) {
        why = vif_parse_rate(value, &vif->rate_bytes, &vif->rate_usecs);
        if (why)
            return refuse(parser, "%s in '%.30s'", why, value);
    } else if ((value = word_value(part, "spoof"))) {
        if (strcmp(value, "0") && strcmp(value, "1"))
            return refuse(parser, "spoof is 0 or 1, not '%.20s'", value);
        vif->spoof = *value == '1';
    } else if (strcmp(part, "type=vif") && !word_value(part, "script") && !word_value(part, "model")) {
        /* Those three are about Linux's scripts and about emulated cards: as true of a vif of ours as of any. */
        return refuse(parser, "a vif is 'mac=...,bridge=...', not '%.20s'", part);
    }
    return 0;
}

static int one_vif(struct parser *parser, char *text, struct config_vif *vif) {
    int error = 0;

    memset(vif, 0, sizeof(*vif));
    snprintf(vif->bridge, sizeof(vif->bridge), "br0");
    while (text && !error) {
        char *part = cut(&text);
        size_t size = strlen(part);

        while (size && part[size - 1] == ' ')
            part[--size] = '\0';
        if (size)
            error = vif_word(parser, part, vif);
    }
    return error;
}

static int key_vif(struct parser *parser) {
    struct config *config = parser->config;
    int error = 0;

    if (parser->value.kind != LIST)
        return refuse(parser, "vif is a list: [ 'mac=00:16:3e:01:02:03,bridge=br0' ]");
    if (parser->value.count > CONFIG_MAX_VIFS)
        return refuse(parser, "at most %u network cards", CONFIG_MAX_VIFS);
    config->vif_count = parser->value.count;
    for (unsigned i = 0; i < config->vif_count && !error; i++)
        error = one_vif(parser, parser->value.string[i], &config->vif[i]);
    return error;
}

static const struct {
    const char *key;
    int (*take)(struct parser *parser);
} keys[] = {
    { "name", key_name },               { "kernel", key_kernel },       { "ramdisk", key_ramdisk },
    { "extra", key_extra },             { "cmdline", key_extra },       { "memory", key_memory },
    { "vcpus", key_vcpus },             { "disk", key_disk },           { "vif", key_vif },
    { "on_poweroff", key_on_poweroff }, { "on_reboot", key_on_reboot }, { "on_crash", key_on_crash },
    { "type", key_type },               { "maxmem", key_maxmem },       { "maxvcpus", key_maxvcpus },
    { "on_watchdog", key_on_watchdog }, { "cpu_weight", key_cpu_weight },
    { "max_grant_frames", key_max_grant_frames }, { "max_maptrack_frames", key_max_maptrack_frames },
};

/* --- the file --- */

static int one_line(struct parser *parser) {
    const char *key = parser->at;
    unsigned line = parser->line;
    int size, error;

    while (word_character(peek(parser)))
        parser->at++;
    size = (int)(parser->at - key);
    if (!size)
        return refuse(parser, "expected a key");
    skip(parser, false);
    if (peek(parser) != '=')
        return refuse(parser, "expected = after '%.*s'", size > 30 ? 30 : size, key);
    parser->at++;
    skip(parser, false);
    error = take_value(parser);
    skip(parser, false);
    if (!error && parser->at < parser->end && *parser->at != '\n' && *parser->at != ';')
        error = refuse(parser, "something stands behind the value");
    for (size_t i = 0; !error && i < ARRAY_COUNT(keys); i++)
        if (strlen(keys[i].key) == (size_t)size && !strncmp(keys[i].key, key, (size_t)size))
            return keys[i].take(parser);
    if (!error && !parser->problem->line) {
        parser->problem->line = line;
        snprintf(parser->problem->text, sizeof(parser->problem->text), "'%.*s' is not known here and does nothing",
                 size > 30 ? 30 : size, key);
    }
    return error;
}

int config_parse(const char *text, size_t size, struct config *config, struct config_problem *problem) {
    static struct parser parser;                /* 9 KiB of value: too much for a stack; parses do not overlap. */
    int error = 0;

    memset(config, 0, sizeof(*config));
    memset(problem, 0, sizeof(*problem));
    config->memory_mib = 32;
    config->vcpus_at_start = 1;
    config->on_reboot = ACTION_RESTART;
    parser.at = text;
    parser.end = text + size;
    parser.line = 1;
    parser.config = config;
    parser.problem = problem;
    while (!error) {
        skip(&parser, true);
        if (parser.at < parser.end && *parser.at == ';') {
            parser.at++;
            continue;
        }
        if (parser.at >= parser.end)
            break;
        error = one_line(&parser);
    }
    if (!config->maxmem_mib)
        config->maxmem_mib = config->memory_mib;
    if (!error && config->maxmem_mib < config->memory_mib)
        error = refuse(&parser, "maxmem is less than memory");
    if (!config->vcpus)
        config->vcpus = config->vcpus_at_start;
    if (!error && config->vcpus < config->vcpus_at_start)
        error = refuse(&parser, "maxvcpus is less than vcpus");
    if (!error && !config->name[0])
        error = refuse(&parser, "the file gives no name");
    if (!error && !config->kernel[0])
        error = refuse(&parser, "the file gives no kernel");
    return error;
}

/* --- single words, for the commands --- */

int config_parse_disk(char *text, struct config_disk *disk, struct config_problem *problem) {
    static struct parser parser;

    parser.problem = problem;
    return one_disk(&parser, text, disk);
}

int config_parse_vif(char *text, struct config_vif *vif, struct config_problem *problem) {
    static struct parser parser;

    parser.problem = problem;
    return one_vif(&parser, text, vif);
}

bool config_parse_size(const char *text, unsigned long *kib) {
    static const struct { char letter; unsigned left, right; } units[] = {
        { 'b', 0, 10 }, { 'k', 0, 0 }, { 'm', 10, 0 }, { '\0', 10, 0 }, { 'g', 20, 0 },
    };
    unsigned long number = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (number > UINT64_MAX >> 34)
            return refused(false);
        number = number * 10 + (unsigned long)(*at - '0');
    }
    if (at == text || (at[0] && at[1]))
        return refused(false);
    for (size_t i = 0; i < ARRAY_COUNT(units); i++)
        if (units[i].letter == (*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at)) {
            *kib = number << units[i].left >> units[i].right;
            return *kib != 0;
        }
    return refused(false);
}
