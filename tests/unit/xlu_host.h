/* SPDX-License-Identifier: MIT */
/*
 * Xen's own reader of configurations (libxlutil, Debian's libxen-dev) beside ours: one text, read
 * by both; every key compared by its kind, its value and its line; of a text that is refused, the
 * line.
 *
 * The differences that are meant, and why:
 *   carriage returns   Ours takes "\r\n" as the end of a line, for files come from everywhere. Xen
 *                      gets the text without them.
 *   the last line      Here every text ends with a line's end: without one Xen's scanner refuses a
 *                      comment there, and does not see a stray last character.
 *   a line's end       Where Xen finds one that it does not expect, it names the line before it.
 *   numbered           '\101' is lost by Xen's library without a word, and '\x41' is always
 *                      refused: ours refuses both.
 *   sizes              Ours has room for so many keys, values and characters, and for so many lists
 *                      in each other.
 *   NUL                Xen's library ends the program. It is not asked.
 */
#ifndef TESTS_UNIT_XLU_HOST_H
#define TESTS_UNIT_XLU_HOST_H

#include <libxlutil.h>
#include <stdlib.h>
#include <string.h>
#include "dom0/config/settings.h"

/* Its own leaks are Xen's affair. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

struct xen_reading {
    XLU_Config *config;
    int error;
    unsigned line;                      /* Of the first mistake. */
    FILE *report;
    char *said;
    size_t said_size;
};

static struct settings ours;
static struct problem our_problem;
static unsigned long refused_by_both, numbered, too_large;

/* Begins to listen anew: what was said before is forgotten. */
static void xen_listen(struct xen_reading *xen)
{
    fflush(xen->report);
    rewind(xen->report);
}

static const char *xen_said(struct xen_reading *xen)
{
    fflush(xen->report);
    return xen->said;
}

static void xen_open(struct xen_reading *xen)
{
    memset(xen, 0, sizeof(*xen));
    xen->report = open_memstream(&xen->said, &xen->said_size);
    xen->config = xlu_cfg_init(xen->report, "F");
}

static void xen_close(struct xen_reading *xen)
{
    xlu_cfg_destroy(xen->config);
    fclose(xen->report);
    free(xen->said);
}

static void xen_read(struct xen_reading *xen, const char *text, size_t size)
{
    char *plain = malloc(size + 1);
    size_t length = 0;

    for (size_t i = 0; i < size; i++)
        if (text[i] != '\r' || i + 1 >= size || text[i + 1] != '\n')
            plain[length++] = text[i];
    xen->error = xlu_cfg_readdata(xen->config, plain, (int)length);
    free(plain);
    if (xen->error) {
        const char *said = xen_said(xen), *end = strchr(said, '\n');

        sscanf(said, "F:%u:", &xen->line);
        if (end && memmem(said, (size_t)(end - said), "unexpected NEWLINE", 18))
            xen->line++;
    }
}

/* The line that Xen has for a key: each one is a list or it is not, and one of the two is
 * complained about. */
static unsigned xen_line(struct xen_reading *xen, const char *name)
{
    const char *text;
    unsigned line = 0;

    xen_listen(xen);
    xlu_cfg_get_list(xen->config, name, NULL, NULL, 0);
    xlu_cfg_get_string(xen->config, name, &text, 0);
    sscanf(xen_said(xen), "F:%u:", &line);
    return line;
}

static bool differ(const char *name, const char *what)
{
    fprintf(stderr, "key '%s': %s differs\n", name, what);
    return false;
}

static bool same_lists(struct xen_reading *xen, const char *name, const XLU_ConfigList *list,
                       const struct setting_value *value)
{
    XLU_ConfigValue *item;

    for (int i = 0; (item = xlu_cfg_get_listitem2(list, i)); i++, value = value->next) {
        XLU_ConfigList *inner;
        char *text;

        if (!value) return differ(name, "the length of a list");
        if (!value->text != (xlu_cfg_value_type(item) == XLU_LIST))
            return differ(name, "the kind of a list's element");
        if (value->text &&
            (xlu_cfg_value_get_string(xen->config, item, &text, 1) || strcmp(text, value->text)))
            return differ(name, "a string in a list");
        if (!value->text && (xlu_cfg_value_get_list(xen->config, item, &inner, 1) ||
                             !same_lists(xen, name, inner, value->first)))
            return false;
    }
    return !value || differ(name, "the length of a list");
}

