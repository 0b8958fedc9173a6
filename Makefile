# The two commands of the README are `make run` and `make test`; each makes .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SYNTHETIC := models/synthetic
QUESTION ?= What is the total?
PICTURE ?= examples/receipt.png

.PHONY: run app test check format lint types imports clean

run: $(SYNTHETIC)/bundle/manifest.json
	@$(BIN)/dsvl2-onnx run "$(QUESTION)" -i $(PICTURE) --model $(SYNTHETIC)/bundle -n 48

app: $(SYNTHETIC)/bundle/manifest.json $(VENV)/dev.stamp
	@$(BIN)/dsvl2-onnx app --model $(SYNTHETIC)/bundle

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

check: format-check lint types imports test

format-check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

imports: $(VENV)/dev.stamp
	$(BIN)/lint-imports

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing what running and exporting need (about a minute) ..."
	$(PIP) -e '.[cpu,export]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing what development needs (about a minute) ..."
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/run.stamp

$(SYNTHETIC)/checkpoint/config.json: | $(VENV)/run.stamp
	$(BIN)/dsvl2-onnx synth --variant small --scale 0.125 --seed 7 --out $(SYNTHETIC)/checkpoint

$(SYNTHETIC)/bundle/manifest.json: | $(SYNTHETIC)/checkpoint/config.json $(VENV)/run.stamp
	$(BIN)/dsvl2-onnx export $(SYNTHETIC)/checkpoint --out $(SYNTHETIC)/bundle --precision int4 --force

clean:
	rm -rf $(VENV) $(SYNTHETIC) .mypy_cache .ruff_cache .pytest_cache
