/* SPDX-License-Identifier: MIT */
/*
 * The terminal (terminal.h). All output of this image comes through terminal_write(), by the SDK's
 * console_output hook; so it knows when somebody speaks into the middle of the operator's line,
 * gives him a line of his own, and shows the operator's again at the next key. (At the next key,
 * not at once: a script that waits for the prompt shall not see one that does not belong to its
 * command.)
 *
 * Guests, and whoever wrote a guest's configuration, have a hand in much of what is said here:
 * their lines and logs, names, what is wrong in a file. A terminal obeys such text: it moves,
 * erases, and some type an answer, as if the operator had. So of control characters only ends of
 * lines and tabs get through; what an attached guest does to the terminal is between it and him.
 */
#include "dom0/console/terminal.h"
#include "dom0/console/line.h"
#include "dom0/turns.h"
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <abi/domus.h>

/* One call holds the hypervisor's console lock throughout. */
#define PIECE 512u
/* Bytes for which the line may be behind, before a guest's are added (the operator's next key is
 * echoed behind them), and before more of a long text is. */
#define GUESTS_BEHIND 2048u
#define SHOWN_BEHIND 8192u
#define LOOK_NS (5 * NS_PER_MS)
#define SHOWN 256u                      /* At once, of a long line; as a console's turn has. */
#define AHEAD_BYTES 4096u               /* Typed while nobody read. */

#define CONTROL_C 3

static struct {
    bool active, echo;              /* The operator edits; what comes now is his own echo. */
    bool interrupted;
    struct line line;
    const char *(*known)(size_t n, const char *command);
} editor;

static struct {
    char keys[AHEAD_BYTES];
    size_t count;
    bool interrupted;
} ahead;

static void raw_write(const char *bytes, size_t size)
{
    HYPERVISOR_console_io(CONSOLEIO_write, (unsigned)size, (char *)(uintptr_t)bytes);
}

void terminal_pass(const char *bytes, size_t size)
{
    if (editor.active && !editor.echo && !editor.interrupted) {
        raw_write("\n", 1);
        editor.interrupted = true;
    }
    while (size) {
        size_t piece = MIN(size, (size_t)PIECE);

        raw_write(bytes, piece);
        bytes += piece;
        size -= piece;
    }
}

/* Behind `before`: the codes of 0x80 to 0x9f are commands, too, as UTF-8 writes them or alone;
 * behind other bytes than these they are part of a letter. */
static bool is_command(unsigned char c, unsigned char before)
{
    if (c < ' ') return c != '\n' && c != '\t';
    return c == 0x7f || (c >= 0x80 && c <= 0x9f && (before == 0xc2 || before < 0x80));
}

void terminal_write(const char *bytes, size_t size)
{
    static char before;                 /* Of what has gone out. */
    char text[PIECE];
    size_t used = 0;

    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\r') {         /* The end of a line is enough. */
            before = is_command((unsigned char)bytes[i], (unsigned char)before) ? '?' : bytes[i];
            text[used++] = before;
        }
        if (used == sizeof(text) || (used && i + 1 == size)) {
            terminal_pass(text, used);
            used = 0;
        }
    }
}

static size_t behind(void)
{
    long waiting = HYPERVISOR_domus_op(DOMUS_console, NULL);

    return waiting > 0 ? (size_t)waiting : 0;
}

bool terminal_has_room(void)
{
    return behind() < GUESTS_BEHIND;
}

static void give_way(uint64_t took)
{
    uint64_t until = now_ns() + took;

    do
        thread_yield();
    while (turns_wanted(LANE_QUICK) && now_ns() < until);
}

void terminal_show(void (*write)(const char *bytes, size_t size), const char *bytes, size_t size)
{
    while (size) {
        size_t piece = MIN(size, (size_t)SHOWN);
        const char *end = memchr(bytes, '\n', piece);
        uint64_t begin;

        while (behind() > SHOWN_BEHIND)
            thread_sleep(LOOK_NS);
        begin = now_ns();
        if (end)
            piece = (size_t)(end + 1 - bytes);
        write(bytes, piece);
        bytes += piece;
        size -= piece;
        give_way(now_ns() - begin);
    }
}

void terminal_start(void)
{
    console_output = terminal_write;
}

/* --- keys --- */

size_t terminal_keys(char *keys, size_t size, uint64_t timeout_ns)
{
    size_t count = MIN(size, ahead.count);

    if (!count) return console_read_wait(keys, size, timeout_ns);
    memcpy(keys, ahead.keys, count);
    ahead.count -= count;
    memmove(ahead.keys, ahead.keys + count, ahead.count);
    return count;
}

/* Takes what has been typed; true: Ctrl-C was there, and what stood before it is forgotten. */
static bool read_ahead(uint64_t timeout_ns)
{
    char *keys = ahead.keys + ahead.count;
    size_t count = console_read_wait(keys, sizeof(ahead.keys) - ahead.count, timeout_ns),
           left = count;

    while (left && keys[left - 1] != CONTROL_C)
        left--;
    if (left) {
        ahead.count = count - left;
        memmove(ahead.keys, keys + left, ahead.count);
        return true;
    }
    ahead.count += count;
    return false;
}

/* Where there is no room for more keys, Ctrl-C is not seen either. */
bool terminal_sleep(uint64_t ns)
{
    uint64_t until = now_ns() + ns, now;

    do {
        now = now_ns();
        if (read_ahead(until > now ? until - now : 0)) {
            terminal_write("^C\n", 3);
            ahead.interrupted = true;
            return false;
        }
    } while (now_ns() < until);
    return true;
}

bool terminal_interrupted(void)
{
    bool interrupted = ahead.interrupted;

    ahead.interrupted = false;
    return interrupted;
}

static unsigned char get_byte(void)
{
    char key;

    while (!terminal_keys(&key, 1, 60 * NS_PER_S))
        ;
    return (unsigned char)key;
}

/* --- the operator's line --- */

static void echo(const char *bytes, size_t size)
{
    if (editor.interrupted) {
        editor.interrupted = false;
        if (editor.line.length)
            line_show(&editor.line);
    }
    editor.echo = true;
    terminal_pass(bytes, size);
    editor.echo = false;
}

void terminal_read_line(const char *prompt, char *text, size_t size)
{
    editor.line = (struct line){ .prompt = prompt, .text = text, .room = size, .write = echo,
                                 .known = editor.known, .ends = ";", .before = "xl" };
    editor.interrupted = false;
    editor.active = true;
    echo(prompt, strlen(prompt));
    while (!line_take_byte(&editor.line, get_byte()))
        ;
    editor.active = false;
}

void terminal_words(const char *(*known)(size_t n, const char *command))
{
    editor.known = known;
}
