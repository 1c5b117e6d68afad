/* SPDX-License-Identifier: MIT */
/* See saved.h. How a guest is written and read is dom0/save's; here is what it means for its
 * life. */
#include "dom0/guests/saved.h"
#include "dom0/account.h"
#include "dom0/config/text.h"
#include "dom0/devices/device.h"
#include "dom0/guests/recipe.h"
#include "dom0/guests/suspend.h"
#include "dom0/save/hands.h"
#include "dom0/save/medium.h"
#include "dom0/save/save.h"
#include "dom0/xc/control.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>

#define PATIENCE_NS (60 * NS_PER_S)     /* For a guest and its disks: a partition can wait. */

/* --- saving --- */

static struct config now;               /* Large; a guest's, with the devices it has now. */

static void add_device(const struct device *device)
{
    struct config_devices *devices = &now.devices[device->kind];

    if (devices->count < CONFIG_MAX_DEVICES)
        devices->device[devices->count++] = device->config;
}

/* malloc'ed. The memory is what it has, or at least its configuration's: it is what restoring gives
 * it. While it `runs` it may take what it has been allowed to. */
static char *describe(const struct domain *domain, bool runs)
{
    struct xen_domctl_getdomaininfo info;
    char *text = malloc(CONFIG_TEXT_BYTES);
    unsigned long may_take = 0;

    if (!text || domain_get_info(domain->domid, &info)) {
        free(text);
        return NULL;
    }
    now = domain->config;
    now.has_uuid = true;
    memcpy(now.uuid, info.handle, sizeof(now.uuid));
    now.memory_mib = MAX(now.memory_mib, (unsigned long)(info.tot_pages + 255) / 256);
    if (runs)
        may_take = MIN((unsigned long)info.max_pages / 256, now.maxmem_mib);
    now.memory_mib = MAX(now.memory_mib, may_take);
    now.maxmem_mib = MAX(now.maxmem_mib, now.memory_mib);
    for (unsigned kind = 0; kind < DEVICE_KINDS; kind++) {
        now.devices[kind].count = 0;
        devices_for_each(domain->devices, (enum device_kind)kind, add_device);
    }
    config_write(&now, text);
    suspend_write_said(domain, text);
    return text;
}

/* Its disks' answers belong to what is saved, and what it has written may be read elsewhere. */
static int settle(const struct domain *domain, uint64_t until, bool (*give_up)(void),
                  struct problem *problem)
{
    while (!devices_idle(domain->devices)) {
        thread_sleep(NS_PER_MS);
        if (give_up()) return problem_set(problem, -EAGAIN, "given up");
        if (now_ns() > until)
            return problem_set(problem, -ETIMEDOUT, "a disk of '%s' does not answer",
                               domain->config.name);
    }
    return 0;
}

/* A guest on its way. */
struct passage {
    struct save_watch watch;
    struct domain *domain;
    struct saved_target *target;
    struct guest guest;
    struct saver *saver;                /* NULL: it has suspended itself first. */
    uint64_t until;                     /* It is waited for. */
    bool stands;                        /* It has. */
};

static int look(struct save_watch *watch, struct problem *problem)
{
    const struct passage *passage = container_of(watch, struct passage, watch);
    const struct domain *domain = passage->domain;
    struct xen_domctl_getdomaininfo info;

    if (passage->target->give_up()) return problem_set(problem, -EAGAIN, "given up");
    if (passage->stands) return 0;
    if (domain_get_info(domain->domid, &info) ||
        info.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying))
        return problem_set(problem, -ESRCH, "'%s' has ended while it was moved",
                           domain->config.name);
    return 0;
}

static int go_over(struct passage *passage, struct problem *problem)
{
    struct saved_target *target = passage->target;
    uint64_t since = now_ns();
    int error;

    do {
        error = saver_round(passage->saver, &target->rounds);
        if (!error)
            target->went_over(target, now_ns() - since);
        since = now_ns();
    } while (!error && !save_rounds_done(&target->rounds));
    return error;
}

