/* SPDX-License-Identifier: MIT */
/*
 * A saved guest as Xen's tools have it, from outside to inside: xl's file (a header, and the
 * configuration), libxl's stream (version 2), and in its first record libxc's (version 3; we read 2
 * as well). Sources: Xen's docs/specs/libxl-migration-stream and libxc-migration-stream; xl's
 * header has no document. Numbers are little-endian, but for those of the two streams' headers.
 */
#ifndef DOM0_SAVE_FORMAT_H
#define DOM0_SAVE_FORMAT_H

#include "dom0/base.h"
#include <pvguest/xen.h>
#include <xen/domctl.h>

#define SAVE_PAGE 4096u

/* --- xl --- */

#define XL_MAGIC "Xen saved domain, xl format\n \0 \r"
#define XL_BYTE_ORDER 0x01020304u
#define XL_JSON 1u                      /* The configuration is libxl's JSON, not a text. */
#define XL_STREAM_V2 2u

/* Behind it: the configuration's size (32 bits), and the configuration. */
struct xl_header {
    char magic[32];
    uint32_t byte_order, mandatory, optional, optional_size;
};

/* --- libxl --- */

#define LIBXL_IDENT 0x4c6962786c466d74ul        /* "LibxlFmt" */
#define LIBXL_VERSION 2u

struct libxl_header { uint64_t ident; uint32_t version, options; };     /* Big-endian. */

/* Of both streams; a body is padded to eight bytes. */
struct save_record { uint32_t type, size; };
#define RECORD_PADDING(size) (-(size) & 7u)

enum libxl_record { LIBXL_END, LIBXL_LIBXC };

/* --- libxc --- */

#define LIBXC_ID 0x58454e46u                    /* "XENF" */
#define LIBXC_VERSION 3u
#define LIBXC_PV 1u

struct libxc_header {                           /* Big-endian. */
    uint64_t marker;                            /* All ones. */
    uint32_t id, version;
    uint16_t options, reserved[3];
};
struct libxc_domain { uint32_t type; uint16_t page_shift, reserved; uint32_t major, minor; };

enum libxc_record {
    LIBXC_END, LIBXC_PAGES, LIBXC_PV_INFO, LIBXC_P2M_FRAMES, LIBXC_VCPU, LIBXC_VCPU_EXTENDED,
    LIBXC_VCPU_XSAVE, LIBXC_SHARED_INFO, LIBXC_TSC, LIBXC_VCPU_MSRS = 12, LIBXC_VERIFY,
    LIBXC_STATIC_END = 16, LIBXC_CPUID, LIBXC_MSRS
};
#define LIBXC_OPTIONAL 0x80000000u

struct libxc_pv_info { uint8_t width, levels, reserved[6]; };
struct libxc_p2m { uint32_t first, last; };     /* Then a pfn for each frame of the list. */
struct libxc_pages { uint32_t count, reserved; };       /* Then a word for each, and the pages. */
struct libxc_vcpu { uint32_t id, reserved; };   /* Then what it is about. */
struct libxc_tsc { uint32_t mode, khz; uint64_t nsec; uint32_t incarnation, reserved; };

#define EXTENDED_SIZE 128u                      /* At most; xen/domctl.h defines less. */
#define MOST_MSRS 16u                           /* Of a vCPU; Xen 4.17 writes ten at most. */

/* A page's word: its pfn, and its type above. */
#define PAGE_TYPE_SHIFT 32u
#define PAGE_PFN ((1ul << 52) - 1)
#define PAGE_MOST 1024u                         /* Of them in a record, as Xen writes them. */

/* How often all of a guest's pages may be in a stream, at most. */
#define SAVE_TIMES 4u

/* A page's type: XEN_DOMCTL_PFINFO_*. */
static inline unsigned page_level(uint32_t type)
{
    uint32_t table = (type & XEN_DOMCTL_PFINFO_LTABTYPE_MASK) >> XEN_DOMCTL_PFINFO_LTAB_SHIFT;

    return table <= 4 ? table : 0;
}
static inline bool page_has_data(uint32_t type)
{
    return type < XEN_DOMCTL_PFINFO_BROKEN;
}
/* One that there is. */
static inline bool page_type_valid(uint32_t type)
{
    return type >= XEN_DOMCTL_PFINFO_BROKEN || type == XEN_DOMCTL_PFINFO_NOTAB || page_level(type);
}

/* What both sides know of a guest's page-table entries. */
#define ENTRY_PRESENT 1ul
#define ENTRY_LARGE (1ul << 7)                  /* In tables of levels 2 and 3. */
#define ENTRY_FRAME 0x000ffffffffff000ul
#define ENTRIES 512u
#define ABSENT (~0ul)                           /* No frame. */

static inline bool slot_is_ours(unsigned level, unsigned slot)
{
    return level == 4 && slot >= 256 && slot < 272;     /* The hypervisor's, in each L4. */
}

/* Pfns of the largest guest (16 GiB). */
#define MOST_PFNS (1ul << 22)
#define FEW_PFNS (1ul << 14)            /* That even the smallest may have. */

#endif
