/* SPDX-License-Identifier: MIT */
/* The shell: `a b < in > out | c ; d &`, with cd and exit built in. One list of words, taken apart
 * left to right. What is typed is edited by line.c, the same as at dom0's prompt. */
#include "user.h"
#include "disk_format.h"
#include "line.h"

enum { LINE = 256, WORDS = LINE / 2 };
static char *words[WORDS + 1];
static int keys = -1;                   /* from the console, if it is one that types */

/* Cuts a line into words; the special characters are words of their own, found by their address in
 * this table. */
static char specials[] = ";\0|\0<\0>\0&\0A";
enum { SEMICOLON = 0, PIPE = 2, FROM = 4, TO = 6, BACKGROUND = 8, APPEND = 10 };

static bool is(const char *word, int special)
{
    return word == specials + special;
}

static char *special_word(char **at)
{
    char c = **at;

    if (c == '>' && (*at)[1] == '>') {
        *(*at)++ = 0;
        *(*at)++ = 0;
        return specials + APPEND;
    }
    for (int i = 0; i < APPEND; i += 2) {
        if (specials[i] == c) {
            *(*at)++ = 0;
            return specials + i;
        }
    }
    return NULL;
}

static void cut(char *line)
{
    int n = 0;

    while (*line && n < WORDS) {
        while (*line == ' ' || *line == '\t')
            *line++ = 0;
        if (!*line)
            break;
        char *special = special_word(&line);
        if (special) {
            words[n++] = special;
            continue;
        }
        words[n++] = line;
        while (*line && *line != ' ' && *line != '\t' && *line != ';' && *line != '|' &&
               *line != '<' && *line != '>' && *line != '&')
            line++;
    }
    words[n] = NULL;
}

static void redirect(int fd, const char *path, int mode)
{
    close(fd);
    int got = path ? open(path, mode) : -ENOENT;

    if (got != fd) {
        fprintf(2, "sh: cannot open %s: error %d\n", path ? path : "nothing", -got);
        exit(1);
    }
}

/* In a child: one command of a pipeline, up to `end`. */
static void run_command(char **word, char **end)
{
    char *arguments[WORDS + 1], path[64] = "/bin/";
    int n = 0;

    for (; word < end; word++) {
        if (is(*word, FROM))
            redirect(0, *++word, O_RDONLY);
        else if (is(*word, TO))
            redirect(1, *++word, O_WRONLY | O_CREATE | O_TRUNC);
        else if (is(*word, APPEND))
            redirect(1, *++word, O_WRONLY | O_CREATE | O_APPEND);
        else
            arguments[n++] = *word;
    }
    arguments[n] = NULL;
    if (n == 0)
        exit(0);
    if (arguments[0][0] == '/' || arguments[0][0] == '.' || strlen(arguments[0]) > 50)
        exec(arguments[0], arguments);
    strcpy(path + 5, arguments[0]);
    int error = exec(path, arguments);
    fprintf(2, "sh: %s: %s\n", arguments[0], error == -ENOENT ? "no such program" : "cannot run");
    exit(127);
}

/* In a child: a pipeline, up to `end`. Each stage but the last is a child that writes into a
 * pipe. */
static void run_pipeline(char **word, char **end)
{
    for (char **at = word; at < end; at++) {
        int ends[2];
        if (!is(*at, PIPE))
            continue;
        if (pipe(ends) < 0)
            exit(1);
        if (fork() == 0) {
            close(1);
            dup(ends[1]);
            close(ends[0]);
            close(ends[1]);
            run_command(word, at);
        }
        close(0);
        dup(ends[0]);
        close(ends[0]);
        close(ends[1]);
        word = at + 1;
    }
    run_command(word, end);
}

static bool built_in(char **word, char **end)
{
    if (word == end) return true;
    if (strcmp(*word, "exit") == 0 || strcmp(*word, "logout") == 0)
        exit(0);
    if (strcmp(*word, "cd") != 0) return false;
    if (chdir(end - word > 1 ? word[1] : "/") < 0)
        fprintf(2, "cd: no such directory\n");
    return true;
}

static void run_line(char *line)
{
    cut(line);
    for (char **word = words, **end; *word; word = *end ? end + 1 : end) {
        for (end = word; *end && !is(*end, SEMICOLON) && !is(*end, BACKGROUND); end++)
            ;
        if (built_in(word, end))
            continue;
        int pid = fork();
        if (pid == 0) {
            close(keys);
            run_pipeline(word, end);
        }
        if (pid < 0)
            fprintf(2, "sh: cannot fork: error %d\n", -pid);
        while (pid > 0 && !is(*end, BACKGROUND)) {
            int ended = wait(NULL);
            if (ended == pid || ended < 0)
                break;
        }
    }
}

/* --- at the console --- */

static void show(const char *bytes, size_t size)
{
    write(1, bytes, (unsigned)size);
}

/* For Tab: the n-th name in /bin, or here; asked for one after the other. */
static const char *known(size_t n, const char *command)
{
    static char name[NAME_MAX + 1];
    static int directory = -1;
    struct dirent entry = { .inode = 0 };

    if (n == 0)
        directory = open(command ? "." : "/bin", O_RDONLY);
    while (read(directory, &entry, sizeof entry) == sizeof entry)
        if (entry.inode) {
            memcpy(name, entry.name, NAME_MAX);
            return name;
        }
    close(directory);
    directory = -1;
    return NULL;
}

/* The keys come by a descriptor of their own: what programs read from 0 are lines. -1: the end. */
static int edit_line(char *text, int size)
{
    struct line line = { .prompt = "$ ", .text = text, .room = (size_t)size, .write = show,
                         .known = known, .ends = ";|&" };
    unsigned char key;

    line_show(&line);
    while (read(keys, &key, 1) == 1)
        if (line_take_byte(&line, key)) return 0;
    return -1;
}

int main(int argc, char **argv)
{
    char line[LINE];
    struct stat in;

    if (argc == 3 && strcmp(argv[1], "-c") == 0 && strlen(argv[2]) < LINE) {
        run_line(strcpy(line, argv[2]));
        return 0;
    }
    if (fstat(0, &in) == 0 && in.type == TYPE_DEVICE)
        keys = open("/dev/console", O_RDONLY | O_RAW);
    for (;;) {
        if (keys < 0)
            printf("$ ");
        if ((keys < 0 ? read_line(0, line, LINE) : edit_line(line, LINE)) < 0) return 0;
        run_line(line);
    }
}
