; SPDX-License-Identifier: MIT
; The shortest handlers that can be: what a row about a trap measures should be the hypervisor, not
; the guest's own frame. On entry the stack holds, from the top: rcx, r11, [error code], rip, cs,
; rflags, rsp, ss.
default rel
bits 64

%define HYPERVISOR_iret 23
%define VGCF_in_syscall 0x100

section .text

; Leave by the iret hypercall: its frame begins with rax, r11, rcx, flags.
%macro leave_by_hypercall 1
    push qword %1
    push rcx
    push r11
    push rax
    mov eax, HYPERVISOR_iret
    syscall
%endmacro

global bench_int3_plain
bench_int3_plain:
    pop rcx
    pop r11
    ; the frame says RPL 0 for "kernel"; the CPU knows only ring 3
    or byte [rsp + 8], 3
    iretq

global bench_int3_hypercall
bench_int3_hypercall:
    pop rcx
    pop r11
    leave_by_hypercall 0

; A page fault in the kernel: go on behind the faulting instruction.
global bench_fault
bench_fault:
    pop rcx
    pop r11
    add rsp, 8
    mov rcx, [bench_fault_resume]
    mov [rsp], rcx
    leave_by_hypercall 0

; void bench_do_fault(void): one page fault.
global bench_do_fault
bench_do_fault:
    lea rax, [.behind]
    mov [bench_fault_resume], rax
    mov rax, [abs 0x10]
.behind:
    ret

; void bench_do_iret(void): an iret hypercall from the kernel to the next line.
global bench_do_iret
bench_do_iret:
    mov rdx, rsp
    mov ecx, ss
    push rcx
    push rdx
    pushf
    push qword 0xe030                               ; RPL 0: to the kernel
    lea rcx, [.here]
    push rcx
    leave_by_hypercall 0
.here:
    ret

; The upcall: clears what is pending and returns. The rows send to one port only.
extern shared_info
global bench_upcall
bench_upcall:
    pop rcx
    pop r11
    push rax
    mov byte [shared_info], 0                       ; vcpu_info[0].evtchn_upcall_pending
    xor eax, eax
    xchg rax, [shared_info + 8]                     ; evtchn_pending_sel
    mov rax, [bench_event_word]
    mov qword [rax], 0                              ; the port's bit
    pop rax
    leave_by_hypercall 0

; --- user mode: the ways back into the kernel. rax 0: return at once; else the experiment is over.
global bench_syscall
bench_syscall:
    pop rcx
    pop r11
    test eax, eax
    jnz back_to_kernel
    leave_by_hypercall VGCF_in_syscall

global bench_int80
bench_int80:
    pop rcx
    pop r11
    leave_by_hypercall 0

; A user page fault: skip the instruction (it is 8 bytes: mov eax, [abs32] with a SIB byte, and a
; nop).
global bench_user_fault
bench_user_fault:
    pop rcx
    pop r11
    add rsp, 8
    add qword [rsp], 8
    leave_by_hypercall 0

back_to_kernel:
    mov rsp, [bench_kernel_rsp]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

; void bench_enter_user(uint64_t rip, uint64_t rsp): returns when the user calls with rax != 0.
global bench_enter_user
bench_enter_user:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov [bench_kernel_rsp], rsp
    push qword 0xe02b
    push rsi
    push qword 0x202
    push qword 0xe033
    push rdi
    ; flags: not from a system call, restore everything
    push qword 0
    push rcx
    push r11
    push rax
    mov eax, HYPERVISOR_iret
    syscall

; --- the user programs: 51 samples into the page at rdi, then rax = 1 and out. Copied to a user
; page, so position independent.
%macro user_begin 1
global user_%1, user_%1_end
user_%1:
    mov edi, 0x10002000
    mov ebx, 51
.next:
    rdtsc
    shl rdx, 32
    or rax, rdx
    mov rsi, rax
%endmacro

%macro user_end 1
    rdtsc
    shl rdx, 32
    or rax, rdx
    sub rax, rsi
    mov [rdi], rax
    add rdi, 8
    dec ebx
    jnz .next
    mov eax, 1
    syscall
user_%1_end:
%endmacro

user_begin nothing
user_end nothing

user_begin syscall
    xor eax, eax
    syscall
user_end syscall

user_begin int80
    int 0x80
user_end int80

user_begin fault
    mov eax, [dword abs 0x20000000]                 ; 7 bytes, and one to make 8
    nop
user_end fault

section .data
global bench_fault_resume, bench_event_word
bench_fault_resume: dq 0
bench_kernel_rsp:   dq 0
bench_event_word:   dq 0
