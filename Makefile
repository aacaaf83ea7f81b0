# make run: the product on this machine. make test: everything that is tested.
VENV := .venv/bin
# Makes .venv; afterwards, the Python that it was made with.
PYTHON ?= $(or $(wildcard $(VENV)/python),python3)
# Where pip finds torch without gigabytes of CUDA; empty for PyPI only.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

.PHONY: run setup test lint screenshots loop-demo bench bench-scale bench-train drills wrk

run: .venv/web-and-ui
	@exec $(VENV)/python manage.py serve

# Shows how much reviewed drawings teach, on a database and a port of its own: make loop-demo
# [DRAWINGS=strokes.npz ONLY="the sources that are reviewed" ROUNDS="100 300 1000" STEPS=600 PICTURE=docs/learning-curve.png]
DRAWINGS ?= benchmarks/data/strokes-dev.npz benchmarks/data/strokes-dev-2.npz
ROUNDS ?= 100 300 1000
PICTURE ?= var/loop-demo.png
DEMO := VAR_DIR=var/loop-demo MNIST_DIR=$(or $(MNIST_DIR),var/data) WEB_PORT=8490
loop-demo: .venv/dev
	@rm -rf var/loop-demo
	@$(DEMO) $(VENV)/python -m benchmarks.loop_demo $(DRAWINGS) --rounds $(ROUNDS) \
		--picture $(PICTURE) --json var/loop-demo.json \
		$(if $(ONLY),--only $(ONLY)) $(if $(STEPS),--steps $(STEPS))

# The product beside other servers that do the same work; QUICK=1 for a first look in two minutes.
bench: wrk .venv-bench/peers
	@$(VENV)/python -m benchmarks.bench $(if $(QUICK),--quick)

wrk:
	@command -v wrk > /dev/null || { echo "There is no wrk here: apt-get install wrk"; exit 1; }

# The other servers alone: torch, Django and the like are found in .venv, by a .pth file.
SITE := -c "import sysconfig; print(sysconfig.get_path('purelib'))"
.venv-bench/peers: benchmarks/peers/requirements.txt .venv/dev
	@$(VENV)/python -m venv --without-pip .venv-bench
	@$(VENV)/python $(SITE) > $$(.venv-bench/bin/python $(SITE))/product.pth
	@.venv-bench/bin/python -m pip --disable-pip-version-check install --quiet -r benchmarks/peers/requirements.txt
	@touch $@

test: .venv/dev
	@if command -v npm > /dev/null; then $(MAKE) --silent $(BIOME); else echo "There is no npm here: axe was not asked."; fi
	@$(VENV)/coverage erase
	@$(VENV)/coverage run -m pytest -n 2
	@$(VENV)/coverage combine --quiet
	@$(VENV)/coverage report

lint: .venv/dev
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/lint-imports --no-logo --no-cache
	$(VENV)/python -m mypy
	git grep -lzE '^#!/.*sh$$' | xargs -0 $(VENV)/shellcheck
	$(VENV)/djlint --profile=django --quiet mnistsite/templates/mnistsite predictions streamlit_ui
	@if [ -n "$$CI" ] || command -v npm > /dev/null; then \
		$(MAKE) --silent $(BIOME) && $(BIOME) lint --error-on-warnings; \
	else echo "There is no npm here: JavaScript and CSS were not checked."; fi
	$(VENV)/python manage.py makemigrations --check --dry-run
	PRODUCTION=true ALLOWED_HOSTS=example.org SECRET_KEY=$$($(VENV)/python -c "import secrets; print(secrets.token_hex(32))") DATABASE_URL=postgresql://u:pw@db/d \
		$(VENV)/python manage.py check --deploy --fail-level WARNING

BIOME := node_modules/.bin/biome
$(BIOME): package-lock.json
	@npm ci --silent && touch $@

# What a call costs in a log of 10,000, 100,000 and 1,000,000 rows, and how much CPU an accuracy on MNIST takes
# beside the recipe of PyTorch's examples; docs/performance.md. Both draw docs/*.png anew.
bench-scale: .venv/dev
	@$(VENV)/python -m benchmarks.scale

bench-train: .venv/dev
	@$(VENV)/python -m benchmarks.training_speed

# Breaks what make run starts in every way, one after the other, under a load: make drills [NAME="lock idle"
# SECONDS=5]; python -m benchmarks.drills --help has the names.
drills: .venv/dev
	@$(VENV)/python -m benchmarks.drills $(NAME) $(if $(SECONDS),--seconds $(SECONDS))

# In every look into var/screenshots; those that README and docs show, into docs/screenshots as well.
screenshots: .venv/dev
	@$(VENV)/python -m benchmarks.screenshots_page
	@$(VENV)/python -m benchmarks.screenshots_desk

