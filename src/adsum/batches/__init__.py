"""Batches: the attendance of one class, in one session, on one learning date, from the request to its completion.

The life of a batch, with the function of each step and the reason why it is safe:

1. Validate: `validate.check_submissions` finds every violation. Nothing is written before.
2. Accept: `Acceptance.accept` inserts an open run with its plan. A unique index allows one open run per batch, and the
   fence of the session refuses a run whose state has changed since it was read. The commit is the promise to the
   client.
3. Claim: `QueueService.enqueue` takes the lock, the counter and the tickets of the run in one script. A second claim of
   the same run changes nothing. Another run's lock stays, unless the database says that this run has ended.
4. Enqueue: `Enqueuer.enqueue_after_commit` sends the chunks. Their ids are deterministic, so that BullMQ drops a
   resend. If Redis is unavailable, the run waits in the database for step 9.
5. Process: `AttendanceProcessor.process` records the jobs of open runs. An outcome is computed from the rows, not from
   a delivery, so that a chunk may be delivered twice, late or in parts.
6. Settle: `Ledger.settle_all` removes the tickets of the jobs that have an outcome. Each ticket is counted once.
7. Complete: `Completion.complete` closes the run by one conditional UPDATE, which one caller wins. Where one statement
   records all jobs of a run, the same statement closes it: `jobs.record_jobs`.
8. Release: `Ledger.release_all` removes the lock by compare and delete, after the commit of step 7. So the completion
   marker implies the closed run.
9. Sweep: `Sweeper.sweep` repeats steps 3 to 8 for every open run that has stalled. It needs only the database, so that
   Redis may be lost at any moment.

Fifteen files to read, in this order: `service`, `submission`, `validate`, `accept`, `run`, `rules`,
`repository/submissions`, `repository/runs`, `repository/jobs` (statements in `sql/`), `enqueue`, `queue/service`,
`queue/ledger`, `process`, `complete`, `sweep`. `queue/chunks` and `queue/worker` connect them to BullMQ.
"""
