/* SPDX-License-Identifier: MIT */
/* From here (move.h): a target of saving that is another machine. */
#include "dom0/guests/move.h"
#include "dom0/guests/saved.h"
#include "dom0/save/wire.h"
#include "dom0/xc/control.h"
#include <pvguest/console.h>
#include <pvguest/start.h>
#include <pvguest/thread.h>

#define READY_NS (120 * NS_PER_S)       /* For the target's page tables to be judged. */
#define DOUBT_NS (90 * NS_PER_S)        /* To ask again: more than there is waited for GO. */
#define AGAIN_NS (1 * NS_PER_S)

struct move_out {
    struct saved_target target;
    uint32_t address;
    bool (*give_up)(void);
    struct wire wire;
    bool connected, done;
    uint64_t worked;                    /* By dom0, when the guest was to stand still. */
    struct move_told told;
    struct move_hello hello;
};

/* --- words --- */

/* Waits for that word. NO is an error with their sentence. */
static int hear(struct move_out *move, enum move_word word, uint64_t patience,
                struct problem *problem)
{
    struct move_answer answer;
    int error = wire_read(&move->wire, &answer, sizeof(answer), patience);

    if (error) return problem_set(problem, error, "%s", wire_problem(error));
    answer.text[sizeof(answer.text) - 1] = '\0';
    if (answer.word == MOVE_NO) return problem_set(problem, -EACCES, "there: %s", answer.text);
    if (answer.word == MOVE_NEVER_RAN)
        return problem_set(problem, -ESRCH, "it has not begun to run there");
    return answer.word == word ? 0 : problem_set(problem, -EINVAL, "it does not speak as Domus");
}

static int call(struct move_out *move, enum move_kind kind, struct problem *problem)
{
    int error = wire_call(&move->wire, move->address, move->give_up);

    if (error) return problem_set(problem, error, "%s", wire_problem(error));
    move->connected = true;
    move->hello.kind = kind;
    error = move->wire.tape.write(&move->wire.tape, &move->hello, sizeof(move->hello));
    return error && error != -EACCES ? problem_set(problem, error, "%s", wire_problem(error))
                                        : 0;
}

static void hang_up(struct move_out *move, bool in_order)
{
    if (move->connected)
        wire_end(&move->wire, in_order);
    move->connected = false;
}

/* --- the target --- */

/* What has not been before, and what is not there. */
static int introduce(struct move_out *move, const struct domain *domain, struct problem *problem)
{
    static uint32_t moves;
    uint64_t when[2] = { wall_clock_ns(), read_tsc() + ++moves };
    struct xen_domctl_getdomaininfo info;
    int error = domain_get_info(domain->domid, &info);

    memcpy(move->hello.magic, MOVE_MAGIC, sizeof(move->hello.magic));
    memcpy(move->hello.id, when, sizeof(when));
    snprintf(move->hello.name, sizeof(move->hello.name), "%s", domain->config.name);
    error = error ? error : move_features(&move->hello);
    if (error)
        return problem_set(problem, error, "cannot ask about '%s': %s", domain->config.name,
                           errno_name(error));
    move->hello.pages = info.tot_pages;
    return 0;
}

static int open(struct saved_target *target, const struct domain *domain, struct problem *problem)
{
    struct move_out *move = container_of(target, struct move_out, target);
    int error = introduce(move, domain, problem);

    target->tape = &move->wire.tape;
    error = error ? error : call(move, MOVE_COMES, problem);
    error = error ? error : hear(move, MOVE_WELCOME, WIRE_PATIENCE_NS, problem);
    if (error)
        hang_up(move, false);
    return error;
}

/* GO has gone, and nobody has said what became of it. 0: it runs there. -EBUSY: nobody
 * says. Any other error: it does not. */
