# SPDX-License-Identifier: MIT
# What each unit test is made of (tests/build.mk): the project's files that are compiled into it
# beside tests/unit/test_NAME.c, further flags for all of them and for the linker, libraries beside
# cmocka.

# What a file of ring 0 wants whose surroundings are in ring0_host.h.
RING0_CFLAGS := -D_GNU_SOURCE -fno-builtin -DDEBUG -D__XEN_TOOLS__ -DDOMUS_LIB_LAYOUT_H \
    -include tests/unit/layout_host.h

# What files of the SDK want that lock, or ask which vCPU they run on.
ONE_CPU := tests/unit/one_cpu.c

BLKBACK := drivers/pv/blkback.c drivers/pv/blkback_requests.c
NETBACK := drivers/pv/netback.c drivers/pv/netback_in.c drivers/pv/netback_out.c
XENSTORE := dom0/xenstore/tree.c dom0/xenstore/path.c dom0/xenstore/server.c \
    dom0/xenstore/shadow.c dom0/xenstore/transaction.c dom0/xenstore/places.c \
    dom0/xenstore/watch.c dom0/account.c

# The monitor's interpreter: what knows nothing of the SDK.
INTERPRETER := $(addprefix pvguest-sdk/monitor/,alu.c decode.c deliver.c flow.c interpret.c \
    moves.c multiply.c opcodes.c operands.c segments.c shift.c string.c system.c walk.c)

account.sources := dom0/account.c
account.cflags := -include tests/unit/malloc_host.h
acpi.sources := hypervisor/machine/acpi.c
acpi.cflags := -D_GNU_SOURCE -DDOMUS_LIB_LAYOUT_H -include tests/unit/layout_host.h
apic.sources := hypervisor/machine/apic.c hypervisor/machine/acpi.c
apic.cflags := -fno-builtin -DDOMUS_LIB_LAYOUT_H -include tests/unit/layout_host.h \
    -include tests/unit/instructions_host.h
archive.sources := dom0/storage/archive.c
attached_operator.sources := dom0/console/guests.c dom0/console/limit.c dom0/bucket.c \
    dom0/account.c dom0/turns.c
attached_operator.cflags := -fno-builtin -include pvguest/string.h \
    -include tests/unit/drivers_host.h
audit.sources := hypervisor/control/audit.c
audit.cflags := -DDOMUS_LIB_LAYOUT_H -include tests/unit/layout_host.h
backend.sources := drivers/pv/backend.c
backend.cflags := -fno-builtin -include tests/unit/drivers_host.h
backends.sources := $(BLKBACK) $(NETBACK) drivers/pv/backend.c drivers/pv/check.c drivers/block.c
backends.cflags := -fno-builtin -include tests/unit/drivers_host.h
blkback.sources := $(BLKBACK) drivers/pv/backend.c drivers/pv/check.c drivers/block.c
blkback.cflags := -fno-builtin -include tests/unit/malloc_host.h \
    -include tests/unit/drivers_host.h
blkfront.sources := drivers/pv/blkfront.c drivers/pv/frontend.c drivers/block.c \
    pvguest-sdk/lib/xenbus.c
blkfront.cflags := -fno-builtin -include tests/unit/drivers_host.h
block.sources := drivers/block.c drivers/block_wait.c
block.cflags := -fno-builtin -include tests/unit/drivers_host.h
bounce.sources := hypervisor/entry/bounce.c hypervisor/entry/exit.c
bounce.cflags := $(RING0_CFLAGS)
bridge.sources := dom0/network/bridge.c dom0/network/guard.c dom0/bucket.c drivers/checksum.c
bridge_guard.sources := dom0/network/bridge.c dom0/network/guard.c dom0/bucket.c \
    drivers/checksum.c
bucket.sources := dom0/bucket.c
build.sources := dom0/xc/build.c dom0/xc/control.c builder/image.c builder/layout.c
build.cflags := -fno-builtin -D__XEN_TOOLS__=1 -include tests/unit/malloc_host.h \
    -include tests/unit/sdk_host.h
build_dom0.sources := hypervisor/boot/build_dom0.c builder/image.c builder/layout.c
build_dom0.cflags := -D_GNU_SOURCE -fno-builtin -D__XEN_TOOLS__ -DDOMUS_LIB_LAYOUT_H \
    -include tests/unit/layout_host.h
