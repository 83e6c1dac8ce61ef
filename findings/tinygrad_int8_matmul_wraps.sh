#!/usr/bin/env bash
# tinygrad 0.14.0, device PYTHON: matmul of int8.
# Expected: the product is wide enough for its sums, as sum() of the same library is: sum() of int8 is an int.
# Seen: the product of two int8 matrices is int8 and wraps: 127 * 127 * 4 = 64516 becomes 4. matmul(..., dtype=dtypes.int) has
# the type int and the value 4 all the same, as each product is an int8 before it is summed. Operands have to be cast before.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
export DEV=PYTHON
venv tinygrad==0.14.0 numpy==2.4.6
python - <<'PYTHON'
from tinygrad import Tensor, dtypes

row = Tensor([[127] * 4], dtype=dtypes.int8)
total, product = row.sum(), row @ row.T
wide = row.matmul(row.T, dtype=dtypes.int)
before = row.cast(dtypes.int) @ row.T.cast(dtypes.int)
print("sum", total.item(), "matmul", product.dtype, product.item(), "with dtype=int", wide.dtype, wide.item(),
      "of operands that are ints", before.item())
assert total.dtype == dtypes.int and total.item() == 508
assert product.dtype == dtypes.int8 and product.item() == 4
assert wide.dtype == dtypes.int and wide.item() == 4
assert before.item() == 64516
PYTHON
