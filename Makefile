# Two commands do everything on a machine with Python 3.11+ and make:
#   make parity   [SEED=n] each model against its compiled contract, on an embedded Soroban network
#   make test     all tests
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/
READY := $(VENV)/.ready
export UV_SYSTEM_CERTS := 1
# where this is set, each process that a test starts compiles every module anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: parity test lint types imports docs-check check mutants wasm wasm-check clippy vectors bench \
  exactly-once stress fuzz soak clients clean

# Each search ends early where BUDGET=seconds says so, and prints how much it did.
TIMED = $(if $(BUDGET),--seconds $(BUDGET))

parity: $(READY)
	$(RUN)callora-vault parity --model v1 $(TIMED) $(if $(SEED),--seed $(SEED))
	$(RUN)callora-vault parity --model v2 $(TIMED) $(if $(SEED),--seed $(SEED))
	$(RUN)callora-vault parity --model factory $(TIMED) $(if $(SEED),--seed $(SEED))

test: $(READY)
	$(RUN)pytest -q -n 2 --dist loadfile

lint: $(READY)
	$(RUN)ruff format --check .
	$(RUN)ruff check .

types: $(READY)
	$(RUN)mypy

imports: $(READY)
	$(RUN)lint-imports

# the documents that tables generate
docs-check: $(READY)
	$(RUN)python -m tools.storage_page --check

check: lint types imports docs-check

# search and shrink a counterexample for every planted fault
mutants: $(READY)
	$(RUN)python -m tests.parity.mutants $(TIMED) $(if $(SEED),--seed $(SEED))

# rebuild every compiled file in place (Rust; see tools/build)
wasm:
	$(PYTHON) -m tools.build build

# lint the contracts, rebuild into a temporary folder and compare
wasm-check: $(READY)
	$(RUN)python -m tools.build check

# lint the contracts alone
clippy:
	$(PYTHON) -m tools.build lint

# compare the host as WebAssembly with the same host built natively, and write the vectors anew
vectors: $(READY)
	$(RUN)python -m tools.compare_hosts --write

# what is promised of speed and size; 100,000 parity steps by default
bench: $(READY)
	$(RUN)python -m benchmarks.model
	$(RUN)python -m benchmarks.network
	$(RUN)python -m benchmarks.server
	$(RUN)python -m benchmarks.events
	$(RUN)python -m benchmarks.load
	$(RUN)python -m benchmarks.parity $(if $(STEPS),--steps $(STEPS))
	$(RUN)python -m benchmarks.batch
	$(RUN)python -m benchmarks.client
	$(RUN)python -m benchmarks.audit

# deduct 10,000 times under every fault, with kills, nodes that forget, wrong clocks, resets of the
# network and threads that share a journal; none lost, none twice, none told settled that is not
exactly-once: $(READY)
	$(RUN)python -m tests.support.exactly_once $(TIMED) $(if $(DEDUCTIONS),--deductions $(DEDUCTIONS)) $(if $(SEED),--seed $(SEED))

# the client as a state machine, 20,000 calls on a network that forgets, lags, goes back, is reset
stress: $(READY)
	$(RUN)python -m tests.support.stress $(TIMED) $(if $(STEPS),--steps $(STEPS)) $(if $(SEED),--seed $(SEED))

# send 100,000 malformed requests over HTTP, every field of every kind of transaction among them
fuzz: $(READY)
	$(RUN)python -m localnet.tests.fuzz $(TIMED) $(if $(REQUESTS),--requests $(REQUESTS)) $(if $(SEED),--seed $(SEED))

# send 200,000 transactions through one process, and watch its memory
soak: $(READY)
	$(RUN)python -m benchmarks.soak $(TIMED) $(if $(TRANSACTIONS),--transactions $(TRANSACTIONS))

# clients of other projects, in JavaScript and Python, against a served network
clients: $(READY)
	@VIRTUAL_ENV=$(VENV) $(RUN)uv sync --quiet --locked --all-packages --group clients --active
	$(RUN)python localnet/clients/run.py

$(READY): uv.lock pyproject.toml localnet/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed: make PYTHON=python3.11 ..."; exit 1; }
	@test -x $(RUN)python || $(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "the venv module is missing: apt-get install python3-venv"; exit 1; }
	@$(RUN)python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=$(VENV) $(RUN)uv sync --quiet --locked --all-packages --active
	@touch $@

clean:
	rm -rf $(VENV) .build .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
