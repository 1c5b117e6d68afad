/* SPDX-License-Identifier: MIT */
/* XenStore client, upper half: a function for each request of the protocol, and a few comforts. */
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include "xs.h"

static struct xs_part string_part(const char *s)
{
    return (struct xs_part){ s, strlen(s) + 1 };
}

char *xs_read(xs_transaction t, const char *path, size_t *length)
{
    struct xs_part part = string_part(path);

    return xs_transact(XS_READ, t, &part, 1, length);
}

int xs_read_into(xs_transaction t, const char *path, char *value, size_t size)
{
    struct xs_part part = string_part(path);

    return xs_transact_into(XS_READ, t, &part, 1, value, size);
}

int xs_write(xs_transaction t, const char *path, const void *value, size_t length)
{
    struct xs_part parts[2] = { string_part(path), { value, length } };

    return xs_command(XS_WRITE, t, parts, 2);
}

int xs_mkdir(xs_transaction t, const char *path)
{
    struct xs_part part = string_part(path);

    return xs_command(XS_MKDIR, t, &part, 1);
}

int xs_rm(xs_transaction t, const char *path)
{
    struct xs_part part = string_part(path);

    return xs_command(XS_RM, t, &part, 1);
}

/* NUL-separated strings to an array of pointers, and the strings behind it, in one allocation. */
static char **split_strings(char *strings, size_t length, unsigned int *count)
{
    char **array, *copy;

    if (IS_ERR(strings)) return (char **)(void *)strings;
    *count = xs_count_strings(strings, length);
    array = malloc((*count + 1) * sizeof(*array) + length + 1);
    if (!array) {
        free(strings);
        return ERR_PTR(refused(-ENOMEM));
    }
    copy = memcpy(array + *count + 1, strings, length + 1);
    free(strings);
    for (unsigned int i = 0; i < *count; i++) {
        array[i] = copy;
        copy += strlen(copy) + 1;
    }
    array[*count] = NULL;
    return array;
}

char **xs_directory(xs_transaction t, const char *path, unsigned int *count)
{
    struct xs_part part = string_part(path);
    size_t length = 0;
    char *answer = xs_transact(XS_DIRECTORY, t, &part, 1, &length);

    return split_strings(answer, length, count);
}

char **xs_get_permissions(xs_transaction t, const char *path, unsigned int *count)
{
    struct xs_part part = string_part(path);
    size_t length = 0;
    char *answer = xs_transact(XS_GET_PERMS, t, &part, 1, &length);

    return split_strings(answer, length, count);
}

int xs_set_permissions(xs_transaction t, const char *path, const char *const *permissions,
                       unsigned int count)
{
    struct xs_part parts[16] = { string_part(path) };

    if (count > 15) return refused(-E2BIG);
    for (unsigned int i = 0; i < count; i++)
        parts[i + 1] = string_part(permissions[i]);
    return xs_command(XS_SET_PERMS, t, parts, count + 1);
}

char *xs_domain_path(domid_t domid)
{
    char number[8];
    struct xs_part part;

    snprintf(number, sizeof(number), "%u", domid);
    part = string_part(number);
    return xs_transact(XS_GET_DOMAIN_PATH, XS_NONE, &part, 1, NULL);
}

/* ---- transactions ---- */

int xs_begin(xs_transaction *t)
{
    struct xs_part part = string_part("");
    char number[16];
    int length = xs_transact_into(XS_TRANSACTION_START, XS_NONE, &part, 1, number, sizeof(number));

    if (length < 0) return length;
    *t = (xs_transaction)strtoul(number, NULL, 10);
    return 0;
}

int xs_end(xs_transaction t, bool abort)
{
    struct xs_part part = string_part(abort ? "F" : "T");

    return xs_command(XS_TRANSACTION_END, t, &part, 1);
}

/* ---- comforts ---- */

static int join_path(char *path, size_t size, const char *directory, const char *node)
{
    int length = snprintf(path, size, "%s%s%s", directory, *directory && *node ? "/" : "", node);

    return (size_t)length < size ? 0 : refused(-E2BIG);
}

char *xs_read_node(xs_transaction t, const char *directory, const char *node)
{
    char path[256];

    if (join_path(path, sizeof(path), directory, node)) return ERR_PTR(refused(-E2BIG));
    return xs_read(t, path, NULL);
}

int xs_vprintf(xs_transaction t, const char *directory, const char *node, const char *format,
               va_list arguments)
{
    char path[256], value[512];
    int length = vsnprintf(value, sizeof(value), format, arguments);

    if ((size_t)length >= sizeof(value) || join_path(path, sizeof(path), directory, node))
        return refused(-E2BIG);
    return xs_write(t, path, value, (size_t)length);
}

int xs_printf(xs_transaction t, const char *directory, const char *node, const char *format, ...)
{
    va_list arguments;
    int error;

    va_start(arguments, format);
    error = xs_vprintf(t, directory, node, format, arguments);
    va_end(arguments);
    return error;
}

int xs_write_for(domid_t reader, const char *path, const char *format, ...)
{
    char value[512], owner[8], other[8];
    const char *const permissions[2] = { owner, other };
    va_list arguments;
    int length, error;

    va_start(arguments, format);
    length = vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    if ((size_t)length >= sizeof(value)) return refused(-E2BIG);
    /* n: nobody else, but those that follow */
    snprintf(owner, sizeof(owner), "n%u", own_domid());
    snprintf(other, sizeof(other), "r%u", reader);
    error = xs_write(XS_NONE, path, value, (size_t)length);
    return error ? error : xs_set_permissions(XS_NONE, path, permissions, 2);
}

int xs_read_ulong(xs_transaction t, const char *directory, const char *node, unsigned long *value)
{
    char *text = xs_read_node(t, directory, node), *end;
    bool good;

    if (IS_ERR(text)) return (int)PTR_ERR(text);
    *value = strtoul(text, &end, 10);
    good = end != text && !*end;
    free(text);
    return good ? 0 : refused(-EINVAL);
}
