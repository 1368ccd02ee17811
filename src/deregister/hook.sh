#!/bin/sh
# Silkroll's hook, run by the kubelet in the application's container:
#   hook.sh stop [CHAIN…]   preStop: leave the registry (bounded), wait while callers forget, then on while clients hold
#                           connections (bounded), then the user's own hook; what ends the server itself (nginx, signal)
#                           comes after the wait
#   hook.sh start           postStart: switch back on what an earlier stop at this address switched off
#   hook.sh own CHAIN…      the user's own hook alone: exec CMD ARG… | http SCHEME HOST PORT PATH [HEADER…] | sleep N
#   hook.sh reenable once|loop  the work behind `start`, in a process that a later `stop` can find and end
#   hook.sh registered      startupProbe: 1 while this container is not in the list that its callers go by, bounded; else 0
# Needs a POSIX shell and `sleep`, and for calls an HTTP client. Writes no file. Settings are SILKROLL_… variables and data, never shell text.
# A way of leaving is a function deregister_WAY, its way back a function reenable_WAY. They set `what` for the log,
# and return 0 (done), 1 (try again while there is time), 2 (trying again cannot help) or 3 (not registered: nothing to do,
# but it may register yet). Methods without a way of their own are the way `http`: one request, told in settings.
# Where callers go by a list, a function listed_METHOD reads it.
# Variables of the top level begin with sr_: an unprefixed one could be the container's own, meant for the user's hook.
set -uf
set +x

sr_nl='
'
sr_cr=$(printf '\r')
sr_once='' sr_between=1 sr_first=0

have() { command -v "$1" >/dev/null 2>&1; }

# A path without `sleep` is the application's alone: nothing could be waited for, and no client be found.
have sleep || PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin

# ---- log and clock

# The container's log is what PID 1 writes to. A pipe is opened for reading too, so that a reader that went away cannot block us.
open_log() {
  sr_log=${SILKROLL_LOG:-/proc/1/fd/1} sr_piped='' sr_own_log=yes
  if [ -p "$sr_log" ] && (: <>"$sr_log") 2>/dev/null; then exec 3<>"$sr_log" && sr_piped=yes
  elif [ "$sr_log" != - ] && (: >>"$sr_log") 2>/dev/null; then
    exec 3>>"$sr_log"
    # A terminal can be stopped by whoever looks at it.
    [ ! -c "$sr_log" ] || sr_piped=yes
  else
    # Of the hook's own output nobody knows what it is. Not for the user's hook, unless it was asked for by hand.
    if (: 3>&1) 2>/dev/null; then exec 3>&1; else exec 3>/dev/null; fi
    sr_piped=yes
    [ "$sr_log" = - ] || sr_own_log=''
  fi
}

# A pipe that nobody empties costs a second and the rest of the log, but holds up nothing.
say() {
  if [ -z "$sr_piped" ]; then write_line "$1"; return 0; fi
  bounded 1 write_line "$1"
  [ "$sr_over" -eq 0 ] || { exec 3>/dev/null; sr_piped=''; }
}
write_line() {
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
time_to_pause() { # [HUNDREDTHS]
  clock
  [ "$sr_now" -eq 0 ] || [ $((deadline - sr_now)) -gt "${1:-150}" ]
}

# A count of seconds from variable $1, or $2 where it holds none; leading zeros would mean octal.
seconds() {
  eval "sr_n=\${$1-}"
  case $sr_n in '') sr_n=$2 ;; *[!0-9]* | ??????*) say "$1 is not a number of seconds, taken as $2" && sr_n=$2 ;; esac
  while case $sr_n in 0?*) ;; *) false ;; esac do sr_n=${sr_n#0}; done
}

# ---- bounded work

# Kills process $2 after $1 seconds, unless it is ended first (TERM, which takes its sleep along). Its status is 1 where it killed.
watch() {
  (
    nap='' ended=''
    # Not TERM: the nap may have been born a moment ago, and still lose that. And whoever ends is waited for: not every PID 1
    # does that for children that are not its own.
    trap 'ended=yes; kill -9 $nap' TERM
    sleep "$1" & nap=$!
    [ -z "$ended" ] || kill -9 "$nap"
    wait "$nap"
    [ -z "$ended" ] || { wait "$nap"; exit 0; }
    trap '' TERM
    kill -9 "$2"
    exit 1
  ) >/dev/null 2>&1 </dev/null 3>&- &
  sr_dog=$!
}

# bounded SECONDS COMMAND…: its status, or above 128 where it was killed, with sr_over 1 where that was the bound and 0 where it
# was somebody else. 0 seconds: no bound.
bounded() {
  sr_bound=$1 sr_over=0
  shift
  "$@" & sr_pid=$!
  if [ "$sr_bound" -eq 0 ]; then wait "$sr_pid"; return; fi
  watch "$sr_bound" "$sr_pid"
  wait "$sr_pid" 2>/dev/null
  sr_rc=$?
  { kill "$sr_dog"; wait "$sr_dog"; [ "$?" -ne 1 ] || sr_over=1; } 2>/dev/null
  # It may have ended by itself just then.
  [ "$sr_rc" -gt 128 ] || sr_over=0
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

# Base64 of $1 into `enc`. Needs LC_ALL=C.
base64_text() {
  enc='' todo=$1
  set -- A B C D E F G H I J K L M N O P Q R S T U V W X Y Z a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9 + /
  while [ -n "$todo" ]; do
    bits=0 padding=
    for _ in 1 2 3; do
      bits=$((bits << 8))
      if [ -n "$todo" ]; then bits=$((bits | $(printf '%d' "'$todo") & 255)) todo=${todo#?}; else padding=$padding=; fi
    done
    for place in 18 12 6 0; do eval "enc=\$enc\${$(((bits >> place & 63) + 1))}"; done
    case $padding in =) enc=${enc%?} ;; ==) enc=${enc%??} ;; esac
    enc=$enc$padding
  done
}

is_name() { case $1 in '' | [0-9]* | *[!A-Za-z0-9_]*) false ;; esac }

# Into `forms`, how a registry may have this pod's address: Java writes one of IPv6 in full, and Spring puts it in brackets.
address_forms() {
  forms=$podip
  case $podip in *:*) ;; *) return 0 ;; esac
  full=$podip
  case $podip in *::*)
    IFS=:
    # shellcheck disable=SC2086 # to be split; globbing is off
    set -- ${podip%%::*}
    full=${podip%%::*} count=$#
    # shellcheck disable=SC2086
    set -- ${podip#*::}
    unset IFS
    count=$((count + $#))
    while [ "$count" -lt 8 ]; do full=$full:0 count=$((count + 1)); done
    full=${full#:}${1:+:}${podip#*::} ;;
  esac
  forms="$podip [$podip]"
  [ "$full" = "$podip" ] || forms="$forms $full [$full]"
}
# Has $piece this pod's address as field $1? Into `ip`, as it stands there: Java may put the interface behind it.
is_here() {
  for ip in $forms; do
    case $piece in
      *"\"$1\":\"$ip\""*) return 0 ;;
      *"\"$1\":\"${ip%]}%"*)
        value=${piece#*"\"$1\":\"${ip%]}%"}
        ip=${ip%]}%${value%%\"*}
        return 0 ;;
    esac
  done
  return 1
}

need_podip() { [ -n "$podip" ] || { what='podip is not set in this container'; return 2; }; }

# Replaces the placeholders of $1 into `filled`; $2 says how values are written: component, host, json_text or raw.
fill() {
  filled='' text=$1
  while case $text in *'{'*) ;; *) false ;; esac do
    filled=$filled${text%%'{'*}
    text=${text#*'{'}
    name=${text%%'}'*}
    case $name in
      podip) need_podip || return; value=$podip ;;
      hostip) value=${SILKROLL_HOST_IP-}
        [ -n "$value" ] || { what='SILKROLL_HOST_IP is not set in this container'; return 2; } ;;
      podname) value=${SILKROLL_POD_NAME-} ;;
      namespace) value=${SILKROLL_POD_NAMESPACE-} ;;
      env:*) value=
        if is_name "${name#env:}"; then eval "value=\${${name#env:}-}"; fi ;;
      *) name= ;;
    esac
    # Braces that are none of ours stay: JSON is full of them.
    case $name:$text in :*) filled=$filled'{'; continue ;; *:"$name}"*) ;; *) filled=$filled'{'; continue ;; esac
    text=${text#"$name}"}
    case $2:$value in
      raw:*) enc=$value ;;
      host:*:*:*) enc="[$value]" ;;
      host:*:*) component "${value%%:*}"; sr_host=$enc; component "${value#*:}"; enc=$sr_host:$enc ;;
      host:*) component "$value" ;;
      *) "$2" "$value" ;;
    esac
    filled=$filled$enc
  done
  filled=$filled$text
}