builder.sources := builder/image.c builder/layout.c
builder_fuzz.sources := builder/image.c builder/layout.c
check.sources := drivers/pv/check.c
checksum.sources := drivers/checksum.c
callbacks.sources := hypervisor/entry/callbacks.c hypervisor/entry/operation.c
callbacks.cflags := $(RING0_CFLAGS)
clocks.sources := hypervisor/machine/clocks.c
clocks.cflags := -D_GNU_SOURCE
console.sources := hypervisor/machine/console.c hypervisor/machine/serial.c \
    hypervisor/domain/console.c
console.cflags := -D_GNU_SOURCE
contexts.sources := pvguest-sdk/lib/thread.c pvguest-sdk/lib/events.c pvguest-sdk/lib/time.c \
    dom0/turns.c dom0/worker.c $(ONE_CPU)
contexts.cflags := -D_GNU_SOURCE -fno-builtin -include tests/unit/malloc_host.h \
    -include tests/unit/sdk_host.h
control.sources := dom0/xc/control.c
control.cflags := -fno-builtin -D__XEN_TOOLS__=1 -include tests/unit/sdk_host.h
cpus.sources := hypervisor/domain/policy.c hypervisor/domain/place.c hypervisor/lib/share.c \
    hypervisor/lib/pqueue.c
cpus.cflags := -fno-builtin -D__XEN_TOOLS__ -DMAX_CPUS=128
cpus.ldflags := -Wl,--wrap=pq_join,--wrap=pq_part
cpus_asked.sources := $(cpus.sources)
cpus_asked.cflags := $(cpus.cflags)
cpu.sources := hypervisor/machine/cpu.c
cpu.cflags := -D_GNU_SOURCE -fno-builtin -mno-red-zone -include tests/unit/instructions_host.h
cpu.ldflags := -no-pie
cpu_policy.sources := hypervisor/control/cpu_policy.c hypervisor/emulate/cpuid.c
cpu_policy.cflags := -D_GNU_SOURCE -fno-builtin -D__XEN_TOOLS__ \
    -include tests/unit/instructions_host.h
cpuid.sources := hypervisor/emulate/cpuid.c
cpuid.cflags := -D_GNU_SOURCE -fno-builtin -include tests/unit/instructions_host.h
debugreg.sources := hypervisor/emulate/debugreg.c
debugreg.cflags := -D_GNU_SOURCE -fno-builtin
decode.sources := hypervisor/emulate/decode.c
decode.libraries := Zydis
decode_forms.sources := hypervisor/emulate/decode.c
digest.sources := dom0/save/digest.c
digest.cflags := -fno-builtin -D__XEN_TOOLS__=1 -include tests/unit/sdk_host.h
disks.sources := dom0/storage/disks.c dom0/storage/gpt.c dom0/turns.c drivers/block.c \
    drivers/block_wait.c
disks.cflags := -fno-builtin -include tests/unit/drivers_host.h
domain_life.sources := hypervisor/domain/domain.c
domain_life.cflags := $(RING0_CFLAGS)
domains.sources := dom0/guests/domains.c dom0/guests/ended.c dom0/guests/restart.c \
    dom0/config/problem.c
domains.cflags := -fno-builtin -D__XEN_TOOLS__=1 -include tests/unit/sdk_host.h \
    -include pvguest/bits.h
domctl.sources := hypervisor/control/domctl.c hypervisor/control/domctl_vcpu.c \
    hypervisor/control/domctl_save.c \
    hypervisor/control/cpus.c hypervisor/control/domain_info.c hypervisor/calls/named.c \
    hypervisor/entry/operation.c
domctl.cflags := -D_GNU_SOURCE -fno-builtin -D__XEN_TOOLS__ -DDOMUS_LIB_LAYOUT_H \
    -include tests/unit/layout_host.h
domctl_save.sources := $(domctl.sources)
domctl_save.cflags := $(domctl.cflags)
save_hands.sources := dom0/save/hands.c
save_hands.cflags := -fno-builtin -D__XEN_TOOLS__=1 -include tests/unit/malloc_host.h \
    -include tests/unit/sdk_host.h
domctl_vcpu.sources := $(domctl.sources)
domctl_vcpu.cflags := $(domctl.cflags)
domus_op.sources := hypervisor/control/domus_op.c hypervisor/control/debug_keys.c \
    hypervisor/entry/operation.c
domus_op.cflags := -D_GNU_SOURCE -fno-builtin -D__XEN_TOOLS__
OWN_TCP := dom0/network/endpoint.c dom0/network/tcp.c dom0/network/stream.c \
    dom0/network/segment.c drivers/checksum.c
endpoint.sources := $(OWN_TCP) dom0/network/bridge.c dom0/network/guard.c dom0/bucket.c
events.sources := hypervisor/domain/events.c hypervisor/calls/event_channel_op.c \
    hypervisor/calls/named.c hypervisor/entry/operation.c
