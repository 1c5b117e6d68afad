# SPDX-License-Identifier: MIT
# domus-scan and its man page: built where somebody wants them, for they alone need Zydis and
# elfutils.

SCAN_SOURCES := $(wildcard pvguest-sdk/tools/scan/*.c)
SCAN_OBJECTS := $(SCAN_SOURCES:pvguest-sdk/tools/scan/%.c=$(B)/scan/%.o)
SCAN_LIBRARIES := Zydis dw elf
SCAN_CFLAGS := -std=gnu17 -D_GNU_SOURCE -O2 -g $(WARNINGS) -Ipvguest-sdk/include -MMD -MP
# What `make install-sdk` installs beside the libraries: programs, and pages of the manual.
SDK_PROGRAMS += $(B)/domus-scan
SDK_MANUALS  += $(B)/domus-scan.1

$(B)/scan/%.o: pvguest-sdk/tools/scan/%.c pvguest-sdk/tools/scan/build.mk \
  | $(call header,Zydis/Zydis.h) $(call header,elfutils/libdw.h)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(SCAN_CFLAGS) -c -o $@ $<

$(B)/domus-scan: $(SCAN_OBJECTS) $$(call others,$$@,$(SCAN_OBJECTS))
	$(say) LD $@
	$(Q)$(CC) -o $@ $(SCAN_OBJECTS) $(SCAN_LIBRARIES:%=-l%)
	$(call remember,$(SCAN_OBJECTS))

# The table in the page is the program's own.
$(B)/domus-scan.1: pvguest-sdk/tools/scan/domus-scan.1 $(B)/domus-scan
	$(say) MAN $@
	$(Q)$(B)/domus-scan --table=man | sed -e '/^@TABLE@$$/{r /dev/stdin' -e 'd}' $< > $@

#: make scanner      build/domus-scan and its man page: what a kernel to be ported has to do
#:                   without
INSTALLS_FIRST += scanner
.PHONY: do-scanner
do-scanner: $(B)/domus-scan $(B)/domus-scan.1
