"""Each request stores the version of the API that its spec is written for."""

import sqlalchemy as sa
from alembic import op
from mosaic_crds.crd import VERSIONS
from mosaic_crds.names import GROUP

revision = "0007"
down_revision = "0006"
branch_labels = depends_on = None


def upgrade() -> None:
    """Add the column. Existing rows have the only version that existed before."""
    before = f"{GROUP}/{VERSIONS[0].name}"
    op.add_column("requests", sa.Column("api_version", sa.String(80), nullable=False, server_default=before))
    op.alter_column("requests", "api_version", server_default=None)
