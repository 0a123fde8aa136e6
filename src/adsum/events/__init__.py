"""Events: what happened in Adsum, in order, for other systems.

The life of an event:

1. Write: the transaction in which something happens inserts a row into `new_events` (`write_events`, or a statement of
   its own such as `batches/sql/record_jobs`). So no event is lost, and none tells of what was rolled back.
2. Number: `EventNumbering.number` moves committed rows from `new_events` to `events` and gives them their ids. One
   transaction at a time does so, which the lock of `event_log` ensures. So an id becomes visible only after all smaller
   ids, and a cursor skips nothing, also while transactions commit out of order.
3. Read: `EventFeed.page` returns the events after a cursor. An event about a run has no data of its own:
   `run_data` makes them of the run, which never changes once it has ended.
4. Prune: `EventPruning` deletes events after `ADSUM_KEEP_EVENTS_DAYS`. `event_log.pruned_id` makes the feed refuse an
   older cursor instead of skipping what was deleted.

`announcements` writes events that no request causes: registers that are taken or late, absences that nobody has
explained. Webhooks (`events/webhooks`) deliver the events to endpoints of other systems. `health` is the state of both
for the doctor and for `metrics`.
"""
