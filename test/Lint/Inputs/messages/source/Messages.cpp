// emitError("in a comment")
LogicalResult verify(Operation *op) {
  if (a)
    return op->emitOpError("is provoked by a test");
  if (b)
    return op->emitError() << "has " << n << " results; but"
                              " takes none";
  op->emitRemark("cannot be provoked");
  op->emitRemark("can be provoked after all");
  return makeError(Code, "chip '%s' is \"odd\", such as sm_%d", a);
}
