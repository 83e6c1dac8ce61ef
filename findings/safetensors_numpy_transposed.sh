#!/usr/bin/env bash
# safetensors 0.8.0, numpy: saving an array that is not contiguous, such as a transposed weight.
# Expected: the array's values, as np.save stores them; or an error, as safetensors' save for PyTorch refuses such
# tensors and says to call contiguous().
# Seen: neither. The shape is that of the array, the values are the memory's in its own order: of [[0, 1, 2], [3, 4, 5]]
# transposed comes back [[0, 1], [2, 3], [4, 5]]; every second column of it comes back as 0, 1, 2, 3. A checkpoint
# written with `weight.T` is wrong, and every reader agrees on it. np.ascontiguousarray helps.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv safetensors==0.8.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from safetensors.numpy import load, save

a = np.arange(6, dtype=np.float32).reshape(2, 3)
def back(title, array):
    seen = load(save({"a": array}))["a"]
    print(f"{title}: saved {array.tolist()}, loaded {seen.tolist()}")
    assert seen.shape == array.shape
    return seen.tolist()

assert back("transposed", a.T) == [[0, 1], [2, 3], [4, 5]] != a.T.tolist()
assert back("Fortran order", np.asfortranarray(a)) == [[0, 3, 1], [4, 2, 5]] != a.tolist()
assert back("every second column", a[:, ::2]) == [[0, 1], [2, 3]] != a[:, ::2].tolist()
assert back("made contiguous", np.ascontiguousarray(a.T)) == a.T.tolist()
PYTHON
