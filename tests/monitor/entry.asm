; SPDX-License-Identifier: MIT
; From multiboot2's 32-bit entry to hostile.c in long mode: the first GiB mapped to itself by large
; pages, and the fourth one, where devices are. Exceptions go to one C function, with a frame of
; vector, error code and what the CPU pushed; it may change RIP.

section .multiboot
align 8
header: dd 0xe85250d6, 0, header_end - header, -(0xe85250d6 + header_end - header) & 0xffffffff
        dw 0, 0
        dd 8
header_end:

section .text
bits 32
global start
extern hostile, exception
start:  mov esp, stack_top
        mov esi, ebx
        mov ecx, 0
.low:   mov eax, ecx
        shl eax, 21
        or eax, 0x83
        mov [level2 + ecx * 8], eax
        or eax, 0xc0000000
        mov [level2_devices + ecx * 8], eax
        inc ecx
        cmp ecx, 512
        jb .low
        mov dword [level3], level2 + 3
        mov dword [level3 + 3 * 8], level2_devices + 3
        mov dword [level4], level3 + 3
        mov eax, level4
        mov cr3, eax
        mov eax, cr4
        or eax, 1 << 5
        mov cr4, eax
        mov ecx, 0xc0000080
        rdmsr
        or eax, 1 << 8 | 1 << 11 | 1
        wrmsr
        mov eax, cr0
        or eax, 1 << 31 | 1 << 16
        mov cr0, eax
        lgdt [gdt_pointer]
        jmp 8:long_mode
bits 64
long_mode:
        mov ax, 16
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov rsp, stack_top
        mov edi, esi
        xor ebp, ebp
        call hostile
        ud2

%assign vector 0
%rep 33
global stub_ %+ vector
stub_ %+ vector:
  %if vector != 8 && (vector < 10 || vector > 14) && vector != 17
        push qword 0
  %endif
        push qword vector
        jmp entry
  %assign vector vector + 1
%endrep
entry:  push rax
        push rcx
        push rdx
        push rsi
        push rdi
        push r8
        push r9
        push r10
        push r11
        lea rdi, [rsp + 9 * 8]
        cld
        call exception
        pop r11
        pop r10
        pop r9
        pop r8
        pop rdi
        pop rsi
        pop rdx
        pop rcx
        pop rax
        add rsp, 16
        iretq

section .data
align 8
global gdt                      ; hostile.h has their numbers
gdt:    dq 0, 0x00209a0000000000, 0x00cf92000000ffff, 0x0000f20000000000, 0x0020fa0000000000
        dq 0x00cf9a000000ffff, 0x0020ba0000000000, 0x0000b20000000000, 0, 0
gdt_pointer:
        dw $ - gdt - 1
        dd gdt
global stubs
align 8
stubs:
%assign vector 0
%rep 33
        dq stub_ %+ vector
  %assign vector vector + 1
%endrep

section .bss
align 4096
global level4
level4: resb 4096
level3: resb 4096
level2: resb 4096
level2_devices: resb 4096
        resb 65536
stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits
