/* SPDX-License-Identifier: MIT */
/*
 * The machine below dom0's toolstack, for test_toolstack.c: a hypervisor that remembers domains, a
 * builder (a disk, back ends and guests: toolstack_devices_host.h). What the toolstack asks of them
 * is said on the same console as its own words, in lines that begin with "#", so that a session is
 * one text. Each of them can be told to fail.
 */
#ifndef TESTS_UNIT_TOOLSTACK_HOST_H
#define TESTS_UNIT_TOOLSTACK_HOST_H

/* --- the console ------------------------------------------------------------------------------ */

static char transcript[256 * 1024];
static size_t transcript_size;
static bool silent;                     /* What is said meanwhile is not kept. */

static void append(const char *bytes, size_t size)
{
    if (silent) return;
    assert_true(transcript_size + size < sizeof transcript);
    memcpy(transcript + transcript_size, bytes, size);
    transcript_size += size;
    transcript[transcript_size] = 0;
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char line[1024];
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    append(line, (size_t)size);
}

void (*console_output)(const char *bytes, size_t length);

void printk(const char *format, ...)
{
    static char line[8192];
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    assert_in_range(size, 0, sizeof line - 1);
    console_output(line, (size_t)size);
}

void console_write(const char *bytes, size_t length)
{
    console_output(bytes, length);
}

static char keys[64];                   /* What the operator has typed. */

size_t console_read_wait(char *bytes, size_t size, uint64_t timeout_ns)
{
    size_t count = strlen(keys);

    if (!count) {
        thread_sleep(timeout_ns);
        return 0;
    }
    assert_true(count <= size);
    memcpy(bytes, keys, count);
    keys[0] = 0;
    return count;
}

const char *errno_name(long number)
{
    static char text[16];

    snprintf(text, sizeof text, "E%ld", number < 0 ? -number : number);
    return text;
}

/* --- failures --------------------------------------------------------------------------------- */

unsigned allocations_until_failure;
static unsigned calls_until_failure;    /* The n-th next call of what follows fails; 0: none. */

static bool fails(void)
{
    return calls_until_failure && --calls_until_failure == 0;
}

/* --- the rest of the SDK ---------------------------------------------------------------------- */

static struct start_info info_page;
struct start_info *start_info = &info_page;

domid_t own_domid(void)
{
    return 0;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    return (size_t)snprintf(to, size, "%s", from);
}

/* --- the hypervisor --------------------------------------------------------------------------- */

#define DOMAINS 8u
#define PORTS 64u
#define CONSOLE_FRAME(number) (1000ul + (number))
#define STORE_FRAME(number) (2000ul + (number))

struct guest {
    bool here, echoes;
    struct xen_domctl_getdomaininfo info;
    unsigned pauses, weight, cap, vcpus;
    uint64_t hard[4], soft[4];          /* Affinity; 0: all. */
    _Alignas(4096) uint8_t console[4096];
    _Alignas(4096) uint8_t store[4096];
};

static struct guest guests[DOMAINS];    /* Number 0 is dom0. */
static struct { bool bound; unsigned domid, remote; } ports[PORTS];
static unsigned mapped, answers_again;
static const char *const hypervisor_log = "(XEN) its log\n";

static unsigned ports_bound(void)
{
    unsigned count = 0;

    for (unsigned port = 0; port < PORTS; port++)
        count += ports[port].bound;
    return count;
}

/* Soft affinity of vCPU 1 cannot be had. */
static long affinity(const struct xen_domctl *op, struct guest *guest, bool set)
{
    const struct xen_domctl_vcpuaffinity *what = &op->u.vcpuaffinity;
    uint64_t *hard = (uint64_t *)(void *)what->cpumap_hard.bitmap.p, *soft =
        (uint64_t *)(void *)what->cpumap_soft.bitmap.p;

    if (what->vcpu >= guest->vcpus) return -ESRCH;
    assert_true(what->cpumap_hard.nr_bits == 64 && what->cpumap_soft.nr_bits == 64);
    if (!set) {
        *hard = guest->hard[what->vcpu] ? guest->hard[what->vcpu] : ~0ul;
        *soft = guest->soft[what->vcpu] ? guest->soft[what->vcpu] : ~0ul;
        return 0;
    }
    say("# affinity %u.%u, flags %u: %lx %lx\n", op->domain, what->vcpu, what->flags,
        (unsigned long)*hard, (unsigned long)*soft);
    if ((what->flags & XEN_VCPUAFFINITY_HARD) && !(*hard & 0xf)) return -EINVAL;
    if ((what->flags & XEN_VCPUAFFINITY_SOFT) && what->vcpu == 1) return -EBUSY;
    if ((what->flags & XEN_VCPUAFFINITY_FORCE)) return -EBUSY;
    if (what->flags & XEN_VCPUAFFINITY_HARD)
        guest->hard[what->vcpu] = *hard;
    if (what->flags & XEN_VCPUAFFINITY_SOFT)
        guest->soft[what->vcpu] = *soft;
    return 0;
}

