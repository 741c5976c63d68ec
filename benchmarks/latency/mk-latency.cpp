//===- mk-latency.cpp - How long compilation takes, beside NVRTC ------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Three kernels (an elementwise opcode, one of eight operations, an interpreter of sixteen opcodes), each as an ISA
// that goes through our whole path, from the parsed module on, and as CUDA source of the same work that NVRTC compiles:
// to PTX and to machine code. And the linking of a new image from relocatable machine code, the interpreter and sixteen
// opcodes. In each round everything runs once, one after the other, so that drift of the machine cancels in the ratios.
// NVRTC gets source text that it has not seen, with its cache off. Needs NVRTC and nvJitLink, but no GPU.
//
//===----------------------------------------------------------------------===//

#include "mk/Dialect/Mk.h"
#include "mk/Passes/Passes.h"
#include "mk/Target/CudaToolkit.h"
#include "mk/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/MemoryBuffer.h"
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <dlfcn.h>
#include <map>

using namespace mlir;
namespace cl = llvm::cl;

static cl::opt<unsigned> rounds("rounds", cl::desc("how often everything is measured"), cl::init(31));
static cl::opt<std::string> chip("chip", cl::desc("GPU to compile for"), cl::init("sm_90"));
static cl::opt<unsigned> optLevel("opt-level", cl::desc("optimisation level of our path"), cl::init(2));
static cl::opt<std::string> sources("sources", cl::desc("folder of the .mlir and .cu files"),
                                    cl::init(MK_BENCH_SOURCE_DIR));

[[noreturn]] static void fail(const llvm::Twine &message) {
  llvm::errs() << "mk-latency: error: " << message << '\n';
  std::exit(1);
}

template <typename T> static T check(llvm::Expected<T> value) {
  if (!value)
    fail(llvm::toString(value.takeError()));
  return std::move(*value);
}

static std::string read(const std::string &name) {
  auto file = llvm::MemoryBuffer::getFile(sources + "/" + name);
  if (!file)
    fail("cannot read '" + sources + "/" + name + "': " + file.getError().message());
  return (*file)->getBuffer().str();
}

namespace {

/// Seconds of the wall clock, and of the processor in all threads.
struct Time {
  double wall = 0, cpu = 0;
  static Time now() {
    auto clock = [](clockid_t id) {
      timespec time;
      clock_gettime(id, &time);
      return time.tv_sec + time.tv_nsec * 1e-9;
    };
    return {clock(CLOCK_MONOTONIC), clock(CLOCK_PROCESS_CPUTIME_ID)};
  }
};

Time operator-(Time a, Time b) { return {a.wall - b.wall, a.cpu - b.cpu}; }

/// What was measured, round by round, in the order of the first round.
class Series {
public:
  void add(const std::string &name, Time time) {
    if (!values.count(name))
      names.push_back(name);
    values[name].push_back(time);
  }
  const std::vector<std::string> &all() const { return names; }
  const std::vector<Time> &operator[](const std::string &name) const { return values.at(name); }

private:
  std::vector<std::string> names;
  std::map<std::string, std::vector<Time>> values;
};

/// NVIDIA's compiler of CUDA source, found at run time.
class Nvrtc {
public:
  explicit Nvrtc(const std::string &path) {
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library)
      fail(llvm::Twine("cannot load NVRTC: ") + dlerror());
    load(library, create, "nvrtcCreateProgram");
    load(library, compileProgram, "nvrtcCompileProgram");
    load(library, destroy, "nvrtcDestroyProgram");
    load(library, ptxSize, "nvrtcGetPTXSize");
    load(library, ptx, "nvrtcGetPTX");
    load(library, cubinSize, "nvrtcGetCUBINSize");
    load(library, cubin, "nvrtcGetCUBIN");
    load(library, logSize, "nvrtcGetProgramLogSize");
    load(library, log, "nvrtcGetProgramLog");
    load(library, getVersion, "nvrtcVersion");
  }

  std::string version() const {
    int major = 0, minor = 0;
    getVersion(&major, &minor);
    return std::to_string(major) + "." + std::to_string(minor);
  }

  /// PTX, or machine code.
  std::string compile(const std::string &source, bool toCubin) const {
    Program program = nullptr;
    if (create(&program, source.c_str(), "kernel.cu", 0, nullptr, nullptr) != 0)
      fail("nvrtcCreateProgram failed");
    std::string arch = "--gpu-architecture=" + (toCubin ? chip.getValue() : "compute_" + chip.substr(3));
    const char *options[] = {arch.c_str(), "--no-cache"};
    if (compileProgram(program, 2, options) != 0) {
      size_t size = 0;
      logSize(program, &size);
      std::string text(size, 0);
      log(program, text.data());
      fail("NVRTC refuses the source: " + text);
    }
    size_t size = 0;
    (toCubin ? cubinSize : ptxSize)(program, &size);
    std::string code(size, 0);
    (toCubin ? cubin : ptx)(program, code.data());
    destroy(&program);
    return code;
  }

private:
  using Program = struct ProgramTag *;

