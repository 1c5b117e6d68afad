# SPDX-License-Identifier: MIT
# Domus: the one makefile. Each folder's build.mk says what it makes; nothing recurses. Without the
# folder tests/ all but its own targets work. Lines that begin with "#:" are what `make help` says.

#: make help         this; each folder's targets in reading order
#: make              builds into build/: domus.elf dom0.elf domus.iso disk.img guests/
#: make deps         installs missing Debian packages and says why
#: make docs         build/docs/: the page of all hypercalls and their refusals (abi.html, abi.md),
#:                   manual pages (man -l build/docs/xl.1, xl.cfg.5, domus.7)
#: make clean        throws build/ away
#: make compdb       compile_commands.json, for editors
#:   B=build2        builds there instead
#:   V=1             shows the commands;  make -s: nothing but what is wrong
#:   DEPS=present    trusts that the packages are there
#:   DEBUG=1         boots the hypervisor whose locks are watched (run, gdb, demo, test, port, ...)
B ?= build
V ?= 0
DEPS ?= install
# With -s it says nothing but what is wrong. (The first word of the flags is that of single
# letters.)
SILENT := $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
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

say := $(if $(filter 1,$(V))$(SILENT),@:,@printf '  %-7s %s\n')
Q   := $(if $(filter 1,$(V)),,@)
# Somebody's word for the shell, quotes in it and all.
quoted = '$(subst ','\'',$(1))'

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wcast-qual -Wformat=2 -Wstrict-prototypes \
            -Wmissing-prototypes -Wold-style-definition -Wundef -Wvla -Wpointer-arith \
            -Wwrite-strings -Wno-unused-parameter
FREESTANDING := -std=gnu17 -O2 -g -ffreestanding -fno-strict-aliasing -fno-stack-protector \
            -fno-asynchronous-unwind-tables -fno-common -ffunction-sections -fdata-sections \
            -mno-red-zone -mgeneral-regs-only -m64 -MMD -MP
# Guests (SDK, drivers, dom0, ported kernel, tests) live in the top 2 GiB; the hypervisor is
# position independent code.
GUEST_CFLAGS := $(FREESTANDING) $(WARNINGS) -fno-pic -fno-pie -mcmodel=kernel \
            -Ipvguest-sdk/include -Idrivers/include
HYPERVISOR_CFLAGS := $(FREESTANDING) $(WARNINGS) -Wconversion -Wno-sign-conversion -fpie \
            -fvisibility=hidden -mcmodel=small -Ihypervisor -Ipvguest-sdk/include

# assemble(options): $< into $@. Which files it includes says a run before: NASM 2.16, told to do
# both at once (-MD), forgets them.
assemble = $(NASM) -f elf64 $(1) -M -MP -MT $@ -o $@ $< > $(@:.o=.d) && \
           $(NASM) -f elf64 -g -F dwarf $(1) -o $@ $<

# What is made of parts is made anew when they are others than last time, however old: a source file
# that is gone leaves nothing behind. others(product, parts) is among what the product wants, and
# its recipe ends in $(call remember,parts).
had      = $(file <$(1).parts)
others   = $(if $(filter-out $(had),$(2))$(filter-out $(2),$(had)),FORCE)
remember = @echo '$(1)' > $@.parts

.PHONY: all
all:

# As many jobs as CPUs, unless the caller says otherwise.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

# What is needed only here and there is asked for where it is: $(call header,zlib.h) is among the
# order-only needs of what includes it, $(call need,PROGRAM) begins a recipe. (The tools in Python
# say themselves what they miss.)
MISSED = not installed: $(1). `make deps` installs what Domus is built with
header = $(B)/headers/$(1)
need   = command -v $(1) >/dev/null || { echo '$(call MISSED,$(1))' >&2; exit 1; }
.PRECIOUS: $(B)/headers/%.h
$(B)/headers/%.h:
	@mkdir -p $(@D); echo '#include <$*.h>' | $(CC) -E -x c -o $@ - 2>/dev/null || \
	  { echo '$(call MISSED,the header <$*.h>)' >&2; exit 1; }

# Each folder adds to these: targets that first install what is missing, words that need no
# compiler, and what dom0 finds in the boot archive.
INSTALLS_FIRST :=
BUILDS_NOTHING := deps clean help docs
ARCHIVE_GUESTS :=
ARCHIVE_CONFIGS :=

include hypervisor/build.mk pvguest-sdk/build.mk drivers/build.mk patches/build.mk dom0/build.mk
include pvguest-sdk/install.mk
include $(wildcard tests/build.mk)

# What everything is built with. Targets that install packages first have their own list
# (pvguest-sdk/tools/deps.sh).
MISSING := $(strip $(foreach tool,$(firstword $(CC)) $(NASM) $(LD) $(AR) $(OBJCOPY) $(PYTHON),\
             $(if $(shell command -v $(tool)),,$(tool))))
BUILDING := $(filter-out $(INSTALLS_FIRST) $(BUILDS_NOTHING),$(or $(MAKECMDGOALS),all))
$(if $(MISSING),$(if $(BUILDING),\
    $(error not installed: $(MISSING). `make deps` installs what Domus is built with)))

$(B)/guest-obj/%.o: %.c | $$(GENERATED) $(call header,xen/xen.h)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $(CFLAGS_$(subst /,_,$*)) -c -o $@ $<

$(B)/guest-obj/%.o: %.asm | $$(GENERATED)
	$(say) NASM $<
	@mkdir -p $(@D)
	$(Q)$(call assemble,-Ipvguest-sdk/include/)

all: $$(GUESTS)

# Such targets first install what is missing, then come back here for the work: the packages must be
# there before make looks at what to build.
.PHONY: deps $(INSTALLS_FIRST) clean help compdb
deps:
	@test '$(DEPS)' = present || pvguest-sdk/tools/deps.sh

$(INSTALLS_FIRST): deps
	@$(MAKE) --no-print-directory do-$@

# Asked as if nothing were built, make says every command.
compdb:
	@$(MAKE) -n --no-print-directory DEPS=present V=1 B=$(B)/none all | \
	  $(PYTHON) pvguest-sdk/tools/compdb.py $(B)/none $(B) > $@.new
	@mv $@.new compile_commands.json

# Made of the tables and the source that the programs themselves are made of.
MANUALS := $(addprefix $(B)/docs/,xl.1 xl.cfg.5 domus.7)
.PHONY: docs
docs: $(B)/docs/abi.html $(B)/docs/abi.md $(MANUALS)
$(B)/docs/abi.html $(B)/docs/abi.md: $(wildcard pvguest-sdk/tools/*.py pvguest-sdk/include/abi/*) \
                                     $(wildcard hypervisor/*/*.[ch])
	$(say) DOC $@
	$(Q)$(PYTHON) pvguest-sdk/tools/reference.py $@
$(MANUALS): dom0/manual.py dom0/README.md $(wildcard dom0/*/*.c) hypervisor/lib/params.c
	$(say) MAN $@
	@mkdir -p $(@D)
	$(Q)$(PYTHON) dom0/manual.py $(@F) > $@

help:
	@sed -n 's/^#: \{0,1\}//p' $(filter Makefile %.mk,$(MAKEFILE_LIST))

# A word that is no target, and a file that nothing makes.
.DEFAULT:
	$(error there is no target or file '$@': `make help` lists the targets)

clean:
	$(Q)rm -rf $(B)

# Always: for what only the recipe can tell whether it is to be made again.
.PHONY: FORCE
FORCE:

# (Trees of mutants have their own.)
-include $(shell test -d $(B) && find $(B) -path $(B)/mutate -prune -o -type f -name '*.d' -print)
