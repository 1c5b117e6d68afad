/* SPDX-License-Identifier: MIT */
/*
 * The console daemon (guests.h). The ring belongs to the guest as much as to us: indices are read
 * once and judged; a guest whose indices make no sense has no console any more, and that is all
 * that happens.
 */
#include "dom0/console/guests.h"
#include "dom0/account.h"
#include "dom0/console/limit.h"
#include "dom0/console/terminal.h"
#include "dom0/config/config.h"
#include "dom0/worker.h"
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <xen/io/console.h>

#define LOG_BYTES 16384u
#define LAST_WORDS_BYTES 8192u          /* Of a guest that is gone. */
#define LAST_WORDS 4u
#define LINE_BYTES 200u
#define DETACH 0x1d                     /* Ctrl-] */
/* More than an emulated line ever takes for a turn; a real one needs 22 ms, where it is waited for:
 * where the hypervisor does not say how far it is behind, or it has no interrupt. */
#define SLOW_NS (15 * NS_PER_MS)
#define REST 8u
/* Guests lose what nobody takes for a second; so none is left alone for longer than this. */
#define REST_MOST_NS (400 * NS_PER_MS)
#define DRAIN_NS (500 * NS_PER_MS)      /* For what a guest said before its end, and */
#define DRAIN_LOOKS 100u                /* so often then, without the terminal. */
#define CATCH_UP 3u                     /* Looks at what an operator has not seen. */
#define KEYS 256u                       /* That wait for a guest without room for them, */
#define PATIENCE_NS NS_PER_S            /* and so long, when there are as many. */

struct guest_console {
    struct guest_console *next;
    char name[CONFIG_MAX_NAME + 1];
    domid_t domid;
    struct xencons_interface *ring;
    evtchn_t port;
    bool broken, closed;
    bool attached, passing;             /* An operator; and he has seen all before. */
    struct turn turn;
    struct limit limit;
    uint64_t left_alone;                /* Since then, for the terminal has no room. */
    uint64_t drained_by;                /* 0: it lives; else until then, or when so much */
    size_t drained_at;                  /* is logged. */
    unsigned drain_looks;               /* Since then. */
    /* Without an event of the guest's: at what is missing, at what waits. */
    struct timer look;
    char line[LINE_BYTES];              /* Not yet ended, for the terminal. */
    unsigned line_size;
    char log[LOG_BYTES];
    size_t logged;                      /* In all; the log holds the last LOG_BYTES of it. */
};

static struct guest_console *consoles;
static struct last_words {
    char name[CONFIG_MAX_NAME + 1];
    size_t size;
    char text[LAST_WORDS_BYTES];
} last_words[LAST_WORDS];
/* Guests, in all; the newest is at (departed - 1) % LAST_WORDS. */
static unsigned departed;
static bool show;
static uint64_t terminal_rests;         /* Until then, from guests. */
/* A key that was typed, and the guest that is to echo it. */
static struct {
    struct guest_console *console;
    char key;
    bool echoed;
    struct wait_queue wait;
} typed = { .wait = { LIST_INIT(typed.wait.waiters) } };

static void console_event(evtchn_t port, void *data)
{
    event_hold(port);
    turns_mark(data);
}

/* --- output --- */

static void look_at(struct guest_console *console, uint64_t when)
{
    timer_set(&console->look, when, turns_wake, &console->turn);
}

/* Once it may speak again, or is gone: how much of what it said was not seen here. */
static void say_what_is_missing(struct guest_console *console, bool anyway)
{
    uint64_t lines = limit_missing(&console->limit, anyway, now_ns());

    if (lines)
        printk("console: %lu line%s of %s dropped\n", (unsigned long)lines, lines == 1 ? "" : "s",
               console->name);
    else if (limit_due(&console->limit))
        look_at(console, limit_due(&console->limit));
}

static void show_line(struct guest_console *console)
{
    char text[LINE_BYTES + sizeof(console->name) + 8];
    size_t begin = strlen(console->name) + sizeof("() ") - 1;
    size_t size = begin + console->line_size + 1;

    if (limit_line(&console->limit, size, now_ns())) {
        snprintf(text, sizeof(text), "(%s) ", console->name);
        memcpy(text + begin, console->line, console->line_size);        /* It may have NULs. */
        text[size - 1] = '\n';
        terminal_write(text, size);
    }
    console->line_size = 0;
}

