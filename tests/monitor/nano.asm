; SPDX-License-Identifier: MIT
; What nano.c measures that C cannot say: system calls as the user sees them, and what the user may
; not write to.

USER    equ 0x10000000000       ; where the page of user code is for the user
USER_CODE equ 32 | 3            ; hostile.h has these
USER_DATA equ 24 | 3

extern in_mode, user_page
section .text
; R8: rounds. RAX: the fewest ticks of one
global nano_calls, nano_store, nano_entry
nano_calls:
        mov r8, rdi
        mov edi, calls
        jmp to_user

nano_store:
        mov edi, store
to_user:
        sub rdi, user_page
        mov rax, USER
        add rdi, rax
        mov esi, USER_CODE
        mov edx, USER_DATA
        mov ecx, 2
        jmp in_mode

; The whole of the kernel that is called.
nano_entry:
        o64 sysret

section .text.user
calls:  mov r9, -1
.again: rdtsc
        shl rdx, 32
        or rax, rdx
        mov r10, rax
        syscall
        rdtsc
        shl rdx, 32
        or rax, rdx
        sub rax, r10
        cmp rax, r9
        cmovb r9, rax
        dec r8
        jnz .again
        mov rax, r9
        ud2                     ; back to where in_mode() was called

store:  mov byte [rel store], 0
        ud2
section .note.GNU-stack noalloc noexec nowrite progbits