# Replaces the placeholders of URL $1 into `enc`, the URL as it is asked for.
fill_url() {
  tail=${1#*://}
  base=${tail%%[/?]*}
  # An IPv6 address stands in brackets in the host part, and only there.
  fill "$base" host || return
  target=${1%%://*}://$filled
  tail=${tail#"$base"}
  fill "$tail" component || return
  # Without its last part, or one in the middle, it would be about everything there and not about this pod.
  case ${filled%%\?*}/ in *//*)
    case ${tail%%\?*}/ in *//*) ;; *) what="a part of the URL's path is empty: is a variable that it names empty?"; return 2 ;; esac ;;
  esac
  url_text "$target$filled"
}

# ---- HTTP

# A tool is a pair of functions: feed_X writes what goes to its stdin, run_X ends in its exec and prints the answer from the
# status line on. They read: verb url headers (lines) body; and from the url: scheme host port path authority.

# Picks `tool` for $verb and $scheme. GNU wget comes late: its headers show in ps; busybox wget last: GET and POST only.
pick() {
  [ -n "$tools" ] || find_tools
  tool=
  for candidate in $tools; do
    case $candidate:$scheme:$verb in
      curl:* | wget:* | python3:* | node:* | *:http:* | bbwget:https:GET | bbwget:https:POST) ;;
      *) continue ;;
    esac
    case $candidate:$verb:$body in bbwget:POST:?* | bbwget:GET:) ;; bbwget:*) continue ;; esac
    tool=$candidate
    case $tool:$nc_ends in nc:unknown) look_at_nc ;; esac
    return 0
  done
  case $scheme in
    https) can='curl, python3, node or wget' ;;
    *) can='curl, bash, perl, php, python3, node, GNU wget or nc' ;;
  esac
  what="no tool in this image can send $verb over $scheme ($can)"
  return 2
}

# Some tell the other side at the end of their input that no more comes, which a proxy takes for a caller that has gone.
look_at_nc() {
  nc_ends=
  case $($nc --help 2>&1 </dev/null) in
    *--no-shutdown*) nc="$nc --no-shutdown" ;;
    *BusyBox* | *[Tt]oybox*) nc_ends=yes ;;
  esac
}

find_tools() {
  tools='' nc='' bbwget=''
  # Asked for its version and not only found: one that lacks a library must not be relied on.
  curl --version >/dev/null 2>&1 && tools=curl
  for t in bash perl php python3 node; do have "$t" && tools="$tools $t"; done
  if have wget; then
    case $(wget --version 2>/dev/null) in *GNU*) tools="$tools wget" ;; *) bbwget=bbwget ;; esac
  fi
  for t in nc ncat netcat; do
    if [ -z "$nc" ] && have "$t"; then nc=$t tools="$tools nc"; fi
  done
  if [ -z "$nc" ] && have busybox; then nc='busybox nc' tools="$tools nc"; fi
  nc_ends=unknown
  tools="$tools $bbwget "
  # A tool of its own, and not every head has -c; without it an answer is as long as it is.
  head=
  if (: | head -c 1) >/dev/null 2>&1; then head='head -c 8000000'; fi
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

# The others speak TCP: the request is ours. Two Host lines are refused, and of two Accept lines Eureka goes by the first.
raw_request() {
  printf '%s %s HTTP/1.1\r\n' "$verb" "$path"
  case $sr_nl$headers in *"$sr_nl"[Hh][Oo][Ss][Tt]:*) ;; *) printf 'Host: %s\r\n' "$authority" ;; esac
  case $sr_nl$headers in *"$sr_nl"[Uu][Ss][Ee][Rr]-[Aa][Gg][Ee][Nn][Tt]:*) ;; *) printf 'User-Agent: silkroll\r\n' ;; esac
  case $sr_nl$headers in *"$sr_nl"[Aa][Cc][Cc][Ee][Pp][Tt]:*) ;; *) printf 'Accept: */*\r\n' ;; esac
  printf 'Connection: close\r\n'
  IFS=$sr_nl
  for line in $headers; do printf '%s\r\n' "$line"; done
  case $verb:$body in GET: | HEAD:) ;; *) printf 'Content-Length: %s\r\n' "${#body}" ;; esac
  printf '\r\n%s' "$body"
}
feed_bash() { raw_request; }
run_bash() {
  unset BASH_ENV
  # shellcheck disable=SC2016 # expands in the bash that it starts
  exec bash -c 'exec 3<>"/dev/tcp/$1/$2" || exit 1
    IFS= read -r -d "" x; printf %s "$x" >&3
    while x=; IFS= read -r x <&3 || [ -n "$x" ]; do printf "%s\n" "$x"; done' bash "$host" "$port"
}
feed_perl() { raw_request; }
run_perl() {
  unset PERL5OPT PERL5LIB
  # shellcheck disable=SC2016 # perl's own variables
  exec perl -e 'my $c = eval { require IO::Socket::IP } ? "IO::Socket::IP" : do { require IO::Socket::INET; "IO::Socket::INET" };
    my $s = $c->new(PeerHost => $ARGV[0], PeerAddr => $ARGV[0], PeerPort => $ARGV[1], Proto => "tcp") or exit 1;
    $| = 1; local $/; print $s scalar <STDIN>; $s->flush; while (sysread($s, my $x, 8192)) { print $x }' "$host" "$port"
}
feed_python3() { raw_request; }
run_python3() {
  exec python3 -I -c 'import socket, ssl, sys
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
feed_node() { raw_request; }
run_node() {
  unset NODE_OPTIONS
  # shellcheck disable=SC2016 # JavaScript
  exec node -e 'const [host, port, scheme, insecure] = process.argv.slice(1);
const to = {host, port, ALPNProtocols: ["http/1.1"], servername: require("net").isIP(host) ? "" : host, rejectUnauthorized: !insecure};
const s = scheme == "https" ? require("tls").connect(to) : require("net").connect(to);
s.on("error", () => process.exit(1)); process.stdin.pipe(s, {end: false}); s.pipe(process.stdout)' "$host" "$port" "$scheme" "${insecure-}"
}
feed_php() { raw_request; }
run_php() {
  # shellcheck disable=SC2016 # php's own variables
  exec php -n -r '[, $h, $p] = $argv; $h = strpos($h, ":") === false ? $h : "[$h]";
    $s = stream_socket_client("tcp://$h:$p") or exit(1);
    fwrite($s, stream_get_contents(STDIN)); while (($x = fread($s, 8192)) != "") echo $x;' -- "$host" "$port"
}
feed_nc() { raw_request; }
# shellcheck disable=SC2086 # may be two words
run_nc() {
  # A pipe that it holds open itself.
  if [ -n "$nc_ends" ] && [ -p /proc/self/fd/0 ] && (: <>/proc/self/fd/0) 2>/dev/null; then exec $nc "$host" "$port" <>/proc/self/fd/0; fi
  exec $nc "$host" "$port"
}

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

# In this shape $! is the tool itself, which has to be the one that the watchdog ends.
exchange() {
  "feed_$tool" 2>/dev/null | "run_$tool" 2>/dev/null & sr_pid=$!
  watch "$left" "$sr_pid"
  wait "$sr_pid"
  kill "$sr_dog"
  wait "$sr_dog"
}

# call VERB URL: sends $headers and $body, at most $each seconds. Sets `status` (000: no answer) and `answer` (the body).
call() {
  verb=$1 url=$2 status=000 answer='' top=''
  split_url || return 2
  pick || return 2
  time_left || return 1
  [ "$left" -le "$each" ] || left=$each
  # shellcheck disable=SC2086 # a command with its arguments
  # The log is closed inside: bash makes the substitution before the redirections beside it.
  reply=$(exec 3>&- 2>/dev/null; if [ -n "$head" ]; then exchange | $head; else exchange; fi)
  # The status line begins the answer or a line; this wget indents what it shows of the head.
  case $tool in bbwget) start="$sr_nl  HTTP/" ;; *) start=${sr_nl}HTTP/ ;; esac
  reply=$sr_nl$reply
  while case $reply in *"$start"[0-9]*) ;; *) false ;; esac do
    reply=HTTP/${reply#*"$start"}
    case $reply in
      *"$sr_cr$sr_nl$sr_cr$sr_nl"*) answer=${reply#*"$sr_cr$sr_nl$sr_cr$sr_nl"} top=${reply%%"$sr_cr$sr_nl$sr_cr$sr_nl"*} ;;
      *) top=$reply answer=${reply#HTTP/} ;;
    esac
    # Not cut out with patterns: bash and busybox take seconds for one as long as an answer without an end of its head.
    status=$(printf '%.3s' "${top#* }")
    case $status in
      1[0-9][0-9]) reply=$sr_nl$answer status=000 ;;
      [2-5][0-9][0-9]) break ;;
      *) status=000 && break ;;
    esac
  done
  case $tool:$top in
    # It takes the chunks out, and leaves the indented head before the body.
    bbwget:*)
      answer=${answer#*"$sr_nl"}
      while case $answer in '  '*"$sr_nl"*) ;; *) false ;; esac do answer=${answer#*"$sr_nl"}; done ;;
    curl:* | wget:*) ;;
    *[Cc]hunked*) unchunk ;;
  esac
  [ "$status" != 000 ]
}

