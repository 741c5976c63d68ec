//===- mk-run.cpp - Runs an ISA on a workload --------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The command line: reads the options, runs the workload, with --verify a second time on the interpreter alone, and
// reports. docs/mk-run.md is its manual.
//
//===----------------------------------------------------------------------===//

#include "JitFlags.h"
#include "Npy.h"
#include "Report.h"
#include "Session.h"
#include "Trace.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"

using namespace mk;
using llvm::StringRef;
using llvm::Twine;
namespace cl = llvm::cl;

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

static cl::OptionCategory category("mk-run options");

static cl::opt<std::string> isaFile(cl::Positional, cl::desc("<isa.mlir>"), cl::cat(category));
static cl::opt<std::string> workloadFile(cl::Positional, cl::desc("<workload.json>"), cl::cat(category));
static cl::opt<std::string> device("device", cl::init("auto"), cl::value_desc("auto|host|cuda:N"),
                                   cl::desc("Where to run (auto: the first GPU, or the CPU when there is none)"),
                                   cl::cat(category));
static cl::list<std::string> parameters("set", cl::value_desc("NAME=INTEGER"),
                                        cl::desc("Value for a parameter of the workload; may be repeated"),
                                        cl::cat(category));
static cl::opt<uint64_t> repeat("repeat", cl::init(1), cl::value_desc("N"), cl::desc("Run the list of batches N times"),
                                cl::cat(category));
static cl::opt<bool> waitForPromotions("wait-for-promotions",
                                       cl::desc("After each wave, wait until nothing is being compiled"),
                                       cl::cat(category));
static cl::opt<bool> autotune("autotune",
                              cl::desc("Tune the workgroup size and the hit-capacity multiplier by measured times"),
                              cl::cat(category));
static cl::opt<unsigned> optLevel("opt-level", cl::init(OpenOptions().optLevel), cl::value_desc("0-3"),
                                  cl::desc("LLVM's optimisation level for all code"), cl::cat(category));
static cl::opt<bool> verify("verify",
                            cl::desc("Run everything again on the interpreter alone and compare all buffers byte for "
                                     "byte, the faults and the hits"),
                            cl::cat(category));
static cl::list<std::string> dumps("dump", cl::value_desc("NAME:file.npy"),
                                   cl::desc("Write a buffer to a file after the run; may be repeated"),
                                   cl::cat(category));
static cl::opt<std::string> traceFile("trace",
                                      cl::desc("Write the waves and promotions with their evidence, for Perfetto"),
                                      cl::value_desc("file.json"), cl::cat(category));
static cl::opt<std::string> profileFile("profile",
                                        cl::desc("Write how often opcodes and windows ran, for mk-opt --mk-promote"),
                                        cl::value_desc("file.json"), cl::cat(category));
static cl::opt<bool> prelude("prelude",
                             cl::desc("Add the built-in opcodes to the ISA, and report what they left behind"),
                             cl::cat(category));
static cl::opt<bool> asJson("json", cl::desc("Report on stdout as one JSON object"), cl::cat(category));
static JitFlags jitFlags(category);

static cl::extrahelp exitCodes(R"(
EXIT CODES:
  0  every slot is done
  1  an error in the options or the input, or the device failed; the message says where
  3  some slots ended in FAULT; the report lists them, all others are done
  4  --verify found a difference
)");

namespace {
enum ExitCode { Done = 0, Failed = 1, Faulted = 3, Mismatch = 4 };

/// A buffer to write after the run.
struct Dump {
  size_t buffer = 0;
  std::string file;
};
} // namespace

//===----------------------------------------------------------------------===//
// Parts of main
//===----------------------------------------------------------------------===//

static tl::unexpected<Error> invalid(const Twine &message) {
  return makeError(ErrorCode::InvalidArgument, message.str());
}

static Expected<ParameterSettings> parseSettings() {
  ParameterSettings settings;
  for (StringRef text : parameters) {
    auto [name, value] = text.split('=');
    int64_t number;
    if (name.empty() || value.getAsInteger(10, number))
      return invalid("--set: found '" + text + "', expected NAME=INTEGER");
    settings[name.str()] = number;
  }
  return settings;
}

