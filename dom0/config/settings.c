/* SPDX-License-Identifier: MIT */
/*
 * Reads the language of configurations (settings.h): a scanner of tokens, and a function for each
 * rule of the grammar, which has one token to look at.
 *
 *   file       { [ assignment ] ( end of line | ';' ) } [ assignment ]
 *   assignment KEY ( '=' | '+=' ) value
 *   value      STRING | NUMBER | '[' { value ',' } [ value ] ']'
 *
 * In a list, ends of lines may follow the bracket, a comma and a value.
 *
 * Strings, values and settings come out of three arrays of fixed size, so a text cannot ask for
 * more than that, and nothing has to be freed.
 */
#include "dom0/config/settings.h"

enum token {
    TOKEN_END, TOKEN_LINE, TOKEN_KEY, TOKEN_NUMBER, TOKEN_STRING, TOKEN_ADD,
    /* The others are the character itself: = , ; [ ] */
};

struct reader {
    struct settings *settings;
    struct problem *problem;
    bool behind;
    const char *at, *end;
    unsigned line;                      /* Of `at`. */
    int token;
    unsigned token_line;
    const char *start;                  /* The token: from here to `at`. */
};

static struct config_place here(const struct reader *reader)
{
    return (struct config_place){ .line = reader->token_line, .behind = reader->behind };
}

__attribute__((format(printf, 2, 3))) static int refuse(struct reader *reader, const char *format,
                                                        ...)
{
    va_list arguments;

    va_start(arguments, format);
    problem_vset(reader->problem, -EINVAL, format, arguments);
    va_end(arguments);
    return problem_at(reader->problem, -EINVAL, here(reader));
}

/* --- tokens --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_small(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool in_key(char c)
{
    return is_small(c) || is_digit(c) || c == '_' || c == '.';
}

static bool in_number(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || c == 'x';
}

/* Carriage returns belong to the end of a line. */
static void skip_blanks(struct reader *reader)
{
    for (; reader->at < reader->end; reader->at++) {
        if (*reader->at == '\r' && reader->at + 1 < reader->end && reader->at[1] == '\n')
            continue;
        if (*reader->at != ' ' && *reader->at != '\t') return;
    }
}

/* To the quote that closes it, or to the end of the line. */
static int scan_string(struct reader *reader)
{
    char quote = *reader->at++;

    while (reader->at < reader->end && *reader->at != quote && *reader->at != '\n') {
        if (!*reader->at) return refuse(reader, "a NUL character in a string");
        if (*reader->at == '\\' && reader->at + 1 < reader->end && reader->at[1] != '\n')
            reader->at++;
        reader->at++;
    }
    if (reader->at >= reader->end || *reader->at != quote)
        return refuse(reader, "the string has no closing %c", quote);
    reader->at++;
    reader->token = TOKEN_STRING;
    return 0;
}

static int scan_words(struct reader *reader, bool (*belongs)(char c), int token)
{
    while (reader->at < reader->end && belongs(*reader->at))
        reader->at++;
    reader->token = token;
    return 0;
}

static int scan_line_end(struct reader *reader)
{
    while (reader->at < reader->end && *reader->at != '\n')
        reader->at++;
    if (reader->at < reader->end)
        reader->at++;
    reader->line++;
    reader->token = TOKEN_LINE;
    return 0;
}

static int scan_other(struct reader *reader)
{
    unsigned char c = (unsigned char)*reader->at++;

    if (c == '+' && reader->at < reader->end && *reader->at == '=') {
        reader->at++;
        reader->token = TOKEN_ADD;
        return 0;
    }
    if (c && strchr("=,;[]", c)) {
        reader->token = c;
        return 0;
    }
    if (c <= ' ' || c >= 0x7f)
        return refuse(reader, "a character with the code %u has no meaning here", c);
    return refuse(reader, "'%c' has no meaning here%s", c,
                  c >= 'A' && c <= 'Z' ? ": keys are written small, strings want quotes" : "");
}

/* The next token. The end of the text counts as part of its last line. */
static int next(struct reader *reader)
{
    char c;

    skip_blanks(reader);
    reader->start = reader->at;
    if (reader->at >= reader->end) {
        reader->token = TOKEN_END;
        return 0;
    }
    reader->token_line = reader->line;
    c = *reader->at;
    if (c == '\n' || c == '#') return scan_line_end(reader);
    if (c == '"' || c == '\'') return scan_string(reader);
    if (is_digit(c)) return scan_words(reader, in_number, TOKEN_NUMBER);
    return is_small(c) ? scan_words(reader, in_key, TOKEN_KEY) : scan_other(reader);
}

