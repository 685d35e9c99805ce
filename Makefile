# Tasks for contributors; CONTRIBUTING.md says when.
.PHONY: install compile fast test check site serve pictures sanitize wheel oldest lock release

install: ## the package to edit, and everything the tests need
	pip install -e '.[test]'

compile: ## the compiled core anew, after a change of a .hpp or .cpp
	python setup.py -q build_ext --inplace --force

fast: ## the subset to run while working, under a minute
	pytest -m 'not slow' -n auto

test: ## everything, as .ci/run does
	pytest

check: ## what needs no test to run: style, types, rooms
	ruff check .
	ruff format --check .
	mypy
	lint-imports

site: ## the documents as a site, in output/site
	mkdocs build --strict -f tools/site/mkdocs.yml

serve: ## the same at http://127.0.0.1:8000, built anew as pages change
	mkdocs serve -f tools/site/mkdocs.yml

pictures: ## the pictures of the documents and the notebook anew: four CPU minutes the first time
	python -m tools.site concepts --out docs/concepts
	python -m tools.site gallery --out docs/gallery
	python -m tools.site zones --out docs/zones
	python -m tools.site notebook --out docs/notebooks

# The interpreter itself is not instrumented, so the libraries come first; its own leaks are not ours.
sanitize: ## the core's tests under the address and undefined-behaviour sanitizers; leaves a slow core behind
	FLATSORT_SANITIZE=address,undefined python setup.py -q build_ext --inplace --force
	FLATSORT_BACKEND=compiled ASAN_OPTIONS=detect_leaks=0 \
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so) $$(gcc -print-file-name=libstdc++.so)" \
	python -m pytest -p no:cacheprovider tests/tracker/core tests/embedding/descriptors/test_compiled.py

wheel: ## build the wheel, install it outside the checkout, run its commands from there
	.ci/wheel

oldest: ## the fast tests with the oldest versions that pyproject.toml allows
	.ci/oldest

lock: ## requirements.lock anew, the versions that the images are built from
	.ci/lock

release: ## dist/: sdist, wheel, hashes, and a bill of materials
	.ci/release
