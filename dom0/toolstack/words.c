/* SPDX-License-Identifier: MIT */
/*
 * Commands, words and options of a line (words.h).
 */
#include "dom0/toolstack/words.h"

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

/* The letters of one word of options, added to `found`; false: one of them is not known. */
static bool take_letters(const char *letters, const char *known, char *found)
{
    for (; *letters; letters++) {
        size_t size = strlen(found);

        if (!strchr(known, *letters)) return refused(false);
        if (!strchr(found, *letters)) {
            found[size] = *letters;
            found[size + 1] = '\0';
        }
    }
    return true;
}

const char *words_take_options(int *count, char **word, const char *known, char *found)
{
    int kept = 0;

    found[0] = '\0';
    for (int i = 0; i < *count; i++) {
        char first[2] = { 0 };
        const char *letters = word[i] + 1;

        if (word[i][0] != '-' || !word[i][1]) {
            word[kept++] = word[i];
            continue;
        }
        if (word[i][1] == '-') {
            first[0] = word[i][2];
            letters = first;
        }
        if (!*letters || !take_letters(letters, known, found)) return refused(word[i]);
    }
    *count = kept;
    return NULL;
}