# One line instead of a page of pip's when there is no Python that fits.
define SUPPORTED
import sys
if not (3, 11) <= sys.version_info < (3, 14):
    sys.exit("Python 3.11, 3.12 or 3.13 is needed, but %s is %s. Name another: make PYTHON=python3.12"
             % (sys.executable, sys.version.split()[0]))
endef
export SUPPORTED

.PHONY: python lock
python:
	@command -v $(PYTHON) > /dev/null || { echo "There is no $(PYTHON) here. Name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c "$$SUPPORTED"
	@test -e .venv || $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
	@test "$$($(PYTHON) -V)" = "$$($(VENV)/python -V 2>&1)" || \
		{ echo ".venv was made with another Python than $(PYTHON). To have it made anew: rm -r .venv"; exit 1; }

# Which groups are installed is noted in the environment itself; new pins install anew. The pinned pip comes first:
# older ones take neither groups nor hashes from constraints. Then torch, the only thing without a hash, from one
# index alone (of two, either could offer the other's names) and without its own needs, which come with the rest and
# their hashes.
.venv/web-and-ui: GROUPS := --group web --group local --group ui
.venv/dev: GROUPS := --group dev
PIP := $(VENV)/python -m pip --disable-pip-version-check install --quiet
PINNED_PIP := sed -n '/^pip==/,/[^\\]$$/p' constraints.txt | $(PIP) --require-hashes -r /dev/stdin
.venv/web-and-ui .venv/dev: pyproject.toml constraints.txt | python
	@$(PINNED_PIP)
	@echo "Installing packages (a few minutes the first time) ..."
	@$(if $(TORCH_INDEX),$(PIP) --retries 1 --no-deps --index-url $(TORCH_INDEX) --group torch 2> /dev/null ||) \
		$(PIP) --no-deps --group torch
	@$(PIP) --require-hashes -c constraints.txt $(GROUPS)
	@touch $@

# constraints.txt anew: what pyproject.toml names and everything that this needs, for every Python and system.
# Versions that are there stay as they are.
lock: | python
	@$(PINNED_PIP)
	@$(PIP) --require-hashes -c constraints.txt uv
	@$(VENV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" --no-emit-package torch --no-emit-package torchvision \
		--group dev --group audit --output-file constraints.txt

# What is known against the packages, what looks unsafe in the code, and what looks like a secret in the files.
.PHONY: audit
audit: .venv/dev
	@$(PIP) --require-hashes -c constraints.txt --group audit
	$(VENV)/bandit --quiet --recursive --severity-level medium --configfile pyproject.toml classifier mnistsite predictions streamlit_ui training
	$(VENV)/pip-audit --requirement constraints.txt --no-deps --disable-pip
	git ls-files -z | xargs -0 $(VENV)/detect-secrets-hook --baseline .secrets.baseline

# --- Containers; docs/operations.md has the whole story ---
BACKUP = docker ps -q --filter name='^mnistsite[-_]backup[-_.]'

.PHONY: env update backup restore drill-compose

env: # DOMAIN=digits.example.org for HTTPS
	@deploy/make-env $(DOMAIN)

update: # the images anew from this checkout, tried before they serve
	@deploy/update

backup: # a proven dump in the backups volume, and a copy in backups/
	@mkdir -p -m 700 backups
	@container=$$($(BACKUP)) && name=$$(basename $$(docker exec $$container backup now)) && \
		for file in $$name $$name.sha256 $$name.tables; do \
			docker cp --quiet $$container:/backups/$$file backups/ || exit; \
		done && echo backups/$$name

restore: # FILE=backups/….dump
	@deploy/restore $(FILE)

drill-compose: .venv/dev
	@$(VENV)/python -m benchmarks.drill_compose

drill-stack: .venv/dev
	@$(VENV)/python -m benchmarks.drill_stack

# --- The server: HOST=deploy@digits.example.org ---
.PHONY: drill-stack deploy rollback logs status
REMOTE = ssh $(SSH_OPTIONS) $(HOST)

deploy: # at the first time with DOMAIN=digits.example.org
	@deploy/deploy $(HOST) $(DOMAIN)

rollback:
	@$(REMOTE) /srv/mnistsite/current/deploy/release rollback

logs: # SERVICE=web by default
	@$(REMOTE) docker service logs --follow --tail 100 mnistsite_$(or $(SERVICE),web)

status:
	@$(REMOTE) "docker stack services mnistsite; docker stack ps mnistsite --filter desired-state=running; \
		df -h / | tail -n 1; docker system df; \
		docker exec \$$($(BACKUP)) backup check && echo 'The last good backup is younger than 26 hours.'"