static long domctl_of_guest(struct xen_domctl *op, struct guest *guest)
{
    switch (op->cmd) {
    case XEN_DOMCTL_pausedomain:
        say("# pause %u\n", op->domain);
        guest->pauses++;
        guest->info.flags |= XEN_DOMINF_paused;
        return 0;
    case XEN_DOMCTL_unpausedomain:
        say("# unpause %u\n", op->domain);
        if (!guest->pauses) return -EINVAL;
        if (--guest->pauses == 0)
            guest->info.flags &= ~XEN_DOMINF_paused;
        return 0;
    case XEN_DOMCTL_destroydomain:
        say("# destroy %u\n", op->domain);
        guest->here = false;
        return 0;
    case XEN_DOMCTL_max_mem:
        say("# max_mem %u %lu\n", op->domain, (unsigned long)op->u.max_mem.max_memkb);
        return 0;
    case XEN_DOMCTL_sendtrigger:
        say("# trigger %u %u %u\n", op->domain, op->u.sendtrigger.trigger, op->u.sendtrigger.vcpu);
        if (op->u.sendtrigger.vcpu >= guest->vcpus) return -ESRCH;
        return op->u.sendtrigger.trigger == XEN_DOMCTL_SENDTRIGGER_NMI     ? 0
               : op->u.sendtrigger.trigger == XEN_DOMCTL_SENDTRIGGER_RESET ? -EINVAL
               : op->u.sendtrigger.trigger == XEN_DOMCTL_SENDTRIGGER_INIT  ? -EIO
                                                                           : -ENOSYS;
    case XEN_DOMCTL_getvcpuinfo:
        if (op->u.getvcpuinfo.vcpu >= guest->vcpus) return -ESRCH;
        op->u.getvcpuinfo.online = op->u.getvcpuinfo.vcpu != 2;
        op->u.getvcpuinfo.running = op->u.getvcpuinfo.vcpu == 0;
        op->u.getvcpuinfo.blocked = op->u.getvcpuinfo.vcpu == 1;
        op->u.getvcpuinfo.cpu = op->u.getvcpuinfo.vcpu + 4;
        op->u.getvcpuinfo.cpu_time = 12340000000ul * (op->u.getvcpuinfo.vcpu + 1);
        return 0;
    case XEN_DOMCTL_scheduler_op:
        assert_int_equal(op->u.scheduler_op.sched_id, XEN_SCHEDULER_CREDIT);
        if (op->u.scheduler_op.cmd == XEN_DOMCTL_SCHEDOP_putinfo) {
            say("# weight %u %u, cap %u\n", op->domain, op->u.scheduler_op.u.credit.weight,
                op->u.scheduler_op.u.credit.cap);
            guest->weight = op->u.scheduler_op.u.credit.weight;
            guest->cap = op->u.scheduler_op.u.credit.cap;
        }
        op->u.scheduler_op.u.credit.weight = (uint16_t)guest->weight;
        op->u.scheduler_op.u.credit.cap = (uint16_t)guest->cap;
        return 0;
    case XEN_DOMCTL_getvcpuaffinity:
    case XEN_DOMCTL_setvcpuaffinity:
        return affinity(op, guest, op->cmd == XEN_DOMCTL_setvcpuaffinity);
    default:
        return -ENOSYS;
    }
}

/* As Xen: asked for a number that is nobody's, it answers for the next. */
static long domctl(struct xen_domctl *op)
{
    assert_int_equal(op->interface_version, XEN_DOMCTL_INTERFACE_VERSION);
    if (op->cmd != XEN_DOMCTL_getdomaininfo) {
        if (fails()) return -EPERM;
        return op->domain < DOMAINS && guests[op->domain].here
                   ? domctl_of_guest(op, &guests[op->domain])
                   : -ESRCH;
    }
    for (unsigned number = op->domain; number < DOMAINS; number++)
        if (guests[number].here) {
            op->domain = (domid_t)number;
            op->u.getdomaininfo = guests[number].info;
            op->u.getdomaininfo.domain = (domid_t)number;
            return 0;
        }
    return -ESRCH;
}

