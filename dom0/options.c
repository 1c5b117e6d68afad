/* SPDX-License-Identifier: MIT */
/*
 * Takes dom0's command line apart (options.h): words between blanks, where a quote holds what is
 * behind it together, up to the next. It may stand where one would write it, run="list; help", or
 * where GRUB puts it, around the whole word: "run=list; help".
 */
#include "dom0/options.h"

struct word {
    const char *text, *value;           /* value: behind the equals sign, and a quote there. */
    size_t size, value_size;
    bool open;                          /* A quote without its end. */
};

/* The first of these characters, or the text's end. */
static const char *find(const char *at, const char *characters)
{
    while (*at && !strchr(characters, *at))
        at++;
    return at;
}

/* The word that begins here, and where the next may begin. */
static const char *take_word(const char *at, struct word *word)
{
    const char *equals, *end;
    bool quoted = *at == '"';

    word->text = at += quoted;
    equals = find(at, quoted ? "=\"" : "= ");
    word->value = *equals == '=' ? equals + 1 : equals;
    if (!quoted && *word->value == '"') {         /* Else a blank, or the end. */
        quoted = true;
        word->value++;
    }
    end = find(word->value, quoted ? "\"" : " ");
    word->size = (size_t)(end - word->text);
    word->value_size = (size_t)(end - word->value);
    word->open = quoted && !*end;
    return end + (quoted && *end);
}

static bool is_named(const struct word *word, const char *name)
{
    return word->size >= strlen(name) && !strncmp(word->text, name, strlen(name));
}

static bool value_is(const struct word *word, const char *value)
{
    return word->value_size == strlen(value) && !strncmp(word->value, value, word->value_size);
}

static bool keep(const struct word *word, char *to, size_t size)
{
    if (!word->value_size || word->value_size >= size) return false;
    memcpy(to, word->value, word->value_size);
    to[word->value_size] = '\0';
    return true;
}

static bool take(const struct word *word, struct options *options)
{
    if (word->open) return false;
    if (is_named(word, "run=")) {
        options->run = word->value;
        options->run_size = word->value_size;
        return true;
    }
    if (is_named(word, "consoles=")) {
        bool on = value_is(word, "on");

        if (on || value_is(word, "off"))
            options->consoles = on ? CONSOLES_ON : CONSOLES_OFF;
        return on || value_is(word, "off");
    }
    if (is_named(word, "ip=")) return keep(word, options->ip, sizeof(options->ip));
    if (is_named(word, "migrate=")) return keep(word, options->migrate, sizeof(options->migrate));
    return false;
}

void options_parse(const char *line, struct options *options,
                   void (*complain)(const char *word, size_t size))
{
    struct word word;

    memset(options, 0, sizeof(*options));
    while (*line) {
        if (*line == ' ') {
            line++;
            continue;
        }
        line = take_word(line, &word);
        if (!take(&word, options))
            complain(word.text, word.size);
    }
}
