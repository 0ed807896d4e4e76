# pylint: disable=missing-function-docstring,wildcard-import,unused-wildcard-import,function-redefined
import io
import time

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.messaging.webpubsubclient.models import SendMessageError, WebPubSubDataType
from lib import *  # noqa: F403

upstream = Upstream().start()


# -- who may connect, the connect event ------------------------------------------------------------------------------
@check("connect: a token of the service client")
def _(keep):
    c = keep(Raw.json(url(user_id="ann")))
    same(c.hello["userId"], "ann", "userId")
    same(c.ws.subprotocol, JSON_V1, "subprotocol")


@check("connect: no token")
def _(_keep):
    refused(lambda: Raw(client_url()), 401)


@check("connect: a token signed with another key, an expired one, one for another hub")
def _(_keep):
    refused(lambda: Raw(client_url(sign({"aud": CLIENT_AUDIENCE, "exp": soon()}, "another key"))), 401)
    refused(lambda: Raw(client_url(sign({"aud": CLIENT_AUDIENCE, "exp": soon(-3600)}))), 401)
    refused(lambda: Raw(client_url(sign({"aud": f"{endpoint}/client/hubs/x{hub}", "exp": soon()}))), 401)


@check("connect event: body and headers")
def _(keep):
    mark = unique("mark")
    c = keep(Raw.json(url(user_id="ben", roles=["webpubsub.sendToGroup.g"], query={"mark": mark})))
    event = upstream.one(c.id, "sys.connect")
    body = event["json"]
    same(body["subprotocols"], [JSON_V1], "subprotocols")
    same(body["query"]["mark"], [mark], "query")
    same((body["claims"]["sub"], body["claims"]["role"]), (["ben"], ["webpubsub.sendToGroup.g"]), "claims")
    headers = upstream.posts(c.id)[0]["headers"]
    same(
        (headers["ce-specversion"], headers["ce-eventname"], headers["ce-userid"]), ("1.0", "connect", "ben"), "headers"
    )
    same(headers["ce-source"], f"/hubs/{headers['ce-hub']}/client/{c.id}", "ce-source")
    must(headers["webhook-request-origin"], "no WebHook-Request-Origin")


@check("connect event: 204 changes nothing, an answer changes user, groups and roles")
def _(keep):
    c = keep(Raw.json(url(user_id="cat")))
    same(c.hello["userId"], "cat", "userId")
    user, group = unique("user"), unique("group")
    c = keep(
        Raw.json(url(user_id="cat", plan={"userId": user, "groups": [group], "roles": ["webpubsub.joinLeaveGroup"]}))
    )
    same(c.hello["userId"], user, "userId")
    must(service.group_exists(group), "group_exists is False")
    same(c.ask({"type": "joinGroup", "group": unique("group")})["success"], True, "join")


@check("connect event: state in an answer comes with later events, as it was")
def _(keep):
    state = "eyJhIjoxfQ=="
    c = keep(Raw.json(url(plan={"state": state})))
    same(upstream.one(c.id, "sys.connected")["state"], state, "connected")
    c.ask({"type": "event", "event": "state", "dataType": "text", "data": "bmV3"})
    c.ask({"type": "event", "event": "echo", "dataType": "text", "data": "x"})
    same([e["state"] for e in upstream.of(c.id) if e["kind"].startswith("user.")], [state, "bmV3"], "states")


@check("connect event: refused with 401, with its body")
def _(_keep):
    error = raises(lambda: Raw(url(plan={"fail": 401})), websocket.WebSocketBadStatusException, "was not refused")
    same(error.status_code, 401, "status")


@check("disconnected event: once, with a reason; every event is signed")
def _(_keep):
    c = Raw.json(url(user_id="dan"))
    upstream.one(c.id, "sys.connected")
    c.close(1000, b"bye")
    event = upstream.one(c.id, "sys.disconnected")
    must(isinstance(event["json"].get("reason"), str), "no reason")
    time.sleep(0.3)
    same([e["kind"] for e in upstream.of(c.id)], ["sys.connect", "sys.connected", "sys.disconnected"], "events")
    for post in upstream.posts(c.id):
        must(signature_of(c.id) in post["headers"]["ce-signature"].split(","), post["headers"]["ce-signature"])


