#!/bin/sh
# Everything that docs/performance.md says about this machine, in two parts, of which only the second needs an idle machine:
#
#   bench/measure.sh prepare FOLDER [LLAMA_BENCH]   makes models and the peers' files in FOLDER, about 22 GB for Small and Tiny
#   bench/measure.sh measure FOLDER [LLAMA_BENCH]   only times; the most important figures come first
#   bench/measure.sh profile FOLDER                 where the time goes, by `perf`
#
# LLAMA_BENCH is ik_llama.cpp's program, where it is there. `measure` adds a line to FOLDER/measured.jsonl after each run, and
# FOLDER/summary.txt has the medians of all until then. On two cores the language model beside the others took 12
# minutes, vision 4, start and memory 1; slower levels of the kernels, the other releases and single operators follow.
set -eu
part=$1
out=$2
program=${3:-}
cd "$(dirname "$0")/.."
python=.venv/bin/python
mkdir -p "$out"

profile() { # NAME, arguments of dsvl2_bench.phases
  name=$1
  shift
  perf record -q -F 499 -o "$out/$name.perf" $python -m dsvl2_bench.phases "$out/models/small-int4" --threads "$(nproc)" "$@" \
    >"$out/$name.json"
  perf report --stdio -i "$out/$name.perf" --sort dso,symbol --percent-limit 0.5 2>/dev/null >"$out/$name.profile.txt"
  grep -v '^#' "$out/$name.profile.txt" | head -15
}

case $part in
  prepare)
    $python -m dsvl2_bench.whole_models prepare "$out" ${program:+--llama-bench "$program"}
    ;;
  measure)
    .venv/bin/dsvl2-onnx doctor --format json >"$out/machine.json"
    $python -m dsvl2_bench.whole_models measure "$out" ${program:+--llama-bench "$program"}
    for level in $($python -c 'from dsvl2_kernels.library import open_kernels; print(*reversed(open_kernels().levels[1:]))'); do
      DSVL2_KERNELS=$level $python -m dsvl2_bench.operators --repeats 15 >"$out/operators-$level.json"
    done
    ;;
  profile)
    profile prompt --parts decoder --prompts 1415 --contexts --repeats 3
    profile step --parts decoder --prompts --contexts 0 --repeats 20
    profile step-3500 --parts decoder --prompts --contexts 3500 --repeats 20
    profile tiles --parts vision --repeats 5
    ;;
  *)
    echo "usage: bench/measure.sh prepare|measure|profile FOLDER [LLAMA_BENCH]" >&2
    exit 2
    ;;
esac
