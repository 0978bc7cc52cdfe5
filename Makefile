# make            builds build/release/hgmc          make demo    trains, samples and evaluates an example
# make check      builds and runs every test         make bench   beside the peers (PyTorch, JAX; needs PyPI)
#                                                    make examples   trains all at reduced size, one table, half an hour at most
# make check-long the long form of every test: hours of one core, goes on where it was cut off; make asan, make fuzz, make lint
# BUILD=asan      the same with address and undefined-behaviour sanitizers, in a folder of its own (BUILD=tsan: threads, and only tests that speak of them)
# V=1             shows the commands

BUILD ?= release
JOBS  ?= $(shell nproc)
O     := build/$(BUILD)
GEN   := build/gen
LLVM  ?= llvm-config-19

PACKAGES := gcc g++ make git pkg-config flex bison llvm-19-dev libopenblas-dev libhdf5-dev liblzf-dev libdeflate-dev zlib1g-dev \
            libjansson-dev libcmocka-dev libmpfr-dev libzstd-dev libxml2-dev libz3-dev hdf5-tools

SMALL_PACKAGES := musl-tools                   # without it a sampler is built with glibc and is 1 MB larger
CHECK_PACKAGES := libopenmpi-dev openmpi-bin   # without them the tests of several processes are skipped
ARM_PACKAGES   := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user # without them there is no `hgmc build --target aarch64`

WARN := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes -Werror
CFLAGS_release := -O2 -g
CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS_asan   := -fsanitize=address,undefined
CFLAGS_tsan    := -O1 -g -fsanitize=thread
LDFLAGS_tsan   := -fsanitize=thread
VERSION := 0.1.0
CFLAGS  = -std=c11 -DHGM_VERSION='"$(VERSION)"' -D_POSIX_C_SOURCE=200809L -ffp-contract=off $(WARN) $(CFLAGS_$(BUILD)) -I. -I$(GEN) -MMD -MP
LDFLAGS = $(LDFLAGS_$(BUILD)) -pthread

HDF5_CFLAGS = $(shell pkg-config --cflags hdf5)
CXX_LIBS   := $(if $(filter release,$(BUILD)),-static-libgcc -l:libstdc++.a,-lstdc++)
LLVM_CFLAGS = $(shell $(LLVM) --cflags)
LLVM_INCLUDE = -I$(shell $(LLVM) --includedir)
LLVM_SHARED = $(shell $(LLVM) --ldflags) -lLLVM-19
LLVM_STATIC = $(shell $(LLVM) --ldflags) $(shell $(LLVM) --link-static --libs x86codegen x86 aarch64codegen aarch64 target mc core support) \
              $(shell $(LLVM) --link-static --system-libs) $(CXX_LIBS)

say = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@echo '  $(1)  $@' &&) # of a recipe: its name instead of the command

