#!/usr/bin/env python3
"""A service of ten lines: prints what clients say, and answers."""

from wsgiref.simple_server import make_server


def service(request, start):
    said = request["wsgi.input"].read(int(request.get("CONTENT_LENGTH") or 0)).decode()
    start("200 OK", [("WebHook-Allowed-Origin", "*"), ("Content-Type", "text/plain")])
    if request.get("HTTP_CE_TYPE") != "azure.webpubsub.user.message":
        return []  # OPTIONS: events are welcome. connect: come in. connected, disconnected: heard.
    print(request.get("HTTP_CE_USERID"), "says", said, flush=True)
    return [f"you said {said}".encode()]


make_server("127.0.0.1", 3000, service).serve_forever()
