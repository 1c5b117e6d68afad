/* SPDX-License-Identifier: MIT */
/*
 * What the builder of the domain told us, and the page shared with the hypervisor: facts for
 * everyone, no policy.
 */
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include "suspend.h"

struct start_info *start_info;

static void show_shared_info(uint64_t machine)
{
    if (HYPERVISOR_update_va_mapping((unsigned long)&shared_info, machine | PROT_RW, UVMF_INVLPG))
        crash();        /* there is no console yet to say so */
}

void start_init(struct start_info *si)
{
    start_info = si;
    /* shared_info is the machine address of a frame of the hypervisor's; we put it over a page of
     * .bss kept for it. */
    show_shared_info(si->shared_info);
}

/* The page of .bss itself; who looks there finds events masked. */
void shared_info_suspend(void)
{
    show_shared_info(virt_to_machine(&shared_info));
    memset(&shared_info, 0, sizeof(shared_info));
    shared_info.vcpu_info[0].evtchn_upcall_mask = 1;
}

void shared_info_resume(void)
{
    show_shared_info(start_info->shared_info);
}

const void *boot_module(size_t *size)
{
    *size = start_info->mod_len;
    if (!start_info->mod_len) return NULL;
    /* With the MOD_START_PFN feature (our image does not ask for it) the field is a frame
     * number. */
    if (start_info->flags & SIF_MOD_START_PFN) return pfn_to_virt(start_info->mod_start);
    return (const void *)start_info->mod_start;
}

const char *command_line(void)
{
    start_info->cmd_line[MAX_GUEST_CMDLINE - 1] = 0;
    return (const char *)start_info->cmd_line;
}

bool command_option(const char *name, char *value, size_t size)
{
    size_t length = strlen(name);

    for (const char *word = command_line(); *word; ) {
        size_t word_length = 0;

        while (word[word_length] && word[word_length] != ' ')
            word_length++;
        if (word_length >= length && !memcmp(word, name, length) &&
            (word_length == length || word[length] == '=')) {
            const char *from = word_length == length ? word + length : word + length + 1;
            size_t n = (size_t)(word + word_length - from);

            n = n < size ? n : size - 1;
            memcpy(value, from, n);
            value[n] = 0;
            return true;
        }
        word += word_length;
        while (*word == ' ')
            word++;
    }
    return false;
}

static domid_t known = DOMID_INVALID;

void own_domid_forget(void)
{
    known = DOMID_INVALID;
}

domid_t own_domid(void)
{
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    struct evtchn_status status = { .dom = DOMID_SELF };
    struct evtchn_close close;

    if (known != DOMID_INVALID) return known;
    if (HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc)) return DOMID_INVALID;
    status.port = close.port = alloc.port;
    /* DOMID_SELF as the remote end is resolved by the hypervisor: the status names the number. */
    if (!HYPERVISOR_event_channel_op(EVTCHNOP_status, &status))
        known = status.u.unbound.dom;
    HYPERVISOR_event_channel_op(EVTCHNOP_close, &close);
    return known;
}