/// Checks the --dump options before the run, so that a long run does not end in a misspelt name.
static Expected<std::vector<Dump>> parseDumps(const Workload &workload) {
  std::vector<Dump> result;
  for (StringRef text : dumps) {
    auto [name, file] = text.split(':');
    if (name.empty() || file.empty())
      return invalid("--dump: found '" + text + "', expected NAME:file.npy");
    Dump dump;
    dump.file = file.str();
    while (dump.buffer < workload.buffers.size() && workload.buffers[dump.buffer].name != name)
      ++dump.buffer;
    if (dump.buffer == workload.buffers.size())
      return makeError(ErrorCode::NotFound, ("--dump: the workload has no buffer '" + name + "'").str());
    StringRef folder = llvm::sys::path::parent_path(file);
    if (!llvm::sys::fs::is_directory(folder.empty() ? "." : folder))
      return makeError(ErrorCode::NotFound, ("--dump: there is no folder '" + folder + "'").str());
    result.push_back(std::move(dump));
  }
  return result;
}

static Expected<void> writeDump(Session &session, const Dump &dump) {
  std::error_code error;
  llvm::raw_fd_ostream os(dump.file, error);
  if (!error) {
    os << makeNpyHeader(session.workload().buffers[dump.buffer].type, session.elements(dump.buffer));
    Expected<void> read = session.read(dump.buffer, [&](uint64_t, llvm::ArrayRef<std::byte> bytes) -> Expected<void> {
      os.write(reinterpret_cast<const char *>(bytes.data()), bytes.size());
      return {};
    });
    if (!read)
      return read;
    os.close();
    error = os.error();
    os.clear_error();
  }
  if (error)
    return makeError(ErrorCode::NotFound, "--dump: cannot write '" + dump.file + "': " + error.message());
  return {};
}

/// Runs the workload once more without promotions, and compares.
static Expected<Verification> verifyRun(Session &session, const Workload &workload, const RunRecord &run,
                                        OpenOptions options, const RunOptions &runOptions, Progress &progress) {
  options.promotion.mode = JitMode::Off;
  options.autotune = false;
  Expected<std::unique_ptr<Session>> reference = Session::open(isaFile, workload, options, progress);
  if (!reference)
    return tl::unexpected<Error>(reference.error());
  Expected<RunRecord> record = (*reference)->run(runOptions, progress);
  if (!record)
    return tl::unexpected<Error>(record.error());
  progress.begin("comparing buffers");
  Expected<Comparison> buffers = session.compareBuffers(**reference);
  progress.end();
  if (!buffers)
    return tl::unexpected<Error>(buffers.error());
  Verification verification;
  verification.buffers = *buffers;
  verification.faults = compareFaults(run.faults, record->faults);
  verification.hits = compareHits(run.hits, record->hits);
  verification.bufferCount = llvm::count_if(
      workload.buffers, [](const BufferSpec &buffer) { return !(buffer.access & abi::AccessTransient); });
  verification.seconds = record->seconds;
  return verification;
}

static Expected<ControlRecord> readControl(Engine &engine, uint32_t observables) {
  Expected<std::vector<uint32_t>> words = engine.readControl(0, abi::ControlObservable + observables);
  if (!words)
    return tl::unexpected<Error>(words.error());
  Expected<DebugLog> log = engine.readDebugLog();
  if (!log)
    return tl::unexpected<Error>(log.error());
  return ControlRecord{std::move(*words), std::move(*log)};
}

