# SPDX-License-Identifier: MIT
# tests/: unit tests on the host, micro-guests, whole systems, benchmarks, and the image tools they share.

# --- unit tests: tests/unit/test_NAME.c -----------------------------------------------------------------------------------------
# A unit test is one cmocka program. It names what it tests in comments that this file reads:
#   sources: PATH PATH...     files of the project compiled into it (with ASan and UBSan)
#   cflags: -DX -Ifoo         extra flags for all of its objects (optional)
# Nothing else is needed: a new test_NAME.c is found, built as $(B)/unit/NAME/test and run by `make unit`.
UNIT_NAMES  := $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_CFLAGS := -std=gnu17 -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -MMD -MP \
               -Wall -Wextra -Werror -Wno-unused-parameter -DUNIT_TEST -Ihypervisor -Ipvguest-sdk/include -Idrivers/include -Idom0 -I.
unit_field   = $(shell sed -n 's/^[ */]*$(2): *\([^*]*\).*/\1/p' tests/unit/test_$(1).c)

define unit_rules
UNIT_SOURCES_$(1) := tests/unit/test_$(1).c $(call unit_field,$(1),sources)
$$(B)/unit/$(1)/%.o: %.c
	$$(say) CC 'unit $(1): $$<'
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(UNIT_CFLAGS) $(call unit_field,$(1),cflags) -c -o $$@ $$<
$$(B)/unit/$(1)/test: $$(patsubst %.c,$$(B)/unit/$(1)/%.o,$$(UNIT_SOURCES_$(1)))
	$$(say) LD $$@
	$$(Q)$$(CC) -fsanitize=address,undefined -o $$@ $$^ -lcmocka
endef
$(foreach name,$(UNIT_NAMES),$(eval $(call unit_rules,$(name))))

.PHONY: unit
unit: $(UNIT_NAMES:%=$(B)/unit/%/test)
	@failed=; for t in $(UNIT_NAMES); do \
	  if $(B)/unit/$$t/test >$(B)/unit/$$t/log 2>&1; \
	  then printf '  %-8s unit %s (%s)\n' SUCCESS $$t "$$(sed -n 's/.*PASSED  \] //p' $(B)/unit/$$t/log)"; \
	  else printf '  %-8s unit %s\n' FAILURE $$t; cat $(B)/unit/$$t/log; failed="$$failed $$t"; fi; done; \
	if [ -n "$$failed" ]; then echo "unit tests failed:$$failed"; exit 1; fi
