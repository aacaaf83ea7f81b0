"""Agreement: what two operators said of the same drawings, and how often each of them was wrong."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from predictions.admin import show
from predictions.admin.base import ReadOnlyAdmin
from predictions.models import REJECTED, Prediction, SecondOpinion


class Record(NamedTuple):
    """How an operator did where the truth is settled: of drawings that the lot chose, and of others."""

    name: str
    drawn: int
    wrong: int
    others: int
    others_wrong: int


def cohens_kappa(pairs: Iterable[tuple[int, int]]) -> float | None:
    """Agreement beyond chance: J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and
    Psychological Measurement 20 (1960). None where chance alone would agree, or without any pair."""
    counts = Counter(pairs)
    total, agreed = counts.total(), sum(n for (first, second), n in counts.items() if first == second)
    firsts, seconds = Counter[int](), Counter[int]()
    for (first, second), n in counts.items():
        firsts[first] += n
        seconds[second] += n
    by_chance = sum(firsts[word] * seconds[word] for word in firsts)
    return (total * agreed - by_chance) / (total * total - by_chance) if total * total > by_chance else None


def records(opinions: Iterable[SecondOpinion]) -> list[Record]:
    """Of every operator. Two who err alike count as right: nobody can know."""
    tally: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for opinion in opinions:
        if (truth := opinion.truth) is None:
            continue
        for operator, word in ((opinion.first_by, opinion.first_label), (opinion.by, opinion.label)):
            place = 0 if opinion.drawn else 2
            tally[str(operator)][place] += 1
            tally[str(operator)][place + 1] += word != truth
    return [Record(name, *counts) for name, counts in sorted(tally.items())]


@admin.register(SecondOpinion)
class SecondOpinionAdmin(ReadOnlyAdmin):
    """The differences that nobody has decided yet, below how well operators agree."""

    list_before_template = "predictions/agreement.html"
    list_display = ["picture", "shown_read", "said_first", "said_then", "drawn", "at"]
    list_display_links = None
    actions = ["follow_first", "follow_second"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SecondOpinion]:
        rows: QuerySet[SecondOpinion] = SecondOpinion.objects.all().open()
        return rows.select_related("prediction", "first_by", "by").defer(*BLOBS)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("predictions.change_prediction")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ANN401
        opinions = list(
            SecondOpinion.objects.select_related("prediction", "first_by", "by").defer(*BLOBS, *INPUT)
        )
        drawn = [(opinion.first_label, opinion.label) for opinion in opinions if opinion.drawn]
        context = {
            "title": "Agreement between operators",
            "pairs": len(drawn),
            "agreed": sum(first == second for first, second in drawn),
            "kappa": cohens_kappa(drawn),
            "records": records(opinions),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    @display(description="Drawing")
    def picture(self, opinion: SecondOpinion) -> str:
        return show.thumbnail(opinion.prediction)

    @display(description="Read")
    def shown_read(self, opinion: SecondOpinion) -> str:
        return str(opinion.prediction)

    @display(description="First said")
    def said_first(self, opinion: SecondOpinion) -> str:
        return f"{opinion.get_first_label_display()} ({opinion.first_by})"

    @display(description="Then said")
    def said_then(self, opinion: SecondOpinion) -> str:
        return f"{opinion.get_label_display()} ({opinion.by})"

    @admin.action(description="The first is right", permissions=["decide"])
    def follow_first(self, request: HttpRequest, queryset: QuerySet[SecondOpinion]) -> None:
        self.decide(request, [(opinion.prediction, opinion.first_label) for opinion in queryset])

    @admin.action(description="The second is right", permissions=["decide"])
    def follow_second(self, request: HttpRequest, queryset: QuerySet[SecondOpinion]) -> None:
        self.decide(request, [(opinion.prediction, opinion.label) for opinion in queryset])

    def decide(self, request: HttpRequest, decisions: list[tuple[Prediction, int]]) -> None:
        done = 0
        for row, said in decisions:
            unchanged = Prediction.objects.filter(pk=row.pk, row_version=row.row_version)
            decision = ("rejected", None) if said == REJECTED else ("accepted", said)
            done += unchanged.review(request.user, *decision)
        self.message_user(
            request,
            f"{show.number(done)} of {show.number(len(decisions))} drawings decided.",
            messages.SUCCESS,
        )


BLOBS = ("prediction__image", "prediction__strokes")
INPUT = ("prediction__input", "prediction__probabilities")