events.cflags := $(RING0_CFLAGS)
fail.sources := hypervisor/entry/fail.c
fail.cflags := -D__XEN_TOOLS__
files.sources := dom0/storage/files.c dom0/storage/archive.c dom0/config/problem.c
files.cflags := -include tests/unit/malloc_host.h
far_return.sources := hypervisor/entry/far_return.c
far_return.cflags := $(RING0_CFLAGS)
far_return.ldflags := -no-pie#     its table of fixups has addresses
format.sources := pvguest-sdk/lib/printf.c pvguest-sdk/lib/memory.c
format.cflags := -include tests/unit/sdk_names.h
frontend.sources := $(blkfront.sources)
frontend.cflags := $(blkfront.cflags)
gpt.sources := dom0/storage/gpt.c
grant_calls.sources := hypervisor/domain/grants.c hypervisor/calls/grant_ops.c \
    hypervisor/calls/named.c hypervisor/entry/operation.c
grant_calls.cflags := $(RING0_CFLAGS)
grant_entries.sources := $(grant_calls.sources)
grant_entries.cflags := $(RING0_CFLAGS)
grants.sources := $(grant_calls.sources)
grants.cflags := -fno-builtin -D__XEN_TOOLS__
guest_consoles.sources := dom0/console/guests.c dom0/console/limit.c dom0/bucket.c dom0/account.c \
    dom0/turns.c
guest_consoles.cflags := -fno-builtin -include tests/unit/malloc_host.h \
    -include tests/unit/drivers_host.h -include pvguest/string.h
heap.sources := hypervisor/memory/heap.c
heap.cflags := -D_GNU_SOURCE -fno-builtin -DDOMUS_LIB_LAYOUT_H -DHOST_FIRST=0xff000ul \
    -include tests/unit/layout_host.h
heap_blocks.sources := hypervisor/memory/heap.c
heap_blocks.cflags := -D_GNU_SOURCE -fno-builtin -DDOMUS_LIB_LAYOUT_H -DHEAP_MAX_ORDER=3 \
    -include tests/unit/layout_host.h
hypercalls.sources := hypervisor/entry/hypercall.c
hypercalls.cflags := $(RING0_CFLAGS)
image.sources := builder/image.c
inflate.sources := dom0/xc/inflate.c
inflate.libraries := z
io_ports.sources := hypervisor/emulate/ports.c
io_ports.cflags := -fno-builtin -include tests/unit/instructions_host.h
l1tf.sources := 
interpret_boot.sources := $(INTERPRETER)
interpret_boot.cflags := -O2
interpret_decode.sources := $(INTERPRETER)
interpret_decode.libraries := Zydis
interpret_hostile.sources := $(INTERPRETER)
interpret_native.sources := $(INTERPRETER)
interpret_native.libraries := Zydis
interpret_registers.sources := $(INTERPRETER)
interpret_system.sources := $(INTERPRETER)
interpret_traps.sources := $(INTERPRETER)
interpret_walk.sources := $(INTERPRETER)
interrupts.sources := hypervisor/machine/apic.c hypervisor/machine/vectors.c
interrupts.cflags := -D_GNU_SOURCE
layout.sources := 
limit.sources := dom0/console/limit.c dom0/bucket.c
lock_check.sources := hypervisor/machine/lock_check.c
lock_check.cflags := -DDEBUG -D__XEN_TOOLS__=1
medium.sources := dom0/save/medium.c dom0/config/problem.c drivers/block.c
medium.cflags := -fno-builtin -D__XEN_TOOLS__=1 -include tests/unit/drivers_host.h
memory_op.sources := hypervisor/calls/memory_op.c hypervisor/calls/named.c \
    hypervisor/entry/operation.c
memory_op.cflags := -fno-builtin -D__XEN_TOOLS__
mmuext.sources := hypervisor/control/audit.c hypervisor/memory/entry.c \
    hypervisor/calls/foreign.c hypervisor/calls/named.c hypervisor/memory/frame.c \
    hypervisor/memory/grant_map.c \
    hypervisor/calls/mmu_update.c hypervisor/calls/mmuext.c hypervisor/memory/pagetype.c \
    hypervisor/memory/undo.c hypervisor/memory/validate.c hypervisor/memory/walk.c
mmuext.cflags := -D_GNU_SOURCE -fno-builtin -D__XEN_TOOLS__ -DDOMUS_LIB_LAYOUT_H \
    -include tests/unit/layout_host.h -DDOMUS_MACHINE_IO_H -include tests/unit/io_host.h
