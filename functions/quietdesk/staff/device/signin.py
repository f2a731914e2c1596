"""Signing in at AWS IAM Identity Center: a code that a person types in a browser (RFC 8628).

The token goes to where botocore looks for it, as `aws sso login` does it, and nowhere else: not
onto the screen, not into a message. From then on the profile simply works.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import JSONFileCache, SSOTokenLoader

from quietdesk.errors import BadSetting, StoreRefused, StoreUnavailable
from quietdesk.store.dynamodb.aws_errors import settings_errors
from quietdesk.store.dynamodb.calls import PATIENT

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SCOPE = "sso:account:access"  # what a profile with an sso-session asks for, unless it says else
_SECONDS, _SLOWER = 5, 5  # RFC 8628, 3.2 and 3.5: between two questions, and more when told so


@dataclass(frozen=True, slots=True)
class Portal:
    """Where a profile's people sign in. `session` is the name of its sso-session, if it has one:
    only then can the token be renewed while the day lasts."""

    start_url: str
    region: str
    session: str | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """What a person needs: the address to open, and the code to type or compare there."""

    address: str
    code: str


class Waiting:
    """A sign-in beside other work. `code` is what to show, as soon as there is one; `error` is why
    it did not succeed, once it is not `running` any more. It has no token."""

    def __init__(self, clock: Callable[[], datetime]):
        self.code: Code | None = None
        self.error: Exception | None = None
        self.running = True
        self._clock = clock
        self._stopped = Event()
        Thread(target=self._work, name="sign-in", daemon=True).start()

    def stop(self) -> None:
        """Ask no more, and keep nothing."""
        self._stopped.set()

    def _work(self) -> None:
        try:
            sign_in(self._show, self._clock, self._wait)
        except Exception as error:  # it is shown where the result would be
            self.error = error.with_traceback(None)
        finally:
            self.running = False

    def _show(self, code: Code) -> None:
        self.code = code

    def _wait(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise StoreRefused("the sign-in was stopped")


def sign_in(
    show: Callable[[Code], None],
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> None:
    """Sign the profile in use (AWS_PROFILE) in, once somebody has confirmed in a browser what is
    shown. Raises BadSetting, StoreRefused when it was denied or not confirmed in time, and
    StoreUnavailable."""
    with settings_errors():
        session = botocore.session.get_session()
        portal = _portal(session)
        client = session.create_client(
            "sso-oidc",
            region_name=portal.region,
            config=Config(signature_version=UNSIGNED).merge(PATIENT),
        )
    try:
        token = _token(client, portal, show, clock, sleep)
    except ClientError:
        raise StoreRefused("the sign-in service refuses this profile's portal") from None
    except BotoCoreError:
        raise StoreUnavailable("the sign-in service cannot be reached") from None
    finally:
        client.close()
    kept = {
        "startUrl": portal.start_url,
        "region": portal.region,
        "accessToken": token["accessToken"],
        "expiresAt": _written(clock() + timedelta(seconds=token["expiresIn"])),
        **token["registration"],
    }
    if "refreshToken" in token:
        kept["refreshToken"] = token["refreshToken"]
    cache = JSONFileCache(str(Path.home() / ".aws" / "sso" / "cache"))
    SSOTokenLoader(cache).save_token(portal.start_url, kept, portal.session)


def _portal(session: Any) -> Portal:
    """Raises BadSetting, and ProfileNotFound."""
    profile = session.get_scoped_config()
    name = profile.get("sso_session")
    told = profile if name is None else session.full_config.get("sso_sessions", {}).get(name, {})
    try:
        start_url, region = str(told["sso_start_url"]), str(told["sso_region"])
    except KeyError:
        raise BadSetting(
            "the AWS profile in use has no sso_start_url and sso_region to sign in with"
        ) from None
    if name is None:
        return Portal(start_url, region, None, ())
    scopes = str(told.get("sso_registration_scopes", _SCOPE)).split(",")
    return Portal(start_url, region, name, tuple(scope.strip() for scope in scopes))


def _token(
    client: Any,
    portal: Portal,
    show: Callable[[Code], None],
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> dict[str, Any]:
    """The service's answer, with the registration that a later renewal needs."""
    scopes = {"scopes": list(portal.scopes)} if portal.scopes else {}
    client_of_ours = client.register_client(clientName="quietdesk", clientType="public", **scopes)
    who = {key: client_of_ours[key] for key in ("clientId", "clientSecret")}
    asked = client.start_device_authorization(startUrl=portal.start_url, **who)
    until = clock() + timedelta(seconds=asked["expiresIn"])
    wait = asked.get("interval", _SECONDS)
    show(Code(asked.get("verificationUriComplete", asked["verificationUri"]), asked["userCode"]))
    while clock() < until:
        sleep(wait)
        try:
            answer = client.create_token(grantType=_GRANT, deviceCode=asked["deviceCode"], **who)
        except client.exceptions.AuthorizationPendingException:
            continue
        except client.exceptions.SlowDownException:
            wait += _SLOWER
            continue
        except client.exceptions.ExpiredTokenException:
            break
        except client.exceptions.AccessDeniedException:
            raise StoreRefused("the sign-in was denied in the browser") from None
        ends = datetime.fromtimestamp(client_of_ours["clientSecretExpiresAt"], UTC)
        return {**answer, "registration": {**who, "registrationExpiresAt": _written(ends)}}
    raise StoreRefused("nobody confirmed the code in time")


def _written(moment: datetime) -> str:
    """As botocore reads it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
