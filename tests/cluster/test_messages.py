"""Messages for users when the cluster does not let pods run."""

import json
import re

from support.cluster.cluster import Release, until


def message_of(release: Release, name: str, text: str) -> str:
    """Wait until the message of a request contains a text; return the message."""
    return until(
        lambda: [m for m in [release.status(name).get("message", "")] if text in m], f"{name} says {text!r}", 90
    )[0]


def degraded(release: Release, name: str) -> str:
    return {c["type"]: c["reason"] for c in release.status(name)["conditions"]}["Degraded"]


def test_reports_a_missing_image_until_it_is_corrected(install, scenes):
    release = install("imageless", values={"worker": {"image": {"tag": "nothing"}}})
    release.submit("imageless", scenes.spec(1))
    message = message_of(release, "imageless", "cannot be pulled")
    assert message.endswith("correct worker.image of the chart")
    assert degraded(release, "imageless") == "ImagePull"
    release.upgrade()
    release.wait_for("imageless", "Running", "Finalizing", "Succeeded")


def test_reports_an_exhausted_quota_until_it_is_raised(shared: Release, scenes, assert_whole):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": "2"}}}
    shared.kubectl("apply", "--filename", "-", given=json.dumps(quota))
    until(lambda: shared.get("resourcequota", "few").get("status", {}).get("hard"), "the quota holds")
    spec = scenes.spec(1)
    shared.submit("small", spec)
    assert "the namespace's quota allows no more pods of small-plan" in message_of(shared, "small", "quota")
    shared.kubectl("delete", "resourcequota", "few")
    assert_whole(shared, "small", spec)


def test_reports_that_no_node_has_room(install, scenes):
    huge = {"worker": {"resources": {"plan": {"requests": {"memory": "900Gi"}, "limits": {"memory": "900Gi"}}}}}
    release = install("roomless", values=huge)
    release.submit("roomless", scenes.spec(1))
    message = message_of(release, "roomless", "no node has room")
    assert re.search(r"no node has room for a plan pod: 0/[12] nodes are available", message)  # 2 with the lost node
    assert degraded(release, "roomless") == "Unschedulable"


def test_reports_a_missing_secret(install, scenes):
    key = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "store-credentials", "key": "key"}}}
    release = install("secretless", values={"worker": {"env": [key]}})
    release.submit("secretless", scenes.spec(1))
    assert 'secret "store-credentials" not found' in message_of(release, "secretless", "cannot start")


def test_a_host_that_is_not_allowed_fails_with_the_message_of_the_worker(shared: Release, scenes):
    spec = scenes.spec(1)
    spec["source"]["files"]["scenes"][0]["bands"]["green"]["href"] = "http://192.0.2.99/a.tif"
    shared.submit("stranger", spec)
    status = shared.wait_for("stranger", "Failed")
    assert "192.0.2.99" in status["message"]
    assert shared.jobs("stranger")["plan"]["status"]["failed"] == 1
    events = shared.get("events", "--field-selector=involvedObject.name=stranger,type=Warning")["items"]
    assert [event["message"] for event in events] == [status["message"]]


def test_the_log_of_the_operator_names_the_request(shared: Release, scenes):
    shared.submit("logged", scenes.spec(1))
    shared.wait_for("logged", "Succeeded")
    lines = [json.loads(line) for line in shared.kubectl("logs", f"deployment/{shared.name}").splitlines()]
    mine = [line["message"] for line in lines if line.get("request") == f"{shared.namespace}/logged"]
    assert [message.split(":")[0] for message in mine] == ["Planning", "Running", "Finalizing", "Succeeded"]
