; SPDX-License-Identifier: MIT
; Sequences of instructions, and what of each boundary between two of them is to be seen in
; boundaries.c: an interrupt must come there once, or never, or may; WITHIN: between two of its
; iterations, too. RBP is a workspace, RAX the result; RCX, RDX, RSI, RDI and R8 to R11 are free.

MUST    equ 0
NEVER   equ 1
MAY     equ 2
WITHIN  equ 3

USER    equ 0x10000000000       ; where the page of user code is for the user

%macro step 2+
%%here: %2
        [section .data.steps]
        dq offset %%here, %1
        __?SECT?__
%endmacro

%macro sequence 1
        %define name %1
        %define offset
        [section .data.steps]
steps_of_ %+ name:
        __?SECT?__
name:
%endmacro

; The last step has returned.
%macro end_of_sequence 0
end_of_ %+ name:
        [section .data.sequences]
        dq name, end_of_ %+ name, %%title, steps_of_ %+ name, %%end
        [section .data.titles]
        %defstr title name
%%title: db title, 0
        [section .data.steps]
%%end:
        __?SECT?__
%endmacro

; R8 instructions; RCX is used.
%macro delay 0
        mov rcx, r8
        shr rcx, 1
        jnc %%even
        nop
%%even: inc rcx
%%loop: dec rcx
        jnz %%loop
%endmacro

section .data.sequences
global sequences
align 8
sequences:
section .data.steps
align 8

