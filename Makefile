# make lab     sets up and opens JupyterLab at the first notebook (ARGS=… is passed on)
# make test    sets up and runs every test (ARGS=… goes to pytest)
# make setup   builds .venv from requirements.lock, the panels and the extension; again only when
#              these change
# make types   writes in TypeScript what crosses from Python to the panels
# make readers installs what some tests open the workbench in beside JupyterLab; make test does, too
# make panels  builds only the panels and the extension, with the npm that is at hand
# make bench   sets up and measures against the other libraries (ARGS=…)
# make lint    ruff and mypy
# make lock    writes requirements.lock from what is installed

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP := .venv/bin/python -m pip install --disable-pip-version-check --quiet
STAMP := .venv/installed-from

PANELS := workbench/widgets/static/made-from
NPM := cd extensions && PATH="$(CURDIR)/.venv/bin:$$PATH" npm --silent

READERS := $(patsubst tests/readers/%.lock,.venv/readers/%/made-from,$(wildcard tests/readers/*.lock))

.PHONY: setup types panels readers lab test bench lint lock

setup:
	@cat requirements.lock pyproject.toml | cmp -s - $(STAMP) || $(MAKE) --no-print-directory $(STAMP)
	@$(MAKE) --no-print-directory panels

types:
	.venv/bin/python tools/typescript.py > extensions/src/generated.ts.new
	mv extensions/src/generated.ts.new extensions/src/generated.ts

panels: $(PANELS)
	@:

$(PANELS): $(shell find extensions/src extensions/schema -type f) extensions/build.mjs extensions/package.json extensions/tsconfig.json extensions/node_modules/.package-lock.json
	$(NPM) run build

extensions/node_modules/.package-lock.json: extensions/package-lock.json
	$(NPM) ci

# torch comes first and by its exact version, so that pip takes the build that the machine's index
# offers for it and nothing newer; the rest of the lock then finds it in place.
.PHONY: $(STAMP)
$(STAMP):
	@$(PYTHON) -c 'import sys; ok = sys.version_info[:2] == (3, 11); sys.exit(None if ok else "Python 3.11 is needed: make PYTHON=/path/to/python3.11 …")'
	$(PYTHON) -m venv .venv
	$(PIP) $$(grep '^torch==' requirements.lock)
	$(PIP) -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@cat requirements.lock pyproject.toml > $@

readers: $(READERS)
	@:

# Each in a folder that is on no path; all that it needs besides is in requirements.lock.
.venv/readers/%/made-from: tests/readers/%.lock | setup
	rm -rf $(@D)
	$(PIP) --no-deps --target $(@D) -r $<
	@cp $< $@

lab: setup
	.venv/bin/workbench lab $(ARGS)

test: setup readers
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: setup
	.venv/bin/python -m benchmarks $(ARGS)

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

lock:
	.venv/bin/python tools/lock.py > requirements.lock.new
	mv requirements.lock.new requirements.lock
