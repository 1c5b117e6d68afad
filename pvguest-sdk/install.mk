# SPDX-License-Identifier: MIT
# make install-sdk: the kit, which needs nothing of this tree afterwards. Others add to
# SDK_PROGRAMS (programs, into PREFIX/bin) and SDK_MANUALS (pages, into PREFIX/share/man).
#
#   bin/              domus-run, domus-image, domus-new: links to the tools
#   include/domus/    <pvguest/...>, <drivers/...>, <abi/...>
#   lib/domus/        the archives, the linker script; tools/, template/, images/: what runs
#   lib/pkgconfig/    pvguest.pc
#   share/            man/, doc/domus/

#: make install-sdk  the kit into PREFIX=/usr/local (DESTDIR= before it), to be used without this
#:                   tree: pkg-config pvguest, domus-new, domus-run;  make uninstall-sdk
PREFIX  ?= /usr/local
DESTDIR ?=
SDK     := $(B)/sdk
DOMUS_VERSION := $(shell sed -n 's/.*DOMUS_VERSION "\(.*\)"/\1/p' pvguest-sdk/include/abi/version.h)

# --- names ----------------------------------------------------------------------------------------
# What others have, too, and what no header knows, is pvguest_NAME in the installed archives;
# libpvlibc.a has the plain ones of lib/names, each a jump and a member of its own.
SDK_HEADERS := $(wildcard pvguest-sdk/include/abi/*.h pvguest-sdk/include/pvguest/*.h \
                 drivers/include/drivers/*.h) $(B)/gen/pvguest/hypercalls.h
headers = $(foreach header,$(SDK_HEADERS),$(if $(filter %/$(1)/,$(dir $(header))),$(header)))
SDK_ARCHIVES := libpvguest.a libpvguest-debug.a libpvdrivers.a
names = sed '/^\#/d' pvguest-sdk/lib/names | tr -s ' ' '\n'

$(SDK)/names: $(SDK_ARCHIVES:%=$(B)/%) $(SDK_HEADERS) pvguest-sdk/lib/names pvguest-sdk/pvguest.lds
	@mkdir -p $(@D)
	$(Q)nm -g --defined-only $(SDK_ARCHIVES:%=$(B)/%) | awk 'NF == 3 { print $$3 }' | sort -u \
	  > $@.defined
	$(Q)cat $(SDK_HEADERS) pvguest-sdk/pvguest.lds | $(CC) -fpreprocessed -dD -E -P -w - | \
	  grep -o '[A-Za-z_][A-Za-z_0-9]*' | sort -u > $@.said
	$(Q)( comm -23 $@.defined $@.said; $(names) ) | sort -u | \
	  awk '!/^pvguest_/ { print $$1, "pvguest_" $$1 }' > $@

$(SDK_ARCHIVES:%=$(SDK)/%): $(SDK)/%.a: $(B)/%.a $(SDK)/names
	$(say) AR $@
	$(Q)$(OBJCOPY) --redefine-syms=$(SDK)/names $< $@

$(SDK)/libpvlibc.a: pvguest-sdk/lib/names
	$(say) AR $@
	$(Q)rm -rf $@ $(SDK)/libc; mkdir -p $(SDK)/libc
	$(Q)for name in $$($(names)); do \
	  printf '.section .text.%s, "ax"\n.globl %s\n.type %s, @function\n%s: jmp pvguest_%s\n' \
	    $$name $$name $$name $$name $$name | \
	    $(CC) -Wa,--noexecstack -c -x assembler -o $(SDK)/libc/$$name.o - || exit; done
	$(Q)$(AR) rcs $@ $(SDK)/libc/*.o

# --- what is made for it ----------------------------------------------------------------------
comma := ,
SDK_CFLAGS  := $(filter -f% -m%,$(FREESTANDING)) -fno-pic -fno-pie -mcmodel=kernel \
               -D__XEN_TOOLS__=1
SDK_LDFLAGS := $(filter-out -T %.lds,$(GUEST_LDFLAGS))
$(SDK)/pvguest.pc: pvguest-sdk/pvguest.pc.in pvguest-sdk/include/abi/version.h \
                   $$(call others,$$@,$$(SDK_CFLAGS) $$(SDK_LDFLAGS))
	@mkdir -p $(@D)
	$(Q)sed -e 's|@VERSION@|$(DOMUS_VERSION)|' -e 's|@CFLAGS@|$(SDK_CFLAGS)|' \
	  -e 's|@LDFLAGS@|$(SDK_LDFLAGS)|' \
	  -e 's|@LIBS@|$(patsubst --%,-Wl$(comma)--%,$(SDK_LDFLAGS))|' $< > $@
	$(call remember,$(SDK_CFLAGS) $(SDK_LDFLAGS))

# The installed dom0 finds the SDK's examples in its archive, and the monitor.
SDK_EXAMPLES := $(EXAMPLES:%=$(B)/archive/%.elf) $(B)/archive/monitor.elf \
                $(wildcard pvguest-sdk/examples/*.cfg)
$(SDK)/archive.tar: $(SDK_EXAMPLES) $(KIT)/archive.py $(KIT)/host.py
	$(say) TAR $@
	@mkdir -p $(@D)
	$(Q)$(PYTHON) $(KIT)/archive.py $@ $(SDK_EXAMPLES)

TEMPLATE  := pvguest-sdk/template
SDK_TOOLS := domus-run domus-image domus-new
$(SDK_TOOLS:%=$(SDK)/%.1): $(SDK)/%.1: $(KIT)/% $(KIT)/manual.py $(KIT)/host.py
	@mkdir -p $(@D)
	$(Q)$(PYTHON) $(KIT)/manual.py $< > $@

SDK_LIBRARY  := $(SDK_ARCHIVES:%=$(SDK)/%) $(SDK)/libpvlibc.a pvguest-sdk/pvguest.lds
SDK_IMAGES   := $(addprefix $(B)/,domus.elf dom0.elf loader.elf) $(SDK)/archive.tar
SDK_MODULES  := $(addprefix $(KIT)/,archive.py cable.py debugger.py disk.py gdbinit gdb_domus.py \
                  host.py iso.py qemu.py files.py recording.py bzimage.py deps.sh)
SDK_PROGRAMS +=
SDK_MANUALS  += $(SDK_TOOLS:%=$(SDK)/%.1) $(addprefix $(B)/docs/,xl.1 xl.cfg.5 domus.7)

# --- into its place: quoted, because folders have blanks in their names --------------------------
SDK_PLACE = $(DESTDIR)$(PREFIX)
put = install -m $(1) $(3) "$$place/$(2)/"
manual = man$(subst .,,$(suffix $(1)))
.PHONY: install-sdk uninstall-sdk
install-sdk: $(SDK_LIBRARY) $(SDK)/pvguest.pc $(SDK_IMAGES) \
             $(SDK_PROGRAMS) $(SDK_MANUALS) $(SDK_HEADERS)
	$(say) INSTALL '$(SDK_PLACE)'
	@place='$(SDK_PLACE)'; set -e; \
	refuse() { echo "install-sdk: $$*" >&2; exit 1; }; \
	case "$$place" in /*) ;; *) refuse "PREFIX=$$place does not begin with /";; esac; \
	mkdir -p "$$place" 2>/dev/null && test -w "$$place" || \
	  refuse "$$place is not yours to write: another PREFIX=, or sudo make install-sdk"; \
	rm -rf "$$place/lib/domus" "$$place/include/domus"; \
	for folder in bin include/domus/abi include/domus/pvguest include/domus/drivers \
	    lib/domus/tools lib/domus/template/port lib/domus/images lib/pkgconfig share/man/man1 \
	    share/man/man5 share/man/man7 share/doc/domus/examples share/doc/domus/lib \
	    share/doc/domus/include/abi share/doc/domus/tools/scan share/doc/domus/monitor; do \
	  install -d "$$place/$$folder"; done; \
	$(foreach of,abi pvguest drivers,\
	  $(call put,644,include/domus/$(of),$(call headers,$(of)));) \
	$(call put,644,lib/domus,$(SDK_LIBRARY)); \
	$(call put,644,lib/domus/images,$(SDK_IMAGES)); \
	$(call put,644,lib/domus/template,$(filter-out %/port,$(wildcard $(TEMPLATE)/*))); \
	$(call put,644,lib/domus/template/port,$(wildcard $(TEMPLATE)/port/*)); \
	$(call put,644,lib/domus/tools,$(SDK_MODULES)); \
	$(call put,755,lib/domus/tools,$(SDK_TOOLS:%=$(KIT)/%) $(KIT)/deps.sh); \
	$(call put,644,lib/pkgconfig,$(SDK)/pvguest.pc); \
	$(call put,644,share/doc/domus,LICENSE pvguest-sdk/README.md pvguest-sdk/PORTING.md); \
	$(call put,644,share/doc/domus/examples,$(wildcard pvguest-sdk/examples/*)); \
	$(call put,644,share/doc/domus/lib,pvguest-sdk/lib/names); \
	$(call put,644,share/doc/domus/tools/scan,pvguest-sdk/tools/scan/README.md); \
	$(call put,644,share/doc/domus/monitor,pvguest-sdk/monitor/README.md); \
	$(call put,644,share/doc/domus/include/abi,$(HYPERCALL_TABLES)); \
	$(foreach page,$(SDK_MANUALS),$(call put,644,share/man/$(call manual,$(page)),$(page));) \
	$(if $(SDK_PROGRAMS),$(call put,755,bin,$(SDK_PROGRAMS));) \
	for tool in $(SDK_TOOLS); do ln -sf ../lib/domus/tools/$$tool "$$place/bin/$$tool"; done
	@$(if $(SILENT),:,echo "Try it: '$(PREFIX)/bin/domus-new' hello && cd hello && make run")

uninstall-sdk:
	@place='$(SDK_PLACE)'; test -d "$$place/lib/domus" || \
	  { echo "uninstall-sdk: no kit is in $$place: which PREFIX= had it?" >&2; exit 1; }; \
	cd "$$place" && rm -rf lib/domus include/domus share/doc/domus lib/pkgconfig/pvguest.pc \
	  $(addprefix bin/,$(SDK_TOOLS) $(notdir $(SDK_PROGRAMS))) \
	  $(foreach page,$(SDK_MANUALS),share/man/$(call manual,$(page))/$(notdir $(page)))
