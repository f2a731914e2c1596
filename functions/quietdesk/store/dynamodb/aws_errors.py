"""AWS's errors under our names, without their text: it may hold values and addresses."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    InvalidConfigError,
    InvalidRegionError,
    NoAuthTokenError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from quietdesk.errors import (
    BadSetting,
    ClockWrong,
    NotAllowed,
    StoreBusy,
    StoreRefused,
    StoreUnavailable,
)

_BUSY = {
    "ProvisionedThroughputExceededException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "TransactionConflictException",
    "TransactionInProgressException",
}
_CLOCK = {"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"}
# How AWS begins to say that it is the time of a signature, and not the signature, that is wrong.
_CLOCK_TEXTS = ("Signature expired", "Signature not yet current")
_SIGNATURE = {"InvalidSignatureException", "SignatureDoesNotMatch"}
_NOT_ALLOWED = {"AccessDenied", "AccessDeniedException", "ForbiddenException"}
_REFUSED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "UnauthorizedException",
    "UnrecognizedClientException",
}
# What botocore raises before it asks anybody: nobody is signed in, or not any more.
_NOT_SIGNED_IN = (
    CredentialRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    SSOError,
    TokenRetrievalError,
)


def code_of(error: ClientError) -> str:
    """AWS's own name of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _clock_is_wrong(error: ClientError) -> bool:
    # AWS's text is read to decide, and goes no further.
    text = str(error.response.get("Error", {}).get("Message", ""))
    code = code_of(error)
    return code in _CLOCK or (code in _SIGNATURE and text.startswith(_CLOCK_TEXTS))


@contextmanager
def settings_errors() -> Iterator[None]:
    """What is wrong with this computer's AWS settings, as BadSetting and without AWS's text."""
    try:
        yield
    except ProfileNotFound:
        raise BadSetting("AWS_PROFILE names a profile that this computer does not have") from None
    except (NoRegionError, InvalidRegionError):
        raise BadSetting("no AWS region is set: set AWS_DEFAULT_REGION, or the profile's") from None
    except (ConfigNotFound, ConfigParseError, InvalidConfigError, PartialCredentialsError):
        raise BadSetting("the AWS profile on this computer is not complete, or damaged") from None


@contextmanager
def named_errors() -> Iterator[None]:
    """What AWS, or its client, says while the store is asked, as StoreUnavailable and its kinds."""
    try:
        with settings_errors():
            yield
    except ClientError as error:
        code = code_of(error)
        if code in _BUSY:
            raise StoreBusy("the store is throttled; try again in a moment") from None
        if _clock_is_wrong(error):
            raise ClockWrong("this computer's clock is not the cloud's") from None
        if code in _REFUSED or code in _SIGNATURE:
            raise StoreRefused("the cloud does not accept this sign-in, or not any more") from None
        if code in _NOT_ALLOWED or error.operation_name == "GetRoleCredentials":
            raise NotAllowed("you are signed in, and your role may not do this") from None
        if code == "ResourceNotFoundException":
            raise StoreUnavailable("the store's tables are not there") from None
        raise StoreUnavailable("the store answers with an error") from None
    except _NOT_SIGNED_IN:
        raise StoreRefused("nobody is signed in to the cloud, or not any more") from None
    except BotoCoreError:
        raise StoreUnavailable("the store cannot be reached") from None
