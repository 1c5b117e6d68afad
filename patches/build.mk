# SPDX-License-Identifier: MIT
# Insula, the teaching kernel, and the port series over it. The native kernel is built from patches/insula; the ported
# one from a copy of it with the series applied, in $(B)/port. Each tree's SOURCES names its kernel's files.

INSULA := patches/insula
NATIVE := $(B)/native

NATIVE_CFLAGS := $(FREESTANDING) $(WARNINGS) -fno-pic -fno-pie -mcmodel=kernel -I$(INSULA)/include
USER_CFLAGS   := $(FREESTANDING) $(WARNINGS) -fno-pic -fno-pie -mcmodel=small -I$(INSULA)/include

# insula_sources(tree): the files to compile
insula_sources = $(shell sed -n 's/^\(kernel[^ ]*\.\(c\|asm\)\) .*/\1/p' $(1)/SOURCES)

NATIVE_OBJECTS := $(addprefix $(NATIVE)/,$(addsuffix .o,$(call insula_sources,$(INSULA))))
PROGRAMS       := $(patsubst $(INSULA)/user/%.c,%,$(filter-out %/library.c,$(wildcard $(INSULA)/user/*.c)))
.SECONDARY: $(patsubst %,$(NATIVE)/user/%.o,$(PROGRAMS) library)

$(NATIVE)/kernel/%.c.o: $(INSULA)/kernel/%.c
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(NATIVE_CFLAGS) -c -o $@ $<

$(NATIVE)/kernel/%.asm.o: $(INSULA)/kernel/%.asm
	$(say) NASM $<
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -g -F dwarf -MD $(@:.o=.d) -o $@ $<

$(NATIVE)/insula.elf: $(NATIVE_OBJECTS) $(INSULA)/kernel/kernel.ld $(INSULA)/SOURCES
	$(say) LD $@
	$(Q)$(LD) -nostdlib -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments --gc-sections -T $(INSULA)/kernel/kernel.ld -o $@ $(NATIVE_OBJECTS)

$(NATIVE)/user/%.o: $(INSULA)/user/%.c
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(USER_CFLAGS) -c -o $@ $<

$(NATIVE)/bin/%: $(NATIVE)/user/%.o $(NATIVE)/user/library.o $(INSULA)/user/user.ld
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(LD) -nostdlib -s -z max-page-size=4096 -z noexecstack --gc-sections -T $(INSULA)/user/user.ld -o $@ $(filter %.o,$^)

$(NATIVE)/insula-fs.img: $(addprefix $(NATIVE)/bin/,$(PROGRAMS)) $(INSULA)/tools/mkfs.py
	$(say) MKFS $@
	$(Q)$(PYTHON) $(INSULA)/tools/mkfs.py $@ 8 $(addprefix $(NATIVE)/bin/,$(PROGRAMS))

# `make ... INSULA_ARGS="ip=10.0.2.15/24 run=tests;poweroff"` changes the command line. The quotes are for GRUB.
INSULA_ARGS ?= ip=10.0.2.15/24 gw=10.0.2.2
$(NATIVE)/insula.iso: $(NATIVE)/insula.elf tests/tools/iso.py
	$(say) ISO $@
	$(Q)$(PYTHON) tests/tools/iso.py $@ --hypervisor $< '"$(INSULA_ARGS)"'

# Natively, with the console on this terminal; Ctrl-a x leaves. The disk keeps what is written, until the next `make`.
.PHONY: insula
insula: $(NATIVE)/insula.iso $(NATIVE)/insula-fs.img
	@qemu-system-x86_64 -M q35 -accel tcg -cpu max -m 256 -nographic -no-reboot -boot d -cdrom $(NATIVE)/insula.iso \
	  -drive if=none,id=d0,file=$(NATIVE)/insula-fs.img,format=raw -device virtio-blk-pci,drive=d0,disable-legacy=on \
	  -netdev user,id=n0 -device virtio-net-pci,netdev=n0,disable-legacy=on

# --- the port ------------------------------------------------------------------------------------------------------------------
# port.py copies the kernel, applies the series (the first STEP patches) and builds the copy with the SDK.
PORT_INPUTS := $(shell find $(INSULA) -type f) $(wildcard patches/series/*) patches/tools/port.py
PORT_TOOLS   = CC='$(CC)' NASM='$(NASM)' LD='$(LD)' CFLAGS='$(filter-out -MMD -MP,$(GUEST_CFLAGS))' LDFLAGS='$(GUEST_LDFLAGS)' \
               LIBS='$(B)/libpvdrivers.a $(B)/libpvguest.a'

# port_build(tree, elf, step)
define port_build
	$(say) PORT $(2)
	$(Q)$(PYTHON) patches/tools/port.py apply $(INSULA) patches/series $(1) $(3)
	$(Q)$(PORT_TOOLS) $(PYTHON) patches/tools/port.py build $(1) $(2)
endef

GUESTS += $(B)/guests/insula.elf
$(B)/guests/insula.elf: $(PORT_INPUTS) $(B)/libpvguest.a $(B)/libpvdrivers.a
	$(call port_build,$(B)/port/all,$@)

# Each time: somebody may have edited the tree.
$(B)/port/step-%/insula.elf: $(PORT_INPUTS) $(B)/libpvguest.a $(B)/libpvdrivers.a always
	$(call port_build,$(B)/port/step-$*,$@,$*)

# make port: apply, build, boot both, compare; make port STEP=n: the kernel after patch n, and how far it gets.
.PHONY: do-port check-step always
always:
ifdef STEP
port: check-step
check-step:
	@$(PYTHON) patches/tools/port.py step patches/series '$(STEP)'
do-port: $(B)/port/step-$(STEP)/insula.elf $(HYPERVISOR) $(B)/dom0.elf $(B)/disk.img
	@$(PYTHON) patches/tools/boot.py $(B) --step $(STEP)
else
do-port: $(B)/native/insula.elf $(B)/native/insula-fs.img $(B)/guests/insula.elf $(HYPERVISOR) $(B)/dom0.elf $(B)/disk.img
	@$(PYTHON) patches/tools/boot.py $(B)
endif
