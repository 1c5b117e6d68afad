/* SPDX-License-Identifier: MIT */
/*
 * The block front end against a back end that is honest, slow, or lies: what it puts on its ring,
 * whose answers it believes, and that every page it granted is taken back.
 */
#include "blkfront_host.h"

static void opening_and_closing(void **state)
{
    memset(&disk, 0xa5, sizeof disk);           /* nothing of what was there before counts */
    open_disk();
    assert_string_equal(states, "134");
    assert_int_equal(sleeps, 0);                /* the back end's state is watched, not polled */
    assert_string_equal(value_of("device/vbd/51712/event-channel"), "9");
    assert_string_equal(value_of("device/vbd/51712/protocol"), "x86_64-abi");
    assert_ptr_equal(granted_page((grant_ref_t)atoi(value_of("device/vbd/51712/ring-ref"))),
                     disk.ring_page);
    assert_false(grant[disk.ring_grant].readonly);
    assert_int_equal(disk.device.sectors, 1000);
    assert_int_equal(disk.device.flags, BLOCK_CAN_FLUSH | BLOCK_CAN_DISCARD);
    assert_int_equal(disk.device.max_segments, 11);
    close_disk();
    assert_string_equal(states, "13456");
    assert_string_equal(value_of(BACK "/state"), "6");
    submit(0, BLOCK_FLUSH, 0);
    assert_int_equal(result[0], -EIO);
    set_node(BACK "/mode", "r");
    set_node(BACK "/feature-flush-cache", "0");
    set_node(BACK "/feature-discard", "0");
    open_disk();
    assert_int_equal(disk.device.flags, BLOCK_READ_ONLY);
    close_disk();
}

static void disks_that_do_not_open(void **state)
{
    static const struct { const char *path, *value; int error; char stuck; } wrong[] = {
        { BACK "/sectors", "0", -EINVAL, 0 }, { BACK "/sector-size", "4096", -EINVAL, 0 },
        { "device/vbd/51712/backend-id", "32752", -EINVAL, 0 }, { BACK "/x", "", -ETIMEDOUT, '2' },
        { BACK "/x", "", -ETIMEDOUT, '4' },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++) {
        set_up(state);
        set_node(wrong[i].path, wrong[i].value);
        stuck_before = wrong[i].stuck;
        assert_int_equal(blkfront_open(&disk, 51712), wrong[i].error);
        assert_int_equal(granted, 0);
        assert_null(handler);
        assert_string_equal(states, wrong[i].stuck == '2' ? "1" : i == 2 ? "" : "1356");
        if (wrong[i].stuck)
            assert_true(clock_ns > 10 * NS_PER_S && clock_ns < 31 * NS_PER_S);
    }
    for (unsigned int i = 0; i < 6; i++) {
        static const char *const refused[] = { "ring-ref", "event-channel", "protocol", "state" };

        set_up(state);
        if (i < 4)
            refused_node = refused[i];
        grants_left = i == 4 ? 0 : 5;
        refuse_port = i == 5;
        assert_int_equal(blkfront_open(&disk, 51712), -28);
        assert_int_equal(granted, 0);
        assert_null(handler);
    }
    set_up(state);
    assert_int_equal(blkfront_open(&disk, 51728), -ENOENT);
    set_node("device/vbd/51712/backend",
             "/a/path/that/is/longer/than/the/drivers/have/room/for/it/0123");
    memset(value_of("device/vbd/51712/backend"), 'x', 63);
    assert_int_equal(blkfront_open(&disk, 51712), -ETIMEDOUT); /* 63 letters fit; there is nobody */
}

