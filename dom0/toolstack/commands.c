/* SPDX-License-Identifier: MIT */
/*
 * The commands (commands.h): Xen's `xl` words, with or without "xl" before them, and a few for
 * scripts. Each has a row in the table at the end; it says what it did in one line, or why it did
 * not, and nothing it meets stops the system.
 */
#include "dom0/toolstack/commands.h"
#include "dom0/builder/control.h"
#include "dom0/console/guests.h"
#include "dom0/console/terminal.h"
#include "dom0/storage/disks.h"
#include "dom0/toolstack/domains.h"
#include "dom0/toolstack/info.h"
#include "dom0/toolstack/verbs.h"
#include "dom0/toolstack/words.h"
#include <abi/domus.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include <pvguest/sched.h>
#include <pvguest/thread.h>

#define MAX_WORDS 16
#define MAX_OPTIONS 8
#define LINE_BYTES 2048                 /* A guest's command line of 1023 characters, and more. */
#define PATIENCE_NS (5 * NS_PER_S)

/* Exit statuses, as xl has them. */
#define STATUS_FAILED 1
#define STATUS_USAGE 2
#define STATUS_NO_GUEST 3               /* create */

struct command {
    const char *name, *arguments, *help;
    int least, most;                    /* Arguments behind the name. */
    bool (*run)(int count, char **word);
    /* Letters; NULL: a word that begins with - is a word like others. */
    const char *options;
    /* Its status when it fails, if that is not STATUS_FAILED. */
    int failed;
};

static int last_status;                 /* Of the last command: $? */
static char options[MAX_OPTIONS + 1];   /* Of the command that runs. */

bool verb_option(char letter)
{
    return strchr(options, letter);
}

static bool refuse_errno(const char *what, int error)
{
    printk("Error: %s: %s\n", what, errno_name(error));
    return false;
}

/* --- the machine --- */

static bool do_info(int count, char **word)
{
    int error = info_machine();

    return error ? refuse_errno("info", error) : true;
}

static bool do_dmesg(int count, char **word)
{
    int error = info_log(verb_option('c'));

    return error ? refuse_errno("dmesg", error) : true;
}

/* The hypervisor answers on the console itself; 'h' lists its keys. */
static bool do_debug_keys(int count, char **word)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_debug_keys };
    int error;

    op.u.debug_keys.nr_keys = (uint32_t)strlen(word[0]);
    set_xen_guest_handle(op.u.debug_keys.keys, word[0]);
    error = control_system(&op);
    return error ? refuse_errno("debug-keys", error) : true;
}

static void show_partition(const char *name, uint64_t sectors, unsigned writers, unsigned readers)
{
    printk("%-36s %8lu MiB  %s\n", name, (unsigned long)sectors / 2048,
           writers ? "written by a guest" : readers ? "read by guests" : "free");
}

static bool do_disks(int count, char **word)
{
    disks_for_each(show_partition);
    return true;
}

/* Domus can recount every reference to every frame; real Xen does not know the question. */
static bool do_served(int count, char **word)
{
    info_service();
    return true;
}

static bool do_audit(int count, char **word)
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

static unsigned still_running;

static void count_running(struct domain *domain)
{
    still_running += !domain->ended;
}

/* The machine's end: guests that have said they can be asked are asked, and given a moment; then
 * they are ended. */
static void end_guests(void)
{
    uint64_t until = now_ns() + PATIENCE_NS;

    for (bool asked = domains_ask_all("poweroff"); asked && now_ns() < until;
         thread_sleep(20 * NS_PER_MS)) {
        still_running = 0;
        domains_for_each(count_running);
        if (!still_running)
            break;
    }
    domains_destroy_all();
    disks_flush();
}

static bool do_restart(int count, char **word)
{
    end_guests();
    printk("The machine is restarted.\n");
    shutdown(SHUTDOWN_reboot);
    return true;
}

static bool do_poweroff(int count, char **word)
{
    end_guests();
    printk("The machine is powered off.\n");
    poweroff();
}

/* --- for scripts --- */

static bool do_consoles(int count, char **word)
{
    bool on = !strcmp(word[0], "on");

    if (!on && strcmp(word[0], "off")) {
        printk("Error: consoles on, or consoles off\n");
        return false;
    }
    guest_consoles_show(on);
    printk("Guests' output is %s\n", on ? "shown" : "kept for xl console");
    return true;
}

/* $? in a word is the exit status of the command before, as in a shell. */
static void say_word(const char *word)
{
    const char *status = strstr(word, "$?");

    if (status)
        printk("%.*s%d%s", (int)(status - word), word, last_status, status + 2);
    else
        printk("%s", word);
}

static bool do_echo(int count, char **word)
{
    for (int i = 0; i < count; i++) {
        printk("%s", i ? " " : "");
        say_word(word[i]);
    }
    printk("\n");
    return true;
}

static bool do_sleep(int count, char **word)
{
    thread_sleep(strtoul(word[0], NULL, 10) * NS_PER_S);
    return true;
}

