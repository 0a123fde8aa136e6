-- Sets the newest event of the enabled webhooks that receive one of the events after :position up to :last_id.
-- A webhook that had nothing to deliver has received everything up to :position, since no event before it matched.
-- Locks: the webhooks that it changes, in any order: no other transaction locks several. The caller has locked the
-- position of the dispatcher, so that one transaction at a time does this.
UPDATE webhooks
SET newest_id = greatest(webhooks.newest_id, matching.id),
    position = CASE
        WHEN webhooks.newest_id <= webhooks.position THEN greatest(webhooks.position, :position)
        ELSE webhooks.position
    END
FROM (
    SELECT receivers.id AS webhook_id, max(kinds.id) AS id
    FROM webhooks AS receivers
    JOIN (
        SELECT type, school_id, max(id) AS id
        FROM events
        WHERE id > :position AND id <= :last_id
        GROUP BY type, school_id
    ) AS kinds
        ON (receivers.school_id IS NULL OR receivers.school_id = kinds.school_id)
        AND (receivers.event_types = '[]' OR receivers.event_types @> to_jsonb(kinds.type))
    WHERE receivers.disabled IS NULL AND receivers.deleted_at IS NULL
    GROUP BY receivers.id
) AS matching
WHERE webhooks.id = matching.webhook_id
