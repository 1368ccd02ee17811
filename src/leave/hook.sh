#!/bin/sh
# Silkroll's hook, run by the kubelet in the application's container:
#   hook.sh stop [CHAIN…]   preStop: leave the registry (bounded), wait while callers forget, then the user's own hook
#   hook.sh start           postStart: switch back on what an earlier stop at this address switched off
#   hook.sh own CHAIN…      the user's own hook alone: exec CMD ARG… | http SCHEME HOST PORT PATH [HEADER…] | sleep N
#   hook.sh back once|loop  the work behind `start`, in a process that a later `stop` can find and end
# Needs a POSIX shell and `sleep`. Writes no file. Settings are SILKROLL_… variables and data, never shell text.
# A way of leaving is a function leave_METHOD, its way back a function back_METHOD. They set `what` for the log,
# and return 0 (done), 1 (try again while there is time) or 2 (trying again cannot help).
# Variables of the top level begin with sr_: an unprefixed one could be the container's own, meant for the user's hook.
set -uf
set +x

sr_nl='
'
sr_cr=$(printf '\r')

# ---- log and clock

# The container's log is what PID 1 writes to. A pipe is opened for reading too, so that a reader that went away cannot block us.
open_log() {
  sr_log=${SILKROLL_LOG:-/proc/1/fd/1}
  if [ -p "$sr_log" ] && (: <>"$sr_log") 2>/dev/null; then exec 3<>"$sr_log"
  elif [ "$sr_log" != - ] && (: >>"$sr_log") 2>/dev/null; then exec 3>>"$sr_log"
  else exec 3>&1; fi
}

say() {
  case $1 in *[[:cntrl:]]*) (LC_ALL=C; encode "$1" ' -~'; printf 'silkroll: %s\n' "$enc" >&3) ;;
  *) printf 'silkroll: %s\n' "$1" >&3 ;; esac 2>/dev/null
}

# Hundredths of a second in sr_now; 0 where the container has no clock to read, and then only watchdogs bound things.
clock() {
  sr_now=0
  if { read -r sr_up _ </proc/uptime; } 2>/dev/null; then sr_now=$((${sr_up%.*} * 100 + 1${sr_up#*.} - 100))
  elif sr_up=$(date +%s 2>/dev/null); then sr_now=$((sr_up * 100)); fi
}

elapsed() { # since $1, for the log
  clock
  took=
  [ "$sr_now" -eq 0 ] || took=" in $(((sr_now - $1) / 100)).$(((sr_now - $1) / 10 % 10)) s"
}

# Whole seconds until $deadline in `left`; fails when it has passed.
time_left() {
  clock
  left=$limit
  [ "$sr_now" -eq 0 ] || left=$(((deadline - sr_now + 99) / 100))
  [ "$left" -gt 0 ]
}

# Would there be time for anything after a pause? Giving up just before the watchdog leaves time to say why.
time_to_pause() {
  clock
  [ "$sr_now" -eq 0 ] || [ $((deadline - sr_now)) -gt 150 ]
}

# A count of seconds from variable $1, or $2 where it holds none; leading zeros would mean octal.
seconds() {
  eval "sr_n=\${$1-}"
  case $sr_n in '') sr_n=$2 ;; *[!0-9]* | ??????*) say "$1 is not a number of seconds, taken as $2" && sr_n=$2 ;; esac
  while case $sr_n in 0?*) ;; *) false ;; esac do sr_n=${sr_n#0}; done
}

# ---- bounded work

# Kills process $2 after $1 seconds, unless it is ended first (TERM, which takes its sleep along).
watch() {
  (
    nap=
    trap 'kill "$nap"; exit 0' TERM
    sleep "$1" & nap=$!
    wait "$nap"
    kill -9 "$2"
  ) >/dev/null 2>&1 </dev/null 3>&- &
  sr_dog=$!
}

# bounded SECONDS COMMAND…: its status, or above 128 where it was killed. 0 seconds: no bound.
bounded() {
  sr_bound=$1
  shift
  "$@" & sr_pid=$!
  if [ "$sr_bound" -eq 0 ]; then wait "$sr_pid"; return; fi
  watch "$sr_bound" "$sr_pid"
  wait "$sr_pid" 2>/dev/null
  sr_rc=$?
  { kill "$sr_dog"; wait "$sr_dog"; } 2>/dev/null
  return "$sr_rc"
}