static Expected<ExitCode> run() {
  if (jitFlags.cache.isAsked()) {
    jitFlags.cache.run(llvm::outs());
    return Done;
  }
  if (workloadFile.empty())
    return invalid("found no workload, expected mk-run <isa.mlir> <workload.json>");
  if (optLevel > 3)
    return invalid("--opt-level: found " + Twine(optLevel) + ", expected 0 to 3");
  if (repeat == 0)
    return invalid("--repeat: found 0, expected at least 1");
  Expected<ParameterSettings> settings = parseSettings();
  if (!settings)
    return tl::unexpected<Error>(settings.error());
  Expected<Workload> workload = readWorkload(workloadFile, *settings);
  if (!workload)
    return tl::unexpected<Error>(workload.error());
  Expected<std::vector<Dump>> dumpList = parseDumps(*workload);
  if (!dumpList)
    return tl::unexpected<Error>(dumpList.error());

  OpenOptions options;
  options.device = device;
  if (Expected<void> applied = jitFlags.apply(options); !applied)
    return tl::unexpected<Error>(applied.error());
  options.autotune = autotune;
  options.optLevel = optLevel;
  options.prelude = prelude;
  Progress progress;
  Expected<std::unique_ptr<Session>> session = Session::open(isaFile, *workload, options, progress);
  if (!session)
    return tl::unexpected<Error>(session.error());

  Report report;
  report.isaFile = isaFile;
  report.workload = &*workload;
  report.device = (*session)->engine().device();
  report.bufferBytes = (*session)->bufferBytes();
  if (!asJson) {
    uint64_t waves = 0;
    for (const BatchSpec &batch : workload->batches)
      waves += batch.repeat * repeat;
    printHeading(report, waves, (*session)->slotsPerRound() * repeat, llvm::outs());
  }

  RunOptions runOptions{repeat, waitForPromotions};
  std::unique_ptr<Trace> trace;
  if (!traceFile.empty()) {
    Expected<std::unique_ptr<Trace>> opened = Trace::open(traceFile);
    if (!opened)
      return tl::unexpected<Error>(opened.error());
    trace = std::move(*opened);
    runOptions.trace = trace.get();
  }
  std::unique_ptr<llvm::raw_fd_ostream> profile;
  if (!profileFile.empty()) {
    std::error_code error;
    profile = std::make_unique<llvm::raw_fd_ostream>(profileFile, error);
    if (error)
      return makeError(ErrorCode::NotFound, "--profile: cannot write '" + profileFile + "': " + error.message());
  }
  Expected<RunRecord> record = (*session)->run(runOptions, progress);
  if (!record)
    return tl::unexpected<Error>(record.error());
  runOptions.trace = nullptr;
  if (std::string defect = options.jit.cache->stats().firstDefect; !defect.empty())
    llvm::errs() << "mk-run: warning: " << defect << "\n";
  report.run = std::move(*record);
  report.promotions = (*session)->engine().promotions();
  if (trace)
    trace->promotions(report.promotions, (*session)->engine().promotionEvents());
  trace.reset();
  report.heat = (*session)->engine().heat();
  if (prelude) {
    Expected<ControlRecord> control = readControl((*session)->engine(), options.observables);
    if (!control)
      return tl::unexpected<Error>(control.error());
    report.control = std::move(*control);
  }
  if (profile)
    printProfile(report, *profile);
  if (verify) {
    Expected<Verification> verification = verifyRun(**session, *workload, report.run, options, runOptions, progress);
    if (!verification)
      return tl::unexpected<Error>(verification.error());
    report.verification = std::move(*verification);
  }
  // Only now: a file may be the fill of a buffer too.
  for (const Dump &dump : *dumpList)
    if (Expected<void> written = writeDump(**session, dump); !written)
      return tl::unexpected<Error>(written.error());

  if (asJson)
    printJson(report, llvm::outs());
  else
    printReport(report, llvm::outs());
  llvm::outs().flush();
  if (report.verification && !report.verification->isEqual())
    return Mismatch;
  return report.run.faults.total ? Faulted : Done;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  llvm::setBugReportMsg("mk-run crashed; please report it with the ISA, the workload and the options.\n");
  cl::HideUnrelatedOptions(category);
  cl::SetVersionPrinter([](llvm::raw_ostream &os) { os << "mk-run of Megakernel " MK_VERSION "\n"; });
  cl::ParseCommandLineOptions(argc, argv, "runs an ISA on a workload (docs/mk-run.md)\n");
  Expected<ExitCode> code = run();
  if (!code) {
    llvm::errs() << "mk-run: error: " << code.error().message << "\n";
    return Failed;
  }
  return *code;
}
