/* SPDX-License-Identifier: MIT */
/*
 * What the keys of a guest's configuration mean (config.h): a function for each key, joined by the
 * table `keys`, but for those of devices, which have their kinds' parsers; then what follows from
 * each other. Of several assignments to a key the last counts, and only that one is looked at, as
 * with xl.
 */
#include "dom0/config/config.h"

struct taking {
    struct config *config;
    struct problem *problem;
    struct config_warnings *warnings;
    const struct setting_value *cmdline, *root, *extra;         /* NULL: not given. */
};

#define refuse(taking, value, ...) setting_refuse(value, (taking)->problem, __VA_ARGS__)

__attribute__((format(printf, 2, 3))) static void warn(struct taking *taking, const char *format,
                                                       ...)
{
    struct config_warnings *warnings = taking->warnings;
    size_t room = sizeof(warnings->text) - warnings->size;
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(warnings->text + warnings->size, room, format, arguments);
    va_end(arguments);
    warnings->size += (size_t)size < room ? (size_t)size : room - 1;
}

/* --- kinds of values --- */

static int want_string(struct taking *taking, const struct setting *setting, char *to, size_t room)
{
    const char *text = setting->value->text;

    if (!text) return refuse(taking, setting->value, "%s is a string, not a list", setting->name);
    if (strlen(text) >= room)
        return refuse(taking, setting->value, "%s is too long: at most %zu characters",
                      setting->name, room - 1);
    snprintf(to, room, "%s", text);
    return 0;
}

static int want_number(struct taking *taking, const struct setting *setting, unsigned long least,
                       unsigned long most, unsigned long *number)
{
    long value = 0;
    int error = setting_number(setting, &value);

    if (error == -EINVAL)
        return refuse(taking, setting->value, "%s is a number%s", setting->name,
                      !setting->value->text ? ", not a list" :
                      setting->added ? ", and += adds to none" : ", like 64 or 0x40");
    if (error || value < (long)least || value > (long)most)
        return refuse(taking, setting->value, "%s must be %lu to %lu", setting->name, least, most);
    *number = (unsigned long)value;
    return 0;
}

static int want_unsigned(struct taking *taking, const struct setting *setting, unsigned least,
                         unsigned most, unsigned *number)
{
    unsigned long value = 0;
    int error = want_number(taking, setting, least, most, &value);

    *number = (unsigned)value;
    return error;
}

/* --- what the keys make of them --- */

static int key_name(struct taking *taking, const struct setting *setting)
{
    char *name = taking->config->name;
    int error = want_string(taking, setting, name, sizeof(taking->config->name));

    if (!error && !name[0])
        error = refuse(taking, setting->value, "the name is empty");
    if (!error && !config_name_valid(name))
        error = refuse(taking, setting->value, "a name has no control characters");
    return error;
}

static bool read_uuid(const char *text, uint8_t uuid[16])
{
    for (unsigned i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-') return false;
        if (setting_digit(text[0]) > 15 || setting_digit(text[1]) > 15) return false;
        uuid[i] = (uint8_t)(setting_digit(text[0]) << 4 | setting_digit(text[1]));
        text += 2;
    }
    return !*text;
}

static int key_uuid(struct taking *taking, const struct setting *setting)
{
    taking->config->has_uuid =
        setting->value->text && read_uuid(setting->value->text, taking->config->uuid);
    if (!taking->config->has_uuid)
        return refuse(taking, setting->value,
                      "uuid is a string like \"01234567-89ab-cdef-0123-456789abcdef\"");
    return 0;
}

static int key_kernel(struct taking *taking, const struct setting *setting)
{
    return want_string(taking, setting, taking->config->kernel, sizeof(taking->config->kernel));
}

static int key_ramdisk(struct taking *taking, const struct setting *setting)
{
    return want_string(taking, setting, taking->config->ramdisk, sizeof(taking->config->ramdisk));
}

static int want_part(struct taking *taking, const struct setting *setting,
                     const struct setting_value **part)
{
    *part = setting->value;
    if (!setting->value->text)
        return refuse(taking, setting->value, "%s is a string, not a list", setting->name);
    return 0;
}

static int key_cmdline(struct taking *taking, const struct setting *setting)
{
    return want_part(taking, setting, &taking->cmdline);
}

static int key_root(struct taking *taking, const struct setting *setting)
{
    return want_part(taking, setting, &taking->root);
}

static int key_extra(struct taking *taking, const struct setting *setting)
{
    return want_part(taking, setting, &taking->extra);
}

static int key_memory(struct taking *taking, const struct setting *setting)
{
    return want_number(taking, setting, 1, CONFIG_MOST_MIB, &taking->config->memory_mib);
}

static int key_maxmem(struct taking *taking, const struct setting *setting)
{
    return want_number(taking, setting, 1, CONFIG_MOST_MIB, &taking->config->maxmem_mib);
}

