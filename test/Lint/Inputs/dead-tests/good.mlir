// RUN: mk-opt %s --verify-diagnostics | FileCheck %s --check-prefix=GOOD
// A word in capitals that is not at the start of a line, such as FIXME: here, is prose.
// GOOD-LABEL: module
// GOOD-NOT: mk.{{.*}} %[[X:.*]]
// expected-error @below {{good}}
module {}
