# SPDX-License-Identifier: MIT
# A kernel for PCs that the monitor has to survive: tests/system/test_monitor.py.

HOSTILE := $(B)/archive/hostile.elf
HOSTILE_CFLAGS := $(FREESTANDING) $(WARNINGS) -fno-pic -fno-pie -mcmodel=small

$(B)/hostile-obj/%.o: tests/monitor/%.c tests/monitor/hostile.h
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOSTILE_CFLAGS) -c -o $@ $<

$(B)/hostile-obj/%.asm.o: tests/monitor/%.asm
	$(say) NASM $<
	@mkdir -p $(@D)
	$(Q)$(call assemble)

# In this order: the page of user code begins with that of boundaries.asm.
HOSTILE_OBJ := $(patsubst %,$(B)/hostile-obj/%.o,entry.asm boundaries.asm modes.asm nano.asm \
                                                spaces.asm hostile boundaries modes nano spaces)
$(HOSTILE): $(HOSTILE_OBJ) tests/monitor/kernel.ld
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(LD) -nostdlib -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments \
	  -T tests/monitor/kernel.ld -o $@ $(filter %.o,$^)

ARCHIVE_GUESTS += $(HOSTILE)
