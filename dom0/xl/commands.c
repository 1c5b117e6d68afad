/* SPDX-License-Identifier: MIT */
/*
 * The commands (commands.h): Xen's `xl` words, with or without "xl" before them, and a few for
 * scripts. Each has a row in the table at the end; it says what it did in one line, or why it did
 * not, and nothing it meets stops the system.
 */
#include "dom0/xl/commands.h"
#include "dom0/console/guests.h"
#include "dom0/console/terminal.h"
#include "dom0/devices/device.h"
#include "dom0/guests/domains.h"
#include "dom0/guests/move.h"
#include "dom0/storage/disks.h"
#include "dom0/xc/control.h"
#include "dom0/xl/info.h"
#include "dom0/xl/verbs.h"
#include "dom0/xl/words.h"
#include <abi/domus.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include <pvguest/sched.h>
#include <pvguest/thread.h>

#define LINE_BYTES 2048                 /* A guest's command line of 1023 characters, and more. */
#define HELP_COLUMNS 100
#define PATIENCE_NS (5 * NS_PER_S)
#define DISK_PATIENCE_NS (30 * NS_PER_S)        /* With a disk, when the machine ends. */

/* Exit statuses, as xl has them. */
#define STATUS_FAILED 1
#define STATUS_USAGE 2
#define STATUS_NO_GUEST 3               /* create */

static int last_status;                 /* Of the last command: $? */

static bool refuse_errno(const char *what, int error)
{
    printk("Error: %s: %s\n", what, errno_name(error));
    return false;
}

/* --- the machine --- */

static bool do_info(const struct call *call)
{
    int error = info_machine(verb_option(call, 'n'));

    return error ? refuse_errno("info", error) : true;
}

static bool do_version(const struct call *call)
{
    info_version();
    return true;
}

static bool do_dmesg(const struct call *call)
{
    int error = info_log(verb_option(call, 'c'));

    return error ? refuse_errno("dmesg", error) : true;
}

/* The hypervisor answers on the console itself; 'h' lists its keys. */
static bool do_debug_keys(const struct call *call)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_debug_keys };
    int error;

    op.u.debug_keys.nr_keys = (uint32_t)strlen(call->word[0]);
    set_xen_guest_handle(op.u.debug_keys.keys, call->word[0]);
    error = control_system(&op);
    return error ? refuse_errno("debug-keys", error) : true;
}

static void show_partition(const char *name, uint64_t sectors, unsigned writers, unsigned readers)
{
    printk("%-36s %8lu MiB  %s\n", name, (unsigned long)sectors / 2048,
           writers ? "written by a guest" : readers ? "read by guests" : "free");
}

static bool do_disks(const struct call *call)
{
    disks_for_each(show_partition);
    return true;
}

/* Domus can recount every reference to every frame; real Xen does not know the question. */
static bool do_served(const struct call *call)
{
    info_service();
    return true;
}

static bool do_audit(const struct call *call)
{
    static struct domus_audit audit;
    long violations = HYPERVISOR_domus_op(DOMUS_audit, &audit);

    if (violations < 0) return refuse_errno("this hypervisor cannot audit itself", (int)violations);
    printk("audit: %ld violations in %lu frames (%lu typed, %lu free)\n", violations,
           (unsigned long)audit.frames, (unsigned long)audit.typed, (unsigned long)audit.free);
    if (violations)
        printk("audit: first at frame 0x%lx: %.95s\n", (unsigned long)audit.first_bad_mfn,
               audit.first_bad);
    return violations == 0;
}

/* The machine's end: guests that have said they can be asked are asked, and given a moment; then
 * they are ended. */
static void end_guests(void)
{
    uint64_t until = now_ns() + PATIENCE_NS;

    domains_ask_all("poweroff");
    while (domains_asked_run() && now_ns() < until)
        thread_sleep(20 * NS_PER_MS);
    move_refuse();                      /* Or there might always be another. */
    if (domains_destroy_all(DISK_PATIENCE_NS))
        disks_flush(DISK_PATIENCE_NS);
    else
        printk("Warning: the disk does not answer; the machine ends without it\n");
}

static bool do_restart(const struct call *call)
{
    end_guests();
    printk("The machine is restarted.\n");
    shutdown(SHUTDOWN_reboot);
    return true;
}

static bool do_poweroff(const struct call *call)
{
    end_guests();
    printk("The machine is powered off.\n");
    poweroff();
}