# Takes the chunk sizes out of $answer, of which this shell counts bytes. Cut at once at the line ends' first halves: looking
# for them one by one takes bash and busybox seconds in a list of thousands.
unchunk() {
  IFS=$sr_cr
  # shellcheck disable=SC2086 # to be split; globbing is off
  set -- $answer
  unset IFS
  answer='' size=0 chunk=''
  for piece do
    if [ "$size" -eq 0 ]; then
      piece=${piece#"$sr_nl"}
      piece=${piece%%[!0-9A-Fa-f]*}
      size=$((0x${piece:-0})) chunk=
      [ "$size" -gt 0 ] || return 0
      # The second half stands before the chunk, and is counted.
      size=$((size + 1))
    else
      chunk=$chunk$piece
      if [ "${#chunk}" -ge "$size" ]; then answer=$answer${chunk#"$sr_nl"} size=0; else chunk=$chunk$sr_cr; fi
    fi
  done
  [ "$size" -eq 0 ] || answer=$answer${chunk#"$sr_nl"}
}

# ---- methods

# Adds $1 to $headers where it is a header line; the list is cut at newlines.
add_header() {
  [ -n "$1" ] || return 0
  name=${1%%:*}
  case $name in '' | "$1" | *[!A-Za-z0-9_.-]*) name= ;; esac
  case $name:$1 in
    :* | *"$sr_cr"* | *"$sr_nl"*) say "$sr_method: a header that is not \`Name: value\` is left out" ;;
    *) headers=$headers$1$sr_nl ;;
  esac
}

# send URL VERB BODY ABSENT: one request with its placeholders filled in, judged by its status, and by the words of its answer
# where ABSENT has some for that status: STATUS or STATUS WORDS, with commas between several.
send() {
  kind=${SILKROLL_HTTP_CONTENT_TYPE:-application/x-www-form-urlencoded} headers=
  fill_url "$1" || return
  target=$enc
  case $kind in *json*) fill "$3" json_text ;; *x-www-form-urlencoded*) fill "$3" component ;; *) fill "$3" raw ;; esac || return 2
  body=$filled
  IFS=$sr_nl
  for line in ${SILKROLL_HTTP_HEADERS-}; do add_header "${line%"$sr_cr"}"; done
  unset IFS
  # A Secret made from a file ends with a line end.
  [ -z "${SILKROLL_HTTP_TOKEN-}" ] || add_header "${SILKROLL_HTTP_TOKEN_HEADER-} ${SILKROLL_HTTP_TOKEN%"$sr_nl"}"
  case $body:$sr_nl$headers in :* | *"$sr_nl"[Cc]ontent-[Tt]ype:*) ;; *) add_header "Content-Type: $kind" ;; esac
  case $2 in '' | *[!A-Z]*) what="not a request method: $2"; return 2 ;; esac
  call "$2" "$target" || [ "$?" -eq 1 ] || return 2
  # Without the query: it may hold what {env:…} brought in.
  what="$2 $scheme://$authority${path%%\?*}"
  if [ "$status" = 000 ]; then
    what="$what: no answer"
    [ "$scheme" = http ] || what="$what, or its certificate is not trusted here"
    return 1
  fi
  what="$what answered $status"
  IFS=,
  for rule in $4; do
    code=${rule%% *} words=${rule#"${rule%% *}"}
    case $status:$answer in "$code:"*"${words# }"*) unset IFS; return 3 ;; esac
  done
  unset IFS
  case ,${SILKROLL_HTTP_DONE-},:$status in ,,:2?? | *",$status,"*:*) return 0 ;; esac
  case $status in
    404) what="$what (is this path exposed there?)"; return 2 ;;
    5??) return 1 ;;
    *) return 2 ;;
  esac
}
deregister_http() {
  [ -n "${SILKROLL_HTTP_URL-}" ] || { what='SILKROLL_HTTP_URL is not set'; return 2; }
  send "$SILKROLL_HTTP_URL" "${SILKROLL_HTTP_METHOD:-POST}" "${SILKROLL_HTTP_BODY-}" "${SILKROLL_HTTP_ABSENT-}"
  set -- "$?"
  case $1 in
    0) what="left: $what" ;;
    3) what="this pod is not registered, nothing to take out: $what" ;;
  esac
  return "$1"
}
reenable_http() {
  send_reenable "${SILKROLL_HTTP_START_BODY-}" || return
  [ -z "${SILKROLL_HTTP_START_THEN-}" ] || send_reenable "$SILKROLL_HTTP_START_THEN" || return
  what="back: $what"
}
send_reenable() { send "${SILKROLL_HTTP_START_URL-}" "${SILKROLL_HTTP_START_METHOD:-POST}" "$1" ''; }

# each_server VARIABLE PATH COMMAND: runs it for each base URL that the variable lists, in `server`, until one returns 0 or 3.
# A URL without a path gets PATH. The one that answered last comes first. Each may be silent: the first of several gets half of
# the time that is left at most, those behind it share the rest.
each_server() {
  eval "servers=\${$1-}"
  number=0 order=''
  IFS=,
  # shellcheck disable=SC2154 # just assigned
  for server in $servers; do
    server=${server#"${server%%[! ]*}"}
    server=${server%%[ ]*}
    [ -n "$server" ] || continue
    number=$((number + 1))
    if [ "$number" -eq "$sr_first" ]; then order=$number,$server,$order; else order=$order$number,$server,; fi
  done
  unset IFS
  sharing=$number most=$each worst=2 behind=''
  [ "$number" -gt 0 ] || what="$1 names no server"
  while [ -n "$order" ]; do
    number=${order%%,*} order=${order#*,}
    server=${order%%,*} order=${order#*,}
    case $server in *://*) ;; *) server=http://$server ;; esac
    url_text "${server%/}"
    server=$enc
    case ${server#*://} in */*) ;; *) server=$server$2 ;; esac
    if ! time_left; then worst=1 what=${what:-there is no time left to ask a server}; break; fi
    asked=$sr_now each=$((left / sharing))
    if [ "$number" -eq "$sr_first" ]; then each=$most
    elif [ -z "$behind" ] && [ "$sharing" -gt 1 ]; then each=$(((left + 1) / 2)); fi
    behind=yes sharing=$((sharing - 1))
    [ "$each" -gt 0 ] || each=1
    [ "$each" -le "$most" ] || each=$most
    "$3"
    rc=$?
    each=$most
    case $rc in
      # More than ten, which no annotation can name, would not go into the status that tells of it.
      0 | 3) sr_first=$number; [ "$number" -le 10 ] || sr_first=0; return "$rc" ;;
      1) worst=1 ;;
    esac
  done
  return "$worst"
}

ask() { # VERB PATH [BODY], of $server
  body=${3-}
  call "$1" "$server$2" && return
  case $? in 1) what="no answer from $server to $1 ${2%%\?*}"; return 1 ;; *) return 2 ;; esac
}

