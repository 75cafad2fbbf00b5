# libwxtoken: `make demo` shows it, and `make test` runs every test. As root or with sudo, both install the missing Debian packages.
#
#   make lib        build the shared and the static library; LINKER=cc
#   make tool       build the command wxtoken
#   make install    install library, header and command, with man pages and completions; PREFIX=/usr/local DESTDIR=
#   make install-lib, install-tool   its two halves
#   make stage      install the library into build/stage, where examples, bindings and tests look for it
#   make clean      remove all that was built
#
#   make demo-sdks  give one token to the SDKs of each language
#   make demo-server  run a server; curl, an SDK and a C program get one token from it
#   make demo-hosts run three hosts on one Redis whose master freezes; as root, or with user namespaces
#
#   make php-extension   build PHP's extension, in build/php-extension
#   make native     build Python's extension, next to its source
#   make wheel      build Python wheels that carry the library, in build/wheels
#   make dist       build the packages for x86_64 and aarch64, glibc and musl, into dist/; TRIPLES= for some
#   make dist-trees, dist-packages   its two halves
#
#   make header     rewrite include/wxtoken.h from src/ffi, PHP's declarations, and the man pages of C
#   make docs       write the manual of C as HTML, in build/docs/html, and check its man pages
#   make tables     rewrite the lists of options, kinds and statuses from the library's tables; then the header
#   make page-pictures   draw the server's page again, for the manual
#   make demo-picture    draw the front page's picture of the demo again
#
#   make setup      install the Debian packages that the tests need
#   make sim, test-tool  build the simulator, and the command for the tests
#   make check      run format, lint, unit tests and Rust integration tests: about a minute
#   make format     format Rust, Go and C
#   make features   compile the library with each feature alone
#   make deny       check licences, sources and advisories of the dependencies by cargo-deny; it fetches advisories from GitHub
#   make test       run all suites; SUITES="lint test-c" for some: test-rust, test-model, test-openapi, test-c, test-abi,
#     test-go, test-php, test-php-sdks, test-python, test-node, test-java, test-mixed, test-servers, test-server-sdks, test-page,
#     test-deploy, test-dist, test-soak, test-bench, test-findings, lint
#   make test-dist-all   run test-dist for all targets, aarch64 by qemu, and build everything twice: an hour and a half
#
#   make mutants-pure   run cargo-mutants on the pure modules with their unit tests; .cargo/mutants.toml lists them
#   make mutants-diff   run cargo-mutants on the lines changed since BASE=origin/main, with all Rust tests of the library
#   make mutants    remove each protection and see its tests fail; MUTANTS="--row 9" or names for some (hours for all)
#   make fuzz       fuzz each target for SECONDS=3600
#   make sanitize   run all tests under the address and thread sanitizers, and pure code under Miri (rustup, clang);
#     sanitize-address, sanitize-thread and sanitize-miri are its parts
#   make soak       fetch tokens of five seconds for MINUTES=60, with killed writers, a storm of rejects, and chaos
#   make chaos      run faulty hosts on a failing disk for MINUTES=60, and stop, kill and rekey them
#
#   make bench      measure the cost of a token, next to its floors and its peers; BENCH=hit for some
#   make bench-compare   compare the last two whole runs of benches/record
#   make bench-accounts  measure the command on a store of 1,000, 10,000 and 100,000 accounts
#   make bench-inside    measure the pieces: snapshot, lock, save, seal, parse
#
#   make help       print this

PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
DESTDIR ?=
CARGO   ?= cargo
# The C compiler that links the library.
LINKER  ?= cc

VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
TARGET  := $(or $(CARGO_TARGET_DIR),target)
STAGE   := $(CURDIR)/build/stage
SIM     := $(TARGET)/debug/wechat-sim
REDIS   := $(TARGET)/debug/beside-redis

.PHONY: all lib tool test-tool sim dist dist-trees dist-packages install install-lib install-tool install-files install-lib-files install-tool-files stage stage-tool native wheel php-extension header docs docs-html tables clean help \
  demo demo-sdks demo-server demo-hosts mixed-workers \
  setup build check features deny format lint test test-rust test-model test-openapi test-c test-abi test-go test-php test-php-sdks test-python test-node test-java test-mixed \
  test-servers test-server-sdks test-page page-pictures demo-picture test-deploy test-dist test-dist-all test-dist-of test-soak test-bench test-findings \
  bench bench-compare bench-accounts bench-inside soak chaos soak-workers mutants mutants-pure mutants-diff \
  sanitize sanitize-address sanitize-thread sanitize-miri nightly fuzz

all: lib tool

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

# Without the rlib: cargo does no link-time optimisation for a library that is one too.
lib:
	WXTOKEN_LINKER="$(LINKER)" $(CARGO) rustc --locked --release --lib --crate-type cdylib,staticlib -- \
	  -C linker=contrib/link-with-versions