/* --- for scripts --- */

static bool do_consoles(const struct call *call)
{
    bool on = call->count && !strcmp(call->word[0], "on");

    if (call->count && !on && strcmp(call->word[0], "off")) {
        printk("Error: consoles on, or consoles off\n");
        return false;
    }
    if (call->count)
        guest_consoles_show(on);
    printk("Guests' output is %s\n", guest_consoles_shown() ? "shown" : "kept for xl console");
    return true;
}

/* $? in a word is the exit status of the command before, as in a shell. */
static void say_word(const char *word, int status_before)
{
    const char *status = strstr(word, "$?");

    if (status)
        printk("%.*s%d%s", (int)(status - word), word, status_before,
               status + 2);
    else
        printk("%s", word);
}

static bool do_echo(const struct call *call)
{
    for (int i = 0; i < call->count; i++) {
        printk("%s", i ? " " : "");
        say_word(call->word[i], call->last_status);
    }
    printk("\n");
    return true;
}

static bool do_sleep(const struct call *call)
{
    unsigned long seconds;

    return verb_number("SECONDS", call->word[0], VERB_MOST_SECONDS, &seconds) &&
           terminal_sleep(seconds * NS_PER_S);
}

/* Creates and destroys one guest again and again: what a leak cannot survive. The guest lives a
 * moment each time. */
static bool do_cycle(const struct call *call)
{
    unsigned long times, alive_ms = 0;
    uint64_t free_before = machine_free_pages(), free_after;
    unsigned long own_before = free_page_count();

    if (!verb_number("TIMES", call->word[1], 1000000, &times) ||
        (call->count > 2 && !verb_number("MS", call->word[2], 1000000, &alive_ms)))
        return false;
    for (unsigned long i = 0; i < times; i++) {
        struct domain *domain = NULL;
        struct problem problem;
        char name[sizeof(domain->config.name)];

        if (domains_create(call->word[0], "", false, &domain, &problem)) {
            printk("cycle %lu: ", i);
            return verb_refuse(&problem);
        }
        strlcpy(name, domain->config.name, sizeof(name));
        if (!terminal_sleep(alive_ms * NS_PER_MS))
            times = i + 1;                              /* Ctrl-C: this is the last. */
        /* It may end by itself while it is being destroyed: then nobody of that name is left. */
        if (domains_find(name) && domains_destroy(name, &problem) && domains_find(name))
            return verb_refuse(&problem);
        if (i == 0) {                                   /* The first time fills caches that stay. */
            free_before = machine_free_pages();
            own_before = free_page_count();
        }
    }
    /* The hypervisor frees the last of a domain when no CPU can look at it any more: a moment
     * later. */
    for (int i = 0; (free_after = machine_free_pages()) < free_before && i < 100; i++)
        thread_sleep(10 * NS_PER_MS);
    printk("cycle: %lu times %s; free pages of the machine %lu -> %lu, of dom0 %lu -> %lu\n", times,
           call->word[0], (unsigned long)free_before, (unsigned long)free_after, own_before,
           free_page_count());
    if (free_after < free_before)
        printk("Error: %lu pages have leaked\n", (unsigned long)(free_before - free_after));
    return free_after >= free_before;
}

static bool do_help(const struct call *call);

