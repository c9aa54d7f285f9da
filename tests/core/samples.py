"""Incidents as they happen, as events: for the tests of whatever reads a story, and for trying the page out.

`Tale` is a stream under construction: each method appends what the loop would append at that moment, `accept` has a
say in every event, so no sample tells a story that could not be stored. Plans are made by the shipped remediations
from objects as an API server gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.core.accept import accept
from controller.core.confidence import Confidence, Tally, measured
from controller.core.events import (
    Alternative,
    Answered,
    Applied,
    Asked,
    Cause,
    Changed,
    Checked,
    Claimed,
    Closed,
    Decided,
    Diagnosed,
    Escalated,
    Event,
    Expired,
    HandedOver,
    Intended,
    Learned,
    NotApplied,
    NothingFits,
    Observed,
    Opened,
    Proposed,
    Superseded,
    Symptom,
    UndoAsked,
    Undone,
    Verdict,
    Verified,
    Via,
)
from controller.core.history import History
from controller.core.incident import Incident, fold
from controller.core.routes import Licence, Lifts, Reason, Route, blocker
from controller.ports import Stored
from detectors.series import Workload
from remediations.cluster import HealthyRevision, World
from remediations.limits import Limits, LimitsParameters
from remediations.plan import Outcome, Plan
from remediations.rollback import Rollback, RollbackParameters

DAY = datetime(2026, 11, 20, tzinfo=UTC)
CHECKOUT = Workload("shop", "Deployment", "checkout")
SEARCH = Workload("shop", "Deployment", "search")


def at(clock: str, day: datetime = DAY) -> datetime:
    """`14:02:40` on the day of the samples."""
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return day + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def template(image: str, level: str = "info", memory: str = "256Mi") -> dict[str, Any]:
    """A pod template of the service."""
    return {
        "metadata": {"labels": {"app": "checkout"}},
        "spec": {
            "containers": [
                {
                    "name": "app",
                    "image": image,
                    "env": [{"name": "LOG_LEVEL", "value": level}],
                    "envFrom": [{"configMapRef": {"name": "checkout"}}],
                    "resources": {"limits": {"memory": memory}, "requests": {"memory": memory}},
                }
            ]
        },
    }


def _replica_set(name: str, uid: str, pod_template: dict[str, Any]) -> dict[str, Any]:
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": "d-1", "controller": True}
    metadata = {"name": name, "namespace": "shop", "uid": uid, "ownerReferences": [owner]}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": {"template": pod_template}}


def _pod(number: int, replica_set: str, uid: str, ready: bool, oom: bool = False) -> dict[str, Any]:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": replica_set, "uid": uid, "controller": True}
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-20T14:02:00Z"}}
    return {
        "metadata": {"name": f"{replica_set}-{number}", "namespace": "shop", "ownerReferences": [owner]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "app", "restartCount": 4 if oom else 0, "lastState": ended if oom else {}}],
        },
    }


def world(workload: Workload = CHECKOUT, failing: int = 7, oom: bool = False) -> World:
    """Twelve pods, `failing` of them of v42 and not ready; v41 ran for six days."""
    old, new = template("registry.test/checkout:v41"), template("registry.test/checkout:v42", "debug")
    object_ = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": workload.name,
            "namespace": workload.namespace,
            "uid": "d-1",
            "generation": 17,
            "resourceVersion": "4711",
        },
        "spec": {"replicas": 12, "selector": {"matchLabels": {"app": "checkout"}}, "template": new},
    }
    pods = [_pod(n, "checkout-v42", "rs-42", ready=False, oom=oom) for n in range(failing)]
    pods += [_pod(n, "checkout-v41", "rs-41", ready=True) for n in range(12 - failing)]
    return World(
        workload=workload,
        object=object_,
        read_at=at("14:02:40"),
        replica_sets=(_replica_set("checkout-v41", "rs-41", old), _replica_set("checkout-v42", "rs-42", new)),
        pods=tuple(pods),
        healthy=(HealthyRevision("rs-41", "checkout-v41", at("13:50:00") - timedelta(days=6), at("14:00:00")),),
    )


def rollback_plan(workload: Workload = CHECKOUT) -> Plan:
    """v42 → v41, irreversible."""
    plan = Rollback().plan(workload, world(workload), RollbackParameters(), at("14:02:41"))
    assert isinstance(plan, Plan), plan
    return plan


def limits_plan(workload: Workload = SEARCH) -> Plan:
    """256Mi → 384Mi, undoable."""
    plan = Limits().plan(workload, world(workload, oom=True), LimitsParameters(), at("14:02:41"))
    assert isinstance(plan, Plan), plan
    return plan


CRASHING: dict[str, Any] = {
    "objects.crashLooping.count": 7,
    "objects.crashLooping.share": 0.583,
    "replicas.desired": 12,
    "replicas.ready": 5,
    "replicas.updated": 7,
    "signals.errors.value": 0.041,
    "signals.errors.low": 0.001,
    "signals.errors.high": 0.003,
    "signals.errors.p": 3e-9,
    "signals.errors.abnormal": True,
    "signals.errors.normal": False,
}
HEALTHY: dict[str, Any] = {
    **CRASHING,
    "objects.crashLooping.count": 0,
    "objects.crashLooping.share": 0.0,
    "replicas.ready": 12,
    "replicas.updated": 12,
    "signals.errors.value": 0.002,
    "signals.errors.p": 0.4,
    "signals.errors.abnormal": False,
    "signals.errors.normal": True,
}
SYMPTOMS = (
    Symptom("crash-loop", "7 of 12 pods restart"),
    Symptom("errors", "errors 4.1 % (expected 0.1–0.3 %, p = 3·10⁻⁹)"),
)
ASKS = Reason(Route.ASK, "not-yet-earned", "0.87, at least 0.78; acts alone from 0.90", Lifts.APPROVAL)
EARNED = Reason(Route.AUTO, "earned", "at least 0.92, acts alone from 0.90")
RECORD = Confidence(estimate=0.87, lower=0.78, n=21, good=19, abnormal=0.99, cause=0.93)


@dataclass
class Tale:
    """A stream as it grows. Every method returns the tale, so that stories read as one chain."""

    id: str = "INC-2041"
    workload: Workload = CHECKOUT
    events: list[Event] = field(default_factory=list)

    @property
    def numbered(self) -> tuple[tuple[int, Event], ...]:
        """(number, event) as a store gives them."""
        return tuple(enumerate(self.events, start=1))

    @property
    def incident(self) -> Incident:
        """What it folds to."""
        found = fold(self.numbered)
        assert found is not None
        return found

    @property
    def digest(self) -> str:
        """The newest plan's."""
        return self.plan.digest

    @property
    def plan(self) -> Plan:
        """The newest plan."""
        return next(event.plan for event in reversed(self.events) if isinstance(event, Proposed))

    def stored(self, first: int = 1) -> tuple[Stored, ...]:
        """As rows of the log, the global sequence beginning at `first`."""
        stream = f"incident:{self.id}"
        return tuple(
            Stored(first + number - 1, stream, number, event, event.at, f"{number:064x}")
            for number, event in self.numbered
        )

    def add(self, *events: Event) -> Tale:
        """Append, if the core takes it."""
        for event in events:
            refused = accept(fold(self.numbered), event)
            assert refused is None, f"{event.kind}: {refused}"
            self.events.append(event)
        return self

    def opened(self, observe_only: bool = False, symptoms: tuple[Symptom, ...] = SYMPTOMS) -> Tale:
        """Detected, diagnosed, with the rollout that came before."""
        causes = (
            Cause("bad rollout", 0.93, "all failing pods are v42, none of v41; v41 ran 6 d without a restart"),
            Cause("dependency", 0.04),
            Cause("node", 0.02),
        )
        return self.add(
            Opened(at("14:02:40"), self.id, self.workload, symptoms, CRASHING, observe_only=observe_only),
            Changed(at("14:00:12"), "rollout", "v41 → v42 (by helm)"),
            Diagnosed(at("14:02:41"), causes),
        )

    def proposed(self, plan: Plan | None = None, runbook: str = "", confidence: Confidence = RECORD) -> Tale:
        """A rollback, unless another plan is given."""
        plan = plan or rollback_plan(self.workload)
        names = {"rollback": "crash-loop-after-rollout@3", "limits": "oom-raise-memory-limit@1"}
        return self.add(
            Proposed(
                at=at("14:02:41"),
                runbook=runbook or names[plan.remediation],
                summary="A new version crash-loops; go back to the one that ran.",
                step=0,
                licence=Licence.EARNED,
                plan=plan,
                confidence=confidence,
                because=("objects.crashLooping.count = 7", "changes.rollout.age = 2 min"),
                alternatives=(Alternative("restart-errors-without-change@1", 0.41, "errors without a change"),),
            )
        )

    def decided(
        self, route: Route = Route.ASK, *reasons: Reason, would: Route | None = None, time: str = "14:02:41"
    ) -> Tale:
        """The gate's answer."""
        told = reasons or (ASKS if route is Route.ASK else EARNED,)
        return self.add(Decided(at(time), self.digest, route, tuple(told), "shop/checkout generation 4", would))

    def asked(self, escalations: bool = True) -> Tale:
        """The question is open until 14:17:41."""
        path = ((at("14:12:41"), "group:sre-oncall"),) if escalations else ()
        return self.add(Asked(at("14:02:41"), self.digest, at("14:17:41"), ("mara", "noor"), path))

    def answered(
        self, verdict: Verdict = Verdict.APPROVE, by: str = "mara", via: Via = Via.SLACK, reason: str = ""
    ) -> Tale:
        """A person's word at 14:05:03."""
        return self.add(Answered(at("14:05:03"), self.digest, verdict, by, via, reason))

    def applied(self, settled: str = "answer", by: str = "mara") -> Tale:
        """Decided again, committed to, claimed, in."""
        approved = Reason(Route.AUTO, "approved", f"approved by {by}")
        key = f"{self.id}/0/1"
        self.decided(Route.AUTO, approved if by else EARNED, time="14:05:03")
        return self.add(
            Intended(at("14:05:03"), key, self.digest, 0, 1, epoch=7),
            Claimed(at("14:05:04"), key, 7, "4711"),
            Applied(at("14:05:04"), key, "4712", "reading" if settled == "reading" else "answer"),
        )

    def verified(
        self, outcome: Outcome = Outcome.EFFECTIVE, detail: str = "errors 0.2 % for 5 min, 12/12 ready"
    ) -> Tale:
        """What it did to the service, at 14:13:10."""
        effective = outcome is Outcome.EFFECTIVE
        if effective:
            self.add(Observed(at("14:08:00"), (), HEALTHY))
        return self.add(
            Checked(at("14:08:10"), self.digest, effective, detail, worse=outcome is Outcome.HARMFUL),
            Verified(at("14:13:10"), self.digest, outcome, detail),
        )

    def learned(self, good: bool = True, label: str = "effective") -> Tale:
        """The record moves."""
        after = replace(RECORD, good=RECORD.good + good, n=RECORD.n + 1, lower=0.79 if good else 0.74)
        return self.add(Learned(at("14:13:10"), "crash-loop-after-rollout", good, label, RECORD, after))

    def closed(self, reason: str = "no symptom for 2 min", time: str = "14:15:10") -> Tale:
        """Over."""
        return self.add(Closed(at(time), reason))


