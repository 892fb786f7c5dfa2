#!/usr/bin/env bash
# A model converter that installs a package into whatever Python comes first
#
# MNN 3.6.1, onnx 1.23.2.
#
# Expected: mnnconvert reads a file and writes a file.
# Seen: as it starts it imports a logging client that MNN does not list as a requirement, and where
# that is missing, it runs `pip install -U` of it: by a shell, by the name `pip`, so in the Python
# that is first on PATH and not in the one that runs the converter. Where a registry is reached, nine
# packages come with it, and the versions of others move (seen: typing_extensions). The client is
# there to report sizes and arguments of a conversion to the makers; conversion works without it.
# What is run here is a stand-in for pip that only notes its arguments; nothing is installed or sent.
#
# Why it matters: a conversion in a CI job or on a shared machine changes packages of an environment
# that has nothing to do with it, and pinned versions are passed over. Run it where no `pip` is on
# PATH, or call the compiled converter that the command wraps: `_tools.mnnconvert(arguments)`.
# nasface: `export --to mnn` calls the compiled converter.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet MNN==3.6.1 onnx==1.23.2 numpy==2.4.6
cd "$folder"

venv/bin/python - <<'END'
import onnx
from onnx import TensorProto, helper

ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "layer", ends[:1], ends[1:])
opset = [helper.make_opsetid("", 18)]
onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), "layer.onnx")
END

mkdir stand-in
cat > stand-in/pip <<'END'
#!/bin/sh
echo "$@" >> "$NOTES"
END
chmod +x stand-in/pip
export NOTES="$folder/notes" http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9
PATH="$folder/stand-in:$PATH" venv/bin/mnnconvert \
    -f ONNX --modelFile layer.onnx --MNNModel layer.mnn --bizCode x > log 2>&1
test -s layer.mnn
echo "arguments of pip: $(cat notes)"
grep -q '^install -U aliyun-log-python-sdk$' notes

: > notes
rm layer.mnn
PATH="$folder/stand-in:$PATH" venv/bin/python -c "
import _tools
_tools.mnnconvert('mnnconvert -f ONNX --modelFile layer.onnx --MNNModel layer.mnn --bizCode x'.split())
" >> log 2>&1
test -s layer.mnn
test ! -s notes
echo "without the wrapper: no pip, the same file"
