"""Record what processes the requests; existing rows show which kind it was."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = depends_on = None

_RECORD = "INSERT INTO workforce (id, kind, since) SELECT 1, '{}', now() WHERE EXISTS (SELECT FROM mosaics WHERE {})"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "workforce",
        sa.Column("id", sa.SmallInteger, primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name="workforce_one"),
        sa.CheckConstraint("kind IN ('executors', 'cluster')", name="workforce_kind"),
    )
    op.execute(_RECORD.format("cluster", "crd IS NOT NULL"))
    op.execute(_RECORD.format("executors", "attempts > 0") + " ON CONFLICT DO NOTHING")


def downgrade() -> None:
    """Drop it."""
    op.drop_table("workforce")