def asked() -> Tale:
    """A rollback is asked for, nobody has answered yet."""
    return Tale().opened().proposed().decided().asked()


def repaired() -> Tale:
    """The story of the documentation: asked, approved in Slack, applied once, verified, learned."""
    return asked().answered().applied().verified().learned()


def rejected() -> Tale:
    """A person said no, with a reason."""
    return asked().answered(Verdict.REJECT, reason="v42 carries the fix for the invoice job")


def expired() -> Tale:
    """Nobody answered; escalated, void, with a person."""
    tale = asked()
    return tale.add(
        Escalated(at("14:12:41"), tale.digest, "group:sre-oncall"),
        Expired(at("14:17:41"), tale.digest),
        HandedOver(at("14:17:42"), ("nobody answered in time",)),
    )


def superseded() -> Tale:
    """Somebody rolled out v43 while the question stood."""
    tale = asked()
    return tale.add(Superseded(at("14:04:00"), tale.digest, "the template was changed by helm"))


def frozen() -> Tale:
    """A freeze window makes it wait."""
    wait = blocker("frozen", "freeze black-friday until 22:00 UTC", Lifts.TIME, at("22:00:00"))
    return Tale().opened().proposed().decided(Route.WAIT, wait, ASKS)


def paused() -> Tale:
    """The kill switch refuses."""
    stop = blocker("paused", "automation is paused: network maintenance", Lifts.NOBODY)
    return Tale().opened().proposed().decided(Route.REFUSE, ASKS, stop)


