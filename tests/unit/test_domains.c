/* SPDX-License-Identifier: MIT */
/*
 * Guests that end by themselves, so many and so often that the toolstack has always one to start
 * again: who waits for its lock has it between two of them, and each guest has its turn. Others
 * whose end has to be waited for, because of their disk or their last words: nobody has the lock
 * meanwhile, and the operator need not wait. Building, XenStore and the clock are played.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "dom0/xc/control.h"
#include "dom0/console/terminal.h"
#include "dom0/devices/devices.h"
#include "dom0/guests/domains.h"
#include "dom0/guests/home.h"
#include "dom0/guests/recipe.h"
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>

#define GUESTS 13u
#define BUILD_NS (500 * NS_PER_MS)      /* More than a tenth, of thirteen, is more than all. */

static uint64_t now;
static domid_t last_domid;
static unsigned builds, guest_builds[GUESTS];
static bool lives;                      /* Nobody ends. */
static void (*life)(void *argument);
static jmp_buf nothing_to_do;
static bool operator_waits;
static unsigned most_builds, operator_after;

/* --- what takes time --- */

uint64_t now_ns(void)
{
    return now;
}

int recipe_read(const struct archive *files, const char *file, const char *more,
                struct config *config, struct problem *problem)
{
    memset(config, 0, sizeof(*config));
    strcpy(config->name, file);
    config->on_crash = ACTION_RESTART;
    return 0;
}

int recipe_build(const struct archive *files, const struct config *config,
                 struct build_result *built, struct problem *problem)
{
    now += BUILD_NS;
    if (!lives)
        guest_builds[atoi(config->name + 1)]++;
    memset(built, 0, sizeof(*built));
    built->domid = ++last_domid;
    builds++;
    lives = lives || builds == most_builds;
    return 0;
}

void recipe_say_where(const char *file, struct problem *problem)
{
}

/* Each is gone when it is asked for, but crashes as soon as it runs. */
static domid_t destroyed;
static unsigned looks;

int domain_get_info(domid_t domid, struct xen_domctl_getdomaininfo *info)
{
    if (domid == destroyed) return -ESRCH;
    looks++;
    info->flags = lives ? 0
                        : XEN_DOMINF_shutdown | SHUTDOWN_crash << XEN_DOMINF_shutdownshift;
    return 0;
}

int domain_destroy(domid_t domid)
{
    destroyed = domid;
    return 0;
}

/* --- threads --- */

static bool locked;

void mutex_lock(struct mutex *mutex)
{
    assert_false(locked);
    locked = true;
}

void mutex_unlock(struct mutex *mutex)
{
    assert_true(locked);
    locked = false;
    if (operator_waits)
        operator_after = builds;
    operator_waits = false;
}

bool wait_on(struct wait_queue *queue, uint64_t timeout_ns)
{
    assert_false(locked);
    if (!timeout_ns)
        longjmp(nothing_to_do, 1);
    now += timeout_ns;
    return false;
}

void wake_all(struct wait_queue *queue)
{
}

static void (*meanwhile)(void);         /* In a sleep. */

void thread_sleep(uint64_t ns)
{
    now += ns;
    if (!locked && meanwhile)
        meanwhile();
}

static bool control_c;

bool terminal_sleep(uint64_t ns)
{
    assert_false(locked);
    now += ns;
    if (meanwhile)
        meanwhile();
    return !control_c;
}

struct thread *thread_create(const char *name, void (*entry)(void *argument), void *argument)
{
    life = entry;
    return (struct thread *)&life;
}

bool events_save(void)
{
    return false;
}

void events_restore(bool was_masked)
{
}

int event_bind_virq(unsigned int virq, event_handler handler, void *data)
{
    assert_int_equal(virq, VIRQ_DOM_EXC);
    handler(1, data);
    return 1;
}

/* --- what takes none --- */

static unsigned undrained, told;        /* looks at a console whose last words are yet to come */

