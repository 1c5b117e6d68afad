/* SPDX-License-Identifier: MIT */
/*
 * The commands (commands.h): Xen's `xl` words, with or without "xl" before them, and a few for scripts. Each has a row
 * in the table at the end; it says what it did in one line, or why it did not, and nothing it meets stops the system.
 */
#include "dom0/toolstack/commands.h"
#include "dom0/builder/control.h"
#include "dom0/console/guests.h"
#include "dom0/console/terminal.h"
#include "dom0/storage/disks.h"
#include "dom0/toolstack/domains.h"
#include "dom0/toolstack/info.h"
#include "dom0/toolstack/verbs.h"
#include <abi/domus.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include <pvguest/sched.h>
#include <pvguest/thread.h>

#define MAX_WORDS 8
#define LINE_BYTES 256
#define PATIENCE_NS (5 * NS_PER_S)

struct command {
    const char *name, *arguments, *help;
    int least, most;                    /* Arguments behind the name. */
    bool (*run)(int count, char **word);
};

static bool refuse_errno(const char *what, int error) {
    printk("Error: %s: %s\n", what, errno_name(error));
    return false;
}

static struct domain *find(const char *name) {
    struct domain *domain = domains_find(name);

    if (domain && !domain->leaving)
        return domain;
    printk("Error: %s '%s'\n", domain ? "just now ends domain" : "no domain", name);
    return NULL;
}

/* --- guests --- */

static bool do_create(int count, char **word) {
    bool paused = !strcmp(word[0], "-p");
    struct domain *domain = NULL;
    struct trouble trouble;

    if (paused && count < 2) {
        printk("Error: create -p FILE\n");
        return false;
    }
    printk("Parsing config from %s\n", word[paused]);
    if (domains_create(word[paused], paused, &domain, &trouble))
        return verb_refuse(&trouble);
    printk("Domain '%s' is created: %u\n", domain->config.name, (unsigned)domain->domid);
    return true;
}

static bool do_list(int count, char **word) {
    for (int i = 0; i < count; i++)
        if (strcmp(word[i], "0") && strcmp(word[i], "Domain-0") && !domains_find(word[i])) {
            printk("Error: no domain '%s'\n", word[i]);
            return false;
        }
    info_list(count, word);
    return true;
}

static bool do_console(int count, char **word) {
    struct domain *domain = find(word[0]);

    if (domain)
        guest_console_attach(domain->console);
    return domain;
}

static bool do_pause(int count, char **word) {
    struct domain *domain = find(word[0]);
    int error = domain ? domain_pause(domain->domid) : 0;

    if (domain && !error)
        printk("Domain '%s' is paused\n", domain->config.name);
    return error ? refuse_errno("pause", error) : domain != NULL;
}

static bool do_unpause(int count, char **word) {
    struct domain *domain = find(word[0]);
    int error = domain ? domain_unpause(domain->domid) : 0;

    if (domain && error == -EINVAL) {
        printk("Error: domain '%s' is not paused\n", domain->config.name);
        return false;
    }
    if (domain && !error)
        printk("Domain '%s' runs\n", domain->config.name);
    return error ? refuse_errno("unpause", error) : domain != NULL;
}

static bool do_wait(int count, char **word);

static bool do_shutdown(int count, char **word) {
    bool wait = !strcmp(word[0], "-w");
    struct trouble trouble;

    if (wait != (count == 2)) {
        printk("Error: shutdown [-w] NAME\n");
        return false;
    }
    if (domains_ask(word[wait], "poweroff", &trouble))
        return verb_refuse(&trouble);
    printk("Shutting down domain '%s'\n", word[wait]);
    return wait ? do_wait(1, word + 1) : true;
}

static unsigned still_running;

static void count_running(struct domain *domain) {
    still_running += !domain->ended;
}

/* The machine's end: guests that have said they can be asked are asked, and given a moment; then they are ended. */
static void end_guests(void) {
    uint64_t until = now_ns() + PATIENCE_NS;

    for (bool asked = domains_ask_all("poweroff"); asked && now_ns() < until; thread_sleep(20 * NS_PER_MS)) {
        still_running = 0;
        domains_for_each(count_running);
        if (!still_running)
            break;
    }
    domains_destroy_all();
    disks_flush();
}

