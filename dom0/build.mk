# SPDX-License-Identifier: MIT
# dom0.elf: the control domain, a guest linked from this folder, builder/, the drivers and the SDK;
# and the machine that it has: its boot archive, the ISO image, the disk, and how it is run.

DOM0_SOURCES := $(wildcard dom0/*.c dom0/*/*.c builder/*.c)
# Its parts name each other from the repository's root: "dom0/xc/build.h".
$(foreach source,$(DOM0_SOURCES),$(eval CFLAGS_$(subst /,_,$(basename $(source))) := -I.))

$(eval $(call guest_at,$(B)/dom0.elf,$(DOM0_SOURCES),$(B)/libpvdrivers.a))

# --- images (pvguest-sdk/tools) ------------------------------------------------------------------
KIT := pvguest-sdk/tools
# The boot archive: kernels without their debugging symbols, and configurations, each folder's own.
ARCHIVE = $(ARCHIVE_GUESTS:$(B)/guests/%=$(B)/archive/%) $(ARCHIVE_CONFIGS)

$(B)/archive/%.elf: $(B)/guests/%.elf
	@mkdir -p $(@D)
	$(Q)$(OBJCOPY) --strip-debug $< $@

$(B)/archive.tar: $$(ARCHIVE) $$(call others,$$@,$$(ARCHIVE)) $(KIT)/archive.py $(KIT)/host.py
	$(say) TAR $@
	$(Q)$(PYTHON) $(KIT)/archive.py $@ $(ARCHIVE)
	$(call remember,$(ARCHIVE))

ISO_PARTS := $(B)/dom0.elf $(B)/archive.tar $(KIT)/iso.py $(KIT)/host.py
$(B)/domus.iso $(B)/domus-debug.iso: $(B)/%.iso: $(B)/%.elf $(ISO_PARTS)
	$(say) ISO $@
	$(Q)$(PYTHON) $(KIT)/iso.py $@ --hypervisor $< --module $(B)/dom0.elf ip=10.0.2.10 \
	  --module $(B)/archive.tar

# The real disk: two file systems of the teaching kernel and one partition for anybody's bytes.
$(B)/disk.img: $(B)/native/insula-fs.img $(KIT)/disk.py $(KIT)/host.py
	$(say) DISK $@
	$(Q)$(PYTHON) $(KIT)/disk.py $@ insula1=16:$< insula2=16:$< scratch=16

#: make iso          build/domus.iso: hypervisor, dom0 and the boot archive, for any PC's BIOS
.PHONY: iso
iso: $(HYPERVISOR:.elf=.iso)
all: iso $(B)/dom0.elf $(B)/disk.img $(B)/loader.elf

# What boots the hypervisor where no GRUB is wanted, far above it.
$(B)/loader.elf: $(KIT)/loader.asm
	$(say) NASM $@
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf32 -o $@.o $< && $(LD) -m elf_i386 -Ttext 0x1000000 -o $@ $@.o

# --- running it ----------------------------------------------------------------------------------
#: make run          the system in QEMU, dom0's prompt on this terminal; `poweroff` there, or
#:                   Ctrl-a x, ends it
#:   ADD="a.elf a.cfg"   puts files of yours into the boot archive: xl create -c a.cfg
#:   DISK=FILE QEMU="-smp 2"   another disk, raw or .qcow2; more options for QEMU
#:   SNAPSHOT=1 XEN=1          the disk stays as it is; Debian's real Xen in Domus's place
#:   RUN="--cpus 2 --bare my.elf"   more of domus-run's words (pvguest-sdk/tools/domus-run --help)
#: make gdb          the hypervisor under the debugger, stopped at its first C function
#: make attach       dom0's prompt of that machine, on another terminal
INSTALLS_FIRST += run gdb
BUILDS_NOTHING += attach
ADD ?=
DISK ?=
QEMU ?=
SNAPSHOT ?=
XEN ?=
RUN ?=
RUN_NEEDS :=
RUN_OPTIONS :=
# What is asked for here goes to both.
RUN_WISHES  = $(strip $(RUN_OPTIONS) $(if $(DISK),--disk '$(DISK)') $(if $(SNAPSHOT),--snapshot) \
                $(if $(QEMU),--qemu='$(QEMU)') $(if $(XEN),--xen) $(RUN) $(ADD))
.PHONY: do-run do-gdb attach
do-run: all $$(RUN_NEEDS)
	@$(PYTHON) $(KIT)/domus-run --build $(B) $(RUN_WISHES)
do-gdb: all $$(RUN_NEEDS)
	@$(PYTHON) $(KIT)/domus-run --build $(B) --gdb $(RUN_WISHES)
attach:
	@$(PYTHON) $(KIT)/domus-run --build $(B) --attach