static void requests_on_the_ring(void **state)
{
    const blkif_request_t *seen;
    blkif_request_discard_t discard;
    uint64_t id[3];

    open_disk();
    sent = 0;
    submit(0, BLOCK_READ, 11);
    submit(1, BLOCK_WRITE, 1);
    submit(2, BLOCK_FLUSH, 0);
    submit(3, BLOCK_DISCARD, 0);
    assert_int_equal(sent, 1);                  /* the back end asked for the first only */
    seen = next_request();
    id[0] = seen->id;
    assert_int_equal(seen->operation, BLKIF_OP_READ);
    assert_int_equal(seen->nr_segments, 11);
    assert_int_equal(seen->sector_number, 8);
    assert_int_equal(seen->handle, 51712);
    for (unsigned int i = 0; i < 11; i++) {
        assert_ptr_equal(granted_page(seen->seg[i].gref), data[i]);
        assert_false(grant[seen->seg[i].gref].readonly);
        assert_int_equal(seen->seg[i].first_sect, 2);
        assert_int_equal(seen->seg[i].last_sect, 4);
    }
    seen = next_request();
    id[1] = seen->id;
    assert_int_equal(seen->operation, BLKIF_OP_WRITE);
    assert_int_equal(seen->nr_segments, 1);
    assert_int_equal(seen->sector_number, 9);
    /* a disk that writes into what we write is refused by hardware */
    assert_true(grant[seen->seg[0].gref].readonly);
    seen = next_request();
    id[2] = seen->id;
    assert_int_equal(seen->operation, BLKIF_OP_FLUSH_DISKCACHE);
    assert_int_equal(seen->nr_segments, 0);
    memcpy(&discard, next_request(), sizeof discard);
    assert_int_equal(discard.operation, BLKIF_OP_DISCARD);
    assert_int_equal(discard.sector_number, 11);
    assert_int_equal(discard.nr_sectors, 5);
    assert_int_equal(discard.flag, 0);
    assert_int_equal(granted, 13);
    answer(id[1], BLKIF_RSP_ERROR);
    ring_bell();
    assert_int_equal(result[1], -EIO);
    assert_int_equal(granted, 12);
    answer(id[2], BLKIF_RSP_EOPNOTSUPP);
    answer(discard.id, BLKIF_RSP_OKAY);
    ring_bell();
    assert_int_equal(result[2], -EOPNOTSUPP);
    assert_int_equal(result[3], 0);
    assert_int_equal(result[0], 1);
    answer(id[0], BLKIF_RSP_OKAY);
    ring_bell();
    assert_int_equal(result[0], 0);
    close_disk();
    assert_int_equal(said, 0);
}

/* Ids out of range, of a free slot, twice: said once, and nothing else happens. */
static void answers_to_nothing(void **state)
{
    static const uint64_t wrong[] = { 32, 255, 0x100000000ull, UINT64_MAX };
    uint64_t first, second;
    bool used[BLKFRONT_RING] = { false };
    unsigned int unused = 0;

    open_disk();
    submit(0, BLOCK_READ, 1);
    submit(1, BLOCK_READ, 1);
    for (unsigned int i = 2; i < 10; i++)
        submit(i, BLOCK_FLUSH, 0);
    used[first = next_request()->id] = true;
    used[second = next_request()->id] = true;
    for (unsigned int i = 2; i < 10; i++)
        used[next_request()->id] = true;
    while (used[unused])
        unused++;
    for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++)
        answer(wrong[i], 0);
    answer(unused, 0);
    ring_bell();
    assert_int_equal(said, 1);
    assert_int_equal(disk.strays, 5);
    for (unsigned int i = 0; i < 10; i++)
        assert_int_equal(result[i], 1);
    assert_int_equal(granted, 3);
    answer(first, 0);
    answer(first, 0);
    ring_bell();
    assert_int_equal(disk.strays, 6);
    assert_int_equal(result[0], 0);
    assert_int_equal(result[1], 1);
    answer(second, 0);
    ring_bell();
    assert_int_equal(result[1], 0);
    assert_int_equal(granted, 1);
    assert_true(disk.connected);
    ring->rsp_prod += 3;                        /* two are open: with this it has gone too far */
    ring_bell();
    assert_false(disk.connected);
    assert_int_equal(result[9], -EIO);
    close_disk();
}

