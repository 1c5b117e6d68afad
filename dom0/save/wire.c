/* SPDX-License-Identifier: MIT */
/* See wire.h. */
#include "dom0/save/wire.h"
#include "dom0/network/own.h"

#define SLICE_NS (200 * NS_PER_MS)      /* How long Ctrl-C may not be seen. */
#define CALL_NS (40 * NS_PER_S)         /* More than the stream's own patience. */
#define FAREWELL_NS (2 * NS_PER_S)

static struct stream *const stream = &own_endpoint.stream;
static const struct wire *owner;        /* NULL: nobody; then it may be listening. */

/* Sleeps until it holds, a slice at a time. */
static int wait_for(struct wire *wire, bool (*holds)(void))
{
    while (!holds()) {
        uint64_t since = now_ns();

        own_wake();
        (void)wait_event_timeout(own_changed, holds(), SLICE_NS);
        wire->waited += now_ns() - since;
        if (wire->give_up()) return -EAGAIN;
        if (wire->waited > wire->patience) return -ETIMEDOUT;
    }
    return 0;
}

/* Who is faster than we are never has us wait: so it is asked here, too, whether to go on. */
static int has_moved(struct wire *wire, size_t size)
{
    wire->moved += size;
    if (wire->moved < WIRE_FLOW) return 0;
    wire->moved = 0;
    wire->waited = 0;
    return wire->give_up() ? -EAGAIN : 0;
}

static void set_patience(struct wire *wire, uint64_t patience)
{
    wire->moved = 0;
    wire->waited = 0;
    wire->patience = patience;
}

/* Why there is no more; also when the other end has none. */
static int state_error(void)
{
    return stream->state == STREAM_BROKEN ? stream->error : -ENOTCONN;
}

/* --- bytes --- */

static bool has_news(void)
{
    return stream->state != STREAM_OPEN || stream->in.filled || stream->end_came;
}

/* Why nothing more should be written. */
static int stopped(void)
{
    if (owner->called && stream->in.filled) return -EACCES;
    return stream->state != STREAM_OPEN || stream->end_came ? state_error() : 0;
}

static bool may_write(void)
{
    return stopped() || stream->out.filled < STREAM_BUFFER;
}

static int tape_write(struct tape *tape, const void *from, size_t size)
{
    struct wire *wire = container_of(tape, struct wire, tape);
    const uint8_t *bytes = from;
    int error = 0;

    while (size && !error) {
        size_t piece = stopped() ? 0 : stream_write(stream, bytes, size);

        bytes += piece;
        size -= piece;
        error = has_moved(wire, piece);
        error = error ? error : stopped();
        if (size && !error)
            error = wait_for(wire, may_write);
    }
    own_wake();
    wire->error = error;
    return error;
}

static int tape_read(struct tape *tape, void *to, size_t size)
{
    struct wire *wire = container_of(tape, struct wire, tape);
    uint8_t *bytes = to;
    int error = 0;

    while (size && !error) {
        size_t piece = stream_read(stream, bytes, size);

        if (stream->owes)
            own_wake();
        bytes += piece;
        size -= piece;
        error = has_moved(wire, piece);
        if (size && has_news()) return state_error();
        if (size && !error)
            error = wait_for(wire, has_news);
    }
    return error;
}

int wire_read(struct wire *wire, void *bytes, size_t size, uint64_t patience)
{
    int error;

    set_patience(wire, patience);
    error = tape_read(&wire->tape, bytes, size);
    set_patience(wire, wire->usual);
    return error;
}

void wire_be_patient(struct wire *wire, uint64_t patience)
{
    wire->usual = patience;
    set_patience(wire, patience);
}

/* --- from the call to the end --- */

static void take(struct wire *wire, bool (*give_up)(void))
{
    *wire = (struct wire){ .tape = { tape_write, tape_read }, .give_up = give_up };
    wire_be_patient(wire, WIRE_PATIENCE_NS);
    owner = wire;
}

static bool has_called(void)
{
    return stream->state == STREAM_OPEN || stream->state == STREAM_BROKEN;
}

int wire_call(struct wire *wire, uint32_t address, bool (*give_up)(void))
{
    int error;

    if (owner || stream->state == STREAM_OPEN) return -EBUSY;
    take(wire, give_up);
    wire->called = true;
    set_patience(wire, CALL_NS);
    stream_call(stream, address, now_ns());
    error = wait_for(wire, has_called);
    if (!error && stream->state != STREAM_OPEN)
        error = state_error();
    set_patience(wire, wire->usual);
    if (error)
        wire_end(wire, false);
    return error;
}

int wire_answer(struct wire *wire, uint32_t only, bool (*give_up)(void))
{
    while (!give_up()) {
        if (!owner && stream->state == STREAM_OPEN) {
            take(wire, give_up);
            return 0;
        }
        if (!owner && (stream->state != STREAM_LISTENING || stream->only != only))
            stream_listen(stream, only);
        wait_event(own_changed, give_up() || (!owner && stream->state != STREAM_LISTENING));
    }
    if (stream->state == STREAM_LISTENING)
        stream_end(&own_endpoint);
    return -EAGAIN;
}

static bool is_over(void)
{
    return stream->state != STREAM_OPEN || stream_is_over(stream);
}

void wire_end(struct wire *wire, bool in_order)
{
    if (in_order && stream->state == STREAM_OPEN) {
        stream_close(stream);
        set_patience(wire, FAREWELL_NS);
        (void)wait_for(wire, is_over);
    }
    stream_end(&own_endpoint);
    owner = NULL;
    own_wake();
    wake_all(&own_changed);
}

void wire_look(void)
{
    wake_all(&own_changed);
}

const char *wire_problem(int error)
{
    switch (error) {
    case -EBUSY: return "another guest is just moving";
    case -EADDRNOTAVAIL: return "no machine has that address";
    case -ECONNREFUSED: return "it takes no guests from here now: `migrate-receive` there";
    case -ETIMEDOUT: return "it does not answer, or is too slow";
    case -ENOTCONN: return "the connection is broken";
    case -EAGAIN: return "given up";
    default: return errno_name(error);
    }
}