static void take_byte(struct guest_console *console, char c)
{
    console->log[console->logged++ % LOG_BYTES] = c;
    if (typed.console == console && typed.key == c) {
        typed.echoed = true;
        wake_all(&typed.wait);
    }
    if (!show || console->attached) {
        console->line_size = 0;
        return;
    }
    if (c == '\n' || console->line_size == LINE_BYTES)
        show_line(console);
    if (c != '\n' && c != '\r')
        console->line[console->line_size++] = c;
}

/* As so many bytes the end of a line counts that is shown: with a name before it, in a write of its
 * own. */
#define BYTES_OF_A_LINE 64u

static size_t cost_of(const struct guest_console *console, char c)
{
    return c == '\n' && show && !console->attached ? BYTES_OF_A_LINE : 1;
}

/* Takes at most so many bytes, as they cost; true: there are more. */
static bool take(struct guest_console *console, size_t most)
{
    struct xencons_interface *ring = console->ring;
    XENCONS_RING_IDX prod, cons = ring->out_cons;
    char taken[sizeof(ring->out)];
    size_t size = 0, spent = 0;

    if (console->broken) return false;
    event_rearm(console->port);
    prod = READ_ONCE(ring->out_prod);
    rmb();
    if (prod == cons) return false;
    if (prod - cons > sizeof(ring->out)) {
        printk("console: domain %u broke its ring; it has no console any more\n",
               (unsigned)console->domid);
        console->broken = true;
        return refused(false);
    }
    while (cons != prod && spent < most) {
        taken[size] = ring->out[MASK_XENCONS_IDX(cons++, ring->out)];
        spent += cost_of(console, taken[size++]);
    }
    /* We have the bytes before the guest may write over them. */
    mb();
    WRITE_ONCE(ring->out_cons, cons);
    event_send(console->port);
    for (size_t i = 0; i < size; i++)
        take_byte(console, taken[i]);
    if (console->passing)
        terminal_pass(taken, size);
    return cons != prod;
}

/* Its last words have had their time, and keep nobody any longer. */
static bool is_hurried(const struct guest_console *console, uint64_t now)
{
    return console->drained_by && now >= console->drained_by;
}

/* An attached operator's terminal is not flooded; what it does not take now stays with the
 * guest. */
static bool listen(struct guest_console *console, unsigned budget)
{
    size_t waiting = MIN(READ_ONCE(console->ring->out_prod) - console->ring->out_cons, budget),
           most = waiting;

    if (!is_hurried(console, now_ns()))         /* Or it would be heard again. */
        say_what_is_missing(console, false);
    if (console->passing)
        most = limit_attached(&console->limit, waiting, now_ns());
    if (most == waiting) return take(console, budget);
    look_at(console, now_ns() + LIMIT_PACE_NS);
    take(console, most);
    return false;
}

/* Does anything of what it says go to the terminal? What goes to its log need not wait. */
static bool is_heard(const struct guest_console *console)
{
    return console->passing || (show && !console->attached && !limit_due(&console->limit));
}

/* Whoever writes to a terminal that is behind (a real serial line) waits, and all of dom0 with him.
 * So guests, who would be behind for as long as they like, wait until there is room; or, where that
 * is not known, leave it alone for many times as long as one of them has waited. */
static bool is_left_alone(struct guest_console *console, uint64_t now)
{
    if (!is_heard(console) || (now >= terminal_rests && terminal_has_room())) return false;
    if (is_hurried(console, now)) return false;
    if (!console->left_alone)
        console->left_alone = now;
    return now - console->left_alone < REST_MOST_NS;
}

static bool serve(void *owner, unsigned budget)
{
    struct guest_console *console = owner;
    uint64_t begin = now_ns(), end;
    bool more;

    if (is_left_alone(console, begin)) {
        look_at(console, MAX(terminal_rests, begin + LIMIT_PACE_NS));
        return false;
    }
    console->left_alone = 0;
    more = listen(console, budget);
    end = now_ns();
    if (end - begin > SLOW_NS)
        terminal_rests = end + MIN(REST * (end - begin), REST_MOST_NS);
    return more;
}

/*
 * When there is no more time, the terminal is not waited for: who would write there is hushed. Then
 * a few turns take all that the ring has; more looks than that are for somebody who writes there a
 * byte at a time. Looks, not time: others may have the CPU.
 */
