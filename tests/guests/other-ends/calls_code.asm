; SPDX-License-Identifier: MIT
; The program of a domain (../lib/other.h) that makes the calls in its data page again and again:
; number and two arguments each, up to a number of 0 (main.c). It counts its rounds there.

bits 64

DATA    equ 0x400000 + 7 * 4096
CALLS   equ DATA + 8
BYTES   equ 24                                  ; of each

global calls_code, calls_code_end, calls_events

section .text
calls_code:
        inc     qword [DATA]
        mov     ebx, CALLS
.next:
        mov     rax, [rbx]
        test    rax, rax
        jz      calls_code
        mov     rdi, [rbx + 8]
        mov     rsi, [rbx + 16]
        syscall
        add     ebx, BYTES
        jmp     .next
calls_events:                                   ; it begins with events unmasked, and gets none
        ud2
calls_code_end:
