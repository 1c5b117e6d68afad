/* SPDX-License-Identifier: MIT */
/* dom0's terminal: what the operator's keys do to his line, and what he types while a command makes
 * him wait. The hypervisor's console is a text that grows, and his keys are one that shrinks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "dom0/console/line.h"
#include "dom0/console/terminal.h"
#include "dom0/turns.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <abi/domus.h>

static char shown[16384];
static size_t shown_size;
static const char *typed = "";
static uint64_t now;

void (*console_output)(const char *bytes, size_t length);

/* --- others in dom0 --- */

static unsigned byte_ns;                /* that the line takes; 86,805: a real one */
static uint64_t in_a_row, longest;      /* without giving way */
static bool says;                       /* the hypervisor, how far the line is behind */
static uint64_t line_until;
static unsigned work;                   /* turns of a millisecond, that somebody waits for */
static uint64_t had;

void thread_sleep(uint64_t ns)
{
    thread_yield();
    now += ns;
}

void thread_yield(void)
{
    longest = in_a_row > longest ? in_a_row : longest;
    in_a_row = 0;
    if (!work) return;
    work--;
    now += NS_PER_MS;
    had += NS_PER_MS;
}

bool turns_wanted(enum turn_lane lane)
{
    return lane == LANE_QUICK && work;
}

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    if (nr == __HYPERVISOR_domus_op) {
        assert_int_equal(a, DOMUS_console);
        return says && line_until > now ? (long)((line_until - now) / byte_ns) : -ENOSYS;
    }
    assert_true(nr == __HYPERVISOR_console_io && a == CONSOLEIO_write);
    if (says) {
        line_until = (line_until > now ? line_until : now) + b * byte_ns;
        assert_true(line_until - now < 16384 * (uint64_t)byte_ns);  /* it would be waited for */
    }
    assert_true(shown_size + b < sizeof(shown));
    memcpy(shown + shown_size, (const char *)c, b);
    shown_size += b;
    if (says) return 0;
    now += b * byte_ns;
    in_a_row += b * byte_ns;
    return 0;
}

uint64_t now_ns(void)
{
    return now;
}

size_t console_read_wait(char *bytes, size_t size, uint64_t timeout_ns)
{
    size_t count = strnlen(typed, size);

    if (!count)
        now += timeout_ns;
    /* Nobody waits for ever for a key that does not come. */
    assert_true(now < 1000 * NS_PER_S);
    memcpy(bytes, typed, count);
    typed += count;
    return count;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    snprintf(to, size, "%s", from);
    return strlen(from);
}

static char line[300];

static const char *read(const char *keys)
{
    typed = keys;
    shown_size = 0;
    terminal_read_line("> ", line, sizeof(line));
    assert_string_equal(typed, "");
    return line;
}

static void keys_that_edit(void **state)
{
    assert_string_equal(read("list\r"), "list");
    assert_string_equal(read("lisr\bt\n"), "list");
    assert_string_equal(read("\x7f\x7f" "a\x7f\x7f" "b\r"), "b");
    assert_string_equal(read("list all\x15" "info\r"), "info");
    assert_string_equal(read("list all of it\x17\x17\x17" "b\r"), "list b");
    assert_string_equal(read("list \x17\x17" "b\r"), "b");
}

/* What the terminal shows at the end: letters overwrite, a backspace goes back, nothing more. */
static void screen_is(const char *want)
{
    char row[400] = { 0 };
    size_t at = 0, begin = 0;

    for (size_t i = 0; i < shown_size; i++) {
        if (shown[i] == '\n' && i + 1 < shown_size)
            begin = i + 1;
    }
    for (size_t i = begin; i < shown_size && shown[i] != '\n'; i++) {
        if (shown[i] == '\b')
            assert_true(at-- > 0);
        else if (shown[i] != '\a')
            row[at++] = shown[i];
    }
    for (at = strlen(row); at && row[at - 1] == ' '; at--)
        row[at - 1] = '\0';
    assert_string_equal(row, want);
}

static void is_edited(const char *keys, const char *want)
{
    char row[400];

    assert_string_equal(read(keys), want);
    snprintf(row, sizeof(row), "> %s", want);
    for (size_t at = strlen(row); at && row[at - 1] == ' '; at--)
        row[at - 1] = '\0';
    screen_is(row);
}

