/* SPDX-License-Identifier: MIT */
/* What a saved guest begins with: xl's header, and its configuration (save.h). */
#include "dom0/save/save.h"

int tape_get(struct tape *tape, void *bytes, size_t size, struct problem *problem)
{
    int error = tape->read(tape, bytes, size);

    if (error == -ENODATA) return problem_set(problem, error, "the saved guest ends too early");
    if (error == -EAGAIN) return problem_set(problem, error, "given up");
    return error ? problem_set(problem, error, "cannot be read: %s", errno_name(error)) : 0;
}

int restore_config(struct tape *tape, char **config, bool *json, struct problem *problem)
{
    struct xl_header header;
    uint32_t size;
    int error = tape_get(tape, &header, sizeof(header), problem);

    if (!error && memcmp(header.magic, XL_MAGIC, sizeof(header.magic)))
        return problem_set(problem, -EINVAL, "there is no saved guest");
    if (!error && (header.byte_order != XL_BYTE_ORDER || !(header.mandatory & XL_STREAM_V2) ||
                   header.mandatory & ~(XL_JSON | XL_STREAM_V2)))
        return problem_set(problem, -EINVAL, "its file is of another xl (byte order %x, flags %x)",
                           header.byte_order, header.mandatory);
    error = error ? error : tape_get(tape, &size, sizeof(size), problem);
    if (error) return error;
    if (size > SAVE_MOST_CONFIG || header.optional_size != size + 4)
        return problem_set(problem, -EINVAL, "its configuration is said to have %u bytes of %u",
                           size, header.optional_size);
    *config = calloc(1, size + 1ul);
    if (!*config) return problem_set(problem, -ENOMEM, "dom0 has no memory left");
    *json = header.mandatory & XL_JSON;
    error = tape_get(tape, *config, size, problem);
    if (!error) return 0;
    free(*config);
    *config = NULL;
    return error;
}
