/* SPDX-License-Identifier: MIT */
/*
 * Memory of a PV guest. Three numbers for a page:
 *   pfn   what the guest calls it: 0 .. nr_pages-1, without gaps;
 *   mfn   where it really is in the machine: what page tables, grants to the hypervisor and DMA
 *         want;
 *   va    where the guest sees it.
 * p2m[] (pfn -> mfn) is ours; the M2P (mfn -> pfn) is the hypervisor's, mapped read-only for
 * everyone.
 *
 * Address space of the SDK:
 *   0xffffffff80000000  IMAGE_BASE   the image and what the builder put behind it: boot page
 *                                    tables, p2m, start_info, the module. va = IMAGE_BASE + pfn *
 *                                    4096.
 *   0xffff880000000000  DIRECT_BASE  every other page: va = DIRECT_BASE + pfn * 4096.
 *   0xffffa00000000000  MAP_BASE     foreign frames, grants, MMIO: address space handed out by
 *                                    map_frames().
 *   lower half                       free for user mode.
 * A page has exactly one kernel mapping, so making it read-only (a page table must be) is one
 * update.
 *
 * Errors are negative errnos. Allocation never sleeps; NULL means no memory. Not for use in event
 * handlers unless said. For all vCPUs at the same time; two that change the same page-table entry
 * agree on that themselves.
 */
#ifndef PVGUEST_MM_H
#define PVGUEST_MM_H

#include <abi/pte.h>
#include <pvguest/xen.h>

#ifndef PVGUEST_PREFIXED
#define PAGE_SHIFT  12
#define PAGE_SIZE   4096UL
#define PAGE_MASK   (~(PAGE_SIZE - 1))
#define PAGE_UP(x)  (((x) + PAGE_SIZE - 1) & PAGE_MASK)
#endif

#define IMAGE_BASE  0xffffffff80000000UL
#define DIRECT_BASE 0xffff880000000000UL
#define MAP_BASE    0xffffa00000000000UL

/* What entries are made of (<abi/pte.h>). A 64-bit PV guest's read back with PTE_USER set by the
 * hypervisor: compare masked. */
#define PROT_RO      (PVGUEST_PTE_PRESENT | PVGUEST_PTE_ACCESSED | PVGUEST_PTE_NX)
#define PROT_RW      (PROT_RO | PVGUEST_PTE_DIRTY | PVGUEST_PTE_WRITE)
#define PROT_EXEC    (PVGUEST_PTE_PRESENT | PVGUEST_PTE_ACCESSED)
/* entries of L2, L3, L4 */
#define PROT_TABLE   (PVGUEST_PTE_PRESENT | PVGUEST_PTE_ACCESSED | PVGUEST_PTE_DIRTY | \
                      PVGUEST_PTE_WRITE | PVGUEST_PTE_USER)
/* or this in for MMIO */
#define PROT_UNCACHED (PVGUEST_PTE_PCD | PVGUEST_PTE_PWT)

#define INVALID_MFN  (~0UL)

/* Builds the direct map and the page allocator from start_info, and the page tables at MAP_BASE, so
 * that every slot of the kernel's L4 which the SDK ever uses (those of the three bases above) is
 * there: a kernel with several L4s copies all that are not the hypervisor's (256 to 271), once.
 * guest_start calls it. */
void mm_init(void);

/* ---- translation ---- */

/* p2m[pfn] == mfn; entries may become INVALID_MFN when ballooned out */
extern unsigned long *p2m;
extern unsigned long nr_pages;      /* number of entries */
/* pfns below this live at IMAGE_BASE, the others at DIRECT_BASE */
extern unsigned long image_pages;

