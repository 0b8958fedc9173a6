#!/bin/sh
# Everything that docs/performance.md says about this machine, in one go; it takes an hour and 30 GB of disk.
#
#   bench/measure.sh FOLDER [LLAMA_BENCH]     results go to FOLDER; LLAMA_BENCH is ik_llama.cpp's program, where it is there
#
# Single operators come first, on each level that the processor has. Then whole models: each engine and each level takes its
# turn in a process of its own. The machine has to be idle: bench's report says what the memory reads at that moment.
set -eu
out=$1
program=${2:-}
cd "$(dirname "$0")/.."
python=.venv/bin/python
mkdir -p "$out"
levels=$($python -c 'from dsvl2_kernels.library import open_kernels; print(*open_kernels().levels[1:])')
for level in $levels; do
  DSVL2_KERNELS=$level $python -m dsvl2_bench.operators --repeats 15 >"$out/operators-$level.json"
done
.venv/bin/dsvl2-onnx doctor --format json >"$out/machine.json"
peers=llamacpp,torch,openvino
[ -z "$program" ] || peers=$peers,ik_llama
for level in off $levels; do
  DSVL2_KERNELS=$level .venv/bin/dsvl2-onnx bench --synthetic small --repeats 3 --format json >"$out/small-$level.json"
done
.venv/bin/dsvl2-onnx bench --synthetic small --repeats 5 --peers "$peers" ${program:+--llama-bench "$program"} \
  --format json >"$out/small-peers.json"
for variant in tiny base; do
  .venv/bin/dsvl2-onnx bench --synthetic $variant --repeats 3 --format json >"$out/$variant.json"
done
