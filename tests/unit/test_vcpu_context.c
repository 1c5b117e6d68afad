/* SPDX-License-Identifier: MIT */
/*
 * A vCPU is born, gets its context, gives it back and ends: every field of it, compared as a whole;
 * and a context that is refused leaves neither a reference nor a trace.
 */
#include "ring0_host.h"
#include "domain/domain.h"
#include "domain/time.h"
#include "domain/cr4.h"
#include "machine/io.h"
#include "memory/mmu.h"

#define CR0_ALWAYS 0x80010021ul                 /* PG, WP, NE, PE */

uint64_t xsave_mask, host_cr4;
hypercall_fn *const hypercall_table[2][DOMUS_HYPERCALL_SLOTS];
uint32_t xsave_size;
static struct domain domain;
static _Alignas(4096) struct shared_info shared;
static struct vcpu self;
static unsigned int timers, windows, extents, m2p_shown, info_puts, times;
static unsigned int tables[16];                 /* references */
static unsigned int bad_table, bad_gdt, bad_ldt, no_window;

uint64_t now_ns(void)
{
    return 123456;
}
void policy_vcpu_init(struct vcpu *v)
{
    v->sched.turn.share = &v->domain->share;
}
void vcpu_timers_init(struct vcpu *v)
{
    timers++;
}
void update_vcpu_time(struct vcpu *v)
{
    assert_ptr_equal(v->domain, &domain);
    times++;
}
int window_create(struct vcpu_window *w)
{
    if (no_window) return -ENOMEM;
    w->base = 0xffff818000100000;
    windows++;
    return 0;
}
void window_destroy(struct vcpu_window *w)
{
    windows--;
    w->base = 0;
}
int window_set_gdt(struct vcpu_window *w, struct domain_memory *owner, const uint64_t *frames,
                   uint32_t entries)
{
    assert_ptr_equal(owner, &domain.memory);
    if (bad_gdt) return -EINVAL;
    for (unsigned int i = 0; i < (entries + 511) / 512; i++)
        w->gdt_frames[i] = MFN(frames[i]);
    w->gdt_entries = entries;
    return 0;
}
int window_set_ldt(struct vcpu_window *w, uint64_t base, uint32_t entries)
{
    if (bad_ldt) return -EINVAL;
    w->ldt_base = base;
    w->ldt_entries = entries;
    return 0;
}
void extent_end(struct vcpu *v)
{
    extents++;
}
int mmu_get_table(struct domain_memory *d, mfn_t m, enum frame_type level)
{
    assert_true(d == &domain.memory && level == FRAME_L4);
    if (m.n == bad_table) return -EINVAL;
    assert_true(m.n < 16);
    tables[m.n]++;
    return 0;
}
void mmu_put_table(mfn_t m)
{
    tables[m.n]--;
}
void hv_show_m2p(mfn_t l4)
{
    m2p_shown |= 1u << l4.n;
}
void frame_put_type(mfn_t m)
{
    assert_int_equal(m.n, 9);
    info_puts++;
}
void vcpu_choose_cr4(struct vcpu *v, uint64_t value)
{
    v->hw.guest_cr4 = value & 4;
    v->hw.cr4 = 0x1234;
}

static int set_up(void **state)
{
    memset(tables, 0, sizeof(tables));
    timers = extents = m2p_shown = info_puts = times = 0;
    bad_table = bad_gdt = bad_ldt = no_window = 0;
    xsave_mask = 0;
    xsave_size = 0;
    domain = (struct domain){ .id = 5, .shared = &shared, .vcpu_count = 4 };
    ring0_begin(&self);
    return 0;
}

static int tear_down(void **state)
{
    for (unsigned int i = 0; i < 16; i++)
        assert_int_equal(tables[i], 0);
    assert_int_equal(windows, 0);
    ring0_end();
    return 0;
}

static void the_end_of(struct vcpu *v)
{
    if (v->window.base)
        vcpu_release(v);
    vcpu_free(v);
}

