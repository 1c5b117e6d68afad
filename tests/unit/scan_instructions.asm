; SPDX-License-Identifier: MIT
; One of each instruction that domus-scan knows (pvguest-sdk/tools/scan/table.c), in all its forms.
; Labels say which row it is: the row's name with _ for what is no letter or digit, __ and a number.
; Not to be run; tests/unit/test_scan.py looks what the scanner says of each. BITS is 32 or 64.

bits BITS
section .text

%assign n 0
%macro of 2+                    ; row, instruction
%assign n n + 1
%1 %+ __ %+ n:
        %2
        nop
%endmacro

%if BITS = 64
        of pushf, pushfq
        of popf, popfq
        of iret, iretq
        of iret, iretd
        of load_far_pointer, o64 lss rax, [rbx]
        of ret_far, o64 retf
        of syscall, syscall
        of wrfsbase__wrgsbase, wrfsbase rax
        of wrfsbase__wrgsbase, wrgsbase rax
        of rdfsbase__rdgsbase, rdfsbase rax
        of rdfsbase__rdgsbase, rdgsbase eax
        of mov_cr8, mov cr8, rax
        of mov_cr8, mov rax, cr8
        of swapgs, swapgs
        of sysret__sysexit, o64 sysret
        of xsaves__xrstors, xsaves64 [rax]
        of xsaves__xrstors, xrstors64 [rax]
        of user_s_stack, mov [gs:8], rsp
        of user_s_stack, mov rsp, [gs:rax]
        of other_privileged, db 0x66, 0x0f, 0x38, 0xf5, 0x03    ; wrussd
        of other_privileged, db 0x66, 0x48, 0x0f, 0x38, 0xf5, 0x03; wrussq
        of other_privileged, db 0xf3, 0x0f, 0x01, 0xe8          ; setssbsy
        of other_privileged, db 0xf3, 0x0f, 0xae, 0x33          ; clrssbsy
        of other_privileged, db 0xf3, 0x0f, 0x3a, 0xf0, 0xc0, 0x01; hreset
        of other_privileged, db 0x0f, 0x01, 0xfe                ; invlpgb
        of other_privileged, db 0x0f, 0x01, 0xff                ; tlbsync
        of other_privileged, db 0xf3, 0x0f, 0x01, 0xff          ; psmash
        of other_privileged, db 0xf2, 0x0f, 0x01, 0xff          ; pvalidate
        of other_privileged, db 0xf2, 0x0f, 0x01, 0xfe          ; rmpupdate
        of other_privileged, db 0xf3, 0x0f, 0x01, 0xfe          ; rmpadjust
        of other_privileged, db 0x0f, 0x01, 0xc5                ; pconfig
        of other_privileged, db 0x0f, 0x01, 0xcf                ; encls
        of other_privileged, db 0x0f, 0x01, 0xc0                ; enclv
        of other_privileged, db 0x66, 0x0f, 0x01, 0xcf          ; seamcall
        of other_privileged, db 0x66, 0x0f, 0x01, 0xce          ; seamops
        of other_privileged, db 0x66, 0x0f, 0x01, 0xcd          ; seamret
        of other_privileged, db 0x66, 0x0f, 0x01, 0xcc          ; tdcall
        of other_privileged, db 0xf3, 0x0f, 0x38, 0xdc, 0xc1    ; loadiwkey: no row names it
        of mov_from_segment, mov [r8], gs
        of push_segment, push fs
        of pop_segment, pop gs
%else
        of pushf, pushfd
        of popf, popfd
        of iret, iretd
        of load_far_pointer, lds eax, [ebx]
        of load_far_pointer, les eax, [ebx]
        of jmp_far, jmp 8:0x100000
        of call_far, call 8:0x100000
        of arpl, arpl ax, bx
        of push_segment, push cs
        of push_segment, push ds
        of pop_segment, pop es
        of pop_segment, pop ss
        of mov_cr3, mov cr3, eax
        of other_privileged, rsm