/* Creates and destroys one guest again and again: what a leak cannot survive. The guest lives a
 * moment each time. */
static bool do_cycle(int count, char **word)
{
    unsigned long times = strtoul(word[1], NULL, 10),
                  alive_ms = count > 2 ? strtoul(word[2], NULL, 10) : 0;
    uint64_t free_before = machine_free_pages(), free_after;
    unsigned long own_before = free_page_count();

    for (unsigned long i = 0; i < times; i++) {
        struct domain *domain = NULL;
        struct trouble trouble;
        char name[sizeof(domain->config.name)];

        if (domains_create(word[0], "", false, &domain, &trouble)) {
            printk("cycle %lu: ", i);
            return verb_refuse(&trouble);
        }
        strlcpy(name, domain->config.name, sizeof(name));
        if (alive_ms)
            thread_sleep(alive_ms * NS_PER_MS);
        /* It may end by itself while it is being destroyed: then nobody of that name is left. */
        if (domains_find(name) && domains_destroy(name, &trouble) && domains_find(name))
            return verb_refuse(&trouble);
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
           word[0], (unsigned long)free_before, (unsigned long)free_after, own_before,
           free_page_count());
    if (free_after < free_before)
        printk("Error: %lu pages have leaked\n", (unsigned long)(free_before - free_after));
    return free_after >= free_before;
}

static bool do_help(int count, char **word);

static const struct command commands[] = {
    { "create", "[-pcq] FILE [KEY=VALUE...]",
      "make a guest from a configuration in the boot archive (paused, at its console, quietly)", 1,
      MAX_WORDS, verb_create, "pcq", STATUS_NO_GUEST },
    { "list", "[-lv] [NAME...]",
      "the domains (-l: all about them, as JSON), and who waits to be started again", 0, MAX_WORDS,
      verb_list, "lv", 0 },
    { "domid", "NAME", "a guest's number", 1, 1, verb_domid, NULL, 0 },
    { "domname", "NUMBER", "a guest's name", 1, 1, verb_domname, NULL, 0 },
    { "console", "NAME", "join a guest's console; Ctrl-] leaves it", 1, 1, verb_console, NULL, 0 },
    { "pause", "NAME", "stop a guest's vCPUs", 1, 1, verb_pause, NULL, 0 },
    { "unpause", "NAME", "let them run again", 1, 1, verb_unpause, NULL, 0 },
    { "shutdown", "[-w] -a|NAME", "ask a guest, or all, to power off (-w: and wait for it)", 0, 1,
      verb_shutdown, "waF", 0 },
    { "reboot", "[-w] -a|NAME", "ask a guest, or all, to reboot; who waits to be started again is",
      0, 1, verb_reboot, "waF", 0 },
    { "destroy", "NAME", "end a guest at once", 1, 1, verb_destroy, NULL, 0 },
    { "rename", "NAME NEW", "give a guest another name", 2, 2, verb_rename, NULL, 0 },
    { "uptime", "[-s] [NAME...]", "how long guests have been running", 0, MAX_WORDS, verb_uptime,
      "s", 0 },
    { "mem-set", "NAME SIZE", "tell a guest how much memory to use (MiB; or with k, m, g)", 2, 2,
      verb_mem_set, NULL, 0 },
    { "mem-max", "NAME SIZE", "how much it may ever use", 2, 2, verb_mem_max, NULL, 0 },
    { "vcpu-list", "[NAME...]", "vCPUs and what they do", 0, MAX_WORDS, verb_vcpu_list, NULL, 0 },
    { "vcpu-set", "NAME COUNT", "tell a guest how many of its vCPUs to use", 2, 2, verb_vcpu_set,
      "i", 0 },
    { "sched-credit", "[-d NAME [-w WEIGHT]]", "the weights by which domains share the CPU", 0, 4,
      verb_sched_credit, NULL, 0 },
    { "block-list", "NAME...", "a guest's disks", 1, MAX_WORDS, verb_block_list, NULL, 0 },
    { "block-attach", "NAME DISK",
      "give it a disk, named as in a configuration: phy:scratch,xvdb,w", 2, MAX_WORDS,
      verb_block_attach, NULL, 0 },
    { "block-detach", "[-f] NAME DEVICE",
      "take it away: xvdb, or its number (-f: do not ask the guest)", 2, 2, verb_block_detach, "f",
      0 },
    { "network-list", "NAME...", "a guest's network cards", 1, MAX_WORDS, verb_network_list, NULL,
      0 },
    { "network-attach", "NAME [VIF]", "give it a card, as in a configuration: mac=...,bridge=br0",
      1, MAX_WORDS, verb_network_attach, NULL, 0 },
    { "network-detach", "[-f] NAME DEVICE", "take it away: its number or its address", 2, 2,
      verb_network_detach, "f", 0 },
    { "trigger", "NAME nmi [VCPU]", "what a button would do to a real machine", 2, 3, verb_trigger,
      NULL, 0 },
    { "sysrq", "NAME LETTER", "Linux's magic key", 2, 2, verb_sysrq, NULL, 0 },
    { "console-log", "NAME", "what a guest said last, also when it is gone", 1, 1, verb_console_log,
      NULL, 0 },
    { "keys", "NAME COUNT", "type at its console, and say how long the echoes take", 2, 2,
      verb_keys, NULL, 0 },
    { "info", "", "the machine and its hypervisor", 0, 0, do_info, NULL, 0 },
    { "dmesg", "[-c]", "the hypervisor's log (-c: and clear it)", 0, 0, do_dmesg, "c", 0 },
    { "debug-keys", "KEYS", "press the hypervisor's debug keys; h lists them", 1, 1, do_debug_keys,
      NULL, 0 },
    { "ip", "[ADDRESS|none]", "dom0's own address on the bridge, and what came to it", 0, 1,
      verb_ip, NULL, 0 },
    { "bridge", "", "the bridge's ports, and the frames it has not let pass", 0, 0, verb_bridge,
      NULL, 0 },
    { "disks", "", "the partitions of the disk and who uses them", 0, 0, do_disks, NULL, 0 },
    { "served", "", "what dom0 did for whom: its time, turns of each kind, memory held", 0, 0,
      do_served, NULL, 0 },
    { "files", "", "the boot archive: configurations, kernels, ramdisks", 0, 0, verb_files, NULL,
      0 },
    { "audit", "", "let the hypervisor recount every frame's references", 0, 0, do_audit, NULL, 0 },
    { "consoles", "on|off", "show guests' output here, line by line", 1, 1, do_consoles, NULL, 0 },
    { "wait", "NAME [SECONDS]", "until a guest has ended", 1, 2, verb_wait, NULL, 0 },
    { "sleep", "SECONDS", "", 1, 1, do_sleep, NULL, 0 },
    { "cycle", "FILE TIMES [MS]",
      "create and destroy a guest so many times, and compare the free memory", 2, 3, do_cycle, NULL,
      0 },
    { "echo", "TEXT...", "", 0, MAX_WORDS, do_echo, NULL, 0 },
    { "restart", "", "end all guests and restart the machine", 0, 0, do_restart, NULL, 0 },
    { "poweroff", "", "end all guests and switch the machine off", 0, 0, do_poweroff, NULL, 0 },
    { "help", "[COMMAND]", "this list, or one line of it", 0, 1, do_help, NULL, 0 },
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    printk("Error: no command '%s'; \"help\" lists them\n", name);
    return NULL;
}