pause() { sleep "$1" >/dev/null 3>&-; }

# ---- text

# Percent-encodes into `enc` every byte of $1 that is not a letter, digit, - or one of $2 (] comes first there). Needs LC_ALL=C.
encode() {
  enc='' todo=$1
  while [ -n "$todo" ]; do
    # shellcheck disable=SC2295 # a pattern
    safe=${todo%%[!$2A-Za-z0-9-]*}
    enc=$enc$safe todo=${todo#"$safe"}
    [ -n "$todo" ] || break
    enc=$enc$(printf '%%%02X' $(($(printf '%d' "'$todo") & 255)))
    todo=${todo#?}
  done
}
component() { encode "$1" '._~'; }
# For a URL as written: what a URL may hold stays, everything else (and `#`, for a fragment is never sent) is encoded.
url_text() { encode "$1" ']._~:/?@!$&()*+,;=%['; }

# Escapes $1 into `enc` for the inside of a JSON string.
json_text() {
  enc='' todo=$1
  while [ -n "$todo" ]; do
    safe=${todo%%[[:cntrl:]\"\\]*}
    enc=$enc$safe todo=${todo#"$safe"}
    case $todo in
      '') break ;;
      \"* | \\*) enc=$enc\\${todo%"${todo#?}"} ;;
      *) enc=$enc$(printf '\\u%04x' $(($(printf '%d' "'$todo") & 255))) ;;
    esac
    todo=${todo#?}
  done
}

is_name() { case $1 in '' | [0-9]* | *[!A-Za-z0-9_]*) false ;; esac }

# Replaces the placeholders of $1 into `filled`; $2 says how values are written: component, host, json_text or raw.
fill() {
  filled='' text=$1
  while case $text in *'{'*) ;; *) false ;; esac do
    filled=$filled${text%%'{'*}
    text=${text#*'{'}
    name=${text%%'}'*}
    case $name in
      podip) value=$podip
        [ -n "$value" ] || { what='podip is not set in this container'; return 2; } ;;
      podname) value=${SILKROLL_POD_NAME-} ;;
      namespace) value=${SILKROLL_POD_NAMESPACE-} ;;
      port) value=${SILKROLL_HTTP_PORT-} ;;
      env:*) value=
        if is_name "${name#env:}"; then eval "value=\${${name#env:}-}"; fi ;;
      *) name= ;;
    esac
    # Braces that are none of ours stay: JSON is full of them.
    case $name:$text in :*) filled=$filled'{'; continue ;; *:"$name}"*) ;; *) filled=$filled'{'; continue ;; esac
    text=${text#"$name}"}
    case $2:$value in
      raw:*) enc=$value ;;
      host:*:*) enc="[$value]" ;;
      host:*) component "$value" ;;
      *) "$2" "$value" ;;
    esac
    filled=$filled$enc
  done
  filled=$filled$text
}

# ---- HTTP

# A tool is a pair of functions: feed_X writes what goes to its stdin, run_X ends in its exec and prints the answer from the
# status line on. They read: verb url headers (lines) body; and from the url: scheme host port path authority.
have() { command -v "$1" >/dev/null 2>&1; }

# Picks `tool` for $verb and $scheme. GNU wget comes late: its headers show in ps; busybox wget last: GET and POST only.
pick() {
  tool=
  for candidate in $tools; do
    case $candidate:$scheme:$verb in
      curl:* | wget:* | python3:* | *:http:* | bbwget:https:GET | bbwget:https:POST) ;;
      *) continue ;;
    esac
    case $candidate:$verb:$body in bbwget:POST:?* | bbwget:GET:) ;; bbwget:*) continue ;; esac
    tool=$candidate
    return 0
  done
  what="no tool in this image can send $verb over $scheme (curl, python3, bash, perl, wget, nc)"
  return 2
}

