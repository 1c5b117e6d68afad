/* SPDX-License-Identifier: MIT */
/*
 * dom0's toolstack at work: its commands, its XenStore, its threads and turns as they are, on the
 * machine of toolstack_host.h. tests/unit/toolstack.txt is a session as an operator sees it, with
 * all that the toolstack asks of hypervisor, builder and back ends (lines with #), and what guests
 * do meanwhile (lines with !, see struct action). It is played, and what comes out is the same,
 * line by line; DOMUS_SESSION=FILE writes what came out. Whatever can fail while a guest is made
 * or gets a device fails there, too, one after the other: nothing is left of it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "threads_host.h"
#include "dom0/account.h"
#include "dom0/base.h"
#include "dom0/console/guests.h"
#include "dom0/console/terminal.h"
#include "dom0/guests/domains.h"
#include "dom0/guests/move.h"
#include "dom0/guests/saved.h"
#include "dom0/network/br0.h"
#include "dom0/storage/disks.h"
#include "dom0/worker.h"
#include "dom0/xc/control.h"
#include "dom0/xenstore/rings.h"
#include "dom0/xl/address.h"
#include "dom0/xl/commands.h"
#include <drivers/blkback.h>
#include <drivers/netback.h>
#include <pvguest/xenstore.h>
#include <xen/io/console.h>

#include "toolstack_host.h"
#include "toolstack_devices_host.h"

/* --- saving: tests/unit/test_save.c ---------------------------------------------------------- */

int saved_save(const char *name, const char *target, bool go_on, bool over,
               bool (*give_up)(void), struct problem *problem)
{
    return problem_set(problem, -ENODEV, "%s to %s%s%s", name, target, go_on ? ", and go on" : "",
                       over ? ", over another" : "");
}

int saved_restore(const char *file, const char *target, bool paused, struct domain **made,
                  struct problem *problem)
{
    return problem_set(problem, -ENODEV, "%s from %s%s", file ? file : "its own", target,
                       paused ? ", paused" : "");
}

/* dom0/save/hands.h; its guest is not ours. */
static domid_t suspended;

int guest_of(domid_t domid, void *guest);
int guest_go_on(void *guest);

int guest_of(domid_t domid, void *guest)
{
    suspended = domid;
    return fails() ? -EPERM : 0;
}

int guest_go_on(void *guest)
{
    if (fails()) return -ENOMEM;
    say("# go on %u\n", suspended);
    guests[suspended].info.flags = 0;
    return 0;
}

int move_send(const char *name, uint32_t address, bool live, bool (*give_up)(void),
              struct move_told *told, struct problem *problem)
{
    return problem_set(problem, -ENODEV, "%s to %x%s", name, address, live ? ", live" : "");
}

static bool taken;
static uint32_t taken_from;

int move_take(uint32_t only)
{
    taken = true;
    taken_from = only;
    return 0;
}

void move_refuse(void)
{
    taken = false;
}

bool move_takes(uint32_t *from)
{
    *from = taken_from;
    return taken;
}

/* --- the boot archive ------------------------------------------------------------------------- */

static uint8_t image[64 * 1024];
static struct archive archive = { .bytes = image };

static void add_file(const char *name, const char *content, size_t size)
{
    uint8_t *header = image + archive.size;
    unsigned sum = 0;

    assert_true(archive.size + 512 + size + 1024 < sizeof image);
    strcpy((char *)header, name);
    sprintf((char *)header + 124, "%011o", (unsigned)size);
    header[156] = '0';
    memcpy(header + 257, "ustar\00000", 8);
    memset(header + 148, ' ', 8);
    for (unsigned i = 0; i < 512; i++)
        sum += header[i];
    sprintf((char *)header + 148, "%06o", sum);
    memcpy(header + 512, content, size);
    archive.size += 512 + (size + 511) / 512 * 512;
}

/* --- what guests do --------------------------------------------------------------------------- */

static void record(void)
{
    const char *name = getenv("DOMUS_SESSION");
    FILE *file = name ? fopen(name, "w") : NULL;

    if (!file) return;
    fwrite(transcript, 1, transcript_size, file);
    fclose(file);
}