translator.sources := $(INTERPRETER) pvguest-sdk/monitor/translator.c
translator_bytes.sources := $(INTERPRETER) pvguest-sdk/monitor/translator.c
monitor_card.sources := $(addprefix pvguest-sdk/monitor/,memory.c net.c pci.c pic.c virtio.c)
monitor_card.cflags := -fno-builtin -include tests/unit/drivers_host.h
monitor_chips.sources := pvguest-sdk/monitor/pic.c pvguest-sdk/monitor/pit.c \
    pvguest-sdk/monitor/serial.c pvguest-sdk/monitor/pci.c
monitor_chips.cflags := -fno-builtin
monitor_disk.sources := $(addprefix pvguest-sdk/monitor/,block.c memory.c pci.c pic.c virtio.c) \
    drivers/block.c
monitor_disk.cflags := -fno-builtin -include tests/unit/drivers_host.h
monitor_guest.sources := $(addprefix pvguest-sdk/monitor/,archive.c code.c decode.c elf.c load.c \
    memory.c opcodes.c alu.c deliver.c flow.c interpret.c moves.c multiply.c \
    operands.c segments.c shift.c string.c system.c walk.c)
monitor_guest.cflags := -fno-builtin -include tests/unit/drivers_host.h
monitor_ports.sources := $(addprefix pvguest-sdk/monitor/,memory.c pci.c pic.c pit.c ports.c \
    serial.c virtio.c)
monitor_ports.cflags := -fno-builtin -include tests/unit/drivers_host.h
monitor_shadow.sources := pvguest-sdk/monitor/shadow.c
monitor_shadow.cflags := -fno-builtin -include tests/unit/sdk_host.h
monitor_trap.sources := pvguest-sdk/monitor/trap.c
monitor_trap.cflags := -fno-builtin -include tests/unit/drivers_host.h
monitor_virtio.sources := $(addprefix pvguest-sdk/monitor/,memory.c pci.c pic.c virtio.c)
monitor_virtio.cflags := -fno-builtin -include tests/unit/drivers_host.h
move.sources := dom0/guests/move.c dom0/config/problem.c
move.cflags := -D__XEN_TOOLS__=1 -include tests/unit/sdk_host.h
move_in.sources := dom0/guests/move_in.c dom0/config/problem.c dom0/config/address.c \
    dom0/config/settings.c dom0/bucket.c
move_in.cflags := -D__XEN_TOOLS__=1 -include tests/unit/malloc_host.h \
    -include tests/unit/sdk_host.h
move_out.sources := dom0/guests/move_out.c dom0/config/problem.c
move_out.cflags := $(move_in.cflags)
msi.sources := hypervisor/domain/msi.c hypervisor/machine/pci.c
msi.cflags := -D_GNU_SOURCE -fno-builtin
msr.sources := hypervisor/emulate/msr.c
msr.cflags := -fno-builtin -include tests/unit/instructions_host.h
multiboot.sources := hypervisor/boot/multiboot.c pvguest-sdk/lib/memory.c
multiboot.cflags := -include tests/unit/sdk_names.h -DDOMUS_LIB_LAYOUT_H \
    -include tests/unit/layout_host.h
netback.sources := $(NETBACK) drivers/pv/backend.c drivers/pv/check.c
netback.cflags := -fno-builtin -include tests/unit/malloc_host.h \
    -include tests/unit/drivers_host.h
netback_out.sources := $(NETBACK) drivers/pv/backend.c drivers/pv/check.c
netback_out.cflags := -fno-builtin -include tests/unit/malloc_host.h \
    -include tests/unit/drivers_host.h
netfront.sources := drivers/pv/netfront.c drivers/pv/frontend.c pvguest-sdk/lib/xenbus.c
netfront.cflags := -fno-builtin -include tests/unit/drivers_host.h
old_forms.sources := hypervisor/calls/old_forms.c
old_forms.cflags := $(RING0_CFLAGS)
operations.sources := hypervisor/entry/operation.c
operations.cflags := $(RING0_CFLAGS)
options.sources := dom0/options.c
others_tables.sources = $(pagetables.sources)
others_tables.cflags := $(mmuext.cflags)
others_tables.ldflags := -Wl,--wrap=pt_get_type
pagetables.sources := hypervisor/control/audit.c hypervisor/memory/entry.c \
    hypervisor/calls/foreign.c hypervisor/calls/named.c hypervisor/memory/frame.c \
    hypervisor/calls/mmu_update.c \
    hypervisor/calls/mmuext.c hypervisor/memory/pagetype.c hypervisor/memory/undo.c \
    hypervisor/memory/validate.c hypervisor/memory/walk.c