# An absence is believed only where $answer is whole: it begins an object, or what $2 names, ends with that, and closes every brace.
judge_absence() { # of the answer to $1
  begins=${2:-'{'} ends='}'
  [ "$begins" = '{' ] || ends=']'
  while case $answer in *[[:space:]]) ;; *) false ;; esac do answer=${answer%?}; done
  IFS='{'
  # shellcheck disable=SC2086 # to be split; globbing is off
  set -- "$1" ${answer}x
  opened=$# IFS='}'
  # shellcheck disable=SC2086
  set -- "$1" ${answer}x
  unset IFS
  case $answer in "$begins"*"$ends") [ "$#" -ne "$opened" ] || return 0; ! closes || return 0 ;; esac
  what="$server answered $status to the $1 with something else or a part"
  return 1
}

# Does $answer close every brace that it opens outside of its texts? Asked only where those inside do not match: bash takes two seconds
# and 60 MB for a thousand instances of Nacos. More has no answer.
closes() {
  [ "${#answer}" -le 500000 ] || return 1
  IFS='"'
  # shellcheck disable=SC2086 # to be split; globbing is off
  set -- ${answer}x
  unset IFS
  depth=0 inside=''
  for piece do
    if [ -n "$inside" ]; then
      # A backslash takes the quote behind it into the text, if it is not taken itself.
      while case $piece in *\\\\) ;; *) false ;; esac do piece=${piece%\\\\}; done
      case $piece in *\\) ;; *) inside='' ;; esac
      continue
    fi
    inside=yes
    while case $piece in *[{}]*) ;; *) false ;; esac do
      piece=${piece#"${piece%%[\{\}]*}"}
      case $piece in '{'*) depth=$((depth + 1)) ;; *) depth=$((depth - 1)) ;; esac
      piece=${piece#?}
    done
  done
  [ "$depth" -eq 0 ]
}

# An answer that tells that nobody is listed has a list, in $1 or $2: the page of an error has none.
judge_list() {
  case $answer in
    *"\"$1\":["* | *"\"$1\": ["* | *"\"$2\":["* | *"\"$2\": ["*) judge_absence list ;;
    *) what="$server answered $status to the list with something that is none"; return 1 ;;
  esac
}

# The answer to $1, is its status one of $2? An error of the server may pass, and another server may do better; one of ours will not.
judge() {
  case " $2 " in *" $status "*) return 0 ;; esac
  what="$server answered $status to the $1"
  case $status in 5??) return 1 ;; *) return 2 ;; esac
}

# Nacos: 1.x and 2.x answer under /v1; 3.x answers 410 there (3.2: 404) and has /v3/admin. The instance is disabled and not
# deleted, for its client would only register it again. A 200 proves nothing: the instance is read back.
deregister_nacos() { want=false; nacos_servers nacos_server; } # what `enabled` has to become
reenable_nacos() { want=true; nacos_servers nacos_server; }
listed_nacos() { nacos_servers nacos_listed; }

nacos_servers() { # COMMAND
  n_port=${SILKROLL_NACOS_PORT-}
  need_podip || return
  case ${SILKROLL_NACOS_SERVICE:+x}$n_port in x | [!x]* | x*[!0-9]*) what='SILKROLL_NACOS_SERVICE or SILKROLL_NACOS_PORT is not usable'; return 2 ;; esac
  component "$SILKROLL_NACOS_SERVICE"; n_service=$enc
  component "${SILKROLL_NACOS_GROUP:-DEFAULT_GROUP}"; n_group=$enc
  component "${SILKROLL_NACOS_NAMESPACE:-public}"; n_namespace=namespaceId=$enc
  component "${SILKROLL_NACOS_CLUSTER:-DEFAULT}"; n_scope="$n_namespace&clusterName=$enc"
  address_forms
  who="$podip:$n_port of $SILKROLL_NACOS_SERVICE"
  each_server SILKROLL_NACOS_SERVER /nacos "$1"
}

nacos_instance() { # ADDRESS
  component "$1"
  instance="serviceName=$n_service&groupName=$n_group&$n_scope&ip=$enc&port=$n_port"
}
# Unknown service, group, namespace or instance. A 404 without the registry's own words is a wrong address.
nacos_absent() { case $status:$answer in 400:*'not found'* | 404:*\"code\":2*) ;; *) false ;; esac }

nacos_server() {
  headers='' body='' api=v1
  nacos_login && nacos_read || return
  case $state:$want in
    gone:false) what="$who is not registered, nothing to switch off ($server, $api)"; return 3 ;;
    gone:true) what="$who is not registered yet ($server, $api)"; return 1 ;;
    "$want:$want") what="$who has enabled=$want already ($server, $api)"; return 0 ;;
  esac
  # Without its weight the server would set it to 1, and keep it there.
  change="ns/instance?$instance&enabled=$want&weight=$weight&ephemeral=$ephemeral"
  case $api in v1) ask PUT "/v1/$change" ;; *) ask PUT "/v3/admin/$change" ;; esac || return
  judge change 200 || return
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

nacos_login() {
  [ -n "${SILKROLL_NACOS_USERNAME-}" ] || return 0
  component "$SILKROLL_NACOS_USERNAME"; form=username=$enc
  component "${SILKROLL_NACOS_PASSWORD-}"; form="$form&password=$enc"
  headers="Content-Type: application/x-www-form-urlencoded$sr_nl"
  ask POST /v1/auth/login "$form" || return
  case $status in 404 | 410 | 501) ask POST /v3/auth/user/login "$form" || return ;; esac
  judge login 200 || return
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
    ask GET "/v1/ns/catalog/instances?serviceName=$n_group%40%40$n_service&$n_scope&pageNo=1&pageSize=10000" || return
    case $status:$answer in 404:*'is not found'*) return 0 ;; 404:* | 410:* | 501:*) api=v3 ;; esac
  fi
  if [ "$api" = v3 ]; then
    for ip in $forms; do
      nacos_instance "$ip"
      ask GET "/v3/admin/ns/instance?$instance" || return
      nacos_absent || break
    done
  fi
  ! nacos_absent || return 0
  judge read 200 || return
  # Cut at braces, an instance's own fields are in one piece and its metadata, which may hold the same words, in another.
  IFS='{'
  # shellcheck disable=SC2086 # to be split; globbing is off
  set -- $answer
  unset IFS
  for piece do
    case $piece in *"\"port\":$n_port,"*) ;; *) continue ;; esac
    is_here ip || continue
    case $piece in *'"enabled":true'*) state=true ;; *'"enabled":false'*) state=false ;; *) continue ;; esac
    case $piece in *'"ephemeral":false'*) ephemeral=false ;; esac
    nacos_instance "$ip"
    forms=$ip
    weight=${piece#*\"weight\":}
    weight=${weight%%[!0-9.E-]*}
    weight=${weight:-1}
    return
  done
  judge_absence read
}

# Of all the service's clusters, as callers read it. Both lists leave out what is disabled.
nacos_listed() {
  headers='' self='' others=''
  nacos_login || return
  ask GET "/v1/ns/instance/list?serviceName=$n_group%40%40$n_service&$n_namespace" || return
  case $status in 404 | 410 | 501)
    ask GET "/v3/client/ns/instance/list?serviceName=$n_service&groupName=$n_group&$n_namespace" || return ;;
  esac
  ! nacos_absent || return 0
  judge list 200 || return
  IFS='{'
  # shellcheck disable=SC2086 # to be split; globbing is off
  set -- $answer
  unset IFS
  n_found=''
  for piece do
    # Metadata may hold the same words, but only as texts.
    case $piece in *'"port":'[0-9]*)
      nacos_count
      [ -z "$self" ] || [ -z "$others" ] || break
      case $piece in *'"ip":"'*) n_found=others ;; esac
      case $piece in *"\"port\":$n_port,"*) ! is_here ip || n_found=self ;; esac ;;
    esac
    # Nacos 1.x has enabled and weight behind the metadata, in the next piece.
    case $piece in *'"enabled":false'* | *'"healthy":false'* | *'"weight":0'[,\}]* | *'"weight":0.0'[,\}]*) n_found='' ;; esac
  done
  nacos_count
  # So many are dead that all are listed as healthy, and which of them live is not told.
  case $answer in *'"reachProtectionThreshold":true'*) others= ;; esac
  [ -n "$others" ] || judge_list hosts data
}

