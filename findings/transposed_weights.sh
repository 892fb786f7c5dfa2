#!/usr/bin/env bash
# safetensors.numpy saves a transposed array in the wrong order
#
# safetensors 0.8.0, numpy 2.4.6.
#
# Expected: what is saved is what is loaded, or an error, as the same package raises for a torch
# tensor that is not contiguous.
# Seen: right name, shape and type, and wrong numbers, for every view whose memory is in another
# order: transposed, Fortran order, every other column, reversed, one column, broadcast. The bytes
# are those of the memory the view lies on, from its start.
#
# Why it matters: weights that come from TensorFlow or Keras are transposed on the way (a kernel from
# height, width, in, out to out, in, height, width), and the file then loads without complaint into a
# model that finds nothing. Call numpy.ascontiguousarray first.
# nasface: saves torch tensors, where the package refuses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import numpy as np
from safetensors.numpy import load, save

kernel = np.arange(3 * 3 * 2 * 4, dtype=np.float32).reshape(3, 3, 2, 4)
views = {
    "transposed": kernel.transpose(3, 2, 0, 1),
    "Fortran order": np.asfortranarray(kernel),
    "every other column": kernel[..., ::2],
    "one column": kernel[..., 1],
}
for name, view in views.items():
    loaded = load(save({"weights": view}))["weights"]
    copied = load(save({"weights": np.ascontiguousarray(view)}))["weights"]
    share = (loaded == view).mean()
    print(f"{name}: {share:.0%} of the numbers right; copied first: {(copied == view).mean():.0%}")
    assert loaded.shape == view.shape and loaded.dtype == view.dtype
    assert share < 0.6
    assert np.array_equal(copied, view)
END
