/* SPDX-License-Identifier: MIT */
/*
 * Commands, words and options of a line (words.h).
 */
#include "dom0/xl/words.h"

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Where the word or command that begins here ends: at one of `ends`, or at the line's end; NULL in
 * an open quote. */
static char *find_end(char *at, const char *ends)
{
    for (char quote = 0; *at || quote; at++) {
        if (!*at) return NULL;
        if (quote ? *at == quote : is_quote(*at))
            quote = quote ? 0 : *at;
        else if (!quote && strchr(ends, *at))
            return at;
    }
    return at;
}

char *words_command(char **rest)
{
    char *command = *rest, *end = find_end(command, ";");

    *rest = end && *end ? end + 1 : NULL;
    if (*rest)
        *end = '\0';
    return command;
}

int words_split(char *line, char **word, int most)
{
    int count = 0;

    for (;;) {
        char *end;
        bool last;

        while (is_blank(*line))
            line++;
        if (!*line || *line == '#') return count;
        if (count == most) return refused(WORDS_TOO_MANY);
        end = find_end(line, " \t\r");
        if (!end) return refused(WORDS_UNCLOSED);
        last = !*end;
        word[count] = line;
        if (is_quote(*line) && strchr(line + 1, *line) == end - 1) {
            word[count]++;
            end[-1] = '\0';
        }
        *end = '\0';
        count++;
        if (last) return count;
        line = end + 1;
    }
}

/* --- options --- */

struct taking {
    const char *known;
    struct words_options *found;
    char **word;                        /* All of them; */
    int count, at;                      /* this one is looked at. */
};

static size_t size_until(const char *text, char end)
{
    size_t size = 0;

    while (text[size] && text[size] != end)
        size++;
    return size;
}

/* The row of `known` with that letter, or, where that is none, with that long name; NULL: there is
 * none. */
static const char *find_option(const char *known, char letter, const char *name, size_t size)
{
    for (size_t row; *known; known += row + (known[row] == ' ')) {
        row = size_until(known, ' ');
        if (letter ? *known == letter : row == size + 2 && !strncmp(known + 2, name, size))
            return known;
    }
    return NULL;
}

/* `argument`: what is left of the word behind it; NULL: nothing, so the next word is. */
static bool take_option(struct taking *taking, const char *row, const char *argument)
{
    struct words_options *found = taking->found;

    if (row[1] == ':' && !argument && ++taking->at == taking->count) return refused(false);
    if (row[1] != ':')
        argument = "";
    else if (!argument)
        argument = taking->word[taking->at];
    if (words_option(found, *row) && row[1] != ':')
        return true;                    /* As often as one likes. */
    if (found->count == WORDS_MOST_OPTIONS) return refused(false);
    found->option[found->count].letter = *row;
    found->option[found->count++].argument = argument;
    return true;
}

static bool take_long(struct taking *taking, const char *name)
{
    size_t size = size_until(name, '=');
    const char *row = size ? find_option(taking->known, 0, name, size) : NULL;

    if (!row || (name[size] && row[1] != ':')) return refused(false);
    return take_option(taking, row, name[size] ? name + size + 1 : NULL);
}

static bool take_letters(struct taking *taking, const char *letters)
{
    for (; *letters; letters++) {
        const char *row = find_option(taking->known, *letters, NULL, 0);

        if (!row) return refused(false);
        if (row[1] == ':') return take_option(taking, row, letters[1] ? letters + 1 : NULL);
        if (!take_option(taking, row, NULL)) return refused(false);
    }
    return true;
}

const char *words_take_options(int *count, char **word, const char *known,
                               struct words_options *found)
{
    struct taking taking = { .known = known, .found = found, .word = word, .count = *count };
    bool over = false;
    int kept = 0;

    found->count = 0;
    for (; taking.at < taking.count; taking.at++) {
        char *text = word[taking.at];

        if (over || text[0] != '-' || !text[1])
            word[kept++] = text;
        else if (!strcmp(text, "--"))
            over = true;
        else if (text[1] == '-' ? !take_long(&taking, text + 2) : !take_letters(&taking, text + 1))
            return refused(text);
    }
    *count = kept;
    return NULL;
}

const char *words_option(const struct words_options *options, char letter)
{
    for (unsigned i = options->count; i > 0; i--)
        if (options->option[i - 1].letter == letter)
            return options->option[i - 1].argument;
    return NULL;
}