nacos_count() { case $n_found in self) self=yes ;; others) others=yes ;; esac; n_found=''; }

# Eureka: an override and not DELETE, which the next heartbeat undoes. It sticks to the id for as long as an instance of that
# id is known. Lists come from a cache of up to 30 s; an instance's own page does not.
deregister_eureka() { eureka_servers eureka_deregister; }
reenable_eureka() { eureka_servers eureka_reenable; }
listed_eureka() { eureka_servers eureka_listed; }

eureka_servers() {
  [ -n "${SILKROLL_EUREKA_APP-}" ] || { what='SILKROLL_EUREKA_APP is not set'; return 2; }
  fill "${SILKROLL_EUREKA_INSTANCE-}" raw || return
  e_known=$filled
  component "$SILKROLL_EUREKA_APP"; e_app=$enc
  address_forms
  headers="Accept: application/json$sr_nl"
  if [ -n "${SILKROLL_EUREKA_USERNAME-}" ]; then
    base64_text "$SILKROLL_EUREKA_USERNAME:${SILKROLL_EUREKA_PASSWORD-}"
    headers="${headers}Authorization: Basic $enc$sr_nl"
  fi
  each_server SILKROLL_EUREKA_SERVER /eureka "$1"
}

eureka_deregister() {
  e_id=$e_known
  eureka PUT '/status?value=OUT_OF_SERVICE' || return
  if [ "$status" = 404 ]; then what="$e_who is not registered, nothing to switch off ($server)"; return 3; fi
  judge change 200 || return
  what="left as $e_id of $SILKROLL_EUREKA_APP ($server)"
}

eureka_reenable() {
  e_id=$e_known
  eureka GET '' || return
  if [ "$status" = 404 ]; then what="$e_who is not registered, nothing to switch on ($server)"; return 0; fi
  judge read 200 || return
  # A server forgets the override with the instance; one without it is new and must not be disturbed.
  case $answer in *'"overridden'[Ss]'tatus":"OUT_OF_SERVICE"'*) ;; *) judge_absence read || return; what="$e_id is not switched off ($server)"; return 0 ;; esac
  # Without a value: with UP it would be listed before the application is there. Its next heartbeat registers it as it is.
  component "$e_id"
  ask DELETE "/apps/$e_app/$enc/status" || return
  judge change '200 404' || return
  what="back as $e_id of $SILKROLL_EUREKA_APP ($server)"
}

# eureka VERB REST: asks for $e_id, or for the instance that the list has at our address where there is no such id.
eureka() {
  e_who="$e_id of $SILKROLL_EUREKA_APP"
  if [ -n "$e_id" ]; then
    component "$e_id"
    ask "$1" "/apps/$e_app/$enc$2" || return
    [ "$status" = 404 ] || return 0
  fi
  need_podip || return
  e_who="$podip${SILKROLL_EUREKA_PORT:+:$SILKROLL_EUREKA_PORT} of $SILKROLL_EUREKA_APP"
  ask GET "/apps/$e_app" || return
  [ "$status" != 404 ] || return 0
  judge list 200 || return
  eureka_find || return
  [ "$status" != 404 ] || return 0
  component "$e_id"
  ask "$1" "/apps/$e_app/$enc$2"
}

# Finds the only instance at $podip, and at the port where one is set, in the list $answer: `e_id`, or a status of 404.
eureka_find() {
  e_id='' count=0 here='' seen=''
  IFS='{'
  # Cut at braces, an instance's id and address are in one piece and the number of each of its ports begins the next ones.
  # shellcheck disable=SC2086 # to be split; globbing is off
  set -- $answer
  unset IFS
  for piece do
    case $piece in
      *'"instanceId":"'*)
        here='' seen=${piece#*'"instanceId":"'}
        seen=${seen%%'"'*}
        ! is_here ipAddr || here=$seen
        [ -n "${SILKROLL_EUREKA_PORT-}" ] || { [ -z "$here" ] || count=$((count + 1)) e_id=$here; } ;;
      "\"\$\":${SILKROLL_EUREKA_PORT:-none},"*'"@enabled":"true"'*)
        [ -z "$here" ] || count=$((count + 1)) e_id=$here here='' ;;
    esac
  done
  case $count in
    0) judge_absence list && status=404 ;;
    # The rest of a list that broke off may hold another one.
    1) judge_absence list ;;
    *) what="$count instances of $SILKROLL_EUREKA_APP are at $podip: which is this one needs a port ($server)"; return 2 ;;
  esac
}

# The server's answer comes from the cache that callers are served from.
eureka_listed() {
  self='' others='' up='' here=''
  need_podip || return
  who="${e_known:-$podip} of $SILKROLL_EUREKA_APP"
  ask GET "/apps/$e_app" || return
  [ "$status" != 404 ] || return 0
  judge list 200 || return
  IFS='{'
  # shellcheck disable=SC2086 # to be split; globbing is off
  set -- $answer
  unset IFS
  # Cut as for `eureka_find`: what is known of an instance is known where the next one begins.
  for piece do
    case $piece in
      *'"instanceId":"'*)
        eureka_count
        up='' here=''
        case $piece in *'"status":"UP"'*) up=yes ;; esac
        case $piece in
          *"\"instanceId\":\"$e_known\""*) here=yes ;;
          *) ! is_here ipAddr || here=${SILKROLL_EUREKA_PORT:-yes} ;;
        esac ;;
      "\"\$\":${here:-none},"*'"@enabled":"true"'*) here=yes ;;
    esac
  done
  eureka_count
  [ -n "$others" ] || judge_list instance instance
}
eureka_count() { case $up:$here in yes:yes) self=yes ;; yes:*) others=yes ;; esac; }

# Consul: where its service is deregistered, the agent has a page of it, and by its name there the list that it serves to callers.
# An id is the agent's own: another node's service may have the same.
listed_consul() {
  self='' others='' who='this container'
  page=${SILKROLL_HTTP_URL%/deregister/*}/${SILKROLL_HTTP_URL##*/deregister/}
  send "$page" GET '' "${SILKROLL_HTTP_ABSENT-}"
  set -- "$?"
  case $1 in 0) ;; 3) return 0 ;; *) return "$1" ;; esac
  server=$scheme://$authority piece=$answer
  text_field ID; c_id=$value
  text_field Service; component "$value"
  case $c_id:$enc in :* | *:) what="$server answered $status to the service with something else or a part"; return 1 ;; esac
  who="$c_id of $value"
  send "${SILKROLL_HTTP_URL%/agent/service/deregister/*}/health/service/$enc?passing" GET '' '' || return
  case $top in *[Ff]iltered-[Bb]y-[Aa][Cc][Ll]s:\ true*)
    what="$server hides nodes from this token, which needs the right to read them"; return 2 ;;
  esac
  IFS='{'
  # shellcheck disable=SC2086 # to be split; globbing is off
  set -- $answer
  unset IFS
  c_before=''
  for piece do
    # Metadata may hold all words.
    case $c_before in *'"Meta":' | *'"Meta": ') c_before=$piece; continue ;; esac
    c_before=$piece
    # Node and checks have ids, too, but name no service so.
    case $piece in *'"Service":"'* | *'"Service": "'*) ;; *) continue ;; esac
    text_field ID || continue
    if [ "$value" = "$c_id" ] && [ -z "$self" ]; then self=yes; else others=yes; fi
    case $self$others in yesyes) return 0 ;; esac
  done
  [ -n "$others" ] || judge_absence list '['
}