static void assert_same(const char *said, const char *expected)
{
    unsigned line = 1;
    int is, was;

    for (;; line++, said += is + 1, expected += was + 1) {
        is = (int)strcspn(said, "\n");
        was = (int)strcspn(expected, "\n");
        if (is != was || memcmp(said, expected, (size_t)is) || !said[is] != !expected[was])
            fail_msg("line %u: expected\n%.*s\nand not\n%.*s", line, was, expected, is, said);
        if (!said[is]) return;
    }
}

/* All others have done what there was for them. */
static void settle(void)
{
    for (unsigned i = 0; i < 300; i++)
        thread_yield();
}

static struct guest *guest_called(const char *number)
{
    return &guests[strtoul(number, NULL, 10)];
}

static void end_guest(char **word)
{
    struct guest *guest = guest_called(word[1]);

    guest->info.flags |= XEN_DOMINF_shutdown |
                         (uint32_t)strtoul(word[2], NULL, 10) << XEN_DOMINF_shutdownshift;
    ring(2);
}

static void speak(char **word)
{
    guest_says(guest_called(word[1]), word[2]);
    guest_says(guest_called(word[1]), "\n");
}

/* Without telling anybody. */
static void mutter(char **word)
{
    deaf = true;
    speak(word);
    deaf = false;
}

static void echo(char **word)
{
    guest_called(word[1])->echoes = true;
}

static void write_node(char **word)
{
    assert_int_equal(xs_write(XS_NONE, word[1], word[2], strlen(word[2])), 0);
}

static void remove_node(char **word)
{
    assert_int_equal(xs_rm(XS_NONE, word[1]), 0);
}

static void show_node(const char *path, unsigned depth)
{
    char *value = xs_read(XS_NONE, path, NULL), **permission, **child, below[200];
    unsigned count;

    assert_false(IS_ERR(value));
    permission = xs_get_permissions(XS_NONE, path, &count);
    say("%*s%s = \"%s\"  (", (int)depth * 2, "", depth ? strrchr(path, '/') + 1 : path, value);
    for (unsigned i = 0; i < count; i++)
        say("%s%s", i ? "," : "", permission[i]);
    say(")\n");
    free(value);
    free(permission);
    child = xs_directory(XS_NONE, path, &count);
    for (unsigned i = 0; i < count; i++) {
        snprintf(below, sizeof below, "%s/%s", strcmp(path, "/") ? path : "", child[i]);
        show_node(below, depth + 1);
    }
    free(child);
}

static void set_flags(char **word)
{
    struct guest *guest = guest_called(word[1]);

    guest->here = true;
    guest->info.flags = (uint32_t)strtoul(word[2], NULL, 16);
}

static void forget(char **word)
{
    guest_called(word[1])->here = false;
}

static void show_store(char **word)
{
    show_node(word[1], 0);
}

static struct back *back_of(const char *end)
{
    struct back *back = backs;

    while (back && strcmp(back->backend.back + strlen(back->backend.back) - strlen(end), end))
        back = back->next;
    assert_non_null(back);
    return back;
}

/* vbd/1/51712: its ring has an event. */
static void traffic(char **word)
{
    struct back *back = back_of(word[1]);

    if (back->net)
        back->port.wake(back->port.waker);
    else
        back->wake(back->waker);
}

static void busy(char **word)
{
    back_of(word[1])->work = true;
}

static void broken(char **word)
{
    back_of(word[1])->broken = true;
    traffic(word);
}

static void in_flight(char **word)
{
    back_of(word[1])->in_flight = (unsigned)strtoul(word[2], NULL, 10);
}

static void being_moved(char **word)
{
    domains_find(word[1])->saving = word[2][0] == '1';
}

static void moved(char **word)
{
    struct back *back = back_of(word[1]);
    char *rest;
    uint64_t out = strtoul(word[2], &rest, 10), in = strtoul(rest, NULL, 10);

    back->port.bytes_received += out * 1024;
    back->port.bytes_sent += in * 1024;
    back->counters.sectors_written += out * 2;
    back->counters.sectors_read += in * 2;
}

