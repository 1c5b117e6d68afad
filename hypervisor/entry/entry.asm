; SPDX-License-Identifier: MIT
; Every way into ring 0 and out of it. Only this file has SWAPGS, SYSRET and IRETQ.
;
; A guest's registers live in its vCPU (struct vcpu.regs), laid out so that the hardware itself
; pushes their upper part:
;
;       vcpu + VCPU_frame_top ->  es ...               TSS.RSP0 points here while the vCPU is
;                                                       current
;                                 ss                   <- pushed by the CPU (or by syscall_entry)
;                                 rsp
;                                 rflags
;                                 cs
;                                 rip
;                                 vector : error code  <- error code by the CPU or the stub,
;                                                         vector by the stub
;                                 rdi rsi rdx rcx rax r8 r9 r10 r11 rbx rbp r12 r13 r14 r15
;       vcpu + VCPU_regs      ->  (r15)
;
; Then RSP moves to the CPU's ring-0 stack, which is empty whenever a guest runs. GS: in ring 0 the
; base is this CPU's struct cpu, and MSR_KERNEL_GS_BASE keeps the guest's; SWAPGS on the way in and
; out.
;
; Between the two, with the guest's registers saved, this CPU takes the lock around ring 0
; (machine/ring0.h), and drops it on the way out before it loads them. An IRETQ that faults is
; therefore outside of it.
;
; A fault of ring 0 itself (a guest's bad pointer in a guarded copy, IRETQ of a bad frame) pushes on
; the stack it runs on, as does an interrupt in the idle loop. #DB, NMI, #MC and #DF have stacks of
; their own (IST), because they can arrive on the first instruction of syscall_entry, when RSP is
; still the guest's (XSA-260).

%include "machine/asm.inc"
%include "offsets.inc"

%define FLAT_CS32 0xe023
%define FLAT_SS   0xe02b
%define FLAT_CS64 0xe033
%define MSR_GS_BASE 0xc0000101
; what ring 3 may set: CF PF AF ZF SF TF DF OF RF AC ID. Not IOPL, NT, VM (I7)
%define RFLAGS_GUEST 0x250dd5
%define RFLAGS_FORCED 0x202         ; IF and the bit that is always one
%define RFLAGS_RF 0x10000

%ifdef DEBUG
extern locks_left, race_point, ring0_held
%endif
extern ring0_lock, ring0_wait, ring0_hand
extern guest_trap, guest_syscall, ring0_trap, paranoid_trap, exit_work, exit_failed

; Each of them, from the first to the last; and back, from the last to the first.
%macro PUSH_ALL 1-*
  %rep %0
    push %1
    %rotate 1
  %endrep
%endmacro
%macro POP_ALL 1-*
  %rep %0
    %rotate -1
    pop %1
  %endrep
%endmacro

%define REGISTERS rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
%define SAVE_REGISTERS    PUSH_ALL REGISTERS
%define RESTORE_REGISTERS POP_ALL REGISTERS         ; from the stack

; Registers of the frame at rdi, by what their names have behind the r: LOAD 15, bp
%macro LOAD 1-*
  %rep %0
    mov r%1, [rdi + REGS_%1]
    %rotate 1
  %endrep
%endmacro

; Into and out of the lock; nops on a machine of one CPU (boot/image.c).
%macro RING0 1                      ; take_ring0 or drop_ring0, which change rcx and r11
%%here:
    call strict near %1
    [section .ring0_sites]
    dq %%here
    __?SECT?__
%endmacro

section .entry progbits alloc exec nowrite align=16
bits 64
default rel

; --------------------------------------------------------------------------------------------------
; Exceptions and interrupts: 256 stubs of 16 bytes, which the IDT points to (machine/vectors.c).
; Each makes the frame uniform: an error code (0 where the CPU pushes none), and the vector in the
; four bytes above it.
global vector_stubs
align 16
vector_stubs:
%assign vector 0
%rep 256
    align 16
  %if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || \
      vector == 29 || vector == 30
  %else
    push 0
  %endif
    mov dword [rsp + 4], vector
    jmp trap_entry
  %assign vector vector + 1
%endrep

trap_entry:
    test byte [rsp + 16], 3         ; CS: whom did it interrupt?
    jz from_ring0
    swapgs
from_guest:
    SAVE_REGISTERS
    cld
    ; a guest may set AC, and AC in ring 0 would open all guest memory to us
    CLOSE_GUEST
    mov rdi, rsp
    mov rsp, [gs:CPU_stack_top]
    RING0 take_ring0
    mov dword [gs:CPU_budget], BUDGET
    call guest_trap
    ; fall through

; --------------------------------------------------------------------------------------------------
; The way out. Work or a deliverable upcall goes through C first; then SYSRET where that is safe,
; IRETQ everywhere else.
exit_to_guest:
    mov rbx, [gs:CPU_current]
    cmp dword [gs:CPU_work], 0
    jne exit_by_c
    mov rax, [rbx + VCPU_info]
    cmp byte [rax + INFO_pending], 0
    je restore_guest
    cmp byte [rax + INFO_mask], 0
    jne restore_guest
exit_by_c:
    call exit_work
    mov rbx, [gs:CPU_current]       ; perhaps another vCPU now

restore_guest:                      ; rbx: the vCPU
    lea rdi, [rbx + VCPU_regs]
    LOAD 15, 14, 13, 12, bp
restore_rest:                       ; rdi: its registers; r12-r15 and rbp are the guest's already
%ifdef DEBUG
    cmp dword [gs:CPU_locks], 0
    jne locks_left                  ; says which, and stops
%endif
    RING0 drop_ring0
    LOAD 10, 9, 8, dx, si
    mov r11, [rdi + REGS_flags]
    ; I7: whatever the guest, an emulation or a toolstack put there (XSA-202)
    and r11d, RFLAGS_GUEST
    or r11d, RFLAGS_FORCED
    mov rcx, [rdi + REGS_ip]
    ; says also that CS and SS are the flat ones, and RF is clear
    cmp dword [rdi + REGS_vector], TRAP_SYSCALL
    jne .iret
    mov rax, rcx
    sar rax, 47
    inc rax
    cmp rax, 1                      ; bits 63 to 47 all alike?
    ; SYSRET to a non-canonical RIP faults in ring 0 on the guest's stack (XSA-7)
    ja .iret
    LOAD bx, ax, sp, di
    swapgs
    o64 sysret

; a copy of the frame on our stack, which is empty: if IRETQ faults, the vCPU's registers are whole
.iret:
    movzx eax, word [rdi + REGS_ss]
    push rax
    push qword [rdi + REGS_sp]
    push r11
    movzx eax, word [rdi + REGS_cs]
    or eax, 3                       ; never to ring 0, whatever stands there
    push rax
    push rcx
    LOAD 11, cx, bx, ax, di
    swapgs
global guest_iretq
guest_iretq:
    iretq
    FIXUP guest_iretq, iretq_failed

; The frame was bad (a selector, a non-canonical RIP). from_ring0 has swapped GS back; the registers
; are still in the vCPU, and ring0_trap has written beside them what the CPU said.
iretq_failed:
    mov rsp, [gs:CPU_stack_top]
    RING0 take_ring0
    call exit_failed
    ; fall through

global enter_guest
enter_guest:
    mov rsp, [gs:CPU_stack_top]
    jmp exit_to_guest

; --------------------------------------------------------------------------------------------------
; Into ring 0 by SYSCALL, which changes no stack: the frame that the CPU would have pushed for an
; exception is made by hand. 1: the guest's CS; 2: what stands for the vector, 0 or TRAP_SYSCALL. On
; return rbx is the vCPU.
%macro ENTER_BY_SYSCALL 2
    swapgs
    mov [gs:CPU_syscall_rsp], rsp
    mov rsp, [gs:CPU_current]
    add rsp, VCPU_frame_top
    push FLAT_SS
    push qword [gs:CPU_syscall_rsp]
    push r11
    push %1
    push rcx
    push 0
  %if %2
    mov dword [rsp + 4], %2
  %endif
    SAVE_REGISTERS
    mov rbx, [gs:CPU_current]
    mov rsp, [gs:CPU_stack_top]
    RING0 take_ring0
%endmacro

; SYSCALL from 64-bit code. From guest kernel mode it is a hypercall: number in rax, arguments in
; rdi rsi rdx r10 r8 r9. From guest user mode it belongs to the guest's kernel. The CPU saved RIP in
; rcx and RFLAGS in r11, and changed no stack.
global syscall_entry
syscall_entry:
    ENTER_BY_SYSCALL FLAT_CS64, TRAP_SYSCALL
    cmp byte [rbx + VCPU_in_kernel], 0
    je user_syscall

    ; the last slot answers -ENOSYS; a conditional move, so no speculation past the table
    mov ecx, HYPERCALL_LAST
    cmp rax, rcx
    cmova rax, rcx
    mov rcx, r10
    inc qword [rbx + VCPU_counts + rax * 8]
    mov dword [gs:CPU_budget], BUDGET
    mov r10, [rbx + VCPU_hypercalls]
    call [r10 + rax * 8]
    cmp byte [rbx + VCPU_restart], 0
    jne .restart
    mov [rbx + VCPU_regs + REGS_ax], rax
    ; the way out again, short: C preserved r12-r15 and rbp, so they are still the guest's
    lea rdi, [rbx + VCPU_regs]
    cmp dword [gs:CPU_work], 0
    jne exit_by_c
    mov rax, [rbx + VCPU_info]
    cmp byte [rax + INFO_pending], 0
    je restore_rest
    cmp byte [rax + INFO_mask], 0
    jne restore_rest
    jmp exit_by_c
; preempted: rip and the arguments are set to make the call again
.restart:
    mov byte [rbx + VCPU_restart], 0
    jmp exit_to_guest

; SYSCALL from 32-bit code (CPUs of AMD's kind): always the guest kernel's.
global syscall32_entry
syscall32_entry:
    ENTER_BY_SYSCALL FLAT_CS32, 0   ; not TRAP_SYSCALL: back to 32-bit code only by IRETQ
user_syscall:
    mov rdi, rbx
    mov dword [gs:CPU_budget], BUDGET
    call guest_syscall
    jmp exit_to_guest

; --------------------------------------------------------------------------------------------------
; All registers are as they were but rcx and r11.
%define CALLERS rdi, rsi, rdx, rax, r8, r9, r10
%macro CALL_C 1
    PUSH_ALL CALLERS
    call %1
    POP_ALL CALLERS
%endmacro
%macro RACE_POINT 0                 ; lib/spinlock.h
  %ifdef DEBUG
    CALL_C race_point
  %endif
%endmacro

; At once, or after waiting in C.
take_ring0:
    RACE_POINT
    mov ecx, 1
    xchg [ring0_lock + RING0_held], ecx
    test ecx, ecx
    jnz .wait
    ret
.wait:
    CALL_C ring0_wait
    ret

drop_ring0:
%ifdef DEBUG
    CALL_C ring0_held
%endif
    inc dword [ring0_lock + RING0_uses]
    cmp dword [ring0_lock + RING0_hungry], 0
    jne .hand
    mov dword [ring0_lock + RING0_held], 0
    RACE_POINT
    ret
.hand:
    CALL_C ring0_hand
    ret

; --------------------------------------------------------------------------------------------------
; From ring 0 itself. Two instructions run with the guest's GS base and can fault: change to ours
; before calling C, and back to the guest's if one of them is to run again, its LDT page being
; mapped now.
%macro SWAP_AT_THE_TWO 0            ; rsp: the saved registers
    lea rax, [guest_iretq]
    cmp [rsp + REGS_ip], rax
    je %%swap
    lea rax, [load_gs_instruction]
    cmp [rsp + REGS_ip], rax
    jne %%ours
%%swap:
    swapgs
%%ours:
%endmacro

from_ring0:
    SAVE_REGISTERS
    cld
    CLOSE_GUEST
    SWAP_AT_THE_TWO
    mov rdi, rsp
    sub rsp, 8
    call ring0_trap
    add rsp, 8
    SWAP_AT_THE_TWO
    RESTORE_REGISTERS
    add rsp, 8
    iretq

; --------------------------------------------------------------------------------------------------
; Exceptions on stacks of their own. The last word of each IST stack holds this CPU's struct cpu
; (machine/cpu.c), since GS cannot be trusted: a guest may load any value into its base, ours too.
global debug_entry, nmi_entry, double_fault_entry, machine_check_entry
debug_entry:
    test byte [rsp + 8], 3
    jz .ring0
    ; from a guest: move the frame into the vCPU and go the usual way
    swapgs
    push rax
    mov rax, rsp
    mov rsp, [gs:CPU_current]
    add rsp, VCPU_frame_top
    PUSH_ALL qword [rax + 40], qword [rax + 32], qword [rax + 24], qword [rax + 16], qword [rax + 8]
    push 0
    mov dword [rsp + 4], 1
    mov rax, [rax]
    jmp from_guest
.ring0:
    push 0
    mov dword [rsp + 4], 1
    jmp paranoid
nmi_entry:
    push 0
    mov dword [rsp + 4], 2
    jmp paranoid
machine_check_entry:
    push 0
    mov dword [rsp + 4], 18
    jmp paranoid
double_fault_entry:                 ; has an error code
    mov dword [rsp + 4], 8
paranoid:                           ; stack: error code and vector, rip ... ss, struct cpu *
    SAVE_REGISTERS
    cld
    CLOSE_GUEST
    mov ecx, MSR_GS_BASE
    rdmsr
    mov r12d, eax
    mov r13d, edx
    mov rax, [rsp + 16 * 8 + 5 * 8]
    mov rdx, rax
    shr rdx, 32
    wrmsr
    mov rdi, rsp
    call paranoid_trap
    mov ecx, MSR_GS_BASE
    mov eax, r12d
    mov edx, r13d
    wrmsr
    RESTORE_REGISTERS
    add rsp, 8
    iretq

; --------------------------------------------------------------------------------------------------
; Small services for C that belong here.

; int load_gs_selector(uint16_t selector): the guest's GS, which is not ours. 0, or -1 (a null
; selector was loaded).
global load_gs_selector
load_gs_selector:
    swapgs
load_gs_instruction:
    mov gs, edi
    swapgs
    xor eax, eax
    ret
.bad:                               ; from_ring0 has changed back to our GS
    swapgs
    xor eax, eax
    mov gs, eax
    swapgs
    mov eax, -1
    ret
    FIXUP load_gs_instruction, load_gs_instruction.bad

; uint64_t bounce_write(uint64_t top, const struct cpu_user_regs *regs, uint64_t cs,
;                       uint64_t rflags, const uint64_t *extra, unsigned int extras):
; a bounce frame (drawn in bounce.c) onto a guest's stack below `top`, of which the caller has
; checked that it is not ours. The new stack pointer; 0 when the stack faults.
%macro STORE 2                      ; to, from: a word of guest memory
%%store:
    mov [%1], %2
    FIXUP %%store, bounce_failed
%endmacro

global bounce_write
bounce_write:
    OPEN_GUEST
    mov rax, [rsi + REGS_ss]
    STORE rdi - 8, rax
    mov rax, [rsi + REGS_sp]
    STORE rdi - 16, rax
    STORE rdi - 24, rcx
    STORE rdi - 32, rdx
    mov rax, [rsi + REGS_ip]
    STORE rdi - 40, rax
    sub rdi, 40
    jmp .more
.next:
    mov rax, [r8 + r9 * 8]
    sub rdi, 8
    STORE rdi, rax
.more:
    sub r9d, 1
    jns .next
    mov rax, [rsi + REGS_11]
    STORE rdi - 8, rax
    mov rax, [rsi + REGS_cx]
    STORE rdi - 16, rax
    CLOSE_GUEST
    lea rax, [rdi - 16]
    ret
bounce_failed:
    CLOSE_GUEST
    xor eax, eax
    ret

; void idle_once(void): wait for one interrupt. STI takes effect after HLT, so that none can slip
; between them.
global idle_once
idle_once:
    sti
    hlt
    cli
    ret

; void interrupts_once(void): those that wait come now. STI takes effect after NOP.
global interrupts_once
interrupts_once:
    sti
    nop
    cli
    ret
