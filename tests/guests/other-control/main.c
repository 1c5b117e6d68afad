/* SPDX-License-Identifier: MIT */
/*
 * The control domain's calls, on another domain: what is asked for is what is there afterwards and
 * what is told; what makes no sense is refused and changes nothing. Creating with every wrong wish,
 * pausing by count, limits, handles, types of frames, contexts, the list of domains, how a domain
 * ended. Idea: public/domctl.h and sysctl.h; XSA-132, 273 (what answers must not contain).
 */
#include "../lib/other.h"

#include <abi/domus.h>
#include <pvguest/bits.h>
#include <pvguest/errno.h>
#include <xen/sysctl.h>

static struct other other;

static struct xen_domctl good_wish(void)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain };

    op.u.createdomain.max_vcpus = 2;
    op.u.createdomain.max_evtchn_port = 4095;
    op.u.createdomain.max_grant_frames = op.u.createdomain.max_maptrack_frames = -1;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    for (unsigned int i = 0; i < 16; i++)
        op.u.createdomain.handle[i] = (uint8_t)(i + 3);
    op.u.createdomain.ssidref = 0;
    return op;
}

static struct xen_domctl_getdomaininfo info_of(domid_t id)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = id };

    CHECK_IS(domctl(&op), 0);
    CHECK_IS(op.domain, id);
    return op.u.getdomaininfo;
}

static long domctl_on(uint32_t cmd, domid_t id)
{
    struct xen_domctl op = { .cmd = cmd, .domain = id };

    return domctl(&op);
}

static unsigned int domains(void)
{
    struct xen_domctl_getdomaininfo list[8];
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_getdomaininfolist,
                             .interface_version = XEN_SYSCTL_INTERFACE_VERSION };

    op.u.getdomaininfolist.max_domains = 8;
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, list);
    CHECK_IS(HYPERVISOR_sysctl(&op), 0);
    for (unsigned int i = 1; i < op.u.getdomaininfolist.num_domains; i++)
        CHECK(list[i].domain > list[i - 1].domain);
    return op.u.getdomaininfolist.num_domains;
}

/* ---- creating ---- */

static void wrong_wish(struct xen_domctl op)
{
    CHECK_REFUSED(domctl(&op));
    CHECK_IS(domains(), 1);
}

static void wrong_wishes(void)
{
    struct xen_domctl op = good_wish();

    op.u.createdomain.max_vcpus = 0, wrong_wish(op);
    op.u.createdomain.max_vcpus = 100000, wrong_wish(op);
    op = good_wish(), op.u.createdomain.flags = XEN_DOMCTL_CDF_hvm, wrong_wish(op);
    op = good_wish(), op.u.createdomain.flags = 1u << 31, wrong_wish(op);
    op = good_wish(), op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(7), wrong_wish(op);
    op = good_wish(), op.u.createdomain.vmtrace_size = 4096, wrong_wish(op);
    op = good_wish(), op.u.createdomain.iommu_opts = 1, wrong_wish(op);
    op = good_wish(), op.u.createdomain.cpupool_id = 99, wrong_wish(op);
    op = good_wish(), op.u.createdomain.arch.emulation_flags = 1, wrong_wish(op);
    op = good_wish(), op.u.createdomain.arch.misc_flags = 1u << 31, wrong_wish(op);
    op = good_wish(), op.domain = own_domid(), op.interface_version = 1;
    CHECK_IS(HYPERVISOR_domctl(&op), -EACCES);
    CHECK_IS(HYPERVISOR_domctl((void *)0x1000), -EFAULT);
    if (on_domus()) {
        op = good_wish(), op.domain = 1024, wrong_wish(op);
        op = good_wish(), op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(2),
        wrong_wish(op);
    }
}

