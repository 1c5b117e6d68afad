/* SPDX-License-Identifier: MIT */
/* What a program of Insula may use: the system calls, and a small library (library.c). Calls return
 * a value >= 0, or a negated error number. */
#pragma once
#include "abi.h"
#include <stdbool.h>
#include <stddef.h>

int fork(void);
void exit(int status) __attribute__((noreturn));
int wait(int *status);                                  /* the pid of a child that ended */
int exec(const char *path, char *const *arguments);     /* returns only on error */
int kill(int pid);
int getpid(void);
/* the old end of the heap, or a negated error */
void *sbrk(long bytes);
int sleep(unsigned ms);
long uptime(void);                                      /* ms */
int procinfo(unsigned index, struct procinfo *info);
int open(const char *path, int mode);
int close(int fd);
int read(int fd, void *to, unsigned n);
int write(int fd, const void *from, unsigned n);
int pipe(int fds[2]);
int dup(int fd);
int fstat(int fd, struct stat *stat);
int chdir(const char *path);
int mkdir(const char *path);
int link(const char *from, const char *to);
int unlink(const char *path);
int sync(void);
int socket(unsigned short port);
int sendto(int fd, const struct address *to, const void *data, unsigned n);
/* 0: for ever */
int recvfrom(int fd, struct address *from, void *data, unsigned n, unsigned timeout_ms);
int ping(unsigned ip, unsigned short sequence, unsigned timeout_ms);
void poweroff(void) __attribute__((noreturn));

int main(int argc, char **argv);

long system_call(long number, long a, long b, long c, long d, long e);
void *memset(void *to, int byte, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
const char *strstr(const char *s, const char *what);
char *strcpy(char *to, const char *from);
long atol(const char *s);
unsigned parse_ip(const char *s);
void printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fprintf(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
int read_line(int fd, char *line, int size);            /* without the newline; -1 at the end */
/* fork, exec /bin/program, wait: its status */
int spawn(const char *program, const char *argument);
