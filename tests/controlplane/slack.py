"""A stand-in for Slack: enough of its Web API and all of Socket Mode that a chat adapter meets.

The real slack-bolt and slack-sdk talk to it over HTTP and a WebSocket. It keeps messages as Slack would show them
(posted, updated in place), checks what Slack checks (a known message, a trigger used once, buttons that exist), sends
each event to *one* open connection, and remembers every acknowledgement by envelope. Rate limits, errors, lost
connections and repeated envelopes are at hand.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.controlplane.background import HttpServer
from tests.controlplane.errors import FixtureError
from tests.controlplane.ports import free_port
from tests.controlplane.waiting import wait_for

Json = dict[str, Any]

BOT = "U0BOT"
TEAM = "T0TEAM"
APP = "A0APP"


@dataclass
class Message:
    """A message as the channel shows it now; `versions` are its earlier bodies."""

    channel: str
    ts: str
    text: str
    blocks: list[Json]
    thread_ts: str | None = None
    ephemeral_for: str | None = None
    metadata: Json | None = None
    versions: list[Json] = field(default_factory=list)

    @property
    def action_ids(self) -> list[str]:
        """The actions that can be clicked, in order."""
        return [element["action_id"] for _, element in self.elements()]

    @property
    def plain(self) -> str:
        """All text that people read, blocks included, one line each."""
        return "\n".join([self.text, *_texts(self.blocks)])

    def elements(self) -> list[tuple[Json, Json]]:
        """Each interactive element with its block."""
        found: list[tuple[Json, Json]] = []
        for block in self.blocks:
            parts = [*block.get("elements", ()), *([block["accessory"]] if "accessory" in block else [])]
            found += [(block, part) for part in parts if "action_id" in part]
        return found


@dataclass
class Envelope:
    """One event that was sent, and what came back for it."""

    envelope_id: str
    body: Json
    sent: int = 0
    ack: Json | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether the client confirmed it."""
        return self.ack is not None


