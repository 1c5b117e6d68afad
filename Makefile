# SPDX-License-Identifier: MIT
# Domus: the one makefile. Each folder's build.mk says what it makes; nothing recurses.
#   `make help` lists the targets. V=1 shows the commands, B=dir builds elsewhere.

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
# Debian's own interpreter has Debian's pytest and pexpect; another one first in PATH may not.
PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)
export PYTHONDONTWRITEBYTECODE := 1

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

# What `make` alone needs; targets that install packages first have their own list (tests/tools/deps.sh).
MISSING := $(strip $(foreach tool,$(firstword $(CC)) $(NASM) $(LD) $(AR) $(OBJCOPY) $(PYTHON) xorriso grub-mkimage,\
             $(if $(shell command -v $(tool)),,$(tool))))
BUILDING := $(filter-out deps demo test mutate soak run bench port gdb figures clean help lint map,$(or $(MAKECMDGOALS),all))
$(if $(MISSING),$(if $(BUILDING),$(error not installed: $(MISSING). `make deps` installs what Domus is built with)))

.PHONY: all
all:

# As many jobs as CPUs, unless the caller says otherwise.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

include hypervisor/build.mk pvguest-sdk/build.mk drivers/build.mk dom0/build.mk patches/build.mk tests/build.mk

$(B)/guest-obj/%.o: %.c | $$(GENERATED)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $(CFLAGS_$(subst /,_,$*)) -c -o $@ $<

$(B)/guest-obj/%.o: %.asm | $$(GENERATED)
	$(say) NASM $<
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -g -F dwarf -Ipvguest-sdk/include/ -MD $(@:.o=.d) -o $@ $<

# --- what a person types -----------------------------------------------------------------------------------------------------
# demo, test, run, bench, port and gdb first install what is missing, then come back here for the work: the packages must be
# there before make looks at what to build.
DEPS ?= install
.PHONY: deps demo test mutate soak run bench port gdb figures iso lint clean help
deps:
	@test '$(DEPS)' = present || tests/tools/deps.sh

demo test mutate soak run bench port gdb figures: deps
	@$(MAKE) --no-print-directory do-$@

iso: $(HYPERVISOR:.elf=.iso)

help:
	@echo 'make demo        the main job: hypervisor, dom0 with disk and network, guests, the cost table; names each step'
	@echo 'make test        everything that is tested: lint, unit tests, micro-guests, whole systems (and on real Xen)'
	@echo 'make mutate N=40  puts 40 small mistakes into copies of the shipped code, one at a time: does a test notice? FILES="PATH..."'
	@echo '                 limits where, SURVIVED=1 tries the survivors again, without N the table is printed (tests/README.md)'
	@echo 'make soak        the long runs (80 minutes): generated configurations, twice ten minutes of mixed load, a hundred lives of a Linux guest, large transfers,'
	@echo '                 half an hour of floods'
	@echo 'make run         the same system with its prompt on this terminal (poweroff at the prompt, or Ctrl-a x, ends it);'
	@echo '                 LINUX=1 adds Debian'\''s Linux as a guest: xl create -c linux.cfg'
	@echo 'make bench       the cost table: hypercall beside trap, Domus beside real Xen, the kernel native beside domU;'
	@echo '                 a Linux guest; a neighbour beside four guests that flood'
	@echo 'make port        applies the port series to the teaching kernel, boots both; STEP=n stops after patch n'
	@echo 'make gdb         the hypervisor under the debugger, stopped at its first C function; dom0'\''s prompt then: make attach'
	@echo 'make figures     measures again and puts the tables into README.md'
	@echo 'make             builds into $(B)/: domus.elf dom0.elf domus.iso disk.img guests/'
	@echo 'make unit        unit tests on the host (ASan, UBSan);  make guests-test: the micro-guests only'
	@echo 'make system-test the whole-system scenarios only;  TESTS="-k NAME" chooses by name'
	@echo 'make lint        the rules of the house: who may include whom, file sizes, one way out of ring 0, licences'
	@echo 'make map         draws the rooms of hypervisor/ and who includes whom: hypervisor/rooms.svg'
	@echo 'make deps        installs missing Debian packages and says why;  make iso;  make clean'
	@echo
	@echo 'B=dir builds elsewhere, V=1 shows commands, DEPS=present trusts that the packages are there. DEBUG=1 boots the hypervisor whose locks'
	@echo 'are watched (run, demo, test, port, gdb).'

# A word that is no target, and a file that nothing makes.
.DEFAULT:
	$(error there is no target or file '$@': `make help` lists the targets)

clean:
	$(Q)rm -rf $(B)

-include $(shell test -d $(B) && find $(B) -type f -name '*.d')
