; SPDX-License-Identifier: MIT
; Every way into the kernel and the one way out. Each entry leaves this frame (struct frame) on the
; process's kernel stack, and calls trap(frame):
;
;       ss rsp flags cs rip          pushed by the CPU, or by system_call_entry in its place
;       error vector                 the CPU's error code, or 0; the vector, 0x100 for a system call
;       rax rbx rcx rdx rsi rdi rbp r8 .. r15
;
; GS: in the kernel it points at two words (user stack, kernel stack); swapgs at each crossing.

USER_DATA equ 0x1b
USER_CODE equ 0x23

section .text
extern trap
global trap_return, system_call_entry, trap_stubs

%assign vector 0
%rep 48
stub_ %+ vector:
  %if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21
        push qword 0                    ; the CPU pushes no error code for this vector
  %endif
        push qword vector
        jmp trap_entry
  %assign vector vector + 1
%endrep

trap_entry:
        test qword [rsp + 3 * 8], 3     ; CS: from user mode?
        jz save_registers
        swapgs
save_registers:
        push rax
        push rbx
        push rcx
        push rdx
        push rsi
        push rdi
        push rbp
        push r8
        push r9
        push r10
        push r11
        push r12
        push r13
        push r14
        push r15
        cld
        mov rdi, rsp
        call trap                       ; 22 words on an aligned top: still aligned to 16

trap_return:                            ; also where a new process begins; interrupts are off
        pop r15
        pop r14
        pop r13
        pop r12
        pop r11
        pop r10
        pop r9
        pop r8
        pop rbp
        pop rdi
        pop rsi
        pop rdx
        pop rcx
        pop rbx
        pop rax
        add rsp, 16
        test qword [rsp + 8], 3
        jz .return
        swapgs
.return:
        iretq                           ; not sysret, which faults in ring 0 on a bad user RIP

; `syscall` changes no stack, saves only RIP (in RCX) and flags (in R11); FMASK masks interrupts.
system_call_entry:
        swapgs
        mov [gs:0], rsp
        mov rsp, [gs:8]
        push qword USER_DATA
        push qword [gs:0]
        push r11
        push qword USER_CODE
        push rcx
        push qword 0
        push qword 0x100
        jmp save_registers

section .rodata
align 8
trap_stubs:
%assign vector 0
%rep 48
        dq stub_ %+ vector
  %assign vector vector + 1
%endrep

section .note.GNU-stack noalloc noexec nowrite progbits
