#!/usr/bin/env bash
# The first session of a process says what all others take for zero
#
# onnxruntime 1.32.0, onnx 1.23.2, CPU (x86-64).
#
# Expected: with session.set_denormal_as_zero = 1 a session takes numbers below 1.2e-38 as zero; one
# without it, and other code, compute as before.
# Seen: the thread that calls follows the first session that the process made. After one without the
# option, a session with it gives 1e-40 on one thread, and on two threads zeros in a part of one and the
# same result. After one with the option, sessions without it and NumPy give zero as well. A comment in
# the header of the options says that a later session does not change the main thread.
#
# Why it matters: on some processors a network of products with random weights takes seven times as long
# for such numbers; the option that should end that does nothing where anything else made a session
# before, and where it works it changes the arithmetic of the program around it.
# nasface: measures detectors of random weights with torch's mode for the calling thread, and ends it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat > "$folder/zeros.py" <<'END'
import sys

import numpy as np
import onnxruntime
from onnx import parser

NETWORK = parser.parse_model("""
    <ir_version: 9, opset_import: ["" : 17]>
    product (float[n] x) => (float[n] y) <float[1] factor = {1e-10}> { y = Mul(x, factor) }
""").SerializeToString()
X = np.full(4_000_000, 1e-30, np.float32)


def zeros(option, threads):
    """Share of the products, 1e-40 each, that are zero."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.set_denormal_as_zero", option)
    session = onnxruntime.InferenceSession(NETWORK, options, providers=["CPUExecutionProvider"])
    return float((session.run(None, {"x": X})[0] == 0).mean())


first = sys.argv[1]
found = {
    "the first session": zeros(first, 1),
    "option 1, one thread": zeros("1", 1),
    "option 1, two threads": zeros("1", 2),
    "option 0, one thread": zeros("0", 1),
    "option 0, two threads": zeros("0", 2),
    "NumPy": float((X * np.float32(1e-10) == 0).mean()),
}
print(f"first session with option {first}; shares of zeros:", found)
if first == "0":
    assert 0 < found.pop("option 1, two threads") < 1
    assert set(found.values()) == {0}
else:
    assert set(found.values()) == {1}
END
cd "$folder"
venv/bin/python zeros.py 0
venv/bin/python zeros.py 1