static int key_vcpus(struct taking *taking, const struct setting *setting)
{
    return want_unsigned(taking, setting, 1, CONFIG_MAX_VCPUS, &taking->config->vcpus_at_start);
}

static int key_maxvcpus(struct taking *taking, const struct setting *setting)
{
    return want_unsigned(taking, setting, 1, CONFIG_MAX_VCPUS, &taking->config->vcpus);
}

static int key_cpu_weight(struct taking *taking, const struct setting *setting)
{
    return want_unsigned(taking, setting, CONFIG_LEAST_WEIGHT, CONFIG_MOST_WEIGHT,
                         &taking->config->cpu_weight);
}

/* How much there could be follows from the vCPUs: make_limits(). */
static int key_cap(struct taking *taking, const struct setting *setting)
{
    return want_unsigned(taking, setting, 0, CONFIG_MOST_CAP, &taking->config->cap);
}

static int key_cpus(struct taking *taking, const struct setting *setting)
{
    return cpus_take(setting, taking->config->cpus, CONFIG_MAX_VCPUS, taking->problem);
}

static int key_cpus_soft(struct taking *taking, const struct setting *setting)
{
    return cpus_take(setting, taking->config->cpus_soft, CONFIG_MAX_VCPUS, taking->problem);
}

static int key_max_grant_frames(struct taking *taking, const struct setting *setting)
{
    return want_unsigned(taking, setting, 1, CONFIG_MOST_FRAMES, &taking->config->grant_frames);
}

static int key_max_maptrack_frames(struct taking *taking, const struct setting *setting)
{
    return want_unsigned(taking, setting, 1, CONFIG_MOST_FRAMES, &taking->config->maptrack_frames);
}

static int key_type(struct taking *taking, const struct setting *setting)
{
    char type[16];
    int error = want_string(taking, setting, type, sizeof(type));

    if (!error && strcmp(type, "pv"))
        error = refuse(taking, setting->value, "type = \"%s\": only \"pv\" can be built", type);
    return error;
}

static int key_builder(struct taking *taking, const struct setting *setting)
{
    char builder[16];
    int error = want_string(taking, setting, builder, sizeof(builder));

    if (!error && strcmp(builder, "generic"))
        error = refuse(taking, setting->value,
                       "builder = \"%s\": only \"generic\", a PV guest's, can be had", builder);
    return error;
}

static int want_action(struct taking *taking, const struct setting *setting,
                       enum config_action *action)
{
    static const struct {
        const char *name;
        enum config_action action;
        bool without_core;
    } actions[] = {
        { "destroy", ACTION_DESTROY, false },          { "restart", ACTION_RESTART, false },
        { "preserve", ACTION_PRESERVE, false },        { "coredump-destroy", ACTION_DESTROY, true },
        { "coredump-restart", ACTION_RESTART, true },
    };
    const char *text = setting->value->text;

    for (size_t i = 0; text && i < ARRAY_SIZE(actions); i++)
        if (!strcmp(actions[i].name, text)) {
            *action = actions[i].action;
            if (actions[i].without_core)
                warn(taking, "%s = \"%s\": no core is written, for there is no place to keep one\n",
                     setting->name, text);
            return 0;
        }
    if (text && (!strcmp(text, "rename-restart") || !strcmp(text, "soft-reset")))
        return refuse(taking, setting->value,
                      "%s = \"%s\" cannot be had here: destroy, restart or preserve", setting->name,
                      text);
    return refuse(taking, setting->value, "%s must be \"destroy\", \"restart\" or \"preserve\"",
                  setting->name);
}

static int key_on_poweroff(struct taking *taking, const struct setting *setting)
{
    return want_action(taking, setting, &taking->config->on_poweroff);
}

static int key_on_reboot(struct taking *taking, const struct setting *setting)
{
    return want_action(taking, setting, &taking->config->on_reboot);
}

static int key_on_crash(struct taking *taking, const struct setting *setting)
{
    return want_action(taking, setting, &taking->config->on_crash);
}

static int key_on_watchdog(struct taking *taking, const struct setting *setting)
{
    return want_action(taking, setting, &taking->config->on_watchdog);
}

static int key_on_soft_reset(struct taking *taking, const struct setting *setting)
{
    return want_action(taking, setting, &taking->config->on_soft_reset);
}

/* --- devices --- */

#define SYNTAX_ROW(name, prefix) [DEVICE_##name] = &prefix##_syntax,
const struct device_syntax *const device_syntaxes[] = { DEVICE_KINDS_TABLE(SYNTAX_ROW) };

static int take_device(struct taking *taking, const struct device_syntax *syntax,
                       struct config_devices *devices, const struct setting_value *value)
{
    struct config_device *device = &devices->device[devices->count];
    const char *text;
    int error;

