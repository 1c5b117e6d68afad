/* SPDX-License-Identifier: MIT */
/*
 * The line editor (line.h). A terminal is asked for nothing but backspaces and letters, which all
 * of them know: what stands behind the cursor is written again, and the cursor goes back over it.
 * So a line longer than the terminal is wide is edited at its end only. Earlier lines are kept
 * here: there is one operator.
 */
#include "line.h"
#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
char *strstr(const char *s, const char *what);
#endif

#define EARLIER 16u                     /* Lines that are kept, */
#define EARLIER_BYTES 256u              /* if they are not longer. */
#define KNOWN_BYTES 128u                /* A word that can be completed. */
#define COLUMNS 79u
#define CONTROL(letter) ((letter) & 31)
#define ESCAPE 27

static char earlier[EARLIER][EARLIER_BYTES];
static unsigned earlier_count;          /* In all. */
static char sought[EARLIER_BYTES];

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* As much of it as there is room for. */
static void copy(char *to, const char *from, size_t room)
{
    size_t size = least(strlen(from), room - 1);

    memcpy(to, from, size);
    to[size] = '\0';
}

/* --- what the terminal is sent --- */

static void again(const struct line *line, const char *bytes, size_t count)
{
    for (; count; count--)
        line->write(bytes, 1);
}

static void bell(const struct line *line)
{
    line->write("\a", 1);
}

static void move(struct line *line, size_t to)
{
    if (to < line->at)
        again(line, "\b", line->at - to);
    else if (to > line->at)
        line->write(line->text + line->at, to - line->at);
    line->at = to;
}

void line_show(const struct line *line)
{
    line->write(line->prompt, strlen(line->prompt));
    if (line->length)
        line->write(line->text, line->length);
    again(line, "\b", line->length - line->at);
}

/* --- letters come and go --- */

/* As many as there is room for. */
static void insert(struct line *line, const char *bytes, size_t count)
{
    size_t room = line->room - 1 - line->length, to;

    if (count > room)
        bell(line);
    count = least(count, room);
    if (!count) return;
    memmove(line->text + line->at + count, line->text + line->at, line->length - line->at);
    memcpy(line->text + line->at, bytes, count);
    line->length += count;
    to = line->at + count;
    move(line, line->length);
    move(line, to);
}

static void erase(struct line *line, size_t from, size_t count)
{
    size_t behind = line->length - from - count;

    move(line, from);
    memmove(line->text + from, line->text + from + count, behind);
    line->length -= count;
    move(line, line->length);
    again(line, " ", count);
    again(line, "\b", count);
    move(line, from);
}

static void erase_word(struct line *line)
{
    size_t from = line->at;

    while (from && line->text[from - 1] == ' ')
        from--;
    while (from && line->text[from - 1] != ' ')
        from--;
    erase(line, from, line->at - from);
}

/* --- earlier lines --- */

static const char *earlier_line(unsigned back)
{
    return earlier[(earlier_count - back) % EARLIER];
}

static void keep(struct line *line)
{
    line->text[line->length] = '\0';
    if (line->length && line->length < EARLIER_BYTES &&
        (!earlier_count || strcmp(earlier_line(1), line->text)))
        copy(earlier[earlier_count++ % EARLIER], line->text, EARLIER_BYTES);
}

static void bring(struct line *line, unsigned back)
{
    const char *text = back ? earlier_line(back) : "";

    line->back = back;
    erase(line, 0, line->length);
    insert(line, text, strlen(text));
}

static void seek(struct line *line)
{
    unsigned back = line->back + 1;

    if (!line->seeks) {
        line->text[line->length] = '\0';
        copy(sought, line->text, sizeof(sought));
    }
    line->seeks = true;
    while (back <= least(earlier_count, EARLIER) && !strstr(earlier_line(back), sought))
        back++;
    if (back > least(earlier_count, EARLIER))
        bell(line);
    else
        bring(line, back);
}

/* --- words that are known --- */

static bool is_end(const struct line *line, char c)
{
    for (const char *end = line->ends; end && *end; end++)
        if (*end == c) return true;
    return false;
}

/* The command behind whose name the word at `from` stands; NULL: it is the name, before which
 * nothing stands but perhaps that word. */
static const char *command_before(const struct line *line, size_t from)
{
    size_t begin = from, size = line->before ? strlen(line->before) : 0;

    while (begin && !is_end(line, line->text[begin - 1]))
        begin--;
    while (begin < from && line->text[begin] == ' ')
        begin++;
    if (size && from - begin > size && line->text[begin + size] == ' ' &&
        !memcmp(line->text + begin, line->before, size))
        for (begin += size; begin < from && line->text[begin] == ' '; )
            begin++;
    return begin == from ? NULL : line->text + begin;
}

/* Somebody else gave them their names, which may speak to a terminal, or be no single word here. */
static bool can_be_typed(const struct line *line, const char *word)
{
    for (; *word; word++)
        if (*word <= ' ' || *word > '~' || is_end(line, *word)) return false;
    return true;
}

