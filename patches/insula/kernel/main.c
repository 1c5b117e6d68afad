/* SPDX-License-Identifier: MIT */
/* The order of the world's creation: boot.asm calls kernel_main on the boot stack, with interrupts
 * off. */
#include "kernel.h"

char boot_arguments[256];
u64 memory_start, memory_end;
u8 *ram_image;
u64 ram_image_size;

/* Finds `key=value` among the arguments; the value ends at a space, except that `run=` takes all
 * the rest. */
bool boot_argument(const char *key, char *value, size_t size)
{
    size_t length = strlen(key), n = 0;

    for (const char *at = boot_arguments; *at; at++) {
        if ((at > boot_arguments && at[-1] != ' ') || strncmp(at, key, length) != 0 ||
            at[length] != '=')
            continue;
        bool to_the_end = strncmp(key, "run", 4) == 0;
        for (at += length + 1; *at && (to_the_end || *at != ' ') && n + 1 < size; at++)
            value[n++] = *at;
        value[n] = 0;
        return true;
    }
    return false;
}

/* Boot loaders quote arguments with spaces, and put backslashes before the quotes. */
static void drop_quotes(void)
{
    char *to = boot_arguments;

    for (const char *from = boot_arguments; *from; from++)
        if (*from != '"' && *from != '\'' && *from != '\\')
            *to++ = *from;
    *to = 0;
}

void kernel_main(u64 info)
{
    serial_init();
    boot_information(info);
    drop_quotes();
    kprintf("Insula: %lu MiB of memory, arguments \"%s\"\n", memory_end >> 20, boot_arguments);
    trap_init();
    segments_init();
    palloc_init();
    vm_init();
    irq_init();
    clock_init();
    serial_interrupts();
    disk_init();
    buffer_init();
    net_init();
    process_init();
    scheduler();
}