static int unexpected(struct reader *reader, const char *expected)
{
    size_t size = (size_t)(reader->at - reader->start);

    if (reader->token == TOKEN_END)
        return refuse(reader, "the text ends where %s is expected", expected);
    if (reader->token == TOKEN_LINE)
        return refuse(reader, "the line ends where %s is expected", expected);
    return refuse(reader, "%s is expected, not %.*s%s", expected, (int)(size > 40 ? 40 : size),
                  reader->start, size > 40 ? "..." : "");
}

/* --- what is kept --- */

/* Room for so many characters and their NUL; NULL with the problem. */
static char *keep(struct reader *reader, size_t size)
{
    struct settings *settings = reader->settings;

    if (size >= SETTINGS_MOST_BYTES - settings->bytes) {
        refuse(reader, "the configuration is too large: its strings have more than %u characters",
               SETTINGS_MOST_BYTES);
        return NULL;
    }
    settings->bytes += size + 1;
    return settings->text + settings->bytes - size - 1;
}

static int keep_word(struct reader *reader, const char **word)
{
    size_t size = (size_t)(reader->at - reader->start);
    char *text = keep(reader, size);

    if (!text) return -EINVAL;
    memcpy(text, reader->start, size);
    text[size] = '\0';
    *word = text;
    return 0;
}

static int keep_value(struct reader *reader, const char *text, struct setting_value **value)
{
    struct settings *settings = reader->settings;

    if (settings->values == SETTINGS_MOST_VALUES)
        return refuse(reader, "the configuration is too large: more than %u values",
                      SETTINGS_MOST_VALUES);
    *value = &settings->value[settings->values++];
    **value = (struct setting_value){ .text = text, .at = here(reader) };
    return 0;
}

/* The character that stands behind a backslash; 0: none that has a meaning. */
static char unescape(char c)
{
    static const char letters[] = "abfnrtv\"'\\", meanings[] = "\a\b\f\n\r\t\v\"'\\";
    const char *letter = c ? strchr(letters, c) : NULL;

    return letter ? meanings[letter - letters] : '\0';
}

/*
 * Xen's library knows characters by their number, too, but only by name: it refuses \x41, and reads
 * \101 as nothing at all. Who writes them wants neither.
 */
static int keep_string(struct reader *reader, const char **word)
{
    const char *from = reader->start + 1, *end = reader->at - 1;
    char *to = keep(reader, (size_t)(end - from));

    if (!to) return -EINVAL;
    *word = to;
    while (from < end) {
        char c = *from++;

        if (c == '\\') {
            c = unescape(*from);
            if (!c && (*from == 'x' || (*from >= '0' && *from <= '7')))
                return refuse(reader, "\\%c: characters by their number are not read", *from);
            if (!c) return refuse(reader, "\\%c has no meaning in a string", *from);
            from++;
        }
        *to++ = c;
    }
    *to = '\0';
    return 0;
}

/* --- the grammar --- */

static int take_value(struct reader *reader, unsigned depth, struct setting_value **value);

static int skip_lines(struct reader *reader)
{
    int error = 0;

    while (!error && reader->token == TOKEN_LINE)
        error = next(reader);
    return error;
}

/* From [ to ], which is still the token when all is well: its line is the list's. */
static int take_list(struct reader *reader, unsigned depth, struct setting_value **value)
{
    struct setting_value **link;
    int error;

    if (depth == SETTINGS_MOST_DEPTH)
        return refuse(reader, "more than %u lists in each other", depth);
    error = keep_value(reader, NULL, value);
    if (error) return error;
    link = &(*value)->first;
    error = next(reader);
    error = error ? error : skip_lines(reader);
    while (!error && reader->token != ']') {
        error = take_value(reader, depth + 1, link);
        error = error ? error : next(reader);
        error = error ? error : skip_lines(reader);
        if (error || reader->token == ']')
            break;
        link = &(*link)->next;
        error = reader->token == ',' ? next(reader) : unexpected(reader, "',' or ']' in the list");
        error = error ? error : skip_lines(reader);
    }
    return error;
}

/* The value's last token is left to look at. */
static int take_value(struct reader *reader, unsigned depth, struct setting_value **value)
{
    const char *text;
    int error;

    switch (reader->token) {
    case '[':
        return take_list(reader, depth, value);
    case TOKEN_STRING:
        error = keep_string(reader, &text);
        break;
    case TOKEN_NUMBER:
        error = keep_word(reader, &text);
        break;
    default:
        return unexpected(reader, "a number, a quoted string or a list");
    }
    return error ? error : keep_value(reader, text, value);
}

