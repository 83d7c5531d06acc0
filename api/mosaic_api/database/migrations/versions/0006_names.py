"""Name tables after their rows: requests, datasets and orphan files."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = depends_on = None

_TABLES = (("mosaics", "requests"), ("entries", "datasets"), ("loose_files", "orphan_files"))
_SUBJECTS = (("mosaic", "request"), ("entry", "dataset"))
_RENAME = """
DO $$
DECLARE
    each record;
BEGIN
    ALTER TABLE {old} RENAME TO {new};
    FOR each IN SELECT conname AS name FROM pg_constraint WHERE conrelid = '{new}'::regclass LOOP
        IF each.name LIKE '{old}\\_%' THEN
            EXECUTE format(
                'ALTER TABLE {new} RENAME CONSTRAINT %I TO %I', each.name, '{new}' || substr(each.name, {at})
            );
        END IF;
    END LOOP;
    FOR each IN SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indrelid = '{new}'::regclass LOOP
        IF each.name ~ '^(ix_)?{old}_' THEN
            EXECUTE format('ALTER INDEX %I RENAME TO %I', each.name, regexp_replace(each.name, '{old}', '{new}'));
        END IF;
    END LOOP;
    FOR each IN SELECT tgname AS name FROM pg_trigger WHERE tgrelid = '{new}'::regclass AND NOT tgisinternal LOOP
        EXECUTE format(
            'ALTER TRIGGER %I ON {new} RENAME TO %I', each.name, regexp_replace(each.name, '{old}', '{new}')
        );
    END LOOP;
END $$
"""


def upgrade() -> None:
    """Rename the tables, with their constraints, indexes and triggers, and the subjects of the audit."""
    for old, new in _TABLES:
        _rename(old, new)
    for old, new in _SUBJECTS:
        _rename_subjects(old, new)


def downgrade() -> None:
    """Restore the old names."""
    for old, new in _TABLES:
        _rename(new, old)
    for old, new in _SUBJECTS:
        _rename_subjects(new, old)


def _rename(old: str, new: str) -> None:
    op.execute(_RENAME.format(old=old, new=new, at=len(old) + 1))


def _rename_subjects(old: str, new: str) -> None:
    op.execute(f"UPDATE audit SET subject = '{new}' || substr(subject, {len(old) + 1}) WHERE subject LIKE '{old}/%'")  # noqa: S608  # nosec B608 (two names of this file)