find_tools() {
  tools='' nc=
  # Asked for its version and not only found: one that lacks a library must not be relied on.
  curl --version >/dev/null 2>&1 && tools=curl
  for t in bash perl python3; do have "$t" && tools="$tools $t"; done
  if have wget; then
    case $(wget --version 2>/dev/null) in *GNU*) tools="$tools wget" ;; *) bbwget=bbwget ;; esac
  fi
  for t in nc ncat netcat; do
    if [ -z "$nc" ] && have "$t"; then nc=$t tools="$tools nc"; fi
  done
  if [ -z "$nc" ] && have busybox; then nc='busybox nc' tools="$tools nc"; fi
  tools="$tools ${bbwget-}"
}

quoted() { # $1 as a quoted value of a curl configuration file, in `enc`
  enc='' todo=$1
  while [ -n "$todo" ]; do
    safe=${todo%%[\"\\"$sr_nl"]*}
    enc=$enc$safe todo=${todo#"$safe"}
    case $todo in '') break ;; "$sr_nl"*) enc=$enc\\n ;; *) enc=$enc\\${todo%"${todo#?}"} ;; esac
    todo=${todo#?}
  done
  enc=\"$enc\"
}
feed_curl() {
  quoted "$url"
  printf 'url = %s\nrequest = %s\nheader = "Expect:"\n' "$enc" "$verb"
  IFS=$sr_nl
  for line in $headers; do quoted "$line"; printf 'header = %s\n' "$enc"; done
  if [ -n "$body" ]; then
    quoted "$body"
    # Older curls have no data-raw, which alone takes a leading @ as it is.
    case $body in @*) printf 'data-raw = %s\n' "$enc" ;; *) printf 'data-binary = %s\n' "$enc" ;; esac
  else case $verb in HEAD) printf 'head\n' ;; GET) ;; *) printf 'header = "Content-Length: 0"\n' ;; esac fi
}
run_curl() {
  # -q comes first, or ~/.curlrc is read. Proxies are for the way out; a registry is inside, and its clients ask no proxy.
  exec curl -q -s -i -g --noproxy '*' --max-time "$left" ${insecure:+-k} -K -
}

feed_wget() { :; }
run_wget() {
  # Without --no-iri it decodes what is encoded, %2541 to %41.
  set -- wget --no-config --no-iri -q -t 1 -T "$left" --no-proxy --max-redirect=0 --content-on-error --save-headers -O - "--method=$verb" ${insecure:+--no-check-certificate}
  with_headers "$@"
}
feed_bbwget() { :; }
run_bbwget() { with_headers wget -q -S -Y off -O - ${insecure:+--no-check-certificate}; }
with_headers() {
  IFS=$sr_nl
  for line in $headers; do set -- "$@" --header "$line"; done
  case $tool:$verb:$body in
    wget:GET: | wget:HEAD: | bbwget:*:) ;;
    wget:*) set -- "$@" "--body-data=$body" ;;
    *) set -- "$@" --post-data "$body" ;;
  esac
  exec "$@" "$url" 2>&1
}

# The others speak TCP: the request is ours.
raw_request() {
  printf '%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nUser-Agent: silkroll\r\nAccept: */*\r\n' "$verb" "$path" "$authority"
  IFS=$sr_nl
  for line in $headers; do printf '%s\r\n' "$line"; done
  case $verb:$body in GET: | HEAD:) ;; *) printf 'Content-Length: %s\r\n' "${#body}" ;; esac
  printf '\r\n%s' "$body"
}
feed_bash() { raw_request; }
run_bash() {
  # shellcheck disable=SC2016 # expands in the bash that it starts
  exec bash -c 'exec 3<>"/dev/tcp/$1/$2" || exit 1
    IFS= read -r -d "" x; printf %s "$x" >&3
    while IFS= read -r x <&3 || [ -n "$x" ]; do printf "%s\n" "$x"; done' bash "$host" "$port"
}
feed_perl() { raw_request; }
run_perl() {
  # shellcheck disable=SC2016 # perl's own variables
  exec perl -e 'my $c = eval { require IO::Socket::IP } ? "IO::Socket::IP" : do { require IO::Socket::INET; "IO::Socket::INET" };
    my $s = $c->new(PeerHost => $ARGV[0], PeerAddr => $ARGV[0], PeerPort => $ARGV[1], Proto => "tcp") or exit 1;
    $| = 1; local $/; print $s scalar <STDIN>; $s->flush; while (sysread($s, my $x, 8192)) { print $x }' "$host" "$port"
}
feed_python3() { raw_request; }
run_python3() {
  exec python3 -c 'import socket, ssl, sys
host, port, scheme, insecure = sys.argv[1:5]
s = socket.create_connection((host, int(port)))
if scheme == "https":
    c = ssl._create_unverified_context() if insecure else ssl.create_default_context()
    s = c.wrap_socket(s, server_hostname=host)
s.sendall(sys.stdin.buffer.read())
while True:
    x = s.recv(8192)
    if not x: break
    sys.stdout.buffer.write(x); sys.stdout.buffer.flush()' "$host" "$port" "$scheme" "${insecure-}"
}
feed_nc() { raw_request; }
# shellcheck disable=SC2086 # may be two words
run_nc() { exec $nc "$host" "$port"; }

