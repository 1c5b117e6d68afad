; SPDX-License-Identifier: MIT
; The ways into ring 0 that a probe can take, and the entries where it is caught afterwards; probe.h
; describes struct probe.
;
; A way begins with POPFQ, so that flags which act at once (TF) act on the one instruction that
; follows.

bits 64
default rel

%define STACK        16384
%define P_SAVED_SP   0
%define P_REGISTERS  8
%define P_FLAGS      136
%define P_WAY        144
%define P_VECTOR     152
%define P_ERROR      160                ; then rip cs flags rsp ss: as on the stack
%define P_HANDLER    208
%define P_SELECTORS  216
%define P_UNDER_WAY  248
%define UNDER_WAY    0x50524f42
%define REG(n)       (P_REGISTERS + 8 * (n))

extern hypercall_page, shared_info, turn, probe_stray
global probe_run, probe_entries, probe_event, probe_syscall, probe_failsafe, probe_int80
global probe_int_gate, probe_nmi
global probe_spinning, probe_user_cs, probe_user_ss, probe_user_how, probe_user_rip, probe_user_rsp

section .text progbits alloc exec nowrite align=16

%macro way 1
global way_%1, way_%1_at, way_%1_end
way_%1:
        popfq
way_%1_at:
%endmacro

%macro way_end 1
way_%1_end:
        jmp     through
%endmacro

%macro simple_way 2+                    ; name, instruction
        way %1
        %2
        way_end %1
%endmacro

simple_way nothing,      {nop}
simple_way syscall,      {syscall}
simple_way call_page,    {call hypercall_page + 17 * 32}       ; xen_version
simple_way int3,         {int3}
simple_way int80,        {int 0x80}
simple_way int_gate,     {int 0x55}
simple_way ud2,          {ud2}
simple_way store,        {mov [rdi], rax}
simple_way load,         {mov rax, [rdi]}
simple_way hlt,          {hlt}
simple_way read_cr0,     {mov rax, cr0}
simple_way read_cr4,     {mov rax, cr4}
simple_way write_cr4,    {mov cr4, rax}
simple_way forced_cpuid, {db 0x0f, 0x0b, 'xen', 0x0f, 0xa2}
simple_way divide,       {div rdi}
simple_way load_es,      {mov es, eax}
simple_way cli,          {cli}
simple_way fpu,          {fninit}
simple_way copy,         {rep movsb}
simple_way wrmsr,        {wrmsr}
simple_way rdmsr,        {rdmsr}
simple_way rdtscp,       {rdtscp}
simple_way xsetbv,       {xsetbv}

; Until the turn is 0, or 1 (turns.h), holding every register meanwhile.
%macro waiting_way 2
        way %1
        cmp     qword [abs turn], %2
        jne     way_%1_at
        way_end %1
%endmacro
waiting_way wait_0, 0
waiting_way wait_1, 1

; Unmasks events and goes round until one comes (or probe_spinning is 0).
global way_spin, way_spin_at, way_spin_end
way_spin:
        mov     byte [abs shared_info + 1], 0
        popfq
way_spin_at:
        cmp     qword [abs probe_spinning], 0
        jne     way_spin_at
        way_end spin

; Ways that need a frame on the stack: made of words in memory, since every register is the caller's
; already. The flags of the probe are the frame's, and those with which the instruction is done.
%macro hardware_frame 2                 ; cs, rip
        pop     qword [abs words]
        mov     [abs words + 8], rsp
        push    0xe02b
        push    qword [abs words + 8]
        push    qword [abs words]
        push    %1
        push    %2
%endmacro

%macro iret_hypercall 2                 ; name, VGCF_ flags
global way_%1, way_%1_at, way_%1_end
way_%1:
        hardware_frame 0xe030, way_%1_end
        push    %2
        push    rcx
        push    r11
        push    rax
        mov     eax, 23
        push    qword [abs words]
        popfq
way_%1_at:
        syscall
        ud2
        way_end %1
%endmacro

iret_hypercall iret, 0
iret_hypercall iret_sysret, 0x100

global way_iretq, way_iretq_at, way_iretq_end
way_iretq:
        hardware_frame 0xe033, way_iretq_end
        push    qword [abs words]
        popfq
way_iretq_at:
        iretq
        way_end iretq

; To user mode, at probe_user_cs:probe_user_rip with probe_user_ss:probe_user_rsp and the flags of
; the probe.
global way_user, way_user_at, way_user_end
way_user:
        pop     qword [abs words]
        push    qword [abs probe_user_ss]
        push    qword [abs probe_user_rsp]
        push    qword [abs words]
        push    qword [abs probe_user_cs]
        push    qword [abs probe_user_rip]
        push    qword [abs probe_user_how]
        push    rcx
        push    r11
        push    rax
        mov     eax, 23