static inline unsigned long pfn_to_mfn(unsigned long pfn)
{
    return p2m[pfn];
}
static inline unsigned long mfn_to_pfn(unsigned long mfn)
{
    return ((const unsigned long *)MACH2PHYS_VIRT_START)[mfn];
}
static inline void *pfn_to_virt(unsigned long pfn)
{
    return (void *)((pfn < image_pages ? IMAGE_BASE : DIRECT_BASE) + pfn * 4096);
}
/* Only for addresses in the image or the direct map (not for map_frames() areas). */
static inline unsigned long virt_to_pfn(const void *va)
{
    unsigned long address = (unsigned long)va;
    return (address - (address >= IMAGE_BASE ? IMAGE_BASE : DIRECT_BASE)) / 4096;
}
static inline unsigned long virt_to_mfn(const void *va)
{
    return pfn_to_mfn(virt_to_pfn(va));
}
static inline void *mfn_to_virt(unsigned long mfn)
{
    return pfn_to_virt(mfn_to_pfn(mfn));
}
/* The machine address of a byte: for DMA and for mmu_update. Consecutive pages are not consecutive
 * in the machine. */
static inline uint64_t virt_to_machine(const void *va)
{
    return (uint64_t)virt_to_mfn(va) * 4096 + (unsigned long)va % 4096;
}

/* ---- pages ---- */

/* 2^order pages, consecutive in pfn and va, not cleared; NULL when there are none. Safe in event
 * handlers. */
void *PVGUEST_NAME(alloc_pages)(unsigned int order);
void PVGUEST_NAME(free_pages)(void *va, unsigned int order);
static inline void *PVGUEST_NAME(alloc_page)(void)
{
    return PVGUEST_NAME(alloc_pages)(0);
}
static inline void PVGUEST_NAME(free_page)(void *va)
{
    PVGUEST_NAME(free_pages)(va, 0);
}
/*
 * For a kernel with an allocator of its own: the longest run of free pages, consecutive in pfn and
 * va, is the caller's from now on, *pages of them. The last `keep` of the run stay here, for
 * page tables of map_frames() (one for 512 pages), grants and split devices: 256 are plenty. The
 * next call has the next run; a domain that was just built has one, nearly. NULL: no run is longer
 * than `keep`.
 */
void *take_memory(unsigned long keep, unsigned long *pages);
/* One page of zeroes. */
void *PVGUEST_NAME(alloc_zeroed_page)(void);
/* Pages free now, in all. */
unsigned long free_page_count(void);
/*
 * 2^order pages that are consecutive in the machine too and below 2^address_bits, for DMA
 * (XENMEM_exchange; dom0 or a domain that is allowed to). Cleared. NULL when Xen has none. Free
 * with free_pages.
 */
void *alloc_machine_contiguous(unsigned int order, unsigned int address_bits);

/* ---- small objects ---- */

void *PVGUEST_NAME(malloc)(size_t size);
void *PVGUEST_NAME(calloc)(size_t count, size_t size);
void *PVGUEST_NAME(realloc)(void *p, size_t size);
void PVGUEST_NAME(free)(void *p);
char *PVGUEST_NAME(strdup)(const char *s);

/* ---- page tables ---- */

/*
 * The address of the entry that maps `va` at `level` (1: the page's own) in the tables under the
 * current kernel base, or of another tree's when root_mfn is given; NULL when an upper level is not
 * present. Reading through it is fine; changes go through the queue below.
 */
const uint64_t *pt_walk(unsigned long va, unsigned int level);
const uint64_t *pt_walk_from(unsigned long root_mfn, unsigned long va, unsigned int level);
/* The kernel's L4. */
extern unsigned long kernel_root_mfn;

/* Makes sure the L3, L2 and L1 tables for va exist (they are allocated, made read-only and hooked
 * in). */
int pt_populate(unsigned long va);

/*
 * Trees of one's own, of which every process of a kernel has two: the kernel's, with its slots of
 * the upper half, and below them the process's memory, which is how the kernel gets at it; and user
 * mode's, with nothing but that memory. What is below the two roots they share: an entry of level
 * 4 is set in both. All flush the queue, and return 0 or a negative errno.
 */
/* A page becomes an empty table, ready to be hooked in with pt_set(): cleared, read-only. */
int pt_make_table(void *page);
/* The same for a root, which is pinned; of the kernel with all that kernel_root_mfn has in slots
 * 272 to 511. */
