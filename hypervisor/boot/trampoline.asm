; SPDX-License-Identifier: MIT
; Where an application processor wakes: real mode, at a page below 1 MiB that boot/smp.c copied this
; code to. It goes the same way as the boot CPU (protected mode, long mode) on the same tables,
; takes the stack that boot/smp.c left in ap_stack, and calls ap_main().

; TRAMPOLINE in boot/smp.c: the copy must be here, the code is not relocatable.
%define PAGE 0x8000
%define AT(label) (PAGE + label - trampoline_start)

extern enable_long_mode, boot_gdt_pointer, ap_main, ap_stack, hv_cr3

section .boot progbits alloc exec nowrite align=4096
bits 16
trampoline_start:
    lgdt [AT(.gdt_pointer)]         ; DS is 0 since INIT
    mov eax, 1
    mov cr0, eax
    jmp dword 8:AT(.protected)
bits 32
.protected:
    mov eax, 16
    mov ds, eax
    mov ss, eax
    mov esp, PAGE + 4096
    ; near calls are relative and this code has moved: call by address
    mov eax, enable_long_mode
    call eax
    lgdt [boot_gdt_pointer]
    jmp 8:ap_long                   ; in the image itself, still at its machine address
align 8
.gdt:
    dq 0
    dq 0x00cf9a000000ffff           ; 8: 32-bit code
    dq 0x00cf92000000ffff           ; 16: data
.gdt_pointer:
    dw $ - .gdt - 1
    dd AT(.gdt)
trampoline_end:

bits 64
ap_long:
    mov rax, ap_high
    jmp rax

section .text
bits 64
ap_high:                            ; cpu_init loads the segments: nobody looks at them before
    mov rax, [rel hv_cr3]           ; the final tables: the stack may be anywhere in RAM
    mov cr3, rax
    mov rsp, [rel ap_stack]
    xor ebp, ebp
    call ap_main
    ud2

section .rodata
global trampoline_range             ; machine addresses of what to copy: start, end
trampoline_range: dq trampoline_start, trampoline_end
