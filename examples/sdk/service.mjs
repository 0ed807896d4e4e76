// A service with Microsoft's package. node service.mjs KEYFILE prints the URL with which ann may connect;
// node service.mjs KEYFILE TEXT says something to the group room.
import { readFileSync } from "node:fs";
import { WebPubSubServiceClient } from "@azure/web-pubsub";

const [keyFile, text] = process.argv.slice(2);
const connection = `Endpoint=http://127.0.0.1:8085;AccessKey=${readFileSync(keyFile, "utf8").trim()};Version=1.0;`;
const chat = new WebPubSubServiceClient(connection, "chat", { allowInsecureConnection: true });

if (text) {
  await chat.group("room").sendToAll(text, { contentType: "text/plain" });
} else {
  const roles = ["webpubsub.joinLeaveGroup.room", "webpubsub.sendToGroup.room"];
  console.log((await chat.getClientAccessToken({ userId: "ann", roles })).url);
}
