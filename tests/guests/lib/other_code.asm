; SPDX-License-Identifier: MIT
; The whole program of the other domain (other.h): copied into its page OTHER_CODE, it makes the
; hypercalls that are put into its mailbox, and yields while there is none. It masks nothing, knows
; no events and no traps: whatever goes wrong ends its domain.

bits 64

OTHER_BASE  equ 0x400000
MAILBOX     equ OTHER_BASE + 5 * 4096
SCHED_OP    equ 29                              ; __HYPERVISOR_sched_op; its command 0 yields

global other_code, other_code_end

section .text
other_code:
        mov     ebx, MAILBOX
.wait:
        mov     eax, SCHED_OP
        xor     edi, edi
        xor     esi, esi
        syscall
        cmp     dword [rbx], 1                  ; MAILBOX_ASKED
        jne     .wait
        mov     rax, [rbx + 8]
        mov     rdi, [rbx + 16]
        mov     rsi, [rbx + 24]
        mov     rdx, [rbx + 32]
        mov     r10, [rbx + 40]
        mov     r8, [rbx + 48]
        mov     r9, [rbx + 56]
        syscall
        mov     [rbx + 64], rax
        mov     dword [rbx], 2                  ; MAILBOX_DONE
        jmp     .wait
other_code_end:
