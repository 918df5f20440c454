# Every target creates .venv if it is missing; PYTHON=/path/to/python chooses the interpreter.
.PHONY: repro readable mine compare release verify-release relock test hostile docs lint clean lock venv
.DELETE_ON_ERROR:

CANDIDATES = python3 python3.11 python3.12 python3.13 python
VERSION_OK = import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?=
VENV = .venv
STAMP = $(VENV)/.installed
BIN = $(VENV)/bin

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONHASHSEED = 0
export TF_CPP_MIN_LOG_LEVEL = 2
export DVC_NO_ANALYTICS = 1
# Without these glibc returns the memory of every large array and asks for it again for the next.
export MALLOC_TRIM_THRESHOLD_ = 1000000000
export MALLOC_MMAP_THRESHOLD_ = 1000000000

repro: readable
	$(BIN)/dvc repro
	$(BIN)/python -m blur_fusion.report.training
	$(BIN)/python -m blur_fusion.evaluation.table

# DVC writes a dvc.lock in place: a kill at that moment cuts it off, and DVC refuses to read it. The
# committed one serves as well: finished stages come back from DVC's cache of runs.
readable: $(STAMP)
	@lock=$$($(BIN)/dvc stage list dvc.yaml release/dvc.yaml presets/dvc.yaml 2>&1 | \
		grep -o '[a-z./]*dvc\.lock'); [ -z "$$lock" ] || git checkout -- $$lock

# Your own photos. They are copied, because DVC does not follow links inside a data set.
mine: $(STAMP)
	@if ! [ -d "$(SHARP)" ] || ! [ -d "$(BLURRED)" ]; then \
		echo "error: say make mine SHARP=/folder/of/sharp/photos BLURRED=/folder/of/blurred/photos" >&2; \
		exit 1; \
	fi
	mkdir -p data/mine/sharp data/mine/blurred
	cp -R "$(SHARP)/." data/mine/sharp
	cp -R "$(BLURRED)/." data/mine/blurred
	$(BIN)/dvc exp run -S dataset.name=mine evaluate  # named, or the sample would be rendered too
	$(BIN)/python -m blur_fusion.report.training
	$(BIN)/python -m blur_fusion.evaluation.table

# Train every preset once on our split and print the table; presets already trained are skipped.
# A preset that cannot be trained (say, its weights cannot be downloaded) gets a line below the table.
KWENTAR ?= $(wildcard data/kwentar ../shared/data/kwentar)
compare: readable
	$(BIN)/dvc repro
	-$(BIN)/dvc repro --keep-going presets/dvc.yaml
	$(BIN)/python -m blur_fusion.presets.comparison $(firstword $(KWENTAR))

# The packaged model is exactly what the same stages train with the larger release/params.yaml.
release: readable release/dvc.yaml
	$(BIN)/dvc repro release/dvc.yaml
	$(BIN)/blur export pipeline/blur_fusion/model/shipped --force \
		--model-dir artifacts/release --params release/params.yaml
	$(BIN)/python -m blur_fusion.evaluation.table artifacts/release/evaluate/metrics.json

# A dvc.yaml cannot include another.
release/dvc.yaml: dvc.yaml pipeline/blur_fusion/model/release.py | $(STAMP)
	$(BIN)/python -m blur_fusion.model.release >$@

# Train again in a copy of the tracked files, without any cache, and compare the two models.
verify-release: $(STAMP)
	$(BIN)/python -m blur_fusion.model.verify

# After a refactoring that changes no result: record the new digests of the code without training.
relock: $(STAMP) release/dvc.yaml
	$(BIN)/python -m blur_fusion.model.provenance

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0

# The whole of tests/hostile: 20,000 mutated files, 40 kills and more; a table at the end.
hostile: $(STAMP)
	BLUR_HOSTILE=all $(BIN)/python -m pytest tests/hostile

# What README and docs take from the command line, the figures, dvc.yaml and the code.
docs: $(STAMP)
	PYTHONPATH=. $(BIN)/python -m docs.generate

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md docs pipeline stages benchmarks tests
	$(BIN)/mypy

venv: $(STAMP)

# The stamp is written last, so that an interrupted installation starts over.
$(STAMP): requirements.lock pyproject.toml $(wildcard pipeline/blur_fusion/native/*.[ch])
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
		for name in $(CANDIDATES); do \
			if $$name -c '$(VERSION_OK)' >/dev/null 2>&1; then python=$$name; break; fi; \
		done; \
	fi; \
	if [ -z "$$python" ] || ! "$$python" -c '$(VERSION_OK)'; then \
		echo "error: no Python 3.11, 3.12 or 3.13 with venv found ($${python:-$(CANDIDATES)});" \
			"install one or say make PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi; \
	echo "making $(VENV) with $$python"; \
	"$$python" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

# Pin the newest releases for all supported Pythons at once, with the hashes of all their files.
lock: $(STAMP)
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra train --extra dev --extra heic --extra jxl --extra raw --extra app --extra review \
		--generate-hashes --no-header --no-annotate --no-emit-package pip \
		--output-file requirements.lock pyproject.toml

# Delete what make created, also in the former layout; data sets, artefacts and DVC's cache stay.
clean:
	rm -rf $(VENV) build dist dvc_plots *.egg-info pipeline/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find pipeline stages benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +
	find pipeline -name '*.so' -delete
	find pipeline stages benchmarks tests -type d -empty -delete
