# `make demo` and `make test` set up all they need: Debian packages (as root) and a virtual environment.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SYSTEM_DEMO := bubblewrap libegl1 libosmesa6 libgl1-mesa-dri
SYSTEM_TEST := $(SYSTEM_DEMO) chromium git util-linux docker.io debootstrap
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test check unit docker system-demo system-test benchmarks clean

help:
	@echo "make demo        design a reward for a MuJoCo robot, train, evaluate, write a report (no API key; about 4 minutes)"
	@echo "make test        install what the tests need, then run linters, type checks and all tests"
	@echo "make check       ruff and mypy alone        make unit    the tests alone"
	@echo "make benchmarks  every benchmark with its committed settings (most of a day)"
	@echo "make clean       remove the virtual environment and caches"

demo: system-demo $(VENV)/.installed
	$(BIN)/envreward doctor
	$(BIN)/envreward design --env HalfCheetah --preset demo

test: system-test $(VENV)/.installed-dev docker check unit

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal --durations 15

# A daemon is started if none answers, and the base image is made if it is missing (about 40 seconds, once).
docker: system-test $(VENV)/.installed-dev
	$(BIN)/python -m envreward.sandboxes.docker_setup

benchmarks: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.throughput --family manipulation
	$(BIN)/python -m benchmarks.scripted
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.evolve
	$(BIN)/python -m benchmarks.evolve_manipulation
	$(BIN)/python -m benchmarks.expert --family manipulation
	$(BIN)/python -m benchmarks.search_cost
	$(BIN)/python -m benchmarks.designers --replay
	$(BIN)/python -m benchmarks.tpe
	$(BIN)/python -m benchmarks.web
	$(BIN)/python -m benchmarks.swe
	$(BIN)/python -m benchmarks.agentic_rewards
	$(BIN)/python -m benchmarks.soak

# Only what is missing is installed; without root the one line to run is printed instead.
define install_system
	@missing=; for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  else echo "missing Debian packages; run:  sudo apt-get update && sudo apt-get install -y$$missing"; exit 1; fi; fi
endef

system-demo:
	$(call install_system,$(SYSTEM_DEMO))

system-test:
	$(call install_system,$(SYSTEM_TEST))

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "EnvReward needs Python 3.11 or newer; run: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e '.[dev]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
