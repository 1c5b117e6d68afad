# SPDX-License-Identifier: MIT
# The hypervisor: every .c and .asm below hypervisor/, builder/, and two files of the SDK that know
# nothing of guests, linked into domus.elf, a multiboot2 image.

HV_SOURCES := $(sort $(wildcard hypervisor/*/*.c hypervisor/*/*.asm builder/*.c)) \
              pvguest-sdk/lib/memory.c pvguest-sdk/lib/printf.c
HV_OFFSETS := $(B)/gen/hypervisor/offsets.inc
HYPERVISOR_CFLAGS += -I. -I$(B)/gen -D__XEN_TOOLS__=1 -fno-jump-tables -fno-omit-frame-pointer

# Where C puts things that assembly touches: offsets.c is compiled to text and its marked lines
# become %defines. The compiler says which headers it read, so a moved field is seen by the
# assembly.
$(HV_OFFSETS): hypervisor/entry/offsets.c | $$(HYPERCALL_LISTS) $(call header,xen/xen.h)
	$(say) GEN $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -MMD -g,$(HYPERVISOR_CFLAGS)) -MD -MF $(@:.inc=.d) -MT $@ \
	  -S -o $(@:.inc=.s) $<
	$(Q)sed -n 's/^.*@define \([A-Z_a-z0-9]*\) [$$]*\(-*[0-9]*\).*/%define \1 \2/p' \
	  $(@:.inc=.s) > $@

# The image that ships, and the one for debugging, whose locks are watched (machine/lock_check.c).
# DEBUG=1 boots that one everywhere; the tests run both.
DEBUG ?= 0
HYPERVISOR := $(B)/domus$(if $(filter 1,$(DEBUG)),-debug).elf
ifeq ($(DEBUG),1)
export DOMUS_HYPERVISOR := $(HYPERVISOR)
endif
all: $(B)/domus.elf $(B)/domus-debug.elf

# hypervisor_image(image, the objects' folder, further flags of compiler and assembler). Object
# names keep the source's suffix (entry.asm.o), so that a .c and a .asm may share a name. Linked
# twice: what the functions of the first image are called goes into the second, for traces. Code
# comes before it in the image, so it lies where it lay.
HV_COMPILED := $(filter-out hypervisor/entry/offsets.c,$(HV_SOURCES))
define hypervisor_image
$(1)_OBJECTS := $(HV_COMPILED:%=$(B)/$(2)/%.o)
$(1)_LINK     = $$(LD) -nostdlib -static -no-pie -z max-page-size=4096 -z noexecstack \
                --no-warn-rwx-segments --build-id=sha1 -T hypervisor/domus.lds $$($(1)_OBJECTS)

$(B)/$(2)/%.c.o: %.c | $$$$(HYPERCALL_LISTS) $(call header,xen/xen.h)
	$$(say) CC '$$<$(if $(3), ($(3:-D%=%)))'
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(HYPERVISOR_CFLAGS) $(3) -c -o $$@ $$<

$(B)/$(2)/%.asm.o: %.asm $(HV_OFFSETS)
	$$(say) NASM '$$<$(if $(3), ($(3:-D%=%)))'
	@mkdir -p $$(@D)
	$$(Q)$$(call assemble,$(3) -Ihypervisor/ -I$(B)/gen/hypervisor/)

$(B)/$(1).elf: $$($(1)_OBJECTS) hypervisor/domus.lds $$$$(call others,$$$$@,$$$$($(1)_OBJECTS))
	$$(say) LD $$@
	$$(Q)$$($(1)_LINK) -o $(B)/$(2)/symbols.elf
	$$(Q)( echo '#include "machine/symbols.h"'; \
	    echo 'const struct symbol symbols[] __attribute__((section(".symbols"), used)) = {'; \
	    nm -n $(B)/$(2)/symbols.elf | \
	      sed -n 's/^\(ffff[0-9a-f]*\) [tT] \([A-Za-z_].*\)$$$$/{ 0x\1, "\2" },/p'; \
	    echo '};' ) > $(B)/$(2)/symbols.c
	$$(Q)$$(CC) $$(filter-out -MMD -MP -g,$$(HYPERVISOR_CFLAGS)) -c \
	  -o $(B)/$(2)/symbols.o $(B)/$(2)/symbols.c
	$$(Q)$$($(1)_LINK) $(B)/$(2)/symbols.o -Map=$(B)/$(1).map -o $$@
	$$(call remember,$$($(1)_OBJECTS))
endef
$(eval $(call hypervisor_image,domus,hv-obj,))
$(eval $(call hypervisor_image,domus-debug,hv-debug,-DDEBUG))
