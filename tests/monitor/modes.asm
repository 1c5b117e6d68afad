; SPDX-License-Identifier: MIT
; Code for rings and modes that modes.c goes through; each piece goes on until it faults.

USER    equ 0x10000000000       ; where the page of user code is for the user

; in_mode(code, cs, ss, flags): RAX at the fault.
section .text
global in_mode
extern resume, resume_stack
in_mode:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        mov [resume_stack], rsp
        mov qword [resume], .back
        mov rax, rsp
        push rdx
        push rax
        push rcx
        push rsi
        push rdi
        xor eax, eax
        iretq
.back:  pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret

; piece NAME, then its instructions: at in_NAME for the kernel, and for the user on its page.
%macro piece 2+
global in_%1
in_%1:  %2
        ud2
%endmacro

bits 32
global in_32, in_32_system, in_32_far, in_paging_off
in_32:  mov eax, 0x1233
        db 0x40                 ; inc eax; in 64-bit code a prefix
        push eax
        pop ecx
        ud2
in_32_system:
        cli
        mov eax, cr0
        and eax, 1
        ud2
in_32_far:
        mov eax, 5
        jmp 8:.wide
bits 64
.wide:  lea rax, [rax * 2]
        ud2
bits 32
; Paging off, then protection: at worst the end of the machine.
in_paging_off:
        mov eax, cr0
        and eax, ~(1 << 31)
        mov cr0, eax
        mov eax, cr0
        and eax, ~1
        mov cr0, eax
        cli
        hlt
        jmp $

bits 64
section .text.user
piece nothing, nop
piece cli, cli
piece hlt, hlt
piece cr3, mov rax, cr3
piece port, in al, 0x61
piece int3, int3
piece int, int 0x50
piece int_3, db 0xcd, 3
piece msr, rdmsr
piece sysret, o64 sysret
piece lgdt, lgdt [0x1000]
piece iret, iretq
piece swapgs, swapgs
piece invlpg, invlpg [0x1000]
piece far, db 0xff, 0x2c, 0x25, 0, 0, 0x10, 0    ; jmp far [1 MiB]
piece kernel, mov al, [0x100000]
piece outside, mov al, [abs qword 0x7ffffffff000]
piece no_address, mov al, [abs qword 0x800000000000]
section .note.GNU-stack noalloc noexec nowrite progbits