static void a_ring_that_lies(void **state)
{
    open_disk();
    for (unsigned int i = 0; i < 40; i++)
        submit(i, BLOCK_WRITE, 1);
    assert_int_equal(granted, 33);
    ring->rsp_prod = 33;                        /* more answers than questions */
    ring_bell();
    assert_false(disk.connected);
    for (unsigned int i = 0; i < 40; i++)
        assert_int_equal(result[i], -EIO);
    assert_int_equal(granted, 1);
    submit(41, BLOCK_READ, 1);
    assert_int_equal(result[41], -EIO);
    ring->rsp_prod = 1;
    ring_bell();
    assert_int_equal(said, 1);
    close_disk();
}

/* Who is given up is shown nothing more of what was on its way, and is not saved. */
static void nothing_for_who_is_given_up(void **state)
{
    open_disk();
    submit(0, BLOCK_FLUSH, 0);
    request[1] = request[0];
    result[1] = 1;
    masked = true;
    block_submit(&disk.device, &request[1]);
    masked = false;
    ring->rsp_prod = 9;
    ring_bell();
    assert_true(result[0] == -EIO && result[1] == -EIO);
    sent = 0;
    block_kick(&disk.device);
    assert_true(ring->req_prod == 1 && sent == 0);
    hooked->before(hooked);
    submit(2, BLOCK_FLUSH, 0);
    assert_int_equal(result[2], -EIO);          /* for there is no other life to wait for */
    close_disk();
}

/* More than the ring holds wait, in order; answers make room. */
static void a_full_ring(void **state)
{
    open_disk();
    for (unsigned int i = 0; i < 70; i++)
        submit(i, BLOCK_READ, 1);
    assert_int_equal(ring->req_prod, 32);
    for (unsigned int i = 0; i < 70; i++) {
        const blkif_request_t *seen = next_request();
        uint64_t id = seen->id;

        assert_int_equal(seen->sector_number, 8 + i);
        answer(id, 0);
        sent = 0;
        ring->req_event = ring->req_prod + 1;
        ring_bell();
        assert_int_equal(result[i], 0);
        assert_int_equal(ring->rsp_event, ring->rsp_prod + 1);      /* and the next one rings */
        assert_int_equal(ring->req_prod, i + 33 < 70 ? i + 33 : 70);
        assert_int_equal(sent, i + 33 <= 70);
    }
    assert_int_equal(granted, 1);
    close_disk();
}

/* Who submits the next one when one is done, as file systems do, finds the slot free, but others
 * wait for it. */
static void nobody_overtakes(void **state)
{
    open_disk();
    for (unsigned int i = 0; i < 40; i++)
        submit(i, BLOCK_READ, 1);
    when_done = 40;
    for (unsigned int i = 0; i <= 40; i++) {
        const blkif_request_t *seen = next_request();

        assert_int_equal(seen->sector_number, 8 + i);
        answer(seen->id, 0);
        ring_bell();
        assert_int_equal(result[i], 0);
    }
    assert_int_equal(ring->req_prod, 41);
    close_disk();
}

/* References run out in the middle of a request: what it had goes back, and it waits. */
static void no_grants_left(void **state)
{
    open_disk();
    submit(0, BLOCK_READ, 1);
    grants_left = 3;
    submit(1, BLOCK_READ, 4);
    submit(2, BLOCK_READ, 1);                   /* behind it, though there were enough */
    assert_int_equal(granted, 2);
    assert_int_equal(ring->req_prod, 1);
    grants_left = 10;
    answer(next_request()->id, 0);
    ring_bell();
    assert_int_equal(ring->req_prod, 3);
    assert_int_equal(granted, 6);
    answer(next_request()->id, 0);
    answer(next_request()->id, 0);
    ring_bell();
    assert_int_equal(result[1] + result[2], 0);
    close_disk();
}

/* A back end that keeps a page: said; the request is finished all the same. */
static void a_page_that_is_kept(void **state)
{
    grant_ref_t kept;

    open_disk();
    submit(0, BLOCK_READ, 2);
    kept = ring->ring[0].req.seg[1].gref;
    grant[kept].busy = true;
    answer(next_request()->id, 0);
    ring_bell();
    assert_int_equal(said, 1);
    assert_int_equal(result[0], 0);
    assert_int_equal(granted, 2);
    grant[kept].busy = false;
    grant_end_access(kept);
    close_disk();
}

