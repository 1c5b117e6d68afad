/* SPDX-License-Identifier: MIT */
/*
 * The SDK's threads, timers and events together: threads take turns, sleep as long as they asked,
 * wait with and without a limit, and hold a mutex across a sleep; an event handler wakes a sleeper;
 * events under load reach the handler although each return unmasks with a plain popfq and ret (an
 * event in the middle of that return is played by hand: its frame is dropped and the outer one used
 * again); ended threads give their memory back.
 */
#include "../lib/test.h"
#include <pvguest/thread.h>

static unsigned int turns[3];
static char order[64];
static MUTEX(mutex);
static WAIT_QUEUE(queue);
static volatile bool flag;
static unsigned int done;

static void take_turns(void *me)
{
    for (int i = 0; i < 4; i++) {
        turns[(unsigned long)me]++;
        order[strlen(order)] = (char)('0' + (unsigned long)me);
        thread_yield();
    }
    done++;
}

static void hold_the_mutex(void *counter)
{
    mutex_lock(&mutex);
    unsigned int seen = *(unsigned int *)counter;
    thread_sleep(2 * NS_PER_MS);
    *(unsigned int *)counter = seen + 1;    /* a second holder would have lost our increment */
    mutex_unlock(&mutex);
    done++;
}

/* Each lets go and wants it back at once; who waits has it first all the same. */
static void want_it_again(void *me)
{
    for (int i = 0; i < 3; i++) {
        mutex_lock(&mutex);
        order[strlen(order)] = (char)('0' + (unsigned long)me);
        thread_yield();
        mutex_unlock(&mutex);
    }
    done++;
}

static void wait_for(unsigned int wanted)
{
    for (uint64_t until = now_ns() + 20 * NS_PER_S; done < wanted && now_ns() < until; )
        thread_sleep(NS_PER_MS);
    CHECK_IS(done, wanted);
    done = 0;
}

static void turns_and_mutex(void)
{
    static unsigned int counter;

    for (unsigned long i = 0; i < 3; i++)
        NEED(thread_create("turns", take_turns, (void *)i));
    wait_for(3);
    CHECK_IS(turns[0] + turns[1] + turns[2], 12);
    CHECK(!strcmp(order, "012012012012"));
    for (int i = 0; i < 5; i++)
        NEED(thread_create("mutex", hold_the_mutex, &counter));
    wait_for(5);
    CHECK_IS(counter, 5);
    memset(order, 0, sizeof(order));
    for (unsigned long i = 0; i < 3; i++)
        NEED(thread_create("mutex", want_it_again, (void *)i));
    wait_for(3);
    CHECK(!strcmp(order, "012012012"));
    CHECK(mutex_trylock(&mutex));
    CHECK(!mutex_trylock(&mutex));
    mutex_unlock(&mutex);
}

static void sleeping_and_waiting(void)
{
    uint64_t start = now_ns(), slept;

    thread_sleep(20 * NS_PER_MS);
    slept = now_ns() - start;
    CHECK(slept >= 20 * NS_PER_MS);
    CHECK(slept < 20 * NS_PER_S);
    start = now_ns();
    CHECK(!wait_event_timeout(queue, flag, 10 * NS_PER_MS));
    CHECK(now_ns() - start >= 10 * NS_PER_MS);
    CHECK(wait_event_timeout(queue, !flag, 10 * NS_PER_MS));
}

static struct timer timers[4];
static char fired[8];

static void note(void *data)
{
    fired[strlen(fired)] = *(const char *)data;
    if (*(const char *)data == 'd') {
        flag = true;
        wake_all(&queue);
    }
}

static void timers_fire_in_order(void)
{
    uint64_t now = now_ns();
    char a = 'a', b = 'b', c = 'c', d = 'd';

    timer_set(&timers[3], now + 40 * NS_PER_MS, note, &d);
    timer_set(&timers[1], now + 20 * NS_PER_MS, note, &b);
    timer_set(&timers[0], now + 90 * NS_PER_MS, note, &a);
    timer_set(&timers[2], now + 30 * NS_PER_MS, note, &c);
    timer_set(&timers[0], now + 10 * NS_PER_MS, note, &a);      /* moved */
    timer_cancel(&timers[2]);
    CHECK(wait_event_timeout(queue, flag, 20 * NS_PER_S));
    CHECK(!strcmp(fired, "abd"));
    CHECK_IS(timer_next(), 0);
}

static unsigned int rung, woken;
static evtchn_t bell;

static void ring(evtchn_t port, void *data)
{
    rung++;
    wake_one(&queue);
}

static void sleeper(void *unused)
{
    while (woken < 200) {
        unsigned int before = rung;

        done = woken;
        wait_event(queue, rung != before);
        woken++;
    }
    done = 1000;
}

/* Each event finds the vCPU either blocked in the idle loop or on its way there: none may be
 * lost. */
static void no_event_is_lost(void)
{
    int port = event_bind_ipi(ring, NULL);
    uint64_t until = now_ns() + 20 * NS_PER_S;

    NEED(port > 0);
    bell = (evtchn_t)port;
    done = 0;
    NEED(thread_create("sleeper", sleeper, NULL));
    while (done != 1000 && now_ns() < until) {
        thread_yield();
        event_send(bell);
    }
    CHECK_IS(done, 1000);
    CHECK_IS(woken, 200);

    /* Sent with events masked, all but one merge: that is what a level means. */
    rung = 0;
    events_mask_all();
    for (int i = 0; i < 10; i++)
        event_send(bell);
    CHECK_IS(rung, 0);
    events_unmask_all();
    CHECK_IS(rung, 1);
    event_unbind(bell);
    done = 0;
}

/* A return about to be made, registers restored, flags and address on the stack; and over it the
 * frame of an event that hit the instruction `unmask`, as the hypervisor would leave it. We enter
 * event_entry with both, and must come back at 1: as if nothing had been. Both labels are
 * lib/entry.asm's. */
static void event_in_the_middle_of_a_return(void)
{
    uint64_t rcx, r11, rbx = 0x3333, moved;
    uint64_t upcalls = event_upcalls;

    events_mask_all();
    asm volatile("mov %%rsp, %%rax\n\tmov %%rsp, %%rdx\n\t"
                 "push $1f\n\tpush $0x202\n\t"
                 "mov %%rsp, %%rax\n\t"
                 "push $0xe02b\n\tpush %%rax\n\tpush $0x202\n\tpush $0xe030\n\tpush $unmask\n\t"
                 "push $0x2222\n\tpush $0x1111\n\tjmp event_entry\n"
                 "1:\tsub %%rsp, %%rdx\n\tmov %%r11, %%rax"
                 : "=c" (rcx), "=d" (moved), "=a" (r11), "+b" (rbx) : : "r11", "memory", "cc");
    CHECK_IS(rcx, 0x1111);
    CHECK_IS(r11, 0x2222);
    CHECK_IS(rbx, 0x3333);
    CHECK_IS(moved, 0);
    CHECK_IS(event_upcalls, upcalls + 1);
    CHECK(!events_masked());
}

static void memory_comes_back(void)
{
    unsigned long before;

    thread_yield();
    before = free_page_count();
    for (unsigned long i = 0; i < 3; i++)
        NEED(thread_create("turns", take_turns, (void *)0));
    order[0] = 0;
    memset(order, 0, sizeof(order));
    wait_for(3);
    thread_yield();
    CHECK_IS(free_page_count(), before);
}

void test_main(void)
{
    turns_and_mutex();
    sleeping_and_waiting();
    timers_fire_in_order();
    no_event_is_lost();
    event_in_the_middle_of_a_return();
    memory_comes_back();
}
