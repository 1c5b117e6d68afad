/* SPDX-License-Identifier: MIT */
/*
 * domus-scan: which instructions of a kernel does a paravirtual one have to do without? Reads an
 * ELF file for x86, of 32 or 64 bits, and lists those that Popek and Goldberg's theorem is about.
 *
 * Reading order: table.h table.c (what is looked for), image.c symbols.c limits.c (the file),
 * sweep.c (the search), guess.c, lines.c, totals.c, then what prints: text.c json.c difference.c
 * print_table.c.
 */
#include "report.h"
#include <abi/version.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MOST_CHOICES 32

struct options {
    bool json, brief, difference;
    struct choice choices[MOST_CHOICES + 1];
    unsigned int choice_count;
};

static const char help[] =
"domus-scan [OPTION]... KERNEL      lists what a paravirtual kernel cannot keep\n"
"domus-scan --diff [OPTION]... OLD NEW\n"
"                                   what has come and gone between two kernels\n"
"\n"
"  -j, --json         one JSON object for programs, in place of text\n"
"  -b, --brief        only notes and totals\n"
"  -d, --diff         compares two kernels\n"
"      --code32 NAME  section NAME is code of 32 bits, whatever the file says (repeat it)\n"
"      --code64 NAME  section NAME is code of 64 bits\n"
"      --table[=FORMAT]  what is looked for: text, markdown or man\n"
"  -h, --help         this; the man page has more: domus-scan(1)\n"
"      --version      which Domus it came with\n"
"\n"
"KERNEL is an ELF file for x86 of 32 or 64 bits, best with symbols and DWARF (gcc -g).\n"
"Exit status: 0 nothing silent; 1 something silent (--diff: more than before); 2 it cannot be\n"
"scanned; 3 nothing silent, but there are bytes that could not be judged.\n";

static int failed(const char *what, const char *why)
{
    fprintf(stderr, "domus-scan: %s: %s\n", what, why);
    return FAILED;
}

static int open_and_sweep(struct scan *scan, struct image *image, const char *path,
                          struct options *options)
{
    const char *problem = image_open(image, path, options->choices);

    *scan = (struct scan){ .image = image };
    if (problem) return failed(path, problem);
    sweep(scan, image, lines_open(image));
    return 0;
}

static void close_all(struct scan *scan)
{
    lines_close(scan->lines);
    sweep_free(scan);
    image_close(scan->image);
}

static int scan_one(const char *path, struct options *options)
{
    struct image image;
    struct scan scan;
    struct totals totals;
    int result = open_and_sweep(&scan, &image, path, options);

    if (!result) {
        if (options->json)
            print_json(&scan);
        else
            print_text(&scan, options->brief);
        totals_of(&totals, &scan);
        result = verdict(&totals);
    }
    close_all(&scan);
    return result;
}

static int compare(char **paths, struct options *options)
{
    struct image images[2] = { 0 };
    struct scan scans[2] = { { .image = &images[0] }, { .image = &images[1] } };
    int result = 0;

    for (int i = 0; i < 2 && !result; i++)
        result = open_and_sweep(&scans[i], &images[i], paths[i], options);
    if (!result)
        result = print_difference(&scans[0], &scans[1], options->json);
    close_all(&scans[0]);
    close_all(&scans[1]);
    return result;
}

/* Returns the exit status of what is done at once, or -1. */
static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        { "json", no_argument, NULL, 'j' }, { "brief", no_argument, NULL, 'b' },
        { "diff", no_argument, NULL, 'd' }, { "code32", required_argument, NULL, 32 },
        { "code64", required_argument, NULL, 64 }, { "table", optional_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 } };
    int option;

    while ((option = getopt_long(argc, argv, "jbdh", known, NULL)) != -1)
        switch (option) {
        case 'j': options->json = true; break;
        case 'b': options->brief = true; break;
        case 'd': options->difference = true; break;
        case 't':
            if (print_table(optarg ? optarg : "text")) return 0;
            return failed(optarg, "no such format: text, markdown or man");
        case 'h': fputs(help, stdout); return 0;
        case 'v': puts("domus-scan, domus-" DOMUS_VERSION); return 0;
        case 32: case 64:
            if (options->choice_count == MOST_CHOICES) return failed(optarg, "too many sections");
            options->choices[options->choice_count++] =
                (struct choice){ .section = optarg, .bits = option };
            break;
        default: fputs("domus-scan --help says what there is\n", stderr); return FAILED;
        }
    return -1;
}

int main(int argc, char **argv)
{
    struct options options = { 0 };
    int result = read_options(argc, argv, &options), wanted = options.difference ? 2 : 1;

    if (result < 0 && argc - optind != wanted) {
        fprintf(stderr, "domus-scan: %s\n", wanted == 2 ? "--diff wants OLD and NEW"
                : "which kernel? domus-scan --help says more");
        result = FAILED;
    }
    if (result < 0)
        result = wanted == 2 ? compare(argv + optind, &options) : scan_one(argv[optind], &options);
    if (fflush(stdout) || ferror(stdout)) return failed("output", "cannot be written");
    return result;
}
