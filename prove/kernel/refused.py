#!/usr/bin/env python3
"""Shows that an nftables commit can refuse a connection that it has nothing to do with.

Two network namespaces stand for a pod and its node. The node has the rules that kube-proxy writes for one Service
in nftables mode: a chain whose one rule picks an endpoint from an anonymous map, and behind it the chain that
rejects what is still addressed to a ClusterIP. The pod connects to the Service over and over, one connection after
the other, while that chain is written again and again, as kube-proxy does when an endpoint comes or goes. All
endpoints listen throughout, so no connection may fail or have to wait.

Arms, each with connections of its own:
  idle    nothing is written
  other   the chain of another Service is written: the same transactions, not the rule in question
  rules   the Service's chain is written, its endpoints as a rule each, without a map
  map     the Service's chain is written as kube-proxy writes it
  local   the same, and the node itself connects: what is rejected is seldom seen by the caller, who sends its SYN
          again after a second

"late" are connections that took 0.9 s or longer.

    sudo python3 prove/kernel/refused.py [SECONDS of each arm, 60 if not said] [ARM ...]

Needs Linux, root, `ip` (iproute2) and `nft` (nftables). Everything is in namespaces of its own and taken away after.
"""

import collections
import errno
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

NODE, POD = f"silkroll-node-{os.getpid()}", f"silkroll-pod-{os.getpid()}"
SERVICE = ("10.96.0.10", 80)
ENDPOINTS = [f"10.1.0.{last}" for last in (1, 2, 3)]
PORT = 8080
# One connection after the other leaves a processor idle in between; two keep two busy.
CLIENTS = 2


def choice(endpoints, by_map):
    """The rules that pick one of the endpoints."""
    head = "meta l4proto tcp"
    if by_map:
        places = ", ".join(f"{n} : {ip} . {PORT}" for n, ip in enumerate(endpoints))
        return [f"{head} dnat ip addr . port to numgen random mod {len(endpoints)} map {{ {places} }}"]
    rules = [
        f"{head} numgen random mod {len(endpoints) - n} 0 dnat to {ip}:{PORT}"
        for n, ip in enumerate(endpoints[:-1])
    ]
    return [*rules, f"{head} dnat to {endpoints[-1]}:{PORT}"]


def rules(by_map):
    """The node's table: what kube-proxy writes for one Service, and a second chain like its own."""
    chosen = "\n".join(choice(ENDPOINTS, by_map))
    return f"""
table ip kube-proxy {{
  set cluster-ips {{ type ipv4_addr; elements = {{ {SERVICE[0]} }}; }}
  map service-ips {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  chain service {{ {chosen}
  }}
  chain other {{ {chosen}
  }}
  chain services {{ ip daddr . meta l4proto . th dport vmap @service-ips
  }}
  chain cluster-ips-check {{ ip daddr @cluster-ips counter reject comment "addressed to a ClusterIP still"
  }}
  chain nat-prerouting {{ type nat hook prerouting priority -100; jump services
  }}
  chain nat-output {{ type nat hook output priority -100; jump services
  }}
  chain filter-input {{ type filter hook input priority -110; ct state new jump cluster-ips-check
  }}
  chain filter-forward {{ type filter hook forward priority -110; ct state new jump cluster-ips-check
  }}
  chain filter-output {{ type filter hook output priority -90; ct state new jump cluster-ips-check
  }}
}}
add element ip kube-proxy service-ips {{ {SERVICE[0]} . tcp . {SERVICE[1]} : goto service }}
"""


def within(namespace, *command, **how):
    return subprocess.run(["ip", "netns", "exec", namespace, *command], check=True, text=True, **how)


def enter(namespace):
    """Puts this process into a namespace: setns(2), by libc, for Python has it from 3.12 on only."""
    import ctypes

    with open(f"/run/netns/{namespace}", encoding="ascii") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"entering the namespace {namespace}")


