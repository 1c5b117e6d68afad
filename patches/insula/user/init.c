/* SPDX-License-Identifier: MIT */
/* The first program: gives everybody a console, keeps the disk in step (a sync a second), runs the
 * commands that the kernel's command line asked for (its only argument), and then a shell, again
 * and again. */
#include "user.h"

static int start(const char *program, const char *option, const char *commands)
{
    char *arguments[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)option,
                          (char *)(uintptr_t)commands, NULL };
    int pid = fork();

    if (pid == 0) {
        exec("/bin/sh", arguments);
        exit(127);
    }
    return pid;
}

int main(int argc, char **argv)
{
    int shell;

    open("/dev/console", O_RDWR);
    dup(0);
    dup(0);
    if (fork() == 0)
        for (;;) {
            sleep(1000);
            sync();
        }
    shell = argc > 1 && argv[1][0] ? start("sh", "-c", argv[1]) : start("sh", NULL, NULL);
    for (;;)
        if (wait(NULL) == shell)
            shell = start("sh", NULL, NULL);
}
