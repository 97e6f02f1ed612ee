# Sourced: serves directories with nginx on loopback.
#
#   start_mirror DIR PORT   http://127.0.0.1:PORT/ is DIR; returns when it answers. A log of requests is in $MIRROR_LOG.
#   stop_mirror [PORT]      ends that server, or all that this shell started
#
# Its files are in a temporary directory that stop_mirror removes: call that in the trap on EXIT.
declare -A MIRROR_PIDS=() MIRROR_WORK=()

mirror_configuration() {
  local directory=$1 port=$2 work=$3 place
  # Started by root, nginx would give its workers another user, who need not be able to read DIR.
  [ "$(id -u)" != 0 ] || echo "user root;"
  echo "daemon off; master_process off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log;"
  echo "events {}"
  echo "http {"
  echo "  log_format line '\$request_method \$request_uri \$status \$body_bytes_sent'; access_log $work/access.log line;"
  for place in client_body proxy fastcgi uwsgi scgi; do echo "  ${place}_temp_path $work/$place;"; done
  echo "  sendfile on; default_type application/octet-stream;"
  echo "  server { listen 127.0.0.1:$port; root \"$directory\"; autoindex off; }"
  echo "}"
}

# mirror_answers PORT: without curl, which a proxy's settings could lead elsewhere.
mirror_answers() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

start_mirror() {
  local directory port=$2 work pid
  directory=$(cd "$1" && pwd) || return
  if mirror_answers "$port"; then
    echo "start_mirror: something answers at port $port already" >&2
    return 1
  fi
  work=$(mktemp -d)
  mirror_configuration "$directory" "$port" "$work" > "$work/nginx.conf"
  nginx -c "$work/nginx.conf" -e "$work/start.log" > /dev/null 2>&1 &
  pid=$!
  MIRROR_PIDS[$port]=$pid
  MIRROR_WORK[$port]=$work
  MIRROR_LOG=$work/access.log
  for _ in $(seq 100); do
    mirror_answers "$port" && return 0
    kill -0 "$pid" 2> /dev/null || break
    sleep 0.1
  done
  cat "$work/start.log" >&2
  stop_mirror "$port"
  return 1
}

stop_mirror() {
  local port
  for port in ${1:-${!MIRROR_PIDS[@]}}; do
    [ -n "${MIRROR_PIDS[$port]:-}" ] || continue
    kill "${MIRROR_PIDS[$port]}" 2> /dev/null || true
    wait "${MIRROR_PIDS[$port]}" 2> /dev/null || true
    rm -rf "${MIRROR_WORK[$port]}"
    unset "MIRROR_PIDS[$port]" "MIRROR_WORK[$port]"
  done
}