# -- user events -----------------------------------------------------------------------------------------------------
@check("simple client: text and binary to the upstream and back, 204 is no frame")
def _(keep):
    mark = unique("mark")
    c = keep(Raw(url(user_id="eve", query={"mark": mark})))
    c.send("grüße")
    same(c.next().get("text"), "grüße", "text")
    c.send(b"\x00\xff\x01")
    same(c.next().get("bytes"), b"\x00\xff\x01", "binary")
    c.send("do:nothing")
    c.send("after")
    same(c.next().get("text"), "after", "what comes after 204")
    events = [e for e in upstream.of(upstream.marked(mark)) if e["kind"] == "user.message"]
    same([e["type"].split(";")[0] for e in events[:2]], ["text/plain", "application/octet-stream"], "Content-Types")
    same({e["user"] for e in events}, {"eve"}, "users")


@check("simple client: is closed when the upstream fails", seconds=25)
def _(keep):
    c = keep(Raw(url()))
    c.send("do:fail")
    must(c.wait_closed(20)[0] not in (1000, 1006), f"closed with {c.closed}")


@check("JSON client: events with text, JSON and binary, answers and acks")
def _(keep):
    c = keep(Raw.json(url()))
    for kind, data, content, seen in [
        ("text", "é", "text/plain", "é".encode()),
        ("json", {"a": [1, None]}, "application/json", None),
        ("binary", "AAH+/w==", "application/octet-stream", b"\x00\x01\xfe\xff"),
    ]:
        same(c.ask({"type": "event", "event": kind, "dataType": kind, "data": data})["success"], True, f"{kind}: ack")
        answer = c.next(of_server)["json"]
        same((answer["dataType"], answer["data"]), (kind, data), f"{kind}: answer")
        event = upstream.one(c.id, f"user.{kind}")
        must(event["type"].startswith(content), f"{kind}: Content-Type {event['type']}")
        if seen is not None:
            same(event["body"], seen, f"{kind}: body")
        else:
            same(json.loads(event["body"]), data, f"{kind}: body")


@check("JSON client: ping and pong, Duplicate, Forbidden")
def _(keep):
    c = keep(Raw.json(url()))
    c.send({"type": "ping"})
    same(c.next()["json"], {"type": "pong"}, "answer")
    event = {"type": "event", "event": "echo", "dataType": "text", "data": "x"}
    same(c.ask(event, 9)["success"], True, "first")
    same(c.ask(event, 9)["error"]["name"], "Duplicate", "second")
    same(len(upstream.of(c.id, "user.echo")), 1, "events")
    same(c.ask({"type": "joinGroup", "group": "g"})["error"]["name"], "Forbidden", "join")


# -- REST through the service client ---------------------------------------------------------------------------------
@check("REST: send to all, a group, a user, a connection; text, JSON, binary")
def _(keep):
    group, user = unique("group"), unique("user")
    c = keep(Raw.json(url(user_id=user, groups=[group])))
    word = unique("word")
    service.send_to_all(word, content_type="text/plain")
    c.next(lambda m: of_server(m) and m["json"]["data"] == word, "to all")
    service.send_to_group(group, {"n": 1}, content_type="application/json")
    same(c.next(of_group(group))["json"]["data"], {"n": 1}, "to the group")
    service.send_to_user(user, io.BytesIO(b"\x00\xff"), content_type="application/octet-stream")
    m = c.next(lambda m: of_server(m) and m["json"]["dataType"] == "binary", "to the user")["json"]
    same(m["data"], "AP8=", "bytes")
    service.send_to_connection(c.id, "a string as JSON")
    same(
        c.next(of_server)["json"],
        {"type": "message", "from": "server", "dataType": "json", "data": "a string as JSON"},
        "to the connection",
    )


@check("REST: excluded connections and a filter")
def _(keep):
    group = unique("group")
    a, b = keep(Raw.json(url(user_id="o'hara", groups=[group]))), keep(Raw.json(url(user_id="pat", groups=[group])))
    service.send_to_group(group, "1", content_type="text/plain", excluded=[a.id])
    b.next(of_group(group))
    service.send_to_group(group, "2", content_type="text/plain", filter="userId eq 'o''hara'")
    same(a.next(of_group(group))["json"]["data"], "2", "first message")
    b.silent(of_group(group), "what the filter keeps from it")


