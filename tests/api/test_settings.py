"""Settings from environment variables, and messages about invalid ones."""

from pathlib import Path

import pytest
from mosaic_api.settings import Oidc, Settings
from mosaic_crds.allowed import Allowed
from mosaic_crds.errors import RequestError

WHOLE = {
    "MOSAIC_DATABASE_URL": "postgresql+psycopg2://mosaic@db/mosaic",
    "MOSAIC_STORE": "az://maps/mosaics",
    "MOSAIC_PUBLIC_URL": "https://Mosaics.example.org/",
}
SECRET = "0123456789abcdef" * 2
PROVIDER = {
    "MOSAIC_SESSION_SECRET": SECRET,
    "MOSAIC_OIDC_ISSUER": "https://id.example.org/realms/maps/",
    "MOSAIC_OIDC_CLIENT_ID": "mosaic",
    "MOSAIC_OIDC_ROLES": "cn=maps=admin, staff = editor,",
}


def test_unset_variables_have_defaults():
    settings = Settings.from_environment(WHOLE)
    assert (settings.public_url, settings.single_user, settings.oidc) == ("https://mosaics.example.org", False, None)


def test_reads_allowed_names_only_with_a_cluster():
    named = {"MOSAIC_PRIORITY_CLASSES": "low, batch", "MOSAIC_QUEUES": ""}
    assert Settings.from_environment(WHOLE | named | {"MOSAIC_CLUSTER": "true"}).allowed == Allowed(("low", "batch"))
    assert Settings.from_environment(WHOLE | named).allowed is None


@pytest.mark.parametrize(
    ("text", "size"), [("", None), ("10Gi", 10 * 2**30), ("500M", 500_000_000), ("1073741824", 2**30), ("1.5Ki", 1536)]
)
def test_accepts_sizes_in_the_notation_of_kubernetes(text: str, size: int | None):
    assert Settings.from_environment(WHOLE | {"MOSAIC_MAX_SCRATCH_BYTES": text}).max_scratch_bytes == size


@pytest.mark.parametrize("text", ["much", "-1Gi", "10gb", "1e99"])
def test_refuses_an_invalid_size(text: str):
    with pytest.raises(RequestError, match=r"MOSAIC_MAX_SCRATCH_BYTES is .*; it must be a size such as 10Gi"):
        Settings.from_environment(WHOLE | {"MOSAIC_MAX_SCRATCH_BYTES": text})


@pytest.mark.parametrize("name", WHOLE)
def test_names_a_missing_variable(name: str):
    with pytest.raises(RequestError, match=f"{name} is not set"):
        Settings.from_environment({key: value for key, value in WHOLE.items() if key != name})


def test_reads_secrets_from_files_and_adds_the_password_to_the_url(tmp_path: Path):
    password, session = tmp_path / "password", tmp_path / "session"
    password.write_text("p@ss/word\n")
    session.write_text(SECRET + "\n")
    files = {"MOSAIC_DATABASE_PASSWORD_FILE": str(password), "MOSAIC_SESSION_SECRET_FILE": str(session)}
    settings = Settings.from_environment(WHOLE | files)
    assert settings.database == "postgresql+psycopg2://mosaic:p%40ss%2Fword@db/mosaic"
    assert settings.session_secret == SECRET
    assert SECRET not in repr(settings)
    assert "word" not in repr(settings).replace("password", "")
    with pytest.raises(RequestError, match="MOSAIC_SESSION_SECRET_FILE names /nowhere, which cannot be read"):
        Settings.from_environment(WHOLE | {"MOSAIC_SESSION_SECRET_FILE": "/nowhere"})


def test_reads_a_provider_with_its_roles():
    assert Settings.from_environment(WHOLE | PROVIDER).oidc == Oidc(
        "https://id.example.org/realms/maps", "mosaic", roles={"cn=maps": "admin", "staff": "editor"}
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"MOSAIC_OIDC_ISSUER": "http://id.example.org"}, "must begin with https://"),
        ({"MOSAIC_OIDC_CLIENT_ID": ""}, "MOSAIC_OIDC_CLIENT_ID is not set"),
        ({"MOSAIC_OIDC_ROLES": "staff=boss"}, "has the role 'boss'"),
        ({"MOSAIC_OIDC_ROLES": "admin"}, "MOSAIC_OIDC_ROLES"),
        ({"MOSAIC_OIDC_DEFAULT_ROLE": "boss"}, "viewer, editor, admin, none"),
        ({"MOSAIC_SESSION_SECRET": ""}, "at least 32 random characters"),
        ({"MOSAIC_SESSION_SECRET": "short"}, "at least 32 random characters"),
        ({"MOSAIC_PUBLIC_URL": "mosaics.example.org"}, "must be like https://"),
        ({"MOSAIC_PUBLIC_URL": "https://example.org/mosaics"}, "must be like https://"),
        ({"MOSAIC_MAX_CALLS_PER_MINUTE": "0"}, "must be an integer >= 1"),
        ({"MOSAIC_MAX_CALLS_PER_MINUTE": "many"}, "must be an integer >= 1"),
        ({"MOSAIC_DATABASE_URL": "secret-without-a-scheme"}, "is not like postgresql"),
    ],
)
def test_reports_mistakes_without_secrets(changed: dict[str, str], message: str):
    with pytest.raises(RequestError, match=message) as refused:
        Settings.from_environment(WHOLE | PROVIDER | changed)
    assert not any(secret in str(refused.value) for secret in (SECRET, "secret-without", "'short'"))
