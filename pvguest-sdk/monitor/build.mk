# SPDX-License-Identifier: MIT
# The monitor: a guest that runs unmodified kernels (README.md).

$(eval $(call guest,monitor,$(wildcard pvguest-sdk/monitor/*.c pvguest-sdk/monitor/*.asm),\
  $(B)/libpvdrivers.a))
ARCHIVE_GUESTS += $(B)/guests/monitor.elf