static const struct command guests_commands[] = {
    { "create", "[-pcqn] [-f] FILE [KEY=VALUE...]",
      "make a guest from a configuration in the boot archive (paused, at its console, quietly; -n: "
      "only say what would be made)", 1, MAX_WORDS, verb_create,
      "p c q=quiet n=dryrun f:defconfig", STATUS_NO_GUEST },
    { "list", "[-lv] [NAME...]",
      "the domains (-l: all about them, as JSON), and who waits to be started again", 0, MAX_WORDS,
      verb_list, "l=long v=verbose", 0 },
    { "domid", "NAME", "a guest's number", 1, 1, verb_domid, "", 0 },
    { "domname", "NUMBER", "a guest's name", 1, 1, verb_domname, "", 0 },
    { "console", "NAME", "join a guest's console; Ctrl-] leaves it", 1, 1, verb_console,
      "t:type n:num", 0 },
    { "pause", "NAME", "stop a guest's vCPUs", 1, 1, verb_pause, "", 0 },
    { "unpause", "NAME", "let them run again", 1, 1, verb_unpause, "", 0 },
    { "shutdown", "[-w] -a|NAME", "ask a guest, or all, to power off (-w: and wait for it)", 0, 1,
      verb_shutdown, "w=wait a=all F", 0 },
    { "reboot", "[-w] -a|NAME", "ask a guest, or all, to reboot; who waits to be started again is",
      0, 1, verb_reboot, "w=wait a=all F", 0 },
    { "destroy", "NAME", "end a guest at once", 1, 1, verb_destroy, "f=force", 0 },
    { "save", "[-cf] NAME TARGET",
      "write a guest to a partition or /dev/disk0, and end it (-c: it goes on; -f: over another)",
      2, 2, verb_save, "c f=force", 0 },
    { "restore", "[-p] [FILE] TARGET",
      "a saved guest goes on (paused; with another configuration than was saved)", 1, 2,
      verb_restore, "p", 0 },
    { "migrate", "[--live] NAME HOST",
      "a guest goes on at another Domus, which takes guests (--live: it runs meanwhile)", 2, 2,
      verb_migrate, "l=live", 0 },
    { "migrate-receive", "[ADDRESS|any|off]", "whose guests are taken here, and from now on", 0, 1,
      verb_migrate_receive, "", 0 },
    { "resume", "NAME", "one that is suspended goes on: it has not moved, after all", 1, 1,
      verb_resume, "", 0 },
    { "rename", "NAME NEW", "give a guest another name", 2, 2, verb_rename, "", 0 },
    { "uptime", "[-s] [NAME...]", "how long guests have been running", 0, MAX_WORDS, verb_uptime,
      "s=short", 0 },
    { "mem-set", "NAME SIZE", "tell a guest how much memory to use (MiB; or with k, m, g)", 2, 2,
      verb_mem_set, "", 0 },
    { "mem-max", "NAME SIZE", "how much it may ever use", 2, 2, verb_mem_max, "", 0 },
    { "vcpu-list", "[NAME...]", "vCPUs and what they do", 0, MAX_WORDS, verb_vcpu_list, "", 0 },
    { "vcpu-set", "NAME COUNT", "tell a guest how many of its vCPUs to use", 2, 2, verb_vcpu_set,
      "i=ignore-host", 0 },
    { "top", "[-bf] [-d SECONDS] [-i COUNT]",
      "who has what of CPUs, memory, disks, cards, now and again (-b: as lines); q ends it", 0, 0,
      verb_top, "b=batch f=full-name d:delay i:iterations", 0 },
    { "perf", "[-r]",
      "what domains have the hypervisor do: calls, faults, emulation (-r: count from now on)", 0, 0,
      verb_perf, "r=reset", 0 },
    { "vcpu-pin", "[-f] NAME VCPU|all CPUS [SOFT]",
      "the CPUs on which a vCPU may run, like 0-3,^1 (- leaves them)", 3, 4, verb_vcpu_pin,
      "f=force", 0 },
    { "sched-credit", "[-d NAME [-w WEIGHT] [-c CAP]]",
      "how domains share the CPUs: weights, and percent of one at most", 0, 0, verb_sched_credit,
      "d:domain w:weight c:cap", 0 },
};

