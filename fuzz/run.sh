#!/bin/bash
# Runs the fuzz targets that `cargo fuzz build` has built, two at a time, and shows what each has found.
# FUZZ_SECONDS for each; FUZZ_ONLY those with this in their name; FUZZ_SEED to try the same inputs again, 0 for others each time.
set -euo pipefail
cd "$(dirname "$0")"

seconds="${FUZZ_SECONDS:-60}"
seed="${FUZZ_SEED:-0}"
logs="$(mktemp -d)"
trap 'rm -rf "$logs"' EXIT

run() {
  local target="$1" log="$logs/$1" status=0
  mkdir -p "corpus/$target" "artifacts/$target"
  # An input that takes 10 s hangs, and the largest is four times the usual manifest.
  cargo fuzz run -s none "$target" "corpus/$target" "seeds/$target" -- \
    -seed="$seed" -max_total_time="$seconds" -timeout=10 -max_len=16384 -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1 || status=$?
  local tried
  tried="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  if [ "$status" = 0 ]; then
    printf '  %-12s %9s inputs, nothing found\n' "$target" "${tried:-0}"
  else
    printf '  %-12s FOUND something:\n' "$target"
    tail -n "${FUZZ_LINES:-60}" "$log"
  fi
  return "$status"
}

failed=0
running=()
for target in $(cargo fuzz list); do
  [[ "$target" == *"${FUZZ_ONLY:-}"* ]] || continue
  run "$target" &
  running+=("$!")
  if [ "${#running[@]}" = 2 ]; then
    wait "${running[0]}" || failed=1
    running=("${running[1]}")
  fi
done
for process in "${running[@]}"; do
  wait "$process" || failed=1
done
exit "$failed"
