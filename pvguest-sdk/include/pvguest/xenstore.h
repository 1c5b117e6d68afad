/* SPDX-License-Identifier: MIT */
/*
 * XenStore client: the wire protocol of <xen/io/xs_wire.h> over the ring of start_info->store_mfn
 * (or, for the domain that runs the daemon, over a transport of its own: xs_set_transport).
 *
 * Any thread may call (so vCPU 0 does); a caller sleeps until its answer comes (do not call from
 * event handlers).
 * Paths are absolute ("/local/domain/1/...") or relative to our own home. Functions return 0 (or a
 * count) or a negative errno, ENOENT included. Strings handed out are malloc'ed and the caller's to
 * free(). Requests that change something need no memory here, nor do xs_begin, xs_end, xs_tell and
 * xs_read_into: what there is can be taken away when there is none.
 */
#ifndef PVGUEST_XENSTORE_H
#define PVGUEST_XENSTORE_H

#include <abi/types.h>
#include <pvguest/xen.h>
#include <pvguest/list.h>
#include <pvguest/thread.h>
#include <xen/io/xs_wire.h>

/* A transaction; XS_NONE is no transaction. */
typedef uint32_t xs_transaction;
#define XS_NONE ((xs_transaction)0)
#define XS_PATH_MAX  XENSTORE_ABS_PATH_MAX      /* 3072 */

/* Connects to the ring of start_info. -ENODEV when this domain has none (dom0 before its daemon
 * runs). */
int xs_init(void);
bool xs_available(void);

/* ---- nodes ---- */

/* The value, with a NUL behind it (not counted in *length, which may be NULL); ERR_PTR on error. */
char *xs_read(xs_transaction t, const char *path, size_t *length);
/* What fits of it into `value`, with a NUL (`size` 0: nothing); the length of all of it, or the
 * error. */
int xs_read_into(xs_transaction t, const char *path, char *value, size_t size);
int xs_write(xs_transaction t, const char *path, const void *value, size_t length);
int xs_mkdir(xs_transaction t, const char *path);
int xs_rm(xs_transaction t, const char *path);
/* The children's names: one malloc'ed array (free it once), *count entries; ERR_PTR on error. */
char **xs_directory(xs_transaction t, const char *path, unsigned int *count);
/* Permissions in the wire's form: "n5", "r0", ... ; the first names the owner and what others
 * may. */
int xs_set_permissions(xs_transaction t, const char *path, const char *const *permissions,
                       unsigned int count);
char **xs_get_permissions(xs_transaction t, const char *path, unsigned int *count);
/* "/local/domain/<domid>", malloc'ed. */
char *xs_domain_path(domid_t domid);

/* ---- comforts: path = directory "/" node, either may be empty ---- */

char *xs_read_node(xs_transaction t, const char *directory, const char *node);
int xs_printf(xs_transaction t, const char *directory, const char *node, const char *format, ...)
    __attribute__((format(__printf__, 4, 5)));
int xs_vprintf(xs_transaction t, const char *directory, const char *node, const char *format,
               va_list arguments) __attribute__((format(__printf__, 4, 0)));
/* Writes a node of our own that the domain `reader` may read (a domain's nodes are otherwise its
 * own and dom0's to see). */
int xs_write_for(domid_t reader, const char *path, const char *format, ...)
    __attribute__((format(__printf__, 3, 4)));
/* A decimal number; -EINVAL when the node holds something else. */
int xs_read_ulong(xs_transaction t, const char *directory, const char *node, unsigned long *value);

/* ---- transactions: all of it or nothing ---- */
/*  do { xs_begin(&t); ...xs_write(t, ...)...; error = xs_end(t, false); } while (error ==
 * -EAGAIN) */

int xs_begin(xs_transaction *t);
/* abort: forget it. Else commit: -EAGAIN when someone else changed what we touched; then do it all
 * again. */
int xs_end(xs_transaction t, bool abort);

/* ---- watches ---- */

/*
 * A watch on a path and everything below it. It fires once at once. Two ways to take delivery:
 *  callback != NULL: called by the library's watch thread (it may sleep and call xs_*, it delays
 *      other callbacks); the path is its own until it returns or unwatches;
 *  callback == NULL: queued; xs_watch_wait takes the next path, malloc'ed. A path that changes
 * again before its event was taken has one event; when many paths wait, or there is no memory for
 * one more, one event of the watched path itself stands for all further ones: nothing is lost. The
 * struct is the caller's, and lives until xs_unwatch has returned.
 */
struct xs_watch {
    struct list link;
    struct list events;             /* queued paths, oldest first */
    unsigned int event_count;
    bool whole;                     /* behind those, an event of the watched path */
    bool forgotten;                 /* by a store that does not know it yet (<pvguest/suspend.h>) */
    struct wait_queue wait;
    void (*callback)(struct xs_watch *watch, const char *path);
    void *data;                     /* the caller's */
    char *path;
    char token[20];
};
int xs_watch(struct xs_watch *watch, const char *path);
int xs_unwatch(struct xs_watch *watch);
/* Sleeps for the next event, at most timeout_ns (0: for ever). NULL when time is up. */
char *xs_watch_wait(struct xs_watch *watch, uint64_t timeout_ns);

/* ---- the domains that serve ---- */

/*
 * How bytes get to the daemon and back. The ring's functions are the default; dom0, whose daemon is
 * a thread of the same image, plugs in its own. write and read may move less than asked (0: nothing
 * now) and must not sleep; the transport calls xs_wake() when reading or writing may go on.
 */
struct xs_transport {
    size_t (*write)(void *data, const void *from, size_t length);
    size_t (*read)(void *data, void *to, size_t length);
    void *data;
};
int xs_set_transport(const struct xs_transport *transport);
void xs_wake(void);

/* Any request as it is: for XS_INTRODUCE, XS_RELEASE, XS_DEBUG... `body` may hold NULs. The answer
 * malloc'ed, or ERR_PTR. */
char *xs_request(enum xsd_sockmsg_type type, xs_transaction t, const void *body, size_t length,
                 size_t *answer_length);

/* The same where the answer says only that it was done: 0 or the error. */
int xs_tell(enum xsd_sockmsg_type type, xs_transaction t, const void *body, size_t length);

/* ---- pure parts, shared with daemons and host tests (lib/xs_message.c) ---- */

/* Lays header and NUL-separated parts into buffer; returns the bytes used, or -E2BIG when over size
 * or XENSTORE_PAYLOAD_MAX. */
struct xs_part { const void *data; size_t length; };
int xs_message_pack(void *buffer, size_t size, uint32_t type, uint32_t req_id, uint32_t tx_id,
                    const struct xs_part *parts, unsigned int count);
/* Error names on the wire: "ENOENT" <-> ENOENT. Unknown names are EINVAL. */
int xs_error_number(const char *name);
const char *xs_error_name(int error);
/* Splits NUL-separated strings: how many there are in length bytes (a missing last NUL still ends
 * one). */
unsigned int xs_count_strings(const char *strings, size_t length);
/* Bytes that may be written to / read from one side of the ring, from its free-running indices;
 * -EIO when they lie. */
int xs_ring_space(uint32_t producer, uint32_t consumer);
int xs_ring_filled(uint32_t producer, uint32_t consumer);

#endif