tool:
	$(CARGO) build --locked --release -p wxtoken-cli

sim:
	$(CARGO) build --locked -p wechat-sim -p redis-server

install: install-lib install-tool

install-lib: lib
	$(MAKE) --no-print-directory install-lib-files

install-tool: tool
	$(MAKE) --no-print-directory install-tool-files

# What is built already, for whatever machine. The command that writes manual and completions must run on this one.
LIB_FROM  ?= $(TARGET)/release
TOOL_FROM ?= $(TARGET)/release
TOOL_HERE ?= $(TOOL_FROM)

install-files: install-lib-files install-tool-files

install-lib-files:
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 755 $(LIB_FROM)/libwxtoken.so $(DESTDIR)$(LIBDIR)/libwxtoken.so.$(VERSION)
	ln -sf libwxtoken.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libwxtoken.so.0
	ln -sf libwxtoken.so.0 $(DESTDIR)$(LIBDIR)/libwxtoken.so
	install -m 644 $(LIB_FROM)/libwxtoken.a $(DESTDIR)$(LIBDIR)/libwxtoken.a
	install -m 644 include/wxtoken.h $(DESTDIR)$(PREFIX)/include/wxtoken.h
	install -d $(DESTDIR)$(MANDIR)/man3 $(DESTDIR)$(MANDIR)/man7
	install -m 644 docs/c/wxtoken.3 $(DESTDIR)$(MANDIR)/man3/wxtoken.3
	for function in $$(sed -n 's/^\.Fo //p' docs/c/wxtoken.3); do ln -sf wxtoken.3 $(DESTDIR)$(MANDIR)/man3/$$function.3 || exit 1; done
	install -m 644 docs/c/libwxtoken.7 $(DESTDIR)$(MANDIR)/man7/libwxtoken.7
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$${prefix}/include' '' \
	  'Name: wxtoken' 'Description: One WeChat access token per account for every process and language' \
	  'Version: $(VERSION)' 'Libs: -L$${libdir} -lwxtoken' 'Libs.private: -lpthread -ldl -lm -lc' \
	  'Cflags: -I$${includedir}' > $(DESTDIR)$(LIBDIR)/pkgconfig/wxtoken.pc

# The program just built writes its own manual and completions. Where each shell looks for them is its own affair.
BASH_COMPLETIONS = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS  = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISH_COMPLETIONS = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

install-tool-files:
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1
	install -m 755 $(TOOL_FROM)/wxtoken $(DESTDIR)$(BINDIR)/wxtoken
	install -d $(DESTDIR)$(UNITDIR)
	for unit in wxtoken-keep.service wxtoken-serve.service wxtoken-serve.socket; do \
	  sed 's|/usr/local/bin|$(BINDIR)|' contrib/systemd/$$unit > $(DESTDIR)$(UNITDIR)/$$unit || exit 1; done
	$(TOOL_HERE)/wxtoken man --out $(DESTDIR)$(MANDIR)/man1
	install -d $(BASH_COMPLETIONS) $(ZSH_COMPLETIONS) $(FISH_COMPLETIONS)
	$(TOOL_HERE)/wxtoken completions bash > $(BASH_COMPLETIONS)/wxtoken
	$(TOOL_HERE)/wxtoken completions zsh > $(ZSH_COMPLETIONS)/_wxtoken
	$(TOOL_HERE)/wxtoken completions fish > $(FISH_COMPLETIONS)/wxtoken.fish

# Where examples, bindings and tests find the library: as installed, but in the build directory.
stage:
	$(MAKE) --no-print-directory install-lib PREFIX=$(STAGE) LIBDIR=$(STAGE)/lib DESTDIR=

# The same for what runs the command.
stage-tool:
	$(MAKE) --no-print-directory install-tool PREFIX=$(STAGE) BINDIR=$(STAGE)/bin MANDIR=$(STAGE)/share/man DESTDIR=

WHEEL = $(CURDIR)/build/wheel

wheel: stage
	python3 -m venv $(WHEEL)
	$(WHEEL)/bin/pip install -q -r bindings/python/wheel-requirements.txt
	$(WHEEL)/bin/python bindings/python/build_wheel.py $(STAGE)/lib/libwxtoken.so.0 build/wheels

# --- what users install, without a Rust toolchain: see RELEASE.md ---

# All four targets, or some: TRIPLES="x86_64-unknown-linux-gnu x86_64-unknown-linux-musl".
TRIPLES   ?=
PACKAGERS ?= tarballs deb rpm oci sbom wheels npm maven composer
PACK      := build/dist/tools/bin/python -B

dist: dist-trees
	rm -rf dist
	$(MAKE) --no-print-directory dist-packages

# Library and command of each target, in build/dist/tree.
dist-trees:
	@.ci/setup dist
	python3 -B contrib/packaging/build.py $(TRIPLES)