%endif
        of pushf, pushfw
        of popf, popfw
        of iret, iretw
        of sgdt, sgdt [eax]
        of sidt, sidt [eax]
        of sldt, sldt ax
        of sldt, sldt [eax]
        of str, str ax
        of smsw, smsw ax
        of smsw, smsw [eax]
        of lar, lar eax, bx
        of lsl, lsl eax, [ebx]
        of verr, verr ax
        of verw, verw [eax]
        of mov_from_segment, mov eax, cs
        of mov_from_segment, mov [eax], ds
        of mov_to_segment, mov ds, eax
        of mov_to_segment, mov ss, [eax]
        of push_segment, push gs
        of pop_segment, pop fs
        of load_far_pointer, lfs eax, [ebx]
        of load_far_pointer, lgs eax, [ebx]
        of load_far_pointer, lss eax, [ebx]
        of call_far, call far [eax]
        of jmp_far, jmp far [eax]
        of ret_far, retf
        of ret_far, retf 8
        of int_n, int 0x80
        of sysenter, sysenter
        of cpuid, cpuid
        of rdtsc, rdtsc
        of rdtscp, rdtscp
        of rdpid, db 0xf3, 0x0f, 0xc7, 0xf8
        of rdpmc, rdpmc
        of rdpmc, db 0x0f, 0x01, 0xfd           ; rdpru
        of xgetbv, xgetbv
        of cli, cli
        of sti, sti
        of hlt, hlt
        of monitor__mwait, monitor
        of monitor__mwait, mwait
        of in, in al, 0x60
        of in, in eax, dx
        of in, insb
        of in, rep insw
        of in, insd
        of out, out 0x80, al
        of out, out dx, ax
        of out, outsb
        of out, rep outsw
        of out, outsd
        of lgdt, lgdt [eax]
        of lidt, lidt [eax]
        of lldt, lldt ax
        of ltr, ltr ax
        of lmsw, lmsw ax
        of clts, clts
%if BITS = 64
%define ACC rax
%else
%define ACC eax
%endif
        of mov_cr0, mov ACC, cr0
        of mov_cr0, mov cr0, ACC
        of mov_cr2, mov ACC, cr2
        of mov_cr3, mov ACC, cr3
        of mov_cr4, mov cr4, ACC
        of mov_dr, mov dr7, ACC
        of mov_dr, mov ACC, dr6
        of invlpg, invlpg [eax]
        of invpcid, invpcid ACC, [eax]
        of invd__wbinvd, invd
        of invd__wbinvd, wbinvd
        of rdmsr, rdmsr
        of wrmsr, wrmsr
        of xsetbv, xsetbv
        of xsaves__xrstors, xsaves [eax]
        of xsaves__xrstors, xrstors [eax]
        of stac__clac, stac
        of stac__clac, clac
        of sysret__sysexit, sysret
        of sysret__sysexit, sysexit
        of vmcall, vmcall
        of vmcall, vmmcall
        of VMX, vmxon [eax]
        of VMX, vmxoff
        of VMX, vmlaunch
        of VMX, vmresume
        of VMX, vmread ACC, ACC
        of VMX, vmwrite ACC, ACC
        of VMX, vmptrld [eax]
        of VMX, vmptrst [eax]
        of VMX, vmclear [eax]
        of VMX, invept ACC, [eax]
        of VMX, invvpid ACC, [eax]
        of VMX, vmfunc
        of SVM, vmrun
        of SVM, vmload
        of SVM, vmsave
        of SVM, stgi
        of SVM, clgi
        of SVM, db 0x0f, 0x01, 0xde             ; skinit: NASM has it with 64 bits only
        of SVM, invlpga
        of other_privileged, getsec

; Guesses look at the name of the function.
set_pte__1:
        or ACC, 0x63
        mov [ebx], ACC
        nop
clear_pte__2:
%if BITS = 64
        mov qword [rbx], 0
%else
        mov dword [ebx], 0
%endif
        nop

; What resembles them and is harmless.
harmless__1:
        push ACC
        pop ACC
        mov ACC, [eax]
        mov eax, [fs:0]
        mov [gs:8], ACC
        call harmless__1
        jmp harmless__1
        ret
        ret 8
        int3
        ud2
        pause
        lea eax, [eax + 8]
        xsave [eax]
        xrstor [eax]
        clflush [eax]
        rdrand eax
        lfence
        or ACC, 1                       ; as in set_pte, in a function of another name
        mov [ebx], ACC
        lock cmpxchg [eax], ebx
        enter 8, 0
        leave
harmless_map__2:                        ; no variable, and nothing on the stack, is an entry
        or ACC, 1
        mov [abs 0x1000], ACC
        mov [esp + 8], ACC
        mov [ebp + 8], ACC
        mov [ebx], ecx
