/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers, as guest kernels see them: a short list of ones that PV kernels read at
 * their start, the segment bases, and a few whose answer is a constant. Everything else is a #GP,
 * which kernels expect of MSRs they probe. No MSR number of a guest reaches the hardware except
 * through the _safe accessors (XSA-333).
 */
#include "emulate/privileged.h"
#include "domain/domain.h"
#include "entry/hypercall.h"
#include "machine/io.h"

#define MSR_TSC             0x10
#define MSR_UCODE_REV       0x8b
#define MSR_MISC_ENABLE     0x1a0
#define MSR_MCG_CAP         0x179
#define MSR_MCG_STATUS      0x17a
#define MSR_K7_EVENTSEL0    0xc0010000      /* four selectors, then four counters */
#define MSR_K7_LAST         0xc0010007
#define MSR_K8_HWCR         0xc0010015
#define MSR_K8_C1E          0xc0010055
#define MSR_AMD_DE_CFG      0xc0011029

#define APIC_BASE_ENABLED   0xfee00800
#define APIC_BASE_BOOT_CPU  (1u << 8)
#define MISC_ENABLE_NO_BTS  (1u << 11)
#define MISC_ENABLE_NO_PEBS (1u << 12)
#define HWCR_TSC_AT_P0      (1u << 24)      /* the TSC does not change its pace */
#define DE_CFG_LFENCE       (1u << 1)

static bool is_performance_counter(uint32_t msr)
{
    return msr >= MSR_K7_EVENTSEL0 && msr <= MSR_K7_LAST;
}

bool msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    *value = 0;
    if (is_performance_counter(msr))
        return true;                /* there is none: all read 0 */
    switch (msr) {
    case MSR_TSC:            *value = rdtsc(); return true;
    case MSR_APIC_BASE:             /* it has no APIC, and may learn whose the first one is */
        *value = APIC_BASE_ENABLED | (v->id == 0 ? APIC_BASE_BOOT_CPU : 0);
        return true;
    case MSR_EFER:           *value = rdmsr(MSR_EFER) & ~EFER_SVME; return true;
    case MSR_PAT: case MSR_FS_BASE:
        *value = rdmsr(msr);
        return true;
    /* ring 0 swapped it on entry */
    case MSR_GS_BASE:        *value = rdmsr(MSR_KERNEL_GS_BASE); return true;
    case MSR_KERNEL_GS_BASE: *value = v->hw.gs_base_user; return true;
    case MSR_TSC_AUX:        *value = v->hw.tsc_aux; return true;
    case MSR_MCG_CAP: case MSR_MCG_STATUS: case MSR_K8_C1E:
        return true;                /* no machine-check banks, no C1E */
    case MSR_K8_HWCR:        *value = HWCR_TSC_AT_P0; return true;
    case MSR_UCODE_REV:      return rdmsr_safe(msr, value);
    case MSR_AMD_DE_CFG:
        if (!rdmsr_safe(msr, value)) return false;
        *value &= DE_CFG_LFENCE;
        return true;
    case MSR_MISC_ENABLE:
        if (!rdmsr_safe(msr, value)) return false;
        *value |= MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS;
        return true;
    default:
        return false;
    }
}

bool msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    uint64_t old;
    if (is_performance_counter(msr)) return true;
    /* the segment bases check for canonical values (XSA-193) */
    switch (msr) {
    case MSR_FS_BASE:        return do_set_segment_base(OP(SEGBASE_FS), value) == 0;
    case MSR_GS_BASE: return do_set_segment_base(OP(SEGBASE_GS_KERNEL), value) == 0;
    case MSR_KERNEL_GS_BASE:
        return do_set_segment_base(OP(SEGBASE_GS_USER), value) == 0;
    case MSR_TSC_AUX:
        if (value > UINT32_MAX || !wrmsr_safe(MSR_TSC_AUX, value)) return false;
        v->hw.tsc_aux = (uint32_t)value;
        return true;
    case MSR_UCODE_REV:             /* written with 0 before it is read: how Intel wants it */
        return value == 0;
    case MSR_K8_HWCR:               /* errata switches: dropped */
        return true;
    case MSR_TSC:
        return false;
    default:                        /* writing what is there already changes nothing */
        return msr_read(v, msr, &old) && old == value;
    }
}