# The text of field $1 in $piece into `value`, as it is escaped there. An agent in development mode puts a space before it.
text_field() {
  value=
  case $piece in *"\"$1\":\""* | *"\"$1\": \""*) ;; *) return 1 ;; esac
  value=${piece#*"\"$1\":"}
  value=${value#*\"}
  value=${value%%\"*}
}

# What ends the server itself and then waits until it has gone. The watchdog ends the waiting.

deregister_nginx() {
  find_processes nginx
  if [ -r /proc/self/stat ] && [ -z "$found" ]; then what='no nginx runs here'; return 0; fi
  if bounded 3 own_command nginx -s quit; then
    [ -r /proc/self/stat ] || { say 'nginx: asked to quit; there is no /proc, so nobody sees when it has'; pause "$limit"; }
    await_end
    what='quit, and has ended'
  else
    [ -n "$found" ] || { what='nginx -s quit failed, and there is no /proc to find the process in'; return 2; }
    end_found QUIT
  fi
}

deregister_signal() {
  case ${SILKROLL_SIGNAL_NAME-} in '' | *[!A-Z0-9]*) what='SILKROLL_SIGNAL_NAME is not the name of a signal'; return 2 ;; esac
  [ -n "${SILKROLL_SIGNAL_PROCESS-}" ] || { what='SILKROLL_SIGNAL_PROCESS is not set'; return 2; }
  [ -r /proc/self/stat ] || { what='there is no /proc to find the process in'; return 2; }
  find_processes "$SILKROLL_SIGNAL_PROCESS"
  [ -n "$found" ] || { what="no process here is called $SILKROLL_SIGNAL_PROCESS, nothing to end"; return 0; }
  end_found "$SILKROLL_SIGNAL_NAME"
}

# Into `found`, the topmost processes of the name $1: a parent of that name ends its children. Never the hook's own
# processes, those above it and those below it.
find_processes() {
  p_name=$1 found='' above=" $$ " pid=$$
  while stat_of "$pid" && [ "$parent" -gt 0 ]; do pid=$parent above="$above$pid "; done
  set +f
  set -- /proc/[0-9]*
  set -f
  for proc do
    pid=${proc#/proc/}
    case $above in *" $pid "*) continue ;; esac
    is_named "$pid" || continue
    up=$parent
    ! is_named "$up" || continue
    while [ "$up" -gt 0 ] && [ "$up" -ne $$ ] && stat_of "$up"; do up=$parent; done
    [ "$up" -eq $$ ] || found="$found $pid"
  done
}

# The `comm` and the `parent` of process $1, which has not ended: a zombie has. A name may hold whatever it likes, newlines too.
stat_of() {
  line=''
  { while IFS= read -r part; do line=$line$part$sr_nl; done <"/proc/$1/stat"; } 2>/dev/null || return
  [ -n "$line" ] || return
  comm=${line#*\(} line=${line##*\) }
  comm=${comm%)*} parent=${line#* }
  parent=${parent%% *}
  case $line in [ZX]*) return 1 ;; esac
}

# Is $p_name the name of process $1: as the kernel has it, or of its program, or of the script that an interpreter runs?
is_named() {
  stat_of "$1" || return
  [ "$comm" != "$p_name" ] || return 0
  line=
  { IFS= read -r line <"/proc/$1/cmdline"; } 2>/dev/null
  case $line in *"$p_name"*) ;; *) return 1 ;; esac
  # The shell drops the zeros between the arguments. Without tr only titles as in `php-fpm: master process` are understood.
  args=$(tr '\000' '\n' <"/proc/$1/cmdline" 2>/dev/null) || args=$line
  IFS=$sr_nl
  # shellcheck disable=SC2086 # to be split; globbing is off
  set -- $args
  unset IFS
  program=${1%%: *}
  program=${program##*/}
  case $program in
    "$p_name") return 0 ;;
    sh | ash | dash | bash | ksh | busybox | python* | perl* | ruby* | node | nodejs | php* | java) ;;
    *) return 1 ;;
  esac
  script=${2-}
  [ "${script##*/}" = "$p_name" ]
}

end_found() { # SIGNAL
  for pid in $found; do
    kill -s "$1" "$pid" || ! stat_of "$pid" || { what="the signal $1 to process $pid ($comm) was refused"; return 2; }
  done
  await_end
  what="$1 to process$found, which has ended"
}
await_end() { for pid in $found; do while stat_of "$pid"; do pause 1; done; done; }

# ---- connections

# Waits until no client holds a connection, at most $1 seconds. Its ports are those of SILKROLL_IDLE_PORTS, or all that
# are listened on.
await_idle() {
  exec >/dev/null 2>&1 </dev/null
  LC_ALL=C limit=$1 ports='' more='' at_most=", $1 s at most"
  IFS=,
  for port in ${SILKROLL_IDLE_PORTS-}; do
    case $port in '' | *[!0-9]*) ;; *) ports="$ports $(printf '%04X' "$port") " ;; esac
  done
  unset IFS
  clock
  begun=$sr_now deadline=$((sr_now + limit * 100))
  while :; do
    clock
    looked=$sr_now
    count_connections || { say 'idle: not waited for: /proc/net/tcp cannot be read here, or there is no cat'; return 0; }
    elapsed "$begun"
    if [ "$count" -eq 0 ]; then say "idle: no client holds a connection$more$took"; return 0; fi
    address "$peer"
    if ! time_left; then say "idle: clients still hold connections: $count, one from $enc; going on$took"; return 0; fi
    [ -n "$more" ] || say "idle: clients hold connections: $count, one from $enc; waiting for their end$at_most"
    more=' any more'
    # A look at thousands takes a while: it may have a fifth of the time.
    sr_nap=$((1 + (sr_now - looked) / 25))
    [ "$sr_nap" -le "$left" ] || sr_nap=$left
    pause "$sr_nap"
  done
}

# Into `count`, the connections to $ports that are established and do not come from loopback, and into `peer` the address of one.
# As Linux prints them, least significant byte first; listeners come before connections, and ::ffff: stands before what came by
# IPv4. The table is cut at once: reading 10,000 lines one by one takes dash 2 s and bash a minute.
count_connections() {
  table=$(exec 3>&-; cat /proc/net/tcp /proc/net/tcp6)
  case $table in *local_address*) ;; *) return 1 ;; esac
  count=0 peer='' heard=''
  IFS=$sr_nl
  # shellcheck disable=SC2086 # to be split; globbing is off
  set -- $table
  unset IFS
  for line do
    case $line in *' 01 '* | *' 0A '*) ;; *) continue ;; esac
    line=${line#*: }
    port=${line%% *} line=${line#* }
    from=${line%%:*} line=${line#* }
    port=${port#*:}
    case ${line%% *}:$from in
      0A:*) heard="$heard $port "; continue ;;
      01:??????7F | 01:0000000000000000FFFF0000??????7F | 01:00000000000000000000000001000000) continue ;;
      01:*) ;;
      *) continue ;;
    esac
    case ${ports:-$heard} in *" $port "*) count=$((count + 1)) peer=$from ;; esac
  done
}

# The address $1 of /proc/net/tcp as people write it, in `enc`.
address() {
  enc='' todo=${1#0000000000000000FFFF0000} form='%x:%x'
  [ "${#todo}" -gt 8 ] || form='%d.%d.%d.%d'
  while [ -n "$todo" ]; do
    a=${todo%"${todo#??}"} todo=${todo#??}
    b=${todo%"${todo#??}"} todo=${todo#??}
    c=${todo%"${todo#??}"} todo=${todo#??}
    d=${todo%"${todo#??}"} todo=${todo#??}
    # shellcheck disable=SC2059 # one of two
    case $form in %d*) enc=$(printf "$form" "0x$d" "0x$c" "0x$b" "0x$a") ;;
    *) enc=$enc${enc:+:}$(printf "$form" "0x$d$c" "0x$b$a") ;; esac
  done
}

# ---- the steps

# Is there anything to do for $1: deregister, reenable or registered? Sets sr_method for the log, sr_way and `podip`.
wanted() {
  podip=${podip-} sr_method=${SILKROLL_METHOD:-none}
  case $sr_method in
    none) return 1 ;;
    *[!a-z]*) say 'SILKROLL_METHOD is not the name of a way of leaving'; return 1 ;;
    nacos | eureka | nginx | signal) sr_way=$sr_method ;;
    *) sr_way=http ;;
  esac
  [ "$1" != reenable ] || reenables || return 1
  case ${SILKROLL_IF_ENV-} in
    '') return 0 ;;
    [0-9]* | *[!A-Za-z0-9_]*) say "$sr_method: not done: SILKROLL_IF_ENV is not a variable's name"; return 1 ;;
  esac
  eval "[ -n \"\${$SILKROLL_IF_ENV-}\" ]" && return 0
  [ "$1" != deregister ] || say "$sr_method: $SILKROLL_IF_ENV is not set here, nothing to leave"
  return 1
}

