// The same service with Microsoft's package for event handlers: npm install, then node service.mjs.
import { WebPubSubEventHandler } from "@azure/web-pubsub-express";
import express from "express";

const handler = new WebPubSubEventHandler("chat", {
  path: "/events",
  handleUserEvent(request, response) {
    console.log(`${request.context.userId} says ${request.data}`);
    response.success(`you said ${request.data}`, "text");
  },
});

express().use(handler.getMiddleware()).listen(3000, "127.0.0.1");
