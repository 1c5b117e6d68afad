/* SPDX-License-Identifier: MIT */
/*
 * The machine's one TCP connection (own.h) as a tape, for a guest that moves: one at a time, going
 * or coming. All sleep. Whoever is at its other end must take or give WIRE_FLOW bytes in
 * WIRE_PATIENCE_NS of our waiting for him (wire_be_patient), or is given up.
 */
#ifndef DOM0_SAVE_WIRE_H
#define DOM0_SAVE_WIRE_H

#include "dom0/config/problem.h"
#include "dom0/save/tape.h"

#define WIRE_FLOW (1u << 20)
#define WIRE_PATIENCE_NS 20000000000ull

struct wire {
    struct tape tape;
    /* Shall no more be waited? */
    bool (*give_up)(void);
    bool called;                        /* By us. */
    uint64_t waited, patience;          /* ns, while `moved` bytes went or came; at most */
    uint64_t usual;                     /* patience, but where another is said */
    size_t moved;
    int error;                          /* What writing has ended with; 0: it has not. */
};

/*
 * Calls another machine. 0, or -EBUSY: a guest is just going or coming; -EADDRNOTAVAIL,
 * -ETIMEDOUT: nobody answers; -ECONNREFUSED; -EAGAIN: given up.
 */
int wire_call(struct wire *wire, uint32_t address, bool (*give_up)(void));

/* Waits to be called, by this address only (0: by any). 0, or -EAGAIN. */
int wire_answer(struct wire *wire, uint32_t only, bool (*give_up)(void));

/*
 * What is read or written by the tape: 0, or a negative errno. Who has called is told by -EACCES
 * when the other end has said something before it was asked: it should be read. Reading ends with
 * -ENOTCONN when there is no more to come.
 */
int wire_read(struct wire *wire, void *bytes, size_t size, uint64_t patience);

/* From now on: who is at the other end has more to do between two bytes. */
void wire_be_patient(struct wire *wire, uint64_t patience);

/* It is over. `in_order`: the other end has had all, and has ended, too, or is given a moment. */
void wire_end(struct wire *wire, bool in_order);

/* The conditions of those that sleep have changed (give_up). */
void wire_look(void);

/* In words, of -EADDRNOTAVAIL and so on. */
const char *wire_problem(int error);

#endif
