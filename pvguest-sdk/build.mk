# SPDX-License-Identifier: MIT
# The guest SDK: generated hypercall stubs, libpvguest.a, the examples; and `guest`, by which every
# folder links a guest.
#
#   $(eval $(call guest,NAME,SOURCES,LIBRARIES))     makes $(B)/guests/NAME.elf from C and NASM
#                                                    sources (repository paths) and archives (such
#                                                    as $(B)/libpvdrivers.a); libpvguest.a too
#   $(eval $(call guest_at,FILE,SOURCES,LIBRARIES))  the same with the product's name spelled out

HYPERCALL_TABLES := pvguest-sdk/include/abi/hypercall.tbl pvguest-sdk/include/abi/privilege.tbl
HYPERCALL_LISTS  := $(addprefix $(B)/gen/abi/,hypercall_list.h operation_names.h operation_list.h)
GENERATED += $(B)/gen/pvguest/hypercalls.h $(HYPERCALL_LISTS)
# __XEN_TOOLS__ opens the control plane's half of the public headers and selects their newest
# interface version.
GUEST_CFLAGS += -I$(B)/gen -D__XEN_TOOLS__=1

$(B)/gen/pvguest/hypercalls.h: PRODUCT = stubs
$(B)/gen/abi/hypercall_list.h: PRODUCT = list
$(B)/gen/abi/operation_names.h: PRODUCT = names
$(B)/gen/abi/operation_list.h: PRODUCT = operations
HYPERCALLS_PY := pvguest-sdk/tools/hypercalls.py
$(B)/gen/pvguest/hypercalls.h $(HYPERCALL_LISTS): $(HYPERCALLS_PY) $(HYPERCALL_TABLES)
	$(say) GEN $@
	@mkdir -p $(@D)
	$(Q)$(PYTHON) $< $(PRODUCT) $(HYPERCALL_TABLES) > $@

guest_objects = $(patsubst %,$(B)/guest-obj/%.o,$(basename $(1)))

PVGUEST_SOURCES := $(wildcard pvguest-sdk/lib/*.c pvguest-sdk/lib/*.asm)
define guest_library
$(1): $(call guest_objects,$(2)) $$$$(call others,$(1),$(call guest_objects,$(2)))
	$$(say) AR $$@
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $(call guest_objects,$(2))
	$$(call remember,$(call guest_objects,$(2)))
endef
$(eval $(call guest_library,$(B)/libpvguest.a,$(PVGUEST_SOURCES)))

# The same for debug builds of guests, named before it: <pvguest/debug.h>.
debug_objects = $(patsubst %.c,$(B)/debug-obj/%.o,$(filter %.c,$(1))) \
                $(call guest_objects,$(filter %.asm,$(1)))
$(B)/debug-obj/%.o: %.c | $$(GENERATED)
	$(say) CC 'debug: $<'
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) -DPVGUEST_DEBUG -c -o $@ $<
DEBUG_OBJECTS := $(call debug_objects,$(PVGUEST_SOURCES))
$(B)/libpvguest-debug.a: $(DEBUG_OBJECTS) $$(call others,$$@,$$(DEBUG_OBJECTS))
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $(DEBUG_OBJECTS)
	$(call remember,$(DEBUG_OBJECTS))
all: $(B)/libpvguest-debug.a

GUEST_LDFLAGS := -nostdlib -static -z max-page-size=4096 -z noexecstack --gc-sections \
            --build-id=none -T pvguest-sdk/pvguest.lds

# The start file is named by the linker script (ENTRY), which pulls it out of the archive.
define guest_at
GUESTS += $(1)
$(1): $(call guest_objects,$(2)) $(3) $(B)/libpvguest.a pvguest-sdk/pvguest.lds \
      $$$$(call others,$(1),$(call guest_objects,$(2)))
	$$(say) LD $$@
	@mkdir -p $$(@D)
	$$(Q)$$(LD) $$(GUEST_LDFLAGS) -Map=$$(@:.elf=.map) -o $$@ $(call guest_objects,$(2)) \
	  --start-group $(3) $(B)/libpvguest.a --end-group
	$$(call remember,$(call guest_objects,$(2)))
endef
guest = $(call guest_at,$(B)/guests/$(1).elf,$(2),$(3))

#: make examples     the SDK's example guests: build/guests/hello.elf, share.elf,
#:                   disk.elf, smp.elf, saved.elf, measure.elf, paging.elf
.PHONY: examples
EXAMPLES := $(basename $(notdir $(wildcard pvguest-sdk/examples/*.c)))

$(foreach e,$(EXAMPLES),$(eval $(call guest,$(e),pvguest-sdk/examples/$(e).c,$(B)/libpvdrivers.a)))
examples: $(EXAMPLES:%=$(B)/guests/%.elf)
ARCHIVE_GUESTS  += $(EXAMPLES:%=$(B)/guests/%.elf)
ARCHIVE_CONFIGS += $(wildcard pvguest-sdk/examples/*.cfg)

include pvguest-sdk/tools/scan/build.mk
include pvguest-sdk/monitor/build.mk