way_user_at:
        syscall
        ud2
        way_end user

; int64_t probe_run(struct probe *p)
probe_run:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     [rdi + P_SAVED_SP], rsp
        mov     dword [rdi + P_UNDER_WAY], UNDER_WAY
        lea     rsp, [rdi + STACK]
        push    qword [rdi + P_FLAGS]
        push    qword [rdi + P_WAY]
        mov     rax, [rdi + REG(0)]
        mov     rcx, [rdi + REG(1)]
        mov     rdx, [rdi + REG(2)]
        mov     rbx, [rdi + REG(3)]
        mov     rbp, [rdi + REG(5)]
        mov     rsi, [rdi + REG(6)]
        mov     r8, [rdi + REG(8)]
        mov     r9, [rdi + REG(9)]
        mov     r10, [rdi + REG(10)]
        mov     r11, [rdi + REG(11)]
        mov     r12, [rdi + REG(12)]
        mov     r13, [rdi + REG(13)]
        mov     r14, [rdi + REG(14)]
        mov     r15, [rdi + REG(15)]
        mov     rdi, [rdi + REG(7)]
        ret                             ; to the way, which pops the flags

; The instruction came out behind itself: a frame without a trap.
global probe_through
probe_through:
through:
        push    0
        push    0
        pushfq
        push    0
        push    0
        push    0
        push    -1
        jmp     caught

; What the hypervisor pushed: rcx r11 [error] rip cs rflags rsp ss. Made uniform: vector error rip
; cs rflags rsp ss. No flag changes.
%macro entry 2                          ; vector, 1 if there is an error code
        pop     rcx
        pop     r11
  %if %2 == 0
        push    0
  %endif
        push    %1
        jmp     caught
%endmacro

%assign n 0
%rep 20
probe_entry_%+n: entry n, (n == 8 || (n >= 10 && n <= 14) || n == 17)
%assign n n + 1
%endrep
probe_int80:    entry 0x80, 0
probe_int_gate: entry 0x55, 0
probe_event:    entry 256, 0
probe_syscall:  entry 257, 0
probe_nmi:      entry 2, 0

probe_failsafe:                         ; ds es fs gs between r11 and rip
        pop     rcx
        pop     r11
        push    rax
        lea     rax, [rsp - 1]
        and     rax, -STACK
        pop     qword [rax + REG(0)]
        pop     qword [rax + P_SELECTORS]
        pop     qword [rax + P_SELECTORS + 8]
        pop     qword [rax + P_SELECTORS + 16]
        pop     qword [rax + P_SELECTORS + 24]
        mov     rax, [rax + REG(0)]
        push    0
        push    258

caught:                                 ; rsp: vector error rip cs rflags rsp ss
        pushfq
        push    2
        popfq
        push    rax
        lea     rax, [rsp - 1]
        and     rax, -STACK
        cmp     dword [rax + P_UNDER_WAY], UNDER_WAY
        jne     stray
        mov     dword [rax + P_UNDER_WAY], 0
        mov     [rax + REG(1)], rcx
        mov     [rax + REG(2)], rdx
        mov     [rax + REG(3)], rbx
        mov     [rax + REG(5)], rbp
        mov     [rax + REG(6)], rsi
        mov     [rax + REG(7)], rdi
        mov     [rax + REG(8)], r8
        mov     [rax + REG(9)], r9
        mov     [rax + REG(10)], r10
        mov     [rax + REG(11)], r11
        mov     [rax + REG(12)], r12
        mov     [rax + REG(13)], r13
        mov     [rax + REG(14)], r14
        mov     [rax + REG(15)], r15
        pop     qword [rax + REG(0)]
        pop     qword [rax + P_HANDLER]
        mov     [rax + REG(4)], rsp
%assign n 0
%rep 7
        pop     qword [rax + P_VECTOR + 8 * n]
%assign n n + 1
%endrep
        mov     rsp, [rax + P_SAVED_SP]
        mov     rax, [rax + P_VECTOR]
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

; no probe is under way on this stack: the test itself trapped
stray:
        lea     rdi, [rsp + 16]
        call    probe_stray

section .rodata progbits alloc noexec nowrite align=8
probe_entries:
%assign n 0
%rep 20
        dq      probe_entry_%+n
%assign n n + 1
%endrep

section .data progbits alloc noexec write align=8
probe_spinning: dq 0
probe_user_cs:  dq 0xe033
probe_user_ss:  dq 0xe02b
probe_user_how: dq 0
probe_user_rip: dq 0
probe_user_rsp: dq 0
words:          dq 0, 0
