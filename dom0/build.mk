# SPDX-License-Identifier: MIT
# dom0.elf: the control domain, a guest linked from this folder, builder/, the drivers and the SDK.

DOM0_SOURCES := $(wildcard dom0/*.c dom0/*/*.c builder/*.c)
# Its parts name each other from the repository's root: "dom0/xc/build.h".
$(foreach source,$(DOM0_SOURCES),$(eval CFLAGS_$(subst /,_,$(basename $(source))) := -I.))

$(eval $(call guest_at,$(B)/dom0.elf,$(DOM0_SOURCES),$(B)/libpvdrivers.a))
