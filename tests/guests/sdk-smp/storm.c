/* SPDX-License-Identifier: MIT */
/*
 * Everything of the SDK that several vCPUs may do, done by several at once: each has its own order
 * of the same pieces. What they share is counted, and compared when all are done.
 */
#include <pvguest/bits.h>
#include "storm.h"

struct seen seen[MOST];
unsigned int running;

bool expect(struct seen *me, bool holds, int line, const char *words)
{
    if (holds) {
        me->checks++;
        return true;
    }
    if (!me->failures++) {
        me->first_failure = words;
        me->line = line;
    }
    return false;
}

static unsigned int neighbour(const struct seen *me, unsigned int steps)
{
    return (me->id + steps) % running;
}

/* ---- a lock, and a counter that is wrong when two are in it ---- */

static struct spinlock lock;
static volatile uint64_t counter, inside;

static void locks(struct seen *me)
{
    for (unsigned int i = 0; i < 60; i++) {
        bool masked = spin_lock(&lock);
        uint64_t was = counter;

        EXPECT(me, events_masked());
        EXPECT(me, inside++ == 0);
        if (next_random(&me->random) % 8 == 0)
            vcpu_yield();               /* the others find it held, and nobody running who has it */
        counter = was + 1;
        inside--;
        spin_unlock(&lock, masked);
        EXPECT(me, !events_masked());
    }
}

/* ---- memory: everybody's stays what its owner wrote ---- */

static void memory(struct seen *me)
{
    uint8_t *objects[40] = { NULL };
    size_t sizes[40];
    void *pages[4] = { NULL };

    for (unsigned int i = 0; i < 400; i++) {
        unsigned int n = (unsigned int)(next_random(&me->random) % 40);
        uint8_t mark = (uint8_t)(me->id << 6 | n);

        if (objects[n]) {
            EXPECT(me, objects[n][0] == mark && objects[n][sizes[n] - 1] == mark &&
                           objects[n][sizes[n] / 2] == mark);
            free(objects[n]);
            objects[n] = NULL;
            continue;
        }
        sizes[n] = next_random(&me->random) % (i % 10 ? 1500 : 9000) + 1;
        objects[n] = malloc(sizes[n]);
        if (EXPECT(me, objects[n] != NULL))
            memset(objects[n], mark, sizes[n]);
    }
    for (unsigned int order = 0; order < 4; order++) {
        pages[order] = alloc_pages(order);
        if (EXPECT(me, pages[order] != NULL))
            memset(pages[order], (int)me->id + 1, PAGE_SIZE << order);
    }
    for (unsigned int order = 0; order < 4; order++) {
        const uint8_t *page = pages[order];

        EXPECT(me, page[0] == me->id + 1 && page[(PAGE_SIZE << order) - 1] == me->id + 1);
        free_pages(pages[order], order);
    }
    for (unsigned int n = 0; n < 40; n++)
        free(objects[n]);
}

/* ---- page tables: all vCPUs hook tables in at the same places; nobody keeps a stale entry ---- */

#define AREA (MAP_BASE + (64UL << 30))

struct look { unsigned long at; uint64_t word; int result; };

static void look_at(void *data)
{
    struct look *look = data;

    look->result = try_read64((void *)look->at, &look->word);
}

/* What another vCPU reads there. */
static bool is_seen(struct seen *me, unsigned long at, uint64_t word)
{
    struct look look = { .at = at };

    return smp_call(neighbour(me, 1), look_at, &look) == 0 && look.result == 0 &&
           look.word == word;
}

