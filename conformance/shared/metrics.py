"""What a gateway shows at /metrics."""

import collections
import re
import urllib.request

SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'(\w+)="([^"]*)"')


class Metrics:
    """One reading: by name and labels, which are sorted."""

    def __init__(self, text: str):
        self.values: dict[str, dict[tuple, float]] = collections.defaultdict(dict)
        for line in text.splitlines():
            if line[:1] not in ("#", "") and (found := SAMPLE.fullmatch(line)):
                labels = tuple(sorted(LABEL.findall(found[2] or "")))
                self.values[found[1]][labels] = float(found[3])

    @classmethod
    def read(cls, admin: str) -> "Metrics":
        with urllib.request.urlopen(f"http://{admin}/metrics", timeout=30) as answer:
            return cls(answer.read().decode())

    def sum(self, name: str, **labels: str) -> int:
        """Of all samples with these labels."""
        wanted = set(labels.items())
        return int(sum(value for found, value in self.values[name].items() if wanted <= set(found)))

    def by(self, name: str, *labels: str) -> dict[tuple, int]:
        """Those that are not zero, by the values of these labels."""
        sums = collections.Counter()
        for found, value in self.values[name].items():
            of = dict(found)
            sums[tuple(of.get(label, "") for label in labels)] += int(value)
        return {key: value for key, value in sums.items() if value}