static void help_line(const struct command *command)
{
    printk("  %-14s %-26s %s\n", command->name, command->arguments, command->help);
}

static bool do_help(int count, char **word)
{
    const struct command *command = count ? find_command(word[0]) : NULL;

    if (command)
        help_line(command);
    for (size_t i = 0; i < ARRAY_COUNT(commands) && !count; i++)
        if (commands[i].help[0])
            help_line(&commands[i]);
    if (!count)
        printk("\"xl\" may stand before a command. NAME is a guest's name or number. $? is the "
               "last exit status.\n");
    return command || !count;
}

/* --- lines --- */

static int usage(const struct command *command)
{
    printk("Error: usage: %s %s\n", command->name, command->arguments);
    return STATUS_USAGE;
}

static bool wants_help(const char *word)
{
    return !strcmp(word, "-h") || !strcmp(word, "--help");
}

/* The words of one command, with its name first; its exit status. */
static int run_words(int count, char **word)
{
    const struct command *command = find_command(word[0]);

    options[0] = '\0';
    if (!command) return STATUS_FAILED;
    count--;
    word++;
    if (count && command->run != do_echo && wants_help(word[0])) {
        help_line(command);
        return 0;
    }
    if (command->options && words_take_options(&count, word, command->options, options))
        return usage(command);
    if (count < command->least || count > command->most) return usage(command);
    if (command->run(count, word)) return 0;
    return command->failed ? command->failed : STATUS_FAILED;
}

bool commands_run(char *line)
{
    char *words[MAX_WORDS], **word = words;
    int count = words_split(line, words, MAX_WORDS);

    if (count < 0) {
        printk("Error: %s\n",
               count == WORDS_UNCLOSED ? "a quote without its end" : "too many words");
        last_status = STATUS_USAGE;
        return false;
    }
    if (count && !strcmp(word[0], "xl")) {
        do {                                    /* xl -vf VERB: how much xl says of its own work. */
            word++;
            count--;
        } while (count && word[0][0] == '-' && !wants_help(word[0]));
        if (!count || wants_help(word[0])) return do_help(0, NULL);
    }
    if (!count) return true;
    last_status = run_words(count, word);
    return last_status == 0;
}

/* The commands of one line; `shown`: each is said before it runs. */
static void run_line(char *line, bool shown)
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
    }
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
            run_line(line, true);
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

    for (;;) {
        terminal_read_line("dom0> ", line, sizeof(line));
        run_line(line, false);
    }
}
