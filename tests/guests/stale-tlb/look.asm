; SPDX-License-Identifier: MIT
; struct found look_read(stage, at), look_write(stage, at): watcher.c.
;
; An interrupt that would bring a flush must not be able to come between the two loads, or almost
; never, and where it may come before them that shall be long ago: what an emulator translates in
; one piece has an interrupt only where it begins. So a hypervisor that asks for a flush, and does
; not wait for it, is seen to.

bits 64
default rel

global look_read
global look_write

FAULT equ 0xdead0dead0dead                      ; watcher.h

%macro long_work 0
        mov     ecx, 1
        mov     eax, 1
        xor     edx, edx
%rep 300
        div     rcx
%endrep
%endmacro

; A fault at %1 goes on at %2.
%macro fixup 2
        [section .fixups progbits alloc noexec nowrite align=16]
        dq %1, %2
        __?SECT?__
%endmacro

section .text progbits alloc exec nowrite align=16

look_read:
        long_work
        mov     rax, [rdi]
.access: mov    rdx, [rsi]
        ret
        fixup   .access, nothing_there

look_write:
        long_work
        mov     rax, [rdi]
.access: add    qword [rsi], 2
        xor     edx, edx
        ret
        fixup   .access, nothing_there

nothing_there:
        mov     rdx, FAULT
        ret
