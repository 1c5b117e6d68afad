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
__attribute__((format(printf, 2, 3))) static void put_before(struct problem *problem,
                                                             const char *format, ...)
{
    char text[sizeof(problem->text)];
    va_list arguments;

    strlcpy(text, problem->text, sizeof(text));
    va_start(arguments, format);
    problem_vset(problem, 0, format, arguments);
    va_end(arguments);
    strlcpy(problem->text + strlen(problem->text), text,
            sizeof(problem->text) - strlen(problem->text));
}

void recipe_say_where(const char *file, struct problem *problem)
{
    if (problem->at.behind)
        put_before(problem, "word %u behind %s: ", problem->at.line, file);
    else if (problem->at.line)
        put_before(problem, "%s:%u: ", file, problem->at.line);
}

/* A line each. */
static void show_warnings(const char *file, const struct config_warnings *warnings)
{
    for (const char *line = warnings->text, *end; (end = strchr(line, '\n')); line = end + 1)
        printk("Warning: %s: %.*s\n", file, (int)(end - line), line);
}

static int find(const struct archive *files, const char *name, struct archive_file *file)
{
    return archive_find(files, name, file, thread_yield);
}

int recipe_read(const struct archive *files, const char *file, const char *more,
                struct config *config, struct problem *problem)
{
    static struct config_warnings warnings;     /* Large; used under the toolstack's lock. */
    struct archive_file found = { .size = 0 };
    /* As people have it with xl: all stands behind it. */
    bool nothing = !strcmp(file, "/dev/null");
    int error = nothing ? 0 : find(files, file, &found);

    if (error)
        return problem_set(problem, error, "no file '%s' in the boot archive (\"files\" lists it)",
                           file);
    if (found.size >= 4 && !memcmp(found.data, "\177ELF", 4))
        return problem_set(problem, -EINVAL, "'%s' is a kernel: a configuration names it, and that "
                           "is what create takes", file);
    error = config_parse(nothing ? "" : (const char *)found.data, found.size, more, config,
                         problem, &warnings);
    show_warnings(file, &warnings);
    if (!error) return 0;
    if (!problem->at.line)
        put_before(problem, "%s: ", file);
    return error;
}

static int no_file(struct problem *problem, const char *key, const char *name)
{
    return problem_set(problem, -ENOENT,
                       "%s '%s': no such file in the boot archive (\"files\" lists it)", key, name);
}

static int find_kernel(const struct archive *files, const struct config *config,
                       struct unpacked *kernel, struct problem *problem)
{
    struct archive_file file;
    int error;

    if (find(files, config->kernel, &file)) return no_file(problem, "kernel", config->kernel);
    error = unpack_kernel(file.data, file.size, thread_yield, kernel);
    return error ? problem_set(problem, error, "the kernel cannot be used: %s", kernel->why) : 0;
}

static int find_ramdisk(const struct archive *files, const struct config *config,
                        struct unpacked *ramdisk, struct problem *problem)
{
    struct archive_file file;

    if (find(files, config->ramdisk, &file)) return no_file(problem, "ramdisk", config->ramdisk);
    return unpack_ramdisk(file.data, file.size, thread_yield, ramdisk);
}

/* Whose fault is it that a domain cannot be built? The kernel's file, or the memory's size, or
 * nobody's. */
static int blame(const struct config *config, int error, struct problem *problem)
{
    if (error == -ENOMEM) return problem_at(problem, error, config->at.memory);
    if (error == -ENOEXEC || error == -ERANGE || error == -EADDRINUSE || error == -EADDRNOTAVAIL)
        return problem_at(problem, error, config->at.kernel);
    return error;
}

int recipe_build(const struct archive *files, const struct config *config,
                 struct build_result *built, struct problem *problem)
{
    struct build_request request = {
        .command_line = config->extra, .pages = config->memory_mib * 256,
        .max_pages = config->maxmem_mib * 256, .vcpus = config->vcpus,
        .grant_frames = config->grant_frames, .maptrack_frames = config->maptrack_frames,
        .uuid = config->has_uuid ? config->uuid : NULL,
    };
    struct unpacked kernel, ramdisk = { .memory = NULL };
    int error = find_kernel(files, config, &kernel, problem);

    if (error) return problem_at(problem, error, config->at.kernel);
    if (config->ramdisk[0])
        error = problem_at(problem, find_ramdisk(files, config, &ramdisk, problem),
                           config->at.ramdisk);
    if (!error) {
        request.kernel = kernel.bytes;
        request.kernel_size = kernel.size;
        request.ramdisk = ramdisk.bytes;
        request.ramdisk_size = ramdisk.size;
        error = build_domain(&request, built, problem->text, sizeof(problem->text));
        error = blame(config, error, problem);
    }
    unpack_free(&ramdisk);
    unpack_free(&kernel);
    return error;
}
