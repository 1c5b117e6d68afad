# SPDX-License-Identifier: MIT
# tests/: unit tests on the host, micro-guests, whole systems, benchmarks.

INSTALLS_FIRST += demo test soak lives bench compare curve figures mutate
BUILDS_NOTHING += lint map

# --- unit tests: tests/unit/test_NAME.c ----------------------------------------------------------
# A unit test is one cmocka program, built with ASan and UBSan from test_NAME.c and what its row in
# tests/unit/tests.mk says. A new test_NAME.c is found, built as $(B)/unit/NAME/test and run.
include tests/unit/tests.mk
UNIT_NAMES  := $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_CFLAGS := -std=gnu17 -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
               -fno-sanitize-recover=all -MMD -MP -Wall -Wextra -Werror -Wno-unused-parameter \
               -DUNIT_TEST -DCOUNT_REFUSALS -Ihypervisor -Ipvguest-sdk/include -Idrivers/include \
               -Idom0 -I. -I$(B)/gen
# What several tests compile with the same flags is compiled once, into a folder named by them.
space := $(subst ,, )
unit_folder = $(B)/unit/with/$(subst =,-is-,$(subst /,_,$(subst $(space),,$(strip $(1)))))-/
# The headers of the libraries that some want beside cmocka.
HEADER_z := zlib.h
HEADER_Zydis := Zydis/Zydis.h
HEADER_xlutil := libxlutil.h
UNIT_SHARED := $(B)/unit/refusals.o $(B)/unit/chosen.o
CHOOSES     := -Wl,--wrap=_cmocka_run_group_tests
define unit_rules
UNIT_FOLDER_$(1) := $(call unit_folder,$($(1).cflags))
UNIT_CFLAGS_$$(UNIT_FOLDER_$(1)) := $($(1).cflags)
UNIT_SOURCES_$(1) := tests/unit/test_$(1).c $($(1).sources)
$$(UNIT_FOLDER_$(1))tests/unit/test_$(1).o: | \
  $(foreach name,cmocka.h $(foreach library,$($(1).libraries),$(HEADER_$(library))),\
    $(call header,$(name)))
$$(B)/unit/$(1)/test: $$(UNIT_SOURCES_$(1):%.c=$$(UNIT_FOLDER_$(1))%.o) $$(UNIT_SHARED)
	$$(say) LD $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -fsanitize=address,undefined $(CHOOSES) $($(1).ldflags) -o $$@ $$^ -lcmocka \
	    $($(1).libraries:%=-l%)
	$$(call remember,$$^)
endef
$(foreach name,$(UNIT_NAMES),$(eval $(call unit_rules,$(name))))
define unit_object_rule
$(1)%.o: %.c tests/unit/tests.mk | $$(GENERATED) $(call header,xen/xen.h)
	$$(say) CC 'unit: $$<'
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(UNIT_CFLAGS) $$(UNIT_CFLAGS_$(1)) -c -o $$@ $$<
endef
$(foreach folder,$(sort $(foreach name,$(UNIT_NAMES),$(UNIT_FOLDER_$(name)))),\
  $(eval $(call unit_object_rule,$(folder))))

$(UNIT_SHARED): $(B)/unit/%.o: tests/unit/%.c | $(call header,cmocka.h)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CFLAGS) -c -o $@ $<

# Which refusals dom0, drivers and SDK have says their code built so that it counts them
# (<pvguest/refuse.h>).
COUNTED_SOURCES := $(filter %.c,$(DOM0_SOURCES) $(PVDRIVERS_SOURCES) $(PVGUEST_SOURCES))
COUNTED := $(patsubst %.c,$(B)/counted/%.o,$(COUNTED_SOURCES))
$(B)/counted/%.o: %.c | $$(GENERATED)
	$(say) CC 'counted: $<'
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $(CFLAGS_$(subst /,_,$*)) -O0 -DCOUNT_REFUSALS -c -o $@ $<

# Every run of the tests notes which refusals it reached (tests/tools/refusals.py); the unit tests
# come first and begin with none.
#: make unit         unit tests on the host (ASan, UBSan);  unit-grants: one of them
REFUSALS := $(abspath $(B)/refusals)
.PHONY: unit unit-begins $(UNIT_NAMES:%=unit-%)
unit-begins:
	@rm -rf $(REFUSALS) $(B)/unit/failed; mkdir -p $(REFUSALS)
