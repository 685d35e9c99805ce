# Five tasks for contributors; CONTRIBUTING.md says when.
.PHONY: install fast test check wheel

install: ## the package to edit, and everything the tests need
	pip install -e '.[test]'

fast: ## the subset to run while working, under a minute
	pytest -m 'not slow' -n auto

test: ## everything, as .ci/run does
	pytest

check: ## what needs no test to run: style, types, rooms
	ruff check .
	ruff format --check .
	mypy
	lint-imports

wheel: ## build the wheel, install it outside the checkout, run its commands from there
	.ci/wheel
