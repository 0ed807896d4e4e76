"""Tokens of clients and of REST, signed with an access key."""

import base64
import hashlib
import hmac
import json
import time


def signed(key: str, audience: str, **claims) -> str:
    """A JSON Web Token that is good for an hour."""
    body = json.dumps({"aud": audience, "exp": int(time.time()) + 3600, **claims}).encode()
    text = _packed(b'{"alg":"HS256","typ":"JWT"}') + b"." + _packed(body)
    return (text + b"." + _packed(hmac.digest(key.encode(), text, hashlib.sha256))).decode()


def _packed(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")
