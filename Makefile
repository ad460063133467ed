# `make demo` shows a build, `make test` runs everything; both install what they need. `make help` lists the rest.
PYTHON = .venv/bin/python
# These point every TLS client at the system's authorities and would override the sandbox's own.
unexport REQUESTS_CA_BUNDLE SSL_CERT_FILE CURL_CA_BUNDLE
# The tests' files go into a place of this run alone: what another run has left must not be in their way.
PYTEST = mkdir -p -m 700 $(TESTS_TMP) && PYTEST_DEBUG_TEMPROOT=$(TESTS_TMP) $(PYTHON) -m pytest
CHAOS = export CHAOS_SEED=$(SEED) CHAOS_ROUNDS=$(ROUNDS) CHAOS_FIRST=$(FIRST) && $(PYTEST)
TESTS_TMP := $(shell mktemp -u -d -t kojid-tests-XXXXXXXX)

# How many files of end-to-end tests run side by side: they mostly wait. Those of one file share a sandbox.
E2E_WORKERS = 2

# What `make chaos` makes of SEED, ROUNDS and FIRST; `make test` has a short run of its own.
SEED = 1
ROUNDS = 3
FIRST = 1

# What `make bench` makes of BENCH: names of figures or modules, --quick, --list.
BENCH =

.PHONY: help demo test prepare lint unit pythons e2e chaos chaos-short bench generated clean

help:
	@echo "make demo       build GNU hello through a whole sandbox on this machine"
	@echo "make test       linters, types, unit tests, end-to-end tests"
	@echo "make lint | unit | pythons | e2e    one part of it"
	@echo "make chaos [SEED=n] [ROUNDS=n] [FIRST=n]    rounds of random faults, docs/reliability.md"
	@echo "make bench [BENCH=NAME]    measure, beside a builder of the koji library's own parts; docs/performance.md"
	@echo "make generated  all that is made from the tables of options and metrics and from the parsers, anew"
	@echo "make clean      what the above left in this directory"

demo:
	@tools/prepare run
	@bin/kojid sandbox demo

prepare:
	@tools/prepare test

test: lint unit pythons e2e chaos-short
	@rm -rf $(TESTS_TMP)

lint: prepare
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports

unit: prepare
	$(PYTEST) -q tests/unit --cov --cov-report=

pythons: prepare
	mkdir -p -m 700 $(TESTS_TMP) && PYTEST_DEBUG_TEMPROOT=$(TESTS_TMP) tools/pythons

e2e: prepare
	$(PYTEST) -v -n $(E2E_WORKERS) --dist loadfile tests/e2e --cov --cov-append --cov-report=
	$(PYTHON) -m coverage report --format=total

chaos: prepare
	@echo "chaos: SEED=$(SEED) ROUNDS=$(ROUNDS) FIRST=$(FIRST)"
	$(CHAOS) -v tests/chaos
	@rm -rf $(TESTS_TMP)

chaos-short: SEED = 10
chaos-short: ROUNDS = 1
chaos-short: prepare
	$(CHAOS) -v tests/chaos

bench: prepare
	$(PYTHON) -m bench --out bench/results $(BENCH)
	$(PYTHON) -m bench.render

generated: prepare
	$(PYTHON) -m kojid.config.render conf > etc/kojid.conf
	$(PYTHON) -m kojid.config.render reference > docs/options.md
	$(PYTHON) -m kojid.metrics.render docs/metrics.md
	for page in kojid.8 kojid.conf.5; do $(PYTHON) -m kojid.cli.manual $$page > packaging/man/$$page || exit; done
	for shell in kojid.bash _kojid; do $(PYTHON) -m kojid.cli.manual $$shell > packaging/completions/$$shell || exit; done

clean:
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage* *.egg-info