static bool do_reboot(int count, char **word) {
    struct trouble trouble;

    if (count == 0) {                                   /* Without a name: the machine. */
        end_guests();
        printk("The machine is restarted.\n");
        shutdown(SHUTDOWN_reboot);
        return true;
    }
    if (domains_ask(word[0], "reboot", &trouble))
        return verb_refuse(&trouble);
    printk("Rebooting domain '%s'\n", word[0]);
    return true;
}

/* What a guest said last is asked for when it is gone. */
static bool do_console_log(int count, char **word) {
    struct domain *domain = domains_find(word[0]);

    if (guest_console_show_log(domain ? domain->config.name : word[0]))
        return true;
    printk("Error: nothing is known of a console of '%s'\n", word[0]);
    return false;
}

static bool do_destroy(int count, char **word) {
    struct trouble trouble;

    if (domains_destroy(word[0], &trouble))
        return verb_refuse(&trouble);
    printk("Domain '%s' is destroyed\n", word[0]);
    return true;
}

/* --- the machine --- */

static bool do_info(int count, char **word) {
    int error = info_machine();

    return error ? refuse_errno("info", error) : true;
}

static bool do_dmesg(int count, char **word) {
    int error = info_log();

    return error ? refuse_errno("dmesg", error) : true;
}

/* The hypervisor answers on the console itself; 'h' lists its keys. */
static bool do_debug_keys(int count, char **word) {
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_debug_keys };
    int error;

    op.u.debug_keys.nr_keys = (uint32_t)strlen(word[0]);
    set_xen_guest_handle(op.u.debug_keys.keys, word[0]);
    error = control_system(&op);
    return error ? refuse_errno("debug-keys", error) : true;
}

static void show_partition(const char *name, uint64_t sectors, unsigned writers, unsigned readers) {
    printk("%-36s %8lu MiB  %s\n", name, (unsigned long)sectors / 2048,
           writers ? "written by a guest" : readers ? "read by guests" : "free");
}

static bool do_disks(int count, char **word) {
    disks_for_each(show_partition);
    return true;
}

/* Domus can recount every reference to every frame; real Xen does not know the question. */
static bool do_audit(int count, char **word) {
    static struct domus_audit audit;
    long violations = HYPERVISOR_domus_op(DOMUS_audit, &audit);

    if (violations < 0)
        return refuse_errno("this hypervisor cannot audit itself", (int)violations);
    printk("audit: %ld violations in %lu frames (%lu typed, %lu free)\n", violations, (unsigned long)audit.frames,
           (unsigned long)audit.typed, (unsigned long)audit.free);
    if (violations)
        printk("audit: first at frame 0x%lx: %.95s\n", (unsigned long)audit.first_bad_mfn, audit.first_bad);
    return violations == 0;
}

static bool do_poweroff(int count, char **word) {
    end_guests();
    printk("The machine is powered off.\n");
    poweroff();
}

/* --- for scripts --- */

static bool do_consoles(int count, char **word) {
    bool on = !strcmp(word[0], "on");

    if (!on && strcmp(word[0], "off")) {
        printk("Error: consoles on, or consoles off\n");
        return false;
    }
    guest_consoles_show(on);
    printk("Guests' output is %s\n", on ? "shown" : "kept for xl console");
    return true;
}

static bool do_echo(int count, char **word) {
    for (int i = 0; i < count; i++)
        printk("%s%s", i ? " " : "", word[i]);
    printk("\n");
    return true;
}

static bool do_sleep(int count, char **word) {
    thread_sleep(strtoul(word[0], NULL, 10) * NS_PER_S);
    return true;
}

/* Is there still a domain of that name that has not ended? */
static bool runs(const char *name) {
    struct domain *domain = domains_find(name);

    return domain && !domain->ended;
}