static long physinfo(struct xen_sysctl_physinfo *info)
{
    *info = (struct xen_sysctl_physinfo){
        .threads_per_core = 2, .cores_per_socket = 3, .nr_cpus = 4, .max_cpu_id = 5, .nr_nodes = 6,
        .cpu_khz = 2300045, .capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1,
        .total_pages = 256 * 100 + 255, .free_pages = 256 * 50 + 255, .outstanding_pages = 512,
        .hw_cap = { 1, 0xffffffff, 3, 4, 5, 6, 7, 8 },
    };
    return 0;
}

static long sysctl(struct xen_sysctl *op)
{
    struct xen_sysctl_readconsole *log = &op->u.readconsole;

    assert_int_equal(op->interface_version, XEN_SYSCTL_INTERFACE_VERSION);
    if (fails()) return -EPERM;
    switch (op->cmd) {
    case XEN_SYSCTL_physinfo:
        return physinfo(&op->u.physinfo);
    case XEN_SYSCTL_cputopoinfo:
        assert_int_equal(op->u.cputopoinfo.num_cpus, 64);
        for (unsigned i = 0; i < 4; i++)
            op->u.cputopoinfo.cputopo.p[i] =
                (struct xen_sysctl_cputopo){ .core = i % 2, .socket = i / 2 + 5, .node = i / 3 };
        op->u.cputopoinfo.num_cpus = 4;
        return 0;
    case XEN_SYSCTL_numainfo:
        assert_int_equal(op->u.numainfo.num_nodes, 64);
        for (unsigned i = 0; i < 4; i++)
            op->u.numainfo.distance.p[i] = i ? 20 + i : 10;
        op->u.numainfo.meminfo.p[0] = (struct xen_sysctl_meminfo){ 100ul << 20, 50ul << 20 };
        op->u.numainfo.meminfo.p[1] = (struct xen_sysctl_meminfo){ 7ul << 20, 6ul << 20 };
        op->u.numainfo.num_nodes = 2;
        return 0;
    case XEN_SYSCTL_sched_id:
        op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT;
        return 0;
    case XEN_SYSCTL_debug_keys:
        say("# keys %.*s\n", (int)op->u.debug_keys.nr_keys, op->u.debug_keys.keys.p);
        return 0;
    case XEN_SYSCTL_readconsole:
        assert_true(log->clear ? log->count == 0 : log->count == 65536);
        if (log->clear)
            say("# the log is cleared\n");
        else
            memcpy(log->buffer.p, hypervisor_log, log->count = (uint32_t)strlen(hypervisor_log));
        return 0;
    default:
        return -ENOSYS;
    }
}

static long version(unsigned long what, void *to)
{
    struct xen_compile_info *compiled = to;

    switch (what) {
    case XENVER_version:
        return 4 << 16 | 17;
    case XENVER_pagesize:
        return 4096;
    case XENVER_extraversion:
        strcpy(to, ".5-test");
        return 0;
    case XENVER_capabilities:
        strcpy(to, "xen-3.0-x86_64 ");
        return 0;
    case XENVER_changeset:
        strcpy(to, "some day");
        return 0;
    case XENVER_commandline:
        strcpy(to, "console=com1");
        return 0;
    case XENVER_compile_info:
        strcpy(compiled->compiler, "gcc");
        strcpy(compiled->compile_by, "somebody");
        strcpy(compiled->compile_domain, "somewhere");
        strcpy(compiled->compile_date, "then");
        return 0;
    case XENVER_platform_parameters:
        ((struct xen_platform_parameters *)to)->virt_start = 0xffff800000000000;
        return 0;
    default:
        return -ENOSYS;
    }
}

static void send(unsigned port);        /* toolstack_devices_host.h */

static long event_channel_op(unsigned long cmd, void *argument)
{
    struct evtchn_bind_interdomain *bind = argument;
    struct evtchn_bind_virq *virq = argument;
    unsigned port = 10;

    switch (cmd) {
    case EVTCHNOP_bind_virq:
        virq->port = virq->virq == VIRQ_TIMER ? timer_port : 2;
        assert_true(virq->virq == VIRQ_TIMER || virq->virq == VIRQ_DOM_EXC);
        return 0;
    case EVTCHNOP_bind_interdomain:
        if (fails()) return -EINVAL;
        while (ports[port].bound)
            port++;
        ports[port].bound = true;
        ports[port].domid = bind->remote_dom;
        ports[port].remote = bind->remote_port;
        bind->local_port = port;
        return 0;
    case EVTCHNOP_close:
        port = ((struct evtchn_close *)argument)->port;
        assert_true(ports[port].bound);
        ports[port].bound = false;
        return 0;
    case EVTCHNOP_send:
        send(((struct evtchn_send *)argument)->port);
        return 0;
    default:
        return 0;
    }
}

