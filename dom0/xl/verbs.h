/* SPDX-License-Identifier: MIT */
/*
 * The commands that change or show a running guest, or dom0's own address, each with its words
 * behind its name; the table in commands.c says how many there may be. They print what they did, or
 * `Error: ` and why not; true: done.
 */
#ifndef DOM0_XL_VERBS_H
#define DOM0_XL_VERBS_H

#include "dom0/guests/domains.h"
#include "dom0/xl/words.h"

#define MAX_WORDS 16                    /* In a line. */

struct call;

struct command {
    const char *name, *arguments, *help;
    int least, most;                    /* Arguments behind the name. */
    bool (*run)(const struct call *call);
    /* As words.h has them; NULL: a word that begins with - is a word like others. */
    const char *options;
    int failed;                         /* Its status when it fails; 0: as usual. */
};

/* A command as it was given. */
struct call {
    enum device_kind kind;              /* Whose command it is, if it is one of a kind's. */
    int count;                          /* Words behind the name that are no options. */
    char **word;
    struct words_options options;
    int last_status;                    /* Of the command before. */
    bool dry;                           /* Nothing is to be done: create alone is called with it. */
};

/* The n-th of all; and of which devices it is, if of some. False: there are not so many. */
bool command_at(size_t n, struct command *command, enum device_kind *kind);

/* The n-th word for Tab: a command; behind one that takes a FILE a configuration, behind others
 * guests, and files of the archive (line.h). */
const char *known_word(size_t n, const char *before);

/* There is no such command: what may be meant, or where they are listed. */
const char *command_hint(const char *name);

/* Prints the problem; false. */
bool verb_refuse(const struct problem *problem);

/* Has somebody typed Ctrl-C? */
bool verb_interrupted(void);

/* The argument of that option (of those in the verb's row), or ""; NULL: it did not stand in the
 * line. */
static inline const char *verb_option(const struct call *call, char letter)
{
    return words_option(&call->options, letter);
}

#define VERB_MOST_SECONDS 1000000ul

/* A number, written in digits; or false, and what is wrong with the argument of that name is
 * said. */
bool verb_number(const char *name, const char *text, unsigned long most, unsigned long *number);

static inline const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* Is each of them a domain? Or false, and it is said which is not. */
bool verb_known(int count, char **word);

/* life.c */
bool verb_create(const struct call *call);
bool verb_list(const struct call *call);
bool verb_domid(const struct call *call);
bool verb_domname(const struct call *call);
bool verb_console(const struct call *call);
bool verb_console_log(const struct call *call);
bool verb_pause(const struct call *call);
bool verb_unpause(const struct call *call);
bool verb_shutdown(const struct call *call);
bool verb_reboot(const struct call *call);
bool verb_destroy(const struct call *call);
bool verb_wait(const struct call *call);

/* files.c */
bool verb_files(const struct call *call);
bool verb_refresh(const struct call *call);

/* saving.c */
bool verb_save(const struct call *call);
bool verb_restore(const struct call *call);

/* moving.c */
bool verb_migrate(const struct call *call);
bool verb_migrate_receive(const struct call *call);
bool verb_resume(const struct call *call);

/* keys.c */
bool verb_keys(const struct call *call);

/* hotplug.c: the n-th of the commands for devices of any kind, and of which kind; false: there are
 * not so many */
bool device_command(size_t n, struct command *command, enum device_kind *kind);

/* address.c */
bool verb_ip(const struct call *call);

/* ports.c */
bool verb_bridge(const struct call *call);

/* adjust.c */
bool verb_mem_set(const struct call *call);
bool verb_mem_max(const struct call *call);
bool verb_vcpu_set(const struct call *call);
bool verb_vcpu_list(const struct call *call);
bool verb_uptime(const struct call *call);
bool verb_rename(const struct call *call);
bool verb_trigger(const struct call *call);
bool verb_sysrq(const struct call *call);

/* sched.c */
bool verb_sched_credit(const struct call *call);
bool verb_vcpu_pin(const struct call *call);

/* top.c */
bool verb_top(const struct call *call);

/* perf.c */
bool verb_perf(const struct call *call);

#endif