/* += puts what was there before it. */
static int add_to(struct reader *reader, const struct setting *before, struct setting_value *value)
{
    struct setting_value **link = &value->first;
    char *text;

    if (!before->value->text != !value->text)
        return refuse(reader, "a list and a string cannot be added");
    if (!value->text) {
        struct setting_value *more = value->first;

        value->first = before->value->first;
        while (*link)
            link = &(*link)->next;
        *link = more;
        before->value->first = NULL;            /* Nobody finds it again. */
        return 0;
    }
    text = keep(reader, strlen(before->value->text) + strlen(value->text));
    if (!text) return -EINVAL;
    memcpy(text, before->value->text, strlen(before->value->text));
    memcpy(text + strlen(before->value->text), value->text, strlen(value->text) + 1);
    value->text = text;
    return 0;
}

static int take_assignment(struct reader *reader)
{
    struct settings *settings = reader->settings;
    const struct setting *before;
    struct setting setting = { 0 };
    int error;

    if (reader->token != TOKEN_KEY) return unexpected(reader, "a key");
    error = keep_word(reader, &setting.name);
    error = error ? error : next(reader);
    if (error) return error;
    setting.added = reader->token == TOKEN_ADD;
    if (!setting.added && reader->token != '=') return unexpected(reader, "'=' or '+='");
    error = next(reader);
    error = error ? error : take_value(reader, 0, &setting.value);
    if (error) return error;
    before = setting.added ? settings_find(settings, setting.name) : NULL;
    if (before)
        error = add_to(reader, before, setting.value);
    if (!error && settings->count == SETTINGS_MOST)
        error = refuse(reader, "the configuration is too large: more than %u keys", SETTINGS_MOST);
    if (!error)
        settings->setting[settings->count++] = setting;
    return error ? error : next(reader);
}

int settings_read(struct settings *settings, const char *text, size_t size, bool behind,
                  struct problem *problem)
{
    struct reader reader = {
        .settings = settings, .problem = problem, .behind = behind,
        .at = text, .end = text + size, .line = 1, .token_line = 1,
    };
    int error = size > SETTINGS_MOST_TEXT
                    ? refuse(&reader, "the configuration is too large: more than %u bytes",
                             SETTINGS_MOST_TEXT)
                    : next(&reader);

    while (!error && reader.token != TOKEN_END) {
        if (reader.token != TOKEN_LINE && reader.token != ';')
            error = take_assignment(&reader);
        if (!error && (reader.token == TOKEN_LINE || reader.token == ';'))
            error = next(&reader);
        else if (!error && reader.token != TOKEN_END)
            error = unexpected(&reader, "the end of the line or ';'");
    }
    return error;
}

const struct setting *settings_find(const struct settings *settings, const char *name)
{
    for (unsigned i = settings->count; i > 0; i--)
        if (!strcmp(settings->setting[i - 1].name, name))
            return &settings->setting[i - 1];
    return NULL;
}

int setting_refuse(const struct setting_value *value, struct problem *problem, const char *format,
                   ...)
{
    va_list arguments;

    va_start(arguments, format);
    problem_vset(problem, -EINVAL, format, arguments);
    va_end(arguments);
    return problem_at(problem, -EINVAL, value ? value->at : (struct config_place){ .line = 0 });
}

/* --- numbers --- */

unsigned setting_digit(char c)
{
    if (is_digit(c)) return (unsigned)(c - '0');
    return (c | 32) >= 'a' && (c | 32) <= 'f' ? (unsigned)((c | 32) - 'a' + 10) : 99;
}

int setting_number(const struct setting *setting, long *number)
{
    const char *at = setting->value->text;
    unsigned long value = 0, most = INT64_MAX;
    unsigned base = 10;
    bool negative, any = false, too_large = false;

    if (!at || setting->added) return -EINVAL;
    while (*at == ' ' || (*at >= '\t' && *at <= '\r'))
        at++;
    negative = *at == '-';
    most += negative;
    if (*at == '-' || *at == '+')
        at++;
    if (at[0] == '0' && (at[1] | 32) == 'x' && setting_digit(at[2]) < 16) {
        base = 16;
        at += 2;
    } else if (at[0] == '0') {
        base = 8;
    }
    for (; setting_digit(*at) < base; at++, any = true) {
        too_large = too_large || value > (most - setting_digit(*at)) / base;
        value = value * base + setting_digit(*at);
    }
    if (too_large) return -ERANGE;
    if (!any || *at) return -EINVAL;
    *number = negative ? (long)-value : (long)value;
    return 0;
}