def observed(workload: Workload = CHECKOUT) -> Tale:
    """Observe: nothing may be done, and what would have been is told."""
    only = Reason(Route.REFUSE, "observe", "the policy observes only", Lifts.NOBODY)
    tale = Tale(workload=workload).opened(observe_only=True)
    return tale.proposed().decided(Route.REFUSE, only, ASKS, would=Route.ASK)


def harmful() -> Tale:
    """A limit was raised by trimtab alone, made it worse and was taken back."""
    oom = (Symptom("oom-killed", "killed for memory 9 times in 30 min"),)
    tale = Tale("INC-2042", SEARCH).opened(symptoms=oom).proposed(limits_plan()).decided(Route.AUTO).applied(by="")
    tale.verified(Outcome.HARMFUL, "errors 9.7 %, 3.9 % before")
    key = f"{tale.id}/0/2"
    return tale.add(
        Intended(at("14:13:11"), key, tale.digest, 0, 2, epoch=7, undo=True),
        Claimed(at("14:13:11"), key, 7, "4720"),
        Applied(at("14:13:11"), key, "4721"),
        Undone(at("14:13:11"), tale.digest, True, "the memory limit is 256Mi again"),
    )


def undoable() -> Tale:
    """A limit was raised with a yes, and worked; it can be taken back."""
    oom = (Symptom("oom-killed", "killed for memory 9 times in 30 min"),)
    tale = Tale("INC-2042", SEARCH).opened(symptoms=oom).proposed(limits_plan()).decided().asked()
    return tale.answered(via=Via.PAGE).applied().verified(detail="12/12 ready, no kill for 10 min")


