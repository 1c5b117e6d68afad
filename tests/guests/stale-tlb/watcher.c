/* SPDX-License-Identifier: MIT */
/* See watcher.h. What both vCPUs do goes by a number of stages that the first one counts up, three
 * to a round; the second says which it has come to. */
#include "watcher.h"
#include "../lib/vcpus.h"

/* stage % 4 */
enum { REST, USE, LOOK };

struct found { uint64_t stage, value; };

/* look.asm: the stage first, and behind it, in the same breath, the word. */
struct found look_read(const volatile uint64_t *stage, volatile void *at);
struct found look_write(const volatile uint64_t *stage, volatile void *at);

static volatile uint64_t stage, seen_stage, looks, wrong, wanted;
static struct found (*volatile look)(const volatile uint64_t *stage, volatile void *at);
static volatile void *volatile where;
static volatile bool stop;

static void look_once(void)
{
    struct found found = look(&stage, where);

    if (found.stage != seen_stage)
        looks = 0;
    if (found.stage % 4 == LOOK) {
        wrong += found.value != wanted;
        looks++;
    } else if (found.value != FAULT) {
        looks++;
    }
    seen_stage = found.stage;
}

static void watch(unsigned long id)
{
    traps_init();
    while (!stop) {
        if (stage % 4 == REST)
            seen_stage = stage;
        else
            look_once();
    }
    vcpu_end(id);
}

bool watcher_start(void)
{
    return vcpus_start(2, watch) == 2;
}

void watcher_stop(void)
{
    stop = true;
    vcpus_wait(2);
}

/* It has come to this stage, and looked so often in it. */
static void next_stage(unsigned int kind, unsigned int times)
{
    uint64_t next = stage + 1;

    while (next % 4 != kind)
        next++;
    stage = next;
    for (unsigned int turns = 1; seen_stage != next || looks < times; turns++)
        if (turns % 4096 == 0)
            vcpu_yield();           /* there may be one CPU for both */
}

void watcher_use(volatile void *at, bool writes)
{
    next_stage(REST, 0);
    where = at;
    look = writes ? look_write : look_read;
    next_stage(USE, 10);
}

unsigned long watcher_look(uint64_t value)
{
    wanted = value;
    wrong = 0;
    next_stage(LOOK, 100);
    return wrong;
}