split_url() { # scheme authority host port path from $url, which has been through url_text
  case $url in http://*) scheme=http port=80 ;; https://*) scheme=https port=443 ;;
  *) what="not an http or https URL: $url"; return 2 ;; esac
  authority=${url#*://}
  path=/
  case $authority in
    */*) path=/${authority#*/} authority=${authority%%/*} ;;
    *\?*) path="/?${authority#*\?}" authority=${authority%%\?*} ;;
  esac
  authority=${authority##*@}
  host=$authority
  case $authority in
    \[*\]:*) port=${authority##*:} host=${authority%:*} ;;
    \[*) ;;
    *:*) port=${authority##*:} host=${authority%%:*} ;;
  esac
  host=${host#\[} host=${host%\]}
  case $host in '' | -*) what="the URL has no host: is a variable that it names empty?"; return 2 ;; esac
  case $port in '' | *[!0-9]*) what="the port in the URL is not a number: is a variable that it names empty?"; return 2 ;; esac
}

# call VERB URL: sends $headers and $body, at most $each seconds. Sets `status` (000: no answer) and `answer` (the body).
call() {
  verb=$1 url=$2 status=000 answer='' head=''
  split_url || return 2
  pick || return 2
  time_left || return 1
  [ "$left" -le "$each" ] || left=$each
  reply=$(
    # In this shape $! is the tool itself, which has to be the one that the watchdog ends.
    "feed_$tool" 2>/dev/null | "run_$tool" 2>/dev/null & sr_pid=$!
    watch "$left" "$sr_pid"
    wait "$sr_pid"
    kill "$sr_dog"
  ) 2>/dev/null 3>&-
  while case $reply in *HTTP/[0-9]*) ;; *) false ;; esac do
    reply=HTTP/${reply#*HTTP/}
    answer=$reply
    case $reply in
      *"$sr_cr$sr_nl$sr_cr$sr_nl"*) answer=${reply#*"$sr_cr$sr_nl$sr_cr$sr_nl"} head=${reply%%"$sr_cr$sr_nl$sr_cr$sr_nl"*} ;;
      *) head=$reply ;;
    esac
    status=${reply#* }
    status=${status%"${status#???}"}
    case $status in
      1[0-9][0-9]) reply=$answer ;;
      [2-5][0-9][0-9]) break ;;
      *) status=000 && break ;;
    esac
  done
  case $tool:$head in
    bash:*[Cc]hunked* | perl:*[Cc]hunked* | python3:*[Cc]hunked* | nc:*[Cc]hunked*) unchunk ;;
  esac
  [ "$status" != 000 ]
}

# Takes the chunk sizes out of $answer, of which this shell counts bytes.
unchunk() {
  chunked=$answer$sr_nl answer=
  while size=${chunked%%"$sr_nl"*} && chunked=${chunked#*"$sr_nl"} && size=${size%%[!0-9A-Fa-f]*} && [ $((0x${size:-0})) -gt 0 ]; do
    size=$((0x$size)) chunk=
    while [ "${#chunk}" -lt "$size" ] && [ -n "$chunked" ]; do
      chunk=$chunk${chunked%%"$sr_nl"*}$sr_nl
      chunked=${chunked#*"$sr_nl"}
    done
    answer=$answer${chunk%"$sr_cr$sr_nl"}
  done
}

# ---- methods

leave_none() { return 0; }

# Adds $1 to $headers where it is a header line; a newline cannot be in it, for the list is cut at newlines.
add_header() {
  name=${1%%:*}
  case $name:$1 in
    :) return ;;
    *"$sr_cr"* | :* | *[!A-Za-z0-9_.-]*:"$name"* | "$1:$1") say "$sr_method: a header that is not \`Name: value\` is left out" ;;
    *) headers=$headers$1$sr_nl ;;
  esac
}

# send URL VERB BODY: one request with its placeholders filled in, judged by its status.
send() {
  kind=${SILKROLL_HTTP_CONTENT_TYPE:-application/x-www-form-urlencoded} headers=
  # An IPv6 address stands in brackets in the host part, and only there.
  tail=${1#*://}
  base=${tail%%[/?]*}
  fill "$base" host || return 2
  target=${1%%://*}://$filled
  fill "${tail#"$base"}" component || return 2
  url_text "$target$filled"
  target=$enc
  case $kind in *json*) fill "$3" json_text ;; *x-www-form-urlencoded*) fill "$3" component ;; *) fill "$3" raw ;; esac || return 2
  body=$filled
  IFS=$sr_nl
  for line in ${SILKROLL_HTTP_HEADERS-}; do add_header "${line%"$sr_cr"}"; done
  unset IFS
  case $body:$sr_nl$headers in :* | *"$sr_nl"[Cc]ontent-[Tt]ype:*) ;; *) add_header "Content-Type: $kind" ;; esac
  case $2 in '' | *[!A-Z]*) what="not a request method: $2"; return 2 ;; esac
  call "$2" "$target" || [ "$?" -eq 1 ] || return 2
  # Without the query: it may hold what {env:…} brought in.
  what="$2 $scheme://$authority${path%%\?*}"
  case $status in
    2??) what="$what answered $status" ;;
    000) what="$what: no answer"; return 1 ;;
    5??) what="$what answered $status"; return 1 ;;
    *) what="$what answered $status"; return 2 ;;
  esac
}
leave_http() { send "${SILKROLL_HTTP_URL-}" "${SILKROLL_HTTP_METHOD:-POST}" "${SILKROLL_HTTP_BODY-}"; }
back_http() {
  [ -n "${SILKROLL_HTTP_START_URL-}" ] || return 0
  send "$SILKROLL_HTTP_START_URL" "${SILKROLL_HTTP_START_METHOD:-POST}" "${SILKROLL_HTTP_START_BODY-}"
}

# Nacos: 1.x and 2.x answer under /v1; 3.x answers 410 there (3.2: 404) and has /v3/admin. The instance is disabled and not
# deleted, for its client would only register it again. A 200 proves nothing: the instance is read back.
leave_nacos() { nacos_servers false; }
back_nacos() { nacos_servers true; }

nacos_servers() { # $1: what `enabled` has to become
  want=$1 n_port=${SILKROLL_NACOS_PORT-}
  [ -n "$podip" ] || { what='podip is not set in this container'; return 2; }
  case ${SILKROLL_NACOS_SERVICE:+x}$n_port in x | [!x]* | x*[!0-9]*) what='SILKROLL_NACOS_SERVICE or SILKROLL_NACOS_PORT is not usable'; return 2 ;; esac
  component "$SILKROLL_NACOS_SERVICE"; n_service=$enc
  component "${SILKROLL_NACOS_GROUP:-DEFAULT_GROUP}"; n_group=$enc
  component "${SILKROLL_NACOS_NAMESPACE:-public}"; n_scope=namespaceId=$enc
  component "${SILKROLL_NACOS_CLUSTER:-DEFAULT}"; n_scope="$n_scope&clusterName=$enc"
  component "$podip"
  instance="serviceName=$n_service&groupName=$n_group&$n_scope&ip=$enc&port=$n_port"
  who="$podip:$n_port of $SILKROLL_NACOS_SERVICE"
  servers=${SILKROLL_NACOS_SERVER-},
  worst=2 what='SILKROLL_NACOS_SERVER names no server'
  while [ -n "$servers" ]; do
    server=${servers%%,*}
    servers=${servers#*,}
    server=${server#"${server%%[! ]*}"}
    server=${server%%[ ]*}
    case $server in '') continue ;; *://*) ;; *) server=http://$server ;; esac
    url_text "${server%/}"
    server=$enc
    case ${server#*://} in */*) ;; *) server=$server/nacos ;; esac
    nacos_server
    case $? in 0) return 0 ;; 1) worst=1 ;; esac
  done
  return "$worst"
}

