"""Who else has a say over an object: its controller, or a tool that holds it to what stands in Git."""

from __future__ import annotations

from dataclasses import dataclass

from remediations.cluster import Object

_ARGO_ANNOTATION = "argocd.argoproj.io/tracking-id"
_ARGO_LABEL = "argocd.argoproj.io/instance"
_FLUX_LABELS = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")


@dataclass(frozen=True, slots=True)
class Owner:
    """The controller owner of an object (`metadata.ownerReferences`, `controller: true`)."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class GitOps:
    """A tool that reverts changes which do not stand in Git, and the application it knows the object by."""

    tool: str
    application: str


def controller_of(obj: Object) -> Owner | None:
    """The owner that controls the object, None when nobody does."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return Owner(str(reference["kind"]), str(reference["name"]), str(reference["uid"]))
    return None


def controlled_by(obj: Object, uid: str) -> bool:
    """True when the object with this uid controls it."""
    owner = controller_of(obj)
    return owner is not None and owner.uid == uid


def gitops_of(obj: Object) -> GitOps | None:
    """The Argo CD or Flux application that manages the object, by its tracking labels and annotations.

    The marks are taken at their word: whether the tool runs cannot be told from the object.
    `app.kubernetes.io/instance` is not one of them, because Helm writes it too.
    """
    metadata = obj["metadata"]
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    if _ARGO_ANNOTATION in annotations:
        return GitOps("Argo CD", str(annotations[_ARGO_ANNOTATION]).partition(":")[0])
    if _ARGO_LABEL in labels:
        return GitOps("Argo CD", str(labels[_ARGO_LABEL]))
    for label in _FLUX_LABELS:
        if label in labels:
            return GitOps("Flux", str(labels[label]))
    return None
