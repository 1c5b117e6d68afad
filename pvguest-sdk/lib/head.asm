; SPDX-License-Identifier: MIT
; The first instructions of a guest, and the notes by which a hypervisor or a toolstack knows how to
; load it. Called by nobody but the builder of the domain: rsi = struct start_info, rsp = a small
; boot stack, events masked, the image mapped, .bss cleared. Everything else is C:
; guest_start(start_info), <pvguest/start.h>.

bits 64
default rel

VIRT_BASE equ 0xffffffff80000000

extern guest_start
global _start
global hypercall_page
global hypercall_by_page
global hypercall_by_syscall
global shared_info
global boot_stack_top

; ---- ELF notes: <xen/elfnote.h>. Name, description and the next header are each aligned to 4.

%macro note_string 2            ; type, string
        dd 4, %%end - %%begin, %1
        db 'Xen', 0
%%begin: db %2, 0
%%end:  align 4, db 0
%endmacro

%macro note_number 2            ; type, 64-bit number
        dd 4, 8, %1
        db 'Xen', 0
        dq %2
%endmacro

section .note.Xen note alloc noexec nowrite align=4
        note_number 1, _start                   ; ENTRY
        note_number 2, hypercall_page           ; HYPERCALL_PAGE: filled with code by the builder
        note_number 3, VIRT_BASE                ; VIRT_BASE: va of pfn 0
        note_number 4, 0                        ; PADDR_OFFSET: p_paddr counts from pfn 0
        note_string 5, 'xen-3.0'                ; XEN_VERSION: the interface's name, not a release
        note_string 6, 'pvguest'                ; GUEST_OS
        note_string 8, 'generic'                ; LOADER
        note_string 9, 'yes'                    ; PAE_MODE: a relic that loaders still ask for
        ; FEATURES: direct paging, through hypercalls
        note_string 10, '!writable_page_tables|pae_pgdir_above_4gb'
        ; L1_MFN_VALID: entries with these bits hold a frame number
        dd 4, 16, 13
        db 'Xen', 0
        dq 1, 1

; ---- code

section .text.start progbits alloc exec nowrite align=16
_start:
        cld
        mov     rdi, rsi
        ; the builder's stack is one page; ours stays for the first thread
        mov     rsp, boot_stack_top
        xor     ebp, ebp                        ; ends backtraces
        call    guest_start
        ud2                                     ; guest_start does not return

section .text.hypercall_page progbits alloc exec nowrite align=4096
hypercall_page:
        ; overwritten by the builder: 128 entries of 32 bytes
        times 4096 db 0xcc

; long hypercall_by_*(nr, a1, a2, a3, a4, a5): C passes rdi rsi rdx rcx r8 r9; Xen wants rax, rdi
; rsi rdx r10 r8.
%macro shift_arguments 0
        mov     rax, rdi
        mov     rdi, rsi
        mov     rsi, rdx
        mov     rdx, rcx
        mov     r10, r8
        mov     r8, r9
%endmacro

section .text progbits alloc exec nowrite align=16
hypercall_by_syscall:
        shift_arguments
        syscall
        ret

hypercall_by_page:
        shift_arguments
        cmp     rax, 128
        jae     .beyond
        shl     rax, 5
        add     rax, hypercall_page
        jmp     rax                             ; its ret is ours
.beyond:
        mov     rax, -38                        ; -ENOSYS
        ret

; ---- pages with an address of their own

section .bss.pages nobits alloc noexec write align=4096
shared_info:                                    ; start_init maps the hypervisor's page here
        resb 4096
        resb 32768
boot_stack_top:
