# SPDX-License-Identifier: Apache-2.0
# Makefile - the few words that a person types; meson does the work

BUILD ?= build
PYTHON ?= /usr/bin/python3

.PHONY: all install run test test-long lint fuzz clean clean-host

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja:
	@tools/need.sh build
	@meson setup $(BUILD) >/dev/null

install: all
	@DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --quiet

# alice and bob with a machine each, and the attacks between them
run:
	@tools/need.sh build run
	@$(MAKE) --no-print-directory all
	@tools/run.sh

test:
	@tools/need.sh build run test
	@tools/test.sh

test-long:
	@tools/need.sh build run test
	@FUZZ_SECONDS=300 CROFT_TEST_LONG=1 tools/test.sh

lint:
	@tools/need.sh build test
	@tools/lint.sh

fuzz:
	@tools/need.sh build test
	@tools/fuzz.sh

clean:
	rm -rf build build-*/

# accounts, mounts, control groups and files as they were before Croft
clean-host:
	@tools/clean-host.sh