bool guest_console_is_drained(struct guest_console *console)
{
    return !undrained || !undrained--;
}
void printk(const char *format, ...)
{
    if (!strstr(format, "has ended:")) return;
    assert_int_equal(undrained, 0);
    told++;
}
const char *errno_name(long error)
{
    return "E";
}
static unsigned pauses;

int domain_pause(domid_t domid)
{
    pauses++;
    return 0;
}
int domain_unpause(domid_t domid)
{
    if (!lives)
        domains_look();                 /* VIRQ_DOM_EXC */
    return 0;
}
int domain_get_share(domid_t domid, struct domain_share *share)
{
    return 0;
}
int domain_set_share(domid_t domid, const struct domain_share *share)
{
    return 0;
}
int domain_set_affinity(domid_t domid, unsigned vcpu, uint64_t hard, uint64_t soft, bool force)
{
    return 0;
}
int guest_console_open(domid_t domid, const char *name, unsigned long mfn, evtchn_port_t port,
                       struct guest_console **opened)
{
    *opened = NULL;
    return 0;
}
void guest_console_close(struct guest_console *console)
{
}
int home_write(const struct config *config, const struct build_result *built)
{
    return 0;
}
int home_introduce(const struct build_result *built)
{
    return 0;
}
void home_release(domid_t domid)
{
}
int devices_check(const struct config *config, struct problem *problem)
{
    return 0;
}
int devices_attach(domid_t domid, struct config *config, struct devices **attached,
                   struct problem *problem)
{
    *attached = NULL;
    return 0;
}
void devices_detach(struct devices *devices)
{
}
static bool disk_is_silent;             /* of who has one */

bool devices_close(struct devices *devices)
{
    return !devices || !disk_is_silent;
}
int archive_next(const struct archive *archive, size_t *position, struct archive_file *file)
{
    return 0;
}
static domid_t can_be_asked;            /* to end; 0: nobody */
static unsigned asked;

int xs_write(xs_transaction transaction, const char *path, const void *value, size_t length)
{
    asked += strstr(path, "/control/shutdown") != NULL;
    return 0;
}
int xs_read_ulong(xs_transaction transaction, const char *directory, const char *node,
                  unsigned long *value)
{
    char home[32];

    snprintf(home, sizeof(home), "/local/domain/%u", can_be_asked);
    if (!can_be_asked || strcmp(directory, home) || strcmp(node, "control/feature-poweroff"))
        return -ENOENT;
    *value = 1;
    return 0;
}

/* --- the tests --- */

static int start(void **state)
{
    struct domain *made;
    struct problem problem;
    char name[4];

    lives = true;
    builds = 0;
    most_builds = ~0u;
    assert_int_equal(domains_start(&(struct archive){ .size = 0 }), 0);
    for (unsigned i = 0; i < GUESTS; i++) {
        snprintf(name, sizeof(name), "g%u", i);
        assert_int_equal(domains_create(name, "", false, &made, &problem), 0);
    }
    memset(guest_builds, 0, sizeof(guest_builds));
    builds = 0;
    now += 10 * NS_PER_S;               /* Nobody has lived so shortly that he is given up. */
    lives = false;
    return 0;
}

static int stop(void **state)
{
    assert_true(domains_destroy_all(NS_PER_S));
    return 0;
}

/* Until so many have been started again, and those that have ended by then. */
static void run(unsigned count)
{
    most_builds = builds + count;
    if (setjmp(nothing_to_do) == 0)
        life(NULL);
}

static void the_operator_is_not_kept_waiting(void **state)
{
    operator_waits = true;
    run(GUESTS);
    assert_int_equal(operator_after, 1);
}

static void each_has_its_turn(void **state)
{
    run(2 * GUESTS);
    for (unsigned i = 0; i < GUESTS; i++)
        assert_int_equal(guest_builds[i], 2);
}