pagetables.cflags := $(mmuext.cflags)
pagetype.sources := hypervisor/memory/pagetype.c
paging.sources := hypervisor/memory/paging.c
paging.cflags := -fno-builtin -DDOMUS_LIB_LAYOUT_H -DDIRECTMAP_SIZE=0x101000000 \
    -DHOST_IMAGE=0x200000ul -DM2P_VIRT=0xffff800000000000 -include tests/unit/layout_host.h
params.sources := hypervisor/lib/params.c pvguest-sdk/lib/memory.c pvguest-sdk/lib/printf.c
params.cflags := -include tests/unit/sdk_names.h
pci.sources := drivers/hw/pci.c drivers/hw/pci_interrupt.c
pci.cflags := -D_GNU_SOURCE -fno-builtin -include tests/unit/sdk_host.h
pci_config.sources := hypervisor/machine/pci.c
pci_config.cflags := $(RING0_CFLAGS) -include tests/unit/instructions_host.h
physdev.sources := hypervisor/domain/physdev.c
physdev.cflags := -fno-builtin
physdev_op.sources := hypervisor/domain/physdev.c hypervisor/control/physdev_op.c \
    hypervisor/entry/operation.c
physdev_op.cflags := -D_GNU_SOURCE -fno-builtin -D__XEN_TOOLS__
privileged.sources := hypervisor/emulate/privileged.c hypervisor/emulate/decode.c
privileged.cflags := -D_GNU_SOURCE -fno-builtin -include tests/unit/instructions_host.h
privileged_ports.sources := $(privileged.sources)
privileged_ports.cflags := $(privileged.cflags)
ptwrite.sources := hypervisor/emulate/ptwrite.c hypervisor/emulate/decode.c
ptwrite.cflags := -D_GNU_SOURCE -fno-builtin -DDOMUS_LIB_LAYOUT_H -include \
    tests/unit/layout_host.h
reservation.sources := hypervisor/control/audit.c hypervisor/calls/exchange.c \
    hypervisor/memory/frame.c hypervisor/calls/memory_op.c hypervisor/memory/pagetype.c \
    hypervisor/calls/reservation.c hypervisor/calls/named.c hypervisor/domain/extent.c \
    hypervisor/entry/operation.c
reservation.cflags := $(mmuext.cflags)
restart.sources := dom0/guests/restart.c
ring0.sources := hypervisor/machine/ring0.c
ring0.cflags := -D_GNU_SOURCE -DDOMUS_MACHINE_IO_H -include tests/unit/io_host.h
rings.sources := drivers/pv/check.c drivers/block.c
scan_fuzz.sources := $(filter-out %/main.c %/difference.c %/print_table.c,$(SCAN_SOURCES))
scan_fuzz.cflags := -D_GNU_SOURCE
scan_fuzz.libraries := $(SCAN_LIBRARIES)
save.sources := dom0/save/write.c dom0/save/write_pages.c dom0/save/digest.c dom0/save/rounds.c \
    dom0/save/read.c dom0/save/read_pages.c dom0/save/pins.c dom0/save/file.c dom0/config/problem.c
save.cflags := -fno-builtin -D__XEN_TOOLS__=1 -include tests/unit/sdk_host.h
save_fuzz.sources := $(save.sources)
save_fuzz.cflags := $(save.cflags)
save_live.sources := $(save.sources)
save_live.cflags := -include tests/unit/malloc_host.h $(save.cflags)
save_lies.sources := $(save.sources)
save_lies.cflags := -include tests/unit/malloc_host.h $(save.cflags)
schedule.sources := hypervisor/domain/schedule.c hypervisor/domain/policy.c \
    hypervisor/domain/place.c \
    hypervisor/lib/share.c hypervisor/lib/pqueue.c
schedule.cflags := $(RING0_CFLAGS)
schedule_cpus.sources := hypervisor/domain/schedule.c
schedule_cpus.cflags := $(RING0_CFLAGS)
sdk_balloon.sources := pvguest-sdk/lib/balloon.c
sdk_balloon.cflags := -D_GNU_SOURCE -fno-builtin -include tests/unit/sdk_pages_host.h
sdk_buddy.sources := pvguest-sdk/lib/buddy.c
sdk_client.sources := pvguest-sdk/lib/xenstore.c pvguest-sdk/lib/xs_calls.c \
    pvguest-sdk/lib/xs_watch.c pvguest-sdk/lib/xs_message.c pvguest-sdk/lib/xenbus.c \
    pvguest-sdk/lib/thread.c pvguest-sdk/lib/events.c pvguest-sdk/lib/time.c dom0/xenstore/rings.c \
    $(XENSTORE) dom0/turns.c dom0/worker.c $(ONE_CPU)