static void in_the_middle(void **state)
{
    is_edited("lst\x1b[D\x1b[Di\r", "list");
    is_edited("ist\x01l\x05!\r", "list!");
    is_edited("ist\x1b[Hl\x1b[F!\r", "list!");
    is_edited("ist\x1b[1~l\x1b[4~!\r", "list!");
    is_edited("ist\x1bOHl\x1bOF!\r", "list!");
    is_edited("liist\x1b[D\x1bOD\x7f\r", "list");
    is_edited("liist\x01\x06\x1b[C\x1b[3~\r", "list");
    is_edited("liist\x01\x06\x04\r", "list");
    is_edited("list all\x02\x02\x02\x02\x0b\r", "list");
    is_edited("list all\x1b[D\x1b[D\x1b[D\x15\r", "all");
    is_edited("create a.cfg more\x1b[D\x1b[D\x1b[D\x1b[D\x17\x17list \r", "list more");
    is_edited("a\x1b[D\x1b[D\x1b[Db\x1b[C\x1b[C\x1b[C\x1b[C" "c\r", "bac");
    is_edited("ab\x01\x7f\x05\x1b[3~\r", "ab");            /* Nothing is there. */
    is_edited("a\x0b\x0b\x15\x15\x17\r", "");
    assert_string_equal(read("abc\x1b[D\x03"), "");
    screen_is("> abc^C");
}

static const char *const commands[] = { "create", "cycle", "list", "console", "consoles", NULL };
static const char *const others[] = { "insula1", "insula1.cfg", "insula2", "hello.cfg",
    "evil\x1b]2;title\a", "evil two", "evil;poweroff", "evil\xc2\x9b", NULL };
static const char *const configurations[] = { "hello.cfg", "herald.cfg", NULL };
static const char *known(size_t n, const char *command)
{
    return (!command ? commands : strncmp(command, "create ", 7) ? others : configurations)[n];
}

static void words_that_are_known(void **state)
{
    terminal_words(known);
    is_edited("l\t\r", "list ");
    is_edited("l\ti\t1.\t\r", "list insula1.cfg ");
    is_edited("xl  l\th\t\r", "xl  list hello.cfg ");
    is_edited("list;cr\t\r", "list;create ");
    is_edited("co\t\r", "console");                     /* As far as it is certain. */
    is_edited("list; xl create  -c her\t\r", "list; xl create  -c herald.cfg ");
    is_edited("create in\t\r", "create in");            /* It says what may stand behind it. */
    is_edited("list her\t\r", "list her");
    is_edited("z\t\r", "z");
    is_edited("list z\t\r", "list z");
    is_edited("lz\x1b[D\t\r", "list z");                /* Of the word before the cursor. */
    assert_string_equal(read("list i\t\t\x15\r"), "");
    assert_non_null(strstr(shown, "\ninsula1  insula1.cfg  insula2\n> list insula"));
    read("list i\t\x15\r");                             /* there was more of the word to come */
    assert_null(strstr(shown, "insula1  "));
    assert_string_equal(read("xl  \x1b[D\t\r"), "xl  ");
    assert_non_null(strstr(shown, "\ncreate  cycle"));
    is_edited("list e\t\t\r", "list e");               /* Such names are not typed. */
    assert_null(strstr(shown, "vil"));
    terminal_words(NULL);
    assert_string_equal(read("l\t\r"), "l");
}

static const char *many(size_t n, const char *command)
{
    static char name[120];

    snprintf(name, sizeof(name), "w%0*zu", n == 20 ? 110 : 11, n);
    return n < 30 ? name : NULL;
}

/* Many of them are shown in rows that a terminal has room for, but for one that is longer. */
static void rows_of_words(void **state)
{
    size_t words = 0, rows = 0;

    terminal_words(many);
    read("w\t\t\x15\r");
    terminal_words(NULL);
    for (const char *row = strchr(shown, '\n') + 1; *row == 'w'; rows++) {
        size_t size = strcspn(row, "\n");

        assert_true(size <= 79 || size == 111);
        for (size_t i = 0; i < size; i++)
            words += row[i] == 'w';
        row += size + 1;
    }
    assert_true(words == 30 && rows == 4 + 1 + 2);
}