class SlackError(Exception):
    """What the Web API answers with `ok: false`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SlackServer:
    """The workspace: `base_url` for `AsyncWebClient`, `bot_token` and `app_token` to log in with."""

    def __init__(self) -> None:
        self.bot_token = "xoxb-test"
        self.app_token = "xapp-test"
        self.messages: list[Message] = []
        self.views: list[Json] = []
        self.calls: list[tuple[str, Json]] = []
        self.acks: dict[str, Json] = {}
        self.envelopes: dict[str, Envelope] = {}
        self.responses: list[Json] = []
        self.users: dict[str, Json] = {}
        self.add_user(BOT, "trimtab", is_bot=True)
        self._numbers = iter(range(1, 10**9))
        self._triggers: dict[str, str] = {}
        self._limits: dict[str, list[int]] = {}
        self._failures: dict[str, list[str]] = {}
        self._sockets: list[web.WebSocketResponse] = []
        self._methods: dict[str, Callable[[Json], Json]] = {
            "apps.connections.open": self._open_connection,
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "chat.postEphemeral": self._post_ephemeral,
            "conversations.open": self._open_conversation,
            "views.open": self._open_view,
            "views.update": self._update_view,
            "users.info": self._user_info,
        }
        self._server = HttpServer("slack", self._app, free_port())
        self.base_url = f"{self._server.url}/api/"

    def close(self) -> None:
        """Close every connection and return when the port is free."""
        self._server.close()

    # People

    def add_user(self, user: str, name: str, *, is_bot: bool = False, deleted: bool = False) -> str:
        """A member of the workspace; the rest of a user's fields follow from these."""
        profile = {"display_name": name, "real_name": name, "email": f"{name}@example.test"}
        self.users[user] = {
            "id": user,
            "team_id": TEAM,
            "name": name,
            "real_name": name,
            "is_bot": is_bot,
            "deleted": deleted,
            "tz": "Europe/Berlin",
            "profile": profile,
        }
        return user

    def click(
        self, message: Message, action_id: str, user: str = "U1", *, value: str | None = None, stale: bool = False
    ) -> Envelope:
        """Click a button (or choose an option) of a message; `FixtureError` when it has no such action now.

        `stale` clicks what an earlier version of the message showed, as a phone that has not refreshed does.
        """
        bodies = [message.blocks, *([version["blocks"] for version in reversed(message.versions)] if stale else [])]
        for blocks in bodies:
            shown = Message(message.channel, message.ts, message.text, blocks)
            for block, element in shown.elements():
                if element["action_id"] == action_id:
                    return self._send("interactive", self._block_actions(message, block, element, user, value))
        raise FixtureError(f"the message shows no {action_id!r}, only {message.action_ids}")

    def submit_view(self, view: Json, values: Mapping[str, str], user: str = "U1") -> Envelope:
        """Fill in a modal (`values`: text by block id) and submit it."""
        state = {
            block["block_id"]: {block["element"]["action_id"]: _typed(block["element"], values[block["block_id"]])}
            for block in view["blocks"]
            if block["type"] == "input" and block["block_id"] in values
        }
        unknown = set(values) - set(state)
        if unknown:
            raise FixtureError(f"the view has no input {sorted(unknown)}")
        submitted = {**view, "state": {"values": state}}
        return self._send(
            "interactive", {**self._actor("view_submission", user), "view": submitted, "response_urls": []}
        )

    def slash(self, command: str, text: str = "", user: str = "U1", channel: str = "C1") -> Envelope:
        """A slash command."""
        body = {
            "command": command,
            "text": text,
            "user_id": user,
            "user_name": self._name(user),
            "channel_id": channel,
            "team_id": TEAM,
            "api_app_id": APP,
            "trigger_id": self._trigger(user),
            "response_url": f"{self._server.url}/response",
        }
        return self._send("slash_commands", body)

    def say(
        self, text: str, user: str = "U1", channel: str = "C1", thread_ts: str | None = None, kind: str = "message"
    ) -> Envelope:
        """A person writes in a channel; `kind` may be `app_mention`."""
        event = {
            "type": kind,
            "user": user,
            "text": text,
            "channel": channel,
            "ts": self._ts(),
            "channel_type": "channel",
        }
        if thread_ts is not None:
            event["thread_ts"] = thread_ts
        body = {
            "type": "event_callback",
            "event": event,
            "event_id": f"Ev{next(self._numbers)}",
            "event_time": int(time.time()),
            "team_id": TEAM,
            "api_app_id": APP,
            "authorizations": [{"team_id": TEAM, "user_id": BOT, "is_bot": True}],
        }
        return self._send("events_api", body)

    # Looking

    def wait_connected(self, connections: int = 1, timeout: float = 20.0) -> None:
        """Return when so many Socket Mode connections are open."""
        wait_for("Slack is connected", lambda: self.connections >= connections, timeout=timeout)

    @property
    def connections(self) -> int:
        """The Socket Mode connections that are open."""
        return len(self._sockets)

    def wait_message(self, accept: Callable[[Message], bool] = lambda message: True, timeout: float = 30.0) -> Message:
        """The newest message that `accept` likes, once there is one."""
        found = wait_for("a message", lambda: [one for one in self.messages if accept(one)], timeout=timeout)
        return found[-1]

    def wait_acknowledged(self, envelope: Envelope, timeout: float = 10.0) -> Json:
        """The payload of the acknowledgement, once it is there."""
        wait_for("the acknowledgement", lambda: envelope.acknowledged, timeout=timeout, every=0.02)
        assert envelope.ack is not None
        return envelope.ack

    def called(self, method: str) -> list[Json]:
        """The arguments of each call of a Web API method, those answered with an error included."""
        return [arguments for name, arguments in self.calls if name == method]

    # Trouble

    def replay(self, envelope: Envelope) -> None:
        """Send the same envelope again, as Slack does when an acknowledgement got lost."""
        self._server.run(self._deliver(envelope, retry=True))

    def drop_connections(self) -> None:
        """Cut every WebSocket without a word."""
        self._server.run(self._drop())

    def ask_to_reconnect(self) -> None:
        """Tell every connection to come again, as Slack does every few hours."""
        self._server.run(
            self._broadcast({"type": "disconnect", "reason": "refresh_requested", "debug_info": {"host": "x"}})
        )

    def rate_limit(self, method: str, retry_after: int = 1, times: int = 1) -> None:
        """Answer the next calls of a method with 429."""
        self._limits.setdefault(method, []).extend([retry_after] * times)

    def fail(self, method: str, code: str, times: int = 1) -> None:
        """Answer the next calls of a method with this error."""
        self._failures.setdefault(method, []).extend([code] * times)

    # The Web API

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/{method}", self._call)
        app.router.add_get("/api/{method}", self._call)
        app.router.add_get("/socket", self._socket)
        app.router.add_post("/response", self._respond)
        return app

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments = await _arguments(request)
        self.calls.append((method, arguments))
        if self._limits.get(method):
            headers = {"Retry-After": str(self._limits[method].pop(0))}
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
        try:
            answer = self._answer(method, request, arguments)
        except SlackError as error:
            return web.json_response({"ok": False, "error": error.code})
        return web.json_response({"ok": True, **answer})

    def _answer(self, method: str, request: web.Request, arguments: Json) -> Json:
        if self._failures.get(method):
            raise SlackError(self._failures[method].pop(0))
        self._check_token(method, request, arguments)
        if method not in self._methods:
            raise SlackError("unknown_method")
        return self._methods[method](arguments)

    def _check_token(self, method: str, request: web.Request, arguments: Json) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ") or arguments.get("token", "")
        wanted = self.app_token if method == "apps.connections.open" else self.bot_token
        if not given:
            raise SlackError("not_authed")
        if given != wanted:
            raise SlackError("invalid_auth")

    def _open_connection(self, arguments: Json) -> Json:
        return {"url": f"ws://127.0.0.1:{self._server.port}/socket?ticket={next(self._numbers)}"}

    def _auth_test(self, arguments: Json) -> Json:
        return {
            "url": "https://example.test/",
            "team": "Test",
            "user": "trimtab",
            "team_id": TEAM,
            "user_id": BOT,
            "bot_id": "B0BOT",
        }

    def _post(self, arguments: Json) -> Json:
        message = self._shown(arguments)
        self.messages.append(message)
        return {"channel": message.channel, "ts": message.ts, "message": _body(message)}

    def _post_ephemeral(self, arguments: Json) -> Json:
        message = self._shown(arguments)
        message.ephemeral_for = str(arguments["user"])
        self.messages.append(message)
        return {"message_ts": message.ts}

    def _shown(self, arguments: Json) -> Message:
        blocks = arguments.get("blocks") or []
        _check_blocks(blocks)
        if not arguments.get("channel"):
            raise SlackError("channel_not_found")
        if not arguments.get("text") and not blocks:
            raise SlackError("no_text")
        return Message(
            channel=str(arguments["channel"]),
            ts=self._ts(),
            text=str(arguments.get("text") or ""),
            blocks=blocks,
            thread_ts=arguments.get("thread_ts"),
            metadata=arguments.get("metadata"),
        )

    def _update(self, arguments: Json) -> Json:
        message = self._find(arguments)
        blocks = arguments.get("blocks") or []
        _check_blocks(blocks)
        message.versions.append({"text": message.text, "blocks": message.blocks})
        message.text, message.blocks = str(arguments.get("text") or ""), blocks
        return {"channel": message.channel, "ts": message.ts, "text": message.text, "message": _body(message)}

    def _delete(self, arguments: Json) -> Json:
        message = self._find(arguments)
        self.messages.remove(message)
        return {"channel": message.channel, "ts": message.ts}

    def _find(self, arguments: Json) -> Message:
        for message in self.messages:
            same = (message.channel, message.ts) == (arguments.get("channel"), arguments.get("ts"))
            if same and message.ephemeral_for is None:
                return message
        raise SlackError("message_not_found")

    def _open_conversation(self, arguments: Json) -> Json:
        return {"channel": {"id": f"D{arguments.get('users', '')}"}}

    def _open_view(self, arguments: Json) -> Json:
        user = self._triggers.pop(str(arguments.get("trigger_id")), None)
        if user is None:
            raise SlackError("invalid_trigger_id")
        view = self._stored(arguments["view"], f"V{next(self._numbers)}")
        self.views.append(view)
        return {"view": view}

    def _update_view(self, arguments: Json) -> Json:
        for index, view in enumerate(self.views):
            if view["id"] == arguments.get("view_id"):
                self.views[index] = self._stored(arguments["view"], view["id"])
                return {"view": self.views[index]}
        raise SlackError("not_found")

    def _stored(self, view: Json, identity: str) -> Json:
        _check_blocks(view["blocks"])
        blocks = [{"block_id": f"b{next(self._numbers)}", **block} for block in view["blocks"]]
        common = {
            "id": identity,
            "team_id": TEAM,
            "app_id": APP,
            "bot_id": "B0BOT",
            "hash": "h",
            "state": {"values": {}},
        }
        return {"private_metadata": "", "callback_id": "", **view, **common, "blocks": blocks}

    def _user_info(self, arguments: Json) -> Json:
        user = self.users.get(str(arguments.get("user")))
        if user is None:
            raise SlackError("user_not_found")
        return {"user": user}

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        self.responses.append(await request.json())
        return web.json_response({"ok": True})

    # Socket Mode

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        hello = {"type": "hello", "num_connections": len(self._sockets) + 1, "connection_info": {"app_id": APP}}
        await socket.send_json({**hello, "debug_info": {"host": "test", "approximate_connection_time": 18060}})
        self._sockets.append(socket)
        try:
            async for received in socket:
                if received.type is WSMsgType.TEXT:
                    self._acknowledge(received.data)
        finally:
            if socket in self._sockets:
                self._sockets.remove(socket)
        return socket

    def _acknowledge(self, data: str) -> None:
        try:
            body = json.loads(data)
        except ValueError:
            return
        envelope = self.envelopes.get(str(body.get("envelope_id")))
        if envelope is not None:
            envelope.ack = body.get("payload") or {}
            self.acks[envelope.envelope_id] = envelope.ack

    def _send(self, kind: str, payload: Json) -> Envelope:
        identity = f"envelope-{next(self._numbers)}"
        body = {
            "envelope_id": identity,
            "type": kind,
            "accepts_response_payload": kind != "events_api",
            "payload": payload,
        }
        envelope = Envelope(identity, body)
        self.envelopes[identity] = envelope
        self._server.run(self._deliver(envelope))
        return envelope

    async def _deliver(self, envelope: Envelope, *, retry: bool = False) -> None:
        if not self._sockets:
            raise FixtureError("no Socket Mode connection is open; wait_connected() first")
        extra = {"retry_attempt": envelope.sent, "retry_reason": "timeout"} if retry else {}
        await random.SystemRandom().choice(self._sockets).send_json({**envelope.body, **extra})
        envelope.sent += 1

    async def _broadcast(self, body: Json) -> None:
        for socket in list(self._sockets):
            await socket.send_json(body)

    async def _drop(self) -> None:
        sockets, self._sockets = self._sockets, []
        for socket in sockets:
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)

    def _block_actions(self, message: Message, block: Json, element: Json, user: str, value: str | None) -> Json:
        action = {
            "action_id": element["action_id"],
            "block_id": block.get("block_id", ""),
            "type": element["type"],
            "text": element.get("text"),
            "value": element.get("value") if value is None else value,
            "action_ts": self._ts(),
        }
        container = {"type": "message", "message_ts": message.ts, "channel_id": message.channel, "is_ephemeral": False}
        return {
            **self._actor("block_actions", user),
            "container": container,
            "channel": {"id": message.channel, "name": message.channel.lower()},
            "message": _body(message),
            "state": {"values": {}},
            "response_url": f"{self._server.url}/response",
            "actions": [action],
        }

    def _actor(self, kind: str, user: str) -> Json:
        return {
            "type": kind,
            "user": {"id": user, "username": self._name(user), "name": self._name(user), "team_id": TEAM},
            "api_app_id": APP,
            "token": "deprecated",
            "team": {"id": TEAM, "domain": "test"},
            "enterprise": None,
            "is_enterprise_install": False,
            "trigger_id": self._trigger(user),
        }

    def _trigger(self, user: str) -> str:
        trigger = f"trigger-{next(self._numbers)}"
        self._triggers[trigger] = user
        return trigger

    def _name(self, user: str) -> str:
        return str(self.users.get(user, {"name": user.lower()})["name"])

    def _ts(self) -> str:
        return f"{int(time.time())}.{next(self._numbers):06d}"