sdk_client.cflags := -fno-builtin -include tests/unit/malloc_host.h -include tests/unit/sdk_host.h
sdk_console.sources := pvguest-sdk/lib/console.c $(ONE_CPU)
sdk_console.cflags := -fno-builtin -include tests/unit/gs_host.h -include tests/unit/sdk_host.h
sdk_contiguous.sources := pvguest-sdk/lib/contiguous.c $(ONE_CPU)
sdk_contiguous.cflags := -D_GNU_SOURCE -fno-builtin -include tests/unit/malloc_host.h \
    -include tests/unit/sdk_pages_host.h
sdk_debug.sources := pvguest-sdk/lib/debug.c pvguest-sdk/lib/memory.c pvguest-sdk/lib/string.c \
    pvguest-sdk/lib/printf.c
sdk_debug.cflags := -fno-builtin -Wno-format -DPVGUEST_DEBUG -include tests/unit/sdk_names.h \
    -include tests/unit/sdk_host.h
sdk_events.sources := pvguest-sdk/lib/events.c pvguest-sdk/lib/time.c pvguest-sdk/lib/spinlock.c
sdk_events.cflags := -fno-builtin -include tests/unit/gs_host.h -include tests/unit/sdk_host.h
sdk_grant.sources := pvguest-sdk/lib/grant.c pvguest-sdk/lib/grant_map.c $(ONE_CPU)
sdk_grant.cflags := -fno-builtin -include tests/unit/sdk_host.h
sdk_locks.sources := pvguest-sdk/lib/spinlock.c pvguest-sdk/lib/smp_call.c
sdk_locks.cflags := -D_GNU_SOURCE -fno-builtin -include tests/unit/gs_host.h \
    -include tests/unit/sdk_host.h
sdk_malloc.sources := pvguest-sdk/lib/malloc.c $(ONE_CPU)
sdk_malloc.cflags := -fno-builtin -include tests/unit/sdk_host.h -Dmalloc=sdk_malloc \
    -Dcalloc=sdk_calloc -Drealloc=sdk_realloc -Dfree=sdk_free -Dstrdup=sdk_strdup
sdk_mm.sources := pvguest-sdk/lib/mm.c $(ONE_CPU)
sdk_mm.cflags := -D_GNU_SOURCE -fno-builtin -include tests/unit/sdk_pages_host.h
sdk_pagetable.sources := pvguest-sdk/lib/pagetable.c $(ONE_CPU)
sdk_pagetable.cflags := -fno-builtin -include tests/unit/malloc_host.h \
    -include tests/unit/sdk_host.h
sdk_pt.sources := pvguest-sdk/lib/pt_queue.c pvguest-sdk/lib/vspace.c $(ONE_CPU)
sdk_pt.cflags := -fno-builtin -include tests/unit/gs_host.h -include tests/unit/sdk_host.h
sdk_rebind.sources := pvguest-sdk/lib/events.c pvguest-sdk/lib/spinlock.c
sdk_rebind.cflags := $(sdk_events.cflags)
sdk_smp.sources := pvguest-sdk/lib/smp.c pvguest-sdk/lib/smp_call.c pvguest-sdk/lib/spinlock.c
sdk_smp.cflags := -D_GNU_SOURCE -fno-builtin -include tests/unit/malloc_host.h \
    -include tests/unit/gs_host.h -include tests/unit/sdk_host.h
sdk_start.sources := pvguest-sdk/lib/start.c
sdk_start.cflags := -fno-builtin -include tests/unit/sdk_host.h
sdk_string.sources := pvguest-sdk/lib/memory.c pvguest-sdk/lib/string.c pvguest-sdk/lib/printf.c
sdk_string.cflags := -include tests/unit/sdk_names.h -Wno-format
sdk_suspend.sources := pvguest-sdk/lib/suspend.c $(ONE_CPU)
sdk_suspend.cflags := -fno-builtin -include tests/unit/sdk_host.h
sdk_threads.sources := pvguest-sdk/lib/thread.c pvguest-sdk/lib/events.c pvguest-sdk/lib/time.c \
    $(ONE_CPU)
sdk_threads.cflags := -fno-builtin -include tests/unit/malloc_host.h \
    -include tests/unit/gs_host.h -include tests/unit/sdk_host.h