static void wishes_that_come_true(void)
{
    struct xen_domctl op = good_wish(), more = { .cmd = XEN_DOMCTL_max_vcpus };
    struct xen_domctl_getdomaininfo info;

    op.domain = 77;
    CHECK_IS(domctl(&op), 0);
    CHECK_IS(op.domain, 77);
    CHECK_IS(domains(), 2);
    info = info_of(77);
    CHECK(info.handle[0] == 3 && info.handle[15] == 18);
    CHECK_IS(info.tot_pages, 0);
    CHECK(info.flags & XEN_DOMINF_paused);
    CHECK(!(info.flags &
            (XEN_DOMINF_dying | XEN_DOMINF_shutdown | XEN_DOMINF_running | XEN_DOMINF_hvm_guest)));
    CHECK_IS(info.max_vcpu_id, XEN_INVALID_MAX_VCPU_ID);
    op = good_wish(), op.domain = 77;
    CHECK_REFUSED(domctl(&op));                                     /* taken */
    more.domain = 77;
    more.u.max_vcpus.max = 3;
    CHECK_IS(domctl(&more), -EINVAL);
    more.u.max_vcpus.max = 1;
    CHECK_IS(domctl(&more), -EINVAL);
    more.u.max_vcpus.max = 2;
    CHECK_IS(domctl(&more), 0);
    CHECK_IS(info_of(77).max_vcpu_id, 1);
    CHECK_IS(info_of(77).nr_online_vcpus, 0);

    more = (struct xen_domctl){ .cmd = XEN_DOMCTL_setdomainhandle, .domain = 77 };
    memset(more.u.setdomainhandle.handle, 0x5a, 16);
    CHECK_IS(domctl(&more), 0);
    CHECK(info_of(77).handle[0] == 0x5a && info_of(77).handle[15] == 0x5a);
    more = (struct xen_domctl){ .cmd = XEN_DOMCTL_max_mem, .domain = 77 };
    more.u.max_mem.max_memkb = 4096;
    CHECK_IS(domctl(&more), 0);
    CHECK_IS(info_of(77).max_pages, 1024);

    /* One asks for a number between two that there are and gets the higher one's. */
    more = (struct xen_domctl){ .cmd = XEN_DOMCTL_getdomaininfo, .domain = 50 };
    CHECK_IS(domctl(&more), 0);
    CHECK_IS(more.domain, 77);
    CHECK_IS(more.u.getdomaininfo.domain, 77);
    more.domain = 78;
    CHECK_IS(domctl(&more), -ESRCH);
    CHECK_IS(domctl_on(XEN_DOMCTL_pausedomain, 78), -ESRCH);
    op = good_wish(), op.domain = 78;
    CHECK_IS(domctl(&op), 0);
    /* the next number is not passed over */
    CHECK_IS(domains(), 3);
    domain_unmake(78);
    /* By free number: never one that is taken, and not the same one again at once. */
    op = good_wish();
    CHECK_IS(domctl(&op), 0);
    CHECK(op.domain != 77 && op.domain > 0);
    domid_t first = op.domain;
    domain_unmake(first);
    op = good_wish();
    CHECK_IS(domctl(&op), 0);
    CHECK(op.domain != first || !on_domus());
    domain_unmake(op.domain);
    domain_unmake(77);
    CHECK_IS(domains(), 1);
}

/* ---- pausing ---- */

static bool answers_within(uint64_t ns)
{
    other_ask(&other, __HYPERVISOR_xen_version, XENVER_version, 0, 0, 0);
    for (uint64_t end = now_ns() + ns; !other_done(&other) && now_ns() < end;)
        vcpu_yield();
    return other_done(&other);
}

/* It may have a CPU of its own, on which it is as slow as that one's host. */
static bool answers(void)
{
    return answers_within(20 * NS_PER_S);
}

#define SILENT (!answers_within(500 * NS_PER_MS))       /* it is paused */