static long audit_result;

static long domus_op(unsigned long op, unsigned long argument)
{
    struct domus_audit *audit = (struct domus_audit *)argument;

    if (op == DOMUS_work_for) return 1000000;
    if (op == DOMUS_destroy) {
        struct xen_domctl whole = { .cmd = XEN_DOMCTL_destroydomain, .domain = (domid_t)argument,
                                    .interface_version = XEN_DOMCTL_INTERFACE_VERSION };

        return answers_again && answers_again-- ? -EAGAIN : domctl(&whole);
    }
    if (op == DOMUS_counters && audit_result >= 0) {
        struct domus_counters *counters = (struct domus_counters *)argument;
        static uint64_t asked;                          /* each time there is more */

        counters->hypercalls[1] = ++asked * 100;
        counters->hypercalls[29] = counters->domid;
        counters->refused = asked;
        counters->exceptions = asked * 10;
        counters->emulated = 7;
        counters->emulated_pte = 1234567;
        counters->events = 89;
        counters->switches = asked * 1000000;
        return 0;
    }
    if (op != DOMUS_audit || audit_result < 0) return audit_result;
    *audit = (struct domus_audit){ 1000, 200, 300, 0, audit_result ? 0x123 : ~0ul, "too many" };
    return audit_result;
}

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    switch (nr) {
    case __HYPERVISOR_domctl:
        return domctl((struct xen_domctl *)a);
    case __HYPERVISOR_sysctl:
        return sysctl((struct xen_sysctl *)a);
    case __HYPERVISOR_xen_version:
        return version(a, (void *)b);
    case __HYPERVISOR_event_channel_op:
        return event_channel_op(a, (void *)b);
    case __HYPERVISOR_console_io:
        append((const char *)c, b);
        return (long)b;
    case __HYPERVISOR_domus_op:
        return domus_op(a, b);
    default:
        return thread_hypercall(nr, a, b);
    }
}

void *map_frames(const unsigned long *mfns, unsigned long n, uint64_t prot, domid_t owner,
                 int *errors)
{
    assert_true(n == 1 && owner < DOMAINS && guests[owner].here);
    assert_true(*mfns == CONSOLE_FRAME(owner) || *mfns == STORE_FRAME(owner));
    if (fails()) return ERR_PTR(-EINVAL);
    mapped++;
    return *mfns == STORE_FRAME(owner) ? guests[owner].store : guests[owner].console;
}

void unmap_frames(void *va, unsigned long n)
{
    assert_int_equal(n, 1);
    mapped--;
}

unsigned long free_page_count(void)
{
    return 4711;
}

void shutdown(unsigned int reason)
{
    say("# shutdown %u\n", reason);
}

void poweroff(void)
{
    say("# poweroff\n");
    thread_exit();
}

/* --- the builder ------------------------------------------------------------------------------ */

int build_domain(const struct build_request *request, struct build_result *result, char *why,
                 size_t why_size)
{
    unsigned number = 1;
    struct guest *guest;

    say("# build: kernel %.*s, ramdisk %.*s, line '%s', pages %lu of %lu, vcpus %u, frames %u %u\n",
        (int)request->kernel_size, request->kernel, (int)request->ramdisk_size,
        request->ramdisk ? (const char *)request->ramdisk : "", request->command_line,
        (unsigned long)request->pages, (unsigned long)request->max_pages, request->vcpus,
        request->grant_frames, request->maptrack_frames);
    thread_sleep(300 * NS_PER_MS);
    if (fails() || request->kernel_size < 4) {
        snprintf(why, why_size, "no such luck");
        return request->kernel_size < 4 ? -ENOEXEC : -ENOMEM;
    }
    while (guests[number].here)
        number++;
    assert_true(number < DOMAINS);
    guest = &guests[number];
    memset(guest, 0, sizeof *guest);
    guest->here = true;
    guest->vcpus = request->vcpus;
    guest->weight = 256;
    guest->pauses = 1;
    guest->info.flags = XEN_DOMINF_paused;
    guest->info.tot_pages = request->pages;
    guest->info.max_vcpu_id = request->vcpus - 1;
    guest->info.nr_online_vcpus = request->vcpus;
    guest->info.cpu_time = 1234567890ul * number;
    for (unsigned i = 0; i < 16; i++)
        guest->info.handle[i] = request->uuid ? request->uuid[i] : (uint8_t)(i + number);
    *result = (struct build_result){ .domid = (domid_t)number,
                                     .store_mfn = STORE_FRAME(number),
                                     .console_mfn = CONSOLE_FRAME(number),
                                     .store_port = 1, .console_port = 2 };
    return 0;
}

#endif