def _body(message: Message) -> Json:
    return {
        "type": "message",
        "user": BOT,
        "bot_id": "B0BOT",
        "app_id": APP,
        "ts": message.ts,
        "text": message.text,
        "blocks": message.blocks,
    }


def _check_blocks(blocks: list[Json]) -> None:
    """What Slack refuses most often: too many blocks, texts too long, an action id twice in a block."""
    if len(blocks) > 50:
        raise SlackError("invalid_blocks")
    for block in blocks:
        elements = block.get("elements", ())
        actions = [element["action_id"] for element in elements if "action_id" in element]
        fields = [*block.get("fields", ()), *([block["text"]] if isinstance(block.get("text"), dict) else [])]
        limit = 150 if block.get("type") == "header" else 3000
        too_long = any(len(text["text"]) > limit or not text["text"] for text in fields)
        buttons = any(len(element["text"]["text"]) > 75 for element in elements if element.get("type") == "button")
        if (
            "type" not in block
            or too_long
            or buttons
            or len(actions) != len(set(actions))
            or len(block.get("fields", ())) > 10
        ):
            raise SlackError("invalid_blocks")


def _texts(found: Any) -> list[str]:
    if isinstance(found, list):
        return [text for one in found for text in _texts(one)]
    if not isinstance(found, dict):
        return []
    own = [found["text"]] if isinstance(found.get("text"), str) else []
    return own + [text for value in found.values() for text in _texts(value)]


def _typed(element: Json, value: str) -> Json:
    if element["type"] == "static_select":
        chosen = [option for option in element["options"] if option["value"] == value]
        return {"type": "static_select", "selected_option": chosen[0]}
    return {"type": element["type"], "value": value}


async def _arguments(request: web.Request) -> Json:
    if request.content_type == "application/json":
        body: Json = await request.json()
        return body
    form = {**request.query, **await request.post()}
    return {name: _decoded(name, value) for name, value in form.items()}


def _decoded(name: str, value: Any) -> Any:
    if name in {"blocks", "view", "attachments", "metadata"} and isinstance(value, str):
        return json.loads(value)
    return value
