"""A slow link: a relay that lets so many bytes a second through, each way, and holds little of what waits, in the kernel
neither. Arguments: the server's port, and the bytes a second. Prints its own port."""

import asyncio
import socket
import sys

TICK_SECONDS = 0.01
# What a connection holds of each direction at most.
HELD_BYTES = 64 * 1024


async def throttle(source, sink, rate):
    loop = asyncio.get_running_loop()
    try:
        while True:
            begin = loop.time()
            data = await loop.sock_recv(source, max(1, int(rate * TICK_SECONDS)))
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(sink, data)
            await asyncio.sleep(max(0, begin + len(data) / rate - loop.time()))
    except OSError:
        source.close()
        sink.close()


def small(family):
    """A socket for which the kernel holds little of what was not read yet."""
    held = socket.socket(family, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD_BYTES // 2)
    held.setblocking(False)
    return held


async def main(port, rate):
    loop = asyncio.get_running_loop()
    listener = small(socket.AF_INET)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(listener.getsockname()[1], flush=True)
    links = set()
    while True:
        client, _ = await loop.sock_accept(listener)
        client.setblocking(False)
        upstream = small(socket.AF_INET)
        await loop.sock_connect(upstream, ("127.0.0.1", port))
        for ends in ((client, upstream), (upstream, client)):
            link = loop.create_task(throttle(*ends, rate))
            links.add(link)
            link.add_done_callback(links.discard)


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