/* The FPU's state, after FINIT, or that of a context. */
static void fpu_is(struct vcpu *v, const uint8_t *legacy, unsigned int mxcsr, unsigned int header)
{
    uint8_t want[8192] = { 0x7f, 3, [24] = 0x80, 0x1f };

    if (legacy)
        memcpy(want, legacy, 512);
    memcpy(want + 24, &mxcsr, 4);
    want[512] = (uint8_t)header;
    assert_memory_equal(v->hw.xsave_area, want, MAX(xsave_size, 512u));
}

static void birth(void **state)
{
    static const uint32_t sizes[] = { 0, 512, 2696, 4096, 4097, 8192 };
    static struct vcpu want;

    for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
        int budget = cpu.budget;
        struct vcpu *v;

        xsave_size = sizes[i];
        xsave_mask = i * 7;
        domain.privileged = i & 1;
        v = vcpu_create(&domain, 3);
        assert_int_equal(budget - cpu.budget, 4000);    /* COST_BIRTH */
        assert_int_equal(held, sizeof(*v) + ROUND_UP(MAX(xsave_size, 512), PAGE_SIZE));
        assert_true(timers == i + 1 && times == i + 1 && domain.vcpus[3] == v);
        memset(&want, 0, sizeof(want));
        want.domain = &domain;
        want.id = 3;
        want.info = &shared.vcpu_info[3];
        want.events.info_frame = INVALID_MFN;
        for (unsigned int j = 0; j < 14; j++)
            want.window.gdt_frames[j] = INVALID_MFN;
        want.window.base = 0xffff818000100000;
        want.tables.owner = &domain.memory;
        want.entry.hypercalls = hypercall_table[i & 1];
        want.in_kernel = true;
        want.sched.state = VCPU_DOWN;
        want.sched.runstate.state = RUNSTATE_offline;
        want.sched.runstate.state_entry_time = 123456;
        want.hw.debugreg[6] = 0xffff0ff0;
        want.hw.debugreg[7] = 0x400;
        want.hw.xcr0 = i * 7;
        want.sched.turn.share = &domain.share;
        want.hw.xsave_area = v->hw.xsave_area;
        assert_memory_equal(v, &want, sizeof(want));
        fpu_is(v, NULL, 0x1f80, 0);
        the_end_of(v);
        assert_int_equal(held, 0);
        budget_refill();
    }
    for (unsigned int n = 1; n < 3; n++) {
        failing_allocation = n;
        assert_null(vcpu_create(&domain, 2));
        assert_int_equal(held, 0);
    }
    no_window = 1;
    assert_null(vcpu_create(&domain, 2));
    assert_int_equal(held, 0);
    assert_null(domain.vcpus[2]);
    vcpu_free(NULL);
}

/* Every field has a value of its own. */
static void context(struct vcpu_guest_context *c)
{
    uint8_t *bytes = (uint8_t *)c;

    for (size_t i = 0; i < sizeof(*c); i++)
        bytes[i] = (uint8_t)(i % 251 + 1);
    for (unsigned int i = 0; i < 256; i++)
        c->trap_ctxt[i].address = 0x10000ul * i + 7;
    c->flags = VGCF_i387_valid;
    c->user_regs.rip = 0x7fff00000001;
    c->user_regs.rflags = 0x3f0fff ^ 0x200 ^ 0x2000;    /* IOPL 2 */
    c->user_regs.cs = 0xe030;
    c->user_regs.ss = 0xe028;
    c->ldt_base = 0x440000;
    c->ldt_ents = 8192;
    c->gdt_ents = 14 * 512;
    for (unsigned int i = 0; i < 16; i++)
        c->gdt_frames[i] = 100 + i;
    c->kernel_ss = 0xe028;
    c->ctrlreg[1] = 5ul << 12;
    c->ctrlreg[3] = 4ul << 12;
    c->ctrlreg[4] = 0x7ff;
    c->event_callback_eip = 0xffff880000000001;
    c->failsafe_callback_eip = 0xffff880000000002;
    c->syscall_callback_eip = 0xffff880000000003;
    c->fs_base = 0x11111111;
    c->gs_base_kernel = 0x22222222;
    c->gs_base_user = 0x33333333;
    c->vm_assist = 0x12;
}

