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

# The command line is GRUB's; `make ... INSULA_ARGS="run=tests;poweroff"` changes it.
INSULA_ARGS ?= ip=10.0.2.15/24 gw=10.0.2.2
$(NATIVE)/insula.iso: $(NATIVE)/insula.elf
	$(say) ISO $@
	@mkdir -p $(NATIVE)/iso/boot/grub
	$(Q)cp $< $(NATIVE)/iso/insula.elf
	$(Q)printf 'serial\nterminal_output serial\nset timeout=0\nmenuentry Insula { multiboot2 /insula.elf "%s"; }\n' \
	        "$(INSULA_ARGS)" > $(NATIVE)/iso/boot/grub/grub.cfg
	$(Q)grub-mkrescue -o $@ $(NATIVE)/iso > $(NATIVE)/grub-mkrescue.log 2>&1 || { cat $(NATIVE)/grub-mkrescue.log; exit 1; }
