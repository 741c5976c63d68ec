//===- HostCode.cpp - Objects to functions of this process ------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HostCode.h"
#include "llvm/ExecutionEngine/Orc/Debugging/ELFDebugObjectPlugin.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/ExecutionEngine/Orc/MapperJITLinkMemoryManager.h"
#include "llvm/ExecutionEngine/Orc/MemoryMapper.h"
#include "llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h"
#include "llvm/ExecutionEngine/Orc/TargetProcess/JITLoaderGDB.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/TargetSelect.h"
#include <mutex>

extern "C" {
// Where debuggers look, and where they stop to look again. LLVM has them.
extern jit_descriptor __jit_debug_descriptor;
void __jit_debug_register_code();
}

using namespace mk;
namespace orc = llvm::orc;
namespace jitlink = llvm::jitlink;

/// Objects are small: many share a few mappings, of which a process cannot have any number.
constexpr size_t slabBytes = 1 << 20;

namespace {
/// Writes where functions lie into the file that perf reads for code without a file.
class PerfMapPlugin : public orc::ObjectLinkingLayer::Plugin {
public:
  void modifyPassConfig(orc::MaterializationResponsibility &, jitlink::LinkGraph &,
                        jitlink::PassConfiguration &config) override {
    config.PostFixupPasses.push_back([this](jitlink::LinkGraph &graph) {
      std::lock_guard lock(mutex);
      std::error_code error;
      llvm::raw_fd_ostream file("/tmp/perf-" + std::to_string(llvm::sys::Process::getProcessId()) + ".map", error,
                                llvm::sys::fs::CD_OpenAlways, llvm::sys::fs::FA_Write,
                                llvm::sys::fs::OF_Append | llvm::sys::fs::OF_Text);
      // A profile without names is no reason to stop.
      if (!error)
        for (jitlink::Symbol *symbol : graph.defined_symbols())
          if (symbol->hasName() && symbol->isCallable())
            file << llvm::format_hex_no_prefix(symbol->getAddress().getValue(), 1) << ' '
                 << llvm::format_hex_no_prefix(symbol->getSize(), 1) << ' ' << *symbol->getName() << '\n';
      file.clear_error();
      return llvm::Error::success();
    });
  }
  llvm::Error notifyFailed(orc::MaterializationResponsibility &) override { return llvm::Error::success(); }
  llvm::Error notifyRemovingResources(orc::JITDylib &, orc::ResourceKey) override { return llvm::Error::success(); }
  void notifyTransferringResources(orc::JITDylib &, orc::ResourceKey, orc::ResourceKey) override {}

private:
  std::mutex mutex;
};
} // namespace

static llvm::Expected<std::unique_ptr<orc::ObjectLayer>> createLinkingLayer(orc::ExecutionSession &session,
                                                                            const HostCodeOptions &options) {
  auto memory = orc::MapperJITLinkMemoryManager::CreateWithMapper<orc::InProcessMemoryMapper>(slabBytes);
  if (!memory)
    return memory.takeError();
  auto layer = std::make_unique<orc::ObjectLinkingLayer>(session, std::move(*memory));
  if (options.debugger) {
    llvm::Error error = llvm::Error::success();
    // Our code has no debug information; the name of the function is what a debugger can show.
    auto plugin = std::make_shared<orc::ELFDebugObjectPlugin>(session, /*RequireDebugSections=*/false,
                                                              /*AutoRegisterCode=*/true, error);
    if (error)
      return error;
    layer->addPlugin(std::move(plugin));
  }
  if (options.perf)
    layer->addPlugin(std::make_shared<PerfMapPlugin>());
  return layer;
}

llvm::Expected<std::shared_ptr<HostCode>> HostCode::create(const HostCodeOptions &options) {
  static const bool initialized = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  (void)initialized;
  std::shared_ptr<HostCode> host(new HostCode(options));
  auto jit = orc::LLJITBuilder()
                 .setObjectLinkingLayerCreator(
                     [&](orc::ExecutionSession &session) { return createLinkingLayer(session, options); })
                 // Kernels have no constructors.
                 .setPlatformSetUp(orc::setUpInactivePlatform)
                 .create();
  if (!jit)
    return jit.takeError();
  host->jit = std::move(*jit);
  return host;
}

HostCode::HostCode(const HostCodeOptions &options) : options(options) {}
HostCode::~HostCode() = default;

/// Takes an entry out of what debuggers see. LLVM registers code, but never takes it back.
static void unregister(jit_code_entry *entry) {
  (entry->prev_entry ? entry->prev_entry->next_entry : __jit_debug_descriptor.first_entry) = entry->next_entry;
  if (entry->next_entry)
    entry->next_entry->prev_entry = entry->prev_entry;
  __jit_debug_descriptor.relevant_entry = entry;
  __jit_debug_descriptor.action_flag = JIT_UNREGISTER_FN;
  __jit_debug_register_code();
  delete entry;
}

llvm::Expected<HostCode::Function> HostCode::load(llvm::StringRef object, llvm::StringRef entry) {
  // The list of debuggers belongs to the process. What is new in it after the lookup is this object.
  static std::mutex debuggerMutex;
  std::unique_lock lock(debuggerMutex, std::defer_lock);
  if (options.debugger)
    lock.lock();
  jit_code_entry *before = __jit_debug_descriptor.first_entry;
  auto dylib = jit->createJITDylib("mk." + std::to_string(count++));
  if (!dylib)
    return dylib.takeError();
  // The owner keeps this too: kernels may outlive the service.
  std::shared_ptr<void> owner(&*dylib, [host = shared_from_this(), library = &*dylib](void *) {
    llvm::cantFail(host->jit->getExecutionSession().removeJITDylib(*library));
  });
  if (llvm::Error error = jit->addObjectFile(*dylib, llvm::MemoryBuffer::getMemBufferCopy(object, entry)))
    return error;
  auto address = jit->lookup(*dylib, entry);
  if (!address)
    return address.takeError();
  jit_code_entry *registered = __jit_debug_descriptor.first_entry;
  if (options.debugger && registered != before)
    owner = std::shared_ptr<void>(registered, [inner = std::move(owner)](void *entry) {
      std::lock_guard lock(debuggerMutex);
      unregister(static_cast<jit_code_entry *>(entry));
    });
  return Function{address->toPtr<HostKernelFn>(), std::move(owner)};
}