# What is packed of the trees that are there.
dist-packages:
	mkdir -p dist
	for packager in $(PACKAGERS); do $(PACK) contrib/packaging/$$packager.py $(TRIPLES) || exit 1; done
	cd dist && rm -f SHA256SUMS && sha256sum -- * >SHA256SUMS && cat SHA256SUMS

header:
	WXTOKEN_WRITE_HEADER=1 $(CARGO) test --locked -p wxtoken-tests --test header
	@command -v php >/dev/null || { echo "php is not there: bindings/php/src/Declarations.php is not rewritten" >&2; exit 1; }
	declarations=$$(php bindings/php/bin/make-cdef include/wxtoken.h) && \
	  printf '%s\n' "$$declarations" >bindings/php/src/Declarations.php
	python3 -B docs/c/manual.py man

docs:
	@.ci/setup docs
	@$(MAKE) --no-print-directory docs-html

# Warnings of Doxygen are errors. mandoc does not find the pages that the pages name, where they are not installed.
docs-html:
	@for program in doxygen mandoc groff; do command -v $$program >/dev/null || { echo "docs: $$program is not there: .ci/setup docs installs it" >&2; exit 1; }; done
	python3 -B docs/c/manual.py man --check
	@! mandoc -T lint docs/c/wxtoken.3 docs/c/libwxtoken.7 | grep -v 'STYLE: referenced manual not found'
	@test -z "$$(groff -ww -mdoc -Tutf8 -z docs/c/wxtoken.3 docs/c/libwxtoken.7 2>&1 | tee /dev/stderr)"
	rm -rf build/docs
	python3 -B docs/c/manual.py doxygen build/docs/source
	VERSION=$(VERSION) doxygen docs/c/Doxyfile
	python3 -B docs/c/manual.py html build/docs/html

# One test at a time, for several write one page.
tables:
	WXTOKEN_WRITE_TABLES=1 $(CARGO) test --locked -p wxtoken-tests --test tables -- --test-threads=1
	$(MAKE) --no-print-directory header

clean:
	rm -rf build bindings/python/wxtoken/_native.abi3.so
	$(CARGO) clean

# --- demo ---

demo:
	@.ci/setup demo
	@$(MAKE) --no-print-directory --silent stage sim
	@$(CARGO) build --locked -p wxtoken-cli
	@.ci/demo "$(STAGE)" "$(SIM)" "$(abspath $(TARGET))/debug/wxtoken"

# The picture of the front page; Rich, of PyPI, draws it.
demo-picture:
	@.ci/setup demo
	@$(MAKE) --no-print-directory --silent stage sim
	@$(CARGO) build --locked -p wxtoken-cli
	@python3 -m venv build/picture && build/picture/bin/pip install -q rich==15.0.0
	@build/picture/bin/python -B docs/images/demo.py .ci/demo "$(STAGE)" "$(abspath $(SIM))" "$(abspath $(TARGET))/debug/wxtoken"

demo-sdks:
	@.ci/setup test
	@$(MAKE) --no-print-directory --silent stage sim
	@.ci/demo-sdks "$(STAGE)" "$(abspath $(SIM))"

demo-server:
	@.ci/setup demo
	@$(MAKE) --no-print-directory --silent stage sim
	@$(CARGO) build --locked -p wxtoken-cli
	@$(DEMO_SERVER)

DEMO_SERVER = .ci/demo-server "$(STAGE)" "$(abspath $(SIM))" "$(abspath $(TARGET))/debug/wxtoken"

demo-hosts:
	@.ci/setup hosts
	@$(MAKE) --no-print-directory --silent mixed-workers
	@$(ON_HOSTS)

# --- tests ---

# They begin in this order; SUITES="lint test-c" for some. tests/run.py says what becomes of them, and which are run one at a time:
# test-dist takes longest of those, and the short ones before it.
SUITES ?= build test-java test-findings test-soak test-server-sdks test-php-sdks test-dist test-rust lint test-go test-c test-abi test-page test-deploy \
  test-python test-servers test-model test-node test-mixed test-php test-bench test-openapi
# As many at a time as there are processors, unless it says so.
AT_ONCE ?=
# A file that lists what may be NOT RUN; without one, all may that the machine cannot run.
MAY_NOT_RUN ?=
# ONCE=1 where nothing is built again: a suite that has passed then leaves less on the disk.
ONCE ?=

test: setup
	@python3 -B tests/run.py $(if $(AT_ONCE),--at-once $(AT_ONCE)) $(if $(MAY_NOT_RUN),--may-not-run $(MAY_NOT_RUN)) $(if $(ONCE),--once) $(SUITES)

setup:
	@.ci/setup test

# What a change to the Rust code is seen by first.
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	CARGO="$(CARGO)" python3 -B tests/rust.py --workspace

FEATURES := redis benching failpoints fuzzing