static uint64_t room_of_dom0(void)
{
    uint64_t bytes = free_page_count() * (uint64_t)SAVE_PAGE;

    return bytes > ACCOUNT_RESERVE ? bytes - ACCOUNT_RESERVE : 0;
}

/* What it has while it runs. */
static int run_ahead(struct passage *passage, struct problem *problem)
{
    char *text = describe(passage->domain, true);
    int error;

    if (!text) return problem_set(problem, -ENOMEM, "dom0 has no memory left");
    passage->guest.room = room_of_dom0();
    passage->guest.seed = read_tsc() * 0x9e3779b97f4a7c15ul ^ wall_clock_ns();
    error = saver_begin(&passage->guest, passage->target->tape, text, strlen(text),
                        &passage->watch, &passage->saver, problem);
    free(text);
    return error ? error : go_over(passage, problem);
}

/* All, or the rest. */
static int write_all(struct passage *passage, struct problem *problem)
{
    struct saved_target *target = passage->target;
    char *text;
    int error = settle(passage->domain, passage->until, target->give_up, problem);

    if (error) return error;
    if (passage->saver) return saver_finish(passage->saver, &target->rounds);
    text = describe(passage->domain, false);
    if (!text) return problem_set(problem, -ENOMEM, "dom0 has no memory left");
    error = save_guest(&passage->guest, target->tape, text, strlen(text), problem);
    free(text);
    return error;
}

static int pass(struct passage *passage, struct problem *problem)
{
    struct saved_target *target = passage->target;
    struct domain *domain = passage->domain;
    int error = suspend_can(domain, problem);

    if (error) return error;
    error = guest_of(domain->domid, &passage->guest);
    if (error)
        return problem_set(problem, error, "cannot ask about '%s': %s", domain->config.name,
                           errno_name(error));
    passage->guest.most = MAX(passage->guest.most, domain->config.maxmem_mib * 256);
    error = target->live ? run_ahead(passage, problem) : 0;
    passage->until = now_ns() + target->patience;
    error = error ? error : suspend_now(domain, passage->until, target->give_up, &target->ran,
                                        problem);
    passage->stands = !error;
    error = error ? error : write_all(passage, problem);
    saver_end(passage->saver);
    return error;
}

/* Without the lock: nobody else does anything to it while it is `saving`. */
static int save(struct domain *domain, struct saved_target *target, bool go_on,
                struct problem *problem)
{
    struct passage passage = { .watch.look = look, .domain = domain, .target = target };
    int error = pass(&passage, problem), resumed = 0;

    error = target->finish(target, error, problem);
    if (target->doubtful) return error;
    if (passage.stands && (error || go_on))
        resumed = guest_go_on(&passage.guest);
    if (resumed && !error)
        error = problem_set(problem, resumed, "it is saved, but cannot go on: %s",
                            errno_name(resumed));
    return error;
}

int saved_write(const char *name, struct saved_target *target, bool go_on, struct problem *problem)
{
    struct domain *domain = domains_lock(name, problem);
    int error;

    if (!domain) return -ESRCH;
    domain->saving = true;
    domains_unlock();
    error = target->open(target, domain, problem);
    if (!error) {
        error = save(domain, target, go_on, problem);
        target->close(target);
    }
    domains_begin();
    domain->saving = false;
    if (target->doubtful) {
        domain->ended = true;
        domain->action = ACTION_PRESERVE;
    } else if (!error && !go_on) {
        domains_end(domain);
    }
    domains_unlock();
    domains_look();
    return error;
}

struct on_disk {
    struct saved_target target;
    const char *name;
    bool over;
    struct medium *medium;
    const struct domain *domain;
};

static int open_medium(struct saved_target *target, const struct domain *domain,
                       struct problem *problem)
{
    struct on_disk *disk = container_of(target, struct on_disk, target);
    int error = medium_to_write(disk->name, disk->over, &disk->medium, problem);

