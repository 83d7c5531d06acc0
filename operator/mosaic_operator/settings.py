"""What whoever installs the operator decides, told by the environment."""

from collections.abc import Mapping
from typing import Annotated, Any

from mosaic_crds.allowed import Allowed
from mosaic_crds.fields import duration_seconds
from mosaic_crds.worker_pod import Step
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Json, ValidationError
from pydantic.alias_generators import to_camel

PREFIX = "MOSAIC_"


class SettingsError(Exception):
    """The environment is not usable; the message says which variable and why."""


class WorkerPod(BaseModel):
    """How the pods of all steps look, apart from what the operator itself decides; in Kubernetes' own terms."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    image: str
    """Of the worker."""
    image_pull_policy: str = "IfNotPresent"
    """As in a container."""
    image_pull_secrets: list[dict[str, Any]] = []
    """As in a pod."""
    service_account_name: str = "default"
    """Whose token is not mounted."""
    resources: dict[Step, dict[str, Any]] = {}
    """As in a container, for each step; a sweep takes what a plan takes."""
    env: list[dict[str, Any]] = []
    """As in a container."""
    env_from: list[dict[str, Any]] = []
    """As in a container: credentials of the store, from a Secret that the operator cannot read."""
    volumes: list[dict[str, Any]] = []
    """As in a pod: the store, where it is one."""
    volume_mounts: list[dict[str, Any]] = []
    """As in a container."""
    node_selector: dict[str, str] = {}
    """As in a pod."""
    tolerations: list[dict[str, Any]] = []
    """As in a pod."""
    labels: dict[str, str] = {}
    """On every pod."""
    annotations: dict[str, str] = {}
    """On every pod."""


def _listed(text: object) -> object:
    return [part.strip() for part in text.split(",") if part.strip()] if isinstance(text, str) else text


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
DAY = 86400
Seconds = Annotated[int, BeforeValidator(duration_seconds), Field(ge=1, le=30 * DAY)]
LongSeconds = Annotated[int, BeforeValidator(duration_seconds), Field(ge=1, le=3650 * DAY)]
Positive = Annotated[int, Field(ge=1)]
Few = Annotated[int, Field(ge=1, le=10_000)]
"""Kubernetes allows no more pods of an Indexed Job at once."""


class Settings(BaseModel):
    """The operator's settings; each stands in the variable of its name in capitals, after `MOSAIC_`."""

    model_config = ConfigDict(frozen=True)

    worker_pod: Json[WorkerPod]
    """How worker pods look."""
    store: str
    """The URI of the store as pods see it."""
    namespaces: Names = ()
    """Where requests are served; none means everywhere."""
    own_namespace: str = "default"
    """Where the operator runs."""
    own_name: str = "mosaic-operator"
    """This replica's name."""
    lease: str = "mosaic-operator"
    """The Lease that the working replica holds."""
    allowed_hosts: str = ""
    """The hosts that scenes may be read from, as the workers read it."""
    source_secrets: Json[dict[str, str]] = {}
    """The names of Secrets with accounts, by kind of source; only the workers of requests with such a source get it."""
    source_buckets_secret: str = ""
    """Of the Secret with the account that reads scenes from S3 buckets, which the workers that read scenes get."""
    max_pixels: Positive = 2_000_000_000
    """The largest mosaic."""
    max_scenes: Positive = 500
    """The most scenes that a search may find."""
    range_seconds: Annotated[int, Field(ge=0)] = 5
    """Core-seconds of work that a pod of tiles is given at least; it takes about three to start."""
    max_parallelism: Few = 64
    """The most pods of a request at once."""
    max_running: Few = 32
    """The most requests at once."""
    max_running_per_namespace: Few = 8
    """The most requests of a namespace at once."""
    max_running_per_owner: Few = 6
    """The most requests of a user at once, in the namespace of the API."""
    owners_namespace: str = ""
    """The namespace of the API, in which the cluster lets nobody else say who owns a request; empty for none."""
    priority_classes: Names = ()
    """The PriorityClasses that requests may name."""
    queues: Names = ()
    """The LocalQueues of Kueue that requests may name."""
    plan_deadline: Seconds = 15 * 60
    """After so long a plan pod counts as stuck."""
    finalize_deadline: Seconds = 3600
    """After so long a finalize pod counts as stuck."""
    sweep_interval: Annotated[Seconds, Field(ge=60)] = 3600
    """How often left work folders are looked for."""
    sweep_age: LongSeconds = 3600
    """A work folder that changed within this time is left alone."""
    keep_failed: LongSeconds = 24 * 3600
    """How long the work folder of a failed request is kept."""
    request_ttl: LongSeconds | None = None
    """How long requests are kept that are over; None for always. Their mosaics stay."""
    log_level: Annotated[str, AfterValidator(str.upper)] = "INFO"
    """Of the log."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """For health and metrics."""

    @property
    def allowed(self) -> Allowed:
        """What requests may name of the cluster."""
        return Allowed(self.priority_classes, self.queues)

    @property
    def sweep_namespace(self) -> str:
        """Where the sweep runs: worker pods are at home there."""
        return (
            self.own_namespace if self.own_namespace in self.namespaces or not self.namespaces else self.namespaces[0]
        )


def settings_from(environment: Mapping[str, str]) -> Settings:
    """The settings that an environment holds; variables that are empty count as not set.

    Raises:
        SettingsError: one is missing or wrong.
    """
    names = {field: PREFIX + field.upper() for field in Settings.model_fields}
    names |= {"own_namespace": "POD_NAMESPACE", "own_name": "POD_NAME"}
    found = {field: environment[name] for field, name in names.items() if environment.get(name)}
    try:
        return Settings.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field, *rest = first["loc"]
        where = ".".join([names[str(field)], *map(str, rest)])
        raise SettingsError(f"{where} cannot be used: {first['msg']}; see values.yaml of the chart") from None
