/* SPDX-License-Identifier: MIT */
/* What the two ends of a guest's move look at first: is it a hello, and is there all of the CPU. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "dom0/guests/move.h"
#include "dom0/xc/control.h"

static int answer;

int control_system(struct xen_sysctl *op)
{
    assert_int_equal(op->cmd, XEN_SYSCTL_get_cpu_featureset);
    assert_int_equal(op->u.cpu_featureset.index, XEN_SYSCTL_cpu_featureset_pv);
    assert_int_equal(op->u.cpu_featureset.nr_features, MOVE_FEATURES);
    op->u.cpu_featureset.features.p[1] = 77;
    op->u.cpu_featureset.nr_features = 16;
    return answer;
}

static void features_are_the_machines(void **state)
{
    struct move_hello hello = { .features = 3 };

    assert_int_equal(move_features(&hello), 0);
    assert_true(hello.features == 16 && hello.feature[1] == 77);
    answer = -1;
    assert_int_equal(move_features(&hello), -1);
    assert_int_equal(hello.features, 0);
}

static void all_that_it_may_use(void **state)
{
    struct move_hello theirs = { .features = 5, .feature = { 0x10, 0, 0x80000000u } };
    struct move_hello ours = theirs;
    struct problem problem;

    theirs.feature[5] = 1;                              /* behind the last */
    assert_int_equal(move_fits(&theirs, &ours, &problem), 0);
    ours.feature[0] = 0xff;                             /* more does no harm */
    assert_int_equal(move_fits(&theirs, &ours, &problem), 0);
    theirs.feature[0] |= 1u << 28;                      /* that is how many there are */
    theirs.feature[3] |= 1u << 1;
    assert_int_equal(move_fits(&theirs, &ours, &problem), 0);
    theirs.feature[0] |= 1u << 27;
    assert_true(move_fits(&theirs, &ours, &problem) < 0);
    assert_non_null(strstr(problem.text, "word 0: 08000000"));
    theirs.feature[0] = 0;
    ours.features = 2;                                  /* it does not know of that word */
    assert_true(move_fits(&theirs, &ours, &problem) < 0);
    assert_non_null(strstr(problem.text, "word 2: 80000000"));
}

static void a_hello(void **state)
{
    struct move_hello good = { .magic = MOVE_MAGIC, .kind = MOVE_COMES, .features = MOVE_FEATURES },
                      hello = good;

    assert_true(move_hello_valid(&hello));
    hello.kind = MOVE_ASKS;
    assert_true(move_hello_valid(&hello));
    hello.kind = MOVE_ASKS + 1;
    assert_false(move_hello_valid(&hello));
    hello = good;
    hello.features++;
    assert_false(move_hello_valid(&hello));
    hello = good;
    hello.magic[7]++;
    assert_false(move_hello_valid(&hello));
    hello = good;
    memset(hello.name, 'a', sizeof(hello.name));
    assert_false(move_hello_valid(&hello));
    hello.name[63] = '\0';
    assert_true(move_hello_valid(&hello));
}

/* A guest's suspending, and a look at each page before and behind it. */
static void silence(void **state)
{
    assert_int_equal(move_silence_ns(0), MOVE_STILL_NS);
    assert_int_equal(move_silence_ns(32768), MOVE_STILL_NS + 2 * 32768 * 200000ul);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_the_machines),
        cmocka_unit_test(all_that_it_may_use),
        cmocka_unit_test(a_hello),
        cmocka_unit_test(silence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
