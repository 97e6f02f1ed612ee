# Sourced by bench/run.sh: pull, push and copy beside skopeo, against docker-registry on loopback, and behind nginx that gives each
# connection 40 MB/s.
if ! command -v docker-registry > /dev/null || ! command -v skopeo > /dev/null || ! command -v nginx > /dev/null; then
  echo
  echo "Registries: docker-registry, skopeo or nginx is not installed."
  return
fi
export HOME=$work no_proxy='*'
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
front=$(free_port)
R=127.0.0.1:$port
F=127.0.0.1:$front
mkdir -p logs && chmod 755 "$work"
printf 'version: 0.1\nlog: {accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "%s"}\n' "$work/registry" "$R" > registry.yml
docker-registry serve registry.yml > registry.log 2>&1 &
servers=($!)
other_port=$(free_port)
O=127.0.0.1:$other_port
printf 'version: 0.1\nlog: {accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "%s"}\n' "$work/other" "$O" > other.yml
docker-registry serve other.yml > other.log 2>&1 &
servers+=($!)
cat > nginx.conf << NGINX
daemon off; pid $work/nginx.pid; error_log $work/logs/error.log; worker_processes 1; $([ "$(id -u)" = 0 ] && echo "user root;")
events {}
http { access_log off; client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3; uwsgi_temp_path $work/t4;
  scgi_temp_path $work/t5; client_max_body_size 0;
  server { listen $F; limit_rate 40m; location / { proxy_pass http://$R; proxy_set_header Host \$http_host; proxy_max_temp_file_size 0; } } }
NGINX
nginx -c "$work/nginx.conf" -e "$work/logs/start.log" > /dev/null 2>&1 &
servers+=($!)
trap 'kill "${servers[@]}"; rm -rf "$work"' EXIT
for at in $R $O $F; do for _ in $(seq 100); do curl -s "http://$at/v2/" > /dev/null && break; sleep 0.1; done; done

for n in 1 2 3 4 5 6 7 8; do
  mkdir "part$n" && head -c 40000000 /dev/urandom > "part$n/data"
  { printf 'minibuild: 1\nuser: 1\ncopy: [{ from: part%s, to: /part%s }]\n' $n $n; [ $n = 1 ] || echo "base: oci:eight$((n - 1)):1"; } > "eight$n.yaml"
  "$minibuild" --progress none "eight$n.yaml" -o "oci:eight$n:1" > /dev/null
done
P="--plain-http $R --plain-http $O --plain-http $F"
"$minibuild" copy oci:eight8 "docker://$R/eight:1" $P > /dev/null 2>&1
prepare() { rm -rf cache out; }
median pull "$minibuild" copy "docker://$R/eight:1" oci:out:1 $P
median pull_limited "$minibuild" copy "docker://$F/eight:1" oci:out:1 $P
median skopeo_pull skopeo copy -q --src-tls-verify=false "docker://$R/eight:1" oci:out:1
median skopeo_pull_limited skopeo copy -q --src-tls-verify=false "docker://$F/eight:1" oci:out:1
# A registry that nobody has seen anything in, or skopeo mounts what it knows from before.
prepare() { rm -rf cache other; }
median push "$minibuild" copy oci:eight8 "docker://$O/push:1" $P
median skopeo_push skopeo copy -q --dest-tls-verify=false oci:eight8:1 "docker://$O/push:1"
prepare() { :; }
median push_same "$minibuild" copy oci:eight8 "docker://$O/push:1" $P
median skopeo_push_same skopeo copy -q --dest-tls-verify=false oci:eight8:1 "docker://$O/push:1"
prepare() { rm -rf cache registry/docker/registry/v2/repositories/push; }
median copy "$minibuild" copy "docker://$R/eight:1" "docker://$R/push:1" $P
median skopeo_copy skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$R/eight:1" "docker://$R/push:1"

pair() { # NAME TITLE
  printf '| %s | %s ms | %s MiB | %s ms | %s MiB | %s |\n' "$2" "$(ratio "${ms[$1]}" 100)" "$((kb[$1] / 1024))" "$(ratio "${ms[skopeo_$1]}" 100)" "$((kb[skopeo_$1] / 1024))" "$(ratio "${ms[skopeo_$1]}" "${ms[$1]}")"
}
echo
echo "An image of eight layers of 40 MB, docker-registry on loopback; medians of $runs runs."
echo
echo '| | minibuild | peak memory | skopeo | peak memory | skopeo / minibuild |'
echo '| --- | --- | --- | --- | --- | --- |'
pair pull "pull"
pair pull_limited "pull, 40 MB/s for each connection"
pair push "push"
pair push_same "push, nothing changed"
pair copy "copy within the registry"
echo
# Eight connections of 40 MiB/s each carry 320 MB in this time at best.
echo "- the limited pull takes $(awk "BEGIN { printf \"%.2f\", ${ms[pull_limited]} / 100 / (40000000 / (40 * 1048576) * 1000) }") x the time that eight connections at their limit need"
