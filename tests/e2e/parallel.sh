#!/usr/bin/env bash
# Eight layers behind a server that limits each connection: they come over eight connections, at the same time.
. "$(dirname "$0")/lib.sh"
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
export HOME=$SCRATCH XDG_RUNTIME_DIR=$SCRATCH/run no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME DOCKER_CONFIG
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
front=$(free_port)
mkdir logs && chmod 755 "$SCRATCH"
printf 'version: 0.1\nlog: {accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$SCRATCH/data" "$port" > registry.yml
docker-registry serve registry.yml > registry.log 2>&1 &
pids+=($!)
cat > nginx.conf << E2
daemon off; pid $SCRATCH/nginx.pid; error_log $SCRATCH/logs/error.log; worker_processes 1; $([ "$(id -u)" = 0 ] && echo "user root;")
events {}
http {
  log_format conn '\$connection \$msec \$request_time \$request';
  access_log $SCRATCH/logs/access.log conn; client_body_temp_path $SCRATCH/t1; proxy_temp_path $SCRATCH/t2; fastcgi_temp_path $SCRATCH/t3;
  uwsgi_temp_path $SCRATCH/t4; scgi_temp_path $SCRATCH/t5;
  server { listen 127.0.0.1:$front; limit_rate 1m; location / { proxy_pass http://127.0.0.1:$port; proxy_set_header Host \$http_host; } }
}
E2
nginx -c "$SCRATCH/nginx.conf" -e "$SCRATCH/logs/start.log" > /dev/null 2>&1 &
pids+=($!)
for at in $port $front; do for _ in $(seq 100); do curl -s "http://127.0.0.1:$at/v2/" > /dev/null && break; sleep 0.1; done; done
# An image of eight layers: each stands on the one before.
for n in 1 2 3 4 5 6 7 8; do
  mkdir "d$n" && head -c 1500000 /dev/urandom > "d$n/data"
  { printf 'minibuild: 1\nuser: 1\ncopy: [{ from: d%s, to: /d%s }]\n' $n $n; [ $n = 1 ] || echo "base: oci:l$((n - 1)):1"; } > "s$n.yaml"
  build "s$n.yaml" -o "oci:l$n:1" > digest || exit 1
done
same "eight layers" "$("$MINIBUILD" inspect --json oci:l8 | jq '.layers | length')" 8
check "pushed" "$MINIBUILD" copy oci:l8 "docker://127.0.0.1:$port/eight:1" --plain-http "127.0.0.1:$port"
rm -rf cache
check "pulled" "$MINIBUILD" copy "docker://127.0.0.1:$front/eight:1" oci:out:1 --plain-http "127.0.0.1:$front"
check "valid" python3 "$SOURCE/tests/e2e/validate.py" out
layers=$("$MINIBUILD" inspect --json oci:l8 | jq -r '.layers[].digest' | sort)
grep -F 'GET /v2/eight/blobs/' logs/access.log | grep -F "$layers" > gets
same "each layer is fetched once" "$(grep -o 'sha256:[0-9a-f]*' gets | sort)" "$layers"
same "over connections of their own" "$(cut -d' ' -f1 gets | sort -u | wc -l)" 8
# All were under way when the first one ended.
same "at the same time" "$(awk 'NR == 1 || $2 < first { first = $2 } { start[NR] = $2 - $3 } END { for (i in start) n += start[i] < first; print n }' gets)" 8
finish
