/* SPDX-License-Identifier: MIT */
/*
 * The files that guests are made of: what there is, and `refresh`: all of it anew, from whoever
 * runs this machine (storage/files.h), without a reboot. Guests that run keep what they were made
 * of; who is made or started again from now on is made of the new ones. When anything is wrong with
 * these, the old ones stay.
 */
#include "dom0/storage/files.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>

bool verb_files(const struct call *call)
{
    struct archive_file file;
    size_t position = 0;

    while (archive_next(domains_files(), &position, &file) > 0)
        printk("%10lu %s\n", (unsigned long)file.size, file.name);
    return true;
}

enum difference { SAME, CHANGED, NEW, DIFFERENCES };

static enum difference compare(const struct archive_file *file, const struct archive *with)
{
    struct archive_file other;

    if (archive_find(with, file->name, &other, thread_yield)) return NEW;
    return file->size == other.size && !memcmp(file->data, other.data, file->size) ? SAME : CHANGED;
}

/* Says which files of one are not in the other, or are others there; how many there are. */
static unsigned say(const struct archive *archive, const struct archive *before,
                    const char *const verbs[DIFFERENCES])
{
    struct archive_file file;
    size_t position = 0;
    unsigned files = 0;

    for (; archive_next(archive, &position, &file) > 0; files++) {
        const char *verb = verbs[compare(&file, before)];

        if (verb)
            printk("%s %s\n", file.name, verb);
        thread_yield();
    }
    return files;
}

bool verb_refresh(const struct call *call)
{
    static const char *const now[] = { [CHANGED] = "has changed", [NEW] = "is new" };
    static const char *const gone[] = { [NEW] = "is gone", [CHANGED] = NULL };
    struct archive fresh, old;
    struct problem problem;
    unsigned files;

    if (files_read(&fresh, thread_yield, &problem)) {
        verb_refuse(&problem);
        printk("The files are those of before.\n");
        return false;
    }
    domains_begin();                            /* Nobody is being made of them. */
    old = *domains_files();
    *domains_files() = fresh;
    domains_unlock();
    files = say(&fresh, &old, now);
    say(&old, &fresh, gone);
    printk("%u file%s, for guests that are made from now on\n", files, plural(files));
    free(old.memory);
    return true;
}
