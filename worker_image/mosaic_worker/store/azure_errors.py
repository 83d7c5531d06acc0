"""Converts errors of Azure libraries to faults of a store."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from mosaic_worker.store.service import Fault, ServiceError

_FAULTS = {
    "BlobAlreadyExists": Fault.EXISTS,
    "PathAlreadyExists": Fault.EXISTS,
    "ConditionNotMet": Fault.EXISTS,
    "InvalidBlockList": Fault.LOST,
    "ContainerNotFound": Fault.NO_CONTAINER,
    "FilesystemNotFound": Fault.NO_CONTAINER,
    "ContainerBeingDeleted": Fault.NO_CONTAINER,
}
"""By the error code of the service, if the status is not sufficient."""
_BY_STATUS = {401: Fault.DENIED, 403: Fault.DENIED, 412: Fault.EXISTS}


@contextmanager
def translated() -> Iterator[None]:
    """Convert errors of Azure libraries to ServiceError."""
    try:
        yield
    except AzureError as error:
        raise service_error(error) from None


def service_error(error: AzureError) -> ServiceError:
    """Convert an error without its text, which may contain a URL with a signature."""
    if isinstance(error, ClientAuthenticationError) and error.response is None:
        return ServiceError(Fault.NO_CREDENTIALS, type(error).__name__)
    if isinstance(error, ServiceRequestError | ServiceResponseError | IncompleteReadError):
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return ServiceError(Fault.OTHER, "its certificate is not trusted")
        return ServiceError(Fault.PASSING, type(error).__name__)
    if not isinstance(error, HttpResponseError):
        return ServiceError(Fault.OTHER, type(error).__name__)
    status = error.status_code or 0
    code = code_of(error)
    if status in {408, 429} or status >= 500 or status < 400:  # below 400: a truncated response
        fault = Fault.PASSING
    else:
        fault = _FAULTS.get(code, _BY_STATUS.get(status, Fault.OTHER))
    return ServiceError(fault, code or (f"status {status}" if status >= 400 else type(error).__name__))


def code_of(error: HttpResponseError) -> str:
    """The error code of the service; empty if there is none."""
    headers = getattr(error.response, "headers", {})
    code = getattr(error, "error_code", None) or headers.get("x-ms-error-code")
    text = str(getattr(code, "value", code) or "")
    return text if text.isalnum() else ""
