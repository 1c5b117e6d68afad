/* SPDX-License-Identifier: MIT */
/* What crashwrite writes and crashcheck verifies: numbered records whose content follows from their
 * number. A file /crash/NN holds RECORDS of them; the numbers go on from file to file, and only the
 * last KEEP files are kept. */
#pragma once
#include "user.h"

enum { RECORD = 512, RECORDS = 64, KEEP = 8 };

struct record {
    unsigned number, checksum;
    unsigned char data[RECORD - 8];
};

static inline unsigned record_fill(struct record *record, unsigned number)
{
    unsigned sum = number * 2654435761u;

    record->number = number;
    for (unsigned i = 0; i < sizeof record->data; i++) {
        record->data[i] = (unsigned char)(number * 31 + i * 7);
        sum = sum * 33 + record->data[i];
    }
    return record->checksum = sum;
}

static inline void record_path(char path[16], unsigned file)
{
    strcpy(path, "/crash/00000");
    for (int i = 11; i > 6; i--, file /= 10)
        path[i] = (char)('0' + file % 10);
}
