; SPDX-License-Identifier: MIT
; Every way from the hypervisor into the guest, and the ways back. <pvguest/traps.h> describes the
; frame built here.
;
; What the hypervisor has pushed when one of these entries runs, on the current stack in kernel mode
; or on the kernel stack (HYPERVISOR_stack_switch) from user mode; the top is 16-byte aligned:
;
;       ss                      rsp + 48 (+8 with an error code)
;       rsp
;       rflags                  IF = events were unmasked
;       cs                      bits 0-1: 0 from kernel mode, 3 from user mode; bits 32-39: saved
;                               event mask
;       rip
;       error code              only for vectors 8, 10-14, 17
;       r11
;       rcx             <- rsp
;
; rcx and r11 are there because `syscall`/`sysret`, by which the hypervisor enters and leaves
; guests, destroy them. Nothing below rsp is in use (no red zone), so popping those two and pushing
; a vector and an error code in their place needs no care about events in between.
;
; Where our vCPU's event mask lies: in shared_info, or, once there are several vCPUs, at the address
; in GS (<pvguest/cpu.h>).

bits 64
default rel

extern trap_dispatch
extern event_dispatch
extern syscall_dispatch
extern before_user_mode
extern return_hook
extern hypercall_page
extern shared_info
extern several_cpus

global trap_entries
global event_entry
global failsafe_entry
global syscall_entry
global return_to_frame
global enter_user_mode
global thread_switch
global catch_trap_run
global catch_trap_resume
global try_read64
global try_read8
global try_write64
global try_write8
global try_copy

UPCALL_PENDING equ shared_info + 0              ; struct vcpu_info of vCPU 0
UPCALL_MASK    equ shared_info + 1
OWN_PENDING    equ 0                            ; in struct cpu, with several vCPUs
OWN_MASK       equ 1
HYPERVISOR_iret equ 23
VGCF_in_syscall equ 1 << 8
FRAME_EVENT    equ 256
FRAME_SYSCALL  equ 257

; Offsets in struct trap_frame after the fifteen registers
%define F_VECTOR 120
%define F_CS     144
%define F_RFLAGS 152

%macro save_registers 0
        push    rdi
        push    rsi
        push    rdx
        push    rcx
        push    rax
        push    r8
        push    r9
        push    r10
        push    r11
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        cld
%endmacro

%macro restore_registers 0
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        pop     r11
        pop     r10
        pop     r9
        pop     r8
        pop     rax
        pop     rcx
        pop     rdx
        pop     rsi
        pop     rdi
%endmacro

section .text progbits alloc exec nowrite align=16

; domus-scan is told why an instruction is here (<pvguest/kept.h>): its label, the reason.
%macro kept 2
        [section .debug_pvguest_kept progbits noalloc noexec nowrite align=1]
%%entry: dq %1
        db %2, 0
        __?SECT?__
%endmacro

; ---- exceptions: one stub a vector

%assign vector 0
%rep 32
trap_entry_%+vector:
        pop     rcx
        pop     r11
%if vector != 8 && (vector < 10 || vector > 14) && vector != 17
        push    0
%endif
        push    vector
        jmp     trap_common
%assign vector vector + 1
%endrep

trap_common:
        save_registers
        mov     rdi, rsp
        call    trap_dispatch
        jmp     return_from_frame

; The hypervisor could not return to where we asked (a bad selector in the frame): as above, with ds
; es fs gs between r11 and rip. We treat it as a general protection fault at the place it was to
; return to.
failsafe_entry:
        pop     rcx
        pop     r11
        add     rsp, 32
        push    0
        push    13
        jmp     trap_common

; ---- events

; If the event hit the few instructions of `unmask` below, all registers already hold what is to be
; restored, and the two words on top of the interrupted stack are the last of the way back. Then
; this frame is made to return right there, to where `unmask` was going: so frames cannot pile up
; however fast events come.
event_entry:
        pop     rcx
        pop     r11
        cmp     qword [rsp], unmask
        jb      .new_frame
        cmp     qword [rsp], unmask_end
        jae     .new_frame
        push    rax
        ; the interrupted rsp: rflags, rip; or rip alone if it stood at the ret
        mov     rax, [rsp + 32]
        cmp     qword [rsp + 8], unmask_ret
        je      .only_rip
        push    qword [rax]
        pop     qword [rsp + 24]                ; our rflags (pop counts from rsp after it)
        add     rax, 8
