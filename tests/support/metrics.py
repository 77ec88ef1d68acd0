"""Metrics as a scrape reads them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.request import urlopen

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from feeds import metrics
from feeds.metrics.recorder import Recorder
from tests.support.waiting import PATIENCE


class Samples:
    """Samples of metrics, by name and labels."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._samples = [sample for family in families for sample in family.samples]

    def get(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def list_labels(self, name: str, label: str) -> set[str]:
        """The values of a label."""
        return {sample.labels[label] for sample in self._samples if sample.name == name}

    @property
    def text(self) -> str:
        """All names and labels."""
        return "\n".join(f"{sample.name} {sample.labels}" for sample in self._samples)


@contextmanager
def recording(seconds=None) -> Iterator[Recorder]:
    """Count in this process until the end of the block; ``seconds`` is the recorder's clock."""
    recorder = Recorder(seconds) if seconds else Recorder()
    metrics.use(recorder)
    try:
        yield recorder
    finally:
        metrics.use(None)


def read(recorder: Recorder) -> Samples:
    """What a recorder has counted."""
    recorder.flush()
    return Samples(recorder.registry.collect())


def scrape(address: str) -> Samples:
    """What a service exports at this ``host:port``."""
    with urlopen(f"http://{address}/metrics", timeout=PATIENCE) as response:
        return Samples(text_string_to_metric_families(response.read().decode()))