static void pauses_are_counted(void)
{
    CHECK(answers());
    CHECK(!(info_of(other.id).flags & XEN_DOMINF_paused));
    CHECK_IS(domctl_on(XEN_DOMCTL_unpausedomain, other.id), -EINVAL);
    CHECK_IS(domctl_on(XEN_DOMCTL_pausedomain, other.id), 0);
    CHECK_IS(domctl_on(XEN_DOMCTL_pausedomain, other.id), 0);
    CHECK(info_of(other.id).flags & XEN_DOMINF_paused);
    CHECK(SILENT);
    CHECK_IS(domctl_on(XEN_DOMCTL_unpausedomain, other.id), 0);
    CHECK(SILENT);
    CHECK(info_of(other.id).flags & XEN_DOMINF_paused);
    CHECK_IS(domctl_on(XEN_DOMCTL_unpausedomain, other.id), 0);
    CHECK(COMES(other_done(&other)) && answers());
    CHECK_REFUSED(domctl_on(XEN_DOMCTL_pausedomain, own_domid()));
    CHECK_REFUSED(domctl_on(XEN_DOMCTL_destroydomain, own_domid()));
    CHECK_REFUSED(domctl_on(XEN_DOMCTL_setvcpucontext, own_domid()));
}

/* ---- frames ---- */

static void types_of_frames(void)
{
    static xen_pfn_t list[1025];
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getpageframeinfo3, .domain = other.id };
    uint8_t *edge = alloc_pages(1);

    list[0] = other.frame[OTHER_L4];
    list[1] = other.frame[OTHER_L3];
    list[2] = other.frame[OTHER_L2];
    list[3] = other.frame[OTHER_L1];
    list[4] = other.frame[OTHER_FREE];
    list[5] = virt_to_mfn(edge);
    list[6] = foreign_mfn();
    list[7] = ~0UL;
    op.u.getpageframeinfo3.num = 8;
    set_xen_guest_handle(op.u.getpageframeinfo3.array, list);
    CHECK_IS(domctl(&op), 0);
    CHECK_IS(list[0], XEN_DOMCTL_PFINFO_L4TAB | XEN_DOMCTL_PFINFO_LPINTAB);
    CHECK_IS(list[1], XEN_DOMCTL_PFINFO_L3TAB);
    CHECK_IS(list[2], XEN_DOMCTL_PFINFO_L2TAB);
    CHECK_IS(list[3], XEN_DOMCTL_PFINFO_L1TAB);
    CHECK_IS(list[4], XEN_DOMCTL_PFINFO_NOTAB);
    CHECK_IS(list[5], XEN_DOMCTL_PFINFO_XTAB);
    CHECK_IS(list[6], XEN_DOMCTL_PFINFO_XTAB);
    CHECK_IS(list[7], XEN_DOMCTL_PFINFO_XTAB);
    op.u.getpageframeinfo3.num = 1025;
    CHECK_IS(domctl(&op), -E2BIG);
    op.u.getpageframeinfo3.num = 1024;
    CHECK_IS(domctl(&op), 0);
    /* The array at the end of a page that nothing follows. */
    NEED(HYPERVISOR_update_va_mapping((unsigned long)edge + PAGE_SIZE, 0, UVMF_INVLPG) == 0);
    memset(edge, 0, PAGE_SIZE);
    set_xen_guest_handle(op.u.getpageframeinfo3.array,
                         (xen_pfn_t *)(void *)(edge + PAGE_SIZE - 16));
    op.u.getpageframeinfo3.num = 2;
    CHECK_IS(domctl(&op), 0);
    op.u.getpageframeinfo3.num = 3;
    CHECK_IS(domctl(&op), -EFAULT);
}

static void hypercall_pages(void)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_hypercall_init, .domain = other.id };
    uint8_t *page = other_map(&other, OTHER_FREE), *neighbour = other_map(&other, OTHER_FREE + 1);

    op.u.hypercall_init.gmfn = other.frame[OTHER_FREE];
    CHECK_IS(domctl(&op), 0);
    /* push %rcx, the first of a hypercall's instructions */
    CHECK(page[XENVER_version] != 0 && page[17 * 32] == 0x51);
    CHECK_IS(neighbour[0], 0);
    op.u.hypercall_init.gmfn = other.frame[OTHER_L1];
    CHECK_REFUSED(domctl(&op));
    op.u.hypercall_init.gmfn = foreign_mfn();
    CHECK_REFUSED(domctl(&op));
    unmap_frames(page, 1);
    unmap_frames(neighbour, 1);
}

