/* SPDX-License-Identifier: MIT */
/* The 16550 (National's PC16550D), without the modem: a line that is always up, a transmitter that
 * is always empty, no errors of reception. Loopback keeps what is sent from the line. Pure. */
#include "serial.h"

enum { DATA, INTERRUPTS, IDENTITY, LINE, MODEM, STATUS, MODEM_STATUS, SCRATCH };
enum { DIVISOR_OPEN = 0x80, WANTS_RECEIVED = 1, WANTS_SENT = 2, LOOPBACK = 0x10, OUT2 = 8 };
enum { STATUS_RECEIVED = 1, STATUS_EMPTY = 0x60 };

void serial_flush(struct serial *serial)
{
    if (serial->out_count)
        serial->write(serial->out, serial->out_count);
    serial->out_count = 0;
}

static bool has_received(const struct serial *serial)
{
    return serial->in_head != serial->in_tail;
}

bool serial_receive(struct serial *serial, uint8_t byte)
{
    if (serial->in_tail - serial->in_head == SERIAL_RECEIVED) return false;
    serial->in[serial->in_tail++ % SERIAL_RECEIVED] = byte;
    return true;
}

static void send(struct serial *serial, uint8_t byte)
{
    serial->sent_pending = true;
    if (serial->modem & LOOPBACK) {
        (void)serial_receive(serial, byte);
        return;
    }
    serial->out[serial->out_count++] = (char)byte;
    if (byte == '\n' || serial->out_count == SERIAL_SENT)
        serial_flush(serial);
}

static bool tells_received(const struct serial *serial)
{
    return serial->interrupts & WANTS_RECEIVED && has_received(serial);
}

static bool tells_sent(const struct serial *serial)
{
    return serial->interrupts & WANTS_SENT && serial->sent_pending;
}

bool serial_interrupts(const struct serial *serial)
{
    return serial->modem & OUT2 && !(serial->modem & LOOPBACK) &&
           (tells_received(serial) || tells_sent(serial));
}

void serial_out(struct serial *serial, uint16_t port, uint8_t value)
{
    bool divisor = serial->line & DIVISOR_OPEN;

    switch (port & 7) {
    case DATA:
        if (divisor)
            serial->divisor = (uint16_t)((serial->divisor & 0xff00) | value);
        else
            send(serial, value);
        break;
    case INTERRUPTS:
        if (divisor) {
            serial->divisor = (uint16_t)((serial->divisor & 0xff) | value << 8);
        } else {
            serial->sent_pending |= value & ~serial->interrupts & WANTS_SENT;
            serial->interrupts = value & 0x0f;
        }
        break;
    case IDENTITY:
        if (value & 2)                          /* the receiver's queue is emptied */
            serial->in_head = serial->in_tail;
        serial->fifo = value & 1 ? 0xc0 : 0;
        break;
    case LINE:
        serial->line = value;
        break;
    case MODEM:
        serial->modem = value & 0x1f;
        break;
    case SCRATCH:
        serial->scratch = value;
        break;
    }
}

static uint8_t receive(struct serial *serial)
{
    return has_received(serial) ? serial->in[serial->in_head++ % SERIAL_RECEIVED] : 0;
}

/* Why it interrupts; reading that is what ends "the transmitter is empty". */
static uint8_t identity(struct serial *serial)
{
    if (tells_received(serial)) return serial->fifo | 4;
    if (tells_sent(serial)) {
        serial->sent_pending = false;
        return serial->fifo | 2;
    }
    return serial->fifo | 1;
}

/* Clear to send, data set ready, carrier; or, in the loop, what our own outputs are. */
static uint8_t modem_status(const struct serial *serial)
{
    uint8_t m = serial->modem;

    if (!(m & LOOPBACK)) return 0xb0;
    return (uint8_t)((m & 2) << 3 | (m & 1) << 5 | (m & 4) << 4 | (m & 8) << 4);
}

uint8_t serial_in(struct serial *serial, uint16_t port)
{
    bool divisor = serial->line & DIVISOR_OPEN;

    switch (port & 7) {
    case DATA:
        return divisor ? (uint8_t)serial->divisor : receive(serial);
    case INTERRUPTS:
        return divisor ? (uint8_t)(serial->divisor >> 8) : serial->interrupts;
    case IDENTITY:
        return identity(serial);
    case LINE:
        return serial->line;
    case MODEM:
        return serial->modem;
    case STATUS:
        return (uint8_t)(STATUS_EMPTY | (has_received(serial) ? STATUS_RECEIVED : 0));
    case MODEM_STATUS:
        return modem_status(serial);
    default:
        return serial->scratch;
    }
}
