/* SPDX-License-Identifier: MIT */
/* ls [directory]: type, inode, links, size and name of each entry. */
#include "user.h"
#include "disk_format.h"

static void show(const char *directory, const char *name)
{
    char path[128];
    struct stat stat;
    int fd;

    strcpy(path, directory);
    strcpy(path + strlen(path), "/");
    strcpy(path + strlen(path), name);
    fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &stat) < 0) return;
    close(fd);
    printf("%c %5u %3u %8u %s\n", "?d-c"[stat.type & 3], stat.inode, stat.links, stat.size, name);
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : ".";
    char name[NAME_MAX + 1] = "";
    struct dirent entry;
    struct stat stat;
    int fd = open(directory, O_RDONLY);

    if (fd < 0 || fstat(fd, &stat) < 0 || stat.type != TYPE_DIR || strlen(directory) > 90) {
        fprintf(2, "ls: %s is no directory\n", directory);
        return 1;
    }
    while (read(fd, &entry, sizeof entry) == sizeof entry) {
        if (!entry.inode)
            continue;
        memcpy(name, entry.name, NAME_MAX);
        show(directory, name);
    }
    return 0;
}
