"""Errors of Azure's libraries as faults of a store."""

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
"""By the service's word for it, where the status alone does not tell."""
_BY_STATUS = {401: Fault.DENIED, 403: Fault.DENIED, 412: Fault.EXISTS}


@contextmanager
def translated() -> Iterator[None]:
    """Errors of Azure's libraries as ServiceError."""
    try:
        yield
    except AzureError as error:
        raise service_error(error) from None


def service_error(error: AzureError) -> ServiceError:
    """What an error means. Its text is left out: it may hold a URL, and that a signature."""
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
    if status in {408, 429} or status >= 500 or status < 400:  # less: a good answer, but not all of it
        fault = Fault.PASSING
    else:
        fault = _FAULTS.get(code, _BY_STATUS.get(status, Fault.OTHER))
    return ServiceError(fault, code or (f"status {status}" if status >= 400 else type(error).__name__))


def code_of(error: HttpResponseError) -> str:
    """The service's own word for an error; empty when it gave none."""
    headers = getattr(error.response, "headers", {})
    code = getattr(error, "error_code", None) or headers.get("x-ms-error-code")
    text = str(getattr(code, "value", code) or "")
    return text if text.isalnum() else ""