/* ---- contexts ---- */

static long set_context(domid_t id, uint32_t vcpu, struct vcpu_guest_context *c)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpucontext, .domain = id };

    op.u.vcpucontext.vcpu = vcpu;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, c);
    return domctl(&op);
}

static long get_context(domid_t id, uint32_t vcpu, struct vcpu_guest_context *c)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpucontext, .domain = id };

    op.u.vcpucontext.vcpu = vcpu;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, c);
    return domctl(&op);
}

/* The first context of a vCPU: its base pointers and descriptor tables are its domain's own, or it
 * gets none, and no frame is kept. */
static void first_contexts(domid_t id, struct vcpu_guest_context c)
{
    static struct vcpu_guest_context bad;
    static xen_pfn_t frames[4];
    struct xen_memory_reservation r = { .nr_extents = 4, .domid = id };
    const unsigned long not_its[] = { kernel_root_mfn, other.frame[OTHER_L4], foreign_mfn(),
                                      1UL << 38 };

    set_xen_guest_handle(r.extent_start, frames);
    NEED(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r) == 4);
    for (unsigned int i = 0; i < 4; i++) {
        struct mmuext_op clear = { .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = frames[i] };
        NEED(HYPERVISOR_mmuext_op(&clear, 1, NULL, id) == 0);
    }
    c.ctrlreg[3] = frames[0] << PAGE_SHIFT;
    CHECK_REFUSED(set_context(id, 1, &c));
    CHECK_REFUSED(set_context(id, ~0u, &c));
    if (on_domus())                                                 /* Xen resets the vCPU */
        CHECK_REFUSED(set_context(id, 0, NULL));
    CHECK_IS(set_context(id, 0, (void *)0xffff830000000000UL), -EFAULT);
    for (unsigned int i = 0; i < 4; i++) {
        bad = c, bad.ctrlreg[3] = (uint64_t)not_its[i] << PAGE_SHIFT;
        CHECK_REFUSED(set_context(id, 0, &bad));
        bad = c, bad.gdt_ents = 512, bad.gdt_frames[0] = not_its[i];
        CHECK_REFUSED(set_context(id, 0, &bad));
    }
    /* into the hypervisor's part of a GDT */
    bad = c, bad.gdt_ents = 7169;
    for (unsigned int i = 0; i < 16; i++)
        bad.gdt_frames[i] = frames[1];
    CHECK_REFUSED(set_context(id, 0, &bad));
    CHECK_IS(get_context(id, 0, &bad), -ENODATA);
    /* writable memory again, all of them */
    for (unsigned int i = 0; i < 4; i++) {
        void *page = map_frames((const unsigned long *)&frames[i], 1, PROT_RW, id, NULL);

        CHECK(!IS_ERR(page));
        if (!IS_ERR(page))
            unmap_frames(page, 1);
    }
    CHECK_IS(set_context(id, 0, &c), 0);
    CHECK_IS(get_context(id, 0, &bad), 0);
    CHECK_IS(bad.ctrlreg[3], c.ctrlreg[3]);
    CHECK_IS(bad.gdt_ents, 0);
}

static void contexts(void)
{
    static struct vcpu_guest_context c, bad;
    int id = domain_make(8);

    NEED(id > 0);
    other_pause(&other, true);
    CHECK_IS(get_context(other.id, 0, &c), 0);
    CHECK_IS(c.user_regs.rbx, OTHER_VA(OTHER_MAILBOX));
    CHECK_IS(c.user_regs.rsp, OTHER_VA(OTHER_STACK) + PAGE_SIZE);
    CHECK_IS(c.user_regs.rip & PAGE_MASK, OTHER_VA(OTHER_CODE));
    CHECK(c.flags & VGCF_in_kernel && c.flags & VGCF_online);
    CHECK_IS(c.ctrlreg[3], (uint64_t)other.frame[OTHER_L4] << PAGE_SHIFT);
    CHECK_IS(c.gdt_ents, 0);
    CHECK_REFUSED(get_context(other.id, 1, &c));
    CHECK_REFUSED(get_context(other.id, ~0u, &c));
    CHECK_IS(get_context((domid_t)id, 0, &bad), -ENODATA);
    CHECK_IS(get_context(other.id, 0, (void *)0xffff830000000000UL), -EFAULT);
    bad = c, bad.ctrlreg[3] += PAGE_SIZE;
    CHECK_IS(set_context(other.id, 0, &c), 0);
    CHECK_IS(set_context(other.id, 0, &bad), -EOPNOTSUPP);     /* tables are for life */
    first_contexts((domid_t)id, c);
    other_pause(&other, false);
    CHECK(answers());
    domain_unmake((domid_t)id);
}

