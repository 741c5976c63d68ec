#include "mk/Runtime/Engine.h"
#include "mk/Passes/Passes.h"
#include "llvm/ADT/ArrayRef.h"
#include <vector>
#include "../passes/Private.h"
#include "../runtime/Private.h"