/* --- after each key the terminal shows the line as it is, and the cursor where it stands --- */

static char row[400];
static size_t cursor, ends, bells;
static bool in_the_line;                        /* it was left where letters stand behind */

static void screen(const char *bytes, size_t count)
{
    for (; count; count--, bytes++)
        switch (*bytes) {
        case '\a': bells++; break;
        case '\b': assert_true(cursor-- > 0); break;
        case '\n':
            for (ends = sizeof(row); ends && (!row[ends - 1] || row[ends - 1] == ' '); ends--)
                ;
            in_the_line = cursor < ends;
            memset(row, 0, sizeof(row));
            cursor = 0;
            break;
        default:
            assert_true(cursor < sizeof(row));
            row[cursor++] = *bytes;
        }
}

static void screen_shows(const struct line *l)
{
    assert_true(cursor == 2 + l->at && l->at <= l->length && l->length < l->room);
    assert_memory_equal(row, "> ", 2);
    assert_memory_equal(row + 2, l->text, l->length);
    for (size_t i = 2 + l->length; i < sizeof(row); i++)
        assert_true(!row[i] || row[i] == ' ');
}

static void each_key_is_shown(void **state)
{
    static const int keys[] = {
        'a', 'b', 'l', 'i', ' ', ' ', ';', 1, 2, 2, 4, 5, 6, 6, 8, 127, 9, 9, 11, 18, 18, 21, 23, 3,
        '\r', LINE_UP, LINE_UP, LINE_DOWN, LINE_LEFT, LINE_RIGHT, LINE_HOME, LINE_END, LINE_DELETE,
        200, 7,
    };
    char text[14];
    struct line l = { .prompt = "> ", .text = text, .room = sizeof(text), .write = screen,
                      .known = known, .ends = ";", .before = "xl" };
    uint32_t dice = 1;

    line_show(&l);
    for (unsigned int i = 0; i < 20000; i++) {
        size_t had = l.length;
        int key;

        dice = dice * 1103515245 + 12345;
        key = keys[(dice >> 16) % ARRAY_SIZE(keys)];
        bells = 0;
        if (line_take_key(&l, key)) {
            assert_true(cursor == 0 && !in_the_line);
            l.length = l.at = l.back = 0;
            line_show(&l);
        }
        screen_shows(&l);
        if (key >= 'a' && key <= 'z')           /* heard where there is no room, and nowhere else */
            assert_true(bells == (had == sizeof(text) - 1) && l.length == had + !bells);
    }
}

static void earlier_lines_are_sought(void **state)
{
    read("create one\r");
    read("destroy one\r");
    read("create two\r");
    is_edited("create\x12\r", "create two");
    read("create two\r");
    is_edited("create\x12\x12\r", "create one");
    is_edited("one\x12\x12\r", "destroy one");          /* That one is the last of them. */
    is_edited("nowhere\x12\r", "nowhere");
    is_edited("one\x12!\r", "destroy one!");
}

/* What has no meaning here leaves nothing in the line: no [E of a key, no tab. */
static void keys_without_meaning(void **state)
{
    assert_string_equal(read("a\x1b[E\x1b[15~\x1bOP\x1b[2~\x1b[200~\tb\xc3\xa4\r"), "ab");
    assert_string_equal(read("a\x1bxb\r"), "ab");
    assert_string_equal(read("a\x1b\r"), "a");          /* Escape alone, and Enter. */
    assert_string_equal(read("a\x1b[\r"), "a");
}

static void earlier_lines_come_back(void **state)
{
    read("one\r");
    read("two\r");
    read("two\r");                       /* Once is enough. */
    read("\r");
    assert_string_equal(read("\x1b[A\r"), "two");
    assert_string_equal(read("x\x1b[A\x1b[A\r"), "one");
    assert_string_equal(read("\x1bOA\x1bOA\x1bOB\x08n\r"), "onn");
    assert_string_equal(read("\x1b[A\x1b[B\r"), "");
    assert_string_equal(read("\x1b[B\x1b[B\r"), "");
    for (int i = 0; i < 100; i++) {
        char text[20];

        snprintf(text, sizeof(text), "line %d\r", i);
        read(text);
    }
    assert_string_equal(read("\x1b[A\x1b[A\x1b[A\r"), "line 97");
    /* Not farther than what is kept, however often. */
    typed = "\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A"
            "\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\r";
    terminal_read_line("> ", line, sizeof(line));
    assert_string_equal(line, "line 85");
}

