# Everything here needs Python 3.11 or newer and make, and no set-up before it: `make` alone says what there is.

PYTHON ?= python3
# Each Python has an environment of its own. That of the default one is the one in the documents.
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PLUGINS := $(wildcard plugins/*)
PACKAGES := pyproject.toml $(wildcard plugins/*/pyproject.toml)
EDITABLE := $(foreach plugin,$(PLUGINS),-e $(plugin))
# In variables, which reach what builds the packages too: old versions of pip read the first there, new ones the second.
PINNED := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
INSTALL := $(PINNED) $(BIN)/pip install --quiet --disable-pip-version-check
COMPILED := build/compiled
# Otherwise every server that a test starts compiles all modules of the core anew.
unexport PYTHONDONTWRITEBYTECODE

# Files are given out to two processes, but for those of rooms that measure, or fail if other work holds them up.
# In the order of their names: by the number of tests, the files with few long ones would come last, one after the other.
PARALLEL := --numprocesses=2 --dist=loadfile --no-loadscope-reorder
ALONE := tests/faults tests/benchmarks
# The versions that `make test` may not be run on, and that it must work on too.
VERSIONS := 3.12 3.13
# Left out is what takes long and depends least on the version: processes, stores, databases, packages, pages.
QUICK := --ignore=tests/faults --ignore=tests/benchmarks --ignore=tests/db --ignore=tests/testing \
	--ignore=tests/engine --ignore=tests/conformance --ignore=tests/integration --ignore=tests/process \
	--ignore=tests/cli --ignore-glob='tests/*test_from_msanic*' --ignore=plugins/msanic-notes \
	--ignore-glob='plugins/*/tests/test_page*.py'

.PHONY: help serve check format test room test-quick test-pythons test-compiled faults bench bench-quick dist services \
	clean

help: ## Print this list
	@awk -F ': .*## |: ## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

serve: $(VENV)/.installed ## Run the demo, core and first-party plugins, on http://127.0.0.1:8800/
	$(BIN)/msanic-core serve --auth anonymous --migrate

check: $(VENV)/.test-installed ## Look at the code: ruff and mypy --strict
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy hatch_build.py $(wildcard plugins/*/src)

format: $(VENV)/.test-installed ## Write the code as `make check` wants it, where ruff can
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

test: check ## Check, and run every test; with PYTHON=python3.12, on that Python
	$(BIN)/pytest $(PARALLEL) $(addprefix --ignore=,$(ALONE))
	$(BIN)/pytest $(ALONE)

room: $(VENV)/.test-installed ## Run the tests of one room: make room ROOM=wire
	@test -n "$(ROOM)" || { echo "Which room? make room ROOM=wire; there are:" tests/*/ >&2; exit 2; }
	$(BIN)/pytest tests/$(ROOM)

test-quick: $(VENV)/.test-installed ## Run the tests that take little time
	$(BIN)/pytest $(PARALLEL) $(QUICK)

test-pythons: ## Run the quick tests on Python 3.12 and 3.13, where they are installed
	@for version in $(VERSIONS); do \
		if PYENV_VERSION=$$version python$$version -c '' 2>/dev/null; then \
			$(MAKE) test-quick PYTHON=python$$version || exit; \
		else \
			echo "Python $$version is not installed: nothing is tested on it."; \
		fi; \
	done

# In a copy: here the libraries would hide files that are edited.
# Left out is what does not run it or tests more than it, and what looks into modules that are not interpreted then.
test-compiled: ## Run tests with the message path compiled
	mkdir -p $(COMPILED)
	find $(COMPILED) -path '$(COMPILED)/.venv*' -prune -o -type f ! -name '*.so' -exec rm {} +
	git ls-files -z --cached --others --exclude-standard | \
		tar --create --null --files-from=- --ignore-failed-read | tar --extract --directory=$(COMPILED)
	$(MAKE) --directory=$(COMPILED) $(VENV)/.compiled
	cd $(COMPILED) && TESTS_COMPILED=1 $(BIN)/pytest $(PARALLEL) -m 'not interpreted' --ignore=tests/benchmarks \
		--ignore=tests/engine --ignore=tests/conformance --ignore=tests/testing --ignore=tests/db --ignore=tests/cli \
		--ignore=tests/faults --ignore-glob='tests/*test_from_msanic*' \
		--ignore=tests/integration/test_packaging.py --ignore-glob='plugins/*/tests/test_page*.py'

faults: $(VENV)/.test-installed ## Let processes, Redis and links fail, in full size: ten minutes; prints the figures
	mkdir -p build
	rm -f build/faults.txt
	FAULTS_FULL=1 FAULTS_FIGURES=build/faults.txt $(BIN)/pytest tests/faults --timeout=1800
	cat build/faults.txt

bench: $(VENV)/.installed ## Measure beside the peers: half an hour, then benchmarks/RESULTS.md and the plots are new
	$(BIN)/python -m benchmarks

# Makes the environments in benchmarks/.env the first time.
bench-quick: $(VENV)/.installed ## The same in a minute, to see that everything works
	$(BIN)/python -m benchmarks --quick

dist: $(VENV)/.test-installed ## Build the distributions of the core and of the plugins into dist/
	rm -rf dist
	for project in . $(PLUGINS); do \
		PIP_CONSTRAINT=$(CURDIR)/constraints.txt PIP_BUILD_CONSTRAINT=$(CURDIR)/constraints.txt \
			$(BIN)/python -m build --outdir dist $$project || exit; \
	done

# Without them the tests and benchmarks that need one are left out.
services: ## Install what only the system has: Redis, PostgreSQL, MariaDB, Chromium, a C compiler
	$(SUDO) apt-get update
	$(SUDO) env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends \
		redis-server postgresql mariadb-server chromium gcc libc6-dev python3-dev libuv1

clean: ## Remove all environments
	rm -rf .venv .venv-* $(COMPILED) benchmarks/.env

# A shim of pyenv runs its version only if told to; nothing else looks at this.
ifneq ($(PYTHON),python3)
$(BIN)/pip: export PYENV_VERSION = $(patsubst python%,%,$(notdir $(PYTHON)))
endif

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