  template <typename T> static void load(void *library, T &function, const char *name) {
    function = reinterpret_cast<T>(dlsym(library, name));
    if (!function)
      fail(llvm::Twine("NVRTC has no ") + name);
  }

  int (*create)(Program *, const char *, const char *, int, const char *const *, const char *const *);
  int (*compileProgram)(Program, int, const char *const *);
  int (*destroy)(Program *);
  int (*ptxSize)(Program, size_t *);
  int (*ptx)(Program, char *);
  int (*cubinSize)(Program, size_t *);
  int (*cubin)(Program, char *);
  int (*logSize)(Program, size_t *);
  int (*log)(Program, char *);
  int (*getVersion)(int *, int *);
};

/// Our path, with all that a compiler keeps alive.
class Ours {
public:
  Ours()
      : context(registry(), MLIRContext::Threading::DISABLED),
        compiler(check(mk::TargetCompiler::createNvptx(chip, optLevel))) {
    context.loadAllAvailableDialects();
  }

  /// An ISA, and the passes that make its interpreter or its opcodes.
  struct Kernel {
    OwningOpRef<ModuleOp> module;
    std::unique_ptr<PassManager> passes;
  };
  Kernel parse(const std::string &source, bool interpreter) {
    Kernel kernel{parseSourceString<ModuleOp>(source, &context), std::make_unique<PassManager>(&context)};
    if (!kernel.module)
      fail("an ISA cannot be parsed");
    mk::LoweringOptions options;
    options.chip = chip.getValue();
    options.interpreter = interpreter;
    options.opcodes = !interpreter;
    options.windows = false;
    options.scope = "lane";
    mk::buildLowerToNVVMPipeline(*kernel.passes, options);
    kernel.passes->enableVerifier(false);
    return kernel;
  }

  /// To PTX. Adds the times of the steps to 'steps'.
  std::string compile(Kernel &kernel, Series *steps = nullptr, const std::string &name = "") {
    Time begin = Time::now();
    auto step = [&](const char *what) {
      Time end = Time::now();
      if (steps)
        steps->add(name + ": " + what, end - begin);
      begin = end;
    };
    OwningOpRef<ModuleOp> module(cast<ModuleOp>((*kernel.module)->clone()));
    step("clone");
    if (failed(kernel.passes->run(*module)))
      fail("lowering failed");
    step("MLIR passes");
    auto code = check(compiler->translate(*module));
    step("translation to LLVM IR");
    if (llvm::Error error = compiler->optimize(*code))
      fail(llvm::toString(std::move(error)));
    step("LLVM passes");
    std::string ptx = check(compiler->emit(*code));
    step("code generation");
    code.reset();
    module = nullptr;
    step("freeing");
    return ptx;
  }

private:
  static DialectRegistry registry() {
    DialectRegistry registry;
    mk::registerAllDialects(registry);
    mk::registerLLVMTranslations(registry);
    return registry;
  }

  MLIRContext context;
  std::unique_ptr<mk::TargetCompiler> compiler;
};

} // namespace

static double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, size_t(q * values.size()))];
}

static double median(const std::vector<Time> &times, double Time::*clock) {
  std::vector<double> values;
  for (Time time : times)
    values.push_back(time.*clock);
  return quantile(std::move(values), 0.5);
}

/// What the goals say of a kernel: at most this share of NVRTC's time.
struct Case {
  const char *name;
  bool interpreter;
  double ptxGoal, cubinGoal;
};
constexpr Case cases[] = {{"saxpy", false, 0.15, 0.42},
                          {"chain", false, 0.15, 0.42},
                          {"interpreter", true, 0.35, 0.70},
                          {"saxpy-tiles", false, 0.15, 0.42},
                          {"chain-tiles", false, 0.15, 0.42}};
