# Everything lives in .venv: the interpreter, the packages, the chosen GL backend, the stamps that say what is done.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOMS := robometer_rl rewards envs experiments tests
SITE := build/site

# The checkout and the user's site-packages must not leak into .venv; MuJoCo reads its backend from the environment.
unexport PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE := 1
# One thread a process: several small models and simulators on few cores only get in each other's way.
export OMP_NUM_THREADS ?= 1
PYTEST_ARGS ?= --numprocesses auto --maxprocesses 4
WITH_GL = MUJOCO_GL="$${MUJOCO_GL:-$$(cat $(VENV)/gl-backend)}"

.PHONY: help venv demo test lint types docs format clean

help:  ## Print this list.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

venv: $(VENV)/gl-backend  ## Set everything up: .venv, dependencies, a GL backend that renders.
	@echo "robometer-rl is ready in $(VENV); GL backend: $$(cat $(VENV)/gl-backend)"

demo: venv  ## Score an expert, a half-way and a random episode in two worlds.
	$(WITH_GL) $(BIN)/robometer-rl demo

# Without a browser its own test fails and says what to install; the others run all the same.
test: venv  ## Run the tests.
	@test -e $(VENV)/browser || .ci/setup-browser >$(VENV)/browser || rm $(VENV)/browser
	$(WITH_GL) $(BIN)/pytest $(PYTEST_ARGS) </dev/null

lint: $(VENV)/installed  ## Check style and formatting.
	$(BIN)/ruff check $(ROOMS) setup.py
	$(BIN)/ruff format --check $(ROOMS) setup.py

format: $(VENV)/installed  ## Format, and repair what can be repaired.
	$(BIN)/ruff check --fix-only $(ROOMS) setup.py
	$(BIN)/ruff format $(ROOMS) setup.py

# mypy and mkdocstrings cannot follow setup.py's package_dir, so both read a tree of links that has the layout of the
# installed package; the paths in mypy's report are turned back into those of the checkout.
define LINKS
@rm -rf $(VENV)/types && mkdir -p $(VENV)/types/robometer_rl
@ln -s $(CURDIR)/robometer_rl/* $(CURDIR)/rewards $(CURDIR)/envs $(CURDIR)/experiments $(VENV)/types/robometer_rl/
endef

types: $(VENV)/installed  ## Check types.
	$(LINKS)
	MYPYPATH=$(VENV)/types $(BIN)/mypy -p robometer_rl \
		| sed -E 's#^$(VENV)/types/robometer_rl/(rewards|envs|experiments)/#\1/#; s#^$(VENV)/types/##'

# Strict: a dead link, a page that is not in the menu or a docstring that cannot be read fails. The built pages may load
# nothing from another host.
docs: $(VENV)/installed  ## Build the documentation site in build/site.
	$(LINKS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@! grep -rEl --include='*.html' '<(script|link|img|video|source|iframe)[^>]+(src|href)="?(https?:)?//' $(SITE)
	@echo "open $(SITE)/index.html; search needs a server: python3 -m http.server --directory $(SITE)"

clean:  ## Remove .venv and what the tools left behind.
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find $(ROOMS) -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@.ci/make-venv "$(PYTHON)" $(VENV)

# torch first and alone, so that nothing later brings another build of it. Then the known-good set as it stands, with
# two replacements that spare a fresh machine a compiler and X11: robosuite's pynput (keyboard teleoperation; it compiles
# evdev) is left out, and cv2 comes in its headless build.
$(VENV)/installed: $(BIN)/python constraints.txt pyproject.toml setup.py
	$(BIN)/python -m pip install -c constraints.txt torch==2.13.0
	sed 's/^opencv-python==/opencv-python-headless==/' constraints.txt >$(VENV)/packages.txt
	$(BIN)/python -m pip install --no-deps -r $(VENV)/packages.txt
	$(BIN)/python -m pip install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/gl-backend: $(VENV)/installed
	@.ci/setup-gl $(BIN)/python >$@