static int settle(struct move_out *move, struct problem *problem)
{
    uint64_t until = now_ns() + DOUBT_NS;

    printk("There is no answer whether it runs there: asking again (Ctrl-C ends it)\n");
    while (now_ns() < until && !move->give_up()) {
        struct problem answer;
        int error = call(move, MOVE_ASKS, &answer);

        error = error ? error : hear(move, MOVE_DONE, WIRE_PATIENCE_NS, &answer);
        hang_up(move, !error);
        if (!error) return 0;
        if (error == -ESRCH) return problem_set(problem, error, "%s", answer.text);
        thread_sleep(AGAIN_NS);
    }
    move->target.doubtful = true;
    return problem_set(problem, -EBUSY, "nobody says whether '%s' runs there now: here it "
                       "stays suspended. Look there; then `destroy %s` or `resume %s` here",
                       move->hello.name, move->hello.name, move->hello.name);
}

/* What dom0 has had of the CPU so far. */
static uint64_t worked_ns(void)
{
    struct xen_domctl_getdomaininfo info;

    return domain_get_info(own_domid(), &info) ? 0 : info.cpu_time;
}

/* Of that many pages in that time, in tenths of a MiB a second. */
static unsigned long rate(uint64_t pages, uint64_t ns)
{
    return (unsigned long)(pages * 10 * NS_PER_S / 256 / MAX(ns, 1ul));
}

static void tell_round(struct saved_target *target, uint64_t ns)
{
    const struct save_rounds *rounds = &target->rounds;
    unsigned long tenths = rate(rounds->sent, ns);

    printk("Round %u: %lu of %lu pages sent, in %lu ms (%lu.%lu MiB/s)\n", rounds->number,
           (unsigned long)rounds->sent, (unsigned long)rounds->pages,
           (unsigned long)(ns / NS_PER_MS), tenths / 10, tenths % 10);
    container_of(target, struct move_out, target)->worked = worked_ns();
}

/* The last round is what went while it stood still. */
static void tell_end(struct move_out *move)
{
    const struct saved_target *target = &move->target;
    const struct save_rounds *rounds = &target->rounds;
    struct move_told *told = &move->told;

    told->still_ns = now_ns() - target->ran;
    told->rounds = target->live ? rounds->number - 1 : 0;
    told->pages = rounds->total - rounds->sent;
    told->rest = rounds->sent;
    told->worked_ns = worked_ns() - move->worked;
}

/* What saving ended with may be the wire's; then they may have said why. */
static int finish(struct saved_target *target, int error, struct problem *problem)
{
    struct move_out *move = container_of(target, struct move_out, target);
    struct tape *tape = &move->wire.tape;
    uint32_t go = MOVE_GO;
    int heard = 0;

    if (error && error == move->wire.error)
        problem_set(problem, error, "%s", wire_problem(error));
    if (!error || (error == -EACCES && error == move->wire.error))
        heard = hear(move, MOVE_READY, READY_NS, problem);
    if (error || heard) return heard ? heard : error;
    error = tape->write(tape, &go, sizeof(go));
    if (error) return problem_set(problem, error, "%s", wire_problem(error));
    error = hear(move, MOVE_DONE, WIRE_PATIENCE_NS, problem);
    move->done = !error;
    if (error && error != -EACCES) {
        hang_up(move, false);
        error = settle(move, problem);
    }
    tell_end(move);
    return error;
}

static void close(struct saved_target *target)
{
    struct move_out *move = container_of(target, struct move_out, target);

    hang_up(move, move->done);
}

int move_send(const char *name, uint32_t address, bool live, bool (*give_up)(void),
              struct move_told *told, struct problem *problem)
{
    struct move_out *move = calloc(1, sizeof(*move));
    int error;

    if (!move) return problem_set(problem, -ENOMEM, "dom0 has no memory left");
    move->target = (struct saved_target){ .give_up = give_up, .patience = MOVE_STILL_NS,
                                          .open = open, .finish = finish, .close = close,
                                          .live = live, .went_over = tell_round };
    move->address = address;
    move->give_up = give_up;
    error = saved_write(name, &move->target, false, problem);
    *told = move->told;
    free(move);
    return error;
}
