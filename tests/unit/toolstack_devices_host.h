/* SPDX-License-Identifier: MIT */
/* The other half of toolstack_host.h: a disk of two partitions, back ends that serve nothing but
 * have the real state machine, guests that speak and echo. */
#ifndef TESTS_UNIT_TOOLSTACK_DEVICES_HOST_H
#define TESTS_UNIT_TOOLSTACK_DEVICES_HOST_H

/* --- the disk --------------------------------------------------------------------------------- */

static struct partition { const char *name; unsigned writers, readers; } partitions[] = {
    { "root", 0, 0 }, { "home", 0, 0 },
};
static struct blockdev blockdevs[2];

int disks_claim(const char *partition, bool writable, struct blockdev **device, const char **why)
{
    for (unsigned i = 0; i < 2; i++) {
        struct partition *found = &partitions[i];

        if (strcmp(found->name, partition))
            continue;
        *why = "somebody has it";
        if (found->writers || (writable && found->readers) || fails()) return -EBUSY;
        (*(writable ? &found->writers : &found->readers))++;
        *device = &blockdevs[i];
        return 0;
    }
    *why = "there is none of that name";
    return -ENOENT;
}

void disks_release(const char *partition, bool writable)
{
    struct partition *found = &partitions[strcmp(partition, partitions[0].name) != 0];

    assert_string_equal(found->name, partition);
    assert_true(writable ? found->writers : found->readers);
    (*(writable ? &found->writers : &found->readers))--;
}

void disks_flush(uint64_t patience)
{
    say("# the disk is flushed\n");
}

void disks_for_each(void (*visit)(const char *name, uint64_t sectors, unsigned writers,
                                  unsigned readers))
{
    for (unsigned i = 0; i < 2; i++)
        visit(partitions[i].name, 2048 * (i + 1) + 2047, partitions[i].writers,
              partitions[i].readers);
}

/* --- the disk of files: what there is, but for a byte that goes on ---------------------------- */

static const struct archive *now_there;

int files_read(struct archive *fresh, void (*breathe)(void), struct problem *problem)
{
    static uint8_t byte;
    struct archive_file file;

    breathe();
    if (fails()) return problem_set(problem, -EIO, "there are none now");
    *fresh = *now_there;
    fresh->memory = malloc(fresh->size);
    if (!fresh->memory) return problem_set(problem, -ENOMEM, "no memory");
    fresh->bytes = memcpy(fresh->memory, fresh->bytes, fresh->size);
    assert_int_equal(archive_find(fresh, "short", &file, thread_yield), 0);
    ((uint8_t *)fresh->memory)[file.data - fresh->bytes] = ++byte;
    return 0;
}

/* --- back ends: the state machine is the real one --------------------------------------------- */

struct back {
    struct backend backend;             /* First. */
    struct back *next;
    bool net, broken, work, closed;
    unsigned in_flight, served, handed_up;
    void (*wake)(void *waker);
    void *waker;
    struct blkback_quota *quota;
    struct netport port;
    struct blkback_counters counters;
};

struct blkback { struct back back; };
struct netback { struct back back; };

static struct back *backs;

static int back_publish(struct backend *backend)
{
    return backend_write_number(backend, "feature-of-mine", 1);
}

static int back_connect(struct backend *backend)
{
    uint64_t reference;
    int error = backend_read_number(backend, backend->front, "ring-ref", &reference);

    say("# %s connects: %d\n", backend->back, error);
    return error;
}

static bool back_disconnect(struct backend *backend)
{
    return !((struct back *)backend)->in_flight;
}

static const struct backend_driver back_driver = { back_publish, back_connect, back_disconnect };

static struct back *new_back(const struct backend_store *store, domid_t domain, unsigned number,
                             bool net)
{
    struct back *back = fails() ? NULL : calloc(1, sizeof *back);
    char path[80], state[8];

    if (!back) return NULL;
    back->net = net;
    back->next = backs;
    backs = back;
    snprintf(path, sizeof path, "/local/domain/0/backend/%s/%u/%u/state", net ? "vif" : "vbd",
             domain, number);
    if (store->read(store->context, path, state, sizeof state) >= 0)
        assert_string_equal(state, "1");        /* Initialising, as the toolstack has written. */
    backend_start(&back->backend, &back_driver, store, net ? "vif" : "vbd", domain, number);
    return back;
}

static void free_back(struct back *back)
{
    struct back **link = &backs;

    assert_int_equal(back->in_flight, 0);
    say("# %s ends: %u turns\n", back->backend.back, back->served);
    backend_stop(&back->backend);
    while (*link != back)
        link = &(*link)->next;
    *link = back->next;
    free(back);
}

static bool serve_back(struct back *back, unsigned budget)
{
    back->served++;
    say("# %s is served: %u\n", back->backend.back, budget);
    return back->work && back->served % 3;
}