    if (!value->text)
        return refuse(taking, value, "in the list %s stands another list", syntax->key);
    device->at = value->at;
    device->number = devices->count;
    error = syntax->parse(value->text, device, taking->problem);
    if (error) return problem_at(taking->problem, error, value->at);
    for (unsigned i = 0; i < devices->count && syntax->same; i++)
        if ((text = syntax->same(&devices->device[i], device)))
            return refuse(taking, value, "two %ss are both %s", syntax->key, text);
    if (syntax->warning && (text = syntax->warning(device)))
        warn(taking, "a %s's %s\n", syntax->key, text);
    devices->count++;
    return 0;
}

/* The list of all devices of a kind. */
static int take_devices(struct taking *taking, enum device_kind kind, const struct setting *setting)
{
    const struct device_syntax *syntax = device_syntaxes[kind];
    struct config_devices *devices = &taking->config->devices[kind];
    const struct setting_value *value = setting->value->first;
    int error = 0;

    if (setting->value->text)
        return refuse(taking, setting->value, "%s is a list: [ '%s' ]", syntax->key,
                      syntax->example);
    for (; value && !error; value = value->next) {
        if (devices->count == CONFIG_MAX_DEVICES)
            return refuse(taking, setting->value, "at most %u of %s", CONFIG_MAX_DEVICES,
                          syntax->key);
        error = take_device(taking, syntax, devices, value);
    }
    return error;
}

static const struct {
    const char *name;
    int (*take)(struct taking *taking, const struct setting *setting);
} keys[] = {
    { "name", key_name },
    { "uuid", key_uuid },
    { "type", key_type },
    { "builder", key_builder },
    { "kernel", key_kernel },
    { "ramdisk", key_ramdisk },
    { "cmdline", key_cmdline },
    { "root", key_root },
    { "extra", key_extra },
    { "memory", key_memory },
    { "maxmem", key_maxmem },
    { "vcpus", key_vcpus },
    { "maxvcpus", key_maxvcpus },
    { "cpu_weight", key_cpu_weight },
    { "cap", key_cap },
    { "cpus", key_cpus },
    { "cpus_soft", key_cpus_soft },
    { "on_poweroff", key_on_poweroff },
    { "on_reboot", key_on_reboot },
    { "on_crash", key_on_crash },
    { "on_watchdog", key_on_watchdog },
    { "on_soft_reset", key_on_soft_reset },
    { "max_grant_frames", key_max_grant_frames },
    { "max_maptrack_frames", key_max_maptrack_frames },
};

const char *config_key(unsigned n)
{
    if (n < ARRAY_SIZE(keys)) return keys[n].name;
    n -= ARRAY_SIZE(keys);
    return n < DEVICE_KINDS ? device_syntaxes[n]->key : NULL;
}

/* --- what follows --- */

/* As Xen's xl: cmdline is all of it, or else root=... and extra are. */
static int make_command_line(struct taking *taking)
{
    const struct setting_value *cmdline = taking->cmdline, *root = taking->root;
    const struct setting_value *extra = taking->extra, *longest = extra ? extra : root;
    char *line = taking->config->extra;
    const size_t room = sizeof(taking->config->extra);
    int size;

    if (cmdline && (root || extra))
        warn(taking, "cmdline is the whole command line: %s nothing\n",
             root && extra ? "root and extra do" : root ? "root does" : "extra does");
    if (cmdline || !root)
        size = snprintf(line, room, "%s", cmdline ? cmdline->text : extra ? extra->text : "");
    else
        size = snprintf(line, room, extra ? "root=%s %s" : "root=%s", root->text,
                        extra ? extra->text : "");
    if ((size_t)size < room) return 0;
    return refuse(taking, cmdline ? cmdline : longest,
                  "the command line is too long: %d characters, and %u at most", size,
                  CONFIG_MAX_EXTRA);
}

/* Memory and vCPUs: what there is at the start, and what there may be, follow from each other. */
static int make_limits(struct taking *taking, const struct settings *settings)
{
    struct config *config = taking->config;
    const struct setting *memory = settings_find(settings, "maxmem");
    const struct setting *vcpus = settings_find(settings, "maxvcpus");
    const struct setting *cap = settings_find(settings, "cap");

    if (!config->memory_mib)
        config->memory_mib = config->maxmem_mib ? config->maxmem_mib : CONFIG_USUAL_MIB;
    if (!config->maxmem_mib)
        config->maxmem_mib = config->memory_mib;
    if (!config->vcpus_at_start)
        config->vcpus_at_start = 1;
    if (!config->vcpus)
        config->vcpus = config->vcpus_at_start;
    if (config->maxmem_mib < config->memory_mib)
        return refuse(taking, memory->value, "maxmem is less than memory");
    if (config->vcpus < config->vcpus_at_start)
        return refuse(taking, vcpus->value, "maxvcpus is less than vcpus");
    if (config->cap > config->vcpus * 100)
        return refuse(taking, cap->value, "cap must be 0 to %u: 100 for each vCPU",
                      config->vcpus * 100);
    return 0;
}