static const struct command other_commands[] = {
    { "trigger", "NAME nmi [VCPU]", "what a button would do to a real machine", 2, 3, verb_trigger,
      "", 0 },
    { "sysrq", "NAME LETTER", "Linux's magic key", 2, 2, verb_sysrq, "", 0 },
    { "console-log", "NAME", "what a guest said last, also when it is gone", 1, 1, verb_console_log,
      "", 0 },
    { "keys", "NAME COUNT", "type at its console, and say how long the echoes take", 2, 2,
      verb_keys, "", 0 },
    { "info", "[-n]", "the machine and its hypervisor (-n: and where its CPUs sit)", 0, 0, do_info,
      "n=numa", 0 },
    { "version", "", "which Domus this is, and what is below it", 0, 0, do_version, "", 0 },
    { "dmesg", "[-c]", "the hypervisor's log (-c: and clear it)", 0, 0, do_dmesg, "c=clear", 0 },
    { "debug-keys", "KEYS", "press the hypervisor's debug keys; h lists them", 1, 1, do_debug_keys,
      "", 0 },
    { "ip", "[ADDRESS|none]", "dom0's own address on the bridge, and what came to it", 0, 1,
      verb_ip, "", 0 },
    { "bridge", "", "the bridge's ports, and the frames it has not let pass", 0, 0, verb_bridge, "",
      0 },
    { "disks", "", "the partitions of the disk and who uses them", 0, 0, do_disks, "", 0 },
    { "served", "", "what dom0 did for whom: its time, turns of each kind, memory held", 0, 0,
      do_served, "", 0 },
    { "files", "", "the boot archive: configurations, kernels, ramdisks", 0, 0, verb_files, "", 0 },
    { "ls", "", "the boot archive, as files does", 0, 0, verb_files, "", 0 },
    { "refresh", "", "take domus-run's files as they are now", 0, 0, verb_refresh, "", 0 },
    { "audit", "", "let the hypervisor recount every frame's references", 0, 0, do_audit, "", 0 },
    { "consoles", "[on|off]", "show guests' output here, line by line", 0, 1, do_consoles, "", 0 },
    { "wait", "NAME [SECONDS]", "until a guest has ended; Ctrl-C ends it", 1, 2, verb_wait, "", 0 },
    { "sleep", "SECONDS", "let time pass; Ctrl-C ends it", 1, 1, do_sleep, "", 0 },
    { "cycle", "FILE TIMES [MS]",
      "create and destroy a guest so many times, and compare the free memory", 2, 3, do_cycle, "",
      0 },
    { "echo", "TEXT...", "say it back", 0, MAX_WORDS, do_echo, NULL, 0 },
    { "restart", "", "end all guests and restart the machine", 0, 0, do_restart, "", 0 },
    { "poweroff", "", "end all guests and switch the machine off", 0, 0, do_poweroff, "", 0 },
    { "help", "[COMMAND]", "this list, or one line of it", 0, 1, do_help, "", 0 },
};

/* The n-th of all, those for devices among them, and then of which kind; false: there are not so
 * many. */
bool command_at(size_t n, struct command *command, enum device_kind *kind)
{
    const size_t before = ARRAY_SIZE(guests_commands);

    if (n >= before && device_command(n - before, command, kind)) return true;
    if (n >= before)
        n -= 3 * DEVICE_KINDS;
    if (n >= before + ARRAY_SIZE(other_commands)) return false;
    *command = n < before ? guests_commands[n] : other_commands[n - before];
    return true;
}

static bool find_command(const char *name, struct command *command, enum device_kind *kind)
{
    for (size_t i = 0; command_at(i, command, kind); i++)
        if (!strcmp(command->name, name))
            return true;
    printk("Error: no command '%s'; %s\n", name,
           *name && !strchr(name, ' ') ? command_hint(name) : "\"help\" lists them");
    return false;
}

/* The words of a text, in lines of at most HELP_COLUMNS: the first goes on at that column, the
 * others begin at `start`. */
static void say_words(const char *text, size_t start, size_t column)
{
    for (const char *word = text, *end; *word; word = *end ? end + 1 : end) {
        for (end = word; *end && *end != ' '; )
            end++;
        if (column + 1 + (size_t)(end - word) > HELP_COLUMNS) {
            printk("\n%*s", (int)start, "");
            column = start;
        }
        printk(" %.*s", (int)(end - word), word);
        column += 1 + (size_t)(end - word);
    }
    printk("\n");
}

static void help_line(const struct command *command)
{
    /* A long name takes of the room of the arguments. */
    size_t name = MAX(strlen(command->name), 14ul), arguments = 45 - name;
    size_t start = 3 + name + MAX(strlen(command->arguments), arguments);

    printk("  %-14s %-*s", command->name, (int)arguments, command->arguments);
    say_words(command->help, start, start);
}

static void help(void)
{
    struct command command;
    enum device_kind kind;

    for (size_t i = 0; command_at(i, &command, &kind); i++)
        help_line(&command);
    printk("\"xl\" may stand before a command. NAME is a guest's name or number. $? is the "
           "last exit status.\n");
}

static bool do_help(const struct call *call)
{
    struct command command;
    enum device_kind kind;

    if (!call->count)
        help();
    else if (find_command(call->word[0], &command, &kind))
        help_line(&command);
    else
        return false;
    return true;
}

/* --- lines --- */

/* `option`: the word that is none of its options, or NULL. */
static int usage(const struct command *command, const char *option)
{
    static char head[LINE_BYTES + 200];         /* Large; the prompt's only. */

    snprintf(head, sizeof(head), "Error: %s%s%s%susage: %s%s%s:", option ? command->name : "",
             option ? ": " : "", option ? option : "", option ? " is not understood; " : "",
             command->name, *command->arguments ? " " : "", command->arguments);
    printk("%s", head);
    say_words(command->help, strlen("Error:"), strlen(head));
    return STATUS_USAGE;
}

