# SPDX-License-Identifier: MIT
# Domus: the one makefile. Each folder's build.mk says what it makes; nothing recurses.
#   make demo | test | run | bench | port [STEP=n] | gdb | lint | deps | help      V=1 shows the commands, B=dir builds elsewhere

B ?= build
V ?= 0
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDEXPANSION:
.DEFAULT_GOAL := all

CC   ?= gcc
ifeq ($(origin CC),default)
CC   := gcc
endif
NASM := nasm
LD   := ld
AR   := ar
OBJCOPY := objcopy
PYTHON := python3

ifeq ($(V),1)
say = @:
Q :=
else
say = @printf '  %-7s %s\n'
Q := @
endif

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wcast-qual -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wundef -Wvla -Wpointer-arith -Wwrite-strings -Wno-unused-parameter
FREESTANDING := -std=gnu17 -O2 -g -ffreestanding -fno-strict-aliasing -fno-stack-protector -fno-asynchronous-unwind-tables \
            -fno-common -ffunction-sections -fdata-sections -mno-red-zone -mgeneral-regs-only -m64 -MMD -MP
# Guests (SDK, drivers, dom0, ported kernel, tests) live in the top 2 GiB; the hypervisor is position independent code.
GUEST_CFLAGS := $(FREESTANDING) $(WARNINGS) -fno-pic -fno-pie -mcmodel=kernel -Ipvguest-sdk/include -Idrivers/include
HYPERVISOR_CFLAGS := $(FREESTANDING) $(WARNINGS) -Wconversion -Wno-sign-conversion -fpie -fvisibility=hidden -mcmodel=small \
            -Ihypervisor -Ipvguest-sdk/include

.PHONY: all
all:

include hypervisor/build.mk pvguest-sdk/build.mk drivers/build.mk dom0/build.mk patches/build.mk tests/build.mk

$(B)/guest-obj/%.o: %.c
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $(CFLAGS_$(subst /,_,$*)) -c -o $@ $<

$(B)/guest-obj/%.o: %.asm
	$(say) NASM $<
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -g -F dwarf -Ipvguest-sdk/include/ -MD $(@:.o=.d) -o $@ $<

.PHONY: clean
clean:
	$(Q)rm -rf $(B)

-include $(shell test -d $(B) && find $(B) -name '*.d')