nacos_server() {
  headers='' body='' api=v1
  nacos_login && nacos_read || return
  case $state:$want in
    gone:false) what="$who is not registered, nothing to switch off ($server, $api)"; return 0 ;;
    gone:true) what="$who is not registered yet ($server, $api)"; return 1 ;;
    "$want:$want") what="$who has enabled=$want already ($server, $api)"; return 0 ;;
  esac
  # Without its weight the server would set it to 1, and keep it there.
  change="ns/instance?$instance&enabled=$want&weight=$weight&ephemeral=$ephemeral"
  case $api in v1) nacos PUT "/v1/$change" ;; *) nacos PUT "/v3/admin/$change" ;; esac || return
  nacos_status change || return
  while :; do
    nacos_read || return
    case $want:$state in
      true:true) what="back as $who ($server, $api)"; return 0 ;;
      false:false | false:gone) what="left as $who ($server, $api)"; return 0 ;;
    esac
    what="$server answered 200 and still has enabled=$state for $who"
    time_to_pause || return 1
    pause 1
  done
}

nacos() { # VERB PATH [FORM]
  body=${3-}
  call "$1" "$server$2" && return
  case $? in 1) what="no answer from $server"; return 1 ;; *) return 2 ;; esac
}

nacos_status() { # of $1: an error of the server may pass, and another server may do better; one of ours will not
  case $status in
    200) return 0 ;;
    5??) what="$server answered $status to the $1"; return 1 ;;
    *) what="$server answered $status to the $1"; return 2 ;;
  esac
}