.only_rip:
        push    qword [rax]
        pop     qword [rsp + 8]                 ; our rip
        add     rax, 8
        mov     [rsp + 32], rax                 ; our rsp
        pop     rax
.new_frame:
        push    0
        push    FRAME_EVENT
        save_registers
        mov     rdi, rsp
        call    event_dispatch
        jmp     return_from_frame

; ---- system calls from user mode

syscall_entry:
        pop     rcx
        pop     r11
        push    0
        push    FRAME_SYSCALL
        save_registers
        mov     rdi, rsp
        call    syscall_dispatch
        jmp     return_from_frame

; ---- the way back: rsp = struct trap_frame
;
; Inside the kernel no privilege changes, so popfq and ret will do: the hypervisor leaves IF alone
; in ring 3, and events are masked by a byte in memory. (An iretq would do on real hardware, but
; QEMU's emulator reads its frame as if it were in ring 0, which SMAP forbids.) The two words are
; put below the rsp that we return to; they may overlay the frame itself, which ends at most there.
; A frame may not name an rsp within itself.

; rsp = rip cs rflags rsp ss  ->  rsp = rflags rip, all registers restored
%macro rflags_and_rip_on_the_target_stack 0
        push    rax
        push    rcx
        mov     rax, [rsp + 40]                 ; the rsp to return to
        mov     rcx, [rsp + 16]
        mov     [rax - 8], rcx                  ; rip
        mov     rcx, [rsp + 32]
        mov     [rax - 16], rcx                 ; rflags
        mov     rcx, [rsp + 8]
        mov     [rax - 24], rcx                 ; rax
        mov     rcx, [rsp]
        lea     rsp, [rax - 24]
        pop     rax
%endmacro

return_to_frame:                                ; void return_to_frame(struct trap_frame *)
        mov     rsp, rdi
        test    byte [rsp + F_CS], 3
        jnz     to_user_at_once                 ; below such a frame there need be no stack
return_from_frame:
        test    byte [rsp + F_CS], 3
        jnz     to_user
        ; single steps (TF) would stop behind our ret for ever, RF would be lost: for debuggers, the
        ; long way
        test    dword [rsp + F_RFLAGS], 0x10100
        jnz     by_hypercall
        test    dword [rsp + F_RFLAGS], 0x200
        jnz     to_unmasked
        restore_registers
        add     rsp, 16
        rflags_and_rip_on_the_target_stack
.popf:  popfq
        kept    return_from_frame.popf, "for the other flags: IF stands in the event mask"
        ret                                     ; events stay masked: nothing to look for

; Unmask, then look: an event that came while we were masked set UPCALL_PENDING and nothing else
; will remind us.
to_unmasked:
        restore_registers
        add     rsp, 16
        rflags_and_rip_on_the_target_stack
        cmp     byte [abs several_cpus], 0
        jne     unmask_own
global unmask
unmask:
        mov     byte [abs UPCALL_MASK], 0
        cmp     byte [abs UPCALL_PENDING], 0
        jne     unmask_pending
unmask_popf:
        popfq
        kept    unmask_popf, "for the other flags: IF stands in the event mask"
unmask_ret:
        ret
unmask_own:
        mov     byte [gs:OWN_MASK], 0
        cmp     byte [gs:OWN_PENDING], 0
        je      unmask_popf
        mov     byte [gs:OWN_MASK], 1
        jmp     unmask_end
unmask_pending:
        mov     byte [abs UPCALL_MASK], 1
unmask_end:
        ; in the iret hypercall's words: it delivers the event on the frame we return to
        push    rax
        sub     rsp, 40
        mov     qword [rsp + 32], 0xe02b        ; FLAT_KERNEL_SS
        lea     rax, [rsp + 64]
        mov     [rsp + 24], rax                 ; rsp
        mov     rax, [rsp + 48]
        mov     [rsp + 16], rax                 ; rflags
        ; FLAT_KERNEL_CS with ring 0 in it: kernel mode, in the hypercall's words
        mov     qword [rsp + 8], 0xe030
        mov     rax, [rsp + 56]
        mov     [rsp], rax                      ; rip
        mov     rax, [rsp + 40]
        push    0
        jmp     hypercall_page + HYPERVISOR_iret * 32

by_hypercall:
        mov     dword [rsp + F_CS + 4], 0       ; the saved mask is no part of a selector
        restore_registers
        add     rsp, 16
        push    0
        jmp     hypercall_page + HYPERVISOR_iret * 32

; To user mode only the hypervisor can go: it changes page tables. Its frame: rax r11 rcx flags,
; then the hardware's; the code in the hypercall page pushes the first three.
to_user:
        cmp     qword [abs return_hook], 0
        je      to_user_at_once
        mov     rdi, rsp
        call    before_user_mode
to_user_at_once:
        cmp     dword [rsp + F_VECTOR], FRAME_SYSCALL
        je      .sysret
        restore_registers
        add     rsp, 16
        push    0
        jmp     hypercall_page + HYPERVISOR_iret * 32
; rcx and r11 are lost to user code anyway: sysret is cheaper
.sysret:
        restore_registers
        add     rsp, 16
        push    VGCF_in_syscall
        jmp     hypercall_page + HYPERVISOR_iret * 32

; void enter_user_mode(const struct user_context { rip, rsp, rflags, rdi, rsi, rdx } *)
enter_user_mode:
        push    0xe02b                          ; FLAT_USER_SS
        push    qword [rdi + 8]
        push    qword [rdi + 16]
        push    0xe033                          ; FLAT_USER_CS
        push    qword [rdi]
        mov     rsi, [rdi + 32]
        mov     rdx, [rdi + 40]
        mov     rdi, [rdi + 24]
        xor     eax, eax                        ; nothing of the kernel's leaks in registers
        xor     ebx, ebx
        xor     ecx, ecx
        xor     ebp, ebp
        xor     r8d, r8d
        xor     r9d, r9d
        xor     r10d, r10d
        xor     r11d, r11d
        xor     r12d, r12d
        xor     r13d, r13d
        xor     r14d, r14d
        xor     r15d, r15d
        push    0
        jmp     hypercall_page + HYPERVISOR_iret * 32

; What a C function must leave as it found it.
%macro push_preserved 0
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
%endmacro

%macro pop_preserved 0
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
%endmacro

; ---- threads: void thread_switch(unsigned long *save_sp, unsigned long load_sp)
; Callee-saved registers and the stack are all a cooperative thread has. A new thread's stack holds
; six registers and an address to return to.
thread_switch:
        push_preserved
        mov     [rdi], rsp
        mov     rsp, rsi
        pop_preserved
        ret

; ---- faults that are expected

; int catch_trap_run(void (*fn)(void *), void *arg, unsigned long *saved_sp): 0 when fn returned. On
; a trap inside, trap_dispatch sets rsp = *saved_sp and rip = catch_trap_resume: the result is 1.
catch_trap_run:
        push_preserved
        sub     rsp, 8
        mov     [rdx], rsp
        mov     rax, rdi
        mov     rdi, rsi
        call    rax
        xor     eax, eax
        jmp     catch_trap_out
catch_trap_resume:
        mov     eax, 1
catch_trap_out:
        add     rsp, 8
        pop_preserved
        ret

; Loads and stores with a way out. The table says: a fault at .access continues at access_failed.
%macro fixup 2
        [section .fixups progbits alloc noexec nowrite align=16]
        dq %1, %2
        __?SECT?__
%endmacro

try_read64:                                     ; int (const void *address, uint64_t *value)
.access: mov    rax, [rdi]
        mov     [rsi], rax
        xor     eax, eax
        ret
        fixup   .access, access_failed

try_read8:                                      ; int (const void *address, uint8_t *value)
.access: mov    al, [rdi]
        mov     [rsi], al
        xor     eax, eax
        ret
        fixup   .access, access_failed

try_write64:                                    ; int (void *address, uint64_t value)
.access: mov    [rdi], rsi
        xor     eax, eax
        ret
        fixup   .access, access_failed

try_write8:                                     ; int (void *address, uint8_t value)
.access: mov    [rdi], sil
        xor     eax, eax
        ret
        fixup   .access, access_failed

try_copy:                                       ; int (void *to, const void *from, size_t length)
        mov     rcx, rdx
.access: rep movsb
        xor     eax, eax
        ret
        fixup   .access, access_failed

access_failed:
        mov     eax, -14                        ; -EFAULT
        ret

; ---- the table for set_trap_table: addresses of the 32 stubs

section .rodata progbits alloc noexec nowrite align=8
trap_entries:
%assign vector 0
%rep 32
        dq      trap_entry_%+vector
%assign vector vector + 1
%endrep