static void tables(struct seen *me, unsigned int round)
{
    unsigned long va = AREA + round * 0x200000UL + me->id * PAGE_SIZE;
    uint64_t *pages[2] = { alloc_page(), alloc_page() };
    struct look look = { .at = va };

    if (!EXPECT(me, pages[0] && pages[1])) return;
    *pages[0] = 100 + me->id;
    *pages[1] = 200 + me->id;
    EXPECT(me, map_page(va, virt_to_mfn(pages[0]), PROT_RW, DOMID_SELF) == 0);
    EXPECT(me, *(volatile uint64_t *)va == 100 + me->id);
    EXPECT(me, is_seen(me, va, 100 + me->id));
    EXPECT(me, map_page(va, virt_to_mfn(pages[1]), PROT_RW, DOMID_SELF) == 0);
    EXPECT(me, is_seen(me, va, 200 + me->id));
    pt_set_va(va, (uint64_t)virt_to_mfn(pages[0]) << PAGE_SHIFT | PROT_RO);
    pt_invlpg(va);
    EXPECT(me, pt_flush() == 0);
    EXPECT(me, is_seen(me, va, 100 + me->id));
    EXPECT(me, try_write64((void *)va, 1) == -EFAULT);
    pt_set_va(va, 0);
    pt_flush_tlb();
    EXPECT(me, pt_flush() == 0);
    EXPECT(me, smp_call(neighbour(me, 1), look_at, &look) == 0 && look.result == -EFAULT);
    free_page(pages[0]);
    free_page(pages[1]);
}

/* Many at once, at addresses that others have had. */
static void mappings(struct seen *me)
{
    for (unsigned int i = 0; i < 2; i++) {
        unsigned int n = (unsigned int)(next_random(&me->random) % 20) + 1;
        uint64_t *pages = alloc_pages(5), *there;

        if (!EXPECT(me, pages != NULL)) return;
        for (unsigned int k = 0; k < n; k++)
            pages[k * 512] = me->id << 8 | k;
        unsigned long mfns[20];
        for (unsigned int k = 0; k < n; k++)
            mfns[k] = virt_to_mfn(&pages[(n - 1 - k) * 512]);
        there = map_frames(mfns, n, PROT_RO, DOMID_SELF, NULL);
        if (EXPECT(me, !IS_ERR(there))) {
            for (unsigned int k = 0; k < n; k++)
                EXPECT(me, there[k * 512] == (me->id << 8 | (n - 1 - k)));
            unmap_frames(there, n);
        }
        free_pages(pages, 5);
    }
}

/* ---- grants: to ourselves ---- */

#define GRANTS 4U

static void grants(struct seen *me)
{
    grant_ref_t refs[GRANTS];
    grant_handle_t handles[GRANTS];
    uint64_t *pages = alloc_pages(2), *there, copy;

    if (!EXPECT(me, pages != NULL)) return;
    for (unsigned int i = 0; i < GRANTS; i++) {
        int ref = grant_page(own_domid(), &pages[i * 512], false);

        if (!EXPECT(me, ref > 0)) return;
        refs[i] = (grant_ref_t)ref;
        pages[i * 512] = me->id << 16 | i;
    }
    there = grant_map_many(own_domid(), refs, GRANTS, false, handles);
    if (EXPECT(me, !IS_ERR(there))) {
        for (unsigned int i = 0; i < GRANTS; i++) {
            EXPECT(me, there[i * 512] == (me->id << 16 | i));
            there[i * 512]++;
        }
        EXPECT(me, grant_end_access(refs[0]) == -EBUSY);
        EXPECT(me, grant_unmap_many(there, handles, GRANTS) == 0);
    }
    for (unsigned int i = 0; i < GRANTS; i++) {
        EXPECT(me, pages[i * 512] == (me->id << 16 | i) + 1);
        EXPECT(me, grant_copy_from(&copy, own_domid(), refs[i], 0, sizeof(copy)) == 0 &&
                       copy == pages[i * 512]);
        EXPECT(me, grant_end_access(refs[i]) == 0);
    }
    free_pages(pages, 2);
}

/* ---- calls: everybody calls everybody ---- */

static uint64_t called_on[MOST];        /* by the vCPU itself */
static uint64_t called;

static void note_call(void *data)
{
    struct seen *here = &seen[cpu_id()];

    EXPECT(here, events_masked());
    EXPECT(here, here->id == (unsigned long)data);
    called_on[here->id]++;
    __atomic_fetch_add(&called, 1, __ATOMIC_SEQ_CST);
}

/* Posted ones come in their order, each once. */
struct posted { struct smp_call call; struct seen *from; unsigned int number, *last; };

static void note_posted(void *data)
{
    struct posted *posted = data;

    EXPECT(posted->from, *posted->last + 1 == posted->number);
    __atomic_store_n(posted->last, posted->number, __ATOMIC_RELEASE);
}