@check("REST: groups of connections and users, and who exists")
def _(keep):
    group, other, user = unique("group"), unique("group"), unique("user")
    c = keep(Raw.json(url(user_id=user)))
    must(service.connection_exists(c.id) and service.user_exists(user), "does not exist")
    must(not service.group_exists(group), "group_exists is True")
    service.add_connection_to_group(group, c.id)
    must(service.group_exists(group), "group_exists is False")
    service.remove_connection_from_group(group, c.id)
    must(not service.group_exists(group), "removed, group_exists is True")
    service.add_user_to_group(group, user)
    service.add_user_to_group(other, user)
    must(service.group_exists(group), "the user's group does not exist")
    service.remove_user_from_group(group, user)
    must(not service.group_exists(group), "the user's group exists")
    service.remove_user_from_all_groups(user)
    must(not service.group_exists(other), "the user's other group exists")
    service.add_connection_to_group(group, c.id)
    service.remove_connection_from_all_groups(c.id)
    must(not service.group_exists(group), "group_exists is True")
    raises(lambda: service.add_connection_to_group(group, "nobody"), ResourceNotFoundError)


@check("REST: list the connections of a group")
def _(keep):
    group = unique("group")
    ids = sorted(keep(Raw.json(url(user_id=f"u{i}", groups=[group]))).id for i in range(3))
    members = list(service.list_connections(group=group))
    same(sorted(m.connection_id for m in members), ids, "connections")
    same(sorted(m.user_id for m in members), ["u0", "u1", "u2"], "users")
    same(len(list(service.list_connections(group=group, top=2))), 2, "top=2")


@check("REST: close a connection, a user's, a group's; reasons")
def _(keep):
    group, user = unique("group"), unique("user")
    a, b, c = keep(Raw.json(url())), keep(Raw.json(url(user_id=user))), keep(Raw.json(url(groups=[group])))
    d = keep(Raw.json(url(groups=[group])))
    service.close_connection(a.id, reason="enough")
    message = a.next(lambda m: m.get("json", {}).get("event") == "disconnected", "the disconnected message")
    same(message["json"]["message"], "enough", "message")
    a.wait_closed()
    service.close_user_connections(user, reason="user")
    b.wait_closed()
    service.close_group_connections(group, excluded=[d.id], reason="group")
    c.wait_closed()
    must(d.closed is None, "closed one too many")
    for gone in (a, b, c):
        upstream.one(gone.id, "sys.disconnected")


@check("REST: permissions")
def _(keep):
    group = unique("group")
    c = keep(Raw.json(url()))
    must(not service.has_permission("sendToGroup", c.id, target_name=group), "has it before")
    service.grant_permission("sendToGroup", c.id, target_name=group)
    must(service.has_permission("sendToGroup", c.id, target_name=group), "has it not after")
    send = {"type": "sendToGroup", "group": group, "dataType": "text", "data": "x"}
    same(c.ask(send)["success"], True, "granted")
    service.revoke_permission("sendToGroup", c.id, target_name=group)
    same(c.ask(send)["error"]["name"], "Forbidden", "revoked")


@check("REST: a service client made from a connection string")
def _(keep):
    from azure.messaging.webpubsubservice import WebPubSubServiceClient as Client

    other = Client.from_connection_string(f"Endpoint={endpoint};AccessKey={key};Version=1.0;", hub=hub)
    c = keep(Raw.json(other.get_client_access_token(user_id="lee", minutes_to_expire=1)["url"]))
    must(other.connection_exists(c.id), "connection_exists is False")


@check("REST: another key is refused")
def _(_keep):
    from azure.messaging.webpubsubservice import WebPubSubServiceClient as Client

    other = Client(endpoint=endpoint, hub=hub, credential=AzureKeyCredential("another key" * 4), retry_total=0)
    raises(lambda: other.send_to_all("x", content_type="text/plain"), ClientAuthenticationError)


@check("REST: a filter that is none is an error")
def _(_keep):
    error = raises(lambda: service.send_to_all("x", content_type="text/plain", filter="userId eq"), HttpResponseError)
    same(error.status_code, 400, "status")


