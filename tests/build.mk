# SPDX-License-Identifier: MIT
# tests/: unit tests on the host, micro-guests, whole systems, benchmarks, and the image tools they share.

# --- unit tests: tests/unit/test_NAME.c -----------------------------------------------------------------------------------------
# A unit test is one cmocka program, built with ASan and UBSan from test_NAME.c and what its row in tests/unit/tests.mk says. A new
# test_NAME.c is found, built as $(B)/unit/NAME/test and run by `make unit`.
include tests/unit/tests.mk
UNIT_NAMES  := $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_CFLAGS := -std=gnu17 -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -MMD -MP \
               -Wall -Wextra -Werror -Wno-unused-parameter -DUNIT_TEST -DCOUNT_REFUSALS -Ihypervisor -Ipvguest-sdk/include -Idrivers/include -Idom0 -I. \
               -I$(B)/gen
define unit_rules
UNIT_SOURCES_$(1) := tests/unit/test_$(1).c $($(1).sources)
$$(B)/unit/$(1)/%.o: %.c tests/unit/tests.mk | $$(GENERATED)
	$$(say) CC 'unit $(1): $$<'
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(UNIT_CFLAGS) $($(1).cflags) -c -o $$@ $$<
$$(B)/unit/$(1)/test: $$(patsubst %.c,$$(B)/unit/$(1)/%.o,$$(UNIT_SOURCES_$(1))) $$(B)/unit/refusals.o
	$$(say) LD $$@
	$$(Q)$$(CC) -fsanitize=address,undefined -o $$@ $$^ -lcmocka $(addprefix -l,$($(1).libraries))
endef
$(foreach name,$(UNIT_NAMES),$(eval $(call unit_rules,$(name))))

$(B)/unit/refusals.o: tests/unit/refusals.c
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CFLAGS) -c -o $@ $<

# Which refusals dom0, drivers and SDK have says their code built so that it counts them (<pvguest/refuse.h>).
COUNTED := $(patsubst %.c,$(B)/counted/%.o,$(filter %.c,$(DOM0_SOURCES) $(PVDRIVERS_SOURCES) $(PVGUEST_SOURCES)))
$(B)/counted/%.o: %.c | $$(GENERATED)
	$(say) CC 'counted: $<'
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $(CFLAGS_$(subst /,_,$*)) -O0 -DCOUNT_REFUSALS -c -o $@ $<

# Every run of the tests notes which refusals it reached (tests/tools/refusals.py); the unit tests come first and begin with none.
REFUSALS := $(abspath $(B)/refusals)
.PHONY: unit
unit: $(UNIT_NAMES:%=$(B)/unit/%/test) $(COUNTED)
	@rm -rf $(REFUSALS); mkdir -p $(REFUSALS); failed=; for t in $(UNIT_NAMES); do \
	  if REFUSALS_FILE=$(REFUSALS)/unit-$$t $(B)/unit/$$t/test >$(B)/unit/$$t/log 2>&1; \
	  then printf '  %-8s unit %s (%s)\n' SUCCESS $$t "$$(sed -n 's/.*PASSED  \] //p' $(B)/unit/$$t/log)"; \
	  else printf '  %-8s unit %s\n' FAILURE $$t; cat $(B)/unit/$$t/log; failed="$$failed $$t"; fi; done; \
	if [ -n "$$failed" ]; then echo "unit tests failed:$$failed"; exit 1; fi

