.PHONY: run test test-page picture browser bench chaos setup japanese chinese setup-dev check fix lock lock-check
.DEFAULT_GOAL := run

# On a Mac Apple's own, whatever else is on the PATH: it is there with make, and built for both
# processors. It only starts the set-up, which fetches the Python that Crier runs on.
PYTHON := $(shell [ "$$(uname)" = Darwin ] && [ -x /usr/bin/python3 ] && printf /usr/bin/ || true)python3

run: setup ## set everything up, then start: the bot, or a local chat where there is no token
	@.venv/bin/crier

test: setup-dev ## set everything up, then run every test, or those that ARGS='-k name' selects
	@env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m pytest -n auto --dist loadgroup --no-loadscope-reorder $(ARGS)

test-page: browser ## the tests of the page, in Debian's chromium
	@.venv/bin/python -m pytest tests/http/test_page.py

picture: browser ## draw docs/page.png, the picture in the README
	@CRIER_PICTURE=1 .venv/bin/python -m pytest tests/http/test_page.py -k picture

browser: setup-dev ## install chromium, where there is apt; with it `make test` tests the page too
	@$(PYTHON) scripts/setup.py --browser

chaos: setup-dev ## kill the bot 400 times, break its loudspeaker 100 times and so on (150 minutes)
	@.venv/bin/python -m tests.stress.chaos kills --times 200
	@.venv/bin/python -m tests.stress.chaos kills --times 20 --real
	@.venv/bin/python -m tests.stress.chaos mixed --times 200
	@.venv/bin/python -m tests.stress.chaos rooms --times 50
	@.venv/bin/python -m tests.stress.chaos devices --times 100
	@.venv/bin/python -m tests.stress.chaos network
	@.venv/bin/python -m tests.stress.chaos many --times 2000
	@.venv/bin/python -m tests.stress.soak --minutes 30

bench: setup-dev ## measure, side by side with others
	@.venv/bin/python -m bench.run

setup: ## prepare without running
	@$(PYTHON) scripts/setup.py

japanese chinese: setup ## read their characters as they should be (350 MB, 25 MB)
	@$(PYTHON) scripts/setup.py --add $@

setup-dev:
	@$(PYTHON) scripts/setup.py --dev

check: setup-dev ## format, lint, types, imports
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo --no-cache
	@.venv/bin/python scripts/check_docstrings.py

fix: setup-dev
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

lock-check: setup-dev ## the lock resolves for every Python and machine that is supported
	@$(PYTHON) scripts/setup.py --lock-check

lock: setup-dev ## write the requirements files from pyproject.toml
	@$(PYTHON) scripts/setup.py --lock