; round(sequence's first instruction, delay in instructions, whether in user mode): the result, or
; -1: the interrupt came before, and abandoned() what was going on.
section .text
global round, round_ready, round_out, abandoned
round:  push rbx
        push rbp
        mov [stack], rsp
        mov r8, rsi
        test edx, edx
        jz .delay
        mov eax, .back                  ; where system calls go meanwhile
        call set_entry
        mov rcx, USER
        add rcx, user_delay - user_page
        pushfq
        pop r11
        cli
        o64 sysret
.back:  mov eax, system_call
        call set_entry
        sti
        jmp .ready
.delay: delay
.ready: nop
round_ready:
        mov ebp, workspace
        xor eax, eax
        call rdi
round_out:
        pop rbp
        pop rbx
        ret
abandoned:
        mov rsp, [stack]
        mov eax, system_call
        call set_entry
        mov rax, -1
        jmp round_out

set_entry:
        mov ecx, 0xc0000082
        xor edx, edx
        wrmsr
        ret

; More than a block of the translator has, with flags that go through all of it.
sequence plain
        step MUST, mov ecx, 0x12345
        step MUST, stc
%rep 48
        step MUST, adc rax, rcx
%endrep
        step MUST, push rax
        step MUST, inc qword [rbp]
        step MUST, call .function
section .text.elsewhere
.function:
        step MUST, lea rax, [rax + rcx * 4 + 7]
        step MUST, ret
section .text
        step MUST, pop rdx
        step MUST, xor rax, rdx
        step MUST, add rax, [rbp]
        step MUST, dec qword [rbp]
        step MUST, jnc .over
        step MAY, ud2
.over:  step MUST, ret
end_of_sequence

; By registers and memory.
sequence indirect
        step MUST, mov ecx, .first
        step MUST, call rcx
section .text.elsewhere
.first: step MUST, lea rdx, [rcx + 1]
        step MUST, ret
section .text
        step MUST, mov [rbp + 8], rdx
        step MUST, mov qword [rbp + 16], .second
        step MUST, jmp [rbp + 16]
        step MAY, ud2
.second:
        step MUST, push .third
        step MUST, ret
        step MAY, ud2
.third: step MUST, push rbp
        step MUST, mov rbp, rsp
        step MUST, leave
        step MUST, mov rax, [rbp + 8]
        step MUST, ret
end_of_sequence

; The flag that all is about.
sequence flag
        step MUST, nop
        step MUST, cli
        step NEVER, inc eax
        step NEVER, sti
        step NEVER, inc eax             ; STI's shadow
        step MUST, inc eax
        step MAY, sti                   ; a second one need not have one
        step MAY, inc eax
        step MUST, pushfq
        step MUST, pop rcx
        step MUST, cli
        step NEVER, pushfq
        step NEVER, pop rdx
        step NEVER, push rcx
        step NEVER, popfq               ; has none
        step MUST, sub rcx, rdx
        step MUST, add rax, rcx
        step MUST, ret
end_of_sequence

; A new stack, and none yet.
sequence stack_segment
        step MUST, mov ecx, ss
        step MUST, mov rdx, rsp
        step MUST, mov ss, ecx
        step NEVER, mov rsp, rdx
        step MUST, push rcx
        step MUST, pop rax
        step MUST, cli
        step NEVER, mov ss, ecx
        step NEVER, sti
        step MAY, inc eax               ; two shadows are not longer than one, or are
        step MUST, ret
end_of_sequence

sequence interrupt_return
        step MUST, mov rdx, rsp
        step MUST, mov ecx, ss
        step MUST, push rcx
        step MUST, push rdx
        step MUST, pushfq
        step MUST, mov ecx, cs
        step MUST, push rcx
        step MUST, push .target
        step MUST, cli
        step NEVER, inc eax
        step NEVER, iretq
.target:
        step MUST, inc eax
        step MUST, ret
end_of_sequence

; Forwards, where the interpreter may do many at once; and one by one.
sequence repeated
        step MUST, lea rsi, [rbp + 64]
        step MUST, lea rdi, [rbp + 128]
        step MUST, mov ecx, 7
        step MUST, rep movsb
        step MUST, mov rax, [rbp + 128]
        step MUST, lea rdi, [rbp + 192]
        step MUST, mov ecx, 7
        step MUST, rep stosq
        step MUST, add rax, [rbp + 192 + 48]
        step MUST, mov ecx, 7
        step MUST, std
        step WITHIN, rep movsb
        step MUST, cld
        step MUST, mov ecx, 7
        step WITHIN, repne scasq
        step MUST, sub rax, rcx
        step MUST, ret
end_of_sequence

; What traps, and what is patched because it would not. Nobody looks around between two that are
; interpreted.
%macro apart 1+
        step MUST, %1
        step MUST, nop
%endmacro

sequence sensitive
        apart mov rax, cr0
        apart str ecx
        apart sldt edx
        apart smsw edx
        step MUST, xor eax, edx
        apart mov edx, ds
        apart mov ds, edx
        apart invlpg [rbp]
        apart sgdt [rbp + 32]
        step MUST, add ax, [rbp + 32]
        apart mov edx, cs
        apart lar edx, edx
        step MUST, add eax, edx
        apart clts
        apart mov rdx, cr3
        apart mov cr3, rdx
        step MUST, ret
end_of_sequence

; Beyond the end of a page, in the middle of an instruction.
align 4096, db 0xcc
        times 4096 - 16 db 0xcc
sequence crossing
        step MUST, mov ecx, 0x33333333
        step MUST, lea rax, [rcx + rax]
        step MUST, mov rdx, 0x4444444455555555
        step MUST, xor rax, rdx
        step MUST, jmp .next
        step MAY, ud2
.next:  step MUST, ret
end_of_sequence

; To user mode and back: RSP stays, and the kernel's stack is the one of the TSS meanwhile.
sequence user
        step MUST, mov rcx, USER
        step MUST, pushfq
        step MUST, pop r11
        step MUST, cli
        step NEVER, o64 sysret
section .text.user align=4096
        %define offset USER - user_page +
global user_page
user_page:
        step MUST, inc eax
        step MUST, inc eax
        step MUST, syscall
global user_delay, user_delayed
user_delay:
        delay
        syscall
user_delayed:
section .text
        %define offset
global system_call
system_call:
        step NEVER, inc eax
        step NEVER, sti
        step NEVER, inc eax
        step MUST, ret
end_of_sequence

section .data.sequences
        dq 0
section .bss
global workspace
alignb 64
workspace: resb 512
stack:  resq 1
section .note.GNU-stack noalloc noexec nowrite progbits