/* What v becomes of it, built from what it was. */
static void becomes(struct vcpu *want, const struct vcpu_guest_context *c)
{
    want->regs = c->user_regs;
    want->regs.cs = 0xe033;
    want->regs.ss = 0xe02b;
    want->regs.rflags = c->user_regs.rflags | 0x200;
    want->regs.entry_vector = 0;
    want->ports.iopl = 2;
    want->hw.ds = c->user_regs.ds;
    want->hw.es = c->user_regs.es;
    want->hw.fs = c->user_regs.fs;
    want->hw.gs = c->user_regs.gs;
    want->hw.fs_base = 0x11111111;
    want->hw.gs_base_kernel = 0x22222222;
    want->hw.gs_base_user = 0x33333333;
    want->hw.guest_cr0 = c->ctrlreg[0] & 8;
    want->hw.guest_cr4 = 4;
    want->hw.cr4 = 0x1234;
    want->entry.kernel_sp = c->kernel_sp;
    want->entry.kernel_ss = 0xe02b;
    want->entry.event.rip = 0xffff880000000001;
    want->entry.event.mask_events = true;
    want->entry.failsafe.rip = 0xffff880000000002;
    want->entry.failsafe.mask_events = c->flags & VGCF_failsafe_disables_events;
    want->entry.syscall.rip = 0xffff880000000003;
    want->entry.syscall.mask_events = c->flags & VGCF_syscall_disables_events;
    memcpy(want->entry.traps, c->trap_ctxt, sizeof(c->trap_ctxt));
    for (unsigned int i = 0; i < 256; i++)
        want->entry.traps[i].vector = (uint8_t)i;
    for (unsigned int i = 0; i < 14; i++)
        want->window.gdt_frames[i] = MFN(100 + i);
    want->window.gdt_entries = 14 * 512;
    want->window.ldt_base = 0x440000;
    want->window.ldt_entries = 8192;
    want->tables.kernel_cr3 = 4ul << 12;
    want->tables.user_cr3 = c->ctrlreg[1];
    want->in_kernel = !c->ctrlreg[1] || c->flags & VGCF_in_kernel;
    want->initialised = true;
}

/* A vCPU that has a context gets other registers, but no other tables. */
static void other_registers(struct vcpu *v, const struct vcpu_guest_context *taken)
{
    static struct vcpu_guest_context c;
    unsigned long *const tables_of[] = { &c.ctrlreg[3], &c.ctrlreg[1], &c.gdt_ents, &c.ldt_ents,
                                         &c.ldt_base, &c.gdt_frames[0] };

    c = *taken;
    for (unsigned int i = 0; i < ARRAY_SIZE(tables_of); i++) {
        (*tables_of[i])++;
        assert_int_equal(vcpu_set_context(v, &c), -EOPNOTSUPP);
        (*tables_of[i])--;
    }
    c.user_regs.rax++;
    assert_int_equal(vcpu_set_context(v, &c), 0);
    assert_int_equal(v->regs.rax, c.user_regs.rax);
    budget_refill();
}

static void a_context_is_taken(void **state)
{
    static struct vcpu_guest_context c;
    static struct vcpu want;

    for (unsigned int i = 0; i < 32; i++) {
        struct vcpu *v = vcpu_create(&domain, 0);
        int budget = cpu.budget;

        context(&c);
        c.flags |= (i & 1 ? VGCF_in_kernel : 0) | (i & 2 ? VGCF_failsafe_disables_events : 0) |
                   (i & 4 ? VGCF_syscall_disables_events : 0) |
                   (i & 16 ? ~0x1dul : 0);      /* the other bits say nothing */
        if (i == 8)
            c.ctrlreg[1] = 0;
        c.ctrlreg[0] = i == 9 ? ~8ul : ~0ul;
        domain.vm_assist = 0x20;
        m2p_shown = 0;
        want = *v;
        becomes(&want, &c);
        assert_int_equal(vcpu_set_context(v, &c), 0);
        assert_int_equal(budget - cpu.budget, 8000);    /* COST_CONTEXT */
        assert_memory_equal(v, &want, sizeof(want));
        assert_int_equal(domain.vm_assist, 0x32);
        assert_int_equal(m2p_shown, 1 << 4);
        assert_true(tables[4] == 1 && tables[5] == (i != 8));
        other_registers(v, &c);
        assert_true(tables[4] == 1 && tables[5] == (i != 8));
        the_end_of(v);
        budget_refill();
    }
}

