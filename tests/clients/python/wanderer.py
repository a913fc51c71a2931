"""A client that says numbered messages and hears them, for `cluster/anywhere.test.mjs`. Arguments: URL, path, how many, and its
transports. Prints `done`, or fails."""

import os
import queue
import sys

import engineio.payload
import socketio

WAIT_SECONDS = 20

# By default this client gives up on a polling payload of more than 16 packets.
engineio.payload.Payload.max_decode_packets = 1_000


def main(url, path, count, *transports):
    heard = queue.Queue()
    client = socketio.Client(reconnection=False)
    client.on("message-back", heard.put)
    client.on("disconnect", lambda *reason: heard.put(("disconnect", *reason)))
    client.connect(url, socketio_path=path, transports=transports, wait_timeout=WAIT_SECONDS)
    for number in range(count):
        client.emit("message", number)
        assert client.call("message-with-ack", number, timeout=WAIT_SECONDS) == number
    numbers = [heard.get(timeout=WAIT_SECONDS) for _ in range(count)]
    assert numbers == list(range(count)), numbers
    large = "x" * 900_000
    assert client.call("message-with-ack", large, timeout=WAIT_SECONDS) == large
    assert heard.empty(), heard.get()
    print("done", flush=True)
    # This client's own end may wait for a ping: it closes at once, or forgets to say so.
    os._exit(0)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
