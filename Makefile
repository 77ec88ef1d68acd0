## make demo   start a local Intervals API and the service, with sample races (PORT=8123: other ports)
## make test   run every check that a change must pass
## make tools  install what the tests of the image need (Debian, root)
## make bench  run the benchmarks (about 45 minutes; needs wrk)
## make screenshots  draw the README's picture and the picture of shared links (needs Chromium)
## make setup  make .venv with everything for development
## make audit  ask for known vulnerabilities of the locked packages (needs the network)
## make lock   compile requirements*.txt from pyproject.toml
## make clean  remove .venv, the database in var/ and all caches

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command 'make lock'
# The packages of the month view in templates/snippets.html.
FULLCALENDAR := fullcalendar@6.1.19 @fullcalendar/icalendar@6.1.19 ical.js@1.5.0

.DEFAULT_GOAL := help
.PHONY: help setup demo test tools chromium nginx fullcalendar bench screenshots audit lock clean

# The lines of this file that begin with two number signs.
help:
	@sed -n 's/^## //p' Makefile

setup: .venv/dev

demo: .venv/run
	@exec $(BIN)/python -m feeds demo

test: .venv/dev chromium nginx fullcalendar
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

# buildah and mmdebstrap for the tests of the image, from Debian. Without them these tests are skipped.
tools:
	@command -v buildah > /dev/null && command -v mmdebstrap > /dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo 'Adding buildah and mmdebstrap for the tests ...'; \
		{ apt-get -qq update && apt-get -qq -y install --no-install-recommends buildah mmdebstrap; } > /dev/null 2>&1 || \
			echo 'buildah cannot be installed: the tests of the image are skipped.'; \
	else echo 'buildah is missing: the tests of the image are skipped.'; fi

# Chromium for the browser tests, from Debian: the headless shell, or Chromium itself where Debian has no such package.
# Without Chromium these tests are skipped.
chromium:
	@command -v chromium-headless-shell > /dev/null || command -v chromium > /dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo 'Adding Chromium for the tests ...'; \
		{ apt-get -qq update && { \
			apt-get -qq -y install --no-install-recommends chromium-headless-shell fonts-dejavu-core || \
			apt-get -qq -y install --no-install-recommends chromium fonts-dejavu-core; }; } > /dev/null 2>&1 || \
			echo 'Chromium cannot be installed: browser tests are skipped.'; \
	else echo 'Chromium is missing: browser tests are skipped.'; fi

# nginx for its tests, from Debian. The package is unpacked, not installed: installing would start nginx.
# Without nginx these tests are skipped.
nginx: .venv/dev
	@PATH="$$PATH:/usr/sbin:.venv/nginx/usr/sbin"; \
	command -v nginx > /dev/null || \
	if command -v apt-get > /dev/null; then \
		echo 'Unpacking nginx for the tests ...'; \
		{ [ "$$(id -u)" != 0 ] || apt-get -qq update; mkdir -p .venv/nginx && cd .venv/nginx && \
			apt-get -qq download nginx && dpkg -x nginx_*.deb . && usr/sbin/nginx -v; } > /dev/null 2>&1 || \
			{ rm -rf .venv/nginx; echo 'nginx cannot be unpacked: nginx tests are skipped.'; }; \
	else echo 'nginx is missing: nginx tests are skipped.'; fi

# FullCalendar for the test of the month view, with npm. Without these packages the test is skipped.
fullcalendar: .venv/dev
	@[ "$$(cat .venv/npm/installed 2> /dev/null)" = '$(FULLCALENDAR)' ] || \
	if command -v npm > /dev/null; then \
		echo 'Adding FullCalendar for the tests ...'; \
		{ rm -rf .venv/npm && npm install --prefix .venv/npm --no-package-lock --ignore-scripts --no-audit --no-fund \
			--fetch-retries=1 --fetch-timeout=30000 $(FULLCALENDAR) && \
			echo '$(FULLCALENDAR)' > .venv/npm/installed; } > /dev/null 2>&1 || \
			{ rm -rf .venv/npm; echo 'FullCalendar cannot be installed: the test of the month view is skipped.'; }; \
	else echo 'npm is missing: the test of the month view is skipped.'; fi

bench: .venv/dev
	@exec $(BIN)/python -m bench

screenshots: .venv/dev chromium
	$(BIN)/python -m tests.support.screenshots

# Each file for itself: a package that only builds is no part of the service. Without --strict, packages
# that could not be looked up count as sound.
audit: .venv/dev
	@for file in requirements-postgres.txt requirements-build.txt; do \
		$(BIN)/uv tool run --quiet pip-audit --strict --require-hashes --disable-pip --requirement $$file || exit 1; done

lock: .venv/dev
	$(COMPILE) --group build --output-file requirements-build.txt
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --extra postgres --output-file requirements-postgres.txt
	$(COMPILE) pyproject.toml --group dev --output-file requirements-dev.txt

clean:
	rm -rf .venv var dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# .venv/run has what the service needs, .venv/dev what development needs. Each is updated when its lock changes.
.venv/run: requirements-build.txt requirements.txt
	@echo 'Setting up .venv ...'
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; PYTHON=python3.12 make ... names another." if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes --requirement requirements-build.txt
	@$(PIP) install --require-hashes --no-build-isolation --requirement requirements.txt
	@touch $@

.venv/dev: .venv/run requirements-dev.txt pyproject.toml
	@echo 'Adding the development dependencies ...'
	@$(PIP) install --require-hashes --no-build-isolation --requirement requirements-dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