/* Reserved bits of MXCSR would fault; without XSAVE there is no header. */
static void an_fpu_is_taken(void **state)
{
    static struct vcpu_guest_context c;

    for (unsigned int i = 0; i < 4; i++) {
        uint8_t legacy[512];
        uint32_t all = ~0u;
        struct vcpu *v;

        xsave_mask = i & 1 ? 7 : 0;
        xsave_size = i & 1 ? 1024 : 0;
        v = vcpu_create(&domain, 0);
        context(&c);
        memcpy((uint8_t *)&c.fpu_ctxt + 24, &all, 4);
        memcpy(legacy, &c.fpu_ctxt, 512);
        if (i & 2)
            c.flags &= ~1ul;
        memset(v->hw.xsave_area, 0x77, MAX(xsave_size, 512u));
        assert_int_equal(vcpu_set_context(v, &c), 0);
        if (i & 2)
            fpu_is(v, NULL, 0x1f80, 0);
        else
            fpu_is(v, legacy, i & 1 ? 0xffff : 0xffbf, i & 1 ? 3 : 0);
        the_end_of(v);
        budget_refill();
    }
}

/* Nothing of a context that is refused is left behind. */
static void refused(struct vcpu *v, const struct vcpu_guest_context *c, long error)
{
    static struct vcpu was;

    was = *v;
    assert_int_equal(vcpu_set_context(v, c), error);
    was.window = v->window;                     /* a GDT may stay until the vCPU ends */
    assert_memory_equal(v, &was, sizeof(was));
    assert_int_equal(m2p_shown, 0);
    assert_true(tables[4] == 0 && tables[5] == 0);
    budget_refill();
}

static void contexts_that_are_not_taken(void **state)
{
    static struct vcpu_guest_context c;
    uint64_t *addresses[] = { &c.user_regs.rip, &c.event_callback_eip, &c.failsafe_callback_eip,
                              &c.syscall_callback_eip, &c.fs_base, &c.gs_base_kernel,
                              &c.gs_base_user, &c.trap_ctxt[0].address, &c.trap_ctxt[77].address,
                              &c.trap_ctxt[255].address };
    struct vcpu *v = vcpu_create(&domain, 0);

    for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++) {
        context(&c);
        *addresses[i] = 0x800000000000;
        refused(v, &c, -EINVAL);
    }
    for (bad_table = 4; bad_table < 6; bad_table++) {
        context(&c);
        refused(v, &c, -EINVAL);
    }
    bad_table = 0;
    for (unsigned int has_user = 0; has_user < 2; has_user++) {
        context(&c);
        if (!has_user)
            c.ctrlreg[1] = 0;
        bad_gdt = 1;
        refused(v, &c, -EINVAL);
        bad_gdt = 0;
        bad_ldt = 1;
        refused(v, &c, -EINVAL);
        bad_ldt = 0;
        c.gdt_ents = 14 * 512 + 1;
        refused(v, &c, -EINVAL);
        c.gdt_ents = 1;
        c.ldt_ents = 8193;
        refused(v, &c, -EINVAL);
    }
    the_end_of(v);
}

