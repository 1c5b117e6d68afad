/* SPDX-License-Identifier: MIT */
/* What Tab knows at the prompt (line.h). */
#include "dom0/guests/domains.h"
#include "dom0/xl/verbs.h"

/* A configuration is a text, and neither a kernel nor a ramdisk is. */
static bool is_text(const struct archive_file *file)
{
    for (size_t i = 0; i < file->size && i < 256; i++)
        if (file->data[i] < ' ' && !strchr("\t\r\n", file->data[i])) return false;
    return true;
}

/* The n-th of the archive, or of its configurations. */
static const char *known_file(size_t n, bool configurations)
{
    static struct archive_file file;
    size_t position = 0;

    do {
        do {
            if (archive_next(domains_files(), &position, &file) <= 0) return NULL;
        } while (configurations && !is_text(&file));
    } while (n--);
    return file.name;
}

/* Does that command, whose name ends at a blank, say so of what it takes? */
static bool takes(const char *text, const char *what)
{
    struct command command;
    enum device_kind kind;

    for (size_t i = 0; command_at(i, &command, &kind); i++) {
        size_t size = strlen(command.name);

        if (!strncmp(text, command.name, size) && text[size] == ' ')
            return strstr(command.arguments, what);
    }
    return false;
}

const char *known_word(size_t n, const char *before)
{
    static struct command command;
    const struct domain *domain = domains_next(NULL);
    enum device_kind kind;

    if (!before) return command_at(n, &command, &kind) ? command.name : NULL;
    if (takes(before, "FILE")) return known_file(n, true);
    for (; domain && n; n--)
        domain = domains_next(domain);
    if (domain) return domain->config.name;
    return known_file(n, false);
}
