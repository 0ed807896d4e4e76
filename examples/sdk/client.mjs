// A client with Microsoft's package: node client.mjs URL. Joins the group room, says hello, prints what is said there.
import { WebPubSubClient, WebPubSubJsonProtocol } from "@azure/web-pubsub-client";

const [url] = process.argv.slice(2);
const client = new WebPubSubClient({ getClientAccessUrl: async () => url }, { protocol: WebPubSubJsonProtocol() });
client.on("group-message", ({ message }) => console.log(`${message.fromUserId ?? "the service"}: ${message.data}`));

await client.start();
await client.joinGroup("room");
await client.sendToGroup("room", "hello", "text");
