# The commands of a developer. `make demo` and `make test` install what they need.
.DEFAULT_GOAL := help
.PHONY: help setup check test mutants bench soak debian-host demo demo-host cluster kind test-kind setup-cluster setup-release setup-kind setup-host docs pictures dashboards manifests release-check release test-release test-olm format lock clean

# Containers often set it. Without bytecode each of a thousand programs that tests start compiles its modules anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
# Half as many again as there are processors: tests of real servers wait for these a third of their time. Files come in
# the order of their names, as the shortest files are those with the longest tests: they must not come last.
IN_PARALLEL := -n $(shell n=$$(nproc); n=$$((n + n / 2)); echo $$((n < 8 ? n : 8))) --dist loadfile --no-loadscope-reorder

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## the main job on emulated nodes with real QEMU VMs, and a VM that is hurt and recovers, in two minutes
	@$(PYTHON) -m demo.kubevirt

demo-host: setup-host ## the same on a plain libvirt host: real libvirtd, real domains, in a minute
	@$(PYTHON) -m demo.libvirt_host

cluster: setup-cluster ## a real cluster on this machine with cachemon on it, up until Ctrl-C; for root
	@$(PYTHON) -m lab.nodes

kind: setup-kind ## the same with kind, where there is a container engine or root can start a dockerd
	@$(PYTHON) -m lab.kind

test-kind: setup-kind ## the test of `make kind`; minutes, and more the first time
	$(PYTEST) tests/integration/kind -m slow

test: setup-cluster check ## all checks and all tests
	@$(PYTHON) -m lab.nodes prepare
	$(PYTEST) tests --ignore=tests/e2e --ignore=tests/integration/docs --ignore=tests/integration/cluster $(IN_PARALLEL)
	$(PYTEST) tests/integration/docs tests/e2e $(IN_PARALLEL)
	$(PYTEST) tests/integration/cluster

check: setup ## format, lint, types, layers
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

mutants: setup ## changes of model/ and engine/ that no unit test notices, for hours; NAME=model/cells tries one module
	@$(PYTHON) -m tools.mutants $(NAME)

bench: setup ## figures, most of them ratios; make bench NAME=... runs one
	@$(PYTHON) -m tests.bench $(NAME)

debian-host: setup-cluster ## whole Debian 12 and 13 hosts in virtual machines: systemd, libvirt, a real resctrl; for root, slow
	$(PYTEST) tests/integration/debian_host -m slow

soak: setup-host ## random lifecycles, kills, faults and hostile tenants for an hour; repeat with make soak SECONDS=60 SEED=1
	@$(PYTHON) -m tests.soak --seconds $(or $(SECONDS),900) $(if $(SEED),--seed $(SEED))
	@$(PYTHON) -m tests.soak.host --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))
	@$(PYTHON) -m tests.soak.tenants --seconds $(or $(SECONDS),1800) $(if $(SEED),--seed $(SEED))
	$(if $(SECONDS),,$(PYTEST) tests/e2e -m slow)

setup: ## .venv, system packages, etcd and kube-apiserver; nothing to do the second time
	@lab/setup.sh

setup-cluster:
	@lab/setup.sh cluster

setup-release:
	@lab/setup.sh release

setup-kind:
	@lab/setup.sh kind

setup-host:
	@lab/setup.sh host

docs: setup ## docs/reference/ from the programs and CRDs
	$(PYTHON) -m tools.reference

manifests: setup ## manifests/ from the chart, and the chart's copies of crds/
	$(PYTHON) -m tools.manifests

dashboards: setup ## charts/cachemon/files/dashboards/ from tools/dashboards/
	$(PYTHON) -m tools.dashboards

pictures: setup ## docs/pictures/: `top` on a terminal and the page in a browser, of virtual machines; 10 minutes
	$(PYTHON) -m tools.pictures
	$(PYTHON) -m tools.page_pictures

release-check: setup ## whether everything names the version that is to be released; TAG=v0.1.0 on the day
	$(PYTHON) -m tools.release.versions $(TAG)
	$(PYTHON) -m tools.release.olm.check

release: setup-release ## every artefact of a release into dist/release, images for root; FOLDER=..., BASE=debian:13-slim
	@$(PYTHON) -m tools.release $(FOLDER) $(if $(BASE),--base $(BASE)) $(if $(WITHOUT_IMAGES),--without-images)

test-release: setup-release ## build, sign and verify the images of a release, and build them again: an hour on 2 cores
	$(PYTEST) tests/integration/release -m slow

test-olm: setup-cluster ## the bundle for OLM with programs of Operator Framework, which are built once: 15 minutes on 2 cores
	$(PYTEST) tests/integration/olm -m "slow or not slow"

format: setup ## format, and correct what ruff can correct
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

lock: setup ## renew requirements/ from pyproject.toml
	tools/lock.sh

clean: ## remove .venv and caches here; the user's cache folder stays
	rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
