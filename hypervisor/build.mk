# SPDX-License-Identifier: MIT
# The hypervisor: every .c and .asm below hypervisor/ linked into domus.elf, a multiboot2 image.

HV_SOURCES := $(sort $(wildcard hypervisor/*/*.c hypervisor/*/*.asm))
HV_OBJECTS := $(patsubst %,$(B)/hv-obj/%.o,$(filter-out hypervisor/entry/offsets.c,$(HV_SOURCES)))
HV_OFFSETS := $(B)/gen/hypervisor/offsets.inc
HYPERVISOR_CFLAGS += -I$(B)/gen -D__XEN_TOOLS__=1 -fno-jump-tables -fno-omit-frame-pointer

all: $(B)/domus.elf

# Object names keep the source's suffix (entry.asm.o), so that a .c and a .asm may share a name.
$(B)/hv-obj/%.c.o: %.c | $$(HYPERCALL_LISTS)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(HYPERVISOR_CFLAGS) -c -o $@ $<

$(B)/hv-obj/%.asm.o: %.asm $(HV_OFFSETS)
	$(say) NASM $<
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -g -F dwarf -Ihypervisor/ -I$(B)/gen/hypervisor/ -MD $(@:.o=.d) -o $@ $<

# Where C puts things that assembly touches: offsets.c is compiled to text and its marked lines become %defines. The compiler says
# which headers it read, so a moved field is seen by the assembly.
$(HV_OFFSETS): hypervisor/entry/offsets.c | $$(HYPERCALL_LISTS)
	$(say) GEN $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -MMD -g,$(HYPERVISOR_CFLAGS)) -MD -MF $(@:.inc=.d) -MT $@ -S -o $(@:.inc=.s) $<
	$(Q)sed -n 's/^.*@define \([A-Z_a-z0-9]*\) [$$]*\(-*[0-9]*\).*/%define \1 \2/p' $(@:.inc=.s) > $@

# Linked twice: what the functions of the first image are called goes into the second, for traces. Code comes before it in the image,
# so it lies where it lay.
HV_LINK = $(LD) -nostdlib -static -no-pie -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments --build-id=none \
          -T hypervisor/domus.lds $(HV_OBJECTS)
HV_SYMBOLS := $(B)/hv-obj/symbols

$(B)/domus.elf: $(HV_OBJECTS) hypervisor/domus.lds
	$(say) LD $@
	$(Q)$(HV_LINK) -o $(HV_SYMBOLS).elf
	$(Q)( echo '#include "entry/symbols.h"'; echo 'const struct symbol symbols[] __attribute__((section(".symbols"), used)) = {'; \
	    nm -n $(HV_SYMBOLS).elf | sed -n 's/^\(ffff[0-9a-f]*\) [tT] \([A-Za-z_].*\)$$/{ 0x\1, "\2" },/p'; echo '};' ) > $(HV_SYMBOLS).c
	$(Q)$(CC) $(filter-out -MMD -MP -g,$(HYPERVISOR_CFLAGS)) -c -o $(HV_SYMBOLS).o $(HV_SYMBOLS).c
	$(Q)$(HV_LINK) $(HV_SYMBOLS).o -Map=$(B)/domus.map -o $@