# Does leaving switch something off that a start has to switch on?
reenables() {
  case $sr_way in http) [ -n "${SILKROLL_HTTP_START_URL-}" ] ;; *) have "reenable_$sr_way" ;; esac
}

# Calls may take so many seconds from now on. `tools` has been looked for, or is empty.
begin() {
  LC_ALL=C limit=$1 each=$1 insecure='' what='' self='' others=''
  clock
  begun=$sr_now asked=$sr_now deadline=$((sr_now + limit * 100))
}

# keep_trying deregister|reenable SECONDS: until it is done, cannot be, or the time is over. With $sr_once: a single time.
keep_trying() {
  begin "$2"
  # One dead server of several must leave time for the others; 3 s, for a node may forward and wait 2 s itself.
  case $1:${SILKROLL_NACOS_SERVER-}${SILKROLL_EUREKA_SERVER-} in reenable:* | *,*) each=3 ;; esac
  while :; do
    "$1_$sr_way"
    rc=$?
    elapsed "$begun"
    if [ "$rc" -eq 0 ] || { [ "$rc" -eq 3 ] && [ -z "$sr_once" ]; }; then
      [ -z "$what" ] || say "$sr_method: $what$took"
      return "$rc"
    fi
    if [ "$rc" -eq 2 ] || [ -n "$sr_once" ] || ! time_to_pause; then break; fi
    pause "$sr_between"
  done
  [ -n "$sr_once" ] || say "$sr_method: not done: $what$took"
  return "$rc"
}

# What marks the way back of this container among all processes seen in /proc, those of other containers and pods perhaps.
reenable_mark() {
  (LC_ALL=C; component "${SILKROLL_POD_NAMESPACE-}/${SILKROLL_POD_NAME-}/${podip-}/${SILKROLL_CONTAINER-}/${SILKROLL_METHOD-}"; printf '%s' "silkroll-reenable=$enc=")
}

# Whose $where in /proc has $mark, for a grep that reads on behind a NUL; not told by its own command line, which would be found.
marked() {
  exec 3>&-
  set +f
  # shellcheck disable=SC2062 # names of files
  printf '%s' "$mark" | grep -lszF -f - /proc/[0-9]*/"$where"
}

# Ends a way back that is still trying: it must not undo the leaving. Its requests are processes of their own, known by
# their environment; reading every environment is slow, so that is done only where a command line showed the shell.
end_reenable() {
  mark=$(reenable_mark) where=cmdline grep=
  # A shell reads a byte at a time, seconds for a long command line.
  if printf 'a\0b\0' | grep -qzx b; then grep=yes; fi
  for _ in 1 2 3; do
    found=
    if [ -n "$grep" ]; then
      for proc in $(marked); do
        proc=${proc#/proc/}
        ! kill -9 "${proc%%/*}" || found=yes
      done
    else
      set +f
      for proc in /proc/[0-9]*; do
        # bash leaves the variable as it was where reading fails, as it does when the process has just ended.
        while line=; IFS= read -r line || [ -n "$line" ]; do
          case $line in *"$mark"*) kill -9 "${proc#/proc/}" && found=yes && break ;; esac
        done <"$proc/$where"
      done
      set -f
    fi 2>/dev/null
    [ -n "$found" ] || break
    where=environ
  done
  [ "$where" = environ ]
}

# Redirected in here: beside the function's call, the shell would keep copies of the hook's output for afterwards, in
# children too, and the kubelet would wait for those that outlive the bound.
deregister() {
  exec >/dev/null 2>&1 </dev/null
  # Where a way back was still trying, its last request may be on its way: let that come first.
  clock
  sr_begun=$sr_now sr_met='' sr_rest=$1
  if reenables && end_reenable; then sr_met=yes; pause 1; fi
  # Deregistering takes a second, and 3 s where a node forwards. Less time than twice that is not for waiting.
  sr_wait=$(($1 - 3)) tools=''
  clock
  if [ "$sr_now" -eq 0 ]; then [ -z "$sr_met" ] || sr_wait=$((sr_wait - 1))
  elif [ "$sr_now" -ge "$sr_begun" ]; then sr_wait=$((sr_wait - (sr_now - sr_begun + 50) / 100)); fi
  if [ "${SILKROLL_LAST_INSTANCE-}" != leave ] && have "listed_$sr_method" && [ "$sr_wait" -ge 3 ]; then
    # Once for both, for it takes a busy node a second.
    find_tools
    # With a clock it ends by itself, and only then says which server answered. Its last request may take a second more.
    sr_most=$sr_wait
    [ "$sr_now" -eq 0 ] || sr_most=$((sr_wait + 1))
    bounded "$sr_most" await_other "$sr_wait"
    sr_status=$?
    case $sr_over:$sr_status in
      1:*) say "$sr_method: no other instance was seen within $sr_wait s, leaving all the same" ;;
      0:1? | 0:2[01]) sr_first=$((sr_status - 10)) ;;
      *) say "$sr_method: whether this is the last instance cannot be read: the hook failed with status $sr_status" ;;
    esac
    clock
    # Not more than there was, whatever somebody sets the clock to.
    if [ "$sr_now" -ge "$sr_begun" ]; then sr_rest=$(($1 - (sr_now - sr_begun) / 100)); fi
    [ "$sr_rest" -gt 0 ] || sr_rest=1
  fi
  keep_trying deregister "$sr_rest"
  sr_status=$?
  case $sr_status$sr_met in 0yes | 3yes) sr_status=4 ;; 1* | 2*) sr_status=5 ;; esac
  # Which server answered stands before it.
  return $((sr_first * 10 + sr_status))
}

# Without the last usable instance the list that callers go by is empty: another one is waited for, and where there is no clock the
# watchdog ends that. What cannot be read holds up nothing. Two last ones that stop at one moment see each other, and neither waits.
# Its status is 10 and the number of the server that answered.
await_other() { # SECONDS
  watch_list "$1"
  return $((10 + sr_first))
}
watch_list() {
  begin "$1"
  # A registry that hangs must leave time to deregister.
  [ "$each" -le 3 ] || each=3
  "listed_$sr_method" || { say "$sr_method: whether this is the last instance cannot be read: $what"; return 0; }
  [ -n "$self" ] && [ -z "$others" ] || return 0
  # How long that server took is what each of the calls takes that deregister: up to five, of which there is time for two seconds.
  clock
  sr_slow=$(((sr_now - asked) * 5 - 200))
  [ "$sr_slow" -le 0 ] || deadline=$((deadline - sr_slow))
  if ! time_left; then say "$sr_method: $who is the last usable instance, and there is no time to wait for another one"; return 0; fi
  sr_most=$left
  say "$sr_method: $who is the last usable instance, waiting at most $sr_most s for another one"
  while time_to_pause 99 && pause 1 && time_left; do
    "listed_$sr_method" || continue
    elapsed "$begun"
    [ -z "$others" ] || { say "$sr_method: another instance is listed$took"; return 0; }
    [ -n "$self" ] || return 0
  done
  say "$sr_method: no other instance was seen within $sr_most s, leaving all the same"
}

# Its own process with its own name, so that a later stop finds it.
reenable() { # once|loop
  for sr_sh in sh bash ash dash /bin/sh; do ! have "$sr_sh" || break; done
  SILKROLL_REENABLE=$sr_mark exec "$sr_sh" "$sr_script" reenable "$1" "$sr_mark"
}

# The user's own hook; the last thing done, its status is the hook's.
own() {
  sr_kind=${1-}
  [ "$#" -eq 0 ] || shift
  case $sr_kind in
    exec)
      have "${1-}" || say "own hook: ${1-} is not there, or cannot be run"
      seconds SILKROLL_OWN_SECONDS 0
      if [ "$sr_n" -eq 0 ]; then exec "$@" 3>&-; fi
      bounded "$sr_n" own_logged "$@"
      sr_status=$?
      [ "$sr_over" -eq 0 ] || say "own hook: not ended within $sr_n s"
      return "$sr_status" ;;
    http)
      seconds SILKROLL_OWN_SECONDS 0
      bounded "$sr_n" own_request "$@" ;;
    *) return 0 ;;
  esac
}
own_command() { exec "$@" 3>&-; }
# A child that outlives the bound must not hold the hook's own output open: the kubelet would wait for it.
own_logged() {
  [ -n "$sr_own_log" ] || exec 3>/dev/null
  exec "$@" >&3 2>&1 3>&-
}

