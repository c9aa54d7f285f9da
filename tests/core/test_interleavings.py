"""S20, S21, S22 under any order of events: one approval, one execution, never late, never without the gate.

Two replicas, a chat and a clock push events at one incident as they please; what `accept` lets through is the log. The
incident is folded anew at every step, as after a crash. Nothing here decides for itself what is allowed: the rules
below are checked on the log alone.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from controller.core.accept import accept
from controller.core.decide import Approval, decide
from controller.core.events import (
    Answered,
    Applied,
    Asked,
    Checked,
    Claimed,
    Closed,
    Decided,
    Event,
    Expired,
    HandedOver,
    Intended,
    NotApplied,
    Opened,
    Proposed,
    Superseded,
    UndoAsked,
    Undone,
    Verdict,
    Verified,
    Via,
)
from controller.core.facts import UNKNOWN, Facts
from controller.core.incident import Incident, fold
from controller.core.pending import Apply, Ask, Expire, Revert, Settle, Verify, pending
from controller.core.policy import Mode, Policy
from controller.core.proposal import Proposal
from controller.core.routes import Licence, Route
from remediations.plan import Outcome
from tests.core.samples import CRASHING, RECORD, SEARCH, SYMPTOMS
from tests.core.strategies import APPROVERS, CLEAR, NOW, PLANS, unspent

POLICY = Policy(name="shop/search@1", mode=Mode.APPROVE, approvers=APPROVERS)
MINUTES = st.integers(0, 9).map(lambda minutes: timedelta(minutes=minutes))
PLAN = st.sampled_from(PLANS)


class Interleavings(RuleBasedStateMachine):
    """A log that anybody may try to append to."""

    log: list[Event]

    @initialize()
    def begin(self) -> None:
        self.now = NOW
        self.attempts = 0
        self.log = [Opened(NOW, "INC-1", SEARCH, SYMPTOMS, CRASHING)]

    @property
    def incident(self) -> Incident:
        """A crash at every step: only the log is known."""
        found = fold(enumerate(self.log, start=1))
        assert found is not None
        return found

    def put(self, *events: Event) -> bool:
        for event in events:
            if accept(self.incident, event) is not None:
                return False
            self.log.append(event)
        return True

    @rule(pause=MINUTES)
    def time_passes(self, pause: timedelta) -> None:
        self.now += pause

    @rule(plan=PLAN)
    def proposed(self, plan: object) -> None:
        chosen = next(known for known in PLANS if known is plan)
        self.put(Proposed(self.now, "runbook@1", "in words", 0, Licence.EARNED, chosen, RECORD))

    @rule(unread=st.sampled_from(("", "", "pause", "data")))
    def decided(self, unread: str) -> None:
        """What the gate says of the current plan, by the same door as the program."""
        incident = self.incident
        proposed = incident.proposal
        if proposed is None:
            return
        answer, question = incident.approved, incident.question
        approval = Approval(answer.digest, answer.by, question.good_until) if answer and question else None
        facts = Facts(**{**CLEAR, **({unread: UNKNOWN} if unread else {})})
        offered = Proposal(proposed.runbook, proposed.summary, 0, Licence.EARNED, proposed.plan, proposed.confidence)
        decision = decide(offered, facts, POLICY, unspent(POLICY), approval, self.now)
        self.put(Decided(self.now, proposed.plan.digest, decision.route, decision.reasons))

    @rule(plan=PLAN)
    def asked(self, plan: object) -> None:
        digest = next(known for known in PLANS if known is plan).digest
        self.put(Asked(self.now, digest, self.now + timedelta(minutes=15), ("mara", "noor")))

    @rule(plan=PLAN, verdict=st.sampled_from(Verdict), by=st.sampled_from(("mara", "noor", "eve")))
    def answered(self, plan: object, verdict: Verdict, by: str) -> None:
        digest = next(known for known in PLANS if known is plan).digest
        self.put(Answered(self.now, digest, verdict, by, Via.SLACK, "because"))

    @rule(plan=PLAN)
    def expired(self, plan: object) -> None:
        self.put(Expired(self.now, next(known for known in PLANS if known is plan).digest))

    @rule(plan=PLAN, step=st.integers(0, 1), undo=st.booleans())
    def anybody_intends_a_write(self, plan: object, step: int, undo: bool) -> None:
        """S21: whoever calls."""
        digest = next(known for known in PLANS if known is plan).digest
        self.attempts += 1
        self.put(Intended(self.now, f"INC-1/{self.attempts}", digest, step, self.attempts, epoch=1, undo=undo))

    @rule()
    def the_loop_does_what_stands(self) -> None:
        incident = self.incident
        for command in pending(incident, self.now)[:1]:
            match command:
                case Apply(digest):
                    self.attempts += 1
                    self.put(Intended(self.now, f"INC-1/{self.attempts}", digest, 0, self.attempts, epoch=1))
                case Revert(digest, by):
                    self.attempts += 1
                    key = f"INC-1/{self.attempts}"
                    self.put(Intended(self.now, key, digest, 0, self.attempts, epoch=1, undo=True, by=by))
                case Ask(digest):
                    self.put(Asked(self.now, digest, self.now + timedelta(minutes=15), ("mara", "noor")))
                case Expire(digest):
                    self.put(Expired(self.now, digest))
                case Settle() | Verify():
                    pass
                case _:
                    self.put(HandedOver(self.now, ("somebody look",)))

    @rule(result=st.sampled_from(("applied", "refused", "superseded", "claimed")))
    def settled(self, result: str) -> None:
        intent = self.incident.intent
        if intent is None:
            return
        match result:
            case "claimed":
                self.put(Claimed(self.now, intent.key, 1, "1"))
                return
            case "applied":
                self.put(Applied(self.now, intent.key, "2"))
            case "refused":
                self.put(NotApplied(self.now, intent.key, "Forbidden", "no right"))
            case _:
                self.put(Superseded(self.now, intent.digest, "the world has changed", intent.key))
        if intent.undo:
            self.put(Undone(self.now, intent.digest, result == "applied", "", intent.by))

    @rule(plan=PLAN)
    def superseded(self, plan: object) -> None:
        self.put(Superseded(self.now, next(known for known in PLANS if known is plan).digest, "changed"))

    @rule(held=st.sampled_from((True, False, None)), worse=st.booleans())
    def looked(self, held: bool | None, worse: bool) -> None:
        if (action := self.incident.action) is not None:
            self.put(Checked(self.now, action.plan.digest, held, "", worse))

    @rule(outcome=st.sampled_from(Outcome))
    def judged(self, outcome: Outcome) -> None:
        if (action := self.incident.action) is not None:
            self.put(Verified(self.now, action.plan.digest, outcome, ""))

    @rule()
    def undo_asked(self) -> None:
        if (action := self.incident.action) is not None:
            self.put(UndoAsked(self.now, action.plan.digest, "mara", Via.CLI))

    @rule()
    def closed(self) -> None:
        self.put(Closed(self.now, "over"))

    @invariant()
    def s20_one_approval_is_one_execution(self) -> None:
        """Between an approval and a write of its plan stands no other write that was made of it."""
        approvals: dict[str, int] = {}
        for event in getattr(self, "log", ()):
            match event:
                case Answered(digest=digest, verdict=Verdict.APPROVE):
                    approvals[digest] = 1
                case Intended(digest=digest, undo=False):
                    assert approvals.get(digest, 0) == 1, "a write without an approval of its own"
                    approvals[digest] = 0
                case _:
                    pass

    @invariant()
    def s21_no_write_without_the_gate(self) -> None:
        route: dict[str, Route] = {}
        for event in getattr(self, "log", ()):
            match event:
                case Decided(digest=digest):
                    route[digest] = event.route
                case Intended(digest=digest, undo=False):
                    assert route.get(digest) is Route.AUTO
                case _:
                    pass

    @invariant()
    def s22_no_answer_counts_after_its_question(self) -> None:
        ends = {}
        for event in getattr(self, "log", ()):
            match event:
                case Asked():
                    ends[event.digest] = event.expires
                case Answered():
                    assert event.at < ends[event.digest]
                case Expired() | Superseded():
                    ends.pop(event.digest, None)
                case _:
                    pass

    @invariant()
    def one_write_at_a_time_settled_once(self) -> None:
        open_key = ""
        for event in getattr(self, "log", ()):
            match event:
                case Intended():
                    assert not open_key
                    open_key = event.key
                case Applied() | NotApplied():
                    assert event.key == open_key
                    open_key = ""
                case Superseded(key=key) if key:
                    assert key == open_key
                    open_key = ""
                case _:
                    pass

    @invariant()
    def s25_at_most_one_undo_and_only_of_what_was_done(self) -> None:
        applied, undone = set(), set()
        intents = {event.key: event for event in getattr(self, "log", ()) if isinstance(event, Intended)}
        for event in getattr(self, "log", ()):
            match event:
                case Applied():
                    intent = intents[event.key]
                    assert (intent.digest, intent.undo) not in applied
                    applied.add((intent.digest, intent.undo))
                case Undone():
                    assert (event.digest, False) in applied
                    assert event.digest not in undone
                    undone.add(event.digest)
                case _:
                    pass


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def approved_and_intended() -> Interleavings:
    """Asked, approved, decided, and about to be written."""
    machine = Interleavings()
    machine.begin()
    for turn in (machine.proposed, machine.decided, machine.asked, machine.answered, machine.decided):
        match turn.__name__:
            case "decided":
                machine.decided("")
            case "answered":
                machine.answered(PLANS[1], Verdict.APPROVE, "mara")
            case _:
                turn(PLANS[1])
    machine.the_loop_does_what_stands()
    return machine


@pytest.mark.parametrize("result", ["refused", "superseded", "applied"])
def test_s20_an_approval_is_used_up_however_its_write_ended(result: str) -> None:
    machine = approved_and_intended()
    machine.settled(result)
    machine.judged(Outcome.INEFFECTIVE)
    written = sum(isinstance(event, Intended) for event in machine.log)

    machine.proposed(PLANS[1])
    machine.decided("")
    machine.anybody_intends_a_write(PLANS[1], 0, undo=False)
    machine.the_loop_does_what_stands()

    assert written == 1
    assert sum(isinstance(event, Intended) for event in machine.log) == 1
    assert machine.incident.approved is None


def test_the_machine_can_act_so_its_rules_are_not_empty() -> None:
    """The good story goes through the same machine: asked, approved, decided, written."""
    machine = Interleavings()
    machine.begin()
    machine.proposed(PLANS[1])
    machine.decided("")
    machine.asked(PLANS[1])
    machine.answered(PLANS[1], Verdict.APPROVE, "mara")
    machine.decided("")
    machine.the_loop_does_what_stands()
    machine.settled("applied")

    assert machine.incident.verifying
    machine.s20_one_approval_is_one_execution()
    machine.anybody_intends_a_write(PLANS[1], 0, undo=False)
    assert machine.incident.intent is None