sdk_trees.sources := pvguest-sdk/lib/trees.c
sdk_trees.cflags := -fno-builtin -include tests/unit/sdk_host.h
sdk_traps.sources := pvguest-sdk/lib/traps.c pvguest-sdk/lib/start_info.c pvguest-sdk/lib/sched.c \
    pvguest-sdk/lib/syscall.c pvguest-sdk/lib/reason.c $(ONE_CPU)
sdk_traps.cflags := -fno-builtin -include tests/unit/gs_host.h -include tests/unit/sdk_host.h
sdk_xenstore.sources := pvguest-sdk/lib/xs_message.c pvguest-sdk/lib/memory.c \
    pvguest-sdk/lib/string.c
sdk_xenstore.cflags := -include tests/unit/sdk_names.h
serving.sources := $(BLKBACK) $(NETBACK) drivers/pv/backend.c drivers/pv/check.c drivers/block.c
serving.cflags := -fno-builtin -include tests/unit/drivers_host.h
share.sources := hypervisor/lib/share.c hypervisor/lib/pqueue.c
share_clients.sources := hypervisor/lib/share.c hypervisor/lib/pqueue.c
small_calls.sources := hypervisor/calls/console_io.c hypervisor/calls/xen_version.c \
    hypervisor/entry/operation.c
small_calls.cflags := $(RING0_CFLAGS)
smp.sources := hypervisor/boot/smp.c
smp.cflags := $(RING0_CFLAGS) -DDOMUS_MACHINE_IO_H -include tests/unit/io_host.h
stream.sources := $(OWN_TCP)
stream_hand.sources := $(OWN_TCP)
stream_comes.sources := dom0/network/stream.c
stream_steps.sources := dom0/network/stream.c
stop.sources := hypervisor/machine/stop.c
stop.cflags := $(ring0.cflags)
string.sources := pvguest-sdk/lib/memory.c
string.cflags := -include tests/unit/sdk_names.h
svm.sources := hypervisor/svm/state.c
svm.cflags := -fno-builtin -D__XEN_TOOLS__
svm_run.sources := hypervisor/svm/svm.c hypervisor/svm/state.c
svm_run.cflags := $(RING0_CFLAGS) -include tests/unit/instructions_host.h
svm_run.ldflags := -no-pie
switch.sources := hypervisor/domain/switch.c
switch.cflags := $(RING0_CFLAGS)
switch.ldflags := -no-pie
sysctl.sources := hypervisor/control/sysctl.c hypervisor/control/platform.c \
    hypervisor/control/cpus.c hypervisor/entry/operation.c
sysctl.cflags := -D_GNU_SOURCE -fno-builtin -D__XEN_TOOLS__ \
    -include tests/unit/instructions_host.h
sysctl_pools.sources := $(sysctl.sources)
sysctl_pools.cflags := $(sysctl.cflags)
tcp.sources := $(OWN_TCP)
terminal.sources := dom0/console/terminal.c dom0/console/line.c
terminal.cflags := -fno-builtin -include pvguest/string.h -include tests/unit/sdk_host.h
time.sources := hypervisor/domain/time.c hypervisor/machine/system_time.c
time.cflags := -D_GNU_SOURCE -D__XEN_INTERFACE_VERSION__=0x00040d00
timer_queue.sources := hypervisor/domain/timers.c hypervisor/calls/set_timer_op.c \
    hypervisor/lib/pqueue.c
timer_queue.cflags := -D_GNU_SOURCE -fno-builtin
timers.sources := hypervisor/lib/pqueue.c
# All of dom0 but what is played (tests/unit/toolstack_host.h): builder, disks, main program.
toolstack.sources := $(filter-out %/main.c %/options.c %/build.c %/disks.c %/gpt.c %/saved.c \
    %/suspend.c %/move.c %/move_in.c %/move_out.c dom0/storage/files.c dom0/save/%, \
    $(wildcard dom0/*.c dom0/*/*.c)) \
    drivers/checksum.c drivers/pv/backend.c \
    pvguest-sdk/lib/xenstore.c pvguest-sdk/lib/xs_calls.c pvguest-sdk/lib/xs_watch.c \
    pvguest-sdk/lib/xs_message.c pvguest-sdk/lib/thread.c pvguest-sdk/lib/events.c \
    pvguest-sdk/lib/time.c $(ONE_CPU)
toolstack.cflags := -fno-builtin -D__XEN_TOOLS__=1 -include tests/unit/malloc_host.h \
    -include tests/unit/sdk_host.h -include tests/unit/toolstack_names.h