static void vcpus(void)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpuinfo, .domain = other.id };
    uint8_t map[4] = { 0, 0xff, 0xff, 0xff };

    CHECK_IS(domctl(&op), 0);
    CHECK(op.u.getvcpuinfo.online && op.u.getvcpuinfo.cpu_time > 0 &&
          op.u.getvcpuinfo.cpu < cpus_of_machine());
    uint64_t before = op.u.getvcpuinfo.cpu_time;
    for (int i = 0; i < 20; i++)
        CHECK(answers());
    CHECK_IS(domctl(&op), 0);
    CHECK(op.u.getvcpuinfo.cpu_time > before);
    CHECK(info_of(other.id).cpu_time >= op.u.getvcpuinfo.cpu_time);

    op = (struct xen_domctl){ .cmd = XEN_DOMCTL_getvcpuaffinity, .domain = other.id };
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    op.u.vcpuaffinity.cpumap_hard.nr_bits = 24;
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, map);
    CHECK_IS(domctl(&op), 0);
    CHECK(map[0] & 1);
    /* behind the map that was offered */
    CHECK_IS(map[3], 0xff);
    op.u.vcpuaffinity.flags = 0;
    CHECK_REFUSED(domctl(&op));
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    op.cmd = XEN_DOMCTL_setvcpuaffinity;
    map[0] = map[1] = map[2] = 0;
    CHECK_REFUSED(domctl(&op));                                     /* on no CPU at all */
    map[0] = 1;
    CHECK_IS(domctl(&op), 0);
    op = (struct xen_domctl){ .cmd = XEN_DOMCTL_sendtrigger, .domain = other.id };
    op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_POWER;
    CHECK_IS(domctl(&op), -EINVAL);
    op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_INIT;
    CHECK_IS(domctl(&op), -ENOSYS);
    CHECK_REFUSED(domctl_on(9999, other.id));
}

/* Of a domain with two vCPUs that are not made yet: what each call says of the first, and of a
 * third. */
static void missing_vcpus(void)
{
    static const struct { uint32_t cmd; int not_made, beyond; } calls[] = {
        { XEN_DOMCTL_setvcpucontext, -EINVAL, -EINVAL },
        { XEN_DOMCTL_getvcpucontext, -EINVAL, -EINVAL },
        { XEN_DOMCTL_getvcpuinfo, -ESRCH, -EINVAL },
        { XEN_DOMCTL_setvcpuaffinity, -ESRCH, -EINVAL },
        { XEN_DOMCTL_getvcpuaffinity, -ESRCH, -EINVAL },
        { XEN_DOMCTL_setvcpuextstate, -ESRCH, -ESRCH },
        { XEN_DOMCTL_getvcpuextstate, -ESRCH, -ESRCH },
        { XEN_DOMCTL_set_ext_vcpucontext, -ESRCH, -ESRCH },
        { XEN_DOMCTL_get_ext_vcpucontext, -ESRCH, -ESRCH },
        { XEN_DOMCTL_set_vcpu_msrs, -ESRCH, -ESRCH },
        { XEN_DOMCTL_get_vcpu_msrs, -ESRCH, -ESRCH },
        { XEN_DOMCTL_sendtrigger, -ESRCH, -ESRCH },
    };
    struct xen_domctl wish = good_wish();

    NEED(domctl(&wish) == 0);
    for (unsigned int i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        struct xen_domctl op = { .cmd = calls[i].cmd, .domain = wish.domain };

        CHECK_IS(domctl(&op), calls[i].not_made);
        op.u.getvcpuinfo.vcpu = op.u.sendtrigger.vcpu = 2;      /* in all others it comes first */
        CHECK_IS(domctl(&op), calls[i].beyond);
        op.domain = 999;
        CHECK_IS(domctl(&op), -ESRCH);
    }
    domain_unmake(wish.domain);
}

