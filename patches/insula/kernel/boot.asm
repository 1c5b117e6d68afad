; SPDX-License-Identifier: MIT
; From GRUB to C. GRUB leaves us in 32-bit protected mode without paging, EBX pointing at what it
; tells us. Tables map the first 4 GiB three ways with 2 MiB pages (identity, to survive the switch;
; direct map; kernel image); then long mode, and kernel_main(information) at its linked address.

KERNEL_BASE equ 0xffffffff80000000
P_W         equ 3                       ; present, writable
LARGE       equ 0x80
UNCACHED    equ 0x18                    ; devices live in the fourth GiB: PCD, PWT

section .multiboot
align 8
header:
        dd 0xe85250d6, 0, header_end - header
        dd -(0xe85250d6 + (header_end - header)) & 0xffffffff
        dw 0, 0
        dd 8                            ; end tag
header_end:

section .boot
bits 32
global start
start:
        mov edi, ebx                    ; kept for kernel_main's first argument
        mov esp, boot_stack_top - KERNEL_BASE

        mov ecx, 0                      ; fill four level-2 tables: 2048 pages of 2 MiB
.fill:  mov eax, ecx
        shl eax, 21
        or eax, P_W | LARGE
        cmp ecx, 3 * 512
        jb .store
        or eax, UNCACHED
.store: mov [level2 - KERNEL_BASE + ecx * 8], eax
        inc ecx
        cmp ecx, 4 * 512
        jb .fill

        mov eax, level2 - KERNEL_BASE + P_W
        mov [low_level3 - KERNEL_BASE], eax
        mov [high_level3 - KERNEL_BASE + 510 * 8], eax
        add eax, 4096
        mov [low_level3 - KERNEL_BASE + 8], eax
        add eax, 4096
        mov [low_level3 - KERNEL_BASE + 16], eax
        add eax, 4096
        mov [low_level3 - KERNEL_BASE + 24], eax
        mov eax, low_level3 - KERNEL_BASE + P_W
        mov [boot_level4 - KERNEL_BASE], eax            ; identity
        mov [boot_level4 - KERNEL_BASE + 272 * 8], eax  ; 0xffff880000000000
        mov eax, high_level3 - KERNEL_BASE + P_W
        mov [boot_level4 - KERNEL_BASE + 511 * 8], eax  ; 0xffffffff80000000

        mov eax, boot_level4 - KERNEL_BASE
        mov cr3, eax
        mov eax, cr4
        or eax, 1 << 5                  ; physical address extension
        mov cr4, eax
        mov ecx, 0xc0000080             ; EFER: long mode, no-execute, syscall
        rdmsr
        or eax, 1 << 8 | 1 << 11 | 1
        wrmsr
        mov eax, cr0
        or eax, 1 << 31 | 1 << 16       ; paging, and write protection for ring 0 too
        mov cr0, eax
        lgdt [boot_gdt_pointer]
        jmp 8:long_mode

bits 64
long_mode:
        mov ax, 16
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov rsp, boot_stack_top
        mov edi, edi                    ; the information's address, zero-extended
        mov rax, enter_c
        jmp rax

align 8
boot_gdt:
        dq 0, 0x00209a0000000000, 0x0000920000000000
boot_gdt_pointer:
        dw $ - boot_gdt - 1
        dd boot_gdt

section .text
extern kernel_main
enter_c:
        xor ebp, ebp
        call kernel_main
        ud2

section .bss
align 4096
boot_level4: resb 4096
low_level3:  resb 4096
high_level3: resb 4096
level2:      resb 4 * 4096
boot_stack:  resb 16384
boot_stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits
