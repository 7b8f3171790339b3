"""Clients of AWS: made as the AWS CLI makes them, able to read only, with errors for people."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
import botocore.exceptions
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.loaders import Loader, create_loader

from flowlens.errors import AccessError, FlowlensError, InputError
from flowlens.sources.base import Aws

__all__ = ["client", "code", "explain", "guarded", "session", "stranger"]

#: Tries of one call, unless AWS_MAX_ATTEMPTS or the profile says otherwise: a long run should
#: outlive a minute of throttling.
TRIES = 8

READING = ("Get", "List", "Describe", "Head", "Filter", "BatchGet", "Lookup", "Search")
#: What starts and stops a query of Athena: UNLOAD of a SELECT, which changes no table and puts its
#: answer where the user's results go.
QUERYING = frozenset({"StartQueryExecution", "StopQueryExecution"})

CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    SSOError,
)
#: Codes by which services say that they do not know the caller.
UNKNOWN_CALLER = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
#: Codes by which services refuse a call of a caller they know.
DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "AuthorizationError",
        "Forbidden",
        "UnauthorizedOperation",
    }
)


def session(aws: Aws) -> boto3.Session:
    """Return a session with the profile and region of `aws`.

    Args:
        aws: Profile and region, as in the AWS CLI.

    Raises:
        AccessError: The profile does not exist.
    """
    core = botocore.session.Session(profile=aws.profile)
    try:
        core.register_component("data_loader", _models(core.get_config_variable("data_path")))
        return boto3.Session(botocore_session=core, region_name=aws.region)
    except ProfileNotFound as error:
        known = ", ".join(boto3.Session().available_profiles) or "none"
        msg = f"AWS profile {aws.profile or 'of AWS_PROFILE'!r} not found; profiles here: {known}"
        raise AccessError(msg) from error


@cache
def _models(path: str | None) -> Loader:
    """Return what reads the models of services; all sessions share what was read.

    A client of S3 takes a fifth of a second with models of its own, 40 ms with shared ones.
    """
    return create_loader(path)


def client(service: str, aws: Aws) -> Any:
    """Return a client of an AWS service that retries adaptively and can only read.

    Args:
        service: Name of the service as boto3 spells it.
        aws: Profile, region and endpoint.

    Returns:
        A boto3 client, safe to use from several threads.

    Raises:
        AccessError: Profile or region is missing.
    """
    made = session(aws)
    retries: dict[str, Any] = {"mode": "adaptive"}
    if made._session.get_config_variable("max_attempts") is None:
        retries["total_max_attempts"] = TRIES
    config = Config(retries=retries, user_agent_extra="flowlens", max_pool_connections=16)
    try:
        result = made.client(service, endpoint_url=aws.endpoint_url, config=config)
    except NoRegionError as error:
        msg = f"no AWS region for {service}; give --region or set AWS_REGION"
        raise AccessError(msg) from error
    result.meta.events.register("before-call", _refuse)
    return result


def _refuse(model: Any, **_: Any) -> None:
    """Stop a call that does not only read."""
    if not model.name.startswith(READING) and model.name not in QUERYING:
        msg = f"{model.name} may change something; flowlens only reads"
        raise AssertionError(msg)


def code(error: BaseException | None) -> str:
    """Return the code of a service's answer, or the empty text."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


@contextmanager
def guarded(action: str, resource: str) -> Iterator[None]:
    """Turn what botocore raises inside into one line that says what is missing.

    Args:
        action: IAM action that the calls need, such as `s3:ListBucket`.
        resource: What they are made on.

    Raises:
        AccessError: Credentials or the permission are missing.
        InputError: Any other failure of the calls.
    """
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise explain(error, action, resource) from error


def stranger(error: Exception) -> bool:
    """Say whether a failure means that AWS does not know the caller, whatever was called."""
    return isinstance(error, CREDENTIALS) or code(error) in UNKNOWN_CALLER


def explain(error: Exception, action: str, resource: str) -> FlowlensError:
    """Return the error for people behind what botocore raised; see `guarded`."""
    said = " ".join(str(error).split())
    if stranger(error):
        msg = f"no valid AWS credentials for {action} on {resource} ({said}); "
        return AccessError(msg + "log in, or choose another --profile")
    if code(error) in DENIED:
        return AccessError(f"permission missing: allow {action} on {resource} ({said})")
    if isinstance(error, HTTPClientError | botocore.exceptions.ConnectionError):
        msg = f"{resource} cannot be reached ({said}); check network, --region and --endpoint-url"
        return InputError(msg)
    return InputError(f"{resource}: {action} failed ({said})")
