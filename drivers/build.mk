# SPDX-License-Identifier: MIT
# drivers/: libpvdrivers.a: real devices for dom0 (hw), front and back ends of the split drivers
# (pv). Built on the SDK only.

PVDRIVERS_SOURCES := $(wildcard drivers/*.c drivers/hw/*.c drivers/pv/*.c)
$(B)/libpvdrivers.a: $(call guest_objects,$(PVDRIVERS_SOURCES))
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^
