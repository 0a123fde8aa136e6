"""Webhooks: deliver events to endpoints of other systems, in the form of Standard Webhooks.

The life of a delivery:

1. Dispatch: `Dispatch.run` matches new events with the filters of the webhooks several times a second. Each webhook
   that has something to deliver, a new event, a retry whose time has come, or a replay, gets one message in a queue of
   its own, whose id is that of the webhook. So a backlog of a million events is one message, and what Redis loses is
   added again.
2. Deliver: the worker that takes the message calls `Deliveries.deliver`. It reads the next events, signs each and sends
   it, in their order unless that is switched off. New events go first, then retries, then a part of a replay.
3. Store: one transaction adds the attempts to the log and moves the position. A process that dies before it sends the
   same events again: they are delivered at least once, each time with the same `webhook-id`.
4. Retry: after a failure the webhook pauses, longer each time, for three days. Then it is disabled, as it is at once
   after the answer 410.

A webhook also stops when the API key has ended that has set its URL, and goes on once somebody takes it over.

Receivers do not wait for each other: each webhook has a message, a position and a pause of its own.
"""