bool guest_console_is_drained(struct guest_console *console)
{
    const struct xencons_interface *ring = console->ring;
    uint64_t now = now_ns();

    if (!console->drained_by) {
        console->drained_by = now + DRAIN_NS;
        console->drained_at = console->logged + sizeof(ring->out);
        console->drain_looks = 0;
    }
    if (console->broken || console->logged >= console->drained_at ||
        console->drain_looks == DRAIN_LOOKS || READ_ONCE(ring->out_prod) == ring->out_cons) {
        console->drained_by = 0;
        return true;
    }
    if (is_hurried(console, now)) {
        limit_hush(&console->limit, now);
        console->drain_looks++;
    }
    turns_mark(&console->turn);
    return false;
}

void guest_console_goes_on(struct guest_console *console)
{
    console->drained_by = 0;
}

/* --- life --- */

void guest_consoles_show(bool on)
{
    show = on;
}

bool guest_consoles_shown(void)
{
    return show;
}

static void free_console(struct guest_console *console)
{
    account_credit(console->domid, HELD_CONSOLE, sizeof(*console));
    free(console);
}

static void share_terminal(void)
{
    unsigned guests = 0;

    for (const struct guest_console *console = consoles; console; console = console->next)
        guests++;
    for (struct guest_console *console = consoles; console; console = console->next)
        limit_share(&console->limit, guests, now_ns());
}

int guest_console_open(domid_t domid, const char *name, unsigned long mfn, evtchn_port_t port,
                       struct guest_console **opened)
{
    struct guest_console *console = calloc(1, sizeof(*console));
    int bound = console ? account_add(domid, HELD_CONSOLE, sizeof(*console)) : refused(-ENOMEM);

    if (bound) {
        free(console);
        return bound;
    }
    strlcpy(console->name, name, sizeof(console->name));
    console->domid = domid;
    console->ring = map_frames(&mfn, 1, PROT_RW, domid, NULL);
    if (IS_ERR(console->ring)) {
        int error = (int)PTR_ERR(console->ring);

        free_console(console);
        return error;
    }
    bound = turns_join(&console->turn, TURN_CONSOLE, domid, serve, console);
    if (!bound)
        bound = event_bind_interdomain(domid, port, console_event, &console->turn);
    if (bound < 0) {
        turns_leave(&console->turn);
        unmap_frames(console->ring, 1);
        free_console(console);
        return bound;
    }
    console->port = (evtchn_t)bound;
    limit_init(&console->limit, now_ns());
    console->next = consoles;
    consoles = console;
    share_terminal();
    turns_mark(&console->turn);
    *opened = console;
    return 0;
}

void guest_console_rename(struct guest_console *console, const char *name)
{
    strlcpy(console->name, name, sizeof(console->name));
}

/* A crash is asked about when its guest is gone: memory set aside, so that nothing seems to
 * leak. */
static void keep_last_words(const struct guest_console *console)
{
    struct last_words *words = &last_words[departed++ % LAST_WORDS];
    size_t size = MIN(console->logged, (size_t)LAST_WORDS_BYTES), at = console->logged - size;

    strlcpy(words->name, console->name, sizeof(words->name));
    for (words->size = 0; words->size < size; at++)
        words->text[words->size++] = console->log[at % LOG_BYTES];
}

void guest_console_close(struct guest_console *console)
{
    struct guest_console **link = &consoles;

    event_unbind(console->port);
    timer_cancel(&console->look);
    worker_leave(&console->turn);
    if (console->line_size)
        show_line(console);
    say_what_is_missing(console, true);
    keep_last_words(console);
    while (*link != console)
        link = &(*link)->next;
    *link = console->next;
    share_terminal();
    unmap_frames(console->ring, 1);
    console->closed = true;
    if (typed.console == console) {
        typed.console = NULL;
        wake_all(&typed.wait);
    }
    /* Else the attached operator's loop sees it and frees it. */
    if (!console->attached)
        free_console(console);
}

/* --- the attached operator --- */

