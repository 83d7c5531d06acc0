"""The store, account and credentials that a URI and the environment describe, without any request."""

import pytest
from mosaic_crds.errors import MosaicError, PassingError, RequestError
from mosaic_worker.store import open_store
from mosaic_worker.store.address import Address, parse_address
from mosaic_worker.store.azure_account import account_from
from mosaic_worker.store.s3 import open_bucket

KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
TOKEN = "sv=2025-01-05&sp=rwdl&sig=s%2Fecret"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://snow", Address("s3", "snow", "", "", "", "s3://snow/")),
        ("s3://snow.maps/a/b", Address("s3", "snow.maps", "", "", "a/b/", "s3://snow.maps/a/b/")),
        ("s3://snow//a/", Address("s3", "snow", "", "", "a/", "s3://snow/a/")),
        ("az://maps/My Folder", Address("az", "maps", "", "", "My Folder/", "az://maps/My Folder/")),
        (
            "abfss://maps@arbutus.dfs.core.windows.net/a",
            Address(
                "abfss", "maps", "arbutus", "dfs.core.windows.net", "a/", "abfss://maps@arbutus.dfs.core.windows.net/a/"
            ),
        ),
    ],
)
def test_parses_the_container_and_the_folder_of_a_uri(uri, expected):
    assert parse_address(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "s3://",
        "s3:///a",
        "s3://Snow",
        "s3://snow/../other",
        "az://ab",
        "az://account.blob.core.windows.net/../x",
        "abfss://maps/a",
        "abfss://maps@arbutus/a",
        "abfss://maps@arbutus.blob.core.windows.net/a",
    ],
)
def test_refuses_a_malformed_uri_with_the_expected_form(uri):
    with pytest.raises(RequestError, match=rf"^invalid store URI '.*'; expected {uri.partition(':')[0]}://<"):
        open_store(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://id:hunter2@snow/a",
        "s3://snow/a?X-Amz-Signature=hunter2",
        "az://maps/a?sig=hunter2",
        "az://hunter2@maps/a",
        "abfss://maps:hunter2@arbutus.dfs.core.windows.net/a",
        "abfss://maps@arbutus.dfs.core.windows.net/a#hunter2",
    ],
)
def test_refuses_credentials_in_a_uri_and_does_not_repeat_them(uri):
    with pytest.raises(RequestError, match="set credentials in the environment") as caught:
        open_store(uri)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "endpoint", "key", "token"),
    [
        (
            {"AZURE_STORAGE_ACCOUNT": "arbutus", "AZURE_STORAGE_KEY": KEY},
            "https://arbutus.blob.core.windows.net",
            KEY,
            "",
        ),
        (
            {"AZURE_STORAGE_ACCOUNT": "arbutus", "AZURE_STORAGE_SAS_TOKEN": f"?{TOKEN}"},
            "https://arbutus.blob.core.windows.net",
            "",
            TOKEN,
        ),
        ({"AZURE_STORAGE_ACCOUNT": "arbutus"}, "https://arbutus.blob.core.windows.net", "", ""),
        (
            {
                "AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=https;AccountName=arbutus;"
                f"AccountKey={KEY};EndpointSuffix=core.usgovcloudapi.net"
            },
            "https://arbutus.blob.core.usgovcloudapi.net",
            KEY,
            "",
        ),
        (
            {"AZURE_STORAGE_CONNECTION_STRING": f"BlobEndpoint=https://x.example/;SharedAccessSignature={TOKEN}"},
            "https://x.example",
            "",
            TOKEN,
        ),
        (
            {
                "AZURE_STORAGE_ACCOUNT": "arbutus",
                "AZURE_STORAGE_KEY": KEY,
                "AZURE_STORAGE_SERVICE_ENDPOINT": "http://127.0.0.1:10000/arbutus",
            },
            "http://127.0.0.1:10000/arbutus",
            KEY,
            "",
        ),
    ],
)
def test_the_environment_describes_an_azure_account(environment, endpoint, key, token):
    account = account_from(environment)
    assert (account.endpoint, account.key, account.token) == (endpoint, key, token)
    assert KEY not in repr(account)
    assert TOKEN not in repr(account)