/* Nobody waits under the number of another for him to go, and for what the operator does then. */
static void a_number_that_was_is_no_name(void **state)
{
    struct domain *made;
    struct problem problem;
    char number[8], later[8];

    assert_int_equal(domains_create("waits", "", false, &made, &problem), 0);
    snprintf(number, sizeof(number), "%u", made->domid + 2u);
    snprintf(later, sizeof(later), "%u", made->domid + 3u);
    assert_int_equal(domains_create(number, "", false, &made, &problem), 0);
    assert_ptr_equal(domains_find(number), made);       /* Nobody's, so far: a name. */
    assert_int_equal(domains_create("other", "", false, &made, &problem), 0);
    assert_ptr_equal(domains_find(number), made);
    assert_int_equal(domains_destroy("other", &problem), 0);
    assert_null(domains_find(number));
    assert_int_equal(domains_destroy(number, &problem), -ESRCH);
    assert_null(domains_find(later));
    assert_non_null(domains_find("waits"));
}

/* At the machine's end only those are worth waiting for that know of it. */
static void who_cannot_be_asked_is_not_waited_for(void **state)
{
    struct domain *made;
    struct problem problem;

    assert_int_equal(domains_create("deaf", "", false, &made, &problem), 0);
    domains_ask_all("poweroff");
    assert_int_equal(asked, 0);
    assert_false(domains_asked_run());
    assert_int_equal(domains_create("good", "", false, &made, &problem), 0);
    can_be_asked = made->domid;
    domains_ask_all("poweroff");
    assert_int_equal(asked, 1);
    assert_true(domains_asked_run());
    made->ended = true;                 /* The other runs still. */
    assert_false(domains_asked_run());
    can_be_asked = 0;
}

/* Who ends while he is saved is let be until then, and seen to then. */
static void ended_while_saved(void **state)
{
    struct domain *domain = domains_find("g0");

    domain->saving = true;
    run(GUESTS - 1);
    assert_int_equal(guest_builds[0], 0);
    lives = false;
    domain->saving = false;
    domains_look();
    run(1);
    assert_int_equal(guest_builds[0], 1);
}

static bool goes_on;

/* Who has it gives it up once it is unwanted, and ends it; or what it came for has been done, and
 * it is like any other. */
static void has_it_come(void)
{
    struct domain *domain = domains_find("g0");

    assert_true(domain->saving && domain->unwanted);
    domain->saving = false;
    if (goes_on) return;
    domains_begin();
    domains_end(domain);
    domains_unlock();
}

/* That is what the operator wanted: who comes from elsewhere need not have come before he is
 * destroyed. */
static void destroyed_while_it_comes(void **state)
{
    struct problem problem;

    meanwhile = has_it_come;
    for (goes_on = false; domains_find("g0"); goes_on = !goes_on) {
        struct domain *made;

        domains_find("g0")->saving = true;
        assert_int_equal(domains_destroy("g0", &problem), 0);
        assert_null(domains_find("g0"));
        if (!goes_on)
            assert_int_equal(domains_create("g0", "", false, &made, &problem), 0);
    }
    meanwhile = NULL;
    assert_int_equal(domains_destroy("g0", &problem), -ESRCH);
}

/* Somebody else may have its name as soon as it has gone: he is not meant. */
static void another_has_come(void)
{
    struct domain *made;
    struct problem problem;

    goes_on = false;
    has_it_come();
    assert_int_equal(domains_create("g0", "", false, &made, &problem), 0);
    meanwhile = NULL;
}

static void who_has_its_name_then_is_not_destroyed(void **state)
{
    struct problem problem;

    domains_find("g0")->saving = true;
    meanwhile = another_has_come;
    assert_int_equal(domains_destroy("g0", &problem), 0);
    assert_non_null(domains_find("g0"));
    assert_false(domains_find("g0")->unwanted);
}

static bool asks_only;
static domid_t going;

/* By its number: it will have another when it is started again. */
static void not_any_more(void)
{
    struct problem problem;
    char number[8];

    meanwhile = NULL;
    snprintf(number, sizeof(number), "%u", going);
    if (asks_only) {
        assert_int_equal(domains_ask(number, "poweroff", &problem), 0);
        return;
    }
    control_c = true;
    assert_int_equal(domains_destroy(number, &problem), -EBUSY);
    control_c = false;
}

