"""The operator's settings, from the environment."""

from collections.abc import Mapping
from typing import Annotated, Any

from mosaic_crds.allowed import Allowed
from mosaic_crds.times import duration_seconds
from mosaic_crds.worker_pod import Step
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Json, ValidationError
from pydantic.alias_generators import to_camel

PREFIX = "MOSAIC_"


class SettingsError(Exception):
    """A setting is missing or invalid; the message names the variable."""


class WorkerPod(BaseModel):
    """What the chart sets in the pods of all steps, in Kubernetes' own terms."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    image: str
    """The worker image for new requests."""
    image_pull_policy: str = "IfNotPresent"
    """As in a container."""
    image_pull_secrets: list[dict[str, Any]] = []
    """As in a pod."""
    service_account_name: str = "default"
    """The service account; its token is not mounted."""
    resources: dict[Step, dict[str, Any]] = {}
    """As in a container, for each step; a sweep has those of a plan."""
    max_memory: str = "0"
    """The largest memory limit of a pod that runs again because an earlier one ran out of memory; 0 for no such pod."""
    env: list[dict[str, Any]] = []
    """As in a container."""
    env_from: list[dict[str, Any]] = []
    """As in a container: the store's credentials, from a Secret that the operator cannot read."""
    volumes: list[dict[str, Any]] = []
    """As in a pod: the store, if it is a volume, and others."""
    volume_mounts: list[dict[str, Any]] = []
    """As in a container."""
    node_selector: dict[str, str] = {}
    """As in a pod."""
    tolerations: list[dict[str, Any]] = []
    """As in a pod."""
    affinity: dict[str, Any] = {}
    """As in a pod."""
    topology_spread_constraints: list[dict[str, Any]] = []
    """As in a pod."""
    labels: dict[str, str] = {}
    """Labels of every pod."""
    annotations: dict[str, str] = {}
    """Annotations of every pod."""


def _listed(text: object) -> object:
    return [part.strip() for part in text.split(",") if part.strip()] if isinstance(text, str) else text


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
DAY = 86400
Seconds = Annotated[int, BeforeValidator(duration_seconds), Field(ge=1, le=30 * DAY)]
LongSeconds = Annotated[int, BeforeValidator(duration_seconds), Field(ge=1, le=3650 * DAY)]
Positive = Annotated[int, Field(ge=1)]
Few = Annotated[int, Field(ge=1, le=10_000)]
"""Kubernetes allows no more parallel pods of an Indexed Job."""


class Settings(BaseModel):
    """The operator's settings. The variable of each is its name in capitals after `MOSAIC_`."""

    model_config = ConfigDict(frozen=True)

    worker_pod: Json[WorkerPod]
    """What the chart sets in worker pods."""
    store: str
    """The URI of the store as pods see it."""
    namespaces: Names = ()
    """The served namespaces; none means all."""
    own_namespace: str = "default"
    """The operator's namespace."""
    own_name: str = "mosaic-operator"
    """The name of this replica."""
    lease: str = "mosaic-operator"
    """The Lease for leader election."""
    allowed_hosts: str = ""
    """The hosts that scenes may be read from, passed to workers."""
    source_secrets: Json[dict[str, str]] = {}
    """The names of Secrets with accounts, by kind of source; only the workers of requests with such a source get it."""
    source_buckets_secret: str = ""
    """The Secret with the account for scenes in S3 buckets; workers that read scenes get it."""
    max_pixels: Positive = 2_000_000_000
    """The largest mosaic, pixels."""
    max_scenes: Positive = 500
    """The most scenes that a search may find."""
    range_seconds: Annotated[int, Field(ge=0)] = 5
    """Minimum work of a pod of tiles, core-seconds; a pod takes about three seconds to start."""
    shared_bytes: Annotated[int, Field(ge=0)] = 2 * 2**30
    """The size of the tiles that the requests of a namespace share, of all namespaces together; 0 for none."""
    inline_seconds: Annotated[int, Field(ge=0)] = 20
    """Work up to which the pod of a plan also computes and publishes the mosaic, core-seconds; 0 for never."""
    max_parallelism: Few = 64
    """The most parallel pods of a request."""
    max_running: Few = 32
    """The most running requests."""
    max_running_per_namespace: Few = 8
    """The most running requests of a namespace."""
    max_running_per_owner: Few = 6
    """The most running requests of a user, in the namespace of the API."""
    owners_namespace: str = ""
    """The namespace of the API, in which only the API can set the owner of a request; empty for none."""
    priority_classes: Names = ()
    """The PriorityClasses that requests may name."""
    queues: Names = ()
    """The LocalQueues of Kueue that requests may name."""
    plan_deadline: Seconds = 15 * 60
    """Time limit of a plan pod, seconds."""
    finalize_deadline: Seconds = 3600
    """Time limit of a finalize pod, seconds."""
    sweep_interval: Annotated[Seconds, Field(ge=60)] = 3600
    """Interval between sweeps of abandoned work folders."""
    sweep_age: LongSeconds = 3600
    """A sweep keeps work folders that changed within this time."""
    keep_failed: LongSeconds = 24 * 3600
    """How long the work folder of a failed request is kept."""
    request_ttl: LongSeconds | None = None
    """How long finished requests are kept; None for always. Their mosaics stay."""
    log_level: Annotated[str, AfterValidator(str.upper)] = "INFO"
    """The log level."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """The port for health and metrics."""

    @property
    def allowed(self) -> Allowed:
        """What requests may name in the cluster."""
        return Allowed(self.priority_classes, self.queues)

    @property
    def sweep_namespace(self) -> str:
        """The namespace of sweeps: one that is prepared for worker pods."""
        return (
            self.own_namespace if self.own_namespace in self.namespaces or not self.namespaces else self.namespaces[0]
        )


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the settings from an environment; empty variables count as not set.

    Raises:
        SettingsError: one is missing or invalid.
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
        raise SettingsError(f"{where} is invalid: {first['msg']}; see values.yaml of the chart") from None
