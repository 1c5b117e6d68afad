; SPDX-License-Identifier: MIT
; The instructions that touch guest memory (memory/access.h), all of them. Each may fault; then the
; exception table sends us to the label behind it, which closes SMAP again and answers -EFAULT.
; Registers as in C calls; RAX is the result.
;
; The range check is the same as guest_range_ok: the lower half, or the upper one behind our slots.
; It comes first: SMAP guards supervisor pages of ours against nothing.

%include "machine/asm.inc"

%define EFAULT    14
%define LOW_END   0x0000800000000000
%define HV_END    0xffff880000000000

section .text
bits 64

; RANGE va, bytes: jump to .bad unless ring 3 could have it all. Uses rax, r8.
%macro RANGE 2
    lea rax, [%1 + %2]
    cmp rax, %1
    jb .bad                         ; wraps around
    mov r8, LOW_END
    cmp rax, r8
    jbe %%ok
    mov r8, HV_END
    cmp %1, r8
    jb .bad
%%ok:
%endmacro

; Constant-size form: [va, va + size) is out when va is in the hole, in ours, or touches an end.
; Uses r8.
%macro RANGE_OF 2
    mov r8, LOW_END - %2
    cmp %1, r8
    jbe %%ok
    mov r8, HV_END
    cmp %1, r8
    jb .bad
    cmp %1, -%2
    ja .bad
%%ok:
%endmacro

; int copy_from_guest(void *to, vaddr_t from, size_t bytes)
global copy_from_guest
copy_from_guest:
    RANGE rsi, rdx
    jmp copy

; int copy_to_guest(vaddr_t to, const void *from, size_t bytes)
global copy_to_guest
copy_to_guest:
    RANGE rdi, rdx
copy:
    mov rcx, rdx
    shr rcx, 3
    and edx, 7
    OPEN_GUEST
.words:
    rep movsq
    mov ecx, edx
.bytes:
    rep movsb
    CLOSE_GUEST
    xor eax, eax
    ret
.fault:
    CLOSE_GUEST
copy_from_guest.bad:
copy_to_guest.bad:
    mov eax, -EFAULT
    ret
    FIXUP copy.words, copy.fault
    FIXUP copy.bytes, copy.fault

; The end of a function whose instruction at the label may fault.
%macro FAULTS_AT 1
.fault:
    CLOSE_GUEST
.bad:
    mov eax, -EFAULT
    ret
    FIXUP %1, .fault
%endmacro

; int clear_guest(vaddr_t to, size_t bytes)
global clear_guest
clear_guest:
    RANGE rdi, rsi
    mov rcx, rsi
    xor eax, eax
    OPEN_GUEST
.store:
    rep stosb
    CLOSE_GUEST
    ret
    FAULTS_AT .store

; ONE name, address register, size, instruction, afterwards: a function that moves one word and
; nothing else
%macro ONE 5
global %1
%1:
    RANGE_OF %2, %3
    xor eax, eax
    OPEN_GUEST
.move:
    %4
    CLOSE_GUEST
    %5
    ret
    FAULTS_AT .move
%endmacro

; int read_guest_u64(uint64_t *to, uint64_t va)
; int write_guest_u64(uint64_t va, uint64_t value)
; int write_guest_u32(uint64_t va, uint32_t value)
    ONE read_guest_u64, rsi, 8, {mov rdx, [rsi]}, {mov [rdi], rdx}
    ONE write_guest_u64, rdi, 8, {mov [rdi], rsi}, {}
    ONE write_guest_u32, rdi, 4, {mov [rdi], esi}, {}