static void answers_while_closing(void)
{
    if (ring->req_prod != taken)
        answer(next_request()->id, 0);
    dutiful();
}

static void closing_waits(void **state)
{
    open_disk();
    for (unsigned int i = 0; i < 40; i++)
        submit(i, BLOCK_WRITE, 1);
    back_end = answers_while_closing;
    close_disk();
    for (unsigned int i = 0; i < 40; i++)
        assert_int_equal(result[i], 0);
    assert_string_equal(states, "13456");
}

/* Nothing is at the back end, but something waits for references: closing waits for that, too. */
static void answers_when_there_are_references(void)
{
    grants_left = sleeps > 5 ? 10 : 0;
    answers_while_closing();
}

static void closing_waits_for_what_waits(void **state)
{
    open_disk();
    grants_left = sleeps = 0;
    submit(0, BLOCK_WRITE, 1);
    assert_int_equal(ring->req_prod, 0);
    back_end = answers_when_there_are_references;
    close_disk();
    assert_int_equal(result[0], 0);
}

static void the_first_disk(void **state)
{
    entries = 3;
    assert_int_equal(blkfront_first(), 51712);
    entries = 1;
    assert_int_equal(blkfront_first(), 51728);
    entries = 0;
    assert_int_equal(blkfront_first(), -ENOENT);
    entries = 4;
    assert_int_equal(blkfront_first(), -ENOENT);
}

/* Slots of the ring, and of the grants, are used again by other requests: nothing of the older
 * ones shows. */
static void slots_are_used_again(void **state)
{
    blkif_request_discard_t discard;

    open_disk();
    for (unsigned int i = 0; i < 32; i++) {
        submit(i, BLOCK_WRITE, 11);
        answer(next_request()->id, 0);
        ring_bell();
    }
    submit(32, BLOCK_DISCARD, 0);
    submit(33, BLOCK_FLUSH, 0);
    memcpy(&discard, next_request(), sizeof discard);
    assert_int_equal(discard.flag, 0);
    assert_int_equal(next_request()->nr_segments, 0);
    answer(discard.id, 0);
    answer(ring->ring[1].req.id, 0);
    ring_bell();
    assert_int_equal(result[32], 0);
    assert_int_equal(result[33], 0);
    assert_int_equal(granted, 1);
    close_disk();
}

/* What a liar's answer to nothing left on the ring is in no later request. */
static void slots_that_a_liar_wrote(void **state)
{
    blkif_request_discard_t discard;

    open_disk();
    submit(0, BLOCK_WRITE, 1);
    next_request();
    answer(UINT64_MAX, 0);
    ring_bell();
    for (unsigned int i = 1; i < 32; i++) {
        submit(i, BLOCK_WRITE, 1);
        answer(next_request()->id, 0);
        ring_bell();
    }
    submit(32, BLOCK_DISCARD, 0);
    memcpy(&discard, next_request(), sizeof discard);
    assert_int_equal(discard.flag, 0);
    ring->rsp_prod += 3;
    ring_bell();
    assert_int_equal(result[0], -EIO);
    close_disk();
}

/* A back end of old says nothing of its mode: one may write. */
static void a_disk_without_a_mode(void **state)
{
    snprintf(node[nodes - 3].path, sizeof node->path, "elsewhere");
    assert_null(value_of(BACK "/mode"));
    open_disk();
    assert_false(disk.device.flags & BLOCK_READ_ONLY);
    close_disk();
}

