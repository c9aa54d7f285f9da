"""The score card: how it is called, what it says, and that a figure is a number; no test asks how fast anything is."""

import asyncio
import json
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE

import pytest

from bench.__main__ import DATA, MEASURED, PASSED_OVER, USAGE, main
from bench.card import Asked, BadFigure, Bench, Card, Figure, PassedOver, Say
from bench.lab.bench import Week, play
from bench.lab.fleet import fleet
from bench.registry import BENCHES
from bench.scale.bench import Cost, Plan, Scale, Start, forecasts
from bench.scale.objects import cluster, services
from bench.scale.process import PROC, resident_bytes
from bench.scale.replica import Told


@dataclass
class Played:
    """A bench that notes what it was asked and answers at once, or wants data."""

    name: str = "played"
    about: str = "nothing."
    wants_data: bool = False
    asked: list[Asked] = field(default_factory=list)

    def run(self, asked: Asked, say: Say) -> Card:
        self.asked.append(asked)
        data = str(asked.folder(self.name)) if self.wants_data else None
        say("playing")
        return Card(self.name, asked.seed, {"played_share": Figure(0.5, "s", at_most=0.4)}, data, ("by hand",))


def named(*benches: Bench) -> Mapping[str, Bench]:
    return {bench.name: bench for bench in benches}


def test_a_bench_prints_a_table_and_writes_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"

    assert main(["played", "--seed", "7", "--json", str(file)], named(Played())) == MEASURED
    written = json.loads(file.read_text())
    assert written == {"bench": "played", "data": None, "seed": 7, "figures": {"played_share": 0.5}}
    said = capsys.readouterr().out
    assert "played_share" in said
    assert "≤ 0.4  MISSED" in said
    assert "by hand" in said


def test_without_a_name_every_bench_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    benches = named(Played("one"), Played("two", wants_data=True), Played("three"))

    assert main(["--quick", "--json", str(file)], benches) == MEASURED
    assert [card["bench"] for card in json.loads(file.read_text())] == ["one", "three"]


@pytest.mark.parametrize(
    "arguments", [[], ["--data", "/nowhere/at/all"]], ids=["no data named", "a folder that is not there"]
)
def test_a_bench_without_its_data_is_passed_over(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(DATA, raising=False)

    assert main(["played", *arguments], named(Played(wants_data=True))) == PASSED_OVER
    assert "passed over" in capsys.readouterr().err


def test_data_is_named_on_the_line_or_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA, str(tmp_path))
    other = tmp_path / "other"
    other.mkdir()
    played = Played(wants_data=True)

    assert main(["played"], named(played)) == MEASURED
    assert main(["played", "--data", str(other), "--generator", "mine.py", "--quick"], named(played)) == MEASURED
    assert [asked.data for asked in played.asked] == [tmp_path, other]
    assert played.asked[1] == Asked(quick=True, data=other, generator=Path("mine.py"))


def test_an_unknown_benchmark_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-bench"]) == USAGE
    said = capsys.readouterr().err
    assert "no-such-bench" in said
    assert all(name in said for name in BENCHES)


def test_a_file_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    played = Played()

    assert main(["played", "--json", str(tmp_path / "missing" / "figures.json")], named(played)) == USAGE
    assert not played.asked


@pytest.mark.parametrize("arguments", [["--seed", "many"], ["scale", "--slow"]], ids=["no number", "no option"])
def test_a_wrong_option_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == USAGE


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_no_figure(value: float) -> None:
    with pytest.raises(BadFigure, match="some"):
        Card("played", 0, {"some": Figure(value)})


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure(1.0), None),
        (Figure(1.0, at_most=1.0), True),
        (Figure(1.1, at_most=1.0), False),
        (Figure(1.0, at_least=2.0), False),
        (Figure(1.5, at_most=2.0, at_least=1.0), True),
    ],
)
def test_a_figure_knows_whether_it_is_what_it_should_be(figure: Figure, met: bool | None) -> None:
    assert figure.met is met


def test_every_bench_is_registered_by_its_name() -> None:
    assert {name: bench.name for name, bench in BENCHES.items()} == {name: name for name in BENCHES}
    assert {"scale", "lab"} <= set(BENCHES)


# lab