features:
	$(CARGO) check --locked -p wxtoken --no-default-features
	for feature in $(FEATURES); do $(CARGO) check --locked -p wxtoken --no-default-features --features $$feature || exit 1; done

# WHAT="bans licenses sources" where GitHub is not reached.
WHAT ?=

deny:
	$(call has-tool,cargo-deny)
	$(CARGO) deny --locked --workspace check $(WHAT)

# What the suites after it share.
build: stage sim tool test-tool soak-workers mixed-workers native php-extension

# What the bindings' suites run under: the staged library, the table of cases, a simulator.
UNDER_SIM = PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig LD_LIBRARY_PATH=$(STAGE)/lib \
  WXTOKEN_CASES=$(CURDIR)/tests/cases.json $(abspath $(SIM)) exec --quiet --

# The same beside a redis-server, where the cases then have their stores.
UNDER_REDIS = $(UNDER_SIM) $(abspath $(REDIS)) --

GO_DIRECTORIES := bindings/go tests/mixed/go tests/soak/go tests/sdks/go benches
# The header is what cbindgen writes.
C_FILES = git ls-files '*.c' '*.h' ':!include' ':!tests/abi/*/wxtoken.h'

format:
	$(CARGO) fmt --all
	gofmt -w $(GO_DIRECTORIES)
	$(C_FILES) | xargs clang-format -i

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked -p wxtoken --lib -- -D warnings
	$(CARGO) clippy --locked -p wxtoken --lib --no-default-features -- -D warnings
	$(CARGO) clippy --locked -p wxtoken-cli -- -D warnings
	$(CARGO) clippy --locked -p wxtoken --benches --features benching -- -D warnings
	@unformatted=$$(gofmt -l $(GO_DIRECTORIES)); \
	  test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	@$(C_FILES) | xargs clang-format --dry-run -Werror
	@git ls-files '*.php' | while read -r file; do php -l "$$file" >/dev/null || exit 1; done
	@git ls-files '*.py' | xargs python3 -m py_compile
	python3 tests/mutants/run.py --check
	python3 -B tests/dist/versions.py
	python3 -B tests/run.py --self-test
	python3 -B tests/layers.py --self-test
	python3 -B tests/layers.py
	python3 -B tests/prose.py --self-test
	python3 -B tests/prose.py
	python3 -B tests/links.py --self-test
	python3 -B tests/links.py
	@$(MAKE) --no-print-directory docs-html

# The same with a wxtoken server for each case.
UNDER_SERVER = $(UNDER_SIM) python3 -B $(CURDIR)/tests/beside_server.py $(abspath $(TARGET))/debug/wxtoken --

test-tool:
	$(CARGO) build --locked -p wxtoken-cli

test-rust:
	CARGO="$(CARGO)" python3 -B tests/rust.py --workspace

# The single flight and the cache under a model checker, loom. Its types are the whole library's: a build of its own.
test-model:
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=$(CURDIR)/build/loom $(CARGO) test --locked -p wxtoken --lib -- process::model::

# The server's description, against the schema of OpenAPI itself. What it says of the server is tested by test-rust.
OPENAPI = build/openapi

test-openapi:
	@.ci/with-registry test-openapi PyPI \
	  'python3 -m venv $(OPENAPI) && $(OPENAPI)/bin/pip install -q -r cli/tests/tool/serve/openapi/requirements.txt' \
	  '$(OPENAPI)/bin/openapi-spec-validator docs/server.openapi.yaml'

test-c: stage sim
	$(MAKE) -C tests/c all STAGE=$(STAGE) SIM=$(abspath $(SIM)) REDIS=$(abspath $(REDIS)) BUILD=$(CURDIR)/build/tests-c

# The ABI: symbols, versions, layouts and numbers against each release, and a program of each release that runs.
test-abi: stage sim
	$(abspath $(SIM)) exec --quiet -- python3 -B tests/abi/run.py $(STAGE) build/test-abi

test-go: stage sim test-tool
	cd bindings/go && $(UNDER_SIM) go vet ./...
	cd bindings/go && $(UNDER_SIM) go test -count=1 -race ./...
	cd bindings/go && $(UNDER_REDIS) go test -count=1 -run TestTheSharedTableOfCases .
	cd bindings/go && $(UNDER_SERVER) go test -count=1 -run TestTheSharedTableOfCases .
	cd bindings/go && CGO_ENABLED=0 go vet ./... && $(UNDER_SERVER) env CGO_ENABLED=0 go test -count=1 ./...
	cd bindings/go/server_test && $(UNDER_SIM) go vet ./... && $(UNDER_SERVER) go test -count=1 ./...
	cd bindings/go/server_test && CGO_ENABLED=0 go vet ./... && $(UNDER_SERVER) env CGO_ENABLED=0 go test -count=1 ./...
	cd bindings/go/server_test && $(UNDER_SERVER) go test -count=1 -race -tags wxtoken_nocgo ./...
	@cd bindings/go/purego && $(CURDIR)/.ci/with-registry test-go/purego Go \
	  'CGO_ENABLED=0 go vet ./... && CGO_ENABLED=0 GOARCH=arm64 go vet ./...' \
	  '$(UNDER_SIM) env CGO_ENABLED=0 go test -count=1 ./... && $(UNDER_SIM) go test -count=1 -race -tags wxtoken_nocgo ./...'
	@cd bindings/go/adapters_test && $(CURDIR)/.ci/with-registry test-go/adapters Go \
	  '$(UNDER_SIM) go vet ./...' '$(UNDER_SIM) go test -count=1 -race ./...'

