"""What a service is asked for and how it answers: one model for the two weeks behind us and for the seconds to come.

Load swings with the hour of the day; a healthy pod fails 0.2 % of its requests and answers in about 50 ms (log-normal).
"""

import math
from dataclasses import dataclass

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, math.inf)
_DAY = 86_400.0
_SPREAD = 0.6  # sigma of the log-normal latency: the 99th percentile lies at four times the median


@dataclass(frozen=True)
class Traffic:
    """Requests per second on average, their daily swing (0.3 = 30 %), share of errors, median latency in seconds."""

    rps: float = 100.0
    swing: float = 0.3
    errors: float = 0.002
    median: float = 0.05

    def rate(self, at: float) -> float:
        """Requests per second at `at` (seconds since the epoch); the peak is at 14:00 UTC."""
        return self.rps * (1 + self.swing * math.cos(2 * math.pi * (at / _DAY - 14 / 24)))

    def total(self, start: float, end: float) -> float:
        """Requests between two instants: the integral of `rate`."""
        return self._integral(end) - self._integral(start)

    def _integral(self, at: float) -> float:
        angle = 2 * math.pi * (at / _DAY - 14 / 24)
        return self.rps * (at + self.swing * _DAY / (2 * math.pi) * math.sin(angle))


@dataclass(frozen=True)
class DailyPeak(Traffic):
    """`rps` all day, but for one steep peak: it begins at the hour of day of `begins` (an instant, seconds since the
    epoch), rises within `rise` seconds to `times` as much, stays for `lasts` seconds and falls as fast.
    """

    swing: float = 0.0
    begins: float = 0.0
    rise: float = 30.0
    lasts: float = 3600.0
    times: float = 4.0

    def rate(self, at: float) -> float:
        """Requests per second at `at` (seconds since the epoch)."""
        phase = (at - self.begins) % _DAY
        height = min(1.0, phase / self.rise, max(0.0, (2 * self.rise + self.lasts - phase) / self.rise))
        return self.rps * (1 + (self.times - 1) * height)

    def _integral(self, at: float) -> float:
        days, phase = divmod(at - self.begins, _DAY)
        area = days * (self.rise + self.lasts) + self._raised(phase)
        return self.rps * (at + (self.times - 1) * area)

    def _raised(self, phase: float) -> float:
        """The area under the trapezoid of height 1 up to `phase`."""
        rising, level = min(phase, self.rise), min(max(phase - self.rise, 0.0), self.lasts)
        falling = min(max(phase - self.rise - self.lasts, 0.0), self.rise)
        return rising**2 / (2 * self.rise) + level + falling - falling**2 / (2 * self.rise)


def shares(median: float) -> tuple[float, ...]:
    """The share of requests at or below each of `BUCKETS`."""
    return tuple(_log_normal(edge / median) for edge in BUCKETS)


def mean(median: float) -> float:
    """The mean latency in seconds for a median."""
    return median * math.exp(_SPREAD**2 / 2)


def _log_normal(ratio: float) -> float:
    if math.isinf(ratio):
        return 1.0
    return 0.5 * (1 + math.erf(math.log(ratio) / (_SPREAD * math.sqrt(2))))