static void calls(struct seen *me)
{
    unsigned int to = neighbour(me, 1), last = 0;
    struct posted posts[8];

    for (unsigned int i = 0; i < 8; i++) {
        unsigned int whom = neighbour(me, (unsigned int)next_random(&me->random) % running);

        EXPECT(me, smp_call(whom, note_call, (void *)(unsigned long)whom) == 0);
    }
    for (unsigned int i = 0; i < 8; i++) {
        posts[i] = (struct posted){ { note_posted, &posts[i], NULL, 0, NULL }, me, i + 1, &last };
        EXPECT(me, smp_post(to, &posts[i].call) == 0);
    }
    while (__atomic_load_n(&last, __ATOMIC_ACQUIRE) != 8)
        vcpu_yield();
    EXPECT(me, !events_masked());
}

/* ---- the clock ---- */

static struct spinlock clock_lock;
static uint64_t last_time, last_raw;
/* How far what the hypervisor says to two vCPUs may be apart: Xen sets each CPU's clock for itself,
 * and in QEMU with other things between. */
static uint64_t apart;

static uint64_t raw_time(void)
{
    const volatile struct vcpu_time_info *info = &cpu_info()->time;
    uint32_t version;
    uint64_t now;

    do {
        version = info->version & ~1U;
        rmb();
        now = info->system_time + pvclock_scale(read_tsc() - info->tsc_timestamp,
                                                info->tsc_to_system_mul, info->tsc_shift);
        rmb();
    } while (version != info->version);
    return now;
}

static void clocks(struct seen *me)
{
    for (unsigned int i = 0; i < 40; i++) {
        bool masked = spin_lock(&clock_lock);
        uint64_t now = now_ns(), raw = raw_time();

        EXPECT(me, now >= last_time);
        EXPECT(me, raw + apart >= last_raw);
        EXPECT(me, raw + 2 * apart > now);
        last_time = now;
        last_raw = MAX(last_raw, raw);
        spin_unlock(&clock_lock, masked);
    }
}

struct alarm { struct timer timer; unsigned int on; uint64_t at; };

static void rings(void *data)
{
    struct alarm *alarm = data;

    alarm->on = cpu_id();
    __atomic_store_n(&alarm->at, now_ns(), __ATOMIC_RELEASE);
}

static void alarms(struct seen *me)
{
    struct alarm early = { .at = 0 }, late = { .at = 0 }, never = { .at = 0 };
    bool masked = events_save();        /* so that none comes before all are set */
    uint64_t now = now_ns();

    timer_set(&late.timer, now + 3 * NS_PER_MS, rings, &late);
    timer_set(&never.timer, now + 2 * NS_PER_MS, rings, &never);
    timer_set(&early.timer, now + NS_PER_MS, rings, &early);
    timer_cancel(&never.timer);
    events_restore(masked);
    while (!__atomic_load_n(&late.at, __ATOMIC_ACQUIRE))
        vcpu_yield();
    EXPECT(me, early.on == me->id && late.on == me->id && !never.at);
    EXPECT(me, early.at >= now + NS_PER_MS && late.at >= now + 3 * NS_PER_MS);
    EXPECT(me, early.at <= late.at);
}

/* ---- traps, and events in the middle of anything ---- */

static void read_there(void *at)
{
    (void)*(volatile uint64_t *)at;
}

static void traps(struct seen *me)
{
    for (unsigned int i = 0; i < 10; i++) {
        unsigned long at = 0x10000UL * (me->id + 1) + i * 8;
        uint64_t address = 0, word;

        EXPECT(me, catch_trap(read_there, (void *)at, NULL, &address) == TRAP_PF && address == at);
        EXPECT(me, try_read64((void *)at, &word) == -EFAULT);
        EXPECT(me, !events_masked());
    }
}

/* The neighbour is rung all the time while it computes. */
static evtchn_t ports[MOST];
static uint64_t rung[MOST];

static void ring(evtchn_t port, void *data)
{
    struct seen *here = &seen[cpu_id()];

    EXPECT(here, port == ports[here->id] && data == &ports[here->id] && events_masked());
    rung[here->id]++;
}

