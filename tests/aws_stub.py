"""A stand-in for AWS on 127.0.0.1: DynamoDB, sign-in and its portal. It answers what it is told."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

TOKEN, REFRESH, SECRET = "token-of-the-portal", "token-to-renew", "secret-of-the-client"
CODE = "ABCD-EFGH"
CONFIG = """\
[profile desk]
sso_session = city
sso_account_id = 111122223333
sso_role_name = counter
region = us-east-1

[profile old]
sso_start_url = https://city.example/start
sso_region = us-east-1
sso_account_id = 111122223333
sso_role_name = counter
region = us-east-1

[profile nothing]
region = us-east-1

[profile elsewhere]
sso_session = gone

[sso-session city]
sso_start_url = https://city.example/start
sso_region = us-east-1
sso_registration_scopes = sso:account:access
"""

Answer = tuple[int, dict[str, Any]]


def error(code: str, message: str = "planted", status: int = 400) -> Answer:
    return status, {"__type": code, "message": message}


PENDING = error("AuthorizationPendingException")
SLOW_DOWN = error("SlowDownException")
EXPIRED = error("ExpiredTokenException")
DENIED = error("AccessDeniedException")
GIVEN = (
    200,
    {"accessToken": TOKEN, "refreshToken": REFRESH, "expiresIn": 3600, "tokenType": "Bearer"},
)


@dataclass
class Stub:
    """What it answers, and what it was asked. `tokens` are answered one after the other, `dynamodb`
    each time; `portal` to who shows the token. `date` is what its clock says, None for one that is
    silent; `signed` is whether each question had a signature."""

    url: str = ""
    tokens: list[Answer] = field(default_factory=list)
    dynamodb: Answer = (200, {"Items": [], "Responses": {}})
    portal: Answer | None = None
    ends_in: int = 600
    date: str | None = "Wed, 18 Nov 2026 17:00:00 GMT"
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    signed: list[bool] = field(default_factory=list)

    def environment(self, home: Path, profile: str = "") -> dict[str, str]:
        """A computer whose AWS settings are CONFIG, with nobody signed in."""
        (home / ".aws").mkdir(exist_ok=True)
        (home / ".aws" / "config").write_text(CONFIG)
        endpoints = ("DYNAMODB", "SSO_OIDC", "SSO")
        return {
            "HOME": str(home),
            "AWS_CONFIG_FILE": str(home / ".aws" / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / ".aws" / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            **{f"AWS_ENDPOINT_URL_{name}": self.url for name in endpoints},
            **({"AWS_PROFILE": profile} if profile else {}),
        }

    def answer(self, path: str, target: str, token: str, body: dict[str, Any]) -> Answer:
        self.asked.append((target or path, body))
        if path == "/client/register":
            registered = {"clientId": "us", "clientSecret": SECRET}
            return 200, {**registered, "clientSecretExpiresAt": 1_900_000_000}
        if path == "/device_authorization":
            there = "https://city.example/device"
            told = {"deviceCode": "the-device", "userCode": CODE, "verificationUri": there}
            complete = f"{there}?user_code={CODE}"
            return 200, {
                **told,
                "verificationUriComplete": complete,
                "expiresIn": self.ends_in,
                "interval": 0,
            }
        if path == "/token":
            return self.tokens.pop(0)
        if path == "/federation/credentials":
            if token != TOKEN:
                return error("UnauthorizedException", status=401)
            keys = {"accessKeyId": "testing", "secretAccessKey": "t", "sessionToken": "t"}
            return self.portal or (
                200,
                {"roleCredentials": {**keys, "expiration": 4_000_000_000_000}},
            )
        return self.dynamodb


@contextmanager
def stub(tokens: Sequence[Answer] = ()) -> Iterator[Stub]:
    """The stand-in until the block ends."""
    told = Stub(tokens=list(tokens))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            path = self.path.partition("?")[0]
            target = self.headers.get("x-amz-target", "")
            token = self.headers.get("x-amz-sso_bearer_token", "")
            status, said = told.answer(path, target, token, body)
            data = json.dumps(said).encode()
            told.signed.append("authorization" in self.headers)
            self.send_response_only(status)
            if told.date is not None:
                self.send_header("date", told.date)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            # Where a service that speaks REST says which error it is.
            self.send_header("x-amzn-errortype", said.get("__type", ""))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
