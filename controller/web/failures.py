"""What the page says when it cannot do what was asked: each with its status, in one sentence, with a remedy."""

from __future__ import annotations

from controller.web.backend import Right


class PageFailure(Exception):
    """Base of what ends in an error page (or a JSON problem under /v1)."""

    status = 500
    title = "Something broke"

    def __init__(self, detail: str = "", remedy: str = "") -> None:
        super().__init__(detail)
        self.detail, self.remedy = detail, remedy


class LoginNeeded(PageFailure):
    """Nobody is logged in. `path` is where they wanted to go."""

    status = 401
    title = "Log in first"

    def __init__(self, path: str, detail: str = "nobody is logged in") -> None:
        super().__init__(detail, "log in with a Kubernetes token, or send `Authorization: Bearer TOKEN`")
        self.path = path


class Forbidden(PageFailure):
    """Logged in, but not allowed."""

    status = 403
    title = "Not allowed"

    def __init__(self, name: str, right: Right, namespace: str | None) -> None:
        kind = "automationpauses.trimtab.dev" if right is Right.PAUSE else "remediations.trimtab.dev"
        where = f"in namespace {namespace}" if namespace else "in the cluster"
        super().__init__(
            f"{name} may not {right.value} {kind} {where}",
            f"ask your administrator for a Role with verb {right.value} on {kind}",
        )


class NotOurForm(PageFailure):
    """A form without the token of a page of ours."""

    status = 403
    title = "This form is too old"

    def __init__(self) -> None:
        super().__init__(
            "the form does not carry the token of this browser and login; nothing was done",
            "go back, reload the page and try again; cookies must be allowed for this address",
        )


class NoSuchPage(PageFailure):
    """Nothing is there."""

    status = 404
    title = "There is no such page"

    def __init__(self, what: str = "") -> None:
        super().__init__(
            what or "nothing stands at this address", "look at the list of incidents; `trimtab incidents` prints it too"
        )


class TicketUsed(PageFailure):
    """A link that logs in once, opened a second time, or one that never was."""

    status = 403
    title = "This link has been used"

    def __init__(self) -> None:
        super().__init__(
            "a link with a ticket logs in one browser, once",
            "go on in the browser that opened it first; whoever printed the link prints a new one at its end",
        )


class Unconfigured(PageFailure):
    """Closed until somebody sets it up."""

    status = 503
    title = "Not set up"
