"""Answering, pausing, looking: with people's own kubeconfigs, on a real API server with the chart installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from controller.cli.exits import Exit
from tests.api.examples import REMEDIATION
from tests.charts.chart import Helm, install
from tests.charts.fixtures import SHOP, VALUES
from tests.cli.run import Trimtab
from tests.cli.server import Place, condition
from tests.controlplane.api import Api, ApiError
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for
from tests.endtoend.process import Trimtab as Program

REMEDIATIONS = ("trimtab.dev/v1alpha1", "remediations")

pytestmark = [pytest.mark.controlplane, pytest.mark.checkout]


@pytest.fixture(scope="module")
def place(charted: ControlPlane, helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = Place(charted, helm, tmp_path_factory.mktemp("cli"))
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "trimtab-approver"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "pat"}
    bound = {"kind": "RoleBinding", "metadata": {"name": "pat"}, "roleRef": role, "subjects": [subject]}
    charted.api.create({"apiVersion": "rbac.authorization.k8s.io/v1", **bound}, SHOP)
    return found


@pytest.fixture(scope="module")
def program(place: Place) -> Iterator[Program]:
    """One for all tests of this file; they use workloads of their own."""
    running = place.program("running").start()
    yield running
    running.stop()


@pytest.fixture
def mara(place: Place) -> Trimtab:
    """May approve in shop, and is among the approvers."""
    return place.person("mara")


@pytest.fixture
def eve(place: Place) -> Trimtab:
    """May nothing."""
    return place.person("eve")


@pytest.fixture
def admin(place: Place) -> Trimtab:
    """May everything."""
    return place.person("admin", "system:masters")


def test_a_person_approves_once_and_whoever_comes_second_learns_it(
    place: Place, program: Program, mara: Trimtab, eve: Trimtab, fresh: str
) -> None:
    item = place.broken(program, fresh)
    incident = item["spec"]["incident"]

    refused = eve("approve", incident, "-n", SHOP, "--yes")
    assert refused.code is Exit.DENIED
    assert "you lack the right to list remediations.trimtab.dev in shop" in refused.err
    lost = mara("approve", incident, "--yes")
    assert (lost.code, "--namespace" in lost.err) == (Exit.DENIED, True)
    assert mara("approve", incident, "-n", SHOP).code is Exit.USAGE, "without a terminal nobody can be asked"
    assert "decision" not in place.remediation(item)["spec"]

    approved = mara("approve", incident, "-n", SHOP, "--yes", "--wait", "60")

    assert approved.code is Exit.OK, approved.err
    assert "✔ Approve by mara counts" in approved.out
    assert item["spec"]["diff"].splitlines()[0] in approved.err, "what is approved is shown"
    answer = place.remediation(item)["status"]["decision"]
    assert answer == {"verdict": "Approve", "by": "mara", "via": "CLI"}
    again = mara("approve", incident, "-n", SHOP, "--yes")
    assert again.code is Exit.FAILED
    assert "mara has already answered: Approve (CLI)" in again.err

    back = mara("undo", incident, "-n", SHOP, "--yes", "--wait", "30")

    assert back.code is Exit.DENIED
    assert "rollback cannot be undone by automation" in back.err
    told = program.cli("explain", incident)
    assert "by mara on the command line" in told.out


def test_a_rejection_needs_a_reason_and_nothing_is_done(
    place: Place, program: Program, mara: Trimtab, fresh: str
) -> None:
    item = place.broken(program, fresh)
    incident = item["spec"]["incident"]
    assert mara("reject", incident, "-n", SHOP, "--yes").code is Exit.USAGE
    assert mara("reject", incident, "-n", SHOP, "--yes", "--reason", "  ").code is Exit.USAGE

    answer = mara("reject", incident, "-n", SHOP, "--yes", "--reason", "we deploy v43 now", "--wait", "60")

    assert answer.code is Exit.OK, answer.err
    assert place.remediation(item)["status"]["decision"]["verdict"] == "Reject"
    container = place.workloads.deployment(fresh)["spec"]["template"]["spec"]["containers"][0]
    assert container["image"].endswith("v42-crash")
    assert "we deploy v43 now" in program.cli("explain", incident).out


def test_the_right_to_approve_is_not_enough_without_being_named(
    place: Place, program: Program, mara: Trimtab, fresh: str
) -> None:
    """S19: RBAC lets pat write the answer; the settings do not name her, so it does not count, and she is told."""
    item = place.broken(program, fresh)
    incident = item["spec"]["incident"]

    answer = place.person("pat")("approve", incident, "-n", SHOP, "--yes", "--wait", "60")

    assert answer.code is Exit.DENIED
    assert "pat is not among those who may answer here" in answer.err
    refused = condition(place.remediation(item), "Approved")
    assert (refused["status"], refused["reason"]) == ("False", "Refused")
    later = mara("approve", incident, "-n", SHOP, "--yes")
    assert later.code is Exit.FAILED
    assert "did not count" in later.err


def test_what_can_be_undone_is_taken_back_on_the_command_line(
    place: Place, program: Program, mara: Trimtab, fresh: str
) -> None:
    place.workloads.deploy(fresh, f"registry.test/{fresh}:v41-oom-512Mi", 3, memory="128Mi")
    item = place.asked(fresh)
    incident = item["spec"]["incident"]
    before = place.workloads.deployment(fresh)["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert mara("undo", incident, "-n", SHOP, "--yes").code is Exit.FAILED, "nothing was done yet"
    assert mara("approve", incident, "-n", SHOP, "--yes", "--wait", "60").code is Exit.OK
    raised = place.workloads.deployment(fresh)["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert raised != before

    answer = mara("undo", incident, "-n", SHOP, "--yes", "--wait", "60")

    assert answer.code is Exit.OK, answer.err
    wait_for(
        "the limit is as it was",
        lambda: place.workloads.deployment(fresh)["spec"]["template"]["spec"]["containers"][0]["resources"],
        until=lambda resources: resources == before,
    )
    wait_for(
        "it says so", lambda: condition(place.remediation(item), "Undone"), until=lambda one: one["status"] == "True"
    )
    assert mara("undo", incident, "-n", SHOP, "--yes").code is Exit.FAILED, "it is taken back already"


def test_a_wish_to_undo_is_written_in_nobody_elses_name(place: Place, program: Program, fresh: str) -> None:
    item = place.broken(program, fresh)
    name = item["metadata"]["name"]

    def wish(user: str, by: str) -> None:

        api = Api(place.plane.user_kubeconfig(user))
        try:
            api.patch(*REMEDIATIONS, name, {"metadata": {"annotations": {"trimtab.dev/undo": by}}}, SHOP)
        finally:
            api.close()

    with pytest.raises(ApiError, match="must be whoever writes it"):
        wish("mara", "pat")
    with pytest.raises(ApiError, match="403"):
        wish("eve", "eve")
    wish("mara", "mara")


def test_an_incident_that_is_not_there_is_not_found(place: Place, program: Program, mara: Trimtab) -> None:
    for command in (["approve"], ["reject", "--reason", "x"], ["undo"]):
        answer = mara(*command, "INC-4242", "-n", SHOP, "--yes")
        assert answer.code is Exit.NOT_FOUND
        assert "there is no Remediation of INC-4242" in answer.err


def test_pausing_takes_the_right_to_pause_and_says_by_whom(
    place: Place, program: Program, eve: Trimtab, admin: Trimtab
) -> None:
    refused = eve("pause", "--reason", "x", "--yes")
    assert refused.code is Exit.DENIED
    assert "eve lacks the right to create automationpauses.trimtab.dev" in refused.err
    assert admin("pause", "--reason", "x").code is Exit.USAGE, "without a terminal nobody can be asked"

    try:
        assert admin("pause", "--reason", "network maintenance", "--yes").code is Exit.OK
        (pause,) = place.plane.api.list("trimtab.dev/v1alpha1", "automationpauses")
        assert pause["spec"] == {"reason": "network maintenance", "by": "admin", "namespaces": []}
        assert "was paused already" in admin("pause", "--yes").out
        assert "automation is paused (everywhere): network maintenance → trimtab resume" in program.cli("doctor").out
        assert eve("resume", "--yes").code is Exit.DENIED
    finally:
        resumed = admin("resume", "--yes")

    assert resumed.code is Exit.OK
    assert "network maintenance" in resumed.err, "what is ended is shown"
    assert place.plane.api.list("trimtab.dev/v1alpha1", "automationpauses") == []
    assert "automation was not paused" in admin("resume", "--yes").out


def test_an_answer_that_nobody_takes_in_is_said_to_be_so(place: Place, admin: Trimtab, fresh: str) -> None:
    """Without a running program the answer is written, and that it is not counted yet is exit 5."""

    account = place.plane.service_account_kubeconfig("trimtab", "trimtab")

    api = Api(account)
    spec = {**REMEDIATION["spec"], "incident": f"INC-{fresh}", "expires": "2099-01-01T00:00:00Z"}
    spec.pop("decision", None)
    made = api.create({**REMEDIATION, "metadata": {"name": fresh}, "spec": spec}, SHOP)
    api.close()

    answer = place.person("pat")("approve", f"INC-{fresh}", "-n", SHOP, "--yes", "--wait", "0")

    assert answer.code is Exit.DEGRADED
    assert "trimtab has not taken it in yet" in answer.err
    assert place.remediation(made)["spec"]["decision"]["by"] == "pat"
    second = place.person("mara")("approve", f"INC-{fresh}", "-n", SHOP, "--yes", "--wait", "0")
    assert second.code is Exit.FAILED
    assert "pat has answered" in second.err


def test_doctor_finds_the_charts_installation_in_order(place: Place, program: Program) -> None:
    answer = program.cli("doctor")

    assert answer.code == Exit.OK, answer.out
    lines = answer.out.splitlines()
    assert lines[0].startswith("✔ API server 1.")
    assert "0 unused" in lines[0]
    assert "granted in shop" in lines[0]
    assert any(line.startswith("✔ CRDs: 6 kinds") for line in lines)
    assert any(line.startswith("✔ admission: ") for line in lines)
    assert any(line.startswith("✔ store: SQLite store ") for line in lines)
    assert any(line.startswith("! paging: nothing pages") for line in lines)
    assert not [line for line in lines if line.startswith("✖")]


def test_doctor_names_each_right_that_is_missing(place: Place, program: Program) -> None:
    found = place.person("eve")("doctor", "-o", "json", TRIMTAB_DATABASE_URL=f"sqlite:///{place.folder}/none.db")

    assert found.code is Exit.DEGRADED
    wrong = {one["subject"]: one["text"] for one in found.json["findings"] if one["mark"] == "wrong"}
    assert wrong["rights to read"].startswith("missing: get namespaces, list pods, watch pods")
    assert any("not those of the program" in one["text"] for one in found.json["findings"])


@pytest.mark.parametrize(
    ("env", "subject"),
    [
        ({"TRIMTAB_PROMETHEUS_URL": "http://127.0.0.1:1"}, "Prometheus"),
        ({"TRIMTAB_SLACK_CHANNEL": "#ops", "TRIMTAB_SLACK_API_URL": "http://127.0.0.1:1/api/"}, "Slack"),
        ({"TRIMTAB_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "store"),
        ({"TRIMTAB_PEOPLE__APPROVERS": '["group:nobody"]'}, "approvers"),
        ({"TRIMTAB_RUNBOOKS": "/nowhere"}, "runbooks"),
        ({"KUBECONFIG": "/nowhere"}, "API server"),
    ],
    ids=["prometheus", "slack", "store", "approvers", "runbooks", "api server"],
)
def test_one_broken_part_is_named_with_its_remedy_and_hides_no_other(
    place: Place, program: Program, env: dict[str, str], subject: str
) -> None:
    admin = place.person("admin", "system:masters")
    admin.env["TRIMTAB_DATABASE_URL"] = f"sqlite:///{place.folder}/none.db"
    found = admin("doctor", "-o", "json", **env)

    assert found.code is Exit.DEGRADED
    wrong = [one for one in found.json["findings"] if one["mark"] == "wrong"]
    assert {one["subject"] for one in wrong} == {subject}
    assert all(one["remedy"] for one in wrong)
    assert len({one["subject"] for one in found.json["findings"]}) >= 5


def test_wrong_settings_are_named_by_doctor(trimtab: Trimtab) -> None:
    answer = trimtab("doctor", TRIMTAB_HTTP_PORT="eighty")

    assert answer.code is Exit.DEGRADED
    assert "http_port" in answer.err
    assert trimtab("status", TRIMTAB_HTTP_PORT="eighty").code is Exit.USAGE
    assert (
        "TRIMTAB_SLAK_CHANNEL is no setting → did you mean TRIMTAB_SLACK_CHANNEL?"
        in trimtab("doctor", TRIMTAB_SLAK_CHANNEL="x", COLUMNS="200").out
    )


def test_the_page_answers_probes_and_metrics(place: Place, program: Program) -> None:
    assert requests.get(f"{program.url}/healthz", timeout=5).status_code == 200
    metrics = requests.get(f"{program.url}/metrics", timeout=5).text
    assert "trimtab_leader 1.0" in metrics
    assert "trimtab_event_loop_lag_seconds" in metrics


def test_a_store_that_is_another_is_adopted_by_a_person(own_place: Place) -> None:
    """S37: not trusted, said by doctor, adopted by whoever may write the Lease, and trusted from then on."""
    place, admin = own_place, own_place.person("admin", "system:masters")
    first = place.program("first").start()
    wait_for("the Lease remembers", lambda: "trimtab.dev/store" in lease(place))
    first.stop()
    assert first.process.ended == 0
    assert not place.plane.api.get("coordination.k8s.io/v1", "leases", "trimtab", "trimtab")["spec"].get(
        "holderIdentity"
    )
    assert admin("store", "adopt", "--yes").code is Exit.FAILED, "there is nothing to adopt"

    second = place.program("second").start()
    try:
        wait_for("the other store is noticed", lambda: "trimtab.dev/found-store" in lease(place))
        doctor = second.cli("doctor")
        assert doctor.code == Exit.DEGRADED
        assert "not trusted" in doctor.out
        assert "trimtab store adopt" in doctor.out
        assert place.person("eve")("store", "adopt", "--yes").code is Exit.DENIED
        remembered = lease(place)["trimtab.dev/store"]

        adopted = admin("store", "adopt", "--yes")

        assert adopted.code is Exit.OK, adopted.err
        assert remembered[:8] in adopted.err, "what is given up is shown"
        assert lease(place)["trimtab.dev/store"] != remembered
        assert second.cli("doctor").code == Exit.OK
    finally:
        second.stop()


def lease(place: Place) -> dict[str, str]:
    """The Lease's annotations."""
    found = place.plane.api.find("coordination.k8s.io/v1", "leases", "trimtab", "trimtab") or {"metadata": {}}
    return found["metadata"].get("annotations") or {}


@pytest.fixture
def own_place(own_control_plane: ControlPlane, helm: Helm, tmp_path: Path) -> Place:
    """A cluster that nobody else leads in."""

    for name in ("trimtab", SHOP):
        own_control_plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    install(own_control_plane, helm.render(VALUES))
    return Place(own_control_plane, helm, tmp_path)