# As the kubelet does it: GET, any status will do, certificates are not looked at.
own_request() { # SCHEME HOST PORT PATH [HEADER…]
  [ "$#" -ge 4 ] || return 0
  LC_ALL=C sr_method='own hook' insecure=yes body='' headers='' tools=''
  case $1 in [Hh][Tt][Tt][Pp][Ss]) target=https ;; *) target=http ;; esac
  base=${2:-${podip-}}
  case $base in \[*) ;; *:*) base="[$base]" ;; esac
  url_text "$target://$base:$3/${4#/}"
  target=$enc
  shift 4
  for line do
    add_header "$line"
  done
  # The kubelet knows no bound but the grace period either.
  seconds SILKROLL_OWN_SECONDS 0
  [ "$sr_n" -ne 0 ] || sr_n=3600
  limit=$sr_n each=$sr_n
  clock
  begun=$sr_now deadline=$((sr_now + limit * 100))
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

deregister_bounded() { # SECONDS
  wanted deregister || return 0
  bounded "$1" deregister "$1"
  sr_status=$?
  if [ "$sr_over" -eq 1 ]; then say "$sr_method: not done within $1 s, going on"; return 0; fi
  case $sr_method:$sr_status in
    *:1[2-9]? | *:2?? | *[!0345]) say "$sr_method: not done: the hook failed with status $sr_status"; return 0 ;;
    # Clients of Consul may register again at a heartbeat that finds nothing, so that as long as they run no success is the last.
    consul:*[03]) sr_absent=yes sr_doubt=3600 ;;
    *3) sr_absent=yes ;;
    *4) sr_absent=yes sr_doubt=6 ;;
  esac
  sr_first=$((sr_status / 10))
}

# An app that is told to stop while it still starts registers in the middle of the drain: it is looked for every 3 s, and
# taken out when it is there. Takes what that takes from $sr_drain.
# Where a way back was ended, too: a node may forward its last request for 2 s, so that for $sr_doubt s no success is the last.
watch_for_it() {
  clock
  [ "$sr_now" -gt 0 ] || return 0
  sr_until=$((sr_now + sr_drain * 100)) sr_sure=$((sr_now + sr_doubt * 100))
  while [ "$sr_drain" -gt 5 ]; do
    sleep 3 3>&-
    ! bounded 2 look_again || sr_absent=
    clock
    sr_rest=$(((sr_until - sr_now + 99) / 100))
    # Not longer than without looking, whatever somebody sets the clock to.
    sr_drain=$((sr_drain - 3))
    [ "$sr_rest" -gt "$sr_drain" ] || sr_drain=$sr_rest
    [ -n "$sr_absent" ] || [ "$sr_now" -lt "$sr_sure" ] || return 0
  done
}
look_again() {
  exec >/dev/null 2>&1 </dev/null
  sr_once=yes tools=''
  keep_trying deregister 2
}

stop() {
  sr_absent='' sr_doubt=0
  seconds SILKROLL_DEREGISTER_SECONDS 10
  sr_limit=$sr_n
  [ "$sr_limit" -gt 0 ] || sr_limit=10
  # What ends the server itself comes after the drain: callers that have not forgotten it are to be answered.
  case ${SILKROLL_METHOD-} in nginx | signal) sr_late=yes ;; *) sr_late=''; deregister_bounded "$sr_limit" ;; esac
  seconds SILKROLL_DRAIN_SECONDS 15
  sr_drain=$sr_n
  case ${1-} in sleep) sr_n=${2-}; seconds sr_n 0; sr_drain=$((sr_drain + sr_n)) ;; esac
  if [ "$sr_drain" -gt 0 ]; then
    say "drain: $sr_drain s for callers to forget this pod"
    [ -z "$sr_absent" ] || watch_for_it
    [ "$sr_drain" -le 0 ] || sleep "$sr_drain" 3>&-
  fi
  seconds SILKROLL_IDLE_SECONDS 0
  if [ "$sr_n" -gt 0 ]; then
    sr_idle=$sr_n
    # It gives up by itself, and says what remains; a second for the last look.
    bounded $((sr_idle + 1)) await_idle "$sr_idle"
    [ "$sr_over" -eq 0 ] || say "idle: it could not be seen within $sr_idle s that no client holds a connection; going on"
  fi
  if [ -n "$sr_late" ]; then
    seconds SILKROLL_WAIT_SECONDS "$sr_limit"
    [ "$sr_n" -eq 0 ] || deregister_bounded "$sr_n"
  fi
  own "$@"
}

start() {
  wanted reenable || return 0
  sr_mark=$(reenable_mark)
  bounded 3 reenable once
  sr_status=$?
  # Killed before its bound, it was ended by a stop, which has the last word.
  case $sr_status:$sr_over in 0:* | 137:0) return 0 ;; esac
  # Only where a later stop can find it may it go on alone.
  [ -r /proc/self/cmdline ] || return 0
  reenable loop >/dev/null 2>&1 </dev/null 3>&- &
}

# Whole seconds since PID 1 began, in `age`. From what the kernel says of it and of this shell: where a container has a clock of its
# own, these are still of one. Its unit is a hundredth on all that Linux runs containers on. Fails where nothing is said: a kernel that
# is played by a program may have zeros there.
age() {
  began_at 1 && [ "$began" -gt 0 ] || return
  first=$began
  began_at $$ && [ "$began" -ge "$first" ] && age=$(((began - first) / 100))
}
began_at() {
  stat_of "$1" || return
  # shellcheck disable=SC2086 # to be split; globbing is off
  set -- $line
  [ "$#" -ge 20 ] && began=${20}
}

# Never keeps a container from serving: where the registry cannot be asked, or the bound cannot be known, this is as good as listed.
registered() {
  wanted registered && have "listed_$sr_method" || return 0
  seconds SILKROLL_READY_SECONDS 120
  age || { say "$sr_method: ready: without /proc nothing tells how long this container waits"; return 0; }
  if [ "$age" -ge "$sr_n" ]; then say "$sr_method: ready: this pod was not listed within $sr_n s"; return 0; fi
  bounded 5 find_self 4
  sr_status=$?
  case $sr_over:$sr_status in
    1:*) say "$sr_method: ready: the list could not be read within 5 s"; return 0 ;;
    0:0) return 0 ;;
    0:3) ;;
    *) say "$sr_method: ready: the list cannot be read: the hook failed with status $sr_status"; return 0 ;;
  esac
  echo "$sr_method: this pod is not in the list that callers go by"
  return 1
}
# 3: the list was read, and this container is not in it. A registry that is away for a moment is asked again.
find_self() { # SECONDS
  exec >/dev/null 2>&1 </dev/null
  tools=''
  begin "$1"
  [ "$each" -le 3 ] || each=3
  while :; do
    "listed_$sr_method"
    rc=$?
    [ -z "$self" ] || { say "$sr_method: ready: $who is listed"; return 0; }
    [ "$rc" -ne 0 ] || return 3
    if [ "$rc" -eq 2 ] || ! time_to_pause; then break; fi
    pause 1
  done
  say "$sr_method: ready: the list cannot be read: $what"
}

open_log
sr_script=$0
sr_do=${1-}
[ "$#" -eq 0 ] || shift
case $sr_do in
  stop)
    # Without it no wait is one, and a hook that seems to have worked is the worst of all.
    have sleep || { echo 'silkroll: this image has no sleep in its PATH or where it usually is: no time for callers to forget this pod' >&2; exit 1; }
    stop "$@" ;;
  start) start; exit 0 ;;
  own)
    # A postStart, which the bound of the preStop hook is not for.
    # shellcheck disable=SC2034 # is read by its name
    SILKROLL_OWN_SECONDS=0
    own "$@" ;;
  registered) registered ;;
  reenable)
    wanted reenable || exit 0
    tools=''
    case ${1-} in
      once) sr_once=yes; keep_trying reenable 3 ;;
      *) seconds SILKROLL_HTTP_START_SECONDS 120
        sr_between=2
        bounded $((sr_n + 5)) keep_trying reenable "$sr_n" ;;
    esac ;;
  *) echo "usage: $0 stop|start|own|registered [exec CMD ARG… | http SCHEME HOST PORT PATH [HEADER…] | sleep N]" >&2; exit 2 ;;
esac
