/* SPDX-License-Identifier: MIT */
/* Where errors come from: see lib/fail.h. */
#include "lib/fail.h"
#include "domain/domain.h"
#include "entry/trap.h"
#include "machine/budget.h"
#include "lib/printk.h"
#include "lib/string.h"
#include <abi/domus.h>
#include <xen/grant_table.h>

/* ---- written down ---- */

/* The number of the call being done: of the one in a list that a multicall has come to, or what the
 * guest said itself. */
static uint32_t number_of_call(const struct vcpu *v)
{
    uint64_t number = v->multicall ? v->multicall->op : v->regs.rax;

    return (uint32_t)MIN(number, ARRAY_SIZE(v->counters.hypercalls) - 1);
}

/* A call that is refused twice is one refusal: the first one's errno was not the end of it. A fault
 * is no call. */
int expected_at(int error, struct refusal *place)
{
    struct vcpu *v = current;
    bool call = v->regs.entry_vector == TRAP_SYSCALL;
    struct last_error now = { .place = place, .error = error, .hypercall = DOMUS_NO_HYPERCALL };

    if (call) {
        now.hypercall = number_of_call(v);
        now.nth = v->counters.hypercalls[now.hypercall];
    }
    if (!call || now.hypercall != v->last_error.hypercall || now.nth != v->last_error.nth) {
        refusal_tell(v);
        v->counters.refused++;
    }
    v->last_error = now;
    place->count++;                             /* RING0_LOCK */
    return error;
}

int fail_at(int error, struct refusal *place)
{
    expected_at(error, place);
    if (log_level >= LOG_DEBUG) {               /* when all is known of it: entry/exit.c */
        current->last_error.untold = true;
        this_cpu()->work |= WORK_REFUSAL;
    }
    return error;
}

/* ---- what it is about ---- */

static void about_frame(mfn_t m, unsigned int level)
{
    struct last_error *e = &current->last_error;

    e->about |= DOMUS_ABOUT_FRAME | (level ? DOMUS_ABOUT_LEVEL : 0);
    e->frame = m.n;
    e->level = level;
}

int fail_frame_at(int error, struct refusal *place, mfn_t m, unsigned int level)
{
    fail_at(error, place);
    about_frame(m, level);
    return error;
}

int fail_value_at(int error, struct refusal *place, uint64_t value)
{
    return about_value(fail_at(error, place), value);
}

int16_t about_status(int status)
{
    current->last_error.about |= DOMUS_ABOUT_STATUS;
    return (int16_t)status;
}

/* Is this what was written down last? */
static bool is_last(const struct last_error *e, int error)
{
    return error && e->place && e->error == error;
}

static void set_value(struct last_error *e, uint64_t value)
{
    e->about |= DOMUS_ABOUT_VALUE;
    e->value = value;
}

int about_value(int error, uint64_t value)
{
    struct last_error *e = &current->last_error;

    if (is_last(e, error) && !(e->about & ~DOMUS_ABOUT_STATUS))
        set_value(e, value);
    return error;
}

int about_entry(int error, mfn_t table, unsigned int level, unsigned int slot, uint64_t value)
{
    struct last_error *e = &current->last_error;

    if (!is_last(e, error) || (e->about & DOMUS_ABOUT_SLOT)) return error;
    about_frame(table, level);
    e->about |= DOMUS_ABOUT_SLOT;
    e->slot = slot;
    set_value(e, value);
    return error;
}

/* ---- told ---- */

/* As the public headers have it: two names for 11, of which the first is the usual one. */
static const char *errno_name(int error)
{
#define XEN_ERRNO(name, value) if (error == -(value)) return #name;
#include <xen/errno.h>
    return "E?";
}

/* Those that refuse() is used with. */
static const char *status_name(int status)
{
    static const char *const names[] = {
#define NAME(status) [-GNTST_##status] = #status
        NAME(general_error), NAME(bad_domain), NAME(bad_gntref), NAME(bad_handle),
        NAME(bad_virt_addr), NAME(bad_dev_addr), NAME(permission_denied), NAME(bad_page),
        NAME(bad_copy_arg), NAME(no_space),
    };

    return names[-status];
}

static const char *hypercall_name(uint32_t number)
{
    switch (number) {
#define HYPERCALL(number, name, handler, arguments, flags) case number: return #name;
#include <abi/hypercall_list.h>
#undef HYPERCALL
    case DOMUS_NO_HYPERCALL: return "not a call";
    default: return "no hypercall";
    }
}

/* " (frame 0x1234, level 1, slot 17, entry 0x1235067)": as much of it as is known. */
static void about_words(const struct last_error *e, char *words, size_t size)
{
    const char *value = e->about & DOMUS_ABOUT_SLOT ? "entry" : "value";
    const struct { uint32_t known; bool hex; const char *what; uint64_t value; } parts[] = {
        { DOMUS_ABOUT_FRAME, true, "frame", e->frame },
        { DOMUS_ABOUT_LEVEL, false, "level", e->level },
        { DOMUS_ABOUT_SLOT, false, "slot", e->slot },
        { DOMUS_ABOUT_VALUE, true, value, e->value },
    };
    size_t n = 0;

    *words = '\0';
    for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
        if (!(e->about & parts[i].known))
            continue;
        n += (size_t)snprintf(words + n, size - n, "%s%s ", n ? ", " : " (", parts[i].what);
        n += (size_t)snprintf(words + n, size - n, parts[i].hex ? "0x%lx" : "%lu", parts[i].value);
    }
    if (n)
        strlcpy(words + n, ")", size - n);
}

void refusal_words(const struct vcpu *v, char *words, size_t size)
{
    const struct last_error *e = &v->last_error;
    bool status = e->about & DOMUS_ABOUT_STATUS;
    char about[100];

    *words = '\0';
    if (!e->place) return;
    about_words(e, about, sizeof(about));
    snprintf(words, size, "%s: %s%d %s: %s%s %s:%u", hypercall_name(e->hypercall),
             status ? "status " : "", e->error,
             status ? status_name(e->error) : errno_name(e->error), e->place->why, about,
             e->place->file, e->place->line);
}

void refusal_tell(struct vcpu *v)
{
    char words[REFUSAL_WORDS];

    if (!v->last_error.untold) return;
    v->last_error.untold = false;
    spend(COST_WORDS);
    refusal_words(v, words, sizeof(words));
    log_debug("d%u vcpu %u: %s", v->domain->id, v->id, words);
}
