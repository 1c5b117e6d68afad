# SPDX-License-Identifier: MIT
# Insula, the teaching kernel, and the port series over it. The native kernel is built from
# patches/insula; the ported one from a copy of it with the series applied, in $(B)/port. Each
# tree's SOURCES names its kernel's files.

INSULA := patches/insula
NATIVE := $(B)/native

NATIVE_CFLAGS := $(FREESTANDING) $(WARNINGS) -fno-pic -fno-pie -mcmodel=kernel -I$(INSULA)/include
USER_CFLAGS   := $(FREESTANDING) $(WARNINGS) -fno-pic -fno-pie -mcmodel=small -I$(INSULA)/include
NATIVE_LD     := $(LD) -nostdlib -z max-page-size=4096 -z noexecstack --gc-sections

# insula_sources(tree): the files to compile
insula_sources = $(shell sed -n 's/^\(kernel[^ ]*\.\(c\|asm\)\) .*/\1/p' $(1)/SOURCES)

NATIVE_OBJECTS := $(addprefix $(NATIVE)/,$(addsuffix .o,$(call insula_sources,$(INSULA))))
USER_SOURCES   := $(wildcard $(INSULA)/user/*.c)
PROGRAMS       := $(filter-out library,$(USER_SOURCES:$(INSULA)/user/%.c=%))
.SECONDARY: $(patsubst %,$(NATIVE)/user/%.o,$(PROGRAMS) library)

$(NATIVE)/kernel/%.c.o: $(INSULA)/kernel/%.c
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(NATIVE_CFLAGS) -c -o $@ $<

$(NATIVE)/kernel/%.asm.o: $(INSULA)/kernel/%.asm
	$(say) NASM $<
	@mkdir -p $(@D)
	$(Q)$(call assemble)

$(NATIVE)/insula.elf: $(NATIVE_OBJECTS) $(INSULA)/kernel/kernel.ld $(INSULA)/SOURCES
	$(say) LD $@
	$(Q)$(NATIVE_LD) --no-warn-rwx-segments -T $(INSULA)/kernel/kernel.ld -o $@ \
	  $(NATIVE_OBJECTS)

$(NATIVE)/user/%.o: $(INSULA)/user/%.c
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(USER_CFLAGS) -c -o $@ $<

# The shell's line editor is that of dom0's prompt.
$(NATIVE)/user/line.o: dom0/console/line.c dom0/console/line.h
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(USER_CFLAGS) -c -o $@ $<
$(NATIVE)/user/sh.o: dom0/console/line.h
$(NATIVE)/user/sh.o: USER_CFLAGS += -Idom0/console
$(NATIVE)/bin/sh: $(NATIVE)/user/line.o

$(NATIVE)/bin/%: $(NATIVE)/user/%.o $(NATIVE)/user/library.o $(INSULA)/user/user.ld
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(NATIVE_LD) -s -T $(INSULA)/user/user.ld -o $@ $(filter %.o,$^)

PROGRAM_FILES := $(addprefix $(NATIVE)/bin/,$(PROGRAMS))
$(NATIVE)/insula-fs.img: $(PROGRAM_FILES) $(INSULA)/tools/mkfs.py
	$(say) MKFS $@
	$(Q)$(PYTHON) $(INSULA)/tools/mkfs.py $@ 8 $(PROGRAM_FILES)

#: make insula       the native kernel in QEMU, on this terminal (Ctrl-a x leaves)
#:   INSULA_ARGS="ip=10.0.2.15/24 run=tests;poweroff"    its command line
# The quotes in the recipe are for GRUB.
INSULA_ARGS ?= ip=10.0.2.15/24 gw=10.0.2.2
$(NATIVE)/insula.iso: $(NATIVE)/insula.elf pvguest-sdk/tools/iso.py \
                      $$(call others,$$@,$$(INSULA_ARGS))
	$(say) ISO $@
	$(Q)$(PYTHON) pvguest-sdk/tools/iso.py $@ --hypervisor $< '"$(INSULA_ARGS)"'
	$(call remember,$(INSULA_ARGS))

# Natively, with the console on this terminal. The disk keeps what is written, until the next
# `make`.
.PHONY: insula
insula: $(NATIVE)/insula.iso $(NATIVE)/insula-fs.img
	@$(call need,qemu-system-x86_64)
	@qemu-system-x86_64 -M q35 -accel tcg -cpu max -m 256 -nographic -no-reboot \
	  -boot d -cdrom $(NATIVE)/insula.iso \
	  -drive if=none,id=d0,file=$(NATIVE)/insula-fs.img,format=raw \
	  -device virtio-blk-pci,drive=d0,disable-legacy=on \
	  -netdev user,id=n0 -device virtio-net-pci,netdev=n0,disable-legacy=on

# --- the port ------------------------------------------------------------------------------------
# port.py copies the kernel, applies the series (the first STEP patches) and builds the copy with
# the SDK.
PORT_INPUTS := $(shell find $(INSULA) -type f) $(wildcard patches/series/*) patches/tools/port.py
PORT_LIBS   := $(B)/libpvdrivers.a $(B)/libpvguest.a
PORT_TOOLS   = CC='$(CC)' NASM='$(NASM)' LD='$(LD)' \
               CFLAGS='$(filter-out -MMD -MP,$(GUEST_CFLAGS))' \
               LDFLAGS='$(GUEST_LDFLAGS)' LIBS='$(PORT_LIBS)'

# port_build(tree, elf, step)
define port_build
	$(say) PORT $(2)
	$(Q)QUIET=$(SILENT) $(PYTHON) patches/tools/port.py apply $(INSULA) patches/series $(1) $(3)
	$(Q)$(PORT_TOOLS) $(PYTHON) patches/tools/port.py build $(1) $(2)
endef

GUESTS += $(B)/guests/insula.elf
ARCHIVE_GUESTS  += $(B)/guests/insula.elf
ARCHIVE_CONFIGS += patches/insula1.cfg patches/insula2.cfg
$(B)/guests/insula.elf: $(PORT_INPUTS) $(PORT_LIBS)
	$(call port_build,$(B)/port/all,$@)

# Each time: somebody may have edited the tree.
$(B)/port/step-%/insula.elf: $(PORT_INPUTS) $(PORT_LIBS) FORCE
	$(call port_build,$(B)/port/step-$*,$@,$*)

#: make port         applies the port series to the teaching kernel, boots both, compares
#:   STEP=5          only the kernel after patch 5, and how far it gets
#:   TREE=~/mine     only the kernel in that folder, which is left as it is; with STEP=5: it is that
#:                   far in the series (before patch 9 its disk is in memory)
STEP ?=
TREE ?=
INSTALLS_FIRST += port
PORT_MACHINE = $(HYPERVISOR) $(B)/dom0.elf $(B)/disk.img
.PHONY: do-port do-check-step
ifneq ($(STEP),)
port: do-check-step
do-check-step:
	@$(PYTHON) patches/tools/port.py step patches/series $(call quoted,$(STEP))
endif
ifneq ($(TREE),)
# As somebody has left it: its own files say what is to be compiled.
$(B)/port/own/insula.elf: $(PORT_LIBS) FORCE
	$(say) PORT '$(TREE)'
	$(Q)$(PORT_TOOLS) $(PYTHON) patches/tools/port.py build $(TREE) $@ $(@D)/obj
do-port: $(B)/port/own/insula.elf $(B)/native/insula-fs.img $(PORT_MACHINE)
	@$(PYTHON) patches/tools/boot.py $(B) --tree $(STEP)
else ifneq ($(STEP),)
do-port: $(B)/port/step-$(STEP)/insula.elf $(PORT_MACHINE)
	@$(PYTHON) patches/tools/boot.py $(B) --step $(STEP)
else
do-port: $(B)/native/insula.elf $(B)/native/insula-fs.img $(B)/guests/insula.elf $(PORT_MACHINE)
	@$(PYTHON) patches/tools/boot.py $(B)
endif

# --- the course ----------------------------------------------------------------------------------
#: make lab          lists the labs of the course;  make lab N=2 DIR=~/lab2: your own tree of one,
#:                   with holes to fill
#: make grade        in such a tree: your points, in words, as JSON and as JUnit;  TESTS=WORD: only
#:                   tasks and tests with that in their name
#: make grades       N=2 FROM="DIR...": the points of a class (patches/labs/README.md); TESTS, too
BUILDS_NOTHING += lab grade grades
N ?=
DIR ?=
FROM ?=
.PHONY: lab grade grades
lab:
	@$(PYTHON) patches/tools/lab.py \
	  $(if $(N)$(DIR),make $(call quoted,$(N)) $(call quoted,$(DIR)),list)
grade:
	@$(PYTHON) patches/tools/grade.py . $(call quoted,$(TESTS))
grades:
	@$(PYTHON) patches/tools/lab.py grades $(call quoted,$(N)) $(B)/grades.csv \
	  $(call quoted,$(TESTS)) $(FROM)
