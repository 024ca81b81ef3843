# Works with any Node.js from 20 on: npm installs the pinned Node 24 into node_modules, and that one runs everything.
.DEFAULT_GOAL := help
.PHONY: help run build test test-one test-pinned demo postman bench compose-test k8s k8s-check diagrams backup restore check-books check lint format clean

NODE := node_modules/.bin/node
INSTALLED := node_modules/.package-lock.json
TAP_BUILT := node_modules/.tap-built
# Written when the build of the web UI is complete: Vite empties the folder first.
WEB_BUILT := web/dist/.built
# With the folders, whose time changes when a file goes.
WEB_SOURCES := $(shell find web/ui web/docs web/scripts web/vite.config.ts packages/contracts/src)
# Each service in one file, to start from; the last one that scripts/bundle.ts makes.
SERVICES_BUILT := web/build/server.js
SERVICES_SOURCES := $(shell find packages/*/src *-service/src gateway/src web/src) scripts/bundle.ts
# Before the install node_modules/.bin must not be on PATH: npm would run on the Node that it replaces.
PATH_WITHOUT_MODULES = $$(printf '%s' "$$PATH" | tr ':' '\n' | grep -v '/node_modules/\.bin$$' | paste -sd: -)
WITH_NODE := PATH="$(CURDIR)/node_modules/.bin:$$PATH"

help: ## this list
	@echo "make <target>:"
	@sed -n 's/^\([a-z-]*\):.*## /  \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

run: $(INSTALLED) $(WEB_BUILT) $(SERVICES_BUILT) ## install and build what is missing, then the whole system on http://localhost:8080 (PORT=, INSTANCES=, NATS_URL=, STORE=postgres)
	@$(NODE) scripts/run.ts

build: $(WEB_BUILT) $(SERVICES_BUILT) ## the web UI, into web/dist, and the services, each into its folder build

test: $(INSTALLED) $(TAP_BUILT) $(WEB_BUILT) $(SERVICES_BUILT) ## all tests on a real nats-server of their own, then one coverage table
	@NATS_SERVER="$$($(NODE) scripts/nats-server.ts)" && export NATS_SERVER && $(WITH_NODE) npm test --silent

test-pinned: $(INSTALLED) $(TAP_BUILT) $(WEB_BUILT) $(SERVICES_BUILT) ## the tests that depend on nats-server, on the pinned one
	@NATS_SERVER="$$($(NODE) scripts/nats-server.ts --pinned)" && export NATS_SERVER && \
		$(WITH_NODE) npm run test-broker --silent

test-one: $(INSTALLED) $(TAP_BUILT) $(WEB_BUILT) $(SERVICES_BUILT) ## one test file or some (FILE=), of them the tests whose name contains NAME=
	@test -n "$(FILE)" && ls $(FILE) >/dev/null || { echo 'which one? make test-one FILE=payments-service/test/http.test.ts NAME=balance' >&2; exit 2; }
	@NATS_SERVER="$$($(NODE) scripts/nats-server.ts)" && export NATS_SERVER && \
		$(WITH_NODE) tap --allow-empty-coverage $(FILE) $(if $(NAME),--grep="/$(NAME)/")

demo: $(INSTALLED) ## both scenarios step by step, against a running system
	@$(NODE) scripts/demo.ts

postman: $(INSTALLED) ## the Postman collection with newman, against a running system (BASE_URL=, ARGS=)
	@$(NODE) scripts/postman.ts $(ARGS)

bench: $(INSTALLED) ## load and latency, against a running system
	@$(NODE) bench/main.ts $(ARGS)

compose-test: $(INSTALLED) ## the containers for real: build, up, scale, kill, crash, down and up again (needs docker compose)
	@$(WITH_NODE) node test/deploy/compose-test.ts

k8s: $(INSTALLED) ## write deploy/k8s from the Helm chart (helm and others by `go install`)
	@$(NODE) scripts/k8s-tools.ts && $(NODE) scripts/k8s.ts

k8s-check: $(INSTALLED) $(TAP_BUILT) ## the Helm chart and deploy/k8s: lint, schemas, what is refused, whether they agree
	@$(NODE) scripts/k8s-tools.ts && $(WITH_NODE) npm run test-k8s --silent

diagrams: $(INSTALLED) ## draw docs/diagrams again from their texts
	@$(NODE) scripts/diagrams.ts

backup: $(INSTALLED) ## a consistent copy of the three SQLite files, while everything runs (TO=folder)
	@$(NODE) scripts/backup.ts $(TO)

restore: $(INSTALLED) ## put a backup in the place of the files; everything must be stopped (FROM=folder)
	@$(NODE) scripts/restore.ts $(FROM)

check-books: $(INSTALLED) ## whether the three files agree with each other: balances, debits, letters
	@$(NODE) scripts/check-books.ts

check: $(INSTALLED) ## types
	@$(WITH_NODE) npm run check --silent

lint: $(INSTALLED) ## formatting and lint rules
	@$(WITH_NODE) npm run lint --silent

format: $(INSTALLED) ## format and fix
	@$(WITH_NODE) npm run format --silent

clean: ## remove data, tools, installed packages and what was built
	rm -rf .data .tools .tap coverage node_modules web/dist */build test/browser/screenshots

# npm ci, only when node_modules is missing or older than package-lock.json. Install scripts stay off but for the
# `node` package, whose script fetches Node 24: better-sqlite3 ships its binary, and npm's implicit node-gyp run would
# ask for Python and make.
$(INSTALLED): package-lock.json
	@PATH="$(PATH_WITHOUT_MODULES)"; \
	command -v node >/dev/null || { echo "Node.js 20 or newer is needed, and there is none: https://nodejs.org" >&2; exit 1; }; \
	command -v npm >/dev/null || { echo "npm is needed, and there is none; it comes with Node.js: https://nodejs.org" >&2; exit 1; }; \
	node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' || \
		{ echo "Node.js 20 or newer is needed; this is $$(node --version): https://nodejs.org" >&2; exit 1; }; \
	echo "Installing npm packages (half a minute the first time) ..."; \
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || exit 1; \
	echo "Installing Node.js 24 ..."; \
	npm rebuild node --loglevel=error >/dev/null || { rm -f $@; exit 1; }; \
	$(NODE) --version >/dev/null || { rm -f $@; echo "the Node.js that npm installed does not run" >&2; exit 1; }; \
	touch $@

# tap loads its plugins from a class that it generates into node_modules: once per install and per .taprc.
$(TAP_BUILT): .taprc $(INSTALLED)
	@$(WITH_NODE) tap build && touch $@

# Only when web/dist is missing or older than its sources or the packages.
$(WEB_BUILT): $(INSTALLED) $(WEB_SOURCES)
	@echo "Building the web UI ..."
	@$(WITH_NODE) npm run build --silent && touch $@

$(SERVICES_BUILT): $(INSTALLED) $(SERVICES_SOURCES)
	@echo "Bundling the services ..."
	@$(NODE) scripts/bundle.ts
