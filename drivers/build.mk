# SPDX-License-Identifier: MIT
# drivers/: libpvdrivers.a: real devices for dom0 (hw), front and back ends of the split drivers
# (pv). Built on the SDK only.

PVDRIVERS_SOURCES := $(wildcard drivers/*.c drivers/hw/*.c drivers/pv/*.c)
$(eval $(call guest_library,$(B)/libpvdrivers.a,$(PVDRIVERS_SOURCES)))
