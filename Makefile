# Each target makes .venv by itself; PYTHON=/path/to/python picks the interpreter.
.PHONY: repro mine compare release verify-release relock test lint clean lock venv
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
# Else the GNU C library gives the memory of each large array back, only to fetch it for the next.
export MALLOC_TRIM_THRESHOLD_ = 1000000000
export MALLOC_MMAP_THRESHOLD_ = 1000000000

repro: $(STAMP)
	$(BIN)/dvc repro
	$(BIN)/python -m blur_fusion.report.training
	$(BIN)/python -m blur_fusion.evaluation.table

# One's own photos. Copies, because DVC does not look behind links inside a data set.
mine: $(STAMP)
	@if ! [ -d "$(SHARP)" ] || ! [ -d "$(BLURRED)" ]; then \
		echo "error: say make mine SHARP=/folder/of/sharp/photos BLURRED=/folder/of/blurred/photos" >&2; \
		exit 1; \
	fi
	mkdir -p data/mine/sharp data/mine/blurred
	cp -R "$(SHARP)/." data/mine/sharp
	cp -R "$(BLURRED)/." data/mine/blurred
	$(BIN)/dvc exp run -S dataset.name=mine evaluate  # named, so that no sample is rendered
	$(BIN)/python -m blur_fusion.report.training
	$(BIN)/python -m blur_fusion.evaluation.table

# Every preset once on our split, then the table; what is trained already is not trained again.
# A preset that cannot be trained (weights that cannot be downloaded) is a line below the table.
KWENTAR ?= $(wildcard data/kwentar ../shared/data/kwentar)
compare: $(STAMP)
	$(BIN)/dvc repro
	-$(BIN)/dvc repro --keep-going presets/dvc.yaml
	$(BIN)/python -m blur_fusion.presets.comparison $(firstword $(KWENTAR))

# The packaged model is what the stages train at the default params, nothing else.
release: $(STAMP)
	$(BIN)/dvc repro
	$(BIN)/blur export pipeline/blur_fusion/model/shipped --force

# Trains once more in a copy of the tracked tree, without any cache, and compares.
verify-release: $(STAMP)
	$(BIN)/python -m blur_fusion.model.verify

# After a refactoring that changes no result: the code's new digests, without training.
relock: $(STAMP)
	$(BIN)/python -m blur_fusion.model.relock

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile --max-worker-restart 0

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

venv: $(STAMP)

# The stamp is written last: an install that broke off is begun again.
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

# Pins for all supported Pythons at once, newest releases, with the hashes of all their files.
lock: $(STAMP)
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra train --extra dev --extra heic --extra raw --extra app \
		--generate-hashes --no-header --no-annotate --no-emit-package pip \
		--output-file requirements.lock pyproject.toml

# What make itself made; data sets, artefacts and the cache of DVC stay.
clean:
	rm -rf $(VENV) build dist dvc_plots *.egg-info pipeline/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find pipeline stages benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +
	find pipeline -name '*.so' -delete
	find pipeline stages tests -type d -empty -delete