static void ran(char **word)
{
    guest_called(word[1])->info.cpu_time += strtoul(word[2], NULL, 10) * NS_PER_MS;
}

static void frame(char **word)
{
    uint8_t bytes[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    struct netport *port = &back_of(word[1])->port;

    memcpy(bytes + 6, port->mac, 6);
    bytes[11] ^= (uint8_t)strtoul(word[2], NULL, 10);
    port->frames_received++;
    port->receive(port, bytes, sizeof bytes, 0);
    port->received(port);
}

static void let_fail(char **word)
{
    calls_until_failure = (unsigned)strtoul(word[1], NULL, 10);
}

static void clock_on(char **word)
{
    uint64_t until = now_ns() + strtoul(word[1], NULL, 10) * NS_PER_MS;

    while (now_ns() < until)
        thread_sleep(until - now_ns());
}

static void type_ahead(char **word)
{
    strcpy(keys, word[1]);
    if (keys[0] == '^')
        strcpy(keys, "\003");
    if (keys[0] == ']')
        strcpy(keys, "\035");
}

static void again(char **word)
{
    answers_again = 3;
}

static void audit_says(char **word)
{
    audit_result = strtol(word[1], NULL, 10);
}

static size_t left_of_dom0 = 2 * ACCOUNT_RESERVE;

static size_t memory_left(void)
{
    return left_of_dom0;
}

static void leave(char **word)
{
    left_of_dom0 = strtoul(word[1], NULL, 10);
}

/* What is held, of everything. */
static void show_held(char **word)
{
    say("ports %u, mapped %u", ports_bound(), mapped);
    for (unsigned i = 0; i < 2; i++)
        say(", %s %u/%u", partitions[i].name, partitions[i].writers, partitions[i].readers);
    for (unsigned i = 0; i < DOMAINS; i++)
        if (guests[i].here || turns_of((domid_t)i) || account_held((domid_t)i, HELD_DEVICES))
            say("; %u: %u services, devices %d, console %d, ring %d", i,
                turns_of((domid_t)i) ? turns_of((domid_t)i)->services : 0,
                account_held((domid_t)i, HELD_DEVICES) > 0,
                account_held((domid_t)i, HELD_CONSOLE) > 0,
                account_held((domid_t)i, HELD_RING) > 0);
    say("\n");
}

/* All that could be left of something, as text behind what was said; the caller cuts it off. */
static const char *what_is_left(void)
{
    size_t begin = transcript_size;

    show_held(NULL);
    show_node("/", 0);
    return transcript + begin;
}

/*
 * The command while the n-th `count`down ends in a failure, for each n until none does; `undo` when
 * it succeeds all the same. Nothing is left; its complaints are said, each once.
 */
static void let_all_fail(unsigned *count, const char *command, const char *undo)
{
    static char before[sizeof transcript], said[8192];
    size_t begin = transcript_size;
    bool failed = true;

    strcpy(before, what_is_left());
    said[0] = 0;
    for (unsigned n = 1; failed; n++) {
        transcript[transcript_size = begin] = 0;
        *count = n;
        commands_script(command, strlen(command));
        failed = *count == 0;
        *count = 0;
        settle();
        for (char *at = transcript + begin; (at = strstr(at, "\nError: ")); at++) {
            char line[400];

            snprintf(line, sizeof line, "%.*s\n", (int)strcspn(at + 1, "\n"), at + 1);
            if (!strstr(said, line))
                strcat(said, line);
        }
        if (!strstr(transcript + begin, "\nError: "))
            commands_script(undo, strlen(undo));
        settle();
        transcript[transcript_size = begin] = 0;
        assert_same(what_is_left(), before);
    }
    transcript[transcript_size = begin] = 0;
    say("%s", said);
}

static void fail_everywhere(char **word)
{
    char *command = word[2], *undo = strchr(command, '|');

    *undo++ = 0;
    let_all_fail(strcmp(word[1], "memory") ? &calls_until_failure : &allocations_until_failure,
                 command, undo);
}

static void do_soon(char **word);

static const struct action { const char *name; void (*act)(char **word); } actions[] = {
    { "ends", end_guest },              /* NUMBER REASON */
    { "says", speak },                  /* NUMBER TEXT */
    { "mutters", mutter },              /* NUMBER TEXT: without an event */
    { "echoes", echo },                 /* NUMBER: what is typed there */
    { "write", write_node },            /* PATH VALUE: the guest does, or a neighbour */
    { "rm", remove_node },
    { "flags", set_flags },             /* NUMBER FLAGS, as the hypervisor has them; a new one's */
    { "forget", forget },               /* NUMBER: it is there no more */
    { "store", show_store },            /* PATH */
    { "held", show_held },
    { "traffic", traffic },             /* BACK END, the end of its path */
    { "busy", busy },                   /* BACK END: has more than a turn's work */
    { "broken", broken },               /* BACK END: finds that its ring lies */
    { "flying", in_flight },            /* BACK END COUNT */
    { "moves", being_moved },           /* NAME 1 or 0 */
    { "moved", moved },                 /* BACK END KIB KIB: from the guest, and to it */
    { "ran", ran },                     /* NUMBER MILLISECONDS */
    { "frame", frame },                 /* BACK END BITS: one comes, from its address or another */
    { "fail", let_fail },               /* COUNT: the call that fails */
    { "all", fail_everywhere },         /* calls or memory, COMMAND|UNDO */
    { "time", clock_on },               /* MILLISECONDS */
    { "keys", type_ahead },             /* TEXT, ^ for Ctrl-C, ] for Ctrl-] */
    { "again", again },                 /* destroy answers EAGAIN three times */
    { "audit", audit_says },            /* RESULT */
    { "left", leave },                  /* BYTES: of dom0's memory */
    { "soon", do_soon },                /* ACTION: in a tenth of a second */
};

static void act(char *line)
{
    char *word[4] = { NULL }, *rest = line + 1;

    for (unsigned i = 0; i < 3 && *(rest += strspn(rest, " ")); i++) {
        word[i] = rest;
        rest += i < 2 ? strcspn(rest, " ") : strlen(rest);
        if (*rest)
            *rest++ = 0;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(actions); i++)
        if (!strcmp(actions[i].name, word[0])) {
            actions[i].act(word);
            return;
        }
    fail_msg("no action '%s'", word[0]);
}

static char soon[4][200];
static unsigned soon_count;

static void later(void *line)
{
    thread_sleep(100 * NS_PER_MS);
    say("# now:%s\n", (char *)line + 1);
    act(line);
}

static void do_soon(char **word)
{
    char *line = soon[soon_count++ % ARRAY_SIZE(soon)];

    snprintf(line, sizeof soon[0], ". %s %s", word[1], word[2]);
    assert_non_null(thread_create("soon", later, line));
}

/* --- dom0 ------------------------------------------------------------------------------------- */

static unsigned card_turns;

static bool card_serve(struct netport *port, unsigned budget)
{
    say("# the card is served: %u\n", budget);
    return ++card_turns % 2;
}

static struct netport card = { .name = "card", .mac = { 0x52, 0x54, 0, 1, 2, 3 }, .send = net_send,
                               .flush = net_flush, .serve = card_serve };

static void card_event(void)
{
    card.wake(card.waker);
}

static void configure(void)
{
    static const char full[] =
        "name = 'full'\nkernel = 'kernel'\nramdisk = 'ramdisk'\nextra = 'a \"b\" c'\n"
        "memory = 64\nmaxmem = 128\nvcpus = 3\nmaxvcpus = 4\ncpu_weight = 512\n"
        "cap = 150\ncpus = [ '0-2', '1' ]\n"
        "uuid = '00112233-4455-6677-8899-aabbccddeeff'\n"
        "disk = [ 'phy:root,xvda,w,no-discard,untrusted', 'phy:home,xvdb:cdrom,r' ]\n"
        "vif = [ 'mac=00:16:3e:00:00:01,rate=1Mb/s', "
        "'bridge=br0,ip=10.0.0.5,vifname=tap,mtu=1400,untrusted' ]\n"
        "on_poweroff = 'preserve'\non_reboot = 'destroy'\non_crash = 'restart'\n"
        "on_watchdog = 'preserve'\non_soft_reset = 'destroy'\n"
        "max_grant_frames = 16\nmax_maptrack_frames = 17\n";
    static const char plain[] = "name = 'plain'\nkernel = 'kernel'\nmemory = 8\nvcpus = 2\n"
                                "on_reboot = 'restart'\n";

    add_file("full.cfg", full, sizeof full - 1);
    add_file("plain.cfg", plain, sizeof plain - 1);
    add_file("kernel", "KERNEL", 6);
    add_file("short", "NO", 2);
    add_file("bare.elf", "\177ELF", 4);
    add_file("ramdisk", "RAMDISK", 7);
    add_file("damaged", "\x1f\x8b\x08\0\0\0\0\0\0\3nonsense", 18);
}

static int start_dom0(void **state)
{
    configure();
    console_output = append;
    terminal_start();
    start_threads();
    shared_info.wc_sec = 1700000000;
    guests[0].here = true;
    guests[0].weight = 300;
    guests[0].vcpus = 1;
    guests[0].info = (struct xen_domctl_getdomaininfo){ .flags = XEN_DOMINF_running,
                                                        .tot_pages = 2560,
                                                        .nr_online_vcpus = 1,
                                                        .cpu_time = 5000000000 };
    account_start(memory_left);
    assert_int_equal(workers_start(), 0);
    assert_int_equal(xenstore_start(&xenstore_rings), 0);
    assert_int_equal(xenstore_local_start(), 0);
    assert_int_equal(xs_printf(XS_NONE, "/local/domain/0", "name", "Domain-0"), 0);
    assert_int_equal(br0_start(&card), 0);
    assert_int_equal(address_start(&card, "10.0.2.10"), 0);
    now_there = &archive;
    stacks_left = 0;
    assert_int_equal(domains_start(&archive), -ENOMEM);
    stacks_left = ~0u;
    assert_int_equal(domains_start(&archive), 0);
    settle();
    return 0;
}

/* --- the session ------------------------------------------------------------------------------ */

static char *expected_text;


static void read_session(void)
{
    FILE *file = fopen("tests/unit/toolstack.txt", "r");
    size_t size = 0;

    assert_non_null(file);
    expected_text = calloc(1, sizeof transcript);
    size = fread(expected_text, 1, sizeof transcript - 1, file);
    assert_true(size < sizeof transcript - 1);
    fclose(file);
}

/* Whoever had the toolstack's lock has given it back; or that is said. */
static bool asks;

static void ask_for_the_lock(void *unused)
{
    struct problem problem;

    assert_null(domains_lock("nobody at all", &problem));
    asks = false;
}

static void see_whether_it_is_free(void)
{
    if (!asks)
        asks = thread_create("asks", ask_for_the_lock, NULL);
    settle();
    if (asks)
        say("# the toolstack is busy\n");
}

/* Nobody comes back from there. */
static void power_off(void *unused)
{
    commands_script("poweroff", 8);
}

/* One line of the session that somebody says or does. */
static void play(const char *line, size_t size)
{
    char copy[2048];

    snprintf(copy, sizeof copy, "%.*s", (int)size, line);
    if (copy[0] == '!') {
        say("%s\n", copy);
        if (!strcmp(copy, "! card"))
            card_event();
        else
            act(copy);
    } else if (!strcmp(copy, "dom0> poweroff")) {
        assert_non_null(thread_create("the last", power_off, NULL));
    } else {
        commands_script(copy + strlen("dom0> "), strlen(copy) - strlen("dom0> "));
    }
    settle();
    see_whether_it_is_free();
    record();
}

static void a_session(void **state)
{
    read_session();
    for (const char *at = expected_text, *end; (end = strchr(at, '\n')); at = end + 1)
        if (*at == '!' || !strncmp(at, "dom0> ", 6))
            play(at, (size_t)(end - at));
        else if (*at == ';')
            say("%.*s", (int)(end + 1 - at), at);
    assert_same(transcript, expected_text);
    free(expected_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session),
    };

    return cmocka_run_group_tests(tests, start_dom0, NULL);
}