/* In rows of at most COLUMNS; where the next one begins. */
static size_t show_word(const struct line *line, const char *word, size_t column)
{
    size_t size = strlen(word);
    bool fits = column && column + 2 + size <= COLUMNS;

    line->write(fits ? "  " : "\n", fits ? 2 : 1);
    line->write(word, size);
    return fits ? column + 2 + size : size;
}

/* How many begin so; and what they all begin with. With `show`, says them. */
static size_t matches(const struct line *line, size_t from, char *common, bool show)
{
    size_t size = line->at - from, count = 0, column = 0, same;
    const char *command = command_before(line, from), *word;

    for (size_t n = 0; (word = line->known(n, command)) != NULL; n++) {
        if (strlen(word) < size || memcmp(word, line->text + from, size) ||
            !can_be_typed(line, word))
            continue;
        if (show)
            column = show_word(line, word, column);
        if (!count++)
            copy(common, word, KNOWN_BYTES);
        for (same = 0; common[same] && common[same] == word[same]; )
            same++;
        common[same] = '\0';
    }
    return count;
}

static void complete(struct line *line)
{
    char common[KNOWN_BYTES];
    size_t from = line->at, count, more;

    while (from && line->text[from - 1] != ' ' && !is_end(line, line->text[from - 1]))
        from--;
    count = line->known ? matches(line, from, common, false) : 0;
    if (!count) {
        bell(line);
        return;
    }
    more = strlen(common) - (line->at - from);
    insert(line, common + strlen(common) - more, more);
    if (count == 1) {
        insert(line, " ", 1);
    } else if (!more) {
        matches(line, from, common, true);
        line->write("\n", 1);
        line_show(line);
    }
}

/* --- keys --- */

/* Nobody can end this prompt; what that word is told is what he wants to know. */
static bool delete_or_end(struct line *line, bool may_end)
{
    if (line->at < line->length)
        erase(line, line->at, 1);
    if (!may_end) return false;
    insert(line, "logout", 6);
    return true;
}

static bool edit(struct line *line, int key)
{
    switch (key) {
    case CONTROL('A'): case LINE_HOME:  move(line, 0); break;
    case CONTROL('E'): case LINE_END:   move(line, line->length); break;
    case CONTROL('B'): case LINE_LEFT:  move(line, line->at - (line->at > 0)); break;
    case CONTROL('F'): case LINE_RIGHT: move(line, line->at + (line->at < line->length)); break;
    case 8: case 127:
        if (line->at)
            erase(line, line->at - 1, 1);
        break;
    case CONTROL('D'): return delete_or_end(line, line->length == 0);
    case LINE_DELETE:  return delete_or_end(line, false);
    case CONTROL('U'): erase(line, 0, line->at); break;
    case CONTROL('K'): erase(line, line->at, line->length - line->at); break;
    case CONTROL('W'): erase_word(line); break;
    case CONTROL('R'): seek(line); break;
    case CONTROL('I'): complete(line); break;
    case LINE_UP:
        if (line->back < least(earlier_count, EARLIER))
            bring(line, line->back + 1);
        break;
    case LINE_DOWN:
        if (line->back)
            bring(line, line->back - 1);
        break;
    default:
        if (key >= ' ' && key <= '~')
            insert(line, &(char){ (char)key }, 1);
    }
    return false;
}

bool line_take_key(struct line *line, int key)
{
    bool whole = key == '\r' || key == '\n';

    if (key != CONTROL('R'))
        line->seeks = false;
    if (key == CONTROL('C')) {
        move(line, line->length);
        line->write("^C", 2);
        line->length = line->at = 0;
        whole = true;
    }
    if (!whole && !edit(line, key)) return false;
    move(line, line->length);
    keep(line);
    line->write("\n", 1);
    return true;
}

/* --- keys of several bytes --- */

/* By its last byte, or by its number before a ~; 0: it is none that is known. */
static int key_of(int last, int number)
{
    switch (last == '~' ? number : last) {
    case 'A': return LINE_UP;
    case 'B': return LINE_DOWN;
    case 'C': return LINE_RIGHT;
    case 'D': return LINE_LEFT;
    case 'H': case 1: case 7: return LINE_HOME;
    case 'F': case 4: case 8: return LINE_END;
    case 3:   return LINE_DELETE;
    default:  return 0;
    }
}

bool line_take_byte(struct line *line, unsigned char byte)
{
    int key = byte;

    if (line->state == LINE_PLAIN && byte != ESCAPE) return line_take_key(line, key);
    if (line->state == LINE_PLAIN) {
        line->state = LINE_ESCAPED;
        return false;
    }
    if (line->state == LINE_ESCAPED && (byte == '[' || byte == 'O')) {
        line->state = LINE_SEQUENCE;
        line->number = 0;
        return false;
    }
    if (line->state == LINE_SEQUENCE && byte >= ' ' && byte < '@') {
        line->number = byte >= '0' && byte <= '9' ? line->number % 100 * 10 + byte - '0' : 0;
        return false;
    }
    if (byte >= ' ')                    /* Else Escape was all; then Enter is Enter. */
        key = line->state == LINE_SEQUENCE ? key_of(byte, line->number) : 0;
    line->state = LINE_PLAIN;
    return line_take_key(line, key);
}