def undo_asked() -> Tale:
    """A person wants it back."""
    tale = undoable()
    return tale.add(UndoAsked(at("14:20:00"), tale.digest, "noor", Via.CLI))


def ineffective() -> Tale:
    """The rollback went through and did not help."""
    tale = asked().answered(via=Via.KUBECTL).applied(settled="reading")
    tale.verified(Outcome.INEFFECTIVE, "errors 4.0 % after 10 min, 12/12 ready").learned(False, "ineffective")
    return tale.add(HandedOver(at("14:13:11"), ("the rollback had no effect",)))


def refused_write() -> Tale:
    """The API server refused the write."""
    tale = asked().answered().decided(Route.AUTO, Reason(Route.AUTO, "approved", "approved by mara"), time="14:05:03")
    key = f"{tale.id}/0/1"
    return tale.add(
        Intended(at("14:05:03"), key, tale.digest, 0, 1, epoch=7),
        NotApplied(at("14:05:04"), key, "Forbidden", "deployments.apps is forbidden for this account"),
    )


def unsettled() -> Tale:
    """The write is on its way."""
    tale = asked().answered().decided(Route.AUTO, Reason(Route.AUTO, "approved", "approved by mara"), time="14:05:03")
    return tale.add(Intended(at("14:05:03"), f"{tale.id}/0/1", tale.digest, 0, 1, epoch=7))


def unplanned() -> Tale:
    """No runbook fits."""
    reasons = ("crash-loop-after-rollout: no version that still exists was seen healthy for long enough",)
    return Tale().opened().add(NothingFits(at("14:02:41"), reasons), HandedOver(at("14:02:42"), reasons))


def cleared() -> Tale:
    """It went away by itself."""
    return Tale().opened().add(Observed(at("14:06:00"), (), HEALTHY)).closed("no symptom for 2 min", "14:08:00")


def hostile() -> Tale:
    """Text of others that tries to be markup, a mention, a link, or a second line."""
    evil = "<script>alert(1)</script> <!channel> [click](http://evil.test) `x` |\n# heading\x1b[31m\u202e"
    tale = Tale("INC-666").opened(symptoms=(Symptom("alert", f"alert {evil} fires"),)).proposed()
    tale.add(Diagnosed(at("14:02:41"), (Cause(evil, 0.5, evil),))).decided().asked()
    return tale.answered(Verdict.REJECT, by=evil, reason=evil)


def renamed(tale: Tale, id: str) -> Tale:
    """The same events under another name."""
    events = [replace(event, incident=id) if isinstance(event, Opened) else event for event in tale.events]
    return Tale(id, tale.workload, events)


def cold_start() -> Confidence:
    """Nothing is known yet."""
    return measured(Tally(), Tally(), 0.99, 0.93)


def history(*tales: Tale) -> History:
    """The record that these streams make."""
    record, sequence = History(), 0
    for tale in tales:
        for event in tale.events:
            sequence += 1
            record.add(sequence, f"incident:{tale.id}", event)
    return record


ALL: dict[str, Callable[[], Tale]] = {
    "asked": asked,
    "repaired": repaired,
    "rejected": rejected,
    "expired": expired,
    "superseded": superseded,
    "frozen": frozen,
    "paused": paused,
    "observed": observed,
    "harmful": harmful,
    "undoable": undoable,
    "undo_asked": undo_asked,
    "ineffective": ineffective,
    "refused_write": refused_write,
    "unsettled": unsettled,
    "unplanned": unplanned,
    "cleared": cleared,
    "hostile": hostile,
}
"""Every sample by name."""
