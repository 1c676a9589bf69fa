# make app       set up and start the app
# make test      set up everything that tests need, then format, lint, types and tests
# make test-long the sweeps that take longer
# make docs      write the documents in docs/ from the catalogues
# make fuzz      feed the reader what breaks it, for SECONDS (60 by default); Linux only
# make test-floors  the reader, volumes, the server and the command line with the oldest versions that requirements.txt admits
# make train     train the bank of TASK (nuclei by default) anew, into runs/; needs UNET_PLAYGROUND_DATA
# make bench     hold speed and accuracy against their bounds; some of it needs UNET_PLAYGROUND_DATA
# make check     format, lint and types alone
# make screenshots  the pictures in docs/screenshots
# make clean     remove what was set up

PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python

.PHONY: app test test-long test-floors check bench fuzz train docs screenshots clean

app: .venv/app
	$(RUN) app.py

test: check
	$(BIN)/pytest -n auto --dist worksteal -m "not browser and not long and not gpu"
	$(BIN)/pytest -m "browser and not long"

test-long: check
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[ray]"
	$(BIN)/pytest -m "not gpu"

# The oldest versions of all that is listed; PyTorch's oldest may be a wheel of gigabytes, so TORCH says otherwise.
TORCH ?= $(shell sed -n 's/^torch>=\([0-9.]*\).*/\1.0/p' requirements.txt)
test-floors: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv-floors
	sed -e 's/^torch.*/torch==$(TORCH)/' -e 's/>=\([0-9.]*\).*/==\1.*/' requirements.txt > .venv-floors/floors.txt
	.venv-floors/bin/pip install --quiet --disable-pip-version-check -r .venv-floors/floors.txt -r requirements-dev.txt
	.venv-floors/bin/pytest -n auto tests/images tests/volumes tests/ui tests/export tests/test_inference.py tests/test_lane.py tests/test_commands.py

SECONDS ?= 60
fuzz: .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check "atheris>=2.3"
	$(RUN) -m tests.fuzz.reader -max_total_time=$(SECONDS)

check: .venv/dev chromium
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

# All of them run, whatever the others say; what is broken is named at the end.
BENCHMARKS := forward counting designs loading bank atlas cameras instruments page reading tiles volumes load soak
bench: .venv/dev
	@broken=; for one in $(BENCHMARKS); do echo "# $$one"; $(RUN) -m benchmarks.$$one || broken="$$broken $$one"; done; \
	test -z "$$broken" || { echo "Broken:$$broken"; exit 1; }

# Two designs trained alone, then the bank that grows out of them; UNET_PLAYGROUND_CHECKPOINTS=runs makes everything use
# them. Keeping freed memory saves a fifth of the time on a CPU, because every design has other shapes.
TASK ?= nuclei
TRAIN = MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=20000000000 MALLOC_TOP_PAD_=500000000 \
	$(RUN) -m unet_playground train --task $(TASK) --out runs/$(TASK)

train: .venv/app
	$(TRAIN)/solo-classic
	$(TRAIN)/solo-down-none --down none
	$(TRAIN)/bank --bank --teacher runs/$(TASK)/solo-classic --teacher runs/$(TASK)/solo-down-none

docs: .venv/app
	$(RUN) -m docs.generate

screenshots: .venv/dev chromium
	$(RUN) -m tests.browser.screenshots

.venv/made:
	$(PYTHON) -m venv .venv
	touch $@

.venv/app: .venv/made requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev: .venv/app requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	touch $@

# The browser tests drive Debian's Chromium; where it cannot be installed they are skipped and say so.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	echo "Chromium is missing and could not be installed; the browser tests will be skipped."

clean:
	rm -rf .venv .venv-floors runs
