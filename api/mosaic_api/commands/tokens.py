"""`mosaic token`: an administrator manages tokens in the database of an installation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import click

if TYPE_CHECKING:
    from mosaic_api.database import Database

ROW = "{:<36}  {:<20}  {:<18}  {:<20}  {:<10}  {}"


@click.group()
def token() -> None:
    """Manage tokens (needs MOSAIC_DATABASE_URL)."""


@token.command()
@click.option("--user", required=True, help="Name of the user.")
@click.option("--label", default="by command", show_default=True, help="Label in the list of tokens.")
@click.option("--role", type=click.Choice(["viewer", "editor", "admin"]), default="editor", show_default=True,
              help="Role, if the user is new.")  # fmt: skip
@click.option(
    "--scope", "scopes", type=click.Choice(["read", "write", "admin"]), multiple=True, default=("write",),
    show_default=True, help="Permission; each includes the ones before it. Repeatable.",
)  # fmt: skip
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="Days until it expires.")
def create(user: str, label: str, role: str, scopes: tuple[str, ...], days: int) -> None:
    """Create a token and print it once."""
    from mosaic_api.auth.identity import create_token, named_user

    with _database() as database, database.transaction() as session:
        made, secret = create_token(session, named_user(session, user, role), label, scopes, days)
    click.echo(f"token {made.id} of {user} ({', '.join(scopes)}) expires in {days} days", err=True)
    click.echo(secret)


@token.command("list")
def list_tokens() -> None:
    """List tokens, without their secrets."""
    from sqlalchemy import select

    from mosaic_api.database import Token

    with _database() as database, database.transaction() as session:
        click.echo(ROW.format("ID", "USER", "SCOPES", "LAST USED", "EXPIRES", "LABEL"))
        for each in session.scalars(select(Token).where(Token.revoked.is_(None)).order_by(Token.created)):
            used = f"{each.last_used:%Y-%m-%d %H:%M}" if each.last_used else "never"
            expires = f"{each.expires:%Y-%m-%d}" if each.expires else "never"
            click.echo(ROW.format(str(each.id), each.user.name, ",".join(each.scopes), used, expires, each.label))


@token.command()
@click.argument("token_id", metavar="ID", type=click.UUID)
def revoke(token_id: UUID) -> None:
    """Revoke a token."""
    from mosaic_crds.errors import RequestError

    from mosaic_api.auth.identity import audit
    from mosaic_api.database import Token
    from mosaic_api.database.models import now

    with _database() as database, database.transaction() as session:
        found = session.get(Token, token_id)
        if found is None:
            raise RequestError(f"token {token_id} not found; `mosaic token list` lists all")
        if found.revoked is None:
            found.revoked = now()
            audit(session, None, "revoke token", f"token/{token_id}", label=found.label)


@contextmanager
def _database() -> Iterator["Database"]:
    """The database in the environment.

    Raises:
        RequestError: there is none.
    """
    import os

    from mosaic_api.database import Database
    from mosaic_api.settings import database_of

    database = Database(database_of(os.environ))
    try:
        yield database
    finally:
        database.close()
