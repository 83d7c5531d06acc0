"""All replicas count failed logins together."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "failures",
        sa.Column("address", sa.String(100), primary_key=True),
        sa.Column("free", sa.TIMESTAMP(timezone=True), nullable=False),
    )
    op.create_index("failures_free", "failures", ["free"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("failures")
