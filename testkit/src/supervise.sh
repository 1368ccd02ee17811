#!/bin/sh
# Runs one program of the control plane, and ends it when this script's stdin closes.
#
#   supervise.sh NAME AFTER CLEAN COMMAND…
#
# The test process holds the other end of stdin and never writes to it. However the test process
# ends, SIGKILL included, the kernel closes that end; so nothing outlives the tests and no process
# is ever looked up by name.
#   NAME   writes NAME.log and NAME.pid in the current folder
#   AFTER  a program that must have ended first ("-": none)
#   CLEAN  a folder to remove when it was stopped ("-": none); left where the program ended by itself
trap '' INT HUP
name=$1 after=$2 clean=$3
shift 3
exec 3<&0 </dev/null

"$@" >>"$name.log" 2>&1 3<&- &
pid=$!
echo "$pid" >"$name.pid"

(
  read -r _ <&3
  n=0
  while [ -e "$after.pid" ] && [ $n -lt 200 ]; do
    sleep 0.1
    n=$((n + 1))
  done
  : >"$name.stopped"
  kill -TERM "$pid"
  n=0
  while [ $n -lt 100 ]; do
    sleep 0.1
    n=$((n + 1))
  done
  # Still here after 10 s, else the script would have ended this loop.
  kill -KILL "$pid"
) 2>/dev/null &
stopper=$!

wait "$pid"
status=$?
kill "$stopper" 2>/dev/null
rm -f "$name.pid"
if [ "$clean" != - ] && [ -e "$name.stopped" ]; then rm -rf "$clean"; fi
exit "$status"
