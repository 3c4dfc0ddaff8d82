# Works with GNU make 3.81 (macOS) and /bin/sh; everything after `setup` runs from .venv.
.DEFAULT_GOAL := help
.PHONY: help setup run web token test lint bench soak fuzz audit docs screenshots lock clean

# What is set for another Python must not reach the one in .venv.
unexport PYTHONHOME
unexport PYTHONPATH
# Where it is set, each of pytest's workers would compile all tests in every run.
unexport PYTHONDONTWRITEBYTECODE

# Into a file or a pipe Python would keep back what it prints, the address and the token with it.
export PYTHONUNBUFFERED = 1

# Not ?=: some systems export HOST as the machine's name, which would open the port to the network.
HOST = 127.0.0.1
PORT ?= 8080
WEB_PORT ?= 8081
UV_VERSION ?= 0.13.9

# The reverse target is a closed port on purpose: the gateway answers by itself, and what it does
# not answer must lead nowhere.
PROXY = -s addon/ai_proxy.py --mode reverse:http://127.0.0.1:1 --listen-host $(HOST) --listen-port $(PORT)

RESOLVE = --universal --python-version 3.12 --python build/lock/bin/python --no-python-downloads \
	--generate-hashes --no-header --quiet

help:
	@echo 'make setup   create .venv from requirements.lock (PYTHON=python3.13 picks the interpreter)'
	@echo 'make run     serve with mitmdump   (HOST=$(HOST) PORT=$(PORT) ARGS=...)'
	@echo 'make web     serve with mitmweb    (as run, and WEB_PORT=$(WEB_PORT) WEB_ARGS=...)'
	@echo 'make token   make a token for a client (ARGS=its name)'
	@echo 'make test    lint, then run the tests (ARGS=... for pytest)'
	@echo 'make lint    ruff and mypy'
	@echo 'make bench   measure against bare mitmproxy (ARGS=... for bench)'
	@echo 'make soak    three minutes of load and faults (ARGS=--short for one)'
	@echo 'make fuzz    a minute of fuzzing each target (ARGS=... for fuzz; Linux on x86_64)'
	@echo 'make docs    print docs/providers.md, api.md and bad-input.md anew from the code'
	@echo 'make screenshots take the pictures in docs/ anew (needs Chromium)'
	@echo 'make audit   ask OSV for known vulnerabilities of what is locked'
	@echo 'make lock    resolve requirements.lock and its kin anew (ARGS=--upgrade for newer releases)'
	@echo 'make clean   remove .venv, caches and build output'

setup:
	@sh scripts/setup

run: setup
	.venv/bin/mitmdump $(PROXY) $(ARGS)

web: setup
	.venv/bin/mitmweb $(PROXY) --web-port $(WEB_PORT) $(WEB_ARGS) $(ARGS)

token: setup
	@PYTHONPATH=addon .venv/bin/python -m llm_gateway.new_token $(ARGS)

test: lint
	.venv/bin/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile $(ARGS)

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

bench: setup
	.venv/bin/python -m bench $(ARGS)

soak: setup
	PYTHONPATH=tests .venv/bin/python -m soak $(ARGS)

fuzz: setup
	@sh scripts/setup-fuzz
	PYTHONPATH=addon:tests:build/fuzz/site .venv/bin/python -m fuzz $(ARGS)

docs: setup
	PYTHONPATH=addon .venv/bin/python scripts/provider_docs.py >docs/providers.md.new
	mv docs/providers.md.new docs/providers.md
	PYTHONPATH=addon .venv/bin/python scripts/api_docs.py >docs/api.md.new
	mv docs/api.md.new docs/api.md
	PYTHONPATH=addon:tests .venv/bin/python scripts/bad_input_docs.py >docs/bad-input.md.new
	mv docs/bad-input.md.new docs/bad-input.md

screenshots: setup
	PYTHONPATH=tests .venv/bin/python scripts/screenshots.py

audit:
	@python=$$(sh scripts/find-python) && "$$python" scripts/audit.py

lock:
	@python=$$(sh scripts/find-python) && "$$python" -m venv --clear build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	build/lock/bin/uv pip compile pyproject.toml --group dev $(RESOLVE) --output-file requirements.lock $(ARGS)
	build/lock/bin/uv pip compile --group audit $(RESOLVE) --output-file audit.lock $(ARGS)
	build/lock/bin/uv pip compile --group fuzz $(RESOLVE) --output-file fuzz.lock $(ARGS)

clean:
	rm -rf .venv build dist .coverage htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