/* Asked with the name, or anywhere in the line where words with - are options. */
static bool wants_help(int count, char **word)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(word[i], "-h") || !strcmp(word[i], "--help"))
            return true;
    return false;
}

/* The words of one command, with its name first; its exit status. `dry`: xl -N stood before it. */
static int run_words(int count, char **word, bool dry)
{
    struct call call = { .count = count - 1, .word = word + 1, .last_status = last_status };
    struct command command;
    const char *wrong = NULL, *file;

    if (!find_command(word[0], &command, &call.kind)) return STATUS_FAILED;
    if (command.options) {
        if (wants_help(call.count, call.word)) {
            help_line(&command);
            return 0;
        }
        wrong = words_take_options(&call.count, call.word, command.options, &call.options);
    }
    file = verb_option(&call, 'f');     /* create -f FILE: that is the word which it needs. */
    if (wrong || call.count + (file && *file) < command.least || call.count > command.most)
        return usage(&command, wrong);
    if (dry && command.run != verb_create) {
        printk("Error: %s cannot be tried without being done; of xl's commands create can\n",
               command.name);
        return STATUS_FAILED;
    }
    call.dry = dry;
    if (command.run(&call)) return 0;
    return command.failed ? command.failed : STATUS_FAILED;
}

/* xl and its own options: how much it says of its work, which is nothing here, and that it only
 * tries (-N). How many words that is; 0: one of them is none of its. */
static int take_xl(int count, char **word, bool *dry)
{
    int taken = 1;

    for (; taken < count && word[taken][0] == '-' && !wants_help(1, word + taken); taken++) {
        const char *letter = word[taken] + 1;

        while (*letter && strchr("vftTN", *letter))
            *dry |= *letter++ == 'N';
        if (*letter || letter == word[taken] + 1) {
            printk("Error: xl: %s is not understood; before a command it takes -v -f -t -T -N\n",
                   word[taken]);
            return refused(0);
        }
    }
    return taken;
}

bool commands_run(char *line)
{
    char *words[MAX_WORDS], **word = words;
    int count = words_split(line, words, MAX_WORDS);
    bool dry = false;

    if (count < 0) {
        printk("Error: %s\n",
               count == WORDS_UNCLOSED ? "a quote without its end" : "too many words");
        last_status = STATUS_USAGE;
        return false;
    }
    if (count && !strcmp(word[0], "xl")) {
        int taken = take_xl(count, word, &dry);

        last_status = taken ? 0 : STATUS_USAGE;
        word += taken;
        count -= taken;
        if (!taken) return false;
        if (!count || wants_help(1, word)) {
            help();
            return true;
        }
    }
    if (!count) return true;
    last_status = run_words(count, word, dry);
    return last_status == 0;
}

/* The commands of one line, until Ctrl-C; `shown`: each is said before it runs. False: it was
 * typed. */
static bool run_line(char *line, bool shown)
{
    for (char *rest = line; rest;) {
        char *command = words_command(&rest);

        while (*command == ' ')
            command++;
        if (shown && *command)
            printk("dom0> %s\n", command);
        commands_run(command);
        /* A script does not sleep between its lines; let the others see to events. */
        thread_yield();
        if (terminal_interrupted()) return false;
    }
    return true;
}

/* Lines are large for a stack, and scripts do not run in each other. */
void commands_script(const char *text, size_t size)
{
    static char line[LINE_BYTES];

    for (size_t at = 0; at < size; at++) {
        size_t length = 0;

        for (; at < size && text[at] != '\n' && text[at]; at++, length++)
            if (length + 1 < sizeof(line))
                line[length] = text[at];
        if (length < sizeof(line)) {
            line[length] = '\0';
            if (!run_line(line, true)) return;
            continue;
        }
        printk("Error: a line of %zu characters is too long, and is not run: %zu at most\n", length,
               sizeof(line) - 1);
        last_status = STATUS_USAGE;
    }
}

void commands_prompt(void)
{
    static char line[LINE_BYTES];

    terminal_words(known_word);
    for (;;) {
        terminal_read_line("dom0> ", line, sizeof(line));
        run_line(line, false);
    }
}