int pt_make_root(void *page, bool of_kernel);
/* The end of a process's trees: they are unpinned, and all tables of the lower half are pages again
 * that can be written to, with what stands in them; each is given to `returned`, unless NULL, the
 * roots last. Neither may be in use as a base. user_root: NULL where there is none. */
int pt_end_roots(void *kernel_root, void *user_root, void (*returned)(void *page));

/*
 * One kernel page now: with flush. `mfn` is any frame we may map; prot is PROT_* (0: unmap).
 * `owner` is DOMID_SELF for our own frames, DOMID_IO for MMIO (dom0), or a domain we are privileged
 * over.
 */
int PVGUEST_NAME(map_page)(unsigned long va, unsigned long mfn, uint64_t prot, domid_t owner);
/* Makes one of our pages read-only or writable again at its kernel mapping (before and after being
 * a page table). */
int page_set_readonly(void *va, bool readonly);

/*
 * n frames of `owner` at consecutive fresh addresses. Returns the address, or an ERR_PTR. With
 * errors != NULL the result of each frame is stored (0 or negative) and the mapping as a whole
 * succeeds with holes; with NULL all or nothing.
 */
void *map_frames(const unsigned long *mfns, unsigned long n, uint64_t prot, domid_t owner,
                 int *errors);
/* n consecutive frames: device registers (owner DOMID_IO, prot PROT_RW | PROT_UNCACHED). */
void *map_frame_range(unsigned long mfn, unsigned long n, uint64_t prot, domid_t owner);
void unmap_frames(void *va, unsigned long n);
/* Only the address space (tables populated, nothing mapped): grant.h maps into it. Returned by
 * vspace_free. */
void *vspace_alloc(unsigned long n);
void vspace_free(void *va, unsigned long n);

/*
 * ---- the page-table queue ---- Batches updates of entries and mmuext operations into as few
 * hypercalls as possible (mmu_update arrays inside multicalls) and keeps their order. Nothing in it
 * is visible before pt_flush(), or before the queue is full and flushes itself. The rule: whoever
 * could see a stale entry calls pt_flush() first: before touching a remapped address, before
 * freeing a page that was mapped, before returning to user mode, before switching base pointers.
 * The *_tlb calls put the TLB flush into the same batch, behind the updates it is for. Errors come
 * out of pt_flush(): the first one, negative. A refused update takes with it those queued behind it
 * up to the next mmuext operation; a kernel that updates only its own tables sees no refusals. Each
 * vCPU has a queue of its own, flushed by itself; base pointers are a vCPU's, too, and with several
 * vCPUs the *_tlb calls are for the TLBs of all.
 */
/* mmu_update NORMAL */
void pt_set(uint64_t entry_machine_address, uint64_t value);
/* keeps accessed and dirty */
void pt_set_preserving_ad(uint64_t entry_machine_address, uint64_t value);
void pt_set_m2p(unsigned long mfn, unsigned long pfn);                          /* MACHPHYS */
/* the L1 entry of va, current tables */
void pt_set_va(unsigned long va, uint64_t value);
/* MMUEXT_PIN_L<level>_TABLE */
void pt_pin(unsigned int level, unsigned long mfn);
void pt_unpin(unsigned long mfn);
/* kernel base pointer */
void pt_new_base(unsigned long mfn);
void pt_new_user_base(unsigned long mfn);
void pt_invlpg(unsigned long va);
void pt_flush_tlb(void);
void pt_mmuext(const struct mmuext_op *op);                                     /* any other */
int  pt_flush(void);
/* Whose frames the queued updates name (mmu_update's domid argument). DOMID_SELF by default; a
 * change flushes. */
void pt_owner(domid_t owner);

/* Hypercalls, updates and operations issued by the queue since boot, for the curious and the
 * benchmark; with several vCPUs some are missed. */
struct pt_statistics { uint64_t hypercalls, updates, operations, flushes; };
extern struct pt_statistics pt_statistics;

#endif