/* No line: of no key. */
static struct config_place place_of_key(const struct settings *settings, const char *name)
{
    const struct setting *setting = settings_find(settings, name);

    return setting ? setting->value->at : (struct config_place){ .line = 0 };
}

static void note_places(struct config_places *at, const struct settings *settings)
{
    at->name = place_of_key(settings, "name");
    at->uuid = place_of_key(settings, "uuid");
    at->kernel = place_of_key(settings, "kernel");
    at->ramdisk = place_of_key(settings, "ramdisk");
    at->cpus = place_of_key(settings, "cpus");
    at->memory = place_of_key(settings, settings_find(settings, "memory") ? "memory" : "maxmem");
}

static int make_whole(struct taking *taking, const struct settings *settings)
{
    int error = make_command_line(taking);

    error = error ? error : make_limits(taking, settings);
    if (!error && !taking->config->name[0])
        error = refuse(taking, NULL, "there is no name");
    if (!error && !taking->config->kernel[0])
        error = refuse(taking, NULL, "there is no kernel");
    return error;
}

/* --- all of it --- */

/* What counts for its key: the last of its name. */
static bool counts(const struct settings *settings, const struct setting *setting)
{
    return settings_find(settings, setting->name) == setting;
}

/* As config_key() counts them; so many as there are: none. */
static unsigned find_key(const struct setting *setting)
{
    unsigned k = 0;

    while (config_key(k) && strcmp(config_key(k), setting->name))
        k++;
    return k;
}

static int take_settings(struct taking *taking, const struct settings *settings)
{
    int error = 0;

    for (unsigned i = 0; i < settings->count && !error; i++) {
        const struct setting *setting = &settings->setting[i];
        unsigned k = find_key(setting);

        if (!config_key(k) || !counts(settings, setting))
            continue;
        if (k < ARRAY_SIZE(keys))
            error = keys[k].take(taking, setting);
        else
            error = take_devices(taking, (enum device_kind)(k - ARRAY_SIZE(keys)), setting);
    }
    return error;
}

/* All of them in one sentence, as far as it may be long. */
static void name_unknown(struct taking *taking, const struct settings *settings)
{
    unsigned unknown = 0, more = 0;

    for (unsigned i = 0; i < settings->count; i++) {
        const struct setting *setting = &settings->setting[i];

        if (config_key(find_key(setting)) || !counts(settings, setting))
            continue;
        if (taking->warnings->size + strlen(setting->name) + 80 > sizeof(taking->warnings->text)) {
            more++;
            continue;
        }
        warn(taking, unknown++ ? ", %s" : "not known here, so it does nothing: %s", setting->name);
        if (!setting->value->at.behind)
            warn(taking, " (line %u)", setting->value->at.line);
    }
    if (more)
        warn(taking, ", and %u more", more);
    if (unknown)
        warn(taking, "\n");
}

int config_parse(const char *text, size_t size, const char *behind, struct config *config,
                 struct problem *problem, struct config_warnings *warnings)
{
    static struct settings settings;
    struct taking taking = { .config = config, .problem = problem, .warnings = warnings };
    int error;

    memset(config, 0, sizeof(*config));
    memset(problem, 0, sizeof(*problem));
    memset(&settings, 0, sizeof(settings));
    warnings->size = 0;
    warnings->text[0] = '\0';
    config->on_reboot = ACTION_RESTART;
    error = settings_read(&settings, text, size, false, problem);
    error = error ? error : settings_read(&settings, behind, strlen(behind), true, problem);
    if (error) return error;
    note_places(&config->at, &settings);
    error = take_settings(&taking, &settings);
    name_unknown(&taking, &settings);           /* A misspelt one may be what is missing. */
    return error ? error : make_whole(&taking, &settings);
}

/* --- single words, for the commands --- */

bool config_name_valid(const char *name)
{
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return refused(false);
    return (*name && strlen(name) <= CONFIG_MAX_NAME) || refused(false);
}

bool config_parse_size(const char *text, unsigned long *kib)
{
    static const struct { char letter; unsigned left, right; } units[] = {
        { 'b', 0, 10 },  { 'k', 0, 0 },  { 'm', 10, 0 },
        { '\0', 10, 0 }, { 'g', 20, 0 }, { 't', 30, 0 },
    };
    unsigned long number = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (number > UINT64_MAX >> 34) return refused(false);
        number = number * 10 + (unsigned long)(*at - '0');
    }
    if (at[0] && at[1]) return refused(false);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (units[i].letter == (*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at)) {
            *kib = number << units[i].left >> units[i].right;
            return *kib != 0;
        }
    return refused(false);
}
