//===- HostCode.cpp - LLVM IR to functions of this process ------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HostCode.h"
#include "mk/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mk;
using llvm::CodeGenOptLevel;
namespace orc = llvm::orc;

llvm::Expected<std::shared_ptr<HostCode>> HostCode::create(unsigned optLevel) {
  static const bool initialized = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  (void)initialized;
  auto builder = orc::JITTargetMachineBuilder::detectHost();
  if (!builder)
    return builder.takeError();
  setStrictArithmetic(builder->getOptions());
  builder->setCodeGenOptLevel(optLevel == 0 ? CodeGenOptLevel::None : CodeGenOptLevel::Default);
  std::shared_ptr<HostCode> host(new HostCode);
  host->optLevel = optLevel;
  auto machine = builder->createTargetMachine();
  if (!machine)
    return machine.takeError();
  host->machine = std::move(*machine);
  auto jit = orc::LLJITBuilder().setJITTargetMachineBuilder(*builder).create();
  if (!jit)
    return jit.takeError();
  host->jit = std::move(*jit);
  return host;
}

llvm::Expected<HostCode::Function> HostCode::compile(mlir::ModuleOp module, llvm::StringRef entry) {
  auto context = std::make_unique<llvm::LLVMContext>();
  auto code = translateToLLVM(module, *context, *machine);
  if (!code)
    return code.takeError();
  optimize(**code, *machine, optLevel);

  auto dylib = jit->createJITDylib("mk." + std::to_string(count++));
  if (!dylib)
    return dylib.takeError();
  // Functions of the C library, such as memcpy and those of math.
  auto process = orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(jit->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  dylib->addGenerator(std::move(*process));
  // The owner keeps this object too: kernels may outlive the compiler.
  std::shared_ptr<void> owner(&*dylib, [host = shared_from_this(), library = &*dylib](void *) {
    llvm::cantFail(host->jit->getExecutionSession().removeJITDylib(*library));
  });
  if (llvm::Error error = jit->addIRModule(*dylib, orc::ThreadSafeModule(std::move(*code), std::move(context))))
    return error;
  auto address = jit->lookup(*dylib, entry);
  if (!address)
    return address.takeError();
  return Function{address->toPtr<HostKernelFn>(), std::move(owner)};
}