constexpr double linkGoal = 1e-3;

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv, "How long compilation takes, beside NVRTC\n");
  if (rounds == 0)
    fail("--rounds is 0, but must be at least 1");
  // As the process does that compiles for an engine.
  mk::keepFreedMemory();
  mk::CudaToolkit toolkit = mk::CudaToolkit::find();
  Nvrtc nvrtc(check(toolkit.nvrtc()));
  Ours ours;

  Series series, steps;
  std::map<std::string, Ours::Kernel> kernels;
  for (const Case &c : cases)
    kernels.emplace(c.name, ours.parse(read(std::string(c.name) + ".mlir"), c.interpreter));

  // The parts of an image: the interpreter and its sixteen opcodes, as a cache would hold them.
  std::string isa = read("interpreter.mlir");
  std::vector<std::string> parts;
  auto addPart = [&](Ours::Kernel kernel) {
    parts.push_back(check(toolkit.assemble(ours.compile(kernel), chip, {.relocatable = true})));
  };
  addPart(ours.parse(isa, /*interpreter=*/true));
  unsigned opcodes = llvm::range_size(kernels.at("interpreter").module->getOps<mk::OpcodeOp>());
  for (unsigned index = 0; index < opcodes; ++index) {
    Ours::Kernel kernel = ours.parse(isa, /*interpreter=*/false);
    for (auto [other, op] : llvm::enumerate(llvm::to_vector(kernel.module->getOps<mk::OpcodeOp>())))
      if (other != index)
        op.erase();
    addPart(std::move(kernel));
  }
  std::vector<llvm::StringRef> cubins(parts.begin(), parts.end());

  // The first round warms up and does not count.
  for (unsigned round = 0; round <= rounds; ++round) {
    Series warmUp;
    Series &times = round == 0 ? warmUp : series;
    auto measure = [&](const std::string &name, auto work) {
      Time begin = Time::now();
      work();
      times.add(name, Time::now() - begin);
    };
    for (const Case &c : cases) {
      std::string name = c.name;
      for (bool toCubin : {false, true}) {
        // A constant of the code differs, so that nothing can be remembered.
        std::string source = read(name + ".cu") + "\nextern \"C\" __device__ int round" + (toCubin ? "Cubin" : "Ptx") +
                             " = " + std::to_string(round) + ";\n";
        measure(name + (toCubin ? ": NVRTC, cubin" : ": NVRTC, PTX"), [&] { nvrtc.compile(source, toCubin); });
      }
      Ours::Kernel &kernel = kernels.at(name);
      measure(name + ": ours, PTX", [&] { ours.compile(kernel, round == 0 ? nullptr : &steps, name); });
      measure(name + ": ours, cubin", [&] {
        std::string ptx = ours.compile(kernel);
        measure(name + ": machine code of PTX", [&] { check(toolkit.assemble(ptx, chip)); });
      });
    }
    measure("image", [&] { check(toolkit.linkImage(cubins, chip)); });
  }

  std::printf(
      "to PTX and to machine code for %s: medians of %u rounds in ms of wall time (and of the processor), NVRTC "
      "%s, %s\n\n",
      chip.c_str(), rounds.getValue(), nvrtc.version().c_str(), check(toolkit.assemblerVersion()).c_str());
  std::printf("  %-22s %18s %18s %9s %16s %8s\n", "", "NVRTC", "ours", "ours/NVRTC", "p10 to p90", "goal");
  bool met = true;
  for (const Case &c : cases)
    for (bool toCubin : {false, true}) {
      std::string name = c.name;
      const std::vector<Time> &theirs = series[name + (toCubin ? ": NVRTC, cubin" : ": NVRTC, PTX")];
      const std::vector<Time> &own = series[name + (toCubin ? ": ours, cubin" : ": ours, PTX")];
      std::vector<double> ratios;
      for (auto [a, b] : llvm::zip_equal(own, theirs))
        ratios.push_back(a.wall / b.wall);
      double goal = toCubin ? c.cubinGoal : c.ptxGoal, ratio = quantile(ratios, 0.5);
      met &= ratio <= goal;
      std::printf("  %-22s %8.2f (%7.2f) %8.2f (%7.2f) %9.3f   %6.3f to %6.3f %8.2f  %s\n",
                  (name + (toCubin ? ", cubin" : ", PTX")).c_str(), median(theirs, &Time::wall) * 1e3,
                  median(theirs, &Time::cpu) * 1e3, median(own, &Time::wall) * 1e3, median(own, &Time::cpu) * 1e3,
                  ratio, quantile(ratios, 0.1), quantile(ratios, 0.9), goal, ratio <= goal ? "met" : "missed");
    }
  double link = median(series["image"], &Time::wall);
  met &= link <= linkGoal;
  std::printf("\n  an image of the interpreter and %u opcodes, linked: %.2f ms (goal %.2f)  %s\n", opcodes, link * 1e3,
              linkGoal * 1e3, link <= linkGoal ? "met" : "missed");
  std::printf("\nwhere our time goes, in ms of wall time (and of the processor)\n\n");
  for (const std::string &name : steps.all())
    std::printf("  %-40s %8.3f (%7.3f)\n", name.c_str(), median(steps[name], &Time::wall) * 1e3,
                median(steps[name], &Time::cpu) * 1e3);
  for (const Case &c : cases) {
    std::string name = std::string(c.name) + ": machine code of PTX";
    std::printf("  %-40s %8.3f (%7.3f)\n", name.c_str(), median(series[name], &Time::wall) * 1e3,
                median(series[name], &Time::cpu) * 1e3);
  }
  return met ? 0 : 2;
}