# PHP's extension, as a user builds it, and an ini file that loads it: PHP_INI_SCAN_DIR=:DIRECTORY finds that after PHP's own.
PHP_EXTENSION    = $(CURDIR)/build/php-extension
BY_PHP_EXTENSION = PHP_INI_SCAN_DIR=:$(PHP_EXTENSION)

php-extension: stage
	PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig .ci/php-extension bindings/php/ext $(PHP_EXTENSION)

# By FFI, and by the extension.
test-php: stage sim test-tool php-extension
	$(UNDER_SIM) php bindings/php/tests/run.php
	$(UNDER_REDIS) php bindings/php/tests/run.php shared_table
	$(UNDER_SERVER) php bindings/php/tests/run.php shared_table
	$(BY_PHP_EXTENSION) $(UNDER_SIM) php bindings/php/tests/run.php --by-extension
	$(BY_PHP_EXTENSION) $(UNDER_REDIS) php bindings/php/tests/run.php --by-extension shared_table
	$(BY_PHP_EXTENSION) $(UNDER_SERVER) php bindings/php/tests/run.php --by-extension shared_table

# The adapters with the real SDKs; WXTOKEN_PHP_SDKS names an autoload file that loads them from elsewhere than Packagist.
test-php-sdks: stage sim
	@.ci/with-registry test-php-sdks Packagist '[ -n "$$WXTOKEN_PHP_SDKS" ] || .ci/php-sdks' \
	  '$(UNDER_SIM) php bindings/php/tests/sdks/run.php'

# Python's extension, beside its source, where the tests and the benchmarks find it.
native:
	CC="$(CC) -Werror" python3 -B bindings/python/build_native.py

# By the extension, and by ctypes. What is installed says by itself which way it goes.
PYTEST = WXTOKEN_PYTHON=native python3 -m pytest -q -p no:cacheprovider

test-python: stage sim test-tool native
	cd bindings/python && $(UNDER_SIM) env $(PYTEST)
	cd bindings/python && $(UNDER_SIM) env $(PYTEST:native=ctypes) --ignore tests/test_install.py --ignore tests/test_wheel.py
	cd bindings/python && $(UNDER_REDIS) env $(PYTEST) tests/test_cases.py
	cd bindings/python && $(UNDER_SERVER) env $(PYTEST) tests/test_cases.py

test-node: stage sim test-tool
	@cd bindings/node && $(CURDIR)/.ci/with-registry test-node npm \
	  'npm ci --no-audit --no-fund --loglevel=error' 'npm run --silent lint && $(UNDER_SIM) npm test --silent && $(UNDER_REDIS) node --test tests/cases.test.js \
	  && $(UNDER_SERVER) node --test tests/cases.test.js'

# By JNA, and by foreign functions where a Java 22 or later is there.
BY_FFM = env WXTOKEN_JAVA=ffm mvn -B -q surefire:test -DargLine=--enable-native-access=ALL-UNNAMED

test-java: stage sim test-tool
	@cd bindings/java && $(CURDIR)/.ci/with-registry test-java Maven \
	  '$(UNDER_SIM) env WXTOKEN_JAVA=jna mvn -B -q verify && $(UNDER_REDIS) mvn -B -q test -Dtest=CasesTest \
	  && $(UNDER_SERVER) mvn -B -q test -Dtest=CasesTest' \
	  'if java=$$($(CURDIR)/.ci/newer-java); then $(UNDER_SIM) $(BY_FFM) -Djvm=$$java; \
	  else echo "test-java/ffm: there is no Java 22 or later" | tee -a "$${WXTOKEN_NOT_RUN:-/dev/null}"; fi'

ON_HOSTS = LD_LIBRARY_PATH=$(STAGE)/lib python3 -B tests/mixed/hosts.py $(abspath $(SIM)) build/mixed/c build/mixed/go

test-mixed: mixed-workers
	$(UNDER_SIM) python3 tests/mixed/run.py build/mixed/c build/mixed/go
	$(ON_HOSTS)

mixed-workers: stage sim
	mkdir -p build/mixed
	$(CC) -std=c99 -Wall -Wextra -Wpedantic -Werror -pthread tests/mixed/worker.c -o build/mixed/c \
	  $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig pkg-config --cflags --libs wxtoken)
	cd tests/mixed/go && PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig go build -o $(CURDIR)/build/mixed/go .

test-servers: stage sim
	$(UNDER_SIM) python3 tests/servers/run.py
	$(UNDER_REDIS) python3 tests/servers/run.py php-fpm gunicorn-threads

# SDKs as they are with a token of `wxtoken serve`, or with all their calls by it, by configuration alone. The programs go to build/sdks.
SDKS   = $(CURDIR)/build/sdks
ON_SDKS = $(abspath $(SIM)) exec --quiet -- python3 -B tests/sdks/run.py $(SDKS) $(abspath $(TARGET))/debug/wxtoken
PIP    = $(SDKS)/python/bin/pip install -q --disable-pip-version-check
# PowerWeChat asks for this Go, which Debian 12 lacks.
IS_GO_1_23 = go version | grep -qE ' go(1\.(2[3-9]|[3-9][0-9])|[2-9])'

test-server-sdks: stage sim test-tool
	mkdir -p $(SDKS)
	$(CC) -std=c99 -Wall -Wextra -Wpedantic -Werror -shared -fPIC -o $(SDKS)/clock.so tests/sdks/clock.c -ldl
	$(ON_SDKS) papers
	@.ci/with-registry test-server-sdks/java Maven 'mvn -B -q -f tests/sdks/java compile' '$(ON_SDKS) wxjava wxjava-stable forward-wxjava'
	@$(IS_GO_1_23) || echo "test-server-sdks/go: PowerWeChat asks for Go 1.23" | tee -a "$${WXTOKEN_NOT_RUN:-/dev/null}"
	@! $(IS_GO_1_23) || .ci/with-registry test-server-sdks/go Go 'cd tests/sdks/go && go vet . && go build -o $(SDKS)/go .' \
	  '$(ON_SDKS) powerwechat silenceper silenceper-stable go-workwx forward-go'
	@.ci/with-registry test-server-sdks/python PyPI 'python3 -m venv $(SDKS)/python && $(PIP) -r tests/sdks/python/requirements.txt' \
	  '$(ON_SDKS) wechatpy forward-wechatpy'
	@.ci/with-registry test-server-sdks/node npm 'npm ci --prefix tests/sdks/node --no-audit --no-fund --loglevel=error' \
	  '$(ON_SDKS) co-wechat-api forward-co-wechat-api'
	@.ci/with-registry test-server-sdks/demo Go 'cd bindings/go/adapters_test && go mod download' '$(DEMO_SERVER)'
	@.ci/with-registry test-server-sdks/php Packagist '[ -n "$$WXTOKEN_PHP_SDKS" ] || .ci/php-sdks' '$(ON_SDKS) easywechat forward-easywechat'

# The server's page in Debian's Chromium. Debian's Python too, for which its driver is packaged.
ON_PAGE = WXTOKEN_TOOL=$(abspath $(TARGET))/debug/wxtoken $(abspath $(SIM)) exec --quiet -- /usr/bin/python3 -B

test-page: sim test-tool
	$(ON_PAGE) tests/page/run.py

page-pictures: sim test-tool
	@.ci/setup pictures
	$(ON_PAGE) tests/page/pictures.py docs/images

# docs/deploy.md and docs/server.md, word by word, on throw-away machines with a systemd of their own; as root or with passwordless sudo.
# GUIDES="server" for one of them.
GUIDES ?=

test-deploy: soak-workers test-tool
	WXTOKEN_TOOL=$(abspath $(TARGET))/debug/wxtoken python3 -B tests/deploy/run.py $(abspath $(SIM)) $(GUIDES)

# What `make dist` makes: for this processor in `make test`, and for both, built twice, by `make test-dist-all`.
DIST_HERE = $(foreach libc,gnu musl,$(shell uname -m)-unknown-linux-$(libc))
ON_DIST   = python3 -B tests/dist
# A Python that has the schemas of Compose and Kubernetes.
MANIFESTS = build/dist/manifests

test-dist: sim test-tool
	@.ci/with-registry test-dist "PyPI" '$(MAKE) --no-print-directory dist TRIPLES="$(DIST_HERE)"' \
	  '$(MAKE) --no-print-directory test-dist-of TRIPLES="$(DIST_HERE)"'

test-dist-all: setup sim test-tool dist
	$(ON_DIST)/twice.py builds
	$(MAKE) --no-print-directory test-dist-of

