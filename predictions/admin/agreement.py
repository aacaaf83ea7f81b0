"""Agreement: what two operators said of the same drawings, and how often each of them was wrong."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.core.exceptions import BadRequest
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from unfold.decorators import display

from predictions.admin import as_of, show
from predictions.admin.as_of import AsOfForm
from predictions.admin.base import ReadOnlyAdmin
from predictions.models import BLOBS_OF_PREDICTION, REJECTED, Prediction, SecondOpinion
from predictions.models.second_opinion import TRUTH


class Record(NamedTuple):
    """How an operator did where the truth is settled: of drawings that the lot chose, and of others."""

    name: str
    drawn: int
    wrong: int
    others: int
    others_wrong: int


def cohens_kappa(counts: Mapping[tuple[int, int], int]) -> float | None:
    """Agreement beyond chance: J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and
    Psychological Measurement 20 (1960). None where chance alone would agree, or without any pair."""
    total, agreed = sum(counts.values()), alike(counts)
    firsts, seconds = Counter[int](), Counter[int]()
    for (first, second), n in counts.items():
        firsts[first] += n
        seconds[second] += n
    by_chance = sum(firsts[word] * seconds[word] for word in firsts)
    return (total * agreed - by_chance) / (total * total - by_chance) if total * total > by_chance else None


def alike(counts: Mapping[tuple[int, int], int]) -> int:
    return sum(n for (first, second), n in counts.items() if first == second)


def count_pairs() -> dict[tuple[int, int], int]:
    """How often two said what, of the drawings that the lot chose. The database counts: there may be many."""
    drawn = SecondOpinion.objects.filter(drawn=True).order_by()
    return {
        (first, second): n
        for first, second, n in drawn.values_list("first_label", "label").annotate(count=Count("pk"))
    }


def records() -> list[Record]:
    """Of every operator. Two who err alike count as right: nobody can know."""
    tally: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    settled = SecondOpinion.objects.annotate(truth=TRUTH).exclude(truth=None).order_by()
    for operator, said in (("first_by__username", "first_label"), ("by__username", "label")):
        is_wrong = ~Q(truth=F(said))
        counts = settled.values_list(operator, "drawn").annotate(
            count=Count("pk"), wrong=Count("pk", filter=is_wrong)
        )
        for name, drawn, count, wrong in counts:
            place = 0 if drawn else 2
            tally[name][place] += count
            tally[name][place + 1] += wrong
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
        return rows.select_related("prediction", "first_by", "by").defer(*BLOBS_OF_PREDICTION)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("predictions.change_prediction")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ANN401
        counts = count_pairs()
        context = {
            "as_of": as_of.now(),
            "title": "Agreement between operators",
            "pairs": sum(counts.values()),
            "agreed": alike(counts),
            "kappa": cohens_kappa(counts),
            "records": records(),
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
        self.decide(request, queryset, lambda opinion: opinion.first_label)

    @admin.action(description="The second is right", permissions=["decide"])
    def follow_second(self, request: HttpRequest, queryset: QuerySet[SecondOpinion]) -> None:
        self.decide(request, queryset, lambda opinion: opinion.label)

    def decide(
        self,
        request: HttpRequest,
        queryset: QuerySet[SecondOpinion],
        right: Callable[[SecondOpinion], int],
    ) -> None:
        """An opinion that was given after the page was shown may say something else than the one there."""
        form, asked, done = AsOfForm(request.POST), queryset.count(), 0
        if not form.is_valid():
            raise BadRequest("It is not said when the page was shown.")
        for opinion in queryset.filter(at__lte=form.cleaned_data["as_of"]):
            row, said = opinion.prediction, right(opinion)
            unchanged = Prediction.objects.filter(pk=row.pk, row_version=row.row_version)
            decision = ("rejected", None) if said == REJECTED else ("accepted", said)
            done += unchanged.review(request.user, *decision)
        message = f"{show.number(done)} of {show.number(asked)} drawing{pluralize(asked)} decided."
        self.message_user(request, message, messages.SUCCESS)
