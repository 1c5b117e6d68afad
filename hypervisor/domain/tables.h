/* SPDX-License-Identifier: MIT */
/* A vCPU's base table changes: by hypercall, or by MOV to CR3. */
#ifndef DOMUS_DOMAIN_TABLES_H
#define DOMUS_DOMAIN_TABLES_H

#include "domain/domain.h"
#include "memory/mmu.h"

/* v is current, and in kernel mode. -EINVAL: not an L4 of its; -ERESTART: again. */
static inline int vcpu_change_tables(struct vcpu *v, mfn_t new)
{
    mfn_t old = base_table(v->tables.kernel_cr3);
    int error = mmu_get_table(v->tables.owner, new, FRAME_L4);

    if (error) return error;
    v->tables.kernel_cr3 = mfn_to_maddr(new).a;
    hv_show_m2p(new);
    vcpu_load_tables(v);                        /* before the old one may become something else */
    mmu_put_table(old);
    return 0;
}

#endif