/* What is asked while the guest is being saved waits, and is done in whichever life comes. */
static void saved_and_restored(void **state)
{
    open_disk();
    submit(0, BLOCK_READ, 1);
    answer(next_request()->id, BLKIF_RSP_OKAY);
    hooked->before(hooked);
    assert_int_equal(result[0], 0);             /* nothing is left on the ring */
    submit(1, BLOCK_READ, 1);
    assert_true(result[1] == 1 && ring->req_prod == taken);
    set_node(BACK "/state", "4");
    hooked->after(hooked, false);
    answer(next_request()->id, BLKIF_RSP_OKAY);
    ring_bell();
    assert_int_equal(result[1], 0);

    hooked->before(hooked);
    submit(2, BLOCK_WRITE, 1);
    submit(3, BLOCK_FLUSH, 0);
    request[2].segment[0].machine = 0;          /* of another life */
    handler = NULL;                             /* and so is the port */
    set_node(BACK "/state", "2");
    states[0] = '\0';
    hooked->after(hooked, true);
    assert_string_equal(states, "134");
    taken = 0;
    assert_int_equal(request[2].segment[0].machine, virt_to_machine(data[0]));
    assert_int_equal(next_request()->operation, BLKIF_OP_WRITE);
    assert_int_equal(next_request()->operation, BLKIF_OP_FLUSH_DISKCACHE);
    assert_int_equal(granted, 2);
    for (unsigned int i = 0; i < 2; i++)
        answer(ring->ring[i].req.id, BLKIF_RSP_OKAY);
    ring_bell();
    assert_true(result[2] == 0 && result[3] == 0);
    close_disk();
    assert_null(hooked);
}

/* Who never answered has nothing more to say of it in another life, either. */
static void answers_to_another_life(void **state)
{
    uint16_t stale, live;

    open_disk();
    submit(0, BLOCK_READ, 1);
    submit(1, BLOCK_READ, 1);
    next_request();
    stale = (uint16_t)next_request()->id;
    hooked->before(hooked);
    assert_true(result[0] == -EIO && result[1] == -EIO);
    handler = NULL;
    set_node(BACK "/state", "2");
    hooked->after(hooked, true);
    taken = 0;
    submit(2, BLOCK_READ, 1);
    live = (uint16_t)next_request()->id;
    assert_int_not_equal(live, stale);
    answer(stale, BLKIF_RSP_OKAY);
    ring_bell();
    assert_int_equal(result[1], -EIO);          /* it was done once (done) */
    submit(3, BLOCK_READ, 1);
    answer(live, BLKIF_RSP_OKAY);
    ring_bell();
    assert_int_equal(result[2], 0);
    answer(next_request()->id, BLKIF_RSP_OKAY);
    ring_bell();
    close_disk();
}

/* In another life its back end may be gone, or another one does not take it. */
static void not_there_in_another_life(void **state)
{
    for (unsigned int i = 0; i < 2; i++) {
        set_up(state);
        open_disk();
        hooked->before(hooked);
        submit(1, BLOCK_READ, 1);
        if (i)
            handler = NULL, stuck_before = '2';
        else
            back_end_is('6');
        assert_int_equal(result[1], 1);
        hooked->after(hooked, i);
        assert_int_equal(result[1], -EIO);
        submit(2, BLOCK_READ, 1);
        assert_int_equal(result[2], -EIO);
        stuck_before = 0;
        blkfront_close(&disk);
        assert_null(hooked);
        assert_int_equal(granted, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(opening_and_closing, set_up),
        cmocka_unit_test_setup(disks_that_do_not_open, set_up),
        cmocka_unit_test_setup(requests_on_the_ring, set_up),
        cmocka_unit_test_setup(answers_to_nothing, set_up),
        cmocka_unit_test_setup(a_ring_that_lies, set_up),
        cmocka_unit_test_setup(nothing_for_who_is_given_up, set_up),
        cmocka_unit_test_setup(a_full_ring, set_up),
        cmocka_unit_test_setup(nobody_overtakes, set_up),
        cmocka_unit_test_setup(no_grants_left, set_up),
        cmocka_unit_test_setup(a_page_that_is_kept, set_up),
        cmocka_unit_test_setup(closing_waits, set_up),
        cmocka_unit_test_setup(closing_waits_for_what_waits, set_up),
        cmocka_unit_test_setup(the_first_disk, set_up),
        cmocka_unit_test_setup(slots_are_used_again, set_up),
        cmocka_unit_test_setup(slots_that_a_liar_wrote, set_up),
        cmocka_unit_test_setup(a_disk_without_a_mode, set_up),
        cmocka_unit_test_setup(saved_and_restored, set_up),
        cmocka_unit_test_setup(answers_to_another_life, set_up),
        cmocka_unit_test_setup(not_there_in_another_life, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