    disk->domain = domain;
    if (!error)
        target->tape = medium_tape(disk->medium);
    return error;
}

#define BESIDE_MIB 1u                   /* Page numbers, its vCPUs, its configuration. */

static int too_little(const struct on_disk *disk, struct problem *problem)
{
    struct xen_domctl_getdomaininfo info;
    unsigned long kib = (unsigned long)(medium_bytes(disk->medium) >> 10), needed;

    if (domain_get_info(disk->domain->domid, &info)) return -ENOSPC;
    needed = (unsigned long)(info.tot_pages * (SAVE_PAGE + sizeof(uint64_t)) >> 20) + BESIDE_MIB;
    return problem_set(problem, -ENOSPC, "there is too little room for the guest: '%s' has %lu.%lu"
                       " MiB, and it needs about %lu", disk->name, kib >> 10,
                       (kib & 1023) * 10 >> 10, needed);
}

static int finish_medium(struct saved_target *target, int error, struct problem *problem)
{
    const struct on_disk *disk = container_of(target, struct on_disk, target);

    error = error ? error : medium_finish(disk->medium, problem);
    return error == -ENOSPC ? too_little(disk, problem) : error;
}

static void close_medium(struct saved_target *target)
{
    const struct on_disk *disk = container_of(target, struct on_disk, target);

    medium_close(disk->medium);
}

int saved_save(const char *name, const char *target, bool go_on, bool over,
               bool (*give_up)(void), struct problem *problem)
{
    struct on_disk disk = {
        .target = { .give_up = give_up, .patience = PATIENCE_NS, .open = open_medium,
                    .finish = finish_medium, .close = close_medium },
        .name = target, .over = over,
    };

    return saved_write(name, &disk.target, go_on, problem);
}

/* --- restoring --- */

struct restored {
    struct domain_source source;
    struct build_result built;
    bool known;                         /* The toolstack has it: it ends it, too. */
};

#define BYTES_A_PAGE 9u                 /* read.c's lists. */

static bool dom0_has_room(uint64_t pages)
{
    struct guest guest = { .most = pages };
    uint64_t needs = most_pfns(&guest) * BYTES_A_PAGE + ACCOUNT_RESERVE;

    return needs < free_page_count() * (uint64_t)SAVE_PAGE;
}

static int make_domain(const struct config *config, struct build_result *built,
                       struct problem *problem)
{
    struct build_request request = {
        .vcpus = config->vcpus, .grant_frames = config->grant_frames,
        .maptrack_frames = config->maptrack_frames, .pages = config->memory_mib * 256,
        .max_pages = config->maxmem_mib * 256,
    };
    uint64_t free_pages = machine_free_pages();
    xen_domain_handle_t uuid;
    int error;

    if (config->has_uuid)
        memcpy(uuid, config->uuid, sizeof(uuid));
    else
        domain_make_uuid(uuid);
    built->domid = DOMID_INVALID;
    if (!dom0_has_room(request.max_pages))
        return problem_set(problem, -ENOMEM, "dom0 has too little memory for a guest of %lu MiB",
                           config->maxmem_mib);
    if (request.pages > free_pages)
        return problem_set(problem, -ENOMEM,
                           "too little memory: the guest has %lu MiB, %lu MiB are free",
                           config->memory_mib, (unsigned long)free_pages / 256);
    error = domain_create(&request, uuid, &built->domid);
    if (error)
        return problem_set(problem, error, "the hypervisor makes no domain: %s", errno_name(error));
    error = domain_set_max_memory(built->domid, request.pages);
    error = error ? error : domain_alloc_port(built->domid, 0, &built->store_port);
    error = error ? error : domain_alloc_port(built->domid, 0, &built->console_port);
    return error ? problem_set(problem, error, "cannot make the new domain's event channels: %s",
                               errno_name(error))
                 : 0;
}

static int fill_domain(struct tape *tape, const struct config *config, struct build_result *built,
                       struct problem *problem)
{
    struct guest guest;
    int error = guest_of(built->domid, &guest);

    if (error)
        return problem_set(problem, error, "cannot ask about the new domain: %s",
                           errno_name(error));
    guest.pages = config->memory_mib * 256;
    guest.most = config->maxmem_mib * 256;
    guest.store_port = built->store_port;
    guest.console_port = built->console_port;
    error = restore_guest(&guest, tape, problem);
    if (error) return error;
    built->store_mfn = guest.store_mfn;
    built->console_mfn = guest.console_mfn;
    return domain_seed_grants(built, problem->text, sizeof(problem->text));
}

static int build(struct tape *tape, const struct config *config, struct build_result *built,
                 struct problem *problem)
{
    int error = make_domain(config, built, problem);

    error = error ? error : fill_domain(tape, config, built, problem);
    if (error && built->domid != DOMID_INVALID)
        domain_destroy(built->domid);
    return error;
}

static int hand_over(const struct domain_source *source, const struct config *config,
                     struct build_result *built, struct problem *problem)
{
    struct restored *restored = (struct restored *)(uintptr_t)source;       /* Its beginning. */

    restored->known = true;
    *built = restored->built;
    return 0;
}

int saved_make(struct tape *tape, const struct config *config, const char *said,
               struct domain **made, struct problem *problem)
{
    struct restored restored = { .source.build = hand_over };
    int error = build(tape, config, &restored.built, problem);

    if (error) return error;
    domains_begin();
    error = domains_bring_up(config, &restored.source, true, made, problem);
    if (!error) {
        suspend_say_again(*made, said);
        (*made)->saving = true;
    }
    domains_unlock();
    if (error && !restored.known)
        domain_destroy(restored.built.domid);
    return error;
}

int saved_parse(char *text, bool json, const char *file, struct config *config, char **said,
                struct problem *problem)
{
    static struct config_warnings warnings;
    const char *line = strstr(text, FEATURES);
    int error;

    *said = strdup(line ? line : FEATURE_FIRST);
    if (file)
        error = domains_read(file, "", config, problem);
    else if (json)
        error = problem_set(problem, -EOPNOTSUPP, "the configuration that was saved with it is "
                            "libxl's JSON: name one in the boot archive, restore FILE TARGET");
    else
        error = config_parse(text, strlen(text), "", config, problem, &warnings);
    free(text);
    return error || *said ? error : problem_set(problem, -ENOMEM, "dom0 has no memory left");
}

/* Reads all of it before anybody else has to know. */
static int restore(struct tape *tape, const char *file, struct config *config,
                   struct domain **made, struct problem *problem)
{
    char *said = NULL, *text;
    bool json;
    int error = restore_config(tape, &text, &json, problem);

    if (error) return error;
    domains_begin();
    error = saved_parse(text, json, file, config, &said, problem);
    error = error ? error : domains_check(config, problem);
    domains_unlock();
    error = error ? error : saved_make(tape, config, said, made, problem);
    free(said);
    return error;
}

static int restore_from(const char *file, const char *target, struct config *config,
                        struct domain **made, struct problem *problem)
{
    struct medium *medium;
    int error = medium_to_read(target, &medium, problem);

    if (error) return error;
    error = restore(medium_tape(medium), file, config, made, problem);
    medium_close(medium);
    return error;
}

int saved_restore(const char *file, const char *target, bool paused, struct domain **made,
                  struct problem *problem)
{
    struct config *config = calloc(1, sizeof(*config));
    int error;

    problem->at = (struct config_place){ .line = 0 };
    error = config ? restore_from(file, target, config, made, problem)
                   : problem_set(problem, -ENOMEM, "dom0 has no memory left");

    free(config);
    if (error) {
        recipe_say_where(file ? file : target, problem);
        return error;
    }
    domains_begin();
    (*made)->saving = false;
    error = paused ? 0 : domain_unpause((*made)->domid);
    domains_unlock();
    domains_look();
    return error ? problem_set(problem, error, "it cannot run: %s", errno_name(error)) : 0;
}
