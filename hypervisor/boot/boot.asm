; SPDX-License-Identifier: MIT
; From GRUB to C. The boot loader leaves us in 32-bit protected mode without paging (multiboot2
; specification, 3.3); we build the first page tables, turn on long mode, and call boot_main() at
; the address the image is linked at.
;
; The first tables, all in .bss (see boot/boot.h):
;   L4[0] and L4[262] -> boot_l3 -> boot_l2[4]: the first 4 GiB, seen at 0 (until boot is
;                                                    over) and at DIRECTMAP_VIRT
;   L4[261] -> image_l3 -> image_l2 -> image_l1: this image, 4 KiB pages (memory/paging.c
;                                                    gives them their permissions)

%define MULTIBOOT2_MAGIC   0xe85250d6
%define MULTIBOOT2_LOADED  0x36d76289
%define PTE_TABLE  0x003            ; present, writable
%define PTE_BIG    0x183            ; present, writable, 2 MiB, global
%define PTE_IMAGE  0x103            ; present, writable, global
%define IMAGE_MACHINE 0x200000

extern boot_l4_machine, boot_l3_machine, boot_l2_machine
extern image_l3_machine, image_l2_machine, image_l1_machine
extern boot_stack_machine, boot_stack_top, boot_main

; A table's first entries: the first of them, and from each to the next; below 4 GiB.
%macro FILL 4                       ; table, how many, the first, how much further the next is
    mov edi, %1
    mov ecx, %2
    mov eax, %3
%%next:
    mov [edi], eax
    add eax, %4
    add edi, 8
    loop %%next
%endmacro

section .boot progbits alloc exec nowrite align=4096
bits 32
align 8
multiboot_header:
    dd MULTIBOOT2_MAGIC, 0, .end - multiboot_header
    dd 0x100000000 - (MULTIBOOT2_MAGIC + 0 + (.end - multiboot_header))
    dw 3, 0                         ; entry address: a machine address, whatever the ELF header says
    dd 12, boot_start, 0
    dw 6, 0                         ; modules on page boundaries
    dd 8
    dw 0, 0
    dd 8
.end:

global boot_start
boot_start:                         ; interrupts are off (multiboot2)
    cld
    cmp eax, MULTIBOOT2_LOADED
    jne .stop
    mov esp, boot_stack_machine
    mov esi, ebx                    ; the loader's tables
    mov eax, 0x80000000
    cpuid
    mov edx, 0
    cmp eax, 0x80000001             ; CPUs without this leaf have none of it
    jb .look
    mov eax, 0x80000001
    cpuid
.look:
    mov ebx, no_long_mode
    test edx, 1 << 29
    jz .say
    mov ebx, no_nx
    test edx, 1 << 20
    jz .say

    FILL boot_l2_machine, 4 * 512, PTE_BIG, 0x200000            ; the first 4 GiB
    FILL boot_l3_machine, 4, boot_l2_machine + PTE_TABLE, 4096
    FILL image_l1_machine, 512, IMAGE_MACHINE + PTE_IMAGE, 4096
    mov dword [image_l2_machine + 8], image_l1_machine + PTE_TABLE
    mov dword [image_l3_machine], image_l2_machine + PTE_TABLE

    mov dword [boot_l4_machine], boot_l3_machine + PTE_TABLE
    mov dword [boot_l4_machine + 261 * 8], image_l3_machine + PTE_TABLE
    mov dword [boot_l4_machine + 262 * 8], boot_l3_machine + PTE_TABLE
    mov dword [boot_l4_machine + 262 * 8 + 4], 0x80000000     ; the direct map is not executable

    call enable_long_mode
    lgdt [boot_gdt_pointer]
    mov edi, esi
    jmp 8:.long
.say:                               ; its code is the same in 64-bit mode
    mov dx, 0x3fb                   ; whole bytes, whatever the firmware had
    mov al, 3
    out dx, al
    mov esi, cannot_run
    call say
    mov esi, ebx
    call say
.stop:
    hlt
    jmp .stop

bits 64
.long:
    mov eax, 0x80000001             ; Intel's CPUs say that they have SYSCALL where they have it:
    cpuid                           ; in 64-bit mode
    mov ebx, no_syscall
    test edx, 1 << 11
    jz .say
    mov rax, high_start
    jmp rax

bits 32
; The text at esi, up to a zero, to COM1 at the firmware's speed; as fast as the line takes it, or
; 65,536 looks a byte.
say:
    mov ecx, 0x10000
.wait:
    mov dx, 0x3fd
    in al, dx
    test al, 0x20
    loopz .wait
    lodsb
    test al, al
    jz .end
    mov dx, 0x3f8
    out dx, al
    jmp say
.end:
    ret

cannot_run:   db "Domus cannot run on this processor: it has no ", 0
no_long_mode: db "long mode (64 bits)", 13, 10, 0
no_nx:        db "NX (no-execute pages)", 13, 10, 0
no_syscall:   db "SYSCALL instruction", 13, 10, 0

; Also the way of the application processors (boot/trampoline.asm): CR4, CR3, EFER, CR0, in the
; order the manual demands.
global enable_long_mode
enable_long_mode:
    mov eax, 1 << 5                 ; CR4.PAE; the rest comes in cpu_init
    mov cr4, eax
    mov eax, boot_l4_machine
    mov cr3, eax
    mov ecx, 0xc0000080             ; EFER
    rdmsr
    or eax, 1 << 8 | 1 << 11        ; LME, NXE
    wrmsr
    mov eax, 0x80000001             ; PG PE; the rest comes there, too
    mov cr0, eax
    ret

align 8
boot_gdt:
    dq 0
    dq 0x00af9a000000ffff           ; 8: 64-bit code; cpu_init has the rest
global boot_gdt_pointer
boot_gdt_pointer:
    dw $ - boot_gdt - 1
    dq boot_gdt

section .text
bits 64
high_start:                         ; cpu_init loads the segments: nobody looks at them before
    lea rsp, [rel boot_stack_top]
    xor ebp, ebp                    ; the end of every stack trace
    call boot_main
    ud2

section .bss nobits alloc write align=4096
global boot_l4, boot_l3, boot_l2, image_l3, image_l2, image_l1
boot_l4:    resb 4096
boot_l3:  resb 4096
boot_l2:  resb 4 * 4096
image_l3: resb 4096
image_l2: resb 4096
image_l1: resb 4096
