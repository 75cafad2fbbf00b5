# libwxtoken: `make demo` shows it, `make test` tests everything; both install what is missing when they may.
#
#   make lib        build the shared and the static library
#   make install    PREFIX=/usr/local DESTDIR=
#   make header     rewrite include/wxtoken.h from src/ffi
#   make sim        build the simulator

PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DESTDIR ?=
CARGO   ?= cargo

VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
TARGET  := $(or $(CARGO_TARGET_DIR),target)
STAGE   := $(CURDIR)/build/stage
SIM     := $(TARGET)/debug/wechat-sim

.PHONY: all lib sim install stage header setup test demo clean

all: lib

# One crate type at a time: cargo does no link-time optimisation for a library that is an rlib too.
lib:
	$(CARGO) rustc --locked --release --lib --crate-type cdylib
	$(CARGO) rustc --locked --release --lib --crate-type staticlib

sim:
	$(CARGO) build --locked -p wechat-sim

install: lib
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 755 $(TARGET)/release/libwxtoken.so $(DESTDIR)$(LIBDIR)/libwxtoken.so.$(VERSION)
	ln -sf libwxtoken.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libwxtoken.so.0
	ln -sf libwxtoken.so.0 $(DESTDIR)$(LIBDIR)/libwxtoken.so
	install -m 644 $(TARGET)/release/libwxtoken.a $(DESTDIR)$(LIBDIR)/libwxtoken.a
	install -m 644 include/wxtoken.h $(DESTDIR)$(PREFIX)/include/wxtoken.h
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$${prefix}/include' '' \
	  'Name: wxtoken' 'Description: One WeChat access token per account for every process and language' \
	  'Version: $(VERSION)' 'Libs: -L$${libdir} -lwxtoken' 'Libs.private: -lpthread -ldl -lm -lgcc_s -lc' \
	  'Cflags: -I$${includedir}' > $(DESTDIR)$(LIBDIR)/pkgconfig/wxtoken.pc

# Where examples, bindings and tests find the library: as installed, but in the build directory.
stage:
	$(MAKE) --no-print-directory install PREFIX=$(STAGE) LIBDIR=$(STAGE)/lib DESTDIR=

header:
	WXTOKEN_WRITE_HEADER=1 $(CARGO) test --locked --test header

setup:
	.ci/setup

clean:
	rm -rf build
	$(CARGO) clean