/* The log after a debug key. */
static const char *log_of_key(char key)
{
    static char log[20000];
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_debug_keys,
                             .interface_version = XEN_SYSCTL_INTERFACE_VERSION };

    memset(log, 0, sizeof(log));
    op.u.debug_keys.nr_keys = 1;
    set_xen_guest_handle(op.u.debug_keys.keys, &key);
    CHECK_IS(HYPERVISOR_sysctl(&op), 0);
    op.cmd = XEN_SYSCTL_readconsole;
    memset(&op.u, 0, sizeof(op.u));
    op.u.readconsole.count = sizeof(log) - 1;
    set_xen_guest_handle(op.u.readconsole.buffer, log);
    CHECK_IS(HYPERVISOR_sysctl(&op), 0);
    return log;
}

/* The debug key that shows registers has each vCPU's own page tables, not those of whoever
 * asked. */
static void registers_of_each(void)
{
    static char wanted[2][24];
    const char *log;

    if (!on_domus()) return;
    log = log_of_key('d');
    snprintf(wanted[0], sizeof(wanted[0]), "cr3 %016lx", kernel_root_mfn << PAGE_SHIFT);
    snprintf(wanted[1], sizeof(wanted[1]), "cr3 %016lx",
             (unsigned long)other.frame[OTHER_L4] << PAGE_SHIFT);
    const char *ours = strstr(log, wanted[0]), *its = strstr(log, wanted[1]);
    CHECK(ours && its && ours < its);
}

static void small_wishes(void)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_get_address_size, .domain = other.id };
    struct shared_info *shared = other_shared_info(&other);
    uint32_t before = shared->wc_sec;

    CHECK_IS(domctl(&op), 0);
    CHECK_IS(op.u.address_size.size, 64);
    op = (struct xen_domctl){ .cmd = XEN_DOMCTL_settimeoffset, .domain = other.id };
    op.u.settimeoffset.time_offset_seconds = 100000;
    CHECK_IS(domctl(&op), 0);
    CHECK(shared->wc_sec - before >= 99990 && shared->wc_sec - before <= 100010);
    unmap_frames(shared, 1);
    if (!on_domus()) return;
    /* What has one right value only. */
    op = (struct xen_domctl){ .cmd = XEN_DOMCTL_set_address_size, .domain = other.id };
    op.u.address_size.size = 32;
    CHECK_IS(domctl(&op), -EINVAL);
    op.u.address_size.size = 64;
    CHECK_IS(domctl(&op), 0);
    op = (struct xen_domctl){ .cmd = XEN_DOMCTL_iomem_permission, .domain = other.id };
    CHECK_IS(domctl(&op), 0);
    op.u.iomem_permission.allow_access = 1;
    CHECK_REFUSED(domctl(&op));
    op = (struct xen_domctl){ .cmd = XEN_DOMCTL_ioport_permission, .domain = other.id };
    op.u.ioport_permission.allow_access = 1;
    CHECK_REFUSED(domctl(&op));
    op = (struct xen_domctl){ .cmd = XEN_DOMCTL_irq_permission, .domain = other.id };
    op.u.irq_permission.allow_access = 1;
    CHECK_REFUSED(domctl(&op));
    op = (struct xen_domctl){ .cmd = XEN_DOMCTL_scheduler_op, .domain = other.id };
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT;
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    CHECK_IS(domctl(&op), 0);
    CHECK(op.u.scheduler_op.u.credit.weight == 256 && op.u.scheduler_op.u.credit.cap == 0);
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    CHECK_IS(domctl(&op), 0);
    op.u.scheduler_op.u.credit.weight = 512;
    CHECK_IS(domctl(&op), 0);
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    CHECK_IS(domctl(&op), 0);
    CHECK_IS(op.u.scheduler_op.u.credit.weight, 512);
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    op.u.scheduler_op.u.credit.cap = 50;
    CHECK_IS(domctl(&op), 0);
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    CHECK_IS(domctl(&op), 0);
    CHECK_IS(op.u.scheduler_op.u.credit.cap, 50);
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    op.u.scheduler_op.u.credit.cap = 0;
    CHECK_IS(domctl(&op), 0);
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_ARINC653;
    CHECK_REFUSED(domctl(&op));
}