static void a_line_that_is_full(void **state)
{
    char keys[400];

    memset(keys, 'x', sizeof(keys));
    strcpy(keys + 398, "\r");
    assert_int_equal(strlen(read(keys)), sizeof(line) - 1);
    /* And it is heard. */
    assert_true(shown[shown_size - 2] == '\a' && shown[shown_size - 1] == '\n');
    read("\x1b[A\r");                   /* Too long to be kept. */
    assert_true(strlen(line) < 200);
    for (int i = 0; i < 3; i++) {
        char small[4];

        typed = "list\x1b[A\r";
        terminal_read_line("> ", small, sizeof(small));
        assert_true(strlen(small) < sizeof(small));
    }
}

static void the_end_of_a_line_or_of_all(void **state)
{
    assert_string_equal(read("destroy all\x03"), "");
    assert_true(shown_size > 3 && !memcmp(shown + shown_size - 3, "^C\n", 3));
    assert_string_equal(read("\x04"), "logout");
    assert_string_equal(read("a\x04" "b\r"), "ab");     /* Only of an empty line. */
    assert_string_equal(read("a\x01\x04" "b\r"), "b");
    assert_string_equal(read("\x1b[3~b\r"), "b");        /* And not by Delete. */
}

/* Guests' words, and those of a guest's configuration: no escape sequence, in no form that a
 * terminal knows, nor half of one at the end of a piece; letters are not harmed. */
static void text_commands_no_terminal(void **state)
{
    static char many[2001];

    shown_size = 0;
    terminal_write("a\x1b[2J\x07\b\x7f\tb\r\n", 12);
    terminal_write("\xc3\x9b\xe2\x9b\x9b\xc2\xa9\xc2\x9b" "A\x9b" "B\xc2", 13);
    terminal_write("\x9b" "C", 2);
    assert_int_equal(shown_size, 26);
    assert_memory_equal(shown, "a?[2J???\tb\n\xc3\x9b\xe2\x9b\x9b\xc2\xa9\xc2?A?B\xc2?C", 26);
    shown_size = 0;
    terminal_write("\xc2\r\x9b\x9b\xc2\x1b\x9b", 7);
    assert_memory_equal(shown, "\xc2??\xc2??", 6);
    shown_size = 0;
    terminal_pass("\x1b[2J\r\x9b", 6);                /* But who attaches himself wants it so. */
    assert_int_equal(shown_size, 6);
    assert_memory_equal(shown, "\x1b[2J\r\x9b", 6);
    for (size_t i = 0; i < 2000; i++)
        many[i] = i % 3 ? '\x1b' : 'x';
    shown_size = 0;
    terminal_write(many, 2000);
    assert_int_equal(shown_size, 2000);
    assert_null(memchr(shown, '\x1b', shown_size));
}

/* He need not wait until he is asked; and Ctrl-C ends the waiting, and throws away what he typed
 * before. */
static void while_he_waits(void **state)
{
    char keys[8];

    now = 0;
    typed = "list\ri";
    assert_true(terminal_sleep(3 * NS_PER_S));
    assert_int_equal(now, 3 * NS_PER_S);
    terminal_read_line("> ", line, sizeof(line));
    assert_string_equal(line, "list");
    assert_string_equal(read("nfo\r"), "info");
    assert_false(terminal_interrupted());
    typed = "wrong\r\x03ri";
    assert_false(terminal_sleep(3 * NS_PER_S));
    assert_int_equal(now, 3 * NS_PER_S);
    assert_true(terminal_interrupted());
    assert_false(terminal_interrupted());               /* That is said once. */
    assert_string_equal(read("ght\r"), "right");
    typed = "\x03";
    assert_false(terminal_sleep(0));                    /* Who does not sleep is heard, too. */
    assert_true(terminal_interrupted());
    typed = "abc";
    assert_true(terminal_sleep(1));
    assert_int_equal(terminal_keys(keys, 2, NS_PER_S), 2);
    assert_memory_equal(keys, "ab", 2);
    assert_int_equal(terminal_keys(keys, 8, NS_PER_S), 1);
    assert_int_equal(terminal_keys(keys, 8, NS_PER_S), 0);
}