def child(namespace, work):
    """Does the work in a process of its own in the namespace; what it returns is read from the pipe."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    status = 1
    try:
        os.close(read)
        enter(namespace)
        os.write(write, json.dumps(work()).encode())
        status = 0
    finally:
        os._exit(status)


def ended(pid, read):
    with os.fdopen(read) as pipe:
        told = pipe.read()
    if os.waitpid(pid, 0)[1]:
        sys.exit("a process of the measurement failed")
    return json.loads(told)


def listeners():
    """Sockets that listen on all endpoints, made before anybody connects."""
    made = []
    for ip in ENDPOINTS:
        listener = socket.create_server((ip, PORT), backlog=4096)
        listener.setblocking(False)
        made.append(listener)
    return made


def serve(sockets):
    while True:
        for ready in select.select(sockets, [], [])[0]:
            try:
                while True:
                    ready.accept()[0].close()
            except OSError:
                pass  # none left, or one that its caller has reset


def connect(seconds):
    """Connects over and over; how each connection ended, by its name."""
    ends = collections.Counter()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as client:
            client.setblocking(False)
            # Reset instead of closed: no port waits, so that none is used up.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            begun = time.monotonic()
            failed = client.connect_ex(SERVICE)
            if failed == errno.EINPROGRESS:
                if not select.select([], [client], [], 5)[1]:
                    failed = errno.ETIMEDOUT
                else:
                    failed = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            ends[errno.errorcode[failed] if failed else "connected"] += 1
            # A SYN that is not answered is sent again after a second.
            ends["late"] += time.monotonic() - begun >= 0.9
    return ends


def commit(seconds, chain, by_map):
    """Writes the chain over and over, with two endpoints and with three by turns; how often."""
    done = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        lines = [f"add rule ip kube-proxy {chain} {rule}" for rule in choice(ENDPOINTS[: 2 + done % 2], by_map)]
        text = "\n".join([f"flush chain ip kube-proxy {chain}", *lines, ""])
        subprocess.run(["nft", "-f", "-"], input=text, check=True, text=True)
        done += 1
    return done


def arm(name, seconds):
    """Runs one arm: how connections ended, transactions, and packets that the last chain rejected."""
    for namespace in (NODE, POD):
        subprocess.run(["ip", "netns", "add", namespace], check=True)
    try:
        subprocess.run(
            ["ip", "link", "add", "pod", "netns", NODE, "type", "veth", "peer", "name", "eth0", "netns", POD],
            check=True,
        )
        for address in ENDPOINTS:
            within(NODE, "ip", "address", "add", f"{address}/32", "dev", "lo")
        within(NODE, "ip", "address", "add", "10.9.0.1/24", "dev", "pod")
        within(POD, "ip", "address", "add", "10.9.0.2/24", "dev", "eth0")
        for namespace, link in ((NODE, "lo"), (NODE, "pod"), (POD, "eth0")):
            within(namespace, "ip", "link", "set", link, "up")
        within(POD, "ip", "route", "add", "default", "via", "10.9.0.1")
        within(NODE, "ip", "route", "add", "10.96.0.0/16", "dev", "lo")
        # What is not for the node itself is forwarded, as on any node: else it would be dropped before it is rejected.
        within(NODE, "sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1")
        within(NODE, "nft", "-f", "-", input=rules(name != "rules"))

        ready, told = os.pipe()
        server = os.fork()
        if not server:
            enter(NODE)
            sockets = listeners()
            os.write(told, b"x")
            serve(sockets)
        os.read(ready, 1)
        try:
            caller = NODE if name == "local" else POD
            clients = [child(caller, lambda: connect(seconds)) for _ in range(CLIENTS)]
            chain = {"idle": None, "other": "other"}.get(name, "service")
            writer = chain and child(NODE, lambda: commit(seconds, chain, name != "rules"))
            ends = sum((collections.Counter(ended(*client)) for client in clients), collections.Counter())
            commits = ended(*writer) if writer else 0
        finally:
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)
        listed = within(NODE, "nft", "list", "chain", "ip", "kube-proxy", "cluster-ips-check", stdout=subprocess.PIPE)
        return ends, commits, int(re.search(r"counter packets (\d+)", listed.stdout)[1])
    finally:
        for namespace in (NODE, POD):
            subprocess.run(["ip", "netns", "delete", namespace], check=False)


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    arms = sys.argv[2:] or ["idle", "other", "rules", "map", "local"]
    print(f"Linux {os.uname().release}, {os.cpu_count()} processors, {seconds:g} s for each arm", flush=True)
    print(f"{'arm':6} {'connections':>11} {'commits':>8} {'refused':>8} {'late':>6} {'rejected packets':>17}  other ends")
    for name in arms:
        ends, commits, rejected = arm(name, seconds)
        others = {end: count for end, count in ends.items() if end not in ("connected", "ECONNREFUSED", "late")}
        late = ends.pop("late", 0)
        total, refused = sum(ends.values()), ends["ECONNREFUSED"]
        print(
            f"{name:6} {total:11,} {commits:8,} {refused:8,} {late:6,} {rejected:17,}  {others or 'none'}", flush=True
        )


if __name__ == "__main__":
    main()
