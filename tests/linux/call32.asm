; SPDX-License-Identifier: MIT
; A 32-bit program for the Linux guest: a static ELF that knows the kernel by int 0x80 alone. It
; runs in a 32-bit code segment, so traps, system calls and the way back to user mode all meet the
; other kind of frame. It computes with what only 32-bit mode has (inc by one byte, push of all
; registers, segment registers on the stack), compares what survives a thousand system calls, and
; says so; its exit status is 0 when all was right. Built by tests/build.mk, run by
; tests/system/test_linux.py.
bits 32
global _start

SYS_EXIT    equ 1
SYS_WRITE   equ 4
SYS_GETPID  equ 20
SYS_YIELD   equ 158

section .note.GNU-stack noalloc noexec nowrite progbits
section .rodata
good:   db "call32: 1000 system calls, registers as they were", 10
good_length equ $ - good
bad:    db "call32: a register is not what it was", 10
bad_length  equ $ - bad

section .bss
own_pid: resd 1
own_esp: resd 1

section .text
_start:
        mov     [own_esp], esp
        mov     eax, SYS_GETPID
        int     0x80
        mov     [own_pid], eax
        xor     ecx, ecx
.call:  mov     ebx, 0x11111111
        mov     edx, 0x22222222
        mov     esi, 0x33333333
        mov     edi, 0x44444444
        mov     ebp, 0xfffffff0
        pusha
        mov     eax, SYS_GETPID
        int     0x80
        cmp     eax, [own_pid]
        jne     .wrong
        mov     eax, SYS_YIELD
        int     0x80
        cmp     ebx, 0x11111111
        jne     .wrong
        cmp     edx, 0x22222222
        jne     .wrong
        cmp     esi, 0x33333333
        jne     .wrong
        cmp     edi, 0x44444444
        jne     .wrong
        cmp     ebp, 0xfffffff0
        jne     .wrong
        popa
        cmp     esp, [own_esp]
        jne     .wrong
        ; one byte here; in 64-bit code it would be a REX prefix
        inc     ecx
        cmp     ecx, 1000
        jb      .call

        mov     ecx, good
        mov     edx, good_length
        xor     esi, esi
.say:   mov     eax, SYS_WRITE
        mov     ebx, 1
        int     0x80
        mov     ebx, esi
        mov     eax, SYS_EXIT
        int     0x80
.wrong: mov     ecx, bad
        mov     edx, bad_length
        mov     esi, 1
        jmp     .say