/* More than anybody types: what has no room stays where it is. */
static void a_text_typed_ahead(void **state)
{
    static char keys[10000];
    size_t left;

    memset(keys, 'y', sizeof(keys) - 1);
    typed = keys;
    now = 0;
    assert_true(terminal_sleep(NS_PER_S));
    assert_int_equal(now, NS_PER_S);
    left = strlen(typed);
    assert_true(left && left < 9000);
    for (size_t i = 0; i < sizeof(keys) - 1; i++) {
        char key;

        assert_int_equal(terminal_keys(&key, 1, NS_PER_S), 1);
        assert_true(key == 'y');
    }
    assert_int_equal(terminal_keys(line, 1, NS_PER_S), 0);
}

/* 16 KiB on a real serial line, and whoever has much to do has half of the time. */
static void a_long_text(void **state)
{
    static char text[16000];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 80 == 79 || (i > 8000 && i < 8020) ? '\n' : 'x';
    memset(text + 1000, 'y', 2000);                     /* a line that is very long */
    byte_ns = 86805;
    for (unsigned i = 0; i < 2; i++) {
        shown_size = 0;
        longest = in_a_row = had = 0;
        work = i ? 1u << 30 : 0;
        terminal_show(i ? terminal_pass : terminal_write, text, sizeof(text));
        assert_int_equal(shown_size, sizeof(text));
        assert_memory_equal(shown, text, sizeof(text));
        assert_in_range(longest, 7 * NS_PER_MS, 23 * NS_PER_MS);
        assert_int_equal(in_a_row, 0);                  /* and behind it, too */
        if (i)
            assert_in_range(had, sizeof(text) * (uint64_t)byte_ns,
                            sizeof(text) * (uint64_t)byte_ns * 13 / 10);
    }
    byte_ns = work = 0;
    terminal_show(terminal_write, text, 0);
}

/* Where the hypervisor says how far the line is behind, nobody waits in a call; and guests' words
 * do not stand before what the operator types for longer than he sees. */
static void a_line_that_says_how_far_it_is_behind(void **state)
{
    static char text[16000];
    uint64_t began = now;

    memset(text, 'x', sizeof(text));
    says = true;
    byte_ns = 86805;
    assert_true(terminal_has_room());
    shown_size = 0;
    for (unsigned bytes = 0; bytes < 40000; bytes += sizeof(text)) {
        shown_size = 0;
        terminal_show(terminal_write, text, sizeof(text));
    }
    assert_in_range(now - began, 36000 * (uint64_t)byte_ns, 48000 * (uint64_t)byte_ns);
    assert_false(terminal_has_room());
    now = line_until - 2047 * (uint64_t)byte_ns;
    assert_true(terminal_has_room());
    now -= 2 * byte_ns;
    assert_false(terminal_has_room());
    byte_ns = 0;
    says = false;
    assert_true(terminal_has_room());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_edit),
        cmocka_unit_test(each_key_is_shown),
        cmocka_unit_test(keys_without_meaning),
        cmocka_unit_test(in_the_middle),
        cmocka_unit_test(words_that_are_known),
        cmocka_unit_test(rows_of_words),
        cmocka_unit_test(earlier_lines_come_back),
        cmocka_unit_test(earlier_lines_are_sought),
        cmocka_unit_test(a_line_that_is_full),
        cmocka_unit_test(the_end_of_a_line_or_of_all),
        cmocka_unit_test(text_commands_no_terminal),
        cmocka_unit_test(while_he_waits),
        cmocka_unit_test(a_text_typed_ahead),
        cmocka_unit_test(a_long_text),
        cmocka_unit_test(a_line_that_says_how_far_it_is_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