test-dist-of:
	@.ci/with-registry test-dist/manifests PyPI \
	  'python3 -m venv $(MANIFESTS) && $(MANIFESTS)/bin/pip install -q --disable-pip-version-check -r tests/dist/manifests-requirements.txt' \
	  '$(MANIFESTS)/bin/python -B tests/dist/manifests.py $(abspath $(TARGET))/debug/wxtoken'
	$(ON_DIST)/artifacts.py $(TRIPLES)
	$(ON_DIST)/twice.py packages $(TRIPLES)
	$(ON_DIST)/papers.py
	$(ON_DIST)/c_suite.py $(abspath $(SIM)) $(TRIPLES)
	$(ON_DIST)/languages.py $(abspath $(SIM))
	@.ci/with-registry test-dist/purego Go 'cd bindings/go/purego && go mod download' \
	  '$(abspath $(SIM)) exec --quiet -- $(ON_DIST)/go_purego.py'
	$(ON_DIST)/debian.py $(abspath $(SIM)) $(TRIPLES)
	$(ON_DIST)/rpm.py $(abspath $(SIM)) $(TRIPLES)
	$(ON_DIST)/containers.py $(abspath $(SIM))

# --- benchmarks: see benches/README.md ---

BENCH ?=
# The floor of Python's extension.
EMPTY = CC="$(CC) -Werror" python3 -B bindings/python/build_native.py build/benches/empty.abi3.so benches/languages/python/empty.c

# Cargo names the program by a hash, and says which.
INSIDE = cp "$$($(CARGO) bench --locked --features benching --bench inside --no-run --message-format=json-render-diagnostics \
  | sed -n 's/.*"executable":"\([^"]*\/inside-[^"]*\)".*/\1/p')" build/benches/inside

bench:
	@.ci/setup bench
	$(MAKE) --no-print-directory stage sim tool native php-extension
	benches/peers/setup.sh build/benches
	$(MAKE) -C benches/c STAGE=$(STAGE) BUILD=$(CURDIR)/build/benches
	-$(MAKE) -C benches/c redis STAGE=$(STAGE) BUILD=$(CURDIR)/build/benches
	cd benches/languages/go && PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig go build -o $(CURDIR)/build/benches/go .
	$(EMPTY)
	$(INSIDE)
	-cd bindings/node && npm ci --no-audit --no-fund --loglevel=error
	-benches/languages/java/build.sh build/benches/java
	WXTOKEN_TOOL=$(abspath $(TARGET))/release/wxtoken WXTOKEN_PHP_EXTENSION=$(PHP_EXTENSION) $(UNDER_SIM) python3 benches/run.py $(CURDIR)/build/benches $(BENCH)

# What is the same on every machine and at every load: the instructions of a hit, and the lines that threads share.
test-bench: stage sim native php-extension
	$(MAKE) -C benches/c STAGE=$(STAGE) BUILD=$(CURDIR)/build/benches
	$(INSIDE)
	build/benches/inside --test
	$(UNDER_SIM) python3 benches/instructions.py $(CURDIR)/build/benches
	$(UNDER_SIM) python3 benches/php_instructions.py $(CURDIR)/build/benches $(PHP_EXTENSION)
	$(UNDER_SIM) python3 benches/shared_writes.py $(CURDIR)/build/benches

# The last record of a whole run beside the one before it; RECORDS="OLD NEW" for others.
RECORDS ?=
bench-compare:
	python3 -B benches/compare.py $(RECORDS)

bench-accounts: stage tool
	$(MAKE) -C benches/c STAGE=$(STAGE) BUILD=$(CURDIR)/build/benches
	LD_LIBRARY_PATH=$(STAGE)/lib python3 benches/accounts.py $(TARGET)/release/wxtoken build/benches/register

bench-inside:
	$(CARGO) bench --locked --features benching --bench inside

# --- soaks: rows 4, 32 and 38 of docs/faults.md, short in `make test`, for MINUTES in `make soak` ---

MINUTES ?= 60
SOAK     = $(UNDER_SIM) python3 tests/soak/run.py build/soak $(TARGET)/release/wxtoken

test-soak: soak-workers tool
	$(SOAK)

soak: soak-workers tool
	$(SOAK) --seconds $$(($(MINUTES) * 60))

chaos: soak-workers tool
	$(SOAK) --only chaos chaos-redis --seconds $$(($(MINUTES) * 60))

soak-workers: stage sim
	mkdir -p build/soak
	$(CC) -std=c99 -Wall -Wextra -Wpedantic -Werror -pthread tests/soak/vandal.c -o build/soak/vandal \
	  $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig pkg-config --cflags --libs wxtoken) -ldl
	$(CC) -std=c99 -Wall -Wextra -Wpedantic -Werror -shared -fPIC -o build/soak/shim.so tests/c/shim.c -ldl
	$(CC) -std=c99 -Wall -Wextra -Wpedantic -Werror -pthread tests/soak/worker.c -o build/soak/c \
	  $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig pkg-config --cflags --libs wxtoken)
	cd tests/soak/go && PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig go build -o $(CURDIR)/build/soak/go .

# --- mutants: each protection taken out, and the tests that are seen to fail then ---

mutants:
	python3 tests/mutants/run.py $(MUTANTS)