nacos_login() {
  [ -n "${SILKROLL_NACOS_USERNAME-}" ] || return 0
  component "$SILKROLL_NACOS_USERNAME"; form=username=$enc
  component "${SILKROLL_NACOS_PASSWORD-}"; form="$form&password=$enc"
  headers="Content-Type: application/x-www-form-urlencoded$sr_nl"
  nacos POST /v1/auth/login "$form" || return
  case $status in 404 | 410 | 501) nacos POST /v3/auth/user/login "$form" || return ;; esac
  nacos_status login || return
  token=${answer#*\"accessToken\":\"}
  token=${token%%\"*}
  case $token in '' | *[!A-Za-z0-9._~+/=-]*) what="$server gave no token at the login"; return 2 ;; esac
  headers="accessToken: $token$sr_nl"
}

# Reads the instance: `state` is true or false as its enabled field, or gone; `weight` and `ephemeral` as they are.
nacos_read() {
  state=gone weight=1 ephemeral=true
  if [ "$api" = v1 ]; then
    # The list that callers get leaves disabled ones out and a single instance's page has no enabled field; this has both.
    nacos GET "/v1/ns/catalog/instances?serviceName=$n_group%40%40$n_service&$n_scope&pageNo=1&pageSize=10000" || return
    case $status:$answer in 404:*'is not found'*) return 0 ;; 404:* | 410:* | 501:*) api=v3 ;; esac
  fi
  if [ "$api" = v3 ]; then nacos GET "/v3/admin/ns/instance?$instance" || return; fi
  # Unknown service, group, namespace or instance. A 404 without the registry's own words is a wrong address.
  case $status:$answer in 400:*'not found'* | 404:*\"code\":2*) return 0 ;; esac
  nacos_status read || return
  # Cut at braces, an instance's own fields are in one piece and its metadata, which may hold the same words, in another.
  IFS='{'
  # shellcheck disable=SC2086 # to be split; globbing is off
  set -- $answer
  unset IFS
  for piece do
    case $piece in *"\"ip\":\"$podip\""*) ;; *) continue ;; esac
    case $piece in *"\"port\":$n_port,"*) ;; *) continue ;; esac
    case $piece in *'"enabled":true'*) state=true ;; *'"enabled":false'*) state=false ;; *) continue ;; esac
    case $piece in *'"ephemeral":false'*) ephemeral=false ;; esac
    weight=${piece#*\"weight\":}
    weight=${weight%%[!0-9.E-]*}
    break
  done
}

