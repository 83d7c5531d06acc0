"""The tables. What a column may hold is said once, here, and by the migrations that make it so."""

import uuid
from datetime import UTC, datetime
from typing import Any, ClassVar

from mosaic_crds.lifecycle import TERMINAL, Phase
from mosaic_crds.names import API_VERSION
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, String, Text, event, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from mosaic_api.database.search_text import folded

ROLES = ("viewer", "editor", "admin")
"""What a user may do: look; ask and keep; and see to what is others'."""
ORIGINS = ("api", "cluster", "overlays", "command")
"""Who asked for a mosaic: somebody here, kubectl, a client of the research system, or the command on this machine."""
KINDS = ("image", "vector", "point")
WORKFORCES = ("executors", "cluster")
"""What works requests off: executors, or a cluster with which the sync keeps them in step."""


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """All tables; times have zones, and structures are JSON that PostgreSQL understands."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        uuid.UUID: UUID(as_uuid=True),
    }


class User(Base):
    """Somebody who is known here."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint(f"role IN {ROLES}", name="users_role"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    role: Mapped[str] = mapped_column(String(10), default="editor")
    subject: Mapped[str | None] = mapped_column(String(255), unique=True)
    """The issuer and subject of the identity provider that knows the user."""
    created: Mapped[datetime] = mapped_column(default=now)
    disabled: Mapped[bool] = mapped_column(default=False)


class Token(Base):
    """A secret that stands for a user; only its digest is kept."""

    __tablename__ = "tokens"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    label: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256, hexadecimal: of 32 random bytes, which nobody can guess from it."""
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(20)))
    created: Mapped[datetime] = mapped_column(default=now)
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]
    last_used: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="joined")


class Request(Base):
    """A mosaic that somebody asked for: the wish, and what is known of its fulfilment."""

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
    """The API's group and version that the spec is written for."""
    spec: Mapped[dict[str, Any]]
    """That of the MosaicRequest."""
    shared: Mapped[bool] = mapped_column(default=False)
    """Whether everybody here may see it."""
    created: Mapped[datetime] = mapped_column(default=now)
    changed: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    cancelled: Mapped[datetime | None]
    """Since when it is wished that it stops."""
    removed: Mapped[datetime | None]
    """Since when it is wished that it is gone, with its results; the row ends when they are."""
    phase: Mapped[str] = mapped_column(String(12), default=str(Phase.PENDING))
    status: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """That of the MosaicRequest, whoever works on it."""
    started: Mapped[datetime | None]
    completed: Mapped[datetime | None]
    uid: Mapped[str | None] = mapped_column(String(63))
    """Under which its work and results are kept; in a cluster, that of the MosaicRequest it was applied as."""
    crd: Mapped[str | None] = mapped_column(String(63))
    """In a cluster, the uid of the CustomResourceDefinition that it was applied under, with which it would go."""
    gone: Mapped[datetime | None]
    """Since when its MosaicRequest is not in the cluster any more; its name is free there, and its results stay."""
    item: Mapped[dict[str, Any] | None]
    """The STAC Item, once the mosaic is published."""
    worker: Mapped[str | None] = mapped_column(String(100))
    """Which executor works on it."""
    lease_until: Mapped[datetime | None]
    """Until when it does so without another word."""
    attempts: Mapped[int] = mapped_column(default=0)
    overlay_id: Mapped[int | None] = mapped_column(unique=True)
    """The row of the research system's table that asked for it."""

    owner: Mapped[User | None] = relationship(lazy="joined")

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.phase in TERMINAL


class Workforce(Base):
    """What works the requests of this database off: at most one row, made by whoever comes first."""

    __tablename__ = "workforce"
    __table_args__ = (
        CheckConstraint("id = 1", name="workforce_one"),
        CheckConstraint(f"kind IN {WORKFORCES}", name="workforce_kind"),
    )

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, default=1)
    kind: Mapped[str] = mapped_column(String(10))
    since: Mapped[datetime] = mapped_column(default=now)


class Dataset(Base):
    """Something that people keep beside mosaics: an image, a vector file or a point."""

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
    """As people write it; the owner is who it belongs to."""
    owner_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    shared: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime] = mapped_column(default=now)
    changed: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    removed: Mapped[datetime | None]
    """Since when it is deleted, which can be taken back for a while."""
    west: Mapped[float]
    south: Mapped[float]
    east: Mapped[float]
    north: Mapped[float]
    """Degrees; west > east crosses the antimeridian."""
    footprint: Mapped[dict[str, Any]]
    """GeoJSON geometry, degrees."""
    files: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What is in the store, by role: {"original": {key, name, mediaType, bytes, sha256}, "display": …}."""
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What is shown of it: the bands and statistics of an image, the fields of a vector file."""
    central_id: Mapped[uuid.UUID | None]
    """Its id in the central installation, where it was shared to or fetched from there."""
    sharing: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """How sharing with the central installation goes: {"state", "attempts", "next", "message"}."""
    searched: Mapped[str] = mapped_column(Text, default="", server_default="")
    """The name, the description and the creator, folded: in this it is searched for text."""

    owner: Mapped[User | None] = relationship(lazy="joined")


@event.listens_for(Dataset, "before_insert")
@event.listens_for(Dataset, "before_update")
def _fold(_: object, __: object, dataset: Dataset) -> None:
    dataset.searched = folded("\n".join((dataset.name, dataset.description or "", dataset.creator or "")))


class OrphanFile(Base):
    """A file of the store that no dataset names: not yet, or not any more."""

    __tablename__ = "orphan_files"
    __table_args__ = (Index("orphan_files_since", "since"),)

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    since: Mapped[datetime]
    swept: Mapped[bool]
    """Whether it is being deleted, so that no dataset may name it any more."""


class Failure(Base):
    """An address from which somebody failed to get in; kept as long as that counts."""

    __tablename__ = "failures"
    __table_args__ = (Index("failures_free", "free"),)

    address: Mapped[str] = mapped_column(String(100), primary_key=True)
    free: Mapped[datetime]
    """When nothing of it counts any more."""


class Audit(Base):
    """Who did what; never changed."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    user_id: Mapped[uuid.UUID | None]
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(100), index=True)
    """Kind and id of what it was done to, as `mosaic/<id>`."""
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
