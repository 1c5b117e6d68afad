; SPDX-License-Identifier: MIT
; Into a guest's processor, and back (svm/svm.c).

section .text
bits 64
default rel

; struct domus_run's general registers, by their numbers
%define GENERAL(number) (8 * number)

%macro EACH_REGISTER 1              ; all but RAX and RSP, which the CPU itself has in its block
    %1 1, rcx
    %1 3, rbx
    %1 5, rbp
    %1 6, rsi
    %1 7, rdi
    %1 8, r8
    %1 9, r9
    %1 10, r10
    %1 11, r11
    %1 12, r12
    %1 13, r13
    %1 14, r14
    %1 15, r15
    %1 2, rdx                       ; last: FETCH's own
%endmacro
%macro FETCH 2
    mov %2, [rdx + GENERAL(%1)]
%endmacro
%macro STORE 2
    mov [rax + GENERAL(%1)], %2
%endmacro

; void svm_enter(uint64_t vmcb, uint64_t host, uint64_t general[16]): both addresses are the
; machine's. With interrupts off; interrupts and NMIs come when all is ours again (STGI).
;
; The CPU itself keeps what it must (CS, SS, DS, ES, GDTR, IDTR, control registers, RSP, RIP). FS,
; GS, TR, LDTR and the MSRs of SYSCALL and of GS are kept in `host` by VMSAVE: until VMLOAD has
; them back there is no this_cpu(). The guest's RFLAGS.IF does not count for interrupts of the
; machine, but ours at VMRUN does: hence STI, behind CLGI.
global svm_enter
svm_enter:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    push rdx
    push rsi
    clgi
    sti
    mov rax, rsi
    vmsave
    mov rax, rdi
    vmload
    EACH_REGISTER FETCH
    vmrun
    vmsave                          ; RAX is ours again: the block's address
    mov rax, [rsp + 8]
    EACH_REGISTER STORE
    mov rax, [rsp]
    vmload
    cli
    stgi
    add rsp, 16
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