traps.sources := hypervisor/entry/traps.c hypervisor/machine/dump.c
traps.cflags := -D_GNU_SOURCE -fno-builtin
tlb.sources := hypervisor/memory/tlb.c hypervisor/domain/flush.c
tlb.cflags := -D_GNU_SOURCE -fno-builtin -DDOMUS_MACHINE_IO_H -include tests/unit/io_host.h
turns.sources := dom0/turns.c
turns.cflags := -include tests/unit/malloc_host.h
unpack.sources := dom0/xc/unpack.c dom0/xc/inflate.c dom0/account.c
unpack.cflags := -include tests/unit/malloc_host.h
unpack.libraries := z
vcpu_calls.sources := hypervisor/calls/sched_op.c hypervisor/calls/vcpu_op.c \
    hypervisor/entry/operation.c
vcpu_calls.cflags := $(RING0_CFLAGS)
vcpu_context.sources := hypervisor/domain/vcpu.c
vcpu_context.cflags := $(RING0_CFLAGS)
virtio.sources := drivers/hw/virtio.c drivers/hw/virtqueue.c
virtio.cflags := -D_GNU_SOURCE -fno-builtin -include tests/unit/drivers_host.h
virtio_cards.sources := drivers/hw/real.c drivers/hw/virtio_net.c drivers/hw/virtio_blk.c \
    drivers/hw/virtqueue.c drivers/block.c
virtio_cards.cflags := -fno-builtin -include tests/unit/malloc_host.h \
    -include tests/unit/drivers_host.h
virtqueue.sources := drivers/hw/virtqueue.c
virtqueue.cflags := -fno-builtin -include tests/unit/drivers_host.h
walk.sources := hypervisor/memory/walk.c
walk.cflags := $(RING0_CFLAGS)
window.sources := hypervisor/memory/window.c hypervisor/calls/descriptors.c
window.cflags := -D_GNU_SOURCE -fno-builtin -DDOMUS_LIB_LAYOUT_H -DHOST_IMAGE=0x100000000ul \
    -DHOST_WINDOWS -include tests/unit/layout_host.h
words.sources := dom0/xl/words.c
wire.sources := dom0/save/wire.c
wire.cflags := -D__XEN_TOOLS__=1 -include tests/unit/sdk_host.h
xenstore.sources := $(XENSTORE)
xenstore_cost.sources := $(XENSTORE)
xenstore_held.sources := $(XENSTORE)
xenstore_local.sources := dom0/xenstore/local.c
xenstore_local.cflags := -fno-builtin -D__XEN_TOOLS__=1 -include tests/unit/sdk_host.h
xenstore_memory.sources := $(XENSTORE)
xenstore_memory.cflags := -include tests/unit/malloc_host.h
xenstore_model.sources := $(xenstore.sources)
xenstore_parts.sources := $(XENSTORE)
xenstore_rings.sources := dom0/xenstore/rings.c $(XENSTORE) dom0/turns.c
xenstore_rings.cflags := -fno-builtin -include tests/unit/malloc_host.h \
    -include tests/unit/drivers_host.h
xenstore_room.sources := $(XENSTORE)
xenstore_rules.sources := $(XENSTORE)
CONFIG_PARTS := $(addprefix dom0/config/,settings.c problem.c address.c disk.c vif.c)
config_text.sources := dom0/config/text.c dom0/config/config.c dom0/config/cpus.c \
    $(CONFIG_PARTS)
xlcfg.sources := dom0/config/config.c dom0/config/cpus.c $(CONFIG_PARTS)
xlcfg_cpus.sources := $(xlcfg.sources)
xlcfg_devices.sources := $(CONFIG_PARTS)
xlcfg_fuzz.sources := $(CONFIG_PARTS)
xlcfg_fuzz.cflags := -D_GNU_SOURCE
xlcfg_fuzz.libraries := xlutil :libxenlight.a xenctrl xenguest xenstore xentoollog xentoolcore \
    xenevtchn xenhypfs xendevicemodel xencall xenforeignmemory :libyajl.so.2 :libuuid.so.1
xlcfg_oracle.sources := dom0/config/config.c dom0/config/cpus.c $(CONFIG_PARTS)
xlcfg_oracle.cflags := -D_GNU_SOURCE
xlcfg_oracle.libraries := xlutil :libxenlight.a xenctrl xenguest xenstore xentoollog xentoolcore \
    xenevtchn xenhypfs xendevicemodel xencall xenforeignmemory :libyajl.so.2 :libuuid.so.1