/* What is given back is what was taken, but for what the hypervisor adds. */
static void a_context_is_given(void **state)
{
    static struct vcpu_guest_context c, got, want;

    for (unsigned int i = 0; i < 16; i++) {
        struct vcpu *v = vcpu_create(&domain, 0);
        unsigned int entries = i == 0 ? 0 : i == 1 ? 512 : i == 2 ? 513 : 14 * 512;

        context(&c);
        c.flags |= (i & 1 ? VGCF_in_kernel : 0) | (i & 2 ? VGCF_failsafe_disables_events : 0) |
                   (i & 4 ? VGCF_syscall_disables_events : 0);
        c.gdt_ents = entries;
        domain.vm_assist = 0;
        assert_int_equal(vcpu_set_context(v, &c), 0);
        v->sched.state = i & 8 ? i & 1 ? VCPU_BLOCKED : VCPU_RUNNABLE : VCPU_DOWN;
        v->hw.ds++;                             /* these are not in the frame while it runs */
        v->hw.es += 2;
        v->hw.fs += 3;
        v->hw.gs += 4;
        for (unsigned int j = 0; j < 8; j++)
            v->hw.debugreg[j] = 0x1000 + j;
        memset(&got, 0x66, sizeof(got));
        vcpu_get_context(v, &got);

        memset(&want, 0, sizeof(want));
        memcpy(&want.fpu_ctxt, v->hw.xsave_area, 512);
        want.flags = c.flags | (i & 8 ? VGCF_online : 0);
        want.user_regs = v->regs;
        want.user_regs.ds = (uint16_t)(c.user_regs.ds + 1);
        want.user_regs.es = (uint16_t)(c.user_regs.es + 2);
        want.user_regs.fs = (uint16_t)(c.user_regs.fs + 3);
        want.user_regs.gs = (uint16_t)(c.user_regs.gs + 4);
        want.user_regs.rflags |= (uint64_t)v->ports.iopl << 12;
        memcpy(want.trap_ctxt, v->entry.traps, sizeof(want.trap_ctxt));
        want.ldt_base = 0x440000;
        want.ldt_ents = 8192;
        for (unsigned int j = 0; j < (entries + 511) / 512; j++)
            want.gdt_frames[j] = 100 + j;
        want.gdt_ents = entries;
        want.kernel_ss = 0xe02b;
        want.kernel_sp = c.kernel_sp;
        want.ctrlreg[0] = CR0_ALWAYS | (c.ctrlreg[0] & 8);
        want.ctrlreg[1] = 5ul << 12;
        want.ctrlreg[3] = 4ul << 12;
        want.ctrlreg[4] = 0x664;
        for (unsigned int j = 0; j < 8; j++)
            want.debugreg[j] = 0x1000 + j;
        want.event_callback_eip = c.event_callback_eip;
        want.failsafe_callback_eip = c.failsafe_callback_eip;
        want.syscall_callback_eip = c.syscall_callback_eip;
        want.vm_assist = 0x12;
        want.fs_base = c.fs_base;
        want.gs_base_kernel = c.gs_base_kernel;
        want.gs_base_user = c.gs_base_user;
        assert_memory_equal(&got, &want, sizeof(want));
        the_end_of(v);
        budget_refill();
    }
}

static void the_end(void **state)
{
    static struct vcpu_guest_context c;

    for (unsigned int i = 0; i < 4; i++) {
        struct vcpu *v = vcpu_create(&domain, 2);
        struct vcpu_info moved;

        context(&c);
        if (i & 1)
            c.ctrlreg[1] = 0;
        assert_int_equal(vcpu_set_context(v, &c), 0);
        if (i & 2) {
            v->info = &moved;
            v->events.info_frame = MFN(9);
        }
        v->sched.runstate_area = 5;
        v->time.area = 6;
        extents = info_puts = 0;
        vcpu_release(v);
        assert_true(tables[4] == 0 && tables[5] == 0 && windows == 0 && extents == 1);
        assert_int_equal(info_puts, i >> 1);
        assert_ptr_equal(v->info, &shared.vcpu_info[2]);
        assert_true(mfn_eq(v->events.info_frame, INVALID_MFN));
        assert_true(v->tables.kernel_cr3 == 0 && v->tables.user_cr3 == 0);
        assert_true(v->sched.runstate_area == 0 && v->time.area == 0);
        vcpu_free(v);
        budget_refill();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(birth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_context_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_fpu_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(contexts_that_are_not_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_context_is_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