/* Puts what it has room for of the keys into the guest's ring; what is left of them. */
static size_t put_input(struct guest_console *console, char *keys, size_t count)
{
    struct xencons_interface *ring = console->ring;
    XENCONS_RING_IDX begin, prod, filled;
    size_t put = 0;

    if (console->closed || console->broken) return 0;
    begin = prod = ring->in_prod;
    filled = begin - READ_ONCE(ring->in_cons);
    if (filled > sizeof(ring->in))
        return refused(0u);             /* It lies about what it has read: its loss. */
    mb();                               /* It has read what we write over. */
    while (put < count && filled++ < sizeof(ring->in))
        ring->in[MASK_XENCONS_IDX(prod++, ring->in)] = keys[put++];
    wmb();
    WRITE_ONCE(ring->in_prod, prod);
    if (prod != begin)
        event_send(console->port);
    memmove(keys, keys + put, count - put);
    return count - put;
}

bool guest_console_type(struct guest_console *console, char key, uint64_t patience)
{
    if (typed.console || console->broken) return false;
    typed.console = console;
    typed.key = key;
    typed.echoed = false;
    /* It may be gone when we wake up: then nobody looks at it any more. */
    if (put_input(console, &key, 1) == 0)
        (void)wait_event_timeout(typed.wait, typed.echoed || !typed.console, patience);
    typed.console = NULL;
    return typed.echoed;
}

/* The log as it is now: while the operator is shown it, the guest may say more, and end. */
static char log_now[LOG_BYTES];

/* Of what it has said, the last that the log has, but not what is before `from`; how much. */
static size_t copy_log(const struct guest_console *console, size_t from)
{
    size_t size = 0;

    if (console->logged - from > LOG_BYTES)
        from = console->logged - LOG_BYTES;
    while (from < console->logged)
        log_now[size++] = console->log[from++ % LOG_BYTES];
    return size;
}

static size_t copy_last_words(const struct last_words *words)
{
    memcpy(log_now, words->text, words->size);
    return words->size;
}

bool guest_console_show_log(const char *name)
{
    size_t size = 0;
    bool found = false;

    for (const struct guest_console *console = consoles; console && !found; console = console->next)
        if ((found = !strcmp(console->name, name)))
            size = copy_log(console, 0);
    for (unsigned back = 1; back <= MIN(departed, LAST_WORDS) && !found; back++) {
        const struct last_words *words = &last_words[(departed - back) % LAST_WORDS];

        if ((found = !strcmp(words->name, name)))
            size = copy_last_words(words);
    }
    if (!found) return false;
    terminal_show(terminal_write, log_now, size);
    terminal_write("\n", 1);
    return true;
}

/* What was typed goes behind what waits. True: the key that brings him back. */
static bool take_keys(char *keys, size_t *waiting)
{
    /* Now and then: is the guest still there, has it room? */
    size_t count = terminal_keys(keys + *waiting, KEYS - *waiting,
                                 (*waiting ? 10 : 200) * NS_PER_MS);
    const char *detach = memchr(keys + *waiting, DETACH, count);

    *waiting = detach ? (size_t)(detach - keys) : *waiting + count;
    return detach;
}

/* Its log, then what it has said meanwhile; one that says more than the terminal takes has a gap
 * there. From then on all goes through at once. */
static void catch_up(struct guest_console *console)
{
    size_t seen = 0;

    for (unsigned i = 0; i < CATCH_UP && seen < console->logged; i++) {
        size_t size = copy_log(console, seen);

        seen = console->logged;
        terminal_show(terminal_pass, log_now, size);
    }
    console->passing = true;
}

/* A guest that reads slowly has all of a pasted text; one that does not read loses it, and holds
 * nobody. */
void guest_console_attach(struct guest_console *console)
{
    bool detached = false;
    char keys[KEYS];
    size_t waiting = 0, left;
    uint64_t moved = 0;                 /* When the guest last took a key, or there was none. */

    printk("Console of %s: Ctrl-] brings you back.\n", console->name);
    console->attached = true;
    catch_up(console);
    while (!detached && !console->closed) {
        if (waiting < sizeof(keys))
            detached = take_keys(keys, &waiting);
        else if (now_ns() - moved < PATIENCE_NS)
            thread_sleep(10 * NS_PER_MS);
        else
            waiting = 0;
        left = put_input(console, keys, waiting);
        if (left < waiting || !left)
            moved = now_ns();
        waiting = left;
    }
    console->attached = console->passing = false;
    printk("\n%s\n", console->closed ? "The guest is gone." : "Detached.");
    if (console->closed)
        free_console(console);
}
