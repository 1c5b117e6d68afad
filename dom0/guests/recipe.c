/* SPDX-License-Identifier: MIT */
/*
 * What a configuration asks for, taken from the boot archive (recipe.h). What turns out to be wrong
 * there is blamed on the line that asked for it.
 */
#include "dom0/guests/recipe.h"
#include "dom0/xc/unpack.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>

/* Before the sentence. */
__attribute__((format(printf, 2, 3))) static void put_before(struct trouble *trouble,
                                                             const char *format, ...)
{
    char text[sizeof(trouble->text)];
    va_list arguments;

    strlcpy(text, trouble->text, sizeof(text));
    va_start(arguments, format);
    trouble_vset(trouble, 0, format, arguments);
    va_end(arguments);
    strlcpy(trouble->text + strlen(trouble->text), text,
            sizeof(trouble->text) - strlen(trouble->text));
}

void recipe_say_where(const char *file, struct trouble *trouble)
{
    if (trouble->at.behind)
        put_before(trouble, "word %u behind %s: ", trouble->at.line, file);
    else if (trouble->at.line)
        put_before(trouble, "%s:%u: ", file, trouble->at.line);
}

/* A line each. */
static void show_warnings(const char *file, const struct config_warnings *warnings)
{
    for (const char *line = warnings->text, *end; (end = strchr(line, '\n')); line = end + 1)
        printk("Warning: %s: %.*s\n", file, (int)(end - line), line);
}

int recipe_read(const struct archive *files, const char *file, const char *more,
                struct config *config, struct trouble *trouble)
{
    static struct config_warnings warnings;     /* Large; used under the toolstack's lock. */
    struct archive_file found = { .size = 0 };
    /* As people have it with xl: all stands behind it. */
    bool nothing = !strcmp(file, "/dev/null");
    int error = nothing ? 0 : archive_find(files, file, &found);

    if (error)
        return trouble_set(trouble, error, "no file '%s' in the boot archive (\"files\" lists it)",
                           file);
    error = config_parse(nothing ? "" : (const char *)found.data, found.size, more, config,
                         trouble, &warnings);
    show_warnings(file, &warnings);
    if (!error) return 0;
    if (!trouble->at.line)
        put_before(trouble, "%s: ", file);
    return error;
}

static int no_file(struct trouble *trouble, const char *key, const char *name)
{
    return trouble_set(trouble, -ENOENT,
                       "%s '%s': no such file in the boot archive (\"files\" lists it)", key, name);
}

static int find_kernel(const struct archive *files, const struct config *config,
                       struct unpacked *kernel, struct trouble *trouble)
{
    struct archive_file file;
    int error;

    if (archive_find(files, config->kernel, &file))
        return no_file(trouble, "kernel", config->kernel);
    error = unpack_kernel(file.data, file.size, thread_yield, kernel);
    return error ? trouble_set(trouble, error, "the kernel cannot be used: %s", kernel->why) : 0;
}

static int find_ramdisk(const struct archive *files, const struct config *config,
                        struct unpacked *ramdisk, struct trouble *trouble)
{
    struct archive_file file;

    if (archive_find(files, config->ramdisk, &file))
        return no_file(trouble, "ramdisk", config->ramdisk);
    return unpack_ramdisk(file.data, file.size, thread_yield, ramdisk);
}

/* Whose fault is it that a domain cannot be built? The kernel's file, or the memory's size, or
 * nobody's. */
static int blame(const struct config *config, int error, struct trouble *trouble)
{
    if (error == -ENOMEM) return trouble_at(trouble, error, config->at.memory);
    if (error == -ENOEXEC || error == -ERANGE || error == -EADDRINUSE || error == -EADDRNOTAVAIL)
        return trouble_at(trouble, error, config->at.kernel);
    return error;
}

int recipe_build(const struct archive *files, const struct config *config,
                 struct build_result *built, struct trouble *trouble)
{
    struct build_request request = {
        .command_line = config->extra, .pages = config->memory_mib * 256,
        .max_pages = config->maxmem_mib * 256, .vcpus = config->vcpus,
        .grant_frames = config->grant_frames, .maptrack_frames = config->maptrack_frames,
        .uuid = config->has_uuid ? config->uuid : NULL,
    };
    struct unpacked kernel, ramdisk = { .memory = NULL };
    int error = find_kernel(files, config, &kernel, trouble);

    if (error) return trouble_at(trouble, error, config->at.kernel);
    if (config->ramdisk[0])
        error = trouble_at(trouble, find_ramdisk(files, config, &ramdisk, trouble),
                           config->at.ramdisk);
    if (!error) {
        request.kernel = kernel.bytes;
        request.kernel_size = kernel.size;
        request.ramdisk = ramdisk.bytes;
        request.ramdisk_size = ramdisk.size;
        error = build_domain(&request, built, trouble->text, sizeof(trouble->text));
        error = blame(config, error, trouble);
    }
    unpack_free(&ramdisk);
    unpack_free(&kernel);
    return error;
}
