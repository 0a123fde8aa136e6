"""`/take/{classId}/{sessionId}/{day}/order`: the order of the students in the registers of the class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from adsum.platform.http.dependencies import provided
from adsum.platform.pages.page_visitor import own_form, reads_form
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.registers.order.rules import RegisterOrder, SortBy
from adsum.registers.order.service import RegisterOrders
from adsum.registers.pages import RequestedRegister, Taker

router = APIRouter(prefix="/take/{class_id}/{session_id}/{day}/order", include_in_schema=False, route_class=PageRoute)
OrdersService = Annotated[RegisterOrders, Depends(provided(RegisterOrders))]

# A field for each student of the largest batch.
MAX_FIELDS = 20_100
_SEAT = re.compile(r"seat-([0-9]{1,18})")
_PLACE = re.compile(r"[0-9]{1,6}")


@router.get("")
async def show_order(request: Request, batch: RequestedRegister, orders: OrdersService, visitor: Taker) -> Response:
    """The three orders, and the seats."""
    ordered = await orders.of_register(batch, visitor.caller)
    return site_of(request).page(request, "register_order.html", visitor=visitor, batch=batch, of=ordered)


@router.post("")
@reads_form
async def choose_order(request: Request, batch: RequestedRegister, orders: OrdersService, visitor: Taker) -> Response:
    """Chooses the order, and returns to the register."""
    async with own_form(request, max_fields=MAX_FIELDS) as form:
        fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    await orders.choose(batch, _order(fields), visitor.caller)
    register = request.url.path.removesuffix("/order")
    return RedirectResponse(register, HTTPStatus.SEE_OTHER)


def _order(fields: Mapping[str, str]) -> RegisterOrder:
    """The order that a form describes. Students without a number have no seat."""
    chosen = fields.get("sort_by", "")
    sort_by = SortBy(chosen) if chosen in set(SortBy) else SortBy.FAMILY_NAME
    places = [
        (int(value), int(found[1]))
        for name, value in fields.items()
        if (found := _SEAT.fullmatch(name)) and _PLACE.fullmatch(value.strip())
    ]
    return RegisterOrder(sort_by, tuple(student_id for _, student_id in sorted(places, key=lambda each: each[0])))