/* ---- the machine ---- */

static struct xen_sysctl sysctl_op(uint32_t cmd)
{
    return (struct xen_sysctl){ .cmd = cmd, .interface_version = XEN_SYSCTL_INTERFACE_VERSION };
}

static void the_machine(void)
{
    struct xen_sysctl op = sysctl_op(XEN_SYSCTL_physinfo);
    static char log[20000];

    CHECK_IS(HYPERVISOR_sysctl(&op), 0);
    CHECK(op.u.physinfo.nr_cpus >= 1 && op.u.physinfo.cpu_khz > 1000 &&
          op.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_pv);
    CHECK(op.u.physinfo.total_pages > op.u.physinfo.free_pages && op.u.physinfo.free_pages > 0);
    uint64_t free_pages = op.u.physinfo.free_pages;
    op = sysctl_op(XEN_SYSCTL_availheap);
    op.u.availheap.node = -1;
    CHECK_IS(HYPERVISOR_sysctl(&op), 0);
    CHECK(op.u.availheap.avail_bytes / PAGE_SIZE + 4096 > free_pages &&
          op.u.availheap.avail_bytes / PAGE_SIZE < free_pages + 4096);
    op.interface_version++;
    CHECK_IS(HYPERVISOR_sysctl(&op), -EACCES);
    CHECK_IS(HYPERVISOR_sysctl((void *)0x1000), -EFAULT);
    op = sysctl_op(9999);
    CHECK_REFUSED(HYPERVISOR_sysctl(&op));

    /* The log, by whole and by the rest. */
    op = sysctl_op(XEN_SYSCTL_readconsole);
    op.u.readconsole.count = sizeof(log) - 1;
    set_xen_guest_handle(op.u.readconsole.buffer, log);
    CHECK_IS(HYPERVISOR_sysctl(&op), 0);
    CHECK(op.u.readconsole.count > 50 && op.u.readconsole.count < sizeof(log));
    op.u.readconsole.incremental = 1;
    op.u.readconsole.count = sizeof(log) - 1;
    CHECK_IS(HYPERVISOR_sysctl(&op), 0);
    CHECK_IS(op.u.readconsole.count, 0);                            /* nothing new */
    op = sysctl_op(XEN_SYSCTL_readconsole);
    memset(log, 0x5c, sizeof(log));
    op.u.readconsole.count = 7;
    set_xen_guest_handle(op.u.readconsole.buffer, log);
    CHECK_IS(HYPERVISOR_sysctl(&op), 0);
    CHECK_IS(op.u.readconsole.count, 7);
    CHECK(log[6] != 0x5c && log[7] == 0x5c);
    set_xen_guest_handle(op.u.readconsole.buffer, (char *)0xffff830000000000UL);
    CHECK_REFUSED(HYPERVISOR_sysctl(&op));

    /* A list that is too short is filled and no more; one that begins later does. */
    struct xen_domctl_getdomaininfo list[3];
    memset(list, 0xee, sizeof(list));
    op = sysctl_op(XEN_SYSCTL_getdomaininfolist);
    op.u.getdomaininfolist.max_domains = 1;
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, list);
    CHECK_IS(HYPERVISOR_sysctl(&op), 0);
    CHECK_IS(op.u.getdomaininfolist.num_domains, 1);
    CHECK(list[0].domain == 0 && list[1].domain == 0xeeee);
    op = sysctl_op(XEN_SYSCTL_getdomaininfolist);
    op.u.getdomaininfolist.first_domain = 1;
    op.u.getdomaininfolist.max_domains = 3;
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, list);
    CHECK_IS(HYPERVISOR_sysctl(&op), 0);
    CHECK_IS(op.u.getdomaininfolist.num_domains, 1);
    CHECK(list[0].domain == other.id && list[1].domain == 0xeeee);
    op.u.getdomaininfolist.first_domain = 0;
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, (struct xen_domctl_getdomaininfo *)0x1000);
    CHECK_REFUSED(HYPERVISOR_sysctl(&op));
}

