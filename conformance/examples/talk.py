"""A client that says one thing to a service: talk.py URL TEXT. Prints what it hears, a line each, until it is told to
go: a message `bye` ends it."""

import sys

import websocket

url, text = sys.argv[1:]
client = websocket.create_connection(url, timeout=20)
client.send(text)
while True:
    heard = client.recv()
    print(heard, flush=True)
    if heard == "bye":
        break
client.close(status=1000)
