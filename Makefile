# make demo   a local Intervals API and the service, with sample events
# make test   every check that a change has to pass
# make bench  what it costs: calls, latencies, delays, beside other ways (three quarters of an hour; needs wrk)
# make setup  .venv with all that is needed to work on the project
# make lock   requirements.txt, with PostgreSQL and for development, anew from pyproject.toml

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command 'make lock' pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup demo test chromium nginx bench lock clean

help:
	@sed -n 's/^# //p' Makefile

setup: .venv/dev

demo: .venv/run
	@exec $(BIN)/python -m feeds demo

test: .venv/dev chromium nginx
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

# The browser of the tests, where it can be had from Debian; without one they are skipped.
chromium:
	@command -v chromium > /dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo 'Adding Chromium for the tests ...'; \
		{ apt-get -qq update && apt-get -qq -y install --no-install-recommends chromium fonts-dejavu-core; } > /dev/null 2>&1 || \
			echo 'Chromium cannot be installed: tests in a browser are skipped.'; \
	else echo 'There is no Chromium: tests in a browser are skipped.'; fi

# The nginx of the tests, where it can be had from Debian: unpacked, not installed, which would start it.
nginx: .venv/dev
	@PATH="$$PATH:/usr/sbin:.venv/nginx/usr/sbin"; \
	command -v nginx > /dev/null || \
	if command -v apt-get > /dev/null; then \
		echo 'Unpacking nginx for the tests ...'; \
		{ [ "$$(id -u)" != 0 ] || apt-get -qq update; mkdir -p .venv/nginx && cd .venv/nginx && \
			apt-get -qq download nginx && dpkg -x nginx_*.deb . && usr/sbin/nginx -v; } > /dev/null 2>&1 || \
			{ rm -rf .venv/nginx; echo 'nginx cannot be had: tests with it are skipped.'; }; \
	else echo 'There is no nginx: tests with it are skipped.'; fi

bench: .venv/dev
	@exec $(BIN)/python -m bench

lock: .venv/dev
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --extra postgres --output-file requirements-postgres.txt
	$(COMPILE) --group dev --output-file requirements-dev.txt

clean:
	rm -rf .venv var dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# What runs the service, and on top of it what works on it; each is made anew when its lock changes.
.venv/run: requirements.txt
	@echo 'Setting up .venv ...'
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; PYTHON=python3.12 make ... names another." if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes --requirement requirements.txt
	@touch $@

.venv/dev: .venv/run requirements-dev.txt pyproject.toml
	@echo 'Adding what development needs ...'
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