$(UNIT_NAMES:%=unit-%): unit-%: $(B)/unit/%/test | unit-begins
	@if REFUSALS_FILE=$(REFUSALS)/unit-$* $< >$(<D)/log 2>&1; \
	then found="$$(sed -n 's/.*PASSED  \] //p' $(<D)/log)"; \
	  printf '  %-8s unit %s (%s)\n' SUCCESS $* "$$found"; \
	else printf '  %-8s unit %s\n' FAILURE $*; cat $(<D)/log; echo $* >>$(B)/unit/failed; fi
# It boots the teaching kernel's native image.
unit-interpret_boot: $(B)/native/insula.elf $(B)/native/insula-fs.img
unit: $(UNIT_NAMES:%=unit-%) $(COUNTED)
	@[ ! -e $(B)/unit/failed ] || \
	  { echo "unit tests failed:" $$(cat $(B)/unit/failed); exit 1; }

# --- micro-guests and benchmark: tests/guests/NAME/main.c, tests/bench/*.c -----------------------
TEST_GUESTS    := $(patsubst tests/guests/%/main.c,%,$(wildcard tests/guests/*/main.c))
TEST_GUEST_LIB := $(wildcard tests/guests/lib/*.c tests/guests/lib/*.asm)
test_sources    = $(wildcard tests/guests/$(1)/*.c tests/guests/$(1)/*.asm) $(TEST_GUEST_LIB)
# One is a debug build, which says what it is refused.
ARCHIVES_sdk-debug := $(B)/libpvguest-debug.a
CFLAGS_tests_guests_sdk-debug_main := -DPVGUEST_DEBUG
$(foreach name,$(TEST_GUESTS),\
  $(eval $(call guest,test-$(name),$(call test_sources,$(name)),$(ARCHIVES_$(name)) \
                      $(B)/libpvdrivers.a)))
$(eval $(call guest,mistakes,tests/mistakes/main.c,$(B)/libpvguest-debug.a))
$(eval $(call guest,bench,$(wildcard tests/bench/*.c tests/bench/*.asm)))

# --- the boot archive: attackers, odd kernels, and the configurations of all that tests create ---
ARCHIVE_CONFIGS += $(wildcard tests/system/configs/*.cfg tests/bench/*.cfg)
ARCHIVE_GUESTS  += $(filter $(B)/guests/test-attack-%.elf $(B)/guests/test-privilege.elf \
                            $(B)/guests/test-%-saved.elf,$(GUESTS))
ARCHIVE_GUESTS  += $(B)/archive/insula-native.elf
include tests/monitor/build.mk

$(B)/archive/insula-native.elf: $(B)/native/insula.elf
	@mkdir -p $(@D)
	$(Q)$(OBJCOPY) --strip-debug $< $@

# Plugins for QEMU: instructions by address; the longest stay in ring 0; devices that take no time;
# which instructions ran.
HOST_CFLAGS := -std=gnu17 -O2 -Wall -Wextra -Werror
$(B)/count.so: tests/tools/count.c
$(B)/residence.so: tests/tools/residence.c
$(B)/still.so: tests/tools/still.c
$(B)/reach.so: tests/mutate/reach.c
$(B)/count.so $(B)/residence.so $(B)/still.so $(B)/reach.so:
	$(say) CC $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -Wno-unused-parameter -shared -fPIC -o $@ $<
all: $(B)/residence.so

# --- guests of Debian's Linux ---------------------------------------------------------------------
# Kernel and packages are Debian's, fetched but not installed; without them the tests that want them
# are skipped, and say so.
#: make linux        Debian's Linux as a guest, fetched from Debian's archive;  make rig: as dom0 of
#:                   real Xen, to compare with;  make peer: Debian's Xen itself
#: make newest       the newest kernel that Debian has, for `make soak`
.PHONY: linux
linux: $(B)/linux/tried
$(B)/linux/work $(B)/linux/parallel: $(B)/linux/%: tests/linux/%.c tests/linux/job.h
	$(say) CC $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -static -pthread -o $@ $< -lm
$(B)/linux/call32: tests/linux/call32.asm
	$(say) NASM $@
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf32 -o $@.o $< && $(LD) -m elf_i386 -o $@ $@.o
LINUX_PROGRAMS := $(addprefix $(B)/linux/,work parallel call32) \
                  $(addprefix tests/linux/,load survey)
LINUX_FILES    := tests/linux/init tests/linux/inittab tests/linux/modprobe
LINUX_TOOLS    := tests/tools/linux.py tests/tools/foreign.py pvguest-sdk/tools/bzimage.py
$(B)/linux/tried: $(LINUX_TOOLS) $(LINUX_FILES) $(LINUX_PROGRAMS) | $(B)/peer/tried
	$(say) LINUX $(@D)
	$(Q)$(PYTHON) tests/tools/linux.py $(@D) $(LINUX_PROGRAMS)
	@[ -e $(@D)/unavailable ] || touch $@

# The newest kernel that Debian has, for the long runs.
.PHONY: newest
newest: $(B)/linux/newest/tried
$(B)/linux/newest/tried: $(B)/linux/tried
	$(say) LINUX $(@D)
	$(Q)$(PYTHON) tests/tools/linux.py --newest $(B)/linux
	@[ -e $(@D)/unavailable ] || touch $@

# The peer rig: real Xen with Debian's Linux as dom0 and Xen's own xl, to compare with.
.PHONY: rig
rig: $(B)/rig/tried
$(B)/rig/free-pages: tests/linux/free-pages.c
	$(say) CC $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -o $@ $< -lxenctrl
$(B)/rig/tried: tests/tools/rig.py $(LINUX_TOOLS) $(B)/rig/free-pages | $(B)/linux/tried
	$(say) RIG $(@D)
	$(Q)$(PYTHON) tests/tools/rig.py $(@D) $(B)/linux/packages $(B)/rig/free-pages
	@[ -e $(@D)/unavailable ] || touch $@

# Debian's real Xen, fetched but not installed. Without it the tests on real Xen are skipped, and
# say so.
.PHONY: peer
peer: $(B)/peer/tried
$(B)/peer/tried:
	@mkdir -p $(@D)
	@pvguest-sdk/tools/deps.sh peer $(B)/peer || true
	@touch $@

# `make run` with Linux in dom0's archive.
#:   LINUX=1         `make run` has Debian's Linux as a guest, too: xl create -c linux.cfg
LINUX ?=
ifneq ($(LINUX),)
RUN_NEEDS   += do-linux
RUN_OPTIONS += --memory 1536 --forward tcp:0:10.0.2.30:80 \
  $(addprefix --add ,$(B)/linux/vmlinux $(B)/linux/initramfs.cpio.gz tests/linux/linux.cfg)
endif
.PHONY: do-linux
do-linux: linux
	@[ -e $(B)/linux/vmlinux ] || \
	  { echo "Debian's Linux is not here: $$(cat $(B)/linux/unavailable)"; exit 1; }

# `make run` with Linux and Xen's own xl in our dom0's place, and in a tar file as its second disk
# what it creates.
#:   DOM0=linux      `make run` has Debian's Linux with Debian's xl for dom0: xl create -c dom0.cfg
DOM0 ?=
ifneq ($(filter-out linux,$(DOM0)),)
$(error DOM0=$(DOM0): there is DOM0=linux, and without DOM0= our own)
endif
ifneq ($(DOM0),)
RUN_NEEDS   += do-dom0-$(DOM0)
RUN_OPTIONS += --memory 2048 --append-hypervisor dom0_mem=768M \
  --bare $(B)/rig/vmlinuz --archive $(B)/rig/rig.cpio.gz --append-dom0 'console=hvc0 quiet' \
  --qemu='-drive if=none,id=guests,file=$(B)/rig/guests.tar,format=raw,readonly=on' \
  --qemu='-device virtio-blk-pci,drive=guests'
endif
.PHONY: do-dom0-linux
do-dom0-linux: do-linux rig
	@[ -e $(B)/rig/rig.cpio.gz ] || \
	  { echo "Debian's xl is not here: $$(cat $(B)/rig/unavailable)"; exit 1; }
	$(Q)tar -c -f $(B)/rig/guests.tar --format=ustar -C $(B)/linux vmlinux initramfs.cpio \
	  -C $(abspath tests/linux) dom0.cfg

# --- running the tests ---------------------------------------------------------------------------
#: make demo         the main job: hypervisor, dom0 with disk and network, guests, the cost table;
#:                   names each step
#: make test         everything that is tested: lint, unit tests, micro-guests, whole systems (and
#:                   on real Xen);  make guests-test: micro-guests;  make system-test: whole systems
#:   TESTS="-k NAME"     only what matches of those in Python, and what that needs
#:   DURATIONS=25        says which tests took longest
#: make lint         the rules of the house: who may include whom, sizes, widths, licences
#: make map          draws the rooms of hypervisor/ and who includes whom: hypervisor/rooms.svg
#: make bench        the cost table: hypercall beside trap, Domus beside real Xen, the kernel native
#:                   beside domU; a Linux guest; a neighbour beside four guests that flood
#:   GUEST_RUNS=5        how often a Linux guest is measured; minutes each
#: make compare      one kernel, all the ways to run it here: natively, ported, in the monitor's
#:                   modes; instructions, exits by cause; a table, CSV, and a page with a drawing
#: make curve        what traps in the kernel after each patch of its port, and what that costs
#: make figures      measures again and puts the tables into README.md
#: make lives        guests saved and restored 20 times, Linux across hypervisors 12 times, moved 20
#:                   times while it runs, cut off 10 times (an hour); `make soak` has this, too
#: make soak         the long runs (4 hours): generated configurations, mixed load, parallel load,
#:                   shares of two CPUs, a hundred lives of a Linux guest, large transfers, half an
#:                   hour of floods, races for 20 minutes each and mistakes that these must find;
#:                   then all tests on two CPUs, micro-guests on four and on eight
TESTS ?=
DURATIONS ?=
GUEST_RUNS ?= 5
# One command, for what stands before it in a recipe (DOMUS_CYCLES=100) is for its first alone.
IN_BUILD = DOMUS_BUILD=$(B) DOMUS_REFUSALS=$(REFUSALS)
PYTEST_OPTIONS := -q -rfEs -p no:cacheprovider --rootdir=tests -c tests/pytest.ini
PYTEST = $(IN_BUILD) $(PYTHON) -m pytest $(PYTEST_OPTIONS) $(DURATIONS:%=--durations=%)
# A test that hangs fails after 20 minutes, with the place, in most files sooner (conftest.py); none
# takes five.
HANGS := --timeout=1200
PARALLEL := -n 2 --dist loadgroup $(HANGS)
AGAIN = $(IN_BUILD) $(PYTHON) tests/tools/again.py $(B)/late $(PYTEST_OPTIONS) $(HANGS)
.PHONY: do-figures do-demo do-test do-soak do-lives do-bench do-compare do-curve guests-test \
        system-test do-find-pytest lint map
NO_PYTEST = $(call MISSED,python3-pexpect or python3-pytest$(comma) -xdist$(comma) -timeout)
do-find-pytest:
	@$(PYTHON) -c 'import pexpect, pytest, pytest_timeout, xdist' 2>/dev/null || \
	  { echo '$(NO_PYTEST)' >&2; exit 1; }
do-demo: all peer linux
	@$(PYTHON) tests/system/demo.py $(B)
do-bench: all peer linux rig $(B)/count.so $(B)/still.so
	@$(PYTHON) tests/bench/bench.py $(B)
	@$(PYTHON) tests/bench/guests.py $(B) $(GUEST_RUNS)
	@$(PYTHON) tests/bench/shares.py $(B)
	@$(PYTHON) tests/bench/floods.py $(B)
COMPARED := $(patsubst %,$(B)/port/step-%/insula.elf,7 8)
do-compare: all $(COMPARED)
	@$(PYTHON) tests/bench/compare.py $(B)
do-curve: all do-scanner $(patsubst %,$(B)/port/step-%/insula.elf,$(shell seq $$(wc -l < \
    patches/series/series)))
	@$(PYTHON) tests/bench/curve.py $(B)
FIGURES := bench guests shares floods compare
do-figures: do-bench do-compare
	@$(PYTHON) tests/tools/readme.py README.md $(FIGURES:%=$(B)/%.md)
	$(Q)cp $(B)/compare.svg tests/bench/compare.svg
guests-test: do-find-pytest all peer linux
	@$(PYTEST) $(PARALLEL) tests/guests $(TESTS)
system-test: do-find-pytest all peer linux rig
	@$(PYTEST) $(PARALLEL) tests/system $(TESTS)
# With TESTS only what it chooses, and of foreign systems only what that needs.
do-test: do-find-pytest all $(if $(TESTS),do-chosen,lint unit peer linux rig do-scanner)
	@DOMUS_LATE=$(B)/late $(PYTEST) $(PARALLEL) tests $(TESTS) || $(AGAIN)
	@$(PYTHON) tests/tools/refusals.py $(B) $(if $(TESTS),--partial)
.PHONY: do-chosen
do-chosen: all peer
	@needed="$$(DOMUS_BUILD=$(B) $(PYTHON) tests/tools/needs.py $(TESTS))"; \
	  [ -z "$$needed" ] || $(MAKE) --no-print-directory $$needed

# The long runs: generated configurations and damaged streams; ten minutes of mixed load and of
# parallel load, shares of two CPUs over 30 s, a hundred cycles of a Linux guest, 500 lives of a
# small one, large transfers, half an hour of floods, 40 minutes of races and what mistakes these
# find. Then what `make test` has on one CPU, on more.
LIVES := $(addprefix tests/system/,test_save.py test_save_linux.py test_saved_across.py \
           test_move.py test_move_linux.py test_move_still.py)
SOAK := $(addprefix tests/system/,test_linux_load.py test_linux_cpus.py test_linux_xl.py \
          test_linux_dom0.py test_fair.py test_linux_net.py test_cycles.py test_flood_soak.py \
          test_races.py test_locks.py test_mistakes.py test_compare.py test_rig.py) $(LIVES) \
          tests/unit/test_scan.py tests/unit/test_scan_hostile.py
do-lives: do-find-pytest all peer linux rig
	@DOMUS_CYCLES=20 DOMUS_MOVES=10 DOMUS_PATIENCE=$${DOMUS_PATIENCE:-3} \
	  $(PYTEST) -s $(LIVES) $(TESTS)
do-soak: do-find-pytest all peer linux newest rig do-scanner $(COMPARED) \
         $(addprefix $(B)/unit/,$(addsuffix /test,xlcfg_fuzz inflate scan_fuzz save_fuzz))
	@DOMUS_FUZZ_SECONDS=$${DOMUS_FUZZ_SECONDS:-600} DOMUS_FUZZ_SEED=$$(date +%s) \
	  $(B)/unit/xlcfg_fuzz/test
	@DOMUS_FUZZ_SECONDS=120 $(B)/unit/inflate/test
	@DOMUS_FUZZ_SECONDS=120 DOMUS_FUZZ_SEED=$$(date +%s) $(B)/unit/scan_fuzz/test
	@DOMUS_FUZZ_SECONDS=120 DOMUS_FUZZ_SEED=$$(date +%s) $(B)/unit/save_fuzz/test
	@DOMUS_LOAD_SECONDS=600 DOMUS_CYCLES=100 DOMUS_LIVES=500 DOMUS_TRANSFER_MIB=500 \
	  DOMUS_MISTAKES=1 DOMUS_MOVES=10 \
	  DOMUS_FLOOD_SECONDS=$${DOMUS_FLOOD_SECONDS:-1800} DOMUS_PATIENCE=$${DOMUS_PATIENCE:-3} \
	  DOMUS_RACES_SECONDS=$${DOMUS_RACES_SECONDS:-1200} \
	  DOMUS_LONG_SCANS=1 DOMUS_COMPARE_ALL=1 DOMUS_FAIR_SECONDS=30 \
	  $(PYTEST) -s $(SOAK) $(TESTS)
	@DOMUS_SMP=2 $(PYTEST) $(PARALLEL) tests/guests tests/system $(TESTS)
	@for cpus in 4 8; do \
	  DOMUS_SMP=$$cpus DOMUS_PATIENCE=$${DOMUS_PATIENCE:-3} $(PYTEST) $(PARALLEL) \
	    tests/guests/test_guests.py -k "domus or debug" $(TESTS) || exit 1; done

lint:
	@$(PYTHON) tests/tools/lint.py $(B)
map:
	@$(PYTHON) tests/tools/map.py

#: make mutate       small mistakes put into copies of the shipped code, one at a time: does a test
#:                   notice? (tests/README.md) Without N= the table of what is known
#:   N=40                so many mistakes;  SEED=1: which;  JOBS=2: so many at a time
#:   FILES="PATH..."     in these files;  BUDGET=100: seconds of the CPU for each
#:   WITH="toolstack"    these tests only;  WITHOUT=guest:NAME: all but these
#:   UNITS=1             judged by unit tests alone, in seconds: what survives wants all tests, next
#:   SURVIVED=1          the survivors again;  AGAIN=1: those that were killed, too
N ?=
SEED ?=
JOBS ?=
FILES ?=
BUDGET ?=
WITH ?=
WITHOUT ?=
SURVIVED ?=
UNITS ?=
AGAIN ?=
.PHONY: do-mutate
do-mutate:
	@$(PYTHON) tests/mutate/mutate.py $(B) $(if $(FILES),--files $(FILES)) $(N:%=-n %) \
	  $(SEED:%=--seed %) $(JOBS:%=--jobs %) $(BUDGET:%=--budget %) \
	  $(if $(WITH),--with $(WITH)) $(if $(WITHOUT),--without $(WITHOUT)) \
	  $(if $(SURVIVED),--survived) $(if $(UNITS),--units) $(if $(AGAIN),--again)