static bool same_setting(struct xen_reading *xen, const char *name)
{
    const struct setting *setting = settings_find(&ours, name);
    XLU_ConfigList *list;
    const char *text = NULL;
    long number = 0, our_number = 0;
    int error = xlu_cfg_get_string(xen->config, name, &text, 1);

    if (!setting || error == ESRCH)
        return (!setting && error == ESRCH) || differ(name, "whether it is set");
    if (setting->value->at.line != xen_line(xen, name)) return differ(name, "its line");
    if (!setting->value->text)
        return error == EINVAL && !xlu_cfg_get_list(xen->config, name, &list, NULL, 1) ?
                   same_lists(xen, name, list, setting->value->first) :
                   differ(name, "its kind (a list)");
    if (error || strcmp(text, setting->value->text)) return differ(name, "its string");
    if (-xlu_cfg_get_long(xen->config, name, &number, 1) != setting_number(setting, &our_number))
        return differ(name, "whether it is a number");
    return number == our_number || differ(name, "its number");
}

/* All that could be a key in the text, and more: both must agree on each. */
static bool same_keys(struct xen_reading *xen, const char *text, size_t size)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789._";
    bool same = true;

    for (size_t at = 0, length; at < size && same; at += length ? length : 1) {
        char name[80];

        for (length = 0;
             at + length < size && memchr(letters, text[at + length], sizeof(letters) - 1);
             length++)
            ;
        for (size_t from = 0; from < length && length < sizeof(name) && same; from++) {
            snprintf(name, sizeof(name), "%.*s", (int)(length - from), text + at + from);
            same = same_setting(xen, name);
            if (text[at + from] >= 'a' && text[at + from] <= 'z')
                break;
        }
    }
    return same;
}

static bool meant(const struct xen_reading *xen, int error)
{
    if (!error) return false;
    if (strstr(our_problem.text, "characters by their number")) {
        numbered++;
        return !xen->error || xen->line >= our_problem.at.line;
    }
    if (strstr(our_problem.text, "too large:") || strstr(our_problem.text, "lists in each other")) {
        too_large++;
        return !xen->error || xen->line >= our_problem.at.line;
    }
    return false;
}

/* Both read the text; true: alike, or different as it is meant. Of what Xen took `visit` is told,
 * if it is given. */
static bool read_alike(const char *some, size_t size, bool (*visit)(struct xen_reading *xen))
{
    char *text = malloc(size + 1);      /* Of this size, so that nobody reads behind it. */
    struct xen_reading xen;
    bool same;
    int error;

    memcpy(text, some, size);
    if (size && text[size - 1] != '\n')
        text[size++] = '\n';
    memset(&ours, 0, sizeof(ours));
    memset(&our_problem, 0, sizeof(our_problem));
    error = settings_read(&ours, text, size, false, &our_problem);
    xen_open(&xen);
    xen_read(&xen, text, size);
    refused_by_both += error && xen.error;
    if (!error != !xen.error || (error && xen.line != our_problem.at.line))
        same = meant(&xen, error);
    else
        same = error || (same_keys(&xen, text, size) && (!visit || visit(&xen)));
    if (!same)
        fprintf(stderr, "Xen: %s, line %u: %s\nours: %s, line %u: %s\n--- of this:\n%.*s\n---\n",
                xen.error ? "refused" : "taken", xen.line, xen_said(&xen),
                error ? "refused" : "taken", our_problem.at.line, our_problem.text, (int)size,
                text);
    xen_close(&xen);
    free(text);
    return same;
}

#endif
