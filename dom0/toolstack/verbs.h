/* SPDX-License-Identifier: MIT */
/*
 * The commands that change or show a running guest, or dom0's own address, each with its words
 * behind its name; the table in commands.c says how many there may be. They print what they did, or
 * `Error: ` and why not; true: done.
 */
#ifndef DOM0_TOOLSTACK_VERBS_H
#define DOM0_TOOLSTACK_VERBS_H

#include "dom0/toolstack/domains.h"

#define MAX_WORDS 16                    /* In a line. */

struct command {
    const char *name, *arguments, *help;
    int least, most;                    /* Arguments behind the name. */
    bool (*run)(int count, char **word);
    /* As words.h has them; NULL: a word that begins with - is a word like others. */
    const char *options;
    /* Its status when it fails; 0: as usual. */
    int failed;
};

/* Prints the trouble; false. */
bool verb_refuse(const struct trouble *trouble);

/* commands.c: the argument of that option (of those in the verb's row), or ""; NULL: it did not
 * stand in the line. */
const char *verb_option(char letter);

#define VERB_MOST_SECONDS 1000000ul

/* A number, written in digits; or false, and what is wrong with the argument of that name is
 * said. */
bool verb_number(const char *name, const char *text, unsigned long most, unsigned long *number);

/* Is each of them a domain? Or false, and it is said which is not. */
bool verb_known(int count, char **word);

/* life.c */
bool verb_create(int count, char **word);
bool verb_list(int count, char **word);
bool verb_domid(int count, char **word);
bool verb_domname(int count, char **word);
bool verb_console(int count, char **word);
bool verb_console_log(int count, char **word);
bool verb_pause(int count, char **word);
bool verb_unpause(int count, char **word);
bool verb_shutdown(int count, char **word);
bool verb_reboot(int count, char **word);
bool verb_destroy(int count, char **word);
bool verb_wait(int count, char **word);
bool verb_files(int count, char **word);

/* keys.c */
bool verb_keys(int count, char **word);

/* hotplug.c: for the commands of a class of devices (device.h) */
bool device_attach(enum device_kind kind, int count, char **word);
bool device_detach(enum device_kind kind, char **word);
bool device_list(enum device_kind kind, int count, char **word);

/* address.c */
bool verb_ip(int count, char **word);

/* ports.c */
bool verb_bridge(int count, char **word);

/* adjust.c */
bool verb_mem_set(int count, char **word);
bool verb_mem_max(int count, char **word);
bool verb_vcpu_set(int count, char **word);
bool verb_vcpu_list(int count, char **word);
bool verb_uptime(int count, char **word);
bool verb_rename(int count, char **word);
bool verb_trigger(int count, char **word);
bool verb_sysrq(int count, char **word);

/* sched.c */
bool verb_sched_credit(int count, char **word);

#endif
