# A component is a process with a recorded command and a pid file. Only recorded processes are killed, and only while the
# pid still runs the recorded command: another process may have got the pid.
# shellcheck shell=bash

record() { # record NAME COMMAND...
  local name=$1
  shift
  printf '%s\0' "$(command -v "$1")" "${@:2}" > "$run/command/$name"
}

is_alive() { # is_alive NAME
  local pid
  pid=$(cat "$run/pid/$1" 2> /dev/null) || return 1
  # not --silent, which compares sizes first: in /proc they are 0
  [ -n "$pid" ] && cmp "$run/command/$1" "/proc/$pid/cmdline" > /dev/null 2>&1
}

start_process() { # start_process NAME
  ! is_alive "$1" || return 0
  [ -f "$run/command/$1" ] || die "the cluster is not up"
  local command
  mapfile -d '' -t command < "$run/command/$1"
  setsid "${command[@]}" >> "$run/log/$1.log" 2>&1 < /dev/null 9>&- &
  echo $! > "$run/pid/$1"
  await 5 is_alive "$1" || die "$1 did not start: $(tail -1 "$run/log/$1.log")"
}

stop_process() { # stop_process NAME [SIGNAL]: and wait until it is gone
  is_alive "$1" || { rm -f "$run/pid/$1"; return 0; }
  kill "-${2:-KILL}" "$(cat "$run/pid/$1")"
  await 10 is_gone "$1" || { kill -KILL "$(cat "$run/pid/$1")" && await 5 is_gone "$1"; } || die "$1 cannot be stopped"
  rm -f "$run/pid/$1"
}

is_gone() { # a process that is ending has no command any more, but keeps its ports until its last thread is a zombie
  ! is_alive "$1" || return 1
  local pid state
  pid=$(cat "$run/pid/$1" 2> /dev/null) || return 0
  state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$pid/status" 2> /dev/null) || return 0
  [[ -z $state || -n $(tr -d '\0' < "/proc/$pid/cmdline" 2> /dev/null) ]] && return 0
  [[ $state == [ZX] && $(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2> /dev/null | wc -l) -le 1 ]]
}

is_ready_or_gone() { is_ready "$1" || is_gone "$1"; }

lab_kill() {
  is_component "${1:-}"
  is_alive "$1" || die "$1 does not run"
  stop_process "$1" KILL
}

lab_start() {
  is_component "${1:-}"
  start_process "$1"
  await 60 is_ready_or_gone "$1" || true
  is_alive "$1" || die "$1 ended: $(tail -1 "$run/log/$1.log")"
  is_ready "$1" || die "$1 is not ready, see $run/log/$1.log"
}

lab_restart() {
  is_component "${1:-}"
  stop_process "$1" KILL
  lab_start "$1"
}

is_component() {
  [[ -n $1 && " ${components[*]} " == *" $1 "* ]] || die "no such component: ${1:-(none)} (${components[*]})"
}

lab_status() {
  local name
  for name in "${components[@]}"; do
    printf '%-24s %s\n' "$name" "$(is_alive "$name" && echo "runs, pid $(cat "$run/pid/$name")" || echo "does not run")"
  done
  is_healthy
}
