; SPDX-License-Identifier: MIT
; switch_context(&save, load): from one kernel stack to another. The compiler saved the rest.

section .text
global switch_context
switch_context:
        push rbp
        push rbx
        push r12
        push r13
        push r14
        push r15
        mov [rdi], rsp
        mov rsp, rsi
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbx
        pop rbp
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
