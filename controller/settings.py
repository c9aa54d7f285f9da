"""Settings: `TRIMTAB_*` variables or one YAML file; secrets are files under one folder, read again when they change.

Promises that a missing setting is the inert choice and that a wrong one is an error that names it. The reference page
is compared with this module by a test.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from controller.errors import BadSettings


def _comma(value: Any) -> Any:
    """`a, b` as a list; anything else as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _off(value: Any) -> Any:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


Weekday = Annotated[
    Literal["off", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"], BeforeValidator(_off)
]
Names = Annotated[list[str], NoDecode, BeforeValidator(_comma)]
Labels = Annotated[list[Annotated[str, Field(pattern="^[a-zA-Z_][a-zA-Z0-9_]*$")]], NoDecode, BeforeValidator(_comma)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class People(BaseModel):
    """Who is who, and who may answer. No approver means nobody."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    approvers: list[str] = Field(
        default_factory=list,
        description="Who may answer: usernames (also as `user:NAME`), and `group:NAME` for one of `people.groups`.",
    )
    groups: dict[str, list[str]] = Field(default_factory=dict, description="Members (usernames) of each group.")
    slack: dict[str, str] = Field(default_factory=dict, description="Slack user id → username.")


class PolicyDefaults(BaseModel):
    """What a workload without a ServicePolicy gets: observation only, unless the administrator says otherwise here."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    preset: str = Field(
        default="", description="Metrics preset of workloads without a policy; empty: object states and alerts only."
    )
    mode: str = Field(default="Observe", pattern="^(Observe|Approve|Auto)$", description="Mode of the incidents loop.")
    scaling: str = Field(default="Observe", pattern="^(Off|Observe|Floor)$", description="Mode of the scaling loop.")
    canary: str = Field(
        default="Observe", pattern="^(Off|Observe|Rollback|Ramp)$", description="Mode of the rollouts loop."
    )
    false_rollback: float | None = Field(
        default=None,
        gt=0,
        le=0.5,
        description="Share of good versions that may be rolled back by mistake; without it none is rolled back.",
    )


class BudgetSettings(BaseModel):
    """How many actions may begin within an hour, and how many pod-hours floors may ask for within a day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    namespace: int = Field(default=3, ge=0, le=1000, description="Actions per hour in one namespace.")
    cluster: int = Field(default=10, ge=0, le=10_000, description="Actions per hour in the cluster.")
    pod_hours_namespace: float = Field(
        default=240.0, ge=0, le=1e6, description="Pod-hours that raised floors may ask for in 24 h in one namespace."
    )
    pod_hours_cluster: float = Field(
        default=1200.0, ge=0, le=1e7, description="Pod-hours that raised floors may ask for in 24 h in the cluster."
    )


class Settings(BaseSettings):
    """Everything that can be set. Durations are seconds."""

    model_config = SettingsConfigDict(env_prefix="TRIMTAB_", env_nested_delimiter="__", extra="forbid", frozen=True)

    namespace: str = Field(default="trimtab", description="The namespace trimtab runs in; never a target.")
    identity: str = Field(default="", description="This replica's name in the Lease; the host name when empty.")
    kubeconfig: Path | None = Field(
        default=None, description="A kubeconfig file; in-cluster configuration when absent."
    )
    context: str = Field(default="", description="The kubeconfig's context; its current one when empty.")
    watch_namespaces: Names = Field(
        default_factory=list, description="Namespaces to watch, comma separated; empty: all."
    )
    act_namespaces: Names = Field(default_factory=list, description="Namespaces to act in; empty: none (Observe).")
    protected_namespaces: Names = Field(default_factory=lambda: ["kube-system"], description="Never acted in.")
    protected: Names = Field(
        default_factory=list, description="Workloads `namespace/name` never acted on (Prometheus, the database)."
    )
    policy_defaults: PolicyDefaults = Field(
        default=PolicyDefaults(), description="For workloads without a ServicePolicy."
    )
    people: People = Field(default=People(), description="Approvers, groups, Slack users.")
    budgets: BudgetSettings = Field(default=BudgetSettings(), description="Actions per hour.")
    runbooks: Path | None = Field(
        default=None, description="A folder of further runbooks, besides the shipped ones and the cluster's."
    )

    prometheus_url: str = Field(
        default="", description="Base address of Prometheus (path prefix included); empty: no metrics."
    )
    prometheus_tenant: str = Field(default="", description="Value of X-Scope-OrgID.")
    prometheus_username: str = Field(
        default="", description="Basic authentication; the password is secret `prometheus/password`."
    )
    prometheus_timeout: Seconds = Field(default=10.0, description="Longest wait for one answer.")
    prometheus_replica_labels: Labels = Field(
        default_factory=list,
        description="Labels by which the series of highly available Prometheus servers differ, where the store answers"
        " with both: of such twins one counts. Empty: none do.",
    )
    prometheus_pulse: str = Field(
        default="up", description="Selector of scraped series that show whether Prometheus scrapes."
    )
    scrape_interval: Seconds = Field(default=30.0, description="How often Prometheus scrapes; older than two is stale.")
    alertmanager_token_required: bool = Field(
        default=True, description="The Alertmanager webhook needs secret `alertmanager/token`."
    )

    database_url: SecretStr = Field(
        default=SecretStr("sqlite:///trimtab.db"),
        description="`sqlite:///FILE` (one replica) or `postgresql://…`; secret `database/url` wins.",
    )
    secrets: Path = Field(default=Path("/etc/trimtab/secrets"), description="Folder of the secret files.")

    slack_channel: str = Field(default="", description="Channel for questions; empty: no Slack.")
    slack_api_url: str = Field(default="https://slack.com/api/", description="Address of Slack's API.")
    webhook_url: str = Field(default="", description="Generic webhook for pages.")
    pagerduty_url: str = Field(
        default="https://events.pagerduty.com/v2/enqueue",
        description="PagerDuty Events v2; needs secret `pagerduty/key`.",
    )
    public_url: str = Field(default="", description="Where people reach the page; used in links.")
    report_weekday: Weekday = Field(
        default="Monday", description="Day of the weekly report in the channel for questions, or `off`."
    )
    report_hour: int = Field(default=8, ge=0, le=23, description="Hour of the weekly report, UTC.")

    http_host: str = Field(default="127.0.0.1", description="Address the page listens on.")
    http_port: int = Field(default=8080, ge=0, le=65_535, description="Port of the page, probes and metrics.")
    proxy_secret_header: str = Field(
        default="", description="Header a trusted proxy proves itself with; secret `proxy/secret`."
    )
    trusted_proxies: Names = Field(default_factory=list, description="Addresses whose proxy headers count.")

    log_format: Literal["", "json", "console"] = Field(
        default="", description="`json` or `console`; empty: console on a terminal, JSON elsewhere."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level of the program's log that is written."
    )

    lease_name: str = Field(default="trimtab", description="Name of the Lease.")
    lease_seconds: Seconds = Field(default=15.0, description="A leader silent this long may be replaced.")
    renew_seconds: Seconds = Field(default=5.0, description="How often the leader renews.")

    follow_seconds: Seconds = Field(default=1.0, description="How often new events of the log are read and sent out.")
    round_seconds: Seconds = Field(
        default=15.0, description="How often metrics are asked and every workload looked at."
    )
    acting_round_seconds: Seconds = Field(default=5.0, description="How often an open incident is looked at.")
    clear_after_seconds: Seconds = Field(default=120.0, description="An incident without symptoms this long is over.")
    healthy_revision_seconds: Seconds = Field(
        default=600.0, description="A ReplicaSet fully available this long may be rolled back to."
    )
    approval_seconds: Seconds = Field(
        default=900.0, description="A question expires after this, unless its runbook says otherwise."
    )
    min_verified: int = Field(
        default=20, ge=0, le=10_000, description="Never automatic below this many verified outcomes."
    )
    baseline_seconds: Annotated[float, Field(ge=600, le=1_209_600)] = Field(
        default=86_400.0, description="History that an indicator's band is made from."
    )
    demand_seconds: Seconds = Field(default=60.0, description="How often load is asked and floors are computed.")
    floor_quantile: Annotated[float, Field(ge=0.5, le=0.99)] = Field(
        default=0.95, description="Probability that the coming peak stays under what a floor is made for."
    )
    floor_cap: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.8, description="Largest floor, as a share of the autoscaler's `maxReplicas`."
    )
    floor_hold_seconds: Seconds = Field(
        default=600.0, description="A lower floor must have been enough this long before a floor falls."
    )
    lead_quantile: Annotated[float, Field(ge=0.5, le=0.99)] = Field(
        default=0.9, description="Probability that a pod is ready within the lead time that a floor allows for."
    )
    workers: int = Field(
        default=1, ge=0, le=64, description="Worker processes for decoding and detectors; 0: in threads of the program."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file."""
        return env_settings, init_settings

    def secret(self, name: str) -> str | None:
        """The content of one secret file (`slack/bot-token`), None when there is none. Read at each call, so a
        rotation counts.
        """
        path = self.secrets / name
        try:
            return path.read_text(encoding="utf-8").strip() or None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            message = f"secret {name} cannot be read: {error.strerror}"
            raise BadSettings(message, f"make {path} readable for trimtab") from error

    def database(self) -> str:
        """The store's address: the secret file, else the setting."""
        return self.secret("database/url") or self.database_url.get_secret_value()

    def duration(self, seconds: float) -> timedelta:
        """Seconds as a duration."""
        return timedelta(seconds=seconds)


BESIDES = ("TRIMTAB_SETTINGS_FILE", "TRIMTAB_FAILPOINTS", "TRIMTAB_FAILPOINT", "TRIMTAB_FAILPOINT_LOG", "TRIMTAB_CACHE")
"""Variables of ours that are no settings."""


def unknown_variables(names: Iterable[str]) -> tuple[str, ...]:
    """Variables that look like settings and are none: a typo would otherwise be silence."""
    known = {f"TRIMTAB_{name.upper()}" for name in Settings.model_fields}
    return tuple(
        sorted(
            name
            for name in names
            if name.startswith("TRIMTAB_") and name not in BESIDES and name.partition("__")[0] not in known
        )
    )


def load(file: Path | None = None) -> Settings:
    """Settings from the variables and one YAML file (`TRIMTAB_SETTINGS_FILE` when not given). Raises BadSettings."""
    named = file or (Path(os.environ["TRIMTAB_SETTINGS_FILE"]) if os.environ.get("TRIMTAB_SETTINGS_FILE") else None)
    content: dict[str, Any] = {}
    if named is not None:
        content = _file(named)
    try:
        return Settings(**content)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        message = f"settings{f' ({named})' if named else ''}: " + "; ".join(lines)
        raise BadSettings(message, "see docs/reference/settings.md") from None


def _file(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"settings file {path} cannot be read: {error.strerror}"
        raise BadSettings(message, "name another with TRIMTAB_SETTINGS_FILE") from error
    except yaml.YAMLError as error:
        message = f"settings file {path} is not YAML: {error}"
        raise BadSettings(message, "mend the file at that place") from error
    if not isinstance(content, dict | None):
        message = f"settings file {path} holds no mapping"
        raise BadSettings(message, "write `name: value` lines")
    return content or {}