struct blkback *blkback_create(const struct backend_store *store, domid_t domain, unsigned vdev,
                               struct blockdev *device, unsigned offer)
{
    say("# vbd %u of %u: %s, offer %u\n", vdev, domain, partitions[device - blockdevs].name, offer);
    return (struct blkback *)new_back(store, domain, vdev, false);
}

void blkback_quota_init(struct blkback_quota *quota)
{
    quota->pages = 1;
    list_init(&quota->waiting);
}

void blkback_on_work(struct blkback *blkback, void (*wake)(void *waker), void *waker,
                     struct blkback_quota *quota)
{
    assert_int_equal(quota->pages, 1);
    for (struct back *back = backs; back; back = back->next)    /* A guest's disks have one. */
        if (!back->net && back != &blkback->back && back->quota)
            assert_int_equal(back->quota == quota,
                             back->backend.domain == blkback->back.backend.domain);
    blkback->back.wake = wake;
    blkback->back.waker = waker;
    blkback->back.quota = quota;
}

bool blkback_serve(struct blkback *blkback, unsigned budget)
{
    return serve_back(&blkback->back, budget);
}

bool blkback_is_due(const struct blkback *blkback)
{
    return blkback->back.broken;
}

void blkback_service(struct blkback *blkback)
{
    say("# %s is looked after\n", blkback->back.backend.back);
    blkback->back.broken = false;
}

void blkback_changed(struct blkback *blkback)
{
    backend_changed(&blkback->back.backend);
}

bool blkback_idle(const struct blkback *blkback)
{
    return !blkback->back.in_flight;
}

bool blkback_close(struct blkback *blkback)
{
    blkback->back.closed = true;
    return !blkback->back.in_flight;
}

const struct blkback_counters *blkback_counters(const struct blkback *blkback)
{
    return &blkback->back.counters;
}

size_t blkback_bytes(void)
{
    return 1000;
}

void blkback_destroy(struct blkback *blkback)
{
    free_back(&blkback->back);
}

static bool net_send(struct netport *port, const void *frame, size_t length, uint32_t flags)
{
    say("# %s gets %zu bytes\n", port->name, length);
    return true;
}

static void net_flush(struct netport *port)
{
}

static bool net_serve(struct netport *port, unsigned budget)
{
    return serve_back(port->context, budget);
}

struct netback *netback_create(const struct backend_store *store, domid_t domain, unsigned index,
                               const uint8_t mac[6])
{
    struct back *back;

    say("# vif %u of %u: %02x:%02x:%02x:%02x:%02x:%02x\n", index, domain, mac[0], mac[1], mac[2],
        mac[3], mac[4], mac[5]);
    back = new_back(store, domain, index, true);
    if (!back) return NULL;
    back->port = (struct netport){ .name = "vif", .send = net_send, .flush = net_flush,
                                   .serve = net_serve, .context = back };
    memcpy(back->port.mac, mac, 6);
    return (struct netback *)back;
}

struct netport *netback_port(struct netback *netback)
{
    return &netback->back.port;
}

void netback_changed(struct netback *netback)
{
    backend_changed(&netback->back.backend);
}

bool netback_is_broken(const struct netback *netback)
{
    return netback->back.broken;
}

void netback_service(struct netback *netback)
{
    say("# %s is looked after\n", netback->back.backend.back);
    netback->back.broken = false;
}

size_t netback_bytes(void)
{
    return 3000;
}

void netback_destroy(struct netback *netback)
{
    assert_null(netback->back.port.receive);    /* Unplugged. */
    free_back(&netback->back);
}

/* --- guests ----------------------------------------------------------------------------------- */

static bool deaf;                       /* Nobody hears of what a guest says. */

static void guest_says(struct guest *guest, const char *text)
{
    struct xencons_interface *page = (void *)guest->console;

    for (; *text; text++)
        page->out[MASK_XENCONS_IDX(page->out_prod++, page->out)] = *text;
    for (unsigned port = 0; port < PORTS && !deaf; port++)
        if (ports[port].bound && &guests[ports[port].domid] == guest && ports[port].remote == 2)
            ring(port);
}

/* What dom0 types comes back where the guest echoes. */
static void send(unsigned port)
{
    struct guest *guest = &guests[ports[port].domid];
    struct xencons_interface *page = (void *)guest->console;
    char text[sizeof page->in + 1] = "", *end = text;

    assert_true(ports[port].bound);
    if (!guest->echoes || ports[port].remote != 2) return;
    while (page->in_cons != page->in_prod)
        *end++ = page->in[MASK_XENCONS_IDX(page->in_cons++, page->in)];
    if (end > text)
        guest_says(guest, text);
}

#endif
