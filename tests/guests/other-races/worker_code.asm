; SPDX-License-Identifier: MIT
; The program of a domain that works (../lib/other.h), and makes no call but to come back from an
; event: it fills a page with numbers that follow from its registers, and looks whether page and
; registers are what they should be. Others see in its page OTHER_DATA how far it is (worker.h).

bits 64

OTHER_BASE  equ 0x400000
WORKED      equ OTHER_BASE + 7 * 4096           ; OTHER_DATA: struct work
FILLED      equ OTHER_BASE + 12 * 4096          ; of its own pages (neighbours.h) the first
SHARED_INFO equ OTHER_BASE + 16 * 4096          ; behind its 16 pages: its shared_info
FACTOR      equ 0x1003f
CALL_IRET   equ 23                              ; __HYPERVISOR_iret

global worker_code, worker_code_end, worker_events

section .text
worker_code:
        xor     ebx, ebx
.again:
        inc     rbx
        mov     [WORKED], rbx
        imul    r12, rbx, FACTOR
        movq    xmm3, r12
        xor     ecx, ecx
.fill:
        lea     rax, [r12 + rcx]
        mov     [FILLED + rcx * 8], rax
        inc     ecx
        cmp     ecx, 512
        jb      .fill
.check:
        dec     ecx
        mov     rax, [FILLED + rcx * 8]
        sub     rax, rcx
        cmp     rax, r12
        jne     .wrong
        test    ecx, ecx
        jnz     .check
        imul    rax, rbx, FACTOR
        cmp     rax, r12
        jne     .wrong
        movq    rax, xmm3
        cmp     rax, r12
        je      .again
.wrong:
        inc     qword [WORKED + 8]
        jmp     .again

worker_events:                                  ; on its stack: rcx, r11, and what iret wants
        push    rax
        mov     rax, [WORKED]
        mov     [WORKED + 24], rax
        pop     rax
        mov     byte [SHARED_INFO], 0                  ; evtchn_upcall_pending of vCPU 0
        mov     qword [SHARED_INFO + 8], 0             ; evtchn_pending_sel
        inc     qword [WORKED + 16]
        pop     rcx
        pop     r11
        push    0
        push    rcx
        push    r11
        push    rax
        mov     eax, CALL_IRET
        syscall
worker_code_end:
