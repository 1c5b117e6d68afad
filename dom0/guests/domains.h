/* SPDX-License-Identifier: MIT */
/*
 * The guests that this toolstack runs: creating them from a configuration, watching them end,
 * destroying them.
 *
 * All functions sleep (they talk to XenStore) and take the one lock of the toolstack themselves,
 * unless said otherwise. domains.c, and what is about those that have ended: ended.c.
 */
#ifndef DOM0_GUESTS_DOMAINS_H
#define DOM0_GUESTS_DOMAINS_H

#include "dom0/base.h"
#include "dom0/config/config.h"
#include "dom0/config/problem.h"
#include "dom0/console/guests.h"
#include "dom0/guests/restart.h"
#include "dom0/storage/archive.h"
#include <pvguest/xen.h>

struct devices;

struct domain {
    struct domain *next;
    domid_t domid;
    struct config config;
    struct guest_console *console;
    struct devices *devices;
    bool ended;                         /* Shut down or crashed, or to be destroyed. */
    bool news;                          /* Of that, which are yet to be told; */
    unsigned reason;                    /* SHUTDOWN_... */
    bool saving;                        /* Its end, if it suspends itself, is none. */
    bool unwanted;                      /* It is to be destroyed: who has it come gives up. */
    bool asked;                         /* To end, with the machine; and it can. */
    enum config_action action;          /* What becomes of it then: "preserve" keeps it so. */
    /* Being torn down: its parts go one by one, look at none of them. */
    bool leaving;
    struct life life;
};

/* Starts the thread that looks after ended domains. Kernels and configurations come from the
 * archive. */
int domains_start(const struct archive *archive);

/*
 * From the configuration file of that name, and more lines of the same kind that have the last
 * word. 0, or a negative errno and the problem. `paused`: leave it so.
 */
int domains_create(const char *file, const char *more, bool paused, struct domain **made,
                   struct problem *problem);

/* What guests are made of. It is changed with the lock held (domains_begin), by the prompt, which
 * therefore may look at it without. */
struct archive *domains_files(void);

/* By number, or else by name, if that is no number that a guest has had; NULL: no such guest. Takes
 * no lock: the answer holds until the caller sleeps. */
struct domain *domains_find(const char *name);

/* Was there one of that name lately, which has gone? */
bool domains_had(const char *name);

/* dom0 has a name and a number, but is no guest: what can be done to guests cannot be done to
 * it. */
bool domains_is_dom0(const char *name);

/* Says that there is no guest of that name, or that it is dom0's; -ESRCH. */
int domains_unknown(const char *name, struct problem *problem);

/* Does it wait to be started again? And why: a sentence. */
bool domain_waits(const struct domain *domain, char *why, size_t size);

/* The one behind it, the first for NULL; NULL behind the last. Takes no lock: as domains_find(). */
struct domain *domains_next(const struct domain *domain);

/* A guest that has not ended, with the toolstack's lock held until domains_unlock(); or NULL, the
 * problem, no lock. */
struct domain *domains_lock(const char *name, struct problem *problem);
void domains_unlock(void);

/* -EBUSY: Ctrl-C, for its disk does not answer. It runs no more, and ends when that has. */
int domains_destroy(const char *name, struct problem *problem);

/*
 * One that is made from elsewhere than the archive (saved.c): with the lock held, which is taken by
 * domains_begin() and given back by domains_unlock(). `build` has what it builds from.
 */
struct build_result;
struct domain_source {
    int (*build)(const struct domain_source *source, const struct config *config,
                 struct build_result *built, struct problem *problem);
};
void domains_begin(void);
/* A configuration of the archive, as domains_create() reads it; recipe_say_where() says where. */
int domains_read(const char *file, const char *more, struct config *config,
                 struct problem *problem);
int domains_bring_up(const struct config *config, const struct domain_source *source, bool paused,
                     struct domain **made, struct problem *problem);
/* Could it be had now? Its name, its uuid, its devices. */
int domains_check(const struct config *config, struct problem *problem);
/* Ends one that does not run, with the lock held, but for the time in which it is not quiet: it is
 * gone. What was to become of it at last: somebody may have had a wish meanwhile. */
enum config_action domains_end(struct domain *domain);
/* The same, and it is made anew, if it still is to be. */
void domains_restart(struct domain *domain);
/* Is there nothing that its end would have to wait for, no disk's answer, none of its last words?
 * Its disks take nothing new from now on. */
bool domain_is_quiet(struct domain *domain);
/* Has any ended? VIRQ_DOM_EXC does not come again for one that was `saving` then. */
void domains_look(void);

/* Asks the guest itself, through XenStore: "poweroff" or "reboot". */
int domains_ask(const char *name, const char *what, struct problem *problem);

/* The machine ends: asks all guests that can be asked (control/feature-poweroff) to end, and starts
 * none again. */
void domains_ask_all(const char *what);
/* Whether one of those still runs: worth waiting for. */
bool domains_asked_run(void);

/* Everybody, at the machine's end. False: somebody's disk has not answered for so many nanoseconds,
 * or until Ctrl-C. */
bool domains_destroy_all(uint64_t patience);

#endif
