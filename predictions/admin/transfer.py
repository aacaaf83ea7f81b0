"""Export and import, in the admin."""

import io
import threading
from collections.abc import Callable, Generator, Iterator

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe
from unfold.widgets import UnfoldAdminFileFieldWidget

from predictions.admin import as_of
from predictions.admin.as_of import AsOfForm
from predictions.admin.base import MixinBase
from predictions.api.errors import ApiError, error
from predictions.api.keys import check_key
from predictions.transfer.export import streamed
from predictions.transfer.formats import FORMATS
from predictions.transfer.label_import import Plan, import_labels

SHOWN = 100
SECONDS_TO_RETRY = 30
# An export holds a thread for as long as its client takes.
exporting = threading.Lock()


class BusyError(Exception):
    """This process makes another export already."""


def one_at_a_time(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Raises BusyError, when the first piece is asked for."""
    if not exporting.acquire(blocking=False):
        raise BusyError("Another export is being made; please try again when it is done.")
    try:
        yield from pieces
    finally:
        exporting.release()


class Pieces:
    """An export that has begun, so that a database that is away is answered with 503. Django closes it,
    whether the client has waited for its end or not."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.first, self.rest = next(pieces, b""), pieces

    def __iter__(self) -> Iterator[bytes]:
        yield self.first
        yield from self.rest

    def close(self) -> None:
        if isinstance(self.rest, Generator):
            self.rest.close()


class ImportForm(AsOfForm):
    file = forms.FileField(
        label_suffix="",
        help_text="CSV with the columns id and true_label (0 to 9, 10 for not a digit).",
        widget=UnfoldAdminFileFieldWidget,
    )

    def text(self) -> io.StringIO:
        """Raises UnicodeDecodeError."""
        return io.StringIO(self.cleaned_data["file"].read().decode("utf-8-sig"), newline="")


class TransferViews(MixinBase):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("transfer/", view(self.transfer_page), name="predictions_prediction_transfer"),
            path(
                "export/<str:name>/",
                self.for_keys_too(require_safe(self.export_view)),
                name="predictions_prediction_export",
            ),
            *super().get_urls(),
        ]

    def for_keys_too(self, view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        """A machine has a key, and no session; a browser never sends this header by itself."""

        def let_in(request: HttpRequest, name: str) -> HttpResponseBase:
            if "Authorization" not in request.headers:
                return self.admin_site.admin_view(view)(request, name)
            try:
                request.api_key = check_key(request, "export")  # type: ignore[attr-defined]
            except ApiError as refused:
                return error(refused.status, refused.code, str(refused))
            return view(request, name)

        return let_in

    def export_view(self, request: HttpRequest, name: str) -> HttpResponseBase:
        has_key = hasattr(request, "api_key")
        if not has_key and not request.user.has_perm("predictions.export_prediction"):
            raise PermissionDenied
        if name not in FORMATS:
            raise Http404
        filename, parts = FORMATS[name]
        try:
            pieces = Pieces(iter([b""]) if request.method == "HEAD" else one_at_a_time(streamed(parts)))
        except BusyError as busy:
            return HttpResponse(str(busy), status=503, headers={"Retry-After": SECONDS_TO_RETRY})
        answer = StreamingHttpResponse(pieces, content_type="application/octet-stream")
        answer["Content-Disposition"] = f'attachment; filename="{filename}"'
        return answer

    def transfer_page(self, request: HttpRequest) -> HttpResponse:
        """Links to the exports; the import, tried first by its dry run."""
        may_export = request.user.has_perm("predictions.export_prediction")
        may_import = self.has_change_permission(request)
        if not may_export and not may_import:
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None, initial={"as_of": as_of.now()})
        plan = None
        if may_import and request.method == "POST" and form.is_valid():
            shown_from_now_on = ImportForm(initial={"as_of": as_of.now()})
            plan = self.import_file(request, form)
            if plan and not plan.errors and "import" in request.POST:
                return redirect("admin:predictions_prediction_transfer")
            form = shown_from_now_on if plan else form
        context = {**self.admin_site.each_context(request), "title": "Export and import"}
        context |= {"form": form, "plan": plan, "may_export": may_export, "may_import": may_import}
        if plan:
            context |= {"changes": plan.changes[:SHOWN], "errors": plan.errors[:SHOWN]}
        return render(request, "predictions/transfer.html", context)

    def import_file(self, request: HttpRequest, form: ImportForm) -> Plan | None:
        """Import the file, or, unless that was asked for, show what it would change."""
        try:
            shown_at, dry_run = form.cleaned_data["as_of"], "import" not in request.POST
            plan = import_labels(form.text(), request.user, dry_run=dry_run, as_of=shown_at)
        except UnicodeDecodeError:
            form.add_error("file", "This is not a text file in UTF-8.")
            return None
        if not plan.errors and "import" in request.POST:
            count = len(plan.changes)
            said = f"{count:,} prediction{pluralize(count)} accepted."
            self.message_user(request, said, messages.SUCCESS)
        return plan
