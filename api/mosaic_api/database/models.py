"""The tables. The migrations create them."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from mosaic_crds.lifecycle import TERMINAL, Phase
from mosaic_crds.names import API_VERSION
from mosaic_crds.request import request_manifest
from mosaic_crds.spec import Execution
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, String, Text, event, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from mosaic_api.database.search_text import folded

ROLES = ("viewer", "editor", "admin")
"""viewer reads; editor also creates and changes; admin also changes what others own."""
ORIGINS = ("api", "cluster", "overlays", "command")
"""Where a request comes from: REST, kubectl, a client of the research system, or a command on this machine."""
KINDS = ("image", "vector", "point")
WORKFORCES = ("executors", "cluster")
"""What processes requests: executors, or a cluster with which rows are synchronized."""


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Base of all tables: times have time zones, structures are JSONB."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        uuid.UUID: UUID(as_uuid=True),
    }


class User(Base):
    """A user."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint(f"role IN {ROLES}", name="users_role"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    role: Mapped[str] = mapped_column(String(10), default="editor")
    subject: Mapped[str | None] = mapped_column(String(255), unique=True)
    """Issuer and subject of the OpenID provider."""
    created: Mapped[datetime] = mapped_column(default=now)
    disabled: Mapped[bool] = mapped_column(default=False)


class Token(Base):
    """A token or browser session; only the digest of its secret is stored."""

    __tablename__ = "tokens"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    label: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256, hexadecimal. The secret has 32 random bytes."""
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(20)))
    created: Mapped[datetime] = mapped_column(default=now)
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]
    last_used: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="joined")


class Request(Base):
    """A request and its status."""

    __tablename__ = "requests"
    __table_args__ = (
        CheckConstraint(f"origin IN {ORIGINS}", name="requests_origin"),
        CheckConstraint(f"phase IN {tuple(str(phase) for phase in Phase)}", name="requests_phase"),
        Index(
            "requests_name",
            "namespace",
            "name",
            unique=True,
            postgresql_where=text("removed IS NULL AND gone IS NULL"),
        ),
        Index("requests_created", "created"),
        Index("requests_open", "phase", "lease_until", postgresql_where=text("completed IS NULL AND removed IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    namespace: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(52))
    owner_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    origin: Mapped[str] = mapped_column(String(10), default="api")
    api_version: Mapped[str] = mapped_column(String(80), default=API_VERSION)
    """API group and version of the spec."""
    spec: Mapped[dict[str, Any]]
    """The spec of the MosaicRequest."""
    shared: Mapped[bool] = mapped_column(default=False)
    """Whether all users may see it."""
    created: Mapped[datetime] = mapped_column(default=now)
    changed: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    cancelled: Mapped[datetime | None]
    """When the user cancelled it."""
    removed: Mapped[datetime | None]
    """When the user deleted it. The row is deleted after its results."""
    phase: Mapped[str] = mapped_column(String(12), default=str(Phase.PENDING))
    status: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The status of the MosaicRequest."""
    started: Mapped[datetime | None]
    completed: Mapped[datetime | None]
    uid: Mapped[str | None] = mapped_column(String(63))
    """The uid that names its work and results; in a cluster, the uid of its MosaicRequest."""
    crd: Mapped[str | None] = mapped_column(String(63))
    """In a cluster, the uid of the CustomResourceDefinition: if that is deleted, the MosaicRequest is too."""
    gone: Mapped[datetime | None]
    """When its MosaicRequest vanished from the cluster. Its name is free there, and its results stay."""
    item: Mapped[dict[str, Any] | None]
    """The STAC Item of the published mosaic."""
    worker: Mapped[str | None] = mapped_column(String(100))
    """The executor that processes it."""
    lease_until: Mapped[datetime | None]
    """When the executor's lease ends."""
    attempts: Mapped[int] = mapped_column(default=0)
    overlay_id: Mapped[int | None] = mapped_column(unique=True)
    """Its row in the table of the research system."""

    owner: Mapped[User | None] = relationship(lazy="joined")

    @property
    def over(self) -> bool:
        """Whether it has finished."""
        return self.phase in TERMINAL

    def manifest(self, **metadata: str | Mapping[str, str] | None) -> dict[str, Any]:
        """Its MosaicRequest, with further fields of the metadata."""
        return request_manifest(
            self.name, self.spec, api_version=self.api_version, namespace=self.namespace, **metadata
        )

    @property
    def deadline(self) -> str:
        """The deadline in its spec, or the default."""
        return str(self.spec.get("execution", {}).get("deadline", Execution().deadline))


class Workforce(Base):
    """What processes the requests of this database: at most one row, created by the first that starts."""

    __tablename__ = "workforce"
    __table_args__ = (
        CheckConstraint("id = 1", name="workforce_one"),
        CheckConstraint(f"kind IN {WORKFORCES}", name="workforce_kind"),
    )

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, default=1)
    kind: Mapped[str] = mapped_column(String(10))
    since: Mapped[datetime] = mapped_column(default=now)


class Dataset(Base):
    """A dataset: an image, a vector file or a point."""

    __tablename__ = "datasets"
    __table_args__ = (
        CheckConstraint(f"kind IN {KINDS}", name="datasets_kind"),
        Index("datasets_box", "west", "east", "south", "north"),
        Index("datasets_created", "created"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    kind: Mapped[str] = mapped_column(String(6))
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(Text, default="")
    creator: Mapped[str] = mapped_column(String(100), default="")
    """Free text; the owner is a user."""
    owner_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    shared: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime] = mapped_column(default=now)
    changed: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    removed: Mapped[datetime | None]
    """When it was deleted. It can be restored for some days."""
    west: Mapped[float]
    south: Mapped[float]
    east: Mapped[float]
    north: Mapped[float]
    """Degrees; west > east crosses the antimeridian."""
    footprint: Mapped[dict[str, Any]]
    """GeoJSON geometry, degrees."""
    files: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Files in the store by role: {"original": {key, name, mediaType, bytes, sha256}, "display": …}."""
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Bands and statistics of an image, fields of a vector file."""
    central_id: Mapped[uuid.UUID | None]
    """Its id in the central installation, if it was shared there or fetched from there."""
    sharing: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The state of sharing with the central installation: {"action", "state", "attempts", "next", "message"}."""
    searched: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Name, description and creator, folded for the text search."""

    owner: Mapped[User | None] = relationship(lazy="joined")


@event.listens_for(Dataset, "before_insert")
@event.listens_for(Dataset, "before_update")
def _fold(_: object, __: object, dataset: Dataset) -> None:
    dataset.searched = folded("\n".join((dataset.name, dataset.description or "", dataset.creator or "")))


class OrphanFile(Base):
    """A file in the store that no dataset names, not yet or no longer."""

    __tablename__ = "orphan_files"
    __table_args__ = (Index("orphan_files_since", "since"),)

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    since: Mapped[datetime]
    swept: Mapped[bool]
    """Whether it is being deleted; then no dataset may use it."""


class Failure(Base):
    """An address with failed logins."""

    __tablename__ = "failures"
    __table_args__ = (Index("failures_free", "free"),)

    address: Mapped[str] = mapped_column(String(100), primary_key=True)
    free: Mapped[datetime]
    """When they stop counting."""


class Audit(Base):
    """Who did what; rows never change."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    user_id: Mapped[uuid.UUID | None]
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(100), index=True)
    """Kind and id of the object, such as `request/<id>`."""
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
