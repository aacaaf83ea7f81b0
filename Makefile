# make run: the product on this machine. make test: everything that is tested.
PYTHON ?= python3.11
VENV := .venv/bin
# Where pip finds torch without gigabytes of CUDA; empty for PyPI only.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

.PHONY: run setup test lint screenshots loop-demo

run: .venv/web-and-ui
	@exec $(VENV)/python manage.py serve

# What reviewed drawings teach, on a database and a port of its own: make loop-demo [DRAWINGS=strokes.npz
# UNSEEN="the sources that only test" REVIEWS="100 300 1000 2000" STEPS=600 PICTURE=docs/learning-curve.png]
DRAWINGS ?= benchmarks/data/strokes-dev.npz
UNSEEN ?= val
REVIEWS ?= 1000
STEPS ?= 600
DEMO := VAR_DIR=var/loop-demo MNIST_DIR=$(or $(MNIST_DIR),var/data) WEB_PORT=8490
loop-demo: .venv/dev
	@rm -rf var/loop-demo
	@$(DEMO) $(VENV)/python -m benchmarks.loop_demo $(DRAWINGS) --unseen $(UNSEEN) --reviews $(REVIEWS) \
		--steps $(STEPS) $(if $(PICTURE),--picture $(PICTURE))

test: .venv/dev
	@$(VENV)/python -m pytest

lint: .venv/dev
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	@# mypy asks for the settings, but never for the database
	DATABASE_URL=postgresql:///unused $(VENV)/python -m mypy
	$(VENV)/python manage.py makemigrations --check --dry-run
	PRODUCTION=true ALLOWED_HOSTS=example.org SECRET_KEY=$$($(VENV)/python -c "import secrets; print(secrets.token_hex(32))") DATABASE_URL=postgresql://u:pw@db/d \
		$(VENV)/python manage.py check --deploy --fail-level WARNING

screenshots: .venv/dev
	@$(VENV)/python -m benchmarks.screenshots_page
	@$(VENV)/python -m benchmarks.screenshots_desk

# Which groups are installed is noted in the environment itself; new pins install anew.
.venv/web-and-ui: GROUPS := --group web --group local --group ui
.venv/dev: GROUPS := --group dev
.venv/web-and-ui .venv/dev: pyproject.toml constraints.txt
	@test -x $(VENV)/python || $(PYTHON) -m venv .venv
	@$(VENV)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
	@echo "Installing packages (a few minutes the first time) ..."
	@$(VENV)/python -m pip install -qq --retries 1 -c constraints.txt \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch torchvision
	@$(VENV)/python -m pip install --quiet -c constraints.txt $(GROUPS)
	@touch $@

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
		df -h / | tail -n 1; docker system df"
