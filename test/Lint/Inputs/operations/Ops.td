def Mk_OneOp : Mk_Op<"one", [Pure]> {
  let description = [{
    ```mlir
    mk.one %x
    mk.one %y
    ```
  }];
}
def Mk_TwoOp : Mk_FunctionLikeOp<"two"> {
}