static bool do_wait(int count, char **word) {
    uint64_t limit = count > 1 ? strtoul(word[1], NULL, 10) : 60;
    uint64_t until = now_ns() + limit * NS_PER_S;

    while (runs(word[0]) && now_ns() < until)
        thread_sleep(20 * NS_PER_MS);
    if (runs(word[0])) {
        printk("Error: domain '%s' still runs after %lu seconds\n", word[0], (unsigned long)limit);
        return false;
    }
    printk("Domain '%s' has ended\n", word[0]);
    return true;
}

/* Creates and destroys one guest again and again: what a leak cannot survive. The guest lives a moment each time. */
static bool do_cycle(int count, char **word) {
    unsigned long times = strtoul(word[1], NULL, 10), alive_ms = count > 2 ? strtoul(word[2], NULL, 10) : 0;
    uint64_t free_before = machine_free_pages(), free_after;
    unsigned long own_before = free_page_count();

    for (unsigned long i = 0; i < times; i++) {
        struct domain *domain = NULL;
        struct trouble trouble;
        char name[sizeof(domain->config.name)];

        if (domains_create(word[0], false, &domain, &trouble)) {
            printk("cycle %lu: ", i);
            return verb_refuse(&trouble);
        }
        strlcpy(name, domain->config.name, sizeof(name));
        if (alive_ms)
            thread_sleep(alive_ms * NS_PER_MS);
        if (domains_find(name) && domains_destroy(name, &trouble))
            return verb_refuse(&trouble);
        if (i == 0) {                                   /* The first time fills caches that stay. */
            free_before = machine_free_pages();
            own_before = free_page_count();
        }
    }
    /* The hypervisor frees the last of a domain when no CPU can look at it any more: a moment later. */
    for (int i = 0; (free_after = machine_free_pages()) < free_before && i < 100; i++)
        thread_sleep(10 * NS_PER_MS);
    printk("cycle: %lu times %s; free pages of the machine %lu -> %lu, of dom0 %lu -> %lu\n", times, word[0],
           (unsigned long)free_before, (unsigned long)free_after, own_before, free_page_count());
    if (free_after < free_before)
        printk("Error: %lu pages have leaked\n", (unsigned long)(free_before - free_after));
    return free_after >= free_before;
}

static bool do_help(int count, char **word);

static const struct command commands[] = {
    { "create", "[-p] FILE", "make a guest from a configuration in the boot archive (-p: leave it paused)", 1, 2, do_create },
    { "list", "[NAME...]", "the domains", 0, MAX_WORDS, do_list },
    { "console", "NAME", "join a guest's console; Ctrl-] leaves it", 1, 1, do_console },
    { "pause", "NAME", "stop a guest's vCPUs", 1, 1, do_pause },
    { "unpause", "NAME", "let them run again", 1, 1, do_unpause },
    { "shutdown", "[-w] NAME", "ask a guest to power off (-w: and wait for it)", 1, 2, do_shutdown },
    { "reboot", "[NAME]", "ask a guest to reboot; without a name: restart the machine", 0, 1, do_reboot },
    { "destroy", "NAME", "end a guest at once", 1, 1, do_destroy },
    { "rename", "NAME NEW", "give a guest another name", 2, 2, verb_rename },
    { "uptime", "[NAME...]", "how long guests have been running", 0, MAX_WORDS, verb_uptime },
    { "mem-set", "NAME SIZE", "tell a guest how much memory to use (MiB; or with k, m, g)", 2, 2, verb_mem_set },
    { "mem-max", "NAME SIZE", "how much it may ever use", 2, 2, verb_mem_max },
    { "vcpu-list", "[NAME...]", "vCPUs and what they do", 0, MAX_WORDS, verb_vcpu_list },
    { "vcpu-set", "NAME COUNT", "tell a guest how many of its vCPUs to use", 2, 2, verb_vcpu_set },
    { "block-list", "NAME...", "a guest's disks", 1, MAX_WORDS, verb_block_list },
    { "block-attach", "NAME DISK", "give it a disk, named as in a configuration: phy:scratch,xvdb,w", 2, MAX_WORDS, verb_block_attach },
    { "block-detach", "NAME DEVICE [--force]", "take it away: xvdb, or its number", 2, 3, verb_block_detach },
    { "network-list", "NAME...", "a guest's network cards", 1, MAX_WORDS, verb_network_list },
    { "network-attach", "NAME [VIF]", "give it a card, as in a configuration: mac=...,bridge=br0", 1, MAX_WORDS, verb_network_attach },
    { "network-detach", "NAME DEVICE [--force]", "take it away: its number or its address", 2, 3, verb_network_detach },
    { "trigger", "NAME nmi [VCPU]", "what a button would do to a real machine", 2, 3, verb_trigger },
    { "sysrq", "NAME LETTER", "Linux's magic key", 2, 2, verb_sysrq },
    { "console-log", "NAME", "what a guest said last, also when it is gone", 1, 1, do_console_log },
    { "info", "", "the machine and its hypervisor", 0, 0, do_info },
    { "dmesg", "", "the hypervisor's log", 0, 0, do_dmesg },
    { "debug-keys", "KEYS", "press the hypervisor's debug keys; h lists them", 1, 1, do_debug_keys },
    { "ip", "[ADDRESS|none]", "dom0's own address on the bridge, and what came to it", 0, 1, verb_ip },
    { "disks", "", "the partitions of the disk and who uses them", 0, 0, do_disks },
    { "audit", "", "let the hypervisor recount every frame's references", 0, 0, do_audit },
    { "consoles", "on|off", "show guests' output here, line by line", 1, 1, do_consoles },
    { "wait", "NAME [SECONDS]", "until a guest has ended", 1, 2, do_wait },
    { "sleep", "SECONDS", "", 1, 1, do_sleep },
    { "cycle", "FILE TIMES [MS]", "create and destroy a guest so many times, and compare the free memory", 2, 3, do_cycle },
    { "echo", "TEXT...", "", 0, MAX_WORDS, do_echo },
    { "poweroff", "", "end all guests and switch the machine off", 0, 0, do_poweroff },
    { "help", "", "this list", 0, 0, do_help },
};