# ---- the steps

# Is there anything to do for $1, leave or back? Sets sr_method and `podip`.
wanted() {
  podip=${podip-} sr_method=${SILKROLL_METHOD:-none}
  case $sr_method in none) return 1 ;; *[!a-z]*) say 'SILKROLL_METHOD is not the name of a way of leaving'; return 1 ;; esac
  if ! have "$1_$sr_method"; then
    [ "$1" = back ] || say "$sr_method: this script knows no such way of leaving"
    return 1
  fi
  case ${SILKROLL_IF_ENV-} in
    '') return 0 ;;
    [0-9]* | *[!A-Za-z0-9_]*) say "$sr_method: not done: SILKROLL_IF_ENV is not a variable's name"; return 1 ;;
  esac
  eval "[ -n \"\${$SILKROLL_IF_ENV-}\" ]" && return 0
  [ "$1" = back ] || say "$sr_method: $SILKROLL_IF_ENV is not set here, nothing to leave"
  return 1
}

# keep_trying leave|back SECONDS: until it is done, cannot be, or the time is over. With $once: a single time.
keep_trying() {
  LC_ALL=C limit=$2 each=$2 insecure='' what=''
  clock
  begun=$sr_now deadline=$((sr_now + limit * 100))
  # One dead server of several must leave time for the others; 3 s, for a node may forward and wait 2 s itself.
  case $1:${SILKROLL_NACOS_SERVER-} in back:* | *,*) each=3 ;; esac
  find_tools
  while :; do
    "$1_$sr_method"
    rc=$?
    elapsed "$begun"
    if [ "$rc" -eq 0 ]; then
      [ -z "$what" ] || say "$sr_method: $what$took"
      return 0
    fi
    if [ "$rc" -eq 2 ] || [ -n "${once-}" ] || ! time_to_pause; then break; fi
    pause "${between:-1}"
  done
  [ -n "${once-}" ] || say "$sr_method: not done: $what$took"
  return "$rc"
}

# What marks the way back of this registration among all processes seen in /proc, those of other pods perhaps.
back_mark() {
  (LC_ALL=C; component "${SILKROLL_POD_NAMESPACE-}/${SILKROLL_POD_NAME-}/${podip-}/${SILKROLL_METHOD-}/${SILKROLL_NACOS_SERVICE-}/${SILKROLL_NACOS_PORT-}/${SILKROLL_HTTP_PORT-}"; printf '%s' "silkroll-back=$enc=")
}

# Ends a way back that is still trying: it must not undo the leaving. Its requests are processes of their own, known by
# their environment; reading every environment is slow, so that is done only where a command line showed the shell.
end_back() {
  mark=$(back_mark) where=cmdline
  for _ in 1 2 3; do
    found=
    set +f
    for proc in /proc/[0-9]*; do
      while IFS= read -r line || [ -n "$line" ]; do
        case $line in *"$mark"*) kill -9 "${proc#/proc/}" && found=yes && break ;; esac
      done <"$proc/$where"
    done 2>/dev/null
    set -f
    [ -n "$found" ] || break
    where=environ
  done
  [ "$where" = environ ]
}

leave() {
  # Where a way back was still trying, its last request may be on its way: let that come first.
  ! end_back || pause 1
  keep_trying leave "$1"
}

# Its own process with its own name, so that a later stop finds it.
back() { # once|loop
  if have sh; then sr_sh='sh'; else sr_sh=/bin/sh; fi
  SILKROLL_BACK=$sr_mark exec "$sr_sh" "$sr_script" back "$1" "$sr_mark"
}

