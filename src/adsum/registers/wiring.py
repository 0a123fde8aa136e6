"""Builds the services of registers, and of the pages that show missing ones."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.absences.wiring import AbsenceServices
from adsum.attendance.wiring import AttendanceServices
from adsum.batches.page_data import BatchPageData
from adsum.batches.wiring import BatchServices
from adsum.platform.paging import PageRequest
from adsum.registers.day_roster import DayRosters
from adsum.registers.desk.page_data import DeskPageData
from adsum.registers.desk.service import DeskEntries
from adsum.registers.on_site.service import OnSite
from adsum.registers.order.service import RegisterOrders
from adsum.registers.overview.page_data import OverviewPageData, StoppedWebhooks
from adsum.registers.page_data import TodayPageData
from adsum.registers.reminders.service import Reminders
from adsum.registers.rules import RegisterFilters
from adsum.registers.service import Registers
from adsum.registers.sheets.service import RegisterSheets
from adsum.reports.wiring import ReportServices
from adsum.roster.wiring import RosterServices
from adsum.schools.wiring import SchoolServices
from adsum.servers import OpenServers


@dataclass(frozen=True)
class RegisterServices:
    """Registers of a day."""

    registers: Registers
    register_sheets: RegisterSheets
    register_orders: RegisterOrders
    reminders: Reminders
    desk: DeskEntries
    on_site: OnSite
    day_rosters: DayRosters
    today_page_data: TodayPageData


@dataclass(frozen=True)
class RegisterPageServices:
    """The data of pages about registers, of many features."""

    desk_page_data: DeskPageData
    overview_page_data: OverviewPageData
    batch_page_data: BatchPageData


def register_services(
    on: OpenServers,
    schools: SchoolServices,
    attendance: AttendanceServices,
    absences: AbsenceServices,
    batches: BatchServices,
) -> RegisterServices:
    """The services of registers on open servers."""
    registers = Registers(on.database, on.now)
    return RegisterServices(
        registers=registers,
        register_sheets=RegisterSheets(on.database, batches.attendances, attendance.corrections, on.now),
        register_orders=RegisterOrders(on.database, on.now),
        reminders=Reminders(on.database, on.now),
        desk=DeskEntries(on.database, batches.attendances, absences.absences, batches.undo, on.now),
        on_site=OnSite(on.database, on.now),
        day_rosters=DayRosters(on.database, on.now),
        today_page_data=TodayPageData(schools.schools, registers, attendance.statuses, on.now),
    )


def register_page_services(
    registers: RegisterServices,
    *,
    schools: SchoolServices,
    roster: RosterServices,
    attendance: AttendanceServices,
    absences: AbsenceServices,
    batches: BatchServices,
    reports: ReportServices,
    stopped_webhooks: StoppedWebhooks,
) -> RegisterPageServices:
    """The data of the pages, from services of these features."""
    statuses, naming = attendance.statuses, roster.naming
    return RegisterPageServices(
        desk_page_data=DeskPageData(registers.desk, roster.directory, roster.search, statuses, naming),
        overview_page_data=OverviewPageData(
            registers=registers.registers,
            on_site=registers.on_site,
            reports=reports.reports,
            unexplained=reports.unexplained_page_data,
            contacts=absences.contacts,
            disputed_marks=attendance.disputed_marks,
            batches=batches.batches,
            statuses=statuses,
            naming=naming,
            calendar=schools.school_calendar,
            stopped_webhooks=stopped_webhooks,
        ),
        batch_page_data=BatchPageData(
            *(batches.attendances, batches.batches, batches.timeline, batches.activity),
            directory=roster.directory,
            naming=naming,
            statuses=statuses,
            missing_registers=lambda caller, limit: registers.registers.page(
                caller, RegisterFilters(), PageRequest(limit=limit)
            ),
        ),
    )