# -- the client SDK --------------------------------------------------------------------------------------------------
for reliable in (False, True):
    KIND = "client SDK, reliable" if reliable else "client SDK, plain"

    @check(f"{KIND}: open, groups, close", seconds=20)
    def _(keep, reliable=reliable):
        group = unique("group")
        a = keep(Sdk(lambda: url(user_id="kim", roles=EVERYTHING), reliable))
        hello = a.open()
        same(hello.user_id, "kim", "user_id")
        a.client.join_group(group)
        a.client.send_to_group(group, "t", WebPubSubDataType.TEXT)
        a.client.send_to_group(group, {"j": 1}, WebPubSubDataType.JSON)
        a.client.send_to_group(group, memoryview(b"\x01\xff"), WebPubSubDataType.BINARY)
        a.client.send_to_group(group, "unheard", WebPubSubDataType.TEXT, no_echo=True)
        a.client.send_to_group(group, "no ack", WebPubSubDataType.TEXT, ack=False)
        until(lambda: len(a.group) >= 4, "four messages")
        # The SDK hands out each message in a thread of its own, so their order is not looked at here.
        got = {str(m.data_type.value if hasattr(m.data_type, "value") else m.data_type): m for m in a.group}
        same(sorted(got), ["binary", "json", "text"], "data types")
        same(got["json"].data, {"j": 1}, "JSON")
        same(bytes(got["binary"].data), b"\x01\xff", "binary")
        same({(m.group, m.from_user_id) for m in a.group}, {(group, "kim")}, "group, from_user_id")
        time.sleep(0.3)
        must("unheard" not in [m.data for m in a.group], "heard its own message with no_echo")
        a.client.leave_group(group)
        must(not service.group_exists(group), "the group exists")
        a.close()
        upstream.one(hello.connection_id, "sys.disconnected")

    @check(f"{KIND}: events, server messages, errors", seconds=20)
    def _(keep, reliable=reliable):
        a = keep(Sdk(url, reliable))
        hello = a.open()
        a.client.send_event("echo", {"n": 1}, WebPubSubDataType.JSON)
        until(lambda: a.server, "the answer")
        same(a.server[0].data, {"n": 1}, "answer")
        service.send_to_connection(hello.connection_id, "from REST", content_type="text/plain")
        until(lambda: "from REST" in [m.data for m in a.server], "the message from REST")
        error = raises(lambda: a.client.join_group("g"), SendMessageError)
        same(error.error_detail.name, "Forbidden", "join")
        error = raises(lambda: a.client.send_event("fail", "x", WebPubSubDataType.TEXT), SendMessageError)
        must(error.error_detail.name in ("InternalServerError", "InvocationFailed"), error.error_detail.name)

    @check(f"{KIND}: closed over REST, the reason is in the disconnected event", seconds=25)
    def _(keep, reliable=reliable):
        a = keep(Sdk(url, reliable, reconnect_retry_total=0))
        hello = a.open()
        service.close_connection(hello.connection_id, reason="enough")
        until(lambda: a.disconnected, "the disconnected event", 15)
        same(a.disconnected[0].message, "enough", "message")


@check("client SDK, plain: connects anew after a drop and joins its groups again", seconds=25)
def _(keep):
    group = unique("group")
    a = keep(Sdk(lambda: url(roles=EVERYTHING), False))
    first = a.open().connection_id
    a.client.join_group(group)
    a.drop()
    until(lambda: len(a.connected) == 2, "to be connected again", 10)
    must(a.connected[1].connection_id != first, "the same connection_id")
    until(lambda: service.group_exists(group), "the group")
    service.send_to_group(group, "again", content_type="text/plain")
    until(lambda: "again" in [m.data for m in a.group], "the message")
    upstream.one(first, "sys.disconnected")


@check("client SDK, reliable: recovers after a drop and misses nothing", seconds=30)
def _(keep):
    group = unique("group")
    a = keep(Sdk(lambda: url(groups=[group])))
    connection = a.open().connection_id
    for n in range(5):
        service.send_to_group(group, {"n": n})
    a.drop()
    for n in range(5, 15):
        service.send_to_group(group, {"n": n})
    until(lambda: len(a.group) >= 15, "15 messages", 12)
    time.sleep(0.3)
    same(sorted(m.data["n"] for m in a.group), list(range(15)), "messages")
    same((len(a.connected), len(a.disconnected)), (1, 0), "connected, disconnected")
    same([e["kind"] for e in upstream.of(connection)], ["sys.connect", "sys.connected"], "events")


done("python")
