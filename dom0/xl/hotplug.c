/* SPDX-License-Identifier: MIT */
/*
 * Devices that come and go while their guest runs: `xl block-*` and `xl network-*`, with Xen's own
 * columns.
 *
 * Attaching is what happens at a guest's start, only later. Detaching is a conversation: we say
 * Closing, the guest finishes, says Closed, and only then the nodes go. (What becomes of a mounted
 * disk is the guest's affair: Linux 6 gives it up, on Xen as here.) The toolstack's lock is not
 * held while we wait: the guest may end meanwhile, and then it is simply not found any more. A
 * configuration follows what was attached and detached, so that a guest that restarts comes back
 * with what it had.
 */
#include "dom0/console/terminal.h"
#include "dom0/devices/device.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>
#include <pvguest/time.h>

#define PATIENCE_NS (10 * NS_PER_S)
#define LOOK_NS (20 * NS_PER_MS)

static bool is_number(const char *text, unsigned *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    *number = (unsigned)value;
    return *text && !*end && value <= UINT32_MAX;
}

/* --- attach --- */

/* xl takes a device's specification as one word or as several; the parser wants it as one. False:
 * too long, and said. */
static bool join(char *line, size_t size, int count, char **word)
{
    size_t length = 0;

    line[0] = '\0';
    for (int i = 0; i < count && length < size; i++)
        length += (size_t)snprintf(line + length, size - length, "%s%s", i ? "," : "", word[i]);
    if (length >= size)
        printk("Error: a device's specification has at most %zu characters\n", size - 1);
    return length < size;
}

static int add(struct domain *domain, enum device_kind kind, struct config_device *config,
               struct problem *problem)
{
    struct config_devices *configured = &domain->config.devices[kind];
    int error;

    if (configured->count == CONFIG_MAX_DEVICES)
        return problem_set(problem, -ENOSPC, "a guest has at most %u %ss", CONFIG_MAX_DEVICES,
                           device_classes[kind]->title);
    error = devices_add(domain->devices, kind, domain->config.name, config, problem);
    if (!error)
        configured->device[configured->count++] = *config;
    return error;
}

static bool attach(const struct call *call)
{
    enum device_kind kind = call->kind;
    char **word = call->word;
    const struct device_syntax *syntax = device_syntaxes[kind];
    struct config_device config = { .number = 0 };
    struct problem problem;
    struct domain *domain;
    const char *warning;
    char line[DEVICE_MOST_BYTES];
    int error;

    if (!join(line, sizeof(line), call->count - 1, word + 1)) return false;
    if (syntax->parse(line, &config, &problem)) return verb_refuse(&problem);
    if (syntax->warning && (warning = syntax->warning(&config)))
        printk("Warning: %s\n", warning);
    domain = domains_lock(word[0], &problem);
    if (!domain) return verb_refuse(&problem);
    error = add(domain, kind, &config, &problem);
    domains_unlock();
    if (error) return verb_refuse(&problem);
    device_classes[kind]->say_attached(&config, word[0]);
    return true;
}

/* --- detach --- */

/* A device that the operator calls by its number, or as its kind has it; NULL: none. */
static struct config_device *called(struct domain *domain, enum device_kind kind, const char *name)
{
    struct config_devices *configured = &domain->config.devices[kind];
    unsigned number;
    bool numeric = is_number(name, &number);

    for (unsigned i = 0; i < configured->count; i++) {
        struct config_device *config = &configured->device[i];

        if (numeric ? config->number == number : device_classes[kind]->is_called(config, name))
            return config;
    }
    return NULL;
}

/* With the lock held: the back end goes, and what the configuration says of it. */
static void forget(struct domain *domain, enum device_kind kind, struct config_device *config)
{
    struct config_devices *configured = &domain->config.devices[kind];

    devices_remove(domain->devices, kind, config->number);
    *config = configured->device[--configured->count];
}

/*
 * Asks for the removal, or with force removes. 0, or a negative errno and the problem. -EBUSY: its
 * disk is yet to answer; again.
 */
