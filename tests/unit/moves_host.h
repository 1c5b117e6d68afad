/* SPDX-License-Identifier: MIT */
/* What memmove, memcpy, memset and memcmp do, of every size and at every distance: whoever has them
 * includes this. */
#ifndef MOVES_HOST_H
#define MOVES_HOST_H

/* `moved` is called after each memmove. */
static void check_moves(void (*moved)(void))
{
    for (size_t from = 0; from < 20; from++)
        for (size_t to = 0; to < 20; to++)
            for (size_t n = 0; n < 40; n++) {
                unsigned char bytes[64], other[64];

                for (size_t i = 0; i < 64; i++)
                    bytes[i] = other[i] = (unsigned char)(i * 7 + 3);
                assert_ptr_equal(memmove(bytes + to, bytes + from, n), bytes + to);
                moved();
                for (size_t i = 0; i < 64; i++)
                    assert_int_equal(bytes[i],
                                     i >= to && i < to + n ? other[i - to + from] : other[i]);
                assert_ptr_equal(memcpy(bytes + to, other + from, n), bytes + to);
                for (size_t i = 0; i < n; i++)
                    assert_int_equal(bytes[to + i], other[from + i]);
                for (size_t i = 0; i < 64; i++)
                    bytes[i] = other[i];
                assert_ptr_equal(memset(bytes + to, 0x1a5, n), bytes + to);
                for (size_t i = 0; i < 64; i++)
                    assert_int_equal(bytes[i], i >= to && i < to + n ? 0xa5 : other[i]);
                assert_int_equal(memcmp(bytes, bytes, n), 0);
            }
}

#endif
