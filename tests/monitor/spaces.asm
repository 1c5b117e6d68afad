; SPDX-License-Identifier: MIT
; user_load(address): what the user reads there; caught_vector is 6 if it is allowed to.

USER    equ 0x10000000000       ; where the page of user code is for the user
USER_CODE equ 32 | 3            ; hostile.h has these
USER_DATA equ 24 | 3

extern in_mode, user_page
section .text
global user_load
user_load:
        mov r8, rdi
        mov edi, read
        sub rdi, user_page
        mov rax, USER
        add rdi, rax
        mov esi, USER_CODE
        mov edx, USER_DATA
        mov ecx, 2
        jmp in_mode

section .text.user
read:   mov rax, [r8]
        ud2
section .note.GNU-stack noalloc noexec nowrite progbits
