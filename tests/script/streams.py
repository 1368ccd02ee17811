"""Clients that hold connections: each argument is SERVER,PORT,CLIENT,SECONDS[,COUNT]. SERVER listens for it, and CLIENT, by its
address, holds COUNT connections for so many seconds from the moment on that $READY is there. 0 seconds: it has gone by then,
and the server has not noticed."""
import os
import resource
import socket
import sys
import time

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
listeners, held = {}, []


def listener(server, port):
    if (server, port) not in listeners:
        made = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind((server, port))
        made.listen(128)
        listeners[server, port] = made
    return listeners[server, port]


for stream in sys.argv[1:]:
    server, port, client, seconds, count = (stream + ",1").split(",")[:5]
    for _ in range(int(count)):
        listening = listener(server, int(port))
        made = socket.socket(socket.AF_INET6 if ":" in client else socket.AF_INET)
        made.bind((client, 0))
        # A server of every address is reached at the client's own.
        made.connect((client if server == "::" else server, int(port)))
        held.append((float(seconds), made, listening.accept()[0]))

for seconds, made, served in held:
    if seconds == 0:
        made.close()
begun = time.monotonic()
os.close(os.open(os.environ["READY"], os.O_CREAT | os.O_WRONLY))
for seconds, made, served in sorted(held, key=lambda each: each[0]):
    if seconds > 0:
        time.sleep(max(0, begun + seconds - time.monotonic()))
        made.close()
        served.close()
time.sleep(3600)