/* What the operator wants while the last of it is waited for counts. */
static void not_started_again_if_nobody_wants_that(void **state)
{
    static const char *const names[] = { "g0", "g1" };

    for (unsigned i = 0; i < 2; i++) {
        struct domain *domain = domains_find(names[i]);

        asks_only = i;
        going = domain->domid;
        domain->ended = true;
        domain->action = ACTION_RESTART;
        domain->console = (struct guest_console *)&going;
        undrained = 1;
        meanwhile = not_any_more;
        domains_begin();
        domains_restart(domain);
        domains_unlock();
        assert_null(meanwhile);
        assert_null(domains_find(names[i]));
        assert_int_equal(builds, 0);
    }
}

/* Nobody waits for one guest's last words with the lock in his hands; the news come behind them. A
 * guest's end has few questions for the hypervisor, however many others there are. */
static void last_words_first(void **state)
{
    undrained = 2 * GUESTS + 5;
    told = looks = 0;
    run(GUESTS);
    assert_in_range(told, GUESTS, 2 * GUESTS);
    assert_in_range(looks, GUESTS, 3 * GUESTS);
}

static struct domain *one_with_a_silent_disk(const char *name)
{
    static char disk;
    struct problem problem;
    struct domain *made;

    assert_int_equal(domains_create(name, "", false, &made, &problem), 0);
    made->devices = (struct devices *)&disk;
    disk_is_silent = true;
    return made;
}

/* Whoever destroys it can stop waiting: it runs no more, is in nobody's way, and goes by itself
 * once the disk has answered. */
static void a_disk_that_does_not_answer(void **state)
{
    struct domain *silent = one_with_a_silent_disk("silent"), *made;
    struct problem problem;

    lives = true;
    pauses = 0;
    control_c = true;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(domains_destroy("silent", &problem), -EBUSY);
        assert_non_null(strstr(problem.text, "'silent' is not waited for: it runs no more"));
        assert_true(pauses == 1 && domains_find("silent") == silent && silent->ended);
    }
    assert_null(domains_lock("silent", &problem));
    assert_int_equal(domains_create("other", "", false, &made, &problem), 0);
    assert_int_equal(domains_destroy("other", &problem), 0);
    disk_is_silent = control_c = false;
    run(1);
    assert_null(domains_find("silent"));
}

static bool gives_up;

static void it_is_given_up(void)
{
    control_c = gives_up;
    disk_is_silent = gives_up;
}

/* Nor does it keep the machine from ending. */
static void the_machine_ends_all_the_same(void **state)
{
    uint64_t began;

    one_with_a_silent_disk("silent");
    began = now;
    assert_false(domains_destroy_all(NS_PER_S));
    assert_in_range(now - began, NS_PER_S, 2 * NS_PER_S);
    meanwhile = it_is_given_up;
    gives_up = true;
    began = now;
    assert_false(domains_destroy_all(NS_PER_S));
    assert_in_range(now - began, 1, NS_PER_S / 2);
    gives_up = false;
    assert_true(domains_destroy_all(NS_PER_S));
    meanwhile = NULL;
    assert_null(domains_next(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_operator_is_not_kept_waiting, start, stop),
        cmocka_unit_test_setup_teardown(each_has_its_turn, start, stop),
        cmocka_unit_test_setup_teardown(a_number_that_was_is_no_name, start, stop),
        cmocka_unit_test_setup_teardown(destroyed_while_it_comes, start, stop),
        cmocka_unit_test_setup_teardown(who_has_its_name_then_is_not_destroyed, start, stop),
        cmocka_unit_test_setup_teardown(not_started_again_if_nobody_wants_that, start, stop),
        cmocka_unit_test_setup_teardown(ended_while_saved, start, stop),
        cmocka_unit_test_setup_teardown(last_words_first, start, stop),
        cmocka_unit_test_setup_teardown(a_disk_that_does_not_answer, start, stop),
        cmocka_unit_test_setup_teardown(the_machine_ends_all_the_same, start, stop),
        cmocka_unit_test_setup_teardown(who_cannot_be_asked_is_not_waited_for, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
