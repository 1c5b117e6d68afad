/* SPDX-License-Identifier: MIT */
/*
 * To here (move.h): a thread that is called, and takes one guest at a time. What comes is judged as
 * a saved guest is. Nobody waits for it: until all is there the domain is in nobody's list, and the
 * toolstack's lock is not held.
 *
 * Whoever calls can have, beside the one guest's memory: the connection's two buffers (stream.h),
 * a configuration (SAVE_MOST_CONFIG), and what the restorer keeps for each page that the guest may
 * have; that only while dom0 has more than guests leave it anyway.
 */
#include "dom0/bucket.h"
#include "dom0/config/address.h"
#include "dom0/guests/move.h"
#include "dom0/guests/saved.h"
#include "dom0/save/save.h"
#include "dom0/save/wire.h"
#include "dom0/xc/control.h"
#include "dom0/network/own.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>

#define HELLO_NS (5 * NS_PER_S)         /* For who has called to say why. */
#define LISTEN_NS (5 * NS_PER_S)        /* For who is told NO to hear it, and */
#define LISTEN_MOST (4u * STREAM_BUFFER)        /* what he may have said meanwhile. */
#define RAN 256u
#define LINES_RATE 1u                   /* A second. */
#define LINES_BURST 20u

static struct {
    bool started, on, changed;
    uint32_t only;
    const struct domain *comes;         /* All of it is here, but not the word that it may run. */
    /* Those that came to run here, round and round: more than may come while one is asked for. */
    uint8_t ran[RAN][MOVE_ID];
    unsigned count;
    struct bucket lines;                /* Of those that have not come. */
} receiver;

struct arrival {
    struct wire *wire;
    struct move_hello hello, ours;
    struct config config;
    char *said;
    struct domain *domain;
};

static int say(struct wire *wire, enum move_word word, const char *text)
{
    struct move_answer answer = { .word = word };

    snprintf(answer.text, sizeof(answer.text), "%s", text);
    return wire->tape.write(&wire->tape, &answer, sizeof(answer));
}

/* What he sends meanwhile is read: unread, it would have the connection end before he has read. */
static void say_no(struct wire *wire, const char *why)
{
    static uint8_t scratch[1024];
    uint64_t until, now;
    size_t heard = 0;

    if (say(wire, MOVE_NO, why)) return;
    now = now_ns();
    for (until = now + LISTEN_NS; heard < LISTEN_MOST && now < until; now = now_ns()) {
        if (wire_read(wire, scratch, sizeof(scratch), until - now)) return;
        heard += sizeof(scratch);
    }
}

static int check_hello(struct arrival *arrival, struct problem *problem)
{
    const struct move_hello *hello = &arrival->hello;
    int error = move_fits(hello, &arrival->ours, problem);

    if (error) return error;
    if (hello->pages > machine_free_pages())
        return problem_set(problem, -ENOMEM,
                           "too little memory: the guest has %lu MiB, %lu MiB are free",
                           (unsigned long)hello->pages / 256,
                           (unsigned long)machine_free_pages() / 256);
    snprintf(arrival->config.name, sizeof(arrival->config.name), "%s", hello->name);
    domains_begin();
    error = domains_check(&arrival->config, problem);
    domains_unlock();
    return error;
}

/* --- it comes --- */

static int get_config(struct arrival *arrival, struct problem *problem)
{
    bool json;
    char *text;
    int error = restore_config(&arrival->wire->tape, &text, &json, problem);

    if (error) return error;
    domains_begin();
    error = saved_parse(text, json, NULL, &arrival->config, &arrival->said, problem);
    error = error ? error : domains_check(&arrival->config, problem);
    domains_unlock();
    if (!error && arrival->config.maxmem_mib * 256 >= MOST_PFNS)
        error = problem_set(problem, -ENOMEM, "dom0 has too little memory for a guest of %lu MiB",
                            arrival->config.maxmem_mib);
    return error;
}

static int take(struct arrival *arrival, struct problem *problem)
{
    int error = get_config(arrival, problem);

    return error ? error : saved_make(&arrival->wire->tape, &arrival->config, arrival->said,
                                      &arrival->domain, problem);
}

/* The word that it may run; without it, it ends. */
static int let_go(struct arrival *arrival, struct problem *problem)
{
    uint32_t go;
    int error = say(arrival->wire, MOVE_READY, "");

    receiver.comes = arrival->domain;
    error = error ? error : wire_read(arrival->wire, &go, sizeof(go), WIRE_PATIENCE_NS);
    if (error)
        problem_set(problem, error, "%s", wire_problem(error));
    else if (go != MOVE_GO)
        error = problem_set(problem, -EINVAL, "it does not speak as Domus");
    receiver.comes = NULL;
    domains_begin();
    arrival->domain->saving = false;
    if (!error && arrival->domain->unwanted)
        error = problem_set(problem, -ESRCH, "it has been destroyed there");
    error = error ? error : domain_unpause(arrival->domain->domid);
    if (error)
        domains_end(arrival->domain);
    else
        memcpy(receiver.ran[receiver.count++ % RAN], arrival->hello.id, MOVE_ID);
    domains_unlock();
    return error;
}

/* Is there nobody any more who could be told? */
static bool is_lost(int error)
{
    return error == -ENOTCONN || error == -ETIMEDOUT || error == -EAGAIN;
}

/* Who calls again and again has no more than his share of the terminal, which is slow, and for
 * which all of dom0 waits. */
static void say_here(const char *name, const char *from, const char *why)
{
    static unsigned missing;

    if (!bucket_take(&receiver.lines, 1, now_ns())) {
        missing++;
        return;
    }
    if (missing)
        printk("dom0: not told of: %u more that %s not come\n", missing,
               missing == 1 ? "has" : "have");
    missing = 0;
    printk("dom0: '%s' has not come from %s: %s\n", name, from, why);
}

static void arrive(struct arrival *arrival, const char *from)
{
    struct problem problem = { .text = "" };
    domid_t domid = DOMID_INVALID;
    int error = check_hello(arrival, &problem);

    if (!error)                         /* And so it has no more pages than are free. */
        wire_be_patient(arrival->wire, WIRE_PATIENCE_NS + move_silence_ns(arrival->hello.pages));
    error = error ? error : say(arrival->wire, MOVE_WELCOME, "");
    error = error ? error : take(arrival, &problem);
    if (!error) {
        domid = arrival->domain->domid;
        error = let_go(arrival, &problem);
    }
    free(arrival->said);
    if (is_lost(error))
        problem_set(&problem, error, "%s", wire_problem(error));
    if (error) {
        say_here(arrival->hello.name, from, problem.text);
        if (!is_lost(error))
            say_no(arrival->wire, problem.text);
    } else {
        printk("dom0: domain '%s' has come from %s: %u\n", arrival->config.name, from,
               (unsigned)domid);
        say(arrival->wire, MOVE_DONE, "");
    }
    wire_end(arrival->wire, !error);
}

/* --- who calls --- */

static bool has_run(const uint8_t id[MOVE_ID])
{
    for (unsigned i = 0; i < MIN(receiver.count, RAN); i++)
        if (!memcmp(receiver.ran[i], id, MOVE_ID))
            return true;
    return false;
}

static void serve(struct wire *wire, struct arrival *arrival)
{
    char from[ADDRESS_TEXT];

    address_text(own_endpoint.stream.peer.address, from);
    *arrival = (struct arrival){ .wire = wire };
    if (wire_read(wire, &arrival->hello, sizeof(arrival->hello), HELLO_NS)) {
        wire_end(wire, false);
    } else if (!move_hello_valid(&arrival->hello) || !config_name_valid(arrival->hello.name) ||
               move_features(&arrival->ours)) {
        say_no(wire, "it does not speak as this Domus");
        wire_end(wire, false);
    } else if (arrival->hello.kind == MOVE_ASKS) {
        say(wire, has_run(arrival->hello.id) ? MOVE_DONE : MOVE_NEVER_RAN, "");
        wire_end(wire, true);
    } else {
        arrive(arrival, from);
    }
}

static bool has_changed(void)
{
    return receiver.changed || (receiver.comes && receiver.comes->unwanted);
}

static void receive(void *argument)
{
    struct arrival *arrival = argument;

    for (;;) {
        struct wire wire;

        wait_event(own_changed, receiver.on);
        receiver.changed = false;
        if (!wire_answer(&wire, receiver.only, has_changed))
            serve(&wire, arrival);
    }
}

static void change(bool on, uint32_t only)
{
    receiver.on = on;
    receiver.only = only;
    receiver.changed = true;
    wire_look();
}

int move_take(uint32_t only)
{
    struct arrival *arrival = receiver.started ? NULL : calloc(1, sizeof(*arrival));

    if (!receiver.started && (!arrival || !thread_create("arrivals", receive, arrival))) {
        free(arrival);
        return -ENOMEM;
    }
    if (!receiver.started)
        bucket_init(&receiver.lines, LINES_RATE, LINES_BURST, now_ns());
    receiver.started = true;
    change(true, only);
    return 0;
}

void move_refuse(void)
{
    change(false, 0);
}

bool move_takes(uint32_t *from)
{
    *from = receiver.only;
    return receiver.on;
}
