# Two commands need no set-up but Python 3.11+ and make: `make serve` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PLUGINS := $(wildcard plugins/*)
PACKAGES := pyproject.toml $(wildcard plugins/*/pyproject.toml)
EDITABLE := $(foreach plugin,$(PLUGINS),-e $(plugin))
# In variables, which reach what builds the packages too: old versions of pip read the first there, new ones the second.
PINNED := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
INSTALL := $(PINNED) $(BIN)/pip install --quiet --disable-pip-version-check
COMPILED := build/compiled

.PHONY: serve test test-compiled check faults bench bench-quick services clean

# The demo: core and first-party plugins, memory engine, SQLite, the chat on http://127.0.0.1:8800/
serve: $(VENV)/.installed
	$(BIN)/msanic-core serve --auth anonymous --migrate

test: check
	$(BIN)/pytest

check: $(VENV)/.test-installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy hatch_build.py $(wildcard plugins/*/src)

# The tests again, with the message path compiled. In a copy: here the libraries would hide files that are edited.
# Left out is what does not run it or tests more than it, and what looks into modules that are not interpreted then.
test-compiled:
	mkdir -p $(COMPILED)
	find $(COMPILED) -path $(COMPILED)/$(VENV) -prune -o -type f ! -name '*.so' -exec rm {} +
	git ls-files -z --cached --others --exclude-standard | \
		tar --create --null --files-from=- --ignore-failed-read | tar --extract --directory=$(COMPILED)
	$(MAKE) --directory=$(COMPILED) $(VENV)/.compiled
	cd $(COMPILED) && TESTS_COMPILED=1 $(BIN)/pytest -m 'not interpreted' --ignore=tests/benchmarks \
		--ignore=tests/engine --ignore=tests/conformance --ignore=tests/testing --ignore=tests/db --ignore=tests/cli \
		--ignore=tests/faults --ignore-glob='tests/test_from_msanic*' \
		--ignore=tests/integration/test_packaging.py --ignore-glob='plugins/*/tests/test_page*.py'

# Processes, Redis and links that fail, in the sizes of the goals: ten minutes; the figures are printed at the end.
faults: $(VENV)/.test-installed
	mkdir -p build
	rm -f build/faults.txt
	FAULTS_FULL=1 FAULTS_FIGURES=build/faults.txt $(BIN)/pytest tests/faults --timeout=1800
	cat build/faults.txt

# Side by side with the peers: half an hour, then benchmarks/RESULTS.md and the plots are new.
bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks

# The same in a minute, to see that everything works; makes the environments in benchmarks/.env the first time.
bench-quick: $(VENV)/.installed
	$(BIN)/python -m benchmarks --quick

# Programs that some tests and benchmarks need and only the system has; without them those are left out.
services:
	$(SUDO) apt-get update
	$(SUDO) env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends \
		redis-server postgresql mariadb-server chromium gcc libc6-dev python3-dev libuv1

clean:
	rm -rf $(VENV) $(COMPILED) benchmarks/.env

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "Debian keeps venv in a package of its own: installing python3-venv"; \
		  $(SUDO) apt-get update && $(SUDO) apt-get install -y python3-venv; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(PACKAGES) constraints.txt | $(BIN)/pip
	MSANIC_CORE_COMPILE=0 $(INSTALL) -e . $(EDITABLE)
	touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	MSANIC_CORE_COMPILE=0 $(INSTALL) -e '.[test]'
	touch $@

# Only in the copy that test-compiled makes.
$(VENV)/.compiled: $(PACKAGES) constraints.txt hatch_build.py $(shell find msanic_core -name '*.py') | $(BIN)/pip
	MSANIC_CORE_COMPILE=1 $(INSTALL) -e '.[test]' $(EDITABLE)
	touch $@