static bool do_help(int count, char **word) {
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
        if (commands[i].help[0])
            printk("  %-14s %-21s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    printk("\"xl\" may stand before a command. NAME is a guest's name or number.\n");
    return true;
}

/* --- lines --- */

static int split(char *line, char **word) {
    int count = 0;

    while (count < MAX_WORDS) {
        while (*line == ' ' || *line == '\t' || *line == '\r')
            *line++ = '\0';
        if (!*line || *line == '#')
            break;
        word[count++] = line;
        while (*line && *line != ' ' && *line != '\t' && *line != '\r')
            line++;
    }
    if (count < MAX_WORDS)
        *line = '\0';
    return count;
}

bool commands_run(char *line) {
    char *words[MAX_WORDS], **word = words;
    int count = split(line, words);

    if (count && !strcmp(word[0], "xl")) {
        word++;
        count--;
        if (!count)
            return do_help(0, NULL);
    }
    if (!count)
        return true;
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        const struct command *command = &commands[i];

        if (strcmp(command->name, word[0]))
            continue;
        if (count - 1 < command->least || count - 1 > command->most) {
            printk("Error: usage: %s %s\n", command->name, command->arguments);
            return false;
        }
        return command->run(count - 1, word + 1);
    }
    printk("Error: no command '%s'; \"help\" lists them\n", word[0]);
    return false;
}

void commands_script(const char *text, size_t size) {
    char line[LINE_BYTES];

    for (size_t at = 0; at < size;) {
        size_t length = 0;

        while (at < size && text[at] != '\n' && text[at] != ';' && text[at]) {
            if (length + 1 < sizeof(line))
                line[length++] = text[at];
            at++;
        }
        at++;
        line[length] = '\0';
        while (length && line[0] == ' ')
            memmove(line, line + 1, length--);
        if (!length)
            continue;
        printk("dom0> %s\n", line);
        commands_run(line);
        thread_yield();                 /* A script does not sleep between its lines; let the others see to events. */
    }
}

void commands_prompt(void) {
    char line[LINE_BYTES];

    for (;;) {
        terminal_read_line("dom0> ", line, sizeof(line));
        commands_run(line);
    }
}
