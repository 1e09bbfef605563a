"""How a value looks: its unit, its colour, and the word for it.

Red is for what is bad, orange for what deserves a look, green for what can be good or bad and is good. What raises an
alert of severity info is orange at the most. A figure that is neither has the colour of the text. A figure that is
missing is "no figure" in the colour of the text, never 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

GOOD, ATTENTION, BAD, NEUTRAL = "green", "orange", "red", "text"

NO_FIGURE = "no figure"


@dataclass(frozen=True, slots=True)
class Look:
    """How the values of one kind look.

    Attributes:
        unit: Grafana's id of the unit.
        steps: colours of ranges, each with the value at which it begins; the first begins at minus infinity.
        words: text and colour of single values.
        most: the largest possible value, where there is one.
    """

    unit: str
    steps: Sequence[tuple[float | None, str]] = ((None, NEUTRAL),)
    words: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    most: float | None = None

    def mappings(self) -> list[model.ValueMapping]:
        """The words as Grafana has them, and the one for a missing value."""
        missing = model.DashboardSpecialValueMapOptions(
            match=model.SpecialValueMatch.NULL_AND_NAN,
            result=model.ValueMappingResult(text=NO_FIGURE, color=NEUTRAL, index=0),
        )
        words = {
            str(value): model.ValueMappingResult(text=text, color=color, index=index)
            for index, (value, (text, color)) in enumerate(self.words.items(), start=1)
        }
        named: list[model.ValueMapping] = [model.ValueMap(options=words)] if words else []
        return [model.SpecialValueMap(options=missing), *named]

    def thresholds(self) -> build.ThresholdsConfig:
        """The steps as Grafana has them."""
        steps = [model.Threshold(value, color) for value, color in self.steps]
        return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)

    def properties(self) -> list[model.DynamicConfigValue]:
        """The same for one series or one column of a table."""
        properties: dict[str, object] = {
            "unit": self.unit,
            "mappings": self.mappings(),
            "thresholds": self.thresholds().build(),
            "color": model.FieldColor(mode=model.FieldColorModeId.THRESHOLDS),
        }
        return [model.DynamicConfigValue(id_val=name, value=value) for name, value in properties.items()]


COUNT = Look(units.Short)
BYTES = Look(units.BytesIEC)
BANDWIDTH = Look("Bps")
SECONDS = Look(units.Seconds)
RATE = Look("ops")
SHARE = Look(units.PercentUnit, most=1)

AT_LEAST_ONE = Look(units.Short, ((None, BAD), (1, NEUTRAL)))
FREE = Look(units.Short, ((None, BAD), (1, GOOD)))
WAITING = Look(units.Short, ((None, GOOD), (1, ATTENTION)))
PROBLEMS = Look(units.Short, ((None, GOOD), (1, BAD)))
SLOWDOWN = Look(units.PercentUnit, ((None, GOOD), (0.1, BAD)))
OVERRUNS = Look(units.PercentUnit, ((None, GOOD), (0.1, BAD)), most=1)
UNANSWERED = Look(units.Seconds, ((None, GOOD), (60, BAD)))

MONITORED = Look(units.Short, words={1: ("monitored", GOOD), 0: ("not monitored", BAD)})
AVAILABLE = Look(units.Short, words={1: ("available", GOOD), 0: ("not available", ATTENTION)})
REPORTING = Look(units.Short, words={1: ("reports", GOOD), 0: ("silent", BAD)})
CONNECTED = Look(units.Short, words={1: ("connected", GOOD), 0: ("not connected", BAD)})
VERDICT = Look(
    units.Short,
    words={
        0: ("Undisturbed", GOOD),
        1: ("TakingCache", ATTENTION),
        2: ("Likely", BAD),
        3: ("Confirmed", BAD),
    },
)