@pytest.mark.parametrize(
    ("arguments", "name"),
    [([], "lab_week_20_services_cpu_seconds"), (["--quick"], "lab_week_20_services_cpu_seconds_extrapolated")],
    ids=["full", "quick"],
)
def test_the_lab_bench_plays_days_of_a_fleet(
    arguments: list[str], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Days of ten minutes: a week is only called one where seven were played."""
    file = tmp_path / "figures.json"
    short = Week(day=timedelta(minutes=10))

    assert main(["lab", *arguments, "--json", str(file)], named(short)) == MEASURED
    figures = json.loads(file.read_text())["figures"]
    assert set(figures) == {name, "lab_begin_cpu_seconds", "lab_day_20_services_cpu_seconds"}
    assert all(value > 0 for value in figures.values())
    assert "20 services" in capsys.readouterr().out


def test_the_fleet_of_the_lab_bench_works_and_scales() -> None:
    """An idle or overwhelmed fleet would cost less."""
    played = play(fleet(), 0, 1, timedelta(hours=2), lambda _: None)

    assert played.requests > 20 * 3600 * 2
    assert 60 < played.pod_hours / 2 < 300


# scale


LINUX = pytest.mark.skipif(
    not (PROC / "self/smaps_rollup").exists(), reason="memory is counted like this by Linux only"
)


def test_a_cluster_of_n_services_is_the_same_for_the_same_seed() -> None:
    once, again, other = list(cluster(4, 1)), list(cluster(4, 1)), list(cluster(4, 2))
    plurals = [plural for plural, _ in once]

    assert once == again != other
    assert {plural: plurals.count(plural) for plural in ("deployments", "replicasets", "pods", "servicepolicies")} == {
        "deployments": 4,
        "replicasets": 8,
        "pods": 12,
        "servicepolicies": 2,
    }
    assert len({service.name for service in services(50)}) == 50


def test_a_forecast_counts_at_its_share_whether_or_not_it_fell_into_the_rounds() -> None:
    """Ten services, 30 ms each, every five minutes: 0.3 s over 20 rounds of 15 s."""
    without = Cost(10, Start(1.0, 1.0), 2.0, 3.0, 100.0, rounds=4, forecasts=0, unknown=())
    within = Cost(10, Start(1.0, 1.0), 2.3, 3.0, 100.0, rounds=4, forecasts=1, unknown=())

    assert without.cpu_per_round(0.03) == pytest.approx(2.0 / 4 + 0.3 / 20)
    assert within.cpu_per_round(0.03) == pytest.approx(without.cpu_per_round(0.03))


def test_only_points_of_the_loads_history_count_as_forecasts() -> None:
    told = Told([], [(1.0, 300.0), (5.0, 120.0), (6.0, 300.0), (9.0, 300.0)], [])

    assert forecasts(told, 5.0, 9.0) == 1


@LINUX
async def test_pages_that_others_map_as_well_are_counted_as_the_programs_own() -> None:
    """However many run the same Python, a process is as large as on a machine of its own."""

    @asynccontextmanager
    async def running() -> AsyncIterator[int]:
        wait = "import sys; print(flush=True); sys.stdin.read()"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", wait, stdin=PIPE, stdout=PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.stdin.close()
            await process.wait()

    async with running() as one:
        alone = resident_bytes(one)
        async with running(), running(), running():
            crowded = resident_bytes(one)
    assert crowded == pytest.approx(alone, rel=0.02)


@LINUX
def test_what_two_of_a_family_map_is_counted_once() -> None:
    """A child of ours has the same Python in memory, and little besides."""
    before = resident_bytes(os.getpid())
    wait = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-S", "-c", wait], stdin=PIPE, stdout=PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        added = resident_bytes(os.getpid()) - before
        own = resident_bytes(child.pid)
        child.stdin.close()
    assert 0 < added < own


@LINUX
def test_the_scale_bench_measures_the_program_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three and six services, one-second rounds: every figure is there and is a number above zero."""
    tiny = Plan(sizes=(3, 6), together=True, skipped=1, rounds=2, round_seconds=1.0, days=4.0)
    file = tmp_path / "figures.json"

    assert main(["scale", "--quick", "--json", str(file)], named(Scale(quick=tiny))) == MEASURED
    figures = json.loads(file.read_text())["figures"]
    assert set(figures) == {
        "start_seconds",
        "start_cpu_seconds",
        *(f"{what}_{n}" for n in (3, 6) for what in ("resident_mb", "cpu_seconds_per_round", "queries_per_round")),
    }
    assert all(value > 0 and math.isfinite(value) for value in figures.values())
    said = capsys.readouterr().out
    assert "stood in" in said
    assert "has no series" not in said


def test_scale_is_passed_over_where_memory_is_not_counted(tmp_path: Path) -> None:
    with pytest.raises(PassedOver, match="Linux"):
        Scale(proc=tmp_path).run(Asked(), lambda _: None)