# The user's own hook; the last thing done, its status is the hook's.
own() {
  sr_kind=${1-}
  [ "$#" -eq 0 ] || shift
  case $sr_kind in
    exec)
      seconds SILKROLL_OWN_SECONDS 0
      if [ "$sr_n" -eq 0 ]; then exec "$@" 3>&-; fi
      sr_as=own_command
      [ "$sr_n" -eq 0 ] || sr_as=own_logged
      bounded "$sr_n" "$sr_as" "$@"
      sr_rc=$?
      [ "$sr_rc" -ne 137 ] || say "own hook: not ended within $sr_n s"
      return "$sr_rc" ;;
    http)
      seconds SILKROLL_OWN_SECONDS 0
      bounded "$sr_n" own_request "$@" ;;
    *) return 0 ;;
  esac
}
own_command() { exec "$@" 3>&-; }
# A child that outlives the bound must not hold the hook's own output open: the kubelet would wait for it.
own_logged() { exec "$@" >&3 2>&1 3>&-; }

# As the kubelet does it: GET, any status will do, certificates are not looked at.
own_request() { # SCHEME HOST PORT PATH [HEADER…]
  [ "$#" -ge 4 ] || return 0
  LC_ALL=C sr_method='own hook' insecure=yes body='' headers=''
  case $1 in [Hh][Tt][Tt][Pp][Ss]) target=https ;; *) target=http ;; esac
  base=${2:-${podip-}}
  case $base in \[*) ;; *:*) base="[$base]" ;; esac
  url_text "$target://$base:$3/${4#/}"
  target=$enc
  shift 4
  for line do
    case $line in *"$sr_nl"*) ;; *) add_header "$line" ;; esac
  done
  # The kubelet knows no bound but the grace period either.
  seconds SILKROLL_OWN_SECONDS 0
  [ "$sr_n" -ne 0 ] || sr_n=3600
  limit=$sr_n each=$sr_n
  clock
  begun=$sr_now deadline=$((sr_now + limit * 100))
  find_tools
  call GET "$target"
  rc=$?
  elapsed "$begun"
  # An image without a tool is no fault of the user's hook, and a failing postStart would kill the container.
  case $rc in
    0) say "own hook: GET ${target%%\?*} answered $status$took" ;;
    1) say "own hook: GET ${target%%\?*}: no answer$took"; return 1 ;;
    *) say "own hook: not done: $what" ;;
  esac
}

stop() {
  if wanted leave; then
    seconds SILKROLL_LEAVE_SECONDS 10
    sr_limit=$sr_n
    [ "$sr_limit" -gt 0 ] || sr_limit=10
    bounded "$sr_limit" leave "$sr_limit" >/dev/null 2>&1 </dev/null
    case $? in 137) say "$sr_method: not done within $sr_limit s, going on" ;; esac
  fi
  seconds SILKROLL_DRAIN_SECONDS 15
  sr_drain=$sr_n
  case ${1-} in sleep) sr_n=${2-}; seconds sr_n 0; sr_drain=$((sr_drain + sr_n)) ;; esac
  if [ "$sr_drain" -gt 0 ]; then
    say "drain: $sr_drain s for callers to forget this pod"
    sleep "$sr_drain" 3>&-
  fi
  own "$@"
}

start() {
  wanted back || return 0
  sr_mark=$(back_mark)
  bounded 3 back once && return 0
  # Only where a later stop can find it may it go on alone.
  [ -r /proc/self/cmdline ] || return 0
  back loop >/dev/null 2>&1 </dev/null 3>&- &
}

open_log
sr_script=$0
sr_do=${1-}
[ "$#" -eq 0 ] || shift
case $sr_do in
  stop) stop "$@" ;;
  start) start; exit 0 ;;
  own) own "$@" ;;
  back)
    wanted back || exit 0
    case ${1-} in once) once=yes; keep_trying back 3 ;; *) between=2; bounded 125 keep_trying back 120 ;; esac ;;
  *) echo "usage: $0 stop|start|own [exec CMD ARG… | http SCHEME HOST PORT PATH [HEADER…] | sleep N]" >&2; exit 2 ;;
esac
