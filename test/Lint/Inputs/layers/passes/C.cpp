#include "mk/Passes/Passes.h"
#include "mk/Runtime/Abi.h"
#include "mlir/IR/Operation.h"
#include "mk/Runtime/Engine.h"