static int begin(enum device_kind kind, char **word, bool force, struct problem *problem)
{
    struct domain *domain = domains_lock(word[0], problem);
    struct config_device *config;
    int error = 0;

    if (!domain) return -ESRCH;
    config = called(domain, kind, word[1]);
    if (!config)
        error = problem_set(problem, -ENODEV, "'%s' has no device '%s'", word[0], word[1]);
    else if (!force)
        error = devices_ask_removal(domain->devices, kind, config->number);
    else if (devices_close_one(domain->devices, kind, config->number))
        forget(domain, kind, config);
    else
        error = problem_set(problem, -EBUSY, "device %s is not waited for: '%s' cannot use it any "
                            "more; detach it again when the disk has answered", word[1], word[0]);
    if (error && config && !force)
        problem_set(problem, error, "XenStore: %s", errno_name(error));
    domains_unlock();
    return error;
}

/* 0: removed. -EBUSY: the guest still has it. Else the problem. */
static int finish(enum device_kind kind, char **word, struct problem *problem)
{
    struct domain *domain = domains_lock(word[0], problem);
    struct config_device *config = domain ? called(domain, kind, word[1]) : NULL;
    int error = 0;

    if (!domain) return -ESRCH;
    if (config && !devices_removable(domain->devices, kind, config->number))
        error = -EBUSY;
    else if (config)
        forget(domain, kind, config);
    domains_unlock();
    return error;
}

/* Asks the guest, and waits for as long as one may wait for it. As finish(). */
static int ask_for(enum device_kind kind, char **word, struct problem *problem)
{
    uint64_t until = now_ns() + PATIENCE_NS;
    int error = begin(kind, word, false, problem);

    if (error) return error;
    while ((error = finish(kind, word, problem)) == -EBUSY && now_ns() < until &&
           terminal_sleep(LOOK_NS))
        ;
    return error == -EBUSY
               ? problem_set(problem, error, "'%s' does not let go of device %s: it uses it still;"
                             " when it has finished, detach again, or use --force", word[0],
                             word[1])
               : error;
}

static bool detach(const struct call *call)
{
    enum device_kind kind = call->kind;
    char **word = call->word;
    struct problem problem;
    int error;

    if (verb_option(call, 'f'))
        while ((error = begin(kind, word, true, &problem)) == -EBUSY && terminal_sleep(LOOK_NS))
            ;
    else
        error = ask_for(kind, word, &problem);
    if (error) return verb_refuse(&problem);
    printk("Device %s is detached from '%s'\n", word[1], word[0]);
    return true;
}

/* --- list --- */

static void row(const struct device *device)
{
    device->class->row(device);
    printk(" %-30s\n", device->back);
}

static bool list(const struct call *call)
{
    enum device_kind kind = call->kind;

    if (!verb_known(call->count, call->word)) return false;
    printk("%s %-30s\n", device_classes[kind]->heading, "BE-path");
    for (int i = 0; i < call->count; i++) {
        struct problem problem;
        struct domain *domain;

        if (domains_is_dom0(call->word[i]))           /* It has none, and may be asked. */
            continue;
        domain = domains_lock(call->word[i], &problem);
        if (!domain) return verb_refuse(&problem);
        devices_for_each(domain->devices, kind, row);
        domains_unlock();
    }
    return true;
}

/* --- their commands --- */

bool device_command(size_t n, struct command *command, enum device_kind *kind)
{
    const struct device_verbs *verbs;

    if (n / 3 >= DEVICE_KINDS) return false;
    *kind = (enum device_kind)(n / 3);
    verbs = &device_classes[*kind]->verbs;
    if (n % 3 == 0)
        *command = (struct command){ verbs->list, "NAME...", verbs->list_help, 1, MAX_WORDS, list,
                                     "", 0 };
    else if (n % 3 == 1)
        *command = (struct command){ verbs->attach, verbs->attach_words, verbs->attach_help,
                                     verbs->attach_bare ? 1 : 2, MAX_WORDS, attach, "", 0 };
    else
        *command = (struct command){ verbs->detach, "[-f] NAME DEVICE", verbs->detach_help, 2, 2,
                                     detach, "f=force", 0 };
    return true;
}