# ---- modules: every .c of a folder is in that folder's archive
MODULES := lang/base lang compiler/ir compiler/ad compiler/opt compiler/codegen compiler/build compiler/driver runtime
lib      = $(O)/$(subst /,_,$(1)).a
sources  = $(wildcard $(1)/*.c)
objects  = $(patsubst %.c,$(O)/%.o,$(filter-out %/main.c,$(call sources,$(1)))) $(if $(filter lang,$(1)),$(O)/gen/parser.o $(O)/gen/lexer.o)
LIBS    := $(foreach m,$(MODULES),$(call lib,$(m)))

all: $(O)/hgmc plugins

# ---- what the machine lacks: installed as root or through sudo, or said
deps:
	@tests/deps.sh $(PACKAGES)
	@tests/deps.sh $(SMALL_PACKAGES) || true
.PHONY: all plugins tests check check-long demo bench examples oracle asan fuzz fmt lint clean deps golden
.DELETE_ON_ERROR:

define module_rule
$(call lib,$(1)): $(call objects,$(1))
	@rm -f $$@; ar rcs $$@ $$^
endef
$(foreach m,$(MODULES) sampler tests/support,$(eval $(call module_rule,$(m))))

$(O)/compiler/codegen/%.o: CFLAGS += $(filter-out -std=% -D_DEBUG,$(LLVM_CFLAGS))
$(O)/runtime/%.o: CFLAGS += $(HDF5_CFLAGS)
$(O)/runtime/unfilter.o $(O)/runtime/convert.o $(O)/runtime/numbers.o $(O)/runtime/column_look.o: CFLAGS += -O3 # loops over bytes and numbers as vectors

$(O)/%.o: %.c | $(GEN)/parser.h
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CFLAGS) -c $< -o $@
$(O)/gen/%.o: $(GEN)/%.c $(GEN)/parser.h $(GEN)/lexer.h
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CFLAGS) -c $< -o $@

$(GEN)/parser.c $(GEN)/parser.h &: lang/parser.y
	@mkdir -p $(GEN)
	$(call say,GEN)bison -Wall -Wcounterexamples -Werror --header=$(GEN)/parser.h -o $(GEN)/parser.c $<
$(GEN)/lexer.c $(GEN)/lexer.h &: lang/lexer.l
	@mkdir -p $(GEN)
	$(call say,GEN)flex --header-file=$(GEN)/lexer.h -o $(GEN)/lexer.c $<

# ---- the base executable, a sampler without a model (sampler/): a static program that hgmc carries inside it. musl makes it small; else glibc.
BASE_CC     ?= $(or $(shell command -v musl-gcc),$(CC))
BASE_CFLAGS := -std=c11 -DHGM_VERSION='"$(VERSION)"' -D_POSIX_C_SOURCE=200809L -ffp-contract=off -O2 -ffunction-sections -fdata-sections -fno-pie \
               -fno-asynchronous-unwind-tables $(WARN) -I. -MMD -MP
BASE_LINK    := -static -no-pie -s -Wl,--gc-sections -Wl,--build-id=none
BASE_RUNTIME := buffer bundle column_look convert cpu crc32 csv_reader csv_writer error exec hdf5_format heap interrupt io npy_reader npy_writer numbers philox pickle pool \
                program_file redraw sha256 table table_load table_paths table_read table_units unit writer
BASE_SOURCES := $(wildcard sampler/*.c) $(BASE_RUNTIME:%=runtime/%.c)
BASE_OBJECTS := $(patsubst %.c,$(O)/base/%.o,$(BASE_SOURCES))
base-sources: # for tests that build the sampler otherwise
	@echo $(BASE_SOURCES)
.PHONY: base-sources
$(O)/base/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(BASE_CC) $(BASE_CFLAGS) -c $< -o $@
$(O)/base/base: $(BASE_OBJECTS)
	$(call say,LD)$(BASE_CC) $(BASE_LINK) -Wl,-z,noseparate-code -o $@ $^ -pthread -lm

# the same for AArch64, where a compiler for it is; else an empty file
ARM_CC      ?= $(shell command -v aarch64-linux-gnu-gcc)
ARM_OBJECTS := $(if $(ARM_CC),$(BASE_OBJECTS:$(O)/base/%=$(O)/base_aarch64/%))
$(O)/base_aarch64/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(ARM_CC) $(BASE_CFLAGS) -c $< -o $@
$(O)/base_aarch64/base: $(ARM_OBJECTS)
	@mkdir -p $(@D)
	$(call say,LD)$(if $^,$(ARM_CC) $(BASE_LINK) -o $@ $^ -pthread -lm,: > $@)

# ---- the library without a model (sampler/library/): code that needs no other, likewise carried
LIBRARY_CFLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L -U_FORTIFY_SOURCE -ffp-contract=off -O2 -ffreestanding -fPIC -fvisibility=hidden -fno-stack-protector -fcf-protection=none \
                  -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -ffunction-sections -fdata-sections $(WARN) -I. -MMD -MP
LIBRARY_OBJECTS := $(patsubst %.c,$(O)/library/%.o,$(wildcard sampler/library/*.c) $(addprefix runtime/,bundle.c cpu.c exec.c numbers.c one.c philox.c program_file.c redraw.c))
LIBRARY_ENTRIES := open close size column work_bytes sample sample_f64 transform transform_f64 score score_f64
$(O)/library/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(LIBRARY_CFLAGS) -c $< -o $@
$(O)/library/library.o: $(LIBRARY_OBJECTS)
	$(call say,LD)$(LD) -r --gc-sections $(LIBRARY_ENTRIES:%=-u lib_%) -o $@ $^

$(O)/compiler/build/parts.o: $(O)/base/base $(O)/base_aarch64/base $(O)/library/library.o
$(O)/compiler/build/parts.o: CFLAGS += -DHGM_BASE='"$(O)/base/base"' -DHGM_BASE_AARCH64='"$(O)/base_aarch64/base"' -DHGM_LIBRARY='"$(O)/library/library.o"'

# libhdf5 from its archive where that can be linked: the shared one brings some thirty libraries (curl, TLS, Kerberos), half the time of a start.
$(O)/hdf5.libs: Makefile
	@mkdir -p $(O); echo 'int H5open(void); int main(void) { return H5open(); }' > $@.c; \
	for libs in "-l:libhdf5.a -l:libsz.a -l:libaec.a -lz -ldl -lm" "-l:libhdf5.a -lsz -lz -ldl -lm" -lhdf5; do \
	  libs="$$(pkg-config --libs-only-L hdf5) $$libs"; $(CC) -pthread -o $@.try $@.c $$libs 2> /dev/null && break; done; \
	rm -f $@.c $@.try; echo $$libs > $@

EXTERNAL = @$(O)/hdf5.libs -llzf -ldeflate -lz -ljansson -lopenblas -lm
# At a fixed place: no relocations at the start, and what points to constants stays right from run to run (compiler/driver/kept.h).
FIXED_release := -no-pie
$(O)/hgmc: $(O)/compiler/driver/main.o $(LIBS) $(O)/hdf5.libs
	$(call say,LD)$(CC) $(LDFLAGS) $(FIXED_$(BUILD)) -o $@ $< -Wl,--start-group $(LIBS) -Wl,--end-group $(LLVM_STATIC) $(EXTERNAL)

# ---- training on several machines: a plugin that hgmc loads when mpirun started it; built where Open MPI is
MPICC ?= $(shell command -v mpicc)
plugins: $(if $(MPICC),$(O)/hgm_mpi.so)
$(O)/hgm_mpi.so: mpi/hgm_mpi.c runtime/ranks.h runtime/error.h
	@mkdir -p $(O)
	$(call say,LD)OMPI_CC="$(CC)" $(MPICC) $(filter-out -DHGM_VERSION% -MMD -MP,$(CFLAGS)) -fPIC -shared -o $@ $<

# ---- unit tests: the first line of a test says what it needs:  // needs: lang/base compiler/ir
TESTS := $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/*_test.c))
needs  = $(foreach m,$(shell sed -n '1s,^// needs: ,,p' $(1)),$(call lib,$(m)))
define test_rule
$(O)/tests/$(1): tests/unit/$(1).c $(call needs,tests/unit/$(1).c) $(O)/hdf5.libs
	@mkdir -p $(O)/tests
	$$(call say,LD)$$(CC) $$(CFLAGS) $$(HDF5_CFLAGS) $$(LLVM_INCLUDE) $$(LDFLAGS) -o $$@ $$< \
	  -Wl,--start-group $(call needs,tests/unit/$(1).c) -Wl,--end-group \
	  -Wl,--as-needed -lcmocka -lmpfr -lgmp $$(LLVM_SHARED) $$(EXTERNAL)
endef
$(foreach t,$(notdir $(TESTS)),$(eval $(call test_rule,$(t))))

# ---- kernel benchmarks: bench/*_bench.c, likewise with a first line of needs; run by hand
define bench_rule
$(O)/bench/$(1): bench/$(1).c $(call needs,bench/$(1).c) $(O)/hdf5.libs
	@mkdir -p $(O)/bench
	$$(call say,LD)$$(CC) $$(CFLAGS) $$(LLVM_INCLUDE) $$(LDFLAGS) -o $$@ $$< -Wl,--start-group $(call needs,bench/$(1).c) -Wl,--end-group \
	  $$(LLVM_SHARED) $$(EXTERNAL)
endef
$(foreach b,$(notdir $(basename $(wildcard bench/*_bench.c))),$(eval $(call bench_rule,$(b))))

# ---- the oracle: the same numbers from PyTorch (tests/oracle); the virtual environment is made on request
$(O)/tests/oracle_dump: tests/oracle/dump.c $(LIBS) $(O)/hdf5.libs
	@mkdir -p $(O)/tests
	$(call say,LD)$(CC) $(CFLAGS) $(HDF5_CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(LIBS) -Wl,--end-group $(LLVM_SHARED) $(EXTERNAL)
oracle: deps
	@$(MAKE) --no-print-directory -j$(JOBS) $(O)/tests/oracle_dump
	@tests/oracle/environment.sh
	@BUILD_DIR=$(O) HGM_LONG=1 tests/oracle/run.sh
	@BUILD_DIR=$(O) HGM_LONG=1 tests/oracle/games.sh
	@BUILD_DIR=$(O) tests/oracle/metrics.sh

# ---- beside the peers: bench/*.hgm through the ordinary path
$(O)/bench/worker: bench/worker.c $(LIBS) $(O)/hdf5.libs
	@mkdir -p $(O)/bench
	$(call say,LD)$(CC) $(CFLAGS) $(LDFLAGS) $(FIXED_$(BUILD)) -o $@ bench/worker.c -Wl,--start-group $(LIBS) -Wl,--end-group $(LLVM_STATIC) $(EXTERNAL)
bench: deps
	@$(MAKE) --no-print-directory -j$(JOBS) $(O)/bench/worker
	@bench/run.sh $(O)/bench/worker $(CASES)

# ---- every example at reduced size: one table, each headline metric in its band (EXAMPLES="flows/ wgan", SEED=2, STEPS=20, HGM_DATA=folder)
examples: $(O)/hgmc
	@examples/try.sh $(CURDIR)/$(O)/hgmc $(EXAMPLES)

# ---- a minute of each fuzzer (clang's libFuzzer), or FUZZ_SECONDS; what they find stays in build/fuzz
FUZZ_SECONDS ?= 60
FUZZ_parser := tests/fuzz/parser_fuzz.c $(addprefix lang/,layout.c ast_build.c ast_decl.c syntax.c ast_print.c diag.c diag_print.c source.c) \
               $(GEN)/parser.c $(GEN)/lexer.c $(wildcard lang/base/*.c)
FUZZ_ir_read := tests/fuzz/ir_read_fuzz.c $(wildcard compiler/ir/*.c) runtime/philox.c $(wildcard lang/base/*.c)
FUZZ_SEEDS_parser  := stdlib/*.hgm tests/golden/error/*.hgm
FUZZ_SEEDS_ir_read := tests/golden/opt/*.ir
fuzz: $(GEN)/parser.h $(GEN)/lexer.h # entropic=0: that schedule's table of rare features takes four fifths of the time
	@command -v clang > /dev/null || { echo "fuzzing needs clang: apt-get install clang libclang-rt-dev"; exit 2; }
	@$(foreach f,parser ir_read,mkdir -p build/fuzz/$(f) && cp $(FUZZ_SEEDS_$(f)) build/fuzz/$(f)/ && \
	  clang -g -O1 -std=c11 -D_POSIX_C_SOURCE=200809L -I. -I$(GEN) -fsanitize=fuzzer,address,undefined $(FUZZ_$(f)) -lm -o build/fuzz/$(f)_fuzz && \
	  build/fuzz/$(f)_fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -entropic=0 -artifact_prefix=build/fuzz/ build/fuzz/$(f) &&) true

# ---- rules about the sources, and what other compilers see
lint: $(O)/hgmc
	@tests/run.sh $(O) lint/
	@command -v cppcheck > /dev/null || { echo "cppcheck is not installed: apt-get install cppcheck"; exit 2; }
	@cppcheck -q --enable=warning,portability --library=tests/lint/cppcheck.cfg --suppressions-list=tests/lint/cppcheck.suppressions --error-exitcode=1 -I. \
	  $(MODULES)

# The benchmarks and the oracle's dump are linked only when they run; compiled with the tests they follow every interface.
COMPILED := $(patsubst %.c,$(O)/%.o,$(wildcard bench/*.c) tests/oracle/dump.c)
$(COMPILED): CFLAGS += $(HDF5_CFLAGS) $(LLVM_INCLUDE)
tests: $(TESTS) $(COMPILED)

check: deps
	@tests/deps.sh $(CHECK_PACKAGES) || true
	@tests/deps.sh $(ARM_PACKAGES) || true
	@$(MAKE) --no-print-directory -j$(JOBS) $(O)/hgmc plugins tests
	@tests/run.sh $(O) $(T)
check-long: deps
	@$(MAKE) --no-print-directory -j$(JOBS) $(O)/hgmc plugins tests
	@HGM_LONG=1 tests/run.sh $(O) $(T)
asan:
	@$(MAKE) --no-print-directory BUILD=asan check
golden: $(O)/hgmc
	@tests/run.sh $(O) --accept golden/
demo: deps
	@$(MAKE) --no-print-directory -j$(JOBS) $(O)/hgmc
	@examples/demo.sh $(O)/hgmc

fmt:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf build

-include $(shell find $(O) -name '*.d' 2>/dev/null)