def test_a_connection_string_is_preferred_to_a_key_and_a_key_to_a_signature():
    both = {"AZURE_STORAGE_ACCOUNT": "arbutus", "AZURE_STORAGE_KEY": KEY, "AZURE_STORAGE_SAS_TOKEN": TOKEN}
    assert (account_from(both).key, account_from(both).token) == (KEY, "")
    string = {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=other;SharedAccessSignature={TOKEN}"}
    account = account_from(both | string)
    assert (account.name, account.key, account.token) == ("other", "", TOKEN)


def test_without_key_or_signature_the_identity_of_the_pod_is_used(monkeypatch):
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"):  # as AKS sets them
        monkeypatch.setenv(name, "00000000-0000-0000-0000-000000000000")
    identity = account_from({"AZURE_STORAGE_ACCOUNT": "arbutus"}).credential
    assert type(identity).__name__ == "DefaultAzureCredential"
    names = {type(credential).__name__ for credential in identity.credentials}
    assert {"ManagedIdentityCredential", "WorkloadIdentityCredential"} <= names


def test_the_account_of_an_abfss_uri_is_the_only_one():
    account = account_from({"AZURE_STORAGE_ACCOUNT": "other"}, "arbutus", "blob.core.chinacloudapi.cn")
    assert account.endpoint == "https://arbutus.blob.core.chinacloudapi.cn"
    with pytest.raises(RequestError, match="in the account arbutus, but AZURE_STORAGE_CONNECTION_STRING has other"):
        account_from({"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=other;AccountKey={KEY}"}, "arbutus")


@pytest.mark.parametrize(
    ("environment", "error", "sentence"),
    [
        ({}, RequestError, "set AZURE_STORAGE_ACCOUNT or"),
        ({"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_KEY": "hunter2"}, PassingError, "check that AZURE_STORAGE_KEY"),
        ({"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_SAS_TOKEN": "hunter2"}, PassingError, "AZURE_STORAGE_SAS_TOKEN"),
        ({"AZURE_STORAGE_CONNECTION_STRING": "hunter2"}, PassingError, "AZURE_STORAGE_CONNECTION_STRING"),
    ],
)
def test_an_error_about_a_malformed_credential_does_not_repeat_it(environment, error, sentence):
    with pytest.raises(MosaicError, match=sentence) as caught:
        account_from(environment)
    assert type(caught.value) is error
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("bucket", "environment", "url"),
    [
        ("snow", {}, "https://snow.s3.us-east-1.amazonaws.com/k"),
        ("snow", {"AWS_REGION": "ca-central-1"}, "https://snow.s3.ca-central-1.amazonaws.com/k"),
        ("snow", {"AWS_DEFAULT_REGION": "cn-north-1"}, "https://snow.s3.cn-north-1.amazonaws.com.cn/k"),
        ("snow.maps", {}, "https://s3.us-east-1.amazonaws.com/snow.maps/k"),
        ("snow", {"AWS_ENDPOINT_URL": "https://rgw.example:8443/"}, "https://rgw.example:8443/snow/k"),
        ("snow", {"AWS_ENDPOINT_URL": "https://a", "AWS_ENDPOINT_URL_S3": "http://b:1"}, "http://b:1/snow/k"),
    ],
)
def test_reads_the_location_of_a_bucket_from_the_environment(bucket, environment, url):
    assert open_bucket(bucket, environment).url("k") == url


@pytest.mark.parametrize("endpoint", ["rgw.example", "https://id:hunter2@rgw.example", "ftp://rgw.example"])
def test_an_error_about_an_invalid_endpoint_does_not_repeat_it(endpoint):
    with pytest.raises(RequestError, match="invalid AWS_ENDPOINT_URL; expected https://host") as caught:
        open_bucket("snow", {"AWS_ENDPOINT_URL": endpoint})
    assert "hunter2" not in str(caught.value)


def test_the_patience_must_be_a_number(monkeypatch):
    monkeypatch.setenv("MOSAIC_STORE_PATIENCE", "long")
    with pytest.raises(RequestError, match="MOSAIC_STORE_PATIENCE must be a number of seconds"):
        open_store("s3://snow")
