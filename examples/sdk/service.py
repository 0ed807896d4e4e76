"""A service with Microsoft's package. service.py KEYFILE prints the URL with which ann may connect;
service.py KEYFILE TEXT says something to the group room."""

import pathlib
import sys

from azure.messaging.webpubsubservice import WebPubSubServiceClient

key, *text = pathlib.Path(sys.argv[1]).read_text().strip(), *sys.argv[2:]
connection = f"Endpoint=http://127.0.0.1:8085;AccessKey={key};Version=1.0;"
chat = WebPubSubServiceClient.from_connection_string(connection, hub="chat")

if text:
    chat.send_to_group("room", text[0], content_type="text/plain")
else:
    roles = ["webpubsub.joinLeaveGroup.room", "webpubsub.sendToGroup.room"]
    print(chat.get_client_access_token(user_id="ann", roles=roles)["url"])