/* Our own call: why, how often. */
static void domus_op(void)
{
    struct domus_last_error error;
    struct domus_counters counters = { .domid = other.id }, more;

    if (!on_domus()) return;
    CHECK_IS(domctl_on(XEN_DOMCTL_pausedomain, 999), -ESRCH);
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_last_error, &error), 0);
    CHECK_IS(error.error, -ESRCH);
    CHECK_IS(error.hypercall, __HYPERVISOR_domctl);
    CHECK(error.line > 0 && strcmp(error.reason, "there is no such domain") == 0);
    CHECK(strstr(log_of_key('q'), "    refused last: domctl: -3 ESRCH: there is no such domain "
                                  "(value 0x3e7) hypervisor/calls/named.c:"));
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_last_error, (void *)0x1000), -EFAULT);
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_counters, &counters), 0);
    CHECK(answers());
    more = (struct domus_counters){ .domid = other.id };
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_counters, &more), 0);
    CHECK_IS(more.hypercalls[__HYPERVISOR_xen_version],
             counters.hypercalls[__HYPERVISOR_xen_version] + 1);
    /* the other need not leave a CPU of its own */
    CHECK(more.switches > counters.switches || cpus_of_machine() > 1);
    CHECK(more.run_ns > counters.run_ns);
    CHECK_IS(more.domid, other.id);
    more.domid = 999;
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_counters, &more), -ESRCH);
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_counters, (void *)0x1000), -EFAULT);
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_audit, (void *)0x1000), -EFAULT);
    CHECK_IS(HYPERVISOR_domus_op(99, &more), -ENOSYS);
    CHECK_IS(other_call(&other, __HYPERVISOR_domus_op, DOMUS_audit, 0, 0, 0), -EPERM);
    CHECK_IS(other_call(&other, __HYPERVISOR_domus_op, DOMUS_counters, OTHER_VA(OTHER_DATA), 0, 0),
             -EPERM);
}

/* ---- how it ended ---- */

static void shutdowns(void)
{
    static const unsigned int reasons[] = { SHUTDOWN_poweroff, SHUTDOWN_reboot, SHUTDOWN_crash };

    for (unsigned int i = 0; i < 3; i++) {
        struct sched_shutdown op = { .reason = reasons[i] };
        uint32_t flags;

        memcpy(other.data, &op, sizeof(op));
        other_ask(&other, __HYPERVISOR_sched_op, SCHEDOP_shutdown, OTHER_VA(OTHER_DATA), 0, 0);
        CHECK(COMES((flags = info_of(other.id).flags) & XEN_DOMINF_shutdown));
        CHECK_IS(flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask, reasons[i]);
        CHECK(!(flags & XEN_DOMINF_running) && !other_done(&other));
        other_end(&other);
        if (i < 2)
            other_begin(&other, 16);
    }
}

void test_main(void)
{
    if (!is_dom0())
        test_skip("only dom0 controls domains");
    wrong_wishes();
    wishes_that_come_true();
    other_begin(&other, 16);
    registers_of_each();
    pauses_are_counted();
    types_of_frames();
    hypercall_pages();
    contexts();
    vcpus();
    missing_vcpus();
    small_wishes();
    the_machine();
    domus_op();
    shutdowns();
}
