/* SPDX-License-Identifier: MIT */
/*
 * The rules of the shared ring, for the side that does not trust the other.
 *
 * <xen/io/ring.h> gives the layout and the arithmetic; what it leaves to its user is suspicion. The
 * peer may write any number into its producer index at any time. Here the index is read once,
 * judged, and either turned into a count that is safe to loop over or reported as a lie. Pure:
 * tests/unit/test_rings.c runs it on the host.
 *
 * All indices run freely through 32 bits; a slot is index modulo size; differences are right across
 * the wrap.
 */
#ifndef DRIVERS_RING_H
#define DRIVERS_RING_H

#include <abi/types.h>
#include <pvguest/bits.h>       /* barriers */
#include <pvguest/refuse.h>

#define RING_LIE (-1)

/* Reads an index that the peer may change at this very moment: once, then nothing after it moves
 * before it. */
static inline uint32_t ring_read_index(const volatile uint32_t *index)
{
    uint32_t value = *index;

    xen_rmb();
    return value;
}

/*
 * A back end looks for requests: `producer` is what the front end claims, `consumer` how many we
 * took, `answered` how many we answered, so consumer - answered are in flight. The count to take
 * now, or RING_LIE when the claim would overwrite slots whose answers are still owed, or runs
 * backwards.
 */
static inline int ring_requests(uint32_t producer, uint32_t consumer, uint32_t answered,
                                uint32_t size)
{
    if (producer - answered > size || producer - consumer > size) return refused(RING_LIE);
    return (int)(producer - consumer);
}

/*
 * A front end looks for answers: it has `asked` in total and taken `consumed` answers. More answers
 * than questions still open is a lie.
 */
static inline int ring_answers(uint32_t producer, uint32_t consumed, uint32_t asked)
{
    if (producer - consumed > asked - consumed) return refused(RING_LIE);
    return (int)(producer - consumed);
}

/* Slots a front end may still fill. */
static inline uint32_t ring_room(uint32_t asked, uint32_t consumed, uint32_t size)
{
    return size - (asked - consumed);
}

/*
 * After moving a producer index from `before` to `after`: must the peer be woken? Yes if its event
 * index, "wake me when this one is produced", lies in what was added: event in (before, after].
 */
static inline bool ring_must_notify(uint32_t before, uint32_t after, uint32_t event)
{
    return (uint32_t)(after - event) < (uint32_t)(after - before);
}

#endif