static void compute(struct seen *me)
{
    uint64_t numbers[2] = { 1, 1 };

    for (unsigned int way = 0; way < 2; way++) {
        for (unsigned int i = 0; i < 20000; i++) {
            numbers[way] = numbers[way] * 6364136223846793005UL + 1442695040888963407UL + i;
            if (i % 512 == 0)
                EXPECT(me, event_send(ports[neighbour(me, 1 + i / 512 % 2)]) == 0);
        }
    }
    EXPECT(me, numbers[0] == numbers[1]);
    EXPECT(me, !events_masked());
}

/* ---- printing: lines of more than what is written at a time ---- */

#define LINE 700U

static char printed[MOST * ROUNDS * 2 * LINE + 1];
static size_t printed_length;

static void collect(const char *bytes, size_t length)
{
    if (length && *bytes != '0' && *bytes != '\n')      /* a fault's last words */
        HYPERVISOR_console_io(CONSOLEIO_write, (unsigned int)length, (char *)(uintptr_t)bytes);
    for (size_t i = 0; i < length && printed_length < sizeof(printed); i++) {
        printed[printed_length++] = bytes[i];
        if (i % 64 == 0)
            vcpu_yield();
    }
}

static void lines(struct seen *me)
{
    for (unsigned int i = 0; i < 2; i++)
        printk("%0*d\n", (int)LINE - 1, (int)me->id);
}

static unsigned int whole_lines(void)
{
    unsigned int whole = 0;

    for (size_t at = 0; at + LINE <= printed_length; at += LINE) {
        size_t i = 0;

        while (i < LINE - 2 && printed[at + i] == '0')
            i++;
        whole += i == LINE - 2 && printed[at + LINE - 1] == '\n';
    }
    return whole;
}

/* ---- all of it ---- */

static void piece(struct seen *me, unsigned int which, unsigned int round)
{
    switch (which) {
    case 0: locks(me); break;
    case 1: memory(me); break;
    case 2: tables(me, round); break;
    case 3: mappings(me); break;
    case 4: grants(me); break;
    case 5: calls(me); break;
    case 6: clocks(me); break;
    case 7: alarms(me); break;
    case 8: traps(me); break;
    case 9: compute(me); break;
    default: lines(me);
    }
}

#define PIECES 11U

static unsigned int begun, done;
static unsigned int references;

/* Who is down answers no calls: they begin and end together. */
static void wait_for_all(unsigned int *count)
{
    __atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < running)
        vcpu_yield();
}

void storm(void *data)
{
    struct seen *me = data;

    EXPECT(me, cpu_id() == me->id && this_cpu()->id == me->id);
    me->random = me->id + 1;
    wait_for_all(&begun);
    for (unsigned int round = 0; round < ROUNDS; round++)
        for (unsigned int i = 0; i < PIECES; i++)
            piece(me, (i * (me->id + 1) + round) % PIECES, round);
    wait_for_all(&done);
}

void storm_prepare(void)
{
    references = grants_in_use();
    apart = (on_domus() ? 100 : 50000) * NS_PER_US;
    for (unsigned int i = 0; i < running; i++) {
        int port = event_bind_ipi_on(i, ring, &ports[i]);

        seen[i].id = i;
        NEED(port > 0);
        ports[i] = (evtchn_t)port;
    }
    console_output = collect;
}

void storm_judge(void)
{
    uint64_t all_calls = 0;

    console_output = NULL;
    for (unsigned int i = 0; i < running; i++) {
        if (seen[i].failures)
            test_failure("storm.c", seen[i].line, "vCPU %u, the first of %u: %s", i,
                         seen[i].failures, seen[i].first_failure);
        CHECK(seen[i].checks > 1000);
        CHECK(rung[i] > 0);
        all_calls += called_on[i];
        event_unbind(ports[i]);
    }
    CHECK_IS(counter, running * ROUNDS * 60);
    CHECK_IS(all_calls, running * ROUNDS * 8);
    CHECK_IS(called, running * ROUNDS * 8);
    CHECK_IS(whole_lines(), running * ROUNDS * 2);
    CHECK_IS(grants_in_use(), references);
}
