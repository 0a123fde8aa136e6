"""Builds the services of operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from adsum.absences.apply import DueAbsences
from adsum.accounts.api_keys.service import ApiKeys
from adsum.accounts.audit.chain import ChainKeys
from adsum.accounts.audit.sealing import Sealing
from adsum.accounts.audit.verification import Verifier
from adsum.accounts.sign_ins.abandoned import AbandonedSignIns
from adsum.batches.activity.metrics import BatchMetrics
from adsum.batches.queue.service import QueueService
from adsum.batches.sweep import Chore
from adsum.events.health import HealthOfEvents
from adsum.operations.audit.page_data import AuditPageData
from adsum.operations.audit.service import AuditLog
from adsum.operations.key_warnings import KeyWarnings
from adsum.operations.metrics import Metrics, RunMetrics
from adsum.operations.pruning import AuditPruning, EndedSignIns, LogTruncation, Pruning
from adsum.operations.readiness import Readiness
from adsum.operations.scrape import Scrape
from adsum.operations.setup.service import SchoolSetup
from adsum.platform.database.standby import Standby
from adsum.platform.redis.rates import Quotas, RateLimits
from adsum.roster.wiring import RosterServices
from adsum.schools.service import Schools
from adsum.servers import OpenServers


@dataclass(frozen=True)
class OperationServices:
    """Readiness, metrics, limits, the audit log, and the chores of the sweeper that leads."""

    school_setup: SchoolSetup
    metrics: Metrics
    rate_limits: RateLimits
    batch_metrics: BatchMetrics
    readiness: Readiness
    run_metrics: RunMetrics
    scrape: Scrape
    audit_log: AuditLog
    audit_page_data: AuditPageData
    verifier: Verifier
    chores: Sequence[Chore]


def operation_services(
    on: OpenServers,
    *,
    metrics: Metrics,
    standby: Standby | None,
    api_keys: ApiKeys,
    schools: Schools,
    roster: RosterServices,
    queue: QueueService,
    chores_of_privacy: Sequence[Chore],
) -> OperationServices:
    """The services of operations on open servers."""
    chain_keys = ChainKeys(on.keys)
    audit_log, verifier = AuditLog(on.database, on.reader), Verifier(on.database, chain_keys, on.now)
    if on.tracing is not None:
        on.tracing.report_dropped_to(metrics.count_dropped_spans)
    readiness = Readiness(on.database, queue.ping, queue.depth, on.now, standby)
    run_metrics = RunMetrics(on.database, metrics, on.now)
    return OperationServices(
        school_setup=SchoolSetup(on.database, on.now),
        metrics=metrics,
        rate_limits=on.close_at_end(_rate_limits(on, metrics)),
        batch_metrics=metrics.batches,
        readiness=readiness,
        run_metrics=run_metrics,
        scrape=Scrape(metrics, run_metrics, readiness, api_keys, HealthOfEvents(on.database, on.now), standby),
        audit_log=audit_log,
        audit_page_data=AuditPageData(
            *(audit_log, verifier, roster.naming, roster.people, roster.directory), api_keys=api_keys, schools=schools
        ),
        verifier=verifier,
        chores=[*_chores(on, chain_keys, api_keys), *chores_of_privacy],
    )


def _chores(on: OpenServers, chain_keys: ChainKeys, api_keys: ApiKeys) -> list[Chore]:
    chores: list[Chore] = [
        Sealing(on.database, chain_keys).seal,
        DueAbsences(on.database, on.now).apply,
        KeyWarnings(api_keys, on.now).log_if_due,
        EndedSignIns(on.database, on.now).prune_if_due,
        AbandonedSignIns(on.database, on.now).record,
        LogTruncation(on.database, on.now).truncate_if_due,
    ]
    if keep := timedelta(days=on.settings.keep_runs_days):
        chores.append(Pruning(on.database, on.now, keep=keep).prune_if_due)
    if years := on.settings.keep_audit_years:
        chores.append(AuditPruning(on.database, chain_keys, on.now, years).prune_if_due)
    return chores


def _rate_limits(on: OpenServers, metrics: Metrics) -> RateLimits:
    settings = on.settings
    quotas = Quotas(
        key=settings.rate_limit_key,
        user=settings.rate_limit_user,
        address=settings.rate_limit_address,
        costly=settings.rate_limit_costly,
    )
    return RateLimits(on.shards.home, quotas, count_exceeded=metrics.count_rate_limited)
