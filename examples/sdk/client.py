"""A client with Microsoft's package: client.py URL. Joins the group room, says hello, prints what is said there."""

import sys
import threading

from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubclient.models import CallbackType, WebPubSubDataType, WebPubSubProtocolType


def heard(message):
    print(f"{message.from_user_id or 'the service'}: {message.data}", flush=True)


client = WebPubSubClient(sys.argv[1], protocol_type=WebPubSubProtocolType.JSON, ack_timeout=2)
client.subscribe(CallbackType.GROUP_MESSAGE, heard)
with client:
    client.join_group("room")
    client.send_to_group("room", "hello", WebPubSubDataType.TEXT)
    threading.Event().wait()