# --- images ----------------------------------------------------------------------------------------------------------------------
IMAGE_TOOLS := $(wildcard tests/tools/*.py)
# The boot archive: kernels without their debugging symbols, and the configurations of tests/system/configs.
ARCHIVE_CONFIGS := $(wildcard tests/system/configs/*.cfg tests/bench/*.cfg)
ARCHIVE_GUESTS   = $(filter $(B)/guests/insula.elf $(EXAMPLES:%=$(B)/guests/%.elf) $(B)/guests/test-attack-%.elf $(B)/guests/test-privilege.elf,$(GUESTS))
ARCHIVE_KERNELS  = $(ARCHIVE_GUESTS:$(B)/guests/%=$(B)/archive/%) $(B)/archive/insula-native.elf

$(B)/archive/%.elf: $(B)/guests/%.elf
	@mkdir -p $(@D)
	$(Q)$(OBJCOPY) --strip-debug $< $@

$(B)/archive/insula-native.elf: $(B)/native/insula.elf
	@mkdir -p $(@D)
	$(Q)$(OBJCOPY) --strip-debug $< $@

$(B)/archive.tar: $$(ARCHIVE_KERNELS) $(ARCHIVE_CONFIGS) tests/tools/archive.py
	$(say) TAR $@
	$(Q)$(PYTHON) tests/tools/archive.py $@ $(filter %.elf %.cfg,$^)

$(B)/domus.iso $(B)/domus-debug.iso: $(B)/%.iso: $(B)/%.elf $(B)/dom0.elf $(B)/archive.tar tests/tools/iso.py
	$(say) ISO $@
	$(Q)$(PYTHON) tests/tools/iso.py $@ --hypervisor $< --module $(B)/dom0.elf ip=10.0.2.10 --module $(B)/archive.tar

# The real disk: two file systems of the teaching kernel and one partition for anybody's bytes.
$(B)/disk.img: $(B)/native/insula-fs.img tests/tools/disk.py
	$(say) DISK $@
	$(Q)$(PYTHON) tests/tools/disk.py $@ insula1=16:$< insula2=16:$< scratch=16

all: $(B)/residence.so $(B)/dom0.elf $(HYPERVISOR:.elf=.iso) $(B)/disk.img $$(GUESTS)

# --- micro-guests and benchmark: tests/guests/NAME/main.c, tests/bench/*.c ---------------------------------------------------------
TEST_GUESTS := $(patsubst tests/guests/%/main.c,%,$(wildcard tests/guests/*/main.c))
TEST_GUEST_LIB := $(wildcard tests/guests/lib/*.c tests/guests/lib/*.asm)
$(foreach name,$(TEST_GUESTS),$(eval $(call guest,test-$(name),$(wildcard tests/guests/$(name)/*.c tests/guests/$(name)/*.asm) $(TEST_GUEST_LIB),$(B)/libpvdrivers.a)))
$(eval $(call guest,bench,$(wildcard tests/bench/*.c tests/bench/*.asm)))

# Plugins for QEMU: instructions by address; the longest stay in ring 0; devices that take no time; which instructions ran.
$(B)/count.so: tests/tools/count.c
$(B)/residence.so: tests/tools/residence.c
$(B)/still.so: tests/tools/still.c
$(B)/reach.so: tests/mutate/reach.c
$(B)/count.so $(B)/residence.so $(B)/still.so $(B)/reach.so:
	$(say) CC $@
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -shared -fPIC -o $@ $<

# --- guests of Debian's Linux -------------------------------------------------------------------------------------------------------
# Kernel and packages are Debian's, fetched but not installed; without them the tests that want them are skipped, and say so.
.PHONY: linux
linux: $(B)/linux/tried
$(B)/linux/work: tests/linux/work.c
	$(say) CC $@
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 -Wall -Wextra -Werror -static -pthread -o $@ $< -lm
$(B)/linux/call32: tests/linux/call32.asm
	$(say) NASM $@
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf32 -o $@.o $< && $(LD) -m elf_i386 -o $@ $@.o
$(B)/linux/tried: tests/tools/linux.py tests/tools/foreign.py tests/linux/init tests/linux/inittab tests/linux/modprobe tests/linux/load tests/linux/survey $(B)/linux/work $(B)/linux/call32 | $(B)/peer/tried
	$(say) LINUX $(@D)
	$(Q)$(PYTHON) tests/tools/linux.py $(@D) $(B)/linux/work $(B)/linux/call32 tests/linux/load tests/linux/survey
	@[ -e $(@D)/unavailable ] || touch $@

# The peer rig: real Xen with Debian's Linux as dom0 and Xen's own xl, to compare with.
.PHONY: rig
rig: $(B)/rig/tried
$(B)/rig/free-pages: tests/linux/free-pages.c
	$(say) CC $@
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 -Wall -Wextra -Werror -o $@ $< -lxenctrl
$(B)/rig/tried: tests/tools/rig.py tests/tools/linux.py tests/tools/foreign.py $(B)/rig/free-pages | $(B)/linux/tried
	$(say) RIG $(@D)
	$(Q)$(PYTHON) tests/tools/rig.py $(@D) $(B)/linux/packages $(B)/rig/free-pages
	@[ -e $(@D)/unavailable ] || touch $@

# --- running -----------------------------------------------------------------------------------------------------------------------
# Debian's real Xen, fetched but not installed. Without it the tests on real Xen are skipped, and say so.
.PHONY: peer
peer: $(B)/peer/tried
$(B)/peer/tried:
	@mkdir -p $(@D)
	@tests/tools/deps.sh peer $(B)/peer || true
	@touch $@

TESTS ?=
GUEST_RUNS ?= 5#       of whole guests in `make bench`; minutes each
PYTEST = DOMUS_BUILD=$(B) DOMUS_REFUSALS=$(REFUSALS) $(PYTHON) -m pytest -q -rfEs -p no:cacheprovider --rootdir=tests -c tests/pytest.ini
.PHONY: attach do-figures do-demo do-test do-soak do-run do-bench do-gdb do-mutate guests-test system-test
do-run: all $(if $(LINUX),linux)
	@$(PYTHON) tests/tools/run.py $(B) $(if $(LINUX),--linux)
do-gdb: all
	@$(PYTHON) tests/tools/run.py $(B) --gdb
attach:
	@$(PYTHON) tests/tools/run.py $(B) --attach
do-demo: all peer linux
	@$(PYTHON) tests/system/demo.py $(B)
do-bench: all peer linux rig $(B)/count.so $(B)/still.so
	@$(PYTHON) tests/bench/bench.py $(B)
	@$(PYTHON) tests/bench/guests.py $(B) $(GUEST_RUNS)
	@$(PYTHON) tests/bench/shares.py $(B)
	@$(PYTHON) tests/bench/floods.py $(B)
do-figures: do-bench
	@$(PYTHON) tests/tools/readme.py README.md $(B)/bench.md $(B)/guests.md $(B)/shares.md $(B)/floods.md
guests-test: all peer linux
	@$(PYTEST) -n 2 --dist loadgroup tests/guests $(TESTS)
system-test: all peer linux rig
	@$(PYTEST) -n 2 --dist loadgroup tests/system $(TESTS)
# With TESTS only what it chooses, and of foreign systems only what that needs.
do-test: all $(if $(TESTS),chosen,lint unit peer linux rig)
	@$(PYTEST) -n 2 --dist loadgroup tests $(TESTS)
	@$(PYTHON) tests/tools/refusals.py $(B) $(if $(TESTS),--partial)
.PHONY: chosen
chosen: all peer
	@needed="$$(DOMUS_BUILD=$(B) $(PYTHON) tests/tools/needs.py $(TESTS))"; [ -z "$$needed" ] || $(MAKE) --no-print-directory $$needed

# The long runs: generated configurations and damaged streams; ten minutes of mixed load, a hundred cycles of a Linux guest, large
# transfers, half an hour of floods.
do-soak: all peer linux $(B)/unit/xlcfg_fuzz/test $(B)/unit/inflate/test
	@DOMUS_FUZZ_SECONDS=$${DOMUS_FUZZ_SECONDS:-600} DOMUS_FUZZ_SEED=$$(date +%s) $(B)/unit/xlcfg_fuzz/test
	@DOMUS_FUZZ_SECONDS=120 $(B)/unit/inflate/test
	@DOMUS_LOAD_SECONDS=600 DOMUS_CYCLES=100 DOMUS_TRANSFER_MIB=500 DOMUS_FLOOD_SECONDS=$${DOMUS_FLOOD_SECONDS:-1800} \
	  DOMUS_PATIENCE=$${DOMUS_PATIENCE:-3} \
	  $(PYTEST) -s tests/system/test_linux_load.py tests/system/test_linux_net.py tests/system/test_flood_soak.py $(TESTS)

# Mutants: small mistakes put into copies of the shipped code; does a test notice?
FILES ?=
N ?=
SEED ?=
WITH ?=
WITHOUT ?=
BUDGET ?=
JOBS ?=
MUTATE = $(PYTHON) tests/mutate/mutate.py $(B) $(if $(FILES),--files $(FILES)) $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED)) \
  $(if $(JOBS),--jobs $(JOBS)) $(if $(BUDGET),--budget $(BUDGET)) $(if $(WITH),--with $(WITH)) $(if $(WITHOUT),--without $(WITHOUT)) $(if $(SURVIVED),--survived) $(if $(AGAIN),--again)
do-mutate:
	@$(MUTATE)

lint:
	@$(PYTHON) tests/tools/lint.py $(B)

# hypervisor/rooms.svg: its rooms and who includes whom
.PHONY: map
map:
	@$(PYTHON) tests/tools/map.py
