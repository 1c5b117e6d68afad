/* SPDX-License-Identifier: MIT */
/* Several vCPUs of a debug build make calls whose refusal is not to be told, all at once: when the
 * last one is back, all are told again. */
#define PVGUEST_DEBUG
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <pvguest/debug.h>

#define VCPUS 4
#define CALLS 400000

int pvguest_hush;

static void *calls(void *unused)
{
    for (unsigned int i = 0; i < CALLS; i++)
        if (may_be_refused(i) != i) return (void *)1;
    return NULL;
}

static void at_once(void **state)
{
    pthread_t vcpus[VCPUS];
    void *failed;

    for (unsigned int i = 0; i < VCPUS; i++)
        assert_int_equal(pthread_create(&vcpus[i], NULL, calls, NULL), 0);
    for (unsigned int i = 0; i < VCPUS; i++) {
        assert_int_equal(pthread_join(vcpus[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(pvguest_hush, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(at_once) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