# The tools that cargo has not by itself, in build/tools where they are not on PATH.
TOOLS := $(CURDIR)/build/tools
export PATH := $(PATH):$(TOOLS)/bin
has-tool = @command -v $(1) >/dev/null || $(CARGO) install --locked --root $(TOOLS) $(1)

# Without debug information: each mutant is a build. What is listed as missed fails the run.
CARGO_MUTANTS = CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) mutants --package wxtoken --jobs 2 --output build

mutants-pure:
	$(call has-tool,cargo-mutants)
	@mkdir -p build
	$(CARGO_MUTANTS) --test-package wxtoken -- --lib

# Of the whole library, so the files that .cargo/mutants.toml names do not count.
BASE ?= origin/main
mutants-diff:
	$(call has-tool,cargo-mutants)
	@mkdir -p build
	git diff $(BASE) -- src >build/mutants.diff
	$(CARGO_MUTANTS) --file 'src/**/*.rs' --in-diff build/mutants.diff --test-package wxtoken,wxtoken-tests

# --- sanitizers: the address sanitizer is part of `make test`; the others need a nightly toolchain ---

HOST := $(shell $(CARGO) -vV | sed -n 's/^host: //p')

# In CFLAGS for SQLite and ring. Compilers other than rustc know nothing of -Z: RUSTC_BOOTSTRAP opens it in a stable one.
ASAN  = RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CFLAGS=-fsanitize=address CARGO_TARGET_DIR=$(CURDIR)/build/asan
# The standard library too, or its own locks look like races.
TSAN  = RUSTFLAGS=-Zsanitizer=thread CC=clang CFLAGS=-fsanitize=thread CARGO_TARGET_DIR=$(CURDIR)/build/tsan \
  TSAN_OPTIONS="die_after_fork=0 suppressions=$(CURDIR)/tests/tsan.supp"
MIRI  = MIRIFLAGS=-Zmiri-disable-isolation CARGO_TARGET_DIR=$(CURDIR)/build/miri
# What calls into nothing but Rust.
PURE := credential:: process:: names:: options:: hosts:: platform:: clock:: client::report::

sanitize: sanitize-address sanitize-thread sanitize-miri stage sim
	$(MAKE) -C tests/c asan STAGE=$(STAGE) SIM=$(abspath $(SIM)) BUILD=$(CURDIR)/build/tests-c
	@echo "make sanitize: no finding"

# One test of a program at a time: the address sanitizer's allocator hangs in a child that was forked while another thread was in it.
ASAN_TESTS ?=
sanitize-address:
	$(ASAN) CARGO="$(CARGO)" python3 -B tests/rust.py --same-user --target $(HOST) -p wxtoken -p wxtoken-tests $(ASAN_TESTS) -- --test-threads=1

sanitize-thread: nightly
	$(TSAN) $(CARGO) +nightly test -Zbuild-std --locked --target $(HOST) -p wxtoken -p wxtoken-tests

sanitize-miri: nightly
	$(MIRI) $(CARGO) +nightly miri test --locked --lib -- $(PURE)

nightly:
	@command -v clang >/dev/null || { echo "no clang: apt-get install clang" >&2; exit 1; }
	rustup toolchain install nightly --profile minimal --component miri,rust-src

# What of it fits into `make test`.
test-findings:
	$(MAKE) --no-print-directory sanitize-address ASAN_TESTS="--lib --test host --test refresh --test store --test wechat"
	$(MAKE) --no-print-directory fuzz SECONDS=30

# --- fuzzing: half a minute of each target is part of `make test` ---

SECONDS ?= 3600
TARGETS ?= reply strings legacy_import store keeper_mail backup options proxy_answers server

# A stable toolchain has what it needs too: RUSTC_BOOTSTRAP opens it. Two at a time, each in the corpus that it grows,
# build/corpus, from that which is committed. What was found lies in build/fuzz/artifacts.
FUZZ = RUSTC_BOOTSTRAP=1 CFLAGS=-fsanitize=address CARGO_TARGET_DIR=$(CURDIR)/build/fuzz $(CARGO) fuzz

fuzz:
	$(call has-tool,cargo-fuzz)
	$(FUZZ) build --dev
	mkdir -p build/fuzz/artifacts $(TARGETS:%=build/corpus/%)
	printf '%s\n' $(TARGETS) | xargs -P 2 -I {} sh -c '$(FUZZ) run --dev {} build/corpus/{} fuzz/corpus/{} -- \
	  -artifact_prefix=build/fuzz/artifacts/{}- -max_total_time=$(SECONDS) -timeout=20 \
	  -rss_limit_mb=4096 -verbosity=0 -print_final_stats=1 >build/fuzz/{}.log 2>&1 \
	  || { tail -50 build/fuzz/{}.log; exit 1; }; sed "s/^/{}: /" build/fuzz/{}.log | grep -a number_of_executed_units'
