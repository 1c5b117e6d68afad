; SPDX-License-Identifier: MIT
; The shortest handlers that are correct, so that what is measured is the hypervisor. The frames that arrive here are
; drawn in pvguest-sdk/lib/entry.asm: rcx, r11, [error code], rip, cs, rflags, rsp, ss.

bits 64
default rel

extern hypercall_page
extern shared_info
extern bench_event_word
global bench_int3_iretq, bench_int3_hypercall, bench_page_fault, bench_event, bench_syscall, bench_int80, bench_user_fault
global bench_kernel_iret, bench_run_user, bench_user_code, bench_user_code_end

IRET_CALL            equ 23 * 32
VGCF_in_syscall equ 1 << 8
SAMPLES         equ 51

section .text progbits alloc exec nowrite align=16

; ---- kernel: exceptions that return where they came from

bench_int3_iretq:
        pop     rcx
        pop     r11
        or      byte [rsp + 8], 3               ; the guest kernel really runs in ring 3
        mov     dword [rsp + 12], 0             ; the saved event mask is no part of the selector
        iretq

bench_int3_hypercall:
bench_int80:
        pop     rcx
        pop     r11
        push    0
        jmp     hypercall_page + IRET_CALL

bench_page_fault:
bench_user_fault:
        pop     rcx
        pop     r11
        add     rsp, 8                          ; error code
        add     qword [rsp], 2                  ; behind the faulting instruction
        push    0
        jmp     hypercall_page + IRET_CALL

; The iret hypercall alone: back to our own caller.
bench_kernel_iret:
        mov     rax, rsp
        push    0xe02b                          ; ss
        push    rax
        pushfq
        or      qword [rsp], 0x200
        push    0xe030                          ; cs, RPL 0: kernel mode
        push    .back
        push    0
        jmp     hypercall_page + IRET_CALL
.back:  ret

bench_event:
        pop     rcx
        pop     r11
        push    rax
        mov     byte [abs shared_info], 0       ; evtchn_upcall_pending
        mov     qword [abs shared_info + 8], 0  ; evtchn_pending_sel
        mov     rax, [abs bench_event_word]
        mov     qword [rax], 0
        pop     rax
        or      byte [rsp + 8], 3
        mov     dword [rsp + 12], 0
        mov     byte [abs shared_info + 1], 0   ; events are open again
        iretq

; ---- user mode

; void bench_run_user(rip, rsp): runs user code until it makes system call 1.
bench_run_user:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     [abs kernel_rsp], rsp
        push    rdi
        push    rsi
        mov     edi, 0xe02b                     ; HYPERVISOR_stack_switch(ss, rsp): traps arrive on a stack of their own
        mov     rsi, trap_stack_top
        call    hypercall_page + 3 * 32
        pop     rsi
        pop     rdi
        push    0xe02b
        push    rsi
        push    0x202
        push    0xe033
        push    rdi
        push    0
        jmp     hypercall_page + IRET_CALL

bench_syscall:
        cmp     rax, 1
        je      .leave
        pop     rcx
        pop     r11
        push    VGCF_in_syscall
        jmp     hypercall_page + IRET_CALL
.leave:
        mov     byte [abs shared_info + 1], 0
        mov     rsp, [abs kernel_rsp]
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

; Copied to user space. r8: where samples go. Each loop stores SAMPLES differences of the TSC.
%macro sample 1+
        mov     r9d, SAMPLES
%%next: rdtsc
        shl     rdx, 32
        or      rax, rdx
        mov     r10, rax
        xor     eax, eax                        ; system call 0: nothing
        %1
        rdtsc
        shl     rdx, 32
        or      rax, rdx
        sub     rax, r10
        sub     rax, 5                          ; the instructions between the two rdtsc that are not the subject
        mov     [r8], rax
        add     r8, 8
        dec     r9d
        jnz     %%next
%endmacro

bench_user_code:
        mov     r8, 0x401000
        mov     edi, 8                          ; nothing is mapped there
        sample  syscall
        sample  int 0x80
        sample  db 0x8a, 0x07                   ; mov al, [rdi]: two bytes; rdi is 8
        mov     eax, 1
        syscall
        ud2
bench_user_code_end:

section .bss nobits alloc noexec write align=16
kernel_rsp:     resq 1
        resb 4096
trap_stack_top:
