; SPDX-License-Identifier: MIT
; A multiboot2 loader for QEMU's -kernel option, in GRUB's place: domus-run and most machines of the
; tests boot by it, because it saves each the making of an ISO image and a second of firmware and
; GRUB. (How Domus boots by GRUB is tested by the demo and by odd machines.)
;
; QEMU loads this as a kernel of multiboot 1 and, as its modules, the hypervisor's ELF file and what
; GRUB would give it. The first is put where it wants to be; the second's tables are written anew in
; the other format (multiboot2 specification, 3.6): command lines, modules, the map of memory. For
; ACPI's root pointer the hypervisor must look itself.

%define MULTIBOOT1_MAGIC   0x1badb002
%define MULTIBOOT1_FLAGS   3            ; modules on page boundaries; a map of memory
%define MULTIBOOT2_LOADED  0x36d76289
%define MMAP_LENGTH 44                  ; in multiboot 1's tables
%define MMAP_START  48
%define MODS_COUNT  20
%define MODS_START  24

bits 32
section .text
align 4
    dd MULTIBOOT1_MAGIC, MULTIBOOT1_FLAGS, 0x100000000 - (MULTIBOOT1_MAGIC + MULTIBOOT1_FLAGS)

global _start
_start:
    cld
    mov esp, stack_top
    mov ebp, ebx                        ; multiboot 1's tables
    mov edi, tables + 8                 ; edi: where the next tag goes

    mov ebx, [ebp + MODS_START]         ; the hypervisor's command line
    mov dword [edi], 1
    lea edx, [edi + 8]
    call line

    mov eax, [ebp + MODS_COUNT]
    mov [left], eax
.module:
    dec dword [left]
    jz .map
    add ebx, 16
    mov dword [edi], 3
    mov eax, [ebx]
    mov [edi + 8], eax
    mov eax, [ebx + 4]
    mov [edi + 12], eax
    lea edx, [edi + 16]
    call line
    jmp .module

.map:
    mov ebx, edi
    mov dword [ebx], 6
    mov dword [ebx + 8], 24             ; bytes of an entry
    add edi, 16
    mov esi, [ebp + MMAP_START]
    mov edx, [ebp + MMAP_LENGTH]
    add edx, esi
.entry:
    cmp esi, edx
    jae .mapped
    lodsd                               ; bytes of this one, behind this word
    add eax, esi
    mov ecx, 5                          ; base, length, type
    rep movsd
    mov esi, eax
    add edi, 4
    jmp .entry
.mapped:
    mov eax, edi
    sub eax, ebx
    mov [ebx + 4], eax

    mov dword [edi + 4], 8              ; a tag of type 0
    add edi, 8
    sub edi, tables
    mov [tables], edi

    mov ebp, [ebp + MODS_START]         ; the hypervisor's segments
    mov ebp, [ebp]
    movzx edx, word [ebp + 56]
    mov ebx, [ebp + 32]
    add ebx, ebp
.segment:
    cmp dword [ebx], 1
    jne .next
    mov esi, [ebx + 8]
    add esi, ebp
    mov edi, [ebx + 24]
    mov ecx, [ebx + 32]
    rep movsb
    mov ecx, [ebx + 40]
    sub ecx, [ebx + 32]
    xor eax, eax
    rep stosb
.next:
    add ebx, 56
    dec edx
    jnz .segment
    mov eax, MULTIBOOT2_LOADED
    mov ebx, tables
    jmp [ebp + 24]

; The tag at edi gets what follows the file's name in the module's line (ebx: the module), at edx,
; and its size; edi is moved behind it.
line:
    mov esi, [ebx + 8]
.name:
    lodsb
    test al, al
    jz .none
    cmp al, " "
    jne .name
    jmp .words
.none:
    dec esi
.words:
    push edi
    mov edi, edx
.byte:
    lodsb
    stosb
    test al, al
    jnz .byte
    pop edx
    mov eax, edi
    sub eax, edx
    mov [edx + 4], eax
    add edi, 7
    and edi, ~7
    ret

section .bss
align 8
tables:     resb 8192
left:       resd 1
            resb 1024
stack_top:
