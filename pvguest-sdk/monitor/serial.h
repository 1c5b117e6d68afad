/* SPDX-License-Identifier: MIT */
/* A 16550 at COM1. Bytes sent gather until a line is full, for the PV console is a ring in another
 * domain and a hypercall each time; bytes received wait in a ring of our own. */
#ifndef MONITOR_SERIAL_H
#define MONITOR_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SERIAL_SENT = 256, SERIAL_RECEIVED = 512 };

struct serial {
    uint8_t interrupts, line, modem, scratch, fifo;
    uint16_t divisor;
    bool sent_pending;          /* "the transmitter is empty" has not been told yet */
    char out[SERIAL_SENT];
    uint32_t out_count;
    uint8_t in[SERIAL_RECEIVED];
    uint32_t in_head, in_tail;  /* free-running */
    /* where lines go */
    void (*write)(const char *bytes, size_t count);
};

static inline bool serial_has(uint16_t port)
{
    return (port & ~7) == 0x3f8;
}
uint8_t serial_in(struct serial *serial, uint16_t port);
void serial_out(struct serial *serial, uint16_t port, uint8_t value);
/* What has gathered goes out. */
void serial_flush(struct serial *serial);
/* Somebody has typed; false: no room. */
bool serial_receive(struct serial *serial, uint8_t byte);
/* Whether it holds its interrupt line up. */
bool serial_interrupts(const struct serial *serial);

#endif
